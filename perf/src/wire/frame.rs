//! WebSocket frames (RFC 6455 §5): a writer that masks, as clients must, and a reader of what a server sends.

use thiserror::Error;

/// The masking key of every frame. A load generator has nothing to hide from a proxy, but the server's work of
/// unmasking must be real, so no byte of it is zero.
pub const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

/// What a frame carries (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before it.
    Continuation,
    /// Text, which is what Engine.IO packets travel in.
    Text,
    /// Bytes, which is what attachments travel in.
    Binary,
    /// The end of the connection.
    Close,
    /// A question that a pong must answer.
    Ping,
    /// The answer to a ping.
    Pong,
}

/// Why bytes are not a frame that a server may send without extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A reserved bit is set though no extension was agreed on.
    #[error("a frame with reserved bits set")]
    Reserved,
    /// An opcode that RFC 6455 does not define.
    #[error("a frame with the unknown opcode {0}")]
    Opcode(u8),
    /// Servers must not mask.
    #[error("a masked frame from the server")]
    Masked,
    /// Longer than this machine can address.
    #[error("a frame of {0} bytes")]
    Length(u64),
}

/// A whole frame at the head of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub opcode: Opcode,
    /// Whether it ends its message.
    pub last: bool,
    /// What it carries, unmasked as servers send it.
    pub payload: &'a [u8],
    /// How many bytes of the input it takes, header included.
    pub size: usize,
}

impl<'a> Frame<'a> {
    /// The frame that `bytes` begin with, or none while it is not whole.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::Reserved);
        }
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => return Err(FrameError::Opcode(other)),
        };
        let (header, length) = match second {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (10, u64::from_be_bytes(*length)),
                None => return Ok(None),
            },
            short => (2, u64::from(short)),
        };
        let size = usize::try_from(length).ok().and_then(|length| length.checked_add(header));
        let size = size.ok_or(FrameError::Length(length))?;
        let frame = bytes.get(header..size);
        Ok(frame.map(|payload| Self { opcode, last: first & 0x80 != 0, payload, size }))
    }
}

/// Appends to `out` one masked frame that is a whole message. Returns where in `out` its payload begins.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) -> usize {
    let code = match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    out.push(0x80 | code);
    match payload.len() {
        length @ ..126 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ ..126 => frame.push(length as u8),
            length @ 126..=0xffff => {
                frame.push(126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn a_frame_is_read_only_when_whole() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = server_frame(0x81, &payload);
            for cut in [1, 2, 3, bytes.len() - 1] {
                if cut < bytes.len() {
                    assert_eq!(Frame::parse(&bytes[..cut]), Ok(None), "{length} bytes cut at {cut}");
                }
            }
            let size = bytes.len();
            bytes.extend_from_slice(b"more");
            let frame = Frame { opcode: Opcode::Text, last: true, payload: &payload, size };
            assert_eq!(Frame::parse(&bytes), Ok(Some(frame)));
        }
    }

    #[test]
    fn what_a_server_may_not_send_is_refused() {
        assert_eq!(Frame::parse(&[0xc1, 0]), Err(FrameError::Reserved));
        assert_eq!(Frame::parse(&[0x83, 0]), Err(FrameError::Opcode(3)));
        assert_eq!(Frame::parse(&[0x81, 0x80]), Err(FrameError::Masked));
        let endless = [0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(Frame::parse(&endless), Err(FrameError::Length(u64::MAX)));
    }

    #[test]
    fn written_frames_are_masked_and_whole() {
        for (length, header) in [(0, 2), (5, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload = vec![b'p'; length];
            let mut out = Vec::new();
            let start = write_frame(&mut out, Opcode::Text, &payload);
            assert_eq!(start, header + 4);
            assert_eq!((out[0], out[1] & 0x80), (0x81, 0x80));
            assert_eq!(out[header..start], MASK);
            let unmasked: Vec<u8> = out[start..].iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m).collect();
            assert_eq!(unmasked, payload);
        }
    }
}
