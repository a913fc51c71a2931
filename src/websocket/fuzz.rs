//! What holds of a client's frames for any bytes.
#![allow(clippy::indexing_slicing)]

use super::frame::{Limits, WebSocketError};
use super::incoming::{Incoming, Input, Receiver};
use crate::pieces;

const LIMITS: Limits = Limits { max_message_size: 1024, max_fragments: 4 };

type Step = Result<Input, WebSocketError>;

/// Frames: their pieces do not matter, nor when a shard goes on with them; no more is kept or answered than came; a message
/// that is sent again, in one frame and in two, is the same.
pub fn frames(bytes: &[u8]) {
    let (steps, reply) = receive(&[bytes]);
    assert!(reply.len() <= bytes.len());
    for pieces in pieces::ways(bytes) {
        assert_eq!(receive(&pieces), (steps.clone(), reply.clone()), "in pieces");
        assert_eq!(receive_one_by_one(&pieces), (steps.clone(), reply.clone()), "one message a turn");
    }
    for step in steps {
        let (first, payload): (_, &[u8]) = match &step {
            Ok(Input::Text(text)) => (1, text.as_bytes()),
            Ok(Input::Binary(data)) => (2, data),
            Ok(Input::Control | Input::Close(_)) | Err(_) => continue,
        };
        let (one, other) = payload.split_at(payload.len() / 2);
        let whole = frame(0x80 | first, payload);
        let halves = [frame(first, one), frame(0x80, other)].concat();
        for bytes in [whole, halves] {
            assert_eq!(receive(&[&bytes]), (vec![step.clone()], Vec::new()));
        }
    }
}

/// All that comes of some bytes, and the frames that answer them.
fn receive(pieces: &[&[u8]]) -> (Vec<Step>, Vec<u8>) {
    let (mut receiver, mut incoming) = (Receiver::new(LIMITS), Incoming::default());
    let (mut steps, mut reply, mut fed) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        let mut feed = receiver.feed(&mut incoming, piece);
        steps.extend(std::iter::from_fn(|| feed.next(&mut reply)));
        drop(feed);
        fed += piece.len();
        assert!(incoming.held() <= 4 * fed + 16, "{} bytes are held of {fed}", incoming.held());
        if is_over(&steps) {
            break;
        }
    }
    (steps, reply)
}

/// The same, if the shard stops after each message, and goes on without new bytes.
fn receive_one_by_one(pieces: &[&[u8]]) -> (Vec<Step>, Vec<u8>) {
    let (mut receiver, mut incoming) = (Receiver::new(LIMITS), Incoming::default());
    let (mut steps, mut reply) = (Vec::new(), Vec::new());
    let mut pieces = pieces.iter().copied();
    while !is_over(&steps) {
        let (piece, is_last) = pieces.next().map_or((&[][..], true), |piece| (piece, false));
        let step = receiver.feed(&mut incoming, piece).next(&mut reply);
        if step.is_none() && is_last {
            break;
        }
        steps.extend(step);
    }
    (steps, reply)
}

fn is_over(steps: &[Step]) -> bool {
    matches!(steps.last(), Some(Ok(Input::Close(_)) | Err(_)))
}

/// A client's frame, of at most [`LIMITS`].
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let length = match payload.len() {
        short @ ..126 => vec![0x80 | short as u8],
        long => [&[0x80 | 126][..], &(long as u16).to_be_bytes()].concat(),
    };
    let masked: Vec<u8> = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    [&[first][..], &length, &MASK, &masked].concat()
}
