//! Binary values among the arguments of events: attachments, at any depth.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::thread::LocalKey;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{self, Serialize, SerializeMap, Serializer};

thread_local! {
    /// The attachments of the event that is being written.
    static WRITTEN: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
    /// The attachments of the event that is being read.
    static READ: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
}

/// Binary data among the arguments of an event, anywhere in them; what a JavaScript client calls a `Buffer` or an
/// `ArrayBuffer`. It travels as an attachment.
///
/// It can be (de)serialised as an argument of an event or an acknowledgement only: plain JSON has no binary.
///
/// ```
/// use kinglet::Binary;
/// let picture = Binary::from(vec![1, 2, 3]);
/// assert_eq!(&picture[..], [1, 2, 3]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Binary(pub Bytes);

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Bytes>> From<T> for Binary {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = append(std::slice::from_ref(&self.0))
            .ok_or_else(|| ser::Error::custom("binary data outside of an event's arguments"))?;
        let mut placeholder = serializer.serialize_map(Some(2))?;
        placeholder.serialize_entry("_placeholder", &true)?;
        placeholder.serialize_entry("num", &place)?;
        placeholder.end()
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Placeholder {
            #[serde(rename = "_placeholder")]
            marked: bool,
            num: usize,
        }
        let placeholder = Placeholder::deserialize(deserializer)?;
        let attachment = READ.with_borrow(|read| read.as_ref()?.get(placeholder.num).cloned());
        match attachment {
            Some(bytes) if placeholder.marked => Ok(Self(bytes)),
            _ => Err(de::Error::invalid_value(de::Unexpected::Map, &Expected)),
        }
    }
}

struct Expected;

impl de::Expected for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data")
    }
}

/// Adds attachments to those of the event that is being written; gives the place of the first. `None` if no event is
/// being written.
pub(crate) fn append(more: &[Bytes]) -> Option<usize> {
    WRITTEN.with_borrow_mut(|written| {
        let attachments = written.as_mut()?;
        attachments.extend_from_slice(more);
        Some(attachments.len() - more.len())
    })
}

/// Serialises with `write`; gives the attachments it met beside its result.
pub(crate) fn collect<R>(write: impl FnOnce() -> R) -> (R, Vec<Bytes>) {
    let lent = Lent::new(&WRITTEN, Vec::new());
    let result = write();
    let attachments = WRITTEN.take().unwrap_or_default();
    drop(lent);
    (result, attachments)
}

/// Deserialises with `read`, which finds `attachments` where they belong.
pub(crate) fn provide<R>(attachments: &[Bytes], read: impl FnOnce() -> R) -> R {
    if attachments.is_empty() {
        return read();
    }
    let _lent = Lent::new(&READ, attachments.to_vec());
    read()
}

/// Attachments in their place of this thread. What was there before comes back when it is dropped, by a panic of the
/// program's own (de)serialisation, too: the next event must not meet the attachments of this one.
struct Lent {
    place: &'static LocalKey<RefCell<Option<Vec<Bytes>>>>,
    before: Option<Vec<Bytes>>,
}

impl Lent {
    fn new(place: &'static LocalKey<RefCell<Option<Vec<Bytes>>>>, attachments: Vec<Bytes>) -> Self {
        Self { place, before: place.replace(Some(attachments)) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.place.set(self.before.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::Arguments;

    #[test]
    fn binary_is_read_where_it_belongs() {
        let json = r#"["e",{"_placeholder":true,"num":1},"t"]"#;
        let arguments = Arguments::named(json.into(), [Bytes::from("a"), Bytes::from("b")].into());
        let read: (Binary, String) = arguments.args().unwrap();
        assert_eq!(read, (Binary::from("b"), "t".to_owned()));
        assert!(serde_json::from_str::<Binary>(r#"{"_placeholder":true,"num":0}"#).is_err());
    }
}
