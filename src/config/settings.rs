//! The settings: one table, from which the environment is read and `--help` and the README are made.

use std::fmt;

use super::parse::{self, Expected};
use super::{Config, Password, Recovery, log_format};

/// One variable of the environment.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// Its default, as it would be written, or in words what it follows from.
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
    ($name:literal, $default:literal, $($field:ident).+, $parse:expr, $help:literal) => {
        Setting {
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

/// A variable that tells where Redis is. Which of them counts is known when all are: see [`super::redis::from_variables`].
const fn redis_variable(name: &'static str, help: &'static str) -> Setting {
    Setting { name, default: "none", help, apply: |_, _| Ok(()) }
}

fn count(text: &str) -> Result<usize, Expected> {
    parse::number(text, "a whole number")
}

/// Every variable the server reads, in the order in which `--help` and the README list them.
pub const SETTINGS: &[Setting] = &[
    setting!("PORT", "3000", port, |t| parse::number(t, "a port, 0 to 65535"), "port to listen on"),
    setting!(
        "KINGLET_ADDRESS",
        "0.0.0.0",
        address,
        |t| parse::number(t, "an IP address, as 0.0.0.0, 127.0.0.1 or ::"),
        "address to listen on"
    ),
    setting!("KINGLET_PATH", "/socket.io/", path, parse::text, "path of the Engine.IO endpoint"),
    setting!("KINGLET_SHARDS", "granted cores", shards, given(count), "event loops, each on its own thread"),
    setting!("KINGLET_TRANSPORTS", "polling,websocket", transports, parse::transports, "transports clients may use"),
    setting!("KINGLET_ALLOW_UPGRADES", "1", allow_upgrades, parse::switch, "tell polling clients they may upgrade"),
    setting!("KINGLET_ALLOW_EIO3", "0", allow_eio3, parse::switch, "serve clients of Socket.IO 2 (Engine.IO 3)"),
    setting!("KINGLET_PING_INTERVAL", "25s", ping_interval, parse::duration, "time between two pings"),
    setting!("KINGLET_PING_TIMEOUT", "20s", ping_timeout, parse::duration, "time to answer a ping; then closed"),
    setting!("KINGLET_UPGRADE_TIMEOUT", "10s", upgrade_timeout, parse::duration, "life of an unfinished upgrade"),
    setting!(
        "KINGLET_CONNECT_TIMEOUT",
        "45s",
        connect_timeout,
        parse::duration,
        "time to join a namespace; then closed"
    ),
    setting!(
        "KINGLET_MAX_HTTP_BUFFER_SIZE",
        "1000000",
        max_http_buffer_size,
        parse::size,
        "longest POST body (else 413) and WebSocket message (else close 1009)"
    ),
    setting!("KINGLET_HTTP_COMPRESSION", "1", http_compression, parse::switch, "compress long polling answers"),
    setting!(
        "KINGLET_COMPRESSION_THRESHOLD",
        "1KiB",
        compression_threshold,
        parse::size,
        "length from which a polling answer is compressed"
    ),
    setting!(
        "KINGLET_CORS",
        "off",
        cors,
        unless("off", parse::cors),
        "`*`, or allowed origins with commas between (these with credentials), or off"
    ),
    setting!(
        "KINGLET_ALLOWED_ORIGINS",
        "all",
        allowed_origins,
        unless("all", parse::origins),
        "origins whose pages may open a session, with commas between; others get 403 (WebSocket: 400)"
    ),
    setting!(
        "KINGLET_TRUSTED_PROXIES",
        "0",
        trusted_proxies,
        count,
        "proxies whose entries in `X-Forwarded-For` are trusted"
    ),
    setting!(
        "KINGLET_HANDSHAKE_HEADERS",
        "keep",
        handshake_headers,
        parse::headers,
        "`keep` a handshake's target and headers for handlers, or `forget` them"
    ),
    setting!(
        "KINGLET_BLOCKING_THREADS",
        "4",
        blocking_threads,
        count,
        "threads for blocking handlers, started if there are such handlers"
    ),
    setting!(
        "KINGLET_CLEANUP_EMPTY_CHILD_NAMESPACES",
        "1",
        cleanup_empty_child_namespaces,
        parse::switch,
        "a namespace made by predicate ends when its last socket leaves"
    ),
    Setting {
        name: "KINGLET_RECOVERY",
        default: "off",
        help: "time that a client may be away and find its state again; 2m is Node's default",
        apply: |config, text| {
            let time = unless("off", parse::duration)(text);
            let time = time.map_err(|_| "off, or milliseconds, or a number with a unit: 500ms, 25s, 2m")?;
            let set = config.recovery.take().unwrap_or_default();
            config.recovery = time.map(|time| Recovery { max_disconnection_duration: time, ..set });
            Ok(())
        },
    },
    redis_variable("REDIS_URL", "Redis: `redis://user:password@host:6379/0`, or `rediss://` for TLS"),
    redis_variable("STP_REDIS_REDIS_URL", "the same, if `REDIS_URL` is not set"),
    redis_variable("STP_REDIS_CONNECTION_STRING", "the same, if neither is set"),
    redis_variable("STP_REDIS_HOST", "Redis's host, if none of these is set"),
    redis_variable("STP_REDIS_PORT", "port at that host, 6379 if not set"),
    redis_variable("STP_REDIS_PASSWORD", "password for that host; with it TLS is used unless the host is this machine"),
    setting!("KINGLET_REDIS_KEY", "socket.io", redis_key, parse::text, "first part of the names of channels in Redis"),
    setting!(
        "KINGLET_REDIS_CA",
        "none",
        redis_ca,
        unless("none", |t| Ok(t.into())),
        "file of certificates (PEM) to trust for Redis, beside those that browsers trust"
    ),
    setting!(
        "KINGLET_RESPONSE_CHANNEL",
        "shared",
        response_channel,
        parse::response_channel,
        "answers to other servers go to all (`shared`) or to the one that asked (`specific`)"
    ),
    setting!(
        "KINGLET_OPS_PORT",
        "none",
        ops_port,
        unless("none", |t| parse::number(t, "a port, 0 to 65535, or none")),
        "port for operations: health, metrics, status page, publishing; keep it off the internet"
    ),
    setting!(
        "KINGLET_OPS_ADDRESS",
        "127.0.0.1",
        ops_address,
        |t| parse::number(t, "an IP address, as 127.0.0.1, 0.0.0.0 or ::"),
        "address for that port; 0.0.0.0 to be reached from elsewhere"
    ),
    setting!(
        "KINGLET_OPS_TOKEN",
        "none",
        ops_token,
        unless("none", |t| Ok(Password::new(t))),
        "token for `POST /emit` and `POST /disconnect` there, at least 16 characters; without it they are refused"
    ),
    Setting {
        name: log_format::VARIABLE,
        default: "text",
        help: "form of the program's log: `text`, or `json` for a collector",
        apply: |_, text| log_format::parse(text).map(|_| ()),
    },
    setting!(
        "KINGLET_MEMORY",
        "container's limit, or the machine's",
        memory,
        given(parse::size),
        "memory the server may use"
    ),
    setting!(
        "KINGLET_DRAIN",
        "20s",
        drain,
        parse::duration,
        "time over which clients are let go at the end; 0: at once"
    ),
    setting!(
        "KINGLET_MAX_CONNECTIONS",
        "by memory and descriptors",
        limits.max_connections,
        given(count),
        "connections at one time; sessions on more get 503"
    ),
    setting!(
        "KINGLET_MEMORY_REFUSE",
        "85%",
        limits.memory_refuse,
        unless("off", parse::percent),
        "part of the memory in use from which new sessions get 503, or off"
    ),
    setting!(
        "KINGLET_MEMORY_SHED",
        "92%",
        limits.memory_shed,
        unless("off", parse::percent),
        "part of the memory in use from which those who hold most are closed, or off"
    ),
    setting!(
        "KINGLET_ACCEPT_RATE",
        "off",
        limits.accept_rate,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "sessions that may begin in a second; more get 503"
    ),
    setting!(
        "KINGLET_SESSIONS_PER_ADDRESS",
        "off",
        limits.sessions_per_address,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "sessions of one client address at one time; more get 429 (behind a balancer, set KINGLET_TRUSTED_PROXIES, too)"
    ),
    setting!(
        "KINGLET_CONNECTIONS_PER_ADDRESS",
        "off",
        limits.connections_per_address,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "TCP connections of one address at one time; more get 429 (not with KINGLET_TRUSTED_PROXIES: all would be the proxy's)"
    ),
    setting!(
        "KINGLET_MESSAGE_RATE",
        "off",
        limits.message_rate,
        unless("off", |t| parse::number(t, "a whole number, or off")),
        "messages a client may send in a second, as 100; who sends more is held up, and closed if it never waits"
    ),
    setting!(
        "KINGLET_BYTE_RATE",
        "off",
        limits.byte_rate,
        unless("off", parse::size),
        "bytes a client may send in a second, as 256KiB; who sends more (uploads, too) is held up, and closed if it never waits"
    ),
    setting!(
        "KINGLET_ACCEPTS_PER_TURN",
        "64",
        limits.accepts_per_turn,
        count,
        "connections accepted in one turn of the loop; the rest waits"
    ),
    setting!(
        "KINGLET_BACKLOG",
        "4096",
        limits.backlog,
        |t| parse::number(t, "a whole number"),
        "connections the kernel queues before they are accepted"
    ),
    setting!("KINGLET_REQUEST_HEAD", "16KiB", limits.request_head, parse::size, "longest request head; then 431"),
    setting!(
        "KINGLET_REQUEST_HEADERS",
        "96",
        limits.request_headers,
        count,
        "headers of a request, at most 96; then 431"
    ),
    setting!("KINGLET_HEADER_TIMEOUT", "10s", limits.header_timeout, parse::duration, "time for a head; then 408"),
    setting!("KINGLET_BODY_TIMEOUT", "20s", limits.body_timeout, parse::duration, "time for a body; then 408"),
    setting!(
        "KINGLET_KEEP_ALIVE",
        "75s",
        limits.keep_alive,
        parse::duration,
        "idle time between requests; then closed"
    ),
    setting!(
        "KINGLET_FRAGMENTS",
        "131072",
        limits.fragments,
        |t| parse::number(t, "a whole number"),
        "fragments of a WebSocket message; then close 1008"
    ),
    setting!(
        "KINGLET_ATTACHMENTS",
        "10",
        limits.attachments,
        |t| parse::number(t, "a whole number"),
        "attachments of a packet; then closed"
    ),
    setting!("KINGLET_JSON_DEPTH", "128", limits.json_depth, count, "levels of JSON nesting; then closed"),
    setting!(
        "KINGLET_AUTH",
        "64KiB",
        limits.auth,
        parse::size,
        "longest authentication data of a CONNECT; then CONNECT_ERROR"
    ),
    setting!(
        "KINGLET_SESSION_MEMORY",
        "1MiB",
        limits.session_memory,
        parse::size,
        "bytes that one session keeps: handshake, authentication, data, rooms; then joins, CONNECTs and `set_data` fail"
    ),
    setting!(
        "KINGLET_SESSIONS_MEMORY",
        "memory / 4",
        limits.sessions_memory,
        given(parse::size),
        "bytes that all sessions keep; then 503, and those that keep most are closed"
    ),
    setting!(
        "KINGLET_NAMESPACES_PER_SESSION",
        "32",
        limits.namespaces_per_session,
        count,
        "namespaces of one session; then CONNECT_ERROR"
    ),
    setting!(
        "KINGLET_DYNAMIC_NAMESPACES",
        "10000",
        limits.dynamic_namespaces,
        count,
        "namespaces made by predicate; then the longest empty goes, or CONNECT_ERROR"
    ),
    setting!(
        "KINGLET_NAMESPACE_LENGTH",
        "256",
        limits.namespace_length,
        parse::size,
        "longest name of a namespace made by predicate; then CONNECT_ERROR"
    ),
    setting!("KINGLET_ROOM_LENGTH", "256", limits.room_length, parse::size, "longest name of a room; then joins fail"),
    setting!(
        "KINGLET_ROOM_NAMES",
        "64KiB",
        limits.room_names,
        parse::size,
        "bytes of the names of one socket's rooms; then joins fail"
    ),
    setting!(
        "KINGLET_ROOMS_PER_SOCKET",
        "1024",
        limits.rooms_per_socket,
        count,
        "rooms of one socket; then joins fail"
    ),
    setting!("KINGLET_ROOMS", "250000", limits.rooms, count, "rooms in all; then joins fail"),
    setting!(
        "KINGLET_UNANSWERED_ACKS",
        "1024",
        limits.unanswered_acks,
        count,
        "missing acknowledgements of one socket; then the oldest is given up"
    ),
    setting!(
        "KINGLET_COLLECTED_ANSWERS",
        "16MiB",
        limits.collected_answers,
        parse::size,
        "bytes of answers to broadcasts, and of other servers, that wait for the last; then answers are dropped and count as missing"
    ),
    setting!(
        "KINGLET_COLLECTIONS",
        "10000",
        limits.collections,
        count,
        "broadcasts and questions to other servers whose answers are being collected; then those with the most time left end"
    ),
    setting!(
        "KINGLET_BLOCKING_QUEUE",
        "1024",
        limits.blocking_queue,
        count,
        "events that wait for a thread of blocking handlers; then they are refused"
    ),
    setting!(
        "KINGLET_BLOCKING_QUEUE_BYTES",
        "16MiB",
        limits.blocking_queue_bytes,
        parse::size,
        "bytes of events that wait so; then they are refused"
    ),
    setting!(
        "KINGLET_QUEUED_PER_CLIENT",
        "memory / 16",
        limits.queued_per_client,
        given(parse::size),
        "bytes that wait for one client (by default 8MiB at least); then it is cut off"
    ),
    setting!(
        "KINGLET_HOLD_UP",
        "256KiB",
        limits.hold_up,
        parse::size,
        "bytes that wait for a client; while more wait, it is held up until only half do (0: until none do)"
    ),
    setting!(
        "KINGLET_QUEUED",
        "memory / 4",
        limits.queued,
        given(parse::size),
        "bytes that wait for all clients; from half of them on, those that hold most for what they take are cut off"
    ),
    setting!(
        "KINGLET_UNFINISHED",
        "memory / 8",
        limits.unfinished,
        given(parse::size),
        "bytes that all clients have half sent; then those with the most are cut off"
    ),
    setting!(
        "KINGLET_INBOX",
        "16MiB",
        limits.inbox,
        parse::size,
        "bytes that wait for one event loop; then those who emit wait"
    ),
    setting!(
        "KINGLET_WRITE_STALL",
        "10s",
        limits.write_stall,
        parse::duration,
        "time a client takes nothing of what waits for it; then cut off"
    ),
    setting!("KINGLET_SEND_BUFFER", "128KiB", limits.send_buffer, parse::size, "kernel's send buffer of a connection"),
    setting!(
        "KINGLET_UNSENT",
        "16KiB",
        limits.unsent,
        |t| parse::size(t).and_then(|n| u32::try_from(n).map_err(|_| "less than 4 GiB")),
        "unsent bytes in the kernel's send buffer"
    ),
    setting!("KINGLET_CLOSE_TIMEOUT", "30s", limits.close_timeout, parse::duration, "time to answer a close; then cut"),
    setting!(
        "KINGLET_RECOVERY_PACKETS",
        "16MiB",
        limits.recovery_packets,
        parse::size,
        "bytes of events kept for clients that may come back, a sixteenth at most for one; then the oldest go"
    ),
    setting!(
        "KINGLET_RECOVERY_SESSIONS",
        "16MiB",
        limits.recovery_sessions,
        parse::size,
        "bytes of sockets kept for clients that may come back, a sixteenth at most for one; then the oldest go"
    ),
    setting!(
        "KINGLET_WRITES_PER_TURN",
        "1024",
        limits.writes_per_turn,
        count,
        "writes in one turn of the loop; the rest follows"
    ),
    setting!(
        "KINGLET_REQUESTS_TIMEOUT",
        "5s",
        limits.requests_timeout,
        parse::duration,
        "time that other servers have to answer; then the result is partial"
    ),
    setting!(
        "KINGLET_SUBSCRIBE_WAIT",
        "500ms",
        limits.subscribe_wait,
        parse::duration,
        "time that a CONNECT waits until other servers are heard in its namespace; then let in all the same; 0: none"
    ),
    setting!(
        "KINGLET_REDIS_CONNECT_TIMEOUT",
        "2s",
        limits.redis_connect_timeout,
        parse::duration,
        "time to connect to Redis and log in; then tried again"
    ),
    setting!(
        "KINGLET_REDIS_PING_INTERVAL",
        "15s",
        limits.redis_ping_interval,
        parse::duration,
        "silence of Redis after which it is pinged"
    ),
    setting!(
        "KINGLET_REDIS_PING_TIMEOUT",
        "10s",
        limits.redis_ping_timeout,
        parse::duration,
        "silence of Redis while an answer is due; then connected anew"
    ),
    setting!(
        "KINGLET_REDIS_BACKOFF",
        "5s",
        limits.redis_backoff,
        parse::duration,
        "longest time between two attempts to reach Redis; the first follows after 100ms"
    ),
    setting!(
        "KINGLET_REDIS_QUEUE",
        "8MiB",
        limits.redis_queue,
        parse::size,
        "bytes that wait to be published; then the oldest volatile are dropped, then the newest"
    ),
    setting!(
        "KINGLET_REDIS_MESSAGE",
        "16MiB",
        limits.redis_message,
        parse::size,
        "longest message taken from Redis; a longer one is skipped"
    ),
    setting!(
        "KINGLET_OPS_CONNECTIONS",
        "16",
        limits.ops_connections,
        count,
        "connections to the port for operations at one time; more get 503"
    ),
    setting!(
        "KINGLET_OPS_BODY",
        "1MiB",
        limits.ops_body,
        parse::size,
        "longest body of a request to the port for operations; then 413"
    ),
    setting!("KINGLET_OPS_BATCH", "1000", limits.ops_batch, count, "events that one `POST /emit` may have; then 413"),
];
