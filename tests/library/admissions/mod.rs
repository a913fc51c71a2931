//! Decisions that take time: clients wait until the program lets them in, on whatever thread.

mod blocking;
mod ends;
mod handshakes;
mod recovery;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use kinglet::{Admission, Config, Namespace, Refusal, SocketHandle};
use serde_json::Value;

use crate::support::{Client, Polling, Server, WebSocket, config, one_shard, receive, socket_id};

/// A question to the test.
type Question = (SocketHandle, Admission);

/// Hands the decisions about a namespace's sockets to the test.
fn defer(namespace: &mut Namespace, questions: &Sender<Question>) {
    let questions = questions.clone();
    namespace.middleware_deferred(move |socket, admission| {
        // A test that has failed does not hear it.
        let _ = questions.send((socket, admission));
    });
}

/// A server whose namespace `/slow` waits for the test. The namespace `/` lets everybody in.
fn start(config: Config) -> (Server, Receiver<Question>) {
    let (sender, questions) = channel();
    let server = Server::start(config, |server| {
        let slow = server.of("/slow");
        defer(slow, &sender);
        slow.on_connect(|socket| socket.emit("welcome", ()));
        slow.on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
    });
    (server, questions)
}

/// A client that has asked for `/slow`, and the question about it.
fn waiting(server: &Server, questions: &Receiver<Question>) -> (WebSocket, Question) {
    let (mut ws, _) = WebSocket::open(server);
    ws.send_text("40/slow,{\"token\":1}");
    (ws, receive(questions))
}

/// A client of protocol 3, which the server joins to `/` by itself.
fn protocol_3(server: &Server) -> WebSocket {
    let mut connection = server.connect();
    connection.send(WebSocket::request("").replace("EIO=4", "EIO=3").as_bytes());
    assert_eq!(connection.response().status, 101);
    let mut ws = WebSocket { connection };
    ws.opened();
    ws
}

/// Panics unless the client has heard nothing until now.
fn expect_silence(ws: &mut WebSocket) {
    ws.send_text("40");
    socket_id(&ws.text());
}

#[test]
fn a_client_waits_for_the_decision() {
    let (server, questions) = start(one_shard());
    let (mut ws, (socket, admission)) = waiting(&server, &questions);
    expect_silence(&mut ws);
    assert!(admission.is_pending());
    assert_eq!((server.metrics().admissions_waiting, socket.namespace()), (1, "/slow"));
    server.handle().of("/slow").emit("news", ()).expect("an event");
    admission.admit();
    ws.expect_text(&format!("40/slow,{{\"sid\":\"{}\"}}", socket.id()));
    ws.expect_text("42/slow,[\"welcome\"]");
    ws.send_text("42/slow,[\"echo\",7]");
    ws.expect_text("42/slow,[\"echo\",7]");
    assert_eq!(server.metrics().admissions_waiting, 0);
}

#[test]
fn a_refusal_has_its_message_and_data_and_the_client_may_ask_again() {
    let (server, questions) = start(one_shard());
    let (mut ws, (_, admission)) = waiting(&server, &questions);
    admission.refuse(Refusal::new("not \"today\"").data(&7).expect("a number is JSON"));
    ws.expect_text(r#"44/slow,{"message":"not \"today\"","data":7}"#);
    ws.send_text("40/slow,");
    drop(receive(&questions));
    ws.expect_text(r#"44/slow,{"message":"internal error"}"#);
    ws.send_text("40/slow,");
    receive(&questions).1.admit();
    assert!(ws.text().starts_with("40/slow,{\"sid\":"));
    assert_eq!((server.metrics().sockets, server.metrics().handler_panics), (1, 0));
}

#[test]
fn a_middleware_that_panics_refuses_with_an_internal_error() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").middleware_deferred(|_, _| panic!("a middleware that panics"));
    });
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40");
    ws.expect_text(r#"44{"message":"internal error"}"#);
    assert_eq!(server.metrics().handler_panics, 1);
}

#[test]
fn middlewares_are_asked_in_the_order_of_their_declaration() {
    let (sender, questions) = channel();
    let (note, noted) = channel();
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        let at_once = |name: &'static str| {
            let note = note.clone();
            move |_: &kinglet::Socket| note.send(name).map_err(|_| Refusal::new("nobody listens"))
        };
        root.middleware(at_once("first"));
        defer(root, &sender);
        root.middleware(at_once("third"));
        defer(root, &sender);
        root.middleware(|socket| match socket.auth::<Value>() {
            Some(_) => Err(Refusal::new("the last one refuses")),
            None => Ok(()),
        });
    });
    for (connect, answer) in [("40", "40{\"sid\":"), ("40{}", "44{\"message\":\"the last one")] {
        let (mut ws, _) = WebSocket::open(&server);
        ws.send_text(connect);
        let (_, second) = receive(&questions);
        assert_eq!((receive(&noted), noted.try_recv().is_err()), ("first", true));
        second.admit();
        let (_, fourth) = receive(&questions);
        assert_eq!((receive(&noted), noted.try_recv().is_err()), ("third", true));
        fourth.admit();
        let text = ws.text();
        assert!(text.starts_with(answer), "{text}");
    }
}

#[test]
fn a_decision_may_come_from_any_thread_or_at_once() {
    let server = Server::start(config(2), |server| {
        server.of("/at-once").middleware_deferred(|_, admission| admission.admit());
        server.of("/thread").middleware_deferred(|socket, admission| {
            thread::spawn(move || {
                socket.join("known");
                admission.admit();
            });
        });
    });
    let (mut ws, _) = WebSocket::open(&server);
    for namespace in ["/at-once", "/thread"] {
        ws.send_text(&format!("40{namespace},"));
        assert!(ws.text().starts_with(&format!("40{namespace},{{\"sid\":")));
    }
    server.handle().of("/thread").to("known").emit("hello", ()).expect("an event");
    ws.expect_text("42/thread,[\"hello\"]");
}

#[test]
fn clients_on_polling_wait_on_any_shard() {
    let (server, questions) = start(config(3));
    let sessions: Vec<_> = (0..12).map(|_| Polling::open(&server)).collect();
    for session in &sessions {
        session.post_ok("40/slow,");
    }
    let questions: Vec<_> = sessions.iter().map(|_| receive(&questions)).collect();
    for (_, admission) in questions {
        thread::spawn(move || admission.admit());
    }
    for session in &sessions {
        assert!(session.get().text().starts_with("40/slow,{\"sid\":"));
    }
}

#[test]
fn a_namespace_made_by_predicate_waits_with_its_client_and_ends_with_it() {
    let (sender, questions) = channel();
    let server = Server::start(one_shard(), |server| defer(server.of_dynamic(|_| true), &sender));
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40/game,");
    receive(&questions).1.admit();
    assert!(ws.text().starts_with("40/game,{\"sid\":"));
    let (mut other, _) = WebSocket::open(&server);
    other.send_text("40/else,");
    let (_, admission) = receive(&questions);
    drop(other);
    server.wait_until("gone", |metrics| metrics.sessions == 1);
    assert!(!admission.is_pending());
    admission.admit();
    ws.send_text("41/game,");
    server.wait_until("left", |metrics| metrics.sockets == 0);
    server.assert_well();
}

#[test]
fn clients_of_protocol_3_wait_to_be_greeted() {
    let (sender, questions) = channel();
    let server = Server::start(Config { allow_eio3: true, ..one_shard() }, |server| defer(server.of("/"), &sender));
    let mut ws = protocol_3(&server);
    receive(&questions).1.admit();
    ws.expect_text("40");
    let mut ws = protocol_3(&server);
    receive(&questions).1.refuse(Refusal::new("no"));
    ws.expect_text("44\"no\"");
}

#[test]
fn others_are_served_meanwhile() {
    let (server, questions) = start(one_shard());
    let waiting: Vec<_> = (0..20).map(|_| waiting(&server, &questions)).collect();
    let mut client = Client::connect(&server);
    server.handle().emit("news", 1).expect("an event");
    client.expect("\"news\",1");
    server.assert_well();
    assert_eq!(server.metrics().admissions_waiting, 20);
    drop(waiting);
}
