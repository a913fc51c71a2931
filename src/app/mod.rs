//! What a program writes against: namespaces, sockets, events, broadcasts, the handle.

mod answers;
mod args;
mod arguments;
mod binary;
mod blocking;
mod broadcast;
mod children;
mod event;
mod everyone;
mod everywhere;
mod handle;
mod handlers;
mod namespace;
mod outcome;
mod refusal;
mod remote_socket;
mod rooms;
mod selection;
mod session;
mod socket;
mod socket_handle;

pub use answers::{Answers, MissingAnswers};
pub use args::{Args, Writer};
pub use binary::Binary;
pub(crate) use blocking::Pool;
pub use broadcast::Broadcast;
pub use event::{Ack, Event};
pub use handle::{Emitter, Handle};
pub(crate) use handlers::Handlers;
pub use namespace::Namespace;
pub use outcome::Outcome;
pub use remote_socket::RemoteSocket;
pub use rooms::Room;
pub use session::Session;
pub use socket::Socket;
pub use socket_handle::SocketHandle;
