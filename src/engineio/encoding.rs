//! How the packets of one session are encoded: by its protocol, and by its client's ability to take binary data.

use bytes::Bytes;

use super::frames::{Frames, FramesBuilder, Part};
use super::packet::{Packet, ParseError};
use super::protocol::Protocol;
use super::{payload, v3};

/// The form of a session's packets, fixed by its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Protocol 4.
    V4,
    /// Protocol 3, for a client that takes binary data.
    V3,
    /// Protocol 3, for a client that takes binary data as base64 only (`b64` on the handshake).
    V3Base64,
}

/// The form of a polling payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadKind {
    /// Text, of content type `text/plain`.
    Text,
    /// Bytes, of content type `application/octet-stream`; protocol 3 only.
    Binary,
}

impl Encoding {
    /// The protocol it belongs to.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::V4 => Protocol::V4,
            Self::V3 | Self::V3Base64 => Protocol::V3,
        }
    }

    /// Decodes a text message of a WebSocket.
    ///
    /// # Errors
    /// If it is no packet.
    pub fn decode_text(self, text: &str) -> Result<Packet<'_>, ParseError> {
        match self {
            Self::V4 => Packet::decode(text),
            Self::V3 | Self::V3Base64 => v3::decode_text(text),
        }
    }

    /// Decodes a binary message of a WebSocket. The packet shares its buffer.
    ///
    /// # Errors
    /// If it is no packet, which only protocol 3 knows of.
    pub fn decode_binary(self, data: &Bytes) -> Result<Packet<'static>, ParseError> {
        match self {
            Self::V4 => Ok(Packet::Binary(data.clone())),
            Self::V3 | Self::V3Base64 => v3::decode_binary(data),
        }
    }

    /// The frames for a WebSocket. Only frames with binary data differ from [`Frames`]; others share the bytes.
    pub fn frames(self, frames: &Frames) -> Frames {
        if self == Self::V4 || !frames.has_binary() {
            return frames.clone();
        }
        let mut written = FramesBuilder::with_capacity(frames.len());
        for part in frames.parts() {
            match part {
                Part::Text(packet) => written.text(&[packet]),
                Part::Binary(data) if self == Self::V3Base64 => {
                    let mut packet = Vec::new();
                    v3::write_base64(data, &mut packet);
                    written.text(&[&packet]);
                }
                Part::Binary(data) => written.typed_binary(v3::MESSAGE, data),
            }
        }
        written.finish().compress(frames.may_compress())
    }

    /// The body of the answer to a GET: all packets of `frames`.
    pub fn payload(self, frames: &[Frames]) -> (Vec<u8>, PayloadKind) {
        match self {
            Self::V4 => (payload::encode(frames), PayloadKind::Text),
            Self::V3 if frames.iter().any(Frames::has_binary) => (v3::encode_binary(frames), PayloadKind::Binary),
            Self::V3 | Self::V3Base64 => (v3::encode_text(frames), PayloadKind::Text),
        }
    }
}
