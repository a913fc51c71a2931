//! The application that conformance is judged with: every feature of the server, reachable from a client.
//!
//! Settings come from the environment: `CONFORMANCE_*` (see `config`), and beneath them the library's own variables. A wrong
//! one ends it with exit code 2. Nothing is printed on standard output, and SIGTERM ends it with exit code 0.

use std::collections::HashMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kinglet::{
    Ack, AckError, Answers, Arguments, Binary, Broadcast, Config, Cors, Emitter, Event, Limits, Method, MissingAnswers,
    MissingServers, Namespace, Origin, Parser, Recovery, Refusal, RemoteSocket, Response, ResponseChannel, Server,
    Socket, SocketHandle, StateError,
};
use serde::Deserialize;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

/// How long the decisions of `/blocking` and `/deferred` take.
const DECISION: Duration = Duration::from_millis(300);

/// What the handlers of all namespaces share.
#[derive(Clone)]
struct App {
    name: Arc<str>,
    reasons: Arc<Mutex<HashMap<String, Vec<String>>>>,
    tracked: Arc<Mutex<HashMap<String, String>>>,
}

fn main() -> ExitCode {
    env_logger::init();
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("conformance: {error}");
    match error {
        kinglet::Error::Setting { .. } => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

fn run() -> kinglet::Result<()> {
    let mut server = Server::new(config()?)?;
    server.allow_request(|handshake| match handshake.header("x-conformance-forbid") {
        Some(_) => Err("forbidden by app".to_owned()),
        None => Ok(()),
    });
    // The wire formats that there are.
    variable("CONFORMANCE_ADAPTER", "redis", |text| (text == "redis").then_some(()))?;
    let contract_is_asked = |text: &str| match text {
        "contract" => Some(true),
        "engine" => Some(false),
        _ => None,
    };
    if variable("CONFORMANCE_APP", "contract or engine", contract_is_asked)?.unwrap_or(true) {
        contract(&mut server)?;
    } else {
        server.on_message(|session, message| session.send(&message));
    }
    server.run()
}

/// The settings: of the application where it has one of its own, else of the library, else these defaults.
fn config() -> kinglet::Result<Config> {
    let mut config = Config {
        address: Ipv4Addr::LOCALHOST.into(),
        path: "/websockets".to_owned(),
        cors: Some(Cors::new(Origin::Any)),
        drain: Duration::ZERO,
        limits: Limits { requests_timeout: Duration::from_secs(2), ..Limits::default() },
        ..Config::default()
    }
    .with_env()?;
    set(&mut config.path, "CONFORMANCE_PATH", "a path that begins with a slash", path)?;
    set(&mut config.ping_interval, "CONFORMANCE_PING_INTERVAL", TIME, time)?;
    set(&mut config.ping_timeout, "CONFORMANCE_PING_TIMEOUT", TIME, time)?;
    set(&mut config.upgrade_timeout, "CONFORMANCE_UPGRADE_TIMEOUT", MILLIS, millis)?;
    set(&mut config.connect_timeout, "CONFORMANCE_CONNECT_TIMEOUT", MILLIS, millis)?;
    set(&mut config.max_http_buffer_size, "CONFORMANCE_MAX_PAYLOAD", "a whole number", |text| text.parse().ok())?;
    set(&mut config.cors, "CONFORMANCE_CORS", "* or origins separated by commas", |text| cors(text).map(Some))?;
    set(&mut config.allow_eio3, "CONFORMANCE_EIO3", SWITCH, switch)?;
    set(&mut config.parser, "CONFORMANCE_PARSER", "json or msgpack", |text| match text {
        "json" => Some(Parser::Json),
        "msgpack" => Some(Parser::MessagePack),
        _ => None,
    })?;
    set(&mut config.drain, "CONFORMANCE_DRAIN_MS", MILLIS, millis)?;
    set(&mut config.redis_key, "CONFORMANCE_REDIS_KEY", "text", |text| Some(text.to_owned()))?;
    set(&mut config.limits.requests_timeout, "CONFORMANCE_REQUESTS_TIMEOUT", MILLIS, millis)?;
    set(&mut config.response_channel, "CONFORMANCE_SPECIFIC_RESPONSE", SWITCH, |text| {
        Some(if switch(text)? { ResponseChannel::Specific } else { ResponseChannel::Shared })
    })?;
    if let Some(on) = variable("CONFORMANCE_RECOVERY", SWITCH, switch)? {
        let default = Recovery { max_disconnection_duration: Duration::from_secs(10), ..Recovery::default() };
        config.recovery = on.then(|| config.recovery.unwrap_or(default));
    }
    let kept = variable("CONFORMANCE_RECOVERY_MS", TIME, time)?;
    if let (Some(recovery), Some(kept)) = (&mut config.recovery, kept) {
        recovery.max_disconnection_duration = kept;
    }
    Ok(config)
}

fn contract(server: &mut Server) -> kinglet::Result<()> {
    let name = variable("CONFORMANCE_NAME", "text", |text| Some(text.to_owned()))?;
    let app = App {
        name: name.unwrap_or_else(|| format!("kinglet-{}", std::process::id())).into(),
        reasons: Arc::default(),
        tracked: Arc::default(),
    };
    for name in ["/", "/custom", "/auth"] {
        app.serve(server.of(name));
    }
    app.serve_dynamic(server.of_dynamic(|name| {
        let digits = name.strip_prefix("/dynamic-").unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    }));
    routes(server);
    server.of("/auth").middleware(|socket| judge(socket.auth().as_ref()));
    app.decisions(server);
    Ok(())
}

/// Who may come in: those with the right token.
fn judge(auth: Option<&Value>) -> Result<(), Refusal> {
    match auth {
        Some(auth) if auth["token"] == "secret" => Ok(()),
        _ => {
            let refusal = Refusal::new("not authorized").data(&json!({"code": "E_AUTH", "retry": false}));
            Err(refusal.unwrap_or_else(|error| Refusal::new(error.to_string())))
        }
    }
}

/// Whether a client wants no decision.
fn wants_none(auth: Option<&Value>) -> bool {
    auth.is_some_and(|auth| auth["token"] == "drop")
}

/// Requests beside Socket.IO.
fn routes(server: &mut Server) {
    server
        .route(Method::Get, "/hello", |request| {
            Response::text(format!("hello {}", request.parameter("name").unwrap_or_default()))
        })
        .route(Method::Post, "/echo", |request| {
            let content_type = request.header("content-type").unwrap_or("application/octet-stream");
            Response::bytes(content_type, request.body().clone())
        })
        .route_blocking(Method::Get, "/slow", |_| {
            std::thread::sleep(Duration::from_millis(300));
            Response::text("slow")
        });
}

impl App {
    fn serve(&self, namespace: &mut Namespace) {
        self.echoes(namespace);
        self.rooms(namespace);
        self.life(namespace);
        state(namespace);
        broadcasts(namespace);
        self.servers(namespace);
        payloads(namespace);
    }

    /// Namespaces behind decisions that take time.
    fn decisions(&self, server: &mut Server) {
        let blocking = server.of("/blocking");
        blocking.middleware_blocking(|socket| {
            thread::sleep(DECISION);
            let auth = socket.auth();
            if wants_none(auth.as_ref()) { Err(Refusal::new("internal error")) } else { judge(auth.as_ref()) }
        });
        self.serve_dynamic(blocking);
        let deferred = server.of("/deferred");
        deferred.middleware_deferred(|socket, admission| {
            thread::spawn(move || {
                thread::sleep(DECISION);
                let auth = socket.auth();
                match judge(auth.as_ref()) {
                    Ok(()) => admission.admit(),
                    Err(_) if wants_none(auth.as_ref()) => drop(admission),
                    Err(refusal) => admission.refuse(refusal),
                }
            });
        });
        self.serve_dynamic(deferred);
    }

    fn serve_dynamic(&self, namespace: &mut Namespace) {
        namespace.on_connect(|socket| socket.emit("auth", auth(socket)));
        namespace.on("message", |socket, event| socket.emit("message-back", event.arguments().clone()));
        namespace.on("message-with-ack", |_, event| event.ack(event.arguments().clone()));
        on(namespace, "emit-all", |socket, event| {
            let (name,): (String,) = event.args()?;
            Ok(everybody(socket).emit(&name, event.arguments().skip(1))?)
        });
    }

    fn echoes(&self, namespace: &mut Namespace) {
        let name = Arc::clone(&self.name);
        namespace.on_connect(|socket| socket.emit("auth", auth(socket)));
        namespace.on("message", |socket, event| socket.emit("message-back", event.arguments().clone()));
        namespace.on("message-with-ack", |_, event| event.ack(event.arguments().clone()));
        namespace.on("give", |_, event| event.arguments().clone());
        namespace.handle("fail", |_, message: String| Err::<(), _>(message));
        on(namespace, "whoami", move |socket, event| {
            let who = json!({"id": &*socket.id(), "nsp": socket.namespace(), "server": &*name});
            Ok(event.ack(who)?)
        });
        on(namespace, "handshake", |socket, event| Ok(event.ack(handshake(socket))?));
        on(namespace, "set-data", |socket, event| {
            let (data,): (Value,) = event.args()?;
            socket.set_data(&data)?;
            Ok(event.ack("ok")?)
        });
        on(namespace, "request", |socket, event| {
            let (timeout, name): (u64, String) = event.args()?;
            let (ack, unsent) = Later::of(event);
            let answered = move |_: &Socket, result: Result<Arguments, AckError>| {
                let error = match result.map(|answers| answers.prepend(&Value::Null)) {
                    Ok(Ok(list)) => return ack.answer(&list),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                ack.answer(&[error]);
            };
            let timeout = Duration::from_millis(timeout);
            unsent.unless(socket.emit_with_ack(&name, event.arguments().skip(2), timeout, answered))
        });
    }

    fn rooms(&self, namespace: &mut Namespace) {
        on(namespace, "join", |socket, event| {
            let (rooms,): (OneOrMany,) = event.args()?;
            rooms.into_vec().into_iter().try_for_each(|room| socket.join(room))?;
            Ok(event.ack(sorted_rooms(socket))?)
        });
        on(namespace, "leave", |socket, event| {
            let (room,): (String,) = event.args()?;
            socket.leave(room);
            Ok(event.ack(sorted_rooms(socket))?)
        });
        on(namespace, "join-many", |socket, event| {
            let (prefix, count): (String, u32) = event.args()?;
            (0..count).try_for_each(|number| socket.join(format!("{prefix}-{number}")))?;
            Ok(event.ack(count)?)
        });
        on(namespace, "all-rooms", |socket, event| {
            let ack = event.take_ack();
            emitter(socket).all_rooms(move |rooms| match rooms {
                Ok(rooms) => answer(ack, &rooms),
                Err(partial) => answer(ack, &json!({"error": partial.to_string()})),
            });
            Ok(())
        });
        on(namespace, "fetch-sockets", |socket, event| {
            let (selection,): (Selection,) = event.args()?;
            let ack = event.take_ack();
            selection.apply(everybody(socket)).fetch_sockets(move |sockets| match sockets {
                Ok(sockets) => answer(ack, &described(&sockets)),
                Err(partial) => answer(ack, &json!({"error": partial.to_string()})),
            });
            Ok(())
        });
        on(namespace, "sockets-join", |socket, event| {
            let (selection, room): (Selection, String) = event.args()?;
            selection.apply(everybody(socket)).sockets_join([room]);
            Ok(event.ack("ok")?)
        });
        on(namespace, "sockets-leave", |socket, event| {
            let (selection, room): (Selection, String) = event.args()?;
            selection.apply(everybody(socket)).sockets_leave([room]);
            Ok(event.ack("ok")?)
        });
        on(namespace, "disconnect-sockets", |socket, event| {
            let (selection, close): (Selection, bool) = event.args()?;
            event.ack("ok")?;
            selection.apply(everybody(socket)).disconnect_sockets(close);
            Ok(())
        });
        on(namespace, "rooms", |socket, event| Ok(event.ack(sorted_rooms(socket))?));
    }

    fn servers(&self, namespace: &mut Namespace) {
        on(namespace, "server-count", |socket, event| {
            let ack = event.take_ack();
            emitter(socket).server_count(move |count| match count {
                Ok(count) => answer(ack, &count),
                Err(partial) => answer(ack, &json!({"error": partial.to_string()})),
            });
            Ok(())
        });
        on(namespace, "server-side-emit", |socket, event| {
            let (name,): (String,) = event.args()?;
            Ok(emitter(socket).server_side_emit(&name, event.arguments().skip(1))?)
        });
        on(namespace, "server-side-emit-ack", |socket, event| {
            let (name,): (String,) = event.args()?;
            let (ack, unsent) = Later::of(event);
            let answered = move |result: Result<Answers, MissingServers<Answers>>| match result {
                Ok(answers) => ack.answer(&((), answers)),
                Err(partial) => ack.answer(&(partial.to_string(), partial.answers)),
            };
            unsent.unless(emitter(socket).server_side_emit_with_ack(&name, event.arguments().skip(1), answered))
        });
        let name = Arc::clone(&self.name);
        namespace.on_server_side_emit("sse-note", move |namespace, event| {
            namespace.local().emit("sse-note", event.arguments().prepend(&*name)?)?;
            Ok::<_, Box<dyn Error>>(())
        });
        let name = Arc::clone(&self.name);
        namespace.on_server_side_emit("sse-ask", move |_, event| {
            let (arg,): (Value,) = event.args()?;
            event.ack(json!({"server": &*name, "arg": arg}))?;
            Ok::<_, Box<dyn Error>>(())
        });
        namespace.on_server_side_emit("sse-mute", |_, _| {});
    }

    fn life(&self, namespace: &mut Namespace) {
        on(namespace, "disconnect-me", |socket, event| {
            let (close,): (bool,) = event.args()?;
            socket.disconnect(close);
            Ok(())
        });
        let app = self.clone();
        on(namespace, "track", move |socket, event| {
            let (key,): (String,) = event.args()?;
            lock(&app.tracked).insert(socket.id().to_string(), key);
            Ok(event.ack("ok")?)
        });
        let app = self.clone();
        on(namespace, "reason", move |_, event| {
            let (key,): (String,) = event.args()?;
            let reasons = lock(&app.reasons).get(&key).cloned().unwrap_or_default();
            Ok(event.ack(reasons)?)
        });
        let app = self.clone();
        namespace.on_disconnecting(move |socket, _| {
            let key = lock(&app.tracked).get(&*socket.id()).cloned();
            let everybody = socket.server().of(socket.namespace());
            key.map_or(Ok(()), |key| everybody.emit("rooms-at-disconnecting", (key, sorted_rooms(socket))))
        });
        let app = self.clone();
        namespace.on_disconnect(move |socket, reason| {
            if let Some(key) = lock(&app.tracked).remove(&*socket.id()) {
                lock(&app.reasons).entry(key).or_default().push(reason.to_string());
            }
        });
    }
}

/// What is kept with a socket, and what a blocking handler knows of it.
fn state(namespace: &mut Namespace) {
    struct Note(String);
    on(namespace, "note", |socket, event| {
        let (text,): (String,) = event.args()?;
        socket.insert(Note(text));
        Ok(event.ack("ok")?)
    });
    on(namespace, "noted", |socket, event| Ok(event.ack(socket.get::<Note>().map(|note| note.0.clone()))?));
    namespace.on_blocking("who-blocking", |socket, event| {
        std::thread::sleep(Duration::from_millis(100));
        Ok::<(), Box<dyn Error>>(event.ack(known(socket)?)?)
    });
}

fn broadcasts(namespace: &mut Namespace) {
    on(namespace, "broadcast", |socket, event| {
        let (name,): (String,) = event.args()?;
        Ok(socket.broadcast().emit(&name, event.arguments().skip(1))?)
    });
    on(namespace, "to", |socket, event| {
        let (selection, name): (Selection, String) = event.args()?;
        Ok(selection.apply(socket.broadcast()).emit(&name, event.arguments().skip(2))?)
    });
    on(namespace, "in", |socket, event| {
        let (selection, name): (Selection, String) = event.args()?;
        Ok(selection.apply(everybody(socket)).emit(&name, event.arguments().skip(2))?)
    });
    on(namespace, "broadcast-ack", |socket, event| {
        let (selection, name): (Selection, String) = event.args()?;
        let (ack, unsent) = Later::of(event);
        let timeout = Duration::from_millis(selection.timeout);
        let answered = move |result: Result<Answers, MissingAnswers>| match result {
            Ok(answers) => ack.answer(&((), answers)),
            Err(late) => ack.answer(&(late.to_string(), late.answers)),
        };
        let selected = selection.apply(everybody(socket));
        unsent.unless(selected.emit_with_ack(&name, event.arguments().skip(2), timeout, answered))
    });
    on(namespace, "emit-all", |socket, event| {
        let (name,): (String,) = event.args()?;
        Ok(everybody(socket).emit(&name, event.arguments().skip(1))?)
    });
    on(namespace, "io-emit", |socket, event| {
        let (namespace, name): (String, String) = event.args()?;
        Ok(socket.server().of(&namespace).emit(&name, event.arguments().skip(2))?)
    });
    on(namespace, "burst", burst);
    on(namespace, "volatile-burst", |socket, event| burst(&socket.volatile(), event));
    on(namespace, "flood", |socket, event| {
        let (selection, count, size, name): (Selection, u32, usize, String) = event.args()?;
        let text = "x".repeat(size);
        (0..count).try_for_each(|index| selection.apply(everybody(socket)).emit(&name, (index, &text)))?;
        Ok(())
    });
}

fn payloads(namespace: &mut Namespace) {
    on(namespace, "big", |_, event| {
        let (length,): (usize,) = event.args()?;
        Ok(event.ack("x".repeat(length))?)
    });
    on(namespace, "bin", |_, event| {
        let (length,): (usize,) = event.args()?;
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        Ok(event.ack(Binary::from(bytes))?)
    });
    on(namespace, "mixed", |_, event| {
        #[derive(serde::Serialize)]
        struct Deep {
            deep: Binary,
        }
        #[derive(serde::Serialize)]
        struct Mixed {
            a: Binary,
            list: (&'static str, Binary, Deep),
            n: (),
        }
        let list = ("x", Binary::from(vec![4]), Deep { deep: Binary::default() });
        Ok(event.ack(&Mixed { a: Binary::from(vec![1, 2, 3]), list, n: () })?)
    });
}

/// Registers a handler whose failures are of any type.
fn on(namespace: &mut Namespace, event: &str, handler: impl Fn(&Socket, &Event) -> Outcome + Send + Sync + 'static) {
    namespace.on(event, handler);
}

/// An acknowledgement for later that two hold, of whom one gives it: the callback of a question, or who could not ask it and
/// has lost the callback.
struct Later(Arc<Mutex<Option<Ack>>>);

impl Later {
    fn of(event: &Event) -> (Self, Self) {
        let ack = Arc::new(Mutex::new(event.take_ack()));
        (Self(Arc::clone(&ack)), Self(ack))
    }

    fn answer(self, value: &(impl serde::Serialize + ?Sized)) {
        answer(lock(&self.0).take(), value);
    }

    /// Acknowledges the failure to ask. The handler fails where nobody waits for that.
    fn unless(self, asked: Result<(), impl Error + 'static>) -> Outcome {
        let Err(error) = asked else { return Ok(()) };
        match lock(&self.0).take() {
            Some(ack) => Ok(ack.send(json!({"error": error.to_string()}))?),
            None => Err(error.into()),
        }
    }
}

/// Acknowledges later than in the handler; failures have nobody left to tell but the log.
fn answer(ack: Option<Ack>, answer: &(impl serde::Serialize + ?Sized)) {
    if let Some(Err(error)) = ack.map(|ack| ack.send(answer)) {
        log::warn!("an acknowledgement failed: {error}");
    }
}

fn burst(socket: &Socket, event: &Event) -> Outcome {
    let (count, size, name): (u32, usize, String) = event.args()?;
    let text = "x".repeat(size);
    (0..count).try_for_each(|index| socket.emit(&name, (index, &text)))?;
    Ok(())
}

fn auth(socket: &Socket) -> Value {
    socket.auth().unwrap_or_else(|| json!({}))
}

/// What a handle knows of its socket.
fn known(socket: &SocketHandle) -> Result<Value, StateError> {
    let mut rooms = socket.rooms()?;
    rooms.sort();
    Ok(json!({
        "id": &**socket.id(),
        "nsp": socket.namespace(),
        "data": socket.data()?.unwrap_or_else(|| json!({})),
        "auth": socket.auth().unwrap_or_else(|| json!({})),
        "rooms": rooms,
        "connected": socket.is_connected()?,
    }))
}

fn handshake(socket: &Socket) -> Value {
    let Some(handshake) = socket.handshake() else { return Value::Null };
    json!({
        "auth": auth(socket),
        "query": handshake.query().into_iter().collect::<HashMap<_, _>>(),
        "headers": handshake.headers().collect::<HashMap<_, _>>(),
        "url": handshake.url(),
        "secure": handshake.is_secure(),
        "xdomain": handshake.is_cross_origin(),
        "transport": socket.transport().map(|transport| transport.name()),
    })
}

fn everybody(socket: &Socket) -> Broadcast {
    emitter(socket).everybody()
}

fn emitter(socket: &Socket) -> Emitter {
    socket.server().of(socket.namespace())
}

fn described(sockets: &[RemoteSocket]) -> Vec<Value> {
    let mut described: Vec<Value> = sockets
        .iter()
        .map(|socket| {
            let mut rooms = socket.rooms().to_vec();
            rooms.sort();
            let auth = socket.auth::<Value>().unwrap_or_else(|| json!({}));
            json!({"id": &**socket.id(), "rooms": rooms, "data": socket.data().unwrap_or_else(|| json!({})), "auth": auth})
        })
        .collect();
    described.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    described
}

fn sorted_rooms(socket: &Socket) -> Vec<String> {
    let mut rooms = socket.rooms();
    rooms.sort();
    rooms
}

/// A selection of sockets, as clients write it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Selection {
    rooms: OneOrMany,
    except: OneOrMany,
    local: bool,
    volatile: bool,
    /// Milliseconds that acknowledgements are waited for.
    timeout: u64,
}

impl Selection {
    fn apply(&self, broadcast: Broadcast) -> Broadcast {
        let broadcast = self.rooms.as_slice().iter().fold(broadcast, |broadcast, room| broadcast.to(room));
        let broadcast = self.except.as_slice().iter().fold(broadcast, |broadcast, room| broadcast.except(room));
        let broadcast = if self.local { broadcast.local() } else { broadcast };
        if self.volatile { broadcast.volatile() } else { broadcast }
    }
}

/// A text, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

const MILLIS: &str = "milliseconds";
const TIME: &str = "milliseconds above zero";
const SWITCH: &str = "1 or 0";

/// Sets what a variable says, if it is set.
fn set<T>(
    setting: &mut T,
    name: &'static str,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> kinglet::Result<()> {
    if let Some(value) = variable(name, expected, parse)? {
        *setting = value;
    }
    Ok(())
}

/// What a variable says; an empty one is one that is not set.
fn variable<T>(
    name: &'static str,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> kinglet::Result<Option<T>> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let wrong =
        || kinglet::Error::Setting { name, value: value.to_string_lossy().into_owned(), expected: expected.to_owned() };
    value.to_str().and_then(parse).ok_or_else(wrong).map(Some)
}

fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

fn time(text: &str) -> Option<Duration> {
    millis(text).filter(|time| !time.is_zero())
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

fn path(text: &str) -> Option<String> {
    text.starts_with('/').then(|| text.to_owned())
}

fn cors(origins: &str) -> Option<Cors> {
    if origins == "*" {
        return Some(Cors::new(Origin::Any));
    }
    let origins: Vec<String> = origins.split(',').map(|origin| origin.trim().to_owned()).collect();
    let all = origins.iter().all(|origin| origin.contains("://"));
    all.then(|| Cors::new(Origin::List(origins)).credentials(true))
}
