//! The right to answer another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::adapter::Adapter;
use super::membership::Membership;
use super::message::Answer;
use super::places::Place;

/// The right to answer a question of another server, which waits for the answer. If it is dropped without one, as at the
/// server's end, the asker is told that this server's answer is incomplete, if it understands that.
pub(crate) struct Reply<A: Adapter> {
    membership: Arc<Membership<A>>,
    place: Arc<Place<A>>,
    /// The asker's uid. Emitters have none.
    uid: Option<Box<str>>,
    to: A::ReplyTo,
    answered: AtomicBool,
}

impl<A: Adapter> Reply<A> {
    pub(super) fn new(
        membership: &Arc<Membership<A>>,
        place: &Arc<Place<A>>,
        uid: Option<Box<str>>,
        to: A::ReplyTo,
    ) -> Self {
        let (membership, place) = (Arc::clone(membership), Arc::clone(place));
        Self { membership, place, uid, to, answered: AtomicBool::new(false) }
    }

    /// Answers, or adds to the answer. If it is too long to be sent, the asker is told that the answer is incomplete.
    pub(crate) fn send(&self, answer: Answer) {
        self.answered.store(true, Relaxed);
        let format = self.membership.format();
        if !self.membership.respond(format.answer(&self.place.names, self.uid.as_deref(), &self.to, answer)) {
            self.tell_lacking();
        }
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.uid.as_deref().map_or(0, str::len) + A::bytes(&self.to)
    }

    /// Tells the asker that the answer is incomplete, if it understands that.
    fn tell_lacking(&self) {
        let format = self.membership.format();
        if let Some(message) = format.lacking(&self.place.names, self.uid.as_deref(), &self.to) {
            self.membership.respond(message);
        }
    }
}

impl<A: Adapter> Drop for Reply<A> {
    fn drop(&mut self) {
        if !self.answered.load(Relaxed) {
            self.tell_lacking();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::adapter::Message;
    use crate::cluster::classic::{Classic, Incoming};
    use crate::cluster::peers::OwnInstance;
    use crate::config::{Config, Limits, RedisSecurity, RedisServer};

    /// Whether something is published when `act` uses the right to answer this asker.
    fn tells(uid: &str, act: impl FnOnce(Reply<Classic>)) -> bool {
        let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
        let limits = Limits { redis_message: 1000, ..Limits::default() };
        let config = Config { redis, limits, ..Config::default() };
        let own = Arc::new(OwnInstance::draw().unwrap());
        let membership = Membership::start(&config, &own, ["/"], |_| (), |_| ()).unwrap().unwrap();
        let place = membership.member_place("/").unwrap();
        let request = format!(r#"{{{uid}"requestId":"request","type":1}}"#);
        let message = Classic::decode(Incoming::Request, "/", &request.into()).unwrap();
        let Message::Ask { uid, to: Some(to), .. } = message else { panic!("it asks for rooms") };
        act(Reply::new(&membership, &place, uid, to));
        membership.metrics().redis.queued_bytes > 0
    }

    const KINGLET: &str = r#""uid":"9y1JGY~","#;
    const NODE: &str = r#""uid":"9y1JGY","#;

    #[test]
    fn only_a_kinglet_is_told_of_a_missing_answer() {
        assert!(tells(KINGLET, drop));
        assert!(!tells(NODE, drop) && !tells("", drop));
    }

    #[test]
    fn only_a_kinglet_is_told_of_an_answer_that_is_too_long() {
        let long = |reply: Reply<_>| reply.send(Answer::Rooms(vec!["r".repeat(1000).into()]));
        assert!(tells(KINGLET, long));
        assert!(!tells(NODE, long));
        assert!(tells(NODE, |reply| reply.send(Answer::Rooms(Vec::new()))));
    }
}
