//! Handlers for changes of rooms: created, deleted, joined, left.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use crate::app::base::{Failure, Subject, guard};
use crate::app::send::Handle;
use crate::chance::RandomState;
use crate::shard::{NamespaceKey, NamespaceRef, RoomChange, Shard, Shared};
use crate::socketio::SocketId;

pub(super) type RoomHandler = Box<dyn Fn(&Room<'_>) -> Failure + Send + Sync>;
pub(super) type MemberHandler = Box<dyn Fn(&Room<'_>, &str) -> Failure + Send + Sync>;

/// A room that was created or deleted, or whose members changed.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    name: &'a str,
    namespace: &'a NamespaceRef,
    shard: &'a Rc<Shard>,
}

/// The handlers of a namespace's rooms.
#[derive(Default)]
pub(in crate::app) struct RoomHandlers {
    pub(super) create: Vec<RoomHandler>,
    pub(super) delete: Vec<RoomHandler>,
    pub(super) join: Vec<MemberHandler>,
    pub(super) leave: Vec<MemberHandler>,
    /// How many shards have members in each room. Only rooms with members are in it.
    shards: Mutex<HashMap<(NamespaceKey, Box<str>), usize, RandomState>>,
}

impl Room<'_> {
    /// The room's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> &str {
        let shared: &Shared = &self.shard.shared;
        self.namespace.name(shared)
    }

    /// The server.
    pub fn server(&self) -> Handle {
        Handle::started(&self.shard.shared)
    }
}

impl std::fmt::Debug for Room<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("name", &self.name()).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

impl RoomHandlers {
    pub(in crate::app) fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty() && self.join.is_empty() && self.leave.is_empty()
    }

    /// A shard's part of a room has changed.
    pub(in crate::app) fn changed(&self, shard: &Rc<Shard>, namespace: &NamespaceRef, name: &str, change: RoomChange) {
        let room = Room { name, namespace, shard };
        match change {
            RoomChange::Created if self.came(namespace.key(), name) => tell_room("create-room", &self.create, &room),
            RoomChange::Deleted if self.went(namespace.key(), name) => tell_room("delete-room", &self.delete, &room),
            RoomChange::Created | RoomChange::Deleted => {}
            RoomChange::Joined(id) => tell_member("join-room", &self.join, &room, &id),
            RoomChange::Left(id) => tell_member("leave-room", &self.leave, &room, &id),
        }
    }

    /// Whether handlers want to hear of rooms created and deleted. Only then is the lock taken that shards share.
    fn tells_of_rooms(&self) -> bool {
        !(self.create.is_empty() && self.delete.is_empty())
    }

    /// A shard has members in the room now. Returns whether it is the first.
    fn came(&self, namespace: NamespaceKey, name: &str) -> bool {
        if !self.tells_of_rooms() {
            return false;
        }
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let count = shards.entry((namespace, name.into())).or_default();
        *count += 1;
        *count == 1
    }

    /// A shard has no members in the room any more. Returns whether it was the last.
    fn went(&self, namespace: NamespaceKey, name: &str) -> bool {
        if !self.tells_of_rooms() {
            return false;
        }
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (namespace, name.into());
        let left = shards.get_mut(&place).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            shards.remove(&place);
        }
        left == 0
    }
}

fn tell_room(what: &str, handlers: &[RoomHandler], room: &Room<'_>) {
    let subject = Subject::Room { room: room.name, namespace: room.namespace };
    handlers.iter().for_each(|handler| guard(room.shard, subject, what, || handler(room)));
}

fn tell_member(what: &str, handlers: &[MemberHandler], room: &Room<'_>, id: &SocketId) {
    let subject = Subject::Member { id, room: room.name, namespace: room.namespace };
    handlers.iter().for_each(|handler| guard(room.shard, subject, what, || handler(room, id)));
}
