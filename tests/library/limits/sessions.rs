//! The time limits of sessions.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{Config, Limits};

use crate::support::{Client, Frame, Polling, Server, WebSocket, one_shard, receive, socket_id};

const SHORT: Duration = Duration::from_millis(50);

pub fn a_close_frame_without_an_answer_ends_the_connection() -> Server {
    let limits = Limits { close_timeout: SHORT, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on("go", |socket, _| socket.disconnect(true));
    });
    let mut client = Client::connect(&server);
    client.emit("\"go\"");
    client.ws.expect_text("41");
    client.ws.expect(&Frame::close());
    client.ws.connection.expect_end();
    assert_eq!(server.hits("close_timeout"), 1);

    let mut polite = Client::connect(&server);
    polite.emit("\"go\"");
    polite.ws.expect_text("41");
    polite.ws.expect_close();
    drop(polite);
    server.wait_until("nobody left", |metrics| metrics.connections == 0);
    server
}

pub fn a_client_that_joins_nothing_is_closed() -> Server {
    let server = Server::start(Config { connect_timeout: SHORT, ..one_shard() }, |_| {});
    let (mut ws, _) = WebSocket::open(&server);
    ws.expect_close();
    server.wait_for_hits("connect_timeout", 1);

    let session = Polling::open(&server);
    let answer = session.get().text();
    assert!(["1", "6\x1e1"].contains(&answer.as_str()), "{answer:?}");
    server.wait_for_hits("connect_timeout", 2);
    server.wait_until("nobody left", |metrics| metrics.sessions == 0);
    server
}

pub fn a_client_without_a_pulse_is_closed() -> Server {
    let (sender, reasons) = channel();
    let config = Config { ping_interval: SHORT, ping_timeout: SHORT, ..one_shard() };
    let server = Server::start(config, |server| {
        server.of("/").on_disconnect(move |_, reason| sender.send(reason.to_string()));
    });
    // In the segment of the handshake, so that it comes in time on the slowest machine.
    let join = WebSocket::masked_frame(0x81, b"40");
    let mut ws = WebSocket::open_with(&server, "", &join);
    ws.opened();
    socket_id(&ws.text());
    ws.expect_text("2");
    ws.expect_close();
    assert_eq!(receive(&reasons), "ping timeout");
    server.wait_for_hits("ping_timeout", 1);

    Polling::open(&server);
    server.wait_for_hits("ping_timeout", 2);
    server.wait_until("nobody left", |metrics| metrics.sessions == 0);
    server
}

pub fn an_unfinished_upgrade_is_dropped_and_the_session_lives() -> Server {
    let server = Server::start(Config { upgrade_timeout: SHORT, ..one_shard() }, |_| {});
    let (session, _) = Polling::connected(&server);
    let probe = WebSocket::masked_frame(0x81, b"2probe");
    let mut ws = WebSocket::open_with(&server, &format!("&sid={}", session.sid), &probe);
    ws.expect_text("3probe");
    ws.expect_close();
    server.wait_for_hits("upgrade_timeout", 1);

    server.handle().emit("still here", ()).expect("JSON");
    session.get().assert_is(200, "42[\"still here\"]");
    assert_eq!((server.metrics().upgrades, server.metrics().sessions), (0, 1));
    server
}
