//! The limits of recovery: events and sockets that are kept for clients to come back.

use kinglet::{Config, Limits, Recovery};
use serde_json::Value;

use crate::support::{Server, WebSocket, one_shard};

fn recovering(limits: Limits) -> Server {
    let config = Config { recovery: Some(Recovery::default()), limits, ..one_shard() };
    Server::start(config, |server| {
        let namespace = server.of("/");
        namespace.on_connect(|socket| socket.emit("welcome", ()));
        namespace.on("flood", |socket, _| {
            (0..4).try_for_each(|number| socket.join(format!("{number}{}", "x".repeat(255))))?;
            (0..100).try_for_each(|_| socket.emit("long", "x".repeat(1000)))?;
            Ok::<_, Box<dyn std::error::Error>>(())
        });
    })
}

/// Connects with this CONNECT; returns the socket's id, the private id, and the offset of the greeting.
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
    let server = recovering(Limits { recovery_packets: 16 * 1024, ..Limits::default() });
    let (ws, known) = connect(&server, "40");
    drop(ws);
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    server.handle().to("nobody").emit("long", "x".repeat(8000)).expect("an event");
    assert!(comes_back(&server, &known));
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    server.handle().to("nobody").emit("long", "x".repeat(8000)).expect("an event");
    assert!(!comes_back(&server, &known));
    server
}

pub fn the_longest_lost_sockets_are_dropped() -> Server {
    let server = recovering(Limits { recovery_sessions: 8 * 1024, ..Limits::default() });
    let lost: Vec<_> = (0..30)
        .map(|_| {
            let (ws, known) = connect(&server, "40");
            drop(ws);
            server.wait_until("gone", |metrics| metrics.sessions == 0);
            known
        })
        .collect();
    assert!(server.hits("recovery_sessions") > 0);
    assert!(comes_back(&server, &lost[29]) && !comes_back(&server, &lost[0]));
    server
}

pub fn a_socket_beyond_its_share_goes_itself() -> Server {
    let server = recovering(Limits { recovery_packets: 16 * 1024, recovery_sessions: 16 * 1024, ..Limits::default() });
    let (ws, known) = connect(&server, "40");
    let (mut hoarder, its_own) = connect(&server, "40");
    hoarder.send_text(r#"42["flood"]"#);
    (0..100).for_each(|_| drop(hoarder.text()));
    drop((ws, hoarder));
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    assert_eq!((server.hits("recovery_packets") > 80, server.hits("recovery_sessions")), (true, 1));
    assert!(!comes_back(&server, &its_own) && comes_back(&server, &known));
    server
}
