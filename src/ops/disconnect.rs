//! `POST /disconnect` disconnects sockets.

use serde::Deserialize;
use serde_json::json;

use super::Subject;
use super::request::{Answer, Status};
use super::targets::Targets;

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disconnection {
    #[serde(flatten)]
    targets: Targets,
    /// Required if no room is named: everybody is meant.
    #[serde(default)]
    everybody: bool,
    /// Whether the clients' connections are closed, too, and not only their sockets.
    #[serde(default)]
    close: bool,
}

/// 202 when this server's sockets are being disconnected and other servers have been told.
pub(super) fn answer(subject: &Subject, body: &[u8]) -> Answer {
    let disconnection: Disconnection = match serde_json::from_slice(body) {
        Ok(disconnection) => disconnection,
        Err(error) => {
            return Answer::refusal(Status::BadRequest, format_args!("the body is no disconnection: {error}"));
        }
    };
    let Disconnection { targets, everybody, close } = disconnection;
    if targets.is_everybody() != everybody {
        let error = "name the rooms (a socket's id is one), or say \"everybody\": true, and not both";
        return Answer::refusal(Status::BadRequest, error);
    }
    if let Some(namespace) = targets.unknown_namespace(subject) {
        return Answer::refusal(Status::NotFound, format_args!("no namespace {namespace:?}"));
    }
    if super::emit::is_behind(subject) {
        return super::emit::behind(0);
    }
    targets.select(subject).disconnect_sockets(close);
    Answer::json(Status::Accepted, &json!({ "accepted": 1 }))
}
