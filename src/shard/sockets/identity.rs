//! The identity of a socket while recovery is on: its private id, and its earlier id if it has come back.

use crate::engineio::Sid;
use crate::log_line::no_random_numbers;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::costs::IDENTITY;
use crate::shard::store::keys::{SocketKey, SocketRef};

/// A socket's identity for recovery.
#[derive(Debug)]
pub(super) struct Identity {
    /// Its private id, with which its client gets the socket back.
    pub(super) pid: Sid,
    pub(super) earlier: Earlier,
}

/// What a socket was before. An `Option` of a struct would take eight bytes more, and with them another sixteen of the C library.
#[derive(Debug, Clone, Copy)]
pub(super) enum Earlier {
    /// It is new.
    Nothing,
    /// It has come back.
    Restored {
        /// The id that it had.
        sid: Sid,
        /// How often another server has handed it over.
        generation: u32,
    },
}

impl Sockets {
    fn identity(&self, socket: SocketRef) -> Option<&Identity> {
        self.socket(socket)?.extra.as_ref()?.identity.as_deref()
    }

    /// The private id of a socket that may come back.
    pub(crate) fn pid(&self, socket: SocketRef) -> Option<Sid> {
        self.identity(socket).map(|identity| identity.pid)
    }

    /// Gives a socket its private id, a new one. Returns false if there is no such socket, or no random number.
    pub(in crate::shard) fn identify(&mut self, socket: SocketRef) -> bool {
        match self.next_sid(socket.key.0) {
            Ok(pid) => self.set_identity(socket, Identity { pid, earlier: Earlier::Nothing }),
            Err(error) => {
                no_random_numbers(&error);
                self.remove_socket(socket);
                false
            }
        }
    }

    /// How often another server has handed a socket over.
    pub(in crate::shard) fn generation(&self, socket: SocketRef) -> u32 {
        match self.identity(socket).map(|identity| identity.earlier) {
            Some(Earlier::Restored { generation, .. }) => generation,
            Some(Earlier::Nothing) | None => 0,
        }
    }

    /// Gives a socket that has come back the ids it had. Says whether there is such a socket.
    pub(in crate::shard) fn identify_again(&mut self, socket: SocketRef, pid: Sid, sid: Sid, generation: u32) -> bool {
        let is_there = self.set_identity(socket, Identity { pid, earlier: Earlier::Restored { sid, generation } });
        if is_there {
            self.restored.insert(sid, socket);
            self.restored_pids.insert(pid, socket);
        }
        is_there
    }

    fn set_identity(&mut self, socket: SocketRef, identity: Identity) -> bool {
        let Some(state) = self.socket_mut(socket) else { return false };
        if state.extra().identity.replace(Box::new(identity)).is_none() {
            self.keep_for(socket, IDENTITY);
        }
        true
    }

    /// The earlier id of a socket that has come back.
    pub(in crate::shard) fn restored_sid(&self, socket: SocketRef) -> Option<Sid> {
        // Without restored sockets in the shard, the socket is not even looked up.
        if self.restored.is_empty() {
            return None;
        }
        match self.identity(socket)?.earlier {
            Earlier::Restored { sid, .. } => Some(sid),
            Earlier::Nothing => None,
        }
    }

    /// The socket of this shard that has come back with that id.
    pub(super) fn find_restored(&self, sid: Sid) -> Option<SocketRef> {
        let restored = &self.restored;
        if restored.is_empty() { None } else { restored.get(&sid).copied() }
    }

    /// The socket of this shard with that private id.
    pub(in crate::shard) fn socket_of_pid(&self, pid: Sid) -> Option<SocketRef> {
        let made_here = || {
            // A private id was drawn for its socket's place, as a sid is.
            let key = SocketKey(pid.slot);
            self.state(key).map(|state| SocketRef { key, random: state.random })
        };
        let socket = self.restored_pids.get(&pid).copied().or_else(made_here)?;
        (self.pid(socket) == Some(pid)).then_some(socket)
    }

    /// Forgets the identity of a socket that is gone.
    pub(super) fn forget_identity(&mut self, socket: SocketRef) {
        if let Some(sid) = self.restored_sid(socket) {
            self.restored.remove(&sid);
            if let Some(pid) = self.pid(socket) {
                self.restored_pids.remove(&pid);
            }
        }
        if self.shared().recovery.is_some() {
            self.calls.push_back(Call::Gone(socket));
        }
    }
}
