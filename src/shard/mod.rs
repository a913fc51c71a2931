//! The shard: one thread, its event loop, and everything it owns.
//!
//! A shard owns its connections, sessions, sockets, rooms and timers ([`Core`]); nothing of it is locked. One turn of the
//! loop reads what came, lets the application act on it, and at its end writes what is due, each connection once.
//! Other threads reach a shard through its mailbox.

mod accept;
mod acks;
mod addresses;
mod alarms;
mod allowance;
mod answers;
mod application;
mod batches;
mod bodies;
mod calls;
mod census;
mod client;
mod client_address;
mod collections;
mod connection;
mod core;
mod deadlines;
mod deferred;
mod delivery;
mod descriptions;
mod drain;
mod entries;
mod handoff;
mod handshake;
mod handshakes;
mod ids;
mod inbox;
mod joins;
mod keys;
mod legacy;
mod members;
mod memory_guard;
mod messages;
mod namespaces;
mod outbox;
mod outgoing;
mod owed;
mod packets;
mod pages;
mod polls;
mod posts;
mod rate;
mod recovery;
mod requests;
mod room_changes;
mod shared;
mod socket;
mod sockets;
mod stop;
mod target;
mod timers;
mod translation;
mod turn;
mod unfinished;
mod websocket;
mod write;

pub(crate) use self::accept::{Sharing, listen, probe};
pub(crate) use self::application::{Application, SessionRef, SocketRef};
pub use self::application::{Message, Refusal};
pub(crate) use self::census::Census;
pub(crate) use self::collections::{Asker, Collection, Others, Relay};
pub(crate) use self::descriptions::Description;
pub use self::handshake::Handshake;
pub(crate) use self::inbox::{Inbox, Letter, Mailbox, mailbox};
pub(crate) use self::keys::NamespaceKey;
pub(crate) use self::namespaces::{Child, NamespaceRef, NoNamespace};
pub(crate) use self::owed::Owed;
pub(crate) use self::recovery::broadcast as broadcast_recoverable;
pub(crate) use self::room_changes::RoomChange;
pub(crate) use self::shared::{Budget, Shared};
pub(crate) use self::target::{Broadcast, Target, Urgency};
pub(crate) use self::turn::{Shard, WAKER};
