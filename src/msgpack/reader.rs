//! A reader for MessagePack: one head after the other, each with its bytes.

use std::borrow::Cow;

use super::error::MsgpackError;

/// The beginning of a value; for values without parts, the whole value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head<'a> {
    Nil,
    Bool(bool),
    Uint(u64),
    /// A whole number below zero, or one in a signed notation.
    Int(i64),
    Float(f64),
    /// A text, which need not be UTF-8.
    Text(&'a [u8]),
    Bin(&'a [u8]),
    /// This many values follow.
    Array(u32),
    /// This many pairs of values follow.
    Map(u32),
    /// An extension whose marker fixes the length.
    FixExt(i8, &'a [u8]),
    /// An extension with an explicit length.
    Ext(i8, &'a [u8]),
}

impl Head<'_> {
    /// The name of the kind, for errors.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Uint(_) | Self::Int(_) => "a whole number",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bin(_) => "binary data",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::FixExt(..) | Self::Ext(..) => "an extension",
        }
    }

    /// How many values are directly inside.
    const fn parts(&self) -> u64 {
        match *self {
            Self::Array(length) => length as u64,
            Self::Map(length) => 2 * length as u64,
            _ => 0,
        }
    }
}

/// Reads a message from its start. Copying it keeps the place.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    length: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub const fn new(message: &'a [u8]) -> Self {
        Self { length: message.len(), rest: message }
    }

    /// How many bytes have been read.
    pub const fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Checks that the message ends here.
    pub const fn end(&self) -> Result<(), MsgpackError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(MsgpackError::Trailing { at: self.at(), count }),
        }
    }

    /// The next head. An array or a map with more values than could follow is an error already.
    pub fn head(&mut self) -> Result<Head<'a>, MsgpackError> {
        let at = self.at();
        let head = self.try_head().ok_or(MsgpackError::Truncated { at })?;
        let head = head.ok_or(MsgpackError::Unused { at })?;
        if head.parts() > self.rest.len() as u64 {
            return Err(MsgpackError::Truncated { at });
        }
        Ok(head)
    }

    /// The outer `None` means that the message is cut short, the inner one that the marker has no meaning.
    fn try_head(&mut self) -> Option<Option<Head<'a>>> {
        let [marker] = self.fixed()?;
        Some(Some(match marker {
            0x00..=0x7f => Head::Uint(u64::from(marker)),
            0x80..=0x8f => Head::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Head::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => Head::Text(self.take(u32::from(marker & 0x1f))?),
            0xc0 => Head::Nil,
            0xc1 => return Some(None),
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4..=0xc6 => {
                let length = self.length(marker - 0xc4)?;
                Head::Bin(self.take(length)?)
            }
            0xc7..=0xc9 => {
                let length = self.length(marker - 0xc7)?;
                Head::Ext(i8::from_be_bytes(self.fixed()?), self.take(length)?)
            }
            0xca => Head::Float(f64::from(f32::from_be_bytes(self.fixed()?))),
            0xcb => Head::Float(f64::from_be_bytes(self.fixed()?)),
            0xcc => Head::Uint(u64::from(u8::from_be_bytes(self.fixed()?))),
            0xcd => Head::Uint(u64::from(u16::from_be_bytes(self.fixed()?))),
            0xce => Head::Uint(u64::from(u32::from_be_bytes(self.fixed()?))),
            0xcf => Head::Uint(u64::from_be_bytes(self.fixed()?)),
            0xd0 => Head::Int(i64::from(i8::from_be_bytes(self.fixed()?))),
            0xd1 => Head::Int(i64::from(i16::from_be_bytes(self.fixed()?))),
            0xd2 => Head::Int(i64::from(i32::from_be_bytes(self.fixed()?))),
            0xd3 => Head::Int(i64::from_be_bytes(self.fixed()?)),
            0xd4..=0xd8 => Head::FixExt(i8::from_be_bytes(self.fixed()?), self.take(1 << (marker - 0xd4))?),
            0xd9..=0xdb => {
                let length = self.length(marker - 0xd9)?;
                Head::Text(self.take(length)?)
            }
            0xdc | 0xdd => Head::Array(self.length(marker - 0xdc + 1)?),
            0xde | 0xdf => Head::Map(self.length(marker - 0xde + 1)?),
            0xe0..=0xff => Head::Int(i64::from(i8::from_be_bytes([marker]))),
        }))
    }

    /// A length of one, two or four bytes.
    fn length(&mut self, width: u8) -> Option<u32> {
        match width {
            0 => Some(u32::from(u8::from_be_bytes(self.fixed()?))),
            1 => Some(u32::from(u16::from_be_bytes(self.fixed()?))),
            _ => Some(u32::from_be_bytes(self.fixed()?)),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }

    /// Skips a value with everything in it.
    pub fn skip(&mut self) -> Result<(), MsgpackError> {
        let mut values = 1_u64;
        while values > 0 {
            values = (values - 1).saturating_add(self.head()?.parts());
        }
        Ok(())
    }

    /// The length of an array that begins here.
    pub fn array(&mut self) -> Result<u32, MsgpackError> {
        let at = self.at();
        match self.head()? {
            Head::Array(length) => Ok(length),
            found => Err(unexpected("an array", found, at)),
        }
    }

    /// Reads a map: `member` is called for each member with its key, and reads the value. Members whose keys are
    /// neither texts nor bytes of texts are skipped.
    pub fn map<E: From<MsgpackError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = self.at();
        let length = match self.head()? {
            Head::Map(length) => length,
            found => return Err(unexpected("a map", found, at).into()),
        };
        for _ in 0..length {
            let key = *self;
            match self.head()? {
                Head::Text(key) | Head::Bin(key) => member(self, key)?,
                _ => {
                    *self = key;
                    self.skip()?;
                    self.skip()?;
                }
            }
        }
        Ok(())
    }

    /// A text that begins here; invalid UTF-8 becomes U+FFFD.
    pub fn text(&mut self) -> Result<Cow<'a, str>, MsgpackError> {
        let at = self.at();
        match self.head()? {
            Head::Text(text) => Ok(String::from_utf8_lossy(text)),
            found => Err(unexpected("a text", found, at)),
        }
    }

    /// A whole number from zero that begins here.
    pub fn uint(&mut self) -> Result<u64, MsgpackError> {
        let at = self.at();
        let head = self.head()?;
        match head {
            Head::Uint(number) => Ok(number),
            Head::Int(number) => u64::try_from(number).map_err(|_| unexpected("a number from zero", head, at)),
            _ => Err(unexpected("a whole number", head, at)),
        }
    }
}

/// The error for a value of an unexpected kind.
pub fn unexpected(expected: &'static str, found: Head<'_>, at: usize) -> MsgpackError {
    MsgpackError::Unexpected { expected, found: found.kind(), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(bytes: &[u8]) -> Result<Vec<Head<'_>>, MsgpackError> {
        let mut reader = Reader::new(bytes);
        let mut heads = Vec::new();
        while reader.end().is_err() {
            heads.push(reader.head()?);
        }
        Ok(heads)
    }

    #[test]
    fn every_marker_is_read() {
        assert_eq!(heads(b"\x7f\xe0\xff").unwrap(), [Head::Uint(127), Head::Int(-32), Head::Int(-1)]);
        assert_eq!(heads(b"\xcc\xff\xcd\x01\x00").unwrap(), [Head::Uint(255), Head::Uint(256)]);
        assert_eq!(heads(b"\xce\xff\xff\xff\xff").unwrap(), [Head::Uint(u64::from(u32::MAX))]);
        assert_eq!(heads(&[&[0xcf], &[0xff; 8][..]].concat()).unwrap(), [Head::Uint(u64::MAX)]);
        assert_eq!(heads(b"\xd0\x80\xd1\x80\x00").unwrap(), [Head::Int(-128), Head::Int(-32768)]);
        assert_eq!(heads(b"\xd2\x80\0\0\0").unwrap(), [Head::Int(i64::from(i32::MIN))]);
        assert_eq!(heads(b"\xd3\x80\0\0\0\0\0\0\0").unwrap(), [Head::Int(i64::MIN)]);
        assert_eq!(heads(b"\xca\x3f\xc0\0\0\xcb\xbf\xe0\0\0\0\0\0\0").unwrap(), [Head::Float(1.5), Head::Float(-0.5)]);
        assert_eq!(heads(b"\xc0\xc2\xc3").unwrap(), [Head::Nil, Head::Bool(false), Head::Bool(true)]);
        assert_eq!(
            heads(b"\xa1a\xd9\x01b\xda\0\x01c\xdb\0\0\0\x01d").unwrap(),
            [Head::Text(b"a"), Head::Text(b"b"), Head::Text(b"c"), Head::Text(b"d")]
        );
        assert_eq!(
            heads(b"\xc4\x01a\xc5\0\x01b\xc6\0\0\0\x01c").unwrap(),
            [Head::Bin(b"a"), Head::Bin(b"b"), Head::Bin(b"c")]
        );
        assert_eq!(heads(b"\x91\0\xdc\0\x01\0\xdd\0\0\0\x01\0").unwrap(), [Head::Array(1), Head::Uint(0)].repeat(3));
        assert_eq!(heads(b"\x81\0\0\xde\0\x01\0\0\xdf\0\0\0\x01\0\0").unwrap(), {
            [Head::Map(1), Head::Uint(0), Head::Uint(0)].repeat(3)
        });
        assert_eq!(
            heads(b"\xd4\x05a\xd5\xffab\xd6\0abcd").unwrap(),
            [Head::FixExt(5, b"a"), Head::FixExt(-1, b"ab"), Head::FixExt(0, b"abcd")]
        );
        assert_eq!(heads(b"\xd7\x01abcdefgh").unwrap(), [Head::FixExt(1, b"abcdefgh")]);
        assert_eq!(heads(b"\xd8\x01abcdefghijklmnop").unwrap(), [Head::FixExt(1, b"abcdefghijklmnop")]);
        assert_eq!(heads(b"\xc7\x01\x02a\xc8\0\x01\x02a\xc9\0\0\0\x01\x02a").unwrap(), [Head::Ext(2, b"a"); 3]);
    }

    #[test]
    fn c1_begins_nothing() {
        assert_eq!(heads(b"\0\xc1"), Err(MsgpackError::Unused { at: 1 }));
    }

    #[test]
    fn announced_lengths_end_with_the_message() {
        for message in
            [&b"\xdb\xff\xff\xff\xff"[..], b"\xc6\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"]
        {
            assert_eq!(heads(message), Err(MsgpackError::Truncated { at: 0 }));
        }
        assert_eq!(Reader::new(b"\x92\x01").skip(), Err(MsgpackError::Truncated { at: 0 }));
        assert_eq!(Reader::new(b"\x92\x01\x91").skip(), Err(MsgpackError::Truncated { at: 2 }));
    }

    #[test]
    fn what_is_passed_over_may_nest_as_deep_as_it_likes() {
        let mut message = vec![0x91; 1_000_000];
        message.push(0xc0);
        let mut reader = Reader::new(&message);
        reader.skip().unwrap();
        reader.end().unwrap();
    }

    #[test]
    fn keys_that_are_no_texts_are_passed_over() {
        let mut reader = Reader::new(b"\x84\x01\x02\x91\xa1a\xc0\xa1b\x03\xc4\x01c\x04");
        let mut found = Vec::new();
        reader
            .map(|reader, key| {
                found.push((key.to_vec(), reader.uint()?));
                Ok::<_, MsgpackError>(())
            })
            .unwrap();
        assert_eq!(found, [(b"b".to_vec(), 3), (b"c".to_vec(), 4)]);
        reader.end().unwrap();
    }
}
