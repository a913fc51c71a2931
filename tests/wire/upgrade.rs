//! Replay of the captured upgrades from polling to WebSocket: their order on the wire and their races. Also the list of which
//! captured behaviour is judged where.

use serde_json::json;

use crate::support::{Frame, Polling, Server, Socket, Vectors, WebSocket, assert_covers};
use crate::{compression, heartbeat, lifetime, packets, protocol_3, websocket};

/// The entries judged here.
const JUDGED: &[&str] = &[
    "eb-001", "eb-002", "eb-003", "eb-004", "eb-005", "eb-006", "eb-007", "eb-008", "eb-009", "eb-010", "eb-011",
    "eb-012", "eb-013",
];

/// Entries with settings that the conformance application does not have, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("eb-014", "allowUpgrades is not one of its settings"),
    ("eb-015", "transports is not one of its settings"),
    ("eb-016", "transports is not one of its settings"),
    ("eb-017", "transports is not one of its settings"),
    ("eb-018", "allowUpgrades is not one of its settings"),
    ("eb-075", "JSONP"),
    ("eb-076", "JSONP"),
];

#[test]
fn every_entry_is_judged_or_listed_as_skipped() {
    let skipped: Vec<_> = SKIPPED.iter().map(|(id, _)| *id).collect();
    let lists = [
        JUDGED,
        &skipped,
        heartbeat::JUDGED,
        lifetime::JUDGED,
        protocol_3::JUDGED,
        compression::JUDGED,
        &websocket::judged(),
        &packets::judged(),
    ];
    assert_covers(&Vectors::behaviour(), &lists);
}

#[test]
fn the_normal_upgrade_loses_and_reorders_nothing() {
    let server = Server::start();
    let mut other = Socket::connect(&server);
    let mut session = Polling::tracked(&server, "eb-001");
    let mut held = session.poll();
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("2probe");
    ws.expect_text("3probe");
    held.response().assert_is(200, "6");

    // Nothing goes to the WebSocket before the upgrade packet: an event waits for a GET.
    other.broadcast("queued", &json!(1));
    ws.expect_nothing_more();
    session.get().assert_is(200, "42[\"queued\",1]");

    other.broadcast("first", &json!(1));
    ws.send_text("5");
    ws.expect_text("42[\"first\",1]");
    other.broadcast("after", &json!(2));
    ws.expect_text("42[\"after\",2]");
    assert_eq!(other.reasons("eb-001"), json!([]));

    // eb-002, eb-003: polling is over.
    session.get().assert_is(400, "{\"code\":3,\"message\":\"Bad request\"}");
    session.post("40").assert_is(400, "{\"code\":3,\"message\":\"Bad request\"}");

    // eb-004: so is upgrading.
    WebSocket::probe(&server, &session.sid).expect_close();
    other.broadcast("still", &json!(3));
    ws.expect_text("42[\"still\",3]");
}

#[test]
fn an_upgrade_packet_answers_the_get_still_held_with_close() {
    let server = Server::start();
    let mut other = Socket::connect(&server);
    let session = Polling::tracked(&server, "eb-005");
    let mut held = session.poll();
    let mut ws = WebSocket::probe(&server, &session.sid);
    // In one write: the noop of the probe must not come in between.
    let probe_and_upgrade = [WebSocket::masked_frame(0x81, b"2probe"), WebSocket::masked_frame(0x81, b"5")].concat();
    ws.connection.send(&probe_and_upgrade);
    ws.expect_text("3probe");
    let response = held.response();
    response.assert_is(200, "1");
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.header("content-length").as_deref(), Some("1"));
    assert_eq!(response.header("cache-control").as_deref(), Some("no-store"));

    other.broadcast("x", &json!(null));
    ws.expect_text("42[\"x\",null]");
    assert_eq!(other.reasons("eb-005"), json!([]));
}

#[test]
fn every_get_held_while_probing_is_answered_with_noop() {
    let server = Server::start();
    let session = Polling::open(&server);
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("2probe");
    ws.expect_text("3probe");
    for _ in 0..2 {
        session.poll().response().assert_is(200, "6");
    }
    // A probe may be repeated.
    ws.send_text("2probe");
    ws.expect_text("3probe");
}

#[test]
fn another_packet_on_a_probing_websocket_ends_the_attempt_only() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let session = Polling::tracked(&server, "eb-008");
    for packet in ["4hello", "2", "1", "6", "9", ""] {
        let mut ws = WebSocket::probe(&server, &session.sid);
        ws.send_text("2probe");
        ws.expect_text("3probe");
        ws.send_text(packet);
        ws.expect(&Frame::close());
        ws.answer_close();
        assert!(session.lives(), "after {packet:?}");
    }
    // The next attempt can succeed.
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("5");
    observer.broadcast("x", &json!(1));
    ws.expect_text("42[\"x\",1]");
    assert_eq!(observer.reasons("eb-008"), json!([]));
}

#[test]
fn a_second_websocket_while_one_is_probing_is_closed() {
    let server = Server::start();
    let mut other = Socket::connect(&server);
    let session = Polling::connected(&server);
    let mut first = WebSocket::probe(&server, &session.sid);
    first.send_text("2probe");
    first.expect_text("3probe");
    WebSocket::probe(&server, &session.sid).expect_close();

    first.send_text("5");
    other.broadcast("x", &json!(1));
    first.expect_text("42[\"x\",1]");
}

#[test]
fn a_probing_websocket_that_closes_is_forgotten() {
    let server = Server::start();
    let mut other = Socket::connect(&server);
    let session = Polling::connected(&server);
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("2probe");
    ws.expect_text("3probe");
    ws.send(0x88, &[]);
    ws.expect(&Frame::close());
    ws.connection.expect_end();
    drop(ws);
    assert!(session.lives());

    // Until the server has seen the end of the connection, the attempt counts.
    let mut ws = loop {
        let mut ws = WebSocket::probe(&server, &session.sid);
        ws.send_text("2probe");
        if ws.frame() == Frame::text("3probe") {
            break ws;
        }
    };
    ws.send_text("5");
    other.broadcast("x", &json!(1));
    ws.expect_text("42[\"x\",1]");
}

#[test]
fn an_upgrade_packet_needs_no_probe() {
    let server = Server::start();
    let mut other = Socket::connect(&server);
    let session = Polling::connected(&server);
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("5");
    ws.expect_nothing_more();
    other.broadcast("x", &json!(1));
    ws.expect_text("42[\"x\",1]");
}

#[test]
fn an_unfinished_upgrade_is_closed_in_time_and_the_session_lives() {
    let server = Server::with(&[("UPGRADE_TIMEOUT", "300")]);
    let mut session = Polling::open(&server);
    let begin = std::time::Instant::now();
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("2probe");
    ws.expect_text("3probe");
    ws.expect_close();
    assert!(begin.elapsed().as_millis() >= 299, "closed after {:?}", begin.elapsed());
    assert!(session.lives());
    session.post_ok("40");
    session.read_until("40{\"sid\":");
}
