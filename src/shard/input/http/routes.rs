//! Requests for routes that the program declared.

use std::rc::Rc;

use bytes::Bytes;

use crate::http::{self, Head, Method, Request, RouteKey, Served};
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::input::http::client_address::client_address;
use crate::shard::input::http::mistaken::is_mistaken;
use crate::shard::net::connection::{AfterBody, Connection, ReadState};
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
        core.await_body(key, head, limit, AfterBody::Route(route, request))
    }

    /// Has the program answer a request, now or later.
    pub(super) fn call_route(self: &Rc<Self>, key: ConnectionKey, route: RouteKey, request: Request) {
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
}
