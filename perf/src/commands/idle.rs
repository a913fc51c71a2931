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
        let stopped = self.run.is_stopped();
        match self.phase {
            Phase::Connecting(meter) => {
                self.run.progress.update("connected", self.here as u64, Some(self.count as u64));
                if self.settled == self.count || stopped {
                    engine.cancel_launches();
                    self.wave.connected_in = self.since.elapsed().as_secs_f64();
                    self.run.gate.arrive(self.here as u64);
                    self.phase = Phase::AllConnected(meter);
                }
            }
            Phase::AllConnected(meter) => {
                if stopped || self.run.gate.passed().is_some() {
                    self.wave.connecting = meter.end(&self.run);
                    self.since = Instant::now();
                    self.phase = Phase::Holding(Meter::begin(&self.run));
                }
            }
            Phase::Holding(meter) => {
                self.run.progress.update("held", self.here as u64, Some(self.count as u64));
                if self.since.elapsed() >= self.run.options.duration() || stopped {
                    self.wave.held = self.since.elapsed().as_secs_f64();
                    self.wave.holding = meter.end(&self.run);
                    self.wave.with = self.run.sample();
                    self.wave.stayed = self.here as u64;
                    self.run.gate.arrive(self.here as u64);
                    self.phase = Phase::AllHeld;
                }
            }
            Phase::AllHeld => {
                if stopped || self.run.gate.passed().is_some() {
                    engine.leave_all();
                    self.phase = Phase::Leaving;
                }
            }
            Phase::Leaving => {
                self.run.progress.update("left", (self.count - self.here) as u64, Some(self.count as u64));
                if engine.is_deserted() {
                    self.phase = Phase::Settling(engine.now() + SETTLING);
                }
            }
            Phase::Settling(until) => {
                if engine.now() >= until || stopped {
                    self.run.gate.arrive(0);
                    self.phase = Phase::AllSettled;
                }
            }
            Phase::AllSettled => {
                if stopped || self.run.gate.passed().is_some() {
                    self.wave.after = self.run.sample();
                    self.tally.waves.push(std::mem::take(&mut self.wave));
                    if self.tally.waves.len() == self.total || stopped {
                        return Flow::Done;
                    }
                    self.phase = Phase::Connecting(Meter::begin(&self.run));
                    self.here = 0;
                    self.launch(engine);
                }
            }
        }
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
        let mut verdict = Verdict::Passed;
        for (number, wave) in self.waves.iter().enumerate() {
            let label = if self.waves.len() > 1 { format!("wave {}: ", number + 1) } else { String::new() };
            let of = format!("{} joined, {} stayed", grouped(wave.joined), grouped(wave.stayed));
            report.row(&format!("{label}clients"), of);
            if wave.stayed < wanted {
                verdict = Verdict::Failed;
            }
            if let Some(problem) = &wave.problem {
                report.row(&format!("{label}first problem"), problem.clone());
            }
            if self.waves.len() > 1 {
                report.memory(["", ""], &format!("with wave {}", number + 1), wave.with);
                report.memory(["", ""], &format!("after wave {}", number + 1), wave.after);
            }
        }
        let Some((first, last)) = self.waves.first().zip(self.waves.last()) else { return (report, Verdict::Failed) };
        report.hidden("joined", last.joined).hidden("stayed", last.stayed);
        report.seconds("connected_in_s", "connected in", Duration::from_secs_f64(last.connected_in));
        report.per_second("connects_per_s", "connects", last.joined, Duration::from_secs_f64(last.connected_in));
        report.seconds("held_s", "held for", Duration::from_secs_f64(last.held));
        report.count("heartbeats", "heartbeats answered", self.heartbeats);
        if self.waves.len() == 1 {
            report.memory(["rss_with", "memory_with"], "with all", last.with);
            report.memory(["rss_after", "memory_after"], "after they left", last.after);
        } else {
            for (key, usage) in [("rss_with", last.with), ("rss_after", last.after)] {
                report.hidden(key, usage.map(|usage| usage.rss));
            }
        }
        if let Some((before, with)) = self.before.zip(first.with).filter(|_| first.stayed > 0) {
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
        report.cpu(last.connecting.server, last.joined, "handshake");
        if let Some((start, end)) = last.holding.server.filter(|_| last.held > 0.0) {
            let total = end.cpu_since(&start).1 / last.held;
            report.entry("server_cpu_idle", "server CPU while held", total, format!("{:.3} ms/s", total * 1e3));
        }
        let generator = last.connecting.generator + last.holding.generator;
        report.generator(generator);
        let waves = self.waves.iter().map(|wave| {
            let rss = |usage: Option<Usage>| usage.map(|usage| usage.rss);
            let memory = |usage: Option<Usage>| usage.and_then(|usage| usage.memory);
            json!({
                "joined": wave.joined, "stayed": wave.stayed, "connected_in_s": wave.connected_in,
                "rss_with": rss(wave.with), "rss_after": rss(wave.after),
                "memory_with": memory(wave.with), "memory_after": memory(wave.after), "problem": wave.problem,
            })
        });
        report.hidden("waves", waves.collect::<Vec<_>>());
        (report, verdict)
    }
}
