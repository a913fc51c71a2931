//! Clients' packets: from Engine.IO messages to their meaning in Socket.IO.

use std::rc::Rc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::engineio::{Inbound, Message, Packet as EnginePacket, ParseError, Route, Transport};
use crate::log_line::Excerpt;
use crate::metrics::Limit;
use crate::shard::Shard;
use crate::shard::input::Intake;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{ConnectionKey, SessionKey, SessionRef, SocketRef};
use crate::socketio::{self, DecodeError, DisconnectReason, Packet, Parser, v4};

impl Shard {
    /// Handles a text packet of a session, and runs the calls that follow from it. Returns whether the session leaves with it
    /// for another instance, where what comes behind it goes, too.
    pub(super) fn text_packet(self: &Rc<Self>, session: SessionKey, from: ConnectionKey, text: &ByteString) -> bool {
        let mut core = self.core.borrow_mut();
        let packet = core.encoding(session).decode_text(text);
        let is_message = core.decoded_packet(session, from, packet, Some(text), Settling::Over);
        let leaves = !is_message && core.is_moving(from);
        drop(core);
        self.run_calls();
        leaves
    }

    /// Handles one packet of a POST, and runs the calls that follow from it. `whole` is the POST's body if that is text.
    pub(super) fn post_packet(
        self: &Rc<Self>,
        session: SessionKey,
        from: ConnectionKey,
        packet: Result<EnginePacket<'_>, ParseError>,
        whole: Option<&ByteString>,
    ) {
        self.core.borrow_mut().decoded_packet(session, from, packet, whole, Settling::Possible);
        self.run_calls();
    }

    /// A session has settled: handles the messages that were kept meanwhile, in order.
    pub(in crate::shard) fn handle_kept(self: &Rc<Self>, session: SessionRef) {
        let kept = self.core.borrow_mut().take_kept(session);
        for message in kept {
            self.core.borrow_mut().kept_message(session, message);
            self.run_calls();
        }
    }

    /// Handles a binary WebSocket message of a session, and runs the calls that follow from it.
    pub(super) fn binary_packet(self: &Rc<Self>, session: SessionKey, from: ConnectionKey, data: &Bytes) {
        let mut core = self.core.borrow_mut();
        let packet = core.encoding(session).decode_binary(data);
        core.decoded_packet(session, from, packet, None, Settling::Over);
        drop(core);
        self.run_calls();
    }
}

/// Whether a session may still settle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settling {
    /// Its packets come by POST, and may have to be kept.
    Possible,
    Over,
}

impl Intake {
    /// A packet came. `whole` is the text that it was decoded from. Returns whether it was a message.
    fn decoded_packet(
        &mut self,
        session: SessionKey,
        from: ConnectionKey,
        packet: Result<EnginePacket<'_>, ParseError>,
        whole: Option<&ByteString>,
        settling: Settling,
    ) -> bool {
        let Some(inbound) = self.engine_packet(session, from, packet) else { return false };
        let inbound = if settling == Settling::Over { Some(inbound) } else { self.unless_kept(session, inbound) };
        if let Some(inbound) = inbound {
            self.message(session, inbound, whole);
        }
        true
    }

    /// A packet of Engine.IO came. Returns the message in it, if it is one for the layer above.
    #[inline]
    fn engine_packet<'a>(
        &mut self,
        key: SessionKey,
        from: ConnectionKey,
        packet: Result<EnginePacket<'a>, ParseError>,
    ) -> Option<Inbound<'a>> {
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => {
                log::debug!("{}: {}", self.name_session(key), Excerpt(&error));
                self.session(key, |session, _, _, effects| session.bad_packet(from, effects));
                return None;
            }
        };
        if packet == EnginePacket::Upgrade && self.is_polling(key) && self.websocket(from).is_some() {
            if self.is_exchange(from) && self.moves_away(key, from) {
                return None;
            }
            self.metrics().upgrades.one();
            self.end_wait(key);
        }
        let inbound =
            self.act(key, |session, now, settings, effects| session.receive(now, from, packet, settings, effects));
        let inbound = inbound??;
        self.metrics().received.one();
        Some(inbound)
    }

    /// Handles a message that was kept.
    fn kept_message(&mut self, session: SessionRef, message: Message) {
        let is_there = self.session_ref(session.key) == Some(session);
        let Some(client) = self.client(session.key).filter(|_| is_there) else { return };
        match message {
            // A session that has closed meanwhile hears nothing more.
            _ if client.session.route() == Route::Gone => {}
            Message::Text(text) => self.message(session.key, Inbound::Text(&text), Some(&text)),
            Message::Binary(data) => self.message(session.key, Inbound::Binary(data), None),
        }
    }

    /// A message of Engine.IO. `whole` is the text that it was decoded from.
    fn message(&mut self, key: SessionKey, inbound: Inbound<'_>, whole: Option<&ByteString>) {
        if self.shared().directory.is_bare() {
            self.bare_message(key, inbound, whole);
            return;
        }
        let (limits, parser) = (self.shared().decode_limits, self.shared().config.parser);
        let Some(client) = self.client_mut(key) else { return };
        let length = inbound.len();
        let decoded = match inbound {
            // The decoder would take it for a CONNECT. The Node server ignores it.
            Inbound::Text("") => Err(DecodeError::InvalidPayload),
            Inbound::Text(_) if parser == Parser::MessagePack => Err(DecodeError::Json),
            Inbound::Binary(data) if parser == Parser::MessagePack => {
                socketio::decode_message_pack(&data, &limits).map(Some)
            }
            Inbound::Text(text) => client.decoder.text(text, whole, &limits),
            Inbound::Binary(data) => client.decoder.binary(data, &limits),
        };
        match decoded {
            Ok(Some(packet)) => {
                let packet = if self.is_v3(key) { v4::without_query(packet) } else { packet };
                self.packet(key, packet);
            }
            Ok(None) => self.note_unfinished(length),
            Err(error) => self.undecodable(key, error),
        }
    }

    fn is_polling(&self, key: SessionKey) -> bool {
        let found = self.client(key).and_then(|client| client.session.found());
        found.is_some_and(|found| found.transport == Transport::Polling)
    }

    fn bare_message(&mut self, key: SessionKey, inbound: Inbound<'_>, whole: Option<&ByteString>) {
        let message = match inbound {
            Inbound::Text(text) => Message::Text(socketio::share(text, whole)),
            Inbound::Binary(data) => Message::Binary(data),
        };
        if let Some(session) = self.session_ref(key) {
            self.call(Call::Message { session, message });
        }
    }

    fn packet(&mut self, session: SessionKey, packet: Packet) {
        match packet {
            Packet::Connect { namespace, auth } => self.connect(session, &namespace, auth),
            Packet::Event { namespace, id, event } => match self.joined(session, &namespace) {
                Some(socket) => {
                    if let Some(event) = event {
                        self.call(Call::Event { socket, event, ack: id });
                    }
                }
                None => self.violation(session, "an event for a namespace not joined"),
            },
            Packet::Ack { namespace, id, arguments } => match self.joined(session, &namespace) {
                Some(socket) => {
                    if let Some(id) = id {
                        let none = || socketio::Arguments::unnamed("[]".into(), Box::default());
                        self.acknowledged(socket, id, arguments.unwrap_or_else(none));
                    }
                }
                None => self.violation(session, "an acknowledgement for a namespace not joined"),
            },
            Packet::Disconnect { namespace } => match self.joined(session, &namespace) {
                Some(socket) => self.leave(socket, DisconnectReason::ClientNamespaceDisconnect),
                None => self.violation(session, "a disconnect from a namespace not joined"),
            },
            Packet::ConnectError { .. } => self.violation(session, "a CONNECT_ERROR from a client"),
        }
    }

    /// The socket that a session has in a namespace. A session has few sockets, so comparing their names is faster than a
    /// look-up.
    fn joined(&self, session: SessionKey, namespace: &str) -> Option<SocketRef> {
        let mut next = self.client(session)?.sockets.get();
        loop {
            let key = next?;
            let socket = self.state(key)?;
            if socket.phase == SocketPhase::Connected && self.namespace_name(socket.namespace) == namespace {
                return Some(SocketRef { key, random: socket.random });
            }
            next = socket.next;
        }
    }

    /// A packet that cannot be decoded ends the session.
    fn undecodable(&mut self, session: SessionKey, error: DecodeError) {
        log::debug!("{}: {}", self.name_session(session), Excerpt(&error));
        match error {
            DecodeError::TooManyAttachments => self.metrics().hit(Limit::Attachments),
            DecodeError::TooDeep => self.metrics().hit(Limit::JsonDepth),
            DecodeError::MessagePack => self.refuse_message_pack(session),
            DecodeError::Json => self.refuse_json(),
            _ => {}
        }
        self.session(session, |session, now, settings, effects| session.close(now, settings, effects));
    }

    /// Ends a session whose packet still misses attachments. Each heartbeat checks this.
    pub(in crate::shard) fn check_attachments(&mut self, session: SessionKey) {
        let (now, patience) = (self.now(), self.shared().config.limits.body_timeout);
        let Some(client) = self.client(session) else { return };
        let route = client.session.route();
        if let Route::WebSocket(connection) | Route::Translated(connection, _) = route
            && self.is_unread(connection)
            && let Some(client) = self.client_mut(session)
        {
            // They may have come, and not be read yet.
            return client.decoder.wait_anew();
        }
        let Some(client) = self.client_mut(session) else { return };
        if client.decoder.is_overdue(now, patience) {
            log::debug!("{}: attachments are missing for too long", self.name_session(session));
            self.metrics().hit(Limit::BodyTimeout);
            self.session(session, |session, now, settings, effects| session.close(now, settings, effects));
        }
    }
}
