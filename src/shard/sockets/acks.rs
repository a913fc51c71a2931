//! Acknowledgements that clients owe.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engineio::Millis;
use crate::error::AckError;
use crate::metrics::Limit;
use crate::shard::shared::target::Broadcast;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::asker::Asker;
use crate::shard::sockets::calls::{AckCallback, Call};
use crate::shard::sockets::costs::PENDING_ACK;
use crate::shard::sockets::pending_acks::{PendingAck, Waiter, take};
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{SocketKey, SocketRef, TimerKey};
use crate::shard::store::timers::NEVER;
use crate::socketio::Arguments;

impl Sockets {
    /// Notes that a socket owes an acknowledgement.
    pub(crate) fn expect_ack(&mut self, socket: SocketRef, id: u64, timeout: Duration, callback: AckCallback) {
        let deadline = self.now() + timeout;
        self.expect(socket, PendingAck { id, deadline, waiter: Waiter::Callback(callback) });
    }

    /// Notes that a socket owes one of the answers to a broadcast.
    fn expect_answer(&mut self, key: SocketKey, id: u64, deadline: Millis, asker: &Asker) {
        let Some(random) = self.states.get(key.0).map(|state| state.random) else { return };
        let waiter = Waiter::Broadcast(asker.clone());
        self.expect(SocketRef { key, random }, PendingAck { id, deadline, waiter });
    }

    fn expect(&mut self, socket: SocketRef, ack: PendingAck) {
        let (most, deadline) = (self.shared().config.limits.unanswered_acks, ack.deadline);
        let Some(state) = self.socket_mut(socket).filter(|state| state.phase == SocketPhase::Connected) else {
            self.calls.extend(ack.settle(socket, Err(AckError::Disconnected)));
            return;
        };
        let acks = &mut state.extra().acks;
        acks.push_back(ack);
        let oldest = if acks.len() > most { acks.pop_front() } else { None };
        if oldest.is_none() {
            self.keep_for(socket, PENDING_ACK);
        }
        if let Some(oldest) = oldest {
            self.metrics().hit(Limit::UnansweredAcks);
            self.calls.extend(oldest.settle(socket, Err(AckError::Dropped)));
        }
        self.arm_socket(socket.key, deadline);
    }

    /// An acknowledgement came. One that nobody waits for is ignored.
    pub(in crate::shard) fn acknowledged(&mut self, socket: SocketRef, id: u64, arguments: Arguments) {
        let Some(extra) = self.socket_mut(socket).and_then(|state| state.extra.as_mut()) else { return };
        if let Some(ack) = take(&mut extra.acks, id) {
            self.let_go_for(socket, PENDING_ACK);
            self.calls.extend(ack.settle(socket, Ok(arguments)));
        }
    }

    /// A socket's timer came up: acknowledgements that are overdue are given up.
    pub(in crate::shard) fn socket_due(&mut self, key: SocketKey) {
        let now = self.now();
        let Some(state) = self.states.get_mut(key.0) else { return };
        let socket = SocketRef { key, random: state.random };
        let Some(extra) = state.extra.as_mut().filter(|extra| extra.armed <= now) else { return };
        extra.armed = NEVER;
        let (overdue, waiting) = extra.acks.drain(..).partition(|ack| ack.deadline <= now);
        extra.acks = waiting;
        let next = extra.acks.iter().map(|ack| ack.deadline).min();
        let overdue: VecDeque<_> = overdue;
        self.let_go_for(socket, overdue.len() * PENDING_ACK);
        for ack in overdue {
            self.calls.extend(ack.settle(socket, Err(AckError::Timeout)));
        }
        if let Some(next) = next {
            self.arm_socket(key, next);
        }
    }

    /// Keeps a timer for the earliest acknowledgement that a socket waits for.
    fn arm_socket(&mut self, key: SocketKey, deadline: Millis) {
        let Some(extra) = self.states.get_mut(key.0).and_then(|socket| socket.extra.as_deref_mut()) else { return };
        if deadline < extra.armed {
            let at = self.sessions.timers().rounded(deadline);
            if at < extra.armed {
                extra.armed = at;
                self.sessions.timers().insert(at, TimerKey::Socket(key));
            }
        }
    }

    /// Sends to the sockets of this shard that a broadcast is for, and notes that they owe answers.
    pub(crate) fn broadcast_with_ack(&mut self, broadcast: &Broadcast, id: u64, timeout: Duration, asker: &Asker) {
        let deadline = self.now() + timeout;
        if asker.is_over() {
            return;
        }
        let mut receivers = self.select(broadcast.namespace, &broadcast.target);
        receivers.retain(|key| self.states.get(key.0).is_some_and(|state| state.phase == SocketPhase::Connected));
        for &key in &receivers {
            self.send_event(key, &broadcast.frames, broadcast.urgency, broadcast.heard.as_ref());
            self.expect_answer(key, id, deadline, asker);
        }
        let complete = asker.asked(receivers.len());
        self.calls.extend(complete.map(Call::Collected));
    }
}

#[cfg(test)]
mod tests {
    use super::super::asker::Relay;
    use super::*;

    fn pending(id: u64, waiter: Waiter) -> PendingAck {
        PendingAck { id, deadline: Millis(1000), waiter }
    }

    #[test]
    fn who_has_answered_a_broadcast_keeps_nothing_for_it() {
        let asker = Asker::Relay(Relay::new(1, Box::new(|_| ())));
        let mut acks: VecDeque<_> = [1, 2].map(|id| pending(id, Waiter::Broadcast(asker.clone()))).into();
        assert!(take(&mut acks, 3).is_none());
        assert!(take(&mut acks, 1).is_some() && acks.capacity() > 0, "another answer is due");
        assert!(take(&mut acks, 2).is_some());
        assert_eq!(acks.capacity(), 0);
    }

    #[test]
    fn who_is_asked_alone_is_asked_again_without_an_allocation() {
        let mut acks: VecDeque<_> = [pending(1, Waiter::Callback(Box::new(|_, _, _| ())))].into();
        assert!(take(&mut acks, 1).is_some());
        assert!(acks.capacity() > 0);
    }
}
