//! `perf broadcast`: the starter's own test. When all clients are connected one of them says something, and every other
//! one must hear it once.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Parser, ValueExt};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Run, Tally, Verdict};
use crate::engine::{Cause, Engine, Flow, Load};
use crate::error::{Error, Result};
use crate::measure::{Latency, nanoseconds};
use crate::options::{Options, Transport};
use crate::report::{Report, microseconds};
use crate::wire::Batch;
use crate::workers::conduct;

/// How long all may take to connect, and later to leave.
const PATIENCE: Duration = Duration::from_secs(60);
/// Index of the client that speaks.
const SPEAKER: usize = 0;
/// Clients named one by one in the table at most.
const NAMED: usize = 200;

/// Runs the command.
pub fn main(parser: &mut Parser) -> Result<ExitCode> {
    let mut event = "message-from-client".to_owned();
    let options = Options::new(100, 10.0).parse(parser, |name, parser| match name {
        "event" => {
            event = parser.value()?.string()?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    if options.connections < 2 {
        return Err(Error::Options("a broadcast needs at least two connections".to_owned()));
    }
    conduct(&options, |run| {
        let mut engine = run.engine(run.sources())?;
        let mut broadcast = Broadcast::new(run, &event);
        (0..broadcast.clients.len()).for_each(|id| engine.launch(id));
        engine.run(&mut broadcast)?;
        broadcast.run.progress.clear();
        Ok(broadcast.tally(&engine))
    })
}

/// What became of one client.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Told {
    id: String,
    joined: bool,
    heard_at: Vec<u64>,
    left_cleanly: bool,
    problem: Option<String>,
}

/// What became of all.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    clients: BTreeMap<usize, Told>,
    instances: HashMap<String, usize>,
    said_at: u64,
    connected_in: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    AllConnected,
    Listening(Instant),
    AllHeard,
    Leaving(Instant),
}

struct Broadcast {
    run: Run,
    event: String,
    token: String,
    phase: Phase,
    begun: Instant,
    connected_in: Duration,
    first: usize,
    settled: usize,
    heard: usize,
    away: usize,
    said_at: u64,
    clients: Vec<Told>,
}

impl Broadcast {
    fn new(run: Run, event: &str) -> Self {
        let (first, count) = run.part();
        let event = event.to_owned();
        // Another run at the same time must not be mistaken for this one, whose processes have one parent.
        let own = Some(rustix::process::getpid());
        let leader = if run.options.share.is_some() { rustix::process::getppid() } else { own };
        let token = format!("perf-broadcast-{}.", leader.map_or(0, |pid| pid.as_raw_nonzero().get()));
        let clients = vec![Told::default(); count];
        let (phase, begun) = (Phase::Connecting, Instant::now());
        let connected_in = Duration::ZERO;
        Self {
            run,
            event,
            token,
            phase,
            begun,
            connected_in,
            first,
            settled: 0,
            heard: 0,
            away: 0,
            said_at: 0,
            clients,
        }
    }

    fn say(&mut self, engine: &mut Engine) {
        let transport =
            if self.run.options.transport == Transport::Polling { Transport::Polling } else { Transport::WebSocket };
        let event = serde_json::Value::from(&*self.event);
        let packet = format!("42{}[{event},\"{}\"]", self.run.target.namespace, self.token);
        self.said_at = nanoseconds();
        engine.send(0, &Batch::new(transport, packet.as_bytes(), 1));
    }

    /// Whether this process plays the client that speaks, its first.
    const fn speaks(&self) -> bool {
        self.first == SPEAKER
    }

    fn connecting(&mut self, engine: &mut Engine) -> Option<Phase> {
        let all = self.clients.len();
        self.run.progress.update("connected", self.settled as u64, Some(all as u64));
        (self.settled == all || self.run.is_stopped() || self.begun.elapsed() > PATIENCE).then(|| {
            engine.cancel_launches();
            self.connected_in = self.begun.elapsed();
            self.run.gate.arrive(self.settled as u64);
            Phase::AllConnected
        })
    }

    fn all_connected(&mut self, engine: &mut Engine) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            if self.speaks() {
                self.say(engine);
            }
            Phase::Listening(engine.now() + self.run.options.duration())
        })
    }

    fn listening(&mut self, engine: &Engine, until: Instant) -> Option<Phase> {
        let listeners = self.clients.len() - usize::from(self.speaks());
        self.run.progress.update("heard", self.heard as u64, Some(listeners as u64));
        let speaker_heard = self.speaks() && !self.clients[0].heard_at.is_empty();
        let heard = self.heard - usize::from(speaker_heard);
        (heard == listeners || self.run.is_stopped() || engine.now() > until).then(|| {
            self.run.gate.arrive(self.heard as u64);
            Phase::AllHeard
        })
    }

    fn all_heard(&self, engine: &mut Engine) -> Option<Phase> {
        self.run.may_go_on().then(|| {
            engine.leave_all();
            Phase::Leaving(engine.now() + PATIENCE)
        })
    }

    /// Whether all have left, or have taken too long to.
    fn is_over(&self, engine: &Engine, until: Instant) -> bool {
        self.away >= self.clients.len() || engine.is_deserted() || engine.now() > until
    }

    fn tally(self, engine: &Engine) -> Outcome {
        let mut instances = HashMap::new();
        for id in (0..self.clients.len()).filter(|&id| self.clients[id].joined) {
            *instances.entry(String::from_utf8_lossy(&engine.instance(id)).into_owned()).or_insert(0) += 1;
        }
        let clients = self.clients.into_iter().enumerate().map(|(id, told)| (self.first + id, told)).collect();
        Outcome { clients, instances, said_at: self.said_at, connected_in: self.connected_in.as_secs_f64() }
    }
}

impl Load for Broadcast {
    fn joined(&mut self, engine: &mut Engine, id: usize) {
        let told = &mut self.clients[id];
        told.joined = true;
        told.id = engine.socket_id(id).to_owned();
        self.settled += 1;
    }

    fn message(&mut self, engine: &mut Engine, id: usize, packet: &[u8]) {
        if Finder::new(&self.token).find(packet).is_some() {
            let told = &mut self.clients[id];
            if told.heard_at.is_empty() {
                self.heard += 1;
            }
            told.heard_at.push(engine.read_at());
        }
    }

    fn left(&mut self, _: &mut Engine, id: usize, cause: Cause) {
        let told = &mut self.clients[id];
        if !told.joined {
            self.settled += 1;
        }
        self.away += 1;
        told.left_cleanly = matches!(cause, Cause::Asked);
        if !told.left_cleanly {
            told.problem = Some(cause.to_string());
        }
    }

    fn turn(&mut self, engine: &mut Engine) -> Flow {
        let next = match self.phase {
            Phase::Connecting => self.connecting(engine),
            Phase::AllConnected => self.all_connected(engine),
            Phase::Listening(until) => self.listening(engine, until),
            Phase::AllHeard => self.all_heard(engine),
            Phase::Leaving(until) if self.is_over(engine, until) => return Flow::Done,
            Phase::Leaving(_) => None,
        };
        self.phase = next.unwrap_or(self.phase);
        match self.phase {
            Phase::AllConnected | Phase::AllHeard => Flow::Within(Duration::from_millis(1)),
            _ => Flow::Within(Duration::from_millis(50)),
        }
    }
}

impl Tally for Outcome {
    fn merge(&mut self, other: Self) {
        self.clients.extend(other.clients);
        for (instance, clients) in other.instances {
            *self.instances.entry(instance).or_insert(0) += clients;
        }
        self.said_at = self.said_at.max(other.said_at);
        self.connected_in = self.connected_in.max(other.connected_in);
    }

    fn report(&self, _: &Options) -> (Report, Verdict) {
        let mut report = Report::new("broadcast");
        self.report_clients(&mut report);
        let verdict = self.report_faults(&mut report);
        self.report_receivers(&mut report);
        (report, verdict)
    }
}

impl Outcome {
    /// All clients but the one that spoke.
    fn listeners(&self) -> impl Iterator<Item = (usize, &Told)> {
        self.clients.iter().map(|(&index, told)| (index, told)).filter(|&(index, _)| index != SPEAKER)
    }

    /// How long after the message was sent, in nanoseconds.
    const fn after(&self, at: u64) -> u64 {
        at.saturating_sub(self.said_at)
    }

    /// How many connected, heard, and left, how fast, and from how many instances.
    fn report_clients(&self, report: &mut Report) {
        let joined = self.clients.values().filter(|told| told.joined).count();
        report.entry("connected", "connected", joined, format!("{joined} of {}", self.clients.len()));
        report.seconds("connected_in_s", "connected in", Duration::from_secs_f64(self.connected_in));
        let heard: Vec<_> = self.listeners().filter_map(|(_, told)| told.heard_at.first()).collect();
        let received = format!("{} of {}", heard.len(), self.clients.len() - 1);
        report.entry("received", "received", heard.len(), received);
        report.hidden("expected", self.clients.len() - 1);
        let mut latency = Latency::new();
        heard.into_iter().for_each(|&at| latency.record(self.after(at)));
        report.latency("latency_us", "received after", &latency);
        // Random ids hardly ever share four characters; those of one kinglet always do.
        let told_apart = joined > 0 && self.instances.len() * 4 <= joined;
        let instances = told_apart.then_some(self.instances.len());
        let text =
            instances.map_or_else(|| "cannot be told from the session ids".to_owned(), |count| count.to_string());
        report.entry("instances", "instances that answered", instances, text);
        let clean = self.clients.values().filter(|told| told.left_cleanly).count();
        report.entry("left_cleanly", "disconnected cleanly", clean, format!("{clean} of {joined}"));
    }

    /// What went wrong, client by client; whether nothing did.
    fn report_faults(&self, report: &mut Report) -> Verdict {
        let mut faults = Vec::new();
        for (&index, told) in &self.clients {
            let Some(fault) = told.fault(index) else { continue };
            let id = if told.id.is_empty() { "no id" } else { &*told.id };
            report.row(&format!("FAULT  client {index} ({id})"), fault.clone());
            faults.push(json!({"index": index, "id": told.id, "fault": fault}));
        }
        let verdict = if faults.is_empty() { Verdict::Passed } else { Verdict::Failed };
        report.hidden("faults", faults);
        verdict
    }

    /// Who heard when; the first of them in the table, too.
    fn report_receivers(&self, report: &mut Report) {
        let mut receivers = Vec::new();
        for (index, told) in self.listeners() {
            let Some(&at) = told.heard_at.first() else { continue };
            let after = self.after(at) as f64 / 1e3;
            if receivers.len() < NAMED {
                let label = format!("client {index} ({})", told.id);
                report.row(&label, format!("received after {}", microseconds(after)));
            }
            receivers.push(json!({"index": index, "id": told.id, "after_us": after}));
        }
        report.hidden("receivers", receivers);
    }
}

impl Told {
    /// The first thing that went wrong with the client of this index.
    fn fault(&self, index: usize) -> Option<String> {
        let cause = self.problem.as_deref();
        let late = || cause.unwrap_or("it took too long");
        match self.heard_at.len() {
            _ if !self.joined => Some(format!("did not connect: {}", late())),
            0 if index != SPEAKER => Some(
                cause.map_or_else(|| "missed the message".to_owned(), |cause| format!("missed the message: {cause}")),
            ),
            2.. => Some(format!("received the message {} times", self.heard_at.len())),
            1 if index == SPEAKER => Some("received its own message".to_owned()),
            _ if !self.left_cleanly => Some(format!("did not disconnect cleanly: {}", late())),
            _ => None,
        }
    }
}
