//! What holds of packets, payloads and queries for any bytes.

use bytes::Bytes;

use super::encoding::{Encoding, PayloadKind};
use super::frames::{Frames, FramesBuilder, Part};
use super::handshake::{Query, query_pairs};
use super::packet::{Packet, ParseError};
use super::sid::Sid;
use super::{payload, v3};

/// A payload of protocol 4: it can be left after each packet, and packets that are written again are the same.
pub fn payload_v4(bytes: &[u8]) {
    let Ok(body) = str::from_utf8(bytes) else { return };
    let packets = all(payload::decode(body), bytes.len());
    assert_eq!(
        stepwise(body, |body| {
            let mut packets = payload::decode(body);
            packets.next().map(|packet| (packet, packets.rest()))
        }),
        packets
    );
    check_again(&packets, &[Encoding::V4]);
}

/// A payload of text of protocol 3: the same.
pub fn payload_v3_text(bytes: &[u8]) {
    let Ok(body) = str::from_utf8(bytes) else { return };
    let packets = all(v3::decode_text_payload(body), bytes.len());
    assert_eq!(
        stepwise(body, |body| {
            let mut packets = v3::decode_text_payload(body);
            packets.next().map(|packet| (packet, packets.rest()))
        }),
        packets
    );
    check_again(&packets, &[Encoding::V3, Encoding::V3Base64]);
}

/// A payload of bytes of protocol 3: the same.
pub fn payload_v3_binary(bytes: &[u8]) {
    let packets = all(v3::decode_binary_payload(bytes), bytes.len());
    assert_eq!(
        stepwise(bytes, |body| {
            let mut packets = v3::decode_binary_payload(body);
            packets.next().map(|packet| (packet, Some(packets.rest())))
        }),
        packets
    );
    check_again(&packets, &[Encoding::V3, Encoding::V3Base64]);
    check_message(v3::decode_binary(&Bytes::copy_from_slice(bytes)));
}

/// The query of a request: names and values that are written again are the same, and so is a sid.
pub fn query(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let pairs: Vec<_> = query_pairs(text).collect();
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let again: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    let again = again.join("&");
    assert_eq!(query_pairs(&again).collect::<Vec<_>>(), pairs);
    let query = Query::parse(text);
    assert_eq!(Query::parse(&again), query);
    if let Some(sid) = query.sid.as_deref().and_then(Sid::parse) {
        assert_eq!(query.sid.as_deref(), Some(&*sid.to_text()));
    }
}

/// The packets before the first error, and that error.
type Decoded<'a> = (Vec<Packet<'a>>, Option<ParseError>);

fn all<'a>(mut packets: impl Iterator<Item = Result<Packet<'a>, ParseError>>, length: usize) -> Decoded<'a> {
    let mut decoded = Vec::new();
    while let Some(packet) = packets.next() {
        match packet {
            Ok(packet) => decoded.push(packet),
            Err(error) => {
                assert_eq!(packets.next(), None, "something comes after an error");
                return (decoded, Some(error));
            }
        }
        assert!(decoded.len() <= length, "more packets than bytes");
    }
    (decoded, None)
}

/// The same, if the rest is kept after each packet and decoded anew.
fn stepwise<'a, T: ?Sized>(
    body: &'a T,
    first: impl Fn(&'a T) -> Option<(Result<Packet<'a>, ParseError>, Option<&'a T>)>,
) -> Decoded<'a> {
    let (mut decoded, mut rest) = (Vec::new(), Some(body));
    while let Some((packet, behind)) = rest.and_then(&first) {
        match packet {
            Ok(packet) => decoded.push(packet),
            Err(error) => return (decoded, Some(error)),
        }
        rest = behind;
    }
    (decoded, None)
}

/// That packets without an error are the same when they are written and read again.
fn check_again((packets, error): &Decoded<'_>, encodings: &[Encoding]) {
    if error.is_some() || packets.is_empty() {
        return;
    }
    let frames: Vec<Frames> = packets.iter().map(frames).collect();
    for encoding in encodings {
        let (body, kind) = encoding.payload(&frames);
        let text = str::from_utf8(&body).unwrap_or_default();
        let again = match (encoding, kind) {
            (Encoding::V4, _) => all(payload::decode(text), body.len()),
            (_, PayloadKind::Text) => all(v3::decode_text_payload(text), body.len()),
            (_, PayloadKind::Binary) => all(v3::decode_binary_payload(&body), body.len()),
        };
        assert_eq!((&again.0, again.1), (packets, None), "{encoding:?}");
        for (packet, frames) in packets.iter().zip(&frames) {
            assert_eq!(&message(*encoding, &encoding.frames(frames)), packet, "{encoding:?}");
        }
    }
}

/// A packet as the server writes it.
fn frames(packet: &Packet<'_>) -> Frames {
    let mut frames = FramesBuilder::default();
    match packet {
        Packet::Open(data) => frames.text(&[b"0", data.as_bytes()]),
        Packet::Close => frames.text(&[b"1"]),
        Packet::Ping(data) => frames.text(&[b"2", data.as_bytes()]),
        Packet::Pong(data) => frames.text(&[b"3", data.as_bytes()]),
        Packet::Text(data) => frames.text(&[b"4", data.as_bytes()]),
        Packet::Binary(data) => frames.binary(data),
        Packet::Upgrade => frames.text(&[b"5"]),
        Packet::Noop => frames.text(&[b"6"]),
    }
    frames.finish()
}

/// The packet of a WebSocket message with these frames.
fn message(encoding: Encoding, frames: &Frames) -> Packet<'_> {
    let packet = frames.parts().next().map(|part| match part {
        Part::Text(text) => encoding.decode_text(str::from_utf8(text).unwrap_or_default()),
        Part::Binary(data) => encoding.decode_binary(&Bytes::copy_from_slice(data)),
    });
    match packet {
        Some(Ok(packet)) => packet,
        other => unreachable!("{other:?}"),
    }
}

/// That a binary message of protocol 3 is the same when it is written again.
fn check_message(packet: Result<Packet<'static>, ParseError>) {
    if let Ok(packet) = packet {
        for encoding in [Encoding::V3, Encoding::V3Base64] {
            assert_eq!(message(encoding, &encoding.frames(&frames(&packet))), packet);
        }
    }
}
