//! The fields of a message that is an array, one after the other. What a later version appends to them is skipped.

use bytes::Bytes;

use crate::msgpack::{self, Head, MsgpackError, Reader, unexpected};

/// Reads the fields of an array.
pub(crate) struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    message: &'r Bytes,
    /// Where the array begins.
    at: usize,
    left: u32,
}

impl<'r, 'a> Fields<'r, 'a> {
    /// The fields of the array that begins here; `message` is all that the reader reads.
    pub(crate) fn begin(reader: &'r mut Reader<'a>, message: &'r Bytes) -> Result<Self, MsgpackError> {
        let at = reader.at();
        let left = reader.array()?;
        Ok(Self { reader, message, at, left })
    }

    /// Skips the fields that are not known here.
    pub(crate) fn end(self) -> Result<(), MsgpackError> {
        (0..self.left).try_for_each(|_| self.reader.skip())
    }

    /// The error for fields that are not what they should be.
    pub(crate) const fn wrong(&self, expected: &'static str) -> MsgpackError {
        MsgpackError::Unexpected { expected, found: "something else", at: self.at }
    }

    fn next(&mut self) -> Result<&mut Reader<'a>, MsgpackError> {
        self.left = self.left.checked_sub(1).ok_or(MsgpackError::Truncated { at: self.at })?;
        Ok(self.reader)
    }

    pub(crate) fn uint(&mut self) -> Result<u64, MsgpackError> {
        self.next()?.uint()
    }

    /// A number of 32 bits.
    pub(crate) fn number(&mut self) -> Result<u32, MsgpackError> {
        let number = self.uint()?;
        u32::try_from(number).map_err(|_| self.wrong("a number of 32 bits"))
    }

    /// A number of 8 bits.
    pub(crate) fn small(&mut self) -> Result<u8, MsgpackError> {
        let number = self.uint()?;
        u8::try_from(number).map_err(|_| self.wrong("a number of 8 bits"))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, MsgpackError> {
        let reader = self.next()?;
        let at = reader.at();
        match reader.head()? {
            Head::Bool(value) => Ok(value),
            found => Err(unexpected("a boolean", found, at)),
        }
    }

    pub(crate) fn text(&mut self) -> Result<Box<str>, MsgpackError> {
        Ok(self.next()?.text()?.into())
    }

    /// A text, or nil.
    pub(crate) fn optional_text(&mut self) -> Result<Option<Box<str>>, MsgpackError> {
        let reader = self.next()?;
        let mut ahead = *reader;
        if ahead.head()? == Head::Nil {
            *reader = ahead;
            return Ok(None);
        }
        Ok(Some(reader.text()?.into()))
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
        let message = self.message;
        let reader = self.next()?;
        let at = reader.at();
        match reader.head()? {
            Head::Bin(bytes) => Ok(message.slice_ref(bytes)),
            found => Err(unexpected("binary data", found, at)),
        }
    }

    /// A field that is an array of fields itself.
    pub(crate) fn inner<T>(
        &mut self,
        read: impl FnOnce(&mut Fields<'_, 'a>) -> Result<T, MsgpackError>,
    ) -> Result<T, MsgpackError> {
        let message = self.message;
        let mut inner = Fields::begin(self.next()?, message)?;
        let value = read(&mut inner)?;
        inner.end()?;
        Ok(value)
    }

    /// A field that is an array of values.
    pub(crate) fn array<T>(
        &mut self,
        mut value: impl FnMut(&mut Fields<'_, 'a>) -> Result<T, MsgpackError>,
    ) -> Result<Vec<T>, MsgpackError> {
        self.inner(|fields| (0..fields.left).map(|_| value(fields)).collect())
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

/// Writes an array of values; the same holds for its length.
pub(crate) fn array<T>(out: &mut Vec<u8>, values: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    msgpack::array(out, u32::try_from(values.len()).unwrap_or(u32::MAX));
    values.iter().for_each(|value| write(out, value));
}
