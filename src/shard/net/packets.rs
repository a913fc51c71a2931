//! The packets of a complete POST that are still to be handled.

use bytes::Bytes;
use bytestring::ByteString;

use crate::engineio::{Encoding, Packet, ParseError, PayloadKind, payload, v3};
use crate::shard::store::tail::Tail;

/// The packets of a POST that are still to be handled.
#[derive(Debug)]
pub(in crate::shard) enum Packets {
    V4(Tail<ByteString>),
    V3Text(Tail<ByteString>),
    V3Binary(Tail<Bytes>),
}

impl Packets {
    /// The packets of a body.
    pub(in crate::shard) fn of(body: &[u8], encoding: Encoding, kind: PayloadKind) -> Self {
        let text = || ByteString::from(&*String::from_utf8_lossy(body)).into();
        match (encoding, kind) {
            (Encoding::V4, _) => Self::V4(text()),
            (Encoding::V3 | Encoding::V3Base64, PayloadKind::Text) => Self::V3Text(text()),
            (Encoding::V3 | Encoding::V3Base64, PayloadKind::Binary) => {
                Self::V3Binary(Bytes::copy_from_slice(body).into())
            }
        }
    }

    /// Bytes of their buffer, including its handled part.
    pub(in crate::shard) fn len(&self) -> usize {
        match self {
            Self::V4(text) | Self::V3Text(text) => text.held(),
            Self::V3Binary(bytes) => bytes.held(),
        }
    }

    /// Hands the packets to `handle` until it wants no more. Returns the rest.
    pub(in crate::shard) fn walk(
        self,
        mut handle: impl FnMut(Result<Packet<'_>, ParseError>, Option<&ByteString>) -> bool,
    ) -> Option<Self> {
        match self {
            Self::V4(text) => {
                let mut packets = payload::decode(text.rest());
                while let Some(packet) = packets.next()
                    && handle(packet, Some(text.whole()))
                {}
                packets.rest().map(str::len).map(|left| Self::V4(text.cut(left)))
            }
            Self::V3Text(text) => {
                let mut packets = v3::decode_text_payload(text.rest());
                while let Some(packet) = packets.next()
                    && handle(packet, Some(text.whole()))
                {}
                packets.rest().map(str::len).map(|left| Self::V3Text(text.cut(left)))
            }
            Self::V3Binary(bytes) => {
                let mut packets = v3::decode_binary_payload(bytes.rest());
                while let Some(packet) = packets.next()
                    && handle(packet, None)
                {}
                Some(packets.rest().len()).filter(|left| *left > 0).map(|left| Self::V3Binary(bytes.cut(left)))
            }
        }
    }
}
