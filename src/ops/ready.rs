//! `GET /ready`: whether clients should be sent here.
//!
//! It is decided by facts. Each is a function of [`FACTS`], so that what else makes a server unready is a line more.

use serde_json::{Map, json};

use super::Subject;
use super::request::{Answer, Request, Status};
use crate::cluster::redis::State;

/// Something that readiness depends on.
pub(super) struct Fact {
    name: &'static str,
    /// How it is, in a word or a sentence.
    state: String,
    weight: Weight,
}

/// What a fact does to readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Fine,
    /// The server is not ready.
    Unready,
    /// The same if the request asks for it by a pair of its query.
    UnreadyIf(&'static str),
}

/// Everything that readiness depends on.
const FACTS: &[fn(&Subject) -> Fact] = &[serving, memory, redis];

/// 200 if nothing speaks against it, else 503; each fact is shown.
pub(super) fn answer(subject: &Subject, request: &Request<'_>) -> Answer {
    let facts: Vec<Fact> = FACTS.iter().map(|fact| fact(subject)).collect();
    let ready = facts.iter().all(|fact| match fact.weight {
        Weight::Fine => true,
        Weight::Unready => false,
        Weight::UnreadyIf(pair) => !request.asks(pair),
    });
    let shown: Map<_, _> = facts.into_iter().map(|fact| (fact.name.to_owned(), fact.state.into())).collect();
    let status = if ready { Status::Ok } else { Status::Unavailable };
    Answer::json(status, &json!({ "ready": ready, "facts": shown }))
}

/// Clients are let in, not let go.
fn serving(subject: &Subject) -> Fact {
    let leaving = subject.shared.is_leaving();
    let (state, weight) = if leaving { ("no: stopping", Weight::Unready) } else { ("yes", Weight::Fine) };
    Fact { name: "serving", state: state.to_owned(), weight }
}

/// There is memory for new sessions.
fn memory(subject: &Subject) -> Fact {
    let short = subject.shared.memory.is_short();
    let (state, weight) = if short { ("short: no session begins", Weight::Unready) } else { ("enough", Weight::Fine) };
    Fact { name: "memory", state: state.to_owned(), weight }
}

/// Redis is there, if there shall be one. Clients of this server reach each other without it.
fn redis(subject: &Subject) -> Fact {
    let away = Weight::UnreadyIf("redis=1");
    let (state, weight) = match subject.handle.redis_state() {
        None => ("not used".to_owned(), Weight::Fine),
        Some(State::Up) => ("up".to_owned(), Weight::Fine),
        Some(State::Connecting) => ("connecting".to_owned(), away),
        Some(State::Down(fault)) => (format!("down: {fault}"), away),
    };
    Fact { name: "redis", state, weight }
}
