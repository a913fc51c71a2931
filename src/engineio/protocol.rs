//! The versions of the protocol.

/// The version of Engine.IO that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Protocol 4: clients since Socket.IO 3.
    V4,
    /// Protocol 3: clients of Socket.IO 2. Anything but `EIO=4` means this one.
    V3,
}
