//! `perf fanout`: some clients speak, all others hear. Every message carries its sender, its number and the time it was
//! due, at a fixed place, so that losses, reorderings and latencies are seen without looking for them.
//!
//! At a rate, latency counts from when a message was due, not from when it was written: a generator or server that falls
//! behind does not hide it. In a closed loop it counts from the write.

mod deliveries;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Parser, ValueExt};

use super::{Meter, Run};
use crate::engine::{Cause, Engine, Flow, Load};
use crate::error::{Error, Result};
use crate::measure::nanoseconds;
use crate::options::{Options, Transport};
use crate::wire::Batch;
use crate::workers::conduct;
use deliveries::Deliveries;

/// Hexadecimal digits of sender, number and time, in this order.
const DIGITS: [usize; 3] = [8, 8, 16];
const STAMP: usize = DIGITS[0] + DIGITS[1] + DIGITS[2];
/// How long a silence says that nothing more will come.
const QUIET: Duration = Duration::from_secs(3);
/// Left to the server before the first message: what the handshakes still cost is not measured.
const SETTLING: Duration = Duration::from_millis(250);
/// Batches written in one turn of the loop at most.
const PER_TURN: usize = 64;

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

/// Runs the command.
pub fn main(parser: &mut Parser) -> Result<ExitCode> {
    let mut settings = Settings {
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
    let Settings { senders, bytes, burst, pace, .. } = settings;
    let paced = match pace {
        Pace::Rate(rate) => rate > 0.0 && rate.is_finite(),
        Pace::Window(window) => window > 0,
    };
    if options.connections < 2 || senders == 0 || senders > options.connections || burst == 0 || !paced {
        let text = "fanout needs two connections, 1 to that many senders, and burst, messages or window above 0";
        return Err(Error::Options(text.to_owned()));
    }
    if bytes < STAMP {
        return Err(Error::Options(format!("a message has room for its stamp only from {STAMP} bytes on")));
    }
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

#[derive(Debug, Clone, Copy)]
enum Phase {
    Connecting,
    AllConnected,
    Settling { until: Instant },
    Sending { until: Instant, meter: Meter },
    AllSent(Meter),
    Draining(Meter),
    AllDrained(Meter),
    Leaving,
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

    /// Writes one batch that was due at `due`, as the next sender.
    fn speak(&mut self, engine: &mut Engine, due: u64) {
        let which = self.next_sender;
        self.next_sender = (which + 1) % self.senders.len();
        let index = self.run.part().0 + self.senders[which];
        for copy in 0..self.batch.count() {
            self.numbers[which] += 1;
            let mut at = self.stamp_at;
            for (value, digits) in [index as u64, u64::from(self.numbers[which]), due].into_iter().zip(DIGITS) {
                self.batch.patch(copy, at, value, digits);
                at += digits;
            }
        }
        self.tally.sent += self.batch.count() as u64;
        engine.send(self.senders[which], &self.batch);
    }

    /// Writes what is due; when the loop is to come back.
    fn speak_when_due(&mut self, engine: &mut Engine) -> Flow {
        if self.senders.is_empty() {
            return Flow::Within(QUIET);
        }
        let now = nanoseconds();
        let burst = self.batch.count() as u64;
        match self.pace {
            Pace::Rate(rate) => {
                let interval = (burst as f64 / rate * 1e9) as u64;
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
            Pace::Window(window) => {
                let listeners = self.count as u64 - 1;
                if self.progressed.elapsed() > QUIET {
                    self.given_up = (self.tally.sent * listeners).saturating_sub(self.tally.delivered);
                    self.progressed = Instant::now();
                }
                for _ in 0..PER_TURN {
                    let open = (self.tally.sent * listeners).saturating_sub(self.tally.delivered + self.given_up);
                    if open > (window - 1) * burst * listeners {
                        break;
                    }
                    self.speak(engine, nanoseconds());
                }
                Flow::Within(Duration::from_millis(100))
            }
        }
    }
}

impl Load for Fanout {
    fn joined(&mut self, _: &mut Engine, _: usize) {
        self.here += 1;
    }

    fn message(&mut self, engine: &mut Engine, id: usize, packet: &[u8]) {
        let Some(rest) = packet.strip_prefix(&*self.prefix) else { return };
        let Some(stamp) = rest.first_chunk::<STAMP>() else { return };
        let (sender, rest) = stamp.split_at(DIGITS[0]);
        let (number, time) = rest.split_at(DIGITS[1]);
        let now = engine.read_at();
        let (sender, number, time) = (hexadecimal(sender) as usize, hexadecimal(number) as u32, hexadecimal(time));
        let Some(last) = self.heard.get_mut(id * self.all_senders + sender) else { return };
        if number <= *last {
            self.tally.reordered += 1;
        }
        *last = (*last).max(number);
        self.tally.delivered += 1;
        self.tally.ended = now;
        self.tally.latency.record(now.saturating_sub(time));
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
        let stopped = self.run.is_stopped();
        if self.tally.delivered != self.delivered_before {
            self.delivered_before = self.tally.delivered;
            self.progressed = engine.now();
        }
        match self.phase {
            Phase::Connecting => {
                self.run.progress.update("connected", self.here as u64, Some(self.count as u64));
                if self.failed.is_some() {
                    return Flow::Done;
                }
                if self.here == self.count || stopped {
                    engine.cancel_launches();
                    self.run.gate.arrive(self.here as u64);
                    self.phase = Phase::AllConnected;
                }
            }
            Phase::AllConnected => {
                if stopped || self.run.gate.passed().is_some() {
                    self.phase = Phase::Settling { until: engine.now() + SETTLING };
                }
            }
            Phase::Settling { until } => {
                if stopped || engine.now() >= until {
                    self.tally.senders = self.senders.len() as u64;
                    let meter = Meter::begin(&self.run);
                    self.due = nanoseconds();
                    self.tally.begun = self.due;
                    self.progressed = engine.now();
                    self.phase = Phase::Sending { until: Instant::now() + self.run.options.duration(), meter };
                    return Flow::Within(Duration::ZERO);
                }
            }
            Phase::Sending { until, meter } => {
                self.run.progress.update("delivered", self.tally.delivered, None);
                let alone = self.tally.dropouts == self.count as u64;
                if stopped || alone || engine.now() >= until {
                    self.run.gate.arrive(self.tally.sent);
                    self.phase = Phase::AllSent(meter);
                } else {
                    return self.speak_when_due(engine);
                }
            }
            Phase::AllSent(meter) => {
                let sum = self.run.gate.passed();
                if stopped || sum.is_some() {
                    let sent = sum.unwrap_or(self.tally.sent);
                    self.tally.expected = sent * self.count as u64 - self.tally.sent;
                    self.progressed = engine.now();
                    self.phase = Phase::Draining(meter);
                }
            }
            Phase::Draining(meter) => {
                let complete = self.tally.delivered >= self.tally.expected;
                if complete || engine.now().duration_since(self.progressed) > QUIET {
                    self.run.gate.arrive(self.tally.delivered);
                    self.phase = Phase::AllDrained(meter);
                }
            }
            Phase::AllDrained(meter) => {
                if stopped || self.run.gate.passed().is_some() {
                    self.tally.measured = meter.end(&self.run);
                    self.phase = Phase::Leaving;
                    engine.leave_all();
                }
            }
            Phase::Leaving => {
                if engine.is_deserted() {
                    return Flow::Done;
                }
            }
        }
        match self.phase {
            Phase::Connecting | Phase::Leaving => Flow::Within(Duration::from_millis(50)),
            _ => Flow::Within(Duration::from_millis(1)),
        }
    }
}

/// The number that lower-case hexadecimal digits write; digits that are none count as something.
fn hexadecimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, &digit| {
        let nibble = if digit >= b'a' { digit - b'a' + 10 } else { digit.wrapping_sub(b'0') };
        value << 4 | u64::from(nibble & 0xf)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_written() {
        assert_eq!(hexadecimal(b"00ff"), 255);
        assert_eq!(hexadecimal(b"deadbeef01234567"), 0xdead_beef_0123_4567);
    }
}
