//! The client for tests of programs (`kinglet::testing`), against servers in this process.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use kinglet::testing::{Client, ClientError, End, config};
use kinglet::{Binary, Config, DisconnectReason, EmitError, Recovery, Refusal, Running, Server};
use serde_json::{Value, json};
use tungstenite::Message;

/// Bound on every wait: no correct answer takes as long, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(20);

type Handled = Result<(), Box<dyn std::error::Error>>;

fn serve(config: Config, declare: impl FnOnce(&mut Server)) -> Running {
    let mut server = Server::new(config).expect("settings");
    declare(&mut server);
    server.start().expect("the server starts")
}

/// Ends a server, which would wait for clients that are still there.
fn stop(server: Running) {
    server.handle().close();
    server.join().expect("the server ran well");
}

/// A server that acknowledges `echo` with the event's arguments, after it has sent them back.
fn echo() -> Running {
    serve(config(), |server| {
        server.of("/").on("echo", |socket, event| -> Handled {
            socket.emit("echoed", event.arguments().clone())?;
            Ok(event.ack(event.arguments().clone())?)
        });
    })
}

/// A server whose sockets tell why they left.
fn leaving() -> (Running, Receiver<DisconnectReason>) {
    let (sender, reasons) = channel();
    let server = serve(config(), move |server| {
        server.of("/").on_disconnect(move |_, reason| sender.send(reason));
    });
    (server, reasons)
}

#[test]
fn a_handshake_has_what_it_was_given() {
    let server = serve(Config { path: "/here/".to_owned(), ..config() }, |server| {
        server.of("/").on_connect(|socket| socket.disconnect(true));
        server.of("/room").on_connect(|socket| {
            let handshake = socket.handshake().expect("it has just been made");
            let query = handshake.query();
            socket.emit("you", (socket.id(), socket.auth::<Value>(), handshake.header("cookie"), query.last()))
        });
    });
    let mut client = Client::builder(server.address())
        .path("/here/")
        .namespace("/room")
        .auth(json!({ "token": "x" }))
        .query("a b", "1&2")
        .header("Cookie", "c=d")
        .connect()
        .expect("let in");
    let you = client.next("you", PATIENCE).expect("an event").args::<[Value; 4]>().expect("args");
    assert_eq!(you, [json!(client.id()), json!({ "token": "x" }), json!("c=d"), json!(["a b", "1&2"])]);
    drop(client);
    stop(server);
}

#[test]
fn whoever_is_refused_hears_why() {
    let server = serve(config(), |server| {
        server.allow_request(|handshake| match handshake.header("x-banned") {
            Some(_) => Err("banned".to_owned()),
            None => Ok(()),
        });
        server.of("/closed").middleware(|_| Err(Refusal::new("closed").data(&json!({ "until": 9 })).expect("JSON")));
    });
    match Client::builder(server.address()).namespace("/closed").connect() {
        Err(ClientError::Refused { message, data }) => {
            assert_eq!((message.as_str(), data), ("closed", Some(json!({ "until": 9 }))));
        }
        other => panic!("{other:?}"),
    }
    match Client::builder(server.address()).namespace("/nowhere").connect() {
        Err(error @ ClientError::Refused { .. }) => assert_eq!(error.to_string(), "connect_error: Invalid namespace"),
        other => panic!("{other:?}"),
    }
    match Client::builder(server.address()).header("X-Banned", "1").connect() {
        Err(ClientError::Handshake { status: 400, body }) => assert!(body.contains("banned"), "{body}"),
        other => panic!("{other:?}"),
    }
    let unsendable = Client::builder(server.address()).header("not a name", "1").connect();
    assert!(matches!(unsendable, Err(ClientError::Request(_))), "{unsendable:?}");
    let address = server.address();
    stop(server);
    let nobody = Client::connect(address);
    assert!(matches!(nobody, Err(ClientError::Connect { .. })), "{nobody:?}");
}

#[test]
fn events_and_answers_carry_attachments() {
    let server = echo();
    let mut client = Client::connect(server.address()).expect("let in");
    let sent = (Binary::from("one"), json!({ "is": "text" }), [Binary::from("two")]);
    let answer = client.emit_with_ack("echo", (&sent.0, &sent.1, &sent.2), PATIENCE).expect("an answer");
    assert_eq!(answer.args::<(Binary, Value, [Binary; 1])>().expect("args"), sent);
    let echoed = client.next("echoed", Duration::ZERO).expect("it came before the answer");
    assert_eq!(echoed.args::<(Binary, Value, [Binary; 1])>().expect("args"), sent);
    assert!(!echoed.wants_answer());
    drop(client);
    stop(server);
}

#[test]
fn events_are_taken_by_name_in_the_order_in_which_they_came() {
    let server = serve(config(), |server| {
        server.of("/").on_connect(|socket| -> Handled {
            for number in 0..3 {
                socket.emit("a", number)?;
                socket.emit("b", number)?;
            }
            Ok(())
        });
    });
    let mut client = Client::connect(server.address()).expect("let in");
    for name in ["b", "a"] {
        for number in 0..3 {
            let received = client.next(name, PATIENCE).expect("an event");
            assert_eq!((received.name(), received.args().expect("args")), (name, (number,)));
        }
    }
    drop(client);
    stop(server);
}

#[test]
fn what_does_not_come_is_told_with_what_has_come() {
    let server = echo();
    let mut client = Client::connect(server.address()).expect("let in");
    client.emit_with_ack("echo", (), PATIENCE).expect("an answer");
    let error = client.next("told", Duration::ZERO).expect_err("nobody sends it").to_string();
    assert_eq!(error, r#"no event "told" within 0ns, but ["echoed"]"#);
    client.next("echoed", Duration::ZERO).expect("it is still there");
    let error = client.emit_with_ack("unknown", (), Duration::from_millis(1)).expect_err("nobody answers").to_string();
    assert_eq!(error, r#"no answer to "unknown" within 1ms, nor any other event"#);
    // Whatever answers an event that nobody waits for any more does not answer the next one.
    client.emit_with_ack("echo", 1, Duration::ZERO).expect_err("no time");
    assert_eq!(client.emit_with_ack("echo", 2, PATIENCE).expect("an answer").args::<(u8,)>().expect("args"), (2,));
    assert!(matches!(client.emit("disconnect", ()), Err(ClientError::Emit(EmitError::Reserved(_)))));
    drop(client);
    stop(server);
}

#[test]
fn the_server_gets_its_answers() {
    let (sender, answers) = channel();
    let server = serve(config(), move |server| {
        server.of("/").on_connect(move |socket| {
            let sender = sender.clone();
            socket.emit_with_ack("name", "yours?", PATIENCE, move |_, answer| {
                let answer = answer.expect("an answer").args::<(String, Binary)>().expect("args");
                sender.send(answer).expect("the test waits");
            })
        });
    });
    let mut client = Client::connect(server.address()).expect("let in");
    let question = client.next("name", PATIENCE).expect("a question");
    assert!(question.wants_answer());
    client.answer(&question, ("ada", Binary::from("picture"))).expect("it is sent");
    let answer = answers.recv_timeout(PATIENCE).expect("the answer has come");
    assert_eq!(answer, ("ada".to_owned(), Binary::from("picture")));
    drop(client);
    stop(server);
}

#[test]
fn who_leaves_and_who_is_lost_are_told_apart() {
    let (server, reasons) = leaving();
    let connect = || Client::connect(server.address()).expect("let in");
    connect().disconnect().expect("the server closes");
    assert_eq!(reasons.recv_timeout(PATIENCE).expect("it left").as_str(), "client namespace disconnect");
    let mut lost = connect();
    lost.lose_connection().expect("the server closes");
    assert_eq!(reasons.recv_timeout(PATIENCE).expect("it left").as_str(), "transport close");
    assert!(matches!(lost.emit("x", ()), Err(ClientError::Disconnected(End::Connection(None)))));
    drop(connect());
    assert_eq!(reasons.recv_timeout(PATIENCE).expect("it left").as_str(), "transport close");
    stop(server);
}

#[test]
fn who_is_disconnected_has_heard_what_came_before() {
    let server = serve(config(), |server| {
        server.of("/").on("leave", |socket, _| -> Handled {
            socket.emit("bye", ())?;
            socket.disconnect(false);
            Ok(())
        });
    });
    let mut client = Client::connect(server.address()).expect("let in");
    client.emit("leave", ()).expect("it is sent");
    assert_eq!(client.disconnected(PATIENCE).expect("it is disconnected"), End::ByServer);
    client.next("bye", Duration::ZERO).expect("it came before");
    let after = client.next("bye", PATIENCE).expect_err("nothing more comes");
    assert_eq!(after.to_string(), "the socket is disconnected: io server disconnect");
    client.reconnect().expect("it may come back");
    assert!(client.disconnected(Duration::ZERO).is_err());

    server.handle().close();
    let end = client.disconnected(PATIENCE).expect("the server ends");
    assert!(matches!(end, End::ByServer | End::Connection(_)), "{end:?}");
    client.disconnect().expect("it has gone already");
    server.join().expect("the server ran well");
}

#[test]
fn a_lost_client_comes_back_and_hears_what_it_missed() {
    let recovery = Some(Recovery::default());
    let server = serve(Config { recovery, shards: Some(2), ..config() }, |server| {
        server.of("/").on("join", |socket, event| {
            socket.join("room")?;
            event.ack(())?;
            Ok::<(), Box<dyn std::error::Error>>(())
        });
    });
    let room = server.handle().to("room");
    for _ in 0..20 {
        let mut client = Client::builder(server.address()).auth(json!({ "token": 1 })).connect().expect("let in");
        let id = client.id().to_owned();
        client.emit_with_ack("join", (), PATIENCE).expect("joined");
        room.clone().emit("news", 1).expect("sent");
        client.next("news", PATIENCE).expect("heard");
        client.lose_connection().expect("the server has noticed");
        room.clone().emit("news", 2).expect("sent");
        client.reconnect().expect("it comes back");
        assert!(client.recovered());
        assert_eq!(client.id(), id);
        assert_eq!(client.next("news", PATIENCE).expect("missed").args::<(u8,)>().expect("args"), (2,));
        client.disconnect().expect("it leaves");
    }
    stop(server);
}

#[test]
fn a_server_without_recovery_has_a_new_client() {
    let server = echo();
    let mut client = Client::connect(server.address()).expect("let in");
    let before = client.id().to_owned();
    client.emit_with_ack("echo", "a text", PATIENCE).expect("an answer");
    client.reconnect().expect("it comes back");
    assert!(!client.recovered() && client.id() != before);
    client.next("echoed", Duration::ZERO).expect("it came before");
    drop(client);
    stop(server);
}

#[test]
fn a_client_that_waits_answers_pings() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut socket = tungstenite::accept(stream).expect("a WebSocket");
        let mut say = |text: &'static str| socket.send(Message::text(text)).expect("the client reads");
        say("0{}");
        say("40{\"sid\":\"x\"}");
        say("2");
        assert_eq!(socket.read().expect("CONNECT").into_text().expect("text"), "40");
        assert_eq!(socket.read().expect("a pong").into_text().expect("text"), "3");
        socket.send(Message::text("42[\"heard\"]")).expect("the client reads");
        // Until the client has gone.
        while socket.read().is_ok() {}
    });
    let mut client = Client::connect(address).expect("let in");
    client.next("heard", PATIENCE).expect("the ping was answered");
    drop(client);
    server.join().expect("the server heard what it waited for");
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let silent = Client::builder(address).timeout(Duration::from_millis(10)).connect().expect_err("it says nothing");
    assert!(silent.to_string().starts_with("no answer to the handshake within 10ms"), "{silent}");
}

#[test]
fn a_server_that_does_not_read_is_told_from_one_that_has_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut socket = tungstenite::accept(stream).expect("a WebSocket");
        socket.send("0{}".into()).expect("open");
        socket.send("40{\"sid\":\"x\"}".into()).expect("a socket");
        socket
    });
    let mut client = Client::builder(address).timeout(Duration::from_secs(1)).connect().expect("let in");
    let _unread = server.join().expect("a server");
    let mut send = || client.emit("much", "x".repeat(1 << 20));
    let error = (0..100).find_map(|_| send().err()).expect("the kernel keeps less");
    assert!(error.to_string().starts_with("the server did not read within 1s"), "{error}");
}
