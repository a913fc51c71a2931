//! WebSockets: bytes of a connection become messages, and these become packets of its session.

use std::rc::Rc;

use bytes::Bytes;

use crate::engineio::Lost;
use crate::log_line::Excerpt;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::net::connection::{Connection, Role, Then};
use crate::shard::store::keys::ConnectionKey;
use crate::websocket::{Incoming, Input, WebSocketError, close_frame};

impl Shard {
    /// Handles bytes of a WebSocket.
    pub(super) fn websocket_bytes(self: &Rc<Self>, key: ConnectionKey, bytes: &[u8]) {
        let Some(mut incoming) = self.core.borrow_mut().take_incoming(key) else {
            // What its session's instance is to read is not looked at here.
            return self.core.borrow_mut().send_up(key, bytes);
        };
        let mut receiver = self.receiver.borrow_mut();
        let mut feed = receiver.feed(&mut incoming, bytes);
        let mut reply = Vec::new();
        self.core.borrow_mut().charge_websocket(key, 0, bytes.len());
        let (mut had_its_turn, mut leaves) = (false, false);
        while let Some(step) = feed.next(&mut reply) {
            // A message may have ended the connection, or its role in the session.
            let Some(role) = self.core.borrow_mut().role(key) else { break };
            self.core.borrow_mut().reply(key, role, &step, &mut reply);
            match (step, role) {
                (Ok(Input::Text(text)), Role::Session(session)) => leaves = self.text_packet(session, key, &text),
                (Ok(Input::Binary(data)), Role::Session(session)) => self.binary_packet(session, key, &data),
                (Ok(Input::Text(_) | Input::Binary(_)), Role::Closing) | (Ok(Input::Control), _) => {}
                (Ok(Input::Close(_)), role) => self.core.borrow_mut().websocket_closed(key, role),
                (Err(error), role) => self.core.borrow_mut().websocket_failed(key, role, &error),
            }
            had_its_turn = self.has_had_its_turn();
            let mut core = self.core.borrow_mut();
            core.charge_websocket(key, 1, 0);
            if had_its_turn || leaves || core.is_to_be_held_up(key) {
                break;
            }
        }
        drop(feed);
        let mut core = self.core.borrow_mut();
        core.keep_incoming(key, incoming, bytes.len());
        if core.is_to_be_held_up(key) {
            core.hold_up_or_close(key);
        } else if had_its_turn {
            core.line_up(key);
        }
        drop(core);
        drop(receiver);
        self.run_calls();
    }
}

impl Intake {
    /// Sends the answer to a frame: a pong, whose order among messages does not matter, or the echo of a close frame. Nothing
    /// may follow our own close frame.
    fn reply(&mut self, key: ConnectionKey, role: Role, step: &Result<Input, WebSocketError>, reply: &mut Vec<u8>) {
        if reply.is_empty() {
            return;
        }
        let reply = std::mem::take(reply).into();
        match (step, role) {
            (_, Role::Closing) => {}
            (Ok(Input::Control), Role::Session(_)) => self.push_beat(key, &reply),
            (_, Role::Session(_)) => self.push_own(key, reply),
        }
    }

    /// The peer closed the WebSocket; its close frame has been echoed, unless it was the echo of ours.
    fn websocket_closed(&mut self, key: ConnectionKey, role: Role) {
        self.let_go(key, role, Lost::Closed);
        self.finish(key, Then::Linger);
    }

    /// The peer broke the rules.
    fn websocket_failed(&mut self, key: ConnectionKey, role: Role, error: &WebSocketError) {
        log::debug!("connection {}: {}", key.0, Excerpt(error));
        match error {
            WebSocketError::TooLarge(_) => self.metrics().hit(Limit::MaxHttpBufferSize),
            WebSocketError::TooManyFragments(_) => self.metrics().hit(Limit::Fragments),
            WebSocketError::NotUtf8 | WebSocketError::Protocol(_) | WebSocketError::TooFast(_) => {}
        }
        if role != Role::Closing {
            self.push(key, &Bytes::copy_from_slice(&close_frame(error.code())));
        }
        self.let_go(key, role, Lost::Error);
        self.finish(key, Then::Linger);
    }

    /// Charges a WebSocket's client for input. Whether to hold it up is checked later.
    fn charge_websocket(&mut self, key: ConnectionKey, messages: usize, bytes: usize) {
        if self.shared().rates.is_some()
            && let Some(Role::Session(session)) = self.role(key)
        {
            self.charge(session, messages, bytes);
        }
    }

    /// Stops reading a WebSocket for now, or closes it if its client keeps sending more than it may without a pause.
    fn hold_up_or_close(&mut self, key: ConnectionKey) {
        match self.goes_on_too_long(key).zip(self.role(key)) {
            Some((limit, role)) => self.websocket_failed(key, role, &WebSocketError::TooFast(limit)),
            None => self.hold_up(key),
        }
    }

    pub(in crate::shard) fn let_go(&mut self, key: ConnectionKey, role: Role, lost: Lost) {
        if let Some(websocket) = self.websocket(key) {
            websocket.role = Role::Closing;
        }
        if let Role::Session(session) = role {
            self.session(session, |session, _, _, effects| session.websocket_lost(key, lost, effects));
            self.websocket_gone(session);
        }
    }

    /// The role of a WebSocket, while its bytes still matter.
    fn role(&mut self, key: ConnectionKey) -> Option<Role> {
        self.connection(key).filter(|connection| connection.is_listening())?;
        self.websocket(key).map(|websocket| websocket.role)
    }

    fn take_incoming(&mut self, key: ConnectionKey) -> Option<Incoming> {
        self.connection(key).filter(|connection: &&Connection| connection.is_listening())?;
        self.websocket(key).map(|websocket| std::mem::take(&mut websocket.incoming))
    }

    /// Keeps an unfinished message after `read` further bytes.
    fn keep_incoming(&mut self, key: ConnectionKey, incoming: Incoming, read: usize) {
        let is_kept = incoming.held() > 0;
        if let Some(websocket) = self.websocket(key) {
            websocket.incoming = incoming;
        } else {
            return self.send_session(key, incoming.unread());
        }
        if is_kept {
            self.note_unfinished(read);
        }
    }
}
