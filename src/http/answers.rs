//! The answers of Engine.IO over HTTP, with the Node server's headers.

use bytes::Bytes;

use super::compress::Coding;
use super::field::HeaderLines;
use super::response::{Agent, AnswerWriter, Content, Delivery};
use super::status::Status;
use crate::engineio::{Code, PayloadKind};

/// Answer to a polling GET: a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollAnswer<'a> {
    /// The body as it is sent: compressed if `coding` says so.
    pub(crate) payload: &'a [u8],
    pub(crate) kind: PayloadKind,
    pub(crate) coding: Option<Coding>,
    pub(crate) cors: &'a HeaderLines,
    /// The value of `Set-Cookie`, on handshakes.
    pub(crate) cookie: Option<&'a str>,
}

impl PollAnswer<'_> {
    /// The head, which comes before the payload.
    pub(crate) fn head(self, delivery: Delivery) -> Bytes {
        self.write(Delivery { content: Content::Omitted, ..delivery })
    }

    /// The whole answer.
    pub(crate) fn write(self, delivery: Delivery) -> Bytes {
        let content_type: &[u8] = match self.kind {
            PayloadKind::Text => b"text/plain; charset=UTF-8",
            PayloadKind::Binary => b"application/octet-stream",
        };
        let mut answer =
            AnswerWriter::new(Status::Ok, delivery, self.payload).lines(self.cors).header("Content-Type", content_type);
        if let Some(coding) = self.coding {
            answer = answer.header("Content-Encoding", coding.as_str().as_bytes());
        }
        answer = session_headers(answer.length(), delivery.agent);
        if let Some(cookie) = self.cookie {
            answer = answer.header("Set-Cookie", cookie.as_bytes());
        }
        answer.finish()
    }
}

/// Answer to a polling POST that was read completely, whatever it contained.
pub(crate) fn post_ok(delivery: Delivery, cors: &HeaderLines) -> Bytes {
    let answer =
        AnswerWriter::new(Status::Ok, delivery, b"ok").lines(cors).header("Content-Type", b"text/html").length();
    session_headers(answer, delivery.agent).finish()
}

/// Answer to a plain request that is refused with an Engine.IO error code; `message` replaces the code's own. Only a
/// refusal by the application gets 403.
pub(crate) fn error(delivery: Delivery, cors: &HeaderLines, code: Code, message: Option<&str>) -> Bytes {
    let status = if code == Code::Forbidden { Status::Forbidden } else { Status::BadRequest };
    let body = code.json_body(message);
    let answer = AnswerWriter::new(status, delivery, body.as_bytes()).lines(cors);
    answer.header("Content-Type", b"application/json").length().finish()
}

/// Answer without a body: to overlaps, unknown methods, bodies too large.
pub(crate) fn empty(status: Status, delivery: Delivery, cors: &HeaderLines) -> Bytes {
    AnswerWriter::new(status, delivery, b"").lines(cors).length().finish()
}

/// Answer to OPTIONS for a path that has these methods. `cors` is for browsers that ask whether a page may send a request.
pub(crate) fn options(delivery: Delivery, allow: &str, cors: &HeaderLines) -> Bytes {
    AnswerWriter::new(Status::NoContent, delivery, b"").header("Allow", allow.as_bytes()).lines(cors).length().finish()
}

/// Answer to a method that a path does not have.
pub(crate) fn not_allowed(delivery: Delivery, allow: &str, cors: &HeaderLines) -> Bytes {
    let answer = AnswerWriter::new(Status::MethodNotAllowed, delivery, b"").lines(cors);
    answer.header("Allow", allow.as_bytes()).length().finish()
}

/// Answer to a WebSocket upgrade request that Engine.IO refuses: always 400, the last on its connection, with only the
/// message and without CORS headers.
pub(crate) fn refusal(message: &str) -> Bytes {
    let status = Status::BadRequest.as_str();
    let length = message.len();
    // The second header's case is the Node server's.
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: {length}\r\n\r\n{message}"
    )
    .into()
}

fn session_headers(answer: AnswerWriter<'_>, agent: Agent) -> AnswerWriter<'_> {
    let answer = match agent {
        Agent::Modern => answer,
        Agent::InternetExplorer => answer.header("X-XSS-Protection", b"0"),
    };
    answer.header("cache-control", b"no-store")
}

#[cfg(test)]
mod tests {
    use super::super::response::Connection;
    use super::*;

    const DELIVERY: Delivery =
        Delivery { connection: Connection::Persistent, content: Content::Sent, agent: Agent::InternetExplorer };

    #[test]
    fn a_poll_answer_tells_its_coding_and_calms_internet_explorer() {
        let kind = PayloadKind::Text;
        let answer =
            PollAnswer { payload: b"zip", kind, coding: Some(Coding::Gzip), cors: &HeaderLines::EMPTY, cookie: None };
        assert_eq!(
            answer.write(DELIVERY),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Encoding: gzip\r\n\
             Content-Length: 3\r\nX-XSS-Protection: 0\r\ncache-control: no-store\r\n\r\nzip"
        );
    }

    #[test]
    fn the_message_of_a_hook_is_escaped() {
        let answer = error(DELIVERY, &HeaderLines::EMPTY, Code::Forbidden, Some("say \"no\"\r\n"));
        assert!(answer.starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
        assert!(answer.ends_with(br#"{"code":4,"message":"say \"no\"\r\n"}"#));
    }
}
