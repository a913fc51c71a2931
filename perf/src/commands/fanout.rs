//! `perf fanout`: some clients speak, all others hear. Every message carries its sender, its number and the time it was
//! due, at a fixed place, so that losses, reorderings and latencies are seen without looking for them.
//!
//! At a rate, latency counts from when a message was due, not from when it was written: a generator or server that falls
//! behind does not hide it. In a closed loop it counts from the write.

mod deliveries;
mod phases;
mod speaking;
mod stamp;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Parser, ValueExt};

use super::Run;
use crate::engine::{Cause, Engine, Flow, Load};
use crate::error::{Error, Result};
use crate::options::{Options, Transport};
use crate::wire::Batch;
use crate::workers::conduct;
use deliveries::Deliveries;
use phases::Phase;
use stamp::Stamp;

/// How long a silence says that nothing more will come.
const QUIET: Duration = Duration::from_secs(3);
/// Left to the server before the first message: what the handshakes still cost is not measured.
const SETTLING: Duration = Duration::from_millis(250);

/// How messages follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pace {
    /// So many a second.
    Rate(f64),
    /// So many writes whose deliveries have not all come.
    Window(u64),
}

#[derive(Debug, Clone)]
struct Settings {
    senders: usize,
    bytes: usize,
    burst: usize,
    pace: Pace,
    event: String,
    /// The URL of another instance, where those who do not speak connect.
    listeners: Option<String>,
}

impl Settings {
    /// Those of the command line, with the options of all commands.
    fn read(parser: &mut Parser) -> Result<(Self, Options)> {
        let mut settings = Self {
            senders: 1,
            bytes: 100,
            burst: 1,
            pace: Pace::Rate(10.0),
            event: "message-from-client".to_owned(),
            listeners: None,
        };
        let options = Options::new(1000, 10.0).parse(parser, |name, parser| {
            match name {
                "senders" => settings.senders = parser.value()?.parse()?,
                "bytes" => settings.bytes = parser.value()?.parse()?,
                "burst" => settings.burst = parser.value()?.parse()?,
                "messages" => settings.pace = Pace::Rate(parser.value()?.parse()?),
                "window" => settings.pace = Pace::Window(parser.value()?.parse()?),
                "event" => settings.event = parser.value()?.string()?,
                "listeners" => settings.listeners = Some(parser.value()?.string()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        settings.check(options.connections)?;
        Ok((settings, options))
    }

    fn check(&self, connections: usize) -> Result<()> {
        let paced = match self.pace {
            Pace::Rate(rate) => rate > 0.0 && rate.is_finite(),
            Pace::Window(window) => window > 0,
        };
        if connections < 2 || self.senders == 0 || self.senders > connections || self.burst == 0 || !paced {
            let text = "fanout needs two connections, 1 to that many senders, and burst, messages or window above 0";
            return Err(Error::Options(text.to_owned()));
        }
        if self.bytes < Stamp::LENGTH {
            let text = format!("a message has room for its stamp only from {} bytes on", Stamp::LENGTH);
            return Err(Error::Options(text));
        }
        Ok(())
    }
}

/// Runs the command.
pub fn main(parser: &mut Parser) -> Result<ExitCode> {
    let (settings, options) = Settings::read(parser)?;
    conduct(&options, |run| {
        let mut engine = run.engine(run.sources())?;
        let elsewhere = settings.listeners.as_deref().map(|url| run.options.instance(url)).transpose()?;
        let mut fanout = Fanout::new(run, &settings);
        if let Some(elsewhere) = elsewhere {
            engine.divert(fanout.senders.len(), elsewhere.addresses);
        }
        (0..fanout.count).for_each(|id| engine.launch(id));
        engine.run(&mut fanout)?;
        fanout.run.progress.clear();
        match fanout.failed {
            Some(cause) => Err(Error::Connect { url: fanout.run.target.url.clone(), cause }),
            None => Ok(fanout.tally),
        }
    })
}

struct Fanout {
    run: Run,
    count: usize,
    here: usize,
    failed: Option<String>,
    phase: Phase,
    pace: Pace,
    /// Clients of this process that send, by their index here; their global index is what messages carry.
    senders: Vec<usize>,
    all_senders: usize,
    next_sender: usize,
    numbers: Vec<u32>,
    /// The last number heard, by client and sender.
    heard: Vec<u32>,
    batch: Batch,
    stamp_at: usize,
    prefix: Vec<u8>,
    due: u64,
    given_up: u64,
    delivered_before: u64,
    progressed: Instant,
    tally: Deliveries,
}

impl Fanout {
    fn new(run: Run, settings: &Settings) -> Self {
        let (first, count) = run.part();
        let senders: Vec<_> = (first..(first + count).min(settings.senders)).map(|index| index - first).collect();
        let event = serde_json::Value::from(&*settings.event);
        let prefix = format!("42{}[{event},\"", run.target.namespace);
        let packet = format!("{prefix}{}\"]", "x".repeat(settings.bytes));
        let transport = match run.options.transport {
            Transport::Polling => Transport::Polling,
            Transport::WebSocket | Transport::Default => Transport::WebSocket,
        };
        let pace = match settings.pace {
            Pace::Rate(rate) => Pace::Rate(rate * senders.len() as f64 / settings.senders as f64),
            window => window,
        };
        Self {
            count,
            here: 0,
            failed: None,
            phase: Phase::Connecting,
            pace,
            numbers: vec![0; senders.len()],
            senders,
            all_senders: settings.senders,
            next_sender: 0,
            heard: vec![0; count * settings.senders],
            batch: Batch::new(transport, packet.as_bytes(), settings.burst),
            stamp_at: prefix.len(),
            // What comes has lost the type of its Engine.IO packet.
            prefix: prefix.as_bytes()[1..].to_vec(),
            due: 0,
            given_up: 0,
            delivered_before: 0,
            progressed: Instant::now(),
            tally: Deliveries { clients: count as u64, begun: u64::MAX, ..Deliveries::default() },
            run,
        }
    }
}

impl Load for Fanout {
    fn joined(&mut self, _: &mut Engine, _: usize) {
        self.here += 1;
    }

    fn message(&mut self, engine: &mut Engine, id: usize, packet: &[u8]) {
        let Some(Stamp { sender, number, due }) = packet.strip_prefix(&*self.prefix).and_then(Stamp::read) else {
            return;
        };
        let Some(last) = self.heard.get_mut(id * self.all_senders + sender) else { return };
        let now = engine.read_at();
        if number <= *last {
            self.tally.reordered += 1;
        }
        *last = (*last).max(number);
        self.tally.delivered += 1;
        self.tally.ended = now;
        self.tally.latency.record(now.saturating_sub(due));
    }

    fn left(&mut self, engine: &mut Engine, id: usize, cause: Cause) {
        match self.phase {
            Phase::Connecting => {
                let index = self.run.part().0 + id;
                self.failed = Some(format!("client {index}: {cause}"));
            }
            Phase::Leaving => {}
            _ => self.tally.dropouts += u64::from(!engine.is_connected(id)),
        }
    }

    fn turn(&mut self, engine: &mut Engine) -> Flow {
        if self.failed.is_some() {
            return Flow::Done;
        }
        if self.tally.delivered != self.delivered_before {
            self.delivered_before = self.tally.delivered;
            self.progressed = engine.now();
        }
        self.go_on(engine)
    }
}
