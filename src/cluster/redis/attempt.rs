//! An attempt to connect to Redis: name, TCP, TLS, log-in, within a deadline.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use redis::Value;

use super::fault::Fault;
use super::settings::Settings;
use super::sleep::{Rest, Sleep, Woken};
use super::stream::Stream;
use super::tcp::Tcp;
use super::wire::{self, Wire};
use crate::clock;
use crate::config::RedisServer;

/// An attempt. Resolving the name, at its beginning, takes as long as the system's resolver allows; all else takes at
/// most `redis_connect_timeout`, which several addresses share.
pub(super) struct Attempt {
    /// Addresses that are still to be tried.
    addresses: VecDeque<SocketAddr>,
    /// When all of it ends.
    until: Instant,
    stage: Stage,
}

enum Stage {
    /// The name was resolved; the last address failed by this fault.
    Choosing(Fault),
    /// An address is tried, until then.
    Connecting(Tcp, SocketAddr, Instant),
    /// The answers to these commands are due.
    Greeting(Box<Wire>, VecDeque<&'static str>),
}

/// How far an attempt is.
pub(super) enum Progress {
    Rest(Attempt, Rest),
    /// It is connected and logged in.
    Done(Box<Wire>),
}

impl Attempt {
    pub(super) fn begin(settings: &Settings) -> Result<Self, Fault> {
        let addresses = resolve(settings)?;
        let (timeout, now) = (settings.connect_timeout, clock::now());
        Ok(Self { addresses, until: now + timeout, stage: Stage::Choosing(Fault::ConnectTimeout(timeout)) })
    }

    /// Does what can be done without sleeping. `ends`: when all attempts end, if that is known.
    pub(super) fn step(
        mut self,
        settings: &Settings,
        sleep: &Sleep,
        ends: Option<Instant>,
        woken: Woken,
    ) -> Result<Progress, Fault> {
        let now = clock::now();
        if ends.is_some_and(|end| end <= now) {
            return Err(Fault::Stopped);
        }
        let timeout = Fault::ConnectTimeout(settings.connect_timeout);
        let until;
        (self.stage, until) = match self.stage {
            Stage::Choosing(fault) => {
                let (tcp, address, until) = choose(&mut self.addresses, self.until, fault, settings, sleep)?;
                (Stage::Connecting(tcp, address, until), now)
            }
            Stage::Connecting(tcp, address, until) => match tcp.is_connected() {
                Ok(false) if now < until => (Stage::Connecting(tcp, address, until), until),
                Ok(false) => (Stage::Choosing(timeout), now),
                Ok(true) => match Stream::new(tcp, settings.tls.as_ref()) {
                    Ok(stream) => (greet(Wire::new(stream, settings), &settings.server), now),
                    Err(error) => (Stage::Choosing(Fault::Tls(error.to_string())), now),
                },
                Err(reason) => (Stage::Choosing(unreachable(address, reason)), now),
            },
            Stage::Greeting(mut wire, mut commands) => {
                wire.woken(woken);
                match hear(&mut wire, &mut commands, settings) {
                    Ok(true) => return Ok(Progress::Done(wire)),
                    Ok(false) if now < self.until => (Stage::Greeting(wire, commands), self.until),
                    Ok(false) => return Err(explained(timeout, &wire, settings)),
                    Err(fault) => return Err(fault),
                }
            }
        };
        let rest = if until <= now { Rest::No } else { Rest::Until(ends.map_or(until, |end| end.min(until))) };
        Ok(Progress::Rest(self, rest))
    }
}

/// Begins to connect to the next address, for its part of the time that is left. `fault`: what became of the last one.
fn choose(
    addresses: &mut VecDeque<SocketAddr>,
    until: Instant,
    mut fault: Fault,
    settings: &Settings,
    sleep: &Sleep,
) -> Result<(Tcp, SocketAddr, Instant), Fault> {
    loop {
        let now = clock::now();
        let left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let Some(address) = addresses.pop_front() else { return Err(fault) };
        let until = now + until.saturating_duration_since(now) / left;
        let tcp = Tcp::connect(address, settings.ping_interval, settings.ping_timeout);
        match tcp.and_then(|mut tcp| sleep.watch(&mut tcp).map(|()| tcp)) {
            Ok(tcp) => return Ok((tcp, address, until)),
            Err(reason) => fault = unreachable(address, reason),
        }
    }
}

/// Logs in, selects the database, and makes Redis answer, all in one write. So a Redis that needs a password, or
/// has too many clients, is found out before it gets any message.
fn greet(mut wire: Wire, server: &RedisServer) -> Stage {
    let mut commands = VecDeque::new();
    if let Some(password) = &server.password {
        // Servers older than version 6 have no users. For others a password alone is that of the user `default`.
        let user = server.user.as_deref().filter(|user| *user != "default").map(str::as_bytes);
        let login: Vec<&[u8]> =
            [b"AUTH".as_slice()].into_iter().chain(user).chain([password.expose().as_bytes()]).collect();
        wire.push(&login, 1);
        commands.push_back("AUTH");
    }
    if server.database != 0 {
        wire.push(&[b"SELECT", server.database.to_string().as_bytes()], 1);
        commands.push_back("SELECT");
    }
    wire.push(&[b"PING"], 1);
    commands.push_back("PING");
    Stage::Greeting(Box::new(wire), commands)
}

fn resolve(settings: &Settings) -> Result<VecDeque<SocketAddr>, Fault> {
    let server = &settings.server;
    let unknown = |reason: io::Error| Fault::Name { host: server.host.clone(), reason: Arc::new(reason) };
    let addresses: VecDeque<_> = (server.host.as_str(), server.port).to_socket_addrs().map_err(unknown)?.collect();
    if addresses.is_empty() { Err(unknown(io::ErrorKind::NotFound.into())) } else { Ok(addresses) }
}

fn unreachable(address: SocketAddr, reason: io::Error) -> Fault {
    Fault::Connect { address, reason: Arc::new(reason) }
}

/// Reads the answers that have come. Says whether those were all.
fn hear(wire: &mut Wire, commands: &mut VecDeque<&'static str>, settings: &Settings) -> Result<bool, Fault> {
    while let Some(command) = commands.front() {
        let value = wire.flush().and_then(|()| wire.next()).map_err(|fault| explained(fault, wire, settings))?;
        let Some(value) = value else {
            // The bytes read may let TLS continue.
            wire.flush().map_err(|fault| explained(fault, wire, settings))?;
            return Ok(false);
        };
        wire.answered();
        check(command, value, settings)?;
        commands.pop_front();
    }
    Ok(true)
}

/// What a fault means before Redis has answered.
fn explained(fault: Fault, wire: &Wire, settings: &Settings) -> Fault {
    match fault {
        Fault::ConnectTimeout(_) if wire.is_handshaking() => Fault::Tls("no answer to the handshake".to_owned()),
        Fault::Closed | Fault::Broken(_) if settings.tls.is_none() => Fault::Unwelcome,
        fault => fault,
    }
}

/// Checks the answer to a command.
fn check(command: &'static str, reply: Value, settings: &Settings) -> Result<(), Fault> {
    match reply {
        Value::Okay if command != "PING" => Ok(()),
        Value::SimpleString(text) if command == "PING" && text == "PONG" => Ok(()),
        // A user that may not PING is logged in all the same.
        Value::ServerError(error) if command == "PING" && error.code() == "NOPERM" => Ok(()),
        Value::ServerError(error) => {
            Err(Fault::Refused { command, answer: without_secrets(&wire::text(&error), settings) })
        }
        _ => Err(Fault::Protocol("no answer to what was asked")),
    }
}

/// An answer to a command with a password. Redis repeats the arguments of a command that it does not know.
fn without_secrets(answer: &str, settings: &Settings) -> String {
    let password = settings.server.password.as_ref();
    let told = password.is_some_and(|password| answer.contains(password.expose())) || answer.contains("args beginning");
    match answer.split_once(' ') {
        Some((code, _)) if told => format!("{code} (the rest is not shown, as it repeats what was asked)"),
        _ => answer.to_owned(),
    }
}
