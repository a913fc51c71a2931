//! A namespace and its handlers, as a program declares them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::de::DeserializeOwned;

use super::admission::{BlockingConnect, BlockingMiddleware};
use super::blocking::BlockingHandler;
use super::failures::Failures;
use super::pool::Pool;
use super::rooms::{Room, RoomHandlers};
use super::socket::Socket;
use crate::app::base::{Failure, HandlerError};
use crate::app::send::{Ack, Emitter, Event, Outcome, SocketHandle, failure, overheard};
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
/// handler may return nothing, a value, or a `Result` ([`Outcome`]). Errors and panics are logged and counted.
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
    pub(in crate::app) failures: Arc<Failures>,
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
            failures: Arc::default(),
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
    /// The client waits: its CONNECT is not answered, no handler hears of it, nothing that is emitted to it is sent, and the
    /// middlewares added after this one run when it is admitted. If it sends anything to the namespace meanwhile, its session is closed, as on Node. It waits for
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
    ///     socket.join(format!("user-{}", user.ok_or("log in first")?));
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
        self.connect.push(ConnectHandler::Here(Box::new(move |socket| failure(handler(socket)))));
        self
    }

    /// Adds a handler that may block, for each socket that has joined the namespace: it runs on one of the threads of
    /// [`on_blocking`](Self::on_blocking). Those of the client's events that handlers there get wait until it has ended, others
    /// do not, and the client may have left before it begins. If too many wait for a thread already, the client's connection is
    /// closed, so that it comes back by itself: it would miss what the handler does.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_connect_blocking(|socket| {
    ///     let history = std::fs::read_to_string("history.txt")?;
    ///     kinglet::Ok(socket.emit("history", history)?)
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_connect_blocking<R: Outcome>(
        &mut self,
        handler: impl Fn(&SocketHandle) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.pool.want();
        self.connect.push(ConnectHandler::Blocking(Arc::new(move |socket: &SocketHandle| failure(handler(socket)))));
        self
    }

    /// Adds a handler for an event. What it returns is the acknowledgement, if the client waits for one and no handler has given
    /// it: see [`Outcome`].
    pub fn on<R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&Socket, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.hear(event, move |socket, event| handler(socket, event).answer(event))
    }

    fn hear(&mut self, event: &str, handler: impl Fn(&Socket, &Event) -> Failure + Send + Sync + 'static) -> &mut Self {
        self.events.entry(event.into()).or_default().push(Box::new(handler));
        self
    }

    /// Adds a handler for an event that gets the arguments as its parameter: a tuple is several arguments, `()` is none, and
    /// anything else that serde deserialises is the first (an array `[T; N]` counts as a tuple). Surplus arguments are ignored;
    /// an [`Option`] is `None` if its argument is missing. If the arguments do not fit, the handler does not hear the event, and
    /// its client is told what was expected, as for any other failure: [`ArgsError`](crate::ArgsError).
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// #[derive(serde::Deserialize)]
    /// struct Position { x: f64, y: f64 }
    ///
    /// server
    ///     .of("/")
    ///     .handle("add", |_, (a, b): (i64, i64)| a + b)
    ///     .handle("move", |socket, Position { x, y }| socket.broadcast().emit("moved", (x, y)))
    ///     .handle("rooms", |socket, ()| socket.rooms());
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn handle<A: DeserializeOwned, R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&Socket, A) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.hear(event, move |socket, event| match event.parameter() {
            Ok(args) => handler(socket, args).answer(event),
            Err(error) => Some(HandlerError::new(error)),
        })
    }

    /// The same for a handler that answers later, from another handler or thread: it also gets the acknowledgement, as
    /// [`Event::take_ack`] gives it. If the client has not asked for one, sending it does nothing. If the handler fails before
    /// the acknowledgement is sent, the client is told of the error instead.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").handle_with_ack("report", |_, days: u32, ack| {
    ///     std::thread::spawn(move || ack.send(format!("what happened in {days} days")));
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn handle_with_ack<A: DeserializeOwned, R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&Socket, A, Ack) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.hear(event, move |socket, event| match event.parameter() {
            Ok(args) => {
                let spare = event.spare_ack();
                let ack = event.take_ack().unwrap_or_else(|| socket.ack_to_nobody());
                event.set_ack(spare);
                handler(socket, args, ack).answer(event)
            }
            Err(error) => Some(HandlerError::new(error)),
        })
    }

    /// Adds a handler that may block, for an event: it runs on one of a few threads that the server has for this
    /// ([`Config::blocking_threads`](crate::Config::blocking_threads)). Its emits and acknowledgements go back to the thread
    /// that serves the socket, in order. It takes the acknowledgement, so handlers added after it have none. Its
    /// [`SocketHandle`] knows who sent the event, and the handler may wait for that client ([`SocketHandle::ask`]).
    ///
    /// The blocking handlers of one socket run one after the other, in the order of its events, and after those of
    /// [`on_connect_blocking`](Self::on_connect_blocking). So events do not overtake each other, and no client keeps more than
    /// one thread busy; a handler that waits for a later event of its own client waits in vain. Handlers of different sockets,
    /// and those that do not block, run meanwhile.
    ///
    /// While the threads are busy, events wait, up to a limit ([`Limits::blocking_queue`](crate::Limits::blocking_queue)), of
    /// which one socket's may take a quarter. Events beyond it are refused: the handler does not hear them, their clients are
    /// told that the server is busy, as of any other failure, and they are counted as handler errors and under the limit's name.
    /// When the server stops, waiting events have two seconds.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_blocking("read", |socket, event| {
    ///     let (page,): (u32,) = event.args()?;
    ///     let text = std::fs::read_to_string(format!("pages/{page}"))?;
    ///     socket.emit("page", (page, &text))?;
    ///     kinglet::Ok(text.len())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_blocking<R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&SocketHandle, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.hear_blocking(event, move |socket, event| handler(socket, event).answer(event))
    }

    /// Adds a handler that may block and gets the arguments as its parameter: see [`on_blocking`](Self::on_blocking) and
    /// [`handle`](Self::handle). It answers when it is done.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").handle_blocking("read", |_, page: u32| std::fs::read_to_string(format!("pages/{page}")));
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn handle_blocking<A: DeserializeOwned, R: Outcome>(
        &mut self,
        event: &str,
        handler: impl Fn(&SocketHandle, A) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.hear_blocking(event, move |socket, event| match event.parameter() {
            Ok(args) => handler(socket, args).answer(event),
            Err(error) => Some(HandlerError::new(error)),
        })
    }

    fn hear_blocking(
        &mut self,
        event: &str,
        handler: impl Fn(&SocketHandle, &Event) -> Failure + Send + Sync + 'static,
    ) -> &mut Self {
        let (pool, handler) =
            (Arc::clone(&self.pool), Arc::new(BlockingHandler { handler, failures: Arc::clone(&self.failures) }));
        pool.want();
        self.hear(event, move |socket, event| {
            pool.dispatch(socket, event, &handler);
            None
        })
    }

    /// Sets what is told to clients when handlers of their events fail: return an error or panic, do not get their arguments
    /// ([`ArgsError`](crate::ArgsError)), or are refused by a pool that is busy. The value that it returns is the
    /// acknowledgement; an error that it returns takes the place of the handler's. Without it, or if it returns `()`, the client
    /// gets `{"error": text}`, the text of the error. It is called on the thread of the handler, also for clients that wait for
    /// no acknowledgement, once for each failure; of several such closures the last one counts. Errors are logged and counted
    /// anyway.
    ///
    /// ```no_run
    /// # #[derive(Debug)] struct AppError { code: u32 }
    /// # impl std::fmt::Display for AppError { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { Ok(()) } }
    /// # impl std::error::Error for AppError {}
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_error(|_, _, error| match error.downcast_ref::<AppError>() {
    ///     Some(AppError { code }) => Ok(serde_json::json!({ "ok": false, "code": code })),
    ///     None => Err("internal error"),
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_error<R: Outcome>(
        &mut self,
        handler: impl Fn(&SocketHandle, &Event, &HandlerError) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.failures.set(move |socket, event, error| handler(socket, event, error).answer(event));
        self
    }

    /// Adds a handler for every event, called before the event's own handlers. It only looks on, so a value that it returns
    /// answers nobody; [`Event::ack`] does.
    pub fn on_any<R: Outcome>(&mut self, handler: impl Fn(&Socket, &Event) -> R + Send + Sync + 'static) -> &mut Self {
        self.any.push(Box::new(move |socket, event| overheard(handler(socket, event), event)));
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
        let refusal = |why: E| HandlerError::new(why.to_string());
        self.event_middlewares.push(Box::new(move |socket, event| middleware(socket, event).err().map(refusal)));
        self
    }

    /// Adds a handler for every event that is sent to a socket of the namespace. It is called soon after, for a broadcast once
    /// for each receiver. A volatile event that is dropped counts as sent. The handler hears the events that it sends itself,
    /// too.
    pub fn on_any_outgoing<R: Outcome>(
        &mut self,
        handler: impl Fn(&Socket, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.any_outgoing.push(Box::new(move |socket, event| failure(handler(socket, event))));
        self
    }

    /// Adds a handler for an event that another server of the cluster sends to this one
    /// ([`Emitter::server_side_emit`](crate::Emitter::server_side_emit)). It gets the namespace, to send to, and the event. If
    /// the sender wants an acknowledgement, it gives one value, by [`Event::ack`](crate::Event::ack) or as its result. If it
    /// fails, the sender gets no answer. It runs on one of the event loops and must not block.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_server_side_emit("reload", |namespace, _| {
    ///     namespace.local().emit("reload", ()).map(|()| "done")
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn on_server_side_emit<R: Outcome>(
        &mut self,
        event: impl Into<String>,
        handler: impl Fn(&Emitter, &Event) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        let handlers = self.server_events.entry(event.into().into_boxed_str()).or_default();
        handlers.push(Box::new(move |namespace, event| handler(namespace, event).answer(event)));
        self
    }

    /// Adds a handler for each room that its first member creates in this process. It is called soon after, on the thread that
    /// serves the member. For a room that is created and deleted on several threads at once, the calls may come in any order,
    /// but there are as many of one kind as of the other. Rooms named by a socket's own id are left out.
    pub fn on_create_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.create.push(Box::new(move |room| failure(handler(room))));
        self
    }

    /// Adds a handler for each room that is deleted in this process, because its last member has left. See
    /// [`on_create_room`](Self::on_create_room).
    pub fn on_delete_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.delete.push(Box::new(move |room| failure(handler(room))));
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
        self.rooms.join.push(Box::new(move |room, id| failure(handler(room, id))));
        self
    }

    /// Adds a handler for each socket that has left a room, also by disconnecting. See [`on_join_room`](Self::on_join_room).
    pub fn on_leave_room<R: Outcome>(
        &mut self,
        handler: impl Fn(&Room<'_>, &str) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.rooms.leave.push(Box::new(move |room, id| failure(handler(room, id))));
        self
    }

    /// Adds a handler for each socket that is about to leave; it is still in its rooms.
    pub fn on_disconnecting<R: Outcome>(
        &mut self,
        handler: impl Fn(&Socket, DisconnectReason) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.disconnecting.push(Box::new(move |socket, reason| failure(handler(socket, reason))));
        self
    }

    /// Adds a handler for each socket that has left.
    pub fn on_disconnect<R: Outcome>(
        &mut self,
        handler: impl Fn(&Socket, DisconnectReason) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.disconnect.push(Box::new(move |socket, reason| failure(handler(socket, reason))));
        self
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> = self.events.keys().collect();
        f.debug_struct("Namespace").field("name", &self.name).field("events", &events).finish_non_exhaustive()
    }
}
