//! Deferred handshakes: when many clients come at once, connected clients and health checks go first.
//!
//! When thousands of clients come at once, each session costs ten times what it costs to read its request. So requests
//! are read as they come, and a turn begins only so many sessions; the rest wait in order. A waiting handshake is kept
//! as bytes, which are parsed again. If its client closes its half meanwhile, it has given up, and its handshake is
//! dropped.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{Connection, HttpState};
use crate::shard::shared::admissions::Decided;
use crate::shard::store::keys::ConnectionKey;
use crate::shard::store::timers::NEVER;

/// Handshakes in one turn of the loop: less than a millisecond of work.
pub(in crate::shard) const PER_TURN: usize = 16;

/// The handshakes that wait, and how many may be done at once.
#[derive(Debug, Default)]
pub(in crate::shard::input) struct Handshakes {
    /// Their connections. Ones that ended meanwhile are still among them.
    waiting: VecDeque<ConnectionKey>,
    /// How many more this turn may do.
    left: usize,
    /// The program's decision about the next one, if that was asked.
    decided: Option<Box<Decided>>,
}

impl Handshakes {
    /// How many handshakes wait for the next turns.
    pub(in crate::shard::input) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A turn begins. While handshakes wait, new ones go behind them.
    pub(in crate::shard::input) fn begin_turn(&mut self) {
        self.left = if self.waiting.is_empty() { PER_TURN } else { 0 };
    }

    /// The program's decision about the handshake that is done now, if that was asked.
    pub(in crate::shard::input) fn take_decided(&mut self) -> Option<Box<Decided>> {
        self.decided.take()
    }

    /// Whether one more handshake may be done now.
    pub(in crate::shard::input) fn admit(&mut self) -> bool {
        let admitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        admitted
    }
}

impl Shard {
    /// Goes on with waiting handshakes, as many as one turn may.
    pub(in crate::shard) fn deferred_handshakes(self: &Rc<Self>) {
        for _ in 0..PER_TURN {
            let Some(key) = self.core.borrow_mut().next_deferred() else { break };
            self.served(key, |shard| shard.http_bytes(key, &[]));
        }
    }
}

impl Intake {
    /// Defers a handshake. Its request is kept as it came.
    pub(in crate::shard::input) fn defer_handshake(&mut self, key: ConnectionKey) -> Step {
        if let Some(http) = self.connection_mut(key).and_then(Connection::http) {
            http.state = HttpState::Deferred(None);
            self.set_deadline(key, NEVER);
            self.handshakes.waiting.push_back(key);
        }
        Step::Wait
    }

    /// Has a handshake that the program has decided about wait for its turn.
    pub(in crate::shard::input) fn defer_decided(&mut self, key: ConnectionKey, decided: Decided) {
        self.set_state(key, HttpState::Deferred(Some(Box::new(decided))));
        self.set_deadline(key, NEVER);
        self.handshakes.waiting.push_back(key);
    }

    /// The next connection with a waiting handshake, if one more may be done now.
    fn next_deferred(&mut self) -> Option<ConnectionKey> {
        loop {
            let key = self.handshakes.waiting.pop_front()?;
            let http = self.connection_mut(key).and_then(Connection::http);
            if let Some(http) = http
                && let HttpState::Deferred(decided) = &mut http.state
            {
                let decided = decided.take();
                http.state = HttpState::Head;
                self.handshakes.decided = decided;
                self.handshakes.left = 1;
                return Some(key);
            }
        }
    }
}
