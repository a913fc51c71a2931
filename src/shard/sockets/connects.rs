//! Answers to CONNECT. Sessions of 2.x clients (Engine.IO 3) join `/` without one, and get answers in their protocol.

use std::sync::Arc;

use bytestring::ByteString;

use crate::engineio::Sid;
use crate::metrics::Limit;
use crate::shard::shared::target::Urgency;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::sockets::state::SocketPhase;
use crate::shard::store::keys::{NamespaceKey, SessionKey};
use crate::socketio::SocketId;

impl Sockets {
    /// Joins a new session to `/`, if its client expects that of the server. Without namespaces, a session need not join one in
    /// time.
    pub(in crate::shard) fn greet(&mut self, session: SessionKey) {
        if self.shared().directory.is_bare() {
            self.session(session, |session, _, _, _| session.joined());
        } else if self.is_v3(session) {
            self.connect(session, "/", None);
        }
    }

    /// Tells a client that it has joined a namespace, and its private id there if it may come back.
    pub(super) fn send_connect(
        &mut self,
        session: SessionKey,
        namespace: NamespaceKey,
        id: &SocketId,
        pid: Option<Sid>,
    ) {
        let name = self.namespace_name(namespace);
        let pid = pid.map(Sid::to_text);
        let parser = self.shared().config.parser;
        let answer =
            if self.is_v3(session) { parser.connect_v4(name) } else { parser.connect(name, id, pid.as_deref()) };
        self.send_to_session(session, &answer, Urgency::Reliable);
    }

    /// Refuses a client a namespace that exists. `data` is the text of a JSON value.
    pub(super) fn send_connect_error(&mut self, session: SessionKey, name: &str, message: &str, data: Option<&str>) {
        let parser = self.shared().config.parser;
        let error = if self.is_v3(session) {
            parser.connect_error_v4(name, message, data)
        } else {
            parser.connect_error(name, message, data)
        };
        self.send_to_session(session, &error, Urgency::Reliable);
    }

    pub(in crate::shard) fn connect(&mut self, session: SessionKey, name: &str, auth: Option<ByteString>) {
        let Some(namespace) = self.namespace(name) else { return self.ask_namespace(session, name, auth) };
        if self.socket_in(session, namespace).is_some_and(|(_, phase)| phase != SocketPhase::Leaving) {
            self.violation(session, "a second CONNECT to one namespace");
            return;
        }
        if self.has_no_room_for_a_socket(session, name, self.socket_cost(namespace), auth.as_ref()) {
            return;
        }
        // The text shares the buffer of its message; a copy does not keep that buffer alive.
        let auth = auth.map(|auth| Arc::from(&*auth));
        match self.create_socket(session, namespace, auth) {
            Some(socket) => self.calls.push_back(Call::Connect(socket)),
            None => self.send_connect_error(session, name, "no more sockets can be made", None),
        }
    }

    /// Whether a session has no room for a socket of this cost, beside its authentication data. If so, its client is told.
    pub(super) fn has_no_room_for_a_socket(
        &mut self,
        session: SessionKey,
        name: &str,
        cost: usize,
        auth: Option<&ByteString>,
    ) -> bool {
        let limits = &self.shared().config.limits;
        let (namespaces, most_auth) = (limits.namespaces_per_session, limits.auth);
        let auth = auth.map_or(0, |auth| auth.len());
        let (limit, message) = if self.sockets_of(session).len() >= namespaces {
            (Limit::NamespacesPerSession, format!("a session may join {namespaces} namespaces at most"))
        } else if auth > most_auth {
            (Limit::Auth, format!("the authentication data may have {most_auth} bytes at most"))
        } else if !self.may_keep(session, cost + auth) {
            (Limit::SessionMemory, "the session keeps as much as it may".to_owned())
        } else {
            return false;
        };
        self.metrics().hit(limit);
        self.send_connect_error(session, name, &message, None);
        true
    }
}
