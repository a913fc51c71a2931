//! Request bodies: with a `Content-Length`, or chunked (RFC 9112 §7.1).

use super::field::{is_token, is_value};
use super::head::BodyLength;

/// Most bytes of chunk extensions and trailers together. Nothing reads them.
const MAX_IGNORED: u32 = 8 * 1024;

/// Most digits of a chunk size: as many as fit into 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

/// The body of a request if all of it is in `input` already, so that it need not be copied. `None` means that a
/// [`BodyReader`] is needed: bytes are missing, or the body is chunked or longer than `limit` bytes.
pub(crate) fn whole(length: BodyLength, input: &[u8], limit: usize) -> Option<&[u8]> {
    match length {
        BodyLength::None => Some(&[]),
        BodyLength::Length(length) => {
            usize::try_from(length).ok().filter(|&length| length <= limit).and_then(|length| input.get(..length))
        }
        BodyLength::Chunked => None,
    }
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyStep {
    /// All input was used; the body goes on.
    More,
    /// The body ends here. Unused input belongs to the next request.
    Done,
    /// The body is longer than its limit: answer 413. This is returned once. Then the reader drops what follows, so
    /// that the client reads the answer instead of a reset, and returns `Done`, or fails with [`BodyError::Endless`].
    TooLarge,
}

/// Why reading a body failed. The connection cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("malformed chunk size")]
    ChunkSize,
    #[error("malformed chunk end")]
    ChunkEnd,
    #[error("malformed chunk extension")]
    Extension,
    #[error("malformed trailer")]
    Trailer,
    #[error("chunk extensions and trailers too long")]
    Ignored,
    /// A body beyond its limit went on for as much again. 413 has been answered; only closing is left.
    #[error("body too large, and no end in sight")]
    Endless,
}

/// Reads one body, however its bytes are split.
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    state: State,
    /// The state that follows the data.
    after: State,
    fate: Fate,
    /// Bytes of data still to come, of the whole body or of this chunk.
    left: u64,
    /// Bytes of data that may still come within the limit.
    room: u64,
    limit: u64,
    ignored: u32,
    digits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `left` is known and not yet compared with `room`.
    Weigh,
    Data,
    ChunkCr,
    ChunkLf,
    Size,
    Extension,
    SizeLf,
    LineStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
}

impl BodyReader {
    /// A reader for a body of at most `limit` bytes.
    pub(crate) const fn new(length: BodyLength, limit: usize) -> Self {
        let (state, after, left) = match length {
            BodyLength::None => (State::Done, State::Done, 0),
            BodyLength::Length(length) => (State::Weigh, State::Done, length),
            BodyLength::Chunked => (State::Size, State::ChunkCr, 0),
        };
        let limit = limit as u64;
        Self { state, after, fate: Fate::Kept, left, room: limit, limit, ignored: 0, digits: 0 }
    }

    /// Missing bytes of the body, if its length is known.
    pub(crate) fn missing(&self) -> Option<usize> {
        matches!(self.after, State::Done).then(|| usize::try_from(self.left).ok())?
    }

    /// Reads from `input`, appends data to `out`, and returns how many bytes of `input` it used. A body whose known
    /// length is beyond the limit is [`BodyStep::TooLarge`] before any byte of it is used.
    pub(crate) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(usize, BodyStep), BodyError> {
        let mut rest = input;
        let step = loop {
            match self.state {
                State::Weigh => {
                    self.state = State::Data;
                    if self.fate == Fate::Kept && self.left > self.room {
                        self.fate = Fate::Dropped;
                        self.room += self.limit;
                        break BodyStep::TooLarge;
                    }
                }
                State::Data => {
                    rest = self.data(rest, out)?;
                    if self.left > 0 {
                        break BodyStep::More;
                    }
                    self.state = self.after;
                }
                State::Done => break BodyStep::Done,
                _ => {
                    let Some((&byte, tail)) = rest.split_first() else { break BodyStep::More };
                    rest = tail;
                    self.state = self.framing(byte)?;
                }
            }
        };
        Ok((input.len() - rest.len(), step))
    }

    fn data<'i>(&mut self, input: &'i [u8], out: &mut Vec<u8>) -> Result<&'i [u8], BodyError> {
        let take = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        let (data, rest) = input.split_at(take);
        self.room = self.room.checked_sub(take as u64).ok_or(BodyError::Endless)?;
        self.left -= take as u64;
        if self.fate == Fate::Kept {
            out.extend_from_slice(data);
        }
        Ok(rest)
    }

    /// The state after a byte of the framing.
    fn framing(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::Size, b'\r') if self.digits > 0 => Ok(State::SizeLf),
            (State::Size, b';') if self.digits > 0 => self.ignore(State::Extension),
            (State::Size, _) => self.digit(byte),
            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, _) if is_value(byte) => self.ignore(State::Extension),
            (State::Extension, _) => Err(BodyError::Extension),
            (State::SizeLf, b'\n') if self.left == 0 => Ok(State::LineStart),
            (State::SizeLf, b'\n') => Ok(State::Weigh),
            (State::SizeLf, _) => Err(BodyError::ChunkSize),
            (State::ChunkCr, b'\r') => Ok(State::ChunkLf),
            (State::ChunkLf, b'\n') => {
                self.digits = 0;
                Ok(State::Size)
            }
            (State::ChunkCr | State::ChunkLf, _) => Err(BodyError::ChunkEnd),
            (State::LineStart, b'\r') => Ok(State::EndLf),
            (State::TrailerName, b':') => self.ignore(State::TrailerValue),
            (State::LineStart | State::TrailerName, _) if is_token(byte) => self.ignore(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_value(byte) => self.ignore(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::LineStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => Err(BodyError::Trailer),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, BodyError> {
        let digit = char::from(byte).to_digit(16).ok_or(BodyError::ChunkSize)?;
        if self.digits == MAX_SIZE_DIGITS {
            return Err(BodyError::ChunkSize);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn ignore(&mut self, next: State) -> Result<State, BodyError> {
        self.ignored += 1;
        if self.ignored > MAX_IGNORED { Err(BodyError::Ignored) } else { Ok(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The data, the steps other than `More`, and the input that was left.
    type Outcome<T> = (T, Vec<BodyStep>, T);

    /// Reads a body that arrives in pieces.
    fn read_pieces<'p>(
        length: BodyLength,
        limit: usize,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<Outcome<Vec<u8>>, BodyError> {
        let mut reader = BodyReader::new(length, limit);
        let (mut data, mut steps, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for mut piece in pieces {
            loop {
                let (used, step) = reader.read(piece, &mut data)?;
                piece = &piece[used..];
                if step != BodyStep::More && steps.last() != Some(&step) {
                    steps.push(step);
                }
                if step != BodyStep::TooLarge {
                    break;
                }
            }
            rest.extend_from_slice(piece);
        }
        Ok((data, steps, rest))
    }

    fn chunked(text: &str, limit: usize) -> Result<Outcome<String>, BodyError> {
        read_pieces(BodyLength::Chunked, limit, [text.as_bytes()]).map(|(data, steps, rest)| {
            (String::from_utf8_lossy(&data).into(), steps, String::from_utf8_lossy(&rest).into())
        })
    }

    #[test]
    fn chunks_are_joined_and_the_next_request_is_left() {
        let text = "3;a=\"b\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nExpires: never\r\nX:\r\n\r\nGET /";
        assert_eq!(chunked(text, 13), Ok(("abc0123456789".into(), vec![BodyStep::Done], "GET /".into())));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        use BodyError::{ChunkEnd, ChunkSize, Extension, Trailer};
        for (text, error) in [
            ("\r\n", ChunkSize),
            (";a\r\n", ChunkSize),
            ("-1\r\n", ChunkSize),
            ("0x1\r\n", ChunkSize),
            (" 1\r\n", ChunkSize),
            ("1 \r\n", ChunkSize),
            ("1\n", ChunkSize),
            ("1\rx", ChunkSize),
            ("11111111111111111\r\n", ChunkSize),
            ("1;\n", Extension),
            ("1;a\0\r\n", Extension),
            ("1\r\nab", ChunkEnd),
            ("1\r\na\n", ChunkEnd),
            ("1\r\na\rb", ChunkEnd),
            ("0\r\n\n", Trailer),
            ("0\r\n a: b\r\n", Trailer),
            ("0\r\nGET / HTTP/1.1\r\n", Trailer),
            ("0\r\n: b\r\n", Trailer),
            ("0\r\na: b\n", Trailer),
            ("0\r\na: b\0\r\n", Trailer),
            ("0\r\n\rx", Trailer),
        ] {
            assert_eq!(chunked(text, 100), Err(error), "{text:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded_together() {
        let half = "x".repeat(MAX_IGNORED as usize / 2);
        assert_eq!(chunked(&format!("0;{half}\r\na:{half}\r\n\r\n"), 0), Err(BodyError::Ignored));
        assert!(chunked(&format!("0;{half}\r\n\r\n"), 0).is_ok());
    }

    #[test]
    fn a_told_length_beyond_the_limit_is_too_large_before_it_is_read() {
        let mut reader = BodyReader::new(BodyLength::Length(21), 10);
        let mut out = Vec::new();
        assert_eq!(reader.read(b"", &mut out), Ok((0, BodyStep::TooLarge)));
        assert_eq!(reader.read(&[b'0'; 20], &mut out), Ok((20, BodyStep::More)));
        assert_eq!(reader.read(b"0", &mut out), Err(BodyError::Endless));
        assert!(out.is_empty());
    }

    #[test]
    fn a_chunked_body_beyond_the_limit_is_dropped_to_its_end() {
        let text = "4\r\nabcd\r\n2\r\nef\r\n3\r\nghi\r\n0\r\n\r\nGET";
        let steps = vec![BodyStep::TooLarge, BodyStep::Done];
        assert_eq!(chunked(text, 5), Ok(("abcd".into(), steps, "GET".into())));
        assert_eq!(chunked(text, 4), Err(BodyError::Endless));
        assert_eq!(chunked("ffffffffffffffff\r\nabcde", 2), Err(BodyError::Endless));
    }

    #[test]
    fn a_whole_body_is_borrowed() {
        assert_eq!(whole(BodyLength::None, b"GET", 0), Some(&b""[..]));
        assert_eq!(whole(BodyLength::Length(3), b"abcGET", 3), Some(&b"abc"[..]));
        assert_eq!(whole(BodyLength::Length(3), b"ab", 3), None);
        assert_eq!(whole(BodyLength::Length(3), b"abc", 2), None);
        assert_eq!(whole(BodyLength::Length(u64::MAX), b"abc", usize::MAX), None);
        assert_eq!(whole(BodyLength::Chunked, b"0\r\n\r\n", 3), None);
    }

    fn input() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec![
            "0\r\n",
            "1\r\n",
            "3;a\r\n",
            "F\r\n",
            "a",
            "abc",
            "\r\n",
            "\r",
            "\n",
            "x: y\r\n",
            "3\r\nabc\r\n",
            "0\r\n\r\n",
        ]);
        prop::collection::vec(known, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(input in input(), length in 0_u64..24, limit in 0_usize..12, size in 1_usize..6) {
            for framing in [BodyLength::Chunked, BodyLength::Length(length), BodyLength::None] {
                let whole = read_pieces(framing, limit, [&input[..]]);
                let split = read_pieces(framing, limit, [&[][..]].into_iter().chain(input.chunks(size)));
                prop_assert_eq!(whole, split);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..128), limit in 0_usize..64) {
            let _ = read_pieces(BodyLength::Chunked, limit, [&input[..]]);
        }
    }
}
