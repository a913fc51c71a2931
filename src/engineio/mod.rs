//! Engine.IO, protocols 4 and 3: packets, payloads, sessions. No I/O happens here: bytes and instants come in, bytes and
//! effects go out.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod charge;
mod encoding;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handshake;
mod millis;
mod packet;
pub mod payload;
mod protocol;
mod reason;
mod session;
mod settings;
mod sid;
pub mod v3;

pub use charge::Charge;
pub use encoding::{Encoding, PayloadKind};
pub use frames::{Frames, FramesBuilder, Part};
pub(crate) use handshake::percent_decode;
pub use handshake::{
    Code, Found, Kind, Method, Purpose, Query, Request, check, check_protocol, open_packet, query_pairs,
};
pub use millis::Millis;
pub use packet::{Packet, ParseError};
pub use protocol::Protocol;
pub use reason::Reason;
pub use session::{Effect, Frozen, FrozenHeartbeat, Inbound, Lost, Message, Overdue, Route, Session};
pub use settings::{
    CLOSE_WAIT, LEAVE_WAIT, MAX_ANSWER, MESSAGE_OVERHEAD, NOOP_INTERVAL, Settings, Transport, Transports,
};
pub use sid::{SID_LENGTH, Sid, SidSource, SidText};
