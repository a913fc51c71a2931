//! Packets encoded once, as the WebSocket frames of a server, for any number of clients.
//!
//! A server's frame is the same for every client (it is not masked), so these bytes go to each WebSocket unchanged.
//! Polling clients get the same packets: [`Frames::parts`] walks the frames.

use bytes::Bytes;

use super::charge::Charge;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// One or more WebSocket frames that belong together: a packet with its attachments. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Frames {
    bytes: Bytes,
    compress: bool,
    /// Their charge, while they wait.
    charge: Option<Charge>,
}

/// One packet in [`Frames`], as in a WebSocket message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A text packet: its type digit and its data.
    Text(&'a [u8]),
    /// The data of a binary message packet.
    Binary(&'a [u8]),
}

impl Frames {
    /// The packet `1`: close.
    pub const CLOSE: Self = Self::of(b"\x81\x011");
    /// The packet `2`: ping.
    pub const PING: Self = Self::of(b"\x81\x012");
    /// The packet `3`: pong, which the server sends in protocol 3 only.
    pub const PONG: Self = Self::of(b"\x81\x013");
    /// The packet `3probe`: the answer to a probe.
    pub const PROBE: Self = Self::of(b"\x81\x063probe");
    /// The packet `6`: noop.
    pub const NOOP: Self = Self::of(b"\x81\x016");

    const fn of(frame: &'static [u8]) -> Self {
        Self { bytes: Bytes::from_static(frame), compress: true, charge: None }
    }

    /// No frames.
    pub(crate) const fn none() -> Self {
        Self::of(b"")
    }

    /// One text packet, type digit included.
    pub fn text(packet: &[u8]) -> Self {
        let mut frames = FramesBuilder::with_capacity(packet.len() + 10);
        frames.text(&[packet]);
        frames.finish()
    }

    /// The frames in bytes that another server has made; `None` if they are not whole text and binary messages of a server.
    pub fn made_elsewhere(bytes: Bytes) -> Option<Self> {
        let mut parts = Parts { rest: &bytes };
        while let Some(&first) = parts.rest.first() {
            if !matches!(first, 0x81 | 0x82) || parts.rest.get(1)? & 0x80 != 0 {
                return None;
            }
            parts.next()?;
        }
        Some(Self { bytes, compress: true, charge: None })
    }

    /// The same frames, without HTTP compression if `compress` is false.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Whether a polling answer that carries these frames may be compressed.
    pub const fn may_compress(&self) -> bool {
        self.compress
    }

    /// The frames for a WebSocket.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same frames, with this charge for as long as they wait.
    pub(crate) fn charged(&self, charge: Charge) -> Self {
        Self { bytes: self.bytes.clone(), compress: self.compress, charge: Some(charge) }
    }

    /// Whether they wait for one client only.
    pub(crate) fn are_own(&self) -> bool {
        self.charge.as_ref().is_some_and(Charge::is_own)
    }

    /// What they are charged with, while they wait.
    #[cfg(test)]
    pub(crate) const fn charge(&self) -> Option<&Charge> {
        self.charge.as_ref()
    }

    /// The bytes of the frames.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Length in bytes, headers included.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no frame at all.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether any of the packets is binary.
    pub fn has_binary(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Binary(_)))
    }

    /// The packets inside, in order.
    pub fn parts(&self) -> Parts<'_> {
        Parts { rest: &self.bytes }
    }
}

/// Frames are equal if their bytes on the wire are.
impl PartialEq for Frames {
    fn eq(&self, other: &Self) -> bool {
        (&self.bytes, self.compress) == (&other.bytes, other.compress)
    }
}

impl Eq for Frames {}

/// Walks the packets of [`Frames`].
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let (&first, rest) = self.rest.split_first()?;
        let (&second, rest) = rest.split_first()?;
        let (length, rest) = match second {
            126 => rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            short => (u64::from(short), rest),
        };
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(if first & 0x0f == 1 { Part::Text(payload) } else { Part::Binary(payload) })
    }
}

/// Writes frames into one buffer.
#[derive(Debug, Default)]
pub struct FramesBuilder {
    buffer: Vec<u8>,
}

impl FramesBuilder {
    /// A builder whose buffer holds `capacity` bytes before it grows.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity) }
    }

    /// Appends a text packet given in pieces.
    pub fn text(&mut self, pieces: &[&[u8]]) {
        self.header(Data::Text, pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            self.buffer.extend_from_slice(piece);
        }
    }

    /// Appends a binary message packet.
    pub fn binary(&mut self, data: &[u8]) {
        self.header(Data::Binary, data.len());
        self.buffer.extend_from_slice(data);
    }

    /// Appends a binary packet of protocol 3: its type as a number, and its data.
    pub(super) fn typed_binary(&mut self, kind: u8, data: &[u8]) {
        self.header(Data::Binary, 1 + data.len());
        self.buffer.push(kind);
        self.buffer.extend_from_slice(data);
    }

    /// The frames written so far.
    pub fn finish(self) -> Frames {
        Frames { bytes: self.buffer.into(), compress: true, charge: None }
    }

    fn header(&mut self, opcode: Data, length: usize) {
        let header = FrameHeader { opcode: OpCode::Data(opcode), ..FrameHeader::default() };
        // Writing to a vector cannot fail.
        let _ = header.format(length as u64, &mut self.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_was_written() {
        let long = vec![b'x'; 70_000];
        let medium = vec![b'y'; 126];
        let mut builder = FramesBuilder::default();
        builder.text(&[b"4", b"2[]"]);
        builder.binary(&long);
        builder.text(&[&medium]);
        builder.binary(b"");
        let frames = builder.finish();
        let parts: Vec<_> = frames.parts().collect();
        assert_eq!(parts, [Part::Text(b"42[]"), Part::Binary(&long), Part::Text(&medium), Part::Binary(b"")]);
    }

    #[test]
    fn only_whole_frames_of_a_server_are_frames() {
        let mut builder = FramesBuilder::default();
        builder.text(&[b"42[]"]);
        builder.binary(&[b'x'; 300]);
        let whole = builder.finish().into_bytes();
        let is_one = |bytes: &[u8]| Frames::made_elsewhere(Bytes::copy_from_slice(bytes)).is_some();
        assert!(is_one(&whole) && is_one(&whole[..6]));
        for cut in (1..6).chain(7..whole.len()) {
            assert!(!is_one(&whole[..cut]), "{cut}");
        }
        for wrong in [&b"\x01\x0142"[..], b"\x88\x00", b"\xc1\x00", b"\x81\x80abcd", b"HTTP/1.1 200 OK"] {
            assert!(!is_one(wrong), "{wrong:x?}");
        }
    }

    #[test]
    fn constants_are_frames() {
        for (frames, packet) in [
            (Frames::CLOSE, &b"1"[..]),
            (Frames::PING, b"2"),
            (Frames::PONG, b"3"),
            (Frames::PROBE, b"3probe"),
            (Frames::NOOP, b"6"),
        ] {
            assert_eq!(frames, Frames::text(packet));
        }
    }
}
