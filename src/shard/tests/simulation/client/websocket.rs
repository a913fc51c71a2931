//! WebSocket frames: a client's are masked, a server's are not.

use super::packet::Packet;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// What a server's frame says.
pub(super) enum Frame {
    Packet(Packet),
    Close,
}

/// The request for a WebSocket.
pub(super) fn handshake(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The frame of a packet.
pub(super) fn frame(packet: &Packet) -> Vec<u8> {
    let (kind, payload) = match packet {
        Packet::Text(text) => (0x81, text.as_bytes()),
        Packet::Binary(data) => (0x82, data.as_slice()),
    };
    masked(kind, payload)
}

fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => match u16::try_from(long) {
            Ok(long) => {
                frame.push(0x80 | 126);
                frame.extend(long.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        },
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Takes the frame in front, if it is whole.
pub(super) fn take_frame(received: &mut Vec<u8>) -> Option<Frame> {
    let (start, length) = match received.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(received.get(2..4)?.try_into().unwrap()))),
        127 => (10, u64::from_be_bytes(received.get(2..10)?.try_into().unwrap()) as usize),
        short => (2, usize::from(*short)),
    };
    let payload = received.get(start..start + length)?.to_vec();
    let kind = received[0];
    received.drain(..start + length);
    match kind {
        0x81 => Some(Frame::Packet(Packet::Text(String::from_utf8(payload).unwrap()))),
        0x82 => Some(Frame::Packet(Packet::Binary(payload))),
        0x88 => Some(Frame::Close),
        other => panic!("a frame that begins with {other:#x}"),
    }
}
