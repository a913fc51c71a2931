//! Counts anew what the counters of the connections say, for the simulation.

use crate::engineio::{Charge, MESSAGE_OVERHEAD, Millis};
use crate::shard::kernel::socket::{Other, Socket};
use crate::shard::net::Net;
use crate::shard::net::connection::{Connection, HttpState, Stage};
use crate::shard::net::outbox::Outbox;
use crate::shard::store::keys::TimerKey;

impl Net {
    /// The charges of all that waits in outboxes, one for each message.
    pub(in crate::shard) fn charges_of_outboxes(&self) -> impl Iterator<Item = &Charge> {
        let outboxes = self.connections.iter().filter_map(|(_, connection)| connection.outbox.as_ref());
        outboxes.flat_map(|outbox| outbox.charges())
    }

    /// Bytes of the buffers that wait, as counted, and what the bookkeeping of the messages costs.
    pub(in crate::shard) fn counted_queues(&self) -> (usize, usize) {
        (self.charges.bytes(), self.queued_overhead)
    }

    /// Whether the turn has left a fan-out whose last buffer may still be charged to others.
    pub(in crate::shard) fn is_within_fanout(&self) -> bool {
        !self.fanout.is_empty()
    }

    /// How many connections wait until the program decides about their handshakes.
    pub(in crate::shard) fn handshakes_asked_about(&self) -> usize {
        self.connections.iter().filter(|(_, connection)| connection.is_asked_about()).count()
    }

    /// How many requests and WebSockets of clients are passed on to other instances.
    pub(in crate::shard) fn errand_count(&self) -> usize {
        self.errands.count()
    }

    /// Each timer, with the instant at which it comes up.
    pub(in crate::shard) fn armed_timers(&self) -> Vec<(Millis, TimerKey)> {
        self.timers.entries()
    }
}

impl Outbox {
    /// Whether its sum is that of its pieces.
    pub(in crate::shard) fn is_counted(&self) -> bool {
        self.queued() == self.pieces().map(|piece| piece.bytes.len() + MESSAGE_OVERHEAD).sum::<usize>()
    }

    /// Whether nothing is to be written yet.
    pub(in crate::shard) const fn is_held(&self) -> bool {
        self.held
    }

    fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.pieces().map(|piece| &piece.charge)
    }
}

impl Connection {
    fn is_asked_about(&self) -> bool {
        matches!(&self.stage, Stage::Http(http) if matches!(http.state, HttpState::Asked(_)))
    }

    /// Whether its peer has closed its half, or it has broken, and that was not read.
    pub(in crate::shard) fn has_unread_end(&self) -> bool {
        matches!(&self.socket, Socket::Other(Other::Simulated(socket)) if socket.has_unread_end())
    }

    /// Whether bytes that were read are a whole message, which was not handled.
    pub(in crate::shard) fn has_unhandled_message(&self) -> bool {
        matches!(&self.stage, Stage::WebSocket(websocket) if websocket.incoming.missing() == Some(0))
    }

    /// Whether its socket would take bytes, or tell of an error, if it was written to.
    pub(in crate::shard) fn is_socket_writable(&self) -> bool {
        matches!(&self.socket, Socket::Other(Other::Simulated(socket)) if socket.takes_bytes())
    }
}
