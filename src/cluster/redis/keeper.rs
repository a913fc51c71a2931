//! How a connection to Redis is kept: it is made, served until it breaks, and made again after a pause. All of it happens in
//! steps; between two of them the thread [sleeps](Sleep).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::attempt::{Attempt, Progress};
use super::backoff::Backoff;
use super::fault::Fault;
use super::sleep::{Rest, Sleep, Woken};
use super::status::{Side, State};
use super::wire::Wire;
use crate::clock;

/// What a connection is for.
pub(super) trait Role {
    /// One connection's exchange.
    type Talk;

    const SIDE: Side;

    /// When this ends if nothing is left to do, if it must end.
    fn ends(&self) -> Option<Instant>;

    /// A connection is made.
    fn begin(&mut self, wire: Wire) -> Self::Talk;

    /// Exchanges what is due.
    ///
    /// # Errors
    /// If the connection is of no use any more, or if all is done.
    fn step(&mut self, talk: &mut Self::Talk, woken: Woken) -> Result<Rest, Fault>;

    /// Nothing is left to do. Returns for how long the thread may sleep, if that is bounded.
    fn rests(&mut self) -> Option<Duration> {
        None
    }

    /// The connection has ended.
    fn end(&mut self, talk: Box<Self::Talk>);

    /// There is no connection; this is not noted yet.
    fn failed(&mut self) {}

    /// The same, and it was noted.
    fn down(&mut self) {}

    /// A pause goes on.
    fn pausing(&mut self) {}

    /// There will be no connection any more.
    fn finish(&mut self) {}
}

pub(super) struct Keeper<R: Role> {
    shared: Arc<Shared>,
    role: R,
    phase: Phase<R::Talk>,
    backoff: Backoff,
    connections: u32,
}

enum Phase<T> {
    /// No attempt before then.
    Pause(Instant),
    Opening(Attempt),
    /// Since then.
    Talking(Box<T>, Instant),
}

impl<R: Role> Keeper<R> {
    pub(super) fn new(shared: Arc<Shared>, role: R) -> Self {
        let backoff = Backoff::new(shared.settings.backoff);
        Self { shared, role, phase: Phase::Pause(clock::now()), backoff, connections: 0 }
    }

    /// Takes steps until this ends.
    pub(super) fn run(mut self, mut sleep: Sleep) {
        let mut woken = Woken::Otherwise;
        loop {
            let until = match self.step(&sleep, woken) {
                Rest::No => continue,
                Rest::Until(until) => until,
                Rest::End => return,
            };
            let longest = self.role.rests().map(|longest| clock::now() + longest);
            woken = match sleep.until(longest.map_or(until, |longest| longest.min(until))) {
                Ok(woken) => woken,
                Err(error) => return self.give_up(error),
            };
        }
    }

    /// The thread cannot sleep any more, so it ends.
    fn give_up(mut self, error: io::Error) {
        if let Phase::Talking(talk, _) = std::mem::replace(&mut self.phase, Phase::Pause(clock::now())) {
            self.role.end(talk);
        }
        self.fail(Fault::broken(error), None);
    }

    /// Does what can be done without sleeping. `woken`: what ended the last sleep, if there was one since the last step.
    pub(super) fn step(&mut self, sleep: &Sleep, woken: Woken) -> Rest {
        match std::mem::replace(&mut self.phase, Phase::Pause(clock::now())) {
            Phase::Pause(until) => self.pause(until),
            Phase::Opening(attempt) => match attempt.step(&self.shared.settings, sleep, self.role.ends(), woken) {
                Ok(Progress::Rest(attempt, rest)) => self.go_on(Phase::Opening(attempt), rest),
                Ok(Progress::Done(wire)) => self.begin(*wire),
                Err(fault) => self.not_opened(fault),
            },
            Phase::Talking(mut talk, began) => match self.role.step(&mut talk, woken) {
                Ok(rest) => self.go_on(Phase::Talking(talk, began), rest),
                Err(fault) => {
                    self.role.end(talk);
                    self.fail(fault, Some(began))
                }
            },
        }
    }

    fn go_on(&mut self, phase: Phase<R::Talk>, rest: Rest) -> Rest {
        self.phase = phase;
        rest
    }

    fn pause(&mut self, until: Instant) -> Rest {
        // In this order: the end may be now.
        let ends = self.role.ends();
        let now = clock::now();
        if ends.is_some_and(|end| end <= now) {
            self.role.finish();
            return Rest::End;
        }
        if now < until {
            self.role.pausing();
            return self.go_on(Phase::Pause(until), Rest::Until(ends.map_or(until, |end| end.min(until))));
        }
        match Attempt::begin(&self.shared.settings) {
            Ok(attempt) => self.go_on(Phase::Opening(attempt), Rest::No),
            Err(fault) => self.not_opened(fault),
        }
    }

    fn begin(&mut self, wire: Wire) -> Rest {
        self.shared.connected(R::SIDE, &mut self.connections);
        let talk = Box::new(self.role.begin(wire));
        self.go_on(Phase::Talking(talk, clock::now()), Rest::No)
    }

    fn not_opened(&mut self, fault: Fault) -> Rest {
        self.shared.failed(&fault);
        self.fail(fault, None)
    }

    /// There is no connection any more. `began`: since when there was one.
    fn fail(&mut self, fault: Fault, began: Option<Instant>) -> Rest {
        let now = clock::now();
        self.phase = Phase::Pause(now + self.backoff.wait(began.map(|began| now - began)));
        self.role.failed();
        self.shared.set_state(R::SIDE, State::Down(fault));
        self.role.down();
        Rest::No
    }
}
