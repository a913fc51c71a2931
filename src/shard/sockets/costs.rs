//! The memory costs of sockets, counted in the ledger of their sessions.

use crate::shard::sockets::Sockets;
use crate::shard::store::keys::{NamespaceKey, SessionKey, SocketRef};

/// The cost of a socket apart from what its client chose: its state, the optional part of that, and its place among the
/// members.
const SOCKET: usize = 256;

/// The same for a socket that may have created its namespace, with the namespace's name.
pub(super) const SOCKET_OF_CHILD: usize = SOCKET + 512;

/// The cost of being in a room apart from the room's name: the room, its places in the indexes, the memberships.
const MEMBERSHIP: usize = 192;

/// The cost of a socket's identity for recovery.
pub(super) const IDENTITY: usize = 192;

/// The cost of waiting for the program's decision: the place among the applicants, and what the program keeps.
pub(super) const ADMISSION: usize = 512;

/// The cost of a pending acknowledgement.
pub(super) const PENDING_ACK: usize = 128;

impl Sockets {
    /// The cost of a socket of a namespace, apart from what its client chose.
    pub(super) fn socket_cost(&self, namespace: NamespaceKey) -> usize {
        if self.namespaces.child(namespace).is_some() { SOCKET_OF_CHILD } else { SOCKET }
    }

    /// The cost of being in a room of that name.
    pub(super) const fn membership_cost(name: &str) -> usize {
        MEMBERSHIP + name.len()
    }

    /// Charges a socket for `bytes` more.
    pub(super) fn keep_for(&mut self, socket: SocketRef, bytes: usize) {
        let Some(state) = self.socket_mut(socket) else { return };
        let session = state.session;
        state.extra().ledger_bytes += bytes;
        self.note_kept(session, bytes);
    }

    /// Charges a socket for `bytes` less.
    pub(super) fn let_go_for(&mut self, socket: SocketRef, bytes: usize) {
        let Some(state) = self.socket_mut(socket) else { return };
        let session = state.session;
        let Some(extra) = &mut state.extra else { return };
        let bytes = bytes.min(extra.ledger_bytes);
        extra.ledger_bytes -= bytes;
        self.let_go_of(session, bytes);
    }

    /// Charges a session for a new socket, with what its client chose.
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

    /// Gives back all that a socket was charged for.
    pub(super) fn let_go_of_socket(&mut self, socket: SocketRef) {
        let Some(state) = self.socket(socket) else { return };
        let kept = state.extra.as_ref().map_or(0, |extra| extra.ledger_bytes);
        let cost = self.socket_cost(state.namespace);
        let session = state.session;
        self.let_go_of(session, cost + kept);
    }
}
