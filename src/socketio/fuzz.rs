//! What holds of packets and of JSON for any bytes.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::decode_error::{DecodeError, DecodeLimits};
use super::decoder::Decoder;
use super::encode::{ack, event, event_at};
use super::offset::Offset;
use super::packet::{Packet, is_reserved};
use super::placeholders::{self, Named};
use super::{Parser, Payload, decode_message_pack, json, v4};
use crate::engineio::{Frames, Part};
use crate::msgpack::fuzz::depth;

const LIMITS: DecodeLimits = DecodeLimits { max_attachments: 4, max_depth: 16, max_bytes: 4096 };

/// Between two messages of a client.
const SEPARATOR: u8 = 0x1e;

/// Messages of a client, joined by U+001E; those that begin with `b` are attachments. It does not matter whether a packet
/// shares its message's buffer, no more is held than came, and a packet that is sent on is the same.
pub fn packets(bytes: &[u8]) {
    let (mut copying, mut sharing) = (Decoder::default(), Decoder::default());
    for message in bytes.split(|byte| *byte == SEPARATOR) {
        let (one, other) = match message.strip_prefix(b"b") {
            Some(data) => (binary(&mut copying, data), binary(&mut sharing, data)),
            None => {
                let Ok(text) = str::from_utf8(message) else { continue };
                let whole = ByteString::from(format!("4{text}"));
                (copying.text(text, None, &LIMITS), sharing.text(&whole[1..], Some(&whole), &LIMITS))
            }
        };
        assert_eq!(one, other);
        for decoder in [&copying, &sharing] {
            assert_eq!(decoder.is_pending(), one == Ok(None));
            assert!(decoder.held() <= 512 + 16 * bytes.len());
        }
        if let Ok(Some(packet)) = one {
            check_packet(&packet);
        }
    }
}

fn binary(decoder: &mut Decoder, data: &[u8]) -> Result<Option<Packet>, DecodeError> {
    decoder.binary(Bytes::copy_from_slice(data), &LIMITS)
}

fn check_packet(packet: &Packet) {
    match packet {
        Packet::Event { namespace, id, event: Some(said) } => {
            assert!(!is_reserved(&said.name));
            check_arguments(&said.arguments, 1);
            let (json, attachments) = (said.arguments.json(), said.arguments.attachments());
            assert_eq!(&decoded(&event(namespace, *id, json, attachments)), packet);
            check_offset(&decoded(&event_at(namespace, "0", json, attachments)), &said.arguments);
        }
        Packet::Ack { namespace, id: Some(id), arguments: Some(arguments) } => {
            check_arguments(arguments, 0);
            assert_eq!(&decoded(&ack(namespace, *id, arguments.json(), arguments.attachments())), packet);
        }
        Packet::Connect { auth: Some(auth), .. } => assert!(json::is_valid(auth)),
        _ => {}
    }
    check_v4(v4::without_query(packet.clone()));
}

/// A client's message in MessagePack: its arguments are JSON in proportion, and a packet that is sent on is the same.
pub fn message_pack(bytes: &[u8]) {
    let Ok(packet) = unpacked(bytes) else { return };
    let frames = match &packet {
        Packet::Event { namespace, id, event: Some(said) } => {
            assert!(!is_reserved(&said.name));
            check_arguments(&said.arguments, 1);
            check_offset(&sent(&packed(&said.arguments).event_at(namespace, "0")), &said.arguments);
            packed(&said.arguments).event(namespace, *id)
        }
        Packet::Ack { namespace, id: Some(id), arguments: Some(arguments) } => {
            check_arguments(arguments, 0);
            let ack = Parser::MessagePack.ack(namespace, *id, arguments.json(), arguments.attachments());
            ack.expect("what was read can be written")
        }
        Packet::Connect { auth: Some(auth), .. } => return assert!(json::is_valid(auth) && auth.starts_with('{')),
        _ => return,
    };
    assert_eq!(sent(&frames), packet);
}

fn unpacked(bytes: &[u8]) -> Result<Packet, DecodeError> {
    decode_message_pack(&Bytes::copy_from_slice(bytes), &LIMITS)
}

fn packed(arguments: &Arguments) -> Payload<'_> {
    let attachments = arguments.attachments();
    assert!(arguments.json().len() <= LIMITS.max_bytes + 100 && attachments.len() <= LIMITS.max_attachments as usize);
    Parser::MessagePack.arguments(arguments.json(), attachments).expect("what was read can be written")
}

fn sent(frames: &Frames) -> Packet {
    let parts: Vec<_> = frames.parts().collect();
    let &[Part::Binary(packet)] = &parts[..] else { unreachable!("{parts:?}") };
    let limits = DecodeLimits { max_bytes: 2 * LIMITS.max_bytes, ..LIMITS };
    decode_message_pack(&Bytes::copy_from_slice(packet), &limits).expect("a packet")
}

/// The packet in frames of the server.
fn decoded(frames: &Frames) -> Packet {
    // One argument is added to some, and a text may become longer where the client wrote less than the server does.
    let limits = DecodeLimits { max_bytes: 2 * LIMITS.max_bytes, ..LIMITS };
    let mut decoder = Decoder::default();
    let mut packet = None;
    for part in frames.parts() {
        assert!(packet.is_none(), "more than one packet");
        let decoded = match part {
            Part::Text(text) => decoder.text(str::from_utf8(&text[1..]).expect("UTF-8"), None, &limits),
            Part::Binary(data) => decoder.binary(Bytes::copy_from_slice(data), &limits),
        };
        packet = decoded.expect("a packet");
    }
    packet.expect("a packet with all its attachments")
}

fn check_offset(packet: &Packet, arguments: &Arguments) {
    let Packet::Event { event: Some(said), .. } = packet else { unreachable!("{packet:?}") };
    let (with, without) = (texts(&said.arguments), texts(arguments));
    assert_eq!(with.split_last(), Some((&"\"0\"", &without[..])));
}

/// That the arguments are what serde makes of the list, from its element `first` on.
fn check_arguments(arguments: &Arguments, first: usize) {
    let all: Vec<&RawValue> = serde_json::from_str(arguments.json()).expect("a list");
    let expected: Vec<&str> = all[first..].iter().map(|value| value.get()).collect();
    assert_eq!(texts(arguments), expected);
    let list = format!("[{}]", arguments.list());
    assert_eq!(serde_json::from_str::<Vec<&RawValue>>(&list).expect("a list").len(), expected.len());
    assert_eq!(&arguments.copied(), arguments);
    let prepended = arguments.prepend("x").expect("a text can be written");
    assert_eq!(texts(&prepended).len(), expected.len() + 1);
    let skipped = arguments.skip(1);
    assert_eq!(texts(&skipped).len(), expected.len().saturating_sub(1));
    assert!(skipped.attachments().len() <= arguments.attachments().len());
    for text in expected {
        if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(text)
            && let Some(offset) = Offset::parse(&text)
        {
            assert_eq!(*offset.to_text(), *text);
        }
    }
}

fn texts(arguments: &Arguments) -> Vec<&str> {
    arguments.elements().into_iter().map(RawValue::get).collect()
}

/// That a packet of a 2.x client has lost its query, and that a query is an object.
fn check_v4(packet: Packet) {
    let namespace = match &packet {
        Packet::Connect { namespace, auth } => {
            assert!(auth.as_ref().is_none_or(|auth| auth.starts_with('{') && json::is_valid(auth)));
            namespace
        }
        Packet::Disconnect { namespace }
        | Packet::Event { namespace, .. }
        | Packet::Ack { namespace, .. }
        | Packet::ConnectError { namespace } => namespace,
    };
    assert!(!namespace.contains('?'));
}

/// The scans of a JSON text: they agree with serde about what is valid, what an event is called, how deep values are; and
/// nothing is dropped from a packet twice.
pub fn json_text(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let is_valid = serde_json::from_str::<&RawValue>(text).is_ok();
    assert_eq!(json::is_valid(text), is_valid);
    assert!(json::pieces(text) <= text.len() + 1);
    let list = serde_json::from_str::<Vec<&RawValue>>(text).ok();
    assert!(list.as_ref().is_none_or(|list| list.len() <= json::pieces(text)));
    check_name(text, list.as_ref().and_then(|list| list.first()).map(|first| first.get()));
    if is_valid {
        let levels = depth(text);
        for limit in [0, 1, 2, 16, 128] {
            assert_eq!(json::is_within_depth(text, limit), levels <= limit, "{levels} levels, limit {limit}");
        }
        for count in [1, 2, 10, 64, 65] {
            check_placeholders(text, count);
        }
    }
}

/// That a list has the name that its first element is.
fn check_name(text: &str, first: Option<&str>) {
    let name = json::event_name(text);
    match first {
        Some(first) if first.starts_with('"') => {
            let plain = serde_json::from_str::<String>(first).unwrap_or_else(|_| first[1..first.len() - 1].to_owned());
            assert_eq!(name.as_deref(), Some(&*plain));
        }
        Some(first) if first.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            assert_eq!(name.as_deref(), Some(first));
        }
        _ => assert_eq!(name, None),
    }
}

fn check_placeholders(text: &str, count: usize) {
    let attachments = vec![Bytes::from_static(b"a"); count];
    let (look, found) = (placeholders::look(text, count), placeholders::find(text, count));
    assert_eq!(look.is_some(), found.is_some());
    let Some(found) = found else { return };
    let without = placeholders::without_unnamed(text, &found, &attachments);
    assert!(look != Some(Named::All) || without.is_none(), "all are named, and some would be dropped");
    if let Some((json, kept)) = without {
        assert!(json::is_valid(&json) && kept.len() <= count);
        let found = placeholders::find(&json, kept.len()).expect("what was kept fits");
        assert_eq!(placeholders::without_unnamed(&json, &found, &kept), None, "some are dropped twice");
    }
}
