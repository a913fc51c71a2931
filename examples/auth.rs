//! Tokens that expire: a client logs in, shows its token in the handshake of another namespace, is let go when the token
//! expires, and comes back with a new one. Its page is `auth.html`.
//!
//! `cargo run --example auth`, then open `examples/auth.html`. `TOKEN_LIFETIME_MS` sets how long a token is good.

use std::collections::HashMap;
use std::error::Error;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kinglet::{Config, Cors, Handle, Origin, Refusal, Server, Socket};
use serde::Deserialize;
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

/// Who may come in. A real server keeps hashes of passwords in a database, and asks it in a `handle_blocking` handler.
const USERS: &[(&str, &str)] = &[("ada", "engine"), ("grace", "compiler")];
/// Tokens that may be good at one time; beyond, nobody can log in.
const MAX_TOKENS: usize = 10_000;

/// The tokens that are good. Each names a room, too: that of the sockets which it let in.
struct Tokens {
    /// Whose each token is.
    users: Mutex<HashMap<String, String>>,
    lifetime: Duration,
    /// Where each token goes when it is issued, to be ended at its time.
    issued: SyncSender<(Instant, String)>,
}

/// What a client passes as `auth`.
#[derive(Deserialize)]
struct Auth {
    token: String,
}

fn main() -> Outcome {
    env_logger::init();
    let lifetime = std::env::var("TOKEN_LIFETIME_MS").ok().filter(|text| !text.is_empty());
    let lifetime = lifetime.map_or(Ok(30_000), |text| text.parse())?;
    let (issued, to_end) = sync_channel(MAX_TOKENS);
    let tokens = Arc::new(Tokens { users: Mutex::default(), lifetime: Duration::from_millis(lifetime), issued });
    let (logins, handshakes, sockets) = (Arc::clone(&tokens), Arc::clone(&tokens), Arc::clone(&tokens));

    // Pages that are opened from disk come from another origin; `KINGLET_CORS` may let in fewer.
    let config = Config { cors: Some(Cors::new(Origin::Any)), ..Config::default() };
    let mut server = Server::new(config.with_env()?)?;
    // Whoever has no token yet may join this namespace, which knows nothing but how to log in.
    server.of("/login").handle("login", move |_, user: (String, String)| login(&logins, user));
    server
        .of("/")
        .middleware(move |socket| handshakes.user(socket).map(drop).ok_or_else(refusal))
        .on_connect(move |socket| welcome(&sockets, socket));
    let handle = server.handle();
    thread::spawn(move || tokens.end_each(&to_end, &handle));
    Ok(server.run()?)
}

/// `login(name, password)` is acknowledged with `{token}`, or with `{error}`.
fn login(tokens: &Tokens, (name, password): (String, String)) -> Result<Value, Box<dyn Error>> {
    if !USERS.contains(&(&name, &password)) {
        return Err("Wrong name or password.".into());
    }
    Ok(json!({ "token": tokens.issue(name)? }))
}

/// What a client without a good token finds in `connect_error`: a message for people, data for its program.
fn refusal() -> Refusal {
    Refusal::new("The token is missing, wrong or expired.")
        .data(&json!({ "code": "TOKEN" }))
        .expect("a literal is JSON")
}

fn welcome(tokens: &Tokens, socket: &Socket) -> Outcome {
    if let Some(auth) = socket.auth::<Auth>() {
        socket.join(auth.token)?;
    }
    // Looked at once more now that the room is joined: the token may have ended since the middleware saw it.
    match tokens.user(socket) {
        Some(name) => socket.emit("welcome", name)?,
        None => socket.disconnect(false),
    }
    Ok(())
}

impl Tokens {
    /// A new token, which nobody can guess.
    fn issue(&self, name: String) -> Result<String, Box<dyn Error>> {
        let token = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        let mut users = self.users();
        // It does not wait when the channel is full, as a handler must not.
        self.issued.try_send((Instant::now() + self.lifetime, token.clone())).map_err(|_| "Too many users.")?;
        users.insert(token.clone(), name);
        Ok(token)
    }

    /// Whose token the socket has shown, if it is good now.
    fn user(&self, socket: &Socket) -> Option<String> {
        self.users().get(&socket.auth::<Auth>()?.token).cloned()
    }

    /// Ends each token at its time, on a thread that may sleep, and lets go of the sockets that it let in. All live equally
    /// long, so those that were issued first end first.
    fn end_each(&self, issued: &Receiver<(Instant, String)>, handle: &Handle) {
        for (end, token) in issued {
            thread::sleep(end.saturating_duration_since(Instant::now()));
            self.users().remove(&token);
            handle.to(token).disconnect_sockets(false);
        }
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
