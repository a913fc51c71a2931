//! Replay of the captured HTTP exchanges. Only headers that clients and load balancers act on are compared; Date, Keep-Alive
//! and the transfer coding are the HTTP library's own.

use serde_json::Value;

use crate::http_sessions;
use crate::support::{Connection, Polling, Response, Server, Vectors, assert_covers, hex, masked, without_auth};

/// Requests without a session.
const HANDSHAKES: &[&str] = &[
    "eh-001", "eh-002", "eh-003", "eh-004", "eh-005", "eh-006", "eh-007", "eh-008", "eh-009", "eh-010", "eh-011",
    "eh-012", "eh-013", "eh-014", "eh-015", "eh-016", "eh-024", "eh-060", "eh-061",
];

/// Requests that a session refuses and survives.
const REFUSED_BY_SESSION: &[&str] = &["eh-018", "eh-019", "eh-022", "eh-023"];

/// One session from its first POST to its end.
const CONVERSATION: &[&str] = &["eh-025", "eh-026", "eh-027", "eh-028", "eh-029"];

/// CORS with a list of origins. The captured server of eh-053 to eh-056 and eh-075 had one fixed origin, the request's; the
/// server of eh-057 to eh-059 had no credentials. Both had a cookie.
const CORS_LIST: &[&str] = &["eh-053", "eh-054", "eh-056", "eh-057", "eh-058", "eh-059"];

/// Answers to WebSocket upgrades that begin a session.
const UPGRADES: &[&str] = &["eh-062", "eh-063", "eh-064"];

/// Answers to WebSocket upgrades that are refused.
const REFUSED_UPGRADES: &[&str] = &["eh-065", "eh-066", "eh-068", "eh-069", "eh-070", "eh-071", "eh-072", "eh-074"];

/// Entries with a test of their own.
const SINGLE: &[&str] = &["eh-067", "eh-073", "eh-075"];

/// Entries with settings that the conformance application does not have, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("eh-017", "the client bundle is not served"),
    ("eh-020", "CORS cannot be switched off: OPTIONS is a preflight"),
    ("eh-021", "CORS cannot be switched off: OPTIONS is a preflight"),
    ("eh-055", "a fixed CORS origin that is not the request's"),
];

/// Headers that must be present and have values as captured.
const COMPARED: &[&str] = &[
    "content-type",
    "cache-control",
    "content-encoding",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "vary",
    "set-cookie",
    "x-xss-protection",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-version",
];

/// How the server's settings change a captured answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// Any origin may read it: the application's default.
    Any,
    /// Origins of a list, with credentials.
    List,
    /// The answer is of a layer that knows no CORS, or may leave it out.
    NotCompared,
}

#[test]
fn every_entry_is_judged_or_listed_as_skipped() {
    let skipped: Vec<_> = SKIPPED.iter().map(|(id, _)| *id).collect();
    let lists = [
        HANDSHAKES,
        REFUSED_BY_SESSION,
        CONVERSATION,
        CORS_LIST,
        UPGRADES,
        REFUSED_UPGRADES,
        SINGLE,
        &skipped,
        &http_sessions::judged(),
    ];
    assert_covers(&Vectors::http(), &lists);
}

#[test]
fn handshakes_are_answered_as_captured() {
    let (server, vectors) = (Server::start(), Vectors::http());
    for id in HANDSHAKES {
        let cors = match *id {
            // Answers of the HTTP layer, or of whatever else the application serves.
            "eh-015" | "eh-024" => Cors::NotCompared,
            _ => Cors::Any,
        };
        Exchange::of(&vectors, id).replay(&mut server.connect(), cors);
    }
}

#[test]
fn requests_that_do_not_fit_the_session_leave_it_alive() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let session = Polling::open(&server);
    for id in REFUSED_BY_SESSION {
        Exchange::of(&vectors, id).on(&session.sid).replay(&mut server.connect(), Cors::Any);
        assert!(session.lives(), "{id}");
    }
}

#[test]
fn a_polling_session_speaks_as_captured_until_its_parse_error() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let session = Polling::open(&server);
    let mut connection = session.attach();
    for id in CONVERSATION {
        Exchange::of(&vectors, id).on(&session.sid).replay(&mut connection, Cors::Any);
    }
}

#[test]
fn a_list_of_origins_is_answered_as_captured() {
    let (server, vectors) = (Server::with(&[("CORS", "http://a.test,http://x.b.test")]), Vectors::http());
    for id in CORS_LIST {
        Exchange::of(&vectors, id).replay(&mut server.connect(), Cors::List);
    }
    Exchange::of(&vectors, "eh-075").replay_upgrade(&server, Cors::List);
}

#[test]
fn upgrades_are_answered_as_captured_and_followed_by_open() {
    let (server, vectors) = (Server::start(), Vectors::http());
    for id in UPGRADES {
        Exchange::of(&vectors, id).replay_upgrade(&server, Cors::Any);
    }
}

#[test]
fn refused_upgrades_are_answered_in_plain_text_and_cut() {
    let (server, vectors) = (Server::start(), Vectors::http());
    for id in REFUSED_UPGRADES {
        let mut exchange = Exchange::of(&vectors, id);
        if *id == "eh-068" {
            // Node notices the wrong protocol after its 101, and writes the refusal behind it. This server refuses before.
            let begin = exchange.expected.windows(12).position(|window| window == b"HTTP/1.1 400").expect("a refusal");
            exchange.expected.drain(..begin);
        }
        exchange.replay(&mut server.connect(), Cors::NotCompared);
    }
}

#[test]
fn an_upgrade_with_the_polling_transport_is_closed_behind_its_101() {
    let (server, vectors) = (Server::start(), Vectors::http());
    Exchange::of(&vectors, "eh-067").replay_upgrade(&server, Cors::Any);
}

#[test]
fn an_upgrade_on_another_path_is_cut_without_a_word() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let mut connection = server.connect();
    connection.send(&Exchange::of(&vectors, "eh-073").request);
    connection.expect_end();
}

/// A captured exchange.
pub struct Exchange<'a> {
    id: &'a str,
    pub request: Vec<u8>,
    expected: Vec<u8>,
    closes: bool,
}

impl<'a> Exchange<'a> {
    /// The request and the answer of this entry. The hook that refuses handshakes looks at another header here, and has
    /// another reason.
    pub fn of(vectors: &Vectors, id: &'a str) -> Self {
        let entry = vectors.get(id);
        let request = text_of(entry, "request").replace("x-deny: my reason", "x-conformance-forbid: 1");
        let expected = text_of(entry, "response")
            .replace(
                "20\r\n{\"code\":4,\"message\":\"my reason\"}",
                "27\r\n{\"code\":4,\"message\":\"forbidden by app\"}",
            )
            .replace("Content-Length: 9\r\n\r\nmy reason", "Content-Length: 16\r\n\r\nforbidden by app");
        let closes = entry["connection_closed"] == true;
        let mut exchange = Self { id, request: latin1(&request), expected: latin1(&expected), closes };
        if let Some(bytes) = entry["response_hex"].as_str().filter(|_| !expected.contains("forbidden")) {
            exchange.expected = hex(bytes);
        }
        exchange
    }

    /// The same request for this session.
    pub fn on(mut self, sid: &str) -> Self {
        let request = String::from_utf8(self.request).expect("ASCII");
        let (before, rest) = request.split_once("&sid=").expect("a request with a sid");
        let (_, after) = rest.split_once(' ').expect("the end of the target");
        self.request = format!("{before}&sid={sid} {after}").into_bytes();
        self
    }

    /// Sends the request and judges the answer, and whether the connection can go on.
    pub fn replay(&self, connection: &mut Connection, cors: Cors) {
        connection.send(&self.request);
        self.judge(connection, cors);
        if self.closes {
            connection.expect_end();
        } else {
            connection.send(b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
            assert_eq!(connection.response().status, 200, "{}: the request after it", self.id);
        }
    }

    /// Judges the next answer on the connection.
    pub fn judge(&self, connection: &mut Connection, cors: Cors) {
        let (id, method) = (self.id, if self.request.starts_with(b"HEAD") { "HEAD" } else { "GET" });
        let (expected, _) = Response::parse(&self.expected, method, true).expect("a captured answer");
        let got = connection.response_to(method);
        assert_eq!(got.status, expected.status, "{id}: {got:?}");
        if id == "eh-015" {
            return;
        }
        for name in COMPARED {
            let wanted = cors.adapt(name, expected.header(name));
            if cors != Cors::NotCompared || !name.starts_with("access-control") {
                assert_eq!(normalised(name, got.header(name)), normalised(name, wanted), "{id}: {name}");
            }
        }
        if expected.header("content-length").is_some() {
            assert!(got.header("content-length").is_some(), "{id}: Content-Length is missing");
        }
        let closes = got.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        assert_eq!(closes, self.closes, "{id}: Connection: {:?}", got.header("connection"));
        assert_eq!(without_auth(&masked(&got.text())), masked(&expected.text()), "{id}");
    }

    /// Sends an upgrade that is answered with 101, and judges the answer and the frame behind it.
    fn replay_upgrade(&self, server: &Server, cors: Cors) {
        let mut connection = server.connect();
        connection.send(&self.request);
        self.judge(&mut connection, cors);
        let (_, head) = Response::parse(&self.expected, "GET", true).expect("a captured answer");
        let frame = &self.expected[head..];
        let got = connection.take(frame.len());
        let text = |bytes: &[u8]| masked(&String::from_utf8_lossy(&bytes[2..]));
        assert_eq!((&got[..2], text(&got)), (&frame[..2], text(frame)), "{}", self.id);
    }
}

impl Cors {
    /// The captured value of a header as the server's settings make it.
    fn adapt(self, name: &str, captured: Option<String>) -> Option<String> {
        match (self, name) {
            (Self::Any, "access-control-allow-origin") => Some("*".to_owned()),
            (Self::List, "access-control-allow-credentials") => Some("true".to_owned()),
            (Self::List, "set-cookie") => None,
            _ => captured,
        }
    }
}

fn text_of<'a>(entry: &'a Value, member: &str) -> &'a str {
    entry[member].as_str().unwrap_or_else(|| panic!("{}: no {member}", entry["id"]))
}

/// The bytes that a text stands for in ISO 8859-1.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("ISO 8859-1")).collect()
}

/// A value for comparison: Vary and Upgrade are lists of names without case.
fn normalised(name: &str, value: Option<String>) -> Option<String> {
    let value = value?;
    if !matches!(name, "vary" | "upgrade") {
        return Some(value);
    }
    let mut names: Vec<_> = value.split(',').map(|part| part.trim().to_ascii_lowercase()).collect();
    names.sort();
    Some(names.join(", "))
}
