//! Keys: the places of a shard's connections, sessions, sockets and namespaces, and what a timer wakes.

/// Declares a key: the place of one kind of thing. Each kind has its own type, so that keys cannot be confused.
macro_rules! key {
    ($(#[doc = $doc:literal])+ $name:ident($inner:ty)) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) $inner);
    };
}

key! {
    /// A TCP connection.
    ConnectionKey(u32)
}
key! {
    /// An Engine.IO session; the slot of its sid.
    SessionKey(u32)
}
key! {
    /// A Socket.IO socket; the slot of its sid.
    SocketKey(u32)
}
key! {
    /// A namespace, the same in every shard.
    NamespaceKey(u32)
}

/// A socket, safe against its slot being used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketRef {
    pub(crate) key: SocketKey,
    pub(in crate::shard) random: u64,
}

/// A session, safe against its slot being used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionRef {
    pub(crate) key: SessionKey,
    pub(in crate::shard) random: u64,
}

/// What a timer wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::shard) enum TimerKey {
    /// A connection's deadline.
    Connection(ConnectionKey),
    /// A session's deadline.
    Session(SessionKey),
    /// The earliest deadline of a socket's acknowledgements.
    Socket(SocketKey),
    /// An alarm runs.
    Alarm(u32),
    /// A connection that was held up may go on.
    GoOn(ConnectionKey),
    /// A POST that waits for its answer goes on.
    Post(ConnectionKey),
    /// A session need not wait for an upgrade any more.
    Settle(SessionKey),
    /// The packets that were kept apart from a connection's first answer may leave.
    Release(ConnectionKey),
    /// The log is told of clients that were cut off.
    Cuts,
    /// A turn is due, whatever else happens, because each turn checks something.
    Turn,
    /// A wait for answers times out.
    Wait,
    /// A socket has waited for the program's decision for as long as it may.
    Admission,
    /// Accepting goes on after the process ran out of descriptors.
    Accept,
    /// The shard stops, with or without clients left.
    Stop,
    /// Entries are told again that exchanges are over.
    Unsaid,
    /// Owners of errands were quiet, perhaps.
    Owners,
    /// Something kept for recovery may have grown too old.
    Recovery,
    /// Memory that many connections left behind goes back to the system.
    Trim,
}

impl TimerKey {
    /// Whether its timer may be armed while there is no client.
    pub(in crate::shard) const fn outlives_clients(&self) -> bool {
        !matches!(
            self,
            Self::Connection(_)
                | Self::Session(_)
                | Self::Socket(_)
                | Self::GoOn(_)
                | Self::Post(_)
                | Self::Release(_)
                | Self::Settle(_)
                | Self::Turn
                | Self::Owners
                | Self::Admission
        )
    }
}
