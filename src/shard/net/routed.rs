//! Answers of routes: they come from the program's handlers, at once or from another thread, whole or piece by piece.
//!
//! A request that waits for its answer has a number, so that an answer that comes too late is recognised. The next piece of a
//! long answer is read once the kernel has taken the one before, so a slow client holds one piece.

use std::sync::Arc;

use crate::http::{self, GivePiece, GiveResponse, LongResponse, Piece, Rest, Status};
use crate::metrics::Limit;
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, Connection, HttpState, Sending};
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::ConnectionKey;
use crate::shard::store::timers::NEVER;

impl Net {
    /// A request is handed to a route. Gives its number, and what answers it from any thread.
    pub(in crate::shard) fn await_answer(&mut self, key: ConnectionKey) -> (u64, GiveResponse) {
        self.routed += 1;
        self.metrics.routed.one();
        let number = self.routed;
        self.set_state(key, HttpState::Routed(number));
        self.set_deadline(key, self.now + self.shared.config.limits.route_timeout);
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        let give = move |response: LongResponse| {
            let Some(mailbox) = shared.mailboxes.get(index) else { return };
            mailbox.send(Letter::run(response.first.size(), move |shard| {
                shard.served(key, |shard| shard.core.borrow_mut().answer_route(key, number, response));
            }));
        };
        (number, Box::new(give))
    }

    /// Answers a request, unless its time is over or its client has gone.
    pub(in crate::shard) fn answer_route(&mut self, key: ConnectionKey, number: u64, response: LongResponse) {
        let leaving = self.shared.is_leaving();
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        if !matches!(http.state, HttpState::Routed(awaited) if awaited == number) {
            return;
        }
        if leaving {
            http.answer.delivery.connection = http::Connection::Close;
        }
        let LongResponse { first, rest } = response;
        let more = rest.as_ref().map_or(0, |rest| rest.length);
        let rest = rest.filter(|_| http.answer.delivery.has_body());
        let (head, body) = first.write(http.answer.delivery, &http.answer.cors, more);
        self.push_own(key, head);
        if !body.is_empty() {
            self.push_own(key, body);
        }
        self.go_on_sending(key, number, rest);
    }

    /// A piece of an answer was queued: the `rest` follows once the piece has left.
    fn go_on_sending(&mut self, key: ConnectionKey, number: u64, rest: Option<Rest>) {
        if rest.is_some() {
            self.set_state(key, HttpState::Sending(Box::new(Sending { number, rest })));
            // While something waits for the client, its progress is watched.
            self.set_deadline(key, NEVER);
            self.sending.push(key);
        } else {
            self.set_state(key, HttpState::Head);
            self.answered(key);
        }
    }

    /// Has the next pieces of answers read whose last ones have left.
    pub(in crate::shard) fn read_pieces(&mut self) {
        for key in std::mem::take(&mut self.sending) {
            if self.connections.get(key.0).is_some_and(|connection| connection.batch.is_some()) {
                self.sending.push(key);
            } else {
                self.read_piece(key);
            }
        }
    }

    /// Has the next piece of a connection's answer read, if the last one has left.
    pub(in crate::shard) fn read_piece(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if connection.outbox.is_some() || connection.close_cause.is_some() {
            return;
        }
        let Some(HttpState::Sending(sending)) = connection.http().map(|http| &mut http.state) else { return };
        let Some(rest) = sending.rest.take() else { return };
        let number = sending.number;
        self.set_deadline(key, self.now + self.shared.config.limits.route_timeout);
        rest.source.read(self.takes_piece(key, number));
    }

    /// What takes the next piece of an answer, from any thread.
    fn takes_piece(&self, key: ConnectionKey, number: u64) -> GivePiece {
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        Box::new(move |piece: Piece| {
            let Some(mailbox) = shared.mailboxes.get(index) else { return };
            let carried = piece.bytes.as_ref().map_or(0, bytes::Bytes::len);
            mailbox.send(Letter::run(carried, move |shard| {
                shard.served(key, |shard| shard.core.borrow_mut().piece_came(key, number, piece));
            }));
        })
    }

    /// The next piece of an answer was read.
    fn piece_came(&mut self, key: ConnectionKey, number: u64, piece: Piece) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        if !matches!(&http.state, HttpState::Sending(sending) if sending.number == number) {
            return;
        }
        let Some(bytes) = piece.bytes else {
            // The client was promised more. Only the end of the connection tells it that there is none.
            return self.mark_closed(key, CloseCause::Error);
        };
        self.push_own(key, bytes);
        self.go_on_sending(key, number, piece.rest);
    }

    /// A route took too long: its request is answered without it, or its answer ends here.
    pub(in crate::shard) fn route_due(&mut self, key: ConnectionKey) {
        self.metrics.hit(Limit::RouteTimeout);
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        if matches!(http.state, HttpState::Sending(_)) {
            return self.mark_closed(key, CloseCause::Error);
        }
        let answer = http::empty(Status::ServiceUnavailable, http.answer.delivery, &http.answer.cors);
        http.state = HttpState::Head;
        self.push_own(key, answer);
        self.answered(key);
    }

    /// The peer has closed its half, and may still read its answer. It is the last.
    pub(in crate::shard) fn deliver_last(&mut self, key: ConnectionKey) {
        if let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) {
            http.answer.delivery.connection = http::Connection::Close;
        }
    }

    /// Whether a request of any connection is read or answered by a route.
    pub(in crate::shard) fn has_routed(&self) -> bool {
        self.connections.iter().any(|(_, connection)| connection.awaits_answer() || connection.reads_for_route())
    }
}
