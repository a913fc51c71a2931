//! Questions to the other servers: asked, counted, and answered until the asker has enough.

use std::sync::Arc;
use std::time::Duration;

use log::Level;

use super::adapter::{Adapter, Outgoing, Sender};
use super::id::ClusterId;
use super::listening::{Asking, Listener, Listening, Wants};
use super::membership::{Membership, unpublishable};
use super::message::{Answer, Ask, Extent};
use super::places::{Census, Place};
use super::redis::{AskError, Connection, Uncounted};
use crate::clock;
use crate::log_line::{Excerpt, LineKind};

static UNCOUNTED: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "counts that Redis refused");

impl<A: Adapter> Membership<A> {
    /// A new question. `listener` hears its answers from now on until it is [forgotten](Self::forget), as far as the
    /// subscriptions of its place are in effect: see [`when_in_effect`](Self::when_in_effect).
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn listen(&self, namespace: &str, listener: Listener) -> Result<Asking<A>, getrandom::Error> {
        let id: Box<str> = (*ClusterId::random()?).into();
        let place = self.member_place(namespace).unwrap_or_else(|| self.visit(namespace));
        let listening = Listening { listener, place: Arc::clone(&place) };
        self.listeners().insert(id.clone(), listening);
        Ok(Asking { id, place })
    }

    /// The place of a guest, for one question.
    fn visit(&self, namespace: &str) -> Arc<Place<A>> {
        let mut places = self.places_mut();
        let (place, topics) = places.visit(self.format(), namespace, &self.guest, &self.uid);
        self.redis.subscribe_if_allowed(topics);
        place
    }

    /// Ends a question: no more answers are wanted.
    pub(crate) fn forget(&self, id: &str) {
        // Dropped after unlocking, because a part of it is the program's.
        let listening = self.listeners().remove(id);
        if let Some(Listening { place, .. }) = listening.as_ref().filter(|listening| !listening.place.is_member()) {
            let mut places = self.places_mut();
            let left = places.part(&place.namespace).map(|(left, topics)| {
                self.redis.unsubscribe(topics);
                left
            });
            drop(places);
            drop(left);
        }
    }

    /// Passes an answer to its asker, with the bytes that it takes. An answer to somebody else's question is ignored.
    pub(super) fn answered(&self, id: &str, answer: Answer, extent: Extent, bytes: usize) {
        let listener = self.listeners().get(id).map(|listening| Arc::clone(&listening.listener));
        if listener.is_some_and(|listener| listener(answer, extent, bytes) == Wants::NoMore) {
            self.forget(id);
        }
    }

    /// Asks the others, in order with other publications, and counts the servers that get the question. `receive` is
    /// called with the count on a thread of Redis's, or at once on this one: with `None` if there is no count, or if
    /// this server hears no answers. It hears them by `connection`.
    pub(crate) fn ask(
        &self,
        asking: &Asking<A>,
        ask: Ask,
        uncounted: Uncounted,
        connection: Option<Connection>,
        timeout: Duration,
        receive: impl FnOnce(Option<Census>) + Send + 'static,
    ) {
        let Asking { id, place } = asking;
        let from = Sender { uid: &place.uid, namespace: &place.namespace };
        let Outgoing { channel, message } = A::ask(&place.names, from, Some(id.clone()), ask);
        let encoded = self.encoded(&channel, message).inspect_err(|error| unpublishable(&channel, error));
        let Ok(Some(message)) = encoded else { return receive(None) };
        let receive = self.census(place, connection, receive);
        self.redis.publish_counted(channel.into_owned(), message, uncounted, place.counted(), timeout, receive);
    }

    /// Counts the others. `receive` as with [`ask`](Self::ask).
    pub(crate) fn count(
        &self,
        place: &Arc<Place<A>>,
        connection: Connection,
        timeout: Duration,
        receive: impl FnOnce(Option<Census>) + Send + 'static,
    ) {
        self.redis.count_all(place.counted(), timeout, self.census(place, Some(connection), receive));
    }

    /// Turns a count into a census.
    fn census(
        &self,
        place: &Arc<Place<A>>,
        connection: Option<Connection>,
        receive: impl FnOnce(Option<Census>) + Send + 'static,
    ) -> impl FnOnce(Result<Vec<u64>, AskError>) + Send + 'static {
        let (place, return_time, asked) = (Arc::clone(place), self.return_time, clock::now());
        move |counts| {
            let counts = counts.inspect_err(uncountable).ok();
            let census = counts.zip(connection);
            receive(census.and_then(|(counts, connection)| place.census(&counts, connection, asked, return_time)));
        }
    }
}

/// A missing Redis is logged elsewhere. A Redis that refuses is connected, so this log line is the only sign.
fn uncountable(error: &AskError) {
    let line = || {
        format!(
            "the servers cannot be counted (PUBSUB NUMSUB), so that no question to all has its full answer: {}",
            Excerpt(error)
        )
    };
    match error {
        AskError::Refused(_) => UNCOUNTED.write(line),
        _ => log::debug!("{}", line()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::cluster::membership::tests::{member, namespace_of};

    #[test]
    fn answers_go_to_who_asked_until_it_has_enough() {
        let member = member();
        let (sender, heard) = channel();
        let listener = |name: &'static str, wanted: usize| {
            let (sender, left) = (sender.clone(), AtomicUsize::new(wanted));
            Arc::new(move |_: Answer, _: Extent, _: usize| {
                sender.send(name).expect("the test listens");
                if left.fetch_sub(1, Relaxed) == 1 { Wants::NoMore } else { Wants::More }
            })
        };
        let twice = member.listen("/", listener("twice", 2)).expect("random numbers");
        let once = member.listen("/", listener("once", 1)).expect("random numbers");
        let given_up = member.listen("/", listener("given up", 9)).expect("random numbers");
        member.forget(&given_up.id);
        for id in ["nobody's", &twice.id, &once.id, &given_up.id, &once.id, &twice.id, &twice.id] {
            member.answered(id, Answer::Done, Extent::Whole, 0);
        }
        drop(sender);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["twice", "once", "twice"]);
        assert!(member.listeners().is_empty());
    }

    #[test]
    fn where_it_is_no_member_it_listens_as_a_guest_while_it_asks() {
        let member = member();
        let listener = || Arc::new(|_: Answer, _: Extent, _: usize| Wants::NoMore);
        let asking = member.listen("/elsewhere", listener()).expect("random numbers");
        assert!(!asking.place.is_member() && member.is_own(&asking.place.uid));
        let response = asking.place.names.own_response().to_owned();
        assert_eq!(namespace_of(&member, &response).as_deref(), Some("/elsewhere"));
        assert!(namespace_of(&member, asking.place.names.request()).is_none(), "nobody asks a guest");
        member.answered(&asking.id, Answer::Done, Extent::Whole, 0);
        assert!(namespace_of(&member, &response).is_none());
        member.enter("/");
        assert!(member.listen("/", listener()).expect("random numbers").place.is_member());
    }

    #[test]
    fn without_redis_the_others_cannot_be_counted() {
        let (sender, counted) = channel();
        let member = member();
        let connection = Connection::none();
        let receive = move |others| sender.send(others).expect("the test listens");
        member.count(&member.outlook("/"), connection, Duration::from_secs(3600), receive);
        assert_eq!(counted.recv(), Ok(None));
    }
}
