//! Packets and payloads of Engine.IO 4 and 3, byte for byte as Node's parsers have them.

mod vectors;

use bytes::Bytes;
use kinglet::engineio::{Encoding, Frames, FramesBuilder, Packet, ParseError, Part, PayloadKind, payload, v3};
use serde_json::{Value, json};
use vectors::{hex, unhex};

const VECTORS: &str = include_str!("vectors/engine-io-packets.json");

fn entries(of: impl Fn(&Value) -> bool) -> Vec<Value> {
    entries_of("v4", of)
}

fn entries_of(protocol: &str, of: impl Fn(&Value) -> bool) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    let entries =
        vectors[protocol].as_array().expect("a list").iter().filter(|entry| of(entry)).cloned().collect::<Vec<_>>();
    assert!(!entries.is_empty());
    entries
}

fn described(packet: &Packet<'_>) -> Value {
    let with_data = |kind: &str, data: &str| match data {
        "" => json!({"type": kind}),
        data => json!({"type": kind, "data": data}),
    };
    match packet {
        Packet::Open(data) => with_data("open", data),
        Packet::Close => json!({"type": "close"}),
        Packet::Ping(data) => with_data("ping", data),
        Packet::Pong(data) => with_data("pong", data),
        Packet::Text(data) => json!({"type": "message", "data": data}),
        Packet::Binary(data) => json!({"type": "message", "data": {"$binary_hex": hex(data)}}),
        Packet::Upgrade => json!({"type": "upgrade"}),
        Packet::Noop => json!({"type": "noop"}),
    }
}

fn all_described<'a>(packets: impl Iterator<Item = Result<Packet<'a>, ParseError>>) -> Value {
    let described = packets.map(|packet| match packet {
        Ok(packet) => described(&packet),
        Err(_) => json!({"type": "error", "data": "parser error"}),
    });
    described.collect()
}

fn frames(packet: &Value) -> Frames {
    let data = &packet["data"];
    if let Some(binary) = data.get("$binary_hex") {
        let mut frames = FramesBuilder::default();
        frames.binary(&unhex(binary));
        return frames.finish();
    }
    let types = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
    let digit = types.iter().position(|kind| packet["type"] == **kind).expect("a known type");
    Frames::text(format!("{digit}{}", data.as_str().unwrap_or_default()).as_bytes())
}

#[test]
fn packets_are_decoded_as_node_does() {
    for entry in entries(|entry| entry.get("polling").is_some()) {
        for transport in ["websocket", "polling"] {
            if let Some(text) = entry[transport]["text"].as_str() {
                let packet = Packet::decode(text).expect("a packet");
                assert_eq!(described(&packet), entry["decoded"], "{}", entry["id"]);
            }
        }
    }
}

#[test]
fn packets_stand_in_payloads_as_node_writes_them() {
    for entry in entries(|entry| entry.get("polling").is_some()) {
        let payload = payload::encode(&[frames(&entry["decoded"])]);
        assert_eq!(hex(&payload), entry["polling"]["hex"], "{}", entry["id"]);
    }
}

#[test]
fn payloads_are_encoded_as_node_does() {
    for entry in entries(|entry| entry["produced_by"] == "engine.io-parser 5.2.3 encodePayload") {
        let frames: Vec<_> = entry["decoded"].as_array().expect("a list").iter().map(frames).collect();
        assert_eq!(hex(&payload::encode(&frames)), entry["hex"], "{}", entry["id"]);
    }
}

#[test]
fn payloads_are_decoded_as_node_does() {
    for entry in entries(|entry| entry["decoded"].is_array()) {
        let body = String::from_utf8(unhex(&entry["hex"])).expect("UTF-8");
        assert_eq!(all_described(payload::decode(&body)), entry["decoded"], "{}", entry["id"]);
    }
}

#[test]
fn payloads_of_protocol_3_are_encoded_as_node_does() {
    for entry in entries_of("v3", |entry| entry.get("no_binary_support").is_some()) {
        let frames: Vec<_> = entry["decoded"].as_array().expect("a list").iter().map(frames).collect();
        let (payload, kind) = Encoding::V3Base64.payload(&frames);
        assert_eq!((hex(&payload), kind), (text_of(&entry["no_binary_support"]), PayloadKind::Text), "{}", entry["id"]);
        let (payload, kind) = Encoding::V3.payload(&frames);
        let expected = match entry["binary_support"]["kind"].as_str() {
            Some("text") => PayloadKind::Text,
            _ => PayloadKind::Binary,
        };
        assert_eq!((hex(&payload), kind), (text_of(&entry["binary_support"]), expected), "{}", entry["id"]);
    }
}

#[test]
fn payloads_of_protocol_3_are_decoded_as_node_does() {
    for entry in entries_of("v3", |entry| entry["decoded"].is_array() && entry.get("hex").is_some()) {
        let body = unhex(&entry["hex"]);
        let packets = match entry["name"].as_str() {
            Some("v3 decode binary payload") => all_described(v3::decode_binary_payload(&body)),
            _ => all_described(v3::decode_text_payload(str::from_utf8(&body).expect("UTF-8"))),
        };
        assert_eq!(packets, entry["decoded"], "{}", entry["id"]);
    }
}

#[test]
fn packets_of_protocol_3_go_to_a_websocket_as_node_writes_them() {
    for entry in entries_of("v3", |entry| entry.get("websocket").is_some()) {
        for (encoding, form) in [(Encoding::V3, "websocket"), (Encoding::V3Base64, "websocket_b64")] {
            let written = encoding.frames(&frames(&entry["decoded"]));
            let parts: Vec<_> = written.parts().collect();
            let packet = match parts[..] {
                [Part::Text(text)] => {
                    assert_eq!(str::from_utf8(text).ok(), entry[form]["text"].as_str(), "{}", entry["id"]);
                    encoding.decode_text(str::from_utf8(text).expect("UTF-8"))
                }
                [Part::Binary(data)] => {
                    assert_eq!(hex(data), entry[form]["hex"], "{}", entry["id"]);
                    encoding.decode_binary(&Bytes::copy_from_slice(data))
                }
                _ => panic!("{parts:?}"),
            };
            assert_eq!(described(&packet.expect("a packet")), entry["decoded"], "{}", entry["id"]);
        }
    }
}

fn text_of(form: &Value) -> String {
    form["hex"].as_str().expect("a text").to_owned()
}
