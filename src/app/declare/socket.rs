//! A socket, as its handlers see it.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::base::args::{self, Args, Written};
use crate::app::base::{Subject, guard};
use crate::app::send::{Ack, Broadcast, Flags, Handle, Known, Outcome, Snapshot, SocketHandle, failure};
use crate::engineio::{Sid, Transport};
use crate::error::{AckError, DataError, EmitError, JoinError, NoValue};
use crate::metrics::Limit;
use crate::shard::{Core, Handshake, NamespaceRef, Shard, SocketRef, Urgency};
use crate::socketio::{Arguments, Payload, SocketId};
use crate::values::change_locked;

/// A client's place in a namespace.
///
/// It belongs to the thread that serves it: handlers get it by reference, for the time of the call. To reach a socket later, or
/// from another thread, keep its [`handle`](Self::handle), or its [`id`](Self::id): an id is a room, so [`Handle::of`] and
/// [`Broadcast::to`] reach it.
#[derive(Clone)]
pub struct Socket {
    shard: Rc<Shard>,
    socket: SocketRef,
    namespace: NamespaceRef,
    flags: Flags,
}

impl Socket {
    pub(in crate::app) fn new(shard: &Rc<Shard>, socket: SocketRef) -> Option<Self> {
        let namespace = shard.with(|core| core.namespace_of(socket))?;
        Some(Self { shard: Rc::clone(shard), socket, namespace, flags: Flags::NONE })
    }

    pub(super) fn sid(&self) -> Sid {
        self.shard.with(|core| core.socket_sid(self.socket))
    }

    /// The sid of its place, for messages to it alone.
    pub(in crate::app) fn location(&self) -> Sid {
        self.shard.with(|core| core.location(self.socket))
    }

    pub(in crate::app) const fn namespace_ref(&self) -> &NamespaceRef {
        &self.namespace
    }

    /// The socket's id: 20 characters. It is also the name of a room that contains the socket. It differs from the session's
    /// id, which is a secret of the client. But 2.x clients derive it from the session's id, so the server does the same for
    /// them ([`Config::allow_eio3`](crate::Config::allow_eio3)).
    pub fn id(&self) -> SocketId {
        self.shard.with(|core| core.socket_id(self.socket))
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        self.namespace.name(&self.shard.shared)
    }

    /// Whether it is a member of its namespace: from the time when the middlewares let it in until it begins to leave.
    pub fn connected(&self) -> bool {
        self.shard.with(|core| core.is_connected(self.socket))
    }

    /// Whether it is not a member of its namespace: the opposite of [`connected`](Self::connected).
    pub fn disconnected(&self) -> bool {
        !self.connected()
    }

    /// Whether the client came back after its connection was lost, so that the socket has its earlier id, rooms and data
    /// ([`Config::recovery`](crate::Config::recovery)).
    pub fn recovered(&self) -> bool {
        self.sid() != self.location()
    }

    /// An acknowledgement that nobody asked for.
    pub(super) fn ack_to_nobody(&self) -> Ack {
        Ack::to_nobody(&self.shard.shared, self.namespace.clone())
    }

    /// The socket, as the log names it.
    pub(super) fn describe(&self) -> String {
        self.shard.with(|core| core.describe_socket(self.socket))
    }

    /// Counts an event that was refused at a limit.
    pub(super) fn count_refused(&self, limit: Limit) {
        self.shard.with(|core| core.metrics().handler_errors.one());
        self.hit(limit);
    }

    /// Counts a limit that was met.
    pub(super) fn hit(&self, limit: Limit) {
        self.shard.with(|core| core.metrics().hit(limit));
    }

    /// A handle to this socket, for any thread.
    pub fn handle(&self) -> SocketHandle {
        self.handle_that_knows(None)
    }

    /// A handle for a blocking handler: it has the socket's data with it.
    pub(super) fn handle_with_data(&self) -> SocketHandle {
        let data = self.shard.with(|core| core.data(self.socket));
        self.handle_that_knows(Some(Snapshot::new(data)))
    }

    fn handle_that_knows(&self, data: Option<Snapshot>) -> SocketHandle {
        let (socket, namespace) = (self.socket, self.namespace.clone());
        let (id, known) = self.shard.with(|core| {
            let (location, sid) = (core.location(socket), core.socket_sid(socket));
            let (handshake, auth) = (core.handshake(socket), core.auth(socket));
            (core.socket_id(socket), Known { location, sid, namespace, handshake, auth, data })
        });
        SocketHandle::new(&self.shard.shared, id, known, self.flags)
    }

    /// Sends an event to the client.
    ///
    /// # Errors
    /// If the name is reserved or the arguments cannot be written as JSON. If the client has left, nothing is sent and that is
    /// no error.
    pub fn emit(&self, event: &str, args: impl Args) -> Result<(), EmitError> {
        self.emit_frames(event, None, &args)
    }

    /// Sends an event `message`, as [`emit`](Self::emit) does.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn send(&self, args: impl Args) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends an event and waits at most `timeout` for its acknowledgement. `callback` gets it, or the reason why there is none.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(socket: &kinglet::Socket) -> Result<(), kinglet::EmitError> {
    /// socket.emit_with_ack("question", "how old?", Duration::from_secs(5), |socket, answer| {
    ///     match answer.map(|answer| answer.args::<(u32,)>()) {
    ///         Ok(Ok((age,))) => log::info!("{} is {age}", socket.id()),
    ///         other => log::warn!("no answer: {other:?}"),
    ///     }
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit); then `callback` is not called.
    pub fn emit_with_ack<R: Outcome>(
        &self,
        event: &str,
        args: impl Args,
        timeout: Duration,
        callback: impl FnOnce(&Self, Result<Arguments, AckError>) -> R + 'static,
    ) -> Result<(), EmitError> {
        let id = self.namespace.next_ack_id(&self.shard.shared);
        self.emit_frames(event, Some(id), &args)?;
        let this = self.clone();
        let callback = move |_: &Rc<Shard>, _: SocketRef, result| {
            guard(&this.shard, Subject::Socket(this.socket), "acknowledgement", || failure(callback(&this, result)));
        };
        self.shard.with(|core| core.expect_ack(self.socket, id, timeout, Box::new(callback)));
        Ok(())
    }

    /// The socket, with events that are dropped if the client is not ready to receive.
    #[must_use = "the flag holds for what is emitted through the returned socket"]
    pub fn volatile(&self) -> Self {
        Self { flags: self.flags.volatile(), ..self.clone() }
    }

    /// The socket, with events that may (the default) or may not be compressed on a polling transport.
    #[must_use = "the flag holds for what is emitted through the returned socket"]
    pub fn compress(&self, compress: bool) -> Self {
        Self { flags: self.flags.compress(compress), ..self.clone() }
    }

    /// Everybody else in the namespace.
    pub fn broadcast(&self) -> Broadcast {
        let server = Some(Arc::clone(&self.shard.shared));
        self.flags.of(Broadcast::new(server, Ok(self.namespace.clone()), Some(self.sid())))
    }

    /// Everybody else in a room.
    pub fn to(&self, room: impl Into<String>) -> Broadcast {
        self.broadcast().to(room)
    }

    /// The same as [`to`](Self::to); it is called `in` in JavaScript, which is a keyword here.
    pub fn within(&self, room: impl Into<String>) -> Broadcast {
        self.to(room)
    }

    /// Everybody else, except the members of a room.
    pub fn except(&self, room: impl Into<String>) -> Broadcast {
        self.broadcast().except(room)
    }

    /// Everybody else on this server of a cluster.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Joins a room.
    ///
    /// # Errors
    /// At the limits `rooms_per_socket`, `rooms`, `room_length`, `room_names` and `session_memory`, and if the socket has left.
    pub fn join(&self, room: impl AsRef<str>) -> Result<(), JoinError> {
        self.shard.with(|core| core.join(self.socket, room.as_ref()))
    }

    /// Leaves a room. It cannot leave its own room, which is named by its id.
    pub fn leave(&self, room: impl AsRef<str>) {
        self.shard.with(|core| core.leave_room(self.socket, room.as_ref()));
    }

    /// Bytes that wait on this server for its client: for all sockets of the client, with 64 for each message. Bytes that the
    /// kernel has taken do not count. A program that streams sends more when this is low; beyond
    /// [`Limits::queued_per_client`](crate::Limits::queued_per_client) the client is cut off.
    pub fn queued_bytes(&self) -> usize {
        self.shard.with(|core| core.queued_for(self.socket))
    }

    /// The rooms it is in, its own first.
    pub fn rooms(&self) -> Vec<String> {
        self.shard.with(|core| core.rooms(self.socket))
    }

    /// Makes the socket leave its namespace. If `close`, the client's connection ends, and with it its sockets in other
    /// namespaces. The client will not connect again by itself.
    pub fn disconnect(&self, close: bool) {
        self.shard.with(|core| core.disconnect(self.socket, close));
    }

    /// The request that opened the session. `None` once the session is forgotten.
    pub fn handshake(&self) -> Option<Arc<Handshake>> {
        self.shard.with(|core| core.handshake(self.socket))
    }

    /// The client's address: the TCP connection's, or the one that trusted proxies tell
    /// ([`Config::trusted_proxies`](crate::Config::trusted_proxies)). `None` once the session is forgotten.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.handshake().map(|handshake| handshake.address().ip())
    }

    /// The client's authentication data for the namespace (`auth` of the JavaScript client). `None` if it sent none, or data of
    /// another type than `T`.
    ///
    /// With [`recovery`](crate::Config::recovery) the data of a client that comes back has two more members, as on Node: `pid` and
    /// `offset`. So `T` must not deny unknown fields. The `pid` is a secret by which the client claims its socket: keep it out of
    /// the log.
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        // Taken out first: `T` is the program's code, and may do anything with the socket.
        let auth = self.shard.with(|core| core.auth(self.socket))?;
        serde_json::from_str(&auth).ok()
    }

    /// The transport that the client is on now.
    pub fn transport(&self) -> Option<Transport> {
        self.shard.with(|core| core.transport(self.socket))
    }

    /// The data stored with the socket. `None` if there is none, or if it is of another type than `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        let data = self.shard.with(|core| core.data(self.socket))?;
        serde_json::from_str(data.get()).ok()
    }

    /// Stores data with the socket, and replaces earlier data. It is stored as JSON, so that other servers can read it.
    ///
    /// # Errors
    /// If it cannot be written as JSON, and at the limit `session_memory`. Then the earlier data stays.
    pub fn set_data(&self, data: &(impl Serialize + ?Sized)) -> Result<(), DataError> {
        let data = serde_json::value::to_raw_value(data)?;
        self.shard.with(|core| core.set_data(self.socket, data))
    }

    /// Keeps a value with the socket, in place of an earlier one of the same type, which is returned. It stays in this process,
    /// where all handlers of the socket find it, and every [`handle`](Self::handle) to it. Unlike [`data`](Self::data) it is
    /// neither written as JSON nor seen by other servers, and `session_memory` does not count it.
    ///
    /// It goes with the socket: soon after the handlers of [`on_disconnect`](crate::Namespace::on_disconnect) were called it is
    /// dropped on the thread of an event loop, unless the program has it elsewhere, too. Its destructor may do what a handler
    /// may do.
    ///
    /// If the client may come back ([`Config::recovery`](crate::Config::recovery)), it is kept as long as that, and the socket that
    /// comes back has it: the values that there were when the handlers of `on_disconnect` were called. It is dropped once the
    /// client may not come back any more.
    ///
    /// ```no_run
    /// # struct User { name: String }
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server
    ///     .of("/")
    ///     .middleware(|socket| {
    ///         socket.insert(User { name: "Ada".into() });
    ///         Ok(())
    ///     })
    ///     .on("message", |socket, event| {
    ///         let user = socket.require::<User>()?;
    ///         let (text,): (String,) = event.args()?;
    ///         kinglet::Ok(socket.broadcast().emit("message", (&user.name, text))?)
    ///     });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// A value that changes is behind a lock or atomic, as everything that threads share: `socket.insert(Mutex::new(upload))`,
    /// which [`update`](Self::update) changes.
    /// For a socket that has left, nothing is kept.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let location = self.shard.with(|core| core.is_there(self.socket).then(|| core.location(self.socket)))?;
        self.shard.shared.values(location.shard)?.insert(location, value).0
    }

    /// The value of that type that was kept with the socket by [`insert`](Self::insert).
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let location = self.location();
        self.shard.shared.values(location.shard)?.get(&location)
    }

    /// The same, or an error for `?`.
    ///
    /// # Errors
    /// If there is none.
    pub fn require<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, NoValue> {
        self.get().ok_or_else(NoValue::of::<T>)
    }

    /// Changes the value of that type which is kept behind a [`Mutex`](std::sync::Mutex), and gives what `change` returns. Other
    /// threads wait for the lock meanwhile, so it takes moments, and does not do the same within.
    ///
    /// ```no_run
    /// # use std::sync::Mutex;
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// struct Score(u64);
    ///
    /// server
    ///     .of("/")
    ///     .on_connect(|socket| drop(socket.insert(Mutex::new(Score(0)))))
    ///     .handle("hit", |socket, points: u64| {
    ///         socket.update(|Score(sum)| {
    ///             *sum += points;
    ///             *sum
    ///         })
    ///     });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is none.
    pub fn update<T: Send + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, NoValue> {
        let value = self.get().ok_or_else(NoValue::of::<T>)?;
        Ok(change_locked(&value, change))
    }

    /// Takes the value of that type away.
    pub fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let location = self.location();
        self.shard.shared.values(location.shard)?.remove(&location)
    }

    /// The server.
    pub fn server(&self) -> Handle {
        Handle::started(&self.shard.shared)
    }

    fn emit_frames(&self, event: &str, ack: Option<u64>, args: &impl Args) -> Result<(), EmitError> {
        let written = args::write(Some(event), args)?;
        let payload = self.shard.shared.config.parser.arguments(&written.json, &written.attachments)?;
        self.shard.with(|core| self.send_written(core, event, ack, &written, &payload));
        Ok(())
    }

    fn send_written(&self, core: &mut Core, event: &str, ack: Option<u64>, written: &Written, payload: &Payload<'_>) {
        let (shared, Flags { urgency, compress }) = (&self.shard.shared, self.flags);
        if !core.is_there(self.socket) {
            return;
        }
        let heard = written.heard(shared, &self.namespace, event);
        let is_kept = ack.is_none() && urgency == Urgency::Reliable;
        if let Some(recovery) = shared.recovery.as_ref().filter(|_| is_kept && core.pid(self.socket).is_some()) {
            let offset = recovery.next_offset();
            let frames = payload.event_at(self.namespace(), &offset.to_text());
            core.emit_logged(self.socket, offset, &frames.compress(compress), heard.as_ref());
        } else {
            let frames = payload.event(self.namespace(), ack);
            core.send_event(self.socket.key, &frames.compress(compress), urgency, heard.as_ref());
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}
