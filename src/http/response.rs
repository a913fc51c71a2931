//! Answers: always whole, in one piece, with a `Content-Length`.
//!
//! No answer has a `Date`: no client of this protocol reads it, no answer may be cached, and a held poll would pay for
//! its bytes with every message.

use std::io::Write;

use bytes::Bytes;
use memchr::memmem;

use super::field::{HeaderLines, push_line};
use super::head::{Head, Version};
use super::method::Method;
use super::status::{Status, status_line};

/// Answer to `Expect: 100-continue`, before the final answer.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Answer to a connection beyond the limit.
pub(crate) const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Answer to a connection of an address that has too many.
pub(crate) const CROWD: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const ALL_GOOD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 8\r\n\r\nall good";

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// What an answer says about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// It stays open; HTTP/1.1 assumes so.
    Persistent,
    /// It stays open, and the answer tells a client of HTTP/1.0 so.
    KeepAlive,
    /// It is closed after this answer.
    Close,
}

/// Whether the body of an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Sent,
    /// Only its length is sent: the request was HEAD.
    Omitted,
}

/// Which kind of browser asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    Modern,
    /// Internet Explorer, whose script filter would take a payload for an attack.
    InternetExplorer,
}

/// How an answer is sent: what must be kept of a request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) connection: Connection,
    pub(crate) content: Content,
    pub(crate) agent: Agent,
}

impl Delivery {
    /// For an answer to a request that cannot be read any further: it is complete, and the last one on its connection.
    pub(crate) const LAST: Self = Self { connection: Connection::Close, content: Content::Sent, agent: Agent::Modern };

    /// Whether the body is sent.
    pub(crate) fn has_body(self) -> bool {
        self.content == Content::Sent
    }

    /// As the request wants it.
    pub(crate) fn of(head: &Head<'_>) -> Self {
        let connection = match head.version {
            _ if !head.keep_alive => Connection::Close,
            Version::Http10 => Connection::KeepAlive,
            Version::Http11 => Connection::Persistent,
        };
        let content = if head.method == Some(Method::Head) { Content::Omitted } else { Content::Sent };
        let explorer = head
            .header("user-agent")
            .is_some_and(|agent| memmem::find(agent, b";MSIE").is_some() || memmem::find(agent, b"Trident/").is_some());
        let agent = if explorer { Agent::InternetExplorer } else { Agent::Modern };
        Self { connection, content, agent }
    }
}

/// Writes one answer, headers in the order of the calls.
#[derive(Debug)]
pub(crate) struct AnswerWriter<'a> {
    bytes: Vec<u8>,
    delivery: Delivery,
    body: &'a [u8],
}

impl<'a> AnswerWriter<'a> {
    /// An answer with its status line.
    pub(crate) fn new(status: Status, delivery: Delivery, body: &'a [u8]) -> Self {
        let mut bytes = Vec::with_capacity(256 + body.len());
        bytes.extend_from_slice(b"HTTP/1.1 ");
        bytes.extend_from_slice(status.as_str().as_bytes());
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, delivery, body }
    }

    /// The same with any status.
    pub(super) fn with_code(code: u16, delivery: Delivery, body: &'a [u8]) -> Self {
        let mut bytes = Vec::with_capacity(256 + body.len());
        status_line(&mut bytes, code);
        Self { bytes, delivery, body }
    }

    /// Appends a header. One whose value has control characters is left out.
    pub(crate) fn header(mut self, name: &str, value: &[u8]) -> Self {
        push_line(&mut self.bytes, name, value);
        self
    }

    /// Appends ready lines.
    pub(crate) fn lines(mut self, lines: &HeaderLines) -> Self {
        self.bytes.extend_from_slice(lines.as_bytes());
        self
    }

    /// Appends the `Content-Length`. Every answer needs it, once.
    pub(crate) fn length(self) -> Self {
        let length = self.body.len() as u64;
        self.length_of(length)
    }

    /// The same for a body of which only the beginning is here.
    pub(super) fn length_of(mut self, length: u64) -> Self {
        // Writing to a vector cannot fail.
        let _ = write!(self.bytes, "Content-Length: {length}\r\n");
        self
    }

    /// The whole answer.
    pub(crate) fn finish(mut self) -> Bytes {
        self.bytes.extend_from_slice(match self.delivery.connection {
            Connection::Persistent => b"\r\n",
            Connection::KeepAlive => b"Connection: keep-alive\r\n\r\n",
            Connection::Close => b"Connection: close\r\n\r\n",
        });
        if self.delivery.content == Content::Sent {
            self.bytes.extend_from_slice(self.body);
        }
        self.bytes.into()
    }
}

/// Answer to `GET /`, the health check of load balancers.
pub(crate) fn all_good(delivery: Delivery) -> Bytes {
    if (delivery.connection, delivery.content) == (Connection::Persistent, Content::Sent) {
        return Bytes::from_static(ALL_GOOD);
    }
    AnswerWriter::new(Status::Ok, delivery, b"all good")
        .header("Content-Type", b"text/plain; charset=utf-8")
        .length()
        .finish()
}

/// The same while the server is shutting down.
pub(crate) fn leaving(delivery: Delivery) -> Bytes {
    AnswerWriter::new(Status::ServiceUnavailable, delivery, b"leaving")
        .header("Content-Type", b"text/plain; charset=utf-8")
        .length()
        .finish()
}

/// Answer to a path nobody serves.
pub(crate) fn not_found(delivery: Delivery) -> Bytes {
    if delivery.connection == Connection::Persistent {
        return Bytes::from_static(NOT_FOUND);
    }
    AnswerWriter::new(Status::NotFound, delivery, b"").length().finish()
}

/// Answer to a Socket.IO client that uses another path.
pub(crate) fn misdirected(delivery: Delivery, cors: &HeaderLines, path: &str) -> Bytes {
    let body = format!("Socket.IO is at {path} here: set the client's option `path`");
    AnswerWriter::new(Status::NotFound, delivery, body.as_bytes())
        .lines(cors)
        .header("Content-Type", b"text/plain; charset=utf-8")
        .length()
        .finish()
}

#[cfg(test)]
mod tests {
    use super::super::head::{HeadLimits, Parsed, parse, scratch};
    use super::*;

    fn delivery(line: &str, headers: &str) -> Delivery {
        let text = format!("{line}\r\nHost: h\r\n{headers}\r\n");
        match parse(text.as_bytes(), &HeadLimits::default(), &mut scratch()) {
            Ok(Parsed::Complete(head)) => Delivery::of(&head),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_request_decides_how_the_answer_travels() {
        let modern = Agent::Modern;
        for (line, headers, expected) in [
            ("GET / HTTP/1.1", "", (Connection::Persistent, Content::Sent, modern)),
            ("GET / HTTP/1.1", "Connection: close\r\n", (Connection::Close, Content::Sent, modern)),
            ("HEAD / HTTP/1.0", "Connection: keep-alive\r\n", (Connection::KeepAlive, Content::Omitted, modern)),
            ("GET / HTTP/1.0", "User-Agent: x;MSIE 9\r\n", (Connection::Close, Content::Sent, Agent::InternetExplorer)),
            (
                "GET / HTTP/1.1",
                "User-Agent: Trident/7\r\n",
                (Connection::Persistent, Content::Sent, Agent::InternetExplorer),
            ),
        ] {
            let found = delivery(line, headers);
            assert_eq!((found.connection, found.content, found.agent), expected, "{line} {headers}");
        }
    }

    #[test]
    fn ready_answers_equal_built_ones() {
        let plain = delivery("GET / HTTP/1.1", "");
        let tail = b"Connection: close\r\n";
        for ready in [all_good, not_found] {
            let closing = ready(Delivery { connection: Connection::Close, ..plain });
            let at = memmem::find(&closing, tail).expect("the close is told");
            assert_eq!([&closing[..at], &closing[at + tail.len()..]].concat(), ready(plain));
        }
        let busy =
            AnswerWriter::new(Status::ServiceUnavailable, Delivery::LAST, b"").header("Retry-After", b"5").length();
        assert_eq!(busy.finish(), BUSY);
        let crowd = AnswerWriter::new(Status::TooManyRequests, Delivery::LAST, b"").length();
        assert_eq!(crowd.finish(), CROWD);
    }

    #[test]
    fn an_answer_to_head_has_the_length_but_not_the_body() {
        let answer = all_good(delivery("HEAD / HTTP/1.1", ""));
        assert!(ALL_GOOD.strip_suffix(b"all good") == Some(&answer[..]));
    }
}
