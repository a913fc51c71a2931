//! The settings: one table, from which the environment is read and from which `--help` and the README are made.

use std::fmt;

use super::parse::{self, Expected};
use super::{Config, Password, Recovery, log_format};

/// What a setting is about. `--help` and the README have a table for each, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingGroup {
    /// Where the server listens, what it may use, and which proxies it trusts.
    Server,
    /// Engine.IO and Socket.IO, as clients see them.
    Protocol,
    /// Limits, and what happens beyond them.
    Limits,
    /// Where Redis is, and how servers talk over it.
    Redis,
    /// Shutdown, the log, and the port for operations.
    Operations,
}

impl fmt::Display for SettingGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One variable of the environment.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The group it is listed in.
    pub group: SettingGroup,
    /// The variable's name.
    pub name: &'static str,
    /// Its default as a value, or in words where it depends on something.
    pub default: &'static str,
    /// What it sets, and what happens at the limit.
    pub help: &'static str,
    pub(super) apply: fn(&mut Config, &str) -> Result<(), Expected>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("name", &self.name).field("default", &self.default).finish_non_exhaustive()
    }
}

/// Declares a setting whose value a parser turns into the field.
macro_rules! setting {
    ($group:ident, $name:literal, $default:literal, $($field:ident).+, $parse:expr, $help:literal) => {
        Setting {
            group: SettingGroup::$group,
            name: $name,
            default: $default,
            help: $help,
            apply: |config, text| {
                config.$($field).+ = $parse(text)?;
                Ok(())
            },
        }
    };
}

/// Turns a parser into one for a setting that a word leaves unset.
fn unless<T>(
    word: &'static str,
    parse: impl Fn(&str) -> Result<T, Expected>,
) -> impl Fn(&str) -> Result<Option<T>, Expected> {
    move |text| if text.trim() == word { Ok(None) } else { parse(text).map(Some) }
}

/// Turns a parser into one for a setting that is automatic unless given.
fn given<T>(parse: impl Fn(&str) -> Result<T, Expected>) -> impl Fn(&str) -> Result<Option<T>, Expected> {
    move |text| parse(text).map(Some)
}

/// A variable that says where Redis is. Which of them counts is known only when all are: see
/// [`super::redis::from_variables`].
const fn redis_variable(name: &'static str, help: &'static str) -> Setting {
    Setting { group: SettingGroup::Redis, name, default: "none", help, apply: |_, _| Ok(()) }
}

fn count(text: &str) -> Result<usize, Expected> {
    parse::number(text, "a whole number")
}

/// Every variable the server reads, group by group, in the order in which `--help` and the README list them.
pub const SETTINGS: &[Setting] = &[
    setting!(Server, "PORT", "3000", port, |t| parse::number(t, "a port, 0 to 65535"), "port to listen on"),
    setting!(
        Server,
        "KINGLET_ADDRESS",
        "0.0.0.0",
        address,
        |t| parse::number(t, "an IP address, as 0.0.0.0, 127.0.0.1 or ::"),
        "address to listen on"
    ),
    setting!(Server, "KINGLET_PATH", "/socket.io/", path, parse::text, "path of the Engine.IO endpoint"),
    setting!(
        Server,
        "KINGLET_CLIENT",
        "none",
        client,
        unless("none", |t| Ok(t.into())),
        "socket.io-client's folder `dist`, or a file of it, to serve as `<path>socket.io.js` and the like"
    ),
    setting!(
        Server,
        "KINGLET_SHARDS",
        "granted cores",
        shards,
        given(count),
        "event loops, each on its own thread; at most 255"
    ),
    setting!(
        Server,
        "KINGLET_MEMORY",
        "container's limit, or the machine's",
        memory,
        given(parse::size),
        "memory the server may use"
    ),
    setting!(
        Server,
        "KINGLET_CORS",
        "off",
        cors,
        unless("off", parse::cors),
        "`*`, or comma-separated origins (these may send credentials), or off"
    ),
    setting!(
        Server,
        "KINGLET_ALLOWED_ORIGINS",
        "all",
        allowed_origins,
        unless("all", parse::origins),
        "comma-separated origins whose pages may open a session; others get 403 (WebSocket: 400)"
    ),
    setting!(
        Server,
        "KINGLET_TRUSTED_PROXIES",
        "0",
        trusted_proxies,
        count,
        "number of proxies whose entries in `X-Forwarded-For` are trusted"
    ),
    setting!(
        Server,
        "KINGLET_HANDSHAKE_HEADERS",
        "keep",
        handshake_headers,
        parse::headers,
        "`keep` a handshake's target and headers for handlers, or `forget` them"
    ),
    setting!(
        Server,
        "KINGLET_BLOCKING_THREADS",
        "4",
        blocking_threads,
        count,
        "threads for blocking handlers and middlewares; started only if there are such"
    ),
    setting!(
        Protocol,
        "KINGLET_TRANSPORTS",
        "polling,websocket",
        transports,
        parse::transports,
        "transports clients may use"
    ),
    setting!(
        Protocol,
        "KINGLET_ALLOW_UPGRADES",
        "1",
        allow_upgrades,
        parse::switch,
        "tell polling clients they may upgrade"
    ),
    setting!(
        Protocol,
        "KINGLET_ALLOW_EIO3",
        "0",
        allow_eio3,
        parse::switch,
        "serve clients of Socket.IO 2 (Engine.IO 3)"
    ),
    setting!(
        Protocol,
        "KINGLET_PARSER",
        "json",
        parser,
        parse::parser,
        "how packets are written: `json`, or `msgpack` for clients whose option `parser` is `socket.io-msgpack-parser`"
    ),
    setting!(Protocol, "KINGLET_PING_INTERVAL", "25s", ping_interval, parse::duration, "time between two pings"),
    setting!(
        Protocol,
        "KINGLET_PING_TIMEOUT",
        "20s",
        ping_timeout,
        parse::duration,
        "time a client has to answer a ping; then it is closed"
    ),
    setting!(
        Protocol,
        "KINGLET_UPGRADE_TIMEOUT",
        "10s",
        upgrade_timeout,
        parse::duration,
        "time an upgrade may take; then it is dropped"
    ),
    setting!(
        Protocol,
        "KINGLET_CONNECT_TIMEOUT",
        "45s",
        connect_timeout,
        parse::duration,
        "time a client has to join a namespace; then it is closed"
    ),
    setting!(
        Protocol,
        "KINGLET_MAX_HTTP_BUFFER_SIZE",
        "1000000",
        max_http_buffer_size,
        parse::size,
        "longest POST body (beyond: 413) and WebSocket message (beyond: close 1009)"
    ),
    setting!(
        Protocol,
        "KINGLET_HTTP_COMPRESSION",
        "1",
        http_compression,
        parse::switch,
        "compress long polling answers"
    ),
    setting!(
        Protocol,
        "KINGLET_COMPRESSION_THRESHOLD",
        "1KiB",
        compression_threshold,
        parse::size,
        "shortest polling answer that is compressed"
    ),
    setting!(
        Protocol,
        "KINGLET_CLEANUP_EMPTY_CHILD_NAMESPACES",
        "1",
        cleanup_empty_child_namespaces,
        parse::switch,
        "end a namespace made by predicate when its last socket leaves"
    ),
    Setting {
        group: SettingGroup::Protocol,
        name: "KINGLET_RECOVERY",
        default: "off",
        help: "how long a client that has received an event may be away and still recover its state; 2m is Node's default",
        apply: |config, text| {
            let time = unless("off", parse::duration)(text);
            let time = time.map_err(|_| "off, or milliseconds, or a number with a unit: 500ms, 25s, 2m")?;
            let set = config.recovery.take().unwrap_or_default();
            config.recovery = time.map(|time| Recovery { max_disconnection_duration: time, ..set });
            Ok(())
        },
    },
    setting!(
        Limits,
        "KINGLET_MAX_CONNECTIONS",
        "by memory and descriptors",
        limits.max_connections,
        given(count),
        "concurrent connections; new sessions beyond this get 503"
    ),
    setting!(
        Limits,
        "KINGLET_MEMORY_REFUSE",
        "85%",
        limits.memory_refuse,
        unless("off", parse::percent),
        "share of the memory in use from which new sessions get 503, or off"
    ),
    setting!(
        Limits,
        "KINGLET_MEMORY_SHED",
        "92%",
        limits.memory_shed,
        unless("off", parse::percent),
        "share of the memory in use from which the clients that hold most are closed, or off"
    ),
    setting!(
        Limits,
        "KINGLET_ACCEPT_RATE",
        "off",
        limits.accept_rate,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "new sessions per second; more get 503"
    ),
    setting!(
        Limits,
        "KINGLET_SESSIONS_PER_ADDRESS",
        "off",
        limits.sessions_per_address,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "concurrent sessions per client address; more get 429 (behind a balancer, set KINGLET_TRUSTED_PROXIES, too)"
    ),
    setting!(
        Limits,
        "KINGLET_CONNECTIONS_PER_ADDRESS",
        "off",
        limits.connections_per_address,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "concurrent TCP connections per address; more get 429 (not with KINGLET_TRUSTED_PROXIES: all would be the proxy's)"
    ),
    setting!(
        Limits,
        "KINGLET_MESSAGE_RATE",
        "off",
        limits.message_rate,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "messages per second and client, such as 100; faster senders are held up, and closed if they never wait"
    ),
    setting!(
        Limits,
        "KINGLET_BYTE_RATE",
        "off",
        limits.byte_rate,
        unless("off", parse::size),
        "bytes per second and client, such as 256KiB, uploads included; faster senders are held up, and closed if they never wait"
    ),
    setting!(
        Limits,
        "KINGLET_ACCEPTS_PER_TURN",
        "64",
        limits.accepts_per_turn,
        count,
        "connections accepted per turn of the event loop; the rest wait"
    ),
    setting!(
        Limits,
        "KINGLET_BACKLOG",
        "4096",
        limits.backlog,
        |t| parse::number(t, "a whole number"),
        "length of the kernel's queue of connections not yet accepted"
    ),
    setting!(
        Limits,
        "KINGLET_REQUEST_HEAD",
        "16KiB",
        limits.request_head,
        parse::size,
        "longest request head; then 431"
    ),
    setting!(
        Limits,
        "KINGLET_REQUEST_HEADERS",
        "96",
        limits.request_headers,
        count,
        "headers per request, at most 96; then 431"
    ),
    setting!(
        Limits,
        "KINGLET_HEADER_TIMEOUT",
        "10s",
        limits.header_timeout,
        parse::duration,
        "time to receive a request head; then 408"
    ),
    setting!(
        Limits,
        "KINGLET_BODY_TIMEOUT",
        "20s",
        limits.body_timeout,
        parse::duration,
        "time to receive a request body; then 408"
    ),
    setting!(
        Limits,
        "KINGLET_KEEP_ALIVE",
        "75s",
        limits.keep_alive,
        parse::duration,
        "idle time between two requests; then the connection is closed"
    ),
    setting!(
        Limits,
        "KINGLET_ROUTE_BODY",
        "64KiB",
        limits.route_body,
        parse::size,
        "longest body of a request for a route of the program; then 413"
    ),
    setting!(
        Limits,
        "KINGLET_ROUTE_TIMEOUT",
        "30s",
        limits.route_timeout,
        parse::duration,
        "time a blocking route has to answer, and a file for each of its pieces; then 503, or the end of the connection"
    ),
    setting!(
        Limits,
        "KINGLET_FRAGMENTS",
        "131072",
        limits.fragments,
        |t| parse::number(t, "a whole number"),
        "fragments per WebSocket message; then close 1008"
    ),
    setting!(
        Limits,
        "KINGLET_ATTACHMENTS",
        "10",
        limits.attachments,
        |t| parse::number(t, "a whole number"),
        "attachments per packet; then the session is closed"
    ),
    setting!(
        Limits,
        "KINGLET_JSON_DEPTH",
        "128",
        limits.json_depth,
        count,
        "nesting depth of a packet's JSON; then the session is closed"
    ),
    setting!(
        Limits,
        "KINGLET_AUTH",
        "64KiB",
        limits.auth,
        parse::size,
        "longest authentication data of a CONNECT; then CONNECT_ERROR"
    ),
    setting!(
        Limits,
        "KINGLET_SESSION_MEMORY",
        "1MiB",
        limits.session_memory,
        parse::size,
        "bytes kept for one session (handshake, authentication, data, rooms); then joins, CONNECTs and `set_data` fail"
    ),
    setting!(
        Limits,
        "KINGLET_SESSIONS_MEMORY",
        "memory / 4",
        limits.sessions_memory,
        given(parse::size),
        "bytes kept for all sessions; then new ones get 503, and those that keep most are closed"
    ),
    setting!(
        Limits,
        "KINGLET_NAMESPACES_PER_SESSION",
        "32",
        limits.namespaces_per_session,
        count,
        "namespaces per session; then CONNECT_ERROR"
    ),
    setting!(
        Limits,
        "KINGLET_DYNAMIC_NAMESPACES",
        "10000",
        limits.dynamic_namespaces,
        count,
        "namespaces made by predicate; then the one that is empty longest is removed, or CONNECT_ERROR"
    ),
    setting!(
        Limits,
        "KINGLET_NAMESPACE_LENGTH",
        "256",
        limits.namespace_length,
        parse::size,
        "longest name of a namespace made by predicate; then CONNECT_ERROR"
    ),
    setting!(
        Limits,
        "KINGLET_ROOM_LENGTH",
        "256",
        limits.room_length,
        parse::size,
        "longest room name; then joins fail"
    ),
    setting!(
        Limits,
        "KINGLET_ROOM_NAMES",
        "64KiB",
        limits.room_names,
        parse::size,
        "bytes of room names per socket; then joins fail"
    ),
    setting!(
        Limits,
        "KINGLET_ROOMS_PER_SOCKET",
        "1024",
        limits.rooms_per_socket,
        count,
        "rooms per socket; then joins fail"
    ),
    setting!(Limits, "KINGLET_ROOMS", "250000", limits.rooms, count, "rooms in total; then joins fail"),
    setting!(
        Limits,
        "KINGLET_UNANSWERED_ACKS",
        "1024",
        limits.unanswered_acks,
        count,
        "pending acknowledgements per socket; then the oldest is given up"
    ),
    setting!(
        Limits,
        "KINGLET_COLLECTED_ANSWERS",
        "16MiB",
        limits.collected_answers,
        parse::size,
        "bytes of answers (to broadcasts, from other servers) held until the last arrives; then answers are dropped and count as missing"
    ),
    setting!(
        Limits,
        "KINGLET_COLLECTIONS",
        "10000",
        limits.collections,
        count,
        "broadcasts and questions to other servers that are collecting answers; then the one with the most time left ends"
    ),
    setting!(
        Limits,
        "KINGLET_BLOCKING_QUEUE",
        "1024",
        limits.blocking_queue,
        count,
        "events and clients waiting for a thread of blocking handlers; then new events are refused, and new clients closed"
    ),
    setting!(
        Limits,
        "KINGLET_BLOCKING_QUEUE_BYTES",
        "16MiB",
        limits.blocking_queue_bytes,
        parse::size,
        "bytes of those; then the same"
    ),
    setting!(
        Limits,
        "KINGLET_PENDING_ADMISSIONS",
        "10000",
        limits.pending_admissions,
        count,
        "clients that the program has yet to admit or refuse; then new ones are closed, and come back"
    ),
    setting!(
        Limits,
        "KINGLET_QUEUED_PER_CLIENT",
        "memory / 16",
        limits.queued_per_client,
        given(parse::size),
        "bytes queued for one client (by default at least 8MiB); then it is cut off as a slow consumer"
    ),
    setting!(
        Limits,
        "KINGLET_HOLD_UP",
        "256KiB",
        limits.hold_up,
        parse::size,
        "bytes queued for a client beyond which it is held up, until half are left (0: until none are)"
    ),
    setting!(
        Limits,
        "KINGLET_QUEUED",
        "memory / 4",
        limits.queued,
        given(parse::size),
        "bytes queued for all clients; from half of it on, those that hold most for what they take are cut off"
    ),
    setting!(
        Limits,
        "KINGLET_UNFINISHED",
        "memory / 8",
        limits.unfinished,
        given(parse::size),
        "bytes of partly received messages and requests of all clients; then those with the most are cut off"
    ),
    setting!(
        Limits,
        "KINGLET_INBOX",
        "16MiB",
        limits.inbox,
        parse::size,
        "bytes handed to one event loop and not yet handled; then those who emit wait"
    ),
    setting!(
        Limits,
        "KINGLET_WRITE_STALL",
        "10s",
        limits.write_stall,
        parse::duration,
        "time in which a client must take 4KiB of its queue, or all of it; then it is cut off as a slow consumer"
    ),
    setting!(
        Limits,
        "KINGLET_SEND_BUFFER",
        "128KiB",
        limits.send_buffer,
        parse::size,
        "the kernel's send buffer per connection (`SO_SNDBUF`)"
    ),
    setting!(
        Limits,
        "KINGLET_UNSENT",
        "16KiB",
        limits.unsent,
        |t| parse::size(t).and_then(|n| u32::try_from(n).map_err(|_| "less than 4 GiB")),
        "unsent bytes in that buffer (`TCP_NOTSENT_LOWAT`)"
    ),
    setting!(
        Limits,
        "KINGLET_CLOSE_TIMEOUT",
        "30s",
        limits.close_timeout,
        parse::duration,
        "time a client has to answer a close; then it is cut off"
    ),
    setting!(
        Limits,
        "KINGLET_RECOVERY_PACKETS",
        "16MiB",
        limits.recovery_packets,
        parse::size,
        "bytes of events kept for recovery, at most a sixteenth for one client; then the oldest are dropped"
    ),
    setting!(
        Limits,
        "KINGLET_RECOVERY_SESSIONS",
        "16MiB",
        limits.recovery_sessions,
        parse::size,
        "bytes of sockets kept for recovery, at most a sixteenth for one client; then the oldest are dropped"
    ),
    setting!(
        Limits,
        "KINGLET_WRITES_PER_TURN",
        "1024",
        limits.writes_per_turn,
        count,
        "writes per turn of the event loop; the rest follow in the next turns"
    ),
    redis_variable("REDIS_URL", "Redis: `redis://user:password@host:6379/0`, or `rediss://` for TLS"),
    redis_variable("STP_REDIS_REDIS_URL", "the same; used if `REDIS_URL` is not set"),
    redis_variable("STP_REDIS_CONNECTION_STRING", "the same; used if neither is set"),
    redis_variable("STP_REDIS_HOST", "Redis host; used if none of the above is set"),
    redis_variable("STP_REDIS_PORT", "port on that host; 6379 if not set"),
    redis_variable("STP_REDIS_PASSWORD", "password for that host; with it TLS is used unless the host is this machine"),
    setting!(Redis, "KINGLET_REDIS_KEY", "socket.io", redis_key, parse::text, "prefix of the channel names in Redis"),
    setting!(
        Redis,
        "KINGLET_REDIS_CA",
        "none",
        redis_ca,
        unless("none", |t| Ok(t.into())),
        "PEM file of certificates to trust for Redis, in addition to those that browsers trust"
    ),
    setting!(
        Redis,
        "KINGLET_RESPONSE_CHANNEL",
        "shared",
        response_channel,
        parse::response_channel,
        "answers to other servers go to all (`shared`) or to the one that asked (`specific`)"
    ),
    setting!(
        Redis,
        "KINGLET_REQUESTS_TIMEOUT",
        "5s",
        limits.requests_timeout,
        parse::duration,
        "time other servers have to answer; then the result is partial"
    ),
    setting!(
        Redis,
        "KINGLET_SUBSCRIBE_WAIT",
        "500ms",
        limits.subscribe_wait,
        parse::duration,
        "time a CONNECT waits for Redis to confirm the namespace's subscriptions; then it is let in anyway; 0: no wait"
    ),
    setting!(
        Redis,
        "KINGLET_REDIS_CONNECT_TIMEOUT",
        "2s",
        limits.redis_connect_timeout,
        parse::duration,
        "time to connect to Redis and log in; then it is tried again"
    ),
    setting!(
        Redis,
        "KINGLET_REDIS_PING_INTERVAL",
        "15s",
        limits.redis_ping_interval,
        parse::duration,
        "silence from Redis after which it is pinged"
    ),
    setting!(
        Redis,
        "KINGLET_REDIS_PING_TIMEOUT",
        "10s",
        limits.redis_ping_timeout,
        parse::duration,
        "silence from Redis while an answer is due; then the connection is made anew"
    ),
    setting!(
        Redis,
        "KINGLET_REDIS_BACKOFF",
        "5s",
        limits.redis_backoff,
        parse::duration,
        "longest pause between two attempts to reach Redis; the first is 100ms"
    ),
    setting!(
        Redis,
        "KINGLET_REDIS_QUEUE",
        "8MiB",
        limits.redis_queue,
        parse::size,
        "bytes waiting to be published; then the oldest volatile messages are dropped, then the newest"
    ),
    setting!(
        Redis,
        "KINGLET_REDIS_MESSAGE",
        "16MiB",
        limits.redis_message,
        parse::size,
        "longest message taken from Redis; longer ones are skipped"
    ),
    setting!(
        Redis,
        "KINGLET_RELAY_REQUESTS",
        "on",
        relay_requests,
        parse::switch,
        "whether requests of a session that lives on another instance are passed on to it, so that no sticky sessions are needed"
    ),
    setting!(
        Redis,
        "KINGLET_PEER_KEY",
        "none",
        peer_key,
        unless("none", |t| Ok(Password::new(t))),
        "secret of 32 characters or more that all instances share and sign their messages to each other with; then middlewares are not asked again about clients that come back to another instance (KINGLET_RECOVERY), unless values were kept with their sockets"
    ),
    setting!(
        Redis,
        "KINGLET_RELAY_TIMEOUT",
        "500ms",
        limits.relay_timeout,
        parse::duration,
        "time another instance has to answer a passed-on request; then the client is told that its session is unknown"
    ),
    setting!(
        Redis,
        "KINGLET_RELAY_QUEUE",
        "4MiB",
        limits.relay_queue,
        parse::size,
        "bytes for other instances waiting to be published; then GETs stay held and POSTs get 503"
    ),
    setting!(
        Redis,
        "KINGLET_SETTLE",
        "300ms",
        limits.settle,
        parse::duration,
        "time a polling client has to upgrade before its CONNECT is handled, if there are other instances; 0: no wait"
    ),
    setting!(
        Operations,
        "KINGLET_DRAIN",
        "20s",
        drain,
        parse::duration,
        "time over which clients are disconnected at shutdown; 0: at once"
    ),
    Setting {
        group: SettingGroup::Operations,
        name: log_format::VARIABLE,
        default: "text",
        help: "format of the program's log: `text`, or `json` for a log collector",
        apply: |_, text| log_format::parse(text).map(|_| ()),
    },
    setting!(
        Operations,
        "KINGLET_OPS_PORT",
        "none",
        ops_port,
        unless("none", |t| parse::number(t, "a port, 0 to 65535, or none")),
        "port for health, metrics, status page and publishing; keep it off the internet"
    ),
    setting!(
        Operations,
        "KINGLET_OPS_ADDRESS",
        "127.0.0.1",
        ops_address,
        |t| parse::number(t, "an IP address, as 127.0.0.1, 0.0.0.0 or ::"),
        "address of that port; 0.0.0.0 makes it reachable from elsewhere"
    ),
    setting!(
        Operations,
        "KINGLET_OPS_TOKEN",
        "none",
        ops_token,
        unless("none", |t| Ok(Password::new(t))),
        "token for `POST /emit` and `POST /disconnect`, at least 16 characters; without it both are refused"
    ),
    setting!(
        Operations,
        "KINGLET_OPS_CONNECTIONS",
        "16",
        limits.ops_connections,
        count,
        "concurrent connections to the operations port; more get 503"
    ),
    setting!(
        Operations,
        "KINGLET_OPS_BODY",
        "1MiB",
        limits.ops_body,
        parse::size,
        "longest request body at the operations port; then 413"
    ),
    setting!(Operations, "KINGLET_OPS_BATCH", "1000", limits.ops_batch, count, "events per `POST /emit`; then 413"),
];
