//! Why messages cannot be read or written.

use thiserror::Error;

use crate::cluster::dropped::DropReason;
use crate::msgpack::{MsgpackError, PackError};

/// Why a message from Redis does not fit its channel. It is dropped, without further consequences.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// It is not MessagePack of the right shape.
    #[error("not an adapter's MessagePack: {0}")]
    Msgpack(#[from] MsgpackError),
    /// It is not JSON of the right shape.
    #[error("not an adapter's JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It begins like JSON but is not UTF-8.
    #[error("not UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    /// A broadcast has fewer than three parts.
    #[error("{0} parts instead of uid, packet and opts")]
    Parts(u32),
    /// A required member is missing.
    #[error("no member {0:?}")]
    Missing(&'static str),
    /// A member has a kind without a meaning.
    #[error("{member:?} is no {expected}")]
    Kind {
        /// The member.
        member: &'static str,
        /// The expected kind.
        expected: &'static str,
    },
    /// A broadcast is for another namespace than its channel.
    #[error("a packet for namespace {0:?} on the channel of another")]
    Namespace(Box<str>),
    /// The packet does not carry an event.
    #[error("a packet of type {0} instead of 2, an event")]
    PacketType(u64),
    /// The data is not a list that begins with an event's name.
    #[error("the data does not begin with an event's name")]
    NoEvent,
    /// The receiver reserves the event's name.
    #[error("{0:?} is a reserved event name")]
    Reserved(String),
    /// An event for servers holds binary data.
    #[error("events for servers cannot hold binary data")]
    Binary,
    /// The message is longer than allowed (`redis_message`), so it was not read.
    #[error("longer than {most} bytes (KINGLET_REDIS_MESSAGE)")]
    TooLong {
        /// What a message may have.
        most: usize,
    },
    /// Arguments nest deeper than [`MAX_DEPTH`](crate::msgpack::MAX_DEPTH).
    #[error("the data nests deeper than {} levels", crate::msgpack::MAX_DEPTH)]
    TooDeep,
    /// Its many pieces, such as rooms or attachments, would take too much memory.
    #[error("its pieces would take more than {} bytes", super::cost::MAX_COST)]
    TooCostly,
    /// There is no such type of request.
    #[error("a request of unknown type {0}")]
    RequestType(String),
    /// There is no such type of response, or not in MessagePack.
    #[error("a response of unknown type {0}")]
    ResponseType(u64),
}

impl From<&DecodeError> for DropReason {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::Msgpack(error) => error.into(),
            DecodeError::Json(error) if error.is_data() => Self::Shape,
            DecodeError::Json(_) | DecodeError::Utf8(_) => Self::Encoding,
            DecodeError::Parts(_) | DecodeError::Missing(_) | DecodeError::Kind { .. } => Self::Shape,
            DecodeError::PacketType(_) | DecodeError::RequestType(_) | DecodeError::ResponseType(_) => Self::Type,
            DecodeError::NoEvent | DecodeError::Reserved(_) | DecodeError::Binary => Self::Event,
            DecodeError::Namespace(_) => Self::Namespace,
            DecodeError::TooDeep | DecodeError::TooCostly | DecodeError::TooLong { .. } => Self::Size,
        }
    }
}

impl From<&MsgpackError> for DropReason {
    fn from(error: &MsgpackError) -> Self {
        match error {
            MsgpackError::Truncated { .. } | MsgpackError::Trailing { .. } | MsgpackError::Unused { .. } => {
                Self::Encoding
            }
            MsgpackError::Unexpected { .. } | MsgpackError::Placeholder { .. } => Self::Shape,
            MsgpackError::TooDeep { .. } | MsgpackError::TooCostly { .. } => Self::Size,
        }
    }
}

/// Why a message cannot be published.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The arguments cannot be MessagePack.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A text that should be JSON is not.
    #[error("no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The data is not a list that begins with an event's name.
    #[error("the data is not a list that begins with an event's name")]
    NoEvent,
    /// Servers reserve the event's name.
    #[error("{0:?} is a reserved event name: choose another")]
    Reserved(String),
    /// Binary data among the arguments of a message that is JSON.
    #[error("events for servers cannot hold binary data")]
    Binary,
}
