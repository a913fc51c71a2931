//! `perf connect`: clients that come and go, or all come at once.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::Parser;
use serde::{Deserialize, Serialize};

use super::{Measured, Meter, Run, Tally, Verdict};
use crate::engine::{Cause, Engine, Flow, Load, Retry};
use crate::error::Result;
use crate::measure::Latency;
use crate::net::Sources;
use crate::options::Options;
use crate::report::{Report, grouped};
use crate::workers::conduct;

/// Clients that come and go, unless `--connections` says otherwise.
const CHURNING: usize = 64;
/// Clients of a stampede, unless `--connections` says otherwise.
const STAMPEDE: usize = 10_000;
/// Seconds that a stampede may take, unless `--seconds` says otherwise.
const STAMPEDE_SECONDS: f64 = 120.0;
/// Source addresses of a run that opens connections without end.
const ADDRESSES: usize = 200;

/// What clients do once they have joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Course {
    /// They leave, and come again.
    Churn,
    /// They stay; the run ends when all are there.
    Stampede,
}

/// Runs the command.
pub fn main(parser: &mut Parser) -> Result<ExitCode> {
    let mut course = Course::Churn;
    let mut options = Options::new(0, -1.0).parse_unchecked(parser, |name, _| {
        if name == "stampede" {
            course = Course::Stampede;
        }
        Ok(name == "stampede")
    })?;
    let (connections, seconds) = match course {
        Course::Churn => (CHURNING, 10.0),
        Course::Stampede => (STAMPEDE, STAMPEDE_SECONDS),
    };
    if options.connections == 0 {
        options.connections = connections;
    }
    if options.seconds < 0.0 {
        options.seconds = seconds;
    }
    // As many handshakes at once as there are clients: that is what is measured.
    options.concurrency = options.connections;
    let options = options.checked()?;
    conduct(&options, |run| {
        let sources = match course {
            Course::Churn => Sources::addresses(ADDRESSES),
            Course::Stampede => run.sources(),
        };
        let mut engine = run.engine(sources)?;
        if course == Course::Stampede {
            engine.set_retry(Retry::Always);
        }
        let mut connect = Connect::new(run, course);
        engine.run(&mut connect)?;
        connect.run.progress.clear();
        connect.tally.retries = engine.counts.retries;
        Ok(connect.tally)
    })
}

#[derive(Debug, Serialize, Deserialize)]
struct Handshakes {
    course: Course,
    clients: u64,
    joined: u64,
    failed: u64,
    dropouts: u64,
    retries: u64,
    seconds: f64,
    problem: Option<String>,
    /// From the first byte of an attempt that succeeded until the namespace was joined.
    handshake: Latency,
    /// From the begin of the stampede until a client had joined.
    back_after: Latency,
    measured: Measured,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Waiting,
    AllReady,
    Running(Meter),
    Ended(Meter),
    Leaving,
}

struct Connect {
    run: Run,
    course: Course,
    count: usize,
    here: usize,
    phase: Phase,
    begun: Instant,
    tally: Handshakes,
}

impl Connect {
    fn new(run: Run, course: Course) -> Self {
        let count = run.part().1;
        let tally = Handshakes {
            course,
            clients: count as u64,
            joined: 0,
            failed: 0,
            dropouts: 0,
            retries: 0,
            seconds: 0.0,
            problem: None,
            handshake: Latency::new(),
            back_after: Latency::new(),
            measured: Measured::default(),
        };
        Self { run, course, count, here: 0, phase: Phase::Waiting, begun: Instant::now(), tally }
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    fn all_ready(&mut self, engine: &mut Engine) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            self.begun = Instant::now();
            let meter = Meter::begin(&self.run);
            (0..self.count).for_each(|id| engine.launch(id));
            Phase::Running(meter)
        })
    }

    fn running(&mut self, engine: &mut Engine, meter: Meter) -> Option<Phase> {
        let complete = match self.course {
            Course::Churn => {
                self.run.progress.update("handshakes", self.tally.joined, None);
                false
            }
            Course::Stampede => {
                self.run.progress.update("back", self.here as u64, Some(self.count as u64));
                self.here == self.count
            }
        };
        (complete || self.run.is_stopped() || self.begun.elapsed() >= self.run.options.duration()).then(|| {
            self.tally.seconds = self.begun.elapsed().as_secs_f64();
            engine.cancel_launches();
            self.run.gate.arrive(self.tally.joined);
            Phase::Ended(meter)
        })
    }

    fn ended(&mut self, engine: &mut Engine, meter: Meter) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            self.tally.measured = meter.end(&self.run);
            engine.leave_all();
            Phase::Leaving
        })
    }
}

impl Load for Connect {
    fn joined(&mut self, engine: &mut Engine, id: usize) {
        self.here += 1;
        if self.is_running() {
            self.tally.joined += 1;
            self.tally.handshake.record_duration(engine.handshake(id));
            self.tally.back_after.record_duration(self.begun.elapsed());
        }
        if self.course == Course::Churn || !self.is_running() {
            engine.leave(id);
        }
    }

    fn message(&mut self, _: &mut Engine, _: usize, _: &[u8]) {}

    fn left(&mut self, engine: &mut Engine, id: usize, cause: Cause) {
        if !matches!(cause, Cause::Asked) {
            self.tally.failed += u64::from(self.course == Course::Churn);
            self.tally.dropouts += u64::from(self.course == Course::Stampede);
            self.tally.problem.get_or_insert_with(|| cause.to_string());
        }
        if self.is_running() {
            self.here = self.here.saturating_sub(1);
            engine.launch(id);
        }
    }

    fn turn(&mut self, engine: &mut Engine) -> Flow {
        let next = match self.phase {
            Phase::Waiting => {
                self.run.gate.arrive(0);
                Some(Phase::AllReady)
            }
            Phase::AllReady => self.all_ready(engine),
            Phase::Running(meter) => self.running(engine, meter),
            Phase::Ended(meter) => self.ended(engine, meter),
            Phase::Leaving if engine.is_deserted() => return Flow::Done,
            Phase::Leaving => None,
        };
        self.phase = next.unwrap_or(self.phase);
        Flow::Within(match self.phase {
            Phase::Running(_) | Phase::Leaving => Duration::from_millis(10),
            _ => Duration::from_millis(1),
        })
    }
}

impl Tally for Handshakes {
    fn merge(&mut self, other: Self) {
        self.clients += other.clients;
        self.joined += other.joined;
        self.failed += other.failed;
        self.dropouts += other.dropouts;
        self.retries += other.retries;
        self.seconds = self.seconds.max(other.seconds);
        self.problem = self.problem.take().or(other.problem);
        self.handshake.merge(&other.handshake);
        self.back_after.merge(&other.back_after);
        self.measured.merge(other.measured);
    }

    fn report(&self, _: &Options) -> (Report, Verdict) {
        let time = Duration::from_secs_f64(self.seconds);
        let mut report = Report::new(match self.course {
            Course::Churn => "connect",
            Course::Stampede => "stampede",
        });
        let passed = match self.course {
            Course::Churn => {
                report.count("clients", "clients at once", self.clients).count("joined", "handshakes", self.joined);
                report.count("failed", "failed", self.failed);
                self.failed == 0 && self.joined > 0
            }
            Course::Stampede => {
                let text = format!("{} of {}", grouped(self.joined), grouped(self.clients));
                report.hidden("clients", self.clients).entry("joined", "joined", self.joined, text);
                report.count("dropouts", "clients that dropped out", self.dropouts);
                self.joined >= self.clients
            }
        };
        report.count("retries", "attempts tried again", self.retries);
        report.seconds("seconds", "time", time);
        report.per_second("handshakes_per_s", "handshakes", self.joined, time);
        report.latency("latency_us", "handshake", &self.handshake);
        if self.course == Course::Stampede {
            report.latency("back_after_us", "joined after", &self.back_after);
        }
        if let Some(problem) = &self.problem {
            report.entry("problem", "first problem", problem.clone(), problem.clone());
        }
        report.cpu(self.measured.server, self.joined, "handshake").generator(self.measured.generator);
        (report, if passed { Verdict::Passed } else { Verdict::Failed })
    }
}
