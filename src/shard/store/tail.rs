//! The unread rest of a body that is read from the front, piece by piece.

use bytes::Bytes;
use bytestring::ByteString;

/// The end of a body. It keeps the buffer of the whole body until more than half of it has been read.
#[derive(Debug)]
pub(in crate::shard) struct Tail<T> {
    whole: T,
    start: usize,
}

/// A buffer of text or of bytes.
pub(in crate::shard) trait Buffer {
    type Part: ?Sized;

    fn length(&self) -> usize;

    fn part(&self, start: usize) -> &Self::Part;

    fn copy(part: &Self::Part) -> Self;
}

impl<T: Buffer> Tail<T> {
    /// The unread rest. Its pieces are parts of [`whole`](Self::whole).
    pub(in crate::shard) fn rest(&self) -> &T::Part {
        self.whole.part(self.start)
    }

    /// The buffer that is kept.
    pub(in crate::shard) const fn whole(&self) -> &T {
        &self.whole
    }

    /// Bytes of the kept buffer: at most twice as many as are unread.
    pub(in crate::shard) fn held(&self) -> usize {
        self.whole.length()
    }

    /// The last `left` bytes, in a buffer of their own if they are less than half of the kept one.
    pub(in crate::shard) fn cut(self, left: usize) -> Self {
        let start = self.held().saturating_sub(left);
        if start > left { Self::from(T::copy(self.whole.part(start))) } else { Self { start, ..self } }
    }
}

impl<T> From<T> for Tail<T> {
    fn from(whole: T) -> Self {
        Self { whole, start: 0 }
    }
}

impl Buffer for ByteString {
    type Part = str;

    fn length(&self) -> usize {
        self.len()
    }

    fn part(&self, start: usize) -> &str {
        self.get(start..).unwrap_or_default()
    }

    fn copy(part: &str) -> Self {
        Self::from(part)
    }
}

impl Buffer for Bytes {
    type Part = [u8];

    fn length(&self) -> usize {
        self.len()
    }

    fn part(&self, start: usize) -> &[u8] {
        self.get(start..).unwrap_or_default()
    }

    fn copy(part: &[u8]) -> Self {
        Self::copy_from_slice(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_is_at_most_twice_the_rest() {
        let text: String = ('a'..='z').cycle().take(1000).collect();
        let mut tail = Tail::from(ByteString::from(&*text));
        for left in (0..1000).rev() {
            tail = tail.cut(left);
            assert_eq!(tail.rest(), &text[1000 - left..]);
            assert!(tail.held() <= 2 * left, "{} for {left}", tail.held());
        }
    }
}
