//! Replay of captured Socket.IO packets: violations, accepted oddities, and the server's own bytes.

use serde_json::json;

use crate::support::{Frame, Server, Socket, Vectors, WebSocket, hex, masked};
use crate::websocket::Replay;

/// Packets that end the session.
const VIOLATIONS: &[&str] = &[
    "eb-036", "eb-037", "eb-038", "eb-039", "eb-040", "eb-041", "eb-042", "eb-043", "eb-044", "eb-045", "eb-047",
    "eb-049", "eb-050", "eb-051", "eb-055", "eb-056", "eb-057", "eb-059", "eb-062",
];

/// Packets that do not.
const ACCEPTED: &[&str] =
    &["eb-046", "eb-048", "eb-052", "eb-053", "eb-054", "eb-058", "eb-060", "eb-061", "eb-064", "eb-065"];

/// Entries with a test of their own.
const SINGLE: &[&str] = &["eb-063", "eb-081"];

/// The entries judged here.
pub fn judged() -> Vec<&'static str> {
    [VIOLATIONS, ACCEPTED, SINGLE].concat()
}

#[test]
fn violations_close_the_session_as_captured() {
    let (server, vectors) = (Server::start(), Vectors::behaviour());
    let mut observer = Socket::connect(&server);
    for id in VIOLATIONS {
        Replay::of(&vectors, id).run(&server, &mut observer);
    }
}

#[test]
fn odd_packets_are_taken_as_captured() {
    let (server, vectors) = (Server::start(), Vectors::behaviour());
    let mut observer = Socket::connect(&server);
    for id in ACCEPTED {
        Replay::of(&vectors, id).run(&server, &mut observer);
    }
}

#[test]
fn a_space_for_the_packet_type_is_refused_or_read_as_connect() {
    let server = Server::start();
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("4 ");
    let answer = ws.frame();
    if answer != Frame::close() {
        assert_eq!(answer.masked_text(), "40{\"sid\":\"<sid>\"}");
    }
}

#[test]
fn numbers_that_no_float_holds_are_relayed_as_they_are_written() {
    let server = Server::start();
    let mut socket = Socket::connect(&server);
    let digits = "7".repeat(120);
    let numbers = format!("1e400,-1e400,1e-400,{digits},-{digits},0.{digits},1.0,1E+2");
    for event in ["[\"message\",NUMBERS]", "[\"emit-all\",\"message-back\",NUMBERS]"] {
        socket.ws.send_text(&format!("42{}", event.replace("NUMBERS", &numbers)));
        socket.ws.expect_text(&format!("42[\"message-back\",{numbers}]"));
    }
    socket.ws.send_text(&format!("421[\"message-with-ack\",{numbers}]"));
    socket.ws.expect_text(&format!("431[{numbers}]"));
}

#[test]
fn frames_of_the_server_are_the_captured_bytes() {
    let (server, vectors) = (Server::start(), Vectors::behaviour());
    let captured = hex(vectors.get("eb-081")["hex"].as_str().expect("hexadecimal digits"));
    let (connect, events) = captured.split_at(2 + 0x20);

    let (mut ws, sid) = WebSocket::open(&server);
    ws.send_text("40");
    let answer = ws.connection.take(connect.len());
    assert_eq!(answer[..2], connect[..2]);
    let texts = [&answer, connect].map(|bytes| masked(&String::from_utf8_lossy(&bytes[2..])));
    assert_eq!(texts[0], texts[1]);
    ws.expect_text("42[\"auth\",{}]");

    let mut other = Socket::connect(&server);
    other.ws.send_text("451-[\"broadcast\",\"bin\",{\"_placeholder\":true,\"num\":0}]");
    other.ws.send(0x82, &[1, 2, 3]);
    other.broadcast("len126", &json!("x".repeat(126)));

    // In the captured event the text is all that follows the name, but for two quotes and a bracket.
    let (before, request) = events.split_at(events.len() - 10);
    assert_eq!(ws.connection.take(before.len()), before);
    ws.send_text("42[\"request\",5000,\"q\"]");
    assert_eq!(ws.connection.take(request.len()), request);
    Socket::joined(ws, sid).call(&json!(["rooms"]));
}
