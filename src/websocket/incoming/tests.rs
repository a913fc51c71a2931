use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::WebSocket;

type Step = Result<Input, WebSocketError>;

const MASK: [u8; 4] = [1, 2, 3, 4];

/// A client's frame; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut raw = vec![first];
    match payload.len() {
        short @ ..126 => raw.push(0x80 | short as u8),
        medium @ 126..=0xffff => {
            raw.push(0x80 | 126);
            raw.extend((medium as u16).to_be_bytes());
        }
        long => {
            raw.push(0x80 | 127);
            raw.extend((long as u64).to_be_bytes());
        }
    }
    raw.extend(MASK);
    raw.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    raw
}

fn text(text: &'static str) -> Input {
    Input::Text(ByteString::from_static(text))
}

/// Whether a step is more than a ping or a pong.
fn is_telling(step: &Step) -> bool {
    *step != Ok(Input::Control)
}

/// All that comes of some bytes that arrive in pieces, and the frames sent back.
fn receive<'a>(receiver: &mut Receiver, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Step>, Vec<u8>) {
    let (mut incoming, mut reply, mut steps) = (Incoming::default(), Vec::new(), Vec::new());
    for piece in pieces {
        let mut feed = receiver.feed(&mut incoming, piece);
        while let Some(step) = feed.next(&mut reply) {
            steps.extend(Some(step).filter(is_telling));
        }
        if let Some(Ok(Input::Close(_)) | Err(_)) = steps.last() {
            break;
        }
    }
    (steps, reply)
}

fn receive_whole(bytes: &[u8]) -> (Vec<Step>, Vec<u8>) {
    receive(&mut Receiver::new(Limits::default()), [bytes])
}

fn error_code(bytes: &[u8]) -> u16 {
    let (steps, reply) = receive_whole(bytes);
    assert!(reply.is_empty());
    match &steps[..] {
        [Err(error)] => error.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_idle_connection_holds_nothing() {
    assert_eq!(size_of::<Incoming>(), size_of::<usize>());
    let (mut receiver, mut incoming) = (Receiver::new(Limits::default()), Incoming::default());
    let raw = [frame(0x01, b"4"), frame(0x80, b"hi")].concat();
    for (fed, byte) in raw.iter().enumerate() {
        assert_eq!(incoming.partial.is_some(), fed > 0);
        let step = receiver.feed(&mut incoming, &[*byte]).next(&mut Vec::new());
        assert_eq!(step, (fed + 1 == raw.len()).then(|| Ok(text("4hi"))));
    }
    assert_eq!(incoming.held(), 0);
}

#[test]
fn frames_are_answered_as_the_node_server_answers_them() {
    let file = include_str!("../../../tests/vectors/engine-io-behaviour.json");
    let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
    let hex = |text: &serde_json::Value| -> Vec<u8> {
        let digits = text.as_str().unwrap().as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    let mut receiver = Receiver::new(Limits::default());
    for number in 24..=31 {
        let id = format!("eb-{number:03}");
        let vector = vectors["entries"].as_array().unwrap().iter().find(|vector| vector["id"] == *id).unwrap();
        let sent: Vec<_> = vector["client_sends_hex"].as_array().unwrap().iter().map(hex).collect();
        let (steps, mut reply) = receive(&mut receiver, sent.iter().map(Vec::as_slice));
        match &steps[..] {
            // The server's answer to it is a packet.
            [Ok(Input::Text(message))] => {
                assert_eq!((number, &**message), (24, "40"));
                continue;
            }
            [Err(error)] => {
                reply.extend([0x88, 2]);
                reply.extend(error.code().to_be_bytes());
            }
            [] => assert_eq!(number, 25),
            [Ok(Input::Close(code))] => assert_eq!(*code, (number == 30).then_some(1000)),
            other => panic!("{id}: {other:?}"),
        }
        assert_eq!(reply, hex(&vector["server_sends_hex"]), "{id}");
    }
}

#[test]
fn a_ping_is_answered_inside_an_unfinished_message() {
    let raw = [frame(0x01, b"4"), frame(0x89, b"?")].concat();
    assert_eq!(receive_whole(&raw), (vec![], b"\x8a\x01?".into()));
    let raw = [raw, frame(0x80, b"hi")].concat();
    assert_eq!(receive_whole(&raw), (vec![Ok(text("4hi"))], b"\x8a\x01?".into()));
}

#[test]
fn a_close_ends_everything() {
    let raw = [frame(0x01, b"4"), frame(0x88, b"\x0f\xa0bye"), frame(0x80, b"hi")].concat();
    assert_eq!(receive_whole(&raw), (vec![Ok(Input::Close(Some(4000)))], b"\x88\x05\x0f\xa0bye".into()));
}

#[test]
fn what_is_not_taken_is_kept() {
    let (mut receiver, mut incoming) = (Receiver::new(Limits::default()), Incoming::default());
    let raw = [frame(0x81, b"a"), frame(0x81, b"b"), frame(0x01, b"c"), frame(0x80, b"d")].concat();
    let mut bytes = &raw[..];
    for expected in ["a", "b", "cd"] {
        let step = receiver.feed(&mut incoming, std::mem::take(&mut bytes)).next(&mut Vec::new());
        assert_eq!(step, Some(Ok(text(expected))));
    }
    assert_eq!(receiver.feed(&mut incoming, &[]).next(&mut Vec::new()), None);
    assert_eq!(incoming.held(), 0);
}

#[test]
fn a_bad_client_does_not_disturb_the_next() {
    let mut receiver = Receiver::new(Limits::default());
    for bad in [frame(0x81, b"\xff"), frame(0x88, b""), [frame(0x01, b"\xff"), frame(0x80, b"")].concat()] {
        receive(&mut receiver, [&bad[..]]);
        assert_eq!(receive(&mut receiver, [&frame(0x81, b"a")[..]]).0, [Ok(text("a"))]);
    }
}

#[test]
fn breaches_of_the_protocol_close_with_1002() {
    let unfinished = frame(0x01, b"a");
    for bad in [
        frame(0x80, b"a"),
        frame(0x09, b"a"),
        frame(0x89, &[0; 126]),
        frame(0xa1, b"a"),
        frame(0x8b, b"a"),
        frame(0x88, b"a"),
        frame(0x88, &1005u16.to_be_bytes()),
        frame(0x88, &999u16.to_be_bytes()),
        [&unfinished[..], &frame(0x81, b"a")].concat(),
        b"\x89\x00".into(),
    ] {
        assert_eq!(error_code(&bad), 1002, "{bad:02x?}");
    }
}

#[test]
fn text_must_be_utf8() {
    assert_eq!(error_code(&frame(0x81, b"\xff")), 1007);
    assert_eq!(error_code(&frame(0x88, b"\x03\xe8\xff")), 1007);
    assert_eq!(receive_whole(&[frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat()).0, [Ok(text("é"))]);
}

#[test]
fn a_large_message_is_refused_by_its_header() {
    let limit = Limits::default().max_message_size;
    assert_eq!(error_code(&frame(0x82, &vec![0; limit + 1])[..14]), 1009);
    assert_eq!(error_code(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), 1009);
    let first = frame(0x02, &vec![0; limit / 2]);
    assert_eq!(error_code(&[&first[..], &frame(0x80, &vec![0; limit / 2 + 1])[..14]].concat()), 1009);
    let whole = [first, frame(0x80, &vec![0; limit / 2])].concat();
    assert_eq!(receive_whole(&whole).0, [Ok(Input::Binary(vec![0; limit].into()))]);
}

#[test]
fn fragments_take_no_memory_beyond_their_bytes() {
    let fragments = Limits::default().max_fragments as usize;
    let (mut receiver, mut incoming) = (Receiver::new(Limits::default()), Incoming::default());
    let raw = [frame(0x01, b"x"), frame(0x00, b"x").repeat(fragments - 2), frame(0x80, b"x")].concat();
    let mut steps = Vec::new();
    for piece in raw.chunks(64 * 1024) {
        let mut feed = receiver.feed(&mut incoming, piece);
        steps.extend(std::iter::from_fn(|| feed.next(&mut Vec::new())));
        drop(feed);
        assert!(incoming.held() <= 2 * fragments, "{}", incoming.held());
    }
    assert_eq!(steps, [Ok(Input::Text("x".repeat(fragments).into()))]);
}

#[test]
fn too_many_fragments_close_with_1008() {
    let most = Limits::default().max_fragments as usize;
    let mut raw = [frame(0x02, b""), frame(0x00, b"").repeat(most - 2)].concat();
    let whole = [&raw[..], &frame(0x80, b"")].concat();
    assert_eq!(receive_whole(&whole).0, [Ok(Input::Binary(Bytes::new()))]);
    raw.extend(frame(0x00, b""));
    raw.extend(frame(0x80, b""));
    assert_eq!(error_code(&raw), 1008);
}

#[test]
fn memory_grows_with_what_arrived() {
    let (mut receiver, mut incoming) = (Receiver::new(Limits::default()), Incoming::default());
    let raw = frame(0x82, &vec![0; 900_000]);
    let (head, tail) = raw.split_at(1000);
    assert_eq!(receiver.feed(&mut incoming, head).next(&mut Vec::new()), None);
    assert!(incoming.held() <= 2000);
    assert!(receiver.feed(&mut incoming, tail).next(&mut Vec::new()).is_some());
    assert_eq!(incoming.held(), 0);
}

#[test]
fn a_large_message_leaves_no_large_buffer() {
    let mut receiver = Receiver::new(Limits::default());
    receive(&mut receiver, [&[frame(0x02, &vec![0; 900_000]), frame(0x80, b"")].concat()[..]]);
    let (mut steps, _) = receive(&mut receiver, [&[frame(0x02, b"a"), frame(0x80, b"")].concat()[..]]);
    drop(receiver);
    let Some(Ok(Input::Binary(small))) = steps.pop() else { panic!() };
    assert!(!small.try_into_mut().unwrap().try_reclaim(2));
}

/// Frames of random messages, fragmented, with pings and pongs in between.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let repeats = prop_oneof![8 => Just(1), 1 => Just(10), 1 => Just(3000)];
    let payload = ("\\PC{0,30}", repeats).prop_map(|(text, repeats)| text.repeat(repeats));
    let control = prop_oneof![3 => Just(None), 1 => (9..11u8, vec(any::<u8>(), 0..125)).prop_map(Some)];
    let message = (payload, 1..3u8, vec((any::<prop::sample::Index>(), control), 0..5));
    vec(message, 0..6).prop_map(|messages| {
        let mut raw = Vec::new();
        for (payload, opcode, cuts) in messages {
            let mut ends: Vec<_> = cuts.iter().map(|(cut, _)| cut.index(payload.len() + 1)).collect();
            ends.sort_unstable();
            let mut start = 0;
            for (fragment, end) in ends.iter().copied().chain([payload.len()]).enumerate() {
                let last = u8::from(fragment == cuts.len()) << 7;
                let opcode = if fragment == 0 { opcode } else { 0 };
                raw.extend(frame(last | opcode, &payload.as_bytes()[start..end]));
                start = end;
                if let Some((_, Some((opcode, payload)))) = cuts.get(fragment) {
                    raw.extend(frame(0x80 | opcode, payload));
                }
            }
        }
        raw
    })
}

fn split<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = bytes.split_at(*cut.min(&bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 0..20usize, 1 => 0..3000usize], 0..40)
}

/// What tungstenite alone makes of a stream.
fn reference(bytes: &[u8]) -> (Vec<Step>, Vec<u8>) {
    let (mut steps, mut reply) = (Vec::new(), Vec::new());
    let stream = Stream { bytes, reply: &mut reply };
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => steps.push(Ok(Input::Text(text.as_str().into()))),
            Ok(Message::Binary(data)) => steps.push(Ok(Input::Binary(data))),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    drop(socket);
    (steps, reply)
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_its_messages(raw in stream(), cuts in cuts()) {
        let expected = reference(&raw);
        prop_assert_eq!(&receive_whole(&raw), &expected);
        prop_assert_eq!(receive(&mut Receiver::new(Limits::default()), split(&raw, &cuts)), expected);
    }

    #[test]
    fn stopping_after_each_message_loses_none(raw in stream(), cuts in cuts()) {
        let (mut receiver, mut incoming) = (Receiver::new(Limits::default()), Incoming::default());
        let (mut steps, mut reply) = (Vec::new(), Vec::new());
        for piece in split(&raw, &cuts) {
            steps.extend(receiver.feed(&mut incoming, piece).next(&mut reply).filter(is_telling));
        }
        while let Some(step) = receiver.feed(&mut incoming, &[]).next(&mut reply) {
            steps.extend(Some(step).filter(is_telling));
        }
        prop_assert_eq!((steps, reply), reference(&raw));
        prop_assert_eq!(incoming.held(), 0);
    }

    #[test]
    fn broken_streams_break_alike_however_they_are_split(
        mut raw in stream(),
        noise in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in vec(any::<u8>(), 0..100),
        cuts in cuts(),
    ) {
        raw.extend(tail);
        for (place, byte) in noise {
            let length = raw.len();
            if length > 0 {
                raw[place.index(length)] = byte;
            }
        }
        let mut receiver = Receiver::new(Limits { max_message_size: 500, max_fragments: 4 });
        let whole = receive(&mut receiver, [&raw[..]]);
        prop_assert_eq!(receive(&mut receiver, split(&raw, &cuts)), whole);
    }
}
