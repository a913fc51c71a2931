//! What decoding makes of a message beside its bytes. A message whose many small pieces would become many times as large is
//! refused before they are made, however short it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::DecodeError;
use crate::socketio::json;

/// Bytes that the pieces of a message may take.
pub const MAX_COST: usize = 32 * 1024 * 1024;

/// What a piece takes beside its bytes: the name of a room, an attachment, an element or a member of JSON.
pub const PIECE: usize = 64;

/// Whether so many pieces may be made of a message.
pub const fn allows(pieces: usize) -> bool {
    pieces <= MAX_COST / PIECE
}

/// What texts take, each a piece with its bytes.
pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(|text| PIECE + text.len()).sum()
}

/// That a value of JSON is made of few enough pieces.
pub fn check(value: &RawValue) -> Result<(), DecodeError> {
    let text = value.get();
    // A piece takes a byte at least.
    if allows(text.len()) || allows(json::pieces(text)) { Ok(()) } else { Err(DecodeError::TooCostly) }
}

/// Reads a value of JSON that is made of few enough pieces.
pub fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, DecodeError> {
    check(value)?;
    Ok(serde_json::from_str(value.get())?)
}
