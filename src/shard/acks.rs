//! Acknowledgements that clients owe.

use std::collections::VecDeque;

use super::application::{AckCallback, SocketRef};
use super::calls::Call;
use super::connection::NEVER;
use super::core::Core;
use super::keys::SocketKey;
use super::sockets::Status;
use crate::engineio::Millis;
use crate::error::AckError;
use crate::metrics::Limit;
use crate::socketio::Arguments;

/// An acknowledgement that is missing.
pub(crate) struct PendingAck {
    id: u64,
    deadline: Millis,
    callback: AckCallback,
}

impl PendingAck {
    pub(crate) fn settle(self, socket: SocketRef, result: Result<Arguments, AckError>) -> Call {
        Call::Acknowledged { socket, callback: self.callback, result }
    }
}

impl Core {
    /// Notes that a socket owes an acknowledgement.
    pub(crate) fn expect_ack(&mut self, socket: SocketRef, id: u64, deadline: Millis, callback: AckCallback) {
        let most = self.shared.config.limits.unanswered_acks;
        let ack = PendingAck { id, deadline, callback };
        let Some(state) = self.socket_mut(socket).filter(|state| state.status == Status::Connected) else {
            self.calls.push_back(ack.settle(socket, Err(AckError::Disconnected)));
            return;
        };
        let acks = &mut state.extra().acks;
        acks.push_back(ack);
        if acks.len() > most
            && let Some(oldest) = acks.pop_front()
        {
            self.metrics.hit(Limit::UnansweredAcks);
            self.calls.push_back(oldest.settle(socket, Err(AckError::Dropped)));
        }
        self.arm_socket(socket.key, deadline);
    }

    /// An acknowledgement came. One that nobody waits for is ignored.
    pub(crate) fn acknowledged(&mut self, socket: SocketRef, id: u64, arguments: Arguments) {
        let Some(extra) = self.socket_mut(socket).and_then(|state| state.extra.as_mut()) else { return };
        let Some(place) = extra.acks.iter().position(|ack| ack.id == id) else { return };
        if let Some(ack) = extra.acks.remove(place) {
            self.calls.push_back(ack.settle(socket, Ok(arguments)));
        }
    }

    /// A socket's timer came up: acknowledgements that are overdue are given up.
    pub(crate) fn socket_due(&mut self, key: SocketKey) {
        let now = self.now;
        let Some(state) = self.sockets.get_mut(key.0) else { return };
        let socket = SocketRef { key, random: state.random };
        let Some(extra) = state.extra.as_mut().filter(|extra| extra.armed <= now) else { return };
        extra.armed = NEVER;
        let (overdue, waiting) = extra.acks.drain(..).partition(|ack| ack.deadline <= now);
        extra.acks = waiting;
        let next = extra.acks.iter().map(|ack| ack.deadline).min();
        for ack in VecDeque::from_iter::<VecDeque<_>>(overdue) {
            self.calls.push_back(ack.settle(socket, Err(AckError::Timeout)));
        }
        if let Some(next) = next {
            self.arm_socket(key, next);
        }
    }
}
