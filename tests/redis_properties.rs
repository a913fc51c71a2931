//! Properties of the adapter's messages for any input: nothing panics, written messages are read back, and other
//! implementations of MessagePack and JSON agree.

mod vectors;

use std::collections::BTreeMap;

use bytes::Bytes;
use kinglet::cluster::{Answer, Broadcast, Data, Flags, Operation, Opts, Request, Response};
use kinglet::socketio::Arguments;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rmpv::Value as Packed;
use serde_json::{Value, json};
use vectors::{hex, unhex};

const VECTORS: [&str; 2] = [include_str!("vectors/redis-classic.json"), include_str!("vectors/redis-emitter.json")];

/// A value that both JSON with attachments and MessagePack can express.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Plain(Value),
    Binary(Vec<u8>),
    List(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
}

impl Tree {
    fn to_json(&self, attachments: &mut Vec<Bytes>) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Binary(data) => {
                attachments.push(Bytes::copy_from_slice(data));
                json!({ "_placeholder": true, "num": attachments.len() - 1 })
            }
            Self::List(elements) => elements.iter().map(|element| element.to_json(attachments)).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), member.to_json(attachments))).collect()
            }
        }
    }

    fn to_packed(&self) -> Packed {
        match self {
            Self::Plain(Value::Null) => Packed::Nil,
            Self::Plain(Value::Bool(value)) => Packed::from(*value),
            Self::Plain(Value::Number(number)) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => Packed::from(number),
                (_, Some(number), _) => Packed::from(number),
                (.., number) => Packed::from(number.expect("a float")),
            },
            Self::Plain(Value::String(text)) => Packed::from(&**text),
            Self::Plain(other) => panic!("{other} is not plain"),
            Self::Binary(data) => Packed::from(&**data),
            Self::List(elements) => Packed::Array(elements.iter().map(Self::to_packed).collect()),
            Self::Object(members) => {
                let members = members.iter().map(|(name, member)| (Packed::from(&**name), member.to_packed()));
                Packed::Map(members.collect())
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Plain(json!(null))),
        any::<bool>().prop_map(|value| Tree::Plain(json!(value))),
        any::<u64>().prop_map(|value| Tree::Plain(json!(value))),
        any::<i64>().prop_map(|value| Tree::Plain(json!(value))),
        (-300_i64..70_000).prop_map(|value| Tree::Plain(json!(value))),
        any::<f64>()
            .prop_filter("no integer", |float| float.fract() != 0.0)
            .prop_map(|value| Tree::Plain(json!(value))),
        any::<String>().prop_map(|value| Tree::Plain(json!(value))),
        vec(any::<u8>(), 0..300).prop_map(Tree::Binary),
        (0..40).prop_map(|length| Tree::List((0..length).map(|number| Tree::Plain(json!(number))).collect())),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Tree::List),
            btree_map(any::<String>(), inner, 0..5).prop_map(Tree::Object),
        ]
    })
}

fn opts() -> impl Strategy<Value = Opts> {
    let rooms = || vec(any::<String>().prop_map(String::into_boxed_str), 0..5);
    (rooms(), rooms()).prop_map(|(rooms, except)| Opts { rooms, except })
}

fn event(arguments: Vec<Tree>) -> Tree {
    let name = Tree::Plain(json!("event"));
    Tree::List(std::iter::once(name).chain(arguments).collect())
}

fn encode(tree: &Tree, opts: &Opts) -> Bytes {
    let mut attachments = Vec::new();
    let json = tree.to_json(&mut attachments).to_string();
    let data = Data { json: &json, attachments: &attachments };
    Broadcast::encode("uid", "/namespace", data, opts, &Flags::default()).expect("a broadcast").into()
}

/// Values that JSON cannot express, too: extensions, numbers that are not finite, keys that are not texts.
fn packed() -> impl Strategy<Value = Packed> {
    let leaf = prop_oneof![
        trees().prop_map(|tree| tree.to_packed()),
        any::<f32>().prop_map(Packed::F32),
        any::<f64>().prop_map(Packed::F64),
        (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, data)| Packed::Ext(kind, data)),
        Just(Packed::Map(vec![(Packed::from("_placeholder"), Packed::from(true))])),
    ];
    leaf.prop_recursive(4, 30, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Packed::Array),
            vec((inner.clone(), inner), 0..8).prop_map(Packed::Map),
        ]
    })
}

fn message_of(data: Packed) -> Bytes {
    let packet = Packed::Map(vec![("type".into(), 2.into()), ("data".into(), data)]);
    let mut message = Vec::new();
    let broadcast = Packed::Array(vec!["uid".into(), packet, Packed::Map(Vec::new())]);
    rmpv::encode::write_value(&mut message, &broadcast).expect("MessagePack");
    message.into()
}

/// Checks that a decoder's result is in proportion to the bytes, and can be sent on and read again.
fn check_any(message: &Bytes) {
    let _ = Broadcast::sender(message);
    if let Ok(broadcast) = Broadcast::decode(message) {
        check_arguments(&broadcast.event.arguments, message);
        let data = Data::from(&broadcast.event.arguments);
        let again = Broadcast::encode("uid", &broadcast.namespace, data, &broadcast.opts, &broadcast.flags);
        let again = Bytes::from(again.expect("what was decoded can be encoded"));
        assert_eq!(Broadcast::decode(&again).expect("what was encoded can be decoded"), broadcast);
        check_whole(&again);
    }
    if let Ok(request) = Request::decode(message) {
        if let Operation::Broadcast { broadcast, .. } = &request.operation {
            check_arguments(&broadcast.event.arguments, message);
        }
        let again = Bytes::from(request.encode().expect("what was decoded can be encoded"));
        let read = Request::decode(&again).expect("what was encoded can be decoded");
        assert_eq!(read.operation, without_halves(request.operation));
        if again.first() != Some(&b'{') {
            check_whole(&again);
        }
    }
    if let Ok(response) = Response::decode(message) {
        if let Answer::Ack(arguments) = &response.answer {
            check_arguments(arguments, message);
        }
        let again = Bytes::from(response.encode().expect("what was decoded can be encoded"));
        let read = Response::decode(&again).expect("what was encoded can be decoded");
        assert_eq!(read.request_id, response.request_id);
        if again.first() != Some(&b'{') {
            check_whole(&again);
        }
    }
}

fn check_arguments(arguments: &Arguments, message: &Bytes) {
    assert!(arguments.json().len() <= 20 * message.len() + 2, "{}", hex(message));
    assert!(arguments.attachments().len() <= message.len() / 2);
    assert!(serde_json::from_str::<serde::de::IgnoredAny>(arguments.json()).is_ok(), "{arguments:?}");
}

/// Checks that another implementation reads exactly one value.
fn check_whole(message: &[u8]) {
    let mut rest = message;
    rmpv::decode::read_value(&mut rest).expect("MessagePack");
    assert!(rest.is_empty());
}

/// A broadcast that came as JSON goes out as MessagePack, and comes back with MessagePack's numbers and texts.
fn without_halves(operation: Operation) -> Operation {
    let Operation::Broadcast { request_id, mut broadcast } = operation else { return operation };
    let data = Data::from(&broadcast.event.arguments);
    let packed = Broadcast::encode("", "/", data, &Opts::default(), &Flags::default()).expect("a broadcast");
    broadcast.event = Broadcast::decode(&packed.into()).expect("a broadcast").event;
    Operation::Broadcast { request_id, broadcast }
}

proptest! {
    #[test]
    fn other_implementations_read_what_is_written(arguments in vec(trees(), 0..5), opts in opts()) {
        let tree = event(arguments);
        let message = encode(&tree, &opts);
        let mut rest = &message[..];
        let read = rmpv::decode::read_value(&mut rest).unwrap();
        prop_assert!(rest.is_empty());
        let rooms = |rooms: &[Box<str>]| Packed::Array(rooms.iter().map(|room| Packed::from(&**room)).collect());
        let packet = Packed::Map(vec![
            ("type".into(), 2.into()),
            ("data".into(), tree.to_packed()),
            ("nsp".into(), "/namespace".into()),
        ]);
        let opts = Packed::Map(vec![
            ("rooms".into(), rooms(&opts.rooms)),
            ("except".into(), rooms(&opts.except)),
            ("flags".into(), Packed::Map(vec![])),
        ]);
        let expected = Packed::Array(vec!["uid".into(), packet, opts]);
        prop_assert_eq!(&read, &expected);
        // Both choose the shortest forms.
        let mut again = Vec::new();
        rmpv::encode::write_value(&mut again, &expected).unwrap();
        prop_assert_eq!(again, message);
    }

    #[test]
    fn messages_of_other_implementations_are_read(arguments in vec(trees(), 0..5)) {
        let tree = event(arguments);
        let broadcast = Broadcast::decode(&message_of(tree.to_packed())).unwrap();
        let mut attachments = Vec::new();
        let expected = tree.to_json(&mut attachments);
        let read: Value = serde_json::from_str(broadcast.event.arguments.json()).unwrap();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(broadcast.event.arguments.attachments(), attachments);
    }

    #[test]
    fn written_messages_are_read_back(arguments in vec(trees(), 0..5), opts in opts()) {
        let tree = event(arguments);
        let broadcast = Broadcast::decode(&encode(&tree, &opts)).unwrap();
        let mut attachments = Vec::new();
        let expected = tree.to_json(&mut attachments);
        let read: Value = serde_json::from_str(broadcast.event.arguments.json()).unwrap();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(broadcast.event.arguments.attachments(), attachments);
        prop_assert_eq!(broadcast.opts, opts);
    }

    #[test]
    fn a_message_is_whole_and_alone(tree in trees(), opts in opts(), more in any::<u8>()) {
        let message = encode(&event(vec![tree]), &opts);
        for end in (0..message.len()).step_by(1 + message.len() / 200) {
            prop_assert!(Broadcast::decode(&message.slice(..end)).is_err());
        }
        let longer = [&message[..], &[more]].concat();
        prop_assert!(Broadcast::decode(&longer.into()).is_err());
    }

    #[test]
    fn anything_that_is_messagepack_is_read_in_proportion(data in vec(packed(), 0..4)) {
        let data = std::iter::once(Packed::from("event")).chain(data).collect();
        check_any(&message_of(Packed::Array(data)));
    }

    #[test]
    fn any_bytes_are_read_to_their_end(bytes in vec(any::<u8>(), 0..200), json in r#"\{["a-z:,0-9{}\[\]\\]*"#) {
        check_any(&bytes.clone().into());
        check_any(&json.into_bytes().into());
        let mut message = b"\x93\xa3uid\x82\xa4type\x02\xa4data\x92\xa1x".to_vec();
        message.extend(bytes);
        check_any(&message.into());
    }

    #[test]
    fn any_text_is_packed_or_refused(json in any::<String>(), like_json in r#"\[["a-z:,0-9{}\[\]\\ ]*"#) {
        for json in [json, like_json] {
            let data = Data { json: &json, attachments: &[Bytes::from_static(b"a")] };
            let encoded = Broadcast::encode("uid", "/", data, &Opts::default(), &Flags::default());
            match encoded {
                Ok(encoded) => check_whole(&encoded),
                Err(_) => continue,
            }
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok());
        }
    }
}

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).expect("a small number")
    }
}

#[test]
fn damaged_messages_are_read_or_refused() {
    let messages: Vec<Vec<u8>> = VECTORS
        .iter()
        .flat_map(|text| {
            let vectors: Value = serde_json::from_str(text).expect("the vectors are JSON");
            vectors["entries"].as_array().expect("a list").clone()
        })
        .filter(|entry| entry.get("payload_hex").is_some())
        .map(|entry| unhex(&entry["payload_hex"]))
        .collect();
    assert!(messages.len() > 90);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for message in &messages {
        check_any(&Bytes::copy_from_slice(message));
        for _ in 0..300 {
            let mut damaged = message.clone();
            for _ in 0..=dice.below(3) {
                let place = dice.below(damaged.len());
                match dice.below(5) {
                    0 => damaged.truncate(place),
                    1 => damaged.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
                    2 => damaged.iter_mut().skip(place).take(1).for_each(|byte| *byte = dice.below(256) as u8),
                    3 => {
                        let other = &messages[dice.below(messages.len())];
                        let begin = dice.below(other.len());
                        let end = begin + dice.below(other.len() - begin);
                        let until = place + dice.below(damaged.len() - place);
                        damaged.splice(place..until, other[begin..end].iter().copied());
                    }
                    _ => damaged.insert(place, dice.below(256) as u8),
                }
            }
            check_any(&damaged.into());
        }
    }
}
