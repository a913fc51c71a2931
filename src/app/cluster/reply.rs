//! The right to answer another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::cluster::{Answer, Extent, Membership, Response};
use crate::shard::Shared;

/// The right to answer a request of another server, which counts on it. If it is dropped without an answer, as when the server
/// stops, a kinglet is told that this server has more than it gives. A Node server is not: it would take that for all, where its
/// time-out tells it the truth.
pub(super) struct Reply {
    shared: Arc<Shared>,
    namespace: Box<str>,
    /// The uid of the server that asks. Emitters have none.
    uid: Option<Box<str>>,
    request_id: Box<str>,
    /// The answer that says nothing.
    none: Answer,
    answered: AtomicBool,
}

impl Reply {
    pub(super) fn new(
        shared: &Arc<Shared>,
        namespace: &str,
        uid: Option<&str>,
        request_id: Box<str>,
        none: Answer,
    ) -> Self {
        let (shared, uid) = (Arc::clone(shared), uid.map(Into::into));
        Self { shared, namespace: namespace.into(), uid, request_id, none, answered: AtomicBool::new(false) }
    }

    /// Answers, or says more. If that is more than can be sent, a kinglet is told so.
    pub(super) fn send(&self, answer: Answer) {
        if !self.respond(answer, Extent::Whole) {
            self.tell_kinglet();
        }
    }

    /// Says whether what it answers can be sent.
    fn respond(&self, answer: Answer, extent: Extent) -> bool {
        self.answered.store(true, Relaxed);
        let response = Response { request_id: self.request_id.clone(), answer, extent };
        let cluster = self.shared.cluster.as_ref();
        cluster.is_none_or(|cluster| cluster.respond(&self.namespace, self.uid.as_deref(), response))
    }

    /// Tells a kinglet that there is more than it is given.
    fn tell_kinglet(&self) {
        if self.uid.as_deref().is_some_and(Membership::is_kinglet) {
            self.respond(self.none.clone(), Extent::Part);
        }
    }

    /// Answers that there is nothing.
    pub(super) fn send_none(self) {
        self.send(self.none.clone());
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered.load(Relaxed) {
            self.tell_kinglet();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Handlers;
    use crate::config::{Config, Limits, RedisSecurity, RedisServer};
    use crate::shard::Budget;

    /// Whether something is published when the right to answer the server that is `uid` is used so.
    fn tells(uid: Option<&str>, act: impl FnOnce(Reply)) -> bool {
        let redis = Some(RedisServer::new("127.0.0.1", 9, RedisSecurity::Plain));
        let limits = Limits { redis_message: 1000, ..Limits::default() };
        let config = Config { redis, limits, ..Config::default() };
        let cluster = Membership::start(&config, [], |_| (), |_| ()).unwrap();
        let budget =
            Budget { memory: None, max_connections: 1, queued_per_client: 1, queued: 1, kept: 1, unfinished: 1 };
        let shared = Shared::new(config, [0; 3], Arc::new(Handlers::default()), cluster, Vec::new(), budget);
        let shared = Arc::new(shared);
        act(Reply::new(&shared, "/", uid, "request".into(), Answer::Rooms(Vec::new())));
        shared.cluster.as_ref().unwrap().metrics().redis.queued_bytes > 0
    }

    #[test]
    fn a_kinglet_is_told_of_an_answer_that_does_not_come_and_a_node_server_is_not() {
        assert!(tells(Some("9y1JGY~"), drop));
        assert!(!tells(Some("9y1JGY"), drop) && !tells(None, drop));
    }

    #[test]
    fn a_kinglet_is_told_of_an_answer_that_is_too_long_and_a_node_server_is_not() {
        let long = |reply: Reply| reply.send(Answer::Rooms(vec!["r".repeat(1000).into()]));
        assert!(tells(Some("9y1JGY~"), long));
        assert!(!tells(Some("9y1JGY"), long));
        assert!(tells(Some("9y1JGY"), |reply| reply.send_none()));
    }
}
