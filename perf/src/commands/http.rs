//! `perf http`: `GET /` over connections that are kept, each asking again as soon as it is answered, or all together
//! at a rate.

use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lexopt::{Parser, ValueExt};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use super::{Measured, Meter, Run, Tally, Verdict};
use crate::engine::{Connection, is_not_yet};
use crate::error::{Error, Result};
use crate::measure::{Latency, nanoseconds};
use crate::net::{Alarm, Sources, Stream, Target};
use crate::options::Options;
use crate::report::Report;
use crate::wire::Response;
use crate::workers::conduct;

/// How long the loop sleeps at most: it may be told to stop.
const PATIENCE: Duration = Duration::from_millis(100);
/// Wakes the loop when a request is due.
const ALARM: Token = Token(usize::MAX - 2);

/// Runs the command.
pub fn main(parser: &mut Parser) -> Result<ExitCode> {
    let mut get = "/".to_owned();
    let mut rate = 0.0;
    let options = Options::new(16, 10.0).parse(parser, |name, parser| {
        match name {
            "get" => get = parser.value()?.string()?,
            "rate" => rate = parser.value()?.parse::<f64>()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    conduct(&options, |mut run| {
        let mut requests = Requests::new(&run, &get, rate)?;
        requests.run(&mut run)?;
        run.progress.clear();
        Ok(requests.tally)
    })
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Answers {
    connections: u64,
    answered: u64,
    failed: u64,
    reconnects: u64,
    seconds: f64,
    problem: Option<String>,
    latency: Latency,
    measured: Measured,
}

struct Requests {
    poll: Poll,
    alarm: Alarm,
    target: Arc<Target>,
    sources: Sources,
    request: Vec<u8>,
    connections: Vec<Option<Connection>>,
    /// When each connection asked what is not answered; 0 if nothing is.
    asked: Vec<u64>,
    idle: VecDeque<usize>,
    /// Nanoseconds between requests; none in a closed loop.
    interval: Option<u64>,
    due: u64,
    buffer: Vec<u8>,
    tally: Answers,
}

impl Requests {
    fn new(run: &Run, get: &str, rate: f64) -> Result<Self> {
        let count = run.part().1;
        let target = Arc::clone(&run.target);
        let request = format!("GET {get} HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority).into_bytes();
        let rate = rate / run.share.of as f64;
        let poll = Poll::new().map_err(Error::system("epoll"))?;
        Ok(Self {
            alarm: Alarm::new(poll.registry(), ALARM).map_err(Error::system("timerfd"))?,
            poll,
            target,
            sources: Sources::for_connections(run.options.connections),
            request,
            connections: (0..count).map(|_| None).collect(),
            asked: vec![0; count],
            idle: (0..count).collect(),
            interval: (rate > 0.0).then(|| (1e9 / rate) as u64),
            due: 0,
            buffer: vec![0; 64 * 1024],
            tally: Answers { connections: count as u64, ..Answers::default() },
        })
    }

    fn run(&mut self, run: &mut Run) -> Result<()> {
        run.gate.arrive(0);
        while run.gate.passed().is_none() && !run.is_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let meter = Meter::begin(run);
        let begun = Instant::now();
        let until = begun + run.options.duration();
        let mut events = Events::with_capacity(1024);
        self.due = nanoseconds();
        while Instant::now() < until && !run.is_stopped() {
            self.ask_when_due()?;
            let patience = until.saturating_duration_since(Instant::now()).min(PATIENCE);
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.map_err(Error::system("epoll"))?,
            }
            for event in &events {
                let Token(id) = event.token();
                if event.token() == ALARM {
                    continue;
                }
                if let Err(cause) = self.ready(id) {
                    self.fail(id, &cause);
                }
            }
            run.progress.update("answered", self.tally.answered, None);
        }
        self.tally.seconds = begun.elapsed().as_secs_f64();
        self.tally.measured = meter.end(run);
        Ok(())
    }

    /// Asks over idle connections what is due, and sets the alarm for what will be.
    fn ask_when_due(&mut self) -> Result<()> {
        for _ in 0..self.idle.len() {
            let now = nanoseconds();
            let due = match self.interval {
                None => now,
                Some(_) if self.due > now => return self.alarm.set(self.due).map_err(Error::system("timerfd")),
                Some(interval) => {
                    self.due += interval;
                    self.due - interval
                }
            };
            let Some(id) = self.idle.pop_front() else { break };
            self.asked[id] = due;
            if let Err(cause) = self.ask(id) {
                self.fail(id, &cause);
            }
        }
        Ok(())
    }

    fn ask(&mut self, id: usize) -> Result<(), String> {
        let ask = |requests: &mut Self| -> io::Result<()> {
            if requests.connections[id].is_none() {
                let address = requests.target.addresses[id % requests.target.addresses.len()];
                let socket = requests.sources.connect(address, requests.target.is_loopback())?;
                let mut stream = Stream::new(socket, requests.target.tls.as_ref())?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                requests.poll.registry().register(stream.socket(), Token(id), interest)?;
                requests.connections[id] = Some(Connection::new(stream));
            }
            requests.connections[id].as_mut().map_or(Ok(()), |connection| connection.write(&requests.request))
        };
        ask(self).map_err(|error| error.to_string())
    }

    /// Reads what came over connection `id`.
    fn ready(&mut self, id: usize) -> Result<(), String> {
        let Some(connection) = &mut self.connections[id] else { return Ok(()) };
        connection.write_pending().map_err(|error| error.to_string())?;
        loop {
            let read = match connection.stream.read(&mut self.buffer) {
                Ok(0) if self.asked[id] == 0 => {
                    self.connections[id] = None;
                    self.tally.reconnects += 1;
                    return Ok(());
                }
                Ok(0) => return Err("the server closed the connection before it answered".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let last = read < self.buffer.len() && connection.stream.short_read_is_last();
            let whole = if connection.inbox.is_empty() {
                &self.buffer[..read]
            } else {
                connection.inbox.extend_from_slice(&self.buffer[..read]);
                &connection.inbox
            };
            match Response::parse(whole).map_err(|error| error.to_string())? {
                Some(response) => {
                    let (status, closes) = (response.status, response.closes);
                    connection.inbox.clear();
                    let asked = std::mem::take(&mut self.asked[id]);
                    self.idle.push_back(id);
                    if status >= 400 {
                        self.tally.failed += 1;
                        self.tally.problem.get_or_insert_with(|| format!("HTTP status {status}"));
                    } else {
                        self.tally.answered += 1;
                        self.tally.latency.record(nanoseconds().saturating_sub(asked));
                    }
                    if closes {
                        self.connections[id] = None;
                        self.tally.reconnects += 1;
                        return Ok(());
                    }
                }
                None if connection.inbox.is_empty() => connection.inbox.extend_from_slice(&self.buffer[..read]),
                None => {}
            }
            if last {
                return Ok(());
            }
        }
    }

    fn fail(&mut self, id: usize, cause: &str) {
        self.connections[id] = None;
        self.tally.failed += 1;
        self.tally.problem.get_or_insert_with(|| cause.to_owned());
        if self.asked[id] != 0 {
            self.asked[id] = 0;
            self.idle.push_back(id);
        }
    }
}

impl Tally for Answers {
    fn merge(&mut self, other: Self) {
        self.connections += other.connections;
        self.answered += other.answered;
        self.failed += other.failed;
        self.reconnects += other.reconnects;
        self.seconds = self.seconds.max(other.seconds);
        self.problem = self.problem.take().or(other.problem);
        self.latency.merge(&other.latency);
        self.measured.merge(other.measured);
    }

    fn report(&self, _: &Options) -> (Report, Verdict) {
        let time = Duration::from_secs_f64(self.seconds);
        let mut report = Report::new("http");
        report
            .count("connections", "connections", self.connections)
            .count("answered", "answered", self.answered)
            .count("failed", "failed", self.failed)
            .count("reconnects", "connections the server closed", self.reconnects)
            .seconds("seconds", "time", time)
            .per_second("answered_per_s", "requests", self.answered, time)
            .latency("latency_us", "latency", &self.latency)
            .cpu(self.measured.server, self.answered, "request")
            .generator(self.measured.generator);
        if let Some(problem) = &self.problem {
            report.entry("problem", "first problem", problem.clone(), problem.clone());
        }
        let passed = self.failed == 0 && self.answered > 0;
        (report, if passed { Verdict::Passed } else { Verdict::Failed })
    }
}
