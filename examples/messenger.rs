//! A messenger as a team would run it: a look-up while a client connects; rooms, history, presence, uploads, errors and a rate
//! limit that clients are told of, a route for other programs. Clients pass `auth: { token: "t-ada" }`, or `"t-bob"`.
//! `cargo run --example messenger`; `tests/messenger.rs` tests it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kinglet::{Binary, Config, Method, Response, Server};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, Serialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Said {
    conversation: u64,
    text: Option<String>,
}

/// A file on its way: its name, its size, and what has come.
type Upload = (String, usize, Vec<u8>);

fn main() -> kinglet::Result<()> {
    env_logger::init();
    server(Config { blocking_threads: 16, ..Config::default() }.with_env()?)?.run()
}

/// The application, for `main` to run and for tests to start.
pub fn server(config: Config) -> kinglet::Result<Server> {
    let old = |id| json!({ "id": id, "from": "ada", "text": "x".repeat(5_000) });
    let messages = Arc::new(Mutex::new((0..300).map(old).collect::<Vec<_>>())); // in a database, if they are to last
    let history = Arc::clone(&messages);
    let mut server = Server::new(config)?;
    let handle = server.handle();
    server.route(Method::Post, "/emit", move |request| {
        if !request.address().ip().is_loopback() {
            return Err(Response::new(403).into()); // behind a proxy, ask for a secret instead
        }
        let body: Value = request.json()?;
        let to = body["room"].as_str().map_or_else(|| handle.everybody(), |room| handle.to(room));
        let sent = to.emit(body["event"].as_str().unwrap_or_default(), &body["data"]);
        kinglet::Ok(Response::new(sent.map_or(400, |()| 202)))
    });
    server
        .of("/")
        .middleware_blocking(|socket| {
            let auth: Value = socket.auth().unwrap_or_default();
            let user = look_up(auth["token"].as_str().ok_or("no token")?).ok_or("unknown token")?;
            socket.join(format!("user:{}", user.id));
            socket.set_data(&user).map_err(|error| error.to_string())?; // what other servers see
            socket.insert(user);
            socket.insert(Mutex::new(Instant::now()));
            Ok(())
        })
        .event_middleware(|socket, event| {
            socket.update(|busy_until: &mut Instant| {
                let now = Instant::now();
                if *busy_until > now + Duration::from_secs(1) {
                    event.ack(json!({ "ok": false, "code": "RATE" }))?;
                    return Err("too many events".into());
                }
                *busy_until = now.max(*busy_until) + Duration::from_millis(5); // so 200 a second, and as many at once
                kinglet::Ok(())
            })?
        })
        .on_error(|_, _, error| {
            let code = if error.is_panic() { "INTERNAL" } else { "INVALID" };
            json!({ "ok": false, "code": code, "message": error.to_string() })
        })
        .on_connect(|socket| kinglet::Ok(socket.emit("ready", &*socket.require::<User>()?)?))
        .on_connect_blocking(move |socket| {
            let history = history.lock().map_err(|_| "the history is broken")?[..300].to_vec();
            match socket.auth::<Value>().unwrap_or_default()["history"].as_str() {
                Some("one") => kinglet::Ok(socket.emit("history", history)?),
                Some("many") => Ok(history.iter().try_for_each(|message| socket.emit("message", message))?),
                _ => Ok(()),
            }
        })
        .handle("conversation:join", |socket, Said { conversation, .. }| {
            let room = format!("conversation:{conversation}");
            socket.join(&room)?;
            socket.to(&room).emit("joined", &*socket.require::<User>()?)?;
            kinglet::Ok(json!({ "ok": true, "data": { "room": room } }))
        })
        .handle("typing", |socket, Said { conversation, .. }| {
            let room = socket.to(format!("conversation:{conversation}"));
            kinglet::Ok(room.volatile().emit("typing", &socket.require::<User>()?.name)?)
        })
        .handle_blocking("message", move |socket, Said { conversation, text }| {
            let text = text.filter(|text| text.len() <= 10_000).ok_or("no text, or too long")?;
            let mut messages = messages.lock().map_err(|_| "the history is broken")?;
            let message = json!({ "id": messages.len(), "from": socket.require::<User>()?.name, "text": text });
            socket.to(format!("conversation:{conversation}")).emit("message", &message)?;
            messages.push(message);
            kinglet::Ok(json!({ "ok": true, "data": { "id": messages.len() - 1 } }))
        })
        .handle("upload:start", |socket, ((name, size),): ((String, usize),)| {
            let size = Some(size).filter(|&size| size <= 10_000_000).ok_or("too large")?;
            socket.insert::<Mutex<Upload>>(Mutex::new((name, size, Vec::new())));
            Ok::<_, &str>(json!({ "ok": true }))
        })
        .handle("upload:chunk", |socket, chunk: Binary| {
            socket.update(|(name, size, data): &mut Upload| {
                data.extend_from_slice(chunk.get(..*size - data.len()).unwrap_or(&chunk));
                json!({ "ok": true, "data": { "received": data.len(), "name": name, "done": data.len() == *size } })
            })
        })
        .handle_with_ack("presence", |socket, (), ack| {
            socket.server().fetch_sockets(|sockets| {
                let there = sockets.unwrap_or_else(|partial| partial.answers);
                let users = there.iter().filter_map(|socket| socket.data::<User>());
                let names: Value = users.map(|user| (user.id.to_string(), user.name)).collect();
                ack.send(json!({ "ok": true, "data": names }))
            });
        })
        .on_disconnect(|socket, _| {
            let (user, server) = (socket.require::<User>()?, socket.server());
            server.clone().to(format!("user:{}", user.id)).fetch_sockets(move |others| match others {
                Ok(others) if others.is_empty() => server.emit("offline", &*user),
                _ => Ok(()),
            });
            kinglet::Ok(())
        });
    Ok(server)
}

fn look_up(token: &str) -> Option<User> {
    std::thread::sleep(Duration::from_millis(20)); // a database over the network
    let id = ["t-ada", "t-bob"].iter().position(|known| *known == token)?;
    Some(User { id: id as u64 + 1, name: token["t-".len()..].to_owned() })
}
