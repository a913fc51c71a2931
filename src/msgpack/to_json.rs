//! From MessagePack to JSON text and attachments.

use std::fmt::Write;

use bytes::Bytes;

use super::error::MsgpackError;
use super::reader::{Head, Reader, unexpected};
use super::{MAX_COST, MAX_DEPTH, PIECE, date, number};

/// Writes values of a message as JSON, and collects binary data.
#[derive(Debug)]
pub struct Transcoder<'a> {
    /// The whole message, which contains the attachments.
    message: &'a Bytes,
    json: String,
    attachments: Vec<Bytes>,
    /// Most levels of arrays and objects.
    levels: usize,
    /// Most bytes of both.
    most: usize,
    /// The place of the first map that looks like a placeholder.
    lookalike: Option<usize>,
    /// Whether numbers that JSON lacks are written as their truth value.
    truth: bool,
}

/// The result of writing a value as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// It was written.
    Value,
    /// It was written, and is `true`.
    True,
    /// It is `undefined`, and nothing was written.
    Undefined,
}

impl<'a> Transcoder<'a> {
    /// A transcoder for values of `message`, about `length` bytes long.
    pub fn new(message: &'a Bytes, length: usize) -> Self {
        let json = String::with_capacity(length + length / 4);
        let most = message.len() + MAX_COST;
        Self { message, json, attachments: Vec::new(), levels: MAX_DEPTH, most, lookalike: None, truth: false }
    }

    /// Bounds the levels of arrays and objects, and the bytes of the JSON text with those for attachments.
    pub const fn within(mut self, levels: usize, most: usize) -> Self {
        (self.levels, self.most) = (levels, most);
        self
    }

    /// Writes numbers that JSON lacks not as `null`, as JavaScript does, but as a value with the same truth. So they
    /// stay something, and are neither a name nor a number.
    pub const fn with_truth_of_numbers(mut self) -> Self {
        self.truth = true;
        self
    }

    /// Writes the value at the place of a reader of the message.
    pub fn value(&mut self, reader: &mut Reader<'a>) -> Result<(), MsgpackError> {
        self.value_or_null(reader, self.levels)
    }

    /// The JSON text, and the attachments of its placeholders.
    pub fn finish(self) -> Result<(String, Vec<Bytes>), MsgpackError> {
        match self.lookalike {
            Some(at) if !self.attachments.is_empty() => Err(MsgpackError::Placeholder { at }),
            _ => Ok((self.json, self.attachments)),
        }
    }

    fn value_or_null(&mut self, reader: &mut Reader<'a>, levels: usize) -> Result<(), MsgpackError> {
        if self.any(reader, levels)? == Written::Undefined {
            self.json.push_str("null");
        }
        Ok(())
    }

    /// Writes a value that may nest `levels` deep.
    fn any(&mut self, reader: &mut Reader<'a>, levels: usize) -> Result<Written, MsgpackError> {
        let at = reader.at();
        self.check_cost(at)?;
        let within = || levels.checked_sub(1).ok_or(MsgpackError::TooDeep { at });
        match reader.head()? {
            Head::Nil => self.json.push_str("null"),
            Head::Bool(true) => {
                self.json.push_str("true");
                return Ok(Written::True);
            }
            Head::Bool(false) => self.json.push_str("false"),
            Head::Uint(number) => self.display(number),
            Head::Int(number) => self.display(number),
            Head::Float(float) if self.truth && !float.is_finite() => self.display(!float.is_nan()),
            Head::Float(float) => number::push(&mut self.json, float),
            Head::Text(text) => push_text(&mut self.json, &String::from_utf8_lossy(text)),
            Head::Bin(data) | Head::Ext(0, data) => {
                within()?;
                self.attachment(data);
            }
            Head::Array(length) => self.array(reader, length, within()?)?,
            Head::Map(length) => self.map(reader, length, within()?, at)?,
            Head::FixExt(0, [_]) => return Ok(Written::Undefined),
            Head::FixExt(0, &[b0, b1, b2, b3, b4, b5, b6, b7]) => {
                date::push_json(&mut self.json, i64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]) as f64);
            }
            Head::FixExt(-1, data) | Head::Ext(-1, data) => match timestamp(data) {
                Some(millis) => date::push_json(&mut self.json, millis),
                None => self.extension(-1, data, within()?, at)?,
            },
            Head::FixExt(kind, data) | Head::Ext(kind, data) => self.extension(kind, data, within()?, at)?,
        }
        Ok(Written::Value)
    }

    fn check_cost(&self, at: usize) -> Result<(), MsgpackError> {
        let cost = self.json.len() + self.attachments.len() * PIECE;
        if cost > self.most { Err(MsgpackError::TooCostly { at }) } else { Ok(()) }
    }

    fn array(&mut self, reader: &mut Reader<'a>, length: u32, levels: usize) -> Result<(), MsgpackError> {
        self.json.push('[');
        for place in 0..length {
            if place > 0 {
                self.json.push(',');
            }
            self.value_or_null(reader, levels)?;
        }
        self.json.push(']');
        Ok(())
    }

    fn map(&mut self, reader: &mut Reader<'a>, length: u32, levels: usize, at: usize) -> Result<(), MsgpackError> {
        self.json.push('{');
        let first = self.json.len();
        for _ in 0..length {
            let member = self.json.len();
            if member > first {
                self.json.push(',');
            }
            let key = self.json.len();
            self.key(reader, levels)?;
            let key = key..self.json.len();
            self.json.push(':');
            match self.any(reader, levels)? {
                Written::Undefined => self.json.truncate(member),
                Written::True if self.json.get(key) == Some("\"_placeholder\"") => {
                    self.lookalike = self.lookalike.or(Some(at));
                }
                Written::True | Written::Value => {}
            }
        }
        self.json.push('}');
        Ok(())
    }

    /// Writes a member's name as JavaScript converts the key, where that is possible here.
    fn key(&mut self, reader: &mut Reader<'a>, levels: usize) -> Result<(), MsgpackError> {
        self.json.push('"');
        self.as_text(reader, levels, "null")?;
        self.json.push('"');
        Ok(())
    }

    /// Writes a value as JavaScript converts it to a text; `nothing` for nil.
    fn as_text(&mut self, reader: &mut Reader<'a>, levels: usize, nothing: &str) -> Result<(), MsgpackError> {
        let at = reader.at();
        self.check_cost(at)?;
        let mut behind = *reader;
        match reader.head()? {
            Head::Text(text) | Head::Bin(text) => escape(&mut self.json, &String::from_utf8_lossy(text)),
            Head::Nil => self.json.push_str(nothing),
            Head::Bool(value) => self.display(value),
            Head::Uint(number) => self.display(number),
            Head::Int(number) => self.display(number),
            Head::Float(float) if float.is_finite() => number::push(&mut self.json, float),
            Head::Float(float) if float.is_nan() => self.json.push_str("NaN"),
            Head::Float(float) => self.json.push_str(if float > 0.0 { "Infinity" } else { "-Infinity" }),
            Head::Array(length) => {
                let levels = levels.checked_sub(1).ok_or(MsgpackError::TooDeep { at })?;
                for place in 0..length {
                    if place > 0 {
                        self.json.push(',');
                    }
                    self.as_text(reader, levels, "")?;
                }
            }
            Head::Map(_) => {
                behind.skip()?;
                *reader = behind;
                self.json.push_str("[object Object]");
            }
            found => return Err(unexpected("a key", found, at)),
        }
        Ok(())
    }

    fn attachment(&mut self, data: &[u8]) {
        self.json.push_str(r#"{"_placeholder":true,"num":"#);
        self.display(self.attachments.len());
        self.json.push('}');
        self.attachments.push(self.message.slice_ref(data));
    }

    fn extension(&mut self, kind: i8, data: &[u8], levels: usize, at: usize) -> Result<(), MsgpackError> {
        if levels == 0 {
            return Err(MsgpackError::TooDeep { at });
        }
        self.json.push('[');
        self.display(kind);
        self.json.push(',');
        self.attachment(data);
        self.json.push(']');
        Ok(())
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        // Writing to a String does not fail.
        let _ = write!(self.json, "{value}");
    }
}

/// The milliseconds of a timestamp of four, eight or twelve bytes.
fn timestamp(data: &[u8]) -> Option<f64> {
    let (seconds, nanos) = match *data {
        [s0, s1, s2, s3] => (f64::from(u32::from_be_bytes([s0, s1, s2, s3])), 0),
        [b0, b1, b2, b3, b4, b5, b6, b7] => {
            let packed = u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
            ((packed & 0x3_ffff_ffff) as f64, (packed >> 34) as u32)
        }
        [n0, n1, n2, n3, s0, s1, s2, s3, s4, s5, s6, s7] => {
            let seconds = i64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
            (seconds as f64, u32::from_be_bytes([n0, n1, n2, n3]))
        }
        _ => return None,
    };
    Some(seconds * 1000.0 + f64::from(nanos) / 1e6)
}

/// Writes a text in quotes.
fn push_text(json: &mut String, text: &str) {
    json.push('"');
    escape(json, text);
    json.push('"');
}

/// Writes a text with the escapes that JSON needs.
fn escape(json: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        // Escaped characters are ASCII, so these are boundaries of characters.
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        json.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => json.push_str("\\\""),
            Some('\\') => json.push_str("\\\\"),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some('\u{8}') => json.push_str("\\b"),
            Some('\u{c}') => json.push_str("\\f"),
            // Writing to a String does not fail.
            Some(control) => drop(write!(json, "\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = characters.as_str();
    }
    json.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(message: &[u8]) -> Result<(String, Vec<Bytes>), MsgpackError> {
        let message = Bytes::copy_from_slice(message);
        let mut reader = Reader::new(&message);
        let mut transcoder = Transcoder::new(&message, message.len());
        transcoder.value(&mut reader)?;
        reader.end()?;
        transcoder.finish()
    }

    fn text(message: &[u8]) -> String {
        let (json, attachments) = json(message).unwrap();
        assert_eq!(attachments.len(), json.matches("_placeholder").count());
        json
    }

    #[test]
    fn texts_are_escaped_as_json_stringify_does() {
        let special = "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}é\u{2028}🎉";
        let mut written = String::new();
        push_text(&mut written, special);
        assert_eq!(written, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}é\u{2028}🎉\"");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), special);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        assert_eq!(text(b"\xa3a\xffb"), "\"a\u{fffd}b\"");
    }

    #[test]
    fn whole_numbers_keep_all_digits() {
        assert_eq!(text(&[&[0xcf], &[0xff; 8][..]].concat()), "18446744073709551615");
        assert_eq!(text(b"\xd3\x80\0\0\0\0\0\0\0"), "-9223372036854775808");
    }

    #[test]
    fn floats_are_written_as_javascript_does() {
        assert_eq!(text(b"\xca\x3d\xcc\xcc\xcd"), "0.10000000149011612");
        assert_eq!(text(b"\x93\xcb\x7f\xf8\0\0\0\0\0\0\xca\x7f\x80\0\0\xcb\x80\0\0\0\0\0\0\0"), "[null,null,0]");
    }

    #[test]
    fn binary_becomes_attachments_in_order() {
        let (text, attachments) = json(b"\x93\xc4\x01a\x81\xa1k\xc4\0\xc7\x02\0bc").unwrap();
        assert_eq!(
            text,
            r#"[{"_placeholder":true,"num":0},{"k":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":2}]"#
        );
        assert_eq!(attachments, ["a", "", "bc"].map(Bytes::from));
    }

    #[test]
    fn dates_are_iso_8601() {
        assert_eq!(text(b"\xd6\xff\x65\x53\xf1\x00"), "\"2023-11-14T22:13:20.000Z\"");
        assert_eq!(text(b"\xd7\xff\x1d\x53\x53\x00\x65\x53\xf1\x00"), "\"2023-11-14T22:13:20.123Z\"");
        assert_eq!(text(b"\xc7\x0c\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), "\"1969-12-31T23:59:59.000Z\"");
        assert_eq!(text(b"\xc7\x0c\xff\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), "null");
        assert_eq!(text(b"\xd7\0\xff\xff\xff\xff\xff\xff\xff\xff"), "\"1969-12-31T23:59:59.999Z\"");
    }

    #[test]
    fn other_extensions_are_their_type_and_bytes() {
        for message in [&b"\xd4\xfba"[..], b"\xc7\x01\xfba"] {
            let expected = (r#"[-5,{"_placeholder":true,"num":0}]"#.to_owned(), vec![Bytes::from("a")]);
            assert_eq!(json(message).unwrap(), expected);
        }
        assert_eq!(text(b"\xd5\xffab"), r#"[-1,{"_placeholder":true,"num":0}]"#);
        assert_eq!(text(b"\xd5\0ab"), r#"[0,{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn undefined_is_null_and_no_member() {
        assert_eq!(text(b"\xd4\0\0"), "null");
        assert_eq!(text(b"\x92\xd4\0\0\x01"), "[null,1]");
        assert_eq!(text(b"\x83\xa1a\xd4\0\0\xa1b\x01\xa1c\xd4\0\0"), r#"{"b":1}"#);
        assert_eq!(text(b"\x82\xa1b\x01\xa1c\x02"), r#"{"b":1,"c":2}"#);
    }

    #[test]
    fn keys_become_texts() {
        assert_eq!(
            text(b"\x86\x01\x01\xff\x02\xc0\x03\xc3\x04\xcb\x3f\xf8\0\0\0\0\0\0\x05\xa1\"\x06"),
            r#"{"1":1,"-1":2,"null":3,"true":4,"1.5":5,"\"":6}"#
        );
        for (key, expected) in [
            (&b"\xc4\x02a\""[..], r#"{"a\"":1}"#),
            (b"\x80", r#"{"[object Object]":1}"#),
            (b"\x90", r#"{"":1}"#),
            (b"\x95\x01\xc0\xa1a\x92\x02\x81\x03\x90\xc3", r#"{"1,,a,2,[object Object],true":1}"#),
        ] {
            assert_eq!(text(&[b"\x81", key, b"\x01"].concat()), expected);
        }
        let error = json(b"\x81\xd4\0\0\x01").unwrap_err();
        assert_eq!(error, MsgpackError::Unexpected { expected: "a key", found: "an extension", at: 1 });
    }

    #[test]
    fn keys_do_not_become_many_times_as_long() {
        let key =
            |count: u32| [b"\x81\xdd", &count.to_be_bytes()[..], &b"\x80".repeat(count as usize), b"\x01"].concat();
        assert!(json(&key(1_000_000)).is_ok());
        assert!(matches!(json(&key(4_000_000)), Err(MsgpackError::TooCostly { .. })));
        let deep = [b"\x81", &[0x91; 200][..], b"\x01\x01"].concat();
        assert!(matches!(json(&deep), Err(MsgpackError::TooDeep { .. })));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels| [vec![0x91; levels], vec![0xc0]].concat();
        assert!(json(&nested(128)).is_ok());
        assert_eq!(json(&nested(129)), Err(MsgpackError::TooDeep { at: 128 }));
        // In JSON a placeholder is an object, and an extension a list with one in it.
        let around = |levels, value: &[u8]| json(&[&vec![0x91; levels], value].concat());
        assert!(around(127, b"\xc4\0").is_ok() && around(128, b"\xc4\0").is_err());
        assert!(around(126, b"\xd4\x05a").is_ok() && around(127, b"\xd4\x05a").is_err());
        let maps = [b"\x81\xa0".repeat(1_000_000), vec![0xc0]].concat();
        assert_eq!(json(&maps), Err(MsgpackError::TooDeep { at: 256 }));
    }

    #[test]
    fn a_map_like_a_placeholder_is_no_binary() {
        let lookalike = b"\x82\xac_placeholder\xc3\xa3num\0";
        assert_eq!(json(lookalike).unwrap(), (r#"{"_placeholder":true,"num":0}"#.to_owned(), vec![]));
        let beside = [b"\x92\xc4\x01a", &lookalike[..]].concat();
        assert_eq!(json(&beside), Err(MsgpackError::Placeholder { at: 4 }));
        for name in [&b"\xc4\x0c_placeholder"[..], b"\x91\xac_placeholder"] {
            let otherwise = [b"\x92\xc4\x01a\x82", name, &lookalike[14..]].concat();
            assert_eq!(json(&otherwise), Err(MsgpackError::Placeholder { at: 4 }));
        }
        let before = [b"\x92", &lookalike[..], b"\xc4\x01a"].concat();
        assert_eq!(json(&before), Err(MsgpackError::Placeholder { at: 1 }));
        let marked_otherwise = b"\x92\xc4\x01a\x81\xac_placeholder\x01";
        assert!(json(marked_otherwise).is_ok());
    }

    #[test]
    fn many_small_pieces_are_refused() {
        let many = |piece: &[u8], count: u32| {
            json(&[b"\xdd", &count.to_be_bytes()[..], &piece.repeat(count as usize)].concat())
        };
        assert!(many(b"\xc4\0", 100_000).is_ok());
        assert!(matches!(many(b"\xc4\0", 1_000_000), Err(MsgpackError::TooCostly { .. })));
        assert!(many(b"\0", 1_000_000).is_ok());
    }
}
