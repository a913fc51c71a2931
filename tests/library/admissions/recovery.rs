//! Clients that come back to a namespace whose middlewares take their time.

use std::sync::mpsc::{Receiver, channel};

use kinglet::{Config, Recovery, Refusal};
use serde_json::Value;

use super::{Question, defer};
use crate::support::{Server, WebSocket, config, receive};

/// A server whose middlewares are asked about clients that come back, too.
fn start(shards: usize) -> (Server, Receiver<Question>) {
    let (sender, questions) = channel();
    let recovery = Recovery { skip_middlewares: false, ..Recovery::default() };
    let server = Server::start(Config { recovery: Some(recovery), ..config(shards) }, |server| {
        let root = server.of("/");
        defer(root, &sender);
        root.on_connect(|socket| socket.emit("welcome", socket.recovered()));
    });
    (server, questions)
}

/// A client that was let in and lost, and the CONNECT with which it comes back.
fn lost(server: &Server, questions: &Receiver<Question>) -> String {
    let (mut ws, _) = WebSocket::open(server);
    ws.send_text("40");
    let (socket, admission) = receive(questions);
    socket.join("room");
    admission.admit();
    let answer: Value = serde_json::from_str(&ws.text()[2..]).expect("JSON");
    let welcome: Value = serde_json::from_str(&ws.text()[2..]).expect("JSON");
    drop(ws);
    server.wait_until("lost", |metrics| metrics.sessions == 0);
    format!("40{{\"pid\":{},\"offset\":{}}}", answer["pid"], welcome[2])
}

fn back(server: &Server, claim: &str) -> WebSocket {
    let (mut ws, _) = WebSocket::open(server);
    ws.send_text(claim);
    ws
}

/// The name of the next event.
fn event(ws: &mut WebSocket) -> String {
    let text = ws.text();
    let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap_or_else(|| panic!("{text}"))).expect("JSON");
    event[0].as_str().expect("a name").to_owned()
}

#[test]
fn what_is_sent_until_the_decision_comes_before_the_answer() {
    for shards in [1, 3] {
        let (server, questions) = start(shards);
        let claim = lost(&server, &questions);
        server.handle().to("room").emit("missed", ()).expect("an event");
        let mut ws = back(&server, &claim);
        let (_, admission) = receive(&questions);
        server.handle().to("room").emit("while it waits", ()).expect("an event");
        server.handle().emit("to everybody", ()).expect("an event");
        admission.admit();
        for name in ["missed", "while it waits", "to everybody"] {
            assert_eq!(event(&mut ws), name);
        }
        assert!(ws.text().starts_with("40{"));
        assert_eq!(event(&mut ws), "welcome");
        assert_eq!(server.metrics().recovered, 1);
    }
}

#[test]
fn a_client_that_is_refused_or_leaves_may_come_back_once_more() {
    let (server, questions) = start(2);
    let claim = lost(&server, &questions);
    server.handle().to("room").emit("missed", ()).expect("an event");
    let mut ws = back(&server, &claim);
    receive(&questions).1.refuse(Refusal::new("later"));
    ws.expect_text("44{\"message\":\"later\"}");
    drop(ws);
    let ws = back(&server, &claim);
    let (_, admission) = receive(&questions);
    drop(ws);
    server.wait_until("gone", |metrics| (metrics.sessions, metrics.sockets, metrics.kept_bytes) == (0, 0, 0));
    assert!(!admission.is_pending());
    let mut ws = back(&server, &claim);
    receive(&questions).1.admit();
    assert_eq!(event(&mut ws), "missed");
    assert!(ws.text().starts_with("40{"));
    assert_eq!(server.metrics().recovered, 1);
}
