//! Offsets of connection state recovery: they name the last event that a client received.
//!
//! An event's offset is its time of sending, in base 64; a second event in the same millisecond gets a suffix. For
//! clients it is an opaque text, the event's last argument.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

/// The digits, in the order of their value.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Bits that count the events of one millisecond. The bits above them are milliseconds since the Unix epoch.
const COUNT_BITS: u32 = 22;

/// The lowest bits of the count, if several servers make offsets that a client may see: then they tell the servers apart.
const TAG_BITS: u32 = 16;

/// Longest text: seven digits of time, a dot, four digits of the count.
const LENGTH: usize = 12;

/// An offset. Later events have greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// The offset of `text`, if the text has the form of [`to_text`](Self::to_text).
    pub fn parse(text: &str) -> Option<Self> {
        let (time, count) = match text.split_once('.') {
            Some((time, count)) => (number(time)?, number(count)?.checked_add(1)?),
            None => (number(text)?, 0),
        };
        if time >> (u64::BITS - COUNT_BITS) != 0 || count >> COUNT_BITS != 0 {
            return None;
        }
        let offset = Self(time << COUNT_BITS | count);
        (*offset.to_text() == *text).then_some(offset)
    }

    /// The offset's text, without an allocation.
    pub fn to_text(self) -> OffsetText {
        let mut text = OffsetText { ascii: [b'0'; LENGTH], start: LENGTH };
        if let Some(earlier) = (self.0 & ((1 << COUNT_BITS) - 1)).checked_sub(1) {
            text.prepend_number(earlier);
            text.prepend(b'.');
        }
        text.prepend_number(self.0 >> COUNT_BITS);
        text
    }
}

/// The value of a number in base 64.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > LENGTH {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        number.checked_mul(64)?.checked_add(digit as u64)
    })
}

/// The text of an [`Offset`]: a small string that lives on the stack.
#[derive(Clone, Copy)]
pub struct OffsetText {
    ascii: [u8; LENGTH],
    start: usize,
}

impl OffsetText {
    fn prepend(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.ascii.get_mut(self.start) {
            *place = byte;
        }
    }

    fn prepend_number(&mut self, mut number: u64) {
        loop {
            self.prepend(DIGITS.get((number % 64) as usize).copied().unwrap_or(b'0'));
            number /= 64;
            if number == 0 {
                break;
            }
        }
    }
}

impl Deref for OffsetText {
    type Target = str;

    fn deref(&self) -> &str {
        // The digits are ASCII, so this never fails.
        self.ascii.get(self.start..).and_then(|ascii| str::from_utf8(ascii).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for OffsetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Makes offsets, each greater than all before it, for any thread.
#[derive(Debug)]
pub struct OffsetSource {
    last: AtomicU64,
    /// How far offsets are apart, at least.
    step: u64,
    tag: u64,
}

impl Default for OffsetSource {
    /// The only one.
    fn default() -> Self {
        Self { last: AtomicU64::default(), step: 1, tag: 0 }
    }
}

impl OffsetSource {
    /// One of several. Its offsets are not those of a source with another tag.
    pub fn tagged(tag: u16) -> Self {
        let tag = u64::from(tag);
        Self { last: AtomicU64::new(tag), step: 1 << TAG_BITS, tag }
    }

    /// The offset of an event that is sent now. `now` is milliseconds since the Unix epoch. If the clock goes back, the
    /// offsets do not.
    pub fn next(&self, now: u64) -> Offset {
        let now = now << COUNT_BITS | self.tag;
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = now.max(last.saturating_add(self.step));
            match self.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Offset(next),
                Err(other) => last = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(source: &OffsetSource, now: u64) -> String {
        source.next(now).to_text().to_string()
    }

    #[test]
    fn an_offset_is_the_time_in_base_64() {
        // `Q8AGDxC` as the Node server wrote it.
        assert_eq!(number("Q8AGDxC"), Some(1_795_468_353_228));
        assert_eq!(text(&OffsetSource::default(), 1_795_468_353_228), "Q8AGDxC");
        assert_eq!(text(&OffsetSource::default(), 63), "_");
    }

    #[test]
    fn events_of_one_millisecond_count() {
        let source = OffsetSource::default();
        let texts: Vec<_> = (0..66).map(|_| text(&source, 64)).collect();
        assert_eq!(
            (&*texts[0], &*texts[1], &*texts[2], &*texts[64], &*texts[65]),
            ("10", "10.0", "10.1", "10._", "10.10")
        );
        assert_eq!((text(&source, 65), text(&source, 3)), ("11".into(), "11.0".into()));
    }

    #[test]
    fn offsets_of_several_sources_differ() {
        let sources = [OffsetSource::tagged(0), OffsetSource::tagged(1), OffsetSource::tagged(u16::MAX)];
        let mut all = Vec::new();
        for source in &sources {
            let offsets: Vec<_> = (0..200).map(|count| source.next(1_795_468_353_228 + count / 100)).collect();
            assert!(offsets.is_sorted_by(|one, next| one < next));
            assert!(offsets.iter().all(|offset| Offset::parse(&offset.to_text()) == Some(*offset)));
            all.extend(offsets);
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 600);
    }

    #[test]
    fn other_texts_are_no_offsets() {
        for wrong in
            ["", ".", "1.", ".1", "01", "1.00", "1.0.0", "a b", "é", "________", "1._____", "1.____", "0123456789ABC"]
        {
            assert_eq!(Offset::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn an_offset_survives_its_text(number: u64) {
            prop_assert_eq!(Offset::parse(&Offset(number).to_text()), Some(Offset(number)));
        }
    }
}
