//! Why MessagePack cannot be read or written.

use thiserror::Error;

use super::{MAX_COST, MAX_DEPTH};

/// Why bytes are not the MessagePack that was expected. `at` counts bytes from the message's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MsgpackError {
    /// The message ends in a value, or before an announced one.
    #[error("cut short at byte {at}")]
    Truncated {
        /// Where the unfinished value begins.
        at: usize,
    },
    /// Something follows the message.
    #[error("the message ends at byte {at}, but {count} more follow")]
    Trailing {
        /// Where the message ends.
        at: usize,
        /// How much follows.
        count: usize,
    },
    /// The byte `c1`, which begins no value.
    #[error("byte c1 begins no value, at byte {at}")]
    Unused {
        /// Where it stands.
        at: usize,
    },
    /// A value of another kind.
    #[error("{found} instead of {expected}, at byte {at}")]
    Unexpected {
        /// What ought to be there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
        /// Where it is.
        at: usize,
    },
    /// Arguments nest deeper than [`MAX_DEPTH`].
    #[error("arrays and maps nest deeper than {MAX_DEPTH} levels, at byte {at}")]
    TooDeep {
        /// Where the value too deep begins.
        at: usize,
    },
    /// Many small pieces, such as rooms or attachments, would take too much memory.
    #[error("its pieces would take more than {MAX_COST} bytes, at byte {at}")]
    TooCostly {
        /// Where the pieces begin, or where the first one too many is.
        at: usize,
    },
    /// A map that looks like a placeholder is beside binary data: clients would take it for binary data, too.
    #[error("a map looks like the placeholder of an attachment, at byte {at}")]
    Placeholder {
        /// Where it begins.
        at: usize,
    },
}

/// Why a message cannot be written. `at` counts bytes of its JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PackError {
    /// The text is not JSON.
    #[error("no JSON: {expected} was expected at byte {at}")]
    Json {
        /// What ought to be there.
        expected: &'static str,
        /// Where it ought to be.
        at: usize,
    },
    /// The text nests deeper than [`MAX_DEPTH`].
    #[error("arrays and objects nest deeper than {MAX_DEPTH} levels, at byte {at}")]
    TooDeep {
        /// Where the value too deep begins.
        at: usize,
    },
    /// A placeholder has no attachment.
    #[error("a placeholder stands for none of the attachments, at byte {at}")]
    Placeholder {
        /// Where it begins.
        at: usize,
    },
    /// Placeholders repeat an attachment, so that together they stand for more bytes than there are.
    #[error("placeholders repeat attachments, from byte {at}")]
    Repeated {
        /// Where the first placeholder too many begins.
        at: usize,
    },
    /// A text, an attachment, an array or an object is too long for MessagePack.
    #[error("a value of length {length} is too long for MessagePack")]
    TooLong {
        /// Its length.
        length: usize,
    },
}
