//! What sockets keep, counted in the ledger of their sessions.

use crate::shard::sockets::Sockets;
use crate::shard::store::keys::{NamespaceKey, SessionKey, SocketRef};

/// What a socket takes beside what its client chose: it, what most have no need of, its place among the members.
const SOCKET: usize = 256;

/// The same of a socket for which a namespace may have come into being, with its name.
pub(super) const SOCKET_OF_CHILD: usize = SOCKET + 512;

/// What being in a room takes beside the room's name: the room, its places in the indexes, the memberships.
const MEMBERSHIP: usize = 192;

/// What a socket takes that may come back.
pub(super) const IDENTITY: usize = 192;

/// What an acknowledgement that is missing takes.
pub(super) const PENDING_ACK: usize = 128;

impl Sockets {
    /// What a socket of a namespace costs beside what its client chose.
    pub(super) fn socket_cost(&self, namespace: NamespaceKey) -> usize {
        if self.namespaces.child(namespace).is_some() { SOCKET_OF_CHILD } else { SOCKET }
    }

    /// What being in a room of that name costs.
    pub(super) const fn membership_cost(name: &str) -> usize {
        MEMBERSHIP + name.len()
    }

    /// A socket keeps so much more.
    pub(super) fn keep_for(&mut self, socket: SocketRef, bytes: usize) {
        let Some(state) = self.socket_mut(socket) else { return };
        let session = state.session;
        state.extra().ledger_bytes += bytes;
        self.note_kept(session, bytes);
    }

    /// A socket keeps so much less.
    pub(super) fn let_go_for(&mut self, socket: SocketRef, bytes: usize) {
        let Some(state) = self.socket_mut(socket) else { return };
        let session = state.session;
        let Some(extra) = &mut state.extra else { return };
        let bytes = bytes.min(extra.ledger_bytes);
        extra.ledger_bytes -= bytes;
        self.let_go_of(session, bytes);
    }

    /// A session has a socket, for which its client chose so much.
    pub(super) fn keep_socket(
        &mut self,
        socket: SocketRef,
        session: SessionKey,
        namespace: NamespaceKey,
        chosen: usize,
    ) {
        let cost = self.socket_cost(namespace);
        self.note_kept(session, cost);
        if chosen > 0 {
            self.keep_for(socket, chosen);
        }
    }

    /// A socket is no more.
    pub(super) fn let_go_of_socket(&mut self, socket: SocketRef) {
        let Some(state) = self.socket(socket) else { return };
        let kept = state.extra.as_ref().map_or(0, |extra| extra.ledger_bytes);
        let cost = self.socket_cost(state.namespace);
        let session = state.session;
        self.let_go_of(session, cost + kept);
    }
}
