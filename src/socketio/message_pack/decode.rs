//! Decodes a client's packets. It accepts what Node's decoder accepts, with these exceptions: ids below zero and names of
//! events that Socket.IO reserves are refused, and so is a map that looks like a placeholder beside binary data. Nil for no
//! data is accepted of CONNECT and DISCONNECT, because clients in other languages write that.

use bytes::Bytes;
use bytestring::ByteString;

use super::{ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT};
use crate::msgpack::{Head, MAX_DEPTH, MsgpackError, Reader, Transcoder};
use crate::socketio::arguments::Arguments;
use crate::socketio::decode_error::{DecodeError, DecodeLimits};
use crate::socketio::json;
use crate::socketio::packet::{Event, Packet, is_reserved};

/// Where the members of a packet begin.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Reader<'a>>,
    namespace: Option<Reader<'a>>,
    data: Option<Reader<'a>>,
    id: Option<Reader<'a>>,
}

/// Reads the packet in a binary message. Its arguments share the message's buffer where they are binary. `max_depth` counts up
/// to [`MAX_DEPTH`]; `max_bytes` bounds what the arguments take as JSON.
///
/// # Errors
/// If the message is not a packet. The session should be closed.
pub fn decode(message: &Bytes, limits: &DecodeLimits) -> Result<Packet, DecodeError> {
    let members = Members::of(message)?;
    let kind = members.kind.and_then(head).and_then(whole).ok_or(DecodeError::InvalidType)?;
    let Some(Head::Text(namespace)) = members.namespace.and_then(head) else {
        return Err(DecodeError::InvalidNamespace);
    };
    let namespace = ByteString::from(&*String::from_utf8_lossy(namespace));
    let data = Data { message, limits, reader: members.data };
    let kind = u8::try_from(kind).map_err(|_| DecodeError::InvalidType)?;
    match kind {
        CONNECT => Ok(Packet::Connect { namespace, auth: data.object()? }),
        DISCONNECT if data.is_nothing() => Ok(Packet::Disconnect { namespace }),
        DISCONNECT => Err(DecodeError::InvalidPayload),
        EVENT => Ok(Packet::Event { namespace, event: data.event()?, id: id(members.id)? }),
        ACK => Ok(Packet::Ack { namespace, arguments: Some(data.arguments()?), id: id(members.id)? }),
        CONNECT_ERROR => Ok(Packet::ConnectError { namespace }),
        _ => Err(DecodeError::InvalidType),
    }
}

impl<'a> Members<'a> {
    /// The members of the map that is the whole message. If one is repeated, the last counts.
    fn of(message: &'a Bytes) -> Result<Self, MsgpackError> {
        let (mut members, mut reader) = (Self::default(), Reader::new(message));
        reader.map(|reader, key| {
            let value = *reader;
            match key {
                b"type" => members.kind = Some(value),
                b"nsp" => members.namespace = Some(value),
                b"data" => members.data = Some(value),
                b"id" => members.id = Some(value),
                _ => {}
            }
            reader.skip()
        })?;
        reader.end()?;
        Ok(members)
    }
}

/// The head of a value that is there. `undefined` is not.
fn head(mut reader: Reader<'_>) -> Option<Head<'_>> {
    reader.head().ok().filter(|head| !matches!(head, Head::FixExt(0, [_])))
}

/// A whole number from zero, in any notation.
fn whole(head: Head<'_>) -> Option<u64> {
    match head {
        Head::Uint(number) => Some(number),
        Head::Int(number) => u64::try_from(number).ok(),
        Head::Float(number) if number.fract() == 0.0 && number >= 0.0 => Some(number as u64),
        _ => None,
    }
}

fn id(reader: Option<Reader<'_>>) -> Result<Option<u64>, DecodeError> {
    reader.and_then(head).map(|head| whole(head).ok_or(DecodeError::InvalidId)).transpose()
}

/// The member `data`, which is there or not.
struct Data<'a> {
    message: &'a Bytes,
    limits: &'a DecodeLimits,
    reader: Option<Reader<'a>>,
}

impl<'a> Data<'a> {
    fn is_nothing(&self) -> bool {
        matches!(self.reader.and_then(head), None | Some(Head::Nil))
    }

    /// A map or nothing: authentication data. It is plain JSON, so binary data is lost.
    fn object(&self) -> Result<Option<ByteString>, DecodeError> {
        match self.reader.and_then(head) {
            None | Some(Head::Nil) => Ok(None),
            Some(Head::Map(_)) => Ok(Some(self.to_json()?.0.into())),
            Some(_) => Err(DecodeError::InvalidPayload),
        }
    }

    /// A list that begins with an event's name. Without a name, it is no event.
    fn event(&self) -> Result<Option<Event>, DecodeError> {
        let mut first = self.list()?;
        let length = first.array()?;
        let (text, attachments) = self.to_json()?;
        let name = match first.head() {
            Ok(Head::Text(name)) if length > 0 => Some(ByteString::from(&*String::from_utf8_lossy(name))),
            Ok(Head::Uint(_) | Head::Int(_) | Head::Float(_)) if length > 0 => {
                json::event_name(&text).map(|name| ByteString::from(&*name))
            }
            _ => None,
        };
        if name.as_deref().is_some_and(is_reserved) {
            return Err(DecodeError::InvalidPayload);
        }
        Ok(name.map(|name| Event { name, arguments: Arguments::named(text.into(), attachments) }))
    }

    fn arguments(&self) -> Result<Arguments, DecodeError> {
        self.list()?;
        let (text, attachments) = self.to_json()?;
        Ok(Arguments::unnamed(text.into(), attachments))
    }

    fn list(&self) -> Result<Reader<'a>, DecodeError> {
        match self.reader {
            Some(reader) if matches!(head(reader), Some(Head::Array(_))) => Ok(reader),
            _ => Err(DecodeError::InvalidPayload),
        }
    }

    fn to_json(&self) -> Result<(String, Box<[Bytes]>), DecodeError> {
        let Some(mut reader) = self.reader else { return Err(DecodeError::InvalidPayload) };
        let DecodeLimits { max_attachments, max_depth, max_bytes } = *self.limits;
        let mut transcoder =
            Transcoder::new(self.message, self.message.len()).within(max_depth.min(MAX_DEPTH), max_bytes);
        transcoder.value(&mut reader)?;
        let (json, attachments) = transcoder.finish()?;
        if attachments.len() > max_attachments as usize {
            return Err(DecodeError::TooManyAttachments);
        }
        Ok((json, attachments.into()))
    }
}
