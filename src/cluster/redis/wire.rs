//! One connection to Redis: commands out, replies in, heartbeat.
//!
//! The `redis` crate packs the commands and parses the replies. Its connections are not used, because
//!
//! - one that waits in a blocking read can be told to subscribe to something else, or to end, only after a read
//!   timeout: it would have to poll, where this one sleeps;
//! - after a read timeout it takes the next value for a late answer and discards it, unless it is read as a `PubSub`,
//!   and ending a `PubSub` waits for Redis without a deadline;
//! - a pipeline is written completely before a reply is read, and when it breaks nobody knows how much of it was sent.
//!
//! So the socket here never blocks, and the parser, which keeps unfinished values, gets the bytes as they come.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, ServerError, Value};

use super::fault::Fault;
use super::settings::Settings;
use super::sieve::{NIL, Sieve, Verdict};
use super::sleep::Woken;
use super::stream::Stream;
use crate::clock;

/// Bytes read at once.
const READ: usize = 16 * 1024;
/// Buffers that a long message made longer than this are freed.
const KEPT: usize = 64 * 1024;

pub(super) struct Wire {
    inlet: Inlet,
    parser: Parser,
    command: Cmd,
    out: Vec<u8>,
    /// How much of `out` the stream has taken.
    taken: usize,
    /// Bytes that the stream has taken in total.
    handed: u64,
    /// Due replies.
    due: usize,
    /// When there was the last sign of life, or the last new reason to wait.
    alive: Instant,
    ping_interval: Duration,
    ping_timeout: Duration,
}

/// What the heartbeat needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing, until then.
    Rest(Instant),
    /// A PING, because nothing came for long.
    Ping,
}

impl Wire {
    /// A new connection.
    pub(super) fn new(stream: Stream, settings: &Settings) -> Self {
        Self {
            inlet: Inlet {
                stream,
                buffer: vec![0; READ].into_boxed_slice(),
                unread: 0..0,
                clear: 0,
                instead: &[],
                sieve: Sieve::new(settings.message),
                fed: 0,
                most: settings.message,
                heard: false,
                readable: true,
                fault: None,
            },
            parser: Parser::new(),
            command: Cmd::new(),
            out: Vec::new(),
            taken: 0,
            handed: 0,
            due: 0,
            alive: clock::now(),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
        }
    }

    /// Appends a command with this many replies to the output. Returns the place in the stream where it ends: once
    /// [`handed`](Self::handed) has reached it, Redis may have received it.
    pub(super) fn push(&mut self, parts: &[&[u8]], replies: usize) -> u64 {
        for part in parts {
            self.command.arg(*part);
        }
        self.command.write_packed_command(&mut self.out);
        if parts.iter().any(|part| part.len() > KEPT) {
            self.command = Cmd::new();
        } else {
            self.command.clear();
        }
        if self.due == 0 {
            self.alive = clock::now();
        }
        self.due += replies;
        self.handed + (self.out.len() - self.taken) as u64
    }

    /// Sends as much as the stream takes.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        let result = self.try_flush();
        if self.taken == self.out.len() {
            self.out.clear();
            self.out.shrink_to(KEPT);
            self.taken = 0;
        }
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result.map_err(Fault::broken),
        }
    }

    fn try_flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.out.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match self.inlet.stream.write(rest) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.taken += count;
                    self.handed += count as u64;
                    self.alive = clock::now();
                }
                Err(error) => return Err(error),
            }
        }
        self.inlet.stream.flush()
    }

    /// How many bytes the stream has taken. Bytes beyond have certainly not reached Redis.
    pub(super) const fn handed(&self) -> u64 {
        self.handed
    }

    /// Whether the stream has taken everything.
    pub(super) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// The next value, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Value>, Fault> {
        if !self.inlet.readable {
            return Ok(None);
        }
        let result = self.parser.parse_value(&mut self.inlet);
        if std::mem::take(&mut self.inlet.heard) {
            self.alive = clock::now();
        }
        match result {
            Ok(value) => {
                self.inlet.fed = 0;
                Ok(Some(value))
            }
            Err(error) => match self.inlet.fault.take() {
                Some(fault) => Err(fault),
                None if !self.inlet.readable => Ok(None),
                None if error.is_io_error() => Err(Fault::Closed),
                None => Err(Fault::Protocol("a malformed value")),
            },
        }
    }

    /// A due reply has come.
    pub(super) const fn answered(&mut self) {
        self.due = self.due.saturating_sub(1);
    }

    /// Notes what ended a sleep.
    pub(super) fn woken(&mut self, woken: Woken) {
        if woken == Woken::Readable {
            self.inlet.readable = true;
        }
    }

    /// What the heartbeat needs now. Call it after reading, so that a delay of this thread does not count as silence.
    pub(super) fn beat(&self) -> Result<Beat, Fault> {
        let waits = if self.due == 0 { self.ping_interval } else { self.ping_timeout };
        let until = self.alive + waits;
        if clock::now() < until {
            Ok(Beat::Rest(until))
        } else if self.due == 0 {
            Ok(Beat::Ping)
        } else {
            Err(Fault::Silent(self.ping_timeout))
        }
    }

    /// Whether the TLS handshake is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.inlet.stream.is_handshaking()
    }

    /// Ends the connection.
    pub(super) fn close(self) {
        self.inlet.stream.close();
    }
}

/// The stream for the parser: an error of the kind `WouldBlock` means that there is nothing more for now.
struct Inlet {
    stream: Stream,
    buffer: Box<[u8]>,
    unread: Range<usize>,
    /// How many of the unread bytes the parser may read.
    clear: usize,
    /// Bytes that it must read before them.
    instead: &'static [u8],
    sieve: Sieve,
    /// Bytes that the parser read since the last complete value.
    fed: usize,
    most: usize,
    /// Whether anything has come since the last check.
    heard: bool,
    /// Whether the stream may have more.
    readable: bool,
    /// Why it ended, if not by its end.
    fault: Option<Fault>,
}

impl Inlet {
    /// Reads more bytes behind the unread ones, which are moved to the front.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let free = self.buffer.get_mut(self.unread.end..).unwrap_or_default();
        loop {
            match self.stream.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Makes bytes ready for the parser; at the stream's end there are none.
    fn prepare(&mut self) -> io::Result<()> {
        while self.clear == 0 && self.instead.is_empty() {
            match self.sieve.judge(self.buffer.get(self.unread.clone()).unwrap_or_default()) {
                Verdict::Pass(count) => self.clear = count,
                Verdict::Drop(count) => self.unread.start += count,
                Verdict::Replace(count) => {
                    self.unread.start += count;
                    self.instead = NIL;
                }
                Verdict::Wait => match self.fill() {
                    Ok(0) => break,
                    Ok(count) => {
                        self.heard = true;
                        self.unread.end += count;
                    }
                    Err(error) => return Err(self.broken(error)),
                },
            }
        }
        Ok(())
    }

    /// The stream has nothing more for now, or nothing more at all.
    fn broken(&mut self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.readable = false;
            return error;
        }
        let tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        self.fail(if tls { Fault::Tls(error.to_string()) } else { Fault::broken(error) })
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        io::ErrorKind::Other.into()
    }
}

impl Read for Inlet {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // The parser may have kept some of the bytes that came before the last value's end.
        if self.fed > self.most.saturating_add(READ) {
            return Err(self.fail(Fault::TooLong(self.most)));
        }
        self.prepare()?;
        let count = if self.instead.is_empty() {
            let clear = self.buffer.get(self.unread.start..self.unread.start + self.clear);
            let count = clear.unwrap_or_default().read(into)?;
            self.unread.start += count;
            self.clear -= count;
            count
        } else {
            self.instead.read(into)?
        };
        self.fed += count;
        Ok(count)
    }
}

/// Redis's error in its own words.
pub(super) fn text(error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    format!("{} {details}", error.code()).trim_end().to_owned()
}
