//! Encoding of requests.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{GOODBYE, Operation, Request, is_reserved_server_side};
use crate::cluster::classic::EncodeError;
use crate::cluster::classic::broadcast::{self, Broadcast};
use crate::cluster::classic::opts::{self, Opts};
use crate::cluster::data::Data;
use crate::msgpack;
use crate::socketio::{Event, json};

/// A JSON request, with its members in Node's order.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<&'a Opts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<&'a [Box<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// In microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stayed: Option<u64>,
}

impl Request {
    /// Encodes the request, for the channel [`request`](crate::cluster::classic::Channels::request).
    ///
    /// # Errors
    /// If its event cannot be sent: it is not a list that begins with a name, its name is reserved among servers, it is
    /// for servers and contains binary data, or does not match its attachments.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let uid = self.uid.as_deref();
        let sent = match &self.operation {
            Operation::Sockets { request_id, rooms } => {
                Sent { kind: 0, request_id: Some(request_id), rooms: Some(rooms), ..Sent::default() }
            }
            Operation::AllRooms { request_id } => Sent { kind: 1, request_id: Some(request_id), ..Sent::default() },
            Operation::Join { opts, rooms } => {
                Sent { kind: 2, opts: Some(opts), rooms: Some(rooms), ..Sent::default() }
            }
            Operation::JoinOne { request_id, sid, room } => {
                Sent { kind: 2, request_id: Some(request_id), sid: Some(sid), room: Some(room), ..Sent::default() }
            }
            Operation::Leave { opts, rooms } => {
                Sent { kind: 3, opts: Some(opts), rooms: Some(rooms), ..Sent::default() }
            }
            Operation::LeaveOne { request_id, sid, room } => {
                Sent { kind: 3, request_id: Some(request_id), sid: Some(sid), room: Some(room), ..Sent::default() }
            }
            Operation::Disconnect { opts, close } => {
                Sent { kind: 4, opts: Some(opts), close: Some(*close), ..Sent::default() }
            }
            Operation::DisconnectOne { request_id, sid, close } => {
                Sent { kind: 4, request_id: Some(request_id), sid: Some(sid), close: Some(*close), ..Sent::default() }
            }
            Operation::Fetch { request_id, opts } => {
                Sent { kind: 5, request_id: Some(request_id), opts: Some(opts), ..Sent::default() }
            }
            Operation::ServerSideEmit { request_id, event } => {
                let data = Some(server_side_data(event)?);
                Sent { kind: 6, request_id: request_id.as_deref(), data, ..Sent::default() }
            }
            Operation::Broadcast { request_id, broadcast } => {
                return encode_broadcast(uid.unwrap_or_default(), request_id, broadcast);
            }
            Operation::Goodbye { stayed } => {
                let stayed = u64::try_from(stayed.as_micros()).unwrap_or(u64::MAX);
                Sent { kind: GOODBYE, stayed: Some(stayed), ..Sent::default() }
            }
        };
        Ok(serde_json::to_vec(&Sent { uid, ..sent })?)
    }
}

/// The data of an event for servers.
fn server_side_data(event: &Event) -> Result<&RawValue, EncodeError> {
    let Data { json, attachments } = Data::from(&event.arguments);
    if !attachments.is_empty() {
        return Err(EncodeError::Binary);
    }
    let name = json::event_name(json).ok_or(EncodeError::NoEvent)?;
    if is_reserved_server_side(&name) {
        return Err(EncodeError::Reserved(name.into_owned()));
    }
    Ok(serde_json::from_str(json)?)
}

fn encode_broadcast(uid: &str, request_id: &str, broadcast: &Broadcast) -> Result<Vec<u8>, EncodeError> {
    let packed = broadcast::pack_event((&broadcast.event.arguments).into())?;
    let mut out = Vec::with_capacity(packed.capacity() + opts::capacity(&broadcast.opts));
    msgpack::map(&mut out, 5);
    for (name, value) in [("uid", uid), ("requestId", request_id)] {
        msgpack::text(&mut out, name)?;
        msgpack::text(&mut out, value)?;
    }
    msgpack::text(&mut out, "type")?;
    msgpack::uint(&mut out, 7);
    msgpack::text(&mut out, "packet")?;
    broadcast::write_packet(&mut out, &broadcast.namespace, &packed)?;
    msgpack::text(&mut out, "opts")?;
    opts::write(&mut out, &broadcast.opts, &broadcast.flags)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::socketio::Arguments;

    fn emit(json: &str, attachments: &[Bytes]) -> Result<Vec<u8>, EncodeError> {
        let arguments = Arguments::named(json.to_owned().into(), attachments.into());
        let event = Event { name: "x".into(), arguments };
        Request { uid: None, operation: Operation::ServerSideEmit { request_id: None, event } }.encode()
    }

    #[test]
    fn the_text_of_events_stays_as_it_is() {
        assert_eq!(emit(r#"["x", 1.0]"#, &[]).unwrap(), br#"{"type":6,"data":["x", 1.0]}"#);
    }

    #[test]
    fn a_goodbye_tells_in_microseconds_how_long_its_sender_has_stayed() {
        let operation = Operation::Goodbye { stayed: Duration::from_nanos(1_500_999) };
        let request = Request { uid: Some("9y1JGY~".into()), operation };
        assert_eq!(request.encode().unwrap(), br#"{"uid":"9y1JGY~","type":200,"stayed":1500}"#);
    }

    #[test]
    fn reserved_names_are_refused() {
        for name in ["connect", "connection", "new_namespace"] {
            let error = emit(&format!("[\"{name}\"]"), &[]);
            assert!(matches!(error, Err(EncodeError::Reserved(reserved)) if reserved == name));
        }
    }

    #[test]
    fn events_for_servers_hold_no_binary_data() {
        let error = emit(r#"["x",{"_placeholder":true,"num":0}]"#, &[Bytes::new()]);
        assert!(matches!(error, Err(EncodeError::Binary)));
    }

    #[test]
    fn events_begin_with_a_name() {
        for json in ["", "[]", "{}", "[null]", "[\"x\""] {
            assert!(matches!(emit(json, &[]), Err(EncodeError::NoEvent)), "{json}");
        }
    }
}
