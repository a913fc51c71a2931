//! Clients with long queues: cutting them off, and waiting for a sign of life.

use std::cmp::Reverse;

use crate::engineio::{Frames, MESSAGE_OVERHEAD, Reason, Route};
use crate::metrics::Limit;
use crate::shard::sessions::Sessions;
use crate::shard::store::keys::{ConnectionKey, SessionKey};

/// The part of what may wait for all from which on the first are cut off.
const PART: usize = 2;

/// By which part of that it must fall below, and may grow again before the next are looked for.
const MARGIN: usize = 8;

/// Whose bytes wait.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) enum QueueOwner {
    /// A socket does not take them.
    Connection(ConnectionKey),
    /// A polling client does not fetch them.
    Session(SessionKey),
}

/// What waits for one client.
#[derive(Debug)]
pub(in crate::shard) struct ClientQueue {
    pub(in crate::shard) of: QueueOwner,
    /// Bytes that wait.
    length: usize,
    /// Bytes of them that nobody else waits for.
    pub(in crate::shard) own: usize,
    /// Bytes that the client has taken of late.
    pace: u64,
}

impl ClientQueue {
    /// What the client holds for what it takes.
    fn burden(&self) -> u64 {
        self.own as u64 * 1024 / self.pace.max(1)
    }
}

impl Sessions {
    /// A client's heartbeat or GET is missing. It is waited for again if the client takes what it is sent, or has not been read.
    pub(super) fn look_for_life(&mut self, key: SessionKey) {
        let Some(client) = self.clients.get(key.0) else { return };
        let (route, answered, post) = (client.session.route(), client.answered, client.session.handled_post());
        let (connection, is_unread) = match route {
            Route::WebSocket(connection) | Route::Translated(connection, _) => (connection, self.is_unread(connection)),
            Route::Queue => (answered, post.is_some_and(|post| self.is_post_held_up(post))),
            Route::Gone => return,
        };
        if is_unread || self.takes(connection) {
            self.act(key, |session, now, settings, effects| session.sign_of_life(now, settings, effects));
        } else if let Some(left) = self.under_way(connection) {
            self.act(key, |session, now, settings, _| session.ping_may_be_under_way(now, left, settings));
        }
    }

    /// While much waits for all clients together, those are cut off that hold most for what they take. Short queues are spared
    /// as long as there is any room.
    pub(in crate::shard) fn check_queued(&mut self) {
        let most = self.shared().queued_per_shard;
        let (queued, part) = (self.queued(), most / PART);
        if queued <= part {
            self.queued_look = part;
            return;
        }
        if queued <= self.queued_look {
            return;
        }
        let hold_up = self.shared().config.limits.hold_up;
        let mut queues = self.queues();
        queues.sort_by_cached_key(|queue| Reverse((queue.burden(), queue.own)));
        let (long, short): (Vec<_>, Vec<_>) = queues.into_iter().partition(|queue| queue.length > hold_up);
        let left = self.cut_until(queued, &long, part - part / MARGIN);
        let left = self.cut_until(left, &short, most);
        self.queued_look = left.max(part) + part / MARGIN;
    }

    /// Of so many bytes that wait, cuts off clients until no more than `most` do. Gives how many are left: those who are cut off
    /// hold theirs until the turn ends.
    fn cut_until(&mut self, mut queued: usize, queues: &[ClientQueue], most: usize) -> usize {
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
    fn queues(&self) -> Vec<ClientQueue> {
        let outboxes = self.net.connections().filter(|(_, connection)| connection.close_cause.is_none());
        let outboxes = outboxes.filter_map(|(key, connection)| {
            let outbox = connection.outbox.as_ref()?;
            let of = QueueOwner::Connection(key);
            Some(ClientQueue { of, length: outbox.queued(), own: outbox.own(), pace: outbox.progress.pace() })
        });
        let sessions = self.clients.iter().filter_map(|(key, client)| {
            let length = client.session.queued_bytes();
            let own = || client.session.queue().filter(|frames| frames.are_own());
            (length > 0).then(|| ClientQueue {
                of: QueueOwner::Session(SessionKey(key)),
                length,
                own: own().map(Frames::len).sum::<usize>() + client.session.queued_messages() * MESSAGE_OVERHEAD,
                pace: client.session.pace(self.now()),
            })
        });
        outboxes.chain(sessions).collect()
    }

    /// All queues, those first that hold most alone.
    pub(in crate::shard) fn longest_queues(&self) -> Vec<ClientQueue> {
        let mut queues = self.queues();
        queues.sort_unstable_by_key(|queue| Reverse((queue.own, queue.length)));
        queues
    }

    /// Cuts off the client that a queue waits for.
    pub(in crate::shard) fn cut_queue(&mut self, waiting: QueueOwner, limit: Limit) {
        match waiting {
            QueueOwner::Connection(key) => self.slow_consumer(key, limit),
            QueueOwner::Session(key) => self.cut_off(key, limit),
        }
    }

    /// Ends a polling session that does not fetch what waits for it.
    pub(super) fn cut_off(&mut self, key: SessionKey, limit: Limit) {
        let Some(client) = self.clients.get(key.0) else { return };
        let (length, last) =
            (client.session.queued_bytes(), client.session.queue().last().map(|last| last.bytes().clone()));
        self.note_cut(limit, length, last.as_ref());
        self.act(key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
    }
}
