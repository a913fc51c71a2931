//! Sending, from the bottom up: an event and its acknowledgement, broadcasts, and handles to the server and to one
//! socket for any thread.
//!
//! The methods of one type are in several files, each above the files that it uses.

mod broadcast;
mod collect;
mod event;
mod everyone;
mod flags;
mod handle;
mod known;
mod outcome;
mod remote_socket;
mod servers;
mod socket_handle;
mod socket_state;
mod sockets;

pub use self::broadcast::Broadcast;
pub use self::event::{Ack, Event};
pub(in crate::app) use self::flags::Flags;
pub(in crate::app) use self::handle::full_name;
pub use self::handle::{Emitter, Handle};
pub(in crate::app) use self::known::{Known, Snapshot};
pub use self::outcome::Outcome;
pub(in crate::app) use self::outcome::{failure, overheard};
pub use self::remote_socket::RemoteSocket;
pub use self::socket_handle::SocketHandle;
pub(in crate::app) use self::sockets::join;
