//! What holds of both conversions for any bytes.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::error::{MsgpackError, PackError};
use super::from_json::Packed;
use super::reader::Reader;
use super::to_json::Transcoder;
use super::{Head, MAX_COST, MAX_DEPTH, PIECE};

/// Most bytes of JSON for each byte of a message: an empty map as a name is `[object Object],`.
const MOST_FOR_A_BYTE: usize = 30;

/// MessagePack: what is read is JSON in proportion, and comes back as the same JSON.
pub fn msgpack_to_json(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    check_skip(&message);
    let Ok((text, attachments)) = to_json(&message) else { return };
    assert!(is_allowed(&text), "{text}");
    assert!(text.len() + PIECE * attachments.len() <= message.len() + MAX_COST);
    assert!(text.len() <= MOST_FOR_A_BYTE * message.len() && attachments.len() <= message.len());
    match from_json(&text, &attachments) {
        Ok(packed) => assert_eq!(to_json(&packed.into()), Ok((text, attachments))),
        Err(error) => unreachable!("{text} cannot be packed: {error}"),
    }
}

/// That skipping a value ends where reading its heads ends, and that a head is no longer than what is there.
fn check_skip(message: &Bytes) {
    let (mut skipping, mut reading) = (Reader::new(message), Reader::new(message));
    let skipped = skipping.skip();
    let mut values = 1_u64;
    while values > 0 {
        match reading.head() {
            Ok(Head::Array(parts)) => values += u64::from(parts),
            Ok(Head::Map(parts)) => values += 2 * u64::from(parts),
            Ok(_) => {}
            Err(error) => return assert_eq!(skipped, Err(error)),
        }
        values -= 1;
    }
    assert_eq!((skipped, skipping.at()), (Ok(()), reading.at()));
}

/// JSON, and attachments behind U+001E each: whatever JSON allows is packed in proportion, and says the same when it is packed
/// again.
pub fn json_to_msgpack(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0x1e);
    let Some(Ok(text)) = parts.next().map(str::from_utf8) else { return };
    let attachments: Vec<Bytes> = parts.map(Bytes::copy_from_slice).collect();
    let is_allowed = is_allowed(text);
    let plain = from_json(text, &[]);
    assert_eq!(plain.is_ok(), is_allowed, "{plain:?}");
    check_packed(plain, text);
    let packed = from_json(text, &attachments);
    assert!(is_allowed || packed.is_err());
    check_packed(packed, text);
}

/// Whether a text is JSON that nests no deeper than it may.
fn is_allowed(text: &str) -> bool {
    depth(text) <= MAX_DEPTH && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The most levels of arrays and objects of a text, which need not be JSON.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut most, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

fn check_packed(packed: Result<Vec<u8>, PackError>, text: &str) {
    let Ok(packed) = packed else { return };
    let packed = Bytes::from(packed);
    // A map may look like a placeholder, which JSON cannot say beside attachments.
    match to_json(&packed) {
        Ok((again, attachments)) => {
            let repacked = from_json(&again, &attachments).map(Bytes::from);
            assert_eq!(repacked.map(|packed| to_json(&packed)), Ok(Ok((again, attachments))));
        }
        Err(error) => unreachable!("{text} is not read: {error}"),
    }
}

fn to_json(message: &Bytes) -> Result<(String, Vec<Bytes>), MsgpackError> {
    let mut reader = Reader::new(message);
    let mut transcoder = Transcoder::new(message, message.len());
    transcoder.value(&mut reader)?;
    reader.end()?;
    transcoder.finish()
}

fn from_json(json: &str, attachments: &[Bytes]) -> Result<Vec<u8>, PackError> {
    let packed = Packed::pack(json, attachments)?;
    let mut out = Vec::new();
    packed.write(&mut out);
    assert!(out.len() <= packed.capacity());
    let given = json.len() + attachments.iter().map(Bytes::len).sum::<usize>();
    assert!(out.len() <= 3 * given + 1, "{} bytes of {given}", out.len());
    Ok(out)
}
