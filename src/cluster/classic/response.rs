//! A server's answer to a [`Request`](super::Request). It is JSON, except for a client's acknowledgement, which is
//! MessagePack because it may contain binary data.

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::opts::RoomName;
use super::remote_socket::RemoteSocket;
use super::request::within_depth;
use super::{DecodeError, EncodeError, cost};
use crate::cluster::message::Extent;
use crate::msgpack::{self, Packed, Reader, Transcoder};
use crate::socketio::Arguments;

/// A response and its request.
#[derive(Debug, Clone)]
pub struct Response {
    /// The id of the request. If it is unknown here, the response is for another server.
    pub request_id: Box<str>,
    /// What is answered.
    pub answer: Answer,
    /// Whether the answer is complete.
    pub extent: Extent,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To type 0: the ids of sockets. An empty list looks like that of [`Sockets`](Self::Sockets), and is read as one.
    SocketIds(Vec<Box<str>>),
    /// To type 1: all rooms of the server, those of single sockets included.
    Rooms(Vec<Box<str>>),
    /// To the old forms of types 2, 3 and 4: it is done. A response without the requested answer is read as this.
    Done,
    /// To type 5: sockets.
    Sockets(Vec<RemoteSocket>),
    /// To type 6: the value of the acknowledgement, if any, as JSON. It always goes to the channel of all responses.
    ServerSideEmit(Option<Box<RawValue>>),
    /// To type 7, first: how many of the server's clients got the broadcast. Of type 8.
    ClientCount(u64),
    /// To type 7, then, for each client: its acknowledgement. Only the first argument is sent. Of type 9.
    Ack(Arguments),
}

/// Any JSON response, as received.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received<'a> {
    #[serde(rename = "type")]
    kind: Option<u64>,
    request_id: Box<str>,
    #[serde(borrow)]
    sockets: Option<&'a RawValue>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
    client_count: Option<u64>,
    #[serde(borrow, default, deserialize_with = "null_or_more")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_or_more")]
    packet: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete: Option<&'a RawValue>,
}

/// Reads a present value, even if it is `null`.
fn null_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A JSON response, with its members in Node's order.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<u8>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<SentSockets<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<&'a [Box<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SentSockets<'a> {
    Ids(&'a [Box<str>]),
    Described(&'a [RemoteSocket]),
}

impl Response {
    /// Decodes a response. Attachments share the message's buffer.
    ///
    /// # Errors
    /// If the message is not exactly one response of a known type, or lacks a member that its type needs.
    pub fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        if message.first() == Some(&b'{') {
            return serde_json::from_str::<Received<'_>>(str::from_utf8(message)?)?.into_response();
        }
        decode_msgpack(message)
    }

    /// Encodes the response, for the channel of all [responses](super::Channels::response) or that of [the server that
    /// asked](super::Channels::response_to). Of an acknowledgement the first argument is written, or nil.
    ///
    /// # Errors
    /// If an acknowledgement is not JSON or does not match its attachments.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let incomplete = (self.extent == Extent::Part).then_some(true);
        let sent = Sent { request_id: &self.request_id, incomplete, ..Sent::default() };
        let sent = match &self.answer {
            Answer::SocketIds(ids) => Sent { sockets: Some(SentSockets::Ids(ids)), ..sent },
            Answer::Rooms(rooms) => Sent { rooms: Some(rooms), ..sent },
            Answer::Done => sent,
            Answer::Sockets(sockets) => Sent { sockets: Some(SentSockets::Described(sockets)), ..sent },
            Answer::ServerSideEmit(data) => Sent { kind: Some(6), data: data.as_deref(), ..sent },
            Answer::ClientCount(count) => Sent { kind: Some(8), client_count: Some(*count), ..sent },
            Answer::Ack(arguments) => return encode_ack(&self.request_id, arguments),
        };
        Ok(serde_json::to_vec(&sent)?)
    }
}

impl Answer {
    /// Estimated bytes; for an acknowledgement, its keeper knows.
    pub(super) fn bytes(&self) -> usize {
        let texts = match self {
            Self::SocketIds(texts) | Self::Rooms(texts) => cost::of_texts(texts.iter().map(|text| &**text)),
            Self::Sockets(sockets) => sockets.iter().map(RemoteSocket::bytes).sum(),
            Self::ServerSideEmit(value) => cost::of_texts(value.as_deref().map(RawValue::get)),
            Self::Done | Self::ClientCount(_) | Self::Ack(_) => 0,
        };
        cost::PIECE + texts
    }
}

impl Received<'_> {
    fn into_response(self) -> Result<Response, DecodeError> {
        let answer = match self.kind {
            None => match (self.sockets, self.rooms) {
                (Some(sockets), _) => sockets_of(sockets)?,
                (None, Some(rooms)) => {
                    Answer::Rooms(cost::read::<Vec<RoomName>>(rooms)?.into_iter().map(|room| room.0).collect())
                }
                (None, None) => Answer::Done,
            },
            Some(6) => {
                let data = self.data.map(|data| within_depth(data).map(|_| data.to_owned())).transpose()?;
                Answer::ServerSideEmit(data)
            }
            Some(8) => Answer::ClientCount(self.client_count.ok_or(DecodeError::Missing("clientCount"))?),
            Some(9) => {
                let packet = self.packet.map(within_depth).transpose()?.unwrap_or_default();
                Answer::Ack(acknowledgement(packet, Box::default()))
            }
            Some(kind) => return Err(DecodeError::ResponseType(kind)),
        };
        let incomplete = self.incomplete.is_some_and(|incomplete| incomplete.get() == "true");
        let extent = if incomplete { Extent::Part } else { Extent::Whole };
        Ok(Response { request_id: self.request_id, answer, extent })
    }
}

/// The sockets of a JSON list: the ids alone if it begins with one.
fn sockets_of(list: &RawValue) -> Result<Answer, DecodeError> {
    let first = list.get().strip_prefix('[').map(str::trim_ascii_start);
    if first.is_some_and(|first| first.starts_with('"')) {
        return cost::read(list).map(Answer::SocketIds);
    }
    let described: Vec<&RawValue> = cost::read(list)?;
    let (mut sockets, mut bytes) = (Vec::new(), 0);
    for socket in described {
        let socket: RemoteSocket = serde_json::from_str(socket.get())?;
        // A name with many values occurs with each of them.
        bytes += socket.bytes();
        if bytes > cost::MAX_COST + list.get().len() {
            return Err(DecodeError::TooCostly);
        }
        sockets.push(socket);
    }
    Ok(Answer::Sockets(sockets))
}

/// The arguments of an acknowledgement with one value, or with none if its text is empty.
fn acknowledgement(value: &str, attachments: Box<[Bytes]>) -> Arguments {
    Arguments::unnamed(ByteString::from(format!("[{value}]")), attachments)
}

/// Reads the one response that is MessagePack.
fn decode_msgpack(message: &Bytes) -> Result<Response, DecodeError> {
    let mut reader = Reader::new(message);
    let (mut request_id, mut kind, mut packet) = (None, None, None);
    reader.map(|reader, key| {
        match key {
            b"requestId" => request_id = Some(reader.text()?.into()),
            b"type" => kind = Some(reader.uint()?),
            b"packet" => {
                let mut transcoder = Transcoder::new(message, message.len() - reader.at());
                transcoder.value(reader)?;
                packet = Some(transcoder.finish()?);
            }
            _ => reader.skip()?,
        }
        Ok::<_, DecodeError>(())
    })?;
    reader.end()?;
    match kind {
        Some(9) => {}
        Some(kind) => return Err(DecodeError::ResponseType(kind)),
        None => return Err(DecodeError::Missing("type")),
    }
    let request_id = request_id.ok_or(DecodeError::Missing("requestId"))?;
    let (json, attachments) = packet.unwrap_or_default();
    let answer = Answer::Ack(acknowledgement(&json, attachments.into_boxed_slice()));
    Ok(Response { request_id, answer, extent: Extent::Whole })
}

fn encode_ack(request_id: &str, arguments: &Arguments) -> Result<Vec<u8>, EncodeError> {
    let json = arguments.elements().first().map_or("null", |value| value.get());
    let packed = Packed::pack(json, arguments.attachments())?;
    let mut out = Vec::with_capacity(packed.capacity() + request_id.len() + 40);
    msgpack::map(&mut out, 3);
    msgpack::text(&mut out, "type")?;
    msgpack::uint(&mut out, 9);
    msgpack::text(&mut out, "requestId")?;
    msgpack::text(&mut out, request_id)?;
    msgpack::text(&mut out, "packet")?;
    packed.write(&mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(message: &[u8]) -> Result<Response, DecodeError> {
        Response::decode(&Bytes::copy_from_slice(message))
    }

    fn answer(message: &[u8]) -> Answer {
        decode(message).unwrap().answer
    }

    fn encode(answer: Answer) -> Vec<u8> {
        Response { request_id: "r".into(), answer, extent: Extent::Whole }.encode().unwrap()
    }

    #[test]
    fn lists_of_sockets_are_told_apart_by_their_first() {
        assert!(
            matches!(answer(br#"{"requestId":"r","sockets":[ "a","b"]}"#), Answer::SocketIds(ids) if ids.len() == 2)
        );
        assert!(matches!(answer(br#"{"requestId":"r","sockets":[{"id":"a"}]}"#), Answer::Sockets(s) if s.len() == 1));
        assert!(matches!(answer(br#"{"requestId":"r","sockets":[]}"#), Answer::Sockets(sockets) if sockets.is_empty()));
        assert!(decode(br#"{"requestId":"r","sockets":["a",{"id":"b"}]}"#).is_err());
        assert!(decode(br#"{"requestId":"r","sockets":{"id":"b"}}"#).is_err());
    }

    #[test]
    fn a_missing_answer_is_done() {
        assert!(matches!(answer(br#"{"requestId":"r"}"#), Answer::Done));
        assert!(matches!(answer(br#"{"requestId":"r","sockets":null}"#), Answer::Done));
        assert!(matches!(decode(br#"{"requestId":"r","type":8}"#), Err(DecodeError::Missing("clientCount"))));
        assert!(matches!(decode(br#"{"sockets":[]}"#), Err(DecodeError::Json(_))));
    }

    #[test]
    fn null_is_a_value_and_none_is_not() {
        let data = |json: &str| match answer(json.as_bytes()) {
            Answer::ServerSideEmit(data) => data.map(|data| data.get().to_owned()),
            other => panic!("{other:?}"),
        };
        assert_eq!(data(r#"{"type":6,"requestId":"r","data":null}"#).as_deref(), Some("null"));
        assert_eq!(data(r#"{"type":6,"requestId":"r","data":{ "a":1 }}"#).as_deref(), Some(r#"{ "a":1 }"#));
        assert_eq!(data(r#"{"type":6,"requestId":"r"}"#), None);
        assert_eq!(encode(Answer::ServerSideEmit(None)), br#"{"type":6,"requestId":"r"}"#);
    }

    #[test]
    fn an_acknowledgement_is_its_first_argument() {
        let attachments = [Bytes::from("a"), Bytes::from("b")];
        let json = r#"[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
        let message = encode(Answer::Ack(Arguments::unnamed(json.into(), attachments.into())));
        assert_eq!(message, b"\x83\xa4type\x09\xa9requestId\xa1r\xa6packet\xc4\x01b");
        let Answer::Ack(arguments) = answer(&message) else { panic!("{message:?}") };
        assert_eq!(
            arguments,
            Arguments::unnamed(r#"[{"_placeholder":true,"num":0}]"#.into(), [Bytes::from("b")].into())
        );
    }

    #[test]
    fn an_acknowledgement_may_be_without_arguments() {
        let none = encode(Answer::Ack(Arguments::unnamed("[]".into(), Box::default())));
        assert_eq!(none, b"\x83\xa4type\x09\xa9requestId\xa1r\xa6packet\xc0");
        let json = |message: &[u8]| match answer(message) {
            Answer::Ack(arguments) => arguments.json().clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(json(&none), "[null]");
        assert_eq!(json(b"\x82\xa4type\x09\xa9requestId\xa1r"), "[]");
        assert_eq!(json(br#"{"type":9,"requestId":"r","packet":{"a":[1]}}"#), r#"[{"a":[1]}]"#);
        assert_eq!(json(br#"{"type":9,"requestId":"r","packet":null}"#), "[null]");
    }

    #[test]
    fn what_would_become_too_much_is_refused_before_it_is_made() {
        let many = |piece: &str| vec![piece; 1_000_000].join(",");
        for member in ["rooms", "sockets"] {
            let json = format!(r#"{{"requestId":"r","{member}":[{}]}}"#, many("\"\""));
            assert!(matches!(decode(json.as_bytes()), Err(DecodeError::TooCostly)), "{member}");
        }
        let json = format!(r#"{{"requestId":"r","sockets":[{}]}}"#, many(r#"{"id":""}"#));
        assert!(matches!(decode(json.as_bytes()), Err(DecodeError::TooCostly)));
    }

    #[test]
    fn names_of_many_values_are_counted_with_each_and_bounded_in_all() {
        let values = vec!["\"\""; 60].join(",");
        let socket = format!(r#"{{"id":"a","handshake":{{"query":{{"{}":[{values}]}}}}}}"#, "x".repeat(1000));
        let sockets = |count: usize| {
            let json = format!(r#"{{"requestId":"r","sockets":[{}]}}"#, vec![&*socket; count].join(","));
            decode(json.as_bytes()).map(|response| response.answer.bytes())
        };
        assert!(sockets(1).unwrap() > 60 * 1000);
        assert!(sockets(100).unwrap() > 100 * 60 * 1000);
        assert!(matches!(sockets(1000), Err(DecodeError::TooCostly)));
    }

    #[test]
    fn what_an_answer_takes_is_not_its_messages_length() {
        let spaces = " ".repeat(100_000);
        let bytes = |json: &str| answer(json.replace(' ', &spaces).as_bytes()).bytes();
        assert!(bytes(r#"{"requestId":"r", "rooms":["a", "b"]}"#) < 1000);
        assert!(bytes(r#"{"requestId":"r", "sockets":[{"id":"a", "rooms":["a"]}]}"#) < 2000);
        assert!(bytes(r#"{"requestId":"r","type":6, "data":"ab"}"#) < 1000);
        assert!(bytes(r#"{"requestId":"r","type":6,"data":"a b"}"#) > 100_000);
        assert!(answer(br#"{"requestId":"r"}"#).bytes() > 0);
    }

    #[test]
    fn an_answer_may_be_less_than_there_is() {
        let answer = Answer::Rooms(vec!["a".into()]);
        let message = Response { request_id: "r".into(), answer, extent: Extent::Part }.encode().unwrap();
        assert_eq!(message, br#"{"requestId":"r","rooms":["a"],"incomplete":true}"#);
        assert_eq!(decode(&message).unwrap().extent, Extent::Part);
        let other = br#"{"requestId":"r","rooms":[],"incomplete":1}"#;
        assert_eq!(decode(other).unwrap().extent, Extent::Whole);
    }

    #[test]
    fn unknown_types_are_refused() {
        assert!(matches!(decode(br#"{"type":7,"requestId":"r"}"#), Err(DecodeError::ResponseType(7))));
        assert!(matches!(decode(b"\x82\xa4type\x08\xa9requestId\xa1r"), Err(DecodeError::ResponseType(8))));
    }
}
