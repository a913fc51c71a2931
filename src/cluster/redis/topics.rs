//! What is to be subscribed to: said by any thread, done by the subscriber, again after each reconnection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Something to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One channel, by its name (`SUBSCRIBE`).
    Channel(Bytes),
    /// All channels whose names fit a glob pattern (`PSUBSCRIBE`).
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

    pub(super) const fn name(&self) -> &Bytes {
        match self {
            Self::Channel(name) | Self::Pattern(name) => name,
        }
    }
}

/// A step from what is subscribed to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) verb: Verb,
    pub(super) topic: Topic,
    /// Tells this wish from earlier and later ones for the same topic.
    pub(super) ticket: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Subscribe,
    Unsubscribe,
}

/// What is wanted, and the changes that the subscriber has yet to make.
#[derive(Debug, Default)]
pub(super) struct Topics(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    wanted: HashMap<Topic, u64>,
    /// Only kept while there is a connection: one that is made anew begins with all that is wanted.
    changes: Option<Vec<Change>>,
    ticket: u64,
}

impl Topics {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants these, if they are not wanted already.
    pub(super) fn want(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut inner = self.inner();
        for topic in topics {
            if inner.wanted.contains_key(&topic) {
                continue;
            }
            inner.ticket += 1;
            let ticket = inner.ticket;
            inner.wanted.insert(topic.clone(), ticket);
            inner.note(Verb::Subscribe, topic, ticket);
        }
    }

    /// Wants these no longer.
    pub(super) fn unwant(&self, topics: impl IntoIterator<Item = Topic>) {
        let mut inner = self.inner();
        for topic in topics {
            if let Some(ticket) = inner.wanted.remove(&topic) {
                inner.note(Verb::Unsubscribe, topic, ticket);
            }
        }
    }

    /// All that is wanted, for a new connection. From now on the changes are kept.
    pub(super) fn begin(&self) -> Vec<Change> {
        let mut inner = self.inner();
        inner.changes = Some(Vec::new());
        let subscribe =
            |(topic, ticket): (&Topic, &u64)| Change { verb: Verb::Subscribe, topic: topic.clone(), ticket: *ticket };
        let mut all: Vec<Change> = inner.wanted.iter().map(subscribe).collect();
        drop(inner);
        all.sort_unstable_by_key(|change| change.ticket);
        all
    }

    /// The changes since they were taken last, in their order.
    pub(super) fn take(&self) -> Vec<Change> {
        self.inner().changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The connection has gone.
    pub(super) fn end(&self) {
        self.inner().changes = None;
    }

    /// Whether the wish that was given this ticket still stands.
    pub(super) fn stands(&self, topic: &Topic, ticket: u64) -> bool {
        self.inner().wanted.get(topic) == Some(&ticket)
    }
}

impl Inner {
    fn note(&mut self, verb: Verb, topic: Topic, ticket: u64) {
        if let Some(changes) = &mut self.changes {
            changes.push(Change { verb, topic, ticket });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(changes: Vec<Change>) -> Vec<(Verb, Bytes)> {
        changes.into_iter().map(|change| (change.verb, change.topic.name().clone())).collect()
    }

    #[test]
    fn a_new_connection_begins_with_all_that_is_wanted() {
        let topics = Topics::default();
        topics.want([Topic::channel("a"), Topic::pattern("b*"), Topic::channel("a")]);
        topics.want([Topic::channel("c")]);
        topics.unwant([Topic::channel("c"), Topic::channel("never")]);
        assert_eq!(topics.take(), []);
        assert_eq!(names(topics.begin()), [(Verb::Subscribe, "a".into()), (Verb::Subscribe, "b*".into())]);
        assert_eq!(topics.take(), []);
    }

    #[test]
    fn changes_are_told_while_there_is_a_connection() {
        let topics = Topics::default();
        topics.begin();
        topics.want([Topic::channel("a")]);
        topics.unwant([Topic::channel("a")]);
        assert_eq!(names(topics.take()), [(Verb::Subscribe, "a".into()), (Verb::Unsubscribe, "a".into())]);
        topics.end();
        topics.want([Topic::channel("a")]);
        assert_eq!(topics.take(), []);
    }

    #[test]
    fn a_wish_that_was_withdrawn_and_made_again_is_another() {
        let topics = Topics::default();
        topics.begin();
        topics.want([Topic::channel("a")]);
        topics.unwant([Topic::channel("a")]);
        topics.want([Topic::channel("a")]);
        let changes = topics.take();
        let stands: Vec<bool> = changes.iter().map(|change| topics.stands(&change.topic, change.ticket)).collect();
        assert_eq!(stands, [false, false, true]);
    }
}
