//! Arguments of events and acknowledgements, as a program passes them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::Serialize;

use crate::error::EmitError;
use crate::shard::{NamespaceRef, Shared};
use crate::socketio::binary::{self, Binary};
use crate::socketio::{self, Arguments, SocketId};

/// The arguments of an event or an acknowledgement.
///
/// Each member of a tuple is one argument; `()` is none. A reference to anything that serde serialises is one argument,
/// and so is a value of a common type: a number, a text, a list, a map, an option, a JSON value. Received [`Arguments`] by
/// value are the same arguments again; by reference they are one list.
///
/// ```
/// # fn arguments(_: impl kinglet::Args) {}
/// #[derive(serde::Serialize)]
/// struct Position { x: f64, y: f64 }
///
/// arguments(());                                   // none
/// arguments("hello");                              // one
/// arguments(("hello", 1, true));                   // three
/// arguments(&Position { x: 1.0, y: 2.0 });         // one
/// arguments((Position { x: 1.0, y: 2.0 }, "far")); // two
/// arguments(&[1, 2, 3]);                           // one: a list
/// ```
pub trait Args {
    /// Writes the arguments, each by [`Writer::value`].
    ///
    /// # Errors
    /// If one cannot be written as JSON.
    fn write(&self, writer: &mut Writer) -> Result<(), EmitError>;

    /// Whether a handler that returns them acknowledges its event with them. All do but `()`, which is nothing to answer.
    fn is_answer(&self) -> bool {
        true
    }
}

/// Writes arguments one after the other.
#[derive(Debug)]
pub struct Writer {
    json: Vec<u8>,
}

/// Arguments ready to be encoded.
pub(in crate::app) struct Written {
    pub(in crate::app) json: String,
    pub(in crate::app) attachments: Vec<Bytes>,
}

impl Writer {
    /// Writes one argument.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EmitError> {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, value).map_err(EmitError::Json)
    }

    fn received(&mut self, arguments: &Arguments) {
        binary::append(arguments.attachments());
        let list = arguments.list().trim_ascii();
        if !list.is_empty() && self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(list.as_bytes());
    }
}

impl Written {
    /// The written arguments, for a message between servers without binary data.
    pub(in crate::app) fn without_binary(self) -> Result<String, EmitError> {
        if self.attachments.is_empty() { Ok(self.json) } else { Err(EmitError::Binary) }
    }

    /// The written event, if the application hears outgoing events of the namespace.
    pub(in crate::app) fn heard(
        &self,
        shared: &Shared,
        namespace: &NamespaceRef,
        name: &str,
    ) -> Option<socketio::Event> {
        shared.directory.hears_outgoing(namespace).then(|| {
            let arguments = Arguments::named(self.json.as_str().into(), self.attachments.as_slice().into());
            socketio::Event { name: name.into(), arguments }
        })
    }
}

/// Writes an event's name, if there is one, and its arguments. A name that Socket.IO reserves is refused.
pub(in crate::app) fn write(name: Option<&str>, args: &impl Args) -> Result<Written, EmitError> {
    if let Some(name) = name.filter(|name| socketio::is_reserved(name)) {
        return Err(EmitError::Reserved(name.to_owned()));
    }
    let mut writer = Writer { json: Vec::with_capacity(128) };
    writer.json.push(b'[');
    let (result, attachments) = binary::collect(|| {
        name.map_or(Ok(()), |name| writer.value(name))?;
        args.write(&mut writer)
    });
    result?;
    writer.json.push(b']');
    let json = String::from_utf8(writer.json).map_err(|_| serde::ser::Error::custom("JSON that is not UTF-8"));
    Ok(Written { json: json.map_err(EmitError::Json)?, attachments })
}

/// The event, or the answer without a name, as a client of a test sends it: the text of a JSON array, and the attachments.
#[cfg(feature = "testing")]
pub(crate) fn written(name: Option<&str>, args: &impl Args) -> Result<(String, Vec<Bytes>), EmitError> {
    write(name, args).map(|written| (written.json, written.attachments))
}

impl Args for () {
    fn write(&self, _: &mut Writer) -> Result<(), EmitError> {
        Ok(())
    }

    fn is_answer(&self) -> bool {
        false
    }
}

impl<T: Serialize + ?Sized> Args for &T {
    fn write(&self, writer: &mut Writer) -> Result<(), EmitError> {
        writer.value(*self)
    }
}

impl Args for Arguments {
    fn write(&self, writer: &mut Writer) -> Result<(), EmitError> {
        writer.received(self);
        Ok(())
    }
}

/// Implements [`Args`] for types that are one argument by value.
macro_rules! one_argument {
    ($($type:ty),+) => {
        $(impl Args for $type {
            fn write(&self, writer: &mut Writer) -> Result<(), EmitError> {
                writer.value(self)
            }
        })+
    };
}

one_argument!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);
one_argument!(String, Binary, SocketId, serde_json::Value);

/// The same for types with parameters.
macro_rules! one_argument_of {
    ($(<$($parameter:ident),+> $type:ty),+) => {
        $(impl<$($parameter),+> Args for $type
        where
            $type: Serialize,
        {
            fn write(&self, writer: &mut Writer) -> Result<(), EmitError> {
                writer.value(self)
            }
        })+
    };
}

one_argument_of!(<T> Vec<T>, <T> Option<T>, <K, V, S> HashMap<K, V, S>, <K, V> BTreeMap<K, V>);

/// Implements [`Args`] for tuples.
macro_rules! many_arguments {
    ($($name:ident)+) => {
        impl<$($name: Serialize),+> Args for ($($name,)+) {
            fn write(&self, writer: &mut Writer) -> Result<(), EmitError> {
                #[expect(non_snake_case, reason = "the members bear the names of their types")]
                let ($($name,)+) = self;
                $(writer.value($name)?;)+
                Ok(())
            }
        }
    };
}

many_arguments!(A);
many_arguments!(A B);
many_arguments!(A B C);
many_arguments!(A B C D);
many_arguments!(A B C D E);
many_arguments!(A B C D E F);
many_arguments!(A B C D E F G);
many_arguments!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::Sid;

    fn json(args: impl Args) -> String {
        write(Some("x"), &args).unwrap().json
    }

    #[test]
    fn tuples_are_many_arguments_and_lists_are_one() {
        assert_eq!(json(()), r#"["x"]"#);
        assert_eq!(json("a"), r#"["x","a"]"#);
        assert_eq!(json((1, "b", None::<u8>)), r#"["x",1,"b",null]"#);
        assert_eq!(json(vec![1, 2]), r#"["x",[1,2]]"#);
        let pair = &(1, 2);
        assert_eq!(json(pair), r#"["x",[1,2]]"#);
        assert_eq!(write(None, &(1, 2)).unwrap().json, "[1,2]");
    }

    #[test]
    fn an_id_is_its_text() {
        let sid = Sid { instance: [0; 3], shard: 0, slot: 0, random: 0 }.to_text();
        let id = SocketId::of_session("/a", sid);
        assert_eq!(json(id.clone()), r#"["x","/a#AAAAAAAAAAAAAAAAAAAA"]"#);
        assert_eq!(json((1, &id)), r#"["x",1,"/a#AAAAAAAAAAAAAAAAAAAA"]"#);
        assert_eq!(String::from(id), "/a#AAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn binary_becomes_attachments_in_order() {
        let (a, b) = (Binary::from(vec![1]), Binary::from(vec![2]));
        let written = write(Some("x"), &(&a, vec![&b], 3)).unwrap();
        assert_eq!(written.json, r#"["x",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}],3]"#);
        assert_eq!(written.attachments, [a.0, b.0]);
    }

    #[test]
    fn received_arguments_are_sent_on_as_they_are() {
        let arguments =
            Arguments::named(r#"["old", 1, {"_placeholder":true,"num":0}]"#.into(), [Bytes::from("b")].into());
        let written = write(Some("new"), &arguments).unwrap();
        assert_eq!(written.json, r#"["new",1, {"_placeholder":true,"num":0}]"#);
        assert_eq!(written.attachments, [Bytes::from("b")]);
    }

    #[test]
    fn received_arguments_within_others_keep_their_attachments() {
        let arguments = Arguments::unnamed(r#"[{"_placeholder":true,"num":0}]"#.into(), [Bytes::from("b")].into());
        let written = write(None, &(Binary::from("a"), &arguments)).unwrap();
        assert_eq!(written.json, r#"[{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#);
        assert_eq!(written.attachments, [Bytes::from("a"), Bytes::from("b")]);
    }
}
