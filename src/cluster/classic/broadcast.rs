//! An event for many sockets, published for all servers: the array `[uid, packet, opts]` in MessagePack.

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

use super::coerce::msgpack::{is_undefined, packet_type, pass};
use super::opts::{self, Flags, Opts};
use super::{DecodeError, EncodeError, coerce};
use crate::cluster::data::Data;
use crate::msgpack::{self, Head, Packed, Reader, Transcoder, unexpected};
use crate::socketio::{Arguments, Event, is_reserved};

/// A broadcast of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// The namespace. A server that has another one ignores the broadcast.
    pub namespace: Box<str>,
    /// The event. Its name is not reserved.
    pub event: Event,
    /// The target sockets.
    pub opts: Opts,
    /// How to send it.
    pub flags: Flags,
}

impl Broadcast {
    /// The uid of the server that published a broadcast, or `emitter`; empty if it is not a text. Nothing after it is
    /// read, so dropping this server's own broadcasts costs nothing.
    ///
    /// # Errors
    /// If the message does not begin like a broadcast.
    pub fn sender(message: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
        Ok(sender(&mut Reader::new(message))?.0)
    }

    /// Decodes a broadcast. Its attachments share the message's buffer.
    ///
    /// # Errors
    /// If the message is not exactly one broadcast, or carries no event that clients would accept.
    pub fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(message);
        let (_, rest) = sender(&mut reader)?;
        let (namespace, event) = read_packet(&mut reader, message)?;
        let (opts, flags) = coerce::msgpack::read_opts(&mut reader)?;
        (2..rest).try_for_each(|_| reader.skip())?;
        reader.end()?;
        Ok(Self { namespace, event, opts, flags })
    }

    /// Encodes the broadcast of an event; it belongs on the channel [`broadcast_to`](super::Channels::broadcast_to) the
    /// rooms of `opts`.
    ///
    /// # Errors
    /// If the data is not JSON, not a list that begins with a name, or does not match its attachments.
    pub fn encode(
        uid: &str,
        namespace: &str,
        data: Data<'_>,
        opts: &Opts,
        flags: &Flags,
    ) -> Result<Vec<u8>, EncodeError> {
        let packed = pack_event(data)?;
        let length = packed.capacity() + uid.len() + namespace.len() + opts::capacity(opts);
        let mut out = Vec::with_capacity(length);
        msgpack::array(&mut out, 3);
        msgpack::text(&mut out, uid)?;
        write_packet(&mut out, namespace, &packed)?;
        opts::write(&mut out, opts, flags)?;
        Ok(out)
    }
}

/// Reads the uid and leaves the reader at the packet. Returns how many parts follow: the packet, the options, and parts
/// that are ignored.
fn sender<'a>(reader: &mut Reader<'a>) -> Result<(Cow<'a, str>, u32), DecodeError> {
    let parts = reader.array()?;
    let rest = parts.checked_sub(1).filter(|rest| *rest >= 2).ok_or(DecodeError::Parts(parts))?;
    let uid = match pass(reader)? {
        Head::Text(uid) => String::from_utf8_lossy(uid),
        _ => Cow::default(),
    };
    Ok((uid, rest))
}

/// Reads a packet: its namespace and event.
pub(super) fn read_packet<'a>(reader: &mut Reader<'a>, message: &'a Bytes) -> Result<(Box<str>, Event), DecodeError> {
    let mut namespace = None;
    let mut kind = None;
    let mut event = None;
    reader.map(|reader, key| {
        match key {
            b"nsp" => namespace = read_namespace(reader)?,
            b"type" => kind = Some(packet_type(pass(reader)?)),
            b"data" => event = Some(read_event(reader, message)?),
            _ => reader.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    check_type(kind.ok_or(DecodeError::Missing("type"))?)?;
    // Some emitters do not know namespaces.
    let namespace = namespace.map_or_else(|| "/".into(), Box::from);
    Ok((namespace, event.ok_or(DecodeError::Missing("data"))?))
}

fn read_namespace<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    let at = reader.at();
    match pass(reader)? {
        Head::Text(namespace) => Ok(Some(String::from_utf8_lossy(namespace))),
        undefined if is_undefined(&undefined) => Ok(None),
        found => Err(unexpected("the name of a namespace", found, at).into()),
    }
}

/// Checks that a packet carries an event. Old emitters say 5 if it contains binary data; the others say 2 even then.
pub(super) fn check_type(kind: Option<u64>) -> Result<(), DecodeError> {
    match kind {
        Some(2 | 5) => Ok(()),
        Some(kind) => Err(DecodeError::PacketType(kind)),
        None => Err(DecodeError::Kind { member: "type", expected: "number" }),
    }
}

fn read_event<'a>(reader: &mut Reader<'a>, message: &'a Bytes) -> Result<Event, DecodeError> {
    let mut first = *reader;
    if first.array()? == 0 {
        return Err(DecodeError::NoEvent);
    }
    let text = match first.head()? {
        Head::Text(text) => Some(String::from_utf8_lossy(text)),
        Head::Uint(_) | Head::Int(_) => None,
        Head::Float(number) if number.is_finite() => None,
        _ => return Err(DecodeError::NoEvent),
    };
    if let Some(name) = text.as_ref().filter(|name| is_reserved(name)) {
        return Err(DecodeError::Reserved(name.to_string()));
    }
    let mut transcoder = Transcoder::new(message, message.len() - reader.at());
    transcoder.value(reader)?;
    let (json, attachments) = transcoder.finish()?;
    let json = ByteString::from(json);
    let name = match text {
        Some(text) => match json.get(2..2 + text.len()) {
            // The name comes after the bracket and its quote, unless something in it was escaped.
            Some(name) if name == text => json.slice_ref(name),
            _ => ByteString::from(&*text),
        },
        None => {
            let number = json.get(1..).and_then(|rest| rest.split([',', ']']).next());
            number.map_or_else(ByteString::new, |number| json.slice_ref(number))
        }
    };
    Ok(Event { name, arguments: Arguments::named(json, attachments.into_boxed_slice()) })
}

/// Packs the data of an event.
pub(super) fn pack_event(data: Data<'_>) -> Result<Packed<'_>, EncodeError> {
    let packed = Packed::pack(data.json, data.attachments)?;
    if packed.is_filled_array() { Ok(packed) } else { Err(EncodeError::NoEvent) }
}

/// Writes a packet in the order of Node's adapter.
pub(super) fn write_packet(out: &mut Vec<u8>, namespace: &str, data: &Packed<'_>) -> Result<(), EncodeError> {
    msgpack::map(out, 3);
    msgpack::text(out, "type")?;
    msgpack::uint(out, 2);
    msgpack::text(out, "data")?;
    data.write(out);
    msgpack::text(out, "nsp")?;
    msgpack::text(out, namespace)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(packet: &[u8], opts: &[u8]) -> Bytes {
        [b"\x93\xa3uid", packet, opts].concat().into()
    }

    fn decode(packet: &[u8]) -> Result<Broadcast, DecodeError> {
        Broadcast::decode(&message(packet, b"\x80"))
    }

    #[test]
    fn the_sender_is_known_before_the_rest_is_read() {
        assert_eq!(Broadcast::sender(b"\x93\xa3uid").unwrap(), "uid");
        assert!(matches!(Broadcast::sender(b"\x92\xa3uid\x80"), Err(DecodeError::Parts(2))));
        assert!(matches!(Broadcast::sender(b"[\"emitter\",{},{}]"), Err(DecodeError::Msgpack(_))));
    }

    #[test]
    fn members_stand_in_any_order_and_some_may_be_missing() {
        let broadcast = decode(b"\x83\xa4data\x92\xa1x\x01\xa2id\x91\x05\xa4type\x02").unwrap();
        assert_eq!((&*broadcast.namespace, &*broadcast.event.name), ("/", "x"));
        assert_eq!(&**broadcast.event.arguments.json(), "[\"x\",1]");
        assert!(matches!(decode(b"\x81\xa4type\x02"), Err(DecodeError::Missing("data"))));
        assert!(matches!(decode(b"\x81\xa4data\x91\xa1x"), Err(DecodeError::Missing("type"))));
        assert!(matches!(decode(b"\x82\xa4type\xc0\xa4data\x91\xa1x"), Err(DecodeError::Kind { member: "type", .. })));
        assert!(decode(b"\x83\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xc0").is_err());
    }

    #[test]
    fn attachments_share_the_message_s_buffer() {
        let message = message(b"\x82\xa4type\x05\xa4data\x92\xa1x\xc4\x03abc", b"\x80");
        let broadcast = Broadcast::decode(&message).unwrap();
        let [attachment] = broadcast.event.arguments.attachments() else { panic!("{broadcast:?}") };
        assert_eq!(attachment, "abc");
        assert!(message.as_ptr_range().contains(&attachment.as_ptr()));
    }

    #[test]
    fn the_data_begins_with_a_name() {
        for data in [&b"\x90"[..], b"\x91\xc0", b"\x91\xc3", b"\x91\x90", b"\x91\xcb\x7f\xf8\0\0\0\0\0\0"] {
            let error = decode(&[b"\x82\xa4type\x02\xa4data", data].concat());
            assert!(matches!(error, Err(DecodeError::NoEvent)), "{error:?}");
        }
        for (data, name) in [
            (&b"\x91\xa4a\"\\b"[..], "a\"\\b"),
            (b"\x91\xa0", ""),
            (b"\x92\x2a\x01", "42"),
            (b"\x91\xcb\xbf\xf8\0\0\0\0\0\0", "-1.5"),
            (b"\x91\xa2a\xff", "a\u{fffd}"),
        ] {
            assert_eq!(decode(&[b"\x82\xa4type\x02\xa4data", data].concat()).unwrap().event.name, name);
        }
    }

    #[test]
    fn events_that_clients_would_not_take_are_refused() {
        let reserved = decode(b"\x82\xa4type\x02\xa4data\x91\xaadisconnect");
        assert!(matches!(reserved, Err(DecodeError::Reserved(name)) if name == "disconnect"));
        let connect = decode(b"\x82\xa4type\0\xa4data\x91\xa1x");
        assert!(matches!(connect, Err(DecodeError::PacketType(0))));
    }

    #[test]
    fn nothing_may_follow() {
        let packet = b"\x82\xa4type\x02\xa4data\x91\xa1x";
        let error = Broadcast::decode(&message(packet, b"\x80\0")).unwrap_err();
        assert_eq!(error.to_string(), "not an adapter's MessagePack: the message ends at byte 21, but 1 more follow");
        assert!(Broadcast::decode(&message(packet, b"\xc0")).is_err());
    }

    #[test]
    fn a_uid_may_be_anything_and_more_parts_may_follow() {
        let rest = b"\x82\xa4type\x02\xa4data\x91\xa1x\x90\x81\xa1a\x91\x01";
        for uid in [&b"\xc0"[..], b"\x05", b"\x81\xa1a\x01", b"\xc4\x03uid", b"\xa0"] {
            let message = Bytes::from([b"\x94", uid, rest].concat());
            assert_eq!(Broadcast::sender(&message).unwrap(), "");
            assert_eq!(&*Broadcast::decode(&message).unwrap().event.name, "x");
        }
        assert!(matches!(Broadcast::sender(b"\x90"), Err(DecodeError::Parts(0))));
    }

    #[test]
    fn only_lists_that_begin_with_something_are_published() {
        for json in ["[]", "{}", "1", "\"x\"", "null"] {
            let data = Data { json, attachments: &[] };
            let error = Broadcast::encode("uid", "/", data, &Opts::default(), &Flags::default());
            assert!(matches!(error, Err(EncodeError::NoEvent)), "{json}");
        }
    }
}
