//! A namespace and its handlers, as a program declares them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::admission::{BlockingConnect, BlockingMiddleware};
use super::blocking::{BlockingHandler, Pool};
use super::rooms::{Room, RoomHandlers};
use super::socket::Socket;
use crate::app::base::{Failure, Outcome};
use crate::app::send::{Emitter, Event, SocketHandle};
use crate::shard::{Admission, Asked, Refusal};
use crate::socketio::DisconnectReason;

type EventHandler = Box<dyn Fn(&Socket, &Event) -> Failure + Send + Sync>;
type ServerEventHandler = Box<dyn Fn(&Emitter, &Event) -> Failure + Send + Sync>;
type DisconnectHandler = Box<dyn Fn(&Socket, DisconnectReason) -> Failure + Send + Sync>;

type Decide = dyn Fn(&Socket) -> Result<(), Refusal> + Send + Sync;
type Ask = dyn Fn(&Socket, Admission) -> Asked + Send + Sync;
type Greet = dyn Fn(&Socket) -> Failure + Send + Sync;

/// A middleware: it decides whether a socket is let in.
pub(in crate::app) enum Middleware {
    /// At once.
    Now(Box<Decide>),
    /// Later, by the admission.
    Later(Box<Ask>),
}

/// A handler of new sockets.
pub(in crate::app) enum ConnectHandler {
    /// On the thread that serves the socket.
    Here(Box<Greet>),
    /// On one that may block.
    Blocking(Arc<BlockingConnect>),
}

/// A namespace and its handlers. They belong to the namespace, not to its sockets, so they cost nothing for each client.
///
/// Handlers run on the thread that serves the socket and must not block, because all other clients of that thread wait. A
/// handler may return nothing, or a `Result`. Errors and panics are logged and counted.
pub struct Namespace {
    name: String,
    pool: Arc<Pool>,
    pub(in crate::app) middlewares: Vec<Middleware>,
    pub(in crate::app) connect: Vec<ConnectHandler>,
    pub(in crate::app) event_middlewares: Vec<EventHandler>,
    pub(in crate::app) any: Vec<EventHandler>,
    pub(in crate::app) any_outgoing: Vec<EventHandler>,
    pub(in crate::app) events: HashMap<Box<str>, Vec<EventHandler>, FixedState>,
    pub(in crate::app) server_events: HashMap<Box<str>, Vec<ServerEventHandler>, FixedState>,
    pub(in crate::app) rooms: RoomHandlers,
    pub(in crate::app) disconnecting: Vec<DisconnectHandler>,
    pub(in crate::app) disconnect: Vec<DisconnectHandler>,
}

impl Namespace {
    pub(in crate::app) fn new(name: String, pool: &Arc<Pool>) -> Self {
        Self {
            name,
            pool: Arc::clone(pool),
            middlewares: Vec::new(),
            connect: Vec::new(),
            event_middlewares: Vec::new(),
            any: Vec::new(),
            any_outgoing: Vec::new(),
            events: HashMap::default(),
            server_events: HashMap::default(),
            rooms: RoomHandlers::default(),
            disconnecting: Vec::new(),
            disconnect: Vec::new(),
        }
    }

    /// The namespace's name, which begins with a slash. A namespace by predicate has a placeholder, such as `/_0`;
    /// [`Socket::namespace`] is the name that the client asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a middleware (`use` in JavaScript, which is a keyword here): it lets a socket in, or refuses it with a message and
    /// data that its client gets in `connect_error`. Middlewares run in the order in which they were added.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/admin").middleware(|socket| {
    ///     #[derive(serde::Deserialize)]
    ///     struct Auth { token: String }
    ///     match socket.auth::<Auth>() {
    ///         Some(auth) if auth.token == "secret" => Ok(()),
    ///         _ => Err(kinglet::Refusal::new("not authorized")),
    ///     }
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn middleware(
        &mut self,
        middleware: impl Fn(&Socket) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> &mut Self {
        self.middlewares.push(Middleware::Now(Box::new(middleware)));
        self
    }

    /// Adds a middleware that decides later, by its [`Admission`], on any thread: after it has asked a service, for example.
    /// It runs on the thread that serves the socket, so it must not block itself. What may block belongs into
    /// [`middleware_blocking`](Self::middleware_blocking).
    ///
    /// The client waits: its CONNECT is not answered, no handler hears of it, and the middlewares added after this one run
    /// when it is admitted. If it sends anything to the namespace meanwhile, its session is closed, as on Node. It waits for
    /// [`Config::connect_timeout`](crate::Config::connect_timeout) at most, and
    /// [`Limits::pending_admissions`](crate::Limits::pending_admissions) may be undecided. Beyond either its connection is
    /// closed, so that the client comes back by itself, which it would not after a refusal.
    ///
    /// ```no_run
    /// # fn ask_somebody(question: String, answer: impl FnOnce(bool) + Send + 'static) {}
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").middleware_deferred(|socket, admission| {
    ///     ask_somebody(socket.id().to_string(), |may_come| match may_come {
    ///         true => admission.admit(),
    ///         false => admission.refuse(kinglet::Refusal::new("not today")),
    ///     });
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn middleware_deferred(
        &mut self,
        middleware: impl Fn(SocketHandle, Admission) + Send + Sync + 'static,
    ) -> &mut Self {
        self.middlewares.push(Middleware::Later(Box::new(move |socket, admission| {
            middleware(socket.handle(), admission);
            Asked::Yes
        })));
        self
    }

    /// Adds a middleware that may block, such as for a look-up in a database: it runs on one of a few threads that the server
    /// has for this ([`Config::blocking_threads`](crate::Config::blocking_threads)), and lets the socket in or refuses it as
    /// [`middleware`](Self::middleware) does. A panic refuses with `internal error`.
    ///
    /// Meanwhile the client waits, as for [`middleware_deferred`](Self::middleware_deferred). A client that has left before
    /// its turn is not asked about. Clients that wait for a thread and blocking events share one queue
    /// ([`Limits::blocking_queue`](crate::Limits::blocking_queue)). If it is full, the client's connection is closed, so
    /// that it comes back by itself, which it would not after a refusal.
    ///
    /// ```no_run
    /// # fn user_of(session: &str) -> Option<u64> { None }
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// #[derive(serde::Deserialize)]
    /// struct Auth { session: String }
    ///
    /// server.of("/").middleware_blocking(|socket| {
    ///     let user = socket.auth::<Auth>().and_then(|auth| user_of(&auth.session));
    ///     let user = user.ok_or_else(|| kinglet::Refusal::new("log in first"))?;
    ///     socket.join(format!("user-{user}"));
    ///     Ok(())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn middleware_blocking(
        &mut self,
        middleware: impl Fn(&SocketHandle) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> &mut Self {
        self.pool.want();
        let (pool, middleware): (_, Arc<BlockingMiddleware>) = (Arc::clone(&self.pool), Arc::new(middleware));
        let ask = move |socket: &Socket, admission| pool.decide(socket, admission, &middleware);
        self.middlewares.push(Middleware::Later(Box::new(ask)));
        self
    }

    /// Adds a handler for each socket that has joined the namespace.
    pub fn on_connect<R: Outcome>(&mut self, handler: impl Fn(&Socket) -> R + Send + Sync + 'static) -> &mut Self {
        self.connect.push(ConnectHandler::Here(Box::new(move |socket| handler(socket).failure())));
        self
    }

    /// Adds a handler that may block, for each socket that has joined the namespace: it runs on one of the threads of
    /// [`on_blocking`](Self::on_blocking). Events of the client may be handled before it has ended, and the client may have
    /// left before it begins. If too many wait for a thread already, the client's connection is closed, so that it comes
    /// back by itself: it would miss what the handler does.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_connect_blocking(|socket| -> Result<(), Box<dyn std::error::Error>> {
    ///     let history = std::fs::read_to_string("history.txt")?;
    ///     Ok(socket.emit("history", history)?)
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_connect_blocking<R: Outcome>(
        &mut self,
        handler: impl Fn(&SocketHandle) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.pool.want();
        self.connect.push(ConnectHandler::Blocking(Arc::new(move |socket: &SocketHandle| handler(socket).failure())));
        self
    }

    /// Adds a handler for an event.
    pub fn on<R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&Socket, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        let handlers = self.events.entry(event.into()).or_default();
        handlers.push(Box::new(move |socket, event| handler(socket, event).failure()));
        self
    }

    /// Adds a handler that may block, for an event: it runs on one of a few threads that the server has for this
    /// ([`Config::blocking_threads`](crate::Config::blocking_threads)). Its emits and acknowledgements go back to the thread
    /// that serves the socket, in order. It takes the acknowledgement, so handlers added after it have none. Its
    /// [`SocketHandle`] knows who sent the event, and the handler may wait for that client ([`SocketHandle::ask`]). Several
    /// events of one client may be handled at the same time, and in any order.
    ///
    /// While the threads are busy, events wait, up to a limit ([`Limits::blocking_queue`](crate::Limits::blocking_queue)).
    /// Events beyond it are refused: the handler does not hear them, a client that asked for an acknowledgement gets none, and
    /// they are counted as handler errors and under the limit's name. When the server stops, waiting events have two seconds.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_blocking("read", |socket, event| {
    ///     let (page,): (u32,) = event.args()?;
    ///     let text = std::fs::read_to_string(format!("pages/{page}"))?;
    ///     socket.emit("page", (page, &text))?;
    ///     event.ack(text.len())?;
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_blocking<R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&SocketHandle, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        let (pool, handler) =
            (Arc::clone(&self.pool), move |socket: &SocketHandle, event: &Event| handler(socket, event).failure());
        pool.want();
        let handler: Arc<BlockingHandler> = Arc::new(handler);
        self.on(event, move |socket, event| pool.dispatch(socket, event, &handler))
    }

    /// Adds a handler for every event, called before the event's own handlers.
    pub fn on_any<R: Outcome>(&mut self, handler: impl Fn(&Socket, &Event) -> R + Send + Sync + 'static) -> &mut Self {
        self.any.push(Box::new(move |socket, event| handler(socket, event).failure()));
        self
    }

    /// Adds a middleware for events (`socket.use` in JavaScript): it lets an event through to the handlers, or refuses it by an
    /// error. A refused event is logged at `debug` and counted ([`Metrics::events_refused`](crate::Metrics::events_refused));
    /// its client is not told, and gets no acknowledgement unless the middleware gives it. Middlewares run in the order in
    /// which they were added.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").event_middleware(|socket, event| match event.name() {
    ///     "save" if !socket.rooms().iter().any(|room| room == "editors") => Err("not an editor"),
    ///     _ => Ok(()),
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn event_middleware<E: std::fmt::Display>(
        &mut self,
        middleware: impl Fn(&Socket, &Event) -> Result<(), E> + Send + Sync + 'static,
    ) -> &mut Self {
        self.event_middlewares.push(Box::new(move |socket, event| middleware(socket, event).failure()));
        self
    }

    /// Adds a handler for every event that is sent to a socket of the namespace. It is called soon after, for a broadcast once
    /// for each receiver. A volatile event that is dropped counts as sent. The handler hears the events that it sends itself,
    /// too.
    pub fn on_any_outgoing<R: Outcome>(
        &mut self,
        handler: impl Fn(&Socket, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.any_outgoing.push(Box::new(move |socket, event| handler(socket, event).failure()));
        self
    }

    /// Adds a handler for an event that another server of the cluster sends to this one
    /// ([`Emitter::server_side_emit`](crate::Emitter::server_side_emit)). It gets the namespace, to send to, and the event. If
    /// the sender wants an acknowledgement, it gives one value ([`Event::ack`](crate::Event::ack)). It runs on one of the event
    /// loops and must not block.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_server_side_emit("reload", |namespace, event| {
    ///     event.ack("done")?;
    ///     namespace.local().emit("reload", ())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_server_side_emit<R: Outcome>(
        &mut self,
        event: impl Into<String>,
        handler: impl Fn(&Emitter, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        let handlers = self.server_events.entry(event.into().into_boxed_str()).or_default();
        handlers.push(Box::new(move |namespace, event| handler(namespace, event).failure()));
        self
    }

    /// Adds a handler for each room that its first member creates in this process. It is called soon after, on the thread that
    /// serves the member. For a room that is created and deleted on several threads at once, the calls may come in any order,
    /// but there are as many of one kind as of the other. Rooms named by a socket's own id are left out.
    pub fn on_create_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.create.push(Box::new(move |room| handler(room).failure()));
        self
    }

    /// Adds a handler for each room that is deleted in this process, because its last member has left. See
    /// [`on_create_room`](Self::on_create_room).
    pub fn on_delete_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.delete.push(Box::new(move |room| handler(room).failure()));
        self
    }

    /// Adds a handler for each socket that has joined a room; it gets the room and the socket's id, and is called soon after.
    /// Changes by one socket are reported in order.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_join_room(|room, id| log::info!("{id} has joined {}", room.name()));
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_join_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>, &str) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.join.push(Box::new(move |room, id| handler(room, id).failure()));
        self
    }

    /// Adds a handler for each socket that has left a room, also by disconnecting. See [`on_join_room`](Self::on_join_room).
    pub fn on_leave_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>, &str) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.leave.push(Box::new(move |room, id| handler(room, id).failure()));
        self
    }

    /// Adds a handler for each socket that is about to leave; it is still in its rooms.
    pub fn on_disconnecting<R: Outcome>(
        &mut self,
        handler: impl Fn(&Socket, DisconnectReason) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.disconnecting.push(Box::new(move |socket, reason| handler(socket, reason).failure()));
        self
    }

    /// Adds a handler for each socket that has left.
    pub fn on_disconnect<R: Outcome>(
        &mut self,
        handler: impl Fn(&Socket, DisconnectReason) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.disconnect.push(Box::new(move |socket, reason| handler(socket, reason).failure()));
        self
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> = self.events.keys().collect();
        f.debug_struct("Namespace").field("name", &self.name).field("events", &events).finish_non_exhaustive()
    }
}
