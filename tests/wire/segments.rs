//! How bytes are cut into TCP segments, and requests spread over connections, must not matter.

use serde_json::json;

use crate::support::{Frame, Polling, Server, Socket, WebSocket, without_auth};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut connection = server.connect();
    let wrong = b"GET /socket.io/?EIO=4&transport=foo HTTP/1.1\r\nHost: example.test\r\n\r\n";
    let mut requests = GET.repeat(4);
    requests.extend_from_slice(wrong);
    requests.extend_from_slice(&GET.repeat(5));
    connection.send(&requests);
    let statuses: Vec<_> = (0..10).map(|_| connection.response().status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 400, 200, 200, 200, 200, 200]);
}

#[test]
fn a_head_request_is_answered_without_a_body() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(&[b"HEAD / HTTP/1.1\r\nHost: example.test\r\n\r\n", GET].concat());
    assert_eq!(connection.response_to("HEAD").status, 200);
    connection.response().assert_is(200, "all good");
}

#[test]
fn http_1_0_and_connection_close_end_the_connection() {
    let server = Server::start();
    for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n"] {
        let mut connection = server.connect();
        connection.send(request.as_bytes());
        connection.response().assert_is(200, "all good");
        connection.expect_end();
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let server = Server::start();
    let mut session = Polling::open(&server);
    let request = session.post_request("40").replace("\r\n\r\n40", "\r\nExpect: 100-continue\r\n\r\n");
    let mut connection = session.attach();
    connection.send(request.as_bytes());
    assert_eq!(connection.response().status, 100);
    connection.send(b"40");
    connection.response().assert_is(200, "ok");
    session.read_until("40{\"sid\":");
}

#[test]
fn requests_may_come_byte_by_byte() {
    let server = Server::start();
    let mut session = Polling::open(&server);
    let whole = session.post_request("40");
    let chunked = session.post_request("42[\"message\"]").replace("Content-Length: 13", "Transfer-Encoding: chunked");
    let chunked = chunked.replace("42[\"message\"]", "1;ext=1\r\n4\r\nC\r\n2[\"message\"]\r\n0\r\nTrailer: x\r\n\r\n");
    for request in [whole, chunked] {
        let mut connection = session.attach();
        for byte in request.as_bytes() {
            connection.send(&[*byte]);
        }
        connection.response().assert_is(200, "ok");
    }
    session.read_until("42[\"message-back\"]");
}

#[test]
fn frames_behind_the_upgrade_request_are_not_lost() {
    let server = Server::start();
    let frames = ["40", "420[\"message-with-ack\",1]"].map(|text| WebSocket::masked_frame(0x81, text.as_bytes()));
    let mut ws = WebSocket::open_with(&server, "", &frames[0]);
    ws.opened();
    assert!(ws.text().starts_with("40{\"sid\":"));
    ws.expect_text("42[\"auth\",{}]");
    ws.connection.send(&frames[1]);
    ws.expect_text("430[1]");
}

#[test]
fn a_whole_upgrade_fits_into_the_segment_of_its_request() {
    let server = Server::start();
    let session = Polling::connected(&server);
    let frames = ["2probe", "5", "427[\"message-with-ack\",1]"];
    let frames = frames.map(|text| WebSocket::masked_frame(0x81, text.as_bytes())).concat();
    let mut ws = WebSocket::open_with(&server, &format!("&sid={}", session.sid), &frames);
    ws.expect_text("3probe");
    ws.expect_text("437[1]");
}

#[test]
fn frames_may_come_byte_by_byte_and_many_at_once() {
    let server = Server::start();
    let mut socket = Socket::connect(&server);
    for byte in WebSocket::masked_frame(0x81, b"421[\"message-with-ack\",\"slow\"]") {
        socket.ws.connection.send(&[byte]);
    }
    socket.ws.expect_text("431[\"slow\"]");

    let frame = WebSocket::masked_frame(0x81, b"421[\"message-with-ack\",\"fast\"]");
    socket.ws.connection.send(&frame.repeat(100));
    for _ in 0..100 {
        socket.ws.expect_text("431[\"fast\"]");
    }
}

#[test]
fn a_long_message_in_pieces_comes_back_whole() {
    let server = Server::start();
    let mut socket = Socket::connect(&server);
    let text = "x".repeat(65 * 1024);
    for piece in WebSocket::masked_frame(0x81, format!("421[\"message-with-ack\",\"{text}\"]").as_bytes()).chunks(997) {
        socket.ws.connection.send(piece);
    }
    socket.ws.expect_text(&format!("431[\"{text}\"]"));
}

#[test]
fn pings_between_fragments_are_answered_at_once() {
    let server = Server::start();
    let mut socket = Socket::connect(&server);
    let message = "421[\"message-with-ack\",\"häppchen\"]".as_bytes();
    for (n, byte) in message.iter().enumerate() {
        let last = if n + 1 == message.len() { 0x80 } else { 0 };
        socket.ws.send(last | u8::from(n == 0), &[*byte]);
        if last == 0 {
            socket.ws.expect_nothing_more();
        }
    }
    socket.ws.expect_text("431[\"häppchen\"]");
}

#[test]
fn one_session_may_use_many_connections_and_one_connection_many_sessions() {
    let server = Server::start();
    let mut sessions = [Polling::open(&server), Polling::open(&server)];
    let mut shared = server.connect();
    for text in ["40", "42[\"message\",1]"] {
        for session in &sessions {
            shared.send(session.post_request(text).as_bytes());
            shared.response().assert_is(200, "ok");
        }
    }
    for session in &mut sessions {
        session.read_until("42[\"message-back\",1]");
        let mut held = session.poll();
        shared.send(session.post_request("42[\"message\",2]").as_bytes());
        shared.response().assert_is(200, "ok");
        assert_eq!(without_auth(&held.response().text()), "42[\"message-back\",2]");
    }
}

#[test]
fn a_request_is_not_completed_by_another_connection() {
    let server = Server::start();
    let mut session = Polling::open(&server);
    let request = session.post_request("40");
    let (head, tail) = request.split_at(40);
    let (mut first, mut second) = (server.connect(), server.connect());
    first.send(head.as_bytes());
    second.send(format!("{tail}\r\n\r\n").as_bytes());
    assert_eq!(second.response().status, 400);
    first.send(tail.as_bytes());
    first.response().assert_is(200, "ok");
    session.read_until("40{\"sid\":");
}

#[test]
fn a_client_that_has_finished_sending_still_gets_its_answer() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(GET);
    connection.finish_sending();
    connection.response().assert_is(200, "all good");
    connection.expect_end();
}

#[test]
fn half_closed_connections_end_what_they_carry() {
    let server = Server::start();
    let mut observer = Socket::connect(&server);

    let mut head = server.connect();
    head.send(&GET[..10]);
    head.finish_sending();
    head.drain_to_end();

    let mut socket = Socket::tracked(&server, "websocket");
    socket.ws.connection.finish_sending();
    socket.ws.connection.drain_to_end();
    drop(socket);
    assert_eq!(observer.reason_of("websocket"), json!(["transport close"]));

    let session = Polling::tracked(&server, "polling");
    let mut held = session.poll();
    held.finish_sending();
    held.drain_to_end();
    assert_eq!(observer.reason_of("polling"), json!(["transport error"]));

    let session = Polling::open(&server);
    let mut ws = WebSocket::probe(&server, &session.sid);
    ws.send_text("2probe");
    ws.expect(&Frame::text("3probe"));
    ws.connection.finish_sending();
    ws.connection.drain_to_end();
    assert!(session.lives());
}
