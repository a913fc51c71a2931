//! What the application may hear of rooms.

use super::calls::Call;
use super::core::Core;
use super::keys::NamespaceKey;
use crate::socketio::{Memberships, SocketId};

/// What became of a room in this shard.
#[derive(Debug, Clone)]
pub(crate) enum RoomChange {
    /// It has its first member.
    Created,
    /// Its last member has left.
    Deleted,
    /// This socket has joined.
    Joined(SocketId),
    /// This socket has left.
    Left(SocketId),
}

impl Core {
    /// A socket has joined a room; the application is told if it wants to hear. `rooms` is how many there were before.
    pub(crate) fn joined_room(&mut self, namespace: NamespaceKey, room: &str, id: SocketId, rooms: usize) {
        if !self.hears_rooms(namespace) {
            return;
        }
        if self.namespaces.rooms > rooms {
            self.room_changed(namespace, room, RoomChange::Created);
        }
        self.room_changed(namespace, room, RoomChange::Joined(id));
    }

    /// A socket has left rooms; the application is told if it wants to hear.
    pub(crate) fn left_rooms(&mut self, namespace: NamespaceKey, rooms: &[impl AsRef<str>], id: &SocketId) {
        if rooms.is_empty() || !self.hears_rooms(namespace) {
            return;
        }
        for room in rooms.iter().map(AsRef::as_ref) {
            self.room_changed(namespace, room, RoomChange::Left(id.clone()));
            if self.namespaces.get(namespace).is_none_or(|members| !members.rooms.contains(room)) {
                self.room_changed(namespace, room, RoomChange::Deleted);
            }
        }
    }

    /// The names of rooms that a socket is about to leave, if the application wants to hear of it.
    pub(crate) fn heard_rooms(&self, namespace: NamespaceKey, memberships: &Memberships) -> Vec<Box<str>> {
        if memberships.is_empty() || !self.hears_rooms(namespace) {
            return Vec::new();
        }
        let members = self.namespaces.get(namespace);
        members.map_or_else(Vec::new, |members| members.rooms.names(memberships).map(Into::into).collect())
    }

    fn hears_rooms(&self, namespace: NamespaceKey) -> bool {
        self.shared.application.hears_rooms(&self.namespace_ref(namespace))
    }

    fn room_changed(&mut self, namespace: NamespaceKey, room: &str, change: RoomChange) {
        let namespace = self.namespace_ref(namespace);
        self.calls.push_back(Call::Room { namespace, room: room.into(), change });
    }
}
