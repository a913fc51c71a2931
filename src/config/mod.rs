//! The settings of a server, read from the environment or written by a program.
//!
//! [`Config`] describes the server, [`Limits`] its limits. A setting that Node's server also has keeps its name and
//! default. Only this module reads the environment.

mod checks;
mod env;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod limits;
mod log_format;
mod origin;
mod parse;
mod recovery;
mod redis;
mod settings;

pub(crate) use checks::MOST_SHARDS;
pub use limits::Limits;
pub use log_format::LogFormat;
pub use recovery::Recovery;
pub use redis::{Password, RedisSecurity, RedisServer, RedisServerError};
pub use settings::{SETTINGS, Setting, SettingGroup};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::engineio::{Settings, Transports};
use crate::error::Result;
use crate::http::{Cookie, Cors};
use crate::socketio::Parser;

/// The settings of one server. Start from [`Config::default`] or [`Config::from_env`] and change what you need.
///
/// ```
/// let config = kinglet::Config { port: 8080, ..kinglet::Config::default() };
/// assert_eq!(config.path, "/socket.io/");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address to listen on. Default `0.0.0.0`: every interface.
    pub address: IpAddr,
    /// Port to listen on, default 3000; 0 lets the system choose.
    pub port: u16,
    /// Path of the Engine.IO endpoint, default `/socket.io/`. A trailing slash is added if it lacks one.
    pub path: String,
    /// The browser's client to serve below [`path`](Self::path) (`serveClient` in JavaScript): the folder `dist` of
    /// `socket.io-client`, or one file of it. Pages then load `/socket.io/socket.io.js`, or its variants. Default
    /// `None`: none.
    pub client: Option<PathBuf>,
    /// Event loops, each on its own thread. Default `None`: one for each granted core on Linux, else one. At most
    /// 255.
    pub shards: Option<usize>,
    /// Transports a client may use. Default both.
    pub transports: Transports,
    /// Whether polling clients are told that they may upgrade to WebSocket. Default yes.
    pub allow_upgrades: bool,
    /// Whether clients of Engine.IO 3 are served, that is, of Socket.IO 2 and older. Default no: they are refused with
    /// code 5. JSONP is left out: its parameter `j` is ignored. The ids of these clients' sockets contain the ids of
    /// their sessions, as on Node, so anyone who learns such an id could take the session over.
    pub allow_eio3: bool,
    /// How packets are written, by the server and all of its clients. Default [`Json`](Parser::Json). With
    /// [`MessagePack`](Parser::MessagePack) each client needs `socket.io-msgpack-parser` as its option `parser`; others are
    /// closed, and the log says so. Such packets are shorter if there are numbers or binary data in them, and take the server
    /// more time. Redis is not concerned: servers of a cluster may differ.
    pub parser: Parser,
    /// Time between two pings. Default 25 s. Keep it below a load balancer's idle timeout.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// Time an upgrade to WebSocket may take. Default 10 s.
    pub upgrade_timeout: Duration,
    /// Time a client has to join a namespace. Default 45 s.
    pub connect_timeout: Duration,
    /// Longest POST body and longest WebSocket message, in bytes. Default 1 000 000. Beyond: `413`, or close with code 1009.
    pub max_http_buffer_size: usize,
    /// Compression of polling answers of [`compression_threshold`](Self::compression_threshold) bytes or more. Default on.
    pub http_compression: bool,
    /// Length in bytes from which a polling answer is compressed. Default 1024.
    pub compression_threshold: usize,
    /// Cross-origin requests. Default none: no CORS header is sent and preflights are not answered.
    pub cors: Option<Cors>,
    /// Origins whose pages may open a session, compared exactly. Default `None`: all. A handshake with another `Origin`
    /// is refused (`403`; a WebSocket's with `400`). A handshake without one is accepted; pages in browsers always send
    /// it. Unlike [`cors`](Self::cors), which browsers do not apply to WebSockets, this keeps pages of other sites out
    /// on each transport.
    pub allowed_origins: Option<Vec<String>>,
    /// Number of proxies in front of the server that append to `X-Forwarded-For` and cannot be bypassed, default 0. A
    /// client's address ([`Handshake::address`](crate::Handshake::address)) is then the one that the outermost proxy
    /// saw: that many entries from the right. With 0 it is the address of the TCP connection.
    pub trusted_proxies: usize,
    /// Cookie that carries the session's id, set by the answer to a polling handshake. Default none.
    pub cookie: Option<Cookie>,
    /// Whether a session keeps the target and the headers of its handshake, for
    /// [`Handshake::url`](crate::Handshake::url) and [`Handshake::headers`](crate::Handshake::headers). Default
    /// [`Keep`](HandshakeHeaders::Keep). A browser's headers take about a kilobyte for each client.
    pub handshake_headers: HandshakeHeaders,
    /// Threads that run blocking handlers and middlewares ([`Namespace::on_blocking`](crate::Namespace::on_blocking),
    /// [`Namespace::middleware_blocking`](crate::Namespace::middleware_blocking)), 1 to 1024, default 4. They are started
    /// only if one of these is declared.
    pub blocking_threads: usize,
    /// Whether a namespace that a client created ([`Server::of_dynamic`](crate::Server::of_dynamic)) ends with its last
    /// socket, or, with [`recovery`](Self::recovery), when that socket may not come back any more. Default yes; Node's
    /// default is no. Otherwise it stays until there are [too many](Limits::dynamic_namespaces).
    pub cleanup_empty_child_namespaces: bool,
    /// Connection state recovery. Default none: a client that comes back is a new one.
    pub recovery: Option<Recovery>,
    /// Where Redis is. Default `None`: no Redis.
    pub redis: Option<RedisServer>,
    /// Prefix of the channel names in Redis, default `socket.io`. Servers and emitters hear each other only with the
    /// same prefix.
    pub redis_key: String,
    /// Where answers to other servers' requests go. Default: to all servers.
    pub response_channel: ResponseChannel,
    /// Whether instances that share a Redis pass on requests and WebSockets of sessions that live on another one, so that a
    /// balancer may send each of a client's requests to any of them. Default yes. Without Redis it does nothing. Node servers
    /// take no part.
    pub relay_requests: bool,
    /// Secret of 32 characters or more that all instances on a Redis share. With it each message between them carries a
    /// signature (HMAC-SHA-256), and one without it is dropped. Default `None`: whoever can publish in Redis can speak as
    /// an instance.
    ///
    /// With [`recovery`](Self::recovery) it also says that what another instance tells of a client is as good as what this one
    /// knows. So middlewares are not asked again about a client that comes back to another instance, as they are not on the
    /// same one: a client whose token has been revoked meanwhile comes back for as long as it may be away. They are asked
    /// about a client with whose socket [values](crate::Socket::insert) were kept, because these stay behind, and about all
    /// clients without [`Recovery::skip_middlewares`].
    pub peer_key: Option<Password>,
    /// PEM file of certificates to trust for Redis, in addition to those that browsers trust. Default none.
    pub redis_ca: Option<PathBuf>,
    /// Port for operations: health, readiness, metrics, a status page, and publishing over HTTP. Default `None`: none,
    /// and nothing is started for it. 0 lets the system choose. It must not face the internet: anyone who reaches it
    /// can read everything. Only the POSTs require the [`ops_token`](Self::ops_token).
    pub ops_port: Option<u16>,
    /// Address of the port for operations. Default `127.0.0.1`: this machine only, and in a container whatever shares
    /// its network. A collector of metrics elsewhere needs `0.0.0.0`, and a firewall around it.
    pub ops_address: IpAddr,
    /// Token that the POSTs of the port for operations must carry, at least 16 bytes. Default `None`: they are refused.
    pub ops_token: Option<Password>,
    /// The memory the server may use, in bytes. Default `None`: the container's limit, or the
    /// machine's memory.
    pub memory: Option<usize>,
    /// Time over which clients are disconnected when the server ends ([`Handle::drain`](crate::Handle::drain),
    /// SIGTERM). Default 20 s; with zero all are disconnected at once. The end itself may take three more seconds, four with
    /// [`recovery`](Self::recovery). The platform must not kill the process before both are over (`stopTimeout` on ECS).
    pub drain: Duration,
    /// All limits.
    pub limits: Limits,
}

/// Where answers to requests of other servers of a cluster are published (`publishOnSpecificResponseChannel` in
/// JavaScript). Every server listens on both channels, so servers need not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseChannel {
    /// To all servers; each drops answers that it did not ask for.
    Shared,
    /// To the server that asked.
    Specific,
}

/// What becomes of a handshake's target and headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeHeaders {
    /// They are kept as long as the session.
    Keep,
    /// They are forgotten when the handshake is answered.
    Forget,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 3000,
            path: "/socket.io/".to_owned(),
            client: None,
            shards: None,
            transports: Transports::ALL,
            allow_upgrades: true,
            allow_eio3: false,
            parser: Parser::Json,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            max_http_buffer_size: 1_000_000,
            http_compression: true,
            compression_threshold: 1024,
            cors: None,
            allowed_origins: None,
            trusted_proxies: 0,
            cookie: None,
            handshake_headers: HandshakeHeaders::Keep,
            blocking_threads: 4,
            cleanup_empty_child_namespaces: true,
            recovery: None,
            redis: None,
            redis_key: "socket.io".to_owned(),
            relay_requests: true,
            peer_key: None,
            redis_ca: None,
            response_channel: ResponseChannel::Shared,
            ops_port: None,
            ops_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ops_token: None,
            memory: None,
            drain: Duration::from_secs(20),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The settings of the environment: the variables of [`SETTINGS`], and defaults for the rest. An empty variable
    /// counts as not set.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) names the variable, its value and what is accepted. An unknown `KINGLET_*` variable only
    /// causes a warning in the log, because orchestrators make such variables from a service's name.
    pub fn from_env() -> Result<Self> {
        Self::default().with_env()
    }

    /// These settings, overridden by the environment's.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn with_env(self) -> Result<Self> {
        env::apply(self, std::env::vars_os())
    }

    /// Whether a page may open a session. A request has one origin or none, unless it repeats the header.
    pub(crate) fn admits_origins<'a>(&self, mut origins: impl Iterator<Item = &'a [u8]>) -> bool {
        let Some(allowed) = &self.allowed_origins else { return true };
        origins.all(|origin| allowed.iter().any(|allowed| allowed.as_bytes() == origin))
    }

    /// The settings of the Engine.IO layer.
    pub(crate) fn engine(&self) -> Settings {
        Settings {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            upgrade_timeout: self.upgrade_timeout,
            connect_timeout: self.connect_timeout,
            fetch_timeout: self.limits.write_stall,
            max_payload: self.max_http_buffer_size,
            transports: self.transports,
            allow_upgrades: self.allow_upgrades,
            allow_eio3: self.allow_eio3,
        }
    }

    pub(crate) fn listen_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}
