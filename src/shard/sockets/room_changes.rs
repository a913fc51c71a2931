//! Changes in rooms: tells the cluster, and the application if it wants to hear of them.

use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::{Call, RoomChange};
use crate::shard::store::keys::NamespaceKey;
use crate::socketio::{Memberships, SocketId};

impl Sockets {
    /// A socket has joined a room: tells the application, if it wants to hear. `rooms` is the number of rooms before.
    pub(super) fn joined_room(&mut self, namespace: NamespaceKey, room: &str, id: SocketId, rooms: usize) {
        let created = self.namespaces.rooms > rooms;
        if created && let Some(cluster) = &self.shared().cluster {
            cluster.rooms.created(self.namespace_name(namespace), room);
        }
        if !self.hears_rooms(namespace) {
            return;
        }
        if created {
            self.room_changed(namespace, room, RoomChange::Created);
        }
        self.room_changed(namespace, room, RoomChange::Joined(id));
    }

    /// A socket has left rooms: tells the application, if it wants to hear.
    pub(super) fn left_rooms(&mut self, namespace: NamespaceKey, rooms: &[impl AsRef<str>], id: &SocketId) {
        if rooms.is_empty() || !self.notes_rooms(namespace) {
            return;
        }
        let hears = self.hears_rooms(namespace);
        for room in rooms.iter().map(AsRef::as_ref) {
            let deleted = self.namespaces.get(namespace).is_none_or(|members| !members.rooms.contains(room));
            if deleted && let Some(cluster) = &self.shared().cluster {
                cluster.rooms.deleted(self.namespace_name(namespace), room);
            }
            if hears {
                self.room_changed(namespace, room, RoomChange::Left(id.clone()));
            }
            if hears && deleted {
                self.room_changed(namespace, room, RoomChange::Deleted);
            }
        }
    }

    /// The names of the rooms that a socket is about to leave; none if the application does not want to hear of rooms.
    pub(super) fn heard_rooms(&self, namespace: NamespaceKey, memberships: &Memberships) -> Vec<Box<str>> {
        if memberships.is_empty() || !self.notes_rooms(namespace) {
            return Vec::new();
        }
        let members = self.namespaces.get(namespace);
        members.map_or_else(Vec::new, |members| members.rooms.names(memberships).map(Into::into).collect())
    }

    fn notes_rooms(&self, namespace: NamespaceKey) -> bool {
        self.shared().cluster.is_some() || self.hears_rooms(namespace)
    }

    fn hears_rooms(&self, namespace: NamespaceKey) -> bool {
        self.shared().directory.hears_rooms(&self.namespace_ref(namespace))
    }

    fn room_changed(&mut self, namespace: NamespaceKey, room: &str, change: RoomChange) {
        let namespace = self.namespace_ref(namespace);
        self.calls.push_back(Call::Room { namespace, room: room.into(), change });
    }
}
