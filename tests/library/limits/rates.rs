//! The rates of messages and bytes that one client may send.

use std::sync::mpsc::channel;

use kinglet::{Config, Limits};

use crate::support::{Client, Frame, Polling, Server, WebSocket, event, one_shard, receive};

/// A server with these rate limits. It answers `ask` and `chunk` with their numbers.
fn bounded(message_rate: Option<usize>, byte_rate: Option<usize>) -> Server {
    answering(one_shard(), Limits { message_rate, byte_rate, ..Limits::default() })
}

fn answering(config: Config, limits: Limits) -> Server {
    Server::start(Config { limits, ..config }, |server| {
        server
            .of("/")
            .on("ask", |_, asked| {
                let (number,): (u32,) = asked.args()?;
                asked.ack(number)
            })
            .on("chunk", |_, chunk| {
                let (number, _): (u32, String) = chunk.args()?;
                chunk.ack(number)
            });
    })
}

fn ask(number: u32) -> String {
    format!("42{number}[\"ask\",{number}]")
}

fn answer(number: u32) -> String {
    format!("43{number}[{number}]")
}

pub fn a_websocket_that_sends_too_many_is_held_up_and_loses_nothing() -> Server {
    let server = bounded(Some(100), None);
    let mut client = Client::connect(&server);
    let mut other = Client::connect(&server);
    let questions: Vec<u8> =
        (0..250).flat_map(|number| WebSocket::masked_frame(0x81, ask(number).as_bytes())).collect();
    client.ws.connection.send(&questions);
    client.ws.expect_text(&answer(0));
    // Other clients are not held up with it.
    other.ws.send_text(&ask(7));
    other.ws.expect_text(&answer(7));
    for number in 1..250 {
        client.ws.expect_text(&answer(number));
    }
    server.assert_well();
    server
}

pub fn a_polling_client_that_sends_too_many_is_held_up_and_loses_nothing() -> Server {
    let server = bounded(Some(100), None);
    let (session, _) = Polling::connected(&server);
    let questions: Vec<String> = (0..250).map(ask).collect();
    let mut post = session.send(&session.post_request(&questions.join("\x1e")));
    let mut answers = Vec::new();
    while answers.len() < 250 {
        answers.extend(session.get().text().split('\x1e').map(str::to_owned));
    }
    assert!(answers.iter().cloned().eq((0..250).map(answer)), "{answers:?}");
    post.response().assert_is(200, "ok");
    session.post_ok(&event("\"nothing\""));
    server.assert_well();
    server
}

/// An upload in chunks, each sent when the one before is acknowledged, is held up for 13 s and never closed. Chunks are shorter
/// and longer than a read, and one alone takes longer than the time limit.
pub fn a_client_that_waits_for_each_answer_is_never_closed() -> Server {
    const UPLOAD: usize = 1_500_000;
    let config = Config { max_http_buffer_size: 2 * UPLOAD, ..one_shard() };
    let server = answering(config, Limits { byte_rate: Some(100_000), ..Limits::default() });
    std::thread::scope(|scope| {
        for length in [10_000, 60_000, 250_000, UPLOAD] {
            let mut client = Client::connect(&server);
            scope.spawn(move || {
                for number in 0..UPLOAD / length {
                    client.ws.send_text(&format!("42{number}[\"chunk\",{number},\"{}\"]", "x".repeat(length)));
                    client.ws.expect_text(&format!("43{number}[{number}]"));
                }
            });
        }
    });
    server.assert_well();
    server
}

/// A client's backlog comes at once and is held up for 12 s.
pub fn a_client_that_sends_a_backlog_is_not_closed() -> Server {
    let server = bounded(Some(10), None);
    let mut client = Client::connect(&server);
    client.ws.connection.send(&WebSocket::masked_frame(0x81, ask(7).as_bytes()).repeat(140));
    for _ in 0..140 {
        client.ws.expect_text(&answer(7));
    }
    server
}

pub fn a_client_that_never_pauses_is_closed_with_1008() -> Server {
    let limits = Limits { message_rate: Some(10), ..Limits::default() };
    let server = closes_a_flood(limits, &event("\"nothing\""), 20_000);
    let received = server.metrics().received;
    assert!(received < 1000, "{received} were handled at 10 a second");
    server
}

pub fn a_client_that_never_pauses_its_bytes_is_closed_with_1008() -> Server {
    let limits = Limits { byte_rate: Some(100_000), ..Limits::default() };
    closes_a_flood(limits, &event(&format!("\"long\",\"{}\"", "x".repeat(10_000))), 300)
}

fn closes_a_flood(limits: Limits, message: &str, times: usize) -> Server {
    let (sender, reasons) = channel();
    let server = Server::start(Config { limits, ..one_shard() }, |server| {
        server.of("/").on_disconnect(move |_, reason| sender.send(reason.to_string()));
    });
    let mut client = Client::connect(&server);
    client.ws.connection.send(&WebSocket::masked_frame(0x81, message.as_bytes()).repeat(times));
    client.ws.expect(&Frame::close_with(1008));
    client.ws.answer_close();
    assert_eq!(receive(&reasons), "transport error");
    server
}

pub fn a_client_that_sends_too_many_bytes_is_held_up() -> Server {
    let server = bounded(None, Some(10_000));
    let mut client = Client::connect(&server);
    client.emit(&format!("\"long\",\"{}\"", "x".repeat(30_000)));
    client.ws.send_text(&ask(1));
    client.ws.expect_text(&answer(1));
    assert_eq!(server.hits("byte_rate"), 1);
    let (session, _) = Polling::connected(&server);
    session.post_ok(&event(&format!("\"long\",\"{}\"", "x".repeat(30_000))));
    session.post_ok(&ask(2));
    session.get().assert_is(200, &answer(2));
    server.assert_well();
    assert_eq!(server.hits("byte_rate"), 2);
    server
}

/// The session ends while a POST of it waits: the rest of the POST reaches no handler, and both requests are answered.
pub fn a_session_that_ends_meanwhile_answers_its_post() -> Server {
    let server = bounded(Some(10), None);
    let (session, id) = Polling::connected(&server);
    let questions: Vec<String> = (0..1000).map(ask).collect();
    let mut post = session.send(&session.post_request(&questions.join("\x1e")));
    server.wait_until("held up", |_| server.hits("message_rate") > 0);
    server.handle().to(&*id).disconnect_sockets(true);
    post.response().assert_is(200, "ok");
    let received = server.metrics().received;
    assert!(received < 1000, "{received} were handled");
    assert!(session.get().text().ends_with("41"), "the answers, and that it is disconnected");
    session.get().assert_is(200, "6\x1e1");
    server.wait_until("gone", |metrics| metrics.sessions == 0);
    server
}
