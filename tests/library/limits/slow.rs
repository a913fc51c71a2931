//! The limits of slow consumers: clients that do not read their output.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{Config, Limits};
use socket2::{Domain, Socket, Type};

use crate::support::{Client, Connection, Frame, Polling, Server, WebSocket, config, event, one_shard, receive};

/// Far more than the kernel keeps for a connection.
const HUGE: usize = 8 << 20;

const SHORT: Duration = Duration::from_millis(200);

/// Emits an argument of this length and waits until it has been delivered.
fn emit_long(server: &Server, to: &str, length: usize) {
    let before = server.metrics().delivered;
    server.handle().to(to).emit("long", "x".repeat(length)).expect("JSON");
    server.wait_until("delivered", |metrics| metrics.delivered > before);
}

/// A server with these limits. It reports which sockets left, and why.
fn start(limits: Limits) -> (Server, std::sync::mpsc::Receiver<(String, String)>) {
    let (sender, reasons) = channel();
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on_disconnect(move |socket, reason| sender.send((socket.id().to_string(), reason.to_string())));
    });
    (server, reasons)
}

fn assert_forgotten(server: &Server) {
    server.wait_until("nothing waits", |metrics| metrics.queued_bytes == 0);
}

pub fn a_websocket_that_does_not_read_is_cut_off() -> Server {
    let (server, reasons) = start(Limits { queued_per_client: Some(1000), ..Limits::default() });
    let (mut slow, mut other) = (Client::connect(&server), Client::connect(&server));
    emit_long(&server, &slow.id, HUGE);
    server.wait_until("what the kernel refused", |metrics| metrics.queued_bytes > 0);

    // One message may wait, however long. A volatile one is dropped instead.
    server.handle().to(&*slow.id).volatile().emit("volatile", ()).expect("JSON");
    server.wait_until("dropped", |metrics| metrics.volatile_dropped == 1);
    emit_long(&server, &slow.id, 500);
    server.handle().emit("all", ()).expect("JSON");
    other.expect("\"all\"");
    assert_eq!(server.metrics().slow_consumers, 0);
    emit_long(&server, &slow.id, 500);
    assert_eq!(receive(&reasons), (slow.id.clone(), "transport error".to_owned()));

    server.handle().emit("all", ()).expect("JSON");
    other.expect("\"all\"");
    other.ws.expect_nothing_more();
    slow.ws.connection.drain_to_end();
    assert_eq!((server.hits("queued_per_client"), server.metrics().slow_consumers), (1, 1));
    assert_forgotten(&server);
    server
}

pub fn a_polling_client_that_does_not_fetch_is_cut_off() -> Server {
    let (server, reasons) = start(Limits { queued_per_client: Some(1000), ..Limits::default() });
    let (session, id) = Polling::connected(&server);
    emit_long(&server, &id, 500);
    emit_long(&server, &id, 2000);
    assert_eq!(server.metrics().slow_consumers, 0);
    emit_long(&server, &id, 1);
    assert_eq!(receive(&reasons), (id, "transport error".to_owned()));
    session.get().assert_is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    assert_eq!((server.hits("queued_per_client"), server.metrics().slow_consumers), (1, 1));
    assert_forgotten(&server);
    server
}

pub fn the_longest_of_all_queues_is_cut_off() -> Server {
    let (server, reasons) = start(Limits { queued: Some(10_000), ..Limits::default() });
    let (_longest, longest_id) = Polling::connected(&server);
    let (other, other_id) = Polling::connected(&server);
    emit_long(&server, &longest_id, 6000);
    emit_long(&server, &other_id, 3000);
    assert_eq!(server.metrics().slow_consumers, 0);
    emit_long(&server, &other_id, 1000);
    assert_eq!(receive(&reasons), (longest_id, "transport error".to_owned()));
    let waited = [3000, 1000].map(|length| event(&format!("\"long\",\"{}\"", "x".repeat(length))));
    other.get().assert_is(200, &waited.join("\x1e"));
    assert_forgotten(&server);

    let mut client = Client::connect(&server);
    emit_long(&server, &client.id, HUGE);
    assert_eq!(receive(&reasons), (client.id.clone(), "transport error".to_owned()));
    client.ws.connection.drain_to_end();
    assert_eq!((server.hits("queued"), server.metrics().slow_consumers), (2, 2));
    assert_forgotten(&server);
    server
}

pub fn a_stalled_connection_is_cut_off() -> Server {
    let (server, reasons) = start(Limits { write_stall: SHORT, ..Limits::default() });
    let mut client = Client::connect(&server);
    emit_long(&server, &client.id, HUGE);
    assert_eq!(receive(&reasons), (client.id.clone(), "transport error".to_owned()));
    client.ws.connection.drain_to_end();
    assert_forgotten(&server);

    let (session, id) = Polling::connected(&server);
    emit_long(&server, &id, HUGE);
    let mut connection = session.send(&session.get_request());
    server.wait_for_hits("write_stall", 2);
    connection.drain_to_end();
    assert_eq!(server.metrics().slow_consumers, 2);
    assert_forgotten(&server);
    server
}

#[test]
fn a_close_frame_that_was_read_late_must_still_be_answered() {
    let limits = Limits { close_timeout: SHORT, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |_| {});
    let mut client = Client::connect(&server);
    emit_long(&server, &client.id, HUGE);
    server.handle().to(&*client.id).disconnect_sockets(true);
    server.wait_until("told to go", |metrics| metrics.sessions == 0);
    assert!(client.ws.text().len() > HUGE);
    client.ws.expect_text("41");
    client.ws.expect(&Frame::close());
    client.ws.connection.expect_end();
    assert_forgotten(&server);
}

#[test]
fn a_connection_that_changes_shards_with_answers_unread_is_cut_off_and_forgotten() {
    let server = Server::start(config(2), |_| {});
    let (first, id) = Polling::connected(&server);
    let mut second = Polling::open(&server);
    while second.shard == first.shard {
        second = Polling::open(&server);
    }
    emit_long(&server, &id, HUGE);
    let mut connection = first.send(&(first.get_request() + &second.get_request()));
    connection.drain_to_end();
    assert_forgotten(&server);
    server.wait_until("forgotten", |metrics| metrics.connections == 0);
}

#[test]
fn a_head_that_does_not_end_behind_a_stalled_answer_holds_nothing() {
    let limits = Limits { header_timeout: 5 * SHORT, write_stall: 10 * SHORT, ..Limits::default() };
    let (server, _) = start(limits);
    let (session, id) = Polling::connected(&server);
    emit_long(&server, &id, HUGE);
    let mut connection = session.send(&(session.get_request() + "GET / HT"));
    server.wait_for_hits("write_stall", 1);
    connection.drain_to_end();
    assert_forgotten(&server);
    server.wait_until("forgotten", |metrics| metrics.connections == 0);
}

#[test]
fn a_slow_client_that_reads_in_time_gets_everything_in_order() {
    let (server, _) = start(Limits { queued_per_client: Some(HUGE), ..Limits::default() });
    let mut client = Client::connect(&server);
    for number in 0..32 {
        server.handle().emit("n", (number, "x".repeat(HUGE / 32))).expect("JSON");
    }
    server.wait_until("what the kernel refused", |metrics| metrics.queued_bytes > 0);
    for number in 0..32 {
        assert!(client.ws.text().starts_with(&format!("42[\"n\",{number},")));
    }
    client.ws.expect_nothing_more();
    assert_eq!(server.metrics().slow_consumers, 0);
    assert_forgotten(&server);
}

#[test]
fn a_connection_whose_answer_was_read_late_is_kept_alive() {
    // Long enough for this client to read in time.
    let stall = 5 * SHORT;
    let limits = Limits { write_stall: stall, send_buffer: 4096, ..Limits::default() };
    let server = Server::start(Config { limits, ping_interval: stall / 2, ..one_shard() }, |_| {});
    let (session, id) = Polling::connected(&server);
    emit_long(&server, &id, 60_000);
    // A small buffer on this side, too, so that the kernel cannot take the whole answer.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&server.address().into()).expect("the server accepts");
    let mut connection = Connection::over(socket.into());
    let before = server.metrics().requests;
    connection.send(session.get_request().as_bytes());
    server.wait_until("asked", |metrics| metrics.requests > before);
    assert!(connection.response().body.len() > 60_000);

    // Pings are the clock.
    let (mut clock, _) = WebSocket::open(&server);
    for _ in 0..5 {
        clock.expect_text("2");
        clock.send_text("3");
    }
    connection.send(session.get_request().as_bytes());
    assert_eq!((connection.response().status, server.hits("keep_alive")), (200, 0));
}
