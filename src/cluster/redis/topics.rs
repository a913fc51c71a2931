//! The wanted subscriptions: any thread sets them, and the subscriber makes them, again after each reconnection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use crate::chance::RandomState;
use crate::clock;

/// Something to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One channel, by its name (`SUBSCRIBE`).
    Channel(Bytes),
    /// All channels whose names match a glob pattern (`PSUBSCRIBE`).
    Pattern(Bytes),
}

impl Topic {
    /// A channel.
    pub fn channel(name: impl Into<Bytes>) -> Self {
        Self::Channel(name.into())
    }

    /// A pattern.
    pub fn pattern(pattern: impl Into<Bytes>) -> Self {
        Self::Pattern(pattern.into())
    }

    pub(in crate::cluster) const fn name(&self) -> &Bytes {
        match self {
            Self::Channel(name) | Self::Pattern(name) => name,
        }
    }
}

/// A step from the present subscriptions to the wanted ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) verb: Verb,
    pub(super) topic: Topic,
    /// The wish to fulfil, or the withdrawn one.
    wish: Wish,
    order: u64,
}

impl Change {
    /// Distinguishes this wish from earlier and later ones for the same topic.
    pub(super) const fn ticket(&self) -> u64 {
        self.wish.ticket
    }

    pub(super) const fn demand(&self) -> Demand {
        self.wish.demand
    }

    /// Since when the subscription to end was in effect, if it was.
    pub(super) const fn since(&self) -> Option<Instant> {
        match self.wish.reply {
            Reply::Confirmed(since) => Some(since),
            Reply::None | Reply::Refused => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Subscribe,
    Unsubscribe,
}

/// A wanted subscription, and Redis's reply on the present connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    ticket: u64,
    demand: Demand,
    reply: Reply,
}

/// What a refusal by Redis means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// The connection is useless without it.
    Needed,
    /// The server does without it.
    Dispensable,
}

/// Redis's reply to a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    None,
    Confirmed(Instant),
    Refused,
}

/// The subscriber's connection to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The first is 1.
    pub(crate) number: u64,
    pub(crate) since: Instant,
    /// Whether this server was without Redis before: it had lost another connection, or failed to make this one.
    pub(crate) after_outage: bool,
}

impl Connection {
    /// A placeholder where no connection is needed.
    pub(crate) fn none() -> Self {
        Self { number: 0, since: clock::now(), after_outage: false }
    }
}

/// The wanted subscriptions, and the changes that the subscriber has yet to make.
#[derive(Debug, Default)]
pub(super) struct Topics(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    wanted: HashMap<Topic, Wish, RandomState>,
    /// Changes that Redis does not know yet, one for each topic: a wish and its opposite cancel out. They are kept only
    /// while there is a connection; a new connection begins with everything that is wanted.
    changes: Option<HashMap<Topic, Change, RandomState>>,
    /// Topics that were wanted again before Redis was told otherwise: they stay in effect.
    resumed: Vec<Topic>,
    connection: Option<Connection>,
    connections: u64,
    /// Whether a connection was ever missing when there should have been one.
    outage: bool,
    order: u64,
}

impl Topics {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants these topics, if they are not wanted already.
    pub(super) fn want(&self, topics: impl IntoIterator<Item = Topic>, demand: Demand) {
        let mut inner = self.inner();
        for topic in topics {
            if inner.wanted.contains_key(&topic) {
                continue;
            }
            if let Some(Change { wish, .. }) = inner.changes.as_mut().and_then(|changes| changes.remove(&topic)) {
                if matches!(wish.reply, Reply::Confirmed(_)) {
                    inner.resumed.push(topic.clone());
                }
                inner.wanted.insert(topic, Wish { demand, ..wish });
                continue;
            }
            let wish = Wish { ticket: inner.next(), demand, reply: Reply::None };
            inner.wanted.insert(topic.clone(), wish);
            inner.note(Verb::Subscribe, topic, wish);
        }
    }

    /// Wants these topics no longer.
    pub(super) fn unwant(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut inner = self.inner();
        for topic in topics {
            let Some(wish) = inner.wanted.remove(&topic) else { continue };
            let unsaid = inner.changes.as_mut().and_then(|changes| changes.remove(&topic));
            if unsaid.is_none() {
                inner.note(Verb::Unsubscribe, topic, wish);
            }
        }
    }

    /// Wants no topics any more.
    pub(super) fn unwant_all(&self) {
        let mut all: Vec<_> = self.inner().wanted.iter().map(|(topic, wish)| (wish.ticket, topic.clone())).collect();
        all.sort_unstable_by_key(|(ticket, _)| *ticket);
        self.unwant(all.into_iter().map(|(_, topic)| topic));
    }

    pub(super) fn is_wanted(&self, topic: &Topic) -> bool {
        self.inner().wanted.contains_key(topic)
    }

    /// Whether Redis knows all changes.
    pub(super) fn is_told(&self) -> bool {
        self.inner().changes.as_ref().is_none_or(HashMap::is_empty)
    }

    /// All wanted topics, for a new connection. From now on changes are kept.
    pub(super) fn begin(&self) -> Vec<Change> {
        let mut inner = self.inner();
        inner.connections += 1;
        inner.connection =
            Some(Connection { number: inner.connections, since: clock::now(), after_outage: inner.outage });
        inner.changes = Some(HashMap::default());
        let subscribe = |(topic, wish): (&Topic, &mut Wish)| {
            wish.reply = Reply::None;
            Change { verb: Verb::Subscribe, topic: topic.clone(), wish: *wish, order: wish.ticket }
        };
        let all = inner.wanted.iter_mut().map(subscribe).collect();
        drop(inner);
        in_order(all)
    }

    /// The changes since the last call, in order.
    pub(super) fn take(&self) -> Vec<Change> {
        let changes = self.inner().changes.as_mut().map(std::mem::take).unwrap_or_default();
        in_order(changes.into_values().collect())
    }

    /// The topics that are in effect again without telling Redis, since the last call.
    pub(super) fn resumed(&self) -> Vec<Topic> {
        std::mem::take(&mut self.inner().resumed)
    }

    /// The connection ended, or could not be made.
    pub(super) fn end(&self) {
        let mut inner = self.inner();
        inner.connection = None;
        inner.outage = true;
        inner.changes = None;
        inner.resumed.clear();
    }

    /// Redis has confirmed the subscription with this ticket. Returns whether it is still wanted.
    pub(super) fn confirm(&self, topic: &Topic, ticket: u64) -> bool {
        self.reply(topic, ticket, Reply::Confirmed(clock::now()))
    }

    /// Redis has refused it.
    pub(super) fn refuse(&self, topic: &Topic, ticket: u64) {
        self.reply(topic, ticket, Reply::Refused);
    }

    fn reply(&self, topic: &Topic, ticket: u64, reply: Reply) -> bool {
        let mut inner = self.inner();
        if let Some(wish) = inner.wanted.get_mut(topic).filter(|wish| wish.ticket == ticket) {
            wish.reply = reply;
            return true;
        }
        let withdrawn = inner.changes.as_mut().and_then(|changes| changes.get_mut(topic));
        if let Some(change) = withdrawn.filter(|change| change.wish.ticket == ticket) {
            change.wish.reply = reply;
        }
        false
    }

    /// The connection by which a subscription is in effect, and since when it is.
    pub(super) fn in_effect_since(&self, topic: &Topic) -> Option<(Connection, Instant)> {
        let inner = self.inner();
        match inner.wanted.get(topic)?.reply {
            Reply::Confirmed(since) => Some((inner.connection?, since)),
            Reply::Refused | Reply::None => None,
        }
    }

    /// The connection on which a subscription is in effect. `Err` if it is not, with the connection on which it may
    /// come into effect, unless Redis has refused it.
    pub(super) fn in_effect(&self, topic: &Topic) -> Result<Connection, Option<Connection>> {
        let inner = self.inner();
        let connection = inner.connection.ok_or(None)?;
        match inner.wanted.get(topic).map(|wish| wish.reply) {
            Some(Reply::Confirmed(_)) => Ok(connection),
            Some(Reply::Refused) => Err(None),
            Some(Reply::None) | None => Err(Some(connection)),
        }
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn note(&mut self, verb: Verb, topic: Topic, wish: Wish) {
        let order = self.next();
        if let Some(changes) = &mut self.changes {
            changes.insert(topic.clone(), Change { verb, topic, wish, order });
        }
    }
}

fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_unstable_by_key(|change| change.order);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(changes: Vec<Change>) -> Vec<(Verb, Bytes)> {
        changes.into_iter().map(|change| (change.verb, change.topic.name().clone())).collect()
    }

    fn a() -> [Topic; 1] {
        [Topic::channel("a")]
    }

    /// Whether it is in effect.
    fn stands(topics: &Topics) -> bool {
        topics.in_effect(&Topic::channel("a")).is_ok()
    }

    /// A connection on which `a` was asked for; the change that asked for it.
    fn asked() -> (Topics, Change) {
        let topics = Topics::default();
        topics.begin();
        topics.want(a(), Demand::Needed);
        let change = topics.take().remove(0);
        (topics, change)
    }

    #[test]
    fn a_new_connection_begins_with_all_that_is_wanted() {
        let topics = Topics::default();
        topics.want([Topic::channel("a"), Topic::pattern("b*"), Topic::channel("a")], Demand::Needed);
        topics.want([Topic::channel("c")], Demand::Needed);
        topics.unwant([Topic::channel("c"), Topic::channel("never")]);
        assert_eq!(topics.take(), []);
        assert_eq!(names(topics.begin()), [(Verb::Subscribe, "a".into()), (Verb::Subscribe, "b*".into())]);
        assert_eq!(topics.take(), []);
    }

    #[test]
    fn changes_are_told_in_their_order_while_there_is_a_connection() {
        let (topics, _) = asked();
        topics.want([Topic::channel("c"), Topic::channel("b")], Demand::Needed);
        topics.unwant(a());
        let [subscribe, unsubscribe] = [Verb::Subscribe, Verb::Unsubscribe];
        assert_eq!(names(topics.take()), [(subscribe, "c".into()), (subscribe, "b".into()), (unsubscribe, "a".into())]);
        topics.end();
        topics.want(a(), Demand::Needed);
        assert_eq!(topics.take(), []);
    }

    #[test]
    fn a_wish_and_its_contrary_undo_each_other_while_redis_knows_of_neither() {
        let (topics, change) = asked();
        for _ in 0..1000 {
            topics.want([Topic::channel("b")], Demand::Needed);
            topics.unwant([Topic::channel("b")]);
            topics.unwant(a());
            topics.want(a(), Demand::Needed);
        }
        assert_eq!(topics.take(), []);
        assert!(topics.confirm(&change.topic, change.ticket()), "the first wish still stands");
    }

    #[test]
    fn a_wish_that_was_withdrawn_in_vain_is_in_effect_as_it_was() {
        let (topics, change) = asked();
        topics.unwant(a());
        assert!(!topics.confirm(&change.topic, change.ticket()));
        assert!(!stands(&topics));
        topics.want(a(), Demand::Needed);
        assert!(stands(&topics));
        assert_eq!(topics.resumed(), a());
        assert_eq!((topics.take(), topics.resumed()), (vec![], vec![]));
    }

    #[test]
    fn a_wish_that_was_made_again_after_redis_was_told_otherwise_is_another() {
        let (topics, first) = asked();
        topics.unwant(a());
        topics.take();
        topics.want(a(), Demand::Needed);
        let second = topics.take().remove(0);
        assert!(!topics.confirm(&first.topic, first.ticket()));
        assert!(!stands(&topics));
        assert!(topics.confirm(&second.topic, second.ticket()));
        assert!(stands(&topics));
    }

    #[test]
    fn who_ends_a_subscription_knows_since_when_it_was_in_effect() {
        let (topics, change) = asked();
        let before = clock::now();
        topics.confirm(&change.topic, change.ticket());
        topics.want([Topic::channel("b")], Demand::Needed);
        topics.take();
        assert!(topics.is_told());
        topics.unwant_all();
        assert!(!topics.is_told() && !topics.is_wanted(&change.topic));
        let ends = topics.take();
        assert_eq!(names(ends.clone()), [(Verb::Unsubscribe, "a".into()), (Verb::Unsubscribe, "b".into())]);
        let since: Vec<_> = ends.iter().map(Change::since).collect();
        assert!(since[0].is_some_and(|since| since >= before) && since[1].is_none(), "{since:?}");
    }

    #[test]
    fn what_redis_refuses_is_not_waited_for_but_tried_again_on_a_new_connection() {
        let (topics, change) = asked();
        topics.refuse(&change.topic, change.ticket());
        assert_eq!(topics.in_effect(&change.topic), Err(None));
        topics.begin();
        assert!(topics.in_effect(&change.topic).is_err_and(|connection| connection.is_some()));
    }

    #[test]
    fn nothing_is_in_effect_on_a_new_connection_until_it_is_confirmed_there() {
        let (topics, change) = asked();
        topics.confirm(&change.topic, change.ticket());
        topics.end();
        assert_eq!(topics.in_effect(&change.topic), Err(None));
        let again = topics.begin().remove(0);
        let pending = topics.in_effect(&again.topic).unwrap_err();
        assert_eq!(pending.map(|connection| connection.number), Some(2));
        topics.confirm(&again.topic, again.ticket());
        assert_eq!(topics.in_effect(&again.topic).ok(), pending);
    }
}
