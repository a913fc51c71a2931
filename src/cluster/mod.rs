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

mod broadcast;
mod channels;
mod coerce;
mod cost;
mod data;
mod date;
mod dropped;
mod error;
mod id;
mod membership;
mod metrics;
pub mod msgpack;
mod number;
mod opts;
mod places;
mod recent;
pub mod redis;
mod remote_socket;
mod request;
mod response;
mod room_hints;

pub use broadcast::Broadcast;
pub use channels::{Channels, Incoming};
pub use data::Data;
pub use date::date_text;
pub use dropped::DropReason;
pub use error::{DecodeError, EncodeError};
pub use id::ClusterId;
pub(crate) use membership::{Asking, Membership, Wants};
pub use metrics::ClusterMetrics;
pub use opts::{Flags, Opts};
pub(crate) use places::{Census, Place};
pub use remote_socket::{RemoteHandshake, RemoteSocket};
pub use request::{Operation, Request, is_reserved_server_side};
pub use response::{Answer, Extent, Response};
