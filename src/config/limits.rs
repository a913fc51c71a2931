//! Every bound of the server: its default, its unit, and what happens when it is met.
//!
//! All of them stand here and nowhere else. Each breach is counted under the limit's name in the metric
//! `limits_hit`.

use std::time::Duration;

/// The bounds of one server. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// TCP connections at one time. On one more no session begins: its handshake is answered `503` with `Retry-After`. Health
    /// checks and requests of sessions are still served on 64 more (8 for each shard, if that is more), each with 2 s to come and
    /// one answer; beyond these the oldest is closed for a new one, those first that serve no session.
    ///
    /// Default `None`: as many as descriptors allow (the open-file limit less a reserve of 256, but at most an eighth of it) and
    /// memory allows (one for each 6 KiB of [`Config::memory`](super::Config::memory)), whichever is less.
    pub max_connections: Option<usize>,
    /// Percent of [`Config::memory`](super::Config::memory) in use from which no session begins: handshakes are answered `503`
    /// with `Retry-After`, until 5 percent less are in use. Default 85; `None`: never.
    ///
    /// What is in use is that of the container, the kernel's memory included, less file pages that the kernel can drop; without a
    /// container's bound, that of the process. It is looked at every 250 ms while something happens, and with each MiB more that
    /// the server knows it has taken for clients.
    pub memory_refuse: Option<u32>,
    /// Percent of it from which clients are closed: the longest queues, then what is half sent, then the sessions that keep
    /// most, more than 64 KiB each, until 5 percent less are in use. One that holds little is never closed for it. Default 92;
    /// `None`: never.
    pub memory_shed: Option<u32>,
    /// Sessions that may begin in a second, shared out among the shards; as many may begin at once after a while without. Beyond:
    /// `503` with `Retry-After`. Health checks and sessions that are there are served. Default `None`: as many as come.
    pub accept_rate: Option<u32>,
    /// Sessions that one client address may have at one time; of IPv6, the addresses of a /64 count as one. Beyond: `429`.
    /// Default `None`: as many as come.
    ///
    /// Behind a load balancer or a proxy, all clients seem to have its address unless
    /// [`Config::trusted_proxies`](super::Config::trusted_proxies) says how many of them there are.
    pub sessions_per_address: Option<usize>,
    /// TCP connections that one address may have at one time; of IPv6, the addresses of a /64 count as one. Beyond: `429` at once,
    /// and closed. Default `None`: as many as come. A browser on polling has up to three for each page; many people share the
    /// address of an office or a mobile network.
    ///
    /// It is the address of the TCP peer that counts, as nothing else is known of a connection. With
    /// [`Config::trusted_proxies`](super::Config::trusted_proxies) the peers are the proxies, whose connections carry many clients, so
    /// there is no such bound then: [`sessions_per_address`](Self::sessions_per_address) bounds what counts.
    pub connections_per_address: Option<usize>,
    /// Messages that a client may send in a second, and twice as many at once after a while without; pongs and the like count,
    /// too. Beyond: it is held up. Nothing is read from its WebSocket meanwhile, so that TCP holds it up in turn, and a POST is
    /// answered later. Nothing is lost. A WebSocket that was held up for 10 s longer than not is closed with code 1008 if there
    /// was always more to be read of it; one that waits for answers never is. Default `None`: as many as come; 100 is a good
    /// value.
    pub message_rate: Option<usize>,
    /// The same for bytes: of WebSockets as they come, of POSTs their bodies. What one brings at once is handled whole, and
    /// holds its client up for 5 s at most. Default `None`; 256 KiB is a good value. Where files are uploaded it is the speed of
    /// uploads.
    pub byte_rate: Option<usize>,
    /// Connections accepted in one turn of the loop; the rest waits in the kernel's backlog. Default 64.
    pub accepts_per_turn: usize,
    /// Length of the kernel's queue of connections not yet accepted. Default 4096.
    pub backlog: i32,
    /// Longest request line and headers, 16 KiB by default. Beyond: `431` and close.
    pub request_head: usize,
    /// Most headers of a request, 96 by default and at most. Beyond: `431` and close.
    pub request_headers: usize,
    /// Time in which a request's head must have arrived. Default 10 s. Beyond: `408` and close.
    pub header_timeout: Duration,
    /// Time in which a request's body must have arrived. Default 20 s. Beyond: `408` and close. Each attachment of a packet
    /// has it, too, and up to a heartbeat more. Beyond: the session is closed.
    pub body_timeout: Duration,
    /// Time a connection may idle between requests. Default 75 s: longer than a load balancer's 60 s. Beyond: close.
    pub keep_alive: Duration,
    /// Fragments of one WebSocket message, 131072 by default: they take no memory beyond their bytes. Beyond: close with code
    /// 1008.
    pub fragments: u32,
    /// Attachments of one packet, 10 by default. Beyond: the session is closed.
    pub attachments: u32,
    /// Levels of nesting of the JSON of a packet, 128 by default. Beyond: the session is closed.
    pub json_depth: usize,
    /// Longest authentication data of a CONNECT, in bytes, 64 KiB by default. Beyond: the client gets a CONNECT_ERROR.
    pub auth: usize,
    /// Bytes that one session may make the server keep for its life, 1 MiB by default: its handshake, its sockets with
    /// authentication data, data, rooms and missing acknowledgements. What waits for the client and what it has half sent have
    /// bounds of their own. Beyond: a join and [`set_data`](crate::Socket::set_data) fail, a CONNECT gets a CONNECT_ERROR.
    pub session_memory: usize,
    /// Bytes that all sessions may keep so. Default `None`: a quarter of the memory budget. Beyond: a new session is answered
    /// `503` with `Retry-After`, and of those that keep more than 64 KiB the ones that keep most are closed.
    pub sessions_memory: Option<usize>,
    /// Namespaces one session may join, 32 by default. Beyond: the client gets a CONNECT_ERROR.
    pub namespaces_per_session: usize,
    /// Namespaces that clients may bring into being ([`Server::of_dynamic`](crate::Server::of_dynamic)), 10 000 by default.
    /// Beyond: the one without sockets for the longest goes; if there is none without, the client gets a CONNECT_ERROR.
    pub dynamic_namespaces: usize,
    /// Longest name of such a namespace, in bytes, 256 by default. Beyond: the client gets a CONNECT_ERROR.
    pub namespace_length: usize,
    /// Longest name of a room, in bytes, 256 by default. Beyond: the join fails.
    pub room_length: usize,
    /// Bytes of the names of all rooms that one socket is in, 64 KiB by default. Beyond: the join fails.
    pub room_names: usize,
    /// Rooms one socket may be in, 1024 by default. Beyond: the join fails.
    pub rooms_per_socket: usize,
    /// Rooms in all, 250 000 by default, shared out among the shards. Beyond: the join fails.
    pub rooms: usize,
    /// Events of one socket whose acknowledgement may be missing, 1024 by default. Beyond: the oldest is given up.
    pub unanswered_acks: usize,
    /// Bytes of all answers that are being collected: of clients to broadcasts
    /// ([`Broadcast::emit_with_ack`](crate::Broadcast::emit_with_ack)), and of the other servers of a cluster to questions such
    /// as [`Handle::fetch_sockets`](crate::Handle::fetch_sockets). 16 MiB by default; 128 are added for each answer of a
    /// client, and for each attachment. Beyond: an answer is dropped, and counts as missing.
    pub collected_answers: usize,
    /// Broadcasts whose answers are being collected, and questions to the other servers of a cluster, 10 000 by default, shared
    /// out among the shards. Beyond: of those of a shard the one with the most time left ends, as if it were up.
    pub collections: usize,
    /// Events that may wait for a thread of the blocking handlers
    /// ([`Namespace::on_blocking`](crate::Namespace::on_blocking)), 1024 by default. Beyond: they are refused.
    pub blocking_queue: usize,
    /// Bytes of the events that may wait so, 16 MiB by default; one alone may be longer. Beyond: they are refused.
    pub blocking_queue_bytes: usize,
    /// Bytes that may wait for one client; each message counts 64 bytes more than its length, and one message alone may be
    /// longer. Default `None`: a sixteenth of the memory budget, 8 MiB at least. Beyond: it is cut off as a slow consumer.
    pub queued_per_client: Option<usize>,
    /// Bytes that may wait for a client while it sends, 256 KiB by default. Beyond: its WebSocket is not read until half of
    /// them wait, and its POSTs are answered up to 2 s later. That is no error, and the metric `held_up` counts it.
    pub hold_up: usize,
    /// Bytes that may wait for all clients, what many wait for counted once. Default `None`: a quarter of the memory budget. From
    /// half of it on, the clients are cut off that hold most for what they take, until half is free; queues shorter than
    /// [`hold_up`](Self::hold_up) are spared until all of it is taken.
    pub queued: Option<usize>,
    /// Bytes of messages and requests that all clients together may have half sent. Default `None`: an eighth of the memory
    /// budget. From half of it on, who sends a large message waits until there is room for all of it. Beyond, by up to an eighth
    /// of the bound: the clients with the most are cut off.
    pub unfinished: Option<usize>,
    /// Bytes of what other threads and event loops hand to one event loop and it has not come to, 16 MiB by default. Beyond:
    /// threads that emit wait, and event loops that do read nothing of their clients meanwhile.
    pub inbox: usize,
    /// Time in which a client must take 4 KiB of what waits for it, or all of it if that is less. Default 10 s. A polling
    /// client must ask again in it while more waits than one answer carries, 1 MiB. Beyond: it is cut off as a slow consumer.
    pub write_stall: Duration,
    /// The kernel's send buffer of a connection (`SO_SNDBUF`), 128 KiB by default.
    pub send_buffer: usize,
    /// How much of the send buffer may wait unsent (`TCP_NOTSENT_LOWAT`), 16 KiB by default.
    pub unsent: u32,
    /// Time that a client has to answer a close frame; then it is cut off. Default 30 s. A polling client has 30 s, too, to
    /// fetch the news that its session is closed.
    pub close_timeout: Duration,
    /// Bytes of events kept for clients that may come back ([`Config::recovery`](crate::Config::recovery)), 16 MiB by default,
    /// shared out among the shards. An event for one client counts some 300 bytes more than its length, one for many some 400,
    /// in each shard. Beyond: the oldest are dropped, and clients that would need them connect as new ones. What is for one
    /// socket alone may take a sixteenth. Beyond: the oldest of its own are dropped.
    pub recovery_packets: usize,
    /// Bytes of the sockets kept for clients that may come back, with their rooms and data, 16 MiB by default; each counts
    /// some 300 bytes more than these. Beyond: the oldest are dropped, and their clients connect as new ones. A socket that
    /// takes more than a sixteenth is not kept.
    pub recovery_sessions: usize,
    /// Writes of one turn of the loop; the rest goes out in the next turns. Default 1024.
    pub writes_per_turn: usize,
    /// Time that the other servers of a cluster have to answer a request. Default 5 s. Beyond: the result is partial, and says
    /// so.
    pub requests_timeout: Duration,
    /// Time for which a client waits to be let into a namespace while Redis has yet to confirm the namespace's subscriptions, so
    /// that who is connected hears what other servers send. Default 500 ms; 0: nobody waits. Beyond: it is let in, a warning says
    /// so, and [`unheard`](crate::ClusterMetrics::unheard) counts. While Redis is away nobody waits.
    pub subscribe_wait: Duration,
    /// Time in which a connection to Redis must be made: TCP, TLS and log-in. Default 2 s. Beyond: given up, and tried again
    /// after [`redis_backoff`](Self::redis_backoff).
    pub redis_connect_timeout: Duration,
    /// Time without a word from Redis after which it is sent a PING. Default 15 s.
    pub redis_ping_interval: Duration,
    /// Time that Redis may be silent while an answer is due. Default 10 s. Beyond: the connection is given up.
    pub redis_ping_timeout: Duration,
    /// Longest time between two attempts to reach Redis, 5 s by default. The first follows a tenth of a second (or this, if
    /// it is less) after the loss; each doubles it, and is at random up to a half earlier.
    pub redis_backoff: Duration,
    /// Bytes that may wait to be published, at least 1 KiB, 8 MiB by default; each message counts 64 bytes more than it is
    /// long. Beyond: the oldest volatile ones are dropped, then the newest. One that alone is longer fails where it is emitted
    /// ([`EmitError::TooLarge`](crate::EmitError::TooLarge)).
    pub redis_queue: usize,
    /// Longest message taken from Redis, at least 1 KiB, 16 MiB by default. Beyond: it is skipped as it comes, as is a shorter
    /// one whose pieces, as rooms or attachments, would take more than 32 MiB. Both are counted as dropped for their size.
    /// Longer ones are not published, either.
    pub redis_message: usize,
    /// Connections to the port for operations at one time, 1 to 1024, 16 by default. Beyond: `503`.
    pub ops_connections: usize,
    /// Longest body of a request to the port for operations, in bytes, 1 MiB by default. Beyond: `413`.
    pub ops_body: usize,
    /// Events that one `POST /emit` may have, 1000 by default. Beyond: `413`, and none is sent.
    pub ops_batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: None,
            memory_refuse: Some(85),
            memory_shed: Some(92),
            accept_rate: None,
            sessions_per_address: None,
            connections_per_address: None,
            message_rate: None,
            byte_rate: None,
            accepts_per_turn: 64,
            backlog: 4096,
            request_head: 16 * 1024,
            request_headers: 96,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(75),
            fragments: 131_072,
            attachments: 10,
            json_depth: 128,
            auth: 64 * 1024,
            session_memory: 1024 * 1024,
            sessions_memory: None,
            namespaces_per_session: 32,
            dynamic_namespaces: 10_000,
            namespace_length: 256,
            room_length: 256,
            room_names: 64 * 1024,
            rooms_per_socket: 1024,
            rooms: 250_000,
            unanswered_acks: 1024,
            collected_answers: 16 * 1024 * 1024,
            collections: 10_000,
            blocking_queue: 1024,
            blocking_queue_bytes: 16 * 1024 * 1024,
            queued_per_client: None,
            hold_up: 256 * 1024,
            queued: None,
            unfinished: None,
            inbox: 16 * 1024 * 1024,
            write_stall: Duration::from_secs(10),
            send_buffer: 128 * 1024,
            unsent: 16 * 1024,
            close_timeout: Duration::from_secs(30),
            recovery_packets: 16 * 1024 * 1024,
            recovery_sessions: 16 * 1024 * 1024,
            writes_per_turn: 1024,
            requests_timeout: Duration::from_secs(5),
            subscribe_wait: Duration::from_millis(500),
            redis_connect_timeout: Duration::from_secs(2),
            redis_ping_interval: Duration::from_secs(15),
            redis_ping_timeout: Duration::from_secs(10),
            redis_backoff: Duration::from_secs(5),
            redis_queue: 8 * 1024 * 1024,
            redis_message: 16 * 1024 * 1024,
            ops_connections: 16,
            ops_body: 1024 * 1024,
            ops_batch: 1000,
        }
    }
}
