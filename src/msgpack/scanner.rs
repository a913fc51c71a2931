//! A tokenizer for JSON text, as strict as the grammar.

use std::borrow::Cow;

use super::error::PackError;

/// Reads a text from its start.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With digits only.
    Whole,
    /// With a fraction or an exponent.
    Float,
}

impl<'a> Scanner<'a> {
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes have been read.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Checks that only blanks follow.
    pub fn end(&mut self) -> Result<(), PackError> {
        self.blanks();
        if self.peek().is_some() { Err(self.no_json("the end")) } else { Ok(()) }
    }

    /// Skips one byte.
    pub const fn pass(&mut self) {
        self.at += 1;
    }

    /// Whether the closing bracket follows at once.
    pub fn is_closed_by(&mut self, bracket: u8) -> bool {
        self.blanks();
        let closed = self.peek() == Some(bracket);
        self.at += usize::from(closed);
        closed
    }

    /// Whether a comma follows, rather than the closing bracket.
    pub fn is_continued(&mut self, bracket: u8) -> Result<bool, PackError> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == bracket => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.no_json("a comma or a closing bracket")),
        }
    }

    /// Reads a number as it is written.
    pub fn number(&mut self) -> Result<(&'a str, Form), PackError> {
        let begin = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let whole = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let form = if whole == self.at { Form::Whole } else { Form::Float };
        Ok((self.text.get(begin..self.at).unwrap_or_default(), form))
    }

    fn digits(&mut self) -> Result<(), PackError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.no_json("a digit"));
        }
        self.at += count;
        Ok(())
    }

    /// Reads a text in quotes.
    pub fn string(&mut self) -> Result<Cow<'a, str>, PackError> {
        self.expect(b'"', "a text")?;
        let mut unescaped: Option<String> = None;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            // A run ends at ASCII, so it ends between characters.
            let run = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
            self.at += run.len();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(run),
                        Some(text) => Cow::Owned(text + run),
                    });
                }
                Some(b'\\') => {
                    self.at += 1;
                    let text = unescaped.get_or_insert_default();
                    text.push_str(run);
                    let character = self.escape()?;
                    unescaped.get_or_insert_default().push(character);
                }
                _ => return Err(self.no_json("a character or the end of the text")),
            }
        }
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<char, PackError> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.no_json("an escape")),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads four hexadecimal digits, and a second escape that forms a pair with them. Half a pair becomes U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, PackError> {
        let unit = self.code_unit()?;
        let behind = self.at;
        if matches!(unit, 0xd800..0xdc00) && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u")) {
            self.at += 2;
            let low = self.code_unit()?;
            if matches!(low, 0xdc00..0xe000) {
                let pair = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind;
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn code_unit(&mut self) -> Result<u32, PackError> {
        let digits = self.text.get(self.at..).and_then(|rest| rest.get(..4));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.no_json("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    /// Skips a required word.
    pub fn literal(&mut self, literal: &'static str) -> Result<(), PackError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(literal)) {
            return Err(self.no_json(literal));
        }
        self.at += literal.len();
        Ok(())
    }

    /// Skips a required byte.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), PackError> {
        if self.peek() != Some(byte) {
            return Err(self.no_json(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Skips blanks.
    pub fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The error that something else was expected here.
    pub fn no_json(&self, expected: &'static str) -> PackError {
        PackError::Json { expected, at: self.at }
    }
}
