//! What holds of requests for any bytes.
#![allow(clippy::expect_used)]

use super::body::{BodyError, BodyReader, BodyStep, whole};
use super::compress::Coding;
use super::cors::{Cors, Origin};
use super::field::HeaderLines;
use super::head::{BodyLength, Head, HeadError, HeadLimits, Parsed, Version, parse, scratch};
use super::response::Delivery;
use super::status::Status;
use super::upgrade::Accept;
use crate::pieces;

const HEAD_LIMITS: HeadLimits = HeadLimits { max_head_bytes: 1024, max_headers: 12 };

/// Bytes of a body, so few that a check meets the limit.
const BODY_LIMIT: usize = 256;

/// A request's head: what is said of it does not depend on how much of it is there, no other parser can read it differently, and
/// a head that is written again is the same. No answer contains a line that the client wrote.
pub fn head(bytes: &[u8]) {
    let mut room = scratch();
    let parsed = parse(bytes, &HEAD_LIMITS, &mut room);
    for end in pieces::ends(bytes) {
        check_begun(&bytes[..end], &parsed);
    }
    match parsed {
        Ok(Parsed::Complete(head)) => check_head(&head, bytes),
        Ok(Parsed::Partial) => assert!(bytes.len() < HEAD_LIMITS.max_head_bytes),
        Err(error) => assert!(error.status() != Status::Ok),
    }
}

/// That the beginning of a head is judged as the whole is, or not yet.
fn check_begun(begun: &[u8], whole: &Result<Parsed<'_>, HeadError>) {
    match (parse(begun, &HEAD_LIMITS, &mut scratch()), whole) {
        (Ok(Parsed::Partial), Ok(Parsed::Complete(head))) => assert!(begun.len() < head.length),
        (Ok(Parsed::Partial), _) => {}
        (Ok(Parsed::Complete(one)), Ok(Parsed::Complete(other))) => assert_eq!(text(&one), text(other)),
        (Err(one), Err(other)) => assert_eq!(one, *other),
        (one, other) => unreachable!("{one:?}, and of the whole {other:?}"),
    }
}

fn text(head: &Head<'_>) -> String {
    format!("{head:?}")
}

fn check_head(head: &Head<'_>, bytes: &[u8]) {
    assert!(head.length <= bytes.len());
    check_one_reading(head, &bytes[..head.length]);
    let written = written(head, bytes);
    let mut room = scratch();
    let Ok(Parsed::Complete(mut again)) = parse(&written, &HeadLimits::default(), &mut room) else {
        unreachable!("{} is no head", written.escape_ascii())
    };
    assert_eq!(again.length, written.len());
    again.length = head.length;
    assert_eq!(text(&again), text(head));
    check_answers(head);
}

/// That another parser finds the same lines and the same body.
fn check_one_reading(head: &Head<'_>, bytes: &[u8]) {
    let is_whole = |(at, byte): (usize, &u8)| *byte != b'\n' || at > 0 && bytes[at - 1] == b'\r';
    assert!(bytes.iter().enumerate().all(is_whole), "a line feed alone");
    let count = |name: &str| head.values(name).count();
    assert!(count("content-length") + count("transfer-encoding") <= 1, "two lengths");
    assert!(count("host") <= 1, "two hosts");
}

/// The head as it is written without its freedoms.
fn written(head: &Head<'_>, bytes: &[u8]) -> Vec<u8> {
    let method = bytes.trim_ascii_start().split(|byte| *byte == b' ').next().unwrap_or_default();
    let version = if head.version == Version::Http10 { "0" } else { "1" };
    let line = format!(" {} HTTP/1.{version}\r\n", head.target);
    let mut lines = HeaderLines::EMPTY;
    head.headers().for_each(|(name, value)| lines.push(name, value));
    [method, line.as_bytes(), lines.as_bytes(), b"\r\n"].concat()
}

/// That answers which repeat something of a request are one head each.
fn check_answers(head: &Head<'_>) {
    let cors = Cors::new(Origin::Echo).credentials(true);
    let mut lines = HeaderLines::EMPTY;
    cors.headers(head.text("origin"), &mut lines);
    assert_one_head(&cors.preflight(Delivery::of(head), head));
    if let Ok(accept) = Accept::check(head) {
        assert_one_head(&accept.answer(&lines));
    }
    if let Some(accepted) = head.text("accept-encoding") {
        let coding = Coding::accepted(accepted).map(Coding::as_str);
        let accepted = accepted.to_ascii_lowercase();
        assert!(coding.is_none_or(|coding| accepted.contains(coding) || accepted.contains('*')));
    }
}

/// That bytes are lines, and that the last one is the first that is empty.
fn assert_one_head(bytes: &[u8]) {
    let text = bytes.strip_suffix(b"\r\n\r\n").expect("an empty line at the end");
    let is_line = |line: &[u8]| !line.is_empty() && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    assert!(lines.all(is_line), "{}", bytes.escape_ascii());
}

/// A request's body: its pieces do not matter, it is kept within its limit, and chunks that are written again are the same.
pub fn body(bytes: &[u8]) {
    let half = BodyLength::Length(bytes.len() as u64 / 2);
    for length in [BodyLength::Chunked, half, BodyLength::Length(BODY_LIMIT as u64 + 1)] {
        let read = Body::read(length, &[bytes]);
        for pieces in pieces::ways(bytes) {
            assert_eq!(Body::read(length, &pieces), read, "{length:?}");
        }
        assert!(read.data.len() <= BODY_LIMIT.min(bytes.len()));
        if let Some(whole) = whole(length, bytes, BODY_LIMIT) {
            assert_eq!((whole, Ok(Some(whole.len()))), (&*read.data, read.end));
        }
        if length == BodyLength::Chunked && !read.is_too_large && matches!(read.end, Ok(Some(_))) {
            let again = Body::read(length, &[&read.chunks()]);
            assert_eq!((again.data, again.end), (read.data.clone(), Ok(Some(read.chunks().len()))));
        }
    }
}

/// A body as far as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    data: Vec<u8>,
    is_too_large: bool,
    /// The place of its end, if that has come.
    end: Result<Option<usize>, BodyError>,
}

impl Body {
    fn read(length: BodyLength, pieces: &[&[u8]]) -> Self {
        let mut reader = BodyReader::new(length, BODY_LIMIT);
        let mut body = Self { data: Vec::new(), is_too_large: false, end: Ok(None) };
        let mut used = 0;
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let (count, step) = match reader.read(rest, &mut body.data) {
                    Ok(read) => read,
                    Err(error) => return Self { end: Err(error), ..body },
                };
                rest = &rest[count..];
                used += count;
                match step {
                    BodyStep::Done => return Self { end: Ok(Some(used)), ..body },
                    BodyStep::More => break,
                    BodyStep::TooLarge => {
                        assert!(!std::mem::replace(&mut body.is_too_large, true), "too large twice");
                    }
                }
            }
            assert!(rest.is_empty(), "more is wanted, and some was not used");
        }
        body
    }

    /// The data in one chunk, and the last chunk.
    fn chunks(&self) -> Vec<u8> {
        let size = format!("{:x}\r\n", self.data.len());
        let chunk = [size.as_bytes(), &self.data, b"\r\n"].concat();
        let chunk = if self.data.is_empty() { Vec::new() } else { chunk };
        [&chunk[..], b"0\r\n\r\n"].concat()
    }
}
