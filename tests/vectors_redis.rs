//! Messages of the classic Redis adapter and of the emitter, byte for byte as Node's packages send them.

mod vectors;

use bytes::Bytes;
use kinglet::cluster::{Answer, Broadcast, Channels, Data, DecodeError, Incoming, Operation, Request, Response};
use kinglet::socketio::{Arguments, is_reserved};
use serde_json::{Value, json};
use vectors::{hex, unhex};

const ADAPTER: &str = include_str!("vectors/redis-classic.json");
const EMITTER: &str = include_str!("vectors/redis-emitter.json");

fn entries(text: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(text).expect("the vectors are JSON");
    vectors["entries"].as_array().expect("a list").clone()
}

fn text<'a>(entry: &'a Value, member: &str) -> &'a str {
    entry[member].as_str().unwrap_or_else(|| panic!("no text {member} in {entry}"))
}

fn payload(entry: &Value) -> Bytes {
    unhex(&entry["payload_hex"]).into()
}

/// The channels of a channel's namespace, for the uid that appears in it, if any.
fn channels_of(channel: &str) -> Channels {
    let (start, rest) = channel.split_once('#').expect("a prefix");
    let prefix = start.trim_end_matches("-request").trim_end_matches("-response");
    let (namespace, rest) = rest.split_once('#').expect("a namespace");
    let uid = if start.ends_with("-response") { rest.trim_end_matches('#') } else { "" };
    Channels::new(prefix, namespace, uid)
}

/// The values that Node reads, in the form that clients get: dates are texts.
fn for_clients(decoded: &Value) -> Value {
    match decoded {
        Value::Object(members) if members.contains_key("$date") => members["$date"].clone(),
        Value::Object(members) if members.contains_key("$undefined") => Value::Null,
        Value::Object(members) if members.contains_key("$binary_hex") => decoded.clone(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), for_clients(member))).collect::<Value>()
        }
        Value::Array(elements) => elements.iter().map(for_clients).collect(),
        // JavaScript has no other numbers than these.
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

/// The arguments with their attachments where they belong.
fn resolved(arguments: &Arguments) -> Value {
    fn resolve(value: Value, attachments: &[Bytes]) -> Value {
        match value {
            Value::Object(members) if members.contains_key("_placeholder") => {
                let num = members["num"].as_u64().expect("a number") as usize;
                json!({ "$binary_hex": hex(&attachments[num]) })
            }
            Value::Object(members) => {
                members.into_iter().map(|(name, member)| (name, resolve(member, attachments))).collect()
            }
            Value::Array(elements) => elements.into_iter().map(|element| resolve(element, attachments)).collect(),
            other => other,
        }
    }
    let value = serde_json::from_str(arguments.json()).expect("JSON");
    for_clients(&resolve(value, arguments.attachments()))
}

fn names(rooms: &[Box<str>]) -> Value {
    json!(rooms)
}

/// The rooms that Node reads; numbers among them are texts here.
fn rooms(decoded: &Value) -> Value {
    let rooms = decoded.as_array().expect("a list").iter();
    rooms.map(|room| room.as_str().map_or_else(|| room.to_string(), str::to_owned)).collect()
}

fn check_opts(broadcast: &Broadcast, opts: &Value) {
    assert_eq!(names(&broadcast.opts.rooms), rooms(&opts["rooms"]));
    assert_eq!(names(&broadcast.opts.except), rooms(&opts["except"]));
    let flags = &opts["flags"];
    assert_eq!(broadcast.flags.volatile, flags["volatile"] == json!(true));
    assert_eq!(broadcast.flags.compress, flags["compress"].as_bool());
    assert_eq!(broadcast.flags.timeout.map(|timeout| timeout.as_millis() as u64), flags["timeout"].as_u64());
    assert_eq!(broadcast.flags.expect_single_response, flags["expectSingleResponse"] == json!(true));
}

fn check_packet(broadcast: &Broadcast, packet: &Value) {
    assert_eq!(&*broadcast.namespace, packet["nsp"]);
    assert_eq!(&*broadcast.event.name, packet["data"][0]);
    assert_eq!(resolved(&broadcast.event.arguments), for_clients(&packet["data"]));
}

fn check_broadcast(entry: &Value, room: Option<&str>) {
    let message = payload(entry);
    if entry["encoding"] == "json" {
        // Written by another parser than MessagePack's.
        assert!(matches!(Broadcast::decode(&message), Err(DecodeError::Msgpack(_))));
        assert!(Broadcast::sender(&message).is_err());
        return;
    }
    let decoded = &entry["decoded"];
    let uid = Broadcast::sender(&message).expect("a sender");
    assert_eq!(uid, decoded[0].as_str().expect("a text"));
    let broadcast = Broadcast::decode(&message).expect("a broadcast");
    check_packet(&broadcast, &decoded[1]);
    check_opts(&broadcast, &decoded[2]);
    match &*broadcast.opts.rooms {
        [only] => assert_eq!(room, Some(&**only)),
        _ => assert_eq!(room, None),
    }
    let channels = channels_of(text(entry, "channel"));
    assert_eq!(channels.broadcast_to(&broadcast.opts.rooms), text(entry, "channel"));

    let data = Data::from(&broadcast.event.arguments);
    let encoded = Broadcast::encode(&uid, &broadcast.namespace, data, &broadcast.opts, &broadcast.flags);
    let encoded = hex(&encoded.expect("what was decoded can be encoded"));
    match text(entry, "id") {
        // NaN has become null: nil.
        "rc-005" => assert_eq!(encoded, text(entry, "payload_hex").replace("cb7ff8000000000000", "c0")),
        "rc-006" => {
            let [first, second] =
                ["2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.123Z"].map(|date| hex(date.as_bytes()));
            let dates = text(entry, "payload_hex").replace("d6ff6553f100", &format!("b8{first}"));
            assert_eq!(encoded, dates.replace("d7ff1d5353006553f100", &format!("b8{second}")));
        }
        // The number is a text.
        "rc-011" => assert_eq!(encoded, text(entry, "payload_hex").replace("912aa6", "91a23432a6")),
        // The emitter has another order.
        _ if uid == "emitter" => {
            assert_eq!(Broadcast::decode(&Bytes::from(unhex(&json!(encoded)))).expect("a broadcast"), broadcast);
            assert_eq!(encoded.len(), text(entry, "payload_hex").len());
        }
        _ => assert_eq!(encoded, text(entry, "payload_hex")),
    }
}

fn check_request(entry: &Value) {
    let message = payload(entry);
    let decoded = &entry["decoded"];
    let request = Request::decode(&message).expect("a request");
    assert_eq!(request.uid.as_deref(), decoded["uid"].as_str());
    let request_id = decoded["requestId"].as_str();
    let id = |request_id: &str| Some(request_id.to_owned());
    let (kind, found) = match &request.operation {
        Operation::Sockets { request_id, rooms } => {
            assert_eq!(names(rooms), decoded["rooms"]);
            (0, id(request_id))
        }
        Operation::AllRooms { request_id } => (1, id(request_id)),
        Operation::Join { opts, rooms } | Operation::Leave { opts, rooms } => {
            assert_eq!(serde_json::to_value(opts).expect("JSON"), decoded["opts"]);
            assert_eq!(names(rooms), decoded["rooms"]);
            (if matches!(request.operation, Operation::Join { .. }) { 2 } else { 3 }, None)
        }
        Operation::JoinOne { request_id, sid, room } | Operation::LeaveOne { request_id, sid, room } => {
            assert_eq!((json!(sid), json!(room)), (decoded["sid"].clone(), decoded["room"].clone()));
            (if matches!(request.operation, Operation::JoinOne { .. }) { 2 } else { 3 }, id(request_id))
        }
        Operation::Disconnect { opts, close } => {
            assert_eq!(serde_json::to_value(opts).expect("JSON"), decoded["opts"]);
            assert_eq!(json!(close), decoded["close"]);
            (4, None)
        }
        Operation::DisconnectOne { request_id, sid, close } => {
            assert_eq!((json!(sid), json!(close)), (decoded["sid"].clone(), decoded["close"].clone()));
            (4, id(request_id))
        }
        Operation::Fetch { request_id, opts } => {
            assert_eq!(serde_json::to_value(opts).expect("JSON"), decoded["opts"]);
            (5, id(request_id))
        }
        Operation::ServerSideEmit { request_id, event } => {
            assert_eq!(&*event.name, decoded["data"][0]);
            assert_eq!(resolved(&event.arguments), for_clients(&decoded["data"]));
            (6, request_id.as_deref().map(str::to_owned))
        }
        Operation::Broadcast { request_id, broadcast } => {
            check_packet(broadcast, &decoded["packet"]);
            check_opts(broadcast, &decoded["opts"]);
            (7, id(request_id))
        }
        Operation::Goodbye { .. } => panic!("Node says no goodbye"),
    };
    assert_eq!((kind, found.as_deref()), (decoded["type"].as_u64().expect("a type"), request_id));
    assert_eq!(hex(&request.encode().expect("what was decoded can be encoded")), text(entry, "payload_hex"));
}

fn check_response(entry: &Value) {
    let decoded = &entry["decoded"];
    let response = Response::decode(&payload(entry)).expect("a response");
    assert_eq!(json!(response.request_id), decoded["requestId"]);
    match &response.answer {
        Answer::SocketIds(ids) => assert_eq!(names(ids), decoded["sockets"]),
        Answer::Rooms(rooms) => assert_eq!(names(rooms), decoded["rooms"]),
        Answer::Done => assert_eq!(decoded.as_object().map(serde_json::Map::len), Some(1)),
        Answer::Sockets(sockets) => {
            assert_eq!(serde_json::to_value(sockets).expect("JSON"), decoded["sockets"]);
        }
        Answer::ServerSideEmit(data) => {
            let data = data.as_ref().expect("a value");
            assert_eq!(serde_json::from_str::<Value>(data.get()).expect("JSON"), decoded["data"]);
        }
        Answer::ClientCount(count) => assert_eq!(json!(count), decoded["clientCount"]),
        Answer::Ack(arguments) => assert_eq!(resolved(arguments), json!([for_clients(&decoded["packet"])])),
    }
    assert_eq!(hex(&response.encode().expect("what was decoded can be encoded")), text(entry, "payload_hex"));
}

/// Subscriptions: each name is one that this server would choose, too.
fn check_commands(entry: &Value) {
    let commands = entry["commands"].as_array().expect("a list").iter();
    let names: Vec<&str> = commands
        .flat_map(|command| command.as_array().expect("a list").iter().skip(1))
        .map(|name| name.as_str().expect("a text"))
        .collect();
    let [pattern, request, response, own] = *names else { panic!("{names:?}") };
    let channels = channels_of(own);
    assert_eq!(channels.pattern(), pattern);
    assert_eq!([channels.request(), channels.response(), channels.own_response()], [request, response, own]);
}

/// The kind of a checked entry.
#[derive(Debug, PartialEq)]
enum Checked {
    Broadcast,
    Request,
    Response,
    Subscriptions,
    Count,
    Nothing,
}

fn check(entry: &Value) -> Checked {
    if entry.get("commands").is_some() {
        check_commands(entry);
        return Checked::Subscriptions;
    }
    if let Some(command) = entry.get("command") {
        let channel = command[2].as_str().expect("a channel");
        assert_eq!(channels_of(channel).request(), channel);
        return Checked::Count;
    }
    if entry.get("channel").is_none() {
        // Nothing is sent.
        return Checked::Nothing;
    }
    let channel = text(entry, "channel");
    match channels_of(channel).recognise(channel).expect("a channel of the adapter") {
        Incoming::Broadcast { room } => {
            check_broadcast(entry, room);
            Checked::Broadcast
        }
        Incoming::Request => {
            check_request(entry);
            Checked::Request
        }
        Incoming::Response => {
            check_response(entry);
            Checked::Response
        }
    }
}

/// Checks all entries; returns the number of each kind.
fn check_all(entries: &[Value]) -> [usize; 6] {
    let checked: Vec<Checked> = entries
        .iter()
        .map(|entry| {
            println!("{} {}", text(entry, "id"), text(entry, "name"));
            check(entry)
        })
        .collect();
    let count = |kind| checked.iter().filter(|checked| **checked == kind).count();
    use Checked::*;
    [Broadcast, Request, Response, Subscriptions, Count, Nothing].map(count)
}

#[test]
fn messages_of_the_adapter_are_read_and_written() {
    let counts = check_all(&entries(ADAPTER));
    assert_eq!(counts, [26, 24, 26, 3, 12, 2]);
}

#[test]
fn messages_of_the_emitter_are_read() {
    let entries = entries(EMITTER);
    assert_eq!(check_all(&entries), [12, 6, 0, 0, 0, 2]);
    let refused = entries.iter().find(|entry| entry["id"] == "re-013").expect("the entry");
    assert!(text(refused, "note").contains("\"disconnect\" is a reserved") && is_reserved("disconnect"));
}
