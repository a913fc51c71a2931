//! Output: what a turn queues, its flush, and clients that do not read.
//!
//! Within a turn, frames are only noted in [`Batches`](crate::shard::store::batches::Batches); the flush at the turn's end gives each
//! socket all that is due in one system call. What a socket refuses moves to its [`Outbox`].

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use bytes::Bytes;

use crate::clock;
use crate::engineio::MESSAGE_OVERHEAD;
use crate::shard::kernel::pipe::Pipe;
use crate::shard::kernel::socket::MOST_AT_ONCE;
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, Stage, Then};
use crate::shard::net::outbox::{Outbox, Piece};
use crate::shard::store::batches::BatchId;
use crate::shard::store::keys::ConnectionKey;
use crate::shard::store::timers::NEVER;

/// A turn's queue for one connection is written before the turn's end once it has this length.
const WRITE_THROUGH: usize = 64 * 1024;

/// The batches of this turn and of earlier ones may take this part of the limits of queued bytes.
const PART: usize = 2;

/// How long one turn writes, answers polls, or handles letters before it looks at its other work.
pub(in crate::shard) const SLICE: Duration = Duration::from_millis(1);

/// Writes between two looks at the clock.
const WRITES_PER_LOOK: usize = 64;

/// Time a peer has to close after our half is closed.
const LINGER: Duration = Duration::from_secs(5);

impl Net {
    /// Queues bytes for a connection; other connections may get the same. They leave when the turn ends.
    pub(in crate::shard) fn push(&mut self, key: ConnectionKey, bytes: &Bytes) {
        self.queue(key, Cow::Borrowed(bytes));
    }

    /// The same with bytes that nobody else gets, so no reference is counted.
    pub(in crate::shard) fn push_own(&mut self, key: ConnectionKey, bytes: Bytes) {
        self.queue(key, Cow::Owned(bytes));
    }

    // Inlined, because both callers know whether their bytes are shared. This saves 20 instructions of each delivery.
    #[inline(always)]
    fn queue(&mut self, key: ConnectionKey, bytes: Cow<'_, Bytes>) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if !connection.is_listening() {
            return;
        }
        if connection.outbox.is_some() {
            return self.push_behind(key, bytes);
        }
        let before = connection.batch;
        let batch = self.batches.push(before, bytes);
        connection.batch = Some(batch);
        if self.serving == Some(key) {
            if self.replies.last() != Some(&key) {
                self.replies.push(key);
            }
        } else if before.is_none() {
            self.fanout.push_back(key);
        }
        // Receivers share the memory of a single message, so it may wait for its turn, however long it is.
        if let Some(before) = before
            && self.batches.len(batch) > WRITE_THROUGH
        {
            self.long_batch(key, before, batch);
        }
    }

    /// Queues bytes behind those that a connection's socket refused. A client that reads meanwhile gets a long queue before the
    /// turn's end.
    #[cold]
    fn push_behind(&mut self, key: ConnectionKey, bytes: Cow<'_, Bytes>) {
        let piece = self.charged(bytes);
        let Some(outbox) = self.outbox(key) else { return };
        outbox.push(piece);
        let try_again = outbox.untried() >= WRITE_THROUGH && !outbox.held;
        self.queued_overhead += MESSAGE_OVERHEAD;
        if try_again {
            self.writable(key);
        }
        self.check_length(key);
    }

    /// Queues a heartbeat. It goes before waiting messages, because its order among them does not matter.
    pub(in crate::shard) fn push_beat(&mut self, key: ConnectionKey, bytes: &Bytes) {
        // The batch of this turn may be long.
        let batch = self.connections.get(key.0).and_then(|connection| connection.batch);
        if batch.is_some_and(|batch| self.batches.len(batch) > WRITE_THROUGH) {
            self.flush(key);
        }
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if !connection.is_listening() {
            return;
        }
        let Some(outbox) = &mut connection.outbox else { return self.push(key, bytes) };
        let charge = self.charges.charge_own(bytes);
        outbox.push_beat(Piece { bytes: bytes.clone(), charge });
        self.queued_overhead += MESSAGE_OVERHEAD;
    }

    fn charged(&mut self, bytes: Cow<'_, Bytes>) -> Piece {
        let charge = match &bytes {
            Cow::Borrowed(bytes) => self.charges.charge(bytes),
            Cow::Owned(bytes) => self.charges.charge_own(bytes),
        };
        Piece { bytes: bytes.into_owned(), charge }
    }

    fn outbox(&mut self, key: ConnectionKey) -> Option<&mut Outbox> {
        self.connections.get_mut(key.0)?.outbox.as_deref_mut()
    }

    /// A sequence has become long: it waits for the fan-out, or is written at once.
    #[cold]
    fn long_batch(&mut self, key: ConnectionKey, before: BatchId, batch: BatchId) {
        if self.may_wait(before, batch) {
            self.behind = true;
        } else {
            self.flush(key);
        }
    }

    /// Whether a long sequence may wait until the fan-out comes to it, instead of being written at once: others share all but
    /// its end, so it costs no memory of its own. Writing such sequences at once would do the whole fan-out in one turn.
    fn may_wait(&self, before: BatchId, batch: BatchId) -> bool {
        self.batches.is_held(before)
            && self.batches.len(batch) <= self.shared.queued_per_client / PART
            && self.batches.bytes() <= self.shared.queued_per_shard / PART
    }

    /// Whether bytes for the connection would leave at once.
    pub(in crate::shard) fn is_writable(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.0).is_some_and(|connection| connection.outbox.is_none())
    }

    /// Closes the connection once everything queued is written.
    pub(in crate::shard) fn finish(&mut self, key: ConnectionKey, then: Then) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.then = then;
        if connection.batch.is_none() && connection.outbox.is_none() {
            self.written(key);
        } else {
            // Until everything is written, only a stall can end it.
            self.set_deadline(key, NEVER);
        }
    }

    /// Writes this turn's queue: all answers, and as much of the rest as one turn may.
    pub(in crate::shard) fn flush_due(&mut self) {
        let mut replies = std::mem::take(&mut self.replies);
        for key in replies.drain(..) {
            self.flush(key);
        }
        self.replies = replies;
        if self.fanout.is_empty() {
            return;
        }
        let started = clock::now();
        for count in 1..=self.shared.config.limits.writes_per_turn {
            let Some(key) = self.fanout.pop_front() else { break };
            self.flush(key);
            if count % WRITES_PER_LOOK == 0 && clock::now() - started >= SLICE {
                break;
            }
        }
        self.behind &= !self.fanout.is_empty();
    }

    /// Writes what is queued for one connection.
    pub(super) fn flush(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(batch) = connection.batch.take() else { return };
        if connection.close_cause.is_none() {
            match self.batches.contiguous(batch) {
                Some(bytes) if connection.then == Then::Continue => {
                    match connection.socket.send(bytes, self.pipes.at(key)) {
                        Ok(sent) if sent == bytes.len() => self.metrics.sent_bytes.add(sent as u64),
                        result => self.sent(key, batch, result),
                    }
                }
                Some(bytes) => {
                    let result = connection.socket.send_last(bytes, self.pipes.at(key));
                    self.sent(key, batch, result);
                }
                None => self.flush_pieces(key, batch),
            }
        }
        self.batches.release(batch);
    }

    /// A sequence of one piece was written, and there is more to do: the socket did not take all of it, or the connection
    /// finishes.
    #[cold]
    fn sent(&mut self, key: ConnectionKey, batch: BatchId, result: io::Result<usize>) {
        let sent = match result {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.broken(key, &error),
        };
        self.metrics.sent_bytes.add(sent as u64);
        let Some(whole) = self.batches.contiguous(batch).cloned() else { return };
        if sent < whole.len() { self.blocked(key, &[whole], sent) } else { self.written(key) }
    }

    /// Writes a sequence of several pieces.
    #[cold]
    fn flush_pieces(&mut self, key: ConnectionKey, batch: BatchId) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let mut pieces = std::mem::take(&mut self.pieces);
        self.batches.pieces(batch, &mut pieces);
        match connection.socket.send_pieces(pieces.iter(), self.pipes.at(key)) {
            Ok(sent) => {
                self.metrics.sent_bytes.add(sent as u64);
                if sent < self.batches.len(batch) { self.blocked(key, &pieces, sent) } else { self.written(key) }
            }
            Err(error) => self.broken(key, &error),
        }
        pieces.clear();
        self.pieces = pieces;
    }

    /// The socket of a connection takes bytes again.
    pub(in crate::shard) fn writable(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(outbox) = &mut connection.outbox else { return };
        if connection.close_cause.is_some() {
            return;
        }
        let before = outbox.overhead();
        let result = outbox.write(&mut connection.socket, self.pipes.at(key));
        self.queued_overhead -= before - outbox.overhead();
        match result {
            Ok(sent) => {
                self.metrics.sent_bytes.add(sent as u64);
                if outbox.is_empty() {
                    connection.outbox = None;
                    self.idle(key);
                    self.written(key);
                } else if sent >= MOST_AT_ONCE {
                    // The poll tells of room only once: it must be asked again.
                    self.await_writable(key);
                }
                self.eased.push(key);
            }
            Err(error) => self.broken(key, &error),
        }
    }

    /// Everything queued for the connection has been written.
    fn written(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        match connection.then {
            Then::Continue => {}
            Then::Close => self.mark_closed(key, CloseCause::Closed),
            Then::Linger => {
                connection.socket.shut(self.pipes.at(key));
                connection.stage = Stage::Lingering;
                connection.deadline = self.now + LINGER;
                self.arm_connection(key);
            }
        }
    }

    /// The socket took `sent` bytes of the pieces; the rest waits.
    #[cold]
    fn blocked(&mut self, key: ConnectionKey, pieces: &[Bytes], mut sent: usize) {
        let mut outbox = Outbox::new(self.now, self.shared.config.limits.write_stall);
        for piece in pieces {
            let taken = sent.min(piece.len());
            sent -= taken;
            if taken < piece.len() {
                let piece = self.charged(Cow::Borrowed(piece));
                if outbox.is_empty() { outbox.begin(piece, taken) } else { outbox.push(piece) }
            }
        }
        self.queued_overhead += outbox.overhead();
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.outbox = Some(Box::new(outbox));
        self.look(key);
        self.await_writable(key);
        self.check_length(key);
    }

    /// Has the outbox written as soon as the socket takes bytes again.
    pub(super) fn await_writable(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        match self.watch.writes(&mut connection.socket, key) {
            Err(error) => self.broken(key, &error),
            Ok(()) => self.arm_connection(key),
        }
        // No poll tells of a pipe that has room now.
        if self.pipes.get(key).is_some_and(Pipe::has_room) {
            self.writable(key);
        }
    }

    fn broken(&mut self, key: ConnectionKey, error: &io::Error) {
        log::debug!("connection {}: write failed: {error}", key.0);
        self.mark_closed(key, CloseCause::Error);
    }
}
