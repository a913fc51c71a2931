//! Slow consumers: clients that are cut off because they do not take their output.
//!
//! A client is slow if it makes no progress, or if more waits for it than the limit for one client. When all queues together
//! are long, a client that holds much and takes little is slow, too. A client that reads as fast as its link allows is never
//! slow, however much is sent to it at once.

use bytes::Bytes;

use crate::clock;
use crate::engineio::{Charge, MESSAGE_OVERHEAD};
use crate::metrics::Limit;
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, HttpState, Stage};
use crate::shard::store::keys::{ConnectionKey, TimerKey};

impl Net {
    /// Bytes that wait for clients: each buffer once, and each message's overhead for each of its receivers.
    pub(in crate::shard) fn queued(&self) -> usize {
        self.charges.bytes() + self.queued_overhead
    }

    /// Cuts off a client if more waits for it than the limit for one client.
    pub(super) fn check_length(&mut self, key: ConnectionKey) {
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        if outbox.is_some_and(|outbox| outbox.waiting() > self.shared.queued_per_client) {
            self.slow_consumer(key, Limit::QueuedPerClient);
        }
    }

    /// Checks the progress of a connection's peer.
    pub(super) fn look(&mut self, key: ConnectionKey) {
        let patience = self.shared.config.limits.write_stall;
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(outbox) = &mut connection.outbox else { return };
        // A socket that the kernel does not know is broken; the next write reports it.
        let in_kernel = connection.socket.unacknowledged(&self.pipes, key).unwrap_or(0);
        let unsent = outbox.unsent();
        outbox.progress.look(self.now, patience, in_kernel, unsent);
    }

    /// If a look is due, checks whether a connection's peer makes progress, and cuts it off if not. Says whether it was cut
    /// off.
    pub(in crate::shard) fn check_stall(&mut self, key: ConnectionKey) -> bool {
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        if outbox.is_none_or(|outbox| outbox.progress.next_look() > self.now) {
            return false;
        }
        self.look(key);
        let patience = self.shared.config.limits.write_stall;
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        let stalled = outbox.is_some_and(|outbox| outbox.progress.is_stalled(self.now, patience));
        if stalled {
            self.slow_consumer(key, Limit::WriteStall);
        }
        stalled
    }

    /// Whether a connection's peer takes its output: it has made progress within the time for a pong.
    pub(in crate::shard) fn takes(&mut self, key: ConnectionKey) -> bool {
        self.look(key);
        let patience = self.shared.settings.ping_timeout;
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        outbox.is_some_and(|outbox| outbox.progress.further() + patience > self.now)
    }

    /// Bytes that the kernel has yet to deliver, if everything for a connection was written.
    pub(in crate::shard) fn under_way(&self, key: ConnectionKey) -> Option<usize> {
        let connection = self.connections.get(key.0).filter(|connection| connection.outbox.is_none())?;
        connection.socket.unacknowledged(&self.pipes, key).ok()
    }

    /// Whether a POST waits for its answer. Its client cannot send anything else meanwhile.
    pub(in crate::shard) fn is_post_held_up(&self, key: ConnectionKey) -> bool {
        let stage = self.connections.get(key.0).map(|connection| &connection.stage);
        let Some(Stage::Http(http)) = stage else { return false };
        matches!(&http.state, HttpState::Waiting(_))
    }

    /// Ends a connection whose peer does not take its output. The kernel drops what it holds for the peer, instead of trying
    /// for minutes to deliver it.
    pub(in crate::shard) fn slow_consumer(&mut self, key: ConnectionKey, limit: Limit) {
        let Some(connection) = self.connections.get(key.0).filter(|connection| connection.close_cause.is_none()) else {
            return;
        };
        if let Some(outbox) = &connection.outbox {
            let (length, last) = (outbox.queued(), outbox.last().cloned());
            self.note_cut(limit, length, last.as_ref());
        }
        self.let_kernel_forget(key);
        self.mark_closed(key, CloseCause::Error);
    }

    pub(in crate::shard) fn note_cut(&mut self, limit: Limit, length: usize, last: Option<&Bytes>) {
        self.metrics.hit(limit);
        self.metrics.slow_consumers.one();
        let told = self.shared.cuts.note(clock::now(), self.bound(limit), length, last.map(|last| &**last));
        if let Some(later) = told {
            self.timers.arm(self.now + later, TimerKey::Cuts);
        }
    }

    /// A limit of waiting bytes as the log names it: its variable with the value.
    fn bound(&self, limit: Limit) -> String {
        let limits = &self.shared.config.limits;
        let value = match limit {
            Limit::QueuedPerClient => self.shared.queued_per_client.to_string(),
            Limit::Queued => (self.shared.queued_per_shard * self.shared.mailboxes.len()).to_string(),
            Limit::WriteStall => format!("{}ms", limits.write_stall.as_millis()),
            Limit::MemoryShed => format!("{}%", limits.memory_shed.unwrap_or_default()),
            other => return other.variable(),
        };
        format!("{}={value}", limit.variable())
    }

    /// Has the kernel drop what it holds for a connection when that is closed.
    pub(super) fn let_kernel_forget(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(key.0) else { return };
        if let Err(error) = connection.socket.forget_unsent(self.pipes.at(key)) {
            log::debug!("connection {}: {error}", key.0);
        }
    }

    /// Whether messages wait for any client.
    #[inline]
    pub(in crate::shard) fn has_queued(&self) -> bool {
        self.queued_overhead > 0
    }

    /// The number of messages that wait for a client has changed.
    pub(in crate::shard) fn messages_queued(&mut self, before: usize, after: usize) {
        self.queued_overhead = self.queued_overhead + after * MESSAGE_OVERHEAD - before * MESSAGE_OVERHEAD;
    }

    /// The charge of a buffer that waits for a client, and maybe for others, too.
    pub(in crate::shard) fn charge_for(&mut self, bytes: &Bytes) -> Charge {
        self.charges.charge(bytes)
    }

    /// Forgets the buffer that was charged last, once all its receivers have it.
    pub(in crate::shard) fn forget_last_charge(&mut self) {
        if self.fanout.is_empty() {
            self.charges.forget_last();
        }
    }

    /// Bytes that wait for a connection's peer, including this turn's.
    pub(in crate::shard) fn queued_on(&self, key: ConnectionKey) -> usize {
        let Some(connection) = self.connections.get(key.0) else { return 0 };
        let batch = connection.batch.map_or(0, |batch| self.batches.len(batch));
        batch + connection.outbox.as_ref().map_or(0, |outbox| outbox.queued())
    }

    /// Bytes that have yet to be handed to the kernel for a connection's peer.
    pub(super) fn unsent_on(&self, key: ConnectionKey) -> usize {
        let Some(connection) = self.connections.get(key.0) else { return 0 };
        let batch = connection.batch.map_or(0, |batch| self.batches.len(batch));
        batch + connection.outbox.as_ref().map_or(0, |outbox| outbox.unsent())
    }
}
