//! A messenger as a team would run it: a look-up while a client connects; rooms, history, presence, uploads, errors and a rate
//! limit that clients are told of, a route for other programs. Clients pass `auth: { token: "t-ada" }`, or `"t-bob"`.
//! `cargo run --example messenger`; `tests/messenger.rs` tests it.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kinglet::{Binary, Config, Method, Refusal, Response, Server};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Handled<T> = Result<T, Box<dyn Error>>;

/// A file on its way: its name, its size, and what has come.
type Upload = Mutex<(String, usize, Vec<u8>)>;

#[derive(Clone, Serialize)]
struct User {
    id: u64,
    name: String,
}

/// What belongs to one socket, and goes with it.
struct Member {
    user: User,
    busy_until: Mutex<Instant>,
    online: Arc<Mutex<Vec<User>>>,    // of all sockets
    messages: Arc<Mutex<Vec<Value>>>, // in a database, if they are to last
}

#[derive(Deserialize)]
struct Said {
    conversation: u64,
    text: Option<String>,
}

fn main() -> kinglet::Result<()> {
    env_logger::init();
    server(Config { blocking_threads: 16, ..Config::default() }.with_env()?)?.run()
}

/// The application, for `main` to run and for tests to start.
pub fn server(config: Config) -> kinglet::Result<Server> {
    let mut server = Server::new(config)?;
    let handle = server.handle();
    server.route(Method::Post, "/emit", move |request| {
        let from_here = request.address().ip().is_loopback(); // behind a proxy, ask for a secret instead
        let Some(body) = request.json::<Value>().ok().filter(|_| from_here) else { return Response::new(400) };
        let to = body["room"].as_str().map_or_else(|| handle.everybody(), |room| handle.to(room));
        Response::new(to.emit(body["event"].as_str().unwrap_or_default(), &body["data"]).map_or(400, |()| 202))
    });
    let old = |id| json!({ "id": id, "from": "ada", "text": "x".repeat(5_000) });
    let (online, messages) = (Arc::default(), Arc::new(Mutex::new((0..300).map(old).collect())));
    server
        .of("/")
        .middleware_blocking(move |socket| {
            let auth: Value = socket.auth().unwrap_or_default();
            let token = auth["token"].as_str().ok_or_else(|| Refusal::new("no token"))?;
            let user = look_up(token).ok_or_else(|| Refusal::new("unknown token"))?;
            let (online, messages) = (Arc::clone(&online), Arc::clone(&messages));
            socket.insert(Member { user, busy_until: Mutex::new(Instant::now()), online, messages });
            Ok(())
        })
        .event_middleware(|socket, event| -> Handled<()> {
            let (member, now) = (socket.get::<Member>().ok_or("gone")?, Instant::now());
            let mut busy_until = lock(&member.busy_until);
            if *busy_until > now + Duration::from_secs(1) {
                event.ack(json!({ "ok": false, "code": "RATE" }))?;
                return Err("too many events".into());
            }
            *busy_until = now.max(*busy_until) + Duration::from_millis(5); // so 200 a second, and as many at once
            Ok(())
        })
        .on_error(|_, _, error| {
            let code = if error.is_panic() { "INTERNAL" } else { "INVALID" };
            json!({ "ok": false, "code": code, "message": error.to_string() })
        })
        .on_connect(|socket| -> Handled<()> {
            let Member { user, online, .. } = &*socket.get::<Member>().ok_or("gone")?;
            socket.join(format!("user:{}", user.id))?;
            lock(online).push(user.clone());
            Ok(socket.emit("ready", user)?)
        })
        .on_connect_blocking(|socket| -> Handled<()> {
            let member = socket.get::<Member>().ok_or("gone")?;
            let history = lock(&member.messages).iter().take(300).cloned().collect::<Vec<_>>();
            match socket.auth::<Value>().unwrap_or_default()["history"].as_str() {
                Some("one") => Ok(socket.emit("history", history)?),
                Some("many") => Ok(history.iter().try_for_each(|message| socket.emit("message", message))?),
                _ => Ok(()),
            }
        })
        .handle("conversation:join", |socket, said: Said| -> Handled<_> {
            let room = format!("conversation:{}", said.conversation);
            socket.join(&room)?;
            socket.to(&room).emit("joined", &socket.get::<Member>().ok_or("gone")?.user)?;
            Ok(json!({ "ok": true, "data": { "room": room } }))
        })
        .handle("typing", |socket, said: Said| -> Handled<()> {
            let member = socket.get::<Member>().ok_or("gone")?;
            Ok(socket.to(format!("conversation:{}", said.conversation)).volatile().emit("typing", &member.user.name)?)
        })
        .handle_blocking("message", |socket, said: Said| -> Handled<_> {
            let Member { user, messages, .. } = &*socket.get::<Member>().ok_or("gone")?;
            let text = said.text.as_ref().filter(|text| text.len() <= 10_000).ok_or("no text, or too long")?;
            let mut messages = lock(messages);
            let message = json!({ "id": messages.len(), "from": user.name, "text": text });
            socket.to(format!("conversation:{}", said.conversation)).emit("message", &message)?;
            messages.push(message);
            Ok(json!({ "ok": true, "data": { "id": messages.len() - 1 } }))
        })
        .handle("upload:start", |socket, ((name, size),): ((String, usize),)| -> Handled<_> {
            let size = Some(size).filter(|&size| size <= 10_000_000).ok_or("too large")?;
            socket.insert::<Upload>(Mutex::new((name, size, Vec::new())));
            Ok(json!({ "ok": true }))
        })
        .handle("upload:chunk", |socket, chunk: Binary| -> Handled<_> {
            let upload = socket.get::<Upload>().ok_or("start first")?;
            let (name, size, data) = &mut *lock(&upload);
            data.extend_from_slice(chunk.get(..*size - data.len()).unwrap_or(&chunk));
            Ok(json!({ "ok": true, "data": { "received": data.len(), "name": name, "done": data.len() == *size } }))
        })
        .on("presence", |socket, _| -> Handled<_> {
            let online = lock(&socket.get::<Member>().ok_or("gone")?.online).clone();
            let names: Value = online.into_iter().map(|user| (user.id.to_string(), user.name)).collect();
            Ok(json!({ "ok": true, "data": names }))
        })
        .on_disconnect(|socket, _| -> Handled<()> {
            let Member { user, online, .. } = &*socket.get::<Member>().ok_or("gone")?;
            let mut online = lock(online);
            online.iter().position(|other| other.id == user.id).map(|place| online.swap_remove(place));
            if online.iter().all(|other| other.id != user.id) {
                socket.server().emit("offline", user)?;
            }
            Ok(())
        });
    Ok(server)
}

fn look_up(token: &str) -> Option<User> {
    std::thread::sleep(Duration::from_millis(20)); // a database over the network
    let id = ["t-ada", "t-bob"].iter().position(|known| *known == token)?;
    Some(User { id: id as u64 + 1, name: token["t-".len()..].to_owned() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
