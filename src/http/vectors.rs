//! The exchanges recorded from the Node server, and pipelined requests split in every way.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::Accept;
use super::*;
use crate::engineio::{Code, PayloadKind};

/// The codes of recorded refusals.
const CODES: [Code; 6] = [
    Code::UnknownTransport,
    Code::UnknownSid,
    Code::BadHandshakeMethod,
    Code::BadRequest,
    Code::Forbidden,
    Code::UnsupportedProtocolVersion,
];

/// A recorded exchange.
struct Exchange {
    id: String,
    request: String,
    response: String,
}

fn recorded() -> Vec<Exchange> {
    let vectors: Value =
        serde_json::from_str(include_str!("../../tests/vectors/engine-io-http.json")).expect("vectors are JSON");
    let text = |entry: &Value, key: &str| entry[key].as_str().map(str::to_owned);
    let entries = vectors["entries"].as_array().expect("vectors have entries");
    let exchanges = entries.iter().filter_map(|entry| {
        let (request, response) = (text(entry, "request")?, text(entry, "response")?);
        Some(Exchange { id: text(entry, "id")?, request, response })
    });
    exchanges.collect()
}

/// The settings the exchange was recorded with.
fn settings(id: &str) -> (Option<Cors>, Option<Cookie>) {
    let fixed = Cors::new(Origin::Fixed("http://a.test".into())).credentials(true);
    let list = Cors::new(Origin::List(vec!["http://x.b.test".into()]));
    let cookie = Cookie::new("AWSALB-like")
        .path(Some("/x".into()))
        .max_age(Duration::from_secs(60))
        .http_only(false)
        .secure(true)
        .same_site(Some(SameSite::None));
    match id {
        "eh-053" | "eh-054" | "eh-055" | "eh-056" | "eh-075" => (Some(fixed), Some(Cookie::default())),
        "eh-057" | "eh-058" | "eh-059" => (Some(list), Some(cookie)),
        "eh-060" | "eh-061" => (Some(Cors::new(Origin::Any)), None),
        _ => (None, None),
    }
}

/// A recorded answer without the headers of Node's HTTP library, and with a length instead of chunks.
fn essence(response: &str) -> String {
    let (head, body) = response.split_once("\r\n\r\n").expect("an answer has a head");
    let library = ["Date: ", "Connection: keep-alive", "Keep-Alive: ", "Transfer-Encoding: "];
    let mut lines: Vec<_> =
        head.split("\r\n").filter(|line| !library.iter().any(|prefix| line.starts_with(prefix))).collect();
    let mut data = Vec::new();
    if !head.contains("Transfer-Encoding: chunked") {
        return format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    }
    let read = BodyReader::new(BodyLength::Chunked, 1000).read(body.as_bytes(), &mut data);
    assert_eq!(read, Ok((body.len(), BodyStep::Done)));
    let length = format!("Content-Length: {}", data.len());
    lines.push(&length);
    format!("{}\r\n\r\n{}", lines.join("\r\n"), String::from_utf8_lossy(&data))
}

/// Our answer of the kind that was recorded.
fn answer(head: &Head<'_>, id: &str, recorded: &str) -> Bytes {
    let delivery = Delivery::of(head);
    let (cors, cookie) = settings(id);
    let origin = head.text("origin");
    let mut lines = HeaderLines::EMPTY;
    if let Some(cors) = &cors {
        cors.headers(origin, &mut lines);
    }
    let (fields, body) = recorded.split_once("\r\n\r\n").expect("an answer has a head");
    let is = |text: &str| fields.contains(text);
    if head.upgrade {
        return match Accept::check(head) {
            _ if is("Content-type: text/html") => refusal(body),
            Ok(accept) => accept.answer(&lines),
            Err(error) => error.answer(),
        };
    }
    if is(" 204 ") {
        return cors.expect("preflights need CORS").preflight(delivery, head);
    }
    if is("text/plain") {
        let cookie = cookie.and_then(|cookie| cookie.render(&body[9..29]));
        let answer = PollAnswer {
            payload: body.as_bytes(),
            kind: PayloadKind::Text,
            coding: None,
            cors: &lines,
            cookie: cookie.as_deref(),
        };
        return answer.write(delivery);
    }
    if is("application/json") {
        let body: Value = serde_json::from_str(body).expect("the body is JSON");
        let code = CODES.into_iter().find(|code| body["code"] == *code as u8).expect("a code");
        return error(delivery, &lines, code, body["message"].as_str());
    }
    match fields.split(' ').nth(1) {
        Some("200") => post_ok(delivery, &lines),
        Some("400") => empty(Status::BadRequest, delivery, &lines),
        Some("404") => not_found(delivery),
        Some("413") => empty(Status::PayloadTooLarge, delivery, &lines),
        Some("500") => empty(Status::InternalServerError, delivery, &lines),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn answers_are_those_of_the_node_server() {
    let mut compared = 0;
    for Exchange { id, request, response } in recorded() {
        // ISO 8859-1 text stands for bytes.
        let request: Vec<u8> = request.chars().map(|char| u8::try_from(u32::from(char)).expect("a byte")).collect();
        let mut room = scratch();
        let parsed = parse(&request, &HeadLimits::default(), &mut room);
        match (&id[..], parsed) {
            // A control character in a header.
            ("eh-024", parsed) => assert_eq!(parsed.expect_err("refused").status(), Status::BadRequest),
            // The client bundle is not served; an upgrade elsewhere gets no answer.
            ("eh-017" | "eh-073", Ok(Parsed::Complete(_))) => {}
            (_, Ok(Parsed::Complete(head))) => {
                let body = whole(head.body, &request[head.length..], 1000).expect("recorded requests are whole");
                assert_eq!(head.length + body.len(), request.len(), "{id}");
                let mut expected = essence(&response);
                if head.upgrade {
                    // Frames follow the 101, or a refusal that came too late.
                    let end = expected.find("\r\n\r\n").map_or(0, |at| at + 4);
                    expected.truncate(if expected.starts_with("HTTP/1.1 101") { end } else { expected.len() });
                }
                let ours = answer(&head, &id, &expected);
                assert_eq!(String::from_utf8_lossy(&ours), expected, "{id}");
                compared += 1;
            }
            (_, other) => unreachable!("{id}: {other:?}"),
        }
    }
    assert_eq!(compared, 68);
}

/// Reads requests from a connection whose bytes arrive in pieces of `size`: what each head said, and each body.
fn requests(bytes: &[u8], size: usize) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    let mut reading: Option<(String, BodyReader, Vec<u8>)> = None;
    for piece in bytes.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            if let Some((_, reader, data)) = &mut reading {
                let (used, step) = reader.read(&buffer, data).expect("a sound body");
                buffer.drain(..used);
                if step == BodyStep::More {
                    break;
                }
                found.extend(reading.take().map(|(head, _, data)| (head, data)));
            }
            let (length, head, body) = match parse(&buffer, &HeadLimits::default(), &mut scratch()) {
                Ok(Parsed::Complete(head)) => (head.length, format!("{head:?}"), head.body),
                Ok(Parsed::Partial) => break,
                Err(error) => unreachable!("{error}"),
            };
            buffer.drain(..length);
            reading = Some((head, BodyReader::new(body, 100), Vec::new()));
        }
    }
    assert!(buffer.is_empty() && reading.is_none(), "all bytes belong to a request");
    found
}

proptest! {
    #[test]
    fn pipelined_requests_are_the_same_however_they_are_split(
        kinds in prop::collection::vec((0_u8..4, "[a-z]{1,20}"), 1..6),
        size in 1_usize..40,
    ) {
        let bytes: Vec<u8> = kinds.iter().flat_map(|(kind, text)| {
            let length = text.len();
            match kind {
                0 => format!("GET /{text} HTTP/1.1\r\nHost: h\r\n\r\n"),
                1 => format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{text}"),
                2 => format!("\r\nPOST / HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{text}"),
                _ => format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n{length:x};x\r\n{text}\r\n0\r\nA: b\r\n\r\n"),
            }.into_bytes()
        }).collect();
        let whole = requests(&bytes, bytes.len());
        prop_assert_eq!(whole.len(), kinds.len());
        prop_assert_eq!(requests(&bytes, size), whole);
    }
}
