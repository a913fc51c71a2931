//! The paths of the port and their handlers.

use super::Subject;
use super::request::{Answer, Request, Status};
use super::{disconnect, emit, families, health, ready, status, token};

/// The status page.
const PAGE: &str = include_str!("page.html");

const PAGE_HEADERS: &[&str] = &[
    "Content-Type: text/html; charset=utf-8",
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
     connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
];

/// Answers a request.
pub(super) fn answer(subject: &Subject, request: &Request<'_>) -> Answer {
    let get = request.method == "GET";
    let post = request.method == "POST";
    match request.path {
        "/" if get => Answer::new(Status::Ok, PAGE_HEADERS, PAGE),
        "/health" if get => health::answer(subject),
        "/ready" if get => ready::answer(subject, request),
        "/metrics" if get => families::answer(subject),
        "/status" if get => status::answer(subject),
        "/emit" if post => guarded(subject, request, emit::answer),
        "/disconnect" if post => guarded(subject, request, disconnect::answer),
        "/" | "/health" | "/ready" | "/metrics" | "/status" => {
            Answer::refusal(Status::MethodNotAllowed, "only GET is answered here")
                .with(&["Content-Type: application/json", "Allow: GET"])
        }
        "/emit" | "/disconnect" => Answer::refusal(Status::MethodNotAllowed, "only POST is answered here")
            .with(&["Content-Type: application/json", "Allow: POST"]),
        _ => Answer::refusal(
            Status::NotFound,
            "there are GET /, /health, /ready, /metrics and /status, and POST /emit and /disconnect",
        ),
    }
}

/// Answers a request that must carry the token.
fn guarded(subject: &Subject, request: &Request<'_>, answer: impl Fn(&Subject, &[u8]) -> Answer) -> Answer {
    let Some(expected) = &subject.shared.config.ops_token else {
        return Answer::refusal(Status::Forbidden, "no token is set: set KINGLET_OPS_TOKEN to let this be asked");
    };
    let presented = request.authorization.and_then(|value| match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(token.trim_ascii()),
        _ => None,
    });
    match presented {
        Some(presented) if token::same(presented, expected.expose().as_bytes()) => answer(subject, request.body),
        Some(_) => unauthorized("the token is another than KINGLET_OPS_TOKEN"),
        None => unauthorized("a header `Authorization: Bearer <token>` is needed, with the token of KINGLET_OPS_TOKEN"),
    }
}

fn unauthorized(error: &str) -> Answer {
    Answer::refusal(Status::Unauthorized, error)
        .with(&["Content-Type: application/json", "WWW-Authenticate: Bearer realm=\"kinglet\""])
}
