//! Recovery against packets that were captured from the Node server.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinglet::{Binary, Socket};
use serde_json::{Value, json};

use super::{Answer, enter, event, lose, on};
use crate::support::{Frame, Handled, Server, WebSocket, receive};

const VECTORS: &str = include_str!("../../vectors/socket-io-recovery.json");

/// The client's events, without the offsets at the end.
const ONE: &str = r#"42["one","x"]"#;
const DIRECT: &str = r#"42["direct",1]"#;
const BIN: &str = r#"451-["bin",{"_placeholder":true,"num":0}]"#;
const MISSED: &str = r#"42["missed",1]"#;

/// The server that was captured. It reports the rooms and data of a socket that came back to the test.
fn start() -> (Server, Receiver<String>) {
    let (sender, recovered) = channel();
    let server = Server::start(on(2), |server| {
        server.of("/").on_connect(move |socket| -> Handled {
            if socket.recovered() {
                return Ok(sender.send(format!("{:?} {:?}", socket.rooms(), socket.data::<Value>()))?);
            }
            welcome(socket)
        });
    });
    (server, recovered)
}

/// A room, data, and an event in each of the ways to send one.
fn welcome(socket: &Socket) -> Handled {
    let ignore = |_: &Socket, _| {};
    socket.join("room1")?;
    socket.set_data(&json!({"n": 1}))?;
    let everybody = socket.server().of("/");
    everybody.emit("one", "x")?;
    socket.emit_with_ack("acked", (), Duration::from_secs(60), ignore)?;
    socket.emit("direct", 1)?;
    socket.emit_with_ack("direct-ack", 2, Duration::from_secs(60), ignore)?;
    Ok(everybody.to("room1").emit("bin", Binary::from(vec![1]))?)
}

/// The client of the first connection, with the ids and offsets that it was told.
struct Lost {
    answer: Answer,
    /// The offsets of its events.
    one: String,
    direct: String,
    bin: String,
}

impl Lost {
    /// Connects, hears what was captured, is lost, and misses an event.
    fn of(server: &Server) -> Self {
        let vectors: Value = serde_json::from_str(VECTORS).expect("JSON");
        let captured = |index: usize| vectors["entries"][0]["first_connection"][index].as_str().expect("a text");
        let mut ws = enter(server, "40");
        let answer = Answer::parse(&ws.text());
        let one = event(&mut ws, ONE);
        ws.expect_text(captured(3));
        let direct = event(&mut ws, DIRECT);
        ws.expect_text(captured(5));
        let bin = event(&mut ws, BIN);
        expect_attachment(&mut ws);
        lose(server, ws);
        server.handle().emit("missed", 1).expect("an event");
        Self { answer, one, direct, bin }
    }
}

fn expect_attachment(ws: &mut WebSocket) {
    ws.expect(&Frame { first: 0x82, payload: vec![1] });
}

#[test]
fn a_client_comes_back_as_with_the_node_server() {
    let (server, recovered) = start();
    let lost = Lost::of(&server);
    let state = format!("{:?} {:?}", [&*lost.answer.sid, "room1"], Some(json!({"n": 1})));
    for _ in 0..8 {
        let mut ws = enter(&server, &lost.answer.claim(&lost.one));
        assert_eq!(event(&mut ws, DIRECT), lost.direct);
        assert_eq!(event(&mut ws, BIN), lost.bin);
        expect_attachment(&mut ws);
        event(&mut ws, MISSED);
        let answer = Answer::parse(&ws.text());
        assert_eq!((&answer.sid, &answer.pid), (&lost.answer.sid, &lost.answer.pid));
        assert_eq!(receive(&recovered), state);
        lose(&server, ws);
    }
    assert_eq!((server.metrics().recovered, server.metrics().not_recovered), (8, 0));
}

#[test]
fn an_unknown_client_or_offset_begins_anew_as_with_the_node_server() {
    let (server, _recovered) = start();
    let Lost { answer: lost, one, .. } = Lost::of(&server);
    let unknown = Answer { sid: lost.sid.clone(), pid: "A".repeat(20) };
    for claim in
        [unknown.claim(&one), lost.claim("0"), lost.claim(""), format!(r#"40{{"pid":"{}","offset":1}}"#, lost.pid)]
    {
        let mut ws = enter(&server, &claim);
        let fresh = Answer::parse(&ws.text());
        assert!(fresh.sid != lost.sid && fresh.pid != lost.pid, "{claim}");
        event(&mut ws, ONE);
    }
    // Only the first two claims were plausible.
    assert_eq!((server.metrics().recovered, server.metrics().not_recovered), (0, 2));
}
