//! MessagePack as Node's adapter writes and reads it, beside JSON text and attachments, the form that arguments have
//! everywhere else. Both ways go straight from bytes to bytes: no tree of values is built.
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
//! Back, numbers that are whole become the shortest integers, whatever way they were written, and floats if they are
//! beyond 64 bits. Halves of surrogate pairs in JSON, and what is not UTF-8 in MessagePack, become U+FFFD.
//!
//! # Placeholders
//!
//! In a packet without attachments no object is a placeholder, whatever it looks like; so the client's decoder has it, and so
//! it is here: it stays a map. In a packet with attachments every object whose member `_placeholder` is `true` is one. From
//! JSON it becomes the bin that it stands for; if it stands for none, the packet is refused. From MessagePack a map that
//! looks like one is let through unless there are bins as well: beside these no JSON could tell it from a placeholder, so
//! the packet is refused.
//!
//! # Bounds
//!
//! Values nest [`MAX_DEPTH`] deep at most, as they do in packets from clients. Announced lengths are believed only as far as
//! the bytes reach. The JSON text, with 64 bytes for each attachment, is at most 32 MiB longer than the message was. The
//! other way it is at most three times as long, and attachments are not multiplied: placeholders that
//! repeat one may not stand for more bytes than there are.

mod error;
mod from_json;
mod reader;
mod scanner;
mod to_json;
mod writer;

pub(super) use from_json::Packed;
pub(super) use reader::{Head, Reader, unexpected};
pub(super) use to_json::Transcoder;
pub(super) use writer::{array, boolean, map, text, uint};

pub use error::{MsgpackError, PackError};

/// Most levels of arrays and objects in the arguments of a message, both ways: the default of
/// [`DecodeLimits::max_depth`](crate::socketio::DecodeLimits::max_depth).
pub const MAX_DEPTH: usize = 128;
