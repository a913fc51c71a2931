//! From JSON text and attachments to MessagePack.
//!
//! MessagePack has the lengths of arrays and maps in front, but they are known only at the end. So a text is packed
//! once, in order, without those heads, and the heads are noted. Writing the whole puts each head in its place. Binary
//! data is also a head, so it is copied only once.

use std::mem;

use bytes::Bytes;

use super::error::PackError;
use super::scanner::{Form, Scanner};
use super::{MAX_DEPTH, writer};

/// A packed JSON value without the heads that have lengths.
#[derive(Debug)]
pub struct Packed<'a> {
    body: Vec<u8>,
    /// Heads and their places in the body, in order.
    heads: Vec<(usize, Lengthy)>,
    attachments: &'a [Bytes],
}

/// A thing with its length in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengthy {
    /// An array of this many elements.
    Array(u32),
    /// A map of this many members.
    Map(u32),
    /// The attachment of this number; it exists and is not too long.
    Bin(u32),
}

impl<'a> Packed<'a> {
    /// Packs the value of a whole JSON text, whose placeholders stand for the attachments. Not every attachment need be used.
    pub fn pack(json: &'a str, attachments: &'a [Bytes]) -> Result<Self, PackError> {
        let packed = Self { body: Vec::with_capacity(json.len()), heads: Vec::new(), attachments };
        let budget = attachments.iter().map(Bytes::len).sum();
        let mut packer = Packer { scanner: Scanner::new(json), budget, packed };
        packer.value(MAX_DEPTH)?;
        packer.scanner.end()?;
        Ok(packer.packed)
    }

    /// Whether the value is an array of at least one element.
    pub fn is_filled_array(&self) -> bool {
        matches!(self.heads.first(), Some((0, Lengthy::Array(1..))))
    }

    /// Greatest length of the written value.
    pub fn capacity(&self) -> usize {
        let data = self.heads.iter().map(|&(_, head)| self.data(head).len());
        self.body.len() + 5 * self.heads.len() + data.sum::<usize>()
    }

    /// The data of a head.
    fn data(&self, head: Lengthy) -> &'a [u8] {
        match head {
            Lengthy::Bin(number) => self.attachments.get(number as usize).map_or(&[], |data| data),
            Lengthy::Array(_) | Lengthy::Map(_) => &[],
        }
    }

    /// Writes the value.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_longer(0, out);
    }

    /// Writes the value, an array, as one that has so many elements more. They must follow.
    pub fn write_longer(&self, mut more: u32, out: &mut Vec<u8>) {
        let mut rest = self.body.as_slice();
        let mut written = 0;
        for &(place, head) in &self.heads {
            let (before, behind) = rest.split_at_checked(place - written).unwrap_or((rest, &[]));
            out.extend_from_slice(before);
            (rest, written) = (behind, place);
            match head {
                Lengthy::Array(length) => writer::array(out, length.saturating_add(mem::take(&mut more))),
                Lengthy::Map(length) => writer::map(out, length),
                Lengthy::Bin(_) => {
                    let data = self.data(head);
                    // MessagePack can express the length; otherwise packing had failed.
                    writer::bin(out, data.len() as u32);
                    out.extend_from_slice(data);
                }
            }
        }
        out.extend_from_slice(rest);
    }
}

/// Reads the text and packs its values.
struct Packer<'a> {
    scanner: Scanner<'a>,
    /// How many bytes of attachments may still be written: no more than there are, however often placeholders repeat
    /// them.
    budget: usize,
    packed: Packed<'a>,
}

/// The property of a value that matters to its object.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Met {
    True,
    Number(f64),
    Other,
}

impl<'a> Packer<'a> {
    /// Packs the next value, which may nest `levels` deep.
    fn value(&mut self, levels: usize) -> Result<Met, PackError> {
        self.scanner.blanks();
        let within = levels.checked_sub(1).ok_or(PackError::TooDeep { at: self.scanner.at() });
        match self.scanner.peek() {
            Some(b'"') => {
                let text = self.scanner.string()?;
                writer::text(&mut self.packed.body, &text)?;
            }
            Some(b'[') => self.array(within?)?,
            Some(b'{') => self.object(within?)?,
            Some(b't') => {
                self.scanner.literal("true")?;
                writer::boolean(&mut self.packed.body, true);
                return Ok(Met::True);
            }
            Some(b'f') => {
                self.scanner.literal("false")?;
                writer::boolean(&mut self.packed.body, false);
            }
            Some(b'n') => {
                self.scanner.literal("null")?;
                writer::nil(&mut self.packed.body);
            }
            Some(b'-' | b'0'..=b'9') => return self.number().map(Met::Number),
            _ => return Err(self.scanner.no_json("a value")),
        }
        Ok(Met::Other)
    }

    fn array(&mut self, levels: usize) -> Result<(), PackError> {
        let head = self.open(Lengthy::Array(0));
        let mut length = 0;
        if !self.scanner.is_closed_by(b']') {
            loop {
                self.value(levels)?;
                length += 1;
                if !self.scanner.is_continued(b']')? {
                    break;
                }
            }
        }
        let length = writer::length(length)?;
        self.close(head, Lengthy::Array(length));
        Ok(())
    }

    fn object(&mut self, levels: usize) -> Result<(), PackError> {
        let begin = (self.scanner.at(), self.packed.body.len());
        let head = self.open(Lengthy::Map(0));
        let mut length = 0;
        let mut is_placeholder = false;
        let mut num = None;
        if !self.scanner.is_closed_by(b'}') {
            loop {
                self.scanner.blanks();
                let key = self.scanner.string()?;
                writer::text(&mut self.packed.body, &key)?;
                self.scanner.blanks();
                self.scanner.expect(b':', "a colon")?;
                let met = self.value(levels)?;
                // If a member is repeated, the last one counts.
                match &*key {
                    "_placeholder" => is_placeholder = met == Met::True,
                    "num" => num = if let Met::Number(num) = met { Some(num) } else { None },
                    _ => {}
                }
                length += 1;
                if !self.scanner.is_continued(b'}')? {
                    break;
                }
            }
        }
        if is_placeholder && !self.packed.attachments.is_empty() {
            return self.placeholder(num, head, begin);
        }
        let length = writer::length(length)?;
        self.close(head, Lengthy::Map(length));
        Ok(())
    }

    /// Replaces an object, which began at this place of the text and the body, by an attachment.
    fn placeholder(&mut self, num: Option<f64>, head: usize, (at, place): (usize, usize)) -> Result<(), PackError> {
        // Numbers too large become the largest one.
        let num = num.filter(|num| num.fract() == 0.0 && *num >= 0.0).map(|num| num as u32);
        let attachment = num.and_then(|num| Some((num, self.packed.attachments.get(num as usize)?)));
        let (num, attachment) = attachment.ok_or(PackError::Placeholder { at })?;
        writer::length(attachment.len())?;
        self.budget = self.budget.checked_sub(attachment.len()).ok_or(PackError::Repeated { at })?;
        self.packed.body.truncate(place);
        self.packed.heads.truncate(head);
        self.packed.heads.push((place, Lengthy::Bin(num)));
        Ok(())
    }

    /// Skips a bracket and reserves a place for the head; returns its number.
    fn open(&mut self, head: Lengthy) -> usize {
        self.scanner.pass();
        self.packed.heads.push((self.packed.body.len(), head));
        self.packed.heads.len() - 1
    }

    fn close(&mut self, number: usize, head: Lengthy) {
        if let Some((_, kept)) = self.packed.heads.get_mut(number) {
            *kept = head;
        }
    }

    /// Packs a number and returns its value.
    fn number(&mut self) -> Result<f64, PackError> {
        let at = self.scanner.at();
        let (text, form) = self.scanner.number()?;
        let out = &mut self.packed.body;
        if form == Form::Whole {
            if let Ok(number) = text.parse::<u64>() {
                writer::uint(out, number);
                return Ok(number as f64);
            }
            if let Ok(number) = text.parse::<i64>() {
                writer::int(out, number);
                return Ok(number as f64);
            }
        }
        let number = text.parse().map_err(|_| PackError::Json { expected: "a number", at })?;
        writer::number(out, number);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(json: &str, attachments: &[Bytes]) -> Result<Vec<u8>, PackError> {
        let packed = Packed::pack(json, attachments)?;
        let mut out = Vec::new();
        packed.write(&mut out);
        assert!(out.len() <= packed.capacity());
        Ok(out)
    }

    fn plain(json: &str) -> Vec<u8> {
        packed(json, &[]).unwrap()
    }

    #[test]
    fn values_are_packed_in_order() {
        assert_eq!(
            plain(" [ 1 ,\t-1,\"a\\n\",{\"k\" : [null,true,false],\"l\":{}},[]\r\n] "),
            b"\x95\x01\xff\xa2a\n\x82\xa1k\x93\xc0\xc3\xc2\xa1l\x80\x90"
        );
        assert_eq!(plain("\"a\""), b"\xa1a");
    }

    #[test]
    fn long_arrays_and_objects_have_their_lengths_in_front() {
        let array = plain(&format!("[{}0]", "[1],".repeat(70_000)));
        assert_eq!(array[..7], *b"\xdd\0\x01\x11\x71\x91\x01");
        assert_eq!(array.len(), 5 + 140_000 + 1);
        let object = plain(&format!("{{{}\"x\":0}}", "\"\":[],".repeat(15)));
        assert_eq!(object[..5], *b"\xde\0\x10\xa0\x90");
    }

    #[test]
    fn whole_numbers_are_integers_however_they_are_written() {
        for (json, expected) in [
            ("0", &b"\0"[..]),
            ("-0", b"\0"),
            ("-0.0e5", b"\0"),
            ("1.0", b"\x01"),
            ("1e2", b"\x64"),
            ("1E+2", b"\x64"),
            ("100e-2", b"\x01"),
            ("18446744073709551615", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
            ("9007199254740993", b"\xcf\0\x20\0\0\0\0\0\x01"),
            ("-9223372036854775808", b"\xd3\x80\0\0\0\0\0\0\0"),
        ] {
            assert_eq!(plain(json), expected, "{json}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_floats() {
        for (json, number) in [
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("-9223372036854775809000", -9_223_372_036_854_775_809_000.0),
            ("1e400", f64::INFINITY),
            ("0.1", 0.1),
            ("-1e-400", -0.0),
        ] {
            let expected = if number == 0.0 { vec![0] } else { [&[0xcb], &number.to_be_bytes()[..]].concat() };
            assert_eq!(plain(json), expected, "{json}");
        }
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(plain(r#""\"\\\/\b\f\n\r\t\u00e9""#), b"\xaa\"\\/\x08\x0c\n\r\t\xc3\xa9");
        assert_eq!(plain(r#""\ud83c\udf89""#), [&b"\xa4"[..], "🎉".as_bytes()].concat());
        for (json, text) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\udf89x""#, "\u{fffd}x"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d\ud83c\udf89""#, "\u{fffd}🎉"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
        ] {
            assert_eq!(plain(json)[1..], *text.as_bytes(), "{json}");
        }
    }

    #[test]
    fn placeholders_become_the_attachments_they_stand_for() {
        let attachments = [Bytes::from("a"), Bytes::from(vec![7; 300])];
        let json = r#"["x",{"num":1,"_placeholder":true},{"k":[{"_placeholder":true,"num":0,"more":[[1],{}]}],"l":1}]"#;
        let expected = [&b"\x93\xa1x\xc5\x01\x2c"[..], &[7; 300], b"\x82\xa1k\x91\xc4\x01a\xa1l\x01"].concat();
        assert_eq!(packed(json, &attachments).unwrap(), expected);
        assert_eq!(packed(r#"{"\u005fplaceholder":true,"n\u0075m":0}"#, &attachments).unwrap(), b"\xc4\x01a");
        assert_eq!(packed(r#"{"_placeholder":true,"num":7,"num":0.0}"#, &attachments).unwrap(), b"\xc4\x01a");
    }

    #[test]
    fn attachments_are_not_multiplied() {
        let attachments = [Bytes::from(vec![0; 1000]), Bytes::new()];
        let list = |num: u8, count| format!("[{}0]", format!(r#"{{"_placeholder":true,"num":{num}}},"#).repeat(count));
        assert!(packed(&list(0, 1), &attachments).is_ok());
        assert_eq!(packed(&list(0, 2), &attachments), Err(PackError::Repeated { at: 31 }));
        assert!(packed(&list(1, 100), &attachments).is_ok());
    }

    #[test]
    fn a_head_takes_little_memory_while_it_waits() {
        assert_eq!(size_of::<(usize, Lengthy)>(), 16);
    }

    #[test]
    fn without_attachments_nothing_is_a_placeholder() {
        let expected = b"\x82\xac_placeholder\xc3\xa3num\0";
        assert_eq!(plain(r#"{"_placeholder":true,"num":0}"#), expected);
        let marked_otherwise = packed(r#"{"_placeholder":1,"num":0}"#, &[Bytes::new()]).unwrap();
        assert_eq!(marked_otherwise, b"\x82\xac_placeholder\x01\xa3num\0");
    }

    #[test]
    fn a_placeholder_without_its_attachment_is_refused() {
        let attachments = [Bytes::from("a")];
        for num in ["1", "-1", "0.5", "1e400", "\"0\"", "null", "[0]"] {
            let error = packed(&format!(r#"["x",{{"_placeholder":true,"num":{num}}}]"#), &attachments).unwrap_err();
            assert_eq!(error, PackError::Placeholder { at: 5 }, "{num}");
        }
        assert_eq!(packed(r#"{"_placeholder":true}"#, &attachments), Err(PackError::Placeholder { at: 0 }));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(plain(&nested(128)).len(), 128);
        assert_eq!(packed(&nested(129), &[]), Err(PackError::TooDeep { at: 128 }));
        assert_eq!(packed(&"{\"\":".repeat(1_000_000), &[]), Err(PackError::TooDeep { at: 512 }));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for (json, at) in [
            ("", 0),
            (" ", 1),
            ("[1,]", 3),
            ("[1", 2),
            ("[1 2]", 3),
            ("{\"a\"}", 4),
            ("{\"a\":1,}", 7),
            ("{1:1}", 1),
            ("[1]x", 3),
            ("01", 1),
            ("1.", 2),
            (".5", 0),
            ("1e", 2),
            ("-", 1),
            ("+1", 0),
            ("nul", 0),
            ("NaN", 0),
            ("\"a", 2),
            ("\"\u{1}\"", 1),
            (r#""\x""#, 2),
            (r#""\u12""#, 3),
            (r#""\u+123""#, 3),
            ("\u{feff}1", 0),
        ] {
            assert!(matches!(packed(json, &[]), Err(PackError::Json { at: found, .. }) if found == at), "{json}");
        }
    }
}
