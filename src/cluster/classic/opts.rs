//! The target of a message and its flags: the member `opts` of broadcasts and requests.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::cluster::serial::Serial;
use crate::msgpack::number::push;
use crate::msgpack::{self, PackError};

/// The target sockets of the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Opts {
    /// The rooms, of which a socket is in at least one; none: all sockets. A socket's id is a room.
    pub rooms: Vec<Box<str>>,
    /// The rooms of which a socket is in none.
    pub except: Vec<Box<str>>,
}

/// How to send an event. Flags without a meaning here are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Whether the event comes from a remote socket object, to that one socket.
    pub expect_single_response: bool,
    /// Whether clients that are not ready to receive are left out.
    pub volatile: bool,
    /// Whether it may be compressed. `None`, when unspecified, means yes.
    pub compress: Option<bool>,
    /// Timeout for acknowledgements. It is sent in whole milliseconds.
    pub timeout: Option<Duration>,
    /// The event's number, which servers of Node ignore. Only broadcasts in MessagePack have one.
    pub serial: Option<Serial>,
}

/// Writes `opts` for MessagePack, in the order of Node's adapter.
pub fn write(out: &mut Vec<u8>, opts: &Opts, flags: &Flags) -> Result<(), PackError> {
    msgpack::map(out, 3);
    for (name, rooms) in [("rooms", &opts.rooms), ("except", &opts.except)] {
        msgpack::text(out, name)?;
        let length = u32::try_from(rooms.len()).map_err(|_| PackError::TooLong { length: rooms.len() })?;
        msgpack::array(out, length);
        rooms.iter().try_for_each(|room| msgpack::text(out, room))?;
    }
    msgpack::text(out, "flags")?;
    let set = [("expectSingleResponse", flags.expect_single_response), ("volatile", flags.volatile)];
    let set = set.into_iter().filter_map(|(name, is_set)| is_set.then_some((name, true)));
    let booleans = set.chain(flags.compress.map(|compress| ("compress", compress)));
    let others = usize::from(flags.timeout.is_some()) + usize::from(flags.serial.is_some());
    msgpack::map(out, (booleans.clone().count() + others) as u32);
    for (name, value) in booleans {
        msgpack::text(out, name)?;
        msgpack::boolean(out, value);
    }
    if let Some(timeout) = flags.timeout {
        msgpack::text(out, "timeout")?;
        msgpack::uint(out, u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(serial) = flags.serial {
        // It is the last member, so that the message ends with the number.
        msgpack::text(out, "kl")?;
        msgpack::bin(out, Serial::LENGTH as u32);
        out.extend_from_slice(&serial.to_bytes());
    }
    Ok(())
}

/// Writes the number into a broadcast that has a serial.
pub fn number(broadcast: &mut [u8], number: u64) {
    if let Some(place) = broadcast.last_chunk_mut() {
        *place = number.to_be_bytes();
    }
}

/// Reads a serial.
pub fn serial(bytes: &[u8]) -> Option<Serial> {
    Some(Serial::from_bytes(bytes.try_into().ok()?))
}

/// Estimated bytes of `opts` in a message.
pub fn capacity(opts: &Opts) -> usize {
    100 + opts.rooms.iter().chain(&opts.except).map(|room| room.len() + 5).sum::<usize>()
}

/// A number as JavaScript writes it.
pub fn decimal(float: f64) -> String {
    let mut text = String::new();
    push(&mut text, float);
    text
}

/// A duration of this many milliseconds, without fractions. `None` for a negative one.
pub fn duration(millis: f64) -> Option<Duration> {
    // Too large a number becomes the largest.
    (millis >= 0.0).then(|| Duration::from_millis(millis as u64))
}

/// The name of a room in JSON. Callers in JavaScript may use numbers, which are read as their texts.
#[derive(Debug)]
pub struct RoomName(pub Box<str>);

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RoomNameVisitor)
    }
}

struct RoomNameVisitor;

impl Visitor<'_> for RoomNameVisitor {
    type Value = RoomName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a room")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<RoomName, E> {
        Ok(RoomName(name.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RoomName, E> {
        Ok(RoomName(number.to_string().into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<RoomName, E> {
        Ok(RoomName(number.to_string().into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<RoomName, E> {
        Ok(RoomName(decimal(number).into()))
    }
}

/// Reads names of rooms in JSON; `null` is none.
pub fn rooms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<str>>, D::Error> {
    let rooms = Option::<Vec<RoomName>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(rooms.into_iter().map(|room| room.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::classic::coerce;
    use crate::msgpack::Reader;

    fn read_all(message: &[u8]) -> (Opts, Flags) {
        let mut reader = Reader::new(message);
        let read = coerce::msgpack::read_opts(&mut reader).unwrap();
        reader.end().unwrap();
        read
    }

    fn written(opts: &Opts, flags: &Flags) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, opts, flags).unwrap();
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let opts = Opts { rooms: vec!["a".into(), "x".repeat(300).into()], except: vec!["é".into()] };
        let flags = Flags {
            expect_single_response: true,
            volatile: true,
            compress: Some(false),
            timeout: Some(Duration::from_millis(70_000)),
            serial: Some(Serial { boot: u64::MAX, lane: 3, number: 1 << 40 }),
        };
        assert_eq!(read_all(&written(&opts, &flags)), (opts, flags));
        assert_eq!(read_all(&written(&Opts::default(), &Flags::default())), <_>::default());
    }

    #[test]
    fn a_serial_takes_22_bytes_and_its_number_may_be_written_later() {
        let opts = Opts { rooms: vec!["a".into()], except: Vec::new() };
        let serial = |number| Flags { serial: Some(Serial { boot: 1, lane: 255, number }), ..Flags::default() };
        let (without, mut with) = (written(&opts, &Flags::default()), written(&opts, &serial(0)));
        assert_eq!(with.len() - without.len(), 22);
        number(&mut with, 7);
        assert_eq!(read_all(&with), (opts, serial(7)));
    }
}
