//! Requests of sessions that live on another instance. What a request can be refused for without its session is checked here;
//! then it is composed anew, its body whole, and passed on.

use crate::engineio::{Code, Query};
use crate::http::{self, Accept, BodyLength, Delivery, Forward, Head, HeaderLines, Method, Status};
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{AfterBody, Connection, HttpState};
use crate::shard::net::errands::Aim;
use crate::shard::shared::carrier::Owner;
use crate::shard::store::keys::ConnectionKey;

impl Intake {
    /// Passes a request on to the owner of its session, or answers it.
    pub(in crate::shard::input) fn relay(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        query: &Query<'_>,
        owner: Owner,
        bytes: &[u8],
    ) -> Step {
        // What would be answered "unknown" here is worth asking elsewhere, and nothing else.
        let code = self.purpose(head, query, None).err().unwrap_or(Code::UnknownSid);
        match head.method {
            _ if code != Code::UnknownSid => self.refuse(key, head, code, None),
            Some(Method::Get) if head.upgrade => self.relay_upgrade(key, head, owner),
            Some(Method::Get) => self.relay_poll(key, head, owner),
            Some(Method::Post) if !head.upgrade => self.relay_post(key, head, owner, bytes),
            _ => self.refuse(key, head, code, None),
        }
    }

    fn relay_poll(&mut self, key: ConnectionKey, head: &Head<'_>, owner: Owner) -> Step {
        if !matches!(head.body, BodyLength::None | BodyLength::Length(0)) {
            self.last_answer(key, &http::empty(Status::BadRequest, Delivery::LAST, &HeaderLines::EMPTY));
            return Step::Over;
        }
        let forward = self.forward(key, head);
        self.pass_on(key, owner, Aim::Poll, forward, &[]);
        Step::Used(head.length)
    }

    fn relay_upgrade(&mut self, key: ConnectionKey, head: &Head<'_>, owner: Owner) -> Step {
        if self.shared().is_leaving() {
            // The client goes on polling, and its session does not move to a server that is about to end.
            self.last_answer(key, &http::BUSY.into());
            return Step::Over;
        }
        if let Err(error) = Accept::check(head) {
            self.last_answer(key, &error.answer());
            return Step::Over;
        }
        let forward = self.forward(key, head);
        self.pass_on(key, owner, Aim::Upgrade, forward, &[]);
        Step::Used(head.length)
    }

    fn relay_post(&mut self, key: ConnectionKey, head: &Head<'_>, owner: Owner, bytes: &[u8]) -> Step {
        let limit = self.shared().config.max_http_buffer_size;
        let forward = self.forward(key, head);
        let after = bytes.get(head.length..).unwrap_or_default();
        if let Some(body) = http::whole(head.body, after, limit) {
            self.pass_on(key, owner, Aim::Post, forward, body);
            return Step::Used(head.length + body.len());
        }
        self.await_body(key, head, limit, AfterBody::Relay(owner, forward))
    }

    /// A request, composed anew: its answer is to say of the connection what this server would.
    fn forward(&self, key: ConnectionKey, head: &Head<'_>) -> Forward {
        let wanted = self.connection(key).and_then(Connection::wanted);
        Forward::new(head, wanted.map_or(http::Connection::Close, |answer| answer.delivery.connection))
    }

    /// Sends a request to the owner of its session.
    pub(super) fn pass_on(&mut self, key: ConnectionKey, owner: Owner, aim: Aim, forward: Forward, body: &[u8]) {
        let until = self.now() + self.patience(aim);
        if !self.begin_errand(key, owner, aim, forward.with(body), until) {
            self.set_state(key, HttpState::Head);
            self.answer_and_drop(key, Status::ServiceUnavailable);
        }
    }
}
