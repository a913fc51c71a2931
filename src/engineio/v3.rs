//! Packets and payloads of protocol 3, where they differ from those of protocol 4.
//!
//! A binary packet begins with its type as a number (or, in base64, with `b` and the type's digit). In a payload of
//! text each packet has its length in front, in UTF-16 units, as in JavaScript. In a payload of bytes a first byte
//! distinguishes text from binary; then comes the length in bytes, one byte for each decimal digit, up to `0xff`.

use std::io::Write;
use std::iter::FusedIterator;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::packet::decode_base64;
use super::{Frames, Packet, ParseError, Part};

/// The type of a message, as a number.
pub const MESSAGE: u8 = 4;

/// How many types there are, numbered from zero.
const TYPES: u32 = 7;

/// Ends a length in a payload of bytes.
const END_OF_LENGTH: u8 = 0xff;

/// Digits of the longest length that is read in a payload of bytes.
const MAX_DIGITS: usize = 10;

/// Decodes a text packet.
///
/// # Errors
/// If it is empty or its type is unknown.
pub fn decode_text(text: &str) -> Result<Packet<'_>, ParseError> {
    let Some(typed) = text.strip_prefix('b') else { return Packet::decode(text) };
    let mut chars = typed.chars();
    let kind = chars.next().ok_or(ParseError::Empty)?;
    let number =
        kind.to_digit(TYPES).and_then(|digit| u8::try_from(digit).ok()).ok_or(ParseError::UnknownType(kind))?;
    typed_packet(number, || decode_base64(chars.as_str()).into())
}

/// Decodes a binary packet.
///
/// # Errors
/// If it is empty or its type is unknown.
pub fn decode_binary(packet: &Bytes) -> Result<Packet<'static>, ParseError> {
    let &kind = packet.first().ok_or(ParseError::Empty)?;
    typed_packet(kind, || packet.slice(1..))
}

/// Only messages carry binary data; other types' data is ignored.
fn typed_packet(kind: u8, data: impl FnOnce() -> Bytes) -> Result<Packet<'static>, ParseError> {
    Ok(match kind {
        0 => Packet::Open(""),
        1 => Packet::Close,
        2 => Packet::Ping(""),
        3 => Packet::Pong(""),
        MESSAGE => Packet::Binary(data()),
        5 => Packet::Upgrade,
        6 => Packet::Noop,
        unknown => return Err(ParseError::UnknownType(unknown.into())),
    })
}

/// The packets of a payload of text. An empty body is an error; empty packets are skipped.
pub fn decode_text_payload(body: &str) -> TextPackets<'_> {
    TextPackets { rest: Some(body) }
}

/// Walks the packets of a payload of text and ends after the first one that cannot be decoded.
#[derive(Debug, Clone)]
pub struct TextPackets<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for TextPackets<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest.take()?;
        loop {
            let Some((packet, behind)) = split_text(rest) else { return Some(Err(ParseError::BadLength)) };
            if packet.is_empty() {
                if behind.is_empty() {
                    return None;
                }
                rest = behind;
                continue;
            }
            let packet = decode_text(packet);
            if packet.is_ok() {
                self.rest = Some(behind).filter(|behind| !behind.is_empty());
            }
            return Some(packet);
        }
    }
}

impl<'a> TextPackets<'a> {
    /// The rest; `None` at the end.
    pub const fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl FusedIterator for TextPackets<'_> {}

/// The first packet of a payload of text, and the rest.
fn split_text(payload: &str) -> Option<(&str, &str)> {
    let (length, rest) = payload.split_once(':')?;
    if !length.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut left: usize = length.parse().ok()?;
    let mut end = 0;
    for character in rest.chars() {
        if left == 0 {
            break;
        }
        left = left.checked_sub(character.len_utf16())?;
        end += character.len_utf8();
    }
    if left == 0 { rest.split_at_checked(end) } else { None }
}

/// The packets of a payload of bytes.
pub fn decode_binary_payload(body: &[u8]) -> BinaryPackets<'_> {
    BinaryPackets { rest: body }
}

/// Walks the packets of a payload of bytes and ends after the first one that cannot be decoded.
#[derive(Debug, Clone)]
pub struct BinaryPackets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for BinaryPackets<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = std::mem::take(&mut self.rest).split_first()?;
        let Some((packet, behind)) = split_binary(rest) else { return Some(Err(ParseError::BadLength)) };
        let packet = match kind {
            0 => str::from_utf8(packet).map_err(|_| ParseError::NotUtf8).and_then(decode_text),
            _ => decode_binary(&Bytes::copy_from_slice(packet)),
        };
        if packet.is_ok() {
            self.rest = behind;
        }
        Some(packet)
    }
}

impl<'a> BinaryPackets<'a> {
    /// The rest; empty at the end.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl FusedIterator for BinaryPackets<'_> {}

/// The first packet of a payload of bytes, from its length on, and the rest.
fn split_binary(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = payload.iter().take(MAX_DIGITS + 1).position(|&byte| byte == END_OF_LENGTH).filter(|&at| at > 0)?;
    let (digits, rest) = payload.split_at_checked(digits)?;
    let length =
        digits.iter().try_fold(0_u64, |length, &digit| (digit < 10).then(|| length * 10 + u64::from(digit)))?;
    rest.get(1..)?.split_at_checked(usize::try_from(length).ok()?)
}

/// The answer to a GET as text: binary packets as `b4` and base64.
pub fn encode_text(frames: &[Frames]) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut packet = Vec::new();
    for part in frames.iter().flat_map(Frames::parts) {
        let packet = match part {
            Part::Text(text) => text,
            Part::Binary(data) => {
                packet.clear();
                write_base64(data, &mut packet);
                &packet
            }
        };
        // Writing to a vector cannot fail.
        let _ = write!(payload, "{}:", utf16_len(packet));
        payload.extend_from_slice(packet);
    }
    if payload.is_empty() {
        payload.extend_from_slice(b"0:");
    }
    payload
}

/// The answer to a GET as bytes.
pub fn encode_binary(frames: &[Frames]) -> Vec<u8> {
    let mut payload = Vec::new();
    for part in frames.iter().flat_map(Frames::parts) {
        let (kind, before, data): (u8, &[u8], &[u8]) = match part {
            Part::Text(packet) => (0, &[], packet),
            Part::Binary(data) => (1, &[MESSAGE], data),
        };
        payload.push(kind);
        let length = (before.len() + data.len()).to_string();
        payload.extend(length.bytes().map(|digit| digit - b'0'));
        payload.push(END_OF_LENGTH);
        payload.extend_from_slice(before);
        payload.extend_from_slice(data);
    }
    payload
}

/// Appends a binary message as the text `b4` and base64.
pub fn write_base64(data: &[u8], packet: &mut Vec<u8>) {
    packet.extend_from_slice(b"b4");
    let start = packet.len();
    packet.resize(start + data.len().div_ceil(3) * 4, 0);
    // The slice is as long as the text, so it cannot be too short.
    let _ = STANDARD.encode_slice(data, packet.get_mut(start..).unwrap_or_default());
}

/// Length of UTF-8 text in UTF-16 units: one for each character, two for those of four bytes.
fn utf16_len(text: &[u8]) -> usize {
    text.iter().map(|&byte| usize::from(byte & 0xc0 != 0x80) + usize::from(byte >= 0xf0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &str) -> Vec<Result<Packet<'_>, ParseError>> {
        decode_text_payload(body).collect()
    }

    #[test]
    fn lengths_count_as_javascript_counts() {
        for text in ["", "a", "é", "€", "🎉", "a🎉é"] {
            assert_eq!(utf16_len(text.as_bytes()), text.encode_utf16().count(), "{text}");
        }
        assert_eq!(texts("3:4🎉2:4a"), [Ok(Packet::Text("🎉")), Ok(Packet::Text("a"))]);
    }

    #[test]
    fn a_wrong_length_ends_a_payload_of_text() {
        for body in ["", "4a", ":", "x:4a", "+2:4a", "3:4a", "-1:4a", "99999999999999999999:4a", "1:🎉"] {
            assert_eq!(texts(body), [Err(ParseError::BadLength)], "{body}");
        }
        assert_eq!(texts("2:4a1"), [Ok(Packet::Text("a")), Err(ParseError::BadLength)]);
        assert_eq!(texts("0:0:2:4a0:"), [Ok(Packet::Text("a"))]);
    }

    #[test]
    fn a_wrong_length_ends_a_payload_of_bytes() {
        for body in [
            &b"\0"[..],
            b"\0\xff",
            b"\0\x02",
            b"\0\x03\xff4a",
            b"\0\x0a\xff4",
            &[0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255],
        ] {
            assert_eq!(decode_binary_payload(body).collect::<Vec<_>>(), [Err(ParseError::BadLength)], "{body:?}");
        }
        assert_eq!(decode_binary_payload(b"").next(), None);
    }

    #[test]
    fn what_is_no_packet_is_an_error_in_each_form() {
        assert_eq!(decode_text("b"), Err(ParseError::Empty));
        assert_eq!(decode_text("bAQID"), Err(ParseError::UnknownType('A')));
        assert_eq!(decode_text("b7"), Err(ParseError::UnknownType('7')));
        assert_eq!(decode_binary(&Bytes::new()), Err(ParseError::Empty));
        assert_eq!(decode_binary(&"\x07".into()), Err(ParseError::UnknownType('\x07')));
        assert_eq!(decode_binary_payload(b"\0\x02\xff4\xc3").next(), Some(Err(ParseError::NotUtf8)));
    }

    #[test]
    fn binary_data_of_other_types_is_ignored() {
        assert_eq!(decode_text("b2AQID"), Ok(Packet::Ping("")));
        assert_eq!(decode_binary(&"\x02\x01".into()), Ok(Packet::Ping("")));
    }
}
