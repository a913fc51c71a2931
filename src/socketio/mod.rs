//! Socket.IO, protocol 5: the packet codec, rooms. No I/O happens here.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod decoder;
mod encode;
mod json;
mod packet;
mod reason;
mod rooms;

pub use decoder::{DecodeError, DecodeLimits, Decoder};
pub use encode::{ack, connect, connect_error, disconnect, event};
pub use packet::{Arguments, Event, Packet, is_reserved};
pub use reason::DisconnectReason;
pub use rooms::{Member, Memberships, Rooms};
