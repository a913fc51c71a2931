//! Slow consumers among all clients: it cuts off the worst when queues are long, and waits for signs of life.

use std::cmp::Reverse;

use crate::engineio::{Frames, MESSAGE_OVERHEAD, Reason, Route};
use crate::metrics::Limit;
use crate::shard::sessions::Sessions;
use crate::shard::store::keys::{ConnectionKey, SessionKey};

/// The first clients are cut off at this part of the limit of all queues.
const PART: usize = 2;

/// The queues must fall below that by this part of it, and may grow again by it before slow clients are looked for again.
const MARGIN: usize = 8;

/// The owner of a queue.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) enum QueueOwner {
    /// A connection whose kernel socket refuses bytes.
    Connection(ConnectionKey),
    /// A session whose polling client does not fetch.
    Session(SessionKey),
}

/// The queue of one client.
#[derive(Debug)]
pub(in crate::shard) struct ClientQueue {
    pub(in crate::shard) of: QueueOwner,
    /// Bytes that wait.
    length: usize,
    /// Bytes that wait for this client alone.
    pub(in crate::shard) own: usize,
    /// Bytes that the client has taken in the last seconds.
    pace: u64,
}

impl ClientQueue {
    /// The bytes that the client holds, compared with the bytes that it takes.
    fn burden(&self) -> u64 {
        self.own as u64 * 1024 / self.pace.max(1)
    }
}

impl Sessions {
    /// A client's heartbeat or GET is missing. The client gets more time if it takes its output, or if it was not read.
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

    /// While much waits for all clients together, cuts off those that hold most compared with what they take. Clients with
    /// short queues are spared while there is any room.
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

    /// Cuts off clients until at most `most` of the `queued` bytes are left, and returns how many are. The bytes are freed only
    /// at the end of the turn.
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

    /// All queues, sorted by the bytes that wait for one client alone, the longest first.
    pub(in crate::shard) fn longest_queues(&self) -> Vec<ClientQueue> {
        let mut queues = self.queues();
        queues.sort_unstable_by_key(|queue| Reverse((queue.own, queue.length)));
        queues
    }

    /// Cuts off the client of a queue.
    pub(in crate::shard) fn cut_queue(&mut self, waiting: QueueOwner, limit: Limit) {
        match waiting {
            QueueOwner::Connection(key) => self.slow_consumer(key, limit),
            QueueOwner::Session(key) => self.cut_off(key, limit),
        }
    }

    /// Ends a polling session whose client does not fetch.
    pub(super) fn cut_off(&mut self, key: SessionKey, limit: Limit) {
        let Some(client) = self.clients.get(key.0) else { return };
        let (length, last) =
            (client.session.queued_bytes(), client.session.queue().last().map(|last| last.bytes().clone()));
        self.note_cut(limit, length, last.as_ref());
        self.act(key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
    }
}
