//! WebSockets: frames in, and close frames out.

mod frame;
mod incoming;

pub(crate) use frame::{Limits, WebSocketError};
pub(crate) use incoming::{Incoming, Input, Receiver};

/// A close frame without a code.
pub(in crate::shard) const CLOSE_FRAME: &[u8] = &[0x88, 0x00];

/// A close frame with a code.
pub(in crate::shard) const fn close_frame(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x88, 0x02, high, low]
}
