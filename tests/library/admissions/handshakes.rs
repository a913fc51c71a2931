//! Hooks that take their time over handshakes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use kinglet::{Admission, Config, Handshake, Limits, Refusal};
use serde_json::Value;

use crate::support::{Client, Connection, Server, WebSocket, config, expect_busy, one_shard, raw, receive, socket_id};

/// A question to the test.
type Question = (Arc<Handshake>, Admission);

/// Hands the decisions about handshakes to the test.
fn defer(server: &mut kinglet::Server, questions: &Sender<Question>) {
    let questions = questions.clone();
    server.allow_request_deferred(move |handshake, admission| {
        // A test that has failed does not hear it.
        let _ = questions.send((handshake, admission));
    });
}

fn start(config: Config) -> (Server, Receiver<Question>) {
    let (sender, questions) = channel();
    let server = Server::start(config, |server| {
        defer(server, &sender);
        server.of("/").on_connect(|socket| socket.emit("from", socket.handshake().map(|it| it.url().to_owned())));
    });
    (server, questions)
}

/// A connection with a handshake on polling.
fn polling(server: &Server) -> Connection {
    let mut connection = server.connect();
    connection.send(raw("GET", "polling&wish=1", "").as_bytes());
    connection
}

/// A connection with a handshake of a WebSocket.
fn websocket(server: &Server) -> Connection {
    let mut connection = server.connect();
    connection.send(WebSocket::request("&wish=2").as_bytes());
    connection
}

/// Panics unless the answer is a refusal with this message.
fn expect_refusal(connection: &mut Connection, status: u16, message: &str) {
    let body = serde_json::json!({ "code": 4, "message": message }).to_string();
    connection.response().assert_is(status, if status == 403 { &body } else { message });
}

#[test]
fn a_handshake_waits_for_the_decision_on_both_transports() {
    let (server, questions) = start(one_shard());
    let mut connection = polling(&server);
    let (handshake, admission) = receive(&questions);
    assert!(handshake.url().ends_with("transport=polling&wish=1") && admission.is_pending());
    assert_eq!((server.metrics().admissions_waiting, server.metrics().sessions), (1, 0));
    server.assert_well();
    admission.admit();
    let open: Value = serde_json::from_str(&connection.response().text()[1..]).expect("JSON");
    // The connection goes on, and so does the session.
    let query = format!("polling&sid={}", open["sid"].as_str().expect("a sid"));
    connection.send((raw("POST", &query, "Content-Length: 2\r\n") + "40").as_bytes());
    connection.response().assert_is(200, "ok");
    connection.send(raw("GET", &query, "").as_bytes());
    assert!(connection.response().text().starts_with("40{"));

    let (server, questions) = start(one_shard());
    let connection = websocket(&server);
    receive(&questions).1.admit();
    let mut connection = connection;
    assert_eq!(connection.response().status, 101);
    let mut ws = WebSocket { connection };
    ws.opened();
    ws.send_text("40");
    socket_id(&ws.text());
    ws.expect_text("42[\"from\",\"/socket.io/?EIO=4&transport=websocket&wish=2\"]");
    assert_eq!((server.metrics().requests, server.metrics().admissions_waiting), (1, 0));
}

#[test]
fn a_handshake_is_refused_with_a_message_or_an_internal_error() {
    let (server, questions) = start(one_shard());
    for (open, status) in [(polling as fn(&Server) -> Connection, 403), (websocket, 400)] {
        let mut connection = open(&server);
        receive(&questions).1.refuse(Refusal::new("not \"today\"").data(&1).expect("a number is JSON"));
        expect_refusal(&mut connection, status, "not \"today\"");
        let mut connection = open(&server);
        drop(receive(&questions));
        expect_refusal(&mut connection, status, "internal error");
    }
    assert_eq!((server.metrics().refused, server.metrics().sessions), (4, 0));
}

#[test]
fn hooks_are_asked_in_the_order_of_their_declaration() {
    let (sender, questions) = channel();
    let server = Server::start(one_shard(), |server| {
        server.allow_request(|handshake| handshake.header("x-first").map_or(Ok(()), |why| Err(why.to_owned())));
        defer(server, &sender);
        server.allow_request_blocking(|handshake| match handshake.header("x-third") {
            Some("panic") => panic!("a look-up that panics"),
            Some(why) => Err(why.to_owned()),
            None => Ok(()),
        });
        server.allow_request(|handshake| handshake.header("x-fourth").map_or(Ok(()), |why| Err(why.to_owned())));
    });
    let ask = |headers: &str| {
        let mut connection = server.connect();
        connection.send(raw("GET", "polling", headers).as_bytes());
        connection
    };
    expect_refusal(&mut ask("X-First: first\r\n"), 403, "first");
    assert!(questions.try_recv().is_err());
    for (header, message) in [("X-Third: third", "third"), ("X-Third: panic", "internal error"), ("X-Fourth: 4", "4")] {
        let mut connection = ask(&format!("{header}\r\n"));
        receive(&questions).1.admit();
        expect_refusal(&mut connection, 403, message);
    }
    let mut connection = ask("");
    receive(&questions).1.admit();
    assert_eq!(connection.response().status, 200);
    server.wait_until("a panic counted", |metrics| metrics.handler_panics == 1);
}

#[test]
fn a_hook_that_panics_refuses_with_an_internal_error() {
    let server = Server::start(one_shard(), |server| {
        server.allow_request_deferred(|_, _| panic!("a hook that panics"));
    });
    expect_refusal(&mut polling(&server), 403, "internal error");
    assert_eq!(server.metrics().handler_panics, 1);
}

#[test]
fn what_is_sent_behind_a_waiting_handshake_is_handled_after_it() {
    let (server, questions) = start(one_shard());
    let mut connection = server.connect();
    let connect = WebSocket::masked_frame(0x81, b"40");
    connection.send(&[WebSocket::request("").as_bytes(), &connect[..3]].concat());
    let (_, admission) = receive(&questions);
    connection.send(&connect[3..]);
    let mut other = polling(&server);
    let (_, later) = receive(&questions);
    admission.admit();
    assert_eq!(connection.response().status, 101);
    let mut ws = WebSocket { connection };
    ws.opened();
    socket_id(&ws.text());
    later.refuse(Refusal::new(""));
    expect_refusal(&mut other, 403, "Forbidden");
}

#[test]
fn requests_behind_a_waiting_handshake_are_answered_in_order() {
    let (server, questions) = start(one_shard());
    let mut connection = server.connect();
    let health = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
    connection.send([&raw("GET", "polling", ""), health, &raw("GET", "polling", ""), health].concat().as_bytes());
    receive(&questions).1.refuse(Refusal::new("first"));
    expect_refusal(&mut connection, 403, "first");
    connection.response().assert_is(200, "all good");
    // The decision about one handshake is not that about the next.
    receive(&questions).1.admit();
    assert_eq!(connection.response().status, 200);
    connection.response().assert_is(200, "all good");
}

#[test]
fn a_client_may_leave_meanwhile() {
    let (server, questions) = start(one_shard());
    let connection = polling(&server);
    let (_, admission) = receive(&questions);
    drop(connection);
    server.wait_until("gone", |metrics| metrics.admissions_waiting == 0);
    assert!(!admission.is_pending());
    // Its place may be another's by now.
    let _other = polling(&server);
    let (_, pending) = receive(&questions);
    admission.admit();
    server.assert_well();
    assert_eq!((server.metrics().sessions, pending.is_pending()), (0, true));
}

#[test]
fn a_handshake_beyond_the_limits_gets_503_and_no_refusal() {
    let limits = Limits { pending_admissions: 1, ..Limits::default() };
    let (server, questions) = start(Config { limits, ..one_shard() });
    let mut first = websocket(&server);
    let (_, admission) = receive(&questions);
    expect_busy(&mut polling(&server));
    expect_busy(&mut websocket(&server));
    server.wait_for_hits("pending_admissions", 2);
    admission.admit();
    assert_eq!(first.response().status, 101);

    let server =
        Server::start(Config { limits: Limits { blocking_queue: 0, ..Limits::default() }, ..one_shard() }, |server| {
            server.allow_request_blocking(|_| Ok(()));
        });
    expect_busy(&mut polling(&server));
    server.wait_for_hits("blocking_queue", 1);
    assert_eq!(server.metrics().refused, 0);
}

#[test]
fn a_handshake_that_waits_too_long_gets_503() {
    let (server, questions) = start(Config { connect_timeout: Duration::from_millis(100), ..one_shard() });
    let mut connection = polling(&server);
    let (_, admission) = receive(&questions);
    expect_busy(&mut connection);
    assert!(!admission.is_pending());
    admission.admit();
    server.wait_for_hits("connect_timeout", 1);
}

#[test]
fn a_handshake_counts_once_for_the_rate() {
    let limits = Limits { accept_rate: Some(1), ..Limits::default() };
    let (server, questions) = start(Config { limits, ..one_shard() });
    let mut connection = polling(&server);
    receive(&questions).1.admit();
    assert_eq!((connection.response().status, server.hits("accept_rate")), (200, 0));
}

#[test]
fn a_server_that_leaves_opens_no_session_for_those_who_wait() {
    let (server, questions) = start(Config { drain: Duration::from_secs(3600), ..one_shard() });
    let client = websocket(&server);
    receive(&questions).1.admit();
    server.wait_until("a session", |metrics| metrics.sessions == 1);
    let mut waiting = polling(&server);
    let (_, admission) = receive(&questions);
    let mut other = websocket(&server);
    let (_, pending) = receive(&questions);
    server.handle().drain();
    admission.admit();
    expect_busy(&mut waiting);
    server.handle().close();
    expect_busy(&mut other);
    drop((client, waiting, other));
    server.wait_for_end().expect("the server ran well");
    assert!(!pending.is_pending());
}

#[test]
fn look_ups_on_several_shards_let_all_in() {
    let server = Server::start(Config { blocking_threads: 8, ..config(3) }, |server| {
        server.allow_request_blocking(|handshake| {
            handshake.url().starts_with("/socket.io/").then_some(()).ok_or_else(|| "no".to_owned())
        });
    });
    let clients = Client::connect_many(&server, 50, 3);
    assert_eq!((server.metrics().sessions, server.metrics().admissions_waiting), (clients.len() as u64, 0));
}
