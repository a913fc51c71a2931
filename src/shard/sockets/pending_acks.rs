//! Acknowledgements that are missing.

use std::collections::VecDeque;

use crate::engineio::Millis;
use crate::error::AckError;
use crate::shard::sockets::asker::Asker;
use crate::shard::sockets::calls::{AckCallback, Call};
use crate::shard::store::keys::SocketRef;
use crate::socketio::Arguments;

/// An acknowledgement that is missing.
pub(super) struct PendingAck {
    pub(super) id: u64,
    pub(super) deadline: Millis,
    pub(super) waiter: Waiter,
}

/// The receiver of an acknowledgement.
pub(super) enum Waiter {
    Callback(AckCallback),
    /// A broadcast that asked many.
    Broadcast(Asker),
}

impl PendingAck {
    /// What the application must hear of an acknowledgement that came, or will not come.
    pub(super) fn settle(self, socket: SocketRef, result: Result<Arguments, AckError>) -> Option<Call> {
        match (self.waiter, result) {
            (Waiter::Callback(callback), result) => Some(Call::Acknowledged { socket, callback, result }),
            (Waiter::Broadcast(asker), Ok(answer)) => asker.answered(answer).map(Call::Collected),
            (Waiter::Broadcast(asker), Err(_)) => asker.lost().map(Call::Collected),
        }
    }
}

/// Takes out the acknowledgement of that id. A broadcast asks many clients at once, of whom most are asked nothing else for
/// long: when the last has answered, they keep no memory for it.
pub(super) fn take(acks: &mut VecDeque<PendingAck>, id: u64) -> Option<PendingAck> {
    let place = acks.iter().position(|ack| ack.id == id)?;
    let ack = acks.remove(place)?;
    if acks.is_empty() && matches!(ack.waiter, Waiter::Broadcast(_)) {
        *acks = VecDeque::new();
    }
    Some(ack)
}
