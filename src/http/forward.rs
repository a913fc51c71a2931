//! Requests composed anew, for another instance: there they mean what they mean here, however they came.

use bytes::Bytes;

use super::head::{Head, Version};
use super::response::Connection;

/// Headers about this connection and the form of the body. What they say is said anew.
const OWN: [&str; 6] =
    ["connection", "content-length", "expect", "keep-alive", "proxy-connection", "transfer-encoding"];

/// The head of a request that is passed on, without the line that ends it.
#[derive(Debug)]
pub(crate) struct Forward {
    head: Vec<u8>,
    has_body: bool,
}

impl Forward {
    /// Composes a head whose answer says of its connection what `connection` says.
    pub(crate) fn new(head: &Head<'_>, connection: Connection) -> Self {
        let method = head.method.map_or("", |method| method.as_str());
        let version = if head.version == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
        let mut out = Vec::with_capacity(head.length + 64);
        for part in [method, " ", head.target, " ", version, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        for (name, value) in head.headers() {
            if !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                line(&mut out, name, value);
            }
        }
        let said = match connection {
            _ if head.upgrade => Some("Upgrade"),
            Connection::Persistent => None,
            Connection::KeepAlive => Some("keep-alive"),
            Connection::Close => Some("close"),
        };
        if let Some(said) = said {
            line(&mut out, "Connection", said.as_bytes());
        }
        Self { head: out, has_body: head.method == Some(super::Method::Post) }
    }

    /// Bytes that the head takes.
    pub(crate) fn size(&self) -> usize {
        self.head.capacity()
    }

    /// The whole request.
    pub(crate) fn with(self, body: &[u8]) -> Bytes {
        let mut out = self.head;
        if self.has_body {
            line(&mut out, "Content-Length", body.len().to_string().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        out.into()
    }
}

/// Appends a header. What was parsed contains no line end.
fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::{HeadLimits, Parsed, parse, scratch};
    use super::*;

    fn forwarded(request: &str, connection: Connection, body: &str) -> String {
        match parse(request.as_bytes(), &HeadLimits::default(), &mut scratch()) {
            Ok(Parsed::Complete(head)) => {
                String::from_utf8(Forward::new(&head, connection).with(body.as_bytes()).into()).expect("text")
            }
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_get_keeps_all_but_its_connection() {
        let request = "\r\nGET http://h/socket.io/?EIO=4&sid=x HTTP/1.1\r\nhost:h\r\nConnection: close, x\r\nKeep-Alive: 1\r\n\
                       X-Forwarded-For:  1.2.3.4 \r\n\r\nGET /next";
        let head = "GET http://h/socket.io/?EIO=4&sid=x HTTP/1.1\r\nhost: h\r\nX-Forwarded-For: 1.2.3.4\r\n";
        assert_eq!(forwarded(request, Connection::Persistent, ""), format!("{head}\r\n"));
        assert_eq!(forwarded(request, Connection::Close, ""), format!("{head}Connection: close\r\n\r\n"));
    }

    #[test]
    fn a_post_says_how_long_it_is() {
        for framing in ["Transfer-Encoding: chunked", "Content-Length: 700"] {
            let request = format!("POST /socket.io/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{framing}\r\n\r\n");
            let expected = "POST /socket.io/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n4abc";
            assert_eq!(forwarded(&request, Connection::Persistent, "4abc"), expected);
        }
        let request = "POST /socket.io/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
        let expected = "POST /socket.io/ HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(forwarded(request, Connection::KeepAlive, ""), expected);
    }

    #[test]
    fn an_upgrade_stays_one() {
        let request = "GET /socket.io/ HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: k\r\nContent-Length: 0\r\n\r\n";
        let expected = "GET /socket.io/ HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\
                        Connection: Upgrade\r\n\r\n";
        assert_eq!(forwarded(request, Connection::Persistent, ""), expected);
    }
}
