//! A server: built, started, stopped.

mod budget;
mod running;
mod signals;

pub use running::Running;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::app::{Handle, Handlers, IntoResponse, Namespace, Outcome, Permission, Session};
use crate::config::Config;
use crate::engineio::Message;
use crate::error::{Error, Result};
use crate::http::{Method, Request};
use crate::shard::{Admission, Handshake};
use running::Prepared;

/// A Socket.IO server that is being declared: its settings, its namespaces, their handlers.
///
/// ```no_run
/// use kinglet::{Config, Server};
///
/// let mut server = Server::new(Config { port: 3000, ..Config::default() })?;
/// server.of("/").on("hello", |socket, event| {
///     let (name,): (String,) = event.args()?;
///     socket.emit("welcome", format!("hello, {name}"))?;
///     kinglet::Ok(())
/// });
/// server.run()?;
/// # Ok::<(), kinglet::Error>(())
/// ```
pub struct Server {
    config: Config,
    handlers: Handlers,
    handle: Handle,
}

impl Server {
    /// A server with these settings. It has the namespace `/`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting cannot be used.
    pub fn new(config: Config) -> Result<Self> {
        let mut handlers = Handlers::default();
        handlers.namespace_mut("/");
        Ok(Self { config: config.checked()?, handlers, handle: Handle::early() })
    }

    /// A server with the settings of the environment ([`Config::from_env`]).
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting cannot be used.
    pub fn from_env() -> Result<Self> {
        Self::new(Config::from_env()?)
    }

    /// The namespace of that name, to declare its handlers. It is created if it does not exist.
    pub fn of(&mut self, namespace: &str) -> &mut Namespace {
        self.handlers.namespace_mut(namespace)
    }

    /// Namespaces by a predicate on their names (`io.of(/regex/)` in JavaScript), to declare their handlers. Each is
    /// created when the first client asks for it, with the middlewares and handlers declared here. It ends with its
    /// last socket, unless it is to stay ([`Config::cleanup_empty_child_namespaces`]). A namespace declared by
    /// [`of`](Self::of) has precedence, and of several predicates that fit, the first. Clients choose the names, so
    /// their number and length are limited ([`Limits::dynamic_namespaces`](crate::Limits::dynamic_namespaces)).
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// let is_game = |name: &str| name.strip_prefix("/game-").is_some_and(|id| id.parse::<u32>().is_ok());
    /// server.of_dynamic(is_game).on_connect(|socket| {
    ///     log::info!("{} plays in {}", socket.id(), socket.namespace());
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// A handle reaches such a namespace by its name as long as it exists.
    pub fn of_dynamic(&mut self, fits: impl Fn(&str) -> bool + Send + Sync + 'static) -> &mut Namespace {
        self.handlers.dynamic_mut(fits)
    }

    /// Adds a hook that accepts handshakes, or refuses them with a message (an empty one means `Forbidden`). Hooks are asked in
    /// the order in which they were added; a handshake goes on if all accept it.
    pub fn allow_request(
        &mut self,
        hook: impl Fn(&Handshake) -> Result<(), String> + Send + Sync + 'static,
    ) -> &mut Self {
        self.handlers.add_permission(Permission::now(hook));
        self
    }

    /// Adds a hook that may block, such as for a look-up in a database: it runs on one of the threads of blocking handlers
    /// ([`Namespace::middleware_blocking`]). A panic refuses with `internal error`.
    ///
    /// Meanwhile the client waits for the answer to its handshake, as for
    /// [`allow_request_deferred`](Self::allow_request_deferred).
    pub fn allow_request_blocking(
        &mut self,
        hook: impl Fn(&Handshake) -> Result<(), String> + Send + Sync + 'static,
    ) -> &mut Self {
        let pool = self.handlers.pool();
        self.handlers.add_permission(Permission::blocking(pool, hook));
        self
    }

    /// Adds a hook that decides later, by its [`Admission`], on any thread. It must not block itself.
    ///
    /// Meanwhile the client waits for the answer to its handshake. At the limits of
    /// [`Namespace::middleware_deferred`] it is answered `503` with `Retry-After`, as a server without room does, and not
    /// refused.
    ///
    /// ```no_run
    /// # fn ask_somebody(question: String, answer: impl FnOnce(bool) + Send + 'static) {}
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.allow_request_deferred(|handshake, admission| {
    ///     ask_somebody(handshake.address().to_string(), |may_come| match may_come {
    ///         true => admission.admit(),
    ///         false => admission.refuse(kinglet::Refusal::new("not from there")),
    ///     });
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn allow_request_deferred(
        &mut self,
        hook: impl Fn(Arc<Handshake>, Admission) + Send + Sync + 'static,
    ) -> &mut Self {
        self.handlers.add_permission(Permission::deferred(hook));
        self
    }

    /// Adds a route: a handler for HTTP requests beside Socket.IO, on the same port.
    ///
    /// The path is compared with that of the request as it was sent, without its query. A `*` at the end stands for the
    /// rest of a path: `/users/*` answers `/users/42` and `/users/`, and [`Request::rest`] is `42` and nothing. Of the
    /// routes that fit, and that have the method, the exact one answers, then the one with the longest path before its
    /// `*`. Below [`Config::path`] there is Socket.IO, so no route can be there.
    ///
    /// The handler runs on the event loop and must not block: see [`route_blocking`](Self::route_blocking). It returns a
    /// [`Response`](crate::Response), or a `Result` with one. An error may be a response; what a client has sent wrongly is a
    /// `400` ([`IntoResponse`]). Any other error, and a panic, is logged and counted, and the client gets a `500`. A [`Handle`]
    /// reaches the clients from it:
    ///
    /// ```no_run
    /// use kinglet::{Method, Response, Server};
    ///
    /// # let mut server = Server::new(kinglet::Config::default())?;
    /// #[derive(serde::Deserialize)]
    /// struct Notice {
    ///     room: String,
    ///     text: String,
    /// }
    ///
    /// let handle = server.handle();
    /// server.route(Method::Post, "/notices", move |request| {
    ///     let notice: Notice = request.json()?;
    ///     handle.to(&notice.room).emit("notice", &notice.text)?;
    ///     kinglet::Ok(Response::new(202))
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// The server answers `HEAD` for routes of `GET`, and `OPTIONS` with the methods of the path. A method that the path
    /// does not have is answered `405`, a path that nobody has `404`. [`Config::cors`] holds for routes, too. A body may
    /// have [`Limits::route_body`](crate::Limits::route_body) bytes.
    ///
    /// A route for `/` takes the place of the health check `all good`. While the server drains, `GET /` is answered `503`
    /// all the same.
    pub fn route<R: IntoResponse>(
        &mut self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.handlers.routes_mut().add(method, path, handler);
        self
    }

    /// Adds a route whose handler may block: it runs on one of the threads of
    /// [`Namespace::on_blocking`]. While they are busy, requests wait; beyond
    /// [`Limits::blocking_queue`](crate::Limits::blocking_queue) they are answered `503`, and so is one that has no answer
    /// within [`Limits::route_timeout`](crate::Limits::route_timeout). If the client leaves, the handler is called all
    /// the same, and its answer is dropped. A server that stops answers what is under way, for two seconds at most.
    ///
    /// ```no_run
    /// use kinglet::{Method, Response, Server};
    ///
    /// # let mut server = Server::new(kinglet::Config::default())?;
    /// server.route_blocking(Method::Get, "/reports/*", |request| {
    ///     let number: u32 = request.rest().parse().map_err(|_| Response::new(404))?;
    ///     let report = std::fs::read_to_string(format!("reports/{number}.txt"))?;
    ///     kinglet::Ok(Response::text(report))
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn route_blocking<R: IntoResponse>(
        &mut self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.handlers.routes_mut().add_blocking(method, path, handler);
        self
    }

    /// Adds routes to the files of a folder: `files("/assets", "public")` answers `/assets/app.js` with `public/app.js`,
    /// and `/assets/` with `public/index.html`. A route with a longer path, or an exact one, comes first.
    ///
    /// The media type is that of the file's extension. `ETag` and `If-None-Match` spare a client what it has, and a file
    /// whose name ends with `.gz` more is sent in its place to clients that accept gzip. Symbolic links lead nowhere
    /// outside of the folder, and nothing whose name begins with a dot is served. The threads of
    /// [`Namespace::on_blocking`] read the files, long ones piece by piece (64 KiB) as the client takes them, each piece
    /// within [`Limits::route_timeout`](crate::Limits::route_timeout). Parts of files (ranges) are not served.
    ///
    /// ```no_run
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.files("/", "public");
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// The server does not start if the folder cannot be read.
    pub fn files(&mut self, path: &str, folder: impl AsRef<Path>) -> &mut Self {
        self.handlers.routes_mut().add_files(path, folder.as_ref());
        self
    }

    /// Makes this a bare Engine.IO server: messages go to the handler unchanged, and there is no Socket.IO. Clients
    /// need not join a namespace.
    pub fn on_message<R: Outcome>(
        &mut self,
        handler: impl Fn(&Session, Message) -> R + Send + Sync + 'static,
    ) -> &mut Self {
        self.handlers.set_message(handler);
        self
    }

    /// A handle to the server, for any thread. It can be taken before the server starts.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Starts the server on its own threads.
    ///
    /// # Errors
    /// If it cannot listen, or the system refuses a thread or a poll.
    pub fn start(self) -> Result<Running> {
        Prepared::new(self.config, self.handlers, self.handle)?.start()
    }

    /// Runs the server, with the first shard on this thread, until it has stopped. SIGTERM stops it as
    /// [`Handle::drain`] does; SIGINT (Ctrl-C) and [`Handle::close`] stop it at once. A second SIGTERM ends the process
    /// immediately with code 1, a second SIGINT with code 0.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn run(self) -> Result<()> {
        let signals = signals::catch().map_err(Error::system("cannot catch signals"))?;
        Prepared::new(self.config, self.handlers, self.handle)?.run(signals)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}
