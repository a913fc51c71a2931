//! `GET /health`: whether every event loop turns.

use std::time::Duration;

use serde_json::json;

use super::Subject;
use super::census;
use super::request::{Answer, Status};

/// Time in which a live loop must turn.
const TURNED_WITHIN: Duration = Duration::from_secs(5);

/// 200 if each loop has answered within five seconds; otherwise 503, and which have not.
pub(super) fn answer(subject: &Subject) -> Answer {
    let answers = census::ask(subject, TURNED_WITHIN, |_| ());
    let stuck: Vec<usize> =
        answers.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(at, _)| at).collect();
    if stuck.is_empty() {
        return Answer::json(Status::Ok, &json!({ "status": "healthy", "shards": answers.len() }));
    }
    let error = "an event loop has not turned for 5 seconds: a handler blocks it, or the CPU is short";
    Answer::json(Status::Unavailable, &json!({ "status": "stuck", "stuck_shards": stuck, "error": error }))
}
