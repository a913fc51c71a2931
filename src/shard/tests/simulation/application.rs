//! The program that the simulated servers run: it relays what clients say, and notes who came and went.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::app::{Handlers, Socket};

/// How often each session has come and gone, by its tag.
#[derive(Debug, Clone, Default)]
pub(super) struct Guestbook(Arc<Mutex<BTreeMap<u64, Visits>>>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visits {
    pub(super) came: u32,
    pub(super) went: u32,
}

impl Guestbook {
    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Visits>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client calls its session.
fn tag(socket: &Socket) -> u64 {
    socket.auth::<Value>().and_then(|auth| auth["tag"].as_u64()).unwrap_or(u64::MAX)
}

/// The program.
pub(super) fn handlers(guestbook: &Guestbook) -> Handlers {
    let mut handlers = Handlers::default();
    let namespace = handlers.namespace_mut("/");
    let (came, went) = (guestbook.clone(), guestbook.clone());
    namespace.on_connect(move |socket| came.entries().entry(tag(socket)).or_default().came += 1);
    namespace.on_disconnect(move |socket, _| went.entries().entry(tag(socket)).or_default().went += 1);
    namespace.on("all", |socket, event| {
        let (number,): (u64,) = event.args()?;
        socket.broadcast().emit("all", (tag(socket), number))?;
        Ok::<(), Box<dyn std::error::Error>>(())
    });
    namespace.on("room", |socket, event| {
        let (number,): (u64,) = event.args()?;
        socket.to("room").emit("room", (tag(socket), number))?;
        Ok::<(), Box<dyn std::error::Error>>(())
    });
    namespace.on("echo", |socket, event| {
        let (number,): (u64,) = event.args()?;
        socket.emit("echo", (tag(socket), number))?;
        Ok::<(), Box<dyn std::error::Error>>(())
    });
    namespace.on("ask", |_, event| event.ack(event.arguments().clone()));
    namespace.on("join", |socket, _| socket.join("room"));
    namespace.on("leave", |socket, _| socket.leave("room"));
    namespace.on("bye", |socket, _| socket.disconnect(true));
    handlers
}
