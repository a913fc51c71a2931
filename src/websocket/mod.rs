//! WebSocket messages (RFC 6455) without I/O: bytes of a client in, messages out, and close frames.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod incoming;

pub(crate) use frame::{Limits, WebSocketError};
pub(crate) use incoming::{Incoming, Input, Receiver};

/// A close frame without a code.
pub(crate) const CLOSE_FRAME: &[u8] = &[0x88, 0x00];

/// A close frame with a code.
pub(crate) const fn close_frame(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x88, 0x02, high, low]
}
