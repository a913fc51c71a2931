//! A chat: users with names of their own choice, who is typing, and how many are there. Its page is `chat.html`.
//!
//! `cargo run --example chat`, then open `examples/chat.html` in two tabs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use kinglet::{Config, Cors, Event, Origin, Server, Socket};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The room of those who have a name: the others neither hear nor speak.
const CHAT: &str = "chat";
const NAME_CHARS: usize = 24;
const TEXT_CHARS: usize = 2_000;

/// The names in use. Handlers run on one thread for each core, so what they share is behind a lock, held for moments.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashSet<String>>>);

fn main() -> kinglet::Result<()> {
    env_logger::init();
    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    let names = Names::default();
    let names_of_leavers = names.clone();
    server
        .of("/")
        .on("join", move |socket, event| join(&names, socket, event))
        .on("say", say)
        .on("typing", typing)
        .on_disconnecting(move |socket, _| leave(&names_of_leavers, socket));
    server.run()
}

/// `join(name)` is acknowledged with `{users}`, or `{error}` if the name cannot be had.
fn join(names: &Names, socket: &Socket, event: &Event) -> Outcome {
    let (name,): (String,) = event.args()?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS {
        return Ok(event.ack(json!({ "error": format!("A name has 1 to {NAME_CHARS} characters.") }))?);
    }
    if name_of(socket).is_some() {
        return Ok(event.ack(json!({ "error": "You have a name already." }))?);
    }
    let Some(users) = names.take(name) else {
        return Ok(event.ack(json!({ "error": "This name is taken." }))?);
    };
    socket.set_data(name)?;
    socket.join(CHAT)?;
    event.ack(json!({ "users": users }))?;
    Ok(socket.to(CHAT).emit("joined", (name, users))?)
}

/// `say(text)` reaches the others as `said(name, text)`; the acknowledgement tells the speaker that it went out.
fn say(socket: &Socket, event: &Event) -> Outcome {
    let (text,): (String,) = event.args()?;
    let Some(name) = name_of(socket) else { return Ok(event.ack(json!({ "error": "Join first." }))?) };
    if text.chars().count() > TEXT_CHARS {
        return Ok(event.ack(json!({ "error": format!("A message has at most {TEXT_CHARS} characters.") }))?);
    }
    socket.to(CHAT).emit("said", (name, text))?;
    Ok(event.ack(json!({}))?)
}

/// `typing(yes or no)`. Volatile: a client that is slow to read misses nothing by not hearing of it.
fn typing(socket: &Socket, event: &Event) -> Outcome {
    let (typing,): (bool,) = event.args()?;
    if let Some(name) = name_of(socket) {
        socket.to(CHAT).volatile().emit("typing", (name, typing))?;
    }
    Ok(())
}

fn leave(names: &Names, socket: &Socket) -> Outcome {
    if let Some(name) = name_of(socket) {
        let users = names.give_back(&name);
        socket.to(CHAT).emit("left", (name, users))?;
    }
    Ok(())
}

/// The name is the socket's data: it lives and goes with the socket.
fn name_of(socket: &Socket) -> Option<String> {
    socket.data()
}

impl Names {
    /// How many names are in use now, or `None` if this one was already.
    fn take(&self, name: &str) -> Option<usize> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned()).then(|| names.len())
    }

    /// How many names are still in use.
    fn give_back(&self, name: &str) -> usize {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(name);
        names.len()
    }
}
