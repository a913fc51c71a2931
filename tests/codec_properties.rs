//! Properties of both codecs for any input: nothing panics, and written packets are read back.

use bytes::Bytes;
use kinglet::engineio::{Encoding, Frames, FramesBuilder, Packet, ParseError, Part, PayloadKind, payload, v3};
use kinglet::socketio::{self, DecodeLimits, Decoder, ack, connect_error, event};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Values with placeholders, not numbered yet, at any depth.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        any::<String>().prop_map(|value| json!(value)),
        Just(json!({"_placeholder": true})),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|elements| json!(elements)),
            btree_map(any::<String>(), inner, 0..5).prop_map(|members| json!(members)),
        ]
    })
}

/// Numbers the placeholders in order of appearance; gives how many there are, counting from `count`.
fn number(value: &mut Value, count: u32) -> u32 {
    match value {
        Value::Object(members) if members.contains_key("_placeholder") => {
            members.insert("num".into(), json!(count));
            count + 1
        }
        Value::Object(members) => members.values_mut().fold(count, |count, member| number(member, count)),
        Value::Array(elements) => elements.iter_mut().fold(count, |count, element| number(element, count)),
        _ => count,
    }
}

fn decoded(frames: &Frames) -> socketio::Packet {
    let limits = DecodeLimits { max_attachments: 1000, ..DecodeLimits::default() };
    let mut decoder = Decoder::default();
    let mut packets: Vec<_> = frames
        .parts()
        .filter_map(|part| match part {
            Part::Text(text) => {
                let text = str::from_utf8(text).expect("UTF-8").strip_prefix('4').expect("a message");
                decoder.text(text, None, &limits).expect("a packet")
            }
            Part::Binary(data) => decoder.binary(Bytes::copy_from_slice(data), &limits).expect("a packet"),
        })
        .collect();
    assert!(!decoder.is_pending());
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

/// Messages as they were sent: texts, and binary data.
fn messages<'a>(packets: impl Iterator<Item = Result<Packet<'a>, ParseError>>) -> Vec<Result<String, Vec<u8>>> {
    packets
        .map(|packet| match packet {
            Ok(Packet::Text(text)) => Ok(text.to_owned()),
            Ok(Packet::Binary(data)) => Err(data.into()),
            other => panic!("{other:?}"),
        })
        .collect()
}

proptest! {
    #[test]
    fn an_event_survives_the_wire(
        name in any::<String>().prop_filter("reserved", |name| !socketio::is_reserved(name)),
        arguments in vec(values(), 0..5),
        id in any::<Option<u64>>(),
        namespace in "/[^,]{0,9}",
        data in vec(any::<u8>(), 0..9),
    ) {
        let mut array = json!([name]);
        array.as_array_mut().expect("an array").extend(arguments);
        let count = number(&mut array, 0);
        let attachments: Vec<Bytes> = (0..count).map(|k| [&k.to_be_bytes()[..], &data].concat().into()).collect();
        let json = array.to_string();

        let socketio::Packet::Event { namespace: to, id: ack, event: Some(event) } =
            decoded(&event(&namespace, id, &json, &attachments)) else { panic!("not an event") };
        prop_assert_eq!((&*to, ack, &*event.name), (&*namespace, id, &*name));
        prop_assert_eq!(&**event.arguments.json(), &*json);
        prop_assert_eq!(event.arguments.attachments(), &attachments);
        prop_assert_eq!(event.arguments.elements().len() + 1, array.as_array().expect("an array").len());
    }

    #[test]
    fn an_acknowledgement_survives_the_wire(mut array in vec(values(), 0..5).prop_map(Value::Array), id in any::<u64>()) {
        let count = number(&mut array, 0);
        let attachments: Vec<Bytes> = (0..count).map(|k| Bytes::copy_from_slice(&k.to_be_bytes())).collect();
        let json = array.to_string();
        let socketio::Packet::Ack { id: answered, arguments: Some(arguments), .. } =
            decoded(&ack("/", id, &json, &attachments)) else { panic!("not an acknowledgement") };
        prop_assert_eq!((answered, &**arguments.json()), (Some(id), &*json));
        prop_assert_eq!(arguments.attachments(), &attachments);
    }

    #[test]
    fn refusals_are_valid_json(message in any::<String>(), data in values()) {
        let text = data.to_string();
        let frames = connect_error("/", &message, Some(&text));
        let Some(Part::Text(packet)) = frames.parts().next() else { panic!("not a text") };
        let payload: Value = serde_json::from_slice(&packet[2..]).expect("JSON");
        let data: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(payload, json!({"message": message, "data": data}));
    }

    #[test]
    fn a_payload_survives_the_wire(packets in vec(prop_oneof![
        "[^\u{1e}]{0,9}".prop_map(Ok),
        vec(any::<u8>(), 0..9).prop_map(Err),
    ], 1..9)) {
        let frames: Vec<_> = packets.iter().map(|packet| {
            let mut frames = FramesBuilder::default();
            match packet {
                Ok(text) => frames.text(&[b"4", text.as_bytes()]),
                Err(data) => frames.binary(data),
            }
            frames.finish()
        }).collect();
        let body = String::from_utf8(payload::encode(&frames)).expect("UTF-8");
        prop_assert_eq!(messages(payload::decode(&body)), &packets[..]);
        let (body, _) = Encoding::V3Base64.payload(&frames);
        prop_assert_eq!(messages(v3::decode_text_payload(str::from_utf8(&body).expect("UTF-8"))), &packets[..]);
        if let (body, PayloadKind::Binary) = Encoding::V3.payload(&frames) {
            prop_assert_eq!(messages(v3::decode_binary_payload(&body)), packets);
        }
    }

    #[test]
    fn any_input_is_decoded_or_refused(
        texts in vec(prop_oneof![
            any::<String>(),
            r#"[0-7][0-9e+. -]{0,3}(/[a-z]{0,2},)?[0-9 \u{a0}]{0,3}[\[\]{}",:a-z0-9\\]{0,12}"#,
            r#"[56][1-3]-\[("x"|1|\{"_placeholder":true,"num":[0-3]\}),\{"_placeholder":true,"num":-?[0-3]\}\]"#,
        ], 0..4),
        data in vec(any::<u8>(), 0..9),
    ) {
        let limits = DecodeLimits::default();
        let mut decoder = Decoder::default();
        let data = Bytes::from(data);
        for text in texts {
            let _ = Packet::decode(&text);
            let _ = payload::decode(&text).count();
            let _ = v3::decode_text_payload(&text).count();
            let _ = v3::decode_text_payload(&format!("{}:{text}", data.len())).count();
            let _ = decoder.text(&text, None, &limits);
            let _ = decoder.binary(data.clone(), &limits);
        }
        let _ = v3::decode_binary(&data);
        let _ = v3::decode_binary_payload(&data).count();
        let _ = v3::decode_binary_payload(&[&[0, 3, 0xff], &data[..]].concat()).count();
    }
}
