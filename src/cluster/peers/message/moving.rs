//! Sessions on their way to another instance.
//!
//! A session is an array: the version, the heartbeat, how long it has for joining, the queue, the handshake, the
//! messages that were not handled, and what its client may send. A later version may append to it and to the arrays of fixed
//! length in it; what is not known here is skipped. Times are milliseconds from when it was frozen.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::engineio::{Frames, Frozen, FrozenHeartbeat, Message};
use crate::msgpack::{self, Head, MsgpackError, PIECE, Reader, unexpected};

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;

/// Most bytes that a session takes here, with [`PIECE`] more for each message. A larger one does not move.
pub(crate) const MOST_MOVED: usize = 1024 * 1024;

/// A session that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moving {
    pub(crate) session: Frozen,
    pub(crate) handshake: MovingHandshake,
    /// What its client has sent, and nobody has handled.
    pub(crate) messages: Vec<Message>,
    /// What its client may still send, if that is limited.
    pub(crate) allowance: Option<MovingAllowance>,
}

/// The request that opened a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovingHandshake {
    /// What is kept of its head, in the form of [`HeadText`](crate::http::HeadText).
    pub(crate) head: String,
    pub(crate) address: SocketAddr,
    /// When it came: time since the Unix epoch.
    pub(crate) issued: Duration,
    pub(crate) cross_origin: bool,
    pub(crate) secure: bool,
}

/// What a client may still send, in thousandths; below zero if it has sent more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MovingAllowance {
    pub(crate) messages: i64,
    pub(crate) bytes: i64,
}

impl Moving {
    /// What it takes, without the names of what is in it.
    pub(crate) fn cost(&self) -> usize {
        let queue = self.session.queue.iter().map(|frames| PIECE + frames.len());
        let messages = self.messages.iter().map(|message| PIECE + message.len());
        self.handshake.head.len() + queue.chain(messages).sum::<usize>()
    }

    /// It as bytes, for [`ToEntry::Move`](super::relay::ToEntry).
    pub(crate) fn write(&self) -> Bytes {
        let out = &mut Vec::with_capacity(self.cost() + 256);
        msgpack::array(out, 7);
        msgpack::uint(out, VERSION);
        let FrozenHeartbeat { due, phase, number } = self.session.heartbeat;
        msgpack::array(out, 4);
        msgpack::int(out, due);
        msgpack::uint(out, u64::from(phase));
        msgpack::uint(out, u64::from(number));
        msgpack::uint(out, self.session.bears);
        match self.session.joins_within {
            Some(within) => msgpack::uint(out, within),
            None => msgpack::nil(out),
        }
        list(out, &self.session.queue, |out, frames| binary(out, frames.bytes()));
        self.handshake.write(out);
        list(out, &self.messages, |out, message| match message {
            Message::Text(message) => text(out, message),
            Message::Binary(data) => binary(out, data),
        });
        match &self.allowance {
            Some(MovingAllowance { messages, bytes }) => {
                msgpack::array(out, 2);
                msgpack::int(out, *messages);
                msgpack::int(out, *bytes);
            }
            None => msgpack::nil(out),
        }
        std::mem::take(out).into()
    }

    /// The session in these bytes, whose buffer it shares.
    ///
    /// # Errors
    /// If they are none of a version that is known, or it takes more than [`MOST_MOVED`].
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, MsgpackError> {
        let mut fields = Fields { reader: Reader::new(bytes), whole: bytes, left: MOST_MOVED };
        let moving = fields.array(7, |fields| fields.moving())?;
        fields.reader.end()?;
        Ok(moving)
    }
}

impl MovingHandshake {
    fn write(&self, out: &mut Vec<u8>) {
        msgpack::array(out, 7);
        text(out, &self.head);
        match self.address.ip() {
            IpAddr::V4(ip) => binary(out, &ip.octets()),
            IpAddr::V6(ip) => binary(out, &ip.octets()),
        }
        msgpack::uint(out, u64::from(self.address.port()));
        msgpack::uint(out, self.issued.as_secs());
        msgpack::uint(out, u64::from(self.issued.subsec_nanos()));
        msgpack::boolean(out, self.cross_origin);
        msgpack::boolean(out, self.secure);
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    msgpack::array(out, u32::try_from(items.len()).unwrap_or(u32::MAX));
    items.iter().for_each(|item| write(out, item));
}

/// Writes a text. One that is longer than MessagePack can say is longer than what moves.
fn text(out: &mut Vec<u8>, text: &str) {
    let _ = msgpack::text(out, text);
}

/// Writes binary data, likewise.
fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    msgpack::bin(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

/// Reads a session field by field.
struct Fields<'a> {
    reader: Reader<'a>,
    whole: &'a Bytes,
    /// Bytes that it may still take.
    left: usize,
}

impl<'a> Fields<'a> {
    fn moving(&mut self) -> Result<Moving, MsgpackError> {
        self.number(VERSION..=VERSION, "version 1 of a session")?;
        let (heartbeat, bears) = self.array(4, |fields| {
            let due = fields.int()?;
            let phase = fields.number(0..=u64::from(u8::MAX), "the phase of a heartbeat")? as u8;
            let number = fields.number(0..=u64::from(u32::MAX), "the number of a phase")? as u32;
            Ok((FrozenHeartbeat { due, phase, number }, fields.reader.uint()?))
        })?;
        let joins_within = self.unless_nil(|fields| fields.reader.uint())?;
        let queue = self.list(Self::frames)?;
        let session = Frozen { heartbeat, bears, joins_within, queue };
        let handshake = self.array(7, |fields| fields.handshake())?;
        let messages = self.list(Self::message)?;
        let allowance = self.unless_nil(|fields| {
            fields.array(2, |fields| Ok(MovingAllowance { messages: fields.int()?, bytes: fields.int()? }))
        })?;
        Ok(Moving { session, handshake, messages, allowance })
    }

    fn handshake(&mut self) -> Result<MovingHandshake, MsgpackError> {
        let head = self.text()?.to_owned();
        let ip = self.ip()?;
        let port = self.number(0..=u64::from(u16::MAX), "a port")? as u16;
        let seconds = self.reader.uint()?;
        let nanos = self.number(0..=999_999_999, "nanoseconds of a second")? as u32;
        let issued = Duration::new(seconds, nanos);
        let address = SocketAddr::new(ip, port);
        Ok(MovingHandshake { head, address, issued, cross_origin: self.boolean()?, secure: self.boolean()? })
    }

    /// An array of as many fields as `read` reads, or more.
    fn array<T>(
        &mut self,
        fields: u32,
        read: impl FnOnce(&mut Self) -> Result<T, MsgpackError>,
    ) -> Result<T, MsgpackError> {
        let at = self.reader.at();
        let more = self.reader.array()?.checked_sub(fields).ok_or(MsgpackError::Truncated { at })?;
        let value = read(self)?;
        (0..more).try_for_each(|_| self.reader.skip())?;
        Ok(value)
    }

    /// An array of any length.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, MsgpackError>) -> Result<Vec<T>, MsgpackError> {
        let length = self.reader.array()?;
        (0..length)
            .map(|_| {
                self.take(PIECE)?;
                item(self)
            })
            .collect()
    }

    fn unless_nil<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, MsgpackError>,
    ) -> Result<Option<T>, MsgpackError> {
        let before = self.reader;
        if self.reader.head()? == Head::Nil {
            return Ok(None);
        }
        self.reader = before;
        read(self).map(Some)
    }

    /// Counts bytes of what is kept.
    fn take(&mut self, bytes: usize) -> Result<(), MsgpackError> {
        let at = self.reader.at();
        self.left = self.left.checked_sub(bytes).ok_or(MsgpackError::TooCostly { at })?;
        Ok(())
    }

    fn message(&mut self) -> Result<Message, MsgpackError> {
        let at = self.reader.at();
        let message = match self.reader.head()? {
            Head::Text(text) => Message::Text(utf8(text, at)?.into()),
            Head::Bin(data) => Message::Binary(self.whole.slice_ref(data)),
            found => return Err(unexpected("a message", found, at)),
        };
        self.take(message.len())?;
        Ok(message)
    }

    fn frames(&mut self) -> Result<Frames, MsgpackError> {
        let at = self.reader.at();
        let bytes = self.binary()?;
        self.take(bytes.len())?;
        Frames::made_elsewhere(self.whole.slice_ref(bytes)).ok_or_else(|| unknown("a server's frames", at))
    }

    fn ip(&mut self) -> Result<IpAddr, MsgpackError> {
        let at = self.reader.at();
        let bytes = self.binary()?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).map_err(|_| unknown("an IP address", at))
    }

    fn text(&mut self) -> Result<&'a str, MsgpackError> {
        let at = self.reader.at();
        match self.reader.head()? {
            Head::Text(text) => {
                self.take(text.len())?;
                utf8(text, at)
            }
            found => Err(unexpected("a text", found, at)),
        }
    }

    fn binary(&mut self) -> Result<&'a [u8], MsgpackError> {
        let at = self.reader.at();
        match self.reader.head()? {
            Head::Bin(bytes) => Ok(bytes),
            found => Err(unexpected("binary data", found, at)),
        }
    }

    fn boolean(&mut self) -> Result<bool, MsgpackError> {
        let at = self.reader.at();
        match self.reader.head()? {
            Head::Bool(value) => Ok(value),
            found => Err(unexpected("a boolean", found, at)),
        }
    }

    fn int(&mut self) -> Result<i64, MsgpackError> {
        let at = self.reader.at();
        match self.reader.head()? {
            Head::Int(number) => Ok(number),
            Head::Uint(number) => i64::try_from(number).map_err(|_| unknown("a smaller number", at)),
            found => Err(unexpected("a whole number", found, at)),
        }
    }

    fn number(&mut self, range: std::ops::RangeInclusive<u64>, expected: &'static str) -> Result<u64, MsgpackError> {
        let at = self.reader.at();
        let number = self.reader.uint()?;
        range.contains(&number).then_some(number).ok_or_else(|| unknown(expected, at))
    }
}

fn utf8(text: &[u8], at: usize) -> Result<&str, MsgpackError> {
    std::str::from_utf8(text).map_err(|_| unknown("UTF-8", at))
}

/// The error for a value at `at` that has no meaning.
const fn unknown(expected: &'static str, at: usize) -> MsgpackError {
    MsgpackError::Unexpected { expected, found: "something else", at }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Frames> {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|packet| Frames::text(&packet))
    }

    fn message() -> impl Strategy<Value = Message> {
        prop_oneof![
            any::<String>().prop_map(|text| Message::Text(text.into())),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|data| Message::Binary(data.into())),
        ]
    }

    prop_compose! {
        fn session()(
            due: i64, phase: u8, number: u32, bears: u64, joins_within: Option<u64>,
            queue in prop::collection::vec(frames(), 0..20),
        ) -> Frozen {
            Frozen { heartbeat: FrozenHeartbeat { due, phase, number }, bears, joins_within, queue }
        }
    }

    prop_compose! {
        fn handshake()(
            head: String, ip: IpAddr, port: u16, seconds: u64, nanos in 0..1_000_000_000_u32,
            cross_origin: bool, secure: bool,
        ) -> MovingHandshake {
            let (address, issued) = (SocketAddr::new(ip, port), Duration::new(seconds, nanos));
            MovingHandshake { head, address, issued, cross_origin, secure }
        }
    }

    prop_compose! {
        fn moving()(
            session in session(), handshake in handshake(),
            messages in prop::collection::vec(message(), 0..20),
            allowance: Option<(i64, i64)>,
        ) -> Moving {
            let allowance = allowance.map(|(messages, bytes)| MovingAllowance { messages, bytes });
            Moving { session, handshake, messages, allowance }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(moving in moving()) {
            let written = moving.write();
            prop_assert_eq!(Moving::read(&written), Ok(moving.clone()));
            prop_assert!(written.len() <= moving.cost() + 256 + 10);
        }

        #[test]
        fn later_versions_may_append(moving in moving()) {
            let mut written = moving.write().to_vec();
            written[0] += 2;
            written.extend_from_slice(b"\xa1x\x91\xc0");
            prop_assert_eq!(Moving::read(&written.into()), Ok(moving));
        }

        #[test]
        fn what_is_cut_short_is_refused(moving in moving(), cut in any::<prop::sample::Index>()) {
            let written = moving.write();
            prop_assert!(Moving::read(&written.slice(..cut.index(written.len()))).is_err());
        }
    }

    /// A session that was written, with these bytes in the place of the one at `at`.
    fn with(at: usize, bytes: &[u8]) -> String {
        let handshake = MovingHandshake {
            head: String::new(),
            address: SocketAddr::from(([1, 2, 3, 4], 5)),
            issued: Duration::ZERO,
            cross_origin: false,
            secure: false,
        };
        let heartbeat = FrozenHeartbeat { due: 1, phase: 2, number: 3 };
        let session = Frozen { heartbeat, bears: 4, joins_within: None, queue: Vec::new() };
        let moving = Moving { session, handshake, messages: Vec::new(), allowance: None };
        let mut written = moving.write().to_vec();
        written.splice(at..at + 1, bytes.iter().copied());
        Moving::read(&written.into()).unwrap_err().to_string()
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let queue = 2 + 5 + 1;
        for (at, bytes, why) in [
            (0, &b"\x96"[..], "cut short"),
            (1, b"\x02", "version 1"),
            (4, b"\xcd\x01\x00", "the phase"),
            (queue, b"\x91\xc4\x01x", "a server's frames"),
            (queue, b"\x91\xc4\x03\x01\x011", "a server's frames"),
            (queue, b"\x91\xa1x", "binary data"),
            (queue + 3, b"\xc4\x05", "an IP address"),
            (queue + 9, b"\xce\0\x01\0\0", "a port"),
        ] {
            let error = with(at, bytes);
            assert!(error.contains(why), "{error}, and not {why}");
        }
        let many = [&b"\xdc\xff\xff"[..], &b"\xc4\0".repeat(0xffff)].concat();
        assert!(with(queue, &many).contains("would take more"));
    }
}
