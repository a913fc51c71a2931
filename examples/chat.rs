//! A chat: users with names of their own choice, who is typing, and how many are there. Its page is `chat.html`.
//!
//! `cargo run --example chat`, then open `examples/chat.html` in two tabs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use kinglet::{Config, Cors, Origin, Server, Socket};
use serde_json::{Value, json};

/// What a handler returns: an answer, or an error, which its client gets as `{error}`.
type Handled<T> = Result<T, Box<dyn std::error::Error>>;

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
        .handle("join", move |socket, name: String| join(&names, socket, name.trim()))
        .handle("say", say)
        .handle("typing", typing)
        .on_disconnecting(move |socket, _| leave(&names_of_leavers, socket));
    server.run()
}

/// `join(name)` is acknowledged with `{users}`, or `{error}` if the name cannot be had.
fn join(names: &Names, socket: &Socket, name: &str) -> Handled<Value> {
    if name.is_empty() || name.chars().count() > NAME_CHARS {
        return Err(format!("A name has 1 to {NAME_CHARS} characters.").into());
    }
    if name_of(socket).is_some() {
        return Err("You have a name already.".into());
    }
    let users = names.take(name).ok_or("This name is taken.")?;
    socket.set_data(name)?;
    socket.join(CHAT)?;
    socket.to(CHAT).emit("joined", (name, users))?;
    Ok(json!({ "users": users }))
}

/// `say(text)` reaches the others as `said(name, text)`; the acknowledgement tells the speaker that it went out.
fn say(socket: &Socket, text: String) -> Handled<Value> {
    let name = name_of(socket).ok_or("Join first.")?;
    if text.chars().count() > TEXT_CHARS {
        return Err(format!("A message has at most {TEXT_CHARS} characters.").into());
    }
    socket.to(CHAT).emit("said", (name, text))?;
    Ok(json!({}))
}

/// `typing(yes or no)`. Volatile: a client that is slow to read misses nothing by not hearing of it.
fn typing(socket: &Socket, typing: bool) -> Handled<()> {
    if let Some(name) = name_of(socket) {
        socket.to(CHAT).volatile().emit("typing", (name, typing))?;
    }
    Ok(())
}

fn leave(names: &Names, socket: &Socket) -> Handled<()> {
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
