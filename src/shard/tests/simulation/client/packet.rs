//! Engine.IO packets, and payloads of several.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SEPARATOR: char = '\u{1e}';

/// The type of a message before binary data, for old clients.
const OLD_MESSAGE: u8 = 4;

/// A packet: text that begins with its type, or binary data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    Text(String),
    Binary(Vec<u8>),
}

impl Packet {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The same over a WebSocket of an old client: binary data has the type of a message before it.
    pub(super) fn with_type(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text),
            Self::Binary(data) => Self::Binary([&[OLD_MESSAGE][..], &data].concat()),
        }
    }

    /// What such a packet is.
    pub(super) fn without_type(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text),
            Self::Binary(data) => {
                assert_eq!(data.first(), Some(&OLD_MESSAGE), "the type of binary data");
                Self::Binary(data[1..].to_vec())
            }
        }
    }

    fn in_payload(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Binary(data) => format!("b{}", STANDARD.encode(data)),
        }
    }
}

/// Takes the packets that fit into one payload: at least one.
pub(super) fn payload(packets: &mut VecDeque<Packet>, most: usize) -> String {
    let mut payload = packets.pop_front().map(|packet| packet.in_payload()).unwrap_or_default();
    while let Some(next) = packets.front().map(Packet::in_payload) {
        if payload.len() + 1 + next.len() > most {
            break;
        }
        payload.push(SEPARATOR);
        payload.push_str(&next);
        packets.pop_front();
    }
    payload
}

/// The packets of a payload.
pub(super) fn split(payload: &str) -> Vec<Packet> {
    let packets = payload.split(SEPARATOR).filter(|packet| !packet.is_empty());
    packets
        .map(|packet| match packet.strip_prefix('b') {
            Some(data) => Packet::Binary(STANDARD.decode(data).expect("base64")),
            None => Packet::text(packet),
        })
        .collect()
}
