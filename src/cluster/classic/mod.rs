//! The format of Node's classic adapter (`@socket.io/redis-adapter`) and of its emitter.
//!
//! | files | what they do |
//! |---|---|
//! | `adapter` | the format as an adapter: from neutral messages to these, and back |
//! | `questions`, `described` | requests as neutral questions; neutral descriptions of sockets |
//! | `channels`, `uid` | names of channels; the uids of kinglets |
//! | `broadcast`, `request`, `response`, `opts`, `remote_socket` | the messages, byte for byte |
//! | `coerce` | what Node accepts for each field |
//! | `cost` | the memory that decoding may take |
//!
//! [`msgpack`](crate::msgpack) converts arguments from MessagePack to JSON text and back.

mod adapter;
mod broadcast;
mod channels;
mod coerce;
mod cost;
mod described;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod opts;
mod questions;
mod remote_socket;
mod request;
mod response;
mod uid;

pub(super) use adapter::Classic;
pub use broadcast::Broadcast;
pub use channels::{Channels, Incoming};
pub use error::{DecodeError, EncodeError};
pub use opts::{Flags, Opts};
pub use remote_socket::{RemoteHandshake, RemoteSocket};
pub use request::{Operation, Request, is_reserved_server_side};
pub use response::{Answer, Response};
