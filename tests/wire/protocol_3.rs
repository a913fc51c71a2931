//! Replay of the captured sessions of protocol 3, as 2.x clients have them. JSONP is not supported.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Connection, Frame, Polling, Response, Server, Socket, Vectors, WebSocket, assert_covers, hex, masked,
};

/// The entries of the behaviour judged here.
pub const JUDGED: &[&str] = &["eb-073", "eb-074", "eb-077", "eb-078"];

const ALLOWED: &[(&str, &str)] = &[("EIO3", "1")];
const FAST: &[(&str, &str)] = &[("EIO3", "1"), ("PING_INTERVAL", "300"), ("PING_TIMEOUT", "200")];

/// The events of the captured application and of this one: both send back what they get.
const CAPTURED: &str = "42[\"echo\",1]";
const SENT: &str = "42[\"message\",1]";
const ECHO: &str = "42[\"message-back\",1]";

const BINARY_SENT: &str = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";
const BINARY_ECHO: &str = "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]";

/// The attachment 01 02 03 in a payload of bytes.
const ATTACHMENT: &[u8] = &[1, 4, 0xff, 4, 1, 2, 3];

/// The packets as a payload of text; they are ASCII.
fn payload(packets: &[&str]) -> String {
    packets.iter().map(|packet| format!("{}:{packet}", packet.len())).collect()
}

/// The text packet in a payload of bytes.
fn octets(packet: &str) -> Vec<u8> {
    let digits = packet.len().to_string().into_bytes().into_iter().map(|digit| digit - b'0');
    [0].into_iter().chain(digits).chain([0xff]).chain(packet.bytes()).collect()
}

/// A polling session of protocol 3; its requests take one connection, one after the other.
struct Session {
    sid: String,
    query: &'static str,
    connection: Connection,
}

impl Session {
    /// Opens a session by a handshake with this query. Returns the handshake's answer, too.
    fn open(server: &Server, query: &'static str) -> (Self, Response) {
        let mut connection = server.connect();
        connection.send(request("GET", query, "", "", b"").as_slice());
        let response = connection.response();
        let text = response.text();
        let (_, rest) = text.split_once("\"sid\":\"").expect("a sid");
        let sid = rest.split('"').next().expect("its end").to_owned();
        (Self { sid, query, connection }, response)
    }

    /// A session that has been greeted.
    fn greeted(server: &Server, query: &'static str) -> Self {
        let (mut session, _) = Self::open(server, query);
        session.get().assert_is(200, &payload(&["40", "42[\"auth\",{}]"]));
        session
    }

    fn get(&mut self) -> Response {
        self.connection.send(&request("GET", self.query, &self.sid, "", b""));
        self.connection.response()
    }

    fn post(&mut self, content_type: &str, body: &[u8]) -> Response {
        self.connection.send(&request("POST", self.query, &self.sid, content_type, body));
        self.connection.response()
    }

    fn post_text(&mut self, body: &str) {
        self.post("text/plain;charset=UTF-8", body.as_bytes()).assert_is(200, "ok");
    }
}

fn request(method: &str, query: &str, sid: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} /socket.io/?{query}transport=polling&sid={sid} HTTP/1.1\r\nHost: example.test\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A WebSocket of protocol 3, with these members of the query behind `EIO=3`.
fn websocket(server: &Server, query: &str) -> WebSocket {
    let request = WebSocket::request(query).replacen("EIO=4", "EIO=3", 1);
    let mut connection = server.connect();
    connection.send(request.as_bytes());
    assert_eq!(connection.response().status, 101);
    WebSocket { connection }
}

fn content_type(response: &Response) -> String {
    response.header("content-type").expect("a content type")
}

#[test]
fn every_session_of_protocol_3_is_judged_or_jsonp() {
    let judged = ["v3-001", "v3-002", "v3-003", "v3-004", "v3-005", "v3-006", "v3-007", "v3-009"];
    assert_covers(&Vectors::v3_sessions(), &[&judged, &["v3-008"]]);
}

#[test]
fn a_websocket_session_goes_as_captured() {
    let (server, vectors) = (Server::with(ALLOWED), Vectors::v3_sessions());
    let mut ws = websocket(&server, "");
    // The captured application echoes; this one has other names for it.
    let renamed = |text: &str| match text.strip_prefix("421") {
        Some(_) => text.replace("\"echo\",", "\"message-with-ack\","),
        None => text.replace("\"echo\"", "\"message\""),
    };
    for step in vectors.get("v3-001")["log"].as_array().expect("a log") {
        match (step["client"].as_str(), step["client"]["binary_hex"].as_str()) {
            (Some(text), _) => ws.send_text(&renamed(text)),
            (_, Some(binary)) => ws.send(0x82, &hex(binary)),
            _ => expect(&mut ws, &step["server"]),
        }
    }
    ws.expect_nothing_more();
}

/// Reads the captured message, and the greeting behind it if it joins a namespace.
fn expect(ws: &mut WebSocket, captured: &Value) {
    if let Some(binary) = captured["binary_hex"].as_str() {
        return ws.expect(&Frame { first: 0x82, payload: hex(binary) });
    }
    let text = captured.as_str().expect("a text");
    let echoed = if text.starts_with("430") { text.to_owned() } else { text.replace("\"echo\"", "\"message-back\"") };
    assert_eq!(masked(&ws.text()), echoed);
    match text {
        "40" => ws.expect_text("42[\"auth\",{}]"),
        "40/custom," => ws.expect_text("42/custom,[\"auth\",{\"x\":\"1\"}]"),
        _ => {}
    }
}

#[test]
fn a_polling_session_goes_as_captured() {
    let (server, vectors) = (Server::with(ALLOWED), Vectors::v3_sessions());
    let (mut session, response) = Session::open(&server, "EIO=3&");
    let handshake = &vectors.get("v3-002")["handshake"];
    assert_eq!(content_type(&response), handshake["content_type"].as_str().expect("a text"));
    let (length, packet) =
        response.text().split_once(':').map(|(n, p)| (n.to_owned(), p.to_owned())).expect("a length");
    let (captured_length, captured) = handshake["text"].as_str().expect("a text").split_once(':').expect("a length");
    assert_eq!((length.as_str(), masked(&packet).as_str()), (captured_length, captured));

    let captured = vectors.get("v3-002")["first_poll"]["text"].as_str().expect("a text");
    session.get().assert_is(200, &format!("{captured}{}", payload(&["42[\"auth\",{}]"])));

    assert_eq!(vectors.get("v3-003")["request_body"], payload(&[CAPTURED]));
    session.post_text(&payload(&[SENT]));
    assert_eq!(vectors.get("v3-004")["text"], payload(&[CAPTURED]));
    session.get().assert_is(200, &payload(&[ECHO]));

    assert_eq!(hex(vectors.get("v3-006")["request_hex"].as_str().expect("a text")), octets(CAPTURED));
    session.post("application/octet-stream", &octets(SENT)).assert_is(200, "ok");
    session.get().assert_is(200, &payload(&[ECHO]));
}

#[test]
fn binary_data_comes_in_a_payload_of_bytes() {
    let (server, vectors) = (Server::with(ALLOWED), Vectors::v3_sessions());
    let mut session = Session::greeted(&server, "EIO=3&");
    let captured = vectors.get("v3-005");
    let packet = BINARY_SENT.replace("message", "bin");
    assert_eq!(hex(captured["hex"].as_str().expect("a text")), [&octets(&packet), ATTACHMENT].concat());

    session.post("application/octet-stream", &[&octets(BINARY_SENT), ATTACHMENT].concat()).assert_is(200, "ok");
    let response = session.get();
    assert_eq!(content_type(&response), captured["content_type"].as_str().expect("a text"));
    assert_eq!(response.body, [&octets(BINARY_ECHO), ATTACHMENT].concat());
}

#[test]
fn binary_data_comes_as_text_to_clients_that_ask_for_it() {
    let server = Server::with(ALLOWED);
    let mut session = Session::greeted(&server, "EIO=3&b64=1&");
    let captured = &Vectors::v3_sessions().get("v3-007")["text"].clone();
    assert_eq!(*captured, payload(&[&BINARY_SENT.replace("message", "bin"), "b4AQID"]));
    session.post_text(&payload(&[BINARY_SENT, "b4AQID"]));
    let response = session.get();
    assert_eq!(content_type(&response), "text/plain; charset=UTF-8");
    response.assert_is(200, &payload(&[BINARY_ECHO, "b4AQID"]));

    let mut ws = websocket(&server, "&b64=1");
    ws.opened();
    ws.expect_text("40");
    ws.expect_text("42[\"auth\",{}]");
    ws.send_text(BINARY_SENT);
    ws.send_text("b4AQID");
    ws.expect_text(BINARY_ECHO);
    ws.expect_text("b4AQID");
}

#[test]
fn an_upgrade_goes_as_captured() {
    let (server, vectors) = (Server::with(ALLOWED), Vectors::v3_sessions());
    let mut session = Session::greeted(&server, "EIO=3&");
    let mut ws = websocket(&server, &format!("&sid={}", session.sid));
    session.connection.send(&request("GET", session.query, &session.sid, "", b""));
    ws.send_text("2probe");
    let captured = vectors.get("v3-009");
    ws.expect_text(captured["websocket"][0].as_str().expect("a text"));
    session.connection.response().assert_is(200, captured["pending_poll"].as_str().expect("a text"));
    ws.send_text("5");
    ws.send_text("42[\"message\",\"after\"]");
    ws.expect_text("42[\"message-back\",\"after\"]");
    ws.send_text("2probe");
    ws.expect_text("3");
}

#[test]
fn handshakes_are_answered_as_captured() {
    let (server, vectors) = (Server::with(FAST), Vectors::behaviour());
    for (id, query) in [("eb-073", "EIO=3&"), ("eb-074", "EIO=3&b64=1&"), ("eb-077", "")] {
        let (_, response) = Session::open(&server, query);
        let captured = vectors.get(id);
        assert_eq!(content_type(&response), "text/plain; charset=UTF-8");
        assert_eq!(masked(&response.text()), masked(captured["body"].as_str().expect("a text")), "{id}");
    }
}

#[test]
fn a_client_that_never_pings_is_closed() {
    let server = Server::with(FAST);
    let opened = Instant::now();
    let mut ws = websocket(&server, "");
    ws.opened();
    ws.expect_text("40");
    ws.expect_text("42[\"auth\",{}]");
    // Nothing but a ping counts as life.
    ws.send_text("42[\"nobody-listens\"]");
    ws.expect_close();
    assert!(opened.elapsed() >= Duration::from_millis(495), "closed after {:?}", opened.elapsed());
}

#[test]
fn a_pong_from_the_client_ends_the_session() {
    let server = Server::with(ALLOWED);
    let mut ws = websocket(&server, "");
    ws.opened();
    ws.expect_text("40");
    ws.expect_text("42[\"auth\",{}]");
    ws.send_text("3");
    ws.expect_close();
}

#[test]
fn a_wrong_payload_ends_the_session() {
    let server = Server::with(ALLOWED);
    for body in ["", "x:4a", "9:4a", "2:9a"] {
        let mut session = Session::greeted(&server, "EIO=3&");
        session.post_text(body);
        session.get().assert_is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    }
}

#[test]
fn the_open_packet_of_a_websocket_comes_apart_from_the_answer() {
    let server = Server::with(ALLOWED);
    // If this machine delays the reader, both are there when it reads, so several attempts are made.
    assert!((0..20).any(|_| !websocket(&server, "").connection.has_unread()));
}

#[test]
fn a_packet_in_the_segment_of_the_handshake_finds_its_client_joined() {
    let server = Server::with(ALLOWED);
    let mut connection = server.connect();
    let request = WebSocket::request("").replacen("EIO=4", "EIO=3", 1);
    connection.send(&[request.as_bytes(), &WebSocket::masked_frame(0x81, b"42[\"message\",1]")].concat());
    assert_eq!(connection.response().status, 101);
    let mut ws = WebSocket { connection };
    ws.opened();
    for packet in ["40", "42[\"auth\",{}]", "42[\"message-back\",1]"] {
        ws.expect_text(packet);
    }
}

#[test]
fn a_refusal_is_the_data_of_the_middleware() {
    let server = Server::with(ALLOWED);
    let mut ws = websocket(&server, "");
    ws.opened();
    ws.expect_text("40");
    ws.expect_text("42[\"auth\",{}]");
    ws.send_text("40/nope?x=1,");
    ws.expect_text("44/nope,{\"message\":\"Invalid namespace\"}");
    ws.send_text("40/auth?token=wrong,");
    ws.expect_text("44/auth,{\"code\":\"E_AUTH\",\"retry\":false}");
    ws.send_text("40/auth?token=secret,");
    ws.expect_text("40/auth,");
    ws.expect_text("42/auth,[\"auth\",{\"token\":\"secret\"}]");
}

#[test]
fn ids_are_made_from_the_session_s_and_are_rooms() {
    let server = Server::with(ALLOWED);
    let mut ws = websocket(&server, "");
    let sid = ws.opened();
    ws.expect_text("40");
    ws.expect_text("42[\"auth\",{}]");
    ws.send_text("40/custom,");
    ws.expect_text("40/custom,");
    ws.expect_text("42/custom,[\"auth\",{}]");
    ws.send_text("420[\"rooms\"]");
    ws.expect_text(&format!("430[[\"{sid}\"]]"));
    ws.send_text("42/custom,0[\"rooms\"]");
    ws.expect_text(&format!("43/custom,0[[\"/custom#{sid}\"]]"));
    ws.send_text(&format!("42[\"in\",{{\"rooms\":\"{sid}\"}},\"hello\"]"));
    ws.expect_text("42[\"hello\"]");
    ws.send_text(&format!("42/custom,[\"in\",{{\"rooms\":\"/custom#{sid}\"}},\"hello\"]"));
    ws.expect_text("42/custom,[\"hello\"]");
    // An id of one namespace names no socket of another, and a sender is left out.
    ws.send_text(&format!("42/custom,[\"in\",{{\"rooms\":\"{sid}\"}},\"hello\"]"));
    ws.send_text(&format!("42[\"to\",{{\"rooms\":\"{sid}\"}},\"hello\"]"));
    ws.expect_nothing_more();
}

#[test]
fn a_broadcast_reaches_each_client_in_its_form() {
    let server = Server::with(ALLOWED);
    let mut receivers: Vec<_> = ["", "", "&b64=1", ""].map(|query| websocket(&server, query)).into();
    for ws in &mut receivers {
        ws.opened();
        ws.expect_text("40");
        ws.expect_text("42[\"auth\",{}]");
    }
    let mut sender = Socket::connect(&server);
    sender.ws.send_text("451-[\"emit-all\",\"bytes\",{\"_placeholder\":true,\"num\":0}]");
    sender.ws.send(0x82, &[1, 2, 3]);
    receivers.push(sender.ws);
    let raw = |payload: &[u8]| Frame { first: 0x82, payload: payload.to_vec() };
    let typed = raw(&[4, 1, 2, 3]);
    let forms = [&typed, &typed, &Frame::text("b4AQID"), &typed, &raw(&[1, 2, 3])];
    for (ws, form) in receivers.iter_mut().zip(forms) {
        ws.expect_text("451-[\"bytes\",{\"_placeholder\":true,\"num\":0}]");
        ws.expect(form);
    }
}

#[test]
fn the_session_id_of_protocol_4_is_no_room() {
    let server = Server::with(ALLOWED);
    let mut session = Polling::connected(&server);
    session.post_ok(&format!("42[\"in\",{{\"rooms\":\"{}\"}},\"hello\"]", session.sid));
    session.post_ok("420[\"message-with-ack\"]");
    session.get().assert_is(200, "430[]");
}

#[test]
fn protocol_3_is_refused_unless_it_is_allowed() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(&request("GET", "EIO=3&", "", "", b""));
    connection.response().assert_is(400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
}
