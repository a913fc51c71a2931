//! Unfinished input of clients: parts of WebSocket messages and of requests, and packets with missing attachments.
//!
//! Nearly all messages arrive whole and keep nothing. So the sum is not kept up to date with each read: it is taken anew when
//! enough bytes have come to matter.

use crate::engineio::Reason;
use crate::metrics::Limit;
use crate::shard::guard::Guard;
use crate::shard::net::connection::{CloseCause, Connection, HttpState, Stage};
use crate::shard::store::keys::{ConnectionKey, SessionKey};

/// The part of the limit that may come between two looks. The limit may be exceeded by it.
const LOOK: usize = 8;

/// A client with fewer half-sent bytes is not cut off when memory is short.
const MUCH: usize = 64 * 1024;

impl Guard {
    /// While all clients together have much half sent, clients with large messages wait. Beyond the limit, the clients with
    /// most are cut off.
    pub(in crate::shard) fn check_unfinished(&mut self) {
        let limit = self.shared().unfinished_per_shard;
        if self.unchecked_bytes <= limit / LOOK && !self.assembly.is_due(self.now()) {
            return;
        }
        self.unchecked_bytes = 0;
        let owners = self.owners_of_unfinished();
        let unfinished = sum(&owners);
        self.cut_owners(owners, unfinished.saturating_sub(limit), Limit::Unfinished);
        self.make_room(unfinished);
    }

    /// Notes `bytes` of unfinished input. If these add up to much, large messages wait from now on, not only from the turn's
    /// end: a turn may read as much as the whole limit.
    pub(in crate::shard) fn note_unfinished(&mut self, bytes: usize) {
        self.unchecked_bytes += bytes;
        let limit = self.shared().unfinished_per_shard;
        if self.unchecked_bytes > limit / LOOK && !self.assembly.is_crowded() {
            let unfinished = sum(&self.owners_of_unfinished());
            self.make_room(unfinished);
            // Beyond the limit, the turn's end cuts off the clients with most.
            if unfinished <= limit {
                self.unchecked_bytes = 0;
            }
        }
    }

    /// Cuts off clients with many half-sent bytes, the most first, until `excess` bytes are freed. Returns how many are.
    pub(super) fn cut_unfinished(&mut self, excess: usize, limit: Limit) -> usize {
        let mut owners = self.owners_of_unfinished();
        owners.retain(|(held, _)| *held > MUCH);
        self.cut_owners(owners, excess, limit)
    }

    /// Clients with unfinished input, and how much.
    fn owners_of_unfinished(&self) -> Vec<(usize, Owner)> {
        let connections = self
            .connections()
            .filter(|(_, connection)| connection.close_cause.is_none())
            .map(|(key, connection)| (connection.unfinished(), Owner::Connection(key)));
        let sessions = self.clients().map(|(key, client)| (client.decoder.held(), Owner::Session(key)));
        connections.chain(sessions).filter(|(held, _)| *held > 0).collect()
    }

    fn cut_owners(&mut self, mut owners: Vec<(usize, Owner)>, excess: usize, limit: Limit) -> usize {
        owners.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        let mut freed = 0;
        for (held, owner) in owners {
            if freed >= excess {
                break;
            }
            freed += held;
            self.metrics().hit(limit);
            let how = format_args!("cut off with {held} bytes half sent ({limit})");
            match owner {
                Owner::Connection(key) => {
                    log::debug!("connection {}: {how}", key.0);
                    self.mark_closed(key, CloseCause::Error);
                }
                Owner::Session(key) => {
                    log::debug!("{}: {how}", self.name_session(key));
                    self.session(key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
                }
            }
        }
        freed
    }
}

impl Connection {
    /// Bytes kept of a message or a request that is not whole.
    pub(in crate::shard) fn unfinished(&self) -> usize {
        match &self.stage {
            Stage::Http(http) => {
                let body = match &http.state {
                    HttpState::Post(post) => post.body.capacity(),
                    HttpState::Waiting(waiting) => waiting.rest.as_ref().map_or(0, |rest| rest.len()),
                    // The program has the same in another form.
                    HttpState::Asked(_) => http.unread.capacity(),
                    HttpState::Body(gathered) => gathered.bytes(),
                    HttpState::Head
                    | HttpState::Deferred(_)
                    | HttpState::Discard(_)
                    | HttpState::Held(_)
                    | HttpState::Routed(_)
                    | HttpState::Sending(_)
                    | HttpState::Relayed(_) => 0,
                };
                http.unread.capacity() + body
            }
            Stage::WebSocket(websocket) => websocket.incoming.held(),
            Stage::Tunnel(_) | Stage::Lingering => 0,
        }
    }
}

/// The sum of their half-sent bytes.
fn sum(owners: &[(usize, Owner)]) -> usize {
    owners.iter().map(|(held, _)| held).sum()
}

/// A client with unfinished input.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// A message or a request on its way.
    Connection(ConnectionKey),
    /// A packet that awaits attachments.
    Session(SessionKey),
}
