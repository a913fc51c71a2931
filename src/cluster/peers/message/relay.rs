//! Requests and WebSockets of sessions that live on another instance.
//!
//! The *entry* is the instance whose connection a client has used, the *owner* the one that has the client's session. What
//! the entry passes on, and what comes back for it, is an *exchange*: one request with its answer, or a *tunnel*, a WebSocket
//! that goes on until one end has lost it. The entry numbers its exchanges.
//!
//! Each message is an array: its kind, the number, for the owner the shard that has the session, and what the kind needs.
//! A later version may append to it; what is not known here is skipped.

use std::net::SocketAddr;

use bytes::Bytes;

use super::fields::{self, Fields};
use crate::msgpack::{self, MsgpackError, Reader};

/// Most bytes of a tunnel that are sent each way and not yet [taken](ToOwner::Taken).
pub(crate) const WINDOW: usize = 256 * 1024;

/// The number of an exchange, among those of its entry. The entry's shard is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ExchangeNumber(u64);

/// A message about an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relay {
    /// From the entry.
    ToOwner {
        /// The owner's shard, from the session's sid. It may be one that the owner does not have.
        shard: u8,
        exchange: ExchangeNumber,
        what: ToOwner,
    },
    /// From the owner.
    ToEntry { exchange: ExchangeNumber, what: ToEntry },
}

/// What the entry of an exchange tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToOwner {
    /// Begins the exchange: a whole HTTP request, and the peer of the connection on which it came.
    Request { peer: SocketAddr, bytes: Bytes },
    /// More of a tunnel, from the client.
    Up(Bytes),
    /// The client has taken so many more bytes of a tunnel.
    Taken(u32),
    /// The client's connection has ended.
    Gone,
    /// The entry ends: a GET that is held is to be answered now, so that the client sends its next one elsewhere.
    Release,
}

/// What the owner of an exchange tells its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToEntry {
    /// Bytes for the client, and what follows them.
    Down { bytes: Bytes, then: Then },
    /// The session has taken so many more bytes of a tunnel.
    Taken(u32),
    /// The owner has ended the exchange, without waiting for its bytes to be written.
    Gone,
    /// The session moves to the entry, frozen. It has used as many bytes of the tunnel's; what the entry has sent beyond them is
    /// for the session there. The owner says nothing more about the exchange.
    Move { taken: u64, session: Bytes },
}

/// What follows bytes for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// More bytes of the same answer.
    More,
    /// The client's next request: the answer is whole.
    Answered,
    /// A tunnel: the answer was 101, with these bytes or before.
    Tunnel,
    /// The end of the connection, when the bytes are written.
    Closed,
}

/// What the kinds of messages are on the wire.
mod kind {
    pub(super) const REQUEST: u64 = 1;
    pub(super) const UP: u64 = 2;
    pub(super) const TAKEN_BY_CLIENT: u64 = 3;
    pub(super) const CLIENT_GONE: u64 = 4;
    pub(super) const DOWN: u64 = 5;
    pub(super) const TAKEN_BY_SESSION: u64 = 6;
    pub(super) const OWNER_GONE: u64 = 7;
    pub(super) const MOVE: u64 = 8;
    pub(super) const RELEASE: u64 = 9;
}

impl ExchangeNumber {
    /// The number of the `count`th exchange of a shard. Counts are the same modulo 2^56.
    pub(crate) const fn new(shard: u8, count: u64) -> Self {
        Self((shard as u64) << 56 | count & u64::MAX >> 8)
    }

    /// The entry's shard.
    pub(crate) const fn shard(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

impl Relay {
    /// Appends the message, one array.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::ToOwner { shard, exchange, what } => {
                begin(out, what.kind(), what.fields() + 1, *exchange);
                msgpack::uint(out, u64::from(*shard));
                what.write(out);
            }
            Self::ToEntry { exchange, what } => {
                begin(out, what.kind(), what.fields(), *exchange);
                what.write(out);
            }
        }
    }

    /// Roughly how many bytes the message takes.
    pub(crate) fn len(&self) -> usize {
        const REST: usize = 48;
        REST + match self {
            Self::ToOwner { what: ToOwner::Request { bytes, .. } | ToOwner::Up(bytes), .. } => bytes.len(),
            Self::ToEntry { what: ToEntry::Down { bytes, .. }, .. } => bytes.len(),
            Self::ToEntry { what: ToEntry::Move { session, .. }, .. } => session.len(),
            _ => 0,
        }
    }

    /// Reads a message whose array begins here. Its bytes share the buffer of `message`, which the reader reads.
    pub(crate) fn read(reader: &mut Reader<'_>, message: &Bytes) -> Result<Self, MsgpackError> {
        let mut fields = Fields::begin(reader, message)?;
        let kind = fields.uint()?;
        let exchange = ExchangeNumber(fields.uint()?);
        let relay = match kind {
            kind::REQUEST | kind::UP | kind::TAKEN_BY_CLIENT | kind::CLIENT_GONE | kind::RELEASE => {
                Self::ToOwner { shard: fields.small()?, exchange, what: ToOwner::read(kind, &mut fields)? }
            }
            _ => Self::ToEntry { exchange, what: ToEntry::read(kind, &mut fields)? },
        };
        fields.end()?;
        Ok(relay)
    }
}

impl ToOwner {
    const fn kind(&self) -> u64 {
        match self {
            Self::Request { .. } => kind::REQUEST,
            Self::Up(_) => kind::UP,
            Self::Taken(_) => kind::TAKEN_BY_CLIENT,
            Self::Gone => kind::CLIENT_GONE,
            Self::Release => kind::RELEASE,
        }
    }

    const fn fields(&self) -> u32 {
        match self {
            Self::Request { .. } => 3,
            Self::Up(_) | Self::Taken(_) => 1,
            Self::Gone | Self::Release => 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request { peer, bytes } => {
                fields::address(out, *peer);
                fields::bytes(out, bytes);
            }
            Self::Up(bytes) => fields::bytes(out, bytes),
            Self::Taken(count) => msgpack::uint(out, u64::from(*count)),
            Self::Gone | Self::Release => {}
        }
    }

    fn read(kind: u64, fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        Ok(match kind {
            kind::REQUEST => Self::Request { peer: fields.address()?, bytes: fields.bytes()? },
            kind::UP => Self::Up(fields.bytes()?),
            kind::TAKEN_BY_CLIENT => Self::Taken(fields.number()?),
            kind::RELEASE => Self::Release,
            _ => Self::Gone,
        })
    }
}

impl ToEntry {
    const fn kind(&self) -> u64 {
        match self {
            Self::Down { .. } => kind::DOWN,
            Self::Taken(_) => kind::TAKEN_BY_SESSION,
            Self::Gone => kind::OWNER_GONE,
            Self::Move { .. } => kind::MOVE,
        }
    }

    const fn fields(&self) -> u32 {
        match self {
            Self::Down { .. } | Self::Move { .. } => 2,
            Self::Taken(_) => 1,
            Self::Gone => 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Down { bytes, then } => {
                fields::bytes(out, bytes);
                msgpack::uint(out, *then as u64);
            }
            Self::Taken(count) => msgpack::uint(out, u64::from(*count)),
            Self::Gone => {}
            Self::Move { taken, session } => {
                msgpack::uint(out, *taken);
                fields::bytes(out, session);
            }
        }
    }

    fn read(kind: u64, fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        Ok(match kind {
            kind::DOWN => Self::Down { bytes: fields.bytes()?, then: Then::read(fields)? },
            kind::TAKEN_BY_SESSION => Self::Taken(fields.number()?),
            kind::OWNER_GONE => Self::Gone,
            kind::MOVE => Self::Move { taken: fields.uint()?, session: fields.bytes()? },
            _ => return Err(fields.wrong("a kind of message about an exchange")),
        })
    }
}

impl Then {
    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        const ALL: [Then; 4] = [Then::More, Then::Answered, Then::Tunnel, Then::Closed];
        let number = fields.uint()?;
        ALL.into_iter().find(|then| *then as u64 == number).ok_or_else(|| fields.wrong("what follows an answer"))
    }
}

/// Writes what all messages begin with; as many fields follow.
fn begin(out: &mut Vec<u8>, kind: u64, fields: u32, exchange: ExchangeNumber) {
    msgpack::array(out, 2 + fields);
    msgpack::uint(out, kind);
    msgpack::uint(out, exchange.0);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn written(relay: &Relay) -> Vec<u8> {
        let mut out = Vec::new();
        relay.write(&mut out);
        out
    }

    fn read(bytes: &[u8]) -> Result<Relay, MsgpackError> {
        let message = Bytes::copy_from_slice(bytes);
        let mut reader = Reader::new(&message);
        let relay = Relay::read(&mut reader, &message)?;
        reader.end()?;
        Ok(relay)
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
    }

    fn to_owner() -> impl Strategy<Value = ToOwner> {
        prop_oneof![
            (any::<IpAddr>(), any::<u16>(), bytes())
                .prop_map(|(ip, port, bytes)| ToOwner::Request { peer: SocketAddr::new(ip, port), bytes }),
            bytes().prop_map(ToOwner::Up),
            any::<u32>().prop_map(ToOwner::Taken),
            Just(ToOwner::Gone),
            Just(ToOwner::Release),
        ]
    }

    fn to_entry() -> impl Strategy<Value = ToEntry> {
        let then = prop::sample::select(vec![Then::More, Then::Answered, Then::Tunnel, Then::Closed]);
        prop_oneof![
            (bytes(), then).prop_map(|(bytes, then)| ToEntry::Down { bytes, then }),
            any::<u32>().prop_map(ToEntry::Taken),
            Just(ToEntry::Gone),
            (any::<u64>(), bytes()).prop_map(|(taken, session)| ToEntry::Move { taken, session }),
        ]
    }

    fn relay() -> impl Strategy<Value = Relay> {
        let exchange = any::<u64>().prop_map(ExchangeNumber);
        let to_owner = (any::<u8>(), exchange.clone(), to_owner());
        prop_oneof![
            to_owner.prop_map(|(shard, exchange, what)| Relay::ToOwner { shard, exchange, what }),
            (exchange, to_entry()).prop_map(|(exchange, what)| Relay::ToEntry { exchange, what }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(relay in relay()) {
            let written = written(&relay);
            prop_assert_eq!(read(&written), Ok(relay.clone()));
            prop_assert!(written.len() <= relay.len(), "{} bytes", written.len());
        }

        #[test]
        fn later_versions_may_append(relay in relay()) {
            let mut written = written(&relay);
            written[0] += 2;
            written.extend_from_slice(b"\xa1x\x91\xc0");
            prop_assert_eq!(read(&written), Ok(relay));
        }

        #[test]
        fn what_is_cut_short_is_refused(relay in relay(), cut in any::<prop::sample::Index>()) {
            let written = written(&relay);
            prop_assert!(read(&written[..cut.index(written.len())]).is_err());
            let mut fewer = written.clone();
            fewer[0] -= 1;
            prop_assert!(read(&fewer).is_err());
        }
    }

    #[test]
    fn bytes_share_the_message_s_buffer() {
        let exchange = ExchangeNumber::new(1, 2);
        let message = Bytes::from(written(&Relay::ToOwner { shard: 3, exchange, what: ToOwner::Up("abc".into()) }));
        assert_eq!(message, &b"\x94\x02\xcf\x01\0\0\0\0\0\0\x02\x03\xc4\x03abc"[..]);
        let Ok(Relay::ToOwner { what: ToOwner::Up(bytes), .. }) = Relay::read(&mut Reader::new(&message), &message)
        else {
            panic!("{message:?}")
        };
        assert!(message.as_ptr_range().contains(&bytes.as_ptr()));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for (message, why) in [
            (&b"\x92\x0a\x01"[..], "a kind"),
            (b"\x92\x00\x01", "a kind"),
            (b"\x94\x05\x01\xc4\0\x04", "what follows an answer"),
            (b"\x94\x02\x01\xcd\x01\0\xc4\0", "a number of 8 bits"),
            (b"\x93\x06\x01\xcf\0\0\0\x01\0\0\0\0", "a number of 32 bits"),
            (b"\x96\x01\x01\0\xc4\x03abc\x01\xc4\0", "an IP address"),
            (b"\x94\x02\x01\0\xa1x", "binary data"),
            (b"\x90", "cut short"),
            (b"\xc0", "an array"),
        ] {
            let error = read(message).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_number_names_its_shard() {
        assert_eq!(ExchangeNumber::new(255, u64::MAX).shard(), 255);
        assert_ne!(ExchangeNumber::new(7, 1), ExchangeNumber::new(7, 2));
        assert_eq!(ExchangeNumber::new(7, 1 << 56), ExchangeNumber::new(7, 0));
    }
}
