//! The limits of connections and requests.

use std::sync::mpsc::channel;
use std::time::Duration;

use kinglet::{Config, Limits};

use super::limited;
use crate::support::{Connection, Polling, Server, WebSocket, config, event, expect_busy, one_shard, raw, receive};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

/// Long enough for a client on a busy machine to have begun, short enough to be waited for.
const SHORT: Duration = Duration::from_millis(500);

fn assert_last_answer(mut connection: Connection, status: u16) {
    let response = connection.response();
    assert_eq!((response.status, response.header("connection").as_deref()), (status, Some("close")));
    connection.expect_end();
}

pub fn a_session_on_a_connection_beyond_the_limit_gets_503() -> Server {
    let server = limited(Limits { max_connections: Some(2), ..Limits::default() });
    let mut connections = [server.connect(), server.connect()];
    for connection in &mut connections {
        connection.send(REQUEST);
        connection.response().assert_is(200, "all good");
    }
    let mut third = server.connect();
    third.send(raw("GET", "polling", "").as_bytes());
    expect_busy(&mut third);
    assert_eq!((server.hits("max_connections"), server.metrics().sessions), (1, 0));
    drop(third);
    server.wait_until("no third", |metrics| metrics.connections == 2);

    drop(connections);
    server.wait_until("room", |metrics| metrics.connections == 0);
    server.assert_well();
    server
}

pub fn a_full_server_answers_health_checks_and_its_sessions() -> Server {
    full(1)
}

pub fn a_full_server_of_two_shards_answers_them_too() -> Server {
    full(2)
}

fn full(shards: usize) -> Server {
    let limits = Limits { max_connections: Some(1), ..Limits::default() };
    let server = Server::start(Config { limits, ..config(shards) }, |_| {});
    let (session, _) = Polling::connected(&server);
    let idle = server.connect();
    let mut held = session.hold(&server);
    // A new connection takes the place of an idle one, or of half a request, and not of the GET that is held.
    let idlers: Vec<_> = (0..100).map(|_| server.connect()).collect();
    let mut halves: Vec<_> = (0..100).map(|_| server.connect()).collect();
    halves.iter_mut().for_each(|half| half.send(b"GET / HTTP/1.1\r\nHost: exam"));
    for _ in 0..100 {
        let mut second = server.connect();
        second.send(REQUEST);
        assert_last_answer(second, 200);
    }
    session.post_ok(&event("\"nothing\""));
    let mut second = server.connect();
    second.send(raw("GET", "polling", "").as_bytes());
    expect_busy(&mut second);
    assert!(server.metrics().connections <= 1 + 64 + shards as u64);

    drop((idle, idlers, halves, second));
    server.wait_until("the GET alone", |metrics| metrics.connections == 1);
    let mut last = server.connect();
    last.send(REQUEST);
    last.response().assert_is(200, "all good");
    server.handle().of("/").emit("x", ()).expect("an event");
    held.response().assert_is(200, "42[\"x\"]");
    server
}

pub fn requests_that_wait_leave_room_for_health_checks() -> Server {
    let server = limited(Limits { max_connections: Some(100), ..Limits::default() });
    let sessions: Vec<_> = (0..70).map(|_| Polling::open(&server)).collect();
    server.wait_until("the sessions alone", |metrics| metrics.connections == 0);
    let _idle: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.wait_until("full", |metrics| metrics.connections == 100);
    let held: Vec<_> = sessions.iter().map(|session| session.hold(&server)).collect();
    for _ in 0..100 {
        let mut connection = server.connect();
        connection.send(REQUEST);
        assert_last_answer(connection, 200);
    }
    assert!(server.metrics().connections <= 100 + 64 + 1);
    drop(held);
    server
}

pub fn a_session_too_many_in_a_second_gets_503() -> Server {
    let server = limited(Limits { accept_rate: Some(1), ..Limits::default() });
    // The limit is one a second. A server without it would open many more before the first refusal.
    let answers = (0..).map(|_| {
        let mut connection = server.connect();
        connection.send(raw("GET", "polling", "").as_bytes());
        connection.response()
    });
    let refused = answers.take(100).find(|answer| answer.status != 200).expect("more than one a second");
    assert_eq!((refused.status, refused.header("retry-after").as_deref()), (503, Some("5")));
    server.assert_well();
    assert_eq!(server.hits("accept_rate"), 1);
    server
}

pub fn a_session_too_many_from_one_address_gets_429() -> Server {
    let limits = Limits { sessions_per_address: Some(2), ..Limits::default() };
    let server = Server::start(Config { trusted_proxies: 1, limits, ..config(2) }, |_| {});
    let (polling, websocket) = (raw("GET", "polling", ""), WebSocket::request("EIO=4&transport=websocket"));
    let ask = |address: &str, request: &str| {
        let mut connection = server.connect();
        let headers = format!("\r\nX-Forwarded-For: {address}\r\n\r\n");
        connection.send(request.replacen("\r\n\r\n", &headers, 1).as_bytes());
        (connection.response().status, connection)
    };
    let (first, kept) = ask("1.1.1.1", &websocket);
    assert_eq!((first, ask("1.1.1.1", &polling).0, ask("2.2.2.2", &polling).0), (101, 200, 200));
    assert_eq!((ask("1.1.1.1", &polling).0, ask("1.1.1.1", &websocket).0), (429, 429));
    assert_eq!((server.hits("sessions_per_address"), server.metrics().sessions), (2, 3));

    drop(kept);
    server.wait_until("room", |metrics| metrics.sessions == 2);
    assert_eq!((ask("1.1.1.1", &polling).0, ask("1.1.1.1", &polling).0), (200, 429));
    server
}

pub fn a_connection_too_many_of_one_address_gets_429() -> Server {
    let limits = Limits { connections_per_address: Some(8), ..Limits::default() };
    let server = Server::start(Config { limits, ..config(2) }, |_| {});
    let (websocket, _) = WebSocket::open(&server);
    let (session, _) = Polling::connected(&server);
    server.wait_until("the websocket alone", |metrics| metrics.connections == 1);
    // Its connections move between the shards, and count once.
    let held = session.hold(&server);
    session.post_ok(&event("\"nothing\""));
    server.wait_until("the POST gone", |metrics| metrics.connections == 2);
    let idle = [(); 6].map(|()| server.connect());
    server.wait_until("all there may be", |metrics| metrics.connections == 8);
    let mut ninth = server.connect();
    ninth.response().assert_is(429, "");
    ninth.expect_end();

    drop((websocket, held, idle));
    server.wait_until("room", |metrics| metrics.connections == 0);
    let _again = [(); 8].map(|()| {
        let mut connection = server.connect();
        connection.send(REQUEST);
        connection.response().assert_is(200, "all good");
        connection
    });
    server
}

#[test]
fn connections_of_trusted_proxies_are_not_counted() {
    let limits = Limits { connections_per_address: Some(1), ..Limits::default() };
    let server = Server::start(Config { trusted_proxies: 1, limits, ..one_shard() }, |_| {});
    let _proxy = server.connect();
    server.wait_until("the first", |metrics| metrics.connections == 1);
    server.assert_well();
}

pub fn a_head_too_long_gets_431() -> Server {
    let server = limited(Limits { request_head: 100, ..Limits::default() });
    for end in ["", "\r\n\r\n"] {
        let mut connection = server.connect();
        connection.send(format!("GET / HTTP/1.1\r\nX-Long: {}{end}", "x".repeat(100)).as_bytes());
        assert_last_answer(connection, 431);
    }
    server.assert_well();
    assert_eq!(server.hits("request_head"), 2);
    server
}

pub fn a_header_too_many_gets_431() -> Server {
    let server = limited(Limits { request_headers: 2, ..Limits::default() });
    let mut connection = server.connect();
    connection.send(b"GET / HTTP/1.1\r\nHost: example.test\r\nA: 1\r\n\r\n");
    connection.response().assert_is(200, "all good");
    connection.send(b"GET / HTTP/1.1\r\nHost: example.test\r\nA: 1\r\nB: 2\r\n\r\n");
    assert_last_answer(connection, 431);
    assert_eq!(server.hits("request_headers"), 1);
    server
}

pub fn a_head_that_does_not_end_gets_408() -> Server {
    let server = limited(Limits { header_timeout: SHORT, ..Limits::default() });
    let mut connection = server.connect();
    connection.send(&REQUEST[..10]);
    assert_last_answer(connection, 408);

    let mut second = server.connect();
    second.send(&[REQUEST, &REQUEST[..10]].concat());
    second.response().assert_is(200, "all good");
    assert_last_answer(second, 408);
    assert_eq!((server.hits("header_timeout"), server.hits("keep_alive")), (2, 0));
    server
}

pub fn a_head_that_trickles_gets_408() -> Server {
    let limits = Limits { header_timeout: SHORT, ..Limits::default() };
    let server = Server::start(Config { limits, ping_interval: SHORT / 4, ..one_shard() }, |_| {});
    // Pings are the clock: a byte for each, so that the next comes long before the time is up.
    let (mut clock, _) = WebSocket::open(&server);
    let mut connection = server.connect();
    connection.send(b"GET / HTTP/1.1\r\nX: ");
    for _ in 0..100 {
        clock.expect_text("2");
        clock.send_text("3");
        if server.hits("header_timeout") > 0 {
            assert_last_answer(connection, 408);
            return server;
        }
        connection.send(b"x");
    }
    panic!("a head may come as slowly as it likes");
}

pub fn a_body_that_does_not_end_gets_408() -> Server {
    let (sender, reasons) = channel();
    let limits = Limits { body_timeout: SHORT, ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on_disconnect(move |_, reason| sender.send(reason));
    });
    let (session, _) = Polling::connected(&server);
    let request = session.post_request("42[\"never whole\"]");
    let connection = session.send(&request[..request.len() - 1]);
    assert_last_answer(connection, 408);
    assert_eq!(receive(&reasons).to_string(), "transport error");
    assert_eq!(server.hits("body_timeout"), 1);
    server
}

pub fn a_refused_body_that_does_not_end_gets_no_second_answer() -> Server {
    let limits = Limits { body_timeout: SHORT, ..Limits::default() };
    let server = Server::start(Config { limits, max_http_buffer_size: 16, ..one_shard() }, |_| {});
    let (session, _) = Polling::connected(&server);
    let request = session.post_request(&"x".repeat(17));
    let mut connection = session.send(&request[..request.len() - 1]);
    connection.response().assert_is(413, "");
    connection.expect_end();
    assert_eq!((server.hits("max_http_buffer_size"), server.hits("body_timeout")), (1, 1));
    server
}

pub fn an_idle_connection_is_closed() -> Server {
    let server = limited(Limits { keep_alive: SHORT, ..Limits::default() });
    let mut connection = server.connect();
    connection.send(REQUEST);
    connection.response().assert_is(200, "all good");
    connection.expect_end();
    assert_eq!(server.hits("keep_alive"), 1);

    // A connection with a held GET is not idle.
    let (session, _) = Polling::connected(&server);
    let mut held = session.hold(&server);
    let mut idle = server.connect();
    idle.send(REQUEST);
    idle.response().assert_is(200, "all good");
    idle.expect_end();
    server.handle().emit("still here", ()).expect("JSON");
    held.response().assert_is(200, "42[\"still here\"]");
    server
}

pub fn a_connection_without_a_request_is_closed() -> Server {
    let server = limited(Limits { header_timeout: SHORT, ..Limits::default() });
    server.connect().expect_end();
    assert_eq!((server.hits("keep_alive"), server.hits("header_timeout")), (1, 0));
    server
}

pub fn a_body_too_long_gets_413() -> Server {
    let server = Server::start(Config { max_http_buffer_size: 100, ..one_shard() }, |_| {});
    let (session, _) = Polling::connected(&server);
    let body = "x".repeat(101);
    session.post(&body).assert_is(413, "");
    let chunked = session.post_request("").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let mut connection = session.send(&format!("{chunked}65\r\n{body}\r\n0\r\n\r\n"));
    connection.response().assert_is(413, "");
    session.post_ok(&event(&format!("\"{}\"", "x".repeat(94))));
    assert_eq!((server.hits("max_http_buffer_size"), server.metrics().sessions), (2, 1));
    server
}
