//! The life of sockets: they ask to join, are admitted or refused, and leave.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::engineio::{Sid, Transport};
use crate::error::{AckError, DataError};
use crate::log_line::{Excerpt, no_random_numbers};
use crate::metrics::Limit;
use crate::shard::sessions::handshake::Handshake;
use crate::shard::shared::namespaces::NamespaceRef;
use crate::shard::shared::refusal::Refusal;
use crate::shard::shared::target::Urgency;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::sockets::state::SocketState;
use crate::shard::store::keys::{NamespaceKey, SessionKey, SocketKey, SocketRef};
use crate::socketio::DisconnectReason;
use crate::values::Store;

impl Sockets {
    /// The socket of a reference, if it is not gone.
    pub(in crate::shard) fn socket(&self, socket: SocketRef) -> Option<&SocketState> {
        self.states.get(socket.key.0).filter(|state| state.random == socket.random)
    }

    /// The same, to change it.
    pub(super) fn socket_mut(&mut self, socket: SocketRef) -> Option<&mut SocketState> {
        self.states.get_mut(socket.key.0).filter(|state| state.random == socket.random)
    }

    /// Whether a socket is a member of its namespace.
    pub(crate) fn is_connected(&self, socket: SocketRef) -> bool {
        self.socket(socket).is_some_and(|state| state.phase == SocketPhase::Connected)
    }

    /// The request that opened a socket's session.
    pub(crate) fn handshake(&self, socket: SocketRef) -> Option<Arc<Handshake>> {
        let client = self.client(self.socket(socket)?.session)?;
        Some(Arc::clone(&client.handshake))
    }

    /// A socket, as the log names it: its id, its namespace and the client's address.
    pub(crate) fn describe_socket(&self, socket: SocketRef) -> String {
        let Some(state) = self.socket(socket) else { return "a socket that has left".to_owned() };
        let namespace = Excerpt(self.namespace_name(state.namespace));
        let address = self.client(state.session).map(|client| client.handshake.address().ip());
        let from = address.map(|address| format!(", from {address}")).unwrap_or_default();
        format!("socket {} of {namespace:?}{from}", self.socket_id(socket))
    }

    /// The transport that a socket's client is on.
    pub(crate) fn transport(&self, socket: SocketRef) -> Option<Transport> {
        let client = self.client(self.socket(socket)?.session)?;
        client.session.found().map(|found| found.transport)
    }

    /// Whether a socket is not gone.
    pub(crate) fn is_there(&self, socket: SocketRef) -> bool {
        self.socket(socket).is_some()
    }

    /// The namespace of a socket.
    pub(crate) fn namespace_of(&self, socket: SocketRef) -> Option<NamespaceRef> {
        self.socket(socket).map(|state| self.namespace_ref(state.namespace))
    }

    /// The authentication data of a socket's CONNECT: the text of a JSON value.
    pub(crate) fn auth(&self, socket: SocketRef) -> Option<Arc<str>> {
        self.socket(socket)?.extra.as_ref()?.auth.clone()
    }

    /// The data kept with a socket.
    pub(crate) fn data(&self, socket: SocketRef) -> Option<Box<RawValue>> {
        self.socket(socket)?.extra.as_ref()?.data.clone()
    }

    /// What the program keeps with the shard's sockets.
    pub(in crate::shard) fn values(&self) -> Option<&Store<Sid>> {
        self.shared().values(self.shard_of_sids())
    }

    /// Stores data with a socket, if its session has room for it.
    pub(crate) fn set_data(&mut self, socket: SocketRef, data: Box<RawValue>) -> Result<(), DataError> {
        let Some(state) = self.socket(socket) else { return Ok(()) };
        let before = state.extra.as_ref().and_then(|extra| extra.data.as_ref()).map_or(0, |data| data.get().len());
        let more = data.get().len().saturating_sub(before);
        if more > 0 && !self.may_keep(state.session, more) {
            self.metrics().hit(Limit::SessionMemory);
            return Err(DataError::SessionMemory(self.shared().config.limits.session_memory));
        }
        self.put_data(socket, data);
        Ok(())
    }

    /// Stores data with a socket, without a limit.
    pub(in crate::shard) fn put_data(&mut self, socket: SocketRef, data: Box<RawValue>) {
        let Some(state) = self.socket_mut(socket) else { return };
        let length = data.get().len();
        let before = state.extra().data.replace(data).map_or(0, |data| data.get().len());
        self.let_go_for(socket, before);
        self.keep_for(socket, length);
    }

    /// The sid by which a socket is known. A socket that has come back keeps its earlier one, which is not its place.
    pub(crate) fn socket_sid(&self, socket: SocketRef) -> Sid {
        self.restored_sid(socket).unwrap_or_else(|| self.location(socket))
    }

    /// The sid of a socket's place.
    pub(crate) fn location(&self, socket: SocketRef) -> Sid {
        Sid {
            slot: socket.key.0,
            random: socket.random,
            instance: self.shared().instance(),
            shard: self.shard_of_sids(),
        }
    }

    /// The socket of this shard at a sid's place.
    pub(crate) fn socket_at(&self, location: Sid) -> Option<SocketRef> {
        let here = location.instance == self.shared().instance() && location.shard == self.shard_of_sids();
        let socket = SocketRef { key: SocketKey(location.slot), random: location.random };
        (here && self.socket(socket).is_some()).then_some(socket)
    }

    /// The socket of this shard that is known by a sid.
    pub(crate) fn find_sid(&self, sid: Sid) -> Option<SocketRef> {
        self.socket_at(sid).or_else(|| self.find_restored(sid))
    }

    /// The sockets of a session.
    pub(in crate::shard) fn sockets_of(&self, session: SessionKey) -> Vec<SocketRef> {
        let mut next = self.client(session).and_then(|client| client.sockets.get());
        std::iter::from_fn(|| {
            let key = next?;
            let socket = self.states.get(key.0)?;
            next = socket.next;
            Some(SocketRef { key, random: socket.random })
        })
        .collect()
    }

    /// The socket that a session has in a namespace.
    pub(super) fn socket_in(&self, session: SessionKey, namespace: NamespaceKey) -> Option<(SocketRef, SocketPhase)> {
        let mut next = self.client(session)?.sockets.get();
        while let Some(key) = next {
            let socket = self.states.get(key.0)?;
            if socket.namespace == namespace {
                return Some((SocketRef { key, random: socket.random }, socket.phase));
            }
            next = socket.next;
        }
        None
    }

    /// Makes a socket that asks to join; the middlewares decide.
    pub(super) fn create_socket(
        &mut self,
        session: SessionKey,
        namespace: NamespaceKey,
        auth: Option<Arc<str>>,
    ) -> Option<SocketRef> {
        let slot = self.states.vacant_key()?;
        let random = self.next_sid(slot).inspect_err(no_random_numbers).ok()?.random;
        let client = self.sessions.client_mut(session)?;
        let mut socket = SocketState {
            random,
            session,
            next: client.sockets.get(),
            place: u32::MAX,
            namespace,
            phase: SocketPhase::Joining,
            extra: None,
        };
        let chosen = auth.as_ref().map_or(0, |auth| auth.len());
        if auth.is_some() {
            socket.extra().auth = auth;
        }
        let key = SocketKey(self.states.insert(socket).ok()?);
        client.sockets.set(Some(key));
        let socket = SocketRef { key, random };
        self.namespaces.entered(namespace);
        self.keep_socket(socket, session, namespace, chosen);
        self.metrics().sockets.set(self.states.len() as u64);
        Some(socket)
    }

    /// The middlewares let the socket in. Returns false if it is gone.
    pub(in crate::shard) fn admit_socket(&mut self, socket: SocketRef) -> bool {
        let (id, pid) = (self.socket_id(socket), self.pid(socket));
        let Some(state) = self.socket_mut(socket).filter(|state| state.phase == SocketPhase::Joining) else {
            return false;
        };
        let (session, namespace) = (state.session, state.namespace);
        state.phase = SocketPhase::Connected;
        self.withdraw(socket);
        let place = self.members(namespace).map_or(u32::MAX, |members| members.add(socket.key));
        if let Some(state) = self.socket_mut(socket) {
            state.place = place;
        }
        if let Some(child) = self.namespaces.child(namespace) {
            child.joined();
        }
        self.send_connect(session, namespace, &id, pid);
        self.session(session, |session, _, _, _| session.joined());
        true
    }

    /// A middleware refused the socket.
    pub(in crate::shard) fn refuse_socket(&mut self, socket: SocketRef, refusal: &Refusal) {
        let Some(state) = self.socket(socket).filter(|state| state.phase == SocketPhase::Joining) else { return };
        let (session, namespace) = (state.session, state.namespace);
        let data = refusal.data.as_deref().map(RawValue::get);
        let name = self.namespace_name(namespace).to_owned();
        self.remove_socket(socket);
        self.send_connect_error(session, &name, &refusal.message, data);
    }

    /// Makes a socket leave its namespace; with `close`, ends its whole session.
    pub(crate) fn disconnect(&mut self, socket: SocketRef, close: bool) {
        let Some(state) = self.socket(socket).filter(|state| state.phase != SocketPhase::Leaving) else { return };
        let session = state.session;
        let leaving = if close { self.sockets_of(session) } else { vec![socket] };
        for socket in leaving {
            let Some(state) = self.socket(socket).filter(|state| state.phase != SocketPhase::Leaving) else { continue };
            let packet = self.shared().config.parser.disconnect(self.namespace_name(state.namespace));
            self.send_to_session(session, &packet, Urgency::Reliable);
            self.leave(socket, DisconnectReason::ServerNamespaceDisconnect);
        }
        if close {
            self.session(session, |session, now, settings, effects| session.close(now, settings, effects));
        }
    }

    /// A socket begins to leave: its handlers will be called while it still is in its rooms.
    pub(in crate::shard) fn leave(&mut self, socket: SocketRef, reason: DisconnectReason) {
        let Some(state) = self.socket_mut(socket) else { return };
        match state.phase {
            SocketPhase::Leaving => {}
            SocketPhase::Joining => self.remove_socket(socket),
            SocketPhase::Connected => {
                state.phase = SocketPhase::Leaving;
                self.calls.push_back(Call::Disconnect { socket, reason });
            }
        }
    }

    /// Takes a leaving socket out of its rooms and gives up its pending acknowledgements.
    pub(in crate::shard) fn clear_socket(&mut self, socket: SocketRef) {
        let id = self.socket_id(socket);
        let Some(state) = self.socket_mut(socket) else { return };
        let (namespace, place) = (state.namespace, std::mem::replace(&mut state.place, u32::MAX));
        let mut extra = state.extra.take();
        let rooms = extra.as_ref().map_or_else(Vec::new, |extra| self.heard_rooms(namespace, &extra.memberships));
        if let Some(members) = self.members(namespace) {
            let before = members.rooms.len();
            if let Some(extra) = &mut extra {
                members.rooms.leave_all(socket.key.0, &mut extra.memberships);
            }
            let gone = before - members.rooms.len();
            if let Some(moved) = members.remove(place)
                && let Some(moved) = self.states.get_mut(moved.0)
            {
                moved.place = place;
            }
            self.namespaces.rooms -= gone;
        }
        self.left_rooms(namespace, &rooms, &id);
        if let Some(mut extra) = extra {
            for ack in std::mem::take(&mut extra.acks) {
                self.calls.extend(ack.settle(socket, Err(AckError::Disconnected)));
            }
            if let Some(state) = self.socket_mut(socket) {
                state.extra = Some(extra);
            }
        }
    }

    /// Forgets a socket.
    pub(in crate::shard) fn remove_socket(&mut self, socket: SocketRef) {
        self.clear_socket(socket);
        let Some(state) = self.socket(socket) else { return };
        let (session, next, namespace) = (state.session, state.next, state.namespace);
        let mut before = None;
        for other in self.sockets_of(session) {
            if other == socket {
                break;
            }
            before = Some(other);
        }
        match before {
            Some(before) => {
                if let Some(before) = self.socket_mut(before) {
                    before.next = next;
                }
            }
            None => {
                if let Some(client) = self.client_mut(session) {
                    client.sockets.set(next);
                }
            }
        }
        self.withdraw(socket);
        if let Some(values) = self.values() {
            values.forget(&self.location(socket));
        }
        self.forget_identity(socket);
        self.let_go_of_socket(socket);
        self.states.remove(socket.key.0);
        self.namespaces.left(namespace);
        self.leave_empty(namespace);
        self.metrics().sockets.set(self.states.len() as u64);
    }
}
