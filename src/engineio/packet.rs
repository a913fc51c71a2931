//! One Engine.IO packet of protocol 4 from a client: a WebSocket text message, or one packet of a polling payload.
//!
//! The server's packets are encoded as [`Frames`](super::Frames) from the start. Binary WebSocket messages carry only
//! data.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use thiserror::Error;

/// A packet, borrowed from its text. Data of types that have none is ignored, as on Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the server's greeting.
    Open(&'a str),
    /// `1`: the transport closes.
    Close,
    /// `2`: a ping; on protocol 4 a client sends it only as the probe of an upgrade.
    Ping(&'a str),
    /// `3`: a pong.
    Pong(&'a str),
    /// `4`: a message of text.
    Text(&'a str),
    /// `b`: a message of binary data, decoded from base64.
    Binary(Bytes),
    /// `5`: the client switches to the transport of this packet.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// Why a text is not a packet. Its session ends with the reason `parse error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Not even a type.
    #[error("empty packet")]
    Empty,
    /// The type is none of `0` to `6` and `b`.
    #[error("unknown packet type {0:?}")]
    UnknownType(char),
    /// The packet's length differs from the one in its payload; protocol 3 only.
    #[error("packet of another length than said")]
    BadLength,
    /// The text in a payload of bytes is not UTF-8; protocol 3 only.
    #[error("text is not UTF-8")]
    NotUtf8,
}

impl<'a> Packet<'a> {
    /// Decodes one text packet.
    ///
    /// # Errors
    /// If the text is empty or begins with an unknown type.
    pub fn decode(text: &'a str) -> Result<Self, ParseError> {
        let mut chars = text.chars();
        let kind = chars.next().ok_or(ParseError::Empty)?;
        let data = chars.as_str();
        Ok(match kind {
            '0' => Self::Open(data),
            '1' => Self::Close,
            '2' => Self::Ping(data),
            '3' => Self::Pong(data),
            '4' => Self::Text(data),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            'b' => Self::Binary(decode_base64(data).into()),
            unknown => return Err(ParseError::UnknownType(unknown)),
        })
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64 as leniently as Node: foreign characters are skipped, the URL alphabet and missing padding are
/// accepted, the first `=` ends the data, and a last symbol that makes no whole byte is dropped.
pub(super) fn decode_base64(text: &str) -> Vec<u8> {
    BASE64.decode(text).unwrap_or_else(|_| {
        let mut symbols: Vec<u8> = text
            .bytes()
            .take_while(|&byte| byte != b'=')
            .filter_map(|byte| match byte {
                b'-' => Some(b'+'),
                b'_' => Some(b'/'),
                b'+' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Some(byte),
                _ => None,
            })
            .collect();
        if symbols.len() % 4 == 1 {
            symbols.pop();
        }
        // Only symbols of the alphabet are left, in a decodable number.
        BASE64.decode(symbols).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_node_reads_it() {
        for (text, data) in [
            ("", &b""[..]),
            ("AQIDBA==", b"\x01\x02\x03\x04"),
            ("AQIDBA=", b"\x01\x02\x03\x04"),
            ("AQIDBA", b"\x01\x02\x03\x04"),
            ("-_8=", b"\xfb\xff"),
            ("AQ ID\r\nBA==", b"\x01\x02\x03\x04"),
            ("AQéID", b"\x01\x02\x03"),
            ("AQ==IDBA", b"\x01"),
            ("AR==", b"\x01"),
            ("AQIDB", b"\x01\x02\x03"),
            ("A", b""),
            ("****", b""),
            ("====", b""),
        ] {
            assert_eq!(decode_base64(text), data, "{text}");
        }
    }

    #[test]
    fn errors_say_what_was_wrong() {
        assert_eq!(Packet::decode("").unwrap_err().to_string(), "empty packet");
        assert_eq!(Packet::decode("é").unwrap_err().to_string(), "unknown packet type 'é'");
    }
}
