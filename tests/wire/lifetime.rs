//! Replay of the captured ends that the server causes: connect timeout, disconnects, its own end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Frame, Polling, Server, Socket, WebSocket, masked};

/// The entries judged here.
pub const JUDGED: &[&str] = &["eb-066", "eb-067", "eb-068", "eb-069", "eb-070", "eb-071", "eb-072"];

const HURRIED: &[(&str, &str)] = &[("CONNECT_TIMEOUT", "1500")];
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1495);

#[test]
fn a_session_that_joins_nothing_is_closed_in_time() {
    let server = Server::with(HURRIED);
    let begin = Instant::now();
    let (mut ws, sid) = WebSocket::open(&server);
    ws.expect_close();
    assert!(begin.elapsed() >= CONNECT_TIMEOUT, "{:?}", begin.elapsed());
    assert!(!Polling::knows(&mut server.connect(), &sid));

    let session = Polling::open(&server);
    session.poll().response().assert_is(200, "1");
    assert!(!session.lives());
}

#[test]
fn a_refused_namespace_does_not_count_as_joined() {
    let server = Server::with(HURRIED);
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40/nope,");
    ws.expect_text("44/nope,{\"message\":\"Invalid namespace\"}");
    ws.expect_close();
}

#[test]
fn a_session_that_left_all_its_namespaces_stays_open() {
    let server = Server::with(HURRIED);
    let mut socket = Socket::connect(&server);
    socket.ws.send_text("41");
    socket.ws.expect_nothing_more();
    // A session that opened later and joined no namespace. When it is closed, the first session's time is over.
    let (mut later, _) = WebSocket::open(&server);
    later.expect_close();
    socket.ws.expect_nothing_more();
    Socket::connect_over(socket.ws, socket.sid);
}

#[test]
fn a_socket_refused_twice_connects_and_is_disconnected_on_one_session() {
    let server = Server::start();
    let (mut ws, _) = WebSocket::open(&server);
    for connect in ["40/auth,", "40/auth,{\"token\":\"wrong\"}"] {
        ws.send_text(connect);
        ws.expect_text("44/auth,{\"message\":\"not authorized\",\"data\":{\"code\":\"E_AUTH\",\"retry\":false}}");
    }
    ws.send_text("40/auth,{\"token\":\"secret\"}");
    assert_eq!(masked(&ws.text()), "40/auth,{\"sid\":\"<sid>\"}");
    ws.expect_text("42/auth,[\"auth\",{\"token\":\"secret\"}]");
    ws.send_text("42/auth,[\"disconnect-me\",false]");
    ws.expect_text("41/auth,");
    ws.expect_nothing_more();
}

#[test]
fn a_disconnect_with_close_says_so_in_each_namespace_and_closes() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let mut socket = Socket::tracked(&server, "eb-071");
    socket.ws.send_text("40/custom,");
    assert_eq!(masked(&socket.ws.text()), "40/custom,{\"sid\":\"<sid>\"}");
    socket.ws.expect_text("42/custom,[\"auth\",{}]");

    socket.emit(&json!(["disconnect-me", true]));
    let mut goodbyes = Vec::new();
    while goodbyes.len() < 2 {
        goodbyes.extend(Some(socket.ws.text()).filter(|packet| packet.starts_with("41")));
    }
    goodbyes.sort();
    assert_eq!(goodbyes, ["41", "41/custom,"]);
    socket.ws.expect_close();
    assert_eq!(observer.reason_of("eb-071"), json!(["server namespace disconnect"]));
}

#[test]
fn a_disconnect_with_close_reaches_a_polling_client_too() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let mut session = Polling::tracked(&server, "polling");
    session.post_ok("42[\"disconnect-me\",true]");
    let mut said = String::new();
    while !said.ends_with('1') || said.ends_with("41") {
        said = session.get().text();
    }
    assert!(!session.lives());
    assert_eq!(observer.reason_of("polling"), json!(["server namespace disconnect"]));
}

#[test]
fn a_server_told_to_end_closes_without_a_disconnect_packet() {
    let mut server = Server::start();
    let mut socket = Socket::connect(&server);
    let mut held = Polling::connected(&server).poll();
    server.terminate();
    socket.ws.expect(&Frame::close());
    held.response().assert_is(200, "1");
    assert_eq!(server.wait().code(), Some(0));
}
