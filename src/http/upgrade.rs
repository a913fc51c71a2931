//! The opening handshake, server side (RFC 6455 §4.2), with the checks and answers of the Node server's WebSocket
//! library.

use bytes::Bytes;
use tungstenite::handshake::derive_accept_key;

use super::field::{HeaderLines, is_token};
use super::head::{BodyLength, Head};
use super::method::Method;
use super::status::Status;

/// Why an upgrade request is not a WebSocket handshake. `Display` is the body of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("Invalid HTTP method")]
    Method,
    #[error("Invalid Upgrade header")]
    Upgrade,
    #[error("Missing or invalid Sec-WebSocket-Key header")]
    Key,
    #[error("Missing or invalid Sec-WebSocket-Version header")]
    Version,
    #[error("Invalid Sec-WebSocket-Protocol header")]
    Protocol,
    /// The request has a body, which would be read as frames.
    #[error("Bad request")]
    Body,
}

impl HandshakeError {
    /// The answer, after which the connection is closed.
    pub(crate) fn answer(self) -> Bytes {
        let status = if self == Self::Method { Status::MethodNotAllowed } else { Status::BadRequest }.as_str();
        let body = self.to_string();
        let length = body.len();
        let versions = if self == Self::Version { "Sec-WebSocket-Version: 13, 8\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n{versions}\r\n{body}"
        )
        .into()
    }
}

/// A valid handshake, not yet answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accept<'h> {
    key: &'h [u8],
    /// The first subprotocol that the client offers; the server chooses it.
    protocol: Option<&'h [u8]>,
}

impl<'h> Accept<'h> {
    /// Checks an upgrade request.
    pub(crate) fn check(head: &Head<'h>) -> Result<Self, HandshakeError> {
        if head.method != Some(Method::Get) {
            return Err(HandshakeError::Method);
        }
        if !only(head, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(HandshakeError::Upgrade);
        }
        let key = only(head, "sec-websocket-key").filter(|key| is_key(key)).ok_or(HandshakeError::Key)?;
        // 8 was the last draft. It differs in a header that nothing here reads.
        if !matches!(only(head, "sec-websocket-version"), Some(b"13" | b"8")) {
            return Err(HandshakeError::Version);
        }
        if !matches!(head.body, BodyLength::None | BodyLength::Length(0)) {
            return Err(HandshakeError::Body);
        }
        Ok(Self { key, protocol: first_protocol(head)? })
    }

    /// The answer that turns the connection into a WebSocket.
    pub(crate) fn answer(&self, cors: &HeaderLines) -> Bytes {
        let mut answer = Vec::with_capacity(192);
        answer.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        let mut lines = HeaderLines::EMPTY;
        lines.push("Sec-WebSocket-Accept", derive_accept_key(self.key).as_bytes());
        if let Some(protocol) = self.protocol {
            lines.push("Sec-WebSocket-Protocol", protocol);
        }
        for lines in [&lines, cors] {
            answer.extend_from_slice(lines.as_bytes());
        }
        answer.extend_from_slice(b"\r\n");
        answer.into()
    }
}

/// The value of a header that must not be repeated.
fn only<'h>(head: &Head<'h>, name: &str) -> Option<&'h [u8]> {
    let mut values = head.values(name);
    values.next().filter(|_| values.next().is_none())
}

/// Whether `key` is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|digits| digits.len() == 22 && digits.iter().all(alphabet))
}

fn first_protocol<'h>(head: &Head<'h>) -> Result<Option<&'h [u8]>, HandshakeError> {
    let mut first = None;
    for value in head.values("sec-websocket-protocol") {
        for protocol in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if protocol.is_empty() || !protocol.iter().copied().all(is_token) {
                return Err(HandshakeError::Protocol);
            }
            first.get_or_insert(protocol);
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadLimits, Parsed, parse, scratch};

    const SOUND: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn check(text: &str) -> Result<String, HandshakeError> {
        match parse(text.as_bytes(), &HeadLimits::default(), &mut scratch()) {
            Ok(Parsed::Complete(head)) => Accept::check(&head)
                .map(|accept| String::from_utf8_lossy(&accept.answer(&HeaderLines::EMPTY)).into_owned()),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn sound_handshakes_are_accepted() {
        for (from, to) in [("", ""), (": 13", ": 8"), ("Host", "Content-Length: 0\r\nHost"), ("ZQ==", "ZR==")] {
            assert!(check(&SOUND.replacen(from, to, 1)).is_ok(), "{to}");
        }
    }

    #[test]
    fn the_first_subprotocol_is_echoed() {
        let offer = "Sec-WebSocket-Protocol: foo , bar\r\nSec-WebSocket-Protocol: baz\r\nHost";
        assert!(check(&SOUND.replacen("Host", offer, 1)).is_ok_and(|answer| answer.contains("Protocol: foo\r\n")));
    }

    #[test]
    fn the_first_flaw_decides_the_refusal() {
        use HandshakeError::{Body, Key, Method, Protocol, Upgrade, Version};
        for (from, to, error) in [
            ("GET", "POST", Method),
            (": WebSocket", ": h2c", Upgrade),
            (": WebSocket", ": websocket, h2c", Upgrade),
            ("Upgrade: WebSocket", "Upgrade: websocket\r\nUpgrade: websocket", Upgrade),
            ("-Key", "-Kex", Key),
            ("dGhl", "dGh", Key),
            ("dGhl", "dGh-", Key),
            ("ZQ==", "ZQ=", Key),
            ("ZQ==", "ZQAA", Key),
            (": 13", ": 12", Version),
            (": 13", ": 013", Version),
            ("-Version", "-Versiom", Version),
            ("Host", "Sec-WebSocket-Protocol: a b\r\nHost", Protocol),
            ("Host", "Sec-WebSocket-Protocol: a,,b\r\nHost", Protocol),
            ("Host", "Sec-WebSocket-Protocol:\r\nHost", Protocol),
            ("Host", "Content-Length: 1\r\nHost", Body),
            ("Host", "Transfer-Encoding: chunked\r\nHost", Body),
        ] {
            assert_eq!(check(&SOUND.replacen(from, to, 1)), Err(error), "{to}");
        }
    }
}
