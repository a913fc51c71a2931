//! Connections at their deadlines, and connections that the peer has closed.

use crate::engineio::Lost;
use crate::http::{self, Delivery, HeaderLines, Status};
use crate::metrics::Limit;
use crate::shard::input::Intake;
use crate::shard::net::connection::{CloseCause, Connection, HttpState, Stage, Then};
use crate::shard::store::keys::ConnectionKey;
use crate::shard::store::timers::NEVER;

impl Intake {
    /// The peer has closed its half of the connection: nothing more will come, but queued output still leaves.
    pub(in crate::shard) fn peer_closed(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connection_mut(key) else { return };
        let role = match &connection.stage {
            Stage::Http(_) if connection.awaits_answer() => return self.deliver_last(key),
            Stage::Http(http) if !matches!(http.state, HttpState::Head) => {
                return self.mark_closed(key, CloseCause::Closed);
            }
            Stage::WebSocket(websocket) => Some(websocket.role),
            Stage::Tunnel(_) => {
                self.leave_tunnel(key);
                None
            }
            Stage::Http(_) | Stage::Lingering => None,
        };
        if let Some(role) = role {
            self.let_go(key, role, Lost::Closed);
        }
        self.finish(key, Then::Close);
    }

    /// A connection's timer came up.
    pub(in crate::shard) fn connection_due(&mut self, key: ConnectionKey) {
        let now = self.now();
        let Some(connection) = self.connection_mut(key) else { return };
        if connection.armed > now {
            return;
        }
        connection.armed = NEVER;
        if self.check_stall(key) {
            return;
        }
        if self.connection(key).is_some_and(|connection| connection.due() > now) {
            self.arm_connection(key);
            return;
        }
        if !self.is_writable(key) && (self.idle(key) || self.await_close(key)) {
            return;
        }
        let gathers = self.connection(key).is_some_and(Connection::gathers);
        if self.is_unread(key) && (gathers || self.posting(key).is_some()) {
            // It was not read, so its time begins anew.
            let deadline = now + self.shared().config.limits.body_timeout;
            return self.set_deadline(key, deadline);
        }
        let Some(connection) = self.connection_mut(key) else { return };
        let limit = match &connection.stage {
            Stage::Http(http) => match &http.state {
                HttpState::Head if http.unread.is_empty() => {
                    self.metrics().hit(Limit::KeepAlive);
                    self.mark_closed(key, CloseCause::Closed);
                    return;
                }
                HttpState::Head => Limit::HeaderTimeout,
                HttpState::Post(_) | HttpState::Body(_) => Limit::BodyTimeout,
                HttpState::Routed(_) | HttpState::Sending(_) => return self.route_due(key),
                HttpState::Relayed(number) => {
                    let number = *number;
                    return self.errand_due(key, number);
                }
                HttpState::Discard(_) => {
                    // The request that the body belongs to is answered already.
                    self.metrics().hit(Limit::BodyTimeout);
                    return self.finish(key, Then::Linger);
                }
                HttpState::Asked(_) => {
                    self.metrics().hit(Limit::ConnectTimeout);
                    return self.turn_away(key);
                }
                HttpState::Deferred(_) | HttpState::Held(_) | HttpState::Waiting(_) => return,
            },
            Stage::Tunnel(_) => return self.tunnel_due(key),
            Stage::WebSocket(_) => {
                self.metrics().hit(Limit::CloseTimeout);
                self.mark_closed(key, CloseCause::Cut);
                return;
            }
            Stage::Lingering => {
                self.mark_closed(key, CloseCause::Cut);
                return;
            }
        };
        self.metrics().hit(limit);
        let posting = self.posting(key);
        self.set_state(key, HttpState::Head);
        if let Some(session) = posting {
            self.session(session, |session, _, _, effects| session.post_lost(key, effects));
        }
        self.last_answer(key, &http::empty(Status::RequestTimeout, Delivery::LAST, &HeaderLines::EMPTY));
    }
}
