//! Handlers: what they get, what their failures cost, in which order they run.

use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::thread;

use kinglet::{Binary, DisconnectReason, Refusal, Socket};
use serde::{Deserialize, Serialize};

use crate::support::{Client, Frame, Handled, Server, WebSocket, event, one_shard, receive};

#[test]
fn a_handler_that_panics_or_fails_is_counted_and_the_server_goes_on() {
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("panic", |_, _| -> () { panic!("a handler that panics") });
        root.on("fail", |_, _| Err::<(), _>("a handler that fails"));
        root.on("fail-later", |_, event| event.take_ack().map_or(Ok(()), |_| Err("who would have acknowledged fails")));
        root.on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
        root.on_connect(|_| Err::<(), _>("nor is a connection lost"));
        root.on_disconnect(|_, _| -> () { panic!("nor does a departure hurt") });
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("421[\"panic\"]");
    client.ws.expect_text("431[{\"error\":\"internal error\"}]");
    client.ws.send_text("422[\"fail\"]");
    client.ws.expect_text("432[{\"error\":\"a handler that fails\"}]");
    client.ws.send_text("423[\"fail-later\"]");
    client.emit("\"echo\",1");
    client.expect("\"echo\",1");
    let metrics = server.metrics();
    assert_eq!((metrics.handler_panics, metrics.handler_errors), (1, 3));
    drop(client);
    server.wait_until("a panic counted", |metrics| metrics.handler_panics == 2 && metrics.sockets == 0);
    server.assert_well();
}

#[test]
fn a_client_that_sends_faster_than_it_is_read_does_not_starve_others() {
    // Many times the bytes that one turn may read of one connection, in events that are handled fast.
    const EVENTS: usize = 800;
    let (sender, received) = channel();
    let server = Server::start(one_shard(), move |server| {
        let root = server.of("/");
        root.on("flood", |_, _| ());
        root.on("end", move |_, _| sender.send(()));
        root.on("echo", |socket, event| socket.emit("echo", event.arguments().clone()));
    });
    let (mut fast, mut other) = (Client::connect(&server), Client::connect(&server));
    let before = server.metrics().received;
    let flood = thread::spawn(move || {
        let frame = WebSocket::masked_frame(0x81, event(&format!("\"flood\",\"{}\"", "x".repeat(60_000))).as_bytes());
        fast.ws.connection.send(&frame.repeat(EVENTS));
        fast.emit("\"end\"");
        fast
    });
    server.wait_until("the flood begun", |metrics| metrics.received > before);
    other.emit("\"echo\",1");
    other.expect("\"echo\",1");
    receive(&received);
    assert_eq!(server.metrics().received, before + EVENTS as u64 + 2);
    flood.join().expect("everything was sent");
    server.assert_well();
}

#[test]
fn a_panic_does_not_stop_the_other_handlers_of_an_event() {
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("e", |socket, _| socket.emit("first", ()));
        root.on_any(|socket, event| socket.emit("any", event.name()));
        root.on("e", |_, _| -> () { panic!("the second of three") });
        root.on("e", |socket, _| socket.emit("last", ()));
    });
    let mut client = Client::connect(&server);
    client.emit("\"e\"");
    ["\"any\",\"e\"", "\"first\"", "\"last\""].iter().for_each(|event| client.expect(event));
    client.emit("\"unheard of\"");
    client.expect("\"any\",\"unheard of\"");
    client.ws.expect_nothing_more();
}

thread_local! {
    /// The socket that the data is read from.
    static READER: RefCell<Option<Socket>> = const { RefCell::new(None) };
}

/// A type that joins a room when it is deserialised.
struct Joining;

impl<'de> Deserialize<'de> for Joining {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        READER.with_borrow(|reader| reader.as_ref().map(|socket| socket.join("read"))).transpose().expect("room");
        Ok(Self)
    }
}

#[test]
fn a_type_may_use_the_socket_while_the_socket_s_data_is_read() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("read", |socket, event| -> Handled {
            socket.set_data(&1)?;
            READER.set(Some(socket.clone()));
            let read = (socket.data::<Joining>().is_some(), socket.auth::<Joining>().is_some());
            READER.set(None);
            Ok(event.ack((read.0, read.1, socket.rooms().len()))?)
        });
    });
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40{\"token\":1}");
    ws.text();
    ws.send_text("421[\"read\"]");
    ws.expect_text("431[true,true,2]");
}

#[test]
fn a_middleware_refuses_by_an_error_or_a_panic() {
    let server = Server::start(one_shard(), |server| {
        server.of("/refusing").middleware(|_| {
            #[derive(Serialize)]
            struct Data {
                code: u32,
            }
            Err(Refusal::new("no \"entry\"").data(&Data { code: 7 }).expect("a number is JSON"))
        });
        server.of("/panicking").middleware(|_| panic!("a middleware that panics"));
        let asking = server.of("/asking");
        asking.middleware(|socket| match socket.auth::<(u8,)>() {
            None if socket.auth::<serde_json::Value>().is_some_and(|auth| auth["token"] == "secret") => Ok(()),
            _ => Err(Refusal::new("who?")),
        });
        asking.middleware(|socket| {
            // It is not a member yet, so this reaches nobody.
            socket.emit("early", ()).expect("a name that may be used");
            assert!(!socket.connected());
            Ok(())
        });
    });
    let (mut ws, _) = WebSocket::open(&server);
    ws.send_text("40/refusing,");
    ws.expect_text(r#"44/refusing,{"message":"no \"entry\"","data":{"code":7}}"#);
    ws.send_text("40/panicking,");
    ws.expect_text(r#"44/panicking,{"message":"internal error"}"#);
    ws.send_text("40/asking,");
    ws.expect_text(r#"44/asking,{"message":"who?"}"#);
    ws.send_text("40/nowhere,");
    ws.expect_text(r#"44/nowhere,{"message":"Invalid namespace"}"#);
    ws.send_text(r#"40/asking,{"token":"secret"}"#);
    assert!(ws.text().starts_with("40/asking,{\"sid\":\""));
    ws.expect_nothing_more();
    assert_eq!((server.metrics().handler_panics, server.metrics().sockets), (1, 1));
}

#[test]
fn arguments_of_another_type_are_an_error_that_the_client_is_told() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("add", |_, event| -> Handled {
            let (a, b): (i64, i64) = event.args()?;
            event.ack(a + b)?;
            Ok(())
        });
    });
    let mut client = Client::connect(&server);
    for (id, arguments) in ["\"1\",2", "1", "1.5,2", "null,2", "[1],2", "1,9223372036854775808"].iter().enumerate() {
        client.ws.send_text(&format!("42{id}[\"add\",{arguments}]"));
        let answer = client.ws.text();
        assert!(answer.starts_with(&format!("43{id}[{{\"error\":\"invalid ")), "{answer}");
    }
    client.ws.send_text("429[\"add\",1,2,\"what is beyond counts for nothing\"]");
    client.ws.expect_text("439[3]");
    assert_eq!(server.metrics().handler_errors, 6);
}

#[derive(Deserialize, Serialize)]
struct Picture {
    name: String,
    layers: Vec<Binary>,
}

#[test]
fn binary_travels_within_structs_both_ways() {
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("mirror", |socket, event| -> Handled {
            let (mut picture, extra): (Picture, Option<Binary>) = event.args()?;
            picture.layers.reverse();
            socket.emit("mirrored", (extra, picture))?;
            Ok(())
        });
        root.on("sizes", |_, event| -> Handled {
            let (picture,): (Picture,) = event.args()?;
            event.ack((picture.layers.len(), picture.layers.first()))?;
            Ok(())
        });
    });
    let binary = |bytes: &[u8]| Frame { first: 0x82, payload: bytes.to_vec() };
    let picture = r#"{"name":"p","layers":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]}"#;

    let mut client = Client::connect(&server);
    client.ws.send_text(&format!("453-[\"mirror\",{picture},{{\"_placeholder\":true,\"num\":2}}]"));
    [&b"a"[..], b"b", b"c"].iter().for_each(|data| client.ws.send(0x82, data));
    client.ws.expect_text(
        "453-[\"mirrored\",{\"_placeholder\":true,\"num\":0},{\"name\":\"p\",\"layers\":\
         [{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":2}]}]",
    );
    [&b"c"[..], b"b", b"a"].iter().for_each(|data| client.ws.expect(&binary(data)));

    client.ws.send_text(&format!("452-7[\"sizes\",{picture}]"));
    [&b"x"[..], b"y"].iter().for_each(|data| client.ws.send(0x82, data));
    client.ws.expect_text("461-7[2,{\"_placeholder\":true,\"num\":0}]");
    client.ws.expect(&binary(b"x"));

    client.emit("\"mirror\",{\"name\":\"p\",\"layers\":[\"text\"]},null");
    client.ws.expect_nothing_more();
    assert_eq!(server.metrics().handler_errors, 1);
}

struct Panicking;

impl<'de> Deserialize<'de> for Panicking {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a type that panics")
    }
}

#[test]
fn an_event_has_its_own_attachments_even_after_a_panic() {
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on("panic", |_, event| event.args::<(Panicking,)>().map(drop));
        root.on("peek", |_, event| event.args::<(Binary,)>().map(drop));
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("451-[\"panic\",{\"_placeholder\":true,\"num\":0}]");
    client.ws.send(0x82, b"private");
    client.emit("\"peek\",{\"_placeholder\":true,\"num\":0}");
    client.ws.expect_nothing_more();
    assert_eq!((server.metrics().handler_panics, server.metrics().handler_errors), (1, 1));
}

#[test]
fn emits_of_on_connect_follow_the_answer() {
    let server = Server::start(one_shard(), |server| {
        server.of("/").on_connect(|socket| -> Handled {
            socket.emit("to-you", &*socket.id())?;
            socket.to(&*socket.id()).emit("to-the-others", ())?;
            socket.server().to(&*socket.id()).emit("to-your-room", ())?;
            socket.join("lobby")?;
            assert_eq!(socket.rooms(), [socket.id().to_string(), "lobby".to_owned()]);
            socket.leave("lobby");
            socket.server().to("lobby").emit("nobody", ())?;
            Ok(())
        });
    });
    let mut client = Client::connect(&server);
    client.expect(&format!("\"to-you\",\"{}\"", client.id));
    client.expect("\"to-your-room\"");
    client.ws.expect_nothing_more();
    assert_eq!(server.metrics().handler_errors + server.metrics().handler_panics, 0);
}

#[test]
fn a_leaving_socket_is_in_its_rooms_and_then_in_none() {
    let (sender, heard) = channel();
    let after = sender.clone();
    let server = Server::start(one_shard(), |server| {
        let root = server.of("/");
        root.on_connect(|socket| socket.join("lobby"));
        root.on("leave", |socket, _| {
            socket.disconnect(false);
            assert!(!socket.connected());
            socket.emit("too late", ())
        });
        root.on_disconnecting(move |socket, reason| sender.send((socket.rooms(), reason)));
        root.on_disconnect(move |socket, reason| {
            assert!(socket.join("lobby").is_err());
            after.send((socket.rooms(), reason))
        });
    });
    let reason = DisconnectReason::ServerNamespaceDisconnect;
    let mut client = Client::connect(&server);
    client.emit("\"leave\"");
    client.ws.expect_text("41");
    client.ws.expect_nothing_more();
    assert_eq!(receive(&heard), (vec![client.id.clone(), "lobby".to_owned()], reason));
    assert_eq!(receive(&heard), (vec![], reason));
    assert_eq!(server.all_rooms("/"), [""; 0]);
    assert_eq!((server.metrics().sockets, server.metrics().sessions), (0, 1));

    client.ws.send_text("40");
    assert_ne!(crate::support::socket_id(&client.ws.text()), client.id);
    client.ws.send_text("41");
    assert_eq!(receive(&heard).1, DisconnectReason::ClientNamespaceDisconnect);
    assert_eq!(receive(&heard).0, [""; 0]);
    assert_eq!(server.metrics().handler_panics, 0);
}

#[test]
fn a_handler_ends_its_own_connection() {
    let (sender, heard) = channel();
    let server = Server::start(one_shard(), |server| {
        server.of("/").on("go", |socket, _| socket.disconnect(true));
        server.of("/other").on_disconnect(move |_, reason| sender.send(reason));
    });
    let mut client = Client::connect(&server);
    client.ws.send_text("40/other,");
    client.ws.text();
    client.emit("\"go\"");
    let mut farewells = [client.ws.text(), client.ws.text()];
    farewells.sort_unstable();
    assert_eq!(farewells, ["41", "41/other,"]);
    client.ws.expect_close();
    assert_eq!(receive(&heard), DisconnectReason::ServerNamespaceDisconnect);
    server.wait_until("nobody left", |metrics| metrics.sessions == 0 && metrics.connections == 0);
}
