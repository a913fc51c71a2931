//! The API of a program: namespaces, sockets, events, broadcasts, the handle.
//!
//! Its rooms, from the bottom up: `base`, `ask`, `send`, `cluster`, `declare`, `routes`, `dispatch`.

mod ask;
mod base;
mod cluster;
mod declare;
mod dispatch;
mod routes;
mod send;

#[cfg(feature = "testing")]
pub(crate) use self::base::written;
pub use self::base::{Answers, Args, HandlerError, MissingAnswers, MissingServers, Ok, Pending, Writer};
pub(crate) use self::cluster::{lost, receive};
pub use self::declare::{Namespace, Room, Session, Socket};
pub(crate) use self::declare::{Permission, Pool};
pub(crate) use self::dispatch::Handlers;
pub use self::routes::IntoResponse;
#[cfg(any(test, fuzzing))]
pub use self::routes::file_path;
pub use self::send::{Ack, Broadcast, Emitter, Event, Handle, Outcome, RemoteSocket, SocketHandle};
