//! Handshakes: requests that open a session, or bring a WebSocket to one.

use std::sync::Arc;

use crate::engineio::{self, Encoding, Frames, PayloadKind, Session, Transport};
use crate::http::{self, Accept, Delivery, Head, HeaderLines, PollAnswer};
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{Connection, Role, Stage, WebSocket};
use crate::shard::sessions::handshake::Handshake;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::shard::store::timers::NEVER;
use crate::websocket::{CLOSE_FRAME, Incoming};

impl Intake {
    pub(in crate::shard::input) fn open_on_polling(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        encoding: Encoding,
        handshake: Arc<Handshake>,
    ) -> Step {
        let opened =
            self.open_session(handshake, |core| Session::polling(core.now(), encoding, &core.shared().settings));
        let sid = match opened {
            Ok(sid) => sid,
            Err(status) => return self.answer_empty(key, head, status),
        };
        self.greet(SessionKey(sid.slot));
        let sid = sid.to_text();
        let open = engineio::open_packet(&sid, Transport::Polling, &self.shared().settings);
        let payload = match encoding {
            Encoding::V4 => open.into_bytes(),
            Encoding::V3 | Encoding::V3Base64 => encoding.payload(&[Frames::text(open.as_bytes())]).0,
        };
        let cookie = self.shared().config.cookie.as_ref().and_then(|cookie| cookie.render(&sid));
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return Step::Over };
        let answer = PollAnswer {
            payload: &payload,
            kind: PayloadKind::Text,
            coding: None,
            cors: &http.answer.cors,
            cookie: cookie.as_deref(),
        };
        let answer = answer.write(http.answer.delivery);
        self.answer(key, head, &answer)
    }

    pub(in crate::shard::input) fn open_on_websocket(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        encoding: Encoding,
        handshake: Arc<Handshake>,
    ) -> Step {
        let accept = match Accept::check(head) {
            Ok(accept) => accept,
            Err(error) => {
                self.last_answer(key, &error.answer());
                return Step::Over;
            }
        };
        let opened =
            self.open_session(handshake, |core| Session::websocket(core.now(), key, encoding, &core.shared().settings));
        let sid = match opened {
            Ok(sid) => sid,
            Err(status) => {
                self.last_answer(key, &http::empty(status, Delivery::LAST, &HeaderLines::EMPTY));
                return Step::Over;
            }
        };
        self.greet(SessionKey(sid.slot));
        let open = engineio::open_packet(&sid.to_text(), Transport::WebSocket, &self.shared().settings);
        let frames = Frames::text(open.as_bytes());
        let role = Role::Session(SessionKey(sid.slot));
        match encoding {
            Encoding::V4 => self.become_websocket(key, role, &accept, frames.bytes()),
            Encoding::V3 | Encoding::V3Base64 => {
                self.become_websocket(key, role, &accept, &[]);
                self.send_apart(key, frames.bytes());
            }
        }
        Step::WebSocket(head.length)
    }

    pub(in crate::shard::input) fn upgrade(
        &mut self,
        key: ConnectionKey,
        head: &Head<'_>,
        session: SessionKey,
    ) -> Step {
        match Accept::check(head) {
            Ok(accept) => {
                self.become_websocket(key, Role::Session(session), &accept, &[]);
                self.session(session, |session, now, settings, effects| {
                    session.websocket_opened(now, key, settings, effects);
                });
                self.settle_with_upgrade(session);
                self.let_post_go_on(session);
                Step::WebSocket(head.length)
            }
            Err(error) => {
                self.last_answer(key, &error.answer());
                Step::Over
            }
        }
    }

    /// Accepts a WebSocket handshake that asks for polling, and closes at once.
    pub(in crate::shard::input) fn dismiss(&mut self, key: ConnectionKey, head: &Head<'_>) -> Step {
        match Accept::check(head) {
            Ok(accept) => {
                self.become_websocket(key, Role::Closing, &accept, CLOSE_FRAME);
                let deadline = self.now() + self.shared().config.limits.close_timeout;
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
        let Some(connection) = self.connection_mut(key) else { return };
        let Some(http) = connection.http() else { return };
        let answer = [&accept.answer(&http.answer.cors), frames].concat();
        connection.stage = Stage::WebSocket(WebSocket { incoming: Incoming::default(), role });
        connection.deadline = NEVER;
        self.push_own(key, answer.into());
    }
}
