//! What holds of the messages between servers for any bytes.
#![allow(clippy::expect_used)]

use bytes::Bytes;

use super::{Answer, Broadcast, Operation, Request, Response};
use crate::cluster::data::Data;
use crate::socketio::{Arguments, is_reserved, json};

/// A broadcast: what is read is in proportion, and when it is sent on it is the same.
pub fn broadcast(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    let sender = Broadcast::sender(&message);
    let Ok(broadcast) = Broadcast::decode(&message) else { return };
    assert!(sender.is_ok(), "a broadcast of nobody");
    check_broadcast(&broadcast, &message);
    let data = Data::from(&broadcast.event.arguments);
    let again = Broadcast::encode("uid", &broadcast.namespace, data, &broadcast.opts, &broadcast.flags);
    let again = Bytes::from(again.expect("what was read can be sent"));
    assert_eq!(Broadcast::sender(&again).expect("a sender"), "uid");
    assert_eq!(Broadcast::decode(&again).expect("what was sent can be read"), broadcast);
}

/// A request: the same.
pub fn request(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    let Ok(request) = Request::decode(&message) else { return };
    match &request.operation {
        Operation::Broadcast { broadcast, .. } => check_broadcast(broadcast, &message),
        Operation::ServerSideEmit { event, .. } => check_arguments(&event.arguments, &message),
        _ => {}
    }
    let encode = |request: &Request| Bytes::from(request.encode().expect("what was read can be sent"));
    let decode = |message: &Bytes| Request::decode(message).expect("what was sent can be read");
    let again = decode(&encode(&request));
    if !matches!(request.operation, Operation::Broadcast { .. }) || !is_json(&message) {
        assert_eq!(again.operation, request.operation);
    }
    let sent = encode(&again);
    assert_eq!(encode(&decode(&sent)), sent);
}

/// A response: the same.
pub fn response(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    let Ok(response) = Response::decode(&message) else { return };
    if let Answer::Ack(arguments) = &response.answer {
        check_arguments(arguments, &message);
    }
    let encode = |response: &Response| Bytes::from(response.encode().expect("what was read can be sent"));
    let decode = |message: &Bytes| Response::decode(message).expect("what was sent can be read");
    let (sent, again) = (encode(&response), decode(&encode(&response)));
    assert_eq!(again.request_id, response.request_id);
    if !matches!(response.answer, Answer::Ack(_)) || !is_json(&message) {
        assert_eq!(encode(&again), sent);
    }
    let sent = encode(&again);
    assert_eq!(encode(&decode(&sent)), sent);
}

/// Arguments that come as JSON go out as MessagePack, and come back with their numbers and texts as that has them.
fn is_json(message: &Bytes) -> bool {
    message.first() == Some(&b'{')
}

fn check_broadcast(broadcast: &Broadcast, message: &Bytes) {
    assert!(!is_reserved(&broadcast.event.name));
    assert_eq!(json::event_name(broadcast.event.arguments.json()).as_deref(), Some(&*broadcast.event.name));
    check_arguments(&broadcast.event.arguments, message);
    let rooms = broadcast.opts.rooms.len() + broadcast.opts.except.len();
    assert!(rooms <= message.len() + 2, "{rooms} rooms");
}

fn check_arguments(arguments: &Arguments, message: &Bytes) {
    assert!(json::is_valid(arguments.json()), "{arguments:?}");
    assert!(arguments.json().len() <= 30 * message.len() + 2);
    assert!(arguments.attachments().len() <= message.len());
}
