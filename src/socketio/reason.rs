//! Why a socket left its namespace, in the Node server's words.

use std::fmt;

use crate::engineio::Reason;

/// Why a socket left. `Display` gives the text that the Node server passes to its `disconnect` handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The server made the socket leave.
    ServerNamespaceDisconnect,
    /// The server is stopping.
    ServerShuttingDown,
    /// The client broke the protocol while no transport was available to tell it.
    ForcedServerClose,
    /// The session ended.
    Session(Reason),
}

impl DisconnectReason {
    /// Whether the client may come back, so that connection state recovery keeps its socket: the connection was lost,
    /// and neither side closed it or broke the protocol.
    pub const fn is_recoverable(self) -> bool {
        match self {
            Self::ClientNamespaceDisconnect | Self::ServerNamespaceDisconnect => false,
            Self::ServerShuttingDown | Self::ForcedServerClose => true,
            Self::Session(reason) => !matches!(reason, Reason::ParseError),
        }
    }

    /// The reason as the Node server spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
            Self::ForcedServerClose => "forced server close",
            Self::Session(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
