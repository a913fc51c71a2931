//! Answers to requests, and what becomes of the requests' bodies.

use bytes::Bytes;

use crate::engineio::Code;
use crate::http::{self, BodyLength, BodyReader, Expectation, Head, Status};
use crate::log_line::Excerpt;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{Connection, HttpState};
use crate::shard::store::keys::ConnectionKey;

impl Intake {
    pub(in crate::shard::input) fn refuse(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        code: Code,
        message: Option<&str>,
    ) -> Step {
        let text = message.unwrap_or(code.message());
        log::debug!("connection {}: refused: {}", key.0, Excerpt(text));
        self.metrics().refused.one();
        self.metrics().refusals[code as usize].one();
        if head.upgrade {
            self.last_answer(key, &http::refusal(text));
            return Step::Over;
        }
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return Step::Over };
        let answer = http::error(http.answer.delivery, &http.answer.cors, code, message);
        self.answer(key, head, &answer)
    }

    /// Answers a request with an empty body.
    pub(in crate::shard::input) fn answer_empty(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        status: Status,
    ) -> Step {
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return Step::Over };
        let answer = http::empty(status, http.answer.delivery, &http.answer.cors);
        self.answer(key, head, &answer)
    }

    /// Answers a request, and discards its body, if it has one.
    pub(in crate::shard::input) fn answer(&mut self, key: ConnectionKey, head: &Head<'_>, answer: &Bytes) -> Step {
        if !matches!(head.body, BodyLength::None | BodyLength::Length(0)) {
            let reader = BodyReader::new(head.body, self.shared().config.max_http_buffer_size);
            self.set_state(key, HttpState::Discard(Box::new(reader)));
            if head.expectation == Expectation::Continue {
                // Otherwise the client might leave the body out, and its next request would be taken for it.
                self.push(key, &Bytes::from_static(http::CONTINUE));
            }
        }
        self.push(key, answer);
        self.answered(key);
        Step::Used(head.length)
    }
}
