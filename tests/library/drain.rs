//! The drain: when clients are disconnected, and what a balancer sees meanwhile.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use kinglet::{Ack, Config, DisconnectReason, Handle};

use crate::support::{Client, Connection, Polling, Server, WebSocket, config, event, expect_busy, raw, receive};

/// Longer than any test may last.
const LONG: Duration = Duration::from_secs(3600);

/// More than the kernel keeps for a connection.
const HUGE: usize = 8 << 20;

const HEALTH: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

fn draining_within(drain: Duration, shards: usize) -> Config {
    Config { drain, ..config(shards) }
}

#[test]
fn a_drain_refuses_new_sessions_and_health_checks_from_the_first_moment() {
    let server = Server::start(draining_within(LONG, 2), |server| {
        server.of("/").on("ask", |_, event| event.ack("answer"));
    });
    let (session, id) = Polling::connected(&server);
    let mut client = Client::connect(&server);
    let mut known = server.connect();
    known.send(HEALTH);
    known.response().assert_is(200, "all good");

    server.handle().drain();
    for mut connection in std::iter::once(known).chain((0..8).map(|_| server.connect())) {
        connection.send(HEALTH);
        let answer = connection.response();
        answer.assert_is(503, "leaving");
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
        connection.expect_end();
    }
    for request in [raw("GET", "polling", ""), WebSocket::request("EIO=4&transport=websocket")] {
        let mut connection = server.connect();
        connection.send(request.as_bytes());
        expect_busy(&mut connection);
    }
    let mut stranger = server.connect();
    stranger.send(raw("GET", &format!("polling&sid={}", "A".repeat(20)), "").as_bytes());
    assert_eq!(stranger.response().status, 400);
    stranger.expect_end();

    client.ws.send_text("421[\"ask\"]");
    client.ws.expect_text("431[\"answer\"]");
    let mut kept = session.send(&session.post_request("427[\"ask\"]"));
    kept.response().assert_is(200, "ok");
    kept.send(session.get_request().as_bytes());
    kept.response().assert_is(200, "437[\"answer\"]");
    server.handle().to(&*id).emit("news", ()).expect("JSON");
    session.get().assert_is(200, &event("\"news\""));
    server.stop().expect("the server ran well");
}

#[test]
fn clients_are_disconnected_one_after_the_other_and_told_nothing_else() {
    let (sender, left) = channel();
    let server = Server::start(draining_within(Duration::from_secs(2), 2), |server| {
        server.of("/").on_disconnect(move |_, reason| sender.send((reason, Instant::now())));
    });
    let mut clients = Client::connect_many(&server, 40, 2);
    server.handle().drain();
    server.handle().drain();
    for client in &mut clients {
        client.ws.expect_close();
    }
    let times: Vec<_> = clients
        .iter()
        .map(|_| receive(&left))
        .map(|(reason, at)| {
            assert_eq!(reason, DisconnectReason::ServerShuttingDown);
            at
        })
        .collect();
    let (first, last) = (times.iter().min(), times.iter().max());
    let spread = *last.expect("clients") - *first.expect("clients");
    assert!(spread >= Duration::from_secs(1), "{spread:?}");
    server.wait_for_end().expect("the server ran well");
}

#[test]
fn a_busy_client_loses_nothing() {
    let ((sender, left), (give, given)) = (channel(), channel::<Ack>());
    let server = Server::start(draining_within(Duration::from_secs(12), 1), |server| {
        let root = server.of("/");
        root.on_disconnect(move |socket, _| sender.send(socket.id().to_string()));
        root.on("later", move |_, event| give.send(event.take_ack().expect("an ack is wanted")));
        root.on("ask", |_, event| event.ack("answer"));
    });
    let resting: Vec<_> = (0..20).map(|_| Client::connect(&server)).collect();
    let resting_ids: HashSet<_> = resting.iter().map(|client| client.id.clone()).collect();

    let mut asking = Client::connect(&server);
    asking.ws.send_text("425[\"later\"]");
    let ack = receive(&given);
    let mut deaf = Client::connect(&server);
    server.handle().to(&*deaf.id).emit("long", "x".repeat(HUGE)).expect("JSON");
    server.wait_until("what the kernel refused", |metrics| metrics.queued_bytes > 0);
    let (upgrading, _) = Polling::connected(&server);
    let mut probe = WebSocket::probe(&server, &upgrading.sid);
    probe.send_text("2probe");
    probe.expect_text("3probe");
    let (fetching, fetching_id) = Polling::connected(&server);
    server.handle().to(&*fetching_id).emit("news", ()).expect("JSON");
    let (posting, _) = Polling::connected(&server);
    let post = posting.post_request("424[\"ask\"]");
    let (begin, rest) = post.split_at(post.len() - 3);
    let before = server.metrics().requests;
    let mut half = posting.send(begin);
    server.wait_until("half a POST", |metrics| metrics.requests > before);

    server.handle().drain();
    for _ in 0..8 {
        let id = receive(&left);
        assert!(resting_ids.contains(&id), "let go too early: {id}");
    }
    ack.send("given").expect("JSON");
    asking.ws.expect_text("435[\"given\"]");
    assert_eq!(deaf.ws.text(), event(&format!("\"long\",\"{}\"", "x".repeat(HUGE))));
    probe.send_text("5");
    fetching.get().assert_is(200, &event("\"news\""));
    half.send(rest.as_bytes());
    half.response().assert_is(200, "ok");
    posting.get().assert_is(200, "434[\"answer\"]");

    asking.ws.expect_close();
    deaf.ws.expect_close();
    probe.expect_close();
    expect_farewell(&mut fetching.send(&fetching.get_request()));
    expect_farewell(&mut posting.send(&posting.get_request()));
    drop((resting, asking, deaf, probe));
    server.wait_for_end().expect("the server ran well");
}

/// Panics unless the GET is answered with the end of its session, and of its connection.
fn expect_farewell(held: &mut Connection) {
    let answer = held.response();
    answer.assert_is(200, "1");
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
    held.expect_end();
}

#[test]
fn clients_left_at_the_end_of_the_window_are_closed_at_once() {
    let (sender, left) = channel();
    let taken = Mutex::new(Vec::new());
    let server = Server::start(draining_within(Duration::from_millis(300), 2), |server| {
        let root = server.of("/");
        root.on_disconnect(move |_, reason| sender.send(reason));
        root.on("never", move |_, event| taken.lock().expect("no handler panics").extend(event.take_ack()));
    });
    let (_fetches_nothing, _) = Polling::connected(&server);
    let mut asking = Client::connect(&server);
    let before = server.metrics().received;
    asking.ws.send_text("421[\"never\"]");
    server.wait_until("asked", |metrics| metrics.received > before);
    server.handle().drain();
    asking.ws.expect_close();
    for _ in 0..2 {
        assert_eq!(receive(&left), DisconnectReason::ServerShuttingDown);
    }
    server.wait_for_end().expect("the server ran well");
}

#[test]
fn a_drain_ends_with_the_last_client_or_when_the_server_is_closed() {
    let begin = |clients: usize| {
        let server = Server::start(draining_within(LONG, 3), |_| {});
        let clients: Vec<_> = (0..clients).map(|_| Client::connect(&server)).collect();
        server.handle().drain();
        (server, clients)
    };
    let ends: [fn(&Handle, Vec<Client>); 3] = [
        |_, _| {},
        |_, clients| drop(clients),
        |handle, mut clients| {
            handle.close();
            clients.iter_mut().for_each(|client| client.ws.expect_close());
        },
    ];
    for (end, count) in ends.into_iter().zip([0, 4, 4]) {
        let (server, clients) = begin(count);
        let handle = server.handle().clone();
        end(&handle, clients);
        server.wait_for_end().expect("the server ran well");
        handle.drain();
    }
}
