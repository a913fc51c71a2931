//! Clients that come back to another instance.
//!
//! The *seeker* is the instance where a client shows up with the private id of a socket that it does not have; it asks all.
//! The *holder* takes the socket out, and hands it over with what its client missed. The seeker confirms that it has taken
//! it, or gives it back.
//!
//! Each message is an array: its kind, and what the kind needs. A later version may append to it.

use std::time::Duration;

use bytes::Bytes;

use super::fields::{self, Fields};
use crate::cluster::serial::Serial;
use crate::engineio::{Frames, Sid};
use crate::msgpack::{self, MsgpackError, Reader};
use crate::socketio::Offset;

/// What instances tell each other about clients that come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Who has this socket? To all; the seeker hears it, too, and so knows where it stands among the events.
    Recover(Recover),
    /// The holder hands a socket over, under a number of its own.
    Recovered { seeker: Ticket, number: u64, pid: Sid, hand_over: Box<HandOver> },
    /// What became of the socket with this private id, which was handed over with this number.
    Taken { number: u64, pid: Sid, taken: Taken },
    /// The sender is about to end. To all, this one included: its records tell what came before and behind.
    Mark { number: u64 },
}

/// The seeker's shard, and its number of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) shard: u8,
    pub(crate) number: u64,
}

/// Whether the seeker has a socket that was handed over to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// It does not want it: the holder has it again.
    No,
}

/// A question for the holder of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recover {
    pub(crate) seeker: Ticket,
    pub(crate) namespace: Box<str>,
    /// The private id of the socket.
    pub(crate) pid: Sid,
    /// The last event that its client received.
    pub(crate) offset: Offset,
    /// For how long the seeker has heard the namespace, and read at once what came.
    pub(crate) heard: Duration,
    /// The form of the seeker's packets. An instance with another form has no use for it.
    pub(crate) form: u8,
}

/// A lost socket, and what its client missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandOver {
    /// How often the socket has been handed over.
    pub(crate) generation: u32,
    /// Whether another instance may have taken it already, without the holder's knowing.
    pub(crate) is_doubtful: bool,
    /// Whether the program has kept values with it. They stay behind.
    pub(crate) had_values: bool,
    pub(crate) sid: Sid,
    /// Its rooms, including its own.
    pub(crate) rooms: Vec<Box<str>>,
    /// Its data, as JSON.
    pub(crate) data: Option<Box<str>>,
    pub(crate) missed: Vec<(Offset, Frames)>,
    pub(crate) progress: Progress,
}

/// What an instance had delivered at some instant, as far as it matters for one socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How far back it was compared what came to both instances. It heard the namespace for twice this time.
    pub(crate) window: Duration,
    pub(crate) lanes: Vec<LaneEnd>,
    /// Digests of the socket's events without numbers: of those behind the question, of those in the window before it, and of
    /// those in as much time before that.
    pub(crate) after: Vec<u64>,
    pub(crate) near: Vec<u64>,
    pub(crate) far: Vec<u64>,
}

/// The last number of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneEnd {
    pub(crate) serial: Serial,
    /// Whether it came in the window, or later.
    pub(crate) is_recent: bool,
}

/// What the kinds of messages are on the wire.
mod kind {
    pub(super) const RECOVER: u64 = 1;
    pub(super) const RECOVERED: u64 = 2;
    pub(super) const TAKEN: u64 = 3;
    pub(super) const MARK: u64 = 4;
}

impl Recovery {
    /// Appends the message, one array.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Recover(recover) => {
                msgpack::array(out, 8);
                msgpack::uint(out, kind::RECOVER);
                recover.write(out);
            }
            Self::Recovered { seeker, number, pid, hand_over } => {
                msgpack::array(out, 6);
                msgpack::uint(out, kind::RECOVERED);
                seeker.write(out);
                msgpack::uint(out, *number);
                fields::text(out, &pid.to_text());
                hand_over.write(out);
            }
            Self::Taken { number, pid, taken } => {
                msgpack::array(out, 4);
                msgpack::uint(out, kind::TAKEN);
                msgpack::uint(out, *number);
                fields::text(out, &pid.to_text());
                msgpack::boolean(out, *taken == Taken::Yes);
            }
            Self::Mark { number } => {
                msgpack::array(out, 2);
                msgpack::uint(out, kind::MARK);
                msgpack::uint(out, *number);
            }
        }
    }

    /// Roughly how many bytes the message takes.
    pub(crate) fn len(&self) -> usize {
        const REST: usize = 96;
        REST + match self {
            Self::Recover(recover) => recover.namespace.len(),
            Self::Recovered { hand_over, .. } => hand_over.len(),
            Self::Taken { .. } | Self::Mark { .. } => 0,
        }
    }

    /// Reads a message that begins here. Its bytes share the buffer of `message`, which the reader reads.
    pub(crate) fn read(reader: &mut Reader<'_>, message: &Bytes) -> Result<Self, MsgpackError> {
        let mut fields = Fields::begin(reader, message)?;
        let recovery = match fields.uint()? {
            kind::RECOVER => Self::Recover(Recover::read(&mut fields)?),
            kind::RECOVERED => Self::Recovered {
                seeker: Ticket::read(&mut fields)?,
                number: fields.uint()?,
                pid: fields.parsed("a private id", Sid::parse)?,
                hand_over: Box::new(fields.inner(HandOver::read)?),
            },
            kind::TAKEN => {
                let (number, pid) = (fields.uint()?, fields.parsed("a private id", Sid::parse)?);
                let taken = fields.boolean()?;
                Self::Taken { number, pid, taken: if taken { Taken::Yes } else { Taken::No } }
            }
            kind::MARK => Self::Mark { number: fields.uint()? },
            _ => return Err(fields.wrong("a message about recovery")),
        };
        fields.end()?;
        Ok(recovery)
    }
}

impl Ticket {
    fn write(self, out: &mut Vec<u8>) {
        msgpack::uint(out, u64::from(self.shard));
        msgpack::uint(out, self.number);
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        Ok(Self { shard: fields.small()?, number: fields.uint()? })
    }
}

impl Recover {
    fn write(&self, out: &mut Vec<u8>) {
        self.seeker.write(out);
        fields::text(out, &self.namespace);
        fields::text(out, &self.pid.to_text());
        fields::text(out, &self.offset.to_text());
        msgpack::uint(out, millis(self.heard));
        msgpack::uint(out, u64::from(self.form));
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        Ok(Self {
            seeker: Ticket::read(fields)?,
            namespace: fields.text()?,
            pid: fields.parsed("a private id", Sid::parse)?,
            offset: fields.parsed("an offset", Offset::parse)?,
            heard: Duration::from_millis(fields.uint()?),
            form: fields.small()?,
        })
    }
}

impl HandOver {
    /// Appends it, one array.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        msgpack::array(out, 8);
        msgpack::uint(out, u64::from(self.generation));
        msgpack::boolean(out, self.is_doubtful);
        msgpack::boolean(out, self.had_values);
        fields::text(out, &self.sid.to_text());
        fields::array(out, &self.rooms, |out, room| fields::text(out, room));
        fields::optional(out, self.data.as_deref(), fields::text);
        fields::array(out, &self.missed, |out, (offset, frames)| {
            msgpack::array(out, 3);
            fields::text(out, &offset.to_text());
            fields::bytes(out, frames.bytes());
            msgpack::boolean(out, frames.may_compress());
        });
        self.progress.write(out);
    }

    /// Roughly how many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        const EVENT: usize = 24;
        const LANE: usize = 24;
        let rooms: usize = self.rooms.iter().map(|room| room.len() + 5).sum();
        let missed: usize = self.missed.iter().map(|(_, frames)| frames.len() + EVENT).sum();
        let Progress { lanes, after, near, far, .. } = &self.progress;
        let digests = (after.len() + near.len() + far.len()) * DIGEST;
        rooms + self.data.as_deref().map_or(0, str::len) + missed + lanes.len() * LANE + digests + 64
    }

    /// Reads it from its fields.
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        Ok(Self {
            generation: fields.number()?,
            is_doubtful: fields.boolean()?,
            had_values: fields.boolean()?,
            sid: fields.parsed("a sid", Sid::parse)?,
            rooms: fields.array(|fields| fields.text())?,
            data: fields.optional(|fields| fields.text())?,
            missed: fields.array(|fields| {
                fields.inner(|fields| {
                    let offset = fields.parsed("an offset", Offset::parse)?;
                    Ok((offset, fields.frames()?.compress(fields.boolean()?)))
                })
            })?,
            progress: fields.inner(Progress::read)?,
        })
    }
}

/// Bytes of a digest, and of a lane's end.
const DIGEST: usize = 8;
const LANE_END: usize = Serial::LENGTH + 1;

impl Progress {
    fn write(&self, out: &mut Vec<u8>) {
        msgpack::array(out, 5);
        msgpack::uint(out, millis(self.window));
        let lanes: Vec<u8> = self.lanes.iter().flat_map(|lane| lane.to_bytes()).collect();
        fields::bytes(out, &lanes);
        for digests in [&self.after, &self.near, &self.far] {
            let digests: Vec<u8> = digests.iter().flat_map(|digest| digest.to_be_bytes()).collect();
            fields::bytes(out, &digests);
        }
    }

    fn read(fields: &mut Fields<'_, '_>) -> Result<Self, MsgpackError> {
        let window = Duration::from_millis(fields.uint()?);
        let lanes = pieces::<LANE_END>(&fields.bytes()?).map(LaneEnd::from_bytes).collect();
        let mut digests = || {
            let bytes = fields.bytes()?;
            Ok::<_, MsgpackError>(pieces::<DIGEST>(&bytes).map(|bytes| u64::from_be_bytes(*bytes)).collect())
        };
        Ok(Self { window, lanes, after: digests()?, near: digests()?, far: digests()? })
    }
}

impl LaneEnd {
    fn to_bytes(self) -> [u8; LANE_END] {
        let mut bytes = [u8::from(self.is_recent); LANE_END];
        bytes.iter_mut().zip(self.serial.to_bytes()).for_each(|(to, from)| *to = from);
        bytes
    }

    const fn from_bytes(bytes: &[u8; LANE_END]) -> Self {
        let [serial @ .., is_recent] = bytes;
        Self { serial: Serial::from_bytes(serial), is_recent: *is_recent != 0 }
    }
}

/// The pieces of a length; what is left at the end is none.
fn pieces<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = &[u8; N]> {
    bytes.chunks_exact(N).filter_map(|piece| piece.first_chunk())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(text: &str) -> Sid {
        Sid::parse(text).unwrap()
    }

    fn hand_over() -> HandOver {
        let serial = |number| Serial { boot: u64::MAX - 1, lane: 7, number };
        HandOver {
            generation: 3,
            is_doubtful: true,
            had_values: true,
            sid: sid("AAAAAAAAAAAAAAAAAAAA"),
            rooms: vec!["AAAAAAAAAAAAAAAAAAAA".into(), "ü".repeat(40).into()],
            data: Some(r#"{"a":1}"#.into()),
            missed: (0..20)
                .map(|count| (Offset::default(), Frames::text(&vec![b'x'; count * 100]).compress(count % 2 == 0)))
                .collect(),
            progress: Progress {
                window: Duration::from_millis(5000),
                lanes: vec![
                    LaneEnd { serial: serial(1), is_recent: true },
                    LaneEnd { serial: serial(u64::MAX), is_recent: false },
                ],
                after: vec![1],
                near: (0..100).map(|number| u64::MAX - number).collect(),
                far: Vec::new(),
            },
        }
    }

    fn all() -> Vec<Recovery> {
        let recover = Recover {
            seeker: Ticket { shard: 255, number: u64::MAX },
            namespace: "/chat".into(),
            pid: sid("____________________"),
            offset: Offset::parse("Q8AGDxC.1").unwrap(),
            heard: Duration::from_secs(100),
            form: 1,
        };
        let seeker = recover.seeker;
        vec![
            Recovery::Recover(recover),
            Recovery::Recovered {
                seeker,
                number: 5,
                pid: sid("____________________"),
                hand_over: Box::new(hand_over()),
            },
            Recovery::Taken { number: 5, pid: sid("____________________"), taken: Taken::Yes },
            Recovery::Mark { number: 6 },
            Recovery::Taken { number: 5, pid: sid("AAAAAAAAAAAAAAAAAAAA"), taken: Taken::No },
        ]
    }

    fn written(recovery: &Recovery) -> Bytes {
        let mut out = Vec::new();
        recovery.write(&mut out);
        out.into()
    }

    #[test]
    fn a_message_survives_being_written_and_has_about_its_length() {
        for recovery in all() {
            let bytes = written(&recovery);
            assert_eq!(Recovery::read(&mut Reader::new(&bytes), &bytes).unwrap(), recovery);
            assert!(bytes.len() <= recovery.len(), "{} {}", bytes.len(), recovery.len());
        }
    }

    #[test]
    fn a_message_that_is_cut_short_or_broken_is_an_error() {
        for recovery in all() {
            let whole = written(&recovery);
            for length in 0..whole.len() {
                let bytes = whole.slice(..length);
                assert!(Recovery::read(&mut Reader::new(&bytes), &bytes).is_err(), "{length} of {recovery:?}");
            }
        }
    }

    #[test]
    fn what_a_later_version_appends_is_skipped() {
        let bytes: Bytes = b"\x96\x03\x05\xb4AAAAAAAAAAAAAAAAAAAA\xc3\xa3new\x01"[..].into();
        let taken = Recovery::Taken { number: 5, pid: sid("AAAAAAAAAAAAAAAAAAAA"), taken: Taken::Yes };
        assert_eq!(Recovery::read(&mut Reader::new(&bytes), &bytes).unwrap(), taken);
    }
}
