//! Requests for routes that the program declared.

use std::rc::Rc;

use bytes::Bytes;

use crate::http::{self, BodyError, BodyReader, BodyStep, Delivery, Expectation, Head, HeaderLines};
use crate::http::{Method, Request, RouteKey, Served, Status};
use crate::log_line::Excerpt;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::input::http::client_address::client_address;
use crate::shard::input::http::mistaken::is_mistaken;
use crate::shard::net::connection::{Connection, HttpState, ReadState, RouteBody};
use crate::shard::store::keys::ConnectionKey;

impl Shard {
    /// Serves a request for which the program has declared something. `None` if it has not.
    pub(in crate::shard::input) fn serve_route(
        self: &Rc<Self>,
        key: ConnectionKey,
        head: &Head<'_>,
        bytes: &[u8],
    ) -> Option<Step> {
        if head.path == "/" && self.shared.is_leaving() {
            // A health check must fail now, whatever it is.
            return None;
        }
        let served = self.shared.directory.route(head.method, head.path);
        if is_mistaken(head) && !matches!(served, Served::Route(_, own) if own == head.path.len()) {
            // A wildcard must not hide from a Socket.IO client that it is mistaken.
            return None;
        }
        match served {
            Served::Nothing => None,
            Served::Otherwise(allow) => Some(self.core.borrow_mut().answer_otherwise(key, head, &allow)),
            Served::Route(route, own) => Some(self.begin_route(key, head, bytes, (route, own))),
        }
    }

    fn begin_route(
        self: &Rc<Self>,
        key: ConnectionKey,
        head: &Head<'_>,
        bytes: &[u8],
        (route, own): (RouteKey, usize),
    ) -> Step {
        let limit = self.shared.config.limits.route_body;
        let mut core = self.core.borrow_mut();
        let (Some(peer), Some(method)) = (core.peer(key), head.method) else { return Step::Over };
        let request = Request::new(head, method, client_address(head, peer, self.shared.config.trusted_proxies), own);
        let after = bytes.get(head.length..).unwrap_or_default();
        if let Some(body) = http::whole(head.body, after, limit) {
            drop(core);
            self.call_route(key, route, request.with(Bytes::copy_from_slice(body)));
            return Step::Used(head.length + body.len());
        }
        if head.expectation == Expectation::Continue {
            core.push(key, &Bytes::from_static(http::CONTINUE));
        }
        let reader = BodyReader::new(head.body, limit);
        core.set_state(key, HttpState::RouteBody(Box::new(RouteBody { route, request, reader, body: Vec::new() })));
        let deadline = core.now() + self.shared.config.limits.body_timeout;
        core.set_deadline(key, deadline);
        Step::Used(head.length)
    }

    /// The body of a request is there.
    pub(in crate::shard::input) fn route_body(self: &Rc<Self>, key: ConnectionKey) {
        let state = self.core.borrow_mut().take_route_body(key);
        if let Some(RouteBody { route, request, body, .. }) = state {
            self.call_route(key, route, request.with(body));
        }
    }

    /// Has the program answer a request, now or later.
    fn call_route(self: &Rc<Self>, key: ConnectionKey, route: RouteKey, request: Request) {
        let (number, give) = self.core.borrow_mut().await_answer(key);
        let clock = self.clock();
        let response = self.callbacks.request(self, route, request, give);
        self.took(clock, |metrics| &metrics.handler_time);
        if let Some(response) = response {
            self.core.borrow_mut().answer_route(key, number, response);
        }
        self.run_calls();
    }
}

impl Intake {
    /// Answers a request for a path that has routes for other methods only.
    fn answer_otherwise(&mut self, key: ConnectionKey, head: &Head<'_>, allow: &str) -> Step {
        let Some(answer) = self.connection(key).and_then(Connection::wanted) else { return Step::Over };
        let answer = match head.method {
            Some(Method::Options) => {
                let lines = self.shared().config.cors.as_ref().map(|cors| cors.preflight_lines(head));
                http::options(answer.delivery, allow, &lines.unwrap_or_default())
            }
            _ => http::not_allowed(answer.delivery, allow, &answer.cors),
        };
        self.answer(key, head, &answer)
    }

    /// A client sends more while it waits for its answer: it is not read until then.
    pub(super) fn hold_up_behind_route(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection_mut(key) {
            connection.input = ReadState::HeldUp;
        }
        self.metrics().held_up.one();
    }

    fn take_route_body(&mut self, key: ConnectionKey) -> Option<RouteBody> {
        let http = self.connection_mut(key).and_then(Connection::http)?;
        match std::mem::replace(&mut http.state, HttpState::Head) {
            HttpState::RouteBody(body) => Some(*body),
            other => {
                http.state = other;
                None
            }
        }
    }

    /// A part of a request's body was read, or cannot be.
    pub(in crate::shard::input) fn route_body_went_on(
        &mut self,
        key: ConnectionKey,
        result: Result<(usize, BodyStep), BodyError>,
    ) -> Step {
        match result {
            Ok((used, BodyStep::TooLarge)) => {
                self.metrics().hit(Limit::RouteBody);
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
}
