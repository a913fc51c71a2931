//! Whom a message is for and how it is to be sent: the member `opts` of broadcasts and requests.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, IgnoredAny, Visitor};
use serde::{Deserialize, Serialize};

use super::msgpack::{self, Head, MsgpackError, PackError, Reader};
use super::{cost, number};

/// Which sockets of the namespace are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opts {
    /// The rooms, of which a socket is in at least one; none: all sockets. A socket's id is a room.
    #[serde(deserialize_with = "rooms")]
    pub rooms: Vec<Box<str>>,
    /// The rooms of which a socket is in none.
    #[serde(deserialize_with = "rooms")]
    pub except: Vec<Box<str>>,
}

/// How an event is to be sent. Flags that others use and that mean nothing here are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Flags {
    /// Whether the event comes from a remote socket object, to that one socket.
    #[serde(deserialize_with = "truth")]
    pub expect_single_response: bool,
    /// Whether clients that are not ready to receive do not get it.
    #[serde(deserialize_with = "truth")]
    pub volatile: bool,
    /// Whether it may be compressed. `None`, when nobody said so, means yes.
    #[serde(deserialize_with = "choice")]
    pub compress: Option<bool>,
    /// How long acknowledgements are waited for. Whole milliseconds travel.
    #[serde(deserialize_with = "millis")]
    pub timeout: Option<Duration>,
}

/// Reads `opts` of MessagePack. Members may be missing, and `nil` is as good.
pub fn read(reader: &mut Reader<'_>) -> Result<(Opts, Flags), MsgpackError> {
    let mut opts = Opts::default();
    let mut flags = Flags::default();
    reader.map(|reader, key| match key {
        b"rooms" => read_rooms(reader, &mut opts.rooms),
        b"except" => read_rooms(reader, &mut opts.except),
        b"flags" => read_flags(reader, &mut flags),
        _ => reader.skip(),
    })?;
    Ok((opts, flags))
}

fn read_rooms(reader: &mut Reader<'_>, rooms: &mut Vec<Box<str>>) -> Result<(), MsgpackError> {
    rooms.clear();
    if is_nil(reader)? {
        return Ok(());
    }
    let at = reader.at();
    let count = reader.array()?;
    if !cost::allows(count as usize) {
        return Err(MsgpackError::TooCostly { at });
    }
    for _ in 0..count {
        let at = reader.at();
        let room = match reader.head()? {
            Head::Text(text) => String::from_utf8_lossy(text),
            Head::Uint(number) => number.to_string().into(),
            Head::Int(number) => number.to_string().into(),
            Head::Float(number) => decimal(number).into(),
            found => {
                return Err(MsgpackError::Unexpected { expected: "the name of a room", found: found.kind(), at });
            }
        };
        rooms.push(room.into());
    }
    Ok(())
}

fn read_flags(reader: &mut Reader<'_>, flags: &mut Flags) -> Result<(), MsgpackError> {
    *flags = Flags::default();
    if is_nil(reader)? {
        return Ok(());
    }
    reader.map(|reader, key| {
        let mut value = *reader;
        reader.skip()?;
        let head = value.head()?;
        match key {
            b"expectSingleResponse" => flags.expect_single_response = head == Head::Bool(true),
            b"volatile" => flags.volatile = head == Head::Bool(true),
            b"compress" => flags.compress = if let Head::Bool(compress) = head { Some(compress) } else { None },
            b"timeout" => {
                flags.timeout = match head {
                    Head::Uint(millis) => Some(Duration::from_millis(millis)),
                    Head::Float(millis) => duration(millis),
                    _ => None,
                }
            }
            _ => {}
        }
        Ok(())
    })
}

/// Passes over `nil`, if that is next.
fn is_nil(reader: &mut Reader<'_>) -> Result<bool, MsgpackError> {
    let mut ahead = *reader;
    let is_nil = ahead.head()? == Head::Nil;
    if is_nil {
        *reader = ahead;
    }
    Ok(is_nil)
}

/// Writes `opts` for MessagePack, in the order Node's adapter has.
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
    msgpack::map(out, (booleans.clone().count() + usize::from(flags.timeout.is_some())) as u32);
    for (name, value) in booleans {
        msgpack::text(out, name)?;
        msgpack::boolean(out, value);
    }
    if let Some(timeout) = flags.timeout {
        msgpack::text(out, "timeout")?;
        msgpack::uint(out, u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// How much of a message `opts` take, about.
pub fn capacity(opts: &Opts) -> usize {
    100 + opts.rooms.iter().chain(&opts.except).map(|room| room.len() + 5).sum::<usize>()
}

fn decimal(float: f64) -> String {
    let mut text = String::new();
    number::push(&mut text, float);
    text
}

fn duration(millis: f64) -> Option<Duration> {
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

/// A value of JSON that is ignored if it is not of the right kind.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Right(T),
    Wrong(IgnoredAny),
}

fn choice<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Lenient::deserialize(deserializer)? {
        Lenient::Right(value) => Ok(Some(value)),
        Lenient::Wrong(_) => Ok(None),
    }
}

fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(choice(deserializer)? == Some(true))
}

fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match Lenient::deserialize(deserializer)? {
        Lenient::Right(millis) => Ok(duration(millis)),
        Lenient::Wrong(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(message: &[u8]) -> Result<(Opts, Flags), MsgpackError> {
        let mut reader = Reader::new(message);
        let read = read(&mut reader)?;
        reader.end()?;
        Ok(read)
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
        };
        assert_eq!(read_all(&written(&opts, &flags)).unwrap(), (opts, flags));
        assert_eq!(read_all(&written(&Opts::default(), &Flags::default())).unwrap(), <_>::default());
    }

    #[test]
    fn members_may_be_missing_or_nil() {
        assert_eq!(read_all(b"\x80").unwrap(), <_>::default());
        assert_eq!(read_all(b"\x83\xa5rooms\xc0\xa6except\xc0\xa5flags\xc0").unwrap(), <_>::default());
        assert_eq!(serde_json::from_str::<Opts>("{}").unwrap(), Opts::default());
        assert_eq!(serde_json::from_str::<Opts>(r#"{"rooms":null,"more":[1]}"#).unwrap(), Opts::default());
        assert_eq!(serde_json::from_str::<Flags>("{}").unwrap(), Flags::default());
    }

    #[test]
    fn numbers_are_rooms_by_their_decimal_text() {
        let (opts, _) = read_all(b"\x81\xa5rooms\x93\x2a\xff\xcb\x3f\xf8\0\0\0\0\0\0").unwrap();
        assert_eq!(opts.rooms, ["42", "-1", "1.5"].map(Box::from));
        let opts: Opts = serde_json::from_str(r#"{"rooms":[42,-1,1.5,"a"]}"#).unwrap();
        assert_eq!(opts.rooms, ["42", "-1", "1.5", "a"].map(Box::from));
    }

    #[test]
    fn rooms_are_lists_of_names() {
        assert!(read_all(b"\x81\xa5rooms\xa1a").is_err());
        assert!(read_all(b"\x81\xa6except\x91\xc3").is_err());
        assert!(serde_json::from_str::<Opts>(r#"{"rooms":"a"}"#).is_err());
        assert!(serde_json::from_str::<Opts>(r#"{"except":[true]}"#).is_err());
    }

    #[test]
    fn millions_of_rooms_are_refused_before_they_are_made() {
        let rooms = |count: u32| {
            read_all(&[b"\x81\xa5rooms\xdd", &count.to_be_bytes()[..], &b"\xa0".repeat(count as usize)].concat())
        };
        assert_eq!(rooms(250_000).unwrap().0.rooms.len(), 250_000);
        assert!(matches!(rooms(1_000_000), Err(MsgpackError::TooCostly { at: 7 })));
    }

    #[test]
    fn flags_of_another_kind_are_ignored() {
        let message = b"\x81\xa5flags\x84\xa8volatile\x01\xa8compress\xa1x\xa7timeout\xff\xa4more\x91\x01";
        assert_eq!(read_all(message).unwrap().1, Flags::default());
        let json = r#"{"volatile":1,"compress":"x","timeout":-1,"more":[1]}"#;
        assert_eq!(serde_json::from_str::<Flags>(json).unwrap(), Flags::default());
    }

    #[test]
    fn fractions_of_timeouts_are_dropped() {
        let expected = Some(Duration::from_millis(2));
        assert_eq!(read_all(b"\x81\xa5flags\x81\xa7timeout\xcb\x40\x04\0\0\0\0\0\0").unwrap().1.timeout, expected);
        assert_eq!(serde_json::from_str::<Flags>(r#"{"timeout":2.5}"#).unwrap().timeout, expected);
    }
}
