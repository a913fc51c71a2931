//! The documented limits of HTTP requests and WebSocket messages, and the answers at them.

use serde_json::json;

use crate::support::{Connection, Frame, Polling, Server, Socket, WebSocket};

/// Longest request head, bytes.
const HEAD: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS: usize = 96;
/// `max_http_buffer_size` where a test needs a small one, bytes.
const MAX_PAYLOAD: usize = 1000;
/// Most fragments of a WebSocket message.
const FRAGMENTS: usize = 131_072;

/// Panics unless the request is refused with this status.
fn assert_refused(connection: &mut Connection, request: &[u8], status: u16) {
    connection.send(request);
    let response = connection.response();
    assert_eq!(response.status, status, "{:?}", String::from_utf8_lossy(&request[..request.len().min(200)]));
    assert_eq!(response.header("connection").map(|value| value.to_ascii_lowercase()).as_deref(), Some("close"));
    connection.expect_end();
}

#[test]
fn a_head_over_its_length_gets_431_and_is_cut() {
    let mut server = Server::start();
    let start = "GET / HTTP/1.1\r\nHost: example.test\r\nX-Long: ";
    let long = format!("{start}{}", "x".repeat(HEAD + 1 - start.len()));
    assert_refused(&mut server.connect(), long.as_bytes(), 431);

    let short = format!("{start}{}\r\n\r\n", "x".repeat(HEAD - 1024));
    let mut connection = server.connect();
    connection.send(short.as_bytes());
    assert_eq!(connection.response().status, 200);
    server.assert_well();
}

#[test]
fn a_header_too_many_gets_431_and_is_cut() {
    let server = Server::start();
    let request = |headers: usize| {
        let more: String = (1..headers).map(|n| format!("X-{n}: {n}\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: example.test\r\n{more}\r\n")
    };
    let mut connection = server.connect();
    connection.send(request(HEADERS).as_bytes());
    assert_eq!(connection.response().status, 200);
    assert_refused(&mut connection, request(HEADERS + 1).as_bytes(), 431);
}

#[test]
fn a_body_whose_length_is_doubtful_gets_400_and_is_cut() {
    let mut server = Server::start();
    let doubtful = [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n40\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n40\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n40",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\n40",
        "Content-Length: +2\r\n\r\n40",
        "Content-Length: -2\r\n\r\n40",
        "Content-Length: 0x2\r\n\r\n40",
        "Content-Length: two\r\n\r\n40",
        "Content-Length: 99999999999999999999999\r\n\r\n40",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\n40\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-2\r\n40\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n40x\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n40\r\n0\r\n\r\n",
    ];
    for rest in doubtful {
        let session = Polling::open(&server);
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", session.sid);
        let request = format!("POST {target} HTTP/1.1\r\nHost: example.test\r\n{rest}");
        let mut connection = session.attach();
        connection.send(request.as_bytes());
        let response = connection.response();
        assert_eq!(response.status, 400, "{rest:?}");
        connection.expect_end();
    }
    server.assert_well();
}

#[test]
fn text_that_is_no_request_gets_400_and_is_cut() {
    let mut server = Server::start();
    for text in ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "\x01\x02\x03\x04\r\n\r\n"] {
        assert_refused(&mut server.connect(), text.as_bytes(), 400);
    }
    assert_refused(&mut server.connect(), b"GET / HTTP/9\r\n\r\n", 505);
    server.assert_well();
}

#[test]
fn a_body_over_its_length_gets_413_and_the_session_lives() {
    let server = Server::with(&[("MAX_PAYLOAD", &MAX_PAYLOAD.to_string())]);
    let mut session = Polling::open(&server);
    let body = format!("4{}", "x".repeat(MAX_PAYLOAD));
    let whole = session.post_request(&body);
    let length = format!("Content-Length: {}", body.len());
    let chunked = whole.replace(&length, "Transfer-Encoding: chunked");
    let chunked = chunked.replace(&body, &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    for request in [whole, chunked] {
        let mut connection = session.attach();
        connection.send(request.as_bytes());
        connection.response().assert_is(413, "");
        assert!(session.lives());
    }
    session.post_ok("40");
    session.read_until("40{\"sid\":");
}

#[test]
fn a_client_that_goes_on_sending_a_long_body_still_reads_its_413() {
    let server = Server::start();
    let session = Polling::open(&server);
    let mut connection = session.attach();
    connection.send(session.post_request(&format!("4{}", "x".repeat(1_900_000))).as_bytes());
    connection.response().assert_is(413, "");
    assert!(session.lives());
}

#[test]
fn a_message_over_its_length_closes_with_1009() {
    let server = Server::with(&[("MAX_PAYLOAD", &MAX_PAYLOAD.to_string())]);
    let mut observer = Socket::connect(&server);
    let half = vec![b'x'; MAX_PAYLOAD / 2 + 1];
    let cases: [(&str, &[(u8, usize)]); 3] =
        [("whole", &[(0x81, 2)]), ("fragments", &[(0x01, 1), (0x80, 1)]), ("unfinished", &[(0x02, 1), (0x00, 1)])];
    for (key, frames) in cases {
        let mut socket = Socket::tracked(&server, key);
        for (first, halves) in frames {
            socket.ws.send(*first, &half.repeat(*halves));
        }
        socket.ws.expect(&Frame::close_with(1009));
        drop(socket);
        assert_eq!(observer.reason_of(key), json!(["transport error"]), "{key}");
    }
}

#[test]
fn a_message_of_too_many_fragments_closes_with_1008() {
    let server = Server::start();
    let mut socket = Socket::connect(&server);
    let event = b"42[\"message\"]";
    let whole = |socket: &mut Socket, fragments: usize| {
        let (first, rest) = event.split_at(1);
        socket.ws.send(0x01, first);
        socket.ws.connection.send(&WebSocket::masked_frame(0x00, &[]).repeat(fragments - 2));
        socket.ws.send(0x80, rest);
    };
    whole(&mut socket, FRAGMENTS);
    socket.ws.expect_text("42[\"message-back\"]");
    whole(&mut socket, FRAGMENTS + 1);
    let close = socket.ws.frame();
    assert_eq!((close.first, close.payload.get(..2)), (0x88, Some(1008u16.to_be_bytes().as_slice())));
}

#[test]
fn a_bad_control_frame_closes_with_1002() {
    let server = Server::start();
    let oversized = [0x89].iter().chain(&[0xfe, 0, 126, 1, 2, 3, 4]).copied().chain([0; 126]).collect::<Vec<_>>();
    let fragmented = vec![0x09, 0x80, 1, 2, 3, 4];
    let one_byte_close = vec![0x88, 0x81, 1, 2, 3, 4, 0];
    for frame in [oversized, fragmented, one_byte_close] {
        let mut socket = Socket::connect(&server);
        socket.ws.connection.send(&frame);
        socket.ws.expect(&Frame::close_with(1002));
    }
}
