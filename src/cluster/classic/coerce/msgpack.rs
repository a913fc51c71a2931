//! MessagePack values as Node's adapter reads them.

use std::time::Duration;

use super::{Names, selection};
use crate::cluster::classic::cost;
use crate::cluster::classic::opts::{self, Flags, Opts, decimal};
use crate::msgpack::{Head, MsgpackError, Reader, unexpected};

/// `undefined`, as old senders write it.
pub const fn is_undefined(head: &Head<'_>) -> bool {
    matches!(head, Head::FixExt(0, [_]))
}

/// Skips a value and returns its head.
pub fn pass<'a>(reader: &mut Reader<'a>) -> Result<Head<'a>, MsgpackError> {
    let before = *reader;
    let head = reader.head()?;
    if matches!(head, Head::Array(_) | Head::Map(_)) {
        *reader = before;
        reader.skip()?;
    }
    Ok(head)
}

fn is_truthy(head: &Head<'_>) -> bool {
    match *head {
        Head::Nil => false,
        Head::Bool(value) => value,
        Head::Uint(number) => number != 0,
        Head::Int(number) => number != 0,
        Head::Float(number) => number != 0.0 && !number.is_nan(),
        Head::Text(text) => !text.is_empty(),
        _ => !is_undefined(head),
    }
}

/// The whole number from zero that a number means.
pub fn whole(head: Head<'_>) -> Option<u64> {
    match head {
        Head::Uint(number) => Some(number),
        Head::Int(number) => u64::try_from(number).ok(),
        Head::Float(number) => super::whole(number),
        _ => None,
    }
}

/// The type of a packet: a number, or its text.
pub fn packet_type(head: Head<'_>) -> Option<u64> {
    if let Head::Text(text) = head { super::packet_type(text) } else { whole(head) }
}

/// Reads `opts`.
pub fn read_opts(reader: &mut Reader<'_>) -> Result<(Opts, Flags), MsgpackError> {
    let (mut rooms, mut except, mut flags) = (Names::default(), Names::default(), Flags::default());
    members_of_object(reader, |reader, key| {
        match key {
            b"rooms" => rooms = names(reader)?,
            b"except" => except = names(reader)?,
            b"flags" => flags = read_flags(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((selection(rooms, except), flags))
}

/// Reads an object; only maps have members.
fn members_of_object(
    reader: &mut Reader<'_>,
    member: impl FnMut(&mut Reader<'_>, &[u8]) -> Result<(), MsgpackError>,
) -> Result<(), MsgpackError> {
    let mut ahead = *reader;
    match ahead.head()? {
        undefined if is_undefined(&undefined) => reader.map(member),
        Head::Array(_) | Head::Bin(_) | Head::FixExt(..) | Head::Ext(..) => reader.skip(),
        _ => reader.map(member),
    }
}

/// Reads the rooms of a selection.
fn names(reader: &mut Reader<'_>) -> Result<Names, MsgpackError> {
    let at = reader.at();
    let head = reader.head()?;
    let most = match head {
        Head::Array(count) => count as usize,
        Head::Text(bytes) | Head::Bin(bytes) => bytes.len(),
        _ => 0,
    };
    if !cost::allows(most) {
        return Err(MsgpackError::TooCostly { at });
    }
    let mut names = Names::with_capacity(most);
    match head {
        Head::Array(count) => {
            for _ in 0..count {
                names.push(room(pass(reader)?));
            }
        }
        Head::Text(text) => {
            let text = String::from_utf8_lossy(text);
            text.chars().for_each(|character| names.push(Some(character.to_string().into())));
        }
        Head::Bin(bytes) => bytes.iter().for_each(|byte| names.push(Some(byte.to_string().into()))),
        Head::Nil => {}
        undefined if is_undefined(&undefined) => {}
        found => return Err(unexpected("a list of rooms", found, at)),
    }
    Ok(names)
}

/// The name of a room.
fn room(head: Head<'_>) -> Option<Box<str>> {
    match head {
        Head::Text(text) => Some(String::from_utf8_lossy(text).into()),
        Head::Uint(number) => Some(number.to_string().into()),
        Head::Int(number) => Some(number.to_string().into()),
        Head::Float(number) => Some(decimal(number).into()),
        _ => None,
    }
}

fn read_flags(reader: &mut Reader<'_>) -> Result<Flags, MsgpackError> {
    let mut flags = Flags::default();
    let mut value = *reader;
    if !matches!(pass(reader)?, Head::Map(_)) {
        return Ok(flags);
    }
    value.map(|reader, key| {
        let head = pass(reader)?;
        match key {
            b"expectSingleResponse" => flags.expect_single_response = is_truthy(&head),
            b"volatile" => flags.volatile = is_truthy(&head),
            b"compress" => flags.compress = if let Head::Bool(compress) = head { Some(compress) } else { None },
            b"timeout" => {
                flags.timeout = match head {
                    Head::Uint(millis) => Some(Duration::from_millis(millis)),
                    Head::Float(millis) => opts::duration(millis),
                    _ => None,
                }
            }
            b"kl" => flags.serial = if let Head::Bin(bytes) = head { opts::serial(bytes) } else { None },
            _ => {}
        }
        Ok::<_, MsgpackError>(())
    })?;
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<(Opts, Flags), MsgpackError> {
        let mut reader = Reader::new(message);
        let read = read_opts(&mut reader)?;
        reader.end()?;
        Ok(read)
    }

    fn selected(message: &[u8]) -> (Vec<Box<str>>, Vec<Box<str>>) {
        let (opts, _) = read(message).unwrap();
        (opts.rooms, opts.except)
    }

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().copied().map(Box::from).collect()
    }

    #[test]
    fn options_may_be_any_object_and_lack_anything() {
        for message in
            [&b"\x80"[..], b"\x90", b"\x91\xa1a", b"\xc4\x01a", b"\x83\xa5rooms\xc0\xa6except\xd4\0\0\xa5flags\xc0"]
        {
            assert_eq!(read(message).unwrap(), <_>::default(), "{message:x?}");
        }
        for message in [&b"\xc0"[..], b"\xc3", b"\x05", b"\xa1a", b"\xd4\0\0"] {
            assert!(matches!(read(message), Err(MsgpackError::Unexpected { .. })), "{message:x?}");
        }
    }

    #[test]
    fn flags_may_be_anything() {
        for flags in [&b"\xc3"[..], b"\x90", b"\x91\x01", b"\xa0", b"\x05", b"\xc4\0", b"\x81\xa8volatile\0"] {
            assert_eq!(read(&[b"\x81\xa5flags", flags].concat()).unwrap().1, Flags::default(), "{flags:x?}");
        }
        let message =
            b"\x81\xa5flags\x84\xa8volatile\x01\xa8compress\xa1x\xa7timeout\xcb\x40\x04\0\0\0\0\0\0\xa4more\x91\x01";
        let timeout = Some(Duration::from_millis(2));
        assert_eq!(read(message).unwrap().1, Flags { volatile: true, timeout, ..Flags::default() });
    }

    #[test]
    fn a_serial_of_another_form_is_none() {
        for value in [&b"\xc4\x02ab"[..], b"\xc0", b"\x05", b"\xb112345678901234567", b"\x81\xa1a\x01"] {
            assert_eq!(read(&[b"\x81\xa5flags\x81\xa2kl", value].concat()).unwrap().1.serial, None, "{value:x?}");
        }
    }

    #[test]
    fn what_is_nothing_empty_or_zero_is_false() {
        for head in [Head::Nil, Head::Int(0), Head::Float(-0.0), Head::Float(f64::NAN), Head::FixExt(0, b"\0")] {
            assert!(!is_truthy(&head), "{head:?}");
        }
        for head in [Head::Int(-1), Head::Text(b"0"), Head::Bin(b""), Head::Array(0), Head::Map(0), Head::Ext(0, b"")] {
            assert!(is_truthy(&head), "{head:?}");
        }
    }

    #[test]
    fn a_text_is_the_rooms_of_its_characters_and_binary_data_those_of_its_numbers() {
        let (opts, _) = read(b"\x82\xa5rooms\xa3\xc3\xa9a\xa6except\xc4\x02a\0").unwrap();
        assert_eq!((opts.rooms, opts.except), (names(&["é", "a"]), names(&["97", "0"])));
        assert_eq!(selected(b"\x82\xa5rooms\xa0\xa6except\xc4\0"), <_>::default());
    }

    #[test]
    fn what_is_no_name_is_nobodys_room() {
        let message = b"\x81\xa5rooms\x97\xc0\xa1a\x81\xa1b\xa1c\x2a\xff\xcb\x3f\xf8\0\0\0\0\0\0\xc4\x01a";
        assert_eq!(selected(message).0, names(&["a", "42", "-1", "1.5"]));
        let (rooms, except) = selected(b"\x82\xa5rooms\x91\xc0\xa6except\x91\xa1b");
        assert!(!rooms.is_empty() && rooms.iter().all(|room| except.contains(room)), "nobody, not everybody");
        assert_eq!(selected(b"\x81\xa6except\x91\xc3"), <_>::default());
    }

    #[test]
    fn what_is_no_list_selects_nothing() {
        for value in [&b"\xc3"[..], b"\x05", b"\x80", b"\xca\0\0\0\0"] {
            for member in [&b"\xa5rooms"[..], b"\xa6except"] {
                let error = read(&[b"\x81", member, value].concat());
                assert!(matches!(error, Err(MsgpackError::Unexpected { expected: "a list of rooms", .. })));
            }
        }
    }

    #[test]
    fn millions_of_rooms_are_refused_before_they_are_made() {
        let rooms = |head: &[u8], count: u32, each: &[u8]| {
            read(&[b"\x81\xa5rooms", head, &count.to_be_bytes()[..], &each.repeat(count as usize)].concat())
        };
        assert_eq!(rooms(b"\xdd", 250_000, b"\xa0").unwrap().0.rooms.len(), 250_000);
        for (head, each) in [(b"\xdd", b"\xa0"), (b"\xdb", b"a"), (b"\xc6", b"a")] {
            assert!(matches!(rooms(head, 1_000_000, each), Err(MsgpackError::TooCostly { at: 7 })));
        }
    }

    #[test]
    fn types_are_whole_numbers_of_packets_also_texts() {
        for head in [Head::Uint(2), Head::Int(2), Head::Float(2.0)] {
            assert_eq!((whole(head), packet_type(head)), (Some(2), Some(2)));
        }
        for head in [Head::Int(-2), Head::Float(2.5), Head::Float(f64::INFINITY), Head::Bool(true), Head::Nil] {
            assert_eq!((whole(head), packet_type(head)), (None, None));
        }
        assert_eq!((whole(Head::Text(b"2")), packet_type(Head::Text(b"2"))), (None, Some(2)));
        assert_eq!(packet_type(Head::Text(b"2.0")), None);
    }
}
