//! Removes texts that are too long from Redis's stream.
//!
//! The parser keeps a value until it is complete, so a message of any length would take its memory. The sieve follows
//! the values only as far as needed to know where each text begins and how long it will be. It removes a text that is
//! too long as it arrives, and puts nil in its place. The stream after it is unchanged.

/// Redis's nil text.
pub(super) const NIL: &[u8] = b"$-1\r\n";

/// Bytes for the names of channel and pattern that a message may have beside its payload.
const NAMES: usize = 8 * 1024;
/// The line end after a text.
const END: usize = 2;
/// Longest line with a length: a marker, a sign, the digits of 64 bits, the line end.
const LONGEST_HEAD: usize = 23;

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(super) struct Sieve {
    /// Longest text that passes.
    most: usize,
    at: At,
    /// Missing elements of the current value, which counts as one.
    elements: u64,
    /// Bytes of texts that it may still contain.
    room: usize,
}

/// The next byte's place in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// An element begins.
    Start,
    /// In a line without a length.
    Line,
    /// In a text that passes, this many bytes before its end.
    Passing(usize),
    /// In a text that is removed, this many bytes before its end.
    Dropping(usize),
}

/// What happens to the next bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This many pass unchanged.
    Pass(usize),
    /// This many are removed.
    Drop(usize),
    /// This many are removed, and [`NIL`] takes their place.
    Replace(usize),
    /// More bytes are needed to decide.
    Wait,
}

/// The beginning of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// A line of this many bytes that announces a text.
    Text { line: usize, length: usize },
    /// A line of this many bytes that announces elements.
    Array { line: usize, count: u64 },
    /// A line that announces nothing, or that is not Redis's protocol: the parser will report it.
    Other,
    /// The line is incomplete.
    Unfinished,
}

impl Sieve {
    /// A sieve for a new connection that lets texts of `most` bytes pass.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, at: At::Start, elements: 1, room: most.saturating_add(NAMES) }
    }

    /// Checks the next bytes of the stream. Bytes that the verdict covers must not be shown again; the others must.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Verdict {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            match self.at {
                At::Passing(left) => {
                    let count = left.min(rest.len());
                    self.advance(left - count, At::Passing);
                    passed += count;
                }
                // It began with the end of a verdict, so nothing has passed before it.
                At::Dropping(left) => {
                    let count = left.min(rest.len());
                    self.advance(left - count, At::Dropping);
                    return Verdict::Drop(count);
                }
                At::Line => match line_end(rest) {
                    Some(end) => {
                        self.element_ends();
                        passed += end;
                    }
                    None if rest.ends_with(b"\r") => {
                        passed = bytes.len() - 1;
                        break;
                    }
                    None => passed = bytes.len(),
                },
                At::Start => match head(rest) {
                    Head::Unfinished => break,
                    Head::Other => self.at = At::Line,
                    Head::Array { line, count } => {
                        self.elements = self.elements.saturating_add(count);
                        self.element_ends();
                        passed += line;
                    }
                    Head::Text { line, length } if length <= self.most && length <= self.room => {
                        self.room -= length;
                        self.at = At::Passing(length.saturating_add(END));
                        passed += line;
                    }
                    Head::Text { line, length } if passed == 0 => {
                        self.at = At::Dropping(length.saturating_add(END));
                        return Verdict::Replace(line);
                    }
                    // The bytes before it go first.
                    Head::Text { .. } => break,
                },
            }
        }
        if passed == 0 { Verdict::Wait } else { Verdict::Pass(passed) }
    }

    /// This many bytes of a text are left.
    fn advance(&mut self, left: usize, within: fn(usize) -> At) {
        if left == 0 {
            self.element_ends();
        } else {
            self.at = within(left);
        }
    }

    fn element_ends(&mut self) {
        self.at = At::Start;
        self.elements -= 1;
        if self.elements == 0 {
            self.elements = 1;
            self.room = self.most.saturating_add(NAMES);
        }
    }
}

/// The place behind a line. As for the parser, a line feed alone does not end it.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let is_end = |at: &usize| at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\r');
    memchr::memchr_iter(b'\n', bytes).find(is_end).map(|at| at + 1)
}

fn head(bytes: &[u8]) -> Head {
    let Some((marker @ (b'$' | b'*'), rest)) = bytes.split_first() else { return Head::Other };
    let Some(end) = rest.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n') else {
        return if rest.len() < LONGEST_HEAD { Head::Unfinished } else { Head::Other };
    };
    let digits = rest.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(number) = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse::<u64>().ok()) else {
        return Head::Other;
    };
    let line = 1 + end + 1;
    match marker {
        b'*' => Head::Array { line, count: number },
        _ => Head::Text { line, length: usize::try_from(number).unwrap_or(usize::MAX) },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What passes of bytes that come in pieces of this length.
    fn sieved(most: usize, bytes: impl AsRef<[u8]>, piece: usize) -> String {
        let (mut sieve, mut waiting, mut out) = (Sieve::new(most), Vec::new(), Vec::new());
        for piece in bytes.as_ref().chunks(piece) {
            waiting.extend_from_slice(piece);
            loop {
                let (count, passed) = match sieve.judge(&waiting) {
                    Verdict::Pass(count) => (count, waiting[..count].to_vec()),
                    Verdict::Drop(count) => (count, Vec::new()),
                    Verdict::Replace(count) => (count, NIL.to_vec()),
                    Verdict::Wait => break,
                };
                waiting.drain(..count);
                out.extend(passed);
            }
            assert!(waiting.len() <= LONGEST_HEAD, "{waiting:?}");
        }
        out.extend(waiting);
        String::from_utf8(out).unwrap()
    }

    fn text(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    fn message(payload: &str) -> String {
        format!("*3\r\n{}{}{}", text("message"), text("news"), text(payload))
    }

    #[test]
    fn a_text_that_is_too_long_is_nil_and_what_is_behind_it_stays() {
        let (long, longest) = ("x\n$9\r\n".repeat(100), "y".repeat(500));
        let bytes = [message("a"), message(&long), message(&longest), ":5\r\n".into(), message("")].concat();
        let nil = message("").replace("$0\r\n\r\n", "$-1\r\n");
        let expected = [message("a"), nil, message(&longest), ":5\r\n".into(), message("")].concat();
        for piece in 1..bytes.len() {
            assert_eq!(sieved(500, &bytes, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn texts_of_one_value_are_not_too_long_together() {
        let of = |count: usize| format!("*{count}\r\n{}", text(&"x".repeat(10_000)).repeat(count));
        assert_eq!(sieved(10_000, of(1), 64), of(1));
        assert_eq!(sieved(10_000, of(2), 64), of(1).replace("*1", "*2") + "$-1\r\n");
        assert_eq!(sieved(10_000, of(1).repeat(9), 64), of(1).repeat(9));
    }

    #[test]
    fn lines_nil_and_lists_in_lists_are_followed() {
        let long = text(&"x".repeat(9_999));
        let values = "+OK $5\r\n-ERR *3\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n*2\r\n:1\r\n$-1\r\n$1\r\na\r\n".to_owned();
        assert_eq!(sieved(10, &(values.clone() + &long + "+END\r\n"), 7), values + "$-1\r\n+END\r\n");
    }

    #[test]
    fn what_redis_would_not_say_passes_to_who_complains() {
        for bytes in ["$\r\n", "$x\r\n", "$99999999999999999999999999\r\n", "*1\n", "?\r\n", "\r\n", "$5"] {
            assert_eq!(sieved(10, bytes, 3), bytes);
        }
        let endless = format!("*{}\r\n", u64::MAX).repeat(3);
        assert_eq!(sieved(10, &endless, 9), endless);
    }

    #[test]
    fn a_line_ends_where_it_ends_for_the_parser() {
        let long = text(&"x".repeat(11));
        for line in ["-ERR a\n$11\r\n", "+a\r$11\r\n", "+\n\r\n"] {
            for piece in 1..20 {
                assert_eq!(sieved(10, line.to_owned() + &long, piece), line.to_owned() + "$-1\r\n", "{line:?}");
            }
        }
    }

    #[test]
    fn a_length_may_be_as_great_as_can_be() {
        let longest = format!("${}\r\nabc", u64::MAX);
        assert_eq!(sieved(usize::MAX, &longest, 9), longest);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_bytes_come(
            bytes in proptest::collection::vec(proptest::sample::select(b"$*:+-012\r\n".to_vec()), 1..100),
            piece in 1..100_usize,
        ) {
            prop_assert_eq!(sieved(10, &bytes, 1), sieved(10, &bytes, piece));
        }
    }
}
