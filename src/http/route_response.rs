//! A program's response to a request: its status, its headers, its body.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use log::Level;
use serde::Serialize;

use super::field::{HeaderLines, is_token, is_value};
use super::response::{AnswerWriter, Delivery};
use crate::log_line::{Excerpt, LineKind};

static LEFT_OUT: LineKind = LineKind::new(Level::Warn, module_path!(), "headers that were left out");

/// Headers that the server itself writes.
const OWN: [&str; 4] = ["connection", "content-length", "keep-alive", "transfer-encoding"];

/// A longer body is not copied behind its head.
const SHORT: usize = 16 * 1024;

/// The response to a request for a route.
///
/// ```
/// use kinglet::Response;
///
/// let response = Response::text("not here").status(404).header("Cache-Control", "no-store");
/// # let _ = response;
/// ```
///
/// The server adds the length, the headers of [`Config::cors`](crate::Config::cors) unless the response has an
/// `Access-Control-Allow-Origin` of its own, and those of the connection.
///
/// It is an error, too, so that a handler may end with it where it uses `?`.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Response {
    /// An empty response with this status, such as 204.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A response with bytes of that media type. Its status is 200.
    pub fn bytes(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::new(200) }.header("Content-Type", content_type)
    }

    /// A response with plain text. Its status is 200.
    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes("text/plain; charset=utf-8", text.into())
    }

    /// A response with a page of HTML. Its status is 200.
    pub fn html(page: impl Into<String>) -> Self {
        Self::bytes("text/html; charset=utf-8", page.into())
    }

    /// A response with a value as JSON. Its status is 200.
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self::bytes("application/json", serde_json::to_vec(value)?))
    }

    /// The response with this status, 200 to 599. Any other is sent as 500.
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The response with this header in place of others of its name; only `Set-Cookie` may be repeated. Headers that
    /// the server writes itself (`Content-Length`, `Connection`, `Transfer-Encoding`), and those that no header can be
    /// (with line ends, say), are left out with a warning in the log.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let own = OWN.iter().any(|own| name.eq_ignore_ascii_case(own));
        let sound = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_value);
        if own || !sound {
            LEFT_OUT.write(|| {
                let why = if own { "the server writes it" } else { "it would be malformed" };
                format!("a header of a response is left out, because {why}: {:?}: {:?}", Excerpt(name), Excerpt(value))
            });
            return self;
        }
        if !name.eq_ignore_ascii_case("set-cookie") {
            self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The response with this body.
    pub(crate) fn with(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        size_of::<Self>() + headers + self.body.len()
    }

    /// The response as it is sent: its head, and its body if that is long. `more` bytes of the body follow later.
    pub(crate) fn write(self, delivery: Delivery, cors: &HeaderLines, more: u64) -> (Bytes, Bytes) {
        let status = if (200..600).contains(&self.status) { self.status } else { 500 };
        let has_body = !matches!(status, 204 | 304);
        let length = self.body.len() as u64 + more;
        let (behind, apart) =
            if self.body.len() < SHORT { (self.body, Bytes::new()) } else { (Bytes::new(), self.body) };
        let is_own = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("access-control-allow-origin"));
        let cors = if is_own { &HeaderLines::EMPTY } else { cors };
        let mut writer = AnswerWriter::with_code(status, delivery, if has_body { &behind } else { b"" }).lines(cors);
        for (name, value) in &self.headers {
            writer = writer.header(name, value.as_bytes());
        }
        if has_body {
            writer = writer.length_of(length);
        }
        let apart = if has_body && delivery.has_body() { apart } else { Bytes::new() };
        (writer.finish(), apart)
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response {}", self.status)
    }
}

impl Error for Response {}

#[cfg(test)]
mod tests {
    use super::super::response::{Agent, Connection, Content};
    use super::*;

    const GET: Delivery = Delivery { connection: Connection::Persistent, content: Content::Sent, agent: Agent::Modern };
    const HEAD: Delivery = Delivery { content: Content::Omitted, ..GET };

    fn written(response: Response, delivery: Delivery) -> String {
        let (head, body) = response.write(delivery, &HeaderLines::EMPTY, 0);
        String::from_utf8_lossy(&[head, body].concat()).into_owned()
    }

    #[test]
    fn a_response_has_its_length_and_its_headers() {
        let response = Response::text("hi").status(201).header("X-A", "1").header("x-a", "2");
        let head =
            "HTTP/1.1 201 Created\r\nContent-Type: text/plain; charset=utf-8\r\nx-a: 2\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(written(response.clone(), GET), format!("{head}hi"));
        assert_eq!(written(response, HEAD), head);
        assert_eq!(written(Response::new(299), GET), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn some_statuses_have_no_body_and_no_length() {
        for status in [204, 304] {
            let written = written(Response::text("x").status(status), GET);
            assert!(!written.contains("Length") && written.ends_with("\r\n\r\n"), "{written}");
        }
        assert!(written(Response::new(99), GET).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    }

    #[test]
    fn headers_cannot_be_forged_nor_those_of_the_server_replaced() {
        let response = Response::new(200)
            .header("X\r\nY", "1")
            .header("", "1")
            .header("X", "1\r\nY: 2")
            .header("content-length", "7")
            .header("Transfer-Encoding", "chunked");
        assert_eq!(written(response, GET), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let cookies = written(Response::new(200).header("Set-Cookie", "a=1").header("Set-Cookie", "b=2"), GET);
        assert!(cookies.contains("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"));
    }

    #[test]
    fn a_response_may_say_itself_which_pages_may_read_it() {
        let mut cors = HeaderLines::EMPTY;
        cors.push("Access-Control-Allow-Origin", b"http://a");
        let written = |response: Response| String::from_utf8_lossy(&response.write(GET, &cors, 0).0).into_owned();
        assert!(written(Response::new(200)).contains("http://a"));
        let own = written(Response::new(200).header("access-control-allow-origin", "http://b"));
        assert!(own.contains("http://b") && !own.contains("http://a"), "{own}");
    }

    #[test]
    fn a_long_body_is_not_copied_and_a_piece_counts_with_what_follows() {
        let long = Bytes::from(vec![b'x'; SHORT]);
        let response = Response::bytes("a/b", long.clone());
        let (head, body) = response.clone().write(GET, &HeaderLines::EMPTY, 5);
        assert_eq!(body.as_ptr(), long.as_ptr());
        assert!(head.ends_with(format!("Content-Length: {}\r\n\r\n", SHORT + 5).as_bytes()));
        assert!(response.write(HEAD, &HeaderLines::EMPTY, 5).1.is_empty());
    }
}
