//! `perf ack` and `perf polling`: every client asks, waits for the answer, and asks again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Parser, ValueExt};
use serde::{Deserialize, Serialize};

use super::{Measured, Meter, Run, Tally, Verdict};
use crate::engine::{Cause, Engine, Flow, Load};
use crate::error::{Error, Result};
use crate::measure::{Latency, nanoseconds};
use crate::options::{Options, Transport};
use crate::report::Report;
use crate::wire::Batch;
use crate::workers::conduct;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `ack`, or `polling`, which is the same over long polling: each round trip is a POST with the question and a
/// poll with the answer.
pub fn main(parser: &mut Parser, polling: bool) -> Result<ExitCode> {
    let mut event = "message-with-ack".to_owned();
    let mut bytes = 16;
    let mut options = Options::new(16, 10.0);
    if polling {
        options.transport = Transport::Polling;
    }
    let options = options.parse(parser, |name, parser| {
        match name {
            "event" => event = parser.value()?.string()?,
            "bytes" => bytes = parser.value()?.parse::<usize>()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if polling && options.transport != Transport::Polling {
        return Err(Error::Options("polling has no other transport; see ack".to_owned()));
    }
    conduct(&options, |run| {
        let mut engine = run.engine(run.sources())?;
        let mut ack = Ack::new(run, &event, bytes);
        (0..ack.count).for_each(|id| engine.launch(id));
        engine.run(&mut ack)?;
        ack.run.progress.clear();
        match ack.failed {
            Some(cause) => Err(Error::Connect { url: ack.run.target.url.clone(), cause }),
            None => Ok(ack.tally),
        }
    })
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct RoundTrips {
    polling: bool,
    clients: u64,
    answered: u64,
    unanswered: u64,
    dropouts: u64,
    requests: u64,
    begun: u64,
    ended: u64,
    latency: Latency,
    measured: Measured,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Connecting,
    AllConnected,
    Asking { until: Instant, meter: Meter },
    Draining { until: Instant, meter: Meter },
    Ended(Meter),
    Leaving,
}

struct Ack {
    run: Run,
    count: usize,
    here: usize,
    failed: Option<String>,
    phase: Phase,
    question: Batch,
    answer: Vec<u8>,
    /// When each client asked what is not answered; 0 if nothing is.
    asked: Vec<u64>,
    open: usize,
    requests_before: u64,
    tally: RoundTrips,
}

impl Ack {
    fn new(run: Run, event: &str, bytes: usize) -> Self {
        let count = run.part().1;
        let polling = run.options.transport == Transport::Polling;
        let namespace = &run.target.namespace;
        // A client has one question at a time: the same id will do for all.
        let packet = format!("42{namespace}0[{},\"{}\"]", serde_json::Value::from(event), "x".repeat(bytes));
        let transport = if polling { Transport::Polling } else { Transport::WebSocket };
        Self {
            count,
            here: 0,
            failed: None,
            phase: Phase::Connecting,
            question: Batch::new(transport, packet.as_bytes(), 1),
            answer: format!("3{namespace}0[").into_bytes(),
            asked: vec![0; count],
            open: 0,
            requests_before: 0,
            tally: RoundTrips { polling, clients: count as u64, begun: u64::MAX, ..RoundTrips::default() },
            run,
        }
    }

    fn ask(&mut self, engine: &mut Engine, id: usize) {
        self.asked[id] = nanoseconds();
        self.open += 1;
        engine.send(id, &self.question);
    }

    fn connecting(&mut self, engine: &mut Engine) -> Option<Phase> {
        self.run.progress.update("connected", self.here as u64, Some(self.count as u64));
        (self.here == self.count || self.run.is_stopped()).then(|| {
            engine.cancel_launches();
            self.run.gate.arrive(self.here as u64);
            Phase::AllConnected
        })
    }

    fn all_connected(&mut self, engine: &mut Engine) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            let meter = Meter::begin(&self.run);
            self.requests_before = engine.counts.requests;
            self.tally.begun = nanoseconds();
            let until = Instant::now() + self.run.options.duration();
            (0..self.count).for_each(|id| self.ask(engine, id));
            Phase::Asking { until, meter }
        })
    }

    fn asking(&mut self, engine: &Engine, until: Instant, meter: Meter) -> Option<Phase> {
        self.run.progress.update("answered", self.tally.answered, None);
        let alone = self.tally.dropouts == self.count as u64;
        (self.run.is_stopped() || alone || engine.now() >= until).then(|| {
            let patience = if alone { Duration::ZERO } else { PATIENCE };
            Phase::Draining { until: engine.now() + patience, meter }
        })
    }

    fn draining(&mut self, engine: &Engine, until: Instant, meter: Meter) -> Option<Phase> {
        (self.open == 0 || engine.now() >= until).then(|| {
            self.tally.unanswered = self.open as u64;
            self.tally.requests = engine.counts.requests - self.requests_before;
            self.run.gate.arrive(self.tally.answered);
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

impl Load for Ack {
    fn joined(&mut self, _: &mut Engine, _: usize) {
        self.here += 1;
    }

    fn message(&mut self, engine: &mut Engine, id: usize, packet: &[u8]) {
        if !packet.starts_with(&self.answer) || self.asked[id] == 0 {
            return;
        }
        let now = engine.read_at();
        self.tally.answered += 1;
        self.tally.ended = now;
        self.tally.latency.record(now.saturating_sub(self.asked[id]));
        self.asked[id] = 0;
        self.open -= 1;
        if matches!(self.phase, Phase::Asking { .. }) {
            self.ask(engine, id);
        }
    }

    fn left(&mut self, _: &mut Engine, id: usize, cause: Cause) {
        match self.phase {
            Phase::Connecting => {
                let index = self.run.part().0 + id;
                self.failed = Some(format!("client {index}: {cause}"));
            }
            Phase::Leaving => {}
            _ => self.tally.dropouts += 1,
        }
    }

    fn turn(&mut self, engine: &mut Engine) -> Flow {
        let next = match self.phase {
            _ if self.failed.is_some() => return Flow::Done,
            Phase::Connecting => self.connecting(engine),
            Phase::AllConnected => self.all_connected(engine),
            Phase::Asking { until, meter } => self.asking(engine, until, meter),
            Phase::Draining { until, meter } => self.draining(engine, until, meter),
            Phase::Ended(meter) => self.ended(engine, meter),
            Phase::Leaving if engine.is_deserted() => return Flow::Done,
            Phase::Leaving => None,
        };
        self.phase = next.unwrap_or(self.phase);
        match self.phase {
            Phase::Connecting | Phase::Asking { .. } | Phase::Leaving => Flow::Within(Duration::from_millis(20)),
            _ => Flow::Within(Duration::from_millis(1)),
        }
    }
}

impl Tally for RoundTrips {
    fn merge(&mut self, other: Self) {
        self.clients += other.clients;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.dropouts += other.dropouts;
        self.requests += other.requests;
        self.begun = self.begun.min(other.begun);
        self.ended = self.ended.max(other.ended);
        self.latency.merge(&other.latency);
        self.measured.merge(other.measured);
    }

    fn report(&self, _: &Options) -> (Report, Verdict) {
        let time = Duration::from_nanos(self.ended.saturating_sub(self.begun));
        let mut report = Report::new(if self.polling { "polling" } else { "ack" });
        report
            .count("clients", "clients, one question each", self.clients)
            .count("answered", "answered", self.answered)
            .count("unanswered", "unanswered", self.unanswered)
            .count("dropouts", "clients that dropped out", self.dropouts)
            .seconds("seconds", "from the first question to the last answer", time)
            .per_second("answered_per_s", "round trips", self.answered, time);
        if self.polling {
            report.per_second("requests_per_s", "HTTP requests", self.requests, time);
        }
        report
            .latency("latency_us", "round trip", &self.latency)
            .cpu(self.measured.server, self.answered, "round trip")
            .generator(self.measured.generator);
        let whole = self.answered > 0 && self.unanswered == 0 && self.dropouts == 0;
        (report, if whole { Verdict::Passed } else { Verdict::Failed })
    }
}
