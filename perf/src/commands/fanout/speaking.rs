//! Who speaks when.

use std::time::{Duration, Instant};

use super::stamp::Stamp;
use super::{Fanout, Pace, QUIET};
use crate::engine::{Engine, Flow};
use crate::measure::nanoseconds;

/// Batches written in one turn of the loop at most.
const PER_TURN: usize = 64;

impl Fanout {
    /// Writes what is due; when the loop is to come back.
    pub(super) fn speak_when_due(&mut self, engine: &mut Engine) -> Flow {
        if self.senders.is_empty() {
            return Flow::Within(QUIET);
        }
        match self.pace {
            Pace::Rate(rate) => self.speak_at_rate(engine, rate),
            Pace::Window(window) => self.speak_in_window(engine, window),
        }
    }

    fn speak_at_rate(&mut self, engine: &mut Engine, rate: f64) -> Flow {
        let now = nanoseconds();
        let interval = (self.batch.count() as f64 / rate * 1e9) as u64;
        for _ in 0..PER_TURN {
            if self.due > now {
                return Flow::At(self.due);
            }
            self.tally.lag = self.tally.lag.max(now - self.due);
            self.speak(engine, self.due);
            self.due += interval;
        }
        Flow::Within(Duration::ZERO)
    }

    fn speak_in_window(&mut self, engine: &mut Engine, window: u64) -> Flow {
        let listeners = self.count as u64 - 1;
        if self.progressed.elapsed() > QUIET {
            self.given_up = (self.tally.sent * listeners).saturating_sub(self.tally.delivered);
            self.progressed = Instant::now();
        }
        for _ in 0..PER_TURN {
            let open = (self.tally.sent * listeners).saturating_sub(self.tally.delivered + self.given_up);
            if open > (window - 1) * self.batch.count() as u64 * listeners {
                break;
            }
            self.speak(engine, nanoseconds());
        }
        Flow::Within(Duration::from_millis(100))
    }

    /// Writes one batch that was due at `due`, as the next sender.
    fn speak(&mut self, engine: &mut Engine, due: u64) {
        let which = self.next_sender;
        self.next_sender = (which + 1) % self.senders.len();
        let sender = self.run.part().0 + self.senders[which];
        for copy in 0..self.batch.count() {
            self.numbers[which] += 1;
            let stamp = Stamp { sender, number: self.numbers[which], due };
            stamp.write(&mut self.batch, copy, self.stamp_at);
        }
        self.tally.sent += self.batch.count() as u64;
        engine.send(self.senders[which], &self.batch);
    }
}
