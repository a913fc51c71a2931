//! The stop of a server, as clients of every kind see it.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use kinglet::DisconnectReason;

use crate::support::{Client, Frame, Polling, Server, WebSocket, config, one_shard, receive};

/// The longest time that a stop may take on a busy machine.
const FEW_SECONDS: Duration = Duration::from_secs(6);

#[test]
fn a_stop_closes_clients_of_every_kind() {
    let (sender, reasons) = channel();
    let server = Server::start(config(2), |server| {
        server.of("/").on_disconnect(move |socket, reason| sender.send((socket.id().to_string(), reason)));
        server.of("/other");
    });
    let mut clients: Vec<_> = (0..6).map(|_| Client::connect(&server)).collect();
    let (holding, holding_id) = Polling::connected(&server);
    let (resting, resting_id) = Polling::connected(&server);
    let (upgrading, upgrading_id) = Polling::connected(&server);
    let mut probe = WebSocket::probe(&server, &upgrading.sid);
    probe.send_text("2probe");
    probe.expect_text("3probe");
    let (mut joining, _) = WebSocket::open(&server);
    let mut idle = server.connect();
    idle.send(b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    idle.response().assert_is(200, "all good");

    let address = server.address();
    // Once a request was answered on it, the connection is where its session is.
    let mut held = holding.send(&holding.post_request("42[\"nobody listens\"]"));
    held.response().assert_is(200, "ok");
    let before = server.metrics().requests;
    held.send(holding.get_request().as_bytes());
    server.wait_until("held", |metrics| metrics.requests > before);

    let handle = server.handle().clone();
    let stopping = std::thread::spawn(move || server.stop());
    for client in &mut clients {
        client.ws.expect_close();
    }
    held.response().assert_is(200, "1");
    probe.expect_close();
    joining.expect_close();
    idle.expect_end();
    let mut left: Vec<_> = clients.into_iter().map(|client| client.id).collect();
    left.extend([holding_id, resting_id, upgrading_id]);
    drop((held, resting, probe, joining, idle));
    stopping.join().expect("the thread ends").expect("the server ran well");

    for _ in 0..left.len() {
        let (id, reason) = receive(&reasons);
        assert_eq!(reason, DisconnectReason::ServerShuttingDown);
        left.retain(|other| *other != id);
    }
    assert_eq!(left, [""; 0]);
    let metrics = handle.metrics();
    assert_eq!((metrics.connections, metrics.sessions, metrics.sockets, metrics.queued_bytes), (0, 0, 0, 0));

    TcpStream::connect(address).expect_err("nobody listens");
    TcpListener::bind(address).expect("the port is free");
}

#[test]
fn a_server_without_clients_stops_at_once_and_closing_again_is_harmless() {
    let server = Server::start(config(3), |_| {});
    let handle = server.handle().clone();
    handle.close();
    handle.close();
    let begin = Instant::now();
    server.stop().expect("the server ran well");
    assert!(begin.elapsed() < FEW_SECONDS);
    handle.close();
    handle.emit("late", ()).expect("nobody is no error");
    handle.of("/").all_rooms(|_| -> () { panic!("nobody is there to ask") });
}

#[test]
fn half_sent_requests_do_not_delay_the_stop() {
    let server = Server::start(one_shard(), |_| {});
    let _silent = Client::connect(&server);
    let session = Polling::open(&server);
    let whole = session.post_request("42[\"whole\"]");
    let before = server.metrics().requests;
    let halves = [
        // The body of a session's POST, an unwanted body, and a head.
        session.send(&whole[..whole.len() - 5]),
        session.send(&whole.replace(&session.sid, "nobody")[..whole.len() - session.sid.len()]),
        session.send(&whole[..20]),
    ];
    server.wait_until("requests begun", |metrics| metrics.requests == before + 2 && metrics.connections == 4);
    server.handle().close();
    // The one that does not answer the close frame is left alone.
    server.wait_until("alone", |metrics| metrics.connections == 1);
    drop(halves);
    server.stop().expect("the server ran well");
}

#[test]
fn clients_that_do_not_answer_hold_the_server_for_a_few_seconds_at_most() {
    let server = Server::start(config(2), |_| {});
    let mut silent: Vec<_> = (0..4).map(|_| Client::connect(&server)).collect();
    let (session, id) = Polling::connected(&server);
    let posting = session.send(&session.post_request("half of this").replace("half of this", "half"));
    let deaf = Client::connect(&server);
    for id in [&id, &deaf.id] {
        server.handle().to(&**id).emit("long", "x".repeat(1 << 20)).expect("JSON");
    }
    let unread = session.send(&session.get_request());
    let mut head = server.connect();
    head.send(b"GET / HT");

    let begin = Instant::now();
    server.stop().expect("the server ran well");
    assert!(begin.elapsed() < FEW_SECONDS);
    for client in &mut silent {
        client.ws.expect(&Frame::close());
        client.ws.connection.expect_end();
    }
    drop((posting, unread, deaf));
}

#[test]
fn a_handler_stops_the_server() {
    let (sender, reasons) = channel();
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("stop", |socket, event| {
            event.ack("stopping").expect("JSON");
            socket.server().close();
        });
        root.on_disconnecting(|socket, _| {
            // It leaves, so nothing reaches it, and its broadcasts reach nobody.
            socket.emit("farewell", ()).expect("JSON");
            socket.disconnect(true);
        });
        root.on_disconnect(move |_, reason| sender.send(reason));
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("420[\"stop\"]");
    client.ws.expect_text("430[\"stopping\"]");
    client.ws.expect_close();
    drop(client);
    assert_eq!(receive(&reasons), DisconnectReason::ServerShuttingDown);
    server.stop().expect("the server ran well");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let server = Server::start(one_shard(), |_| {});
    for shards in [1, 2] {
        let config = kinglet::Config { port: server.address().port(), ..config(shards) };
        let error = kinglet::Server::new(config).expect("settings").start().expect_err("the port is taken");
        assert!(error.to_string().contains("another server is running there"), "{error}");
    }
}
