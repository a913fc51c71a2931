//! Sessions over several shards: a request reaches its session, whichever shard accepted its connection.

use crate::support::{Connection, Polling, Server, WebSocket, config, event, raw, socket_id};

const SHARDS: u8 = 4;

fn start() -> Server {
    Server::start(config(SHARDS.into()), |server| {
        server.of("/").on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
    })
}

/// A session with a socket on each of two shards.
fn two(server: &Server) -> (Polling, Polling) {
    let (first, _) = Polling::connected(server);
    loop {
        let (second, _) = Polling::connected(server);
        if second.shard != first.shard {
            return (first, second);
        }
    }
}

#[test]
fn a_session_is_found_from_every_connection() {
    let server = start();
    let sessions: Vec<_> = (0..8).map(|_| Polling::connected(&server).0).collect();
    for round in 0..10 {
        for (number, session) in sessions.iter().enumerate() {
            session.post_ok(&event(&format!("\"echo\",{round},{number}")));
        }
        for (number, session) in sessions.iter().enumerate() {
            session.get().assert_is(200, &event(&format!("\"echo\",{round},{number}")));
        }
    }
    drop(sessions);
    server.wait_until("only sessions left", |metrics| metrics.connections == 0 && metrics.sessions == 8);
}

#[test]
fn one_connection_serves_sessions_of_all_shards_in_turn() {
    let server = start();
    let sessions: Vec<_> = (0..8).map(|_| Polling::connected(&server).0).collect();
    let mut connection = server.connect();
    for _ in 0..3 {
        for session in &sessions {
            connection.send(session.post_request(&event("\"echo\"")).as_bytes());
            connection.response().assert_is(200, "ok");
            connection.send(session.get_request().as_bytes());
            connection.response().assert_is(200, &event("\"echo\""));
        }
    }
    assert!(server.metrics().connections <= 1 + sessions.len() as u64);
    // Three requests to connect, and two in each round: one that moves between shards is not counted by both.
    assert_eq!(server.metrics().requests, sessions.len() as u64 * (3 + 3 * 2));
}

#[test]
fn pipelined_requests_of_sessions_on_different_shards_are_answered_in_order() {
    let server = start();
    let (first, second) = two(&server);
    let echo = |text: &str| event(&format!("\"echo\",\"{text}\""));
    let requests = [
        first.post_request(&echo("1")),
        second.post_request(&echo("2")),
        first.get_request(),
        second.get_request(),
        "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".to_owned(),
        second.post_request(&format!("{}\x1e{}", echo("3"), echo("4"))),
        first.post_request(&echo("5")),
        second.get_request(),
        raw("GET", "polling&sid=unknown", ""),
        first.get_request(),
    ];
    let answers = [
        (200, "ok".to_owned()),
        (200, "ok".to_owned()),
        (200, echo("1")),
        (200, echo("2")),
        (200, "all good".to_owned()),
        (200, "ok".to_owned()),
        (200, "ok".to_owned()),
        (200, format!("{}\x1e{}", echo("3"), echo("4"))),
        (400, "{\"code\":1,\"message\":\"Session ID unknown\"}".to_owned()),
        (200, echo("5")),
    ];
    let expect = |mut connection: Connection| {
        for (status, body) in &answers {
            connection.response().assert_is(*status, body);
        }
    };
    for _ in 0..5 {
        expect(first.send(&requests.concat()));
    }
}

#[test]
fn a_request_behind_a_held_get_goes_to_its_shard_once_that_is_answered() {
    let server = start();
    let (first, second) = two(&server);
    let mut connection = first.send(&(first.get_request() + &second.post_request(&event("\"echo\",2"))));
    first.post_ok(&event("\"echo\",1"));
    connection.response().assert_is(200, &event("\"echo\",1"));
    connection.response().assert_is(200, "ok");
    second.get().assert_is(200, &event("\"echo\",2"));
}

#[test]
fn a_body_that_comes_in_pieces_behind_its_head_follows_to_the_other_shard() {
    let server = start();
    let (first, second) = two(&server);
    for session in [&first, &second] {
        // One of these is accepted elsewhere; answering first makes sure that the head has moved the connection.
        let request = session.post_request(&event("\"echo\",\"in pieces\""));
        let begin = request.find("\r\n\r\n").expect("the end of the head") + 4;
        for connection_of in [&first, &second] {
            let mut connection = connection_of.send(&connection_of.post_request(&event("\"echo\",0")));
            connection.response().assert_is(200, "ok");
            connection_of.get().assert_is(200, &event("\"echo\",0"));
            let before = server.metrics().requests;
            connection.send(&request.as_bytes()[..begin + 1]);
            server.wait_until("the head read", |metrics| metrics.requests > before);
            for byte in &request.as_bytes()[begin + 1..] {
                connection.send(&[*byte]);
            }
            connection.response().assert_is(200, "ok");
            session.get().assert_is(200, &event("\"echo\",\"in pieces\""));
        }
    }
}

#[test]
fn an_upgrade_that_arrives_at_another_shard_finds_its_session() {
    let server = start();
    for number in 0..8 {
        let session = Polling::open(&server);
        session.post_ok("40");
        let mut ws = WebSocket::probe(&server, &session.sid);
        ws.send_text("2probe");
        ws.expect_text("3probe");
        let answer = session.get().text();
        socket_id(&answer);
        ws.send_text("5");
        ws.send_text(&event(&format!("\"echo\",{number}")));
        ws.expect_text(&event(&format!("\"echo\",{number}")));
        ws.expect_nothing_more();
    }
    assert_eq!(server.metrics().upgrades, 8);
}

#[test]
fn an_upgrade_takes_along_the_bytes_behind_its_request() {
    let server = start();
    for _ in 0..8 {
        let session = Polling::open(&server);
        let frames = [WebSocket::masked_frame(0x81, b"2probe"), WebSocket::masked_frame(0x81, b"5")].concat();
        let mut ws = WebSocket::open_with(&server, &format!("&sid={}", session.sid), &frames);
        ws.expect_text("3probe");
        ws.send_text("40");
        socket_id(&ws.text());
    }
}

#[test]
fn a_sid_of_a_shard_that_does_not_exist_is_unknown() {
    let server = start();
    let (session, _) = Polling::connected(&server);
    let mut sid = kinglet::engineio::Sid::parse(&session.sid).expect("a sid");
    sid.shard = SHARDS;
    for shard in [SHARDS, 255, (session.shard + 1) % SHARDS] {
        sid.shard = shard;
        let mut connection = session.send(&raw("GET", &format!("polling&sid={}", &*sid.to_text()), ""));
        connection.response().assert_is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    }
    session.post_ok(&event("\"echo\""));
    session.get().assert_is(200, &event("\"echo\""));
}
