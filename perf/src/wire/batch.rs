//! Packets made once and sent many times, in one write, with only numbers changed in place.

use super::frame::{MASK, Opcode, write_frame};
use super::packet::SEPARATOR;
use crate::options::Transport;

/// As many copies of one packet as are sent in one write, encoded for a transport.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    start: usize,
    stride: usize,
    count: usize,
    transport: Transport,
}

impl Batch {
    /// `count` copies of the Engine.IO packet `packet`.
    pub fn new(transport: Transport, packet: &[u8], count: usize) -> Self {
        let mut bytes = Vec::new();
        let mut start = 0;
        for copy in 0..count {
            if transport == Transport::Polling {
                if copy > 0 {
                    bytes.push(SEPARATOR);
                }
                bytes.extend_from_slice(packet);
            } else {
                let at = write_frame(&mut bytes, Opcode::Text, packet);
                if copy == 0 {
                    start = at;
                }
            }
        }
        let stride = packet.len() + if transport == Transport::Polling { 1 } else { start };
        Self { bytes, start, stride, count, transport }
    }

    /// Writes `value` as `digits` lower-case hexadecimal digits at `offset` of copy `copy` of the packet.
    pub fn patch(&mut self, copy: usize, offset: usize, value: u64, digits: usize) {
        let at = self.start + copy * self.stride + offset;
        for digit in 0..digits {
            let nibble = (value >> (4 * (digits - 1 - digit))) & 0xf;
            let plain = b"0123456789abcdef"[nibble as usize];
            let mask = if self.transport == Transport::Polling { 0 } else { MASK[(offset + digit) % 4] };
            self.bytes[at + digit] = plain ^ mask;
        }
    }

    /// How many copies there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// What to send: frames for a WebSocket, the body of a POST for polling.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_is_patched_in_its_place() {
        let mut polling = Batch::new(Transport::Polling, b"42[\"e\",\"00-0000\"]", 2);
        polling.patch(0, 8, 0xa1, 2);
        polling.patch(1, 11, 0xbeef, 4);
        assert_eq!(polling.bytes(), b"42[\"e\",\"a1-0000\"]\x1e42[\"e\",\"00-beef\"]");

        let mut frames = Batch::new(Transport::WebSocket, b"42[\"e\",\"00-0000\"]", 2);
        frames.patch(0, 8, 0xa1, 2);
        frames.patch(1, 11, 0xbeef, 4);
        let mut expected = Vec::new();
        write_frame(&mut expected, Opcode::Text, b"42[\"e\",\"a1-0000\"]");
        write_frame(&mut expected, Opcode::Text, b"42[\"e\",\"00-beef\"]");
        assert_eq!(frames.bytes(), expected);
    }
}
