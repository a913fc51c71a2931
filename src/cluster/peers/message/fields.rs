//! The fields of a message that is an array, one after the other. What a later version appends to them is skipped.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::engineio::{Frames, Message};
use crate::msgpack::{self, Head, MsgpackError, PIECE, Reader, unexpected};

/// Reads the fields of an array.
pub(crate) struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    message: &'r Bytes,
    /// Where the array begins, or the field that was read last.
    at: usize,
    left: u32,
    /// Bytes that may still be kept, with [`PIECE`] for each value of an array.
    budget: usize,
}

impl<'r, 'a> Fields<'r, 'a> {
    /// The fields of the array that begins here; `message` is all that the reader reads.
    pub(crate) fn begin(reader: &'r mut Reader<'a>, message: &'r Bytes) -> Result<Self, MsgpackError> {
        Self::begin_within(reader, message, usize::MAX)
    }

    /// The same for what may take so many bytes, with [`PIECE`] more for each value of an array.
    pub(crate) fn begin_within(
        reader: &'r mut Reader<'a>,
        message: &'r Bytes,
        budget: usize,
    ) -> Result<Self, MsgpackError> {
        let at = reader.at();
        let left = reader.array()?;
        Ok(Self { reader, message, at, left, budget })
    }

    /// Skips the fields that are not known here.
    pub(crate) fn end(self) -> Result<(), MsgpackError> {
        (0..self.left).try_for_each(|_| self.reader.skip())
    }

    /// The error for a field, read just now, that is not what it should be.
    pub(crate) const fn wrong(&self, expected: &'static str) -> MsgpackError {
        MsgpackError::Unexpected { expected, found: "something else", at: self.at }
    }

    fn next(&mut self) -> Result<&mut Reader<'a>, MsgpackError> {
        self.left = self.left.checked_sub(1).ok_or(MsgpackError::Truncated { at: self.at })?;
        self.at = self.reader.at();
        Ok(self.reader)
    }

    /// Counts bytes of what is kept.
    fn keep(&mut self, bytes: usize) -> Result<(), MsgpackError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(MsgpackError::TooCostly { at: self.at })?;
        Ok(())
    }

    pub(crate) fn uint(&mut self) -> Result<u64, MsgpackError> {
        self.next()?.uint()
    }

    /// A number from zero of any smaller type.
    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self, expected: &'static str) -> Result<T, MsgpackError> {
        let number = self.uint()?;
        T::try_from(number).map_err(|_| self.wrong(expected))
    }

    /// A number of 32 bits.
    pub(crate) fn number(&mut self) -> Result<u32, MsgpackError> {
        self.narrow("a number of 32 bits")
    }

    /// A number of 8 bits.
    pub(crate) fn small(&mut self) -> Result<u8, MsgpackError> {
        self.narrow("a number of 8 bits")
    }

    /// A number that may be below zero.
    pub(crate) fn int(&mut self) -> Result<i64, MsgpackError> {
        match self.next()?.head()? {
            Head::Int(number) => Ok(number),
            Head::Uint(number) => i64::try_from(number).map_err(|_| self.wrong("a smaller number")),
            found => Err(unexpected("a whole number", found, self.at)),
        }
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, MsgpackError> {
        match self.next()?.head()? {
            Head::Bool(value) => Ok(value),
            found => Err(unexpected("a boolean", found, self.at)),
        }
    }

    /// What is read, or nil.
    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, MsgpackError>,
    ) -> Result<Option<T>, MsgpackError> {
        let mut ahead = *self.reader;
        if self.left > 0 && ahead.head()? == Head::Nil {
            *self.next()? = ahead;
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(crate) fn text(&mut self) -> Result<Box<str>, MsgpackError> {
        match self.next()?.head()? {
            Head::Text(text) => Ok(self.utf8(text)?.into()),
            found => Err(unexpected("a text", found, self.at)),
        }
    }

    fn utf8(&mut self, text: &'a [u8]) -> Result<&'a str, MsgpackError> {
        self.keep(text.len())?;
        str::from_utf8(text).map_err(|_| self.wrong("UTF-8"))
    }

    /// A text that stands for something.
    pub(crate) fn parsed<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, MsgpackError> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.wrong(expected))
    }

    /// Binary data, which shares the message's buffer.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, MsgpackError> {
        let bytes = self.octets()?;
        self.keep(bytes.len())?;
        Ok(self.message.slice_ref(bytes))
    }

    fn octets(&mut self) -> Result<&'a [u8], MsgpackError> {
        match self.next()?.head()? {
            Head::Bin(bytes) => Ok(bytes),
            found => Err(unexpected("binary data", found, self.at)),
        }
    }

    /// A server's frames, which share the message's buffer.
    pub(crate) fn frames(&mut self) -> Result<Frames, MsgpackError> {
        let bytes = self.bytes()?;
        Frames::made_elsewhere(bytes).ok_or_else(|| self.wrong("a server's frames"))
    }

    /// A client's message: a text, or binary data.
    pub(crate) fn message(&mut self) -> Result<Message, MsgpackError> {
        match self.next()?.head()? {
            Head::Text(text) => Ok(Message::Text(self.utf8(text)?.into())),
            Head::Bin(data) => {
                self.keep(data.len())?;
                Ok(Message::Binary(self.message.slice_ref(data)))
            }
            found => Err(unexpected("a message", found, self.at)),
        }
    }

    /// Two fields: an IP address, and a port.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, MsgpackError> {
        let octets = self.octets()?;
        let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
        let ip = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
        let ip = ip.map_err(|_| self.wrong("an IP address"))?;
        Ok(SocketAddr::new(ip, self.narrow("a port")?))
    }

    /// A field that is an array of fields itself.
    pub(crate) fn inner<T>(
        &mut self,
        read: impl FnOnce(&mut Fields<'_, 'a>) -> Result<T, MsgpackError>,
    ) -> Result<T, MsgpackError> {
        let (message, budget) = (self.message, self.budget);
        let mut inner = Fields::begin_within(self.next()?, message, budget)?;
        let value = read(&mut inner)?;
        let budget = inner.budget;
        inner.end()?;
        self.budget = budget;
        Ok(value)
    }

    /// A field that is an array of values.
    pub(crate) fn array<T>(
        &mut self,
        mut value: impl FnMut(&mut Fields<'_, 'a>) -> Result<T, MsgpackError>,
    ) -> Result<Vec<T>, MsgpackError> {
        self.inner(|fields| {
            (0..fields.left)
                .map(|_| {
                    fields.keep(PIECE)?;
                    value(fields)
                })
                .collect()
        })
    }
}

/// Writes a text. What is longer than MessagePack can say fits into no queue of messages.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    if msgpack::text(out, text).is_err() {
        msgpack::nil(out);
    }
}

/// Writes binary data; the same holds for its length.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    msgpack::bin(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

/// Writes a client's message.
pub(crate) fn message(out: &mut Vec<u8>, message: &Message) {
    match message {
        Message::Text(message) => text(out, message),
        Message::Binary(data) => bytes(out, data),
    }
}

/// Writes an IP address and a port.
pub(crate) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => bytes(out, &ip.octets()),
        IpAddr::V6(ip) => bytes(out, &ip.octets()),
    }
    msgpack::uint(out, u64::from(address.port()));
}

/// Writes what `write` writes, or nil.
pub(crate) fn optional<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => msgpack::nil(out),
    }
}

/// Writes an array of values; what was said of a text's length holds for its length.
pub(crate) fn array<T>(out: &mut Vec<u8>, values: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    msgpack::array(out, u32::try_from(values.len()).unwrap_or(u32::MAX));
    values.iter().for_each(|value| write(out, value));
}
