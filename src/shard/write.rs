//! Bytes out: what a turn queues, its flush, and the clients that do not read.
//!
//! Within a turn, frames are only noted in [`Batches`](super::batches::Batches); the flush at the turn's end gives each
//! socket all that is due in one system call. What a socket refuses moves to its [`Outbox`].

use std::borrow::Cow;
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Interest, Token};

use super::batches::BatchId;
use super::connection::{Connection, Fate, NEVER, Stage, Then};
use super::core::Core;
use super::keys::{ConnectionKey, SessionKey};
use super::outbox::Outbox;
use super::socket;
use crate::metrics::Limit;

/// From this length on, what a turn queues for one connection is written on the way.
const WRITE_THROUGH: usize = 64 * 1024;

/// The part of the bounds of what may wait for clients that what this turn and those before it queued for them may have.
const PART: usize = 2;

/// How long one turn writes, answers polls, or handles letters before it looks at its other work.
pub(super) const SLICE: Duration = Duration::from_millis(1);

/// Writes between two looks at the clock.
pub(super) const WRITES_PER_LOOK: usize = 64;

/// Time a peer has to close after our half is closed.
const LINGER: Duration = Duration::from_secs(5);

impl Core {
    /// Queues bytes, which others may get, too, for a connection; they leave when the turn ends.
    pub(crate) fn push(&mut self, key: ConnectionKey, bytes: &Bytes) {
        self.queue(key, Cow::Borrowed(bytes));
    }

    /// The same with bytes that nobody else gets: no reference to them need be counted.
    pub(crate) fn push_own(&mut self, key: ConnectionKey, bytes: Bytes) {
        self.queue(key, Cow::Owned(bytes));
    }

    // Both callers know which of the two their bytes are, and a delivery need not ask: 20 of its instructions.
    #[inline(always)]
    fn queue(&mut self, key: ConnectionKey, bytes: Cow<'_, Bytes>) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if !connection.is_listening() {
            return;
        }
        if connection.outbox.is_some() {
            return self.push_behind(key, bytes.into_owned());
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
        // One message, however long, is memory that its receivers share: it may wait for its turn.
        if let Some(before) = before
            && self.batches.len(batch) > WRITE_THROUGH
        {
            self.long_batch(key, before, batch);
        }
    }

    /// Queues bytes behind what a connection's socket did not take.
    #[cold]
    fn push_behind(&mut self, key: ConnectionKey, bytes: Bytes) {
        let outbox = self.connections.get_mut(key.0).and_then(|connection| connection.outbox.as_mut());
        let Some(outbox) = outbox else { return };
        let before = outbox.queued();
        outbox.push(bytes);
        self.queued += outbox.queued() - before;
        if outbox.waiting() > self.shared.config.limits.queued_per_client {
            self.slow_consumer(key, Limit::QueuedPerClient);
        }
    }

    /// A sequence has become long: it may wait for the fan-out, or is written.
    #[cold]
    fn long_batch(&mut self, key: ConnectionKey, before: BatchId, batch: BatchId) {
        if self.may_wait(before, batch) {
            self.behind = true;
        } else {
            self.flush(key);
        }
    }

    /// Whether a long sequence may wait until the fan-out comes to it, instead of being written on the way: others have all
    /// but its end, too, so that it costs no memory of its own. Writing it on the way would be the whole fan-out, in one turn.
    fn may_wait(&self, before: BatchId, batch: BatchId) -> bool {
        self.batches.is_held(before)
            && self.batches.len(batch) <= self.shared.config.limits.queued_per_client / PART
            && self.batches.bytes() <= self.shared.queued_per_shard / PART
    }

    /// Whether what a connection has sent had better wait: there is more to write than its turns can, and this is no
    /// request, which may be a health check.
    pub(crate) fn is_to_wait(&self, key: ConnectionKey) -> bool {
        let websocket = |connection: &Connection| matches!(connection.stage, Stage::WebSocket(_));
        self.behind && self.connections.get(key.0).is_some_and(websocket)
    }

    /// Whether bytes for the connection would leave at once.
    pub(crate) fn is_writable(&self, key: ConnectionKey) -> bool {
        self.connections.get(key.0).is_some_and(|connection| connection.outbox.is_none())
    }

    /// Closes the connection once everything queued is written.
    pub(crate) fn finish(&mut self, key: ConnectionKey, then: Then) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.then = then;
        if connection.batch.is_none() && connection.outbox.is_none() {
            self.written(key);
        } else {
            // Only a stall can end it before everything is written.
            self.set_deadline(key, NEVER);
        }
    }

    /// Writes what this turn queued: all answers, and of the rest as much as one turn may.
    pub(crate) fn flush_turn(&mut self) {
        self.translation = None;
        let mut replies = std::mem::take(&mut self.replies);
        for key in replies.drain(..) {
            self.flush(key);
        }
        self.replies = replies;
        if self.fanout.is_empty() {
            return;
        }
        let started = Instant::now();
        for count in 1..=self.shared.config.limits.writes_per_turn {
            let Some(key) = self.fanout.pop_front() else { break };
            self.flush(key);
            if count % WRITES_PER_LOOK == 0 && started.elapsed() >= SLICE {
                break;
            }
        }
        self.behind &= !self.fanout.is_empty();
    }

    /// Writes what is queued for one connection.
    pub(crate) fn flush(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(batch) = connection.batch.take() else { return };
        if connection.fate.is_none() {
            match self.batches.contiguous(batch) {
                Some(bytes) if connection.then == Then::Continue => match socket::send(&connection.stream, bytes) {
                    Ok(sent) if sent == bytes.len() => self.metrics.sent_bytes.add(sent as u64),
                    result => self.sent(key, batch, result),
                },
                Some(bytes) => {
                    let result = socket::send_last(&connection.stream, bytes);
                    self.sent(key, batch, result);
                }
                None => self.flush_pieces(key, batch),
            }
        }
        self.batches.release(batch);
    }

    /// A sequence of one piece was written, but there is more to do than that: it was not taken whole, or was the last.
    #[cold]
    fn sent(&mut self, key: ConnectionKey, batch: BatchId, result: io::Result<usize>) {
        let sent = match result {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.broken(key, &error),
        };
        self.metrics.sent_bytes.add(sent as u64);
        let rest = self.batches.contiguous(batch).filter(|bytes| sent < bytes.len()).map(|bytes| bytes.slice(sent..));
        match rest {
            Some(rest) => self.blocked(key, Outbox::of(self.now, [rest])),
            None => self.written(key),
        }
    }

    /// Writes a sequence of several pieces.
    #[cold]
    fn flush_pieces(&mut self, key: ConnectionKey, batch: BatchId) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        self.batches.pieces(batch, &mut self.pieces);
        let mut outbox = Outbox::of(self.now, self.pieces.drain(..));
        if let Err(error) = outbox.write(self.now, &mut connection.stream) {
            return self.broken(key, &error);
        }
        self.metrics.sent_bytes.add(self.batches.len(batch).saturating_sub(outbox.unsent()) as u64);
        if outbox.is_empty() { self.written(key) } else { self.blocked(key, outbox) }
    }

    /// The socket of a connection takes bytes again.
    pub(crate) fn writable(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(outbox) = &mut connection.outbox else { return };
        if connection.fate.is_some() {
            return;
        }
        let (before, unsent) = (outbox.queued(), outbox.unsent());
        let result = outbox.write(self.now, &mut connection.stream);
        self.queued -= before - outbox.queued();
        self.metrics.sent_bytes.add((unsent - outbox.unsent()) as u64);
        match result {
            Ok(()) if outbox.is_empty() => {
                connection.outbox = None;
                self.idle(key);
                self.written(key);
            }
            Ok(()) => {}
            Err(error) => self.broken(key, &error),
        }
    }

    /// Cuts off a connection whose peer has not read for too long. Says whether it did.
    pub(crate) fn check_stall(&mut self, key: ConnectionKey) -> bool {
        let stall = self.shared.config.limits.write_stall;
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        let stalled = outbox.is_some_and(|outbox| outbox.progress() + stall <= self.now);
        if stalled {
            self.slow_consumer(key, Limit::WriteStall);
        }
        stalled
    }

    /// While more waits for all clients than may, the ones with the longest queues are cut off.
    pub(crate) fn check_queued(&mut self) {
        let limit = self.shared.queued_per_shard;
        if self.queued <= limit {
            return;
        }
        let mut queued = self.queued;
        for (length, waiting) in self.longest_queues() {
            if queued <= limit {
                break;
            }
            queued -= length;
            self.cut_queue(waiting, Limit::Queued);
        }
    }

    /// All queues with their lengths in bytes, the longest first.
    pub(crate) fn longest_queues(&self) -> Vec<(usize, Waiting)> {
        let outboxes = self.connections.iter().filter_map(|(key, connection)| {
            Some((connection.outbox.as_ref()?.queued(), Waiting::Connection(ConnectionKey(key))))
        });
        let sessions = self.sessions.iter().filter_map(|(key, client)| {
            let queued = client.session.queued_bytes();
            (queued > 0).then_some((queued, Waiting::Session(SessionKey(key))))
        });
        let mut queues: Vec<(usize, Waiting)> = outboxes.chain(sessions).collect();
        queues.sort_unstable_by_key(|(length, _)| std::cmp::Reverse(*length));
        queues
    }

    /// Cuts off the client that a queue waits for.
    pub(crate) fn cut_queue(&mut self, waiting: Waiting, limit: Limit) {
        match waiting {
            Waiting::Connection(key) => self.slow_consumer(key, limit),
            Waiting::Session(key) => self.cut_off(key, limit),
        }
    }

    /// Everything queued for the connection has been written.
    fn written(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        match connection.then {
            Then::Continue => {}
            Then::Close => self.doom(key, Fate::Closed),
            Then::Linger => {
                // A socket that cannot be shut down is gone already, and says so when it is read.
                let _ = connection.stream.shutdown(Shutdown::Write);
                connection.stage = Stage::Lingering;
                connection.deadline = self.now + LINGER;
                self.arm_connection(key);
            }
        }
    }

    fn blocked(&mut self, key: ConnectionKey, outbox: Outbox) {
        self.queued += outbox.queued();
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let over = outbox.waiting() > self.shared.config.limits.queued_per_client;
        connection.outbox = Some(Box::new(outbox));
        self.await_writable(key);
        if over {
            self.slow_consumer(key, Limit::QueuedPerClient);
        }
    }

    /// Has what waits for a connection written as soon as its socket takes it.
    pub(crate) fn await_writable(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.registry.reregister(&mut connection.stream, Token(key.0 as usize), interest) {
            Err(error) => self.broken(key, &error),
            Ok(()) => self.arm_connection(key),
        }
    }

    fn broken(&mut self, key: ConnectionKey, error: &io::Error) {
        log::debug!("connection {}: write failed: {error}", key.0);
        self.doom(key, Fate::Error);
    }

    fn slow_consumer(&mut self, key: ConnectionKey, limit: Limit) {
        if self.connections.get(key.0).is_none_or(|connection| connection.fate.is_some()) {
            return;
        }
        log::debug!("connection {}: cut off as a slow consumer ({limit})", key.0);
        self.metrics.hit(limit);
        self.metrics.slow_consumers.one();
        self.doom(key, Fate::Error);
    }
}

/// Whose bytes wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting {
    /// A socket does not take them.
    Connection(ConnectionKey),
    /// A polling client does not fetch them.
    Session(SessionKey),
}
