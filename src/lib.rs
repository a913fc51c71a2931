//! A Socket.IO server for the smallest machines.
//!
//! Socket.IO clients talk to it as they do to the Node server (Engine.IO protocol 4, Socket.IO protocol 5; also those
//! of Socket.IO 2 if [`Config::allow_eio3`] is set). A connection is data, not a thread, a task or a stack: each
//! granted core runs one event loop, which owns its connections. There is no async runtime; handlers are closures.
//!
//! # A first server
//!
//! ```no_run
//! use kinglet::{Result, Server};
//!
//! fn main() -> Result<()> {
//!     env_logger::init();
//!     let mut server = Server::from_env()?;
//!     server
//!         .of("/")
//!         .on_connect(|socket| log::info!("{} connected", socket.id()))
//!         .on("message-from-client", |socket, event| socket.broadcast().relay(event));
//!     server.run()
//! }
//! ```
//!
//! [`Server::from_env`] reads the variables listed in [`SETTINGS`]; [`Server::new`] takes a [`Config`] written in the
//! program, and [`Config::with_env`] combines both. [`Server::run`] serves until SIGTERM, SIGINT,
//! [`Handle::drain`] or [`Handle::close`].
//!
//! Handlers belong to a [`Namespace`], not to each socket, and are declared before the server starts. A method with a
//! counterpart in Node's server has its name, in snake case. Two names are keywords in Rust: `in` is called
//! [`within`](Socket::within), `use` is called [`middleware`](Namespace::middleware).
//!
//! # Events and their arguments
//!
//! [`Event::args`] reads the arguments into a tuple of anything that serde deserialises; one argument is a tuple of
//! one: `let (name,): (String,) = event.args()?`. Arguments beyond the tuple are ignored, as in JavaScript. Until then
//! they stay the received text, so passing an event on with [`Broadcast::relay`] parses nothing. To send, a tuple is
//! several arguments, and a reference to anything that serde serialises is one: see [`Args`]. [`Binary`] is sent as an
//! attachment, anywhere in the arguments.
//!
//! A handler returns nothing, a value, or a `Result` of any error: an [`Outcome`]. The value is the acknowledgement, if
//! the client waits for one. An error is logged as a warning and counted, and so is a panic; the server goes on. The
//! client gets `{"error": text}` as its acknowledgement, or what [`Namespace::on_error`] makes of it. A closure that uses `?`
//! ends with [`kinglet::Ok`](fn@Ok), because its result needs one type of errors.
//!
//! [`Namespace::handle`] reads the arguments into the parameter of a handler: a tuple is several arguments, `()` is none,
//! and anything else is one. If they do not fit, the client is told what was expected. [`Namespace::on`] hands out the
//! whole [`Event`].
//!
//! ```no_run
//! use kinglet::{Binary, Config, Server};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Position {
//!     x: f64,
//!     y: f64,
//! }
//!
//! let mut server = Server::new(Config::default())?;
//! server
//!     .of("/")
//!     .handle("add", |_, (a, b): (i64, i64)| a + b)
//!     .handle("move", |socket, (name, position): (String, Position)| {
//!         socket.broadcast().emit("moved", (name, position))
//!     })
//!     .handle("join", |socket, room: String| {
//!         socket.join(&room)?;
//!         kinglet::Ok(socket.rooms())
//!     })
//!     .on("picture", |_, event| {
//!         let (picture,): (Binary,) = event.args()?;
//!         kinglet::Ok(picture.len())
//!     });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! Clients can cause at most 10 lines of the log a second of each kind; then one line says how many were left out. Rust's
//! panic hook also reports a panic, without a limit, unless the program sets another hook. A logger that waits, as most do
//! that write to standard error, holds up the event loop that logs.
//!
//! # Acknowledgements
//!
//! What a handler returns answers a client that asked for an answer. [`Event::ack`] does so within a handler, and does
//! nothing for a client that did not ask. [`Namespace::handle_with_ack`] and [`Event::take_ack`] give the acknowledgement
//! away, to answer later and from any thread. [`Socket::emit_with_ack`] asks the client; its callback gets the answer, or
//! an [`AckError`] that says why there is none.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server
//!     .of("/")
//!     .on("rooms", |socket, _| socket.rooms())
//!     .handle_with_ack("report", |_, days: u32, ack| {
//!         std::thread::spawn(move || ack.send(format!("what happened in {days} days")));
//!     })
//!     .on_connect(|socket| {
//!         socket.emit_with_ack("your-name", (), Duration::from_secs(5), |socket, answer| match answer {
//!             Ok(names) => log::info!("{} is {:?}", socket.id(), names.args::<(String,)>()),
//!             Err(error) => log::info!("{} has no name: {error}", socket.id()),
//!         })
//!     });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! A thread that may wait needs no callback: [`SocketHandle::ask`] and [`Broadcast::ask`] give a [`Pending`] answer.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server.of("/").handle_blocking("order", |socket, dish: String| {
//!     let (count,): (u32,) = socket.ask("how-many", &dish, Duration::from_secs(30))?.recv()?.args()?;
//!     kinglet::Ok(format!("{count} of {dish}"))
//! });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Rooms and broadcasts
//!
//! A socket joins and leaves rooms; it is always in the room named by its id. A [`Broadcast`] first names its target,
//! then its content: rooms add up, exceptions win, and a socket gets the message once. From a socket it leaves out that
//! socket. It is encoded once for all receivers. A volatile message is dropped for clients that are not ready to
//! receive.
//!
//! ```no_run
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server
//!     .of("/")
//!     .handle("join", |socket, room: String| {
//!         socket.join(&room)?;
//!         kinglet::Ok(socket.to(&room).except("muted").emit("joined", socket.id())?)
//!     })
//!     .on("cursor", |socket, event| socket.to("editors").volatile().relay(event));
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! [`Broadcast::emit_with_ack`] asks all of them and collects what they answer: all answers, or those that came in time
//! and how many are missing.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server.of("/").on("call-vote", |socket, _| {
//!     socket.to("voters").emit_with_ack("vote", "tea?", Duration::from_secs(10), |answers| match answers {
//!         Ok(answers) => log::info!("all have voted: {:?}", answers.values::<bool>()),
//!         Err(late) => log::info!("{} have voted, {} have not", late.answers.len(), late.missing),
//!     })
//! });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! [`Broadcast::fetch_sockets`] tells who they are, whichever thread serves them; each that it finds can be acted on, and
//! `sockets_join`, `sockets_leave` and `disconnect_sockets` act on all of them.
//!
//! ```no_run
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server.of("/").on("close-lobby", |socket, _| {
//!     let lobby = socket.server().to("lobby");
//!     lobby.clone().fetch_sockets(|sockets| {
//!         for socket in sockets.unwrap_or_else(|partial| partial.answers) {
//!             log::info!("{} was in {:?}", socket.id(), socket.rooms());
//!         }
//!     });
//!     lobby.sockets_leave(["lobby"]);
//! });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Namespaces and middleware
//!
//! [`Server::of`] declares a namespace; a client that asks for any other is refused. A middleware lets a socket in, or
//! refuses it with a message and data that the client gets in its `connect_error`. To refuse clients earlier, at the
//! handshake, there are [`Server::allow_request`] and [`Config::allowed_origins`].
//!
//! ```no_run
//! use kinglet::Refusal;
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server
//!     .of("/admin")
//!     .middleware(|socket| match socket.auth::<serde_json::Value>() {
//!         Some(auth) if auth["token"] == "secret" => Ok(()),
//!         _ => Err(Refusal::new("not authorized")),
//!     })
//!     .on_disconnect(|socket, reason| log::info!("{} left: {reason}", socket.id()));
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! A middleware that takes its time must not hold up the others. [`Namespace::middleware_blocking`] runs on a thread that
//! may wait for a database, and [`Namespace::middleware_deferred`] decides by an [`Admission`], from any thread. The
//! client waits meanwhile, and middlewares are asked in the order in which they were added, whatever their kind. So a client
//! that is not let in never sees `connect`. What is emitted to it meanwhile is not sent. [`Server::allow_request_blocking`] and
//! [`Server::allow_request_deferred`] are the same for handshakes.
//!
//! ```no_run
//! # fn user_of(session: &str) -> Option<u64> { None }
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server
//!     .of("/")
//!     .middleware_blocking(|socket| {
//!         #[derive(serde::Deserialize)]
//!         struct Auth { session: String }
//!         let user = socket.auth::<Auth>().and_then(|auth| user_of(&auth.session));
//!         socket.join(format!("user-{}", user.ok_or("log in first")?));
//!         Ok(())
//!     })
//!     .on_connect_blocking(|socket| {
//!         let history = std::fs::read_to_string("history.txt")?;
//!         kinglet::Ok(socket.emit("history", history)?)
//!     });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! [`Namespace::event_middleware`] lets each event through to its handlers, or refuses it.
//!
//! [`Server::of_dynamic`] declares all namespaces whose names fit a predicate: each comes into being with its first client.
//!
//! ```no_run
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! let is_game = |name: &str| name.strip_prefix("/game-").is_some_and(|id| id.parse::<u32>().is_ok());
//! server.of_dynamic(is_game).on_connect(|socket| {
//!     socket.server().of(socket.namespace()).emit("player", socket.id())
//! });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Clients that come back
//!
//! With [`Config::recovery`] a client that lost its connection and comes back in time is who it was: its socket has the
//! same id, is in the same rooms, has the same data and the same values ([`Socket::insert`]), and gets the events that it missed.
//! Middlewares are not asked again; the handlers of [`Namespace::on_connect`] are called, and [`Socket::recovered`] tells them.
//! What a program keeps for a socket elsewhere it has forgotten when the socket left, so it is the program's to restore.
//!
//! ```no_run
//! use kinglet::{Config, Recovery, Server};
//!
//! let config = Config { recovery: Some(Recovery::default()), ..Config::default() };
//! let mut server = Server::new(config)?;
//! server.of("/").on_connect(|socket| match socket.recovered() {
//!     true => log::info!("{} is back in {:?}", socket.id(), socket.rooms()),
//!     false => log::info!("{} is new", socket.id()),
//! });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! As with the Node server, an event that is volatile or asks for an acknowledgement is not kept. All others have one more
//! argument, a text that the client shows when it comes back. So a client can come back only if it has received such an
//! event and the last of them is still kept, and the last argument of an event without that text should not be a text, or
//! the client takes it for one. Whoever fails is a new client. 2.x clients always are.
//!
//! A client that comes back shows `pid` and `offset` with its authentication data ([`Socket::auth`]). The `pid` is the secret by
//! which it claims its socket, so keep that data out of the log, and do not read it as a type that denies unknown fields.
//!
//! With Redis a client may come back to any server that has recovery on. Its values stay behind, because their types are the
//! program's own. Middlewares are asked again if there were such values, or if the servers do not share a
//! [`Config::peer_key`]. A server that drains leaves lost clients in Redis; one that is killed takes them along.
//!
//! # What handlers share
//!
//! What belongs to one socket is kept with it, by its type: [`Socket::insert`] and [`Socket::get`], or [`Socket::require`] where its
//! lack is an error. What changes is kept behind a lock, and [`Socket::update`] changes it. All handlers of the socket find it, also
//! those of [`Namespace::on_blocking`] and every [`SocketHandle`], on any thread. It ends with the socket, so there is nothing
//! to clean up.
//!
//! ```no_run
//! use std::sync::Mutex;
//!
//! struct User(String);
//! struct Upload(Vec<u8>);
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server
//!     .of("/")
//!     .on_connect(|socket| {
//!         socket.insert(User("Ada".into()));
//!         socket.insert(Mutex::new(Upload(Vec::new())));
//!     })
//!     .handle("say", |socket, text: String| {
//!         let user = socket.require::<User>()?;
//!         kinglet::Ok(socket.broadcast().emit("said", (&user.0, text))?)
//!     })
//!     .handle("chunk", |socket, chunk: kinglet::Binary| {
//!         socket.update(|Upload(bytes)| {
//!             bytes.extend_from_slice(&chunk);
//!             bytes.len()
//!         })
//!     });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! What other servers of a cluster are to see is kept as JSON: [`Socket::set_data`]. For all else there is what Rust has: handlers
//! are called by the threads of several event loops, so they share what is behind an `Arc` and a lock, which is held for
//! moments only.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! let messages = Arc::new(AtomicU64::new(0));
//! server.of("/").on("message", move |_, _| messages.fetch_add(1, Ordering::Relaxed));
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # From another thread
//!
//! A [`Socket`] belongs to the thread that serves it. A [`Handle`] goes anywhere: it can be cloned, sent and shared,
//! and is there before the server starts. What is sent before the start reaches nobody. To reach one socket, keep its
//! [`handle`](Socket::handle), or its id: an id is a room. A [`SocketHandle`] does and knows what the socket does and knows.
//!
//! ```no_run
//! use std::{thread, time::Duration};
//!
//! # let server = kinglet::Server::new(kinglet::Config::default())?;
//! let handle = server.handle();
//! thread::spawn(move || {
//!     loop {
//!         thread::sleep(Duration::from_secs(60));
//!         handle.to("editors").emit("save", ()).expect("the event's name is not a reserved one");
//!     }
//! });
//! server.run()?;
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # What handlers must not do
//!
//! Handlers run on the event loop that serves the socket. While one runs, nobody else on that loop is served: no
//! message is read, no ping is answered. So a handler must not sleep, wait for a lock that is held for long, ask a
//! database or read a file. [`Namespace::handle_blocking`] and [`on_blocking`](Namespace::on_blocking) run one on a thread that may:
//!
//! ```no_run
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server.of("/").handle_blocking("read", |_, page: u32| std::fs::read_to_string(format!("pages/{page}")));
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! Its [`SocketHandle`] knows who asks, by [`auth`](SocketHandle::auth), [`data`](SocketHandle::data) and
//! [`get`](SocketHandle::get). [`is_connected`](SocketHandle::is_connected) tells whether the client is still there when the work
//! is done.
//!
//! Or take what the work needs ([`Socket::handle`], [`Event::arguments`], [`Event::take_ack`]) to a thread of your own. What
//! streams from such threads paces itself by [`SocketHandle::queued_bytes`], as `examples/download.rs` does.
//!
//! # Clients of Socket.IO 2
//!
//! They speak Engine.IO 3 and are served, by the same handlers, if the settings let them; [`Config::allow_eio3`] says what
//! is different for them.
//!
//! ```no_run
//! let server = kinglet::Server::new(kinglet::Config { allow_eio3: true, ..kinglet::Config::default() })?;
//! # server.run()?;
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Requests beside Socket.IO
//!
//! [`Server::route`] answers HTTP requests on the same port, by method and path. Its handler gets the [`Request`] and returns
//! a [`Response`], or a `Result` with one. An error may be a [`Response`], too; a body that cannot be read is answered `400`, and
//! any other error is logged and answered `500` ([`IntoResponse`]). A [`Handle`] works from any thread, so it sends to clients from there, too.
//! [`Server::route_blocking`] runs on a thread that may block, [`Server::files`] serves a folder, and [`Config::client`] the
//! client for browsers, at the address at which Node's server has it.
//!
//! ```no_run
//! use kinglet::{Method, Response};
//!
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! let handle = server.handle();
//! server
//!     .route(Method::Get, "/health", |_| Response::text("well"))
//!     .route(Method::Post, "/rooms/*", move |request| {
//!         if request.rest().is_empty() {
//!             return Err(Response::new(404).into());
//!         }
//!         handle.to(request.rest()).emit("notice", request.text()?)?;
//!         kinglet::Ok(Response::new(202))
//!     })
//!     .files("/", "public");
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Clients with the MessagePack parser
//!
//! If the clients' option `parser` is `socket.io-msgpack-parser`, the server needs [`Config::parser`]. It holds for a server
//! and all of its clients, and changes nothing for handlers.
//!
//! ```no_run
//! use kinglet::{Config, Parser, Server};
//!
//! let server = Server::new(Config { parser: Parser::MessagePack, ..Config::default() })?;
//! # server.run()?;
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Testing
//!
//! With the feature `testing` there is a client, `kinglet::testing::Client`, to test an application by what its users see.
//! [`Server::start`] runs the server on threads of its own, and port 0 lets the system choose a free port:
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use std::time::Duration;
//!
//! use kinglet::testing::{self, Client};
//! use kinglet::Server;
//!
//! let mut server = Server::new(testing::config())?;
//! server.of("/").handle("double", |_, number: i64| 2 * number);
//! let running = server.start()?;
//!
//! let mut client = Client::connect(running.address())?;
//! let answer = client.emit_with_ack("double", 21, Duration::from_secs(5))?;
//! assert_eq!(answer.args::<(i64,)>()?, (42,));
//!
//! client.disconnect()?;
//! running.handle().close();
//! running.join()?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/messenger.rs` is an application with most of this, and `tests/messenger.rs` tests it.
//!
//! # Several servers
//!
//! With [`Config::redis`] (`REDIS_URL`) servers act as one, also with Node servers that use the Redis adapter. Messages
//! to many reach the sockets of all servers, unless they are [`local`](Broadcast::local), and so do the calls that find
//! sockets or do something to them. Servers exchange events of their own:
//!
//! ```no_run
//! # let mut server = kinglet::Server::new(kinglet::Config::default())?;
//! server.of("/").on_server_side_emit("load", |_, event| event.ack(0.5));
//!
//! let handle = server.handle();
//! std::thread::spawn(move || {
//!     handle.server_side_emit_with_ack("load", (), |answers| match answers {
//!         Ok(answers) => log::info!("the others' loads are {:?}", answers.values::<f64>()),
//!         Err(partial) => log::warn!("{partial}"),
//!     })
//! });
//! # Ok::<(), kinglet::Error>(())
//! ```
//!
//! # Limits
//!
//! Everything that one client can make the server keep is limited: [`Limits`] lists each limit, its default and what
//! happens there, and [`Metrics::limits_hit`] counts how often it was reached. [`Handle::metrics`] reads the counters.
//!
//! The protocol layers, [`engineio`] and [`socketio`], and the messages in [`cluster`] do no I/O. `ARCHITECTURE.md` in
//! the repository describes how the parts fit together. `docs/migrating-from-node.md` maps each name of Node's server
//! to one here, and `docs/compatibility.md` says what is supported.

#[cfg(not(unix))]
compile_error!("kinglet runs on Linux, and on macOS for development; it does not run on this system");

mod app;
mod chance;
mod clock;
pub mod cluster;
mod config;
pub mod engineio;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod http;
mod log_line;
mod memory;
mod metrics;
pub mod msgpack;
mod ops;
#[cfg(any(test, fuzzing))]
mod pieces;
mod server;
mod shard;
pub mod socketio;
#[cfg(feature = "testing")]
pub mod testing;
mod values;
mod websocket;

pub use app::{
    Ack, Answers, Args, Broadcast, Emitter, Event, Handle, HandlerError, IntoResponse, MissingAnswers, MissingServers,
    Namespace, Ok, Outcome, Pending, RemoteSocket, Room, Session, Socket, SocketHandle, Writer,
};
pub use cluster::ClusterMetrics;
pub use config::{
    Config, HandshakeHeaders, Limits, LogFormat, Password, Recovery, RedisSecurity, RedisServer, RedisServerError,
    ResponseChannel, SETTINGS, Setting, SettingGroup,
};
pub use engineio::Message;
pub use error::{
    AckError, ArgsError, DataError, EmitError, Error, JoinError, NoValue, RequestError, Result, StateError, TooLarge,
    WaitError,
};
pub use http::{Cookie, Cors, Method, Origin, Request, Response, SameSite};
pub use metrics::Metrics;
pub use server::{Running, Server};
pub use shard::{Admission, Handshake, Refusal};
pub use socketio::binary::Binary;
pub use socketio::{Arguments, DisconnectReason, Parser, SocketId};

/// The snippets of the page for those who come from Node.
#[cfg(doctest)]
#[doc = include_str!("../docs/migrating-from-node.md")]
struct MigratingFromNode;
