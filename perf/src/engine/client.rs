//! One client.

use std::time::{Duration, Instant};

use super::Cause;
use super::connection::{Connection, Side};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not connected.
    Absent,
    /// Between its first byte and its namespace.
    Connecting,
    /// In its namespace.
    Joined,
    /// Said farewell.
    Leaving,
}

/// How far an upgrade is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Not begun.
    No,
    /// The WebSocket may take over once the poll under way has ended.
    Probed,
    /// The WebSocket has taken over.
    Done,
}

/// What a polling session needs for its requests.
#[derive(Debug)]
pub struct PollingSession {
    /// Its id.
    pub sid: String,
    /// The cookies of the handshake: a balancer finds the instance by them.
    pub cookies: Option<String>,
    /// The request that polls.
    pub poll: Vec<u8>,
    /// The request that posts, up to the length of its body.
    pub post: Vec<u8>,
    /// Packets to be posted.
    pub queue: Vec<u8>,
}

/// A client and its sockets.
#[derive(Debug)]
pub struct Client {
    /// How far it is.
    pub stage: Stage,
    /// When it came there.
    pub since: Instant,
    /// When the server was last known to live.
    pub heard: Instant,
    /// How long the server may be silent.
    pub patience: Duration,
    /// How long the handshake took.
    pub handshake: Duration,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// How far the upgrade is.
    pub upgrade: Upgrade,
    /// The sockets, by [`Side`].
    pub sockets: [Option<Connection>; 2],
    /// Set while it polls.
    pub polling: Option<Box<PollingSession>>,
    /// The Socket.IO id.
    pub socket_id: Box<str>,
    /// The beginning of the Engine.IO id.
    pub instance: [u8; 4],
}

impl Client {
    /// A client that has not connected.
    pub fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Absent,
            since: now,
            heard: now,
            patience: HANDSHAKE,
            handshake: Duration::ZERO,
            failures: 0,
            upgrade: Upgrade::No,
            sockets: [None, None],
            polling: None,
            socket_id: Box::default(),
            instance: [0; 4],
        }
    }

    /// One of its sockets.
    pub fn socket(&mut self, side: Side) -> Option<&mut Connection> {
        self.sockets[side as usize].as_mut()
    }

    /// The WebSocket, if that is how it speaks.
    pub const fn websocket(&self) -> Side {
        match self.upgrade {
            Upgrade::No | Upgrade::Probed => Side::Main,
            Upgrade::Done => Side::Second,
        }
    }

    /// Why it must be given up, if so.
    pub fn overdue(&self, now: Instant) -> Option<Cause> {
        match self.stage {
            Stage::Connecting if now.duration_since(self.since) > HANDSHAKE => Some(Cause::Late),
            Stage::Leaving if now.duration_since(self.since) > FAREWELL => Some(Cause::Lingering),
            Stage::Joined if now.duration_since(self.heard) > self.patience => Some(Cause::Silent),
            _ => None,
        }
    }
}
