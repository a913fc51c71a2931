//! Packets of Socket.IO, byte for byte as Node's parser has them.

mod vectors;

use bytes::Bytes;
use kinglet::engineio::{Frames, FramesBuilder};
use kinglet::socketio::{
    Arguments, DecodeError, DecodeLimits, Decoder, Packet, ack, connect, connect_error, disconnect, event,
};
use serde_json::{Value, json};
use vectors::{hex, unhex};

const VECTORS: &str = include_str!("vectors/socket-io-packets.json");

/// serde_json has no value for half a surrogate pair, nor for a number beyond the floats.
fn representable(json: &str) -> String {
    json.replace(r#""\ud83d""#, r#""\ufffd""#).replace("1e400", "null")
}

fn entries(member: &str) -> Vec<Value> {
    let text = VECTORS.replace(r#""\ud83d""#, r#""\ufffd""#);
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let entries = vectors[member].as_array().expect("a list").clone();
    assert!(!entries.is_empty());
    entries
}

/// The packets an entry's frames make, and whether attachments are still awaited behind them.
fn decode(entry: &Value, limits: &DecodeLimits) -> Result<(Vec<Packet>, bool), DecodeError> {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    for frame in entry["frames"].as_array().expect("a list") {
        let data = unhex(&frame["hex"]);
        packets.extend(if frame["kind"] == "binary" {
            decoder.binary(data.into(), limits)?
        } else {
            decoder.text(str::from_utf8(&data).expect("UTF-8"), None, limits)?
        });
    }
    Ok((packets, decoder.is_pending()))
}

/// A packet in the words of the vectors, as far as it tells: CONNECT and DISCONNECT keep no id, CONNECT_ERROR no payload.
fn described(packet: &Packet) -> Value {
    let with_data = |arguments: Option<&Arguments>| {
        arguments.map_or(Value::Null, |arguments| {
            let value = serde_json::from_str(&representable(arguments.json())).expect("JSON");
            plain(&filled(value, arguments.attachments()))
        })
    };
    match packet {
        Packet::Connect { namespace, auth } => {
            let auth: Value = auth.as_ref().map_or(Value::Null, |auth| serde_json::from_str(auth).expect("JSON"));
            json!({"type": 0, "nsp": &**namespace, "data": plain(&auth)})
        }
        Packet::Disconnect { namespace } => json!({"type": 1, "nsp": &**namespace}),
        Packet::Event { namespace, id, event } => {
            let arguments = event.as_ref().map(|event| &event.arguments);
            json!({"type": 2, "nsp": &**namespace, "id": id, "data": with_data(arguments)})
        }
        Packet::Ack { namespace, id, arguments } => {
            json!({"type": 3, "nsp": &**namespace, "id": id, "data": with_data(arguments.as_ref())})
        }
        Packet::ConnectError { namespace } => json!({"type": 4, "nsp": &**namespace}),
    }
}

/// A vector's packet, without what [`described`] does not tell.
fn expected(packet: &Value) -> Value {
    let mut expected = json!({"type": packet["type"], "nsp": packet["nsp"]});
    let told: &[&str] = match packet["type"].as_u64() {
        Some(0) => &["data"],
        Some(2 | 3) => &["id", "data"],
        _ => &[],
    };
    for &member in told {
        let value = &packet[member];
        expected[member] = if member == "id" && value.is_u64() { value.clone() } else { plain(value) };
    }
    expected
}

/// Attachments in place of their placeholders. A broken number stands for no attachment: `undefined`.
fn filled(value: Value, attachments: &[Bytes]) -> Value {
    match value {
        Value::Object(members) if !attachments.is_empty() && members.get("_placeholder") == Some(&json!(true)) => {
            let attachment = members["num"].as_u64().and_then(|num| attachments.get(usize::try_from(num).ok()?));
            attachment.map_or(Value::Null, |data| json!({"$binary_hex": hex(data)}))
        }
        Value::Object(members) => members.into_iter().map(|(key, member)| (key, filled(member, attachments))).collect(),
        Value::Array(elements) => elements.into_iter().map(|element| filled(element, attachments)).collect(),
        value => value,
    }
}

/// A value in the form for comparison: all numbers are floats, values that only JavaScript has are as JSON writes them, and a
/// member `__proto__`, which Node's dump does not show, is left out.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().expect("a float") + 0.0),
        Value::Object(members) if members.contains_key("$undefined") => Value::Null,
        Value::Object(members) if members.contains_key("$date") => members["$date"].clone(),
        Value::Object(members) => members
            .iter()
            .filter(|(key, member)| *key != "__proto__" && member.get("$undefined").is_none())
            .map(|(key, member)| (key.clone(), plain(member)))
            .collect(),
        Value::Array(elements) => elements.iter().map(plain).collect(),
        value => value.clone(),
    }
}

/// The frames that the server writes for an entry's decoded packet, with the JSON of the arguments as in the entry. None for
/// packets that only clients, or servers of protocol 4, send.
fn encoded(entry: &Value) -> Option<Frames> {
    let packet = &entry["decoded"];
    let frames = entry["frames"].as_array().expect("a list");
    let text = frames[0]["text"].as_str().expect("a text");
    let json = &text[text.find('[').unwrap_or(text.len())..];
    let attachments: Vec<Bytes> = frames[1..].iter().map(|frame| unhex(&frame["hex"]).into()).collect();
    let namespace = packet["nsp"].as_str().expect("a text");
    let data = &packet["data"];
    match packet["type"].as_u64()? {
        0 => Some(connect(namespace, data["sid"].as_str()?, data["pid"].as_str())),
        1 => Some(disconnect(namespace)),
        2 => Some(event(namespace, packet["id"].as_u64(), json, &attachments)),
        3 => Some(ack(namespace, packet["id"].as_u64()?, json, &attachments)),
        _ => {
            let data_text = data.get("data").map(Value::to_string);
            Some(connect_error(namespace, data["message"].as_str()?, data_text.as_deref()))
        }
    }
}

#[test]
fn packets_are_encoded_as_node_does() {
    let mut not_ours = Vec::new();
    for entry in entries("encode") {
        let Some(frames) = encoded(&entry) else {
            not_ours.push(entry["id"].as_str().expect("a text").to_owned());
            continue;
        };
        let mut expected = FramesBuilder::default();
        for frame in entry["frames"].as_array().expect("a list") {
            let data = unhex(&frame["hex"]);
            if frame["kind"] == "binary" { expected.binary(&data) } else { expected.text(&[b"4", &data]) }
        }
        assert_eq!(frames, expected.finish(), "{}", entry["id"]);
    }
    // CONNECT of clients, and CONNECT_ERROR for clients of protocol 4.
    assert_eq!(not_ours, ["se-001", "se-002", "se-003", "se-004", "se-005", "se-010"]);
}

#[test]
fn packets_that_node_encodes_are_decoded() {
    let limits = DecodeLimits { max_attachments: 12, ..DecodeLimits::default() };
    for entry in entries("encode") {
        let (packets, pending) = decode(&entry, &limits).expect("a packet");
        assert!(!pending);
        let described: Vec<_> = packets.iter().map(described).collect();
        assert_eq!(described, [expected(&entry["decoded"])], "{}", entry["id"]);
    }
}

#[test]
fn packets_are_decoded_as_node_does() {
    for entry in entries("decode") {
        let (packets, pending) = decode(&entry, &DecodeLimits::default()).expect("a packet");
        let described: Vec<_> = packets.iter().map(described).collect();
        let expected: Vec<_> = entry["packets"].as_array().expect("a list").iter().map(expected).collect();
        assert_eq!(described, expected, "{}", entry["id"]);
        assert_eq!(pending, entry.get("pending").is_some_and(|pending| *pending != json!(false)), "{}", entry["id"]);
    }
}

#[test]
fn packets_that_node_refuses_are_refused_in_its_words() {
    for entry in entries("decode_errors") {
        let error = decode(&entry, &DecodeLimits::default()).expect_err("an error");
        assert_eq!(json!(error.to_string()), entry["error"], "{}", entry["id"]);
    }
}
