//! Why messages that came from Redis are dropped.

/// Why a message from Redis was dropped, for counters and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// It is neither MessagePack nor JSON, or has trailing bytes.
    Encoding,
    /// A part is missing or has a kind without a meaning.
    Shape,
    /// Its type is unknown.
    Type,
    /// It carries no event, or one whose name is reserved.
    Event,
    /// It is for another namespace than its channel.
    Namespace,
    /// It is too long (`redis_message`), nests too deep, or has too many pieces.
    Size,
    /// It is from another instance, and not signed with this server's key (`KINGLET_PEER_KEY`).
    Signature,
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Encoding, Self::Shape, Self::Type, Self::Event, Self::Namespace, Self::Size, Self::Signature];

    /// The reason's name, as metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Shape => "shape",
            Self::Type => "type",
            Self::Event => "event",
            Self::Namespace => "namespace",
            Self::Size => "size",
            Self::Signature => "signature",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_number() {
        for (number, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number, "{}", reason.as_str());
        }
    }
}
