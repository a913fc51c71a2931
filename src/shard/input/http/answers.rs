//! Answers to requests, and what becomes of their connections.

use bytes::Bytes;

use super::requests::Step;
use crate::config::Config;
use crate::engineio::Code;
use crate::http::{self, BodyLength, BodyReader, Coding, Delivery, Head, HeaderLines, Status};
use crate::log_line::Excerpt;
use crate::shard::event_loop::core::Core;
use crate::shard::net::connection::{Answer, Connection, HttpState, Then};
use crate::shard::store::keys::ConnectionKey;

impl Core {
    pub(crate) fn refuse(&mut self, key: ConnectionKey, head: &Head<'_>, code: Code, message: Option<&str>) -> Step {
        let text = message.unwrap_or(code.message());
        log::debug!("connection {}: refused: {}", key.0, Excerpt(text));
        self.metrics.refused.one();
        self.metrics.refusals[code as usize].one();
        if head.upgrade {
            self.last_answer(key, &http::refusal(text));
            return Step::Over;
        }
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return Step::Over };
        let answer = http::error(http.answer.delivery, &http.answer.cors, code, message);
        self.answer(key, head, &answer)
    }

    /// Answers a request without a body in the answer.
    pub(crate) fn answer_empty(&mut self, key: ConnectionKey, head: &Head<'_>, status: Status) -> Step {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return Step::Over };
        let answer = http::empty(status, http.answer.delivery, &http.answer.cors);
        self.answer(key, head, &answer)
    }

    /// Answers a request whose body, if it has one, nobody wants.
    pub(crate) fn answer(&mut self, key: ConnectionKey, head: &Head<'_>, answer: &Bytes) -> Step {
        if !matches!(head.body, BodyLength::None | BodyLength::Length(0)) {
            let reader = BodyReader::new(head.body, self.shared.config.max_http_buffer_size);
            self.set_state(key, HttpState::Discard(Box::new(reader)));
        }
        self.push(key, answer);
        self.answered(key);
        Step::Used(head.length)
    }

    /// Answers and closes: where the next request would begin is unknown, or not to be known.
    pub(crate) fn last_answer(&mut self, key: ConnectionKey, answer: &Bytes) {
        self.push(key, answer);
        self.finish(key, Then::Linger);
    }

    /// Answers a POST with `ok`, unless it has been answered.
    pub(crate) fn answer_post(&mut self, key: ConnectionKey) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        if !matches!(http.state, HttpState::Post(_) | HttpState::Waiting(_)) {
            return;
        }
        let answer = http::post_ok(http.answer.delivery, &http.answer.cors);
        http.state = HttpState::Head;
        self.push_own(key, answer);
        self.answered(key);
    }

    /// Answers a GET or a POST with 400 and nothing else; what is left of a POST is read and dropped.
    pub(crate) fn refuse_empty(&mut self, key: ConnectionKey) {
        self.answer_and_drop(key, Status::BadRequest);
    }

    pub(crate) fn answer_and_drop(&mut self, key: ConnectionKey, status: Status) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        let answer = http::empty(status, http.answer.delivery, &http.answer.cors);
        http.state = match std::mem::replace(&mut http.state, HttpState::Head) {
            HttpState::Post(post) => HttpState::Discard(Box::new(post.reader)),
            _ => HttpState::Head,
        };
        self.push(key, &answer);
        self.answered(key);
    }

    /// An answer has left: the next request may be handled, or the connection is done.
    pub(crate) fn answered(&mut self, key: ConnectionKey) {
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
}

impl Answer {
    /// How the request wants its answer.
    pub(crate) fn to(head: &Head<'_>, config: &Config) -> Self {
        let mut cors = HeaderLines::EMPTY;
        if let Some(settings) = &config.cors {
            settings.headers(head.text("origin"), &mut cors);
        }
        let coding = head.text("accept-encoding").and_then(Coding::accepted);
        Self { delivery: Delivery::of(head), cors, coding }
    }
}
