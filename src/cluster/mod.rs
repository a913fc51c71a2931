//! The messages between servers that share a Redis, in the format of Node's classic adapter
//! (`@socket.io/redis-adapter`) and emitter: names of channels, broadcasts, requests and responses. No I/O happens
//! here; `redis` sends and receives the bytes.
//!
//! A [`Broadcast`] is MessagePack, published on the namespace's channel or on that of one room. A [`Request`] asks the
//! other servers for something, and a [`Response`] is one server's answer. Most are JSON; those that may contain binary
//! data are MessagePack. Their arguments have the form of [`socketio`](crate::socketio): JSON text and attachments.
//! [`msgpack`] converts between the two.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod classic;
mod data;
mod dropped;
mod id;
mod membership;
mod metrics;
mod places;
mod recent;
pub mod redis;
mod room_hints;

pub use classic::msgpack;
pub use classic::{
    Answer, Broadcast, Channels, DecodeError, EncodeError, Extent, Flags, Incoming, Operation, Opts, RemoteHandshake,
    RemoteSocket, Request, Response, date_text, is_reserved_server_side,
};
pub use data::Data;
pub use dropped::DropReason;
pub use id::ClusterId;
pub(crate) use membership::{Asking, Membership, Wants};
pub use metrics::ClusterMetrics;
pub(crate) use places::{Census, Place};
