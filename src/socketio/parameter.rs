//! Arguments as the parameter of a handler: a tuple is several arguments, `()` is none, and a value of any other type is the
//! first.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{self, SeqAccessDeserializer, UnitDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use super::arguments::Arguments;
use super::binary;
use crate::error::ArgsError;
use crate::log_line::Excerpt;

impl Arguments {
    /// The arguments as a value of this type. Surplus arguments are ignored. An [`Option`] is `None` if its argument is missing.
    ///
    /// # Errors
    /// If there are too few arguments, or one is of another type.
    pub(crate) fn parameter<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        let taken = Cell::new(0);
        let parameter = Parameter { taken: &taken, value: PhantomData };
        binary::provide(self.attachments(), || self.read(parameter)).map_err(|error| mismatch(taken.get(), &error))
    }
}

/// The error for a client, which has not written the text whose line and column JSON tells.
#[cold]
fn mismatch(argument: usize, error: &serde_json::Error) -> ArgsError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    ArgsError { argument, reason: Excerpt(reason).to_string() }
}

/// The arguments that a type takes.
#[derive(Clone, Copy)]
enum Shape {
    Nothing,
    First,
    Several,
}

impl Shape {
    fn of<T: DeserializeOwned>() -> Self {
        let shape = Cell::new(Self::First);
        // It fails, and tells what it would have read.
        let _ = T::deserialize(Probe(&shape));
        shape.get()
    }
}

/// Notes what a type asks for, and gives it nothing.
struct Probe<'a>(&'a Cell<Shape>);

impl Probe<'_> {
    fn note<T>(self, shape: Shape) -> Result<T, value::Error> {
        self.0.set(shape);
        Err(value::Error::custom(""))
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        self.note(Shape::First)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        self.note(Shape::Nothing)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, value::Error> {
        self.note(Shape::Several)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct newtype_struct
        seq tuple_struct map struct enum identifier ignored_any
    }
}

/// A value to be read from arguments.
struct Parameter<'a, T> {
    /// The number of arguments taken so far.
    taken: &'a Cell<usize>,
    value: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Parameter<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, arguments: D) -> Result<T, D::Error> {
        arguments.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Parameter<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, arguments: A) -> Result<T, A::Error> {
        let mut arguments = Counted { arguments, taken: self.taken };
        match Shape::of::<T>() {
            Shape::Nothing => T::deserialize(UnitDeserializer::new()),
            Shape::First => arguments.take(PhantomData),
            Shape::Several => T::deserialize(SeqAccessDeserializer::new(arguments)),
        }
    }
}

/// Arguments that are counted as they are taken. Behind the last one there is nothing, as often as it is asked for.
struct Counted<'a, A> {
    arguments: A,
    taken: &'a Cell<usize>,
}

impl<'de, A: SeqAccess<'de>> Counted<'_, A> {
    fn take<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.taken.set(self.taken.get() + 1);
        let mut seed = Some(seed);
        match (self.arguments.next_element_seed(Lent(&mut seed))?, seed) {
            (None, Some(seed)) => seed.deserialize(Missing(PhantomData)),
            (Some(value), _) => Ok(value),
            (None, None) => Err(A::Error::custom("an argument without a value")),
        }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Counted<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.take(seed).map(Some)
    }
}

/// A seed that stays if there is nothing to read.
struct Lent<'a, S>(&'a mut Option<S>);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Lent<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<S::Value, D::Error> {
        self.0.take().ok_or_else(|| D::Error::custom("an argument that is read twice"))?.deserialize(value)
    }
}

/// An argument that is not there.
struct Missing<E>(PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        Err(E::invalid_type(Unexpected::Other("nothing"), &visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::binary::Binary;
    use bytes::Bytes;
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Position {
        x: f64,
    }

    fn event(json: &str) -> Arguments {
        Arguments::named(json.to_owned().into(), Box::default())
    }

    fn refusal<T: DeserializeOwned + fmt::Debug>(json: &str) -> String {
        event(json).parameter::<T>().unwrap_err().to_string()
    }

    #[test]
    fn a_tuple_is_several_arguments_and_anything_else_the_first() {
        let arguments = event(r#"["e",[1,2],{"x":3},"surplus"]"#);
        assert_eq!(arguments.parameter(), Ok(vec![1, 2]));
        assert_eq!(arguments.parameter(), Ok(json!([1, 2])));
        assert_eq!(arguments.parameter(), Ok(([1, 2], Position { x: 3.0 })));
        assert_eq!(arguments.parameter(), Ok((vec![1, 2],)));
        assert_eq!(arguments.parameter(), Ok(()));
        assert_eq!(event(r#"["e",null]"#).parameter(), Ok(()));
        assert_eq!(event(r#"["e"]"#).parameter(), Ok(()));
        assert_eq!(Arguments::unnamed("[7]".into(), Box::default()).parameter(), Ok(7));
    }

    #[test]
    fn an_option_may_be_missing() {
        assert_eq!(event(r#"["e"]"#).parameter(), Ok(None::<u8>));
        assert_eq!(event(r#"["e",1]"#).parameter(), Ok((1, None::<String>, None::<Position>)));
        assert_eq!(event(r#"["e",1,"two"]"#).parameter(), Ok((1, Some("two".to_owned()))));
    }

    #[test]
    fn a_mismatch_names_the_argument_and_what_was_expected() {
        assert_eq!(refusal::<(i64, i64)>(r#"["add",1,"x"]"#), r#"argument 2: invalid type: string "x", expected i64"#);
        assert_eq!(refusal::<(i64, i64)>(r#"["add",1]"#), "argument 2: invalid type: nothing, expected i64");
        assert_eq!(refusal::<String>(r#"["say"]"#), "argument 1: invalid type: nothing, expected a string");
        assert_eq!(refusal::<Position>(r#"["move",{"y":1}]"#), "argument 1: missing field `x`");
        assert_eq!(refusal::<Value>(r#"["any"]"#), "argument 1: invalid type: nothing, expected any valid JSON value");
    }

    #[test]
    fn a_mismatch_is_one_short_line_whatever_the_client_sent() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        assert_eq!(refusal::<Nothing>(r#"["e",{"a\nb":1}]"#), r"argument 1: unknown field `a\nb`, there are no fields");
        let long = format!(r#"["e","{}"]"#, "x".repeat(10_000));
        assert!(refusal::<u8>(&long).len() < 250);
    }

    #[test]
    fn binary_is_found_at_its_place() {
        let json = r#"["e",{"_placeholder":true,"num":0},1]"#;
        let arguments = Arguments::named(json.into(), [Bytes::from("b")].into());
        assert_eq!(arguments.parameter(), Ok((Binary::from("b"), 1)));
        assert_eq!(arguments.parameter(), Ok(Binary::from("b")));
    }
}
