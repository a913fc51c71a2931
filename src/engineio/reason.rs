//! Why a session ended, in the Node server's words.

use std::fmt;

/// Why an Engine.IO session ended. `Display` gives the text that the Node server and its clients use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The client closed the transport, or its connection is gone.
    TransportClose,
    /// The transport misbehaved: a bad frame, an overlap, a cut request.
    TransportError,
    /// No pong came in time.
    PingTimeout,
    /// The client sent a packet that cannot be decoded.
    ParseError,
    /// The server closed the session.
    ForcedClose,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 5] =
        [Self::TransportClose, Self::TransportError, Self::PingTimeout, Self::ParseError, Self::ForcedClose];

    /// The reason as the Node server spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
