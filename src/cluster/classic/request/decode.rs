//! Decoding of requests.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

use super::{GOODBYE, Operation, Request, is_reserved_server_side};
use crate::cluster::classic::DecodeError;
use crate::cluster::classic::broadcast::{self, Broadcast};
use crate::cluster::classic::coerce::json::{is_truthy, members, packet_type, read_opts, room, rooms, text, whole};
use crate::cluster::classic::coerce::json::{rooms_to_join, rooms_to_leave};
use crate::cluster::classic::coerce::msgpack::{self, pass};
use crate::cluster::classic::uid::is_kinglet_uid;
use crate::msgpack::{Head, MAX_DEPTH, Reader, Transcoder};
use crate::socketio::{self, Arguments, Event, json};

/// The type of an event for servers. Only this request and a broadcast carry a program's data.
const SERVER_SIDE_EMIT: u64 = 6;
/// The type of the one request that may contain binary data.
const BROADCAST: u64 = 7;

/// Any JSON request, as received.
struct Received<'a> {
    uid: Option<&'a RawValue>,
    request_id: Option<&'a RawValue>,
    opts: Option<&'a RawValue>,
    sid: Option<&'a RawValue>,
    room: Option<&'a RawValue>,
    rooms: Option<&'a RawValue>,
    close: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    packet: Option<&'a RawValue>,
    stayed: Option<&'a RawValue>,
}

impl Request {
    /// Decodes a request. Attachments share the message's buffer.
    ///
    /// # Errors
    /// If the message is not exactly one request of a known type, lacks a member that its type needs, or carries an
    /// event that nobody may send.
    pub fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        if message.first() == Some(&b'{') {
            return decode_json(&String::from_utf8_lossy(message));
        }
        let kind = kind_of(message)?;
        let transcoder = Transcoder::new(message, message.len());
        match kind {
            Some(BROADCAST) => decode_broadcast(message),
            Some(SERVER_SIDE_EMIT) => decode_transcoded(message, transcoder),
            // For rooms, `null` would mean that none is named, that is, everybody.
            _ => decode_transcoded(message, transcoder.with_truth_of_numbers()),
        }
    }
}

fn decode_json(message: &str) -> Result<Request, DecodeError> {
    let names = ["type", "uid", "requestId", "opts", "sid", "room", "rooms", "close", "data", "packet", "stayed"];
    let [kind, uid, request_id, opts, sid, room, rooms, close, data, packet, stayed] = members(message, names)?;
    let kind = kind.ok_or(DecodeError::Missing("type"))?;
    let kind = whole(kind).ok_or_else(|| DecodeError::RequestType(kind.get().to_owned()))?;
    let received = Received { uid, request_id, opts, sid, room, rooms, close, data, packet, stayed };
    let uid = received.uid.and_then(text);
    let operation = match kind {
        kind if kind == u64::from(GOODBYE) && uid.as_deref().is_some_and(is_kinglet_uid) => received.goodbye()?,
        kind => received.operation(kind)?,
    };
    Ok(Request { uid, operation })
}

impl Received<'_> {
    fn operation(&self, kind: u64) -> Result<Operation, DecodeError> {
        let selected = self.opts.filter(|opts| is_truthy(opts));
        Ok(match (kind, selected) {
            (0, _) => Operation::Sockets { request_id: self.needed_id()?, rooms: rooms(self.rooms)? },
            (1, _) => Operation::AllRooms { request_id: self.needed_id()? },
            (2, Some(selected)) => {
                Operation::Join { opts: read_opts(selected)?.0, rooms: rooms_to_join(needed("rooms", self.rooms)?)? }
            }
            (3, Some(selected)) => {
                Operation::Leave { opts: read_opts(selected)?.0, rooms: rooms_to_leave(needed("rooms", self.rooms)?)? }
            }
            (4, Some(selected)) => Operation::Disconnect { opts: read_opts(selected)?.0, close: self.closes() },
            (2..=4, None) => self.of_one(kind)?,
            (5, selected) => {
                Operation::Fetch { request_id: self.needed_id()?, opts: read_opts(needed("opts", selected)?)?.0 }
            }
            (SERVER_SIDE_EMIT, _) => {
                let event = event(needed("data", self.data)?, is_reserved_server_side)?;
                Operation::ServerSideEmit { request_id: self.request_id.and_then(text), event }
            }
            (BROADCAST, selected) => {
                let (namespace, event) = packet(needed("packet", self.packet)?)?;
                let (opts, flags) = read_opts(needed("opts", selected)?)?;
                let broadcast = Broadcast { namespace, event, opts, flags };
                Operation::Broadcast { request_id: self.needed_id()?, broadcast }
            }
            _ => return Err(DecodeError::RequestType(kind.to_string())),
        })
    }

    fn goodbye(&self) -> Result<Operation, DecodeError> {
        let stayed = whole(needed("stayed", self.stayed)?);
        let stayed = stayed.ok_or(DecodeError::Kind { member: "stayed", expected: "number of microseconds" })?;
        Ok(Operation::Goodbye { stayed: Duration::from_micros(stayed) })
    }

    /// The old forms, for one socket. A sender that gives no request id wants no answer.
    fn of_one(&self, kind: u64) -> Result<Operation, DecodeError> {
        let request_id = self.request_id.and_then(text).unwrap_or_default();
        let sid = text(needed("sid", self.sid)?).ok_or(DecodeError::Kind { member: "sid", expected: "text" })?;
        if kind == 4 {
            return Ok(Operation::DisconnectOne { request_id, sid, close: self.closes() });
        }
        let room =
            room(needed("room", self.room)?).ok_or(DecodeError::Kind { member: "room", expected: "name of a room" })?;
        Ok(match kind {
            2 => Operation::JoinOne { request_id, sid, room },
            _ => Operation::LeaveOne { request_id, sid, room },
        })
    }

    fn needed_id(&self) -> Result<Box<str>, DecodeError> {
        self.request_id.and_then(text).ok_or(DecodeError::Missing("requestId"))
    }

    fn closes(&self) -> bool {
        self.close.is_some_and(is_truthy)
    }
}

fn needed<'a>(member: &'static str, value: Option<&'a RawValue>) -> Result<&'a RawValue, DecodeError> {
    value.ok_or(DecodeError::Missing(member))
}

/// Reads a packet: its namespace and event.
fn packet(packet: &RawValue) -> Result<(Box<str>, Event), DecodeError> {
    let [kind, data, nsp] = members(packet.get(), ["type", "data", "nsp"])?;
    broadcast::check_type(packet_type(needed("type", kind)?))?;
    let namespace = nsp.and_then(text).unwrap_or_else(|| "/".into());
    Ok((namespace, event(needed("data", data)?, socketio::is_reserved)?))
}

/// The event in a JSON array.
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

/// The type of a request of MessagePack.
fn kind_of(message: &Bytes) -> Result<Option<u64>, DecodeError> {
    let mut kind = None;
    Reader::new(message).map(|reader, key| {
        let value = pass(reader)?;
        if key == b"type" {
            kind = msgpack::whole(value);
        }
        Ok::<_, DecodeError>(())
    })?;
    Ok(kind)
}

/// Reads a MessagePack request as if it were JSON: no binary data in it matters.
fn decode_transcoded<'a>(message: &'a Bytes, mut transcoder: Transcoder<'a>) -> Result<Request, DecodeError> {
    let mut reader = Reader::new(message);
    transcoder.value(&mut reader)?;
    reader.end()?;
    let (json, attachments) = transcoder.finish()?;
    let request = decode_json(&json)?;
    match &request.operation {
        Operation::ServerSideEmit { .. } if !attachments.is_empty() => Err(DecodeError::Binary),
        _ => Ok(request),
    }
}

/// Reads the one request that is always MessagePack.
fn decode_broadcast(message: &Bytes) -> Result<Request, DecodeError> {
    let mut reader = Reader::new(message);
    let (mut uid, mut request_id, mut packet, mut opts) = (None, None, None, None);
    let text = |head| if let Head::Text(text) = head { Some(String::from_utf8_lossy(text).into()) } else { None };
    reader.map(|reader, key| {
        match key {
            b"uid" => uid = text(pass(reader)?),
            b"requestId" => request_id = text(pass(reader)?),
            b"packet" => packet = Some(broadcast::read_packet(reader, message)?),
            b"opts" => opts = Some(msgpack::read_opts(reader)?),
            _ => reader.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    reader.end()?;
    let request_id = request_id.ok_or(DecodeError::Missing("requestId"))?;
    let (namespace, event) = packet.ok_or(DecodeError::Missing("packet"))?;
    let (opts, flags) = opts.ok_or(DecodeError::Missing("opts"))?;
    let broadcast = Broadcast { namespace, event, opts, flags };
    Ok(Request { uid, operation: Operation::Broadcast { request_id, broadcast } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::classic::opts::Opts;

    fn decode(json: &str) -> Result<Request, DecodeError> {
        Request::decode(&Bytes::copy_from_slice(json.as_bytes()))
    }

    #[test]
    fn what_a_type_needs_must_be_there() {
        for (json, member) in [
            (r#"{"uid":"a","type":0,"rooms":[]}"#, "requestId"),
            (r#"{"uid":"a","type":1}"#, "requestId"),
            (r#"{"uid":"a","type":2,"rooms":["b"]}"#, "sid"),
            (r#"{"uid":"a","type":2,"opts":{},"room":"b"}"#, "rooms"),
            (r#"{"uid":"a","requestId":"r","type":3,"sid":"s"}"#, "room"),
            (r#"{"uid":"a","requestId":"r","type":5}"#, "opts"),
            (r#"{"uid":"a","type":6}"#, "data"),
            (r#"{"uid":"a","requestId":"r","type":7,"opts":{}}"#, "packet"),
            (r#"{"uid":"9y1JGY~","type":200}"#, "stayed"),
        ] {
            assert!(matches!(decode(json), Err(DecodeError::Missing(missing)) if missing == member), "{json}");
        }
        let without_type = decode(r#"{"uid":"a","requestId":"r"}"#);
        assert!(matches!(without_type, Err(DecodeError::Missing("type"))));
    }

    #[test]
    fn unknown_types_are_refused() {
        for (kind, expected) in [("8", "8"), ("2.5", "2.5"), ("-1", "-1"), ("\"socketsJoin\"", "\"socketsJoin\"")] {
            let error = decode(&format!(r#"{{"type":{kind}}}"#));
            assert!(matches!(error, Err(DecodeError::RequestType(kind)) if kind == expected));
        }
        let msgpack = Bytes::from_static(b"\x81\xa4type\x08");
        assert!(matches!(Request::decode(&msgpack), Err(DecodeError::RequestType(kind)) if kind == "8"));
    }

    #[test]
    fn only_kinglets_say_goodbye() {
        let goodbye = |uid: &str| decode(&format!(r#"{{{uid}"type":200,"stayed":1500}}"#));
        let expected = Operation::Goodbye { stayed: Duration::from_micros(1500) };
        assert_eq!(goodbye(r#""uid":"9y1JGY~","#).unwrap().operation, expected);
        for uid in ["", r#""uid":"9y1JGY","#, r#""uid":"emitter","#, r#""uid":null,"#] {
            assert!(matches!(goodbye(uid), Err(DecodeError::RequestType(kind)) if kind == "200"), "{uid}");
        }
        for stayed in ["-1", "1.5", "\"1\"", "{}"] {
            let error = decode(&format!(r#"{{"uid":"9y1JGY~","type":200,"stayed":{stayed}}}"#));
            assert!(matches!(error, Err(DecodeError::Kind { member: "stayed", .. })), "{stayed}");
        }
    }

    #[test]
    fn requests_may_be_messagepack_whatever_their_type() {
        let join = b"\x83\xa4type\xcb\x40\0\0\0\0\0\0\0\xa4opts\x90\xa5rooms\xa4solo";
        let expected = Operation::Join { opts: Opts::default(), rooms: vec!["solo".into()] };
        assert_eq!(Request::decode(&Bytes::from_static(join)).unwrap().operation, expected);
        let binary = Bytes::from_static(b"\x82\xa4type\x06\xa4data\x92\xa1x\xc4\x01a");
        assert!(matches!(Request::decode(&binary), Err(DecodeError::Binary)));
    }

    #[test]
    fn numbers_that_json_does_not_have_select_nobody() {
        let (nan, infinity) = (&b"\xcb\x7f\xf8\0\0\0\0\0\0"[..], &b"\xca\x7f\x80\0\0"[..]);
        let decode = |parts: &[&[u8]]| Request::decode(&Bytes::from(parts.concat()));
        for number in [nan, infinity] {
            for member in [&b"\xa5rooms"[..], b"\xa6except", b"\x91\xa5rooms"] {
                let disconnect = decode(&[b"\x82\xa4type\x04\xa4opts\x81", member, number]);
                assert!(matches!(disconnect, Err(DecodeError::Kind { .. })), "{disconnect:?}");
            }
            let sockets = decode(&[b"\x83\xa4type\0\xa9requestId\xa1r\xa5rooms", number]);
            assert!(matches!(sockets, Err(DecodeError::Kind { .. })), "{sockets:?}");
            let join = decode(&[b"\x83\xa4type\x02\xa4opts\x81\xa5rooms\x91", number, b"\xa5rooms\xa1b"]).unwrap();
            let nobody = Opts { rooms: vec!["".into()], except: vec!["".into()] };
            assert_eq!(join.operation, Operation::Join { opts: nobody, rooms: vec!["b".into()] });
            let event = decode(&[b"\x82\xa4type\x06\xa4data\x92\xa1x", number]).unwrap();
            let Operation::ServerSideEmit { event, .. } = event.operation else { panic!("{event:?}") };
            assert_eq!(&**event.arguments.json(), r#"["x",null]"#);
        }
        for (number, expected) in [(nan, false), (infinity, true)] {
            let one = decode(&[b"\x83\xa4type\x04\xa3sid\xa1s\xa5close", number]).unwrap();
            assert!(matches!(one.operation, Operation::DisconnectOne { close, .. } if close == expected));
        }
    }

    #[test]
    fn who_says_no_id_in_an_old_form_gets_what_it_asks_for() {
        let request = decode(r#"{"uid":5,"type":4,"sid":"s","close":1}"#).unwrap();
        assert_eq!(request.uid, None);
        let (request_id, sid) = (Box::default(), "s".into());
        assert_eq!(request.operation, Operation::DisconnectOne { request_id, sid, close: true });
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
            r#"{"type":0,"requestId":"r","rooms":[ROOMS]}"#,
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
