//! Every limit of the server: its default, its unit, and what happens when it is reached.
//!
//! All of them are here and nowhere else. Each breach is counted under the limit's name in the metric `limits_hit`.

use std::time::Duration;

/// The limits of one server. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent TCP connections. Beyond: no session begins; a handshake is answered `503` with `Retry-After`. 64 more
    /// connections (8 for each shard, if that is more) still get health checks and requests of sessions answered; each
    /// has 2 s to send its request and gets one answer. Beyond these the oldest is closed for a new one, first those
    /// that serve no session.
    ///
    /// Default `None`: as many as descriptors allow (the open-file limit less a reserve of 256, but at most an eighth of it) and
    /// memory allows (one for each 6 KiB of [`Config::memory`](super::Config::memory)), whichever is less.
    pub max_connections: Option<usize>,
    /// Percent of [`Config::memory`](super::Config::memory) in use from which no session begins: handshakes are
    /// answered `503` with `Retry-After`, until use has fallen by 5 percent. Default 85; `None`: never.
    ///
    /// Use is that of the container, including the kernel's memory and without file pages that the kernel can drop;
    /// without a container's limit, that of the process. It is checked every 250 ms while something happens, and with
    /// each MiB more that the server knows it has taken for clients.
    pub memory_refuse: Option<u32>,
    /// Percent of [`Config::memory`](super::Config::memory) in use from which clients are closed: first those with the
    /// longest queues, then with the most half sent, then with the sessions that keep most (more than 64 KiB each),
    /// until use has fallen by 5 percent. A client that holds little is never closed for memory. Default 92; `None`:
    /// never.
    pub memory_shed: Option<u32>,
    /// New sessions per second, divided among the shards; after a pause as many may begin at once. Beyond: `503` with
    /// `Retry-After`. Health checks and existing sessions are served. Default `None`: unlimited.
    pub accept_rate: Option<u32>,
    /// Concurrent sessions per client address; the IPv6 addresses of a /64 count as one. Beyond: `429`. Default `None`:
    /// unlimited.
    ///
    /// Behind a load balancer or a proxy, all clients seem to have its address, unless
    /// [`Config::trusted_proxies`](super::Config::trusted_proxies) says how many proxies there are.
    pub sessions_per_address: Option<usize>,
    /// Concurrent TCP connections per address; the IPv6 addresses of a /64 count as one. Beyond: `429` at once, and
    /// close. Default `None`: unlimited. A browser on polling has up to three connections for each page, and many
    /// people share the address of an office or a mobile network.
    ///
    /// The address of the TCP peer counts, because nothing else is known of a new connection. With
    /// [`Config::trusted_proxies`](super::Config::trusted_proxies) the peers are proxies, whose connections carry many
    /// clients, so this limit does not apply; use [`sessions_per_address`](Self::sessions_per_address) there.
    pub connections_per_address: Option<usize>,
    /// Messages per second and client, and twice as many at once after a pause; pongs and the like count, too. Beyond:
    /// the client is held up. Its WebSocket is not read, so TCP backpressure slows it, and a POST is answered later.
    /// Nothing is lost. A WebSocket that was held up for 10 s longer than not, and always had more to be read, is
    /// closed with code 1008. One that waits for answers is never closed. Default `None`: unlimited; 100 is a good
    /// value.
    pub message_rate: Option<usize>,
    /// The same for bytes: all bytes of WebSockets, and the bodies of POSTs. Bytes that arrive together are handled
    /// together, and hold the client up for 5 s at most. Default `None`: unlimited; 256 KiB is a good value. This also
    /// limits the speed of uploads.
    pub byte_rate: Option<usize>,
    /// Connections accepted in one turn of the loop; the rest wait in the kernel's backlog. Default 64.
    pub accepts_per_turn: usize,
    /// Length of the kernel's queue of connections not yet accepted. Default 4096.
    pub backlog: i32,
    /// Longest request line and headers, 16 KiB by default. Beyond: `431` and close.
    pub request_head: usize,
    /// Most headers of a request, 96 by default and at most. Beyond: `431` and close.
    pub request_headers: usize,
    /// Time to receive a request's head. Default 10 s. Beyond: `408` and close.
    pub header_timeout: Duration,
    /// Time to receive a request's body. Default 20 s. Beyond: `408` and close. Each attachment of a packet has this
    /// time, too, and up to one heartbeat more. Beyond: the session is closed.
    pub body_timeout: Duration,
    /// Time a connection may idle between requests. Default 75 s: longer than a load balancer's 60 s. Beyond: close.
    pub keep_alive: Duration,
    /// Longest body of a request for a route ([`Server::route`](crate::Server::route)), in bytes, 64 KiB by default.
    /// Beyond: `413`.
    pub route_body: usize,
    /// Time a blocking route has for its answer, from the request on, and a file for each of its pieces. Default 30 s.
    /// Beyond: `503`; an answer that has begun is cut off. The handler is not stopped; its answer is dropped.
    pub route_timeout: Duration,
    /// Fragments of one WebSocket message, 131072 by default; they take no memory beyond their bytes. Beyond: close
    /// with code 1008.
    pub fragments: u32,
    /// Attachments of one packet, 10 by default. Beyond: the session is closed.
    pub attachments: u32,
    /// Levels of nesting of the JSON of a packet, 128 by default. Beyond: the session is closed.
    pub json_depth: usize,
    /// Longest authentication data of a CONNECT, in bytes, 64 KiB by default. Beyond: the client gets a CONNECT_ERROR.
    pub auth: usize,
    /// Bytes that the server keeps for one session's life, 1 MiB by default: its handshake, its sockets with
    /// authentication data, data, rooms and pending acknowledgements. Queued bytes and half-sent messages have limits
    /// of their own. Beyond: a join and [`set_data`](crate::Socket::set_data) fail, and a CONNECT gets a CONNECT_ERROR.
    pub session_memory: usize,
    /// The same for all sessions together. Default `None`: a quarter of the memory budget. Beyond: a new session is
    /// answered `503` with `Retry-After`, and of the sessions that keep more than 64 KiB those that keep most are
    /// closed.
    pub sessions_memory: Option<usize>,
    /// Namespaces one session may join, 32 by default. Beyond: the client gets a CONNECT_ERROR.
    pub namespaces_per_session: usize,
    /// Namespaces that clients may create ([`Server::of_dynamic`](crate::Server::of_dynamic)), 10 000 by default.
    /// Beyond: the one that has been empty longest is removed; if none is empty, the client gets a CONNECT_ERROR.
    pub dynamic_namespaces: usize,
    /// Longest name of such a namespace, in bytes, 256 by default. Beyond: the client gets a CONNECT_ERROR.
    pub namespace_length: usize,
    /// Longest name of a room, in bytes, 256 by default. Beyond: the join fails.
    pub room_length: usize,
    /// Bytes of the names of all rooms that one socket is in, 64 KiB by default. Beyond: the join fails.
    pub room_names: usize,
    /// Rooms one socket may be in, 1024 by default. Beyond: the join fails.
    pub rooms_per_socket: usize,
    /// Rooms in all, 250 000 by default, divided among the shards. Beyond: the join fails.
    pub rooms: usize,
    /// Pending acknowledgements of one socket, 1024 by default. Beyond: the server stops waiting for the oldest.
    pub unanswered_acks: usize,
    /// Bytes of all answers that are being collected: of clients to broadcasts
    /// ([`Broadcast::emit_with_ack`](crate::Broadcast::emit_with_ack)), and of the other servers of a cluster to
    /// questions such as [`Handle::fetch_sockets`](crate::Handle::fetch_sockets). 16 MiB by default; each answer of a
    /// client, and each attachment, counts 128 bytes more. Beyond: an answer is dropped, and counts as missing.
    pub collected_answers: usize,
    /// Broadcasts whose answers are being collected, and questions to the other servers of a cluster, 10 000 by
    /// default, divided among the shards. Beyond: of a shard's, the one with the most time left ends as if its time
    /// were up.
    pub collections: usize,
    /// Events, and clients that wait to be let in, for which no thread of the blocking handlers is free
    /// ([`Namespace::on_blocking`](crate::Namespace::on_blocking),
    /// [`middleware_blocking`](crate::Namespace::middleware_blocking)), 1024 by default. The events of one socket may be a
    /// quarter of it. Beyond: events are refused, and clients closed, so that they come back by themselves.
    pub blocking_queue: usize,
    /// Bytes of those, 16 MiB by default; a single one may be longer. Beyond: the same.
    pub blocking_queue_bytes: usize,
    /// Clients about which the program has yet to decide
    /// ([`Namespace::middleware_deferred`](crate::Namespace::middleware_deferred),
    /// [`middleware_blocking`](crate::Namespace::middleware_blocking)), 10 000 by default. One that has left
    /// counts until the program drops its [`Admission`](crate::Admission) or decides. Beyond: the client's connection is
    /// closed, and it comes back by itself; a handshake is answered `503` with `Retry-After`.
    pub pending_admissions: usize,
    /// Bytes queued for one client. Each message counts 64 bytes more than its length, and a single message may be
    /// longer. Default `None`: a sixteenth of the memory budget, at least 8 MiB. Beyond: the client is cut off as a
    /// slow consumer.
    pub queued_per_client: Option<usize>,
    /// Bytes queued for a client beyond which it is held up, 256 KiB by default. Its WebSocket is not read until half
    /// of them are left, and its POSTs are answered up to 2 s later. This is not an error; the metric `held_up` counts
    /// it.
    pub hold_up: usize,
    /// Bytes queued for all clients; a message that many wait for counts once. Default `None`: a quarter of the memory
    /// budget. From half of it on, clients that hold much and take little are cut off, until half is free. Queues
    /// shorter than [`hold_up`](Self::hold_up) are spared until all of it is taken.
    pub queued: Option<usize>,
    /// Bytes of partly received messages and requests of all clients. Default `None`: an eighth of the memory budget.
    /// From half of it on, a client that sends a large message waits until there is room for all of it. Beyond, by up
    /// to an eighth of the limit: the clients with the most are cut off.
    pub unfinished: Option<usize>,
    /// Bytes handed to one event loop by other threads and event loops and not yet handled, 16 MiB by default. Beyond:
    /// threads that emit wait, and event loops that emit stop reading from their clients meanwhile.
    pub inbox: usize,
    /// Time in which a client must take 4 KiB of its queue, or all of it if that is less. Default 10 s. A polling
    /// client must send its next GET in this time while more waits than one answer carries, 1 MiB. Beyond: it is cut
    /// off as a slow consumer.
    pub write_stall: Duration,
    /// The kernel's send buffer of a connection (`SO_SNDBUF`), 128 KiB by default.
    pub send_buffer: usize,
    /// How much of the send buffer may wait unsent (`TCP_NOTSENT_LOWAT`), 16 KiB by default.
    pub unsent: u32,
    /// Time a client has to answer a close frame; then it is cut off. Default 30 s. A polling client also has 30 s to
    /// fetch the news that its session is closed.
    pub close_timeout: Duration,
    /// Bytes of events kept for clients that may come back ([`Config::recovery`](crate::Config::recovery)), 16 MiB by
    /// default, divided among the shards. An event for one client counts some 300 bytes more than its length, an event
    /// for many some 400, in each shard. Beyond: the oldest are dropped, and clients that need them connect as new
    /// ones. Events for one socket alone may take a sixteenth. Beyond: its oldest are dropped.
    pub recovery_packets: usize,
    /// Bytes of sockets kept for clients that may come back, with their rooms and data, 16 MiB by default; each counts
    /// some 300 bytes more. What the program keeps with a socket ([`Socket::insert`](crate::Socket::insert)) counts with its
    /// size, without what that points to. Beyond: the oldest are dropped, and their clients connect as new ones. A socket
    /// that takes more than a sixteenth is not kept.
    pub recovery_sessions: usize,
    /// Writes of one turn of the loop; the rest follow in the next turns. Default 1024.
    pub writes_per_turn: usize,
    /// Time the other servers of a cluster have to answer a request. Default 5 s. Beyond: the result is partial, and
    /// says so.
    pub requests_timeout: Duration,
    /// Time a client waits to join a namespace while Redis has yet to confirm the namespace's subscriptions; a joined
    /// client hears the other servers. Default 500 ms; 0: no wait. Beyond: the client joins anyway, a warning says so,
    /// and [`unheard`](crate::ClusterMetrics::unheard) counts it. While Redis is away nobody waits.
    pub subscribe_wait: Duration,
    /// Time to connect to Redis: TCP, TLS and log-in. Default 2 s. Beyond: the attempt ends, and the next follows after
    /// [`redis_backoff`](Self::redis_backoff).
    pub redis_connect_timeout: Duration,
    /// Silence from Redis after which it gets a PING. Default 15 s.
    pub redis_ping_interval: Duration,
    /// Silence from Redis while an answer is due. Default 10 s. Beyond: the connection is closed and made anew.
    pub redis_ping_timeout: Duration,
    /// Longest pause between two attempts to reach Redis, 5 s by default. The first pause is a tenth of a second (or
    /// this limit, if it is less). Each attempt doubles it, and each pause is shortened at random by up to a half.
    pub redis_backoff: Duration,
    /// Bytes that wait to be published, at least 1 KiB, 8 MiB by default. Each message counts 64 bytes more than its
    /// length. Beyond: the oldest volatile messages are dropped, then the newest. A single message that is longer fails
    /// where it is emitted ([`EmitError::TooLarge`](crate::EmitError::TooLarge)).
    pub redis_queue: usize,
    /// Longest message accepted from Redis, at least 1 KiB, 16 MiB by default. Beyond: it is skipped as it arrives. A
    /// shorter message whose pieces, such as rooms or attachments, would take more than 32 MiB is skipped, too. Both
    /// are counted as dropped for their size. Longer messages are not published, either.
    pub redis_message: usize,
    /// How long another instance has to answer a request of a client whose session it has, beside the time in which it would
    /// answer its own client. Default 500 ms. Then the client is told that its session is unknown, and begins a new one. Above
    /// zero.
    pub relay_timeout: Duration,
    /// Bytes of messages to single instances that may wait for Redis, 4 MiB by default, beside
    /// [`redis_queue`](Self::redis_queue); each counts 64 more than it is long. Beyond: GETs stay held, POSTs get `503`, and
    /// tunnels wait.
    pub relay_queue: usize,
    /// How long the server waits for a polling client to upgrade before it lets it into a namespace, so that its socket is made
    /// on the instance where its WebSocket arrives. Default 300 ms. It waits only while there are other instances, for clients
    /// that may upgrade. Zero: no wait, and a WebSocket that comes to another instance is passed on for its whole life.
    pub settle: Duration,
    /// Concurrent connections to the port for operations, 1 to 1024, 16 by default. Beyond: `503`.
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
            route_body: 64 * 1024,
            route_timeout: Duration::from_secs(30),
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
            pending_admissions: 10_000,
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
            relay_timeout: Duration::from_millis(500),
            relay_queue: 4 * 1024 * 1024,
            settle: Duration::from_millis(300),
            ops_connections: 16,
            ops_body: 1024 * 1024,
            ops_batch: 1000,
        }
    }
}
