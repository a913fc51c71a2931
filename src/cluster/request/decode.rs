//! Requests as they come.

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Operation, Request, is_reserved_server_side};
use crate::cluster::broadcast::{self, Broadcast};
use crate::cluster::msgpack::{MAX_DEPTH, Reader};
use crate::cluster::opts::{self, Flags, Opts, RoomName};
use crate::cluster::{DecodeError, cost};
use crate::socketio::{self, Arguments, Event, json};

/// A request of JSON as it comes, whichever it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received<'a> {
    uid: Option<Box<str>>,
    request_id: Option<Box<str>>,
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow)]
    opts: Option<&'a RawValue>,
    sid: Option<Box<str>>,
    room: Option<RoomName>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
    close: Option<bool>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    packet: Option<ReceivedPacket<'a>>,
}

#[derive(Deserialize)]
struct ReceivedOpts {
    #[serde(flatten)]
    opts: Opts,
    flags: Option<Flags>,
}

#[derive(Deserialize)]
struct ReceivedPacket<'a> {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow)]
    data: &'a RawValue,
    nsp: Option<Box<str>>,
}

impl Request {
    /// Decodes a request. Attachments share the message's buffer.
    ///
    /// # Errors
    /// If the message is not exactly one request of a known type, lacks what the type needs, or carries an event that
    /// nobody may send.
    pub fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        if message.first() == Some(&b'{') {
            return serde_json::from_str::<Received<'_>>(str::from_utf8(message)?)?.into_request();
        }
        decode_msgpack(message)
    }
}

impl Received<'_> {
    fn into_request(self) -> Result<Request, DecodeError> {
        let request_id = self.request_id;
        let needed_id = || DecodeError::Missing("requestId");
        let needed_opts = || DecodeError::Missing("opts");
        let (opts, flags) = match self.opts.map(cost::read::<ReceivedOpts>).transpose()? {
            Some(received) => (Some(received.opts), received.flags.unwrap_or_default()),
            None => (None, Flags::default()),
        };
        let rooms = self.rooms.map(cost::read::<Vec<RoomName>>).transpose()?.unwrap_or_default();
        let rooms = rooms.into_iter().map(|room| room.0).collect();
        let close = self.close.unwrap_or_default();
        let operation = match (self.kind, opts) {
            (0, _) => Operation::Sockets { request_id: request_id.ok_or_else(needed_id)?, rooms },
            (1, _) => Operation::AllRooms { request_id: request_id.ok_or_else(needed_id)? },
            (2, Some(opts)) => Operation::Join { opts, rooms },
            (3, Some(opts)) => Operation::Leave { opts, rooms },
            (4, Some(opts)) => Operation::Disconnect { opts, close },
            (kind @ 2..=4, None) => {
                let sid = self.sid.ok_or(DecodeError::Missing("sid"))?;
                let request_id = request_id.ok_or_else(needed_id)?;
                let room = self.room.map(|room| room.0).ok_or(DecodeError::Missing("room"));
                match kind {
                    2 => Operation::JoinOne { request_id, sid, room: room? },
                    3 => Operation::LeaveOne { request_id, sid, room: room? },
                    _ => Operation::DisconnectOne { request_id, sid, close },
                }
            }
            (5, opts) => {
                Operation::Fetch { request_id: request_id.ok_or_else(needed_id)?, opts: opts.ok_or_else(needed_opts)? }
            }
            (6, _) => {
                let event = event(self.data.ok_or(DecodeError::Missing("data"))?, is_reserved_server_side)?;
                Operation::ServerSideEmit { request_id, event }
            }
            (7, opts) => {
                let packet = self.packet.ok_or(DecodeError::Missing("packet"))?;
                broadcast::check_type(packet.kind)?;
                let broadcast = Broadcast {
                    namespace: packet.nsp.unwrap_or_else(|| "/".into()),
                    event: event(packet.data, socketio::is_reserved)?,
                    opts: opts.ok_or_else(needed_opts)?,
                    flags,
                };
                Operation::Broadcast { request_id: request_id.ok_or_else(needed_id)?, broadcast }
            }
            (kind, _) => return Err(DecodeError::RequestType(kind)),
        };
        Ok(Request { uid: self.uid, operation })
    }
}

/// The event that a JSON array holds.
fn event(data: &RawValue, is_reserved: impl Fn(&str) -> bool) -> Result<Event, DecodeError> {
    let json = within_depth(data)?;
    let name = json::event_name(json).ok_or(DecodeError::NoEvent)?;
    if is_reserved(&name) {
        return Err(DecodeError::Reserved(name.into_owned()));
    }
    let name = ByteString::from(&*name);
    Ok(Event { name, arguments: Arguments::named(ByteString::from(json), Box::default()) })
}

/// The text of a JSON value that does not nest too deep.
pub fn within_depth(value: &RawValue) -> Result<&str, DecodeError> {
    let json = value.get();
    if json::is_within_depth(json, MAX_DEPTH) { Ok(json) } else { Err(DecodeError::TooDeep) }
}

/// Reads the one request that is MessagePack.
fn decode_msgpack(message: &Bytes) -> Result<Request, DecodeError> {
    let mut reader = Reader::new(message);
    let (mut uid, mut request_id, mut kind, mut packet, mut opts) = (None, None, None, None, None);
    reader.map(|reader, key| {
        match key {
            b"uid" => uid = Some(reader.text()?.into()),
            b"requestId" => request_id = Some(reader.text()?.into()),
            b"type" => kind = Some(reader.uint()?),
            b"packet" => packet = Some(broadcast::read_packet(reader, message)?),
            b"opts" => opts = Some(opts::read(reader)?),
            _ => reader.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    reader.end()?;
    match kind {
        Some(7) => {}
        Some(kind) => return Err(DecodeError::RequestType(kind)),
        None => return Err(DecodeError::Missing("type")),
    }
    let request_id = request_id.ok_or(DecodeError::Missing("requestId"))?;
    let (namespace, event) = packet.ok_or(DecodeError::Missing("packet"))?;
    let (opts, flags) = opts.ok_or(DecodeError::Missing("opts"))?;
    let broadcast = Broadcast { namespace, event, opts, flags };
    Ok(Request { uid, operation: Operation::Broadcast { request_id, broadcast } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Result<Request, DecodeError> {
        Request::decode(&Bytes::copy_from_slice(json.as_bytes()))
    }

    #[test]
    fn what_a_type_needs_must_be_there() {
        for (json, member) in [
            (r#"{"uid":"a","type":0,"rooms":[]}"#, "requestId"),
            (r#"{"uid":"a","type":1}"#, "requestId"),
            (r#"{"uid":"a","type":2,"rooms":["b"]}"#, "sid"),
            (r#"{"uid":"a","type":2,"sid":"s","room":"b"}"#, "requestId"),
            (r#"{"uid":"a","requestId":"r","type":3,"sid":"s"}"#, "room"),
            (r#"{"uid":"a","requestId":"r","type":5}"#, "opts"),
            (r#"{"uid":"a","type":6}"#, "data"),
            (r#"{"uid":"a","requestId":"r","type":7,"opts":{}}"#, "packet"),
        ] {
            assert!(matches!(decode(json), Err(DecodeError::Missing(missing)) if missing == member), "{json}");
        }
        let without_type = decode(r#"{"uid":"a","requestId":"r"}"#);
        assert!(matches!(without_type, Err(DecodeError::Json(_))));
    }

    #[test]
    fn unknown_types_are_refused() {
        assert!(matches!(decode(r#"{"type":8}"#), Err(DecodeError::RequestType(8))));
        let msgpack = Bytes::from_static(b"\x81\xa4type\x01");
        assert!(matches!(Request::decode(&msgpack), Err(DecodeError::RequestType(1))));
    }

    #[test]
    fn numeric_rooms_are_their_texts() {
        let request = decode(r#"{"type":2,"opts":{"rooms":[1]},"rooms":[2,"c"]}"#).unwrap();
        let opts = Opts { rooms: vec!["1".into()], except: vec![] };
        assert_eq!(request.operation, Operation::Join { opts, rooms: vec!["2".into(), "c".into()] });
        let request = decode(r#"{"requestId":"r","type":3,"sid":"s","room":3}"#).unwrap();
        let (request_id, sid, room) = ("r".into(), "s".into(), "3".into());
        assert_eq!(request.operation, Operation::LeaveOne { request_id, sid, room });
    }

    #[test]
    fn a_broadcast_with_acknowledgements_may_be_json() {
        let json = r#"{"uid":"a","requestId":"r","type":7,"packet":{"type":2,"data":["x", {"_placeholder":true,"num":0}]},
            "opts":{"rooms":["b"],"flags":{"timeout":5,"volatile":true}}}"#;
        let Operation::Broadcast { broadcast, .. } = decode(json).unwrap().operation else { panic!("{json}") };
        assert_eq!((&*broadcast.namespace, &*broadcast.event.name), ("/", "x"));
        assert_eq!(&**broadcast.event.arguments.json(), r#"["x", {"_placeholder":true,"num":0}]"#);
        assert_eq!(broadcast.event.arguments.attachments().len(), 0);
        assert_eq!(broadcast.opts.rooms, [Box::from("b")]);
        assert!(broadcast.flags.volatile && broadcast.flags.timeout.is_some());
    }

    #[test]
    fn data_nests_no_deeper_than_the_limit() {
        let nested = |levels| format!(r#"{{"type":6,"data":["x",{}{}]}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(decode(&nested(127)).is_ok());
        assert!(matches!(decode(&nested(128)), Err(DecodeError::TooDeep)));
    }

    #[test]
    fn what_would_become_too_much_is_refused_before_it_is_made() {
        let many = |piece: &str, count: usize| vec![piece; count].join(",");
        let (few, pieces) = (many("\"\"", 250_000), many("\"\"", 1_000_000));
        for rooms in [
            r#"{"type":2,"opts":{},"rooms":[ROOMS]}"#,
            r#"{"type":4,"opts":{"except":[ROOMS]}}"#,
            r#"{"type":4,"opts":{"flags":{"timeout":[ROOMS]}}}"#,
        ] {
            assert!(decode(&rooms.replace("ROOMS", &few)).is_ok());
            assert!(matches!(decode(&rooms.replace("ROOMS", &pieces)), Err(DecodeError::TooCostly)), "{rooms}");
        }
        let data = format!(r#"{{"type":6,"data":["x",{pieces}]}}"#);
        assert!(decode(&data).is_ok(), "the arguments of an event stay text");
    }

    #[test]
    fn events_begin_with_a_name() {
        for data in ["[]", "{}", "[null]", "\"x\""] {
            let json = format!(r#"{{"type":6,"data":{data}}}"#);
            assert!(matches!(decode(&json), Err(DecodeError::NoEvent)), "{data}");
        }
    }

    #[test]
    fn reserved_names_are_refused() {
        for name in ["connect", "connection", "new_namespace"] {
            let json = format!(r#"{{"uid":"a","type":6,"data":["{name}"]}}"#);
            assert!(matches!(decode(&json), Err(DecodeError::Reserved(reserved)) if reserved == name));
        }
        let client_s = r#"{"requestId":"r","type":7,"packet":{"type":2,"data":["disconnect"]},"opts":{}}"#;
        assert!(matches!(decode(client_s), Err(DecodeError::Reserved(_))));
        assert!(decode(r#"{"type":6,"data":["disconnect"]}"#).is_ok());
    }
}
