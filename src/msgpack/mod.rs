//! MessagePack as Node's packages write and read it, and JSON text with attachments, the form of arguments everywhere
//! else. Both conversions go directly from bytes to bytes, without a tree of values.
//!
//! | MessagePack | JSON |
//! |---|---|
//! | nil, true, false, texts, arrays | the same |
//! | whole numbers of up to 64 bits | all their digits |
//! | floats | as `JSON.stringify` writes them: `null` for NaN and the infinities, no exponent below 1e21 |
//! | bin | a placeholder, and the bytes as the next attachment |
//! | maps | objects; keys become the texts that JavaScript makes of them, but for extensions, which are refused |
//! | timestamps (extension −1, and the old form, 0 of eight bytes) | ISO 8601, `null` outside of JavaScript's range |
//! | extension 0 of one byte: `undefined` | `null`; inside of a map the member is left out |
//! | extension 0 with a length of its own | as bin |
//! | other extensions | `[type, bytes]` |
//!
//! In the other direction, whole numbers become the shortest integers, whatever their notation, and floats beyond 64
//! bits. Halves of surrogate pairs in JSON, and invalid UTF-8 in MessagePack, become U+FFFD.
//!
//! # Placeholders
//!
//! In a packet without attachments no object is a placeholder, whatever it looks like: the client's decoder works so,
//! and so does this; the object stays a map. In a packet with attachments every object whose member `_placeholder` is
//! `true` is a placeholder. From JSON it becomes its bin; if it has none, the packet is refused. From MessagePack, a
//! map that looks like a placeholder is accepted unless there are bins as well: then JSON could not distinguish it from
//! a placeholder, and the packet is refused.
//!
//! # Bounds
//!
//! Values nest at most [`MAX_DEPTH`] deep, as in packets from clients. Announced lengths are trusted only as far as the
//! bytes reach. The JSON text, with 64 bytes for each attachment, is at most 32 MiB longer than the message. In the
//! other direction the result is at most three times as long, and attachments are not multiplied: repeated placeholders
//! may not stand for more bytes than there are.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod date;
mod error;
mod from_json;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod number;
mod reader;
mod scanner;
mod to_json;
mod writer;

pub use date::date_text;
pub(crate) use from_json::Packed;
pub(crate) use reader::{Head, Reader, unexpected};
pub(crate) use to_json::Transcoder;
pub(crate) use writer::{array, bin, boolean, int, map, nil, text, uint};

pub use error::{MsgpackError, PackError};

/// Most levels of arrays and objects in the arguments of a message, both ways: the default of
/// `DecodeLimits::max_depth`.
pub const MAX_DEPTH: usize = 128;

/// Bytes that the pieces of a message may take beside those of the message.
pub(crate) const MAX_COST: usize = 32 * 1024 * 1024;

/// What a piece takes beside its bytes: a room's name, an attachment, an element or a member of JSON.
pub(crate) const PIECE: usize = 64;
