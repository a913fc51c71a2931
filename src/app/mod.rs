//! What a program writes against: namespaces, sockets, events, broadcasts, the handle.

mod ask;
mod base;
mod blocking;
mod broadcast;
mod children;
mod cluster;
mod event;
mod everyone;
mod handle;
mod handlers;
mod namespace;
mod refusal;
mod remote_socket;
mod rooms;
mod selection;
mod servers;
mod session;
mod socket;
mod socket_handle;

pub use base::{Answers, Args, Binary, MissingAnswers, MissingServers, Outcome, Writer};
pub(crate) use blocking::Pool;
pub use broadcast::Broadcast;
pub(crate) use cluster::{deaf, receive};
pub use event::{Ack, Event};
pub use handle::{Emitter, Handle};
pub(crate) use handlers::Handlers;
pub use namespace::Namespace;
pub use remote_socket::RemoteSocket;
pub use rooms::Room;
pub use session::Session;
pub use socket::Socket;
pub use socket_handle::SocketHandle;
