//! Sockets join and leave rooms.

use crate::error::JoinError;
use crate::metrics::Limit;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{NamespaceKey, SocketRef};
use crate::socketio::SocketId;

impl Sockets {
    /// Puts a socket into a room.
    ///
    /// # Errors
    /// At the limits of rooms, and if the socket has left.
    pub(crate) fn join(&mut self, socket: SocketRef, room: &str) -> Result<(), JoinError> {
        let (of_socket, of_shard) = (self.shared().config.limits.rooms_per_socket, self.shared().rooms_per_shard);
        let id = self.socket_id(socket);
        let rooms = self.namespaces.rooms;
        let state = self.states.get_mut(socket.key.0).filter(|state| state.random == socket.random);
        let state = state.filter(|state| state.phase != SocketPhase::Leaving).ok_or(JoinError::Disconnected)?;
        if room == &*id {
            return Ok(());
        }
        let (namespace, session) = (state.namespace, state.session);
        let members = self.namespaces.get_mut(namespace).ok_or(JoinError::Disconnected)?;
        let memberships = &mut state.extra().memberships;
        if members.rooms.has(room, socket.key.0) {
            return Ok(());
        }
        if memberships.len() >= of_socket {
            self.metrics().hit(Limit::RoomsPerSocket);
            return Err(JoinError::RoomsOfSocket(of_socket));
        }
        if rooms >= of_shard && !members.rooms.contains(room) {
            self.metrics().hit(Limit::Rooms);
            return Err(JoinError::Rooms(of_shard));
        }
        let limits = &self.sessions.shared().config.limits;
        if room.len() > limits.room_length {
            self.metrics().hit(Limit::RoomLength);
            return Err(JoinError::RoomLength { length: room.len(), most: limits.room_length });
        }
        if memberships.name_bytes() + room.len() > limits.room_names {
            self.metrics().hit(Limit::RoomNames);
            return Err(JoinError::RoomNames(limits.room_names));
        }
        if !self.may_keep(session, Self::membership_cost(room)) {
            self.metrics().hit(Limit::SessionMemory);
            return Err(JoinError::SessionMemory(self.shared().config.limits.session_memory));
        }
        self.enter_room(socket, namespace, room, id);
        Ok(())
    }

    fn enter_room(&mut self, socket: SocketRef, namespace: NamespaceKey, room: &str, id: SocketId) {
        let rooms = self.namespaces.rooms;
        let Some(members) = self.namespaces.get_mut(namespace) else { return };
        let Some(state) = self.states.get_mut(socket.key.0) else { return };
        let before = members.rooms.len();
        members.rooms.join(socket.key.0, &mut state.extra().memberships, room);
        self.namespaces.rooms += members.rooms.len() - before;
        self.keep_for(socket, Self::membership_cost(room));
        self.joined_room(namespace, room, id, rooms);
    }

    /// Takes a socket out of a room.
    pub(crate) fn leave_room(&mut self, socket: SocketRef, room: &str) {
        let Some(state) = self.states.get_mut(socket.key.0).filter(|state| state.random == socket.random) else {
            return;
        };
        let namespace = state.namespace;
        let Some(members) = self.namespaces.get_mut(namespace) else { return };
        let Some(extra) = &mut state.extra else { return };
        let before = members.rooms.len();
        let left = members.rooms.leave(socket.key.0, &mut extra.memberships, room);
        self.namespaces.rooms -= before - members.rooms.len();
        if left {
            self.let_go_for(socket, Self::membership_cost(room));
            self.left_rooms(namespace, &[room], &self.socket_id(socket));
        }
    }

    /// The rooms that a socket is in, its own first.
    pub(crate) fn rooms(&self, socket: SocketRef) -> Vec<String> {
        let Some(state) =
            self.socket(socket).filter(|state| state.place != u32::MAX || state.phase == SocketPhase::Joining)
        else {
            return Vec::new();
        };
        let mut names = vec![self.socket_id(socket).to_string()];
        if let (Some(extra), Some(members)) = (&state.extra, self.namespaces.get(state.namespace)) {
            names.extend(members.rooms.names(&extra.memberships).map(str::to_owned));
        }
        names
    }

    /// Every room of a namespace in this shard, including the sockets' own.
    pub(crate) fn all_rooms(&self, namespace: NamespaceKey) -> Vec<String> {
        let Some(members) = self.namespaces.get(namespace) else { return Vec::new() };
        let sockets = members.everyone().iter().filter_map(|key| {
            let socket = SocketRef { key: *key, random: self.states.get(key.0)?.random };
            Some(self.socket_id(socket).to_string())
        });
        sockets.chain(members.rooms.all().map(str::to_owned)).collect()
    }
}
