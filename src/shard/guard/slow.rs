//! Slow consumers: clients that do not take what is sent to them, and are cut off.
//!
//! Slow is who makes no progress, who alone holds more than a client may, and, when all together hold much, who holds most
//! for what it takes. Who reads as fast as its link allows is none of these, however much is sent to it at once.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::SockRef;

use crate::engineio::{Frames, MESSAGE_OVERHEAD, Reason, Route};
use crate::metrics::Limit;
use crate::shard::event_loop::core::Core;
use crate::shard::net::connection::{Fate, HttpState, Stage};
use crate::shard::net::progress::unacknowledged;
use crate::shard::store::keys::{ConnectionKey, SessionKey, SocketRef, TimerKey};

/// The part of what may wait for all from which on the first are cut off.
const PART: usize = 2;

/// By which part of that it must fall below, and may grow again before the next are looked for.
const MARGIN: usize = 8;

/// Whose bytes wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting {
    /// A socket does not take them.
    Connection(ConnectionKey),
    /// A polling client does not fetch them.
    Session(SessionKey),
}

/// What waits for one client.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) of: Waiting,
    /// Bytes that wait.
    length: usize,
    /// Bytes of them that nobody else waits for.
    pub(crate) own: usize,
    /// Bytes that the client has taken of late.
    pace: u64,
}

impl Queue {
    /// What the client holds for what it takes.
    fn burden(&self) -> u64 {
        self.own as u64 * 1024 / self.pace.max(1)
    }
}

impl Core {
    /// Bytes that wait for clients: each buffer once, and each message's cost for each of its receivers.
    pub(crate) fn queued(&self) -> usize {
        self.charges.bytes() + self.queued_overhead
    }

    /// Bytes that wait for a socket's client, those of this turn among them.
    pub(crate) fn queued_for(&self, socket: SocketRef) -> usize {
        let session = self.socket(socket).map(|state| state.session);
        let Some(client) = session.and_then(|session| self.sessions.get(session.0)) else { return 0 };
        let (Route::WebSocket(connection) | Route::Translated(connection, _)) = client.session.route() else {
            return client.session.queued_bytes();
        };
        let Some(connection) = self.connections.get(connection.0) else { return 0 };
        let batch = connection.batch.map_or(0, |batch| self.batches.len(batch));
        batch + connection.outbox.as_ref().map_or(0, |outbox| outbox.queued())
    }

    /// Cuts off a client for which more waits than may for one.
    pub(crate) fn check_length(&mut self, key: ConnectionKey) {
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        if outbox.is_some_and(|outbox| outbox.waiting() > self.shared.queued_per_client) {
            self.slow_consumer(key, Limit::QueuedPerClient);
        }
    }

    /// Looks how far a connection's peer has come in taking what waits for it.
    pub(crate) fn look(&mut self, key: ConnectionKey) {
        let patience = self.shared.config.limits.write_stall;
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(outbox) = &mut connection.outbox else { return };
        // A socket that the kernel does not know is broken, and says so when it is written to.
        let in_kernel = unacknowledged(&connection.stream).unwrap_or(0);
        let unsent = outbox.unsent();
        outbox.progress.look(self.now, patience, in_kernel, unsent);
    }

    /// If it is time for it, looks whether a connection's peer takes what waits for it, and cuts it off if not. Says whether
    /// it did.
    pub(crate) fn check_stall(&mut self, key: ConnectionKey) -> bool {
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

    /// A client's heartbeat or GET is missing. It is waited for again if the client takes what it is sent, or has not been read.
    pub(crate) fn look_for_life(&mut self, key: SessionKey) {
        let Some(client) = self.sessions.get(key.0) else { return };
        let (route, answered, post) = (client.session.route(), client.answered, client.session.handled_post());
        let (connection, is_unread) = match route {
            Route::WebSocket(connection) | Route::Translated(connection, _) => (connection, self.is_unread(connection)),
            Route::Queue => (answered, post.is_some_and(|post| self.is_post_held_up(post))),
            Route::Gone => return,
        };
        if is_unread || self.takes(connection) {
            self.session(key, |session, now, settings, effects| session.sign_of_life(now, settings, effects));
        } else if let Some(left) = self.under_way(connection) {
            self.session(key, |session, now, settings, _| session.ping_may_be_under_way(now, left, settings));
        }
    }

    /// Whether a connection's peer takes what waits for it: it has come any further in the time that a pong has.
    fn takes(&mut self, key: ConnectionKey) -> bool {
        self.look(key);
        let patience = self.shared.settings.ping_timeout;
        let outbox = self.connections.get(key.0).and_then(|connection| connection.outbox.as_ref());
        outbox.is_some_and(|outbox| outbox.progress.further() + patience > self.now)
    }

    /// Bytes that the kernel has not delivered yet, if all that was for a connection has left.
    fn under_way(&self, key: ConnectionKey) -> Option<usize> {
        let connection = self.connections.get(key.0).filter(|connection| connection.outbox.is_none())?;
        unacknowledged(&connection.stream).ok()
    }

    /// Whether a POST waits for its answer, and its client with all that it has to say.
    fn is_post_held_up(&self, key: ConnectionKey) -> bool {
        let stage = self.connections.get(key.0).map(|connection| &connection.stage);
        let Some(Stage::Http(http)) = stage else { return false };
        matches!(&http.state, HttpState::Waiting(_))
    }

    /// While much waits for all clients together, those are cut off that hold most for what they take. Short queues are spared
    /// as long as there is any room.
    pub(crate) fn check_queued(&mut self) {
        let most = self.shared.queued_per_shard;
        let (queued, part) = (self.queued(), most / PART);
        if queued <= part {
            self.queued_look = part;
            return;
        }
        if queued <= self.queued_look {
            return;
        }
        let hold_up = self.shared.config.limits.hold_up;
        let mut queues = self.queues();
        queues.sort_by_cached_key(|queue| Reverse((queue.burden(), queue.own)));
        let (long, short): (Vec<_>, Vec<_>) = queues.into_iter().partition(|queue| queue.length > hold_up);
        let left = self.cut_until(queued, &long, part - part / MARGIN);
        let left = self.cut_until(left, &short, most);
        self.queued_look = left.max(part) + part / MARGIN;
    }

    /// Of so many bytes that wait, cuts off clients until no more than `most` do. Gives how many are left: those who are cut off
    /// hold theirs until the turn ends.
    fn cut_until(&mut self, mut queued: usize, queues: &[Queue], most: usize) -> usize {
        for queue in queues {
            if queued <= most {
                break;
            }
            queued = queued.saturating_sub(queue.own);
            self.cut_queue(queue.of, Limit::Queued);
        }
        queued
    }

    /// All queues, in no particular order.
    fn queues(&self) -> Vec<Queue> {
        let outboxes = self.connections.iter().filter(|(_, connection)| connection.fate.is_none());
        let outboxes = outboxes.filter_map(|(key, connection)| {
            let outbox = connection.outbox.as_ref()?;
            let of = Waiting::Connection(ConnectionKey(key));
            Some(Queue { of, length: outbox.queued(), own: outbox.own(), pace: outbox.progress.pace() })
        });
        let sessions = self.sessions.iter().filter_map(|(key, client)| {
            let length = client.session.queued_bytes();
            let own = || client.session.queue().filter(|frames| frames.are_own());
            (length > 0).then(|| Queue {
                of: Waiting::Session(SessionKey(key)),
                length,
                own: own().map(Frames::len).sum::<usize>() + client.session.queued_messages() * MESSAGE_OVERHEAD,
                pace: client.session.pace(self.now),
            })
        });
        outboxes.chain(sessions).collect()
    }

    /// All queues, those first that hold most alone.
    pub(crate) fn longest_queues(&self) -> Vec<Queue> {
        let mut queues = self.queues();
        queues.sort_unstable_by_key(|queue| Reverse((queue.own, queue.length)));
        queues
    }

    /// Cuts off the client that a queue waits for.
    pub(crate) fn cut_queue(&mut self, waiting: Waiting, limit: Limit) {
        match waiting {
            Waiting::Connection(key) => self.slow_consumer(key, limit),
            Waiting::Session(key) => self.cut_off(key, limit),
        }
    }

    /// Ends a connection whose peer does not take what is sent. The kernel forgets what it holds for it, instead of trying for
    /// minutes to deliver it.
    pub(crate) fn slow_consumer(&mut self, key: ConnectionKey, limit: Limit) {
        let Some(connection) = self.connections.get(key.0).filter(|connection| connection.fate.is_none()) else {
            return;
        };
        if let Some(outbox) = &connection.outbox {
            let (length, last) = (outbox.queued(), outbox.last().cloned());
            self.note_cut(limit, length, last.as_ref());
        }
        self.let_kernel_forget(key);
        self.doom(key, Fate::Error);
    }

    /// Ends a polling session that does not fetch what waits for it.
    pub(crate) fn cut_off(&mut self, key: SessionKey, limit: Limit) {
        let Some(client) = self.sessions.get(key.0) else { return };
        let (length, last) =
            (client.session.queued_bytes(), client.session.queue().last().map(|last| last.bytes().clone()));
        self.note_cut(limit, length, last.as_ref());
        self.session(key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
    }

    pub(crate) fn note_cut(&mut self, limit: Limit, length: usize, last: Option<&Bytes>) {
        self.metrics.hit(limit);
        self.metrics.slow_consumers.one();
        let told = self.shared.cuts.note(Instant::now(), self.bound(limit), length, last.map(|last| &**last));
        if let Some(later) = told {
            self.timers.arm(self.now + later, TimerKey::Cuts);
        }
    }

    /// A limit of what waits, as the log tells of it: by its variable, and that variable's value.
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
    fn let_kernel_forget(&self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(key.0) else { return };
        if let Err(error) = SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO)) {
            log::debug!("connection {}: {error}", key.0);
        }
    }
}
