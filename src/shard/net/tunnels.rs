//! Tunnels: WebSockets of sessions that live on another instance. Bytes pass both ways as they are.
//!
//! Each way, at most [`WINDOW`] bytes are under way. The client is not read while so much of it is; and the owner is told what
//! has really left to the client's socket, so that a client that does not read is slow there, too.

use std::time::Duration;

use bytes::Bytes;

use crate::cluster::peers::message::relay::{ExchangeNumber, ToOwner, WINDOW};
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, Connection, ReadState, Stage};
use crate::shard::shared::carrier::LOOK_FOR_ROOM;
use crate::shard::store::keys::ConnectionKey;
use crate::shard::store::timers::NEVER;

/// Most bytes that are read at once: the client is read while the window has room for them.
const READ: usize = WINDOW / 4;

/// So many bytes are worth telling.
const WORTH: usize = WINDOW / 4;

/// While bytes wait for the client, the owner hears at least this often what it has taken.
const TELL: Duration = Duration::from_secs(1);

/// The state of a tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Bytes of the client that the session has not taken yet.
    untaken: usize,
    /// All bytes of the client, until the session takes any or moves here: it may not have got the last ones then.
    copy: Option<Vec<u8>>,
    /// Bytes for the client that the owner does not know to have left.
    untold: usize,
    /// Whether the client is not read because there is no room on the way.
    is_blocked: bool,
}

impl Default for Tunnel {
    fn default() -> Self {
        Self { untaken: 0, copy: Some(Vec::new()), untold: 0, is_blocked: false }
    }
}

impl Tunnel {
    /// Whether the client may be read.
    fn has_room(&self) -> bool {
        !self.is_blocked && self.untaken + READ <= WINDOW
    }
}

impl Net {
    /// The owner has answered an upgrade: a connection is a tunnel from now on.
    pub(super) fn become_tunnel(&mut self, key: ConnectionKey, number: ExchangeNumber) {
        if !self.open_tunnel(number) {
            return;
        }
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let http = std::mem::replace(&mut connection.stage, Stage::Tunnel(number));
        connection.deadline = NEVER;
        if let Stage::Http(http) = http {
            self.send_up(key, &http.unread);
        }
    }

    /// Passes bytes of the client on.
    pub(in crate::shard) fn send_up(&mut self, key: ConnectionKey, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(key.0).filter(|_| !bytes.is_empty()) else { return };
        let Stage::Tunnel(number) = connection.stage else { return };
        let Some(tunnel) = self.errands.tunnel(number) else { return };
        tunnel.untaken += bytes.len();
        tunnel.is_blocked = self.shared.carrier.as_ref().is_some_and(|carrier| !carrier.has_room());
        let is_blocked = tunnel.is_blocked;
        if !tunnel.has_room() {
            connection.input = ReadState::HeldUp;
            self.metrics.held_up.one();
        }
        if let Some(copy) = &mut tunnel.copy {
            copy.extend_from_slice(bytes);
        }
        self.tell_owner(number, ToOwner::Up(Bytes::copy_from_slice(bytes)), None);
        if is_blocked {
            self.set_deadline(key, self.now + LOOK_FOR_ROOM);
        }
    }

    /// Reads the client of a tunnel again if it was held up and need not be any more.
    fn let_tunnel_go_on(&mut self, key: ConnectionKey, number: ExchangeNumber) {
        let is_held_up = self.connections.get(key.0).is_some_and(|it| it.input == ReadState::HeldUp);
        if is_held_up && self.errands.tunnel(number).is_some_and(|tunnel| tunnel.has_room()) {
            self.line_up(key);
        }
    }

    /// The session has taken bytes of the client, which is read again.
    pub(super) fn up_taken(&mut self, key: ConnectionKey, number: ExchangeNumber, count: u32) {
        let Some(tunnel) = self.errands.tunnel(number) else { return };
        tunnel.copy = None;
        tunnel.untaken = tunnel.untaken.saturating_sub(count as usize);
        self.let_tunnel_go_on(key, number);
    }

    /// So many bytes for the client have come: a part of an answer, or a tunnel's.
    pub(super) fn note_down(&mut self, key: ConnectionKey, number: ExchangeNumber, count: usize) {
        let Some(errand) = self.errands.get_mut(number) else { return };
        errand.has_begun = true;
        let Some(tunnel) = errand.tunnel.as_deref_mut() else { return };
        tunnel.untold += count;
        // Messages for one client mostly come one after the other.
        if self.downs.last() != Some(&key) {
            self.downs.push(key);
        }
    }

    /// Tells the owners of tunnels what has left to their clients this turn, if it is worth it.
    pub(in crate::shard) fn tell_owners(&mut self) {
        let mut downs = std::mem::take(&mut self.downs);
        downs.retain(|key| {
            let is_written = self.connections.get(key.0).is_none_or(|connection| connection.batch.is_none());
            if is_written {
                self.client_took(*key, WORTH);
            }
            !is_written
        });
        self.downs = downs;
    }

    /// A connection's client has taken a part of what waited for it.
    pub(in crate::shard) fn tell_taken_of(&mut self, key: ConnectionKey) {
        self.client_took(key, WORTH);
    }

    /// Tells the owner of a connection's tunnel what has left to the client, if that is `worth` so many bytes.
    fn client_took(&mut self, key: ConnectionKey, worth: usize) {
        let waiting = self.unsent_on(key);
        let Some(connection) = self.connections.get(key.0).filter(|it| it.close_cause.is_none()) else { return };
        let Stage::Tunnel(number) = connection.stage else { return };
        let (waits, is_awaited) = (connection.outbox.is_some(), connection.deadline != NEVER);
        let Some(tunnel) = self.errands.tunnel(number) else { return };
        let left = tunnel.untold.saturating_sub(waiting);
        if left >= worth {
            tunnel.untold -= left;
            self.tell_owner(number, ToOwner::Taken(u32::try_from(left).unwrap_or(u32::MAX)), None);
        }
        if waits && !is_awaited {
            self.set_deadline(key, self.now + TELL);
        }
    }

    /// It is time to see whether there is room on the way of a tunnel, and to tell its owner what its slow client has taken.
    pub(in crate::shard) fn tunnel_due(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.deadline = NEVER;
        let Stage::Tunnel(number) = connection.stage else { return };
        if let Some(tunnel) = self.errands.tunnel(number).filter(|tunnel| tunnel.is_blocked) {
            tunnel.is_blocked = self.shared.carrier.as_ref().is_some_and(|carrier| !carrier.has_room());
            if tunnel.is_blocked {
                return self.set_deadline(key, self.now + LOOK_FOR_ROOM);
            }
            return self.let_tunnel_go_on(key, number);
        }
        self.client_took(key, 1);
    }

    /// The client has closed its half of a tunnel, or has broken.
    pub(in crate::shard) fn leave_tunnel(&mut self, key: ConnectionKey) {
        if let Some(number) = self.connections.get(key.0).and_then(Connection::errand) {
            self.leave_errand(number);
        }
    }

    /// A session moves here, to the connection of its tunnel. Gives the bytes of the client that the session has not taken: it has
    /// taken `taken` in all. `None` if that cannot be.
    pub(in crate::shard) fn end_tunnel(
        &mut self,
        number: ExchangeNumber,
        taken: u64,
    ) -> Option<(ConnectionKey, Vec<u8>)> {
        let errand = self.end_errand(number)?;
        let mut copy = errand.tunnel?.copy?;
        let taken = usize::try_from(taken).ok().filter(|taken| *taken <= copy.len())?;
        Some((errand.connection, copy.split_off(taken)))
    }

    /// Closes a tunnel if nothing waits for its client. Returns whether it is closed.
    pub(in crate::shard) fn let_tunnel_go(&mut self, key: ConnectionKey) -> bool {
        let is_written = self.connections.get(key.0).is_none_or(|connection| connection.outbox.is_none());
        if is_written {
            self.mark_closed(key, CloseCause::Cut);
        }
        is_written
    }
}
