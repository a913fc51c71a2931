//! What a program writes against: namespaces, sockets, events, broadcasts, the handle.

mod args;
mod arguments;
mod binary;
mod broadcast;
mod children;
mod event;
mod handle;
mod handlers;
mod namespace;
mod outcome;
mod refusal;
mod session;
mod socket;

pub use args::{Args, Writer};
pub use binary::Binary;
pub use broadcast::Broadcast;
pub use event::{Ack, Event};
pub use handle::{Emitter, Handle};
pub(crate) use handlers::Handlers;
pub use namespace::Namespace;
pub use outcome::Outcome;
pub use session::Session;
pub use socket::Socket;
