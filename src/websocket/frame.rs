//! The frames of a client, found and judged by their headers (RFC 6455, section 5.2).
//!
//! A frame that cannot be accepted whatever its payload is refused before the payload is there.

use std::io::Cursor;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::metrics::Limit;

/// Bounds on what a client sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of a message, and so of a frame: 1 000 000 by default, as Node's `maxHttpBufferSize`. Close 1009.
    pub(crate) max_message_size: usize,
    /// Frames of a message: 131072 by default, as `ws` has it. Close 1008.
    pub(crate) max_fragments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_size: 1_000_000, max_fragments: 131_072 }
    }
}

/// Why a connection must be closed (RFC 6455, section 7.1.7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WebSocketError {
    /// A message is longer than [`Limits::max_message_size`].
    #[error("message longer than {0} bytes")]
    TooLarge(usize),
    /// A message has more frames than [`Limits::max_fragments`].
    #[error("message of more than {0} fragments")]
    TooManyFragments(u32),
    /// The client has sent more than this lets it for too long, and never waited.
    #[error("more than {0} allows, for too long")]
    TooFast(Limit),
    /// A text message or the reason of a close frame is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// The client broke the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
}

impl WebSocketError {
    /// The code to close the connection with (RFC 6455, section 7.4.1).
    pub(crate) const fn code(&self) -> u16 {
        match self {
            Self::TooLarge(_) => 1009,
            Self::TooManyFragments(_) | Self::TooFast(_) => 1008,
            Self::NotUtf8 => 1007,
            Self::Protocol(_) => 1002,
        }
    }
}

/// How much of an unfinished message is here already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MessageSoFar {
    /// Bytes of the payloads of its frames.
    pub(super) payload: usize,
    /// Its frames; 0 between two messages.
    pub(super) fragments: u32,
}

/// A whole frame in front of the bytes at hand.
pub(super) struct Frame<'a> {
    /// Header and payload as they came.
    pub(super) raw: &'a [u8],
    /// What stands before the payload.
    pub(super) header: FrameHeader,
    /// The payload, still masked.
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame in front of `bytes` if it is whole. Its header is judged as soon as that is whole.
    pub(super) fn parse(
        bytes: &'a [u8],
        message: MessageSoFar,
        limits: Limits,
    ) -> Result<Option<Self>, WebSocketError> {
        let mut cursor = Cursor::new(bytes);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            Err(tungstenite::Error::Protocol(error)) => return Err(error.into()),
            Err(_) => return Err(ProtocolError::InvalidOpcode(0).into()),
        };
        judge(&header, length, message, limits)?;
        let payload = usize::try_from(length).ok();
        let whole = payload.and_then(|payload| (cursor.position() as usize).checked_add(payload));
        let Some(raw) = whole.and_then(|whole| bytes.get(..whole)) else { return Ok(None) };
        let frame = Self { raw, header, payload: raw.get(cursor.position() as usize..).unwrap_or_default() };
        frame.judge_close()?;
        Ok(Some(frame))
    }

    /// Refuses close codes that must not be sent (RFC 6455, section 7.4): the context would report them as 1002 of
    /// the client's.
    fn judge_close(&self) -> Result<(), WebSocketError> {
        match (self.header.opcode, self.header.mask, self.payload) {
            (OpCode::Control(Control::Close), Some([a, b, ..]), [high, low, ..])
                if !CloseCode::from(u16::from_be_bytes([high ^ a, low ^ b])).is_allowed() =>
            {
                Err(ProtocolError::InvalidCloseSequence.into())
            }
            _ => Ok(()),
        }
    }
}

/// Length of the frame in front of `bytes`, header and mask included, if that much of it is here. The parser that frames in go
/// through stays in one place: called from a second, it would no more be a part of it, which costs 100 instructions a frame.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    const MASK: usize = 4;
    let (header, payload) = match bytes.get(1)? & 0x7F {
        126 => (4, u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        short => (2, u64::from(short)),
    };
    usize::try_from(payload).ok()?.checked_add(header + MASK)
}

/// Refuses what no payload can make good.
fn judge(header: &FrameHeader, length: u64, message: MessageSoFar, limits: Limits) -> Result<(), WebSocketError> {
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(ProtocolError::NonZeroReservedBits.into());
    }
    if header.mask.is_none() {
        return Err(ProtocolError::UnmaskedFrameFromClient.into());
    }
    match header.opcode {
        OpCode::Control(_) if !header.is_final => return Err(ProtocolError::FragmentedControlFrame.into()),
        OpCode::Control(_) if length > 125 => return Err(ProtocolError::ControlFrameTooBig.into()),
        OpCode::Control(_) => return Ok(()),
        OpCode::Data(Data::Continue) if message.fragments == 0 => {
            return Err(ProtocolError::UnexpectedContinueFrame.into());
        }
        OpCode::Data(Data::Continue) => {}
        OpCode::Data(data) if message.fragments > 0 => return Err(ProtocolError::ExpectedFragment(data).into()),
        OpCode::Data(_) => {}
    }
    if length > limits.max_message_size.saturating_sub(message.payload) as u64 {
        return Err(WebSocketError::TooLarge(limits.max_message_size));
    }
    if message.fragments >= limits.max_fragments {
        return Err(WebSocketError::TooManyFragments(limits.max_fragments));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_frame_is_told_by_its_header() {
        for (header, whole) in [
            (&[0x81, 0x85][..], Some(11)),
            (&[0x81, 0xFE, 0x01, 0x00], Some(264)),
            (&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0], Some(65_550)),
            (&[0x81], None),
            (&[0x81, 0xFE, 0x01], None),
            (&[0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], None),
        ] {
            assert_eq!(length(header), whole, "{header:?}");
        }
    }
}
