//! What a program sends with, from below: an event and its acknowledgement, messages for many sockets, and ways to the server
//! and to one socket that go to any thread.
//!
//! What a method gives may itself send, so the methods of one type stand in several files, each above what it needs.

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
