//! Packets and payloads of Engine.IO 4, byte for byte as Node's parser has them.

use kinglet::engineio::{Frames, FramesBuilder, Packet, payload};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("vectors/engine-io-packets.json");

fn entries(of: impl Fn(&Value) -> bool) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    let entries =
        vectors["v4"].as_array().expect("a list").iter().filter(|entry| of(entry)).cloned().collect::<Vec<_>>();
    assert!(!entries.is_empty());
    entries
}

fn unhex(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("a text").as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hex")).collect()
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
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
        let packets: Vec<_> = payload::decode(&body)
            .map(|packet| match packet {
                Ok(packet) => described(&packet),
                Err(_) => json!({"type": "error", "data": "parser error"}),
            })
            .collect();
        assert_eq!(json!(packets), entry["decoded"], "{}", entry["id"]);
    }
}
