//! Handshakes: the hook, the cookie, other origins, the transports.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;

use kinglet::engineio::{Transport, Transports};
use kinglet::{Config, Cookie, Cors, Origin};

use crate::support::{Client, Polling, Response, Server, WebSocket, one_shard, raw, receive, socket_id};

/// The answer to a handshake on polling, with more lines of headers.
fn handshake(server: &Server, headers: &str) -> Response {
    let mut connection = server.connect();
    connection.send(raw("GET", "polling", headers).as_bytes());
    connection.response()
}

/// The answer to an upgrade request that is refused, with more members of the query.
fn refused_upgrade(server: &Server, query: &str) -> Response {
    let mut connection = server.connect();
    connection.send(WebSocket::request(query).as_bytes());
    let response = connection.response();
    connection.expect_end();
    response
}

#[test]
fn the_hook_refuses_with_its_message_on_both_transports() {
    let server = Server::start(one_shard(), |server| {
        server.allow_request(|handshake| {
            let query = handshake.query();
            let wish = query.iter().find_map(|(name, value)| (name == "wish").then_some(value.as_str()));
            match wish {
                Some("panic") => panic!("a hook that panics"),
                Some(message) => Err(message.to_owned()),
                None => Ok(()),
            }
        });
    });
    for (wish, message) in [("no+%22entry%22", "no \"entry\""), ("", "Forbidden"), ("panic", "Forbidden")] {
        let query = format!("&wish={wish}");
        let mut connection = server.connect();
        connection.send(raw("GET", &format!("polling{query}"), "").as_bytes());
        let body = serde_json::json!({ "code": 4, "message": message }).to_string();
        connection.response().assert_is(403, &body);
        refused_upgrade(&server, &query).assert_is(400, message);
    }
    Client::connect(&server);
    assert_eq!((server.metrics().refused, server.metrics().handshakes), (6, 1));
}

#[test]
fn the_hook_is_asked_once_for_each_session_and_sees_its_request() {
    let (sender, seen) = channel();
    let server = Server::start(one_shard(), |server| {
        server.allow_request(move |handshake| {
            let header = handshake.header("x-from").map(str::to_owned);
            sender.send((handshake.url().to_owned(), header, handshake.address())).map_err(|error| error.to_string())
        });
        server.of("/").on_connect(|socket| {
            let handshake = socket.handshake().expect("the session is there");
            socket.emit("from", (handshake.header("x-from"), handshake.query().len()))
        });
    });
    assert_eq!(handshake(&server, "X-From: me\r\n").status, 200);
    let (url, header, address) = receive(&seen);
    assert_eq!((url.as_str(), header.as_deref()), ("/socket.io/?EIO=4&transport=polling", Some("me")));
    assert!(address.ip().is_loopback());

    let mut client = Client::connect(&server);
    client.expect("\"from\",null,2");
    receive(&seen);
    let session = Polling::open(&server);
    receive(&seen);
    session.post_ok("40");
    session.get();
    WebSocket::probe(&server, &session.sid).expect_nothing_more();
    assert!(seen.try_recv().is_err());
}

#[test]
fn a_hook_that_panics_refuses_the_handshake_and_is_counted() {
    let server = Server::start(one_shard(), |server| {
        server.allow_request(|_| -> Result<(), String> { panic!("a hook that panics") });
    });
    assert_eq!(handshake(&server, "").status, 403);
    assert_eq!((server.metrics().handler_panics, server.metrics().handshakes), (1, 0));
    server.assert_well();
}

#[test]
fn only_the_handshake_sets_the_cookie() {
    let server = Server::start(Config { cookie: Some(Cookie::default()), ..one_shard() }, |_| {});
    let response = handshake(&server, "");
    let open: serde_json::Value = serde_json::from_str(&response.text()[1..]).expect("JSON");
    let sid = open["sid"].as_str().expect("a sid");
    let cookie = format!("io={sid}; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(response.header("set-cookie").as_deref(), Some(cookie.as_str()));

    let session = Polling::open(&server);
    assert_eq!(session.post("40").header("set-cookie"), None);
    assert_eq!(session.get().header("set-cookie"), None);
    let without = Server::start(one_shard(), |_| {});
    assert_eq!(handshake(&without, "").header("set-cookie"), None);
}

#[test]
fn origins_on_the_list_are_named_and_others_are_not() {
    let list = ["https://a.test", "https://b.test"].map(str::to_owned).to_vec();
    let cors = Some(Cors::new(Origin::List(list)).credentials(true));
    let server = Server::start(Config { cors, ..one_shard() }, |_| {});
    for (origin, named) in [("https://b.test", true), ("https://c.test", false), ("https://b.test.evil", false)] {
        let response = handshake(&server, &format!("Origin: {origin}\r\n"));
        assert_eq!(response.status, 200);
        let allowed = response.header("access-control-allow-origin");
        assert_eq!(allowed.as_deref() == Some(origin), named, "{origin}: {allowed:?}");
        assert_eq!(response.header("vary").as_deref(), Some("Origin"));

        let mut connection = server.connect();
        connection.send(raw("OPTIONS", "polling", &format!("Origin: {origin}\r\n")).as_bytes());
        let preflight = connection.response_to("OPTIONS");
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin") == allowed), (204, true));
    }
}

#[test]
fn a_server_of_polling_alone_knows_no_websocket() {
    let transports = Transports::from_iter([Transport::Polling]);
    let server = Server::start(Config { transports, ..one_shard() }, |_| {});
    assert!(handshake(&server, "").text().contains("\"upgrades\":[],"));
    refused_upgrade(&server, "").assert_is(400, "Transport unknown");
    let (session, _) = Polling::connected(&server);
    refused_upgrade(&server, &format!("&sid={}", session.sid)).assert_is(400, "Transport unknown");
    session.post_ok("41");
    server.wait_until("left", |metrics| metrics.sockets == 0 && metrics.sessions == 2);
}

#[test]
fn a_server_of_websockets_alone_knows_no_polling() {
    let transports = Transports::from_iter([Transport::WebSocket]);
    let server = Server::start(Config { transports, ..one_shard() }, |_| {});
    handshake(&server, "").assert_is(400, "{\"code\":0,\"message\":\"Transport unknown\"}");
    Client::connect(&server).ws.expect_nothing_more();
}

#[test]
fn an_upgrade_that_was_not_offered_is_still_granted() {
    let server = Server::start(Config { allow_upgrades: false, ..one_shard() }, |_| {});
    assert!(handshake(&server, "").text().contains("\"upgrades\":[],"));
    let (session, _) = Polling::connected(&server);
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("2probe");
    ws.expect_text("3probe");
    ws.send_text("5");
    ws.send_text("41");
    ws.send_text("40");
    socket_id(&ws.text());
    assert_eq!(server.metrics().upgrades, 1);
}

#[test]
fn a_bare_session_has_no_namespace_to_join_in_time() {
    let config = kinglet::Config {
        connect_timeout: std::time::Duration::from_millis(1),
        ping_interval: std::time::Duration::from_millis(50),
        ..one_shard()
    };
    let server = Server::start(config, |server| {
        server.on_message(|session, message| session.send(&message));
    });
    let (mut ws, _) = WebSocket::open(&server);
    ws.expect_text("2");
    ws.send_text("4hello");
    ws.expect_text("4hello");
    assert_eq!(server.hits("connect_timeout"), 0);
}

#[test]
fn a_crowd_of_handshakes_is_read_at_once_and_does_not_delay_others() {
    const CROWD: usize = 100;
    let (enter, entered) = channel();
    let (leave, left) = channel::<()>();
    let (answered, go_on) = channel::<()>();
    let (left, go_on) = (Mutex::new(left), Mutex::new(go_on));
    let mut config = one_shard();
    config.limits.accepts_per_turn = 2 * CROWD;
    let server = Server::start(config, move |server| {
        let handshakes = AtomicUsize::new(0);
        server.allow_request(move |_| {
            // Half of the crowd is in. By now, clients outside of the crowd must have been served.
            if handshakes.fetch_add(1, SeqCst) == CROWD / 2 {
                receive(&go_on.lock().expect("one shard"));
            }
            Ok(())
        });
        server.of("/").on("hold", move |_, _| {
            enter.send(()).expect("the test waits");
            receive(&left.lock().expect("one shard"));
        });
        server.of("/").on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
    });
    let (mut holder, mut other) = (Client::connect(&server), Client::connect(&server));
    holder.emit("\"hold\"");
    receive(&entered);
    let mut crowd: Vec<_> = (0..CROWD).map(|_| server.connect()).collect();
    crowd.iter_mut().for_each(|client| client.send(raw("GET", "polling", "").as_bytes()));
    // Clients that leave meanwhile, or send more than the request, must not affect the others.
    drop(crowd.pop());
    crowd.last_mut().expect("some").send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut health = server.connect();
    health.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    other.emit("\"echo\",1");
    leave.send(()).expect("the handler waits");
    health.response().assert_is(200, "all good");
    other.expect("\"echo\",1");
    answered.send(()).expect("the hook waits, or will");
    for client in &mut crowd {
        assert_eq!(client.response().status, 200);
    }
    crowd.last_mut().expect("some").response().assert_is(200, "all good");
    server.assert_well();
}
