//! Packets in and out, without a server around them.

use std::hint::black_box;
use std::io;

use bytes::Bytes;
use bytestring::ByteString;
use kinglet::engineio::{self, Frames, payload};
use kinglet::socketio::{self, Arguments, DecodeLimits, Decoder};

use crate::{Case, Step, Thread};

/// An event of a usual length, as JSON and as a packet.
pub const JSON: &str = r#"["message-from-client","thirty-two characters of a message"]"#;
pub const MESSAGE: &str = r#"42["message-from-client","thirty-two characters of a message"]"#;

const WITH_ATTACHMENT: &str = r#"451-["picture",{"_placeholder":true,"num":0}]"#;
const ATTACHMENT: &[u8] = &[0xa5; 1024];

/// Packets in a payload.
const PACKETS: usize = 10;
/// Operations in a step of what handles one packet at a time: so many that the step's own cost does not show.
const REPEATED: u64 = 100;

pub const CASES: &[Case] = &[
    case("decode a packet of Engine.IO", REPEATED, decode_engine_packet),
    case("decode an event", REPEATED, decode_event),
    case("decode an event with 1 KiB attached", REPEATED, decode_attachment),
    case("decode an event in a payload of 10", PACKETS as u64, decode_payload),
    case("parse an event's arguments", REPEATED, parse_arguments),
    case("encode an event", REPEATED, encode_event),
    case("encode an event with 1 KiB attached", REPEATED, encode_attachment),
    case("encode an acknowledgement", REPEATED, encode_ack),
    case("encode an event into a payload of 10", PACKETS as u64, encode_payload),
];

const fn case(name: &'static str, operations: u64, prepare: fn() -> io::Result<Step>) -> Case {
    Case { name, thread: Thread::Main, operations, steps: 100, prepare }
}

/// A step that does the same again and again.
fn repeat<T>(mut operation: impl FnMut() -> T + 'static) -> io::Result<Step> {
    Ok(Box::new(move || {
        for _ in 0..REPEATED {
            black_box(operation());
        }
        Ok(())
    }))
}

/// The packet of Socket.IO in one of Engine.IO, part of an allocated text, as it is when it was received. How many
/// instructions a search takes depends on where in memory a text begins, and constants lie elsewhere in each build.
fn received(packet: &str) -> ByteString {
    let whole = ByteString::from(packet.to_owned());
    whole.slice_ref(&whole[1..])
}

fn decode_engine_packet() -> io::Result<Step> {
    repeat(|| engineio::Packet::decode(black_box(MESSAGE)).is_ok())
}

fn decode_event() -> io::Result<Step> {
    let (mut decoder, limits) = (Decoder::default(), DecodeLimits::default());
    let text = received(MESSAGE);
    repeat(move || decoder.text(black_box(&text), Some(&text), &limits))
}

fn decode_attachment() -> io::Result<Step> {
    let (mut decoder, limits) = (Decoder::default(), DecodeLimits::default());
    let text = received(WITH_ATTACHMENT);
    repeat(move || {
        let announced = decoder.text(black_box(&text), Some(&text), &limits);
        (announced, decoder.binary(Bytes::from_static(black_box(ATTACHMENT)), &limits))
    })
}

/// As a POST is read: packets of Engine.IO, and the events in them.
fn decode_payload() -> io::Result<Step> {
    let (mut decoder, limits) = (Decoder::default(), DecodeLimits::default());
    let body = ByteString::from([MESSAGE; PACKETS].join("\u{1e}"));
    Ok(Box::new(move || {
        for packet in payload::decode(black_box(&body)) {
            if let Ok(engineio::Packet::Text(text)) = packet {
                let _ = black_box(decoder.text(text, Some(&body), &limits));
            }
        }
        Ok(())
    }))
}

fn parse_arguments() -> io::Result<Step> {
    let arguments = Arguments::named(ByteString::from(JSON.to_owned()), Box::default());
    repeat(move || black_box(&arguments).parse::<(String,)>())
}

fn encode_event() -> io::Result<Step> {
    repeat(|| socketio::event("/", None, black_box(JSON), &[]))
}

fn encode_attachment() -> io::Result<Step> {
    let json = r#"["picture",{"_placeholder":true,"num":0}]"#;
    repeat(move || socketio::event("/", None, black_box(json), &[Bytes::from_static(ATTACHMENT)]))
}

fn encode_ack() -> io::Result<Step> {
    repeat(|| socketio::ack("/", black_box(7), black_box("[\"ok\"]"), &[]))
}

/// As a poll is answered, with events that were encoded before.
fn encode_payload() -> io::Result<Step> {
    let frames: Vec<Frames> = (0..PACKETS).map(|_| socketio::event("/", None, JSON, &[])).collect();
    Ok(Box::new(move || {
        black_box(payload::encode(black_box(&frames)));
        Ok(())
    }))
}
