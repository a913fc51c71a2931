//! The arguments of an event or an acknowledgement.
//!
//! They stay the JSON text that arrived. Relaying sends that text on unchanged; [`Arguments::args`] gives values.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::binary;
use super::placeholders::{self, Named};

/// The arguments of an event or an acknowledgement: the text of a JSON array, and the attachments of the placeholders
/// (`{"_placeholder":true,"num":0}`) in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    json: ByteString,
    attachments: Box<[Bytes]>,
    first: First,
}

/// The kind of the array's first element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Name,
    Argument,
}

impl Arguments {
    /// The arguments of an event. `json` is the text of a JSON array that begins with the event's name.
    pub fn named(json: ByteString, attachments: Box<[Bytes]>) -> Self {
        Self { json, attachments, first: First::Name }
    }

    /// The arguments of an acknowledgement. `json` is the text of a JSON array.
    pub fn unnamed(json: ByteString, attachments: Box<[Bytes]>) -> Self {
        Self { json, attachments, first: First::Argument }
    }

    /// The whole array as it was received, an event's name included.
    pub const fn json(&self) -> &ByteString {
        &self.json
    }

    /// The attachments, in the order in which they came, without those that have no placeholder.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Bytes of the text and the attachments.
    pub fn bytes(&self) -> usize {
        self.json.len() + self.attachments.iter().map(|one| size_of::<Bytes>() + one.len()).sum::<usize>()
    }

    /// The text of the arguments with the commas between them, without the event's name and the brackets. It can be put
    /// into another array.
    pub fn list(&self) -> &str {
        let inside =
            self.json.trim_ascii().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
        match self.first {
            First::Name => behind_first(inside),
            First::Argument => inside,
        }
    }

    /// The arguments one by one, without the event's name.
    pub fn elements(&self) -> Vec<&RawValue> {
        self.parse().unwrap_or_default()
    }

    /// Deserialises the arguments, without the event's name, as a tuple or a list. Surplus arguments are ignored.
    ///
    /// # Errors
    /// If there are fewer arguments than `T` has, or one is of another type.
    pub fn parse<'de, T: Deserialize<'de>>(&'de self) -> Result<T, serde_json::Error> {
        self.read(PhantomData)
    }

    /// Deserialises the list of the arguments, without the event's name.
    pub(super) fn read<'de, S: DeserializeSeed<'de>>(&'de self, seed: S) -> Result<S::Value, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(&self.json);
        let value = deserializer.deserialize_seq(ArgumentsVisitor { first: self.first, seed })?;
        deserializer.end()?;
        Ok(value)
    }

    /// The arguments, as a tuple. Arguments beyond the tuple's members are ignored, as JavaScript does.
    ///
    /// # Errors
    /// If there are too few arguments, or one is of another type.
    pub fn args<'de, T: Deserialize<'de>>(&'de self) -> Result<T, serde_json::Error> {
        binary::provide(self.attachments(), || self.parse())
    }

    /// The same, in buffers of its own. Received arguments are parts of their message and keep all of it alive: of a
    /// POST, everything that the client sent at once.
    #[must_use]
    pub fn copied(&self) -> Self {
        let attachments = self.attachments.iter().map(|attachment| Bytes::copy_from_slice(attachment)).collect();
        Self { json: ByteString::from(&*self.json), attachments, first: self.first }
    }

    /// Adds the attachments of the placeholders.
    pub(super) fn attach(&mut self, named: Named, attachments: Vec<Bytes>) {
        let found = match named {
            Named::All => None,
            Named::NotAll => placeholders::find(&self.json, attachments.len()),
        };
        match found.and_then(|found| placeholders::without_unnamed(&self.json, &found, &attachments)) {
            None => self.attachments = attachments.into(),
            Some((json, attachments)) => (self.json, self.attachments) = (json, attachments),
        }
    }

    /// The arguments without attachments that have no placeholder.
    pub(crate) fn without_unnamed(mut self) -> Self {
        let attachments = std::mem::take(&mut self.attachments).into_vec();
        self.attach(Named::NotAll, attachments);
        self
    }
}

/// The text after the first element, which is a text or a number, and after its comma.
fn behind_first(elements: &str) -> &str {
    let elements = elements.trim_ascii_start();
    let name = match elements.strip_prefix('"') {
        Some(text) => 1 + text_length(text),
        None => 0,
    };
    elements.get(name..).and_then(|rest| rest.split_once(',')).map_or("", |(_, rest)| rest)
}

/// Bytes of a JSON string after its opening quote, including the closing one.
fn text_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

struct ArgumentsVisitor<S> {
    first: First,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for ArgumentsVisitor<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<S::Value, A::Error> {
        if self.first == First::Name {
            elements.next_element::<IgnoredAny>()?;
        }
        let values = self.seed.deserialize(Rest { elements: &mut elements })?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(values)
    }
}

/// The elements not yet taken, as a sequence; or as `()`, which takes none of them.
struct Rest<'a, A> {
    elements: &'a mut A,
}

impl<'de, A: SeqAccess<'de>> Deserializer<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_seq(self.elements)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn named(json: &'static str) -> Arguments {
        Arguments::named(ByteString::from_static(json), Box::default())
    }

    #[test]
    fn arguments_are_read_after_the_name() {
        let arguments = named(r#"["save","text",{"a":[1]}]"#);
        assert_eq!(arguments.parse::<(&str,)>().unwrap(), ("text",));
        assert_eq!(arguments.parse::<(String, Value)>().unwrap(), ("text".into(), json!({"a": [1]})));
        assert_eq!(arguments.parse::<Vec<Value>>().unwrap(), [json!("text"), json!({"a": [1]})]);
        let (first, second) = arguments.parse::<(&RawValue, &RawValue)>().unwrap();
        assert_eq!((first.get(), second.get()), (r#""text""#, r#"{"a":[1]}"#));
        let texts: Vec<_> = arguments.elements().into_iter().map(RawValue::get).collect();
        assert_eq!(texts, [r#""text""#, r#"{"a":[1]}"#]);
    }

    #[test]
    fn an_acknowledgement_has_no_name() {
        let arguments = Arguments::unnamed(ByteString::from_static("[1,2]"), Box::default());
        assert_eq!(arguments.parse::<(u8, u8)>().unwrap(), (1, 2));
    }

    #[test]
    fn surplus_arguments_are_ignored() {
        named(r#"["save",1,2,3]"#).parse::<()>().unwrap();
        named(r#"["save"]"#).parse::<()>().unwrap();
        assert_eq!(named(r#"["save",1,2,3]"#).parse::<(u8,)>().unwrap(), (1,));
    }

    #[test]
    fn the_list_is_what_stands_behind_the_name() {
        let list = |json: &str| Arguments::named(json.to_owned().into(), Box::default()).list().to_owned();
        assert_eq!(list(r#"["x"]"#), "");
        assert_eq!(list(r#" [ "x" , 1,[2,"]"] ] "#), r#" 1,[2,"]"] "#);
        assert_eq!(list(r#"["a\"],\\",{"b":","}]"#), r#"{"b":","}"#);
        assert_eq!(list("[12,null]"), "null");
        assert_eq!(Arguments::unnamed("[1,2]".into(), Box::default()).list(), "1,2");
    }

    #[test]
    fn missing_arguments_are_an_error() {
        assert!(named(r#"["save"]"#).parse::<(u8,)>().is_err());
        assert!(named(r#"["save","x"]"#).parse::<(u8,)>().is_err());
        assert!(named(r#"["save"]"#).elements().is_empty());
    }
}
