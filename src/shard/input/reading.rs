//! Reading: which connection is read when, and for how long.
//!
//! Connections with unread bytes stand in a line. A turn reads for a bounded time, and each connection for a part of
//! it. A connection that had its turn and has more goes to the end of the line; connections that were not reached are
//! first in the next turn. Requests, which may be health checks, have a line of their own and at least half of the
//! time, so that no flood of WebSockets keeps them waiting.
//!
//! The kernel reports new bytes once. So a connection that may have unread bytes is in the line, or is held up and has
//! something that lets it continue: an alarm, its queue, or a place in the line for room
//! ([`assembly`](crate::shard::guard::assembly)). No other code may forget it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::net::connection::{CloseCause, Connection, ReadState, Stage};
use crate::shard::net::line::Due;
use crate::shard::store::keys::ConnectionKey;

/// Reads from one connection in one turn.
const READS_PER_TURN: usize = 16;

/// Time that one connection has in a turn.
const ONE: Duration = Duration::from_millis(1);

/// Time in which every connection in the line should have had its turn. With many connections, each has less than [`ONE`].
const ROUND: Duration = Duration::from_millis(15);

/// Time that all connections together have in a turn.
const ALL: Duration = Duration::from_millis(3);

/// Messages, requests and reads between two looks at the clock.
const LOOK: u32 = 4;

/// How long this turn has read. The clock is read now and then; flags keep its result, and each message checks only those.
#[derive(Debug)]
pub(in crate::shard) struct Pace {
    began: Cell<Instant>,
    /// When reading of the current connection began.
    one: Cell<Instant>,
    /// How long one connection may take in this turn.
    each: Cell<Duration>,
    looked: Cell<Instant>,
    unlooked: Cell<u32>,
    /// Whether the current connection has had its time.
    one_is_over: Cell<bool>,
    /// Whether the time of all is over, so that further connections join the line.
    all_is_over: Cell<bool>,
}

impl Pace {
    pub(in crate::shard) fn new(now: Instant) -> Self {
        Self {
            began: Cell::new(now),
            one: Cell::new(now),
            each: Cell::new(ONE),
            looked: Cell::new(now),
            unlooked: Cell::new(0),
            one_is_over: Cell::new(false),
            all_is_over: Cell::new(false),
        }
    }

    pub(in crate::shard) fn begin_turn(&self, now: Instant) {
        self.began.set(now);
        self.looked.set(now);
        self.all_is_over.set(false);
    }

    /// Something was handled. Returns whether the current connection has had its time.
    #[inline]
    fn handled(&self, clock: impl FnOnce() -> Instant) -> bool {
        let unlooked = self.unlooked.get() + 1;
        self.unlooked.set(unlooked);
        if unlooked >= LOOK {
            self.look(clock());
        }
        self.one_is_over.get()
    }

    #[cold]
    fn look(&self, now: Instant) {
        self.unlooked.set(0);
        self.looked.set(now);
        self.all_is_over.set(self.spent() >= ALL);
        self.one_is_over.set(now - self.one.get() >= self.each.get() || self.all_is_over.get());
    }

    /// Divides the time among `count` connections.
    fn share_among(&self, count: usize) {
        let part = u32::try_from(count).ok().and_then(|count| ROUND.checked_div(count));
        self.each.set(part.map_or(ONE, |part| part.min(ONE)));
    }

    /// Much was read at once. Returns whether the current connection has had its time.
    fn read_much(&self, now: Instant) -> bool {
        self.look(now);
        self.one_is_over.get()
    }

    fn next_connection(&self) {
        self.one.set(self.looked.get());
        self.one_is_over.set(self.all_is_over.get());
    }

    fn spent(&self) -> Duration {
        self.looked.get() - self.began.get()
    }
}

impl Shard {
    /// The kernel tells of bytes of a connection, or of its end. The connection is read at once, unless others wait in the
    /// line.
    pub(in crate::shard) fn readable(self: &Rc<Self>, key: ConnectionKey, to_end: bool, buffer: &mut [u8]) {
        if self.is_congested.get() || self.pace.all_is_over.get() {
            return self.core.borrow_mut().readable(key, to_end);
        }
        self.pace.next_connection();
        self.read(Due { key, to_end }, buffer);
    }

    /// Notes whether connections that become readable in this turn must join the line.
    pub(in crate::shard) fn look_for_congestion(&self) {
        let waiting = self.core.borrow().line().len();
        self.pace.share_among(waiting);
        self.is_congested.set(waiting > 0 || self.others_are_full());
    }

    /// Reads the connections in the line, as long as a turn may.
    pub(in crate::shard) fn read_line(self: &Rc<Self>, buffer: &mut [u8]) {
        if self.core.borrow().line().is_empty(true) {
            return;
        }
        // Input may cause letters for shards that have no room for them.
        let full = self.others_are_full();
        loop {
            let mut core = self.core.borrow_mut();
            let websockets = !core.is_behind();
            let over = full || self.pace.all_is_over.get();
            let due = if over { None } else { core.line_mut().next(self.pace.spent(), websockets) };
            let Some(due) = due else {
                core.line_mut().end_turn();
                return;
            };
            let begins = core.begins_to_be_read(due.key);
            drop(core);
            if begins {
                self.pace.next_connection();
                self.read(due, buffer);
            }
        }
    }

    /// Something of the current connection was handled. Returns whether it has had its time.
    #[inline]
    pub(super) fn has_had_its_turn(&self) -> bool {
        self.pace.handled(clock::now)
    }

    /// Whether another shard has no room for letters. If so, nothing is read that could cause more.
    pub(in crate::shard) fn others_are_full(&self) -> bool {
        let others = self.shared.mailboxes.iter().enumerate().filter(|(index, _)| *index != self.index());
        others.into_iter().any(|(_, mailbox)| mailbox.is_full())
    }

    /// Reads a connection and handles its bytes. After a short read nothing is left, unless it must be read to its end.
    fn read(self: &Rc<Self>, Due { key, to_end }: Due, buffer: &mut [u8]) {
        if to_end {
            self.go_on_with(key);
        }
        for _ in 0..READS_PER_TURN {
            let mut core = self.core.borrow_mut();
            let Some(connection) = core.connection(key) else { return };
            if connection.close_cause.is_some() || connection.input != ReadState::Awaited {
                return;
            }
            let is_crowded = core.is_crowded();
            let at_ease =
                connection.outbox.is_none() && !core.is_behind() && !is_crowded && core.shared().rates.is_none();
            if !at_ease && core.must_wait(key) {
                return core.wait_to_be_read(key);
            }
            let most = if is_crowded { core.may_read(key).min(buffer.len()) } else { buffer.len() };
            let Some(buffer) = buffer.get_mut(..most) else { return };
            let Some(result) = core.receive(key, buffer) else { return };
            drop(core);
            match result {
                Ok(0) => return self.core.borrow_mut().peer_closed(key),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.core.borrow().metrics().received_bytes.add(count as u64);
                    self.served(key, |shard| shard.received(key, bytes));
                    let short = count < buffer.len();
                    if short && !to_end {
                        return;
                    }
                    if !short && self.pace.read_much(clock::now()) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    log::debug!("connection {}: read failed: {error}", key.0);
                    return self.core.borrow_mut().mark_closed(key, CloseCause::Closed);
                }
            }
        }
        let mut core = self.core.borrow_mut();
        if core.connection(key).is_some_and(|connection| connection.input == ReadState::Awaited) {
            core.line_up(key);
        }
    }

    /// Goes on with bytes of a connection that were read and not handled.
    #[cold]
    fn go_on_with(self: &Rc<Self>, key: ConnectionKey) {
        self.resume_post(key);
        self.served(key, |shard| shard.received(key, &[]));
    }

    fn received(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) {
        let is_websocket = match self.core.borrow().connection(key).map(|connection| &connection.stage) {
            Some(Stage::WebSocket(_) | Stage::Tunnel(_)) => true,
            Some(Stage::Http(_)) => false,
            Some(Stage::Lingering) | None => return,
        };
        if is_websocket {
            self.websocket_bytes(key, bytes);
        } else {
            self.http_bytes(key, bytes);
        }
    }
}

impl Intake {
    /// Whether a connection must not be read now: it is to be held up, or the shard cannot keep up with writing. In the latter
    /// case requests are read all the same, because they may be health checks.
    #[inline]
    fn must_wait(&mut self, key: ConnectionKey) -> bool {
        let is_websocket = |it: &Connection| matches!(it.stage, Stage::WebSocket(_));
        (self.is_behind() && self.connection(key).is_some_and(is_websocket))
            || self.is_to_be_held_up(key)
            || self.must_wait_for_room(key)
    }

    #[cold]
    fn wait_to_be_read(&mut self, key: ConnectionKey) {
        if self.is_to_be_held_up(key) {
            self.hold_up(key);
        } else if self.must_wait_for_room(key) {
            self.wait_for_room(key);
        } else {
            self.line_up(key);
        }
    }

    /// Checks that no connection with unread bytes is forgotten.
    #[cfg(debug_assertions)]
    pub(in crate::shard) fn assert_nobody_is_forgotten(&mut self) {
        let lined: std::collections::HashSet<_> = self.line().keys().collect();
        for (key, connection) in self.connections().filter(|(_, it)| it.close_cause.is_none()) {
            // An outbox checks this whenever a part of it is written. A timer may be a little late.
            let waits = connection.outbox.is_some()
                || self.shared().rates.is_some()
                || self.waits_for_room(key)
                || connection.awaits_answer()
                || connection.errand().is_some();
            match connection.input {
                ReadState::Awaited => {}
                ReadState::InLine => assert!(lined.contains(&key), "{key:?} is not in the line"),
                ReadState::HeldUp => assert!(waits, "nothing lets {key:?} go on"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_its_share_of_the_time() {
        let begin = Instant::now();
        let pace = Pace::new(begin);
        let handle = |times: u32, at: Duration| (0..times).fold(false, |_, _| pace.handled(|| begin + at));
        assert!(!handle(LOOK - 1, ALL), "the clock is not looked at");
        assert!(!handle(1, ONE / 2));
        assert!(handle(LOOK, ONE));
        pace.next_connection();
        assert!(!pace.handled(Instant::now));
        assert_eq!(pace.spent(), ONE);
    }

    #[test]
    fn each_has_less_where_many_wait() {
        let begin = Instant::now();
        let pace = Pace::new(begin);
        for (waiting, each) in [(0, ONE), (1, ONE), (15, ONE), (1500, Duration::from_micros(10))] {
            pace.share_among(waiting);
            pace.begin_turn(begin);
            pace.next_connection();
            assert!(!pace.read_much(begin + each / 2), "{waiting}");
            assert!(pace.read_much(begin + each), "{waiting}");
        }
    }
}
