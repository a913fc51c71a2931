//! What one instance tells another, in MessagePack.

pub(crate) mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod moving;
pub(crate) mod recovery;
pub(crate) mod relay;

use bytes::Bytes;

use self::recovery::Recovery;
use self::relay::{Relay, ToOwner};
use crate::msgpack::{self, MsgpackError, Reader};

/// What an instance tells others about clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// About a request or a WebSocket of a session that lives on another instance.
    Relay(Relay),
    /// About a client that comes back to another instance.
    Recovery(Recovery),
}

/// What instances tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// The sender hears from now on; what was under way with it is over.
    Hello,
    /// The answer to HELLO.
    Welcome,
    /// The sender ends.
    Bye,
    /// Something about clients.
    Body(Body),
    /// Something of a later version. It has its number among the others.
    Unknown,
}

/// What the kinds of messages are on the wire.
mod kind {
    pub(super) const HELLO: u64 = 1;
    pub(super) const WELCOME: u64 = 2;
    pub(super) const BYE: u64 = 3;
    pub(super) const RELAY: u64 = 4;
    pub(super) const RECOVERY: u64 = 5;
}

impl Message {
    /// Whether its receiver may be one that a client has named, not one that has spoken.
    pub(super) const fn may_name_anyone(&self) -> bool {
        matches!(self, Self::Body(Body::Relay(Relay::ToOwner { what: ToOwner::Request { .. }, .. })))
    }

    /// Appends the message: its kind, then what the kind needs.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello => bare(out, kind::HELLO),
            Self::Welcome => bare(out, kind::WELCOME),
            Self::Bye => bare(out, kind::BYE),
            Self::Unknown => bare(out, 0),
            Self::Body(Body::Relay(relay)) => {
                msgpack::uint(out, kind::RELAY);
                relay.write(out);
            }
            Self::Body(Body::Recovery(recovery)) => {
                msgpack::uint(out, kind::RECOVERY);
                recovery.write(out);
            }
        }
    }

    /// Roughly how many bytes it takes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Hello | Self::Welcome | Self::Bye | Self::Unknown => 2,
            Self::Body(Body::Relay(relay)) => 1 + relay.len(),
            Self::Body(Body::Recovery(recovery)) => 1 + recovery.len(),
        }
    }

    /// Reads a message that begins here; `message` is all that the reader reads.
    pub(super) fn read(reader: &mut Reader<'_>, message: &Bytes) -> Result<Self, MsgpackError> {
        Ok(match reader.uint()? {
            kind::RELAY => Self::Body(Body::Relay(Relay::read(reader, message)?)),
            kind::RECOVERY => Self::Body(Body::Recovery(Recovery::read(reader, message)?)),
            bare => {
                reader.skip()?;
                match bare {
                    kind::HELLO => Self::Hello,
                    kind::WELCOME => Self::Welcome,
                    kind::BYE => Self::Bye,
                    _ => Self::Unknown,
                }
            }
        })
    }
}

fn bare(out: &mut Vec<u8>, kind: u64) {
    msgpack::uint(out, kind);
    msgpack::nil(out);
}
