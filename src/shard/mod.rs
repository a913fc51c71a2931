//! The shard: one thread, its event loop, and everything it owns.
//!
//! A shard owns its connections, sessions, sockets, rooms and timers; nothing of it is locked. One turn of the loop reads
//! what came, lets the application act on it, and at its end writes what is due, each connection once. Other threads reach a
//! shard through its mailbox.
//!
//! Its rooms, from the bottom up: `store`, `kernel`, `shared`, `net`, `sessions`, `sockets`, `recovery`, `guard`, `input`, `ending`,
//! `event_loop`. The owner of each holds the owner below it, up to [`Core`], which is all of them.

mod ending;
mod event_loop;
mod guard;
mod input;
mod kernel;
mod net;
mod recovery;
mod sessions;
mod shared;
mod sockets;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use self::ending::signals::Signals;
pub(crate) use self::event_loop::{
    callbacks::{Callbacks, ServerReply},
    core::Core,
    turn::{EventLoop, Shard},
};
pub(crate) use self::guard::census::Census;
#[cfg(any(test, fuzzing))]
pub use self::input::http::fuzz::forwarded_for;
pub(crate) use self::kernel::{
    listener::{Listener, Sharing, probe},
    poll::Poll,
};
pub(crate) use self::recovery::{broadcast as broadcast_recoverable, leave_records, told_of_recovery};
pub use self::sessions::handshake::Handshake;
pub use self::shared::admissions::Admission;
pub use self::shared::refusal::Refusal;
pub(crate) use self::shared::{
    Budget, Shared,
    admissions::{Asked, Verdict},
    directory::Directory,
    due_acks::DueAck,
    end_later,
    mailbox::{Inbox, Left, Letter, Mailbox, Wake, mailbox},
    namespaces::{Child, NamespaceRef, NoNamespace},
    target::{Broadcast, Target, Urgency},
};
pub(crate) use self::sockets::{
    asker::{Asker, Relay},
    calls::RoomChange,
    collection::{Collection, Ended, Others, Shortfall},
    descriptions::Description,
};
pub(crate) use self::store::keys::{NamespaceKey, SessionRef, SocketRef};
