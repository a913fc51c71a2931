//! From connecting to leaving. Phases named after what all have done wait for the other processes.

use std::time::{Duration, Instant};

use super::{Fanout, QUIET, SETTLING};
use crate::commands::Meter;
use crate::engine::{Engine, Flow};
use crate::measure::nanoseconds;

#[derive(Debug, Clone, Copy)]
pub enum Phase {
    Connecting,
    AllConnected,
    Settling { until: Instant },
    Sending { until: Instant, meter: Meter },
    AllSent(Meter),
    Draining(Meter),
    AllDrained(Meter),
    Leaving,
}

impl Fanout {
    /// Goes on to the next phase if this one has ended; when the loop is to come back.
    pub(super) fn go_on(&mut self, engine: &mut Engine) -> Flow {
        let next = match self.phase {
            Phase::Connecting => self.connecting(engine),
            Phase::AllConnected => self.all_connected(engine),
            Phase::Settling { until } => self.settling(engine, until),
            Phase::Sending { until, meter } => self.sending(engine, until, meter),
            Phase::AllSent(meter) => self.all_sent(engine, meter),
            Phase::Draining(meter) => self.draining(engine, meter),
            Phase::AllDrained(meter) => self.all_drained(engine, meter),
            Phase::Leaving if engine.is_deserted() => return Flow::Done,
            Phase::Leaving => None,
        };
        let stays = next.is_none();
        self.phase = next.unwrap_or(self.phase);
        match self.phase {
            Phase::Connecting | Phase::Leaving => Flow::Within(Duration::from_millis(50)),
            Phase::Sending { .. } if stays => self.speak_when_due(engine),
            Phase::Sending { .. } => Flow::Within(Duration::ZERO),
            _ => Flow::Within(Duration::from_millis(1)),
        }
    }

    fn connecting(&mut self, engine: &mut Engine) -> Option<Phase> {
        self.run.progress.update("connected", self.here as u64, Some(self.count as u64));
        (self.here == self.count || self.run.is_stopped()).then(|| {
            engine.cancel_launches();
            self.run.gate.arrive(self.here as u64);
            Phase::AllConnected
        })
    }

    fn all_connected(&self, engine: &Engine) -> Option<Phase> {
        self.run.may_go_on().then(|| Phase::Settling { until: engine.now() + SETTLING })
    }

    fn settling(&mut self, engine: &Engine, until: Instant) -> Option<Phase> {
        (self.run.is_stopped() || engine.now() >= until).then(|| {
            self.tally.senders = self.senders.len() as u64;
            let meter = Meter::begin(&self.run);
            self.due = nanoseconds();
            self.tally.begun = self.due;
            self.progressed = engine.now();
            Phase::Sending { until: Instant::now() + self.run.options.duration(), meter }
        })
    }

    fn sending(&mut self, engine: &Engine, until: Instant, meter: Meter) -> Option<Phase> {
        self.run.progress.update("delivered", self.tally.delivered, None);
        let alone = self.tally.dropouts == self.count as u64;
        (self.run.is_stopped() || alone || engine.now() >= until).then(|| {
            self.run.gate.arrive(self.tally.sent);
            Phase::AllSent(meter)
        })
    }

    fn all_sent(&mut self, engine: &Engine, meter: Meter) -> Option<Phase> {
        let sum = self.run.gate.passed();
        (self.run.is_stopped() || sum.is_some()).then(|| {
            let sent = sum.unwrap_or(self.tally.sent);
            self.tally.expected = sent * self.count as u64 - self.tally.sent;
            self.progressed = engine.now();
            Phase::Draining(meter)
        })
    }

    fn draining(&mut self, engine: &Engine, meter: Meter) -> Option<Phase> {
        let complete = self.tally.delivered >= self.tally.expected;
        (complete || engine.now().duration_since(self.progressed) > QUIET).then(|| {
            self.run.gate.arrive(self.tally.delivered);
            Phase::AllDrained(meter)
        })
    }

    fn all_drained(&mut self, engine: &mut Engine, meter: Meter) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            self.tally.measured = meter.end(&self.run);
            engine.leave_all();
            Phase::Leaving
        })
    }
}
