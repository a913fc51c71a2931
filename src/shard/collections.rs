//! Answers to a broadcast, collected from the clients of all shards.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Shard;
use super::calls::Call;
use super::core::Core;
use super::keys::TimerKey;
use super::sockets::Status;
use super::target::Broadcast;
use crate::engineio::Millis;
use crate::socketio::Arguments;

/// What is called with the answers, and with how many receivers gave none, or `None` if every one has answered. A shard
/// that was too busy to ask its receivers in time leaves them uncounted.
type Finish = Box<dyn FnOnce(&Rc<Shard>, Vec<Arguments>, Option<usize>) + Send>;

/// The answers to one broadcast. It ends when every receiver has answered, or by its timer.
pub(crate) struct Collection(Mutex<State>);

struct State {
    answers: Vec<Arguments>,
    receivers: usize,
    /// Shards that have not sent the broadcast to their clients yet.
    shards: usize,
    /// `None` when it has ended.
    finish: Option<Finish>,
}

impl State {
    fn is_complete(&self) -> bool {
        self.shards == 0 && self.answers.len() == self.receivers
    }
}

impl Collection {
    pub(crate) fn new(shards: usize, finish: Finish) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { answers: Vec::new(), receivers: 0, shards, finish: Some(finish) })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.state().finish.is_none()
    }

    /// A shard has sent the broadcast to so many clients. Says whether no answer is missing.
    fn asked(&self, receivers: usize) -> bool {
        let mut state = self.state();
        state.receivers += receivers;
        state.shards -= 1;
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
        let missing = (!state.is_complete()).then(|| state.receivers - state.answers.len());
        let answers = std::mem::take(&mut state.answers);
        drop(state);
        finish(shard, answers, missing);
    }
}

impl Core {
    /// Ends a collection when its time is up. One that has ended before is kept until then, without its answers.
    pub(crate) fn arm_collection(&mut self, collection: &Arc<Collection>, deadline: Millis) {
        let key = self.collections.insert(Arc::clone(collection));
        if let Ok(key) = u32::try_from(key) {
            self.timers.arm(deadline, TimerKey::Collection(key));
        }
    }

    /// A collection's timer came up.
    pub(crate) fn collection_due(&mut self, key: u32) {
        if let Some(collection) = self.collections.try_remove(key as usize) {
            self.calls.push_back(Call::Collected(collection));
        }
    }

    /// Sends to the sockets of this shard that a broadcast is for, and notes that they owe answers.
    pub(crate) fn broadcast_with_ack(
        &mut self,
        broadcast: &Broadcast,
        id: u64,
        deadline: Millis,
        collection: &Arc<Collection>,
    ) {
        if collection.is_over() {
            return;
        }
        let mut receivers = self.select(broadcast.namespace, &broadcast.target);
        receivers.retain(|key| self.sockets.get(key.0).is_some_and(|state| state.status == Status::Connected));
        for &key in &receivers {
            self.send_event(key, &broadcast.frames, broadcast.urgency, broadcast.heard.as_ref());
            self.expect_answer(key, id, deadline, collection);
        }
        if collection.asked(receivers.len()) {
            self.calls.push_back(Call::Collected(Arc::clone(collection)));
        }
    }
}
