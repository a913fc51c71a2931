//! The payload of protocol 4: the body of a polling POST or of the answer to a GET, packets joined by U+001E.

use std::iter::FusedIterator;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Frames, Packet, ParseError, Part};

const SEPARATOR: u8 = 0x1e;

/// The packets of a POST's body. An empty body is one empty packet, which is an error.
pub fn decode(body: &str) -> Packets<'_> {
    Packets { rest: Some(body) }
}

/// Walks the packets of a payload and ends after the first one that cannot be decoded.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: Option<&'a str>,
}

impl<'a> Packets<'a> {
    /// The rest; `None` at the end.
    pub fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let body = self.rest.take()?;
        let (packet, rest) = match memchr::memchr(SEPARATOR, body.as_bytes()).and_then(|at| body.split_at_checked(at)) {
            Some((packet, rest)) => (packet, rest.get(1..)),
            None => (body, None),
        };
        let packet = Packet::decode(packet);
        if packet.is_ok() {
            self.rest = rest;
        }
        Some(packet)
    }
}

impl FusedIterator for Packets<'_> {}

/// The answer to a GET: all packets of `frames`, binary ones as `b` and base64.
pub fn encode(frames: &[Frames]) -> Vec<u8> {
    let parts = || frames.iter().flat_map(Frames::parts);
    let length = parts().map(|part| part_len(part) + 1).sum::<usize>().saturating_sub(1);
    let mut payload = Vec::with_capacity(length);
    for (index, part) in parts().enumerate() {
        if index > 0 {
            payload.push(SEPARATOR);
        }
        match part {
            Part::Text(packet) => payload.extend_from_slice(packet),
            Part::Binary(data) => {
                payload.push(b'b');
                let start = payload.len();
                payload.resize(start + base64_len(data), 0);
                // The slice is as long as the text, so it cannot be too short.
                let _ = STANDARD.encode_slice(data, payload.get_mut(start..).unwrap_or_default());
            }
        }
    }
    payload
}

const fn part_len(part: Part<'_>) -> usize {
    match part {
        Part::Text(packet) => packet.len(),
        Part::Binary(data) => 1 + base64_len(data),
    }
}

const fn base64_len(data: &[u8]) -> usize {
    data.len().div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::FramesBuilder;

    #[test]
    fn a_payload_is_exactly_as_long_as_its_buffer() {
        let mut attachment = FramesBuilder::default();
        attachment.text(&[b"451-[\"x\",{\"_placeholder\":true,\"num\":0}]"]);
        attachment.binary(b"\xff\x00\x1e\x01");
        let payload = encode(&[Frames::PING, attachment.finish(), Frames::NOOP]);
        assert_eq!(payload, b"2\x1e451-[\"x\",{\"_placeholder\":true,\"num\":0}]\x1eb/wAeAQ==\x1e6");
        assert_eq!(payload.capacity(), payload.len());
    }

    #[test]
    fn nothing_follows_the_first_error() {
        let mut packets = decode("4a\u{1e}9\u{1e}4b");
        assert_eq!(packets.next(), Some(Ok(Packet::Text("a"))));
        assert_eq!(packets.next(), Some(Err(ParseError::UnknownType('9'))));
        assert_eq!(packets.next(), None);
        assert_eq!(packets.next(), None);
    }

    #[test]
    fn no_frames_are_an_empty_payload() {
        assert!(encode(&[]).is_empty());
    }
}
