//! The settings of the Engine.IO layer and its fixed intervals. Names and defaults are those of the Node server.

use std::time::Duration;

/// How long a polling session that the server closed waits for the GET that carries the news.
pub const CLOSE_WAIT: Duration = Duration::from_secs(30);

/// How long the POST with a close packet waits for a GET that the client sent together with it on another connection.
pub const LEAVE_WAIT: Duration = Duration::from_millis(50);

/// While a WebSocket probes, a held GET is answered with a noop at this interval, so that the client can leave polling.
pub const NOOP_INTERVAL: Duration = Duration::from_millis(100);

/// Most bytes of messages in the answer to a GET, each counted as it counts while it waits; a single message may be
/// longer. The rest goes with the next GET.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// The estimated overhead of one queued message, in bytes.
pub const MESSAGE_OVERHEAD: usize = 64;

/// Settings of the Engine.IO layer. They are the same for all sessions of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Time from the opening of a session, and from each pong, to the next ping. Clients learn it from the open packet.
    /// Default: 25 s.
    pub ping_interval: Duration,
    /// Time a client has for its pong before the session is closed. Clients learn it from the open packet.
    /// Default: 20 s.
    pub ping_timeout: Duration,
    /// Time an upgrade may take; the session goes on without it. Default: 10 s.
    pub upgrade_timeout: Duration,
    /// Time a session has to join its first namespace before the server closes it. Default: 45 s.
    pub connect_timeout: Duration,
    /// Time a polling client has for its next GET while more waits than one answer carries. Default: 10 s.
    pub fetch_timeout: Duration,
    /// Longest body of a POST and longest WebSocket message, in bytes. Clients learn it from the open packet and split
    /// their payloads accordingly. Default: 1 000 000.
    pub max_payload: usize,
    /// The transports that clients may use. Default: polling and WebSocket.
    pub transports: Transports,
    /// Whether the open packet offers the upgrade from polling to WebSocket. An upgrade without the offer also
    /// succeeds, as on Node. Default: true.
    pub allow_upgrades: bool,
    /// Whether clients of protocol 3 are served. Default: false.
    pub allow_eio3: bool,
}

impl Settings {
    /// Whether clients on polling are offered the upgrade to WebSocket.
    pub const fn offer_upgrade(&self) -> bool {
        self.allow_upgrades && self.transports.contains(Transport::WebSocket)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            fetch_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            transports: Transports::ALL,
            allow_upgrades: true,
            allow_eio3: false,
        }
    }
}

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long polling: GETs that are held until there is something to send, POSTs for the other direction.
    Polling,
    /// One WebSocket.
    WebSocket,
}

impl Transport {
    /// The transport of that name; `None` for unknown ones, and for `webtransport`, which TCP cannot carry.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "polling" => Some(Self::Polling),
            "websocket" => Some(Self::WebSocket),
            _ => None,
        }
    }

    /// The name in a request's query.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// A set of transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    polling: bool,
    websocket: bool,
}

impl Transports {
    /// Every transport.
    pub const ALL: Self = Self { polling: true, websocket: true };

    /// Whether `transport` is in the set.
    pub const fn contains(self, transport: Transport) -> bool {
        match transport {
            Transport::Polling => self.polling,
            Transport::WebSocket => self.websocket,
        }
    }
}

impl FromIterator<Transport> for Transports {
    fn from_iter<I: IntoIterator<Item = Transport>>(transports: I) -> Self {
        let mut set = Self { polling: false, websocket: false };
        for transport in transports {
            match transport {
                Transport::Polling => set.polling = true,
                Transport::WebSocket => set.websocket = true,
            }
        }
        set
    }
}
