//! Answers to a broadcast: collected from the clients of all shards and servers, or sent to the server that asked.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Shard;
use super::calls::Call;
use super::core::Core;
use super::sockets::Status;
use super::target::Broadcast;
use crate::cluster::Answer;
use crate::engineio::Millis;
use crate::socketio::Arguments;

/// What is called with the answers, and with how many receivers gave none, or `None` if every one has answered. Whoever was
/// too busy to ask its receivers in time leaves them uncounted.
type Finish = Box<dyn FnOnce(&Rc<Shard>, Vec<Arguments>, Option<usize>) + Send>;

/// The answers to one broadcast. It ends when every receiver has answered, or by its timer.
pub(crate) struct Collection(Mutex<State>);

struct State {
    answers: Vec<Arguments>,
    receivers: usize,
    /// Shards and other servers that have yet to say how many clients they have sent the broadcast to. Servers may say it
    /// before they are counted.
    parts: isize,
    others: Others,
    /// `None` when it has ended.
    finish: Option<Finish>,
}

/// The other servers of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// There are none, or they are among the parts.
    Counted,
    /// Nobody has said how many there are.
    Uncounted,
}

impl State {
    fn is_complete(&self) -> bool {
        self.parts == 0 && self.others == Others::Counted && self.answers.len() >= self.receivers
    }
}

impl Collection {
    pub(crate) fn new(shards: usize, others: Others, finish: Finish) -> Arc<Self> {
        let parts = isize::try_from(shards).unwrap_or(isize::MAX);
        let state = State { answers: Vec::new(), receivers: 0, parts, others, finish: Some(finish) };
        Arc::new(Self(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.state().finish.is_none()
    }

    /// The other servers have been counted. Says whether no answer is missing.
    pub(crate) fn expect_others(&self, servers: usize) -> bool {
        let mut state = self.state();
        state.parts = state.parts.saturating_add_unsigned(servers);
        state.others = Others::Counted;
        state.is_complete()
    }

    /// A shard or another server has sent the broadcast to so many clients. Says whether no answer is missing.
    pub(crate) fn asked(&self, receivers: usize) -> bool {
        let mut state = self.state();
        state.receivers = state.receivers.saturating_add(receivers);
        state.parts -= 1;
        state.is_complete()
    }

    /// An answer came. Says whether it was the last.
    pub(crate) fn answered(&self, answer: Arguments) -> bool {
        let mut state = self.state();
        if state.finish.is_some() {
            state.answers.push(answer);
        }
        state.is_complete()
    }

    /// Hands the answers over, unless that was done before.
    pub(crate) fn end(&self, shard: &Rc<Shard>) {
        let mut state = self.state();
        let Some(finish) = state.finish.take() else { return };
        let missing = (!state.is_complete()).then(|| state.receivers.saturating_sub(state.answers.len()));
        let answers = std::mem::take(&mut state.answers);
        drop(state);
        finish(shard, answers, missing);
    }
}

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
        asked.0 -= 1;
        asked.1 += receivers as u64;
        let (shards, receivers) = *asked;
        drop(asked);
        if shards == 0 {
            (self.send)(Answer::ClientCount(receivers));
        }
    }
}

/// Who wants the answers to a broadcast.
#[derive(Clone)]
pub(crate) enum Asker {
    Collection(Arc<Collection>),
    Relay(Arc<Relay>),
}

impl Asker {
    fn is_over(&self) -> bool {
        match self {
            Self::Collection(collection) => collection.is_over(),
            Self::Relay(_) => false,
        }
    }

    fn asked(&self, receivers: usize) -> Option<Call> {
        match self {
            Self::Collection(collection) => {
                collection.asked(receivers).then(|| Call::Collected(Arc::clone(collection)))
            }
            Self::Relay(relay) => {
                relay.asked(receivers);
                None
            }
        }
    }

    /// An answer came. Gives what the application must hear, if it was the last.
    pub(crate) fn answered(self, answer: Arguments) -> Option<Call> {
        match self {
            Self::Collection(collection) => collection.answered(answer).then_some(Call::Collected(collection)),
            Self::Relay(relay) => {
                (relay.send)(Answer::Ack(answer));
                None
            }
        }
    }
}

impl Core {
    /// Sends to the sockets of this shard that a broadcast is for, and notes that they owe answers.
    pub(crate) fn broadcast_with_ack(&mut self, broadcast: &Broadcast, id: u64, deadline: Millis, asker: &Asker) {
        if asker.is_over() {
            return;
        }
        let mut receivers = self.select(broadcast.namespace, &broadcast.target);
        receivers.retain(|key| self.sockets.get(key.0).is_some_and(|state| state.status == Status::Connected));
        for &key in &receivers {
            self.send_event(key, &broadcast.frames, broadcast.urgency, broadcast.heard.as_ref());
            self.expect_answer(key, id, deadline, asker);
        }
        self.calls.extend(asker.asked(receivers.len()));
    }
}
