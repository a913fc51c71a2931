//! Clients that are configured for another server: they use another path, or another encoding. Both they and the log
//! are told, because neither would find out otherwise.

use std::sync::Arc;

use log::Level;

use crate::engineio::Query;
use crate::http::{self, Head};
use crate::log_line::{Excerpt, LineKind};
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::Connection;
use crate::shard::shared::target::Urgency;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::socketio;

static ELSEWHERE: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "clients with another path");
static JSON: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "clients that speak JSON");
static MESSAGE_PACK: LineKind = LineKind::each_minute(Level::Warn, module_path!(), "clients that speak MessagePack");

/// The usual paths of Socket.IO servers.
const USUAL: [&str; 2] = ["/socket.io", "/websockets"];

/// Whether the request is of a Socket.IO client, by its parameters or its path.
pub(in crate::shard::input) fn is_socket_io(head: &Head<'_>) -> bool {
    has_transport(head) || has_usual_path(head)
}

/// Whether the request is of a Socket.IO client by both.
pub(in crate::shard::input) fn is_mistaken(head: &Head<'_>) -> bool {
    has_usual_path(head) && has_transport(head)
}

fn has_transport(head: &Head<'_>) -> bool {
    Query::parse(head.query).transport.is_some()
}

/// Whether the request's path is one that Socket.IO servers usually have.
fn has_usual_path(head: &Head<'_>) -> bool {
    let usual = |usual| head.path.strip_prefix(usual).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    USUAL.into_iter().any(usual)
}

impl Intake {
    /// Answers a Socket.IO client that uses another path than the endpoint's.
    pub(in crate::shard::input) fn misdirected(&mut self, key: ConnectionKey, head: &Head<'_>) -> Step {
        let shared = Arc::clone(self.shared());
        let path = &shared.config.path;
        ELSEWHERE.write(|| {
            let asked = Excerpt(head.path);
            format!("a client looks for Socket.IO at {asked:?}: here it is at {path:?} (KINGLET_PATH; the client's option `path`)")
        });
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return Step::Over };
        if head.upgrade {
            http.answer.delivery.connection = http::Connection::Close;
        }
        let answer = http::misdirected(http.answer.delivery, &http.answer.cors, path);
        self.answer(key, head, &answer)
    }

    /// Tells the log of a client whose parser is JSON, at a server whose parser is not. The client is closed without a word, as
    /// on Node.
    pub(in crate::shard::input) fn refuse_json(&mut self) {
        JSON.write(|| {
            "a client speaks JSON, this server MessagePack (KINGLET_PARSER=msgpack): the client is closed; its option `parser` \
             must be socket.io-msgpack-parser"
                .to_owned()
        });
    }

    /// Tells a client that its parser is MessagePack, and the server's is not.
    pub(in crate::shard::input) fn refuse_message_pack(&mut self, session: SessionKey) {
        MESSAGE_PACK.write(|| {
            "a client speaks MessagePack (socket.io-msgpack-parser), this server JSON: the client is closed; leave out its option \
             `parser`, or set KINGLET_PARSER=msgpack for all clients"
                .to_owned()
        });
        self.send_to_session(session, &socketio::not_message_pack(), Urgency::Reliable);
    }
}
