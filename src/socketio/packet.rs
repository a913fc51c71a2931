//! A client's Socket.IO packet, complete with its attachments.

use bytestring::ByteString;

use super::arguments::Arguments;

/// A packet. Types 5 and 6 (with attachments) are events and acknowledgements like types 2 and 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Type 0: the client asks to join a namespace.
    Connect {
        /// The requested namespace, query included.
        namespace: ByteString,
        /// The client's authentication data: the text of a JSON object.
        auth: Option<ByteString>,
    },
    /// Type 1: the client leaves a namespace.
    Disconnect {
        /// The namespace left.
        namespace: ByteString,
    },
    /// Types 2 and 5.
    Event {
        /// The namespace it is for.
        namespace: ByteString,
        /// Set when an acknowledgement is wanted. Ids beyond `u64` become `u64::MAX`.
        id: Option<u64>,
        /// The event. A packet without payload is allowed and names no event.
        event: Option<Event>,
    },
    /// Types 3 and 6.
    Ack {
        /// The namespace it is for.
        namespace: ByteString,
        /// The id of the event it answers. Ids beyond `u64` become `u64::MAX`.
        id: Option<u64>,
        /// The answer, unless the packet has no payload.
        arguments: Option<Arguments>,
    },
    /// Type 4: only servers send it; from a client it is a violation.
    ConnectError {
        /// The namespace it is for.
        namespace: ByteString,
    },
}

/// An event: a name and arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name. A name sent as a number is that number's text; one with half a surrogate pair stays escaped.
    pub name: ByteString,
    /// The arguments.
    pub arguments: Arguments,
}

impl Event {
    /// Bytes of its name and its arguments.
    pub fn bytes(&self) -> usize {
        self.name.len() + self.arguments.bytes()
    }

    /// The same, in buffers of its own.
    pub(crate) fn copied(&self) -> Self {
        Self { name: ByteString::from(&*self.name), arguments: self.arguments.copied() }
    }
}

/// Whether a name is reserved for what happens to a socket itself: such events are refused in both directions.
pub fn is_reserved(event: &str) -> bool {
    matches!(event, "connect" | "connect_error" | "disconnect" | "disconnecting" | "newListener" | "removeListener")
}
