//! The format of Node's classic adapter (`@socket.io/redis-adapter`) and of its emitter: names of channels, broadcasts,
//! requests and responses.
//!
//! A [`Broadcast`] is MessagePack, published on the namespace's channel or on that of one room. A [`Request`] asks the
//! other servers for something, and a [`Response`] is one server's answer. Most are JSON; those that may contain binary
//! data are MessagePack. Their arguments have the form of [`socketio`](crate::socketio): JSON text and attachments.
//! [`msgpack`] converts between the two; `coerce` reads what Node accepts in each place.

mod broadcast;
mod channels;
mod coerce;
mod cost;
mod date;
mod error;
pub mod msgpack;
mod number;
mod opts;
mod remote_socket;
mod request;
mod response;
mod uid;

pub use broadcast::Broadcast;
pub use channels::{Channels, Incoming};
pub use date::date_text;
pub use error::{DecodeError, EncodeError};
pub use opts::{Flags, Opts};
pub use remote_socket::{RemoteHandshake, RemoteSocket};
pub use request::{Operation, Request, is_reserved_server_side};
pub use response::{Answer, Extent, Response};
pub(super) use uid::{is_kinglet_uid, kinglet_uid};
