//! Sending, from below: an event and its acknowledgement, messages for many sockets, and handles to the server and to
//! one socket for any thread.
//!
//! A method may return something that sends, so the methods of one type are in several files, each above what it needs.

mod broadcast;
mod collect;
mod event;
mod everyone;
mod handle;
mod remote_socket;
mod servers;
mod socket_handle;
mod sockets;

pub use self::broadcast::Broadcast;
pub use self::event::{Ack, Event};
pub(in crate::app) use self::handle::full_name;
pub use self::handle::{Emitter, Handle};
pub use self::remote_socket::RemoteSocket;
pub use self::socket_handle::SocketHandle;
pub(in crate::app) use self::sockets::join;
