//! Replay of the captured exchanges that end, or do not end, a polling session: bad packets, overlaps, lost connections, bodies
//! at the limit. Another client asks for the reason of the end.

use serde_json::json;

use crate::http::{Cors, Exchange};
use crate::support::{Connection, Frame, Polling, Server, Socket, Vectors, WebSocket};

/// A session's state after an answered POST.
#[derive(Debug)]
enum After {
    /// It goes on: the next GET is held until there is something to send.
    Lives,
    /// It is gone at once, with this Socket.IO reason, unless the POST itself brings the socket that leaves.
    Gone(Option<&'static str>),
    /// It is closed by the next GET, which gets the close packet.
    ClosesOnGet,
}

const POSTS: &[(&str, After)] = &[
    ("eh-030", After::Gone(Some("parse error"))),
    ("eh-031", After::Gone(Some("transport error"))),
    ("eh-032", After::Lives),
    ("eh-033", After::Lives),
    ("eh-034", After::Lives),
    ("eh-035", After::Lives),
    ("eh-036", After::ClosesOnGet),
    ("eh-037", After::ClosesOnGet),
    ("eh-038", After::ClosesOnGet),
    ("eh-039", After::Gone(Some("transport close"))),
    ("eh-040", After::Gone(None)),
    ("eh-041", After::ClosesOnGet),
    ("eh-042", After::Gone(Some("transport error"))),
];

/// Entries with a test of their own.
const SINGLE: &[&str] =
    &["eh-043", "eh-044", "eh-045", "eh-046", "eh-047", "eh-048", "eh-049", "eh-050", "eh-051", "eh-052"];

/// The entries judged here.
pub fn judged() -> Vec<&'static str> {
    POSTS.iter().map(|(id, _)| *id).chain(SINGLE.iter().copied()).collect()
}

#[test]
fn packets_in_a_post_end_the_session_as_captured() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let mut observer = Socket::connect(&server);
    for (id, after) in POSTS {
        let mut session = match after {
            After::Gone(Some(_)) => Polling::tracked(&server, id),
            _ => Polling::open(&server),
        };
        Exchange::of(&vectors, id).on(&session.sid).replay(&mut session.attach(), Cors::Any);
        match after {
            After::Lives => {
                let mut held = session.poll();
                session.post_ok("40");
                assert!(held.response().text().starts_with("40{\"sid\":"), "{id}");
            }
            After::Gone(reason) => {
                assert!(!session.lives(), "{id}");
                if let Some(reason) = reason {
                    assert_eq!(observer.reason_of(id), json!([reason]), "{id}");
                }
            }
            After::ClosesOnGet => {
                assert!(session.lives(), "{id}");
                session.get().assert_is(200, "6\x1e1");
                assert!(!session.lives(), "{id}");
            }
        }
    }
}

#[test]
fn a_second_get_ends_the_session() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let mut observer = Socket::connect(&server);
    let session = Polling::tracked(&server, "eh-043");
    let (mut first, mut second) = (session.poll(), session.attach());
    Exchange::of(&vectors, "eh-043").on(&session.sid).replay(&mut second, Cors::Any);
    first.response().assert_is(200, "1");
    assert!(!session.lives());
    assert_eq!(observer.reason_of("eh-043"), json!(["transport error"]));
}

#[test]
fn a_second_post_while_one_is_read_ends_the_session_and_cuts_the_first() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let mut observer = Socket::connect(&server);
    let session = Polling::tracked(&server, "eh-044");
    let (mut first, mut second) = (session.attach(), session.attach());
    first.send(&half_a_post(&session));
    Exchange::of(&vectors, "eh-044").on(&session.sid).replay(&mut second, Cors::Any);
    first.expect_end();
    assert!(!session.lives());
    assert_eq!(observer.reason_of("eh-044"), json!(["transport error"]));
}

#[test]
fn a_held_get_that_is_dropped_ends_the_session() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let session = Polling::tracked(&server, "eh-045");
    drop(session.poll());
    assert_eq!(observer.reason_of("eh-045"), json!(["transport error"]));
    assert!(!session.lives());
}

#[test]
fn a_post_that_is_cut_ends_the_session() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let session = Polling::tracked(&server, "eh-046");
    let mut connection = session.attach();
    connection.send(&half_a_post(&session));
    drop(connection);
    assert_eq!(observer.reason_of("eh-046"), json!(["transport error"]));
    assert!(!session.lives());
}

#[test]
fn the_close_packet_of_a_client_frees_its_held_get() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let mut observer = Socket::connect(&server);
    let session = Polling::tracked(&server, "eh-047");
    let mut held = session.poll();
    Exchange::of(&vectors, "eh-047").on(&session.sid).replay(&mut session.attach(), Cors::Any);
    assert_answer(&mut held, "6");
    assert!(!session.lives());
    assert_eq!(observer.reason_of("eh-047"), json!(["transport close"]));
}

#[test]
fn a_get_that_the_close_packet_has_overtaken_is_answered() {
    let server = Server::start();
    // The GET has only a moment. This machine may delay some, but one in twenty comes in time.
    let in_time = (0..20).any(|_| {
        let session = Polling::tracked(&server, "overtaken");
        let (mut post, mut get) = (session.attach(), session.attach());
        post.send(session.post_request("1").as_bytes());
        get.send(session.get_request().as_bytes());
        post.response().assert_is(200, "ok");
        assert!(!session.lives());
        let answer = get.response();
        assert!((answer.status, answer.text().as_str()) == (200, "6") || answer.status == 400, "{answer:?}");
        answer.status == 200
    });
    assert!(in_time);
}

#[test]
fn the_server_closes_a_session_through_its_held_get() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);
    let mut session = Polling::tracked(&server, "eh-048");
    let mut held = session.poll();
    session.post_ok("4hello");
    assert_answer(&mut held, "1");
    assert!(!session.lives());
    assert_eq!(observer.reason_of("eh-048"), json!(["forced close"]));
}

#[test]
fn the_server_closes_a_session_without_a_get_through_its_next_one() {
    let (server, vectors) = (Server::start(), Vectors::http());
    let mut observer = Socket::connect(&server);
    let mut session = Polling::tracked(&server, "eh-049");
    session.post_ok("4hello");
    session.post_ok("42[\"message\"]");
    assert_eq!(observer.reasons("eh-049"), json!([]));
    Exchange::of(&vectors, "eh-049").on(&session.sid).replay(&mut session.attach(), Cors::Any);
    assert!(!session.lives());
    assert_eq!(observer.reason_of("eh-049"), json!(["forced close"]));
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let (server, vectors) = (Server::with(&[("MAX_PAYLOAD", "100")]), Vectors::http());
    let mut session = Polling::open(&server);
    let over = Exchange::of(&vectors, "eh-050").on(&session.sid);
    let mut connection = session.attach();
    connection.send(&over.request);
    let refused = connection.response();
    // Node keeps the connection. Closing it after the refusal is as good.
    refused.assert_is(413, "");
    assert_eq!(refused.header("access-control-allow-origin").as_deref(), Some("*"));

    let mut held = session.poll();
    session.post_ok("40");
    assert!(held.response().text().starts_with("40{\"sid\":"));

    let session = Polling::open(&server);
    Exchange::of(&vectors, "eh-051").on(&session.sid).replay(&mut session.attach(), Cors::Any);
}

#[test]
fn a_websocket_message_over_the_limit_closes_with_1009() {
    let server = Server::with(&[("MAX_PAYLOAD", "100")]);
    let mut observer = Socket::connect(&server);
    let mut socket = Socket::tracked(&server, "eh-052");
    socket.ws.send(0x81, &[b'4'; 101]);
    socket.ws.expect(&Frame::close_with(1009));
    assert_eq!(observer.reason_of("eh-052"), json!(["transport error"]));
    assert!(!Polling::knows(&mut server.connect(), &socket.sid));

    // The limit is told to the client, and counts the packet type.
    let mut ws = WebSocket::open_with(&server, "", &[]);
    assert!(ws.text().ends_with(",\"maxPayload\":100}"));
    ws.send_text("40");
    ws.text();
    ws.expect_text("42[\"auth\",{}]");
    ws.send_text(&format!("{:<100}", "42[\"message\"]"));
    ws.expect_text("42[\"message-back\"]");
}

/// A POST of ten bytes that breaks off after the first.
fn half_a_post(session: &Polling) -> Vec<u8> {
    let mut request = session.post_request("4123456789").into_bytes();
    request.truncate(request.len() - 9);
    request
}

/// Judges the whole answer to a GET that was held.
fn assert_answer(held: &mut Connection, body: &str) {
    let response = held.response();
    response.assert_is(200, body);
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.header("content-length").as_deref(), Some("1"));
    assert_eq!(response.header("cache-control").as_deref(), Some("no-store"));
}
