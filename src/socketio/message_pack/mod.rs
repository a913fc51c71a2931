//! Packets in MessagePack, as `socket.io-msgpack-parser` has them: each is one binary message, a map with the members
//! `type`, `nsp`, `data` and `id`. Binary data stands where it belongs, so there are no types 5 and 6.
//!
//! Received arguments become JSON text and attachments, as everywhere else; [`msgpack`](crate::msgpack) says how.

mod decode;
pub(super) mod encode;
mod refusal;

pub use decode::decode;
pub use refusal::{is_message_pack, not_message_pack};

/// The packet types.
const CONNECT: u8 = 0;
const DISCONNECT: u8 = 1;
const EVENT: u8 = 2;
const ACK: u8 = 3;
const CONNECT_ERROR: u8 = 4;
