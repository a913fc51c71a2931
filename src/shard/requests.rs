//! Requests: bytes of a connection become heads and bodies, and these become handshakes, polls, posts and upgrades.

use std::rc::Rc;

use bytestring::ByteString;

use super::Shard;
use super::client::Lookup;
use super::connection::{Answer, Connection, Fate, HttpState, NEVER, Post, Role, Stage, Then, WebSocket};
use super::core::Core;
use super::handshake::Handshake;
use super::inbox::{HandOff, Letter};
use super::keys::{ConnectionKey, SessionKey};
use super::websocket::{Accept, CLOSE_FRAME, Incoming};
use crate::config::HandshakeHeaders;
use crate::engineio::{self, Code, Frames, Kind, Protocol, Purpose, Query, Request, Session, Transport, payload};
use crate::http::{
    self, BodyError, BodyLength, BodyReader, BodyStep, Coding, Delivery, Head, HeaderLines, Method, Parsed, PollAnswer,
    Status,
};
use crate::metrics::Limit;

/// How far the handling of a connection's bytes has come.
enum Step {
    /// So many bytes were used; what follows may be handled.
    Used(usize),
    /// More bytes are needed, or an answer must leave first.
    Wait,
    /// The connection is a WebSocket from here on.
    WebSocket(usize),
    /// The connection takes no more bytes here.
    Over,
}

impl Shard {
    /// Handles bytes of a connection that carries requests.
    pub(crate) fn http_bytes(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) {
        let unread = self.core.borrow_mut().take_unread(key);
        let joined;
        let mut rest = bytes;
        if !unread.is_empty() {
            joined = [&unread, bytes].concat();
            rest = &joined;
        }
        loop {
            match self.http_step(key, rest) {
                Step::Used(count) => rest = rest.get(count..).unwrap_or_default(),
                Step::Wait => return self.core.borrow_mut().keep_unread(key, rest),
                Step::WebSocket(count) => return self.websocket_bytes(key, rest.get(count..).unwrap_or_default()),
                Step::Over => return,
            }
        }
    }

    fn http_step(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) -> Step {
        let mut core = self.core.borrow_mut();
        let Some(connection) = core.connections.get_mut(key.0).filter(|connection| connection.is_listening()) else {
            return Step::Over;
        };
        let Some(http) = connection.http() else { return Step::Over };
        match &mut http.state {
            HttpState::Head if bytes.is_empty() => Step::Wait,
            HttpState::Held(_) => Step::Wait,
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
                    result => core.post_went_on(key, result),
                }
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
            Ok(Parsed::Complete(head)) => self.request(key, &head, bytes),
            Ok(Parsed::Partial) => Step::Wait,
            Err(error) => {
                log::debug!("connection {}: {error}", key.0);
                let mut core = self.core.borrow_mut();
                if error.status() == Status::RequestHeaderFieldsTooLarge {
                    core.metrics.hit(Limit::RequestHead);
                }
                core.last_answer(key, &http::empty(error.status(), Delivery::LAST, &HeaderLines::EMPTY));
                Step::Over
            }
        }
    }

    fn request(self: &Rc<Self>, key: ConnectionKey, head: &Head<'_>, bytes: &[u8]) -> Step {
        let mut core = self.core.borrow_mut();
        core.metrics.requests.one();
        let answer = Answer::to(head, &self.shared.config);
        let delivery = answer.delivery;
        if let Some(http) = core.connections.get_mut(key.0).and_then(Connection::http) {
            http.answer = answer;
        }
        if !head.path.starts_with(&self.shared.config.path) {
            return core.foreign_request(key, head);
        }
        if let (Method::Options, Some(cors)) = (head.method, &self.shared.config.cors) {
            let preflight = cors.preflight(delivery, head.text("origin"), head.text("access-control-request-headers"));
            return core.answer(key, head, &preflight);
        }
        let query = Query::parse(head.query);
        let session = match query.sid.as_deref().map_or(Lookup::Unknown, |sid| core.find_session(sid)) {
            Lookup::Elsewhere(shard) => {
                core.hand_off(key, shard, bytes);
                return Step::Over;
            }
            Lookup::Here(session) => Some(session),
            Lookup::Unknown => None,
        };
        let found = session.and_then(|session| core.sessions.get(session.0)?.session.found());
        let request = Request {
            method: match head.method {
                Method::Get => engineio::Method::Get,
                Method::Post => engineio::Method::Post,
                Method::Head | Method::Options | Method::Other => engineio::Method::Other,
            },
            kind: if head.upgrade { Kind::Upgrade } else { Kind::Plain },
            query: &query,
            origin: head.header("origin"),
        };
        match (engineio::check(request, &self.shared.settings, found), session) {
            (Err(code), _) => core.refuse(key, head, code, None),
            (Ok(Purpose::Poll), Some(session)) => core.poll(key, head, session),
            (Ok(Purpose::Post), Some(session)) => {
                drop(core);
                self.post(key, head, session, bytes)
            }
            (Ok(Purpose::Upgrade), Some(session)) => core.upgrade(key, head, session),
            (Ok(Purpose::Dismissal), _) => core.dismiss(key, head),
            (Ok(Purpose::UnknownMethod), _) => core.answer_empty(key, head, Status::InternalServerError),
            (Ok(Purpose::Handshake), _) => {
                drop(core);
                self.handshake(key, head, query.protocol)
            }
            (Ok(Purpose::Poll | Purpose::Post | Purpose::Upgrade), None) => {
                core.refuse(key, head, Code::UnknownSid, None)
            }
        }
    }

    fn handshake(self: &Rc<Self>, key: ConnectionKey, head: &Head<'_>, protocol: Protocol) -> Step {
        let Some(peer) = self.core.borrow_mut().peer(key) else { return Step::Over };
        if self.shared.application.asks_permission() {
            let full = Handshake::new(head, peer, HandshakeHeaders::Keep);
            if let Err(message) = self.shared.application.allow(&full) {
                return self.core.borrow_mut().refuse(key, head, Code::Forbidden, message.as_deref());
            }
        }
        let mut core = self.core.borrow_mut();
        if let Err(code) = engineio::check_protocol(protocol) {
            return core.refuse(key, head, code, None);
        }
        let handshake = Rc::new(Handshake::new(head, peer, self.shared.config.handshake_headers));
        if head.upgrade {
            core.open_on_websocket(key, head, protocol, handshake)
        } else {
            core.open_on_polling(key, head, protocol, handshake)
        }
    }

    fn post(self: &Rc<Self>, key: ConnectionKey, head: &Head<'_>, session: SessionKey, bytes: &[u8]) -> Step {
        let limit = self.shared.config.max_http_buffer_size;
        let mut core = self.core.borrow_mut();
        let reader = BodyReader::new(head.body, limit);
        core.set_state(key, HttpState::Post(Box::new(Post { session, reader, body: Vec::new() })));
        core.session(session, |session, _, _, effects| session.post_begin(key, effects));
        let octets = |kind: &[u8]| kind.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream");
        if head.header("content-type").is_some_and(octets) {
            core.session(session, |session, _, _, effects| session.post_invalid(key, effects));
        }
        let refused = !core.is_posting(key);
        let after = bytes.get(head.length..).unwrap_or_default();
        if !refused && let Some(body) = http::whole(head.body, after, limit) {
            drop(core);
            self.post_body(key, body);
            return Step::Used(head.length + body.len());
        }
        if !refused && head.expect_continue {
            core.push(key, &bytes::Bytes::from_static(http::CONTINUE));
        }
        let deadline = core.now + self.shared.config.limits.body_timeout;
        core.set_deadline(key, deadline);
        Step::Used(head.length)
    }

    /// Handles the packets of a POST that was read whole.
    fn post_body(self: &Rc<Self>, key: ConnectionKey, body: &[u8]) {
        let Some(session) = self.core.borrow_mut().posting(key) else { return };
        self.core.borrow_mut().session(session, |session, _, _, _| session.post_read(key));
        let text = ByteString::from(&*String::from_utf8_lossy(body));
        for packet in payload::decode(&text) {
            self.post_packet(session, key, packet, &text);
        }
        let mut core = self.core.borrow_mut();
        core.session(session, |session, _, _, effects| session.post_accept(key, effects));
        core.answer_post(key);
    }
}

impl Core {
    /// A request that is none of Engine.IO's.
    fn foreign_request(&mut self, key: ConnectionKey, head: &Head<'_>) -> Step {
        const DESTROY_UPGRADE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
        if head.upgrade {
            // Whoever asks for a protocol that is not spoken here gets silence, then the end, as on Node.
            let deadline = self.now + DESTROY_UPGRADE_TIMEOUT;
            if let Some(connection) = self.connections.get_mut(key.0) {
                connection.stage = Stage::Lingering;
            }
            self.set_deadline(key, deadline);
            return Step::Over;
        }
        let delivery = Delivery::of(head);
        match (head.path, head.method) {
            ("/", Method::Get | Method::Head) => self.answer(key, head, &http::all_good(delivery)),
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
        self.session(session, |session, now, _, effects| session.poll(now, key, effects));
        Step::Used(head.length)
    }

    fn open_on_polling(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        protocol: Protocol,
        handshake: Rc<Handshake>,
    ) -> Step {
        let opened = self.open_session(handshake, |core| Session::polling(core.now, protocol, &core.shared.settings));
        let Some(sid) = opened else {
            return self.answer_empty(key, head, Status::ServiceUnavailable);
        };
        let sid = sid.to_text();
        let open = engineio::open_packet(&sid, Transport::Polling, &self.shared.settings);
        let cookie = self.shared.config.cookie.as_ref().and_then(|cookie| cookie.render(&sid));
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return Step::Over };
        let answer =
            PollAnswer { payload: open.as_bytes(), coding: None, cors: &http.answer.cors, cookie: cookie.as_deref() };
        let answer = answer.write(http.answer.delivery);
        self.answer(key, head, &answer)
    }

    fn open_on_websocket(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        protocol: Protocol,
        handshake: Rc<Handshake>,
    ) -> Step {
        let accept = match Accept::check(head) {
            Ok(accept) => accept,
            Err(error) => {
                self.last_answer(key, &error.answer());
                return Step::Over;
            }
        };
        let opened =
            self.open_session(handshake, |core| Session::websocket(core.now, key, protocol, &core.shared.settings));
        let Some(sid) = opened else {
            self.last_answer(key, &http::empty(Status::ServiceUnavailable, Delivery::LAST, &HeaderLines::EMPTY));
            return Step::Over;
        };
        let open = engineio::open_packet(&sid.to_text(), Transport::WebSocket, &self.shared.settings);
        let frames = Frames::text(open.as_bytes());
        self.become_websocket(key, Role::Session(SessionKey(sid.slot)), &accept, frames.bytes());
        Step::WebSocket(head.length)
    }

    fn upgrade(&mut self, key: ConnectionKey, head: &Head<'_>, session: SessionKey) -> Step {
        match Accept::check(head) {
            Ok(accept) => {
                self.become_websocket(key, Role::Session(session), &accept, &[]);
                self.session(session, |session, now, settings, effects| {
                    session.websocket_opened(now, key, settings, effects);
                });
                Step::WebSocket(head.length)
            }
            Err(error) => {
                self.last_answer(key, &error.answer());
                Step::Over
            }
        }
    }

    /// A WebSocket handshake that asks for polling: granted, and closed at once.
    fn dismiss(&mut self, key: ConnectionKey, head: &Head<'_>) -> Step {
        match Accept::check(head) {
            Ok(accept) => {
                self.become_websocket(key, Role::Closing, &accept, CLOSE_FRAME);
                let deadline = self.now + self.shared.config.limits.close_timeout;
                self.set_deadline(key, deadline);
                Step::WebSocket(head.length)
            }
            Err(error) => {
                self.last_answer(key, &error.answer());
                Step::Over
            }
        }
    }

    /// Answers the handshake and makes the connection a WebSocket, with its first frames in the same write.
    fn become_websocket(&mut self, key: ConnectionKey, role: Role, accept: &Accept<'_>, frames: &[u8]) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let Some(http) = connection.http() else { return };
        let answer = [&accept.answer(&http.answer.cors), frames].concat();
        connection.stage = Stage::WebSocket(WebSocket { incoming: Incoming::default(), role });
        connection.deadline = NEVER;
        self.push(key, &answer.into());
    }

    fn refuse(&mut self, key: ConnectionKey, head: &Head<'_>, code: Code, message: Option<&str>) -> Step {
        let message = message.unwrap_or(code.message());
        log::debug!("connection {}: refused: {message}", key.0);
        self.metrics.refused.one();
        if head.upgrade {
            self.last_answer(key, &http::refusal(message));
            return Step::Over;
        }
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return Step::Over };
        let answer = http::error(http.answer.delivery, &http.answer.cors, code as u8, message);
        self.answer(key, head, &answer)
    }

    /// Answers a request without a body in the answer.
    fn answer_empty(&mut self, key: ConnectionKey, head: &Head<'_>, status: Status) -> Step {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return Step::Over };
        let answer = http::empty(status, http.answer.delivery, &http.answer.cors);
        self.answer(key, head, &answer)
    }

    /// Answers a request whose body, if it has one, nobody wants.
    fn answer(&mut self, key: ConnectionKey, head: &Head<'_>, answer: &bytes::Bytes) -> Step {
        if !matches!(head.body, BodyLength::None | BodyLength::Length(0)) {
            let reader = BodyReader::new(head.body, self.shared.config.max_http_buffer_size);
            self.set_state(key, HttpState::Discard(Box::new(reader)));
        }
        self.push(key, answer);
        self.answered(key);
        Step::Used(head.length)
    }

    /// Answers and closes: where the next request would begin is unknown, or not to be known.
    pub(crate) fn last_answer(&mut self, key: ConnectionKey, answer: &bytes::Bytes) {
        self.push(key, answer);
        self.finish(key, Then::Linger);
    }

    /// Answers a held GET.
    pub(crate) fn answer_poll(&mut self, key: ConnectionKey, frames: &[Frames]) {
        let config = &self.shared.config;
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        let mut payload = payload::encode(frames);
        let mut coding = None;
        if config.http_compression
            && payload.len() >= config.compression_threshold
            && frames.iter().any(Frames::may_compress)
            && let Some(wanted) = http.answer.coding
            && let Ok(compressed) = wanted.compress(&payload)
        {
            payload = compressed;
            coding = Some(wanted);
        }
        let answer = PollAnswer { payload: &payload, coding, cors: &http.answer.cors, cookie: None };
        let answer = answer.write(http.answer.delivery);
        http.state = HttpState::Head;
        self.push(key, &answer);
        self.answered(key);
    }

    /// Answers a POST with `ok`, unless it has been answered.
    pub(crate) fn answer_post(&mut self, key: ConnectionKey) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        if !matches!(http.state, HttpState::Post(_)) {
            return;
        }
        let answer = http::post_ok(http.answer.delivery, &http.answer.cors);
        http.state = HttpState::Head;
        self.push(key, &answer);
        self.answered(key);
    }

    /// Answers a GET or a POST with 400 and nothing else; what is left of a POST is read and dropped.
    pub(crate) fn refuse_empty(&mut self, key: ConnectionKey) {
        self.answer_and_drop(key, Status::BadRequest);
    }

    fn answer_and_drop(&mut self, key: ConnectionKey, status: Status) {
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
    fn answered(&mut self, key: ConnectionKey) {
        let (keep_alive, body_timeout) = (self.shared.config.limits.keep_alive, self.shared.config.limits.body_timeout);
        let now = self.now;
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        let discarding = matches!(http.state, HttpState::Discard(_));
        if http.answer.delivery.connection == http::Connection::Close {
            self.finish(key, Then::Linger);
            return;
        }
        if !http.unread.is_empty() {
            self.resumed.push(key);
        }
        self.set_deadline(key, now + if discarding { body_timeout } else { keep_alive });
    }

    fn discarded(&mut self, key: ConnectionKey, result: Result<(usize, BodyStep), BodyError>) -> Step {
        match result {
            Ok((used, BodyStep::Done)) => {
                self.set_state(key, HttpState::Head);
                let deadline = self.now + self.shared.config.limits.keep_alive;
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

    fn post_went_on(&mut self, key: ConnectionKey, result: Result<(usize, BodyStep), BodyError>) -> Step {
        let Some(session) = self.posting(key) else { return Step::Over };
        match result {
            Ok((used, BodyStep::TooLarge)) => {
                self.metrics.hit(Limit::MaxHttpBufferSize);
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

    /// The session whose POST is being read.
    pub(crate) fn posting(&mut self, key: ConnectionKey) -> Option<SessionKey> {
        match &self.connections.get_mut(key.0)?.http()?.state {
            HttpState::Post(post) => Some(post.session),
            _ => None,
        }
    }

    fn is_posting(&mut self, key: ConnectionKey) -> bool {
        self.posting(key).is_some()
    }

    fn peer(&mut self, key: ConnectionKey) -> Option<std::net::SocketAddr> {
        Some(self.connections.get_mut(key.0)?.http()?.peer)
    }

    pub(crate) fn set_state(&mut self, key: ConnectionKey, state: HttpState) {
        if let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) {
            http.state = state;
        }
    }

    /// Sets when the connection's state must have ended.
    pub(crate) fn set_deadline(&mut self, key: ConnectionKey, deadline: crate::engineio::Millis) {
        if let Some(connection) = self.connections.get_mut(key.0) {
            connection.deadline = deadline;
            self.arm_connection(key);
        }
    }

    fn take_unread(&mut self, key: ConnectionKey) -> Vec<u8> {
        let http = self.connections.get_mut(key.0).and_then(Connection::http);
        http.map(|http| std::mem::take(&mut http.unread)).unwrap_or_default()
    }

    /// Keeps bytes that cannot be handled yet. More than a head's worth behind a held GET is an attack or a mistake.
    fn keep_unread(&mut self, key: ConnectionKey, rest: &[u8]) {
        let (most, timeout) = (self.shared.config.limits.request_head, self.shared.config.limits.header_timeout);
        let now = self.now;
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        let began = http.unread.is_empty() && !rest.is_empty();
        http.unread = rest.to_vec();
        match http.state {
            HttpState::Held(_) if rest.len() > most => self.doom(key, Fate::Error),
            HttpState::Head if began => self.set_deadline(key, now + timeout),
            _ => {}
        }
    }

    /// Hands the connection to the shard that has the session its next request names.
    fn hand_off(&mut self, key: ConnectionKey, shard: usize, unread: &[u8]) {
        let Some(peer) = self.peer(key) else { return };
        // Answers to earlier requests of the connection must not stay behind.
        self.flush(key);
        let Some(mut connection) = self.connections.remove(key.0) else { return };
        self.metrics.connections.set(self.connections.len() as u64);
        if connection.outbox.is_some() || connection.batch.is_some() {
            // A client that sends requests and does not read the answers.
            self.shared.connection_closed();
            return;
        }
        if let Err(error) = self.registry.deregister(&mut connection.stream) {
            log::debug!("connection {}: {error}", key.0);
        }
        let letter = HandOff { stream: connection.stream.into(), peer, unread: unread.to_vec() };
        if let Some(mailbox) = self.shared.mailboxes.get(shard) {
            mailbox.send(Letter::Connection(Box::new(letter)));
        }
    }
}

impl Answer {
    /// How the request wants its answer.
    fn to(head: &Head<'_>, config: &crate::config::Config) -> Self {
        let mut cors = HeaderLines::EMPTY;
        if let Some(settings) = &config.cors {
            settings.headers(head.text("origin"), &mut cors);
        }
        let coding = head.text("accept-encoding").and_then(Coding::accepted);
        Self { delivery: Delivery::of(head), cors, coding }
    }
}
