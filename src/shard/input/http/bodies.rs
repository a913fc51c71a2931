//! Bodies of requests: those of POSTs, and of requests for routes and for other instances, are collected; unwanted ones are
//! dropped.

use std::rc::Rc;

use bytes::Bytes;

use crate::http::{self, BodyError, BodyReader, BodyStep, Delivery, Expectation, Head, HeaderLines, Status};
use crate::log_line::Excerpt;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{AfterBody, Connection, Gathered, HttpState, Then};
use crate::shard::net::errands::Aim;
use crate::shard::store::keys::ConnectionKey;

impl Shard {
    /// The body that was awaited is there.
    pub(in crate::shard::input) fn body_read(self: &Rc<Self>, key: ConnectionKey) {
        let gathered = self.core.borrow_mut().take_body(key);
        let Some(Gathered { body, then, .. }) = gathered else { return };
        match then {
            AfterBody::Route(route, request) => self.call_route(key, route, request.with(body)),
            AfterBody::Relay(owner, forward) => {
                self.core.borrow_mut().pass_on(key, owner, Aim::Post, forward, &body);
            }
        }
    }
}

impl Intake {
    /// Awaits the body of a request, of at most `limit` bytes.
    pub(super) fn await_body(&mut self, key: ConnectionKey, head: &Head<'_>, limit: usize, then: AfterBody) -> Step {
        if head.expectation == Expectation::Continue {
            self.push(key, &Bytes::from_static(http::CONTINUE));
        }
        let reader = BodyReader::new(head.body, limit);
        self.set_state(key, HttpState::Body(Box::new(Gathered { reader, body: Vec::new(), then })));
        let deadline = self.now() + self.shared().config.limits.body_timeout;
        self.set_deadline(key, deadline);
        Step::Used(head.length)
    }

    fn take_body(&mut self, key: ConnectionKey) -> Option<Gathered> {
        let http = self.connection_mut(key).and_then(Connection::http)?;
        match std::mem::replace(&mut http.state, HttpState::Head) {
            HttpState::Body(gathered) => Some(*gathered),
            other => {
                http.state = other;
                None
            }
        }
    }

    /// A part of an awaited body was read, or cannot be.
    pub(in crate::shard::input) fn body_went_on(
        &mut self,
        key: ConnectionKey,
        result: Result<(usize, BodyStep), BodyError>,
    ) -> Step {
        match result {
            Ok((used, BodyStep::TooLarge)) => {
                let is_for_route = self.connection(key).is_some_and(Connection::reads_for_route);
                self.metrics().hit(if is_for_route { Limit::RouteBody } else { Limit::MaxHttpBufferSize });
                self.answer_and_drop(key, Status::PayloadTooLarge);
                Step::Used(used)
            }
            Ok((_, BodyStep::More | BodyStep::Done)) => Step::Over,
            Err(error) => {
                log::debug!("connection {}: {}", key.0, Excerpt(error));
                self.set_state(key, HttpState::Head);
                self.last_answer(key, &http::empty(Status::BadRequest, Delivery::LAST, &HeaderLines::EMPTY));
                Step::Over
            }
        }
    }

    pub(in crate::shard::input) fn discarded(
        &mut self,
        key: ConnectionKey,
        result: Result<(usize, BodyStep), BodyError>,
    ) -> Step {
        match result {
            Ok((used, BodyStep::Done)) => {
                self.set_state(key, HttpState::Head);
                let deadline = self.now() + self.shared().config.limits.keep_alive;
                self.set_deadline(key, deadline);
                Step::Used(used)
            }
            Ok((used, BodyStep::TooLarge)) => Step::Used(used),
            Ok((_, BodyStep::More)) => Step::Over,
            // The answer is given already; what follows on this connection cannot be understood.
            Err(_) => {
                self.finish(key, Then::Linger);
                Step::Over
            }
        }
    }

    pub(in crate::shard::input) fn post_went_on(
        &mut self,
        key: ConnectionKey,
        result: Result<(usize, BodyStep), BodyError>,
    ) -> Step {
        let Some(session) = self.posting(key) else { return Step::Over };
        match result {
            Ok((used, BodyStep::TooLarge)) => {
                self.metrics().hit(Limit::MaxHttpBufferSize);
                self.session(session, |session, _, _, _| session.post_too_long(key));
                self.answer_and_drop(key, Status::PayloadTooLarge);
                Step::Used(used)
            }
            Ok((_, BodyStep::More | BodyStep::Done)) => Step::Over,
            Err(error) => {
                log::debug!("connection {}: {error}", key.0);
                self.set_state(key, HttpState::Head);
                self.session(session, |session, _, _, effects| session.post_lost(key, effects));
                self.last_answer(key, &http::empty(Status::BadRequest, Delivery::LAST, &HeaderLines::EMPTY));
                Step::Over
            }
        }
    }
}
