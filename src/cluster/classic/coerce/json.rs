//! JSON values as Node's adapter reads them. They stay text until their use is known.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Names, selection};
use crate::cluster::classic::opts::{self, Flags, Opts, RoomName};
use crate::cluster::classic::{DecodeError, cost};

/// The members of an object with these names. If one is repeated, the last counts, and `null` counts as missing.
pub fn members<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let members = deserializer.deserialize_map(Members(names))?;
    deserializer.end()?;
    Ok(members)
}

/// The same for any value: none if it is not an object.
fn members_of_any<'a, const N: usize>(
    value: &'a RawValue,
    names: [&str; N],
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    if value.get().starts_with('{') { members(value.get(), names) } else { Ok([None; N]) }
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [None; N];
        while let Some(place) = map.next_key_seed(Place(&self.0))? {
            match place.and_then(|place| members.get_mut(place)) {
                Some(member) => *member = map.next_value::<Option<&RawValue>>()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// Reads a member's name: its place among the wanted ones.
struct Place<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// Whether a value counts as true.
pub fn is_truthy(value: &RawValue) -> bool {
    match value.get().as_bytes() {
        [b'n' | b'f', ..] | b"\"\"" => false,
        [b'-' | b'0'..=b'9', ..] => number(value).is_none_or(|number| number != 0.0),
        _ => true,
    }
}

fn number(value: &RawValue) -> Option<f64> {
    serde_json::from_str(value.get()).ok()
}

/// The whole number from zero that a number means.
pub fn whole(value: &RawValue) -> Option<u64> {
    super::whole(number(value)?)
}

/// The type of a packet: a number, or its text.
pub fn packet_type(value: &RawValue) -> Option<u64> {
    whole(value).or_else(|| text(value).and_then(|text| super::packet_type(text.as_bytes())))
}

/// A text.
pub fn text(value: &RawValue) -> Option<Box<str>> {
    if is_text(value) { serde_json::from_str(value.get()).ok() } else { None }
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// The name of a room.
pub fn room(value: &RawValue) -> Option<Box<str>> {
    serde_json::from_str::<RoomName>(value.get()).ok().map(|room| room.0)
}

/// The elements of a list. `None` if it is not a list.
fn list(value: &RawValue) -> Result<Option<Vec<&RawValue>>, DecodeError> {
    if value.get().starts_with('[') { cost::read(value).map(Some) } else { Ok(None) }
}

/// The rooms that sockets are to join: a list of names, or one of them.
pub fn rooms_to_join(value: &RawValue) -> Result<Vec<Box<str>>, DecodeError> {
    match room(value) {
        Some(room) => Ok(vec![room]),
        None => rooms_to_leave(value),
    }
}

/// The rooms that sockets are to leave: a list of names.
pub fn rooms_to_leave(value: &RawValue) -> Result<Vec<Box<str>>, DecodeError> {
    let list = list(value)?.ok_or(DecodeError::Kind { member: "rooms", expected: "list of rooms" })?;
    Ok(list.into_iter().filter_map(room).collect())
}

/// The rooms of a selection, which `member` holds.
fn names(member: &'static str, value: Option<&RawValue>) -> Result<Names, DecodeError> {
    let Some(value) = value else { return Ok(Names::default()) };
    let mut names = Names::default();
    if let Some(list) = list(value)? {
        list.into_iter().for_each(|name| names.push(room(name)));
    } else if is_text(value) {
        if !cost::allows(value.get().len()) {
            return Err(DecodeError::TooCostly);
        }
        let text: String = serde_json::from_str(value.get())?;
        text.chars().for_each(|character| names.push(Some(character.to_string().into())));
    } else {
        return Err(DecodeError::Kind { member, expected: "list of rooms" });
    }
    Ok(names)
}

/// The rooms of a selection that is no more than rooms.
pub fn rooms(value: Option<&RawValue>) -> Result<Vec<Box<str>>, DecodeError> {
    Ok(selection(names("rooms", value)?, Names::default()).rooms)
}

/// Reads `opts`.
pub fn read_opts(value: &RawValue) -> Result<(Opts, Flags), DecodeError> {
    cost::check(value)?;
    let [rooms, except, flags] = members_of_any(value, ["rooms", "except", "flags"])?;
    let flags = flags.map(read_flags).transpose()?.unwrap_or_default();
    Ok((selection(names("rooms", rooms)?, names("except", except)?), flags))
}

fn read_flags(value: &RawValue) -> Result<Flags, DecodeError> {
    let names = ["expectSingleResponse", "volatile", "compress", "timeout"];
    let [single, volatile, compress, timeout] = members_of_any(value, names)?;
    Ok(Flags {
        expect_single_response: single.is_some_and(is_truthy),
        volatile: volatile.is_some_and(is_truthy),
        compress: compress.and_then(|compress| serde_json::from_str(compress.get()).ok()),
        timeout: timeout.and_then(number).and_then(opts::duration),
        serial: None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn read(json: &str) -> Result<(Opts, Flags), DecodeError> {
        read_opts(&raw(json))
    }

    fn selected(json: &str) -> (Vec<Box<str>>, Vec<Box<str>>) {
        let (opts, _) = read(json).unwrap();
        (opts.rooms, opts.except)
    }

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().copied().map(Box::from).collect()
    }

    #[test]
    fn members_are_found_by_name_and_the_last_counts() {
        let found = members(r#"{"x":{"b":0},"b":1,"\u0062":2,"a":null}"#, ["a", "b", "c"]).unwrap();
        assert_eq!(found.map(|value| value.map(RawValue::get)), [None, Some("2"), None]);
        assert!(members("{}x", ["a"]).is_err());
        assert!(members("[]", ["a"]).is_err());
    }

    #[test]
    fn what_is_nothing_empty_or_zero_is_false() {
        for (json, expected) in [
            ("null", false),
            ("false", false),
            ("0", false),
            ("-0.0", false),
            ("0e9", false),
            ("\"\"", false),
            ("true", true),
            ("-1", true),
            ("1e400", true),
            ("\"false\"", true),
            ("[]", true),
            ("{}", true),
        ] {
            assert_eq!(is_truthy(&raw(json)), expected, "{json}");
        }
    }

    #[test]
    fn types_are_whole_numbers_of_packets_also_texts() {
        for json in ["2", "2.0", "20e-1"] {
            assert_eq!(whole(&raw(json)), Some(2), "{json}");
        }
        for json in ["-2", "2.5", "1e400", "\"2\"", "true", "[2]"] {
            assert_eq!(whole(&raw(json)), None, "{json}");
        }
        assert_eq!(packet_type(&raw("\"2\"")), Some(2));
        assert_eq!(packet_type(&raw("\"2.0\"")), None);
    }

    #[test]
    fn options_may_be_any_object_and_lack_anything() {
        for json in ["{}", "[]", "[\"a\"]", "true", r#"{"rooms":null,"except":null,"flags":null,"more":[1]}"#] {
            assert_eq!(read(json).unwrap(), <_>::default(), "{json}");
        }
        for flags in ["true", "[]", "\"\"", "5", r#"{"volatile":0,"compress":0,"timeout":-1}"#] {
            assert_eq!(read(&format!(r#"{{"flags":{flags}}}"#)).unwrap().1, Flags::default(), "{flags}");
        }
        let flags = r#"{"flags":{"volatile":1,"compress":false,"timeout":2.5,"expectSingleResponse":"x"}}"#;
        let timeout = Some(Duration::from_millis(2));
        let expected =
            Flags { expect_single_response: true, volatile: true, compress: Some(false), timeout, serial: None };
        assert_eq!(read(flags).unwrap().1, expected);
    }

    #[test]
    fn a_text_is_the_rooms_of_its_characters() {
        assert_eq!(selected(r#"{"rooms":"aé\n","except":""}"#), (names(&["a", "é", "\n"]), names(&[])));
    }

    #[test]
    fn what_is_no_name_is_nobodys_room() {
        let json = r#"{"rooms":[null,"a",{},42,-1,1.50,[1]],"except":[true,"b"]}"#;
        assert_eq!(selected(json), (names(&["a", "42", "-1", "1.5"]), names(&["b"])));
        let (rooms, except) = selected(r#"{"rooms":[null,{}],"except":["b"]}"#);
        assert!(rooms.iter().all(|room| except.contains(room)), "nobody, not everybody");
        assert!(!rooms.is_empty());
    }

    #[test]
    fn what_is_no_list_selects_nothing() {
        for value in ["true", "5", "{}"] {
            for member in ["rooms", "except"] {
                let error = read(&format!(r#"{{"{member}":{value}}}"#)).unwrap_err();
                assert_eq!(error.to_string(), format!("{member:?} is no list of rooms"));
            }
        }
    }

    #[test]
    fn one_room_may_be_joined_but_not_left_without_a_list() {
        for (json, rooms) in [("\"ab\"", names(&["ab"])), ("5", names(&["5"])), ("[\"a\",null,1]", names(&["a", "1"]))]
        {
            assert_eq!(rooms_to_join(&raw(json)).unwrap(), rooms);
        }
        assert!(rooms_to_join(&raw("{}")).is_err());
        assert!(rooms_to_leave(&raw("\"ab\"")).is_err());
        assert_eq!(rooms_to_leave(&raw("[\"a\",null]")).unwrap(), names(&["a"]));
    }

    #[test]
    fn millions_of_rooms_are_refused_before_they_are_made() {
        let text = format!(r#"{{"rooms":"{}"}}"#, "x".repeat(1_000_000));
        assert!(matches!(read(&text), Err(DecodeError::TooCostly)));
    }
}
