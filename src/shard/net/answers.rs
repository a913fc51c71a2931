//! Answers to requests, and what happens to their connections.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::config::Config;
use crate::engineio::PayloadKind;
use crate::http;
use crate::http::{Coding, Delivery, Head, HeaderLines, Status};
use crate::shard::net::Net;
use crate::shard::net::connection::{Answer, Connection, HttpState, Then};
use crate::shard::store::keys::{ConnectionKey, SessionKey};

impl Net {
    /// Answers and closes, because the start of the next request is unknown or does not matter.
    pub(in crate::shard) fn last_answer(&mut self, key: ConnectionKey, answer: &Bytes) {
        self.push(key, answer);
        self.finish(key, Then::Linger);
    }

    /// Answers a POST with `ok`, unless it has been answered.
    pub(in crate::shard) fn answer_post(&mut self, key: ConnectionKey) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        if !matches!(http.state, HttpState::Post(_) | HttpState::Waiting(_)) {
            return;
        }
        let answer = http::post_ok(http.answer.delivery, &http.answer.cors);
        http.state = HttpState::Head;
        self.push_own(key, answer);
        self.answered(key);
    }

    /// Answers a GET or a POST with an empty 400. The rest of a POST is read and dropped.
    pub(in crate::shard) fn refuse_empty(&mut self, key: ConnectionKey) {
        self.answer_and_drop(key, Status::BadRequest);
    }

    pub(in crate::shard) fn answer_and_drop(&mut self, key: ConnectionKey, status: Status) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        let answer = http::empty(status, http.answer.delivery, &http.answer.cors);
        http.state = match std::mem::replace(&mut http.state, HttpState::Head) {
            HttpState::Post(post) => HttpState::Discard(Box::new(post.reader)),
            HttpState::Body(gathered) => HttpState::Discard(Box::new(gathered.reader)),
            _ => HttpState::Head,
        };
        self.push(key, &answer);
        self.answered(key);
    }

    /// An answer was queued: the next request may be handled, or the connection is done.
    pub(in crate::shard) fn answered(&mut self, key: ConnectionKey) {
        let (keep_alive, body_timeout) = (self.shared.config.limits.keep_alive, self.shared.config.limits.body_timeout);
        let now = self.now;
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        let discarding = matches!(http.state, HttpState::Discard(_));
        if http.answer.delivery.connection == http::Connection::Close {
            self.finish(key, Then::Linger);
            return;
        }
        if !http.unread.is_empty() {
            self.line_up(key);
        }
        self.set_deadline(key, now + if discarding { body_timeout } else { keep_alive });
    }

    /// The session whose POST is being read.
    pub(in crate::shard) fn posting(&mut self, key: ConnectionKey) -> Option<SessionKey> {
        self.post_being_read(key).map(|(session, _)| session)
    }

    /// The same, with the kind of the POST's body.
    pub(in crate::shard) fn post_being_read(&mut self, key: ConnectionKey) -> Option<(SessionKey, PayloadKind)> {
        match &self.connections.get_mut(key.0)?.http()?.state {
            HttpState::Post(post) => Some((post.session, post.kind)),
            _ => None,
        }
    }

    pub(in crate::shard) fn is_posting(&mut self, key: ConnectionKey) -> bool {
        self.posting(key).is_some()
    }

    pub(in crate::shard) fn set_state(&mut self, key: ConnectionKey, state: HttpState) {
        if let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) {
            http.state = state;
        }
    }

    pub(in crate::shard) fn peer(&mut self, key: ConnectionKey) -> Option<SocketAddr> {
        Some(self.connections.get_mut(key.0)?.http()?.peer)
    }

    /// Answers the request with a delivery.
    pub(in crate::shard) fn deliver(&mut self, key: ConnectionKey, delivery: Delivery) {
        if let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) {
            http.answer.delivery = delivery;
        }
    }
}

impl Answer {
    /// How the request wants its answer.
    pub(in crate::shard) fn to(head: &Head<'_>, config: &Config) -> Self {
        let mut cors = HeaderLines::EMPTY;
        if let Some(settings) = &config.cors {
            settings.headers(head.text("origin"), &mut cors);
        }
        let coding = head.text("accept-encoding").and_then(Coding::accepted);
        Self { delivery: Delivery::of(head), cors, coding }
    }
}
