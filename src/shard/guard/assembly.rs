//! Admission of large messages while many are half sent.
//!
//! Many clients that begin a large message at once, more in total than the server may keep, are not cut off. While half
//! of the limit is half sent, each may send a little. Then it waits in a line until there is room for its whole
//! message. So some messages are completed and make room for others, instead of all of them growing together.
//!
//! In the line the client that needs the least comes first, so that nobody waits for another's megabyte with a few
//! kilobytes. A client that is admitted but sends too slowly loses its place: it keeps what it has sent, and goes
//! behind all clients that never did so.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use crate::engineio::Millis;
use crate::shard::guard::Guard;
use crate::shard::net::connection::{HttpState, ReadState, Role, Stage};
use crate::shard::store::keys::{ConnectionKey, TimerKey};

/// Clients begin to wait at the first part of the limit; below the second, no client waits any more.
const CROWDED: usize = 2;
const AT_EASE: usize = 4;

/// The part of the limit that all clients together may send without waiting.
const LITTLE: usize = 8;

/// The least and the most bytes that one client may send without waiting.
const LEAST: usize = 1024;
const MOST: usize = 16 * 1024;

/// Time between two checks of the line.
const PAUSE: Duration = Duration::from_millis(10);

/// An admitted client must send this many bytes in this time, or it loses its place.
const PROGRESS: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_millis(250);

/// There is always room for this many clients that need no more than this, if the limit allows it.
const SHORT: usize = 64 * 1024;
const SHORTS: usize = 8;

/// Clients with a half-sent message, while there are too many.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    crowd: Option<Box<Crowd>>,
}

#[derive(Debug, Default)]
struct Crowd {
    /// Bytes that a client may have half sent without waiting.
    little: usize,
    /// Admitted clients.
    going: HashMap<ConnectionKey, SentSince>,
    /// How often each client has lost its place without completing its message since.
    lost: HashMap<ConnectionKey, u32>,
    /// Clients that wait for admission. Clients that are gone, or went on by themselves, may still be among them.
    line: BinaryHeap<Reverse<Candidate>>,
    next_look: Millis,
}

/// A waiting client; the one that needs the least is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    lost: u32,
    missing: usize,
    key: ConnectionKey,
}

/// Why an admitted client has no place any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Whole,
    Lost,
}

/// The progress of an admitted client.
#[derive(Debug, Clone, Copy)]
struct SentSince {
    bytes: usize,
    at: Millis,
}

impl Assembly {
    /// Whether so much is half sent that large messages wait.
    #[inline]
    pub(super) const fn is_crowded(&self) -> bool {
        self.crowd.is_some()
    }

    /// Whether it is time to check the line.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.crowd.as_ref().is_some_and(|crowd| crowd.next_look <= now)
    }

    /// Whether a connection waits for admission.
    #[cfg(debug_assertions)]
    fn has_in_line(&self, key: ConnectionKey) -> bool {
        self.crowd.as_ref().is_some_and(|crowd| crowd.line.iter().any(|Reverse(waiting)| waiting.key == key))
    }
}

impl Crowd {
    /// How many whole messages there is room for while `unfinished` bytes are half sent: at least one.
    fn places(limit: usize, unfinished: usize, message: usize) -> usize {
        // The buffer of a growing message may be twice as large.
        let room = (limit - limit / LITTLE).saturating_sub(unfinished);
        (room / message.saturating_mul(2).max(1)).max(1)
    }

    /// Takes the first of the line out, if there is a place for it.
    fn next(&mut self, limit: usize, places: usize) -> Option<ConnectionKey> {
        let first = self.line.peek()?.0;
        let short = SHORT.min(limit / LITTLE / SHORTS);
        let most = if first.missing <= short { places + SHORTS } else { places };
        if self.going.len() >= most {
            return None;
        }
        self.line.pop();
        Some(first.key)
    }
}

impl Guard {
    /// Whether so much is half sent that large messages wait.
    #[inline]
    pub(in crate::shard) fn is_crowded(&self) -> bool {
        self.assembly.is_crowded()
    }

    /// Whether a connection waits until there is room for its message.
    #[cfg(debug_assertions)]
    pub(in crate::shard) fn waits_for_room(&self, key: ConnectionKey) -> bool {
        self.assembly.has_in_line(key)
    }

    /// Whether nothing more is to be read of a connection until there is room for its message.
    pub(in crate::shard) fn must_wait_for_room(&self, key: ConnectionKey) -> bool {
        self.may_read(key) == 0
    }

    /// How much may be read of a connection now.
    pub(in crate::shard) fn may_read(&self, key: ConnectionKey) -> usize {
        match &self.assembly.crowd {
            Some(crowd) if !crowd.going.contains_key(&key) => crowd.little.saturating_sub(self.half_sent(key)),
            _ => usize::MAX,
        }
    }

    /// A connection is not read until there is room.
    pub(in crate::shard) fn wait_for_room(&mut self, key: ConnectionKey) {
        let Some(crowd) = &mut self.assembly.crowd else { return };
        let Some(connection) = self.recovering.connection_mut(key) else { return };
        connection.input = ReadState::HeldUp;
        let missing = match &connection.stage {
            Stage::WebSocket(websocket) => websocket.incoming.missing(),
            Stage::Http(http) => match &http.state {
                HttpState::Post(post) => post.reader.missing(),
                HttpState::Body(gathered) => gathered.reader.missing(),
                _ => None,
            },
            Stage::Tunnel(_) | Stage::Lingering => None,
        };
        let lost = crowd.lost.get(&key).copied().unwrap_or(0);
        crowd.line.push(Reverse(Candidate { lost, missing: missing.unwrap_or(usize::MAX), key }));
        self.metrics().held_up.one();
    }

    /// Checks the line while all clients together have `unfinished` bytes half sent: clients with large messages begin to wait,
    /// are admitted, or need not wait any more.
    pub(super) fn make_room(&mut self, unfinished: usize) {
        let limit = self.shared().unfinished_per_shard;
        if self.assembly.is_crowded() && unfinished <= limit / AT_EASE {
            return self.let_all_in();
        }
        if self.assembly.is_crowded() || unfinished > limit / CROWDED {
            self.let_in(limit, unfinished);
        }
    }

    fn let_all_in(&mut self) {
        for Reverse(waiting) in self.assembly.crowd.take().into_iter().flat_map(|crowd| crowd.line) {
            self.let_go_on(waiting.key);
        }
    }

    fn let_in(&mut self, limit: usize, unfinished: usize) {
        let mut crowd = self.assembly.crowd.take().unwrap_or_default();
        crowd.little = (limit / LITTLE / self.connection_count().max(1)).clamp(LEAST, MOST);
        crowd.lost.retain(|key, _| self.half_sent(*key) >= crowd.little);
        let over: Vec<_> = crowd
            .going
            .iter_mut()
            .filter_map(|(key, progress)| Some((*key, self.is_over(*key, progress, crowd.little)?)))
            .collect();
        for (key, over) in over {
            crowd.going.remove(&key);
            if over == Over::Lost {
                *crowd.lost.entry(key).or_default() += 1;
            }
        }
        let places = Crowd::places(limit, unfinished, self.shared().config.max_http_buffer_size);
        let mut entered = Vec::new();
        while let Some(key) = crowd.next(limit, places) {
            if self.connection(key).is_some_and(|it| it.close_cause.is_none() && it.input == ReadState::HeldUp) {
                crowd.going.insert(key, SentSince { bytes: self.half_sent(key), at: self.now() });
                entered.push(key);
            }
        }
        crowd.next_look = self.now() + PAUSE;
        // That turn checks the line again at its end.
        self.timers().arm(crowd.next_look, TimerKey::Turn);
        self.assembly.crowd = Some(crowd);
        for key in entered {
            self.let_go_on(key);
        }
    }

    /// Whether an admitted client gives its place up, because its message is whole or does not come.
    fn is_over(&self, key: ConnectionKey, progress: &mut SentSince, little: usize) -> Option<Over> {
        let bytes = self.half_sent(key);
        if bytes < little {
            return Some(Over::Whole);
        }
        // A client that was not read is not to blame. Any difference is progress: the buffer of a message that was begun since
        // may be smaller.
        let is_unread = self.is_unread(key);
        if is_unread || bytes.abs_diff(progress.bytes) >= PROGRESS {
            *progress = SentSince { bytes, at: self.now() };
        }
        (progress.at + PATIENCE <= self.now()).then_some(Over::Lost)
    }

    /// Bytes of an incomplete message, of its attachments, or of an incomplete request body.
    fn half_sent(&self, key: ConnectionKey) -> usize {
        let Some(connection) = self.connection(key) else { return 0 };
        let (session, bytes) = match &connection.stage {
            Stage::WebSocket(websocket) => match websocket.role {
                Role::Session(session) => (Some(session), websocket.incoming.held()),
                Role::Closing => return 0,
            },
            Stage::Http(http) => match &http.state {
                HttpState::Post(post) => (Some(post.session), post.body.capacity()),
                HttpState::Body(gathered) => (None, gathered.body.capacity()),
                // A head is short, and may be a health check's.
                _ => return 0,
            },
            Stage::Tunnel(_) | Stage::Lingering => return 0,
        };
        let client = session.and_then(|session| self.client(session));
        bytes + client.map_or(0, |client| client.decoder.held())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_messages_as_fit_and_always_for_one() {
        let mebibyte = 1 << 20;
        assert_eq!(Crowd::places(64 * mebibyte, 32 * mebibyte, mebibyte), 12);
        assert_eq!(Crowd::places(64 * mebibyte, 56 * mebibyte, mebibyte), 1);
        assert_eq!(Crowd::places(64 * mebibyte, 80 * mebibyte, mebibyte), 1);
        assert_eq!(Crowd::places(1000, 600, usize::MAX), 1);
        assert_eq!(Crowd::places(0, 0, 0), 1);
    }

    #[test]
    fn the_client_that_needs_least_comes_first_and_one_that_lost_its_place_last() {
        const LIMIT: usize = 64 << 20;
        let waiting = |key, lost, missing| Candidate { lost, missing, key: ConnectionKey(key) };
        let line = [waiting(1, 0, 500_000), waiting(2, 1, 10), waiting(3, 0, 4000), waiting(4, 0, usize::MAX)];
        let mut crowd = Crowd { line: line.map(Reverse).into(), ..Crowd::default() };
        let mut next = |places| {
            let next = crowd.next(LIMIT, places)?;
            crowd.going.insert(next, SentSince { bytes: 0, at: Millis(0) });
            Some(next.0)
        };
        assert_eq!(next(0), Some(3), "for a short message there is room");
        assert_eq!(next(1), None);
        assert_eq!([next(2), next(3), next(4)], [Some(1), Some(4), Some(2)]);
    }
}
