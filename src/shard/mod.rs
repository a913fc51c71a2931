//! The shard: one thread, its event loop, and everything it owns.
//!
//! A shard owns its connections, sessions, sockets, rooms and timers ([`Core`](event_loop::core::Core)); nothing of it is
//! locked. One turn of the loop reads what came, lets the application act on it, and at its end writes what is due, each
//! connection once. Other threads reach a shard through its mailbox.
//!
//! Its rooms, from the bottom up: `store`, `net`, `sessions`, `sockets`, `recovery`, `input`, `guard`, `ending`, `event_loop`.

mod ending;
mod event_loop;
mod guard;
mod input;
mod net;
mod recovery;
mod sessions;
mod sockets;
mod store;

pub(crate) use self::ending::owed::Owed;
pub(crate) use self::ending::signals::Signals;
pub(crate) use self::event_loop::application::{Callbacks, Directory, ServerReply};
pub use self::event_loop::application::{Message, Refusal};
pub(crate) use self::event_loop::inbox::{Inbox, Left, Letter, Mailbox, Wake, mailbox};
pub(crate) use self::event_loop::shared::{Budget, Shared};
pub(crate) use self::event_loop::turn::{Shard, WAKER};
pub(crate) use self::event_loop::waits::Wait;
pub(crate) use self::guard::census::Census;
pub(crate) use self::net::accept::{Sharing, listen, probe};
pub(crate) use self::recovery::broadcast as broadcast_recoverable;
pub use self::sessions::handshake::Handshake;
pub(crate) use self::sessions::sending::Urgency;
pub(crate) use self::sockets::collections::{Asker, Collection, Others, Relay};
pub(crate) use self::sockets::descriptions::Description;
pub(crate) use self::sockets::namespaces::{Child, NamespaceRef, NoNamespace};
pub(crate) use self::sockets::room_changes::RoomChange;
pub(crate) use self::sockets::target::{Broadcast, Target};
pub(crate) use self::store::keys::{NamespaceKey, SessionRef, SocketRef};
