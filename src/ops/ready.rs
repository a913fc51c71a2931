//! `GET /ready`: whether clients should be sent here.
//!
//! Facts decide it. Each is a function of [`FACTS`], so another reason to be unready is one more line.

use serde_json::{Map, json};

use super::Subject;
use super::request::{Answer, Request, Status};
use crate::cluster::redis::State;

/// Something that readiness depends on.
pub(super) struct Fact {
    name: &'static str,
    /// Its state, in a word or a sentence.
    state: String,
    weight: Weight,
}

/// A fact's effect on readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Fine,
    /// The server is not ready.
    Unready,
    /// The same, but only if the request's query asks for it.
    UnreadyIf(&'static str),
}

/// Everything that readiness depends on.
const FACTS: &[fn(&Subject) -> Fact] = &[serving, memory, redis];

/// 200 if no fact speaks against it, otherwise 503; each fact is shown.
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

/// The server admits clients and is not draining.
fn serving(subject: &Subject) -> Fact {
    let leaving = subject.shared.is_leaving();
    let (state, weight) = if leaving { ("no: stopping", Weight::Unready) } else { ("yes", Weight::Fine) };
    Fact { name: "serving", state: state.to_owned(), weight }
}

/// There is enough memory for new sessions.
fn memory(subject: &Subject) -> Fact {
    let short = subject.shared.memory.is_short();
    let (state, weight) = if short { ("short: no session begins", Weight::Unready) } else { ("enough", Weight::Fine) };
    Fact { name: "memory", state: state.to_owned(), weight }
}

/// Redis is connected, if it is configured. Without it clients of this server still reach each other.
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
