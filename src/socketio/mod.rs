//! Socket.IO, protocol 5, and 4 where it differs: the packet codec, rooms, offsets. No I/O happens here.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod arguments;
pub(crate) mod binary;
mod decode_error;
mod decoder;
mod encode;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod id;
pub(crate) mod json;
mod message_pack;
mod offset;
mod packet;
mod parameter;
mod parser;
mod placeholders;
mod reason;
mod rooms;
pub mod v4;

pub use arguments::Arguments;
pub use decode_error::{DecodeError, DecodeLimits};
pub use decoder::Decoder;
pub(crate) use decoder::share;
pub use encode::{ack, connect, connect_error, disconnect, event, event_at};
pub(crate) use forward::FirstArgument;
pub use id::SocketId;
pub(crate) use json::is_within_depth;
pub use message_pack::{decode as decode_message_pack, is_message_pack, not_message_pack};
pub use offset::{Offset, OffsetSource, OffsetText};
pub use packet::{Event, Packet, is_reserved};
pub use parser::Parser;
pub(crate) use parser::Payload;
pub use reason::DisconnectReason;
pub use rooms::{Member, Memberships, Room, Rooms};
