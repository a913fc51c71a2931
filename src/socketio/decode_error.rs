//! Why a client's packet is refused, and the limits that it must keep to.

use thiserror::Error;

use crate::msgpack::MsgpackError;

/// Limits of a client's packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most attachments of a packet. Default 10, as on Node (`maxAttachments`).
    pub max_attachments: u32,
    /// Most levels of arrays and objects in a payload. Default 128; Node has no such limit.
    pub max_depth: usize,
    /// Most bytes of a packet with attachments, including its text. Default 11 000 000: a text and ten attachments,
    /// each as long as a message may be by default. Node has no such limit.
    pub max_bytes: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_attachments: 10, max_depth: 128, max_bytes: 11_000_000 }
    }
}

/// Why a message was refused, in Node's words. Its session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The type is a digit above 6.
    #[error("unknown packet type {0}")]
    UnknownType(char),
    /// The type is not a digit.
    #[error("unknown packet type NaN")]
    TypeNotANumber,
    /// The payload is not JSON, or does not fit the packet's type; or the ack id is not a number.
    #[error("invalid payload")]
    InvalidPayload,
    /// The payload nests deeper than [`DecodeLimits::max_depth`].
    #[error("invalid payload")]
    TooDeep,
    /// The number of attachments is not a whole number from 1.
    #[error("Illegal attachments")]
    IllegalCount,
    /// The packet announces more attachments than [`DecodeLimits::max_attachments`].
    #[error("too many attachments")]
    TooManyAttachments,
    /// A placeholder stands for an attachment that does not exist.
    #[error("illegal attachments")]
    IllegalPlaceholder,
    /// A packet and its attachments are larger than [`DecodeLimits::max_bytes`].
    #[error("packet too large")]
    TooLarge,
    /// A text came where an attachment was due.
    #[error("got plaintext data when reconstructing a packet")]
    UnexpectedText,
    /// A binary message came that no packet announced.
    #[error("got binary data when not reconstructing a packet")]
    UnexpectedBinary,
    /// A binary message came that no packet announced, and it is a packet in MessagePack.
    #[error("a packet in MessagePack")]
    MessagePack,
    /// A text came, and the server's parser is MessagePack.
    #[error("a packet in JSON")]
    Json,
    /// The message is not a map in MessagePack.
    #[error("{0}")]
    Malformed(MsgpackError),
    /// In MessagePack, the type is not a whole number up to 4.
    #[error("invalid packet type")]
    InvalidType,
    /// In MessagePack, the namespace is not a text.
    #[error("invalid namespace")]
    InvalidNamespace,
    /// In MessagePack, the ack id is not a whole number from zero.
    #[error("invalid packet id")]
    InvalidId,
}

impl From<MsgpackError> for DecodeError {
    fn from(error: MsgpackError) -> Self {
        match error {
            MsgpackError::TooDeep { .. } => Self::TooDeep,
            MsgpackError::TooCostly { .. } => Self::TooLarge,
            MsgpackError::Placeholder { .. } => Self::IllegalPlaceholder,
            error => Self::Malformed(error),
        }
    }
}
