//! Clients that come back to another instance.

use bytes::Bytes;

use crate::msgpack::{MsgpackError, Reader};

/// What instances tell each other about clients that come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {}

impl Recovery {
    /// Appends the message, one value.
    pub(crate) fn write(&self, _: &mut Vec<u8>) {
        match *self {}
    }

    /// Roughly how many bytes the message takes.
    pub(crate) fn len(&self) -> usize {
        match *self {}
    }

    /// Reads a message that begins here. Its bytes share the buffer of `message`, which the reader reads.
    pub(crate) fn read(reader: &mut Reader<'_>, _: &Bytes) -> Result<Self, MsgpackError> {
        Err(MsgpackError::Unused { at: reader.at() })
    }
}
