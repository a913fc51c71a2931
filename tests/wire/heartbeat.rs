//! Replay of the captured heartbeats. Only the order and lower bounds of times are judged, because a busy machine may
//! delay timers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Frame, PATIENCE, Polling, Server, Socket};

/// The entries judged here.
pub const JUDGED: &[&str] = &["eb-019", "eb-020", "eb-021", "eb-022"];

/// Timers may count in whole milliseconds from the turn of the loop before.
const COARSENESS: Duration = Duration::from_millis(5);

const INTERVAL: Duration = Duration::from_millis(300);
/// Long enough for a client on a busy machine, and for the observer of a test, which answers no ping.
const TIMEOUT: Duration = Duration::from_secs(2);
const FAST: &[(&str, &str)] = &[("PING_INTERVAL", "300"), ("PING_TIMEOUT", "2000")];

#[test]
fn pings_follow_pongs_until_one_is_missing() {
    let server = Server::with(FAST);
    let opened = Instant::now();
    let mut socket = Socket::connect(&server);
    socket.ws.expect_text("2");
    assert_after(opened, INTERVAL);

    socket.ws.send_text("3");
    socket.ws.expect_text("2");
    // From the first ping on; the pong may have come late.
    assert_after(opened, 2 * INTERVAL);

    let ping = Instant::now();
    socket.ws.expect_close();
    assert_after(ping, TIMEOUT);
    assert!(!Polling::knows(&mut server.connect(), &socket.sid));
}

#[test]
fn a_missing_pong_ends_the_session_on_either_transport() {
    let server = Server::with(FAST);
    let (begin, mut websocket) = (Instant::now(), Socket::tracked(&server, "eb-020-ws"));
    websocket.ws.expect_text("2");
    websocket.ws.expect(&Frame::close());
    assert_after(begin, INTERVAL + TIMEOUT);

    let mut polling = Polling::tracked(&server, "eb-020-polling");
    polling.get().assert_is(200, "2");
    polling.get().assert_is(200, "1");
    assert!(!polling.lives());

    let mut observer = Socket::connect(&server);
    assert_eq!(observer.reasons("eb-020-ws"), json!(["ping timeout"]));
    assert_eq!(observer.reasons("eb-020-polling"), json!(["ping timeout"]));
}

#[test]
fn the_first_other_packet_extends_the_deadline_once() {
    const QUIET: Duration = Duration::from_millis(400);
    let server = Server::with(FAST);
    let mut socket = Socket::tracked(&server, "eb-021");
    socket.ws.expect_text("2");
    let ping = Instant::now();
    assert!(socket.ws.connection.is_silent_for(QUIET));
    let extended = Instant::now();
    // Were each of these packets to extend it, the session would outlive them all.
    socket.ws.send_text("6");
    while socket.ws.connection.is_silent_for(Duration::from_millis(50)) {
        assert!(extended.elapsed() < PATIENCE, "the deadline is extended for ever");
        socket.ws.send_text("6");
    }
    socket.ws.expect(&Frame::close());
    assert_after(extended, TIMEOUT);
    assert_after(ping, QUIET + TIMEOUT);

    let mut observer = Socket::connect(&server);
    assert_eq!(observer.reasons("eb-021"), json!(["ping timeout"]));
}

#[test]
fn a_ping_from_the_client_ends_the_session() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let mut socket = Socket::tracked(&server, "eb-022");
    socket.ws.send_text("2");
    socket.ws.expect_close();
    assert_eq!(observer.reason_of("eb-022"), json!(["transport error"]));
}

fn assert_after(begin: Instant, time: Duration) {
    let elapsed = begin.elapsed();
    assert!(elapsed + COARSENESS >= time, "{elapsed:?} in place of at least {time:?}");
}
