//! Broadcasts and their targets.

use crate::cluster::Source;
use crate::engineio::{Frames, Sid};
use crate::memory::allocated;
use crate::shard::store::keys::NamespaceKey;
use crate::socketio::{Event, Offset};

/// Frames for many sockets of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct Broadcast {
    pub(in crate::shard) namespace: NamespaceKey,
    pub(in crate::shard) target: Target,
    pub(in crate::shard) frames: Frames,
    pub(in crate::shard) urgency: Urgency,
    /// The event itself, if the application hears outgoing events.
    pub(in crate::shard) heard: Option<Event>,
    /// What other servers know it by.
    pub(in crate::shard) source: Source,
}

impl Broadcast {
    /// `heard`: the event itself, if the application hears outgoing events.
    pub(crate) const fn new(
        namespace: NamespaceKey,
        target: Target,
        frames: Frames,
        urgency: Urgency,
        heard: Option<Event>,
    ) -> Self {
        Self { namespace, target, frames, urgency, heard, source: Source::Here }
    }

    /// The same, which other servers know by `source`.
    pub(crate) fn known_by(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Bytes that it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.len() + self.target.bytes() + self.heard.as_ref().map_or(0, Event::bytes)
    }
}

/// The sockets of a namespace that a broadcast is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// A receiver is in at least one of these rooms; empty means everybody. A socket's id is a room.
    pub(crate) rooms: Vec<Box<str>>,
    /// A receiver is in none of these rooms.
    pub(crate) except: Vec<Box<str>>,
    /// The sender, which is left out.
    pub(crate) sender: Option<Sid>,
}

impl Target {
    /// Bytes that it holds beside itself. Names may be many and short, so their overhead counts, too.
    pub(crate) fn bytes(&self) -> usize {
        let names: usize = self.rooms.iter().chain(&self.except).map(|room| allocated(room.len())).sum();
        names + (self.rooms.capacity() + self.except.capacity()) * size_of::<Box<str>>()
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

/// When and where a broadcast was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(in crate::shard) offset: Offset,
    /// The shard that sent it; the number of shards stands for all other threads.
    pub(in crate::shard) origin: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_short_names_count_as_what_they_take() {
        let mut target = Target::default();
        assert_eq!(target.bytes(), 0);
        target.rooms.extend((0..1000).map(|_| "a".into()));
        // A box of 16 bytes, and 32 for its allocation.
        assert_eq!(target.bytes(), 48_000);
        target.rooms.push("b".into());
        assert!(target.bytes() >= 48_000 + 16_000, "the list has grown to twice its length");
    }
}
