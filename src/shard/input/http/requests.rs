//! Requests: bytes of a connection become heads and bodies, and these become handshakes, polls, posts and upgrades.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::HandshakeHeaders;
use crate::engineio::{self, Code, Encoding, Kind, PayloadKind, Protocol, Purpose, Query, Request};
use crate::http::{
    self, BodyLength, BodyReader, BodyStep, Delivery, Expectation, Head, HeadError, HeaderLines, Method, Parsed, Status,
};
use crate::log_line::Excerpt;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::input::http::client_address::client_address;
use crate::shard::input::http::mistaken::is_socket_io;
use crate::shard::net::connection::{Answer, CloseCause, Connection, HttpState, Post, Stage};
use crate::shard::sessions::client::Lookup;
use crate::shard::sessions::handshake::Handshake;
use crate::shard::shared::admissions::Decided;
use crate::shard::shared::mailbox::Letter;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::shard::store::timers::NEVER;

/// How long an upgrade to an unknown protocol keeps its connection, as on Node.
const DESTROY_UPGRADE_TIMEOUT: Duration = Duration::from_secs(1);

impl Shard {
    /// Handles bytes of a connection that carries requests.
    pub(in crate::shard) fn http_bytes(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) {
        let unread = self.core.borrow_mut().take_unread(key);
        let joined;
        let mut rest = bytes;
        // A head that comes in small pieces has one deadline, not a new one with each piece.
        let mut begins = unread.is_empty() || bytes.is_empty();
        if !unread.is_empty() {
            joined = [&unread, bytes].concat();
            rest = &joined;
        }
        loop {
            match self.http_step(key, rest) {
                Step::Used(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    begins = true;
                    if self.has_had_its_turn() && !rest.is_empty() {
                        let mut core = self.core.borrow_mut();
                        core.keep_unread(key, rest, begins);
                        return core.line_up(key);
                    }
                }
                Step::Wait => return self.core.borrow_mut().keep_unread(key, rest, begins),
                Step::WebSocket(count) => return self.websocket_bytes(key, rest.get(count..).unwrap_or_default()),
                Step::Over | Step::Moved => return,
            }
        }
    }

    fn http_step(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) -> Step {
        let mut core = self.core.borrow_mut();
        let Some(connection) = core.connection_mut(key).filter(|connection| connection.is_listening()) else {
            return Step::Over;
        };
        let Some(http) = connection.http() else { return Step::Over };
        match &mut http.state {
            HttpState::Head if bytes.is_empty() => Step::Wait,
            HttpState::Deferred(_)
            | HttpState::Asked(_)
            | HttpState::Held(_)
            | HttpState::Waiting(_)
            | HttpState::Routed(_)
            | HttpState::Sending(_)
            | HttpState::Relayed(_) => Step::Wait,
            HttpState::Discard(reader) => {
                let result = reader.read(bytes, &mut Vec::new());
                core.discarded(key, result)
            }
            HttpState::Post(post) => {
                let result = post.reader.read(bytes, &mut post.body);
                match result {
                    Ok((used, BodyStep::Done)) => {
                        let body = std::mem::take(&mut post.body);
                        drop(core);
                        self.post_body(key, &body);
                        Step::Used(used)
                    }
                    result => {
                        core.note_unfinished(bytes.len());
                        core.post_went_on(key, result)
                    }
                }
            }
            HttpState::Body(gathered) => {
                let result = gathered.reader.read(bytes, &mut gathered.body);
                if let Ok((used, BodyStep::Done)) = result {
                    drop(core);
                    self.body_read(key);
                    return Step::Used(used);
                }
                core.note_unfinished(bytes.len());
                core.body_went_on(key, result)
            }
            HttpState::Head => {
                drop(core);
                self.head(key, bytes)
            }
        }
    }

    fn head(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) -> Step {
        let mut scratch = http::scratch();
        match http::parse(bytes, &self.shared.head_limits, &mut scratch) {
            Ok(Parsed::Complete(head)) => {
                let step = self.request(key, &head, bytes);
                if !matches!(step, Step::Moved | Step::Wait) {
                    self.core.borrow().metrics().requests.one();
                }
                step
            }
            Ok(Parsed::Partial) => Step::Wait,
            Err(error) => {
                log::debug!("connection {}: {error}", key.0);
                let mut core = self.core.borrow_mut();
                match error {
                    HeadError::TooLong => core.metrics().hit(Limit::RequestHead),
                    HeadError::TooManyHeaders => core.metrics().hit(Limit::RequestHeaders),
                    _ => {}
                }
                core.last_answer(key, &http::empty(error.status(), Delivery::LAST, &HeaderLines::EMPTY));
                Step::Over
            }
        }
    }

    fn request(self: &Rc<Self>, key: ConnectionKey, head: &Head<'_>, bytes: &[u8]) -> Step {
        let mut core = self.core.borrow_mut();
        let asked = core.begin_answer(key, head);
        if let Some(step) = core.answer_expectation(key, head) {
            return step;
        }
        let is_at_endpoint = head.path.starts_with(&self.shared.config.path);
        if !is_at_endpoint || self.shared.config.client.is_some() {
            drop(core);
            if let Some(step) = self.serve_route(key, head, bytes) {
                return step;
            }
            core = self.core.borrow_mut();
        }
        if !is_at_endpoint {
            return core.answer_elsewhere(key, head);
        }
        if let Some(step) = core.answer_preflight(key, head) {
            return step;
        }
        let query = Query::parse(head.query);
        let session = match query.sid.as_deref().map_or(Lookup::Unknown, |sid| core.find_session(sid)) {
            Lookup::Elsewhere(shard) => {
                let hand_off = core.hand_off(key, bytes);
                if let Some((mailbox, hand_off)) = self.shared.mailboxes.get(shard).zip(hand_off) {
                    mailbox.send(Letter::Connection(Box::new(hand_off)));
                }
                return Step::Moved;
            }
            Lookup::Here(session) => {
                core.deliver(key, asked);
                Some(session)
            }
            Lookup::Abroad(owner) => return core.relay(key, head, &query, owner, bytes),
            Lookup::Unknown => None,
        };
        match (core.purpose(head, &query, session), session) {
            (Err(code), _) => core.refuse(key, head, code, None),
            (Ok(Purpose::Post), Some(session)) => {
                drop(core);
                self.post(key, head, session, bytes)
            }
            (Ok(Purpose::Handshake), _) if core.handshakes.admit() => {
                drop(core);
                let step = self.handshake(key, head, query.encoding());
                // The server has joined a client of protocol 3 to `/`. The application hears that before the client's next
                // packet.
                self.run_calls();
                step
            }
            (Ok(purpose), session) => core.serve(key, head, purpose, session),
        }
    }

    fn handshake(self: &Rc<Self>, key: ConnectionKey, head: &Head<'_>, encoding: Encoding) -> Step {
        let decided = self.core.borrow_mut().handshakes.take_decided();
        if self.shared.is_leaving() {
            self.core.borrow_mut().last_answer(key, &Bytes::from_static(http::BUSY));
            return Step::Over;
        }
        let exceeded = self.core.borrow_mut().no_room_for_a_session(decided.as_deref());
        if let Some(limit) = exceeded {
            let mut core = self.core.borrow_mut();
            core.metrics().hit(limit);
            core.last_answer(key, &Bytes::from_static(http::BUSY));
            return Step::Over;
        }
        let Some(peer) = self.core.borrow_mut().peer(key) else { return Step::Over };
        let peer = client_address(head, peer, self.shared.config.trusted_proxies);
        if !self.shared.config.admits_origins(head.values("origin")) {
            let origin = String::from_utf8_lossy(head.values("origin").next().unwrap_or_default());
            log::debug!("connection {}: origin {} is none of KINGLET_ALLOWED_ORIGINS", key.0, Excerpt(&origin));
            return self.core.borrow_mut().refuse(key, head, Code::Forbidden, None);
        }
        let asked = self.shared.directory.asks_permission();
        let full = asked.then(|| Arc::new(Handshake::new(head, peer, HandshakeHeaders::Keep)));
        if let Some(full) = &full
            && let Err(step) = self.permission(key, head, full, decided)
        {
            return step;
        }
        let mut core = self.core.borrow_mut();
        if let Err(code) = engineio::check_protocol(encoding.protocol(), &self.shared.settings) {
            return core.refuse(key, head, code, None);
        }
        let kept = self.shared.config.handshake_headers;
        let full = full.filter(|_| kept == HandshakeHeaders::Keep);
        let handshake = full.unwrap_or_else(|| Arc::new(Handshake::new(head, peer, kept)));
        if head.upgrade {
            core.open_on_websocket(key, head, encoding, handshake)
        } else {
            core.open_on_polling(key, head, encoding, handshake)
        }
    }

    fn post(self: &Rc<Self>, key: ConnectionKey, head: &Head<'_>, session: SessionKey, bytes: &[u8]) -> Step {
        let limit = self.shared.config.max_http_buffer_size;
        let mut core = self.core.borrow_mut();
        let reader = BodyReader::new(head.body, limit);
        let octets = |kind: &[u8]| kind.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream");
        let kind =
            if head.header("content-type").is_some_and(octets) { PayloadKind::Binary } else { PayloadKind::Text };
        core.set_state(key, HttpState::Post(Box::new(Post { session, kind, reader, body: Vec::new() })));
        core.session(session, |session, _, _, effects| session.post_begin(key, effects));
        if (kind, core.encoding(session).protocol()) == (PayloadKind::Binary, Protocol::V4) {
            core.session(session, |session, _, _, effects| session.post_invalid(key, effects));
        }
        let refused = !core.is_posting(key);
        let after = bytes.get(head.length..).unwrap_or_default();
        if !refused && let Some(body) = http::whole(head.body, after, limit) {
            drop(core);
            self.post_body(key, body);
            return Step::Used(head.length + body.len());
        }
        if !refused && head.expectation == Expectation::Continue {
            core.push(key, &Bytes::from_static(http::CONTINUE));
        }
        let deadline = core.now() + self.shared.config.limits.body_timeout;
        core.set_deadline(key, deadline);
        Step::Used(head.length)
    }
}

impl Intake {
    /// Notes how a request is to be answered. Returns how it asked to be answered, for a request of a session.
    fn begin_answer(&mut self, key: ConnectionKey, head: &Head<'_>) -> Delivery {
        let mut answer = Answer::to(head, &self.shared().config);
        if self.is_spare(key) {
            answer.delivery.connection = http::Connection::Close;
        }
        let asked = answer.delivery;
        if self.shared().is_leaving() {
            // Unless this request is a session's, the client should connect to another server for the next one.
            answer.delivery.connection = http::Connection::Close;
        }
        if let Some(http) = self.connection_mut(key).and_then(Connection::http) {
            http.answer = answer;
        }
        asked
    }

    /// Answers a request that expects what nobody can fulfil.
    fn answer_expectation(&mut self, key: ConnectionKey, head: &Head<'_>) -> Option<Step> {
        if head.expectation != Expectation::Unknown || head.upgrade {
            return None;
        }
        let delivery = self.connection(key).and_then(Connection::wanted)?.delivery;
        let answer = http::empty(Status::ExpectationFailed, delivery, &HeaderLines::EMPTY);
        Some(self.answer(key, head, &answer))
    }

    /// Answers a request for a path that nobody serves but the server itself.
    fn answer_elsewhere(&mut self, key: ConnectionKey, head: &Head<'_>) -> Step {
        if is_socket_io(head) { self.misdirected(key, head) } else { self.foreign_request(key, head) }
    }

    /// Answers a browser that asks whether its page may send a request to the endpoint.
    fn answer_preflight(&mut self, key: ConnectionKey, head: &Head<'_>) -> Option<Step> {
        let cors = self.shared().config.cors.as_ref().filter(|_| head.method == Some(Method::Options))?;
        let delivery = self.connection(key).and_then(Connection::wanted)?.delivery;
        let preflight = cors.preflight(delivery, head);
        Some(self.answer(key, head, &preflight))
    }

    /// The purpose of a request to the endpoint, if it is valid.
    pub(super) fn purpose(
        &self,
        head: &Head<'_>,
        query: &Query<'_>,
        session: Option<SessionKey>,
    ) -> Result<Purpose, Code> {
        let found = session.and_then(|session| self.client(session)?.session.found());
        let request = Request {
            method: match head.method {
                Some(Method::Get) => engineio::Method::Get,
                Some(Method::Post) => engineio::Method::Post,
                _ => engineio::Method::Other,
            },
            kind: if head.upgrade { Kind::Upgrade } else { Kind::Plain },
            query,
            origin: head.header("origin"),
        };
        engineio::check(request, &self.shared().settings, found)
    }

    /// Serves a request that the application need not be asked about now.
    fn serve(&mut self, key: ConnectionKey, head: &Head<'_>, purpose: Purpose, session: Option<SessionKey>) -> Step {
        match (purpose, session) {
            (Purpose::Poll, Some(session)) => self.poll(key, head, session),
            (Purpose::Upgrade, Some(session)) => self.upgrade(key, head, session),
            (Purpose::Dismissal, _) => self.dismiss(key, head),
            (Purpose::UnknownMethod, _) => self.answer_empty(key, head, Status::InternalServerError),
            (Purpose::Handshake, _) => self.defer_handshake(key),
            (Purpose::Poll | Purpose::Post | Purpose::Upgrade, _) => self.refuse(key, head, Code::UnknownSid, None),
        }
    }

    /// A request that is not of a Socket.IO client.
    fn foreign_request(&mut self, key: ConnectionKey, head: &Head<'_>) -> Step {
        if head.upgrade {
            let deadline = self.now() + DESTROY_UPGRADE_TIMEOUT;
            if let Some(connection) = self.connection_mut(key) {
                connection.stage = Stage::Lingering;
            }
            self.set_deadline(key, deadline);
            return Step::Over;
        }
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return Step::Over };
        let delivery = http.answer.delivery;
        match (head.path, head.method) {
            ("/", Some(Method::Get | Method::Head)) if self.shared().is_leaving() => {
                self.answer(key, head, &http::leaving(delivery))
            }
            ("/", Some(Method::Get | Method::Head)) => self.answer(key, head, &http::all_good(delivery)),
            _ => self.answer(key, head, &http::not_found(delivery)),
        }
    }

    fn poll(&mut self, key: ConnectionKey, head: &Head<'_>, session: SessionKey) -> Step {
        if !matches!(head.body, BodyLength::None | BodyLength::Length(0)) {
            self.last_answer(key, &http::empty(Status::BadRequest, Delivery::LAST, &HeaderLines::EMPTY));
            return Step::Over;
        }
        self.set_state(key, HttpState::Held(session));
        self.set_deadline(key, NEVER);
        self.session(session, |session, now, settings, effects| session.poll(now, key, settings, effects));
        Step::Used(head.length)
    }

    /// The limit that a new session would exceed now, other than those of connections. One that the program has `decided` about
    /// has been counted for the rate.
    fn no_room_for_a_session(&mut self, decided: Option<&Decided>) -> Option<Limit> {
        if self.shared().is_crowded() {
            return Some(Limit::MaxConnections);
        }
        if self.lacks_memory() {
            return Some(Limit::MemoryRefuse);
        }
        if self.keeps_all_it_may() {
            return Some(Limit::SessionsMemory);
        }
        let rate = self.shared().accept_rate_per_shard.filter(|_| decided.is_none())?;
        (!self.may_begin(rate)).then_some(Limit::AcceptRate)
    }

    fn take_unread(&mut self, key: ConnectionKey) -> Vec<u8> {
        let http = self.connection_mut(key).and_then(Connection::http);
        http.map(|http| std::mem::take(&mut http.unread)).unwrap_or_default()
    }

    /// Keeps bytes that cannot be handled yet. A request `begins` with them, or they continue one. More than a head's length
    /// behind a held GET is an attack or a mistake.
    fn keep_unread(&mut self, key: ConnectionKey, rest: &[u8], begins: bool) {
        let (most, timeout) = (self.shared().config.limits.request_head, self.head_time(key));
        let now = self.now();
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return };
        http.unread = rest.to_vec();
        match http.state {
            HttpState::Held(_) | HttpState::Waiting(_) | HttpState::Relayed(_) if rest.len() > most => {
                self.mark_closed(key, CloseCause::Error)
            }
            // The bytes include its own head.
            HttpState::Deferred(_) | HttpState::Asked(_) if rest.len() > 2 * most => {
                self.mark_closed(key, CloseCause::Error);
            }
            HttpState::Routed(_) | HttpState::Sending(_) if rest.len() > most => self.hold_up_behind_route(key),
            HttpState::Head if begins && !rest.is_empty() => self.set_deadline(key, now + timeout),
            _ => {}
        }
        self.note_unfinished(rest.len());
    }
}
