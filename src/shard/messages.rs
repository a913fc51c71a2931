//! WebSockets: bytes of a connection become messages, and these become packets of its session.

use std::rc::Rc;

use bytes::Bytes;

use super::Shard;
use super::allowance::Verdict;
use super::application::SessionRef;
use super::connection::{Connection, Role, Stage, Then, WebSocket};
use super::core::Core;
use super::keys::ConnectionKey;
use super::websocket::{CLOSE_FRAME, Incoming, Input, WebSocketError, close_frame};
use crate::engineio::Lost;
use crate::metrics::Limit;

impl Shard {
    /// Handles bytes of a WebSocket.
    pub(crate) fn websocket_bytes(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) {
        let Some(mut incoming) = self.core.borrow_mut().take_incoming(key) else { return };
        let mut receiver = self.receiver.borrow_mut();
        let mut feed = receiver.feed(&mut incoming, bytes);
        let mut reply = Vec::new();
        let mut verdict = self.core.borrow_mut().charge_websocket(key, 0, bytes.len());
        while let Some(step) = feed.next(&mut reply) {
            // What one message led to may have ended the connection, or the session's interest in it.
            let Some(role) = self.core.borrow_mut().role(key) else { break };
            self.core.borrow_mut().reply(key, role, &mut reply);
            match (step, role) {
                (Ok(Input::Text(text)), Role::Session(session)) => self.text_packet(session, key, &text),
                (Ok(Input::Binary(data)), Role::Session(session)) => self.binary_packet(session, key, &data),
                (Ok(Input::Text(_) | Input::Binary(_)), Role::Closing) => {}
                (Ok(Input::Close(_)), role) => self.core.borrow_mut().websocket_closed(key, role),
                (Err(error), role) => self.core.borrow_mut().websocket_failed(key, role, &error),
            }
            verdict = self.core.borrow_mut().charge_websocket(key, 1, 0);
            if verdict != Verdict::GoOn {
                break;
            }
        }
        drop(feed);
        let role = self.core.borrow_mut().role(key);
        if let Some(role) = role {
            self.core.borrow_mut().reply(key, role, &mut reply);
        }
        self.core.borrow_mut().keep_incoming(key, incoming, bytes.len());
        self.core.borrow_mut().websocket_judged(key, verdict);
        self.run_calls();
    }

    /// Goes on with a WebSocket whose client was held up: with what was read of it, then with what it has sent since.
    fn resume_websocket(self: &Rc<Self>, key: ConnectionKey, session: SessionRef) {
        let core = self.core.borrow();
        if core.session_ref(session.key) != Some(session) || core.is_held_up(session.key) {
            return;
        }
        drop(core);
        self.served(key, |shard| shard.websocket_bytes(key, &[]));
        self.read_again(key);
    }
}

impl Core {
    /// Sends a close frame without a code behind what is queued, and waits for the peer's.
    pub(crate) fn shut_websocket(&mut self, key: ConnectionKey) {
        self.push(key, &Bytes::from_static(CLOSE_FRAME));
        let Some(websocket) = self.websocket(key) else { return };
        websocket.role = Role::Closing;
        let deadline = self.now + self.shared.config.limits.close_timeout;
        self.set_deadline(key, deadline);
    }

    /// Sends pongs and the echo of a close frame; behind our own close frame nothing may follow.
    fn reply(&mut self, key: ConnectionKey, role: Role, reply: &mut Vec<u8>) {
        let reply = std::mem::take(reply);
        if !reply.is_empty() && role != Role::Closing {
            self.push_own(key, reply.into());
        }
    }

    /// The peer closed the WebSocket; its close frame has been echoed, unless it was the echo of ours.
    fn websocket_closed(&mut self, key: ConnectionKey, role: Role) {
        self.let_go(key, role, Lost::Closed);
        self.finish(key, Then::Linger);
    }

    /// The peer broke the rules.
    fn websocket_failed(&mut self, key: ConnectionKey, role: Role, error: &WebSocketError) {
        log::debug!("connection {}: {error}", key.0);
        match error {
            WebSocketError::TooLarge(_) => self.metrics.hit(Limit::MaxHttpBufferSize),
            WebSocketError::TooManyFragments(_) => self.metrics.hit(Limit::Fragments),
            WebSocketError::NotUtf8 | WebSocketError::Protocol(_) | WebSocketError::TooFast => {}
        }
        if role != Role::Closing {
            self.push(key, &Bytes::copy_from_slice(&close_frame(error.code())));
        }
        self.let_go(key, role, Lost::Error);
        self.finish(key, Then::Linger);
    }

    /// So much came on a WebSocket: what is to be done with its client.
    fn charge_websocket(&mut self, key: ConnectionKey, messages: usize, bytes: usize) -> Verdict {
        if self.shared.rates.is_none() {
            return Verdict::GoOn;
        }
        match self.role(key) {
            Some(Role::Session(session)) => self.charge(session, messages, bytes),
            Some(Role::Closing) | None => Verdict::GoOn,
        }
    }

    fn websocket_judged(&mut self, key: ConnectionKey, verdict: Verdict) {
        if verdict == Verdict::GoOn {
            return;
        }
        let Some(role @ Role::Session(session)) = self.role(key) else { return };
        match (verdict, self.session_ref(session)) {
            (Verdict::HoldUp(until, _), Some(session)) => {
                self.arm_alarm(until, move |shard| shard.resume_websocket(key, session));
            }
            (Verdict::Close(_), _) => self.websocket_failed(key, role, &WebSocketError::TooFast),
            (Verdict::HoldUp(..), None) | (Verdict::GoOn, _) => {}
        }
    }

    /// Whether nothing is to be read from a connection now: its client is held up.
    pub(crate) fn is_left_unread(&mut self, key: ConnectionKey) -> bool {
        self.shared.rates.is_some()
            && matches!(self.role(key), Some(Role::Session(session)) if self.is_held_up(session))
    }

    pub(crate) fn let_go(&mut self, key: ConnectionKey, role: Role, lost: Lost) {
        if let Some(websocket) = self.websocket(key) {
            websocket.role = Role::Closing;
        }
        if let Role::Session(session) = role {
            self.session(session, |session, _, _, effects| session.websocket_lost(key, lost, effects));
        }
    }

    pub(crate) fn websocket(&mut self, key: ConnectionKey) -> Option<&mut WebSocket> {
        match &mut self.connections.get_mut(key.0)?.stage {
            Stage::WebSocket(websocket) => Some(websocket),
            Stage::Http(_) | Stage::Lingering => None,
        }
    }

    /// Whose WebSocket it is, while its bytes mean anything.
    fn role(&mut self, key: ConnectionKey) -> Option<Role> {
        self.connections.get(key.0).filter(|connection| connection.is_listening())?;
        self.websocket(key).map(|websocket| websocket.role)
    }

    fn take_incoming(&mut self, key: ConnectionKey) -> Option<Incoming> {
        self.connections.get(key.0).filter(|connection: &&Connection| connection.is_listening())?;
        self.websocket(key).map(|websocket| std::mem::take(&mut websocket.incoming))
    }

    /// Keeps what is left after `read` bytes more.
    fn keep_incoming(&mut self, key: ConnectionKey, incoming: Incoming, read: usize) {
        if incoming.held() > 0 {
            self.kept += read;
        }
        if let Some(websocket) = self.websocket(key) {
            websocket.incoming = incoming;
        }
    }
}
