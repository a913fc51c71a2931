//! A request that the gate has let through, and its answer.

use serde::Serialize;

/// A request, whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// The target's path.
    pub(super) path: &'a str,
    /// The part after the first `?` of the target.
    pub(super) query: &'a str,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) body: &'a [u8],
}

impl Request<'_> {
    /// Whether the query has this pair, such as `redis=1`.
    pub(super) fn asks(&self, pair: &str) -> bool {
        self.query.split('&').any(|other| other == pair)
    }
}

/// The statuses of answers to whole requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Accepted,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    Unavailable,
}

impl Status {
    pub(super) const fn code(self) -> (usize, &'static str) {
        match self {
            Self::Ok => (200, "OK"),
            Self::Accepted => (202, "Accepted"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::PayloadTooLarge => (413, "Payload Too Large"),
            Self::Unavailable => (503, "Service Unavailable"),
        }
    }
}

/// An answer. Each one ends its connection.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// Whole header lines besides those that each answer has.
    pub(super) headers: &'static [&'static str],
    pub(super) body: Vec<u8>,
}

const JSON: &str = "Content-Type: application/json";

impl Answer {
    pub(super) fn new(status: Status, headers: &'static [&'static str], body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers, body: body.into() }
    }

    /// An answer in JSON.
    pub(super) fn json(status: Status, value: &impl Serialize) -> Self {
        // Numbers, texts and lists of them can always be written as JSON.
        Self::new(status, &[JSON], serde_json::to_vec(value).unwrap_or_default())
    }

    /// A refusal with its reason.
    pub(super) fn refusal(status: Status, error: impl std::fmt::Display) -> Self {
        Self::json(status, &serde_json::json!({ "error": error.to_string() }))
    }

    /// Adds header lines.
    pub(super) fn with(self, headers: &'static [&'static str]) -> Self {
        Self { headers, ..self }
    }
}
