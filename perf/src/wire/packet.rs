//! Engine.IO packets, looked at only as far as a client must to stay connected.

use serde::Deserialize;

/// What separates the packets of a polling payload (Engine.IO 4).
pub const SEPARATOR: u8 = 0x1e;

/// An Engine.IO packet, with the Socket.IO packet inside a message told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the session is open; JSON follows.
    Open(&'a [u8]),
    /// `1`: the session ends.
    Close,
    /// `2`: the server's heartbeat.
    Ping,
    /// `3probe`: the WebSocket may take over.
    Probed,
    /// `6`: nothing, to end a poll.
    Noop,
    /// `40`: the namespace is joined.
    Joined(&'a [u8]),
    /// `41`: the namespace is left.
    Left,
    /// `44`: the namespace refuses; JSON follows.
    Refused(&'a [u8]),
    /// Any other message: an event or an ack, from its Socket.IO type on.
    Message(&'a [u8]),
    /// Anything else.
    Unknown,
}

impl<'a> Packet<'a> {
    /// The packet in `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        match bytes {
            [b'4', b'0', rest @ ..] => Self::Joined(rest),
            [b'4', b'1', ..] => Self::Left,
            [b'4', b'4', rest @ ..] => Self::Refused(rest),
            [b'4', message @ ..] => Self::Message(message),
            [b'2', ..] => Self::Ping,
            [b'3', ..] => Self::Probed,
            [b'6', ..] => Self::Noop,
            [b'1'] => Self::Close,
            [b'0', rest @ ..] => Self::Open(rest),
            _ => Self::Unknown,
        }
    }
}

/// What the open packet says about the session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// The session id.
    pub sid: String,
    /// Milliseconds between heartbeats.
    pub ping_interval: u64,
    /// Milliseconds within which a heartbeat may be late.
    pub ping_timeout: u64,
}

/// The JSON of an open packet; none if it is not one.
pub fn opened(json: &[u8]) -> Option<Opened> {
    serde_json::from_slice(json).ok()
}

/// The Socket.IO id in a connect packet's rest (`{"sid":"..."}`, a namespace before it or not); empty if it has none.
pub fn socket_id(rest: &[u8]) -> Box<str> {
    #[derive(Deserialize)]
    struct Sid {
        sid: Box<str>,
    }
    let json = memchr::memchr(b'{', rest).map_or(&[][..], |at| &rest[at..]);
    serde_json::from_slice(json).map_or_else(|_| Box::default(), |Sid { sid }| sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart() {
        assert_eq!(Packet::of(b"2"), Packet::Ping);
        assert_eq!(Packet::of(b"3probe"), Packet::Probed);
        assert_eq!(Packet::of(b"42[\"e\"]"), Packet::Message(b"2[\"e\"]"));
        assert_eq!(Packet::of(b"44{}"), Packet::Refused(b"{}"));
        assert_eq!(Packet::of(b""), Packet::Unknown);
    }

    #[test]
    fn ids_are_found_with_and_without_a_namespace() {
        assert_eq!(&*socket_id(b"{\"sid\":\"abc\"}"), "abc");
        assert_eq!(&*socket_id(b"/custom,{\"sid\":\"abc\",\"pid\":\"d\"}"), "abc");
        assert_eq!(&*socket_id(b""), "");
        assert_eq!(opened(b"{\"sid\":\"s\",\"pingInterval\":25000,\"pingTimeout\":1}").unwrap().ping_interval, 25_000);
    }
}
