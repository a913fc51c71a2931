//! The messages between servers that share a Redis, and this server's membership among them.
//!
//! The rest of the crate knows neutral messages (`message`): events for sockets, questions, answers. An `adapter` encodes
//! and decodes them in a format. The only one is `classic`, the format of Node's classic adapter
//! (`@socket.io/redis-adapter`) and emitter; its messages are public here. No I/O happens in it; [`redis`] sends and
//! receives the bytes.
//!
//! In the classic format a [`Broadcast`] is MessagePack, published on the namespace's channel or on that of one room. A
//! [`Request`] asks the other servers for something, and a [`Response`] is one server's answer. Most are JSON; those
//! that may contain binary data are MessagePack. Their arguments have the form of [`socketio`](crate::socketio): JSON
//! text and attachments. [`msgpack`] converts between the two.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod adapter;
mod asking;
mod classic;
mod data;
mod dropped;
mod gaps;
mod id;
mod listening;
mod membership;
pub(crate) mod message;
mod metrics;
pub(crate) mod peers;
mod places;
mod received;
mod recent;
pub mod redis;
mod reply;
mod room_hints;
mod serial;
mod source;

#[cfg(any(test, fuzzing))]
pub use self::classic::fuzz;
pub use crate::msgpack;
pub use crate::msgpack::date_text;
pub use classic::{
    Answer, Broadcast, Channels, DecodeError, EncodeError, Flags, Incoming, Operation, Opts, RemoteHandshake,
    RemoteSocket, Request, Response, is_reserved_server_side,
};
pub use data::Data;
pub use dropped::DropReason;
pub use id::ClusterId;
pub(crate) use listening::Wants;
pub use message::Extent;
pub use metrics::ClusterMetrics;
pub(crate) use places::{Census, Hearing};
pub use serial::Serial;
pub(crate) use source::Source;

/// The format of messages between servers. Nothing else names it.
type Format = classic::Classic;

pub(crate) type Asking = listening::Asking<Format>;
pub(crate) type Membership = membership::Membership<Format>;
pub(crate) type Place = places::Place<Format>;
pub(crate) type Received = received::Received<Format>;
pub(crate) type Reply = reply::Reply<Format>;
