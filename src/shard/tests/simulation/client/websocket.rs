//! Frames: a client's are masked, a server's are not.

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// What a server's frame says.
pub(super) enum Frame {
    Text(String),
    Close,
}

/// The request for a WebSocket.
pub(super) fn handshake(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A text message.
pub(super) fn text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).expect("a short message").to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
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
        0x81 => Some(Frame::Text(String::from_utf8(payload).unwrap())),
        0x88 => Some(Frame::Close),
        other => panic!("a frame that begins with {other:#x}"),
    }
}
