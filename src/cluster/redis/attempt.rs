//! An attempt to connect to Redis: name, TCP, TLS, log-in, within a deadline.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use redis::Value;

use super::fault::Fault;
use super::settings::Settings;
use super::sleep::{Sleep, Woken};
use super::stream::{self, Stream};
use super::wire::{self, Wire};

/// When all attempts end, if that is known; asked whenever the thread is woken.
pub(super) type Quit<'a> = &'a dyn Fn() -> Option<Instant>;

/// Connects and logs in. Resolving the name takes as long as the system's resolver allows; all else takes at most
/// `redis_connect_timeout`, which several addresses share.
pub(super) fn open(settings: &Settings, sleep: &mut Sleep, quit: Quit<'_>) -> Result<Wire, Fault> {
    let addresses = resolve(settings)?;
    let until = Instant::now() + settings.connect_timeout;
    let mut attempt = Attempt { settings, sleep, quit };
    let mut fault = Fault::ConnectTimeout(settings.connect_timeout);
    for (place, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
        match attempt.connect(*address, now + until.saturating_duration_since(now) / left) {
            Ok(stream) => return attempt.greet(Wire::new(stream, settings), until),
            Err(Fault::Stopped) => return Err(Fault::Stopped),
            Err(failed) => fault = failed,
        }
    }
    Err(fault)
}

fn resolve(settings: &Settings) -> Result<Vec<SocketAddr>, Fault> {
    let server = &settings.server;
    let unknown = |reason: io::Error| Fault::Name { host: server.host.clone(), reason: Arc::new(reason) };
    let addresses: Vec<_> = (server.host.as_str(), server.port).to_socket_addrs().map_err(unknown)?.collect();
    if addresses.is_empty() { Err(unknown(io::ErrorKind::NotFound.into())) } else { Ok(addresses) }
}

struct Attempt<'a> {
    settings: &'a Settings,
    sleep: &'a mut Sleep,
    quit: Quit<'a>,
}

impl Attempt<'_> {
    /// Sleeps until something happens, unless the time is up.
    fn rest(&mut self, until: Instant) -> Result<Woken, Fault> {
        let now = Instant::now();
        let end = (self.quit)();
        if end.is_some_and(|end| end <= now) {
            return Err(Fault::Stopped);
        }
        if now >= until {
            return Err(Fault::ConnectTimeout(self.settings.connect_timeout));
        }
        self.sleep.until(end.map_or(until, |end| end.min(until))).map_err(Fault::broken)
    }

    fn connect(&mut self, address: SocketAddr, until: Instant) -> Result<Stream, Fault> {
        let settings = self.settings;
        let failed = |reason: io::Error| Fault::Connect { address, reason: Arc::new(reason) };
        let mut tcp = stream::connect(address, settings.ping_interval, settings.ping_timeout).map_err(failed)?;
        self.sleep.watch(&mut tcp).map_err(failed)?;
        loop {
            if let Some(error) = tcp.take_error().map_err(failed)? {
                return Err(failed(error));
            }
            match tcp.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => self.rest(until)?,
                Err(error) => return Err(failed(error)),
                Ok(_) => return Stream::new(tcp, settings.tls.as_ref()).map_err(|error| Fault::Tls(error.to_string())),
            };
        }
    }

    /// Logs in, selects the database, and makes Redis answer, all in one write. So a Redis that needs a password, or
    /// has too many clients, is found out before it gets any message.
    fn greet(&mut self, mut wire: Wire, until: Instant) -> Result<Wire, Fault> {
        let server = &self.settings.server;
        let mut commands = Vec::new();
        if let Some(password) = &server.password {
            // Servers older than version 6 have no users. For others a password alone is that of the user `default`.
            let user = server.user.as_deref().filter(|user| *user != "default").map(str::as_bytes);
            let login: Vec<&[u8]> =
                [b"AUTH".as_slice()].into_iter().chain(user).chain([password.expose().as_bytes()]).collect();
            wire.push(&login, 1);
            commands.push("AUTH");
        }
        if server.database != 0 {
            wire.push(&[b"SELECT", server.database.to_string().as_bytes()], 1);
            commands.push("SELECT");
        }
        wire.push(&[b"PING"], 1);
        commands.push("PING");
        for command in commands {
            let reply = self.reply(&mut wire, until).map_err(|fault| match fault {
                Fault::ConnectTimeout(_) if wire.is_handshaking() => {
                    Fault::Tls("no answer to the handshake".to_owned())
                }
                Fault::Closed | Fault::Broken(_) if self.settings.tls.is_none() => Fault::Unwelcome,
                fault => fault,
            })?;
            match reply {
                Value::Okay if command != "PING" => {}
                Value::SimpleString(text) if command == "PING" && text == "PONG" => {}
                // A user that may not PING is logged in all the same.
                Value::ServerError(error) if command == "PING" && error.code() == "NOPERM" => {}
                Value::ServerError(error) => {
                    let answer = without_secrets(&wire::text(&error), self.settings);
                    return Err(Fault::Refused { command, answer });
                }
                _ => return Err(Fault::Protocol("no answer to what was asked")),
            }
        }
        Ok(wire)
    }

    /// Waits for one reply.
    fn reply(&mut self, wire: &mut Wire, until: Instant) -> Result<Value, Fault> {
        loop {
            wire.flush()?;
            if let Some(value) = wire.next()? {
                wire.answered();
                return Ok(value);
            }
            // The bytes read may let TLS continue.
            wire.flush()?;
            wire.woken(self.rest(until)?);
        }
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
