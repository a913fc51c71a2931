//! Whom a broadcast is for.

use super::keys::NamespaceKey;
use crate::engineio::{Frames, Sid};
use crate::socketio::Event;

/// Frames for many sockets of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct Broadcast {
    pub(crate) namespace: NamespaceKey,
    pub(crate) target: Target,
    pub(crate) frames: Frames,
    pub(crate) urgency: Urgency,
    /// The event itself, if the application hears of those that go out.
    pub(crate) heard: Option<Event>,
}

impl Broadcast {
    /// What it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.len() + self.target.bytes() + self.heard.as_ref().map_or(0, Event::bytes)
    }
}

/// Which sockets of a namespace are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// The rooms, of which a receiver is in at least one; none: everybody. A socket's id is a room.
    pub(crate) rooms: Vec<Box<str>>,
    /// The rooms of which a receiver is in none.
    pub(crate) except: Vec<Box<str>>,
    /// The socket that is left out, as the one who sent it.
    pub(crate) sender: Option<Sid>,
}

impl Target {
    /// What it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.rooms.iter().chain(&self.except).map(|room| size_of::<Box<str>>() + room.len()).sum()
    }
}

/// Whether a message may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Urgency {
    /// It waits for a client that is not ready.
    #[default]
    Reliable,
    /// A client that is not ready does not get it.
    Volatile,
}
