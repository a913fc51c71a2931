//! How the wait for a decision ends without one.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{Config, DisconnectReason, Limits};

use super::{defer, expect_silence, protocol_3, start, waiting};
use crate::support::{Polling, Server, WebSocket, one_shard, receive};

#[test]
fn what_a_waiting_client_sends_to_its_namespace_ends_its_session() {
    let (server, questions) = start(one_shard());
    for packet in ["42/slow,[\"echo\"]", "421/slow,[\"echo\"]", "431/slow,[]", "41/slow,", "40/slow,"] {
        let (mut ws, (_, admission)) = waiting(&server, &questions);
        ws.send_text(packet);
        ws.expect_close();
        assert!(!admission.is_pending(), "{packet}");
        admission.admit();
    }
    assert_eq!((server.metrics().sockets, server.metrics().admissions_waiting), (0, 0));
    server.assert_well();
}

#[test]
fn a_client_may_leave_meanwhile() {
    let (server, questions) = start(one_shard());
    let idle = server.metrics().kept_bytes;
    let (ws, (socket, admission)) = waiting(&server, &questions);
    let polling = Polling::open(&server);
    polling.post_ok("40/slow,");
    let (_, other) = receive(&questions);
    drop(ws);
    polling.post_ok("1");
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    assert!(!admission.is_pending() && !other.is_pending());
    admission.admit();
    drop(other);
    socket.emit("nobody", ()).expect("an event");
    server.assert_well();
    server.wait_until("forgotten", |metrics| metrics.kept_bytes == idle);
    assert_eq!((server.metrics().sockets, server.metrics().admissions_waiting), (0, 0));
}

#[test]
fn its_place_may_be_another_s_when_the_decision_comes() {
    let (server, questions) = start(one_shard());
    let (ws, (_, old)) = waiting(&server, &questions);
    drop(ws);
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    let (mut ws, (_, new)) = waiting(&server, &questions);
    old.admit();
    expect_silence(&mut ws);
    assert!(new.is_pending());
}

/// A server on which nobody waits long.
fn hasty(limits: Limits) -> Config {
    Config { connect_timeout: Duration::from_millis(100), limits, ..one_shard() }
}

#[test]
fn a_client_that_waits_too_long_is_closed_not_refused() {
    let (server, questions) = start(hasty(Limits::default()));
    let (mut ws, (_, admission)) = waiting(&server, &questions);
    ws.expect_close();
    assert!(!admission.is_pending());
    admission.admit();

    // One that is in another namespace has no other deadline.
    let (mut ws, _) = WebSocket::open(&server);
    expect_silence(&mut ws);
    server.wait_for_hits("connect_timeout", 1);
    ws.send_text("40/slow,");
    let (_, admission) = receive(&questions);
    ws.expect_close();
    assert!(!admission.is_pending());
    server.wait_for_hits("connect_timeout", 2);
    server.wait_until("gone", |metrics| metrics.sessions == 0 && metrics.sockets == 0);
}

#[test]
fn clients_of_protocol_3_do_not_wait_for_ever() {
    let (sender, questions) = channel();
    let config = Config { allow_eio3: true, ..hasty(Limits::default()) };
    let server = Server::start(config, |server| defer(server.of("/"), &sender));
    let mut ws = protocol_3(&server);
    let question = receive(&questions);
    ws.expect_close();
    assert!(!question.1.is_pending());
    server.wait_for_hits("connect_timeout", 1);
}

#[test]
fn a_client_too_many_is_closed_not_refused() {
    let limits = Limits { pending_admissions: 2, ..Limits::default() };
    let (server, questions) = start(Config { limits, ..one_shard() });
    let (first, second) = (waiting(&server, &questions), waiting(&server, &questions));
    for _ in 0..2 {
        let (mut ws, _) = WebSocket::open(&server);
        ws.send_text("40/slow,");
        ws.expect_close();
    }
    server.wait_for_hits("pending_admissions", 2);
    // One that has left counts as long as the program keeps its admission.
    let (ws, (_, admission)) = first;
    drop(ws);
    server.wait_until("gone", |metrics| metrics.sessions == 1);
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40/slow,");
    ws.expect_close();
    drop(admission);
    let third = waiting(&server, &questions);
    assert!(third.1.1.is_pending() && second.1.1.is_pending());
}

#[test]
fn a_drain_waits_for_the_decision() {
    let (sender, left) = channel();
    let (asked, questions) = channel();
    let server = Server::start(Config { drain: Duration::from_secs(8), ..one_shard() }, |server| {
        let root = server.of("/");
        defer(root, &asked);
        root.on_disconnect(move |_, reason| sender.send(reason));
    });
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40");
    let (_, admission) = receive(&questions);
    let (mut idle, _) = WebSocket::open(&server);
    server.handle().drain();
    idle.expect_close();
    assert!(admission.is_pending());
    admission.admit();
    assert!(ws.text().starts_with("40{"));
    ws.expect_close();
    assert_eq!(receive(&left), DisconnectReason::ServerShuttingDown);
    drop((ws, idle));
    server.wait_for_end().expect("the server ran well");
}

#[test]
fn a_server_that_stops_closes_those_who_wait() {
    let (server, questions) = start(one_shard());
    let (mut ws, (_, admission)) = waiting(&server, &questions);
    server.handle().close();
    ws.expect_close();
    drop(ws);
    server.wait_for_end().expect("the server ran well");
    assert!(!admission.is_pending());
    admission.admit();
}
