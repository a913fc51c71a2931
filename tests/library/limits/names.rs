//! The limits of namespaces that clients make by naming them, and of work that waits for a thread.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinglet::{Config, Limits};

use crate::support::{Client, Server, WebSocket, one_shard, receive, socket_id};

fn with_any_namespace(limits: Limits) -> Server {
    Server::start(Config { limits, ..one_shard() }, |server| {
        server.of_dynamic(|_| true);
    })
}

pub fn a_namespace_beyond_the_limit_is_not_made() -> Server {
    let server = with_any_namespace(Limits { dynamic_namespaces: 1, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.ws.send_text("40/a,");
    socket_id(&client.ws.text());
    client.ws.send_text("40/b,");
    client.ws.expect_text("44/b,{\"message\":\"no more namespaces can be made\"}");
    server
}

pub fn a_namespace_with_a_name_too_long_is_not_made() -> Server {
    let server = with_any_namespace(Limits { namespace_length: 3, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.ws.send_text("40/abc,");
    client.ws.expect_text("44/abc,{\"message\":\"the name of the namespace is too long\"}");
    server
}

/// A server with one blocking thread, which is busy while `count` more events come for it.
fn busy(limits: Limits, count: usize) -> Server {
    let ((began, begins), (go, goes)) = (channel(), channel::<()>());
    let goes = Arc::new(Mutex::new(goes));
    let server = Server::start(Config { blocking_threads: 1, limits, ..one_shard() }, move |server| {
        let root = server.of("/");
        root.on("ping", |_, event| event.ack(()));
        root.on_blocking("wait", move |_, _| {
            began.send(()).expect("the test waits for it");
            // It ends when the test lets go of the other side.
            let _ = goes.lock().expect("one thread at a time").recv_timeout(Duration::from_secs(10));
        });
    });
    let mut client = Client::connect(&server);
    client.emit("\"wait\"");
    receive(&begins);
    (0..count).for_each(|_| client.emit("\"wait\""));
    client.ws.send_text("421[\"ping\"]");
    client.ws.expect_text("431[]");
    drop(go);
    server
}

pub fn an_event_beyond_the_queue_of_the_threads_is_refused() -> Server {
    busy(Limits { blocking_queue: 1, ..Limits::default() }, 2)
}

pub fn an_event_too_long_for_the_threads_is_refused() -> Server {
    busy(Limits { blocking_queue_bytes: 100, ..Limits::default() }, 64)
}

pub fn a_client_that_waits_beyond_the_limit_is_closed() -> Server {
    let limits = Limits { pending_admissions: 0, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").middleware_deferred(|_, admission| admission.admit());
    });
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40");
    ws.expect_close();
    server
}
