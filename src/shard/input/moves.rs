//! Moves: a session goes to the instance that its client's WebSocket has reached.
//!
//! With the client's upgrade packet the owner of the session freezes it, and sends it to the entry of the WebSocket as the last
//! that it says about the exchange. The entry goes on with it on its own connection, from the byte on that the owner has not
//! used: it has kept them all. A session that cannot move stays, and its WebSocket is a tunnel.

use std::rc::Rc;
use std::sync::Once;

use bytes::Bytes;

use crate::cluster::peers::message::moving::Moving;
use crate::cluster::peers::message::relay::ExchangeNumber;
use crate::metrics::Move;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::net::connection::{CloseCause, Connection, ReadState, Role, Stage, WebSocket};
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::shard::store::timers::NEVER;
use crate::websocket::Incoming;

/// Set once the operator was told that sessions stay because they were connected before their WebSockets came.
static HINT: Once = Once::new();

impl Shard {
    /// A session has come for the WebSocket of an errand. Its owner has used `taken` bytes of that.
    pub(super) fn move_in(self: &Rc<Self>, number: ExchangeNumber, taken: u64, session: &Bytes) {
        let moved = self.core.borrow_mut().move_in(number, taken, session);
        // What its client has sent before it upgraded.
        self.run_calls();
        if let Some((key, rest)) = moved {
            self.websocket_bytes(key, &rest);
        }
    }
}

impl Intake {
    /// The client of a session sends its upgrade packet over an exchange. Returns whether the session moves: then there is
    /// nothing of it here any more, and [`send_session`](Self::send_session) follows.
    #[cold]
    pub(super) fn moves_away(&mut self, session: SessionKey, websocket: ConnectionKey) -> bool {
        // What was written comes before the session.
        let is_told = self.tell_all(websocket);
        let moving = (is_told && self.may_move(session)).then(|| self.freeze_session(session)).flatten();
        let Some(moving) = moving else {
            self.stays(session, websocket);
            return false;
        };
        if let Some(connection) = self.connection_mut(websocket) {
            connection.stage = Stage::Lingering;
        }
        self.moving = Some((websocket, moving.write()));
        true
    }

    /// Whether a WebSocket's session is on its way.
    pub(super) fn is_moving(&self, websocket: ConnectionKey) -> bool {
        self.moving.as_ref().is_some_and(|(key, _)| *key == websocket)
    }

    /// A session cannot move: its WebSocket is a tunnel from now on.
    fn stays(&mut self, session: SessionKey, websocket: ConnectionKey) {
        self.metrics().moves[Move::Stayed as usize].one();
        self.tell_taken(websocket);
        if !self.sockets_of(session).is_empty() {
            HINT.call_once(|| {
                log::warn!(
                    "a client was connected before its WebSocket came to another instance, so that its messages take the way \
                     over Redis from now on; if kinglet_moves_total{{outcome=\"stayed\"}} grows, raise KINGLET_SETTLE"
                );
            });
        }
    }

    /// The WebSocket of a session that moves was read as far as its upgrade packet, and `unread` bytes further.
    #[cold]
    pub(super) fn send_session(&mut self, websocket: ConnectionKey, unread: usize) {
        let Some((_, session)) = self.moving.take_if(|(key, _)| *key == websocket) else { return };
        let taken = self.ups_taken(websocket).unwrap_or(0).saturating_sub(unread as u64);
        self.move_exchange(websocket, taken, session);
        self.mark_closed(websocket, CloseCause::Cut);
    }

    /// Goes on with a session on the WebSocket of an errand. Gives the connection, and the bytes of it that nobody has used.
    fn move_in(&mut self, number: ExchangeNumber, taken: u64, session: &Bytes) -> Option<(ConnectionKey, Vec<u8>)> {
        let key = self.connection_of_errand(number)?;
        let rest = self.end_tunnel(number, taken).map(|(_, rest)| rest);
        let moved = rest.and_then(|rest| Some((self.thaw(key, session)?, rest)));
        let Some((session, rest)) = moved else {
            self.metrics().moves[Move::Refused as usize].one();
            self.mark_closed(key, CloseCause::Cut);
            return None;
        };
        self.metrics().upgrades.one();
        let connection = self.connection_mut(key)?;
        connection.stage = Stage::WebSocket(WebSocket { incoming: Incoming::default(), role: Role::Session(session) });
        connection.deadline = NEVER;
        if connection.input == ReadState::HeldUp {
            self.line_up(key);
        }
        Some((key, rest))
    }

    /// The session in these bytes, if it finds room here.
    fn thaw(&mut self, key: ConnectionKey, session: &Bytes) -> Option<SessionKey> {
        let moving = match Moving::read(session) {
            Ok(moving) => moving,
            Err(error) => {
                log::warn!("a session that came from another instance cannot be read: {error}");
                return None;
            }
        };
        let is_open = self.connection(key).is_some_and(Connection::is_listening);
        if !is_open || self.shared().is_leaving() || self.lacks_memory() || self.keeps_all_it_may() {
            return None;
        }
        self.thaw_session(key, moving)
    }
}
