//! The limits of what is kept for clients that may come back.

use kinglet::{Config, Limits, Recovery};
use serde_json::Value;

use crate::support::{Server, WebSocket, one_shard};

fn recovering(limits: Limits) -> Server {
    let config = Config { recovery: Some(Recovery::default()), limits, ..one_shard() };
    Server::start(config, |server| {
        server.of("/").on_connect(|socket| socket.emit("welcome", ()));
    })
}

/// Connects so; gives the socket's id, the private id, and the offset of the greeting.
fn connect(server: &Server, connect: &str) -> (WebSocket, [String; 3]) {
    let (mut ws, _) = WebSocket::open(server);
    ws.send_text(connect);
    let answer: Value = serde_json::from_str(ws.text().strip_prefix("40").expect("CONNECT")).expect("JSON");
    let greeting: Value = serde_json::from_str(ws.text().strip_prefix("42").expect("EVENT")).expect("JSON");
    let known = [&answer["sid"], &answer["pid"], &greeting[1]].map(|text| text.as_str().expect("a text").to_owned());
    (ws, known)
}

/// Whether the client gets its socket back.
fn comes_back(server: &Server, [sid, pid, offset]: &[String; 3]) -> bool {
    let (_ws, [now, ..]) = connect(server, &format!("40{{\"pid\":\"{pid}\",\"offset\":\"{offset}\"}}"));
    now == *sid
}

pub fn the_oldest_events_are_dropped() -> Server {
    let server = recovering(Limits { recovery_packets: 1500, ..Limits::default() });
    let (ws, known) = connect(&server, "40");
    drop(ws);
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    server.handle().to("nobody").emit("long", "x".repeat(500)).expect("an event");
    assert!(comes_back(&server, &known));
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    server.handle().to("nobody").emit("long", "x".repeat(500)).expect("an event");
    assert!(!comes_back(&server, &known));
    server
}

pub fn the_longest_lost_sockets_are_dropped() -> Server {
    let server = recovering(Limits { recovery_sessions: 1000, ..Limits::default() });
    let lost: Vec<_> = (0..10)
        .map(|_| {
            let (ws, known) = connect(&server, "40");
            drop(ws);
            server.wait_until("gone", |metrics| metrics.sessions == 0);
            known
        })
        .collect();
    assert!(server.hits("recovery_sessions") > 0);
    assert!(comes_back(&server, &lost[9]) && !comes_back(&server, &lost[0]));
    server
}
