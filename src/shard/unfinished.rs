//! What clients have begun and not finished: parts of WebSocket messages and of requests, and packets whose attachments
//! are missing.
//!
//! Nearly all messages come whole, and keep nothing. So what is kept is not reckoned up with each read; only when enough
//! has come to matter are all clients looked at.

use super::connection::{Connection, Fate, HttpState, Stage};
use super::core::Core;
use super::keys::{ConnectionKey, SessionKey};
use crate::engineio::Reason;
use crate::metrics::Limit;

/// The part of the bound that may come between two looks: by so much it may be exceeded.
const LOOK: usize = 8;

impl Core {
    /// While all clients together have more half sent than they may, those with the most are cut off.
    pub(crate) fn check_unfinished(&mut self) {
        let limit = self.shared.unfinished_per_shard;
        if self.kept <= limit / LOOK {
            return;
        }
        self.kept = 0;
        let connections = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.fate.is_none())
            .map(|(key, connection)| (connection.unfinished(), Owner::Connection(ConnectionKey(key))));
        let sessions =
            self.sessions.iter().map(|(key, client)| (client.decoder.held(), Owner::Session(SessionKey(key))));
        let mut owners: Vec<_> = connections.chain(sessions).filter(|(held, _)| *held > 0).collect();
        let mut unfinished: usize = owners.iter().map(|(held, _)| held).sum();
        if unfinished <= limit {
            return;
        }
        owners.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        for (held, owner) in owners {
            if unfinished <= limit {
                break;
            }
            unfinished -= held;
            self.metrics.hit(Limit::Unfinished);
            log::debug!("{owner:?}: cut off with {held} bytes half sent");
            match owner {
                Owner::Connection(key) => self.doom(key, Fate::Error),
                Owner::Session(key) => {
                    self.session(key, |session, _, _, effects| session.abort(Reason::TransportError, effects));
                }
            }
        }
    }
}

impl Connection {
    /// Bytes kept of a message or a request that is not whole.
    pub(crate) fn unfinished(&self) -> usize {
        match &self.stage {
            Stage::Http(http) => {
                let body = match &http.state {
                    HttpState::Post(post) => post.body.capacity(),
                    HttpState::Waiting(waiting) => waiting.rest.as_ref().map_or(0, |rest| rest.len()),
                    HttpState::Head | HttpState::Deferred | HttpState::Discard(_) | HttpState::Held(_) => 0,
                };
                http.unread.capacity() + body
            }
            Stage::WebSocket(websocket) => websocket.incoming.held(),
            Stage::Lingering => 0,
        }
    }
}

/// Who has something half sent.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// A message or a request on its way.
    Connection(ConnectionKey),
    /// A packet that awaits attachments.
    Session(SessionKey),
}
