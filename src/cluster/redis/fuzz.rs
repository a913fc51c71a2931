//! What holds of replies for any bytes.
#![allow(clippy::indexing_slicing)]

use redis::{Parser, Value};

use super::sieve::{NIL, Sieve, Verdict};
use super::wire;
use crate::pieces;

/// Longest text that passes.
const MOST: usize = 16;

/// Most bytes at once, so few that the texts of one value are never too long together.
const MOST_BYTES: usize = 4096;

/// Replies: their pieces do not matter, a sieve for long texts changes nothing, and one for short texts changes nothing but
/// that long ones are nil.
pub fn replies(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let sieved = sieve(MOST, &[bytes]);
    for pieces in pieces::ways(bytes) {
        assert_eq!(sieve(MOST, &pieces).escape_ascii().to_string(), sieved.escape_ascii().to_string());
        // Beyond all memory is only a text that never ends.
        let passed = sieve(usize::MAX, &pieces);
        assert!(passed == bytes || passed.strip_suffix(NIL).is_some_and(|begun| bytes.starts_with(begun)));
    }
    let values = values(bytes);
    // An error of version 3, behind an exclamation mark, is read as one of version 2.
    if !bytes.contains(&b'!') && values.iter().all(is_of_version_2) {
        let expected: Vec<_> = values.into_iter().map(without_long_texts).collect();
        let found = self::values(&sieved);
        assert_eq!(found[..expected.len().min(found.len())], expected);
    }
}

/// What passes, and at the end what waits for more bytes.
fn sieve(most: usize, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut sieve, mut waiting, mut out) = (Sieve::new(most), Vec::new(), Vec::new());
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            let (count, instead) = match sieve.judge(&waiting) {
                Verdict::Pass(count) => (count, None),
                Verdict::Drop(count) => (count, Some(&b""[..])),
                Verdict::Replace(count) => (count, Some(NIL)),
                Verdict::Wait => break,
            };
            assert!(count > 0, "nothing is judged for ever");
            let judged = waiting.drain(..count);
            match instead {
                Some(instead) => out.extend_from_slice(instead),
                None => out.extend(judged),
            }
        }
        assert!(waiting.len() <= 23, "{} bytes wait", waiting.len());
    }
    out.append(&mut waiting);
    out
}

/// The values up to the first that is not whole, or none of Redis's.
fn values(mut bytes: &[u8]) -> Vec<Value> {
    let mut parser = Parser::new();
    let mut values = Vec::new();
    while let Ok(value) = parser.parse_value(&mut bytes) {
        if let Value::ServerError(error) = &value {
            let _ = wire::text(error);
        }
        values.push(value);
    }
    values
}

/// Whether a value is of the protocol that is spoken, version 2.
fn is_of_version_2(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_of_version_2),
        Value::Nil | Value::Int(_) | Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => true,
        Value::ServerError(_) => true,
        _ => false,
    }
}

fn without_long_texts(value: Value) -> Value {
    match value {
        Value::BulkString(text) if text.len() > MOST => Value::Nil,
        Value::Array(items) => Value::Array(items.into_iter().map(without_long_texts).collect()),
        other => other,
    }
}
