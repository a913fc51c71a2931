//! Sessions on their way to another instance.
//!
//! A session is an array: the version, the heartbeat, how long it has for joining, the queue, the handshake, the
//! messages that were not handled, and what its client may send. A later version may append to it and to the arrays of fixed
//! length in it; what is not known here is skipped. Times are milliseconds from when it was frozen.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::fields::{self, Fields};
use crate::engineio::{Frozen, FrozenHeartbeat, Message};
use crate::msgpack::{self, MsgpackError, PIECE, Reader};

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
        fields::optional(out, self.session.joins_within, msgpack::uint);
        fields::array(out, &self.session.queue, |out, frames| fields::bytes(out, frames.bytes()));
        self.handshake.write(out);
        fields::array(out, &self.messages, fields::message);
        fields::optional(out, self.allowance, |out, MovingAllowance { messages, bytes }| {
            msgpack::array(out, 2);
            msgpack::int(out, messages);
            msgpack::int(out, bytes);
        });
        std::mem::take(out).into()
    }

    /// The session in these bytes, whose buffer it shares.
    ///
    /// # Errors
    /// If they are none of a version that is known, or it takes more than [`MOST_MOVED`].
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, MsgpackError> {
        let mut reader = Reader::new(bytes);
        let mut fields = Fields::begin_within(&mut reader, bytes, MOST_MOVED)?;
        let moving = Self::read_fields(&mut fields)?;
        fields.end()?;
        reader.end()?;
        Ok(moving)
    }

    fn read_fields(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        if fields.uint()? != VERSION {
            return Err(fields.wrong("version 1 of a session"));
        }
        let (heartbeat, bears) = fields.inner(|fields| {
            let due = fields.int()?;
            let phase = fields.narrow("the phase of a heartbeat")?;
            let number = fields.narrow("the number of a phase")?;
            Ok((FrozenHeartbeat { due, phase, number }, fields.uint()?))
        })?;
        let joins_within = fields.optional(|fields| fields.uint())?;
        let queue = fields.array(|fields| fields.frames())?;
        let session = Frozen { heartbeat, bears, joins_within, queue };
        let handshake = fields.inner(MovingHandshake::read)?;
        let messages = fields.array(|fields| fields.message())?;
        let allowance = fields.optional(|fields| {
            fields.inner(|fields| Ok(MovingAllowance { messages: fields.int()?, bytes: fields.int()? }))
        })?;
        Ok(Self { session, handshake, messages, allowance })
    }
}

impl MovingHandshake {
    fn write(&self, out: &mut Vec<u8>) {
        msgpack::array(out, 7);
        fields::text(out, &self.head);
        fields::address(out, self.address);
        msgpack::uint(out, self.issued.as_secs());
        msgpack::uint(out, u64::from(self.issued.subsec_nanos()));
        msgpack::boolean(out, self.cross_origin);
        msgpack::boolean(out, self.secure);
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        let (head, address, seconds) = (fields.text()?.into(), fields.address()?, fields.uint()?);
        let nanos = fields.number()?;
        if nanos > 999_999_999 {
            return Err(fields.wrong("nanoseconds of a second"));
        }
        let issued = Duration::new(seconds, nanos);
        Ok(Self { head, address, issued, cross_origin: fields.boolean()?, secure: fields.boolean()? })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::engineio::Frames;

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
