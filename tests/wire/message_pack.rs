//! Packets in MessagePack, against exchanges captured from Node's server with `socket.io-msgpack-parser`. Packets of the server
//! are compared in meaning: the order of members does not matter, nor do members that are `undefined`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;

use crate::support::{Connection, Frame, Polling, Server, WebSocket, hex};

/// Exchanges that differ, each with a test of its own.
const SINGLE: &[&str] = &["EVENT with a date"];

/// One packet of a client or of the server.
fn packet(members: &[(&str, Value)]) -> Vec<u8> {
    let members = members.iter().map(|(name, value)| (Value::from(*name), value.clone())).collect();
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Map(members)).expect("memory");
    bytes
}

fn of_type(kind: u8, more: &[(&str, Value)]) -> Vec<u8> {
    packet(&[&[("type", kind.into()), ("nsp", "/".into())], more].concat())
}

fn event(data: Vec<Value>) -> Vec<u8> {
    of_type(2, &[("data", Value::Array(data))])
}

/// What a packet of the server says to a client in JavaScript.
fn meaning(packet: &[u8]) -> Value {
    let mut rest = packet;
    let value = rmpv::decode::read_value(&mut rest).expect("MessagePack");
    assert!(rest.is_empty(), "bytes behind a packet: {packet:02x?}");
    understood(value)
}

fn understood(value: Value) -> Value {
    match value {
        Value::Map(members) => {
            let defined = members.into_iter().filter(|(_, value)| !is_undefined(value));
            let mut members: Vec<_> = defined.map(|(name, value)| member(name, value)).collect();
            members.sort_by(|(one, _), (other, _)| one.as_str().cmp(&other.as_str()));
            Value::Map(members)
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(understood).collect()),
        // An ArrayBuffer comes back as a buffer, and `undefined` in a list as nil.
        Value::Ext(0, data) if data.len() != 1 => Value::Binary(data),
        undefined if is_undefined(&undefined) => Value::Nil,
        value => value,
    }
}

fn is_undefined(value: &Value) -> bool {
    matches!(value, Value::Ext(0, data) if data.len() == 1)
}

/// A member, with the random id of a socket replaced.
fn member(name: Value, value: Value) -> (Value, Value) {
    let is_sid = name.as_str() == Some("sid") && value.as_str().is_some_and(|sid| sid.len() == 20);
    let value = if is_sid { "<sid>".into() } else { understood(value) };
    (name, value)
}

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../vectors/socket-io-msgpack.json")).expect("vectors are JSON")
}

fn server() -> Server {
    Server::with(&[("PARSER", "msgpack")])
}

fn receive(ws: &mut WebSocket) -> Value {
    let frame = ws.frame();
    assert_eq!(frame.first, 0x82, "{frame:02x?}");
    meaning(&frame.payload)
}

/// A client that has joined `/` and was greeted.
fn connected(server: &Server) -> WebSocket {
    let (mut ws, _) = WebSocket::open(server);
    ws.send(0x82, &of_type(0, &[]));
    let (answer, greeting) = (receive(&mut ws), receive(&mut ws));
    assert_eq!((&answer["type"], &greeting["type"]), (&Value::from(0), &Value::from(2)));
    ws
}

#[test]
fn a_client_and_the_server_exchange_packets_as_captured() {
    let shared = server();
    for exchange in vectors()["exchanges"].as_array().expect("a list") {
        let name = exchange["name"].as_str().expect("a name");
        if SINGLE.contains(&name) {
            continue;
        }
        // The ids of questions count up from 0 in each server.
        let own = name.contains("asks").then(server);
        let (mut ws, _) = WebSocket::open(own.as_ref().unwrap_or(&shared));
        let mut receives = exchange["receive"].as_array().expect("a list").iter();
        let mut expect = |ws: &mut WebSocket, count: usize| {
            for packet in receives.by_ref().take(count) {
                let packet = hex(packet.as_str().expect("hexadecimal digits"));
                assert_eq!(receive(ws), meaning(&packet), "{name}");
            }
        };
        for (place, message) in exchange["send"].as_array().expect("a list").iter().enumerate() {
            match message["text"].as_str() {
                Some(text) => ws.send_text(text),
                None => ws.send(0x82, &hex(message["hex"].as_str().expect("hexadecimal digits"))),
            }
            // As the captured client, it goes on when it has joined, and answers when it was asked.
            let awaited = if place == 0 { 2 } else { usize::from(name.contains("asks")) };
            expect(&mut ws, awaited);
        }
        expect(&mut ws, usize::MAX);
        if exchange["closed"] == true {
            ws.expect_close();
        } else {
            ws.expect_nothing_more();
        }
    }
}

#[test]
fn polling_carries_packets_as_captured() {
    let server = server();
    for exchange in vectors()["polling"].as_array().expect("a list") {
        let (mut session, mut answered, mut expected) = (Polling::open(&server), Vec::new(), Vec::new());
        for step in exchange["steps"].as_array().expect("a list") {
            session.post_ok(step["post"].as_str().expect("a body"));
            expected.extend(packets(step["get"].as_str().expect("a body")));
        }
        // A GET may carry more of them than it did on Node.
        while answered.len() < expected.len() {
            answered.extend(packets(&session.get().text()));
        }
        assert_eq!(answered, expected, "{}", exchange["name"]);
    }
}

/// The packets of a payload: each in MessagePack, or the text of one of Engine.IO.
fn packets(payload: &str) -> Vec<Value> {
    let packet = |packet: &str| match packet.strip_prefix('b') {
        Some(data) => meaning(&STANDARD.decode(data).expect("base 64")),
        None => Value::from(packet),
    };
    payload.split('\x1e').map(packet).collect()
}

#[test]
fn a_date_becomes_its_text() {
    let server = server();
    let mut ws = connected(&server);
    ws.send(0x82, &hex("83a47479706502a46461746192a76d657373616765d700000000e8d4a51000a36e7370a12f"));
    assert_eq!(receive(&mut ws)["data"][1].as_str(), Some("2001-09-09T01:46:40.000Z"));
}

#[test]
fn nil_is_no_data_as_clients_in_other_languages_write_it() {
    let server = server();
    let (mut ws, _) = WebSocket::open(&server);
    ws.send(0x82, &of_type(0, &[("data", Value::Nil)]));
    assert_eq!(receive(&mut ws)["type"], Value::from(0));
    receive(&mut ws);
    ws.send(0x82, &of_type(1, &[("data", Value::Nil)]));
    ws.expect_nothing_more();
    // Only then is it a second CONNECT that may be.
    ws.send(0x82, &of_type(0, &[]));
    assert_eq!(receive(&mut ws)["type"], Value::from(0));
}

#[test]
fn what_json_refuses_is_refused() {
    let server = server();
    let nested = (0..128).fold(Value::Nil, |value, _| Value::Array(vec![value]));
    let lookalike = Value::Map(vec![("_placeholder".into(), true.into()), ("num".into(), 0.into())]);
    let refused = [
        event(vec!["disconnect".into()]),
        of_type(2, &[("data", Value::Array(vec!["message".into()])), ("id", (-1).into())]),
        event(vec!["message".into(), nested]),
        event(vec!["message".into(), lookalike, Value::Binary(vec![1])]),
        event([vec!["message".into()], vec![Value::Binary(vec![1]); 11]].concat()),
        vec![0xc1],
        b"\x85".repeat(1000),
    ];
    for packet in refused {
        let mut ws = connected(&server);
        ws.send(0x82, &packet);
        ws.expect_close();
    }
    let mut ws = connected(&server);
    ws.send(0x82, &event([vec!["message".into()], vec![Value::Binary(vec![1]); 10]].concat()));
    assert_eq!(receive(&mut ws)["data"][10], Value::Binary(vec![1]));
}

#[test]
fn a_short_message_does_not_become_a_long_text() {
    let server = Server::with(&[("PARSER", "msgpack"), ("MAX_PAYLOAD", "100000")]);
    let mut ws = connected(&server);
    // JavaScript takes a list of empty maps for the name `[object Object],[object Object],…`: 16 bytes for each byte.
    let head = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa7message\x81\xdd";
    ws.send(0x82, &[&head[..], &90_000_u32.to_be_bytes(), &[0x80; 90_000], b"\xc0"].concat());
    ws.expect_close();
}

#[test]
fn an_error_is_told_in_message_pack() {
    let server = server();
    let mut ws = connected(&server);
    ws.send(0x82, &of_type(2, &[("data", Value::Array(vec!["fail".into(), "why".into()])), ("id", 3.into())]));
    let answer = receive(&mut ws);
    assert_eq!((&answer["type"], &answer["id"]), (&Value::from(3), &Value::from(3)));
    assert_eq!(answer["data"][0]["error"].as_str(), Some("why"));
}

#[test]
fn a_message_beyond_the_limit_is_refused_as_any_other() {
    let server = Server::with(&[("PARSER", "msgpack"), ("MAX_PAYLOAD", "1000")]);
    let mut ws = connected(&server);
    ws.send(0x82, &event(vec!["message".into(), Value::Binary(vec![0; 1000])]));
    ws.expect(&Frame::close_with(1009));
}

#[test]
fn a_2_x_client_with_the_parser_is_greeted_in_its_protocol() {
    let server = Server::with(&[("PARSER", "msgpack"), ("EIO3", "1")]);
    let mut connection: Connection = server.connect();
    connection.send(WebSocket::request("").replace("EIO=4", "EIO=3").as_bytes());
    assert_eq!(connection.response().status, 101);
    let mut ws = WebSocket { connection };
    assert!(ws.text().starts_with("0{"));
    // Captured from Node. In protocol 3 binary packets bear their type.
    assert_eq!(ws.frame().payload, [&[4][..], &hex("82a47479706500a36e7370a12f")].concat());
}
