//! The memory that decoding a message takes beside its bytes. A message with many small pieces that would become many
//! times as large is refused before they are made, however short it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::DecodeError;
pub(super) use crate::msgpack::{MAX_COST, PIECE};
use crate::socketio::json;

/// Whether a message may have this many pieces.
pub const fn allows(pieces: usize) -> bool {
    pieces <= MAX_COST / PIECE
}

/// What texts take; each is a piece with its bytes.
pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(|text| PIECE + text.len()).sum()
}

/// Checks that a JSON value has few enough pieces.
pub fn check(value: &RawValue) -> Result<(), DecodeError> {
    let text = value.get();
    // A piece takes at least a byte.
    if allows(text.len()) || allows(json::pieces(text)) { Ok(()) } else { Err(DecodeError::TooCostly) }
}

/// Reads a JSON value that has few enough pieces.
pub fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, DecodeError> {
    check(value)?;
    Ok(serde_json::from_str(value.get())?)
}
