//! From nothing to a namespace, and what becomes of clients that fail on the way.

use std::time::Duration;

use mio::Interest;

use super::client::{Client, PollingSession, Stage, Upgrade};
use super::connection::{Awaits, Connection, Side};
use super::{Cause, Engine, Load, Retry};
use crate::net::Stream;
use crate::options::Transport;
use crate::wire::{Opcode, opened, socket_id, write_frame};

impl Engine {
    /// Lets client `id` connect as soon as rate and concurrency allow.
    pub fn launch(&mut self, id: usize) {
        self.queue.push_back(id);
    }

    /// Forgets the clients that have not begun to connect.
    pub fn cancel_launches(&mut self) {
        self.queue.clear();
        self.retries.clear();
    }

    pub(super) fn connect_waiting(&mut self, load: &mut impl Load) {
        if self.rate > 0.0 {
            let passed = self.now.duration_since(self.refilled).as_secs_f64();
            self.allowance = (self.allowance + passed * self.rate).min((self.rate / 20.0).max(1.0));
        }
        self.refilled = self.now;
        // What has arrived meanwhile is read in between.
        for _ in 0..64 {
            if self.queue.is_empty() || self.connecting >= self.concurrency || (self.rate > 0.0 && self.allowance < 1.0)
            {
                return;
            }
            let Some(id) = self.queue.pop_front() else { return };
            self.allowance -= 1.0;
            self.connecting += 1;
            let failures = self.clients[id].failures;
            self.clients[id] = Client { stage: Stage::Connecting, failures, ..Client::new(self.now) };
            let (request, awaits) = match self.transport {
                Transport::WebSocket => (self.target.requests.websocket(None, None), Awaits::Switch),
                Transport::Polling | Transport::Default => (self.target.requests.open(), Awaits::Open),
            };
            if let Err(cause) = self.request(id, Side::Main, awaits, &request) {
                self.lose(load, id, cause);
            }
        }
    }

    /// Sends a request over one of a client's sockets, which is opened if there is none.
    pub(super) fn request(&mut self, id: usize, side: Side, awaits: Awaits, bytes: &[u8]) -> Result<(), Cause> {
        if self.clients[id].socket(side).is_none() {
            let address = self.address(id);
            let socket = self.sources.connect(address, self.target.is_loopback())?;
            let mut stream = Stream::new(socket, self.target.tls.as_ref())?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(stream.socket(), side.token(id), interest)?;
            self.clients[id].sockets[side as usize] = Some(Connection::new(stream));
        }
        if let Some(socket) = self.clients[id].socket(side) {
            socket.awaits = awaits;
            socket.write(bytes)?;
        }
        Ok(())
    }

    /// The session is open: the namespace is next.
    pub(super) fn session_opened(&mut self, id: usize, json: &[u8], cookies: Option<String>) -> Result<(), Cause> {
        let session = opened(json).ok_or(Cause::Handshake("an open packet that cannot be read"))?;
        let client = &mut self.clients[id];
        client.heard = self.now;
        client.patience = Duration::from_millis(session.ping_interval + session.ping_timeout);
        client.instance = session.sid.as_bytes().first_chunk().copied().unwrap_or_default();
        let join = format!("40{}", self.target.namespace);
        if self.transport == Transport::WebSocket {
            let mut frame = Vec::new();
            write_frame(&mut frame, Opcode::Text, join.as_bytes());
            return self.write(id, Side::Main, &frame);
        }
        let poll = self.target.requests.poll(&session.sid, cookies.as_deref());
        let post = self.target.requests.post(&session.sid, cookies.as_deref());
        client.polling =
            Some(Box::new(PollingSession { sid: session.sid, cookies, poll, post, queue: join.into_bytes() }));
        Ok(())
    }

    /// The namespace is joined; a client that upgrades does so now.
    pub(super) fn namespace_joined(&mut self, load: &mut impl Load, id: usize, rest: &[u8]) -> Result<(), Cause> {
        let client = &mut self.clients[id];
        client.socket_id = socket_id(rest);
        let session = client.polling.as_deref().filter(|_| self.transport == Transport::Default);
        match session {
            Some(session) => {
                let request = self.target.requests.websocket(Some(&session.sid), session.cookies.as_deref());
                self.request(id, Side::Second, Awaits::Switch, &request)
            }
            None => {
                self.arrive(load, id);
                Ok(())
            }
        }
    }

    /// The WebSocket takes over from polling.
    pub(super) fn upgraded(&mut self, load: &mut impl Load, id: usize) -> Result<(), Cause> {
        let mut frame = Vec::new();
        write_frame(&mut frame, Opcode::Text, b"5");
        self.write(id, Side::Second, &frame)?;
        let client = &mut self.clients[id];
        client.upgrade = Upgrade::Done;
        client.sockets[Side::Main as usize] = None;
        client.polling = None;
        self.arrive(load, id);
        Ok(())
    }

    fn arrive(&mut self, load: &mut impl Load, id: usize) {
        let client = &mut self.clients[id];
        if client.stage == Stage::Connecting {
            client.handshake = client.since.elapsed();
            client.stage = Stage::Joined;
            client.since = self.now;
            client.failures = 0;
            self.connecting -= 1;
            load.joined(self, id);
        }
    }

    /// Client `id` is gone: it tries again, or the load is told.
    pub(super) fn lose(&mut self, load: &mut impl Load, id: usize, cause: Cause) {
        let client = &mut self.clients[id];
        let stage = std::mem::replace(&mut client.stage, Stage::Absent);
        client.sockets = [None, None];
        client.polling = None;
        match stage {
            Stage::Absent => return,
            Stage::Connecting => {
                self.connecting -= 1;
                let again = match self.retry {
                    Retry::Always => true,
                    Retry::Times(times) => client.failures < times,
                };
                client.failures += 1;
                if again && !matches!(cause, Cause::Refused(_)) {
                    let failures = client.failures;
                    self.counts.retries += 1;
                    let delay = self.backoff(failures);
                    self.retries.push((self.now + delay, id));
                    return;
                }
                client.failures = 0;
            }
            Stage::Joined => {}
            Stage::Leaving if matches!(cause, Cause::Lingering) => {}
            Stage::Leaving => return load.left(self, id, Cause::Asked),
        }
        load.left(self, id, cause);
    }

    /// 1 s, 2 s, 4 s, then 5 s, half of it more or less.
    fn backoff(&mut self, failures: u32) -> Duration {
        let base = f64::from(1 << (failures - 1).min(3)).min(5.0);
        // xorshift: chance enough to spread clients.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let jitter = f64::from(self.random) / f64::from(u32::MAX);
        Duration::from_secs_f64(base * (0.5 + jitter))
    }
}
