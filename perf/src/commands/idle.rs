//! `perf idle`: clients that do nothing but answer heartbeats, and what the server's memory holds for them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Parser, ValueExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Measured, Meter, Run, Tally, Verdict};
use crate::engine::{Cause, Engine, Flow, Load};
use crate::error::{Error, Result};
use crate::measure::Usage;
use crate::options::Options;
use crate::report::{Report, grouped};
use crate::workers::conduct;

/// Left to the server to give memory back after its clients have left.
const SETTLING: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn main(parser: &mut Parser) -> Result<ExitCode> {
    let mut waves = 1;
    let options = Options::new(1000, 60.0).parse(parser, |name, parser| match name {
        "waves" => {
            waves = parser.value()?.parse::<usize>()?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    if waves == 0 {
        return Err(Error::Options("there must be at least one wave".to_owned()));
    }
    conduct(&options, |run| {
        let mut engine = run.engine(run.sources())?;
        let before = run.sample();
        let mut idle = Idle::new(run, waves, before);
        idle.launch(&mut engine);
        engine.run(&mut idle)?;
        idle.run.progress.clear();
        idle.tally.heartbeats = engine.counts.heartbeats;
        Ok(idle.tally)
    })
}

/// One connecting, holding and leaving of all clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Wave {
    joined: u64,
    stayed: u64,
    connected_in: f64,
    held: f64,
    connecting: Measured,
    holding: Measured,
    with: Option<Usage>,
    after: Option<Usage>,
    problem: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waves {
    before: Option<Usage>,
    waves: Vec<Wave>,
    heartbeats: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Connecting(Meter),
    AllConnected(Meter),
    Holding(Meter),
    AllHeld,
    Leaving,
    Settling(Instant),
    AllSettled,
}

struct Idle {
    run: Run,
    total: usize,
    phase: Phase,
    since: Instant,
    count: usize,
    here: usize,
    settled: usize,
    joined: Vec<bool>,
    wave: Wave,
    tally: Waves,
}

impl Idle {
    fn new(run: Run, total: usize, before: Option<Usage>) -> Self {
        let count = run.part().1;
        let phase = Phase::Connecting(Meter::begin(&run));
        let tally = Waves { before, waves: Vec::new(), heartbeats: 0 };
        let (since, joined, wave) = (Instant::now(), vec![false; count], Wave::default());
        Self { run, total, phase, since, count, here: 0, settled: 0, joined, wave, tally }
    }

    fn launch(&mut self, engine: &mut Engine) {
        self.settled = 0;
        self.joined.fill(false);
        self.since = Instant::now();
        (0..self.count).for_each(|id| engine.launch(id));
    }

    fn connecting(&mut self, engine: &mut Engine, meter: Meter) -> Option<Phase> {
        self.run.progress.update("connected", self.here as u64, Some(self.count as u64));
        (self.settled == self.count || self.run.is_stopped()).then(|| {
            engine.cancel_launches();
            self.wave.connected_in = self.since.elapsed().as_secs_f64();
            self.run.gate.arrive(self.here as u64);
            Phase::AllConnected(meter)
        })
    }

    fn all_connected(&mut self, meter: Meter) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            self.wave.connecting = meter.end(&self.run);
            self.since = Instant::now();
            Phase::Holding(Meter::begin(&self.run))
        })
    }

    fn holding(&mut self, meter: Meter) -> Option<Phase> {
        self.run.progress.update("held", self.here as u64, Some(self.count as u64));
        (self.since.elapsed() >= self.run.options.duration() || self.run.is_stopped()).then(|| {
            self.wave.held = self.since.elapsed().as_secs_f64();
            self.wave.holding = meter.end(&self.run);
            self.wave.with = self.run.sample();
            self.wave.stayed = self.here as u64;
            self.run.gate.arrive(self.here as u64);
            Phase::AllHeld
        })
    }

    fn all_held(&self, engine: &mut Engine) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            engine.leave_all();
            Phase::Leaving
        })
    }

    fn leaving(&mut self, engine: &Engine) -> Option<Phase> {
        self.run.progress.update("left", (self.count - self.here) as u64, Some(self.count as u64));
        engine.is_deserted().then(|| Phase::Settling(engine.now() + SETTLING))
    }

    fn settling(&mut self, engine: &Engine, until: Instant) -> Option<Phase> {
        (engine.now() >= until || self.run.is_stopped()).then(|| {
            self.run.gate.arrive(0);
            Phase::AllSettled
        })
    }

    fn end_wave(&mut self) {
        self.wave.after = self.run.sample();
        self.tally.waves.push(std::mem::take(&mut self.wave));
    }

    fn begin_wave(&mut self, engine: &mut Engine) -> Phase {
        let meter = Meter::begin(&self.run);
        self.here = 0;
        self.launch(engine);
        Phase::Connecting(meter)
    }
}

impl Load for Idle {
    fn joined(&mut self, _: &mut Engine, id: usize) {
        self.joined[id] = true;
        self.here += 1;
        self.settled += 1;
        self.wave.joined += 1;
    }

    fn message(&mut self, _: &mut Engine, _: usize, _: &[u8]) {}

    fn left(&mut self, _: &mut Engine, id: usize, cause: Cause) {
        if self.joined[id] {
            self.here -= 1;
        } else {
            self.settled += 1;
        }
        if !matches!(cause, Cause::Asked) && self.wave.problem.is_none() {
            let index = self.run.part().0 + id;
            self.wave.problem = Some(format!("client {index}: {cause}"));
        }
    }

    fn turn(&mut self, engine: &mut Engine) -> Flow {
        let next = match self.phase {
            Phase::Connecting(meter) => self.connecting(engine, meter),
            Phase::AllConnected(meter) => self.all_connected(meter),
            Phase::Holding(meter) => self.holding(meter),
            Phase::AllHeld => self.all_held(engine),
            Phase::Leaving => self.leaving(engine),
            Phase::Settling(until) => self.settling(engine, until),
            Phase::AllSettled if !self.run.may_go_on() => None,
            Phase::AllSettled => {
                self.end_wave();
                if self.tally.waves.len() == self.total || self.run.is_stopped() {
                    return Flow::Done;
                }
                Some(self.begin_wave(engine))
            }
        };
        self.phase = next.unwrap_or(self.phase);
        Flow::Within(Duration::from_millis(10))
    }
}

impl Tally for Waves {
    fn merge(&mut self, other: Self) {
        self.before = self.before.or(other.before);
        self.heartbeats += other.heartbeats;
        for (wave, other) in self.waves.iter_mut().zip(other.waves) {
            wave.joined += other.joined;
            wave.stayed += other.stayed;
            wave.connected_in = wave.connected_in.max(other.connected_in);
            wave.held = wave.held.max(other.held);
            wave.connecting.merge(other.connecting);
            wave.holding.merge(other.holding);
            wave.with = wave.with.or(other.with);
            wave.after = wave.after.or(other.after);
            wave.problem = wave.problem.take().or(other.problem);
        }
    }

    fn report(&self, options: &Options) -> (Report, Verdict) {
        let mut report = Report::new("idle");
        let wanted = options.connections as u64;
        report.count("clients", "clients", wanted);
        report.memory(["rss_before", "memory_before"], "before", self.before);
        self.report_clients(&mut report);
        let Some((first, last)) = self.waves.first().zip(self.waves.last()) else { return (report, Verdict::Failed) };
        last.report_times(&mut report);
        report.count("heartbeats", "heartbeats answered", self.heartbeats);
        self.report_memory(&mut report, first, last);
        last.report_cpu(&mut report);
        report.hidden("waves", self.waves.iter().map(Wave::json).collect::<Vec<_>>());
        let whole = self.waves.iter().all(|wave| wave.stayed >= wanted);
        (report, if whole { Verdict::Passed } else { Verdict::Failed })
    }
}

impl Waves {
    /// Who came and stayed; and of several waves, the memory with and after each.
    fn report_clients(&self, report: &mut Report) {
        let several = self.waves.len() > 1;
        for (number, wave) in self.waves.iter().enumerate() {
            let label = if several { format!("wave {}: ", number + 1) } else { String::new() };
            let of = format!("{} joined, {} stayed", grouped(wave.joined), grouped(wave.stayed));
            report.row(&format!("{label}clients"), of);
            if let Some(problem) = &wave.problem {
                report.row(&format!("{label}first problem"), problem.clone());
            }
            if several {
                report.memory(["", ""], &format!("with wave {}", number + 1), wave.with);
                report.memory(["", ""], &format!("after wave {}", number + 1), wave.after);
            }
        }
    }

    /// The memory in all, and for each client of the first wave, before which the server was fresh.
    fn report_memory(&self, report: &mut Report, first: &Wave, last: &Wave) {
        if self.waves.len() == 1 {
            report.memory(["rss_with", "memory_with"], "with all", last.with);
            report.memory(["rss_after", "memory_after"], "after they left", last.after);
        } else {
            for (key, usage) in [("rss_with", last.with), ("rss_after", last.after)] {
                report.hidden(key, usage.map(|usage| usage.rss));
            }
        }
        let Some((before, with)) = self.before.zip(first.with).filter(|_| first.stayed > 0) else { return };
        let each = |with: u64, before: u64| (with as f64 - before as f64) / first.stayed as f64;
        if with.rss > 0 {
            let rss = each(with.rss, before.rss);
            report.entry("rss_per_client", "server RSS per client", rss, format!("{rss:.0} B"));
        }
        if let Some((before, with)) = before.memory.zip(with.memory) {
            let memory = each(with, before);
            report.entry("memory_per_client", "cgroup memory per client", memory, format!("{memory:.0} B"));
        }
    }
}

impl Wave {
    fn report_times(&self, report: &mut Report) {
        let connected_in = Duration::from_secs_f64(self.connected_in);
        report.hidden("joined", self.joined).hidden("stayed", self.stayed);
        report.seconds("connected_in_s", "connected in", connected_in);
        report.per_second("connects_per_s", "connects", self.joined, connected_in);
        report.seconds("held_s", "held for", Duration::from_secs_f64(self.held));
    }

    fn report_cpu(&self, report: &mut Report) {
        report.cpu(self.connecting.server, self.joined, "handshake");
        if let Some((start, end)) = self.holding.server.filter(|_| self.held > 0.0) {
            let total = end.cpu_since(&start).1 / self.held;
            report.entry("server_cpu_idle", "server CPU while held", total, format!("{:.3} ms/s", total * 1e3));
        }
        report.generator(self.connecting.generator + self.holding.generator);
    }

    fn json(&self) -> serde_json::Value {
        let rss = |usage: Option<Usage>| usage.map(|usage| usage.rss);
        let memory = |usage: Option<Usage>| usage.and_then(|usage| usage.memory);
        json!({
            "joined": self.joined, "stayed": self.stayed, "connected_in_s": self.connected_in,
            "rss_with": rss(self.with), "rss_after": rss(self.after),
            "memory_with": memory(self.with), "memory_after": memory(self.after), "problem": self.problem,
        })
    }
}
