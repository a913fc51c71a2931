//! The receiver of the answers to a broadcast: a collection of this server, or another server.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cluster::message::Answer;
use crate::shard::sockets::collection::Collection;
use crate::socketio::Arguments;

/// Answers to a broadcast of another server: each is sent there as it comes.
pub(crate) struct Relay {
    /// Shards that have not sent the broadcast to their clients yet, and how many clients got it.
    asked: Mutex<(usize, u64)>,
    send: Box<dyn Fn(Answer) + Send + Sync>,
}

impl Relay {
    pub(crate) fn new(shards: usize, send: Box<dyn Fn(Answer) + Send + Sync>) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::new((shards, 0)), send })
    }

    fn asked(&self, receivers: usize) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.0 = asked.0.saturating_sub(1);
        asked.1 += receivers as u64;
        let (shards, receivers) = *asked;
        drop(asked);
        if shards == 0 {
            (self.send)(Answer::ClientCount(receivers));
        }
    }
}

/// The receiver of the answers to a broadcast.
#[derive(Clone)]
pub(crate) enum Asker {
    Collection(Arc<Collection<Arguments>>),
    Relay(Arc<Relay>),
}

impl Asker {
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Collection(collection) => collection.is_over(),
            Self::Relay(_) => false,
        }
    }

    /// So many clients of a shard are asked. Gives the collection if it is complete by that.
    pub(super) fn asked(&self, receivers: usize) -> Option<Arc<Collection<Arguments>>> {
        match self {
            Self::Collection(collection) => {
                collection.shard_spoke(receivers, Vec::new()).then(|| Arc::clone(collection))
            }
            Self::Relay(relay) => {
                relay.asked(receivers);
                None
            }
        }
    }

    /// An answer came. Gives the collection if it is complete by that.
    pub(super) fn answered(self, answer: Arguments) -> Option<Arc<Collection<Arguments>>> {
        match self {
            Self::Collection(collection) => collection.client_answered(&answer).then_some(collection),
            Self::Relay(relay) => {
                (relay.send)(Answer::Ack(answer));
                None
            }
        }
    }

    /// An answer will not come. Gives the collection if it is complete by that.
    pub(super) fn lost(self) -> Option<Arc<Collection<Arguments>>> {
        match self {
            Self::Collection(collection) => collection.lost().then_some(collection),
            Self::Relay(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_tells_the_count_once_when_all_shards_have_asked() {
        let told = Arc::<Mutex<Vec<Answer>>>::default();
        let teller = Arc::clone(&told);
        let relay = Relay::new(2, Box::new(move |answer| teller.lock().unwrap().push(answer)));
        let asker = Asker::Relay(relay);
        assert!(asker.asked(2).is_none());
        assert!(told.lock().unwrap().is_empty());
        assert!(asker.asked(1).is_none());
        assert!(matches!(told.lock().unwrap()[..], [Answer::ClientCount(3)]));
        assert!(asker.answered(Arguments::unnamed("[1]".into(), Box::default())).is_none());
        assert!(matches!(&told.lock().unwrap()[..], [_, Answer::Ack(told)] if told.json() == "[1]"));
    }
}
