//! Received arguments among those that are sent on: cut, put behind another, or as one value.

use bytestring::ByteString;
use serde::ser::{Error, Serialize, SerializeSeq, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::binary;

impl Arguments {
    /// The arguments behind the first `count`.
    #[must_use]
    pub fn skip(&self, count: usize) -> Self {
        self.with_elements(self.elements().into_iter().skip(count))
    }

    /// The arguments behind one more.
    ///
    /// # Errors
    /// If that one cannot be written as JSON.
    pub fn prepend(&self, first: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        let first = serde_json::value::to_raw_value(first)?;
        Ok(self.with_elements(std::iter::once(&*first).chain(self.elements())))
    }

    fn with_elements<'a>(&self, elements: impl Iterator<Item = &'a RawValue>) -> Self {
        let elements: Vec<&str> = elements.map(RawValue::get).collect();
        let json = format!("[{}]", elements.join(","));
        Self::unnamed(ByteString::from(json), self.attachments().into()).without_unnamed()
    }
}

/// As one value, arguments are a list.
impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let elements = self.elements();
        let mut list = serializer.serialize_seq(Some(elements.len()))?;
        let offset = attach(self)?;
        elements.into_iter().try_for_each(|json| list.serialize_element(&Element { json, offset }))?;
        list.end()
    }
}

/// The first of received arguments as one value, `null` if there is none.
pub(crate) struct FirstArgument<'a>(pub(crate) &'a Arguments);

impl Serialize for FirstArgument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.attachments().is_empty() {
            return self.0.elements().first().serialize(serializer);
        }
        let first = self.0.with_elements(self.0.elements().into_iter().take(1));
        match first.elements().first() {
            Some(json) => Element { json, offset: attach(&first)? }.serialize(serializer),
            None => serializer.serialize_unit(),
        }
    }
}

/// One received argument, whose first attachment has become the one at `offset`.
struct Element<'a> {
    json: &'a RawValue,
    offset: usize,
}

impl Serialize for Element<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.offset == 0 {
            return self.json.serialize(serializer);
        }
        let mut value = serde_json::from_str(self.json.get()).map_err(S::Error::custom)?;
        shift(&mut value, self.offset);
        value.serialize(serializer)
    }
}

/// Adds the attachments to those of the event that is being written; gives the place of the first.
fn attach<E: Error>(arguments: &Arguments) -> Result<usize, E> {
    match arguments.attachments() {
        [] => Ok(0),
        attachments => {
            binary::append(attachments).ok_or_else(|| E::custom("binary data outside of an event's arguments"))
        }
    }
}

/// Makes placeholders stand for attachments that `offset` others come before.
fn shift(value: &mut Value, offset: usize) {
    match value {
        Value::Object(members) if members.get("_placeholder") == Some(&Value::Bool(true)) => {
            let place = members.get("num").and_then(Value::as_u64).unwrap_or_default();
            members.insert("num".to_owned(), Value::from(place + offset as u64));
        }
        Value::Object(members) => members.values_mut().for_each(|member| shift(member, offset)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| shift(element, offset)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
