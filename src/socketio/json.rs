//! What the decoder must know of a JSON text without building its values: whether it is valid, its depth, the name of
//! its event, and whether its placeholders fit the attachments.
//!
//! Valid means accepted by JSON.parse, including numbers too large for a float, halves of surrogate pairs in escapes,
//! and repeated members.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Whether the text is one valid JSON value.
pub fn is_valid(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether no value lies inside more than `limit` arrays and objects.
///
/// The text need not be valid. The result for an invalid text does not matter, only that the work is bounded.
pub fn is_within_depth(text: &str, limit: usize) -> bool {
    let bytes = text.as_bytes();
    // Few brackets cannot nest deeply. Brackets in strings only make this more careful.
    if memchr::memchr2_iter(b'[', b'{', bytes).take(limit.saturating_add(1)).count() <= limit {
        return true;
    }
    let mut depth = 0_usize;
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = skip_string(rest),
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// How many values, elements and members a JSON text has, or more.
pub fn pieces(text: &str) -> usize {
    let mut pieces = 1;
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = skip_string(rest),
            b'[' | b'{' | b',' | b':' => pieces += 1,
            _ => {}
        }
    }
    pieces
}

/// The name of the event in a JSON array: its first element, a text or a number. None if the text is not a valid JSON
/// array or begins with something else.
pub fn event_name(array: &str) -> Option<Cow<'_, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(array);
    let first = deserializer.deserialize_seq(FirstElement).ok()??.get();
    deserializer.end().ok()?;
    match first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(escaped) if escaped.contains('\\') => {
            // A `str` cannot contain half a surrogate pair. No handler has such a name, so it stays escaped.
            Some(serde_json::from_str(first).map_or(Cow::Borrowed(escaped), Cow::Owned))
        }
        Some(name) => Some(Cow::Borrowed(name)),
        None => first.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(Cow::Borrowed(first)),
    }
}

struct FirstElement;

impl<'de> Visitor<'de> for FirstElement {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let first = elements.next_element()?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// The text after a string whose opening quote has been read.
pub(super) fn skip_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let escape = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escape)..).unwrap_or_default();
        if !escape {
            return rest;
        }
    }
    &[]
}

pub(super) fn skip_while(rest: &[u8], belongs: impl Fn(u8) -> bool) -> &[u8] {
    let end = rest.iter().position(|&byte| !belongs(byte)).unwrap_or(rest.len());
    rest.get(end..).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn validity_is_that_of_json_parse() {
        for valid in ["1e400", r#""\ud83d""#, r#"{"a":1,"a":2}"#, " [ 1 ,\t2 ]\r\n", "-0", "\"\u{2028}\""] {
            assert!(is_valid(valid), "{valid}");
        }
        for invalid in ["", "[1,]", "01", "{'a':1}", "[1] x", "\"\u{1}\"", r#""\x""#, "NaN", "\u{feff}1"] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }

    #[test]
    fn the_limit_counts_levels() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_within_depth(&nested(128), 128));
        assert!(!is_within_depth(&nested(129), 128));
        assert!(is_within_depth(&format!("[{}1]", "[1],{\"a\":2},".repeat(100)), 2));
        assert!(!is_within_depth("[[[", 2));
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert!(is_within_depth(r#"["[[[\"[[[\\",["]]"]]"#, 2));
        assert!(!is_within_depth(r#"["\\",[[1]]]"#, 2));
    }

    #[test]
    fn the_name_is_the_first_element() {
        for (array, name) in [
            (r#"["hello",1]"#, Some("hello")),
            (r#"[""]"#, Some("")),
            (r#" [ "a\u00e9\n" ] "#, Some("aé\n")),
            (r#"["\ud83d"]"#, Some(r"\ud83d")),
            (r#"["\""]"#, Some("\"")),
            ("[42]", Some("42")),
            ("[-1.5,2]", Some("-1.5")),
            ("[1e400]", Some("1e400")),
            ("[]", None),
            ("[null]", None),
            ("[true]", None),
            (r#"[["a"]]"#, None),
            (r#"{"a":1}"#, None),
            (r#"["a",]"#, None),
            (r#"["a"]x"#, None),
        ] {
            assert_eq!(event_name(array).as_deref(), name, "{array}");
        }
    }

    /// Values with placeholders among them.
    pub(in super::super) fn values() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(true)),
            Just(json!(null)),
            (-1..4).prop_map(|number| json!(number)),
            any::<String>().prop_map(|text| json!(text)),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|elements| json!(elements)),
                prop::collection::btree_map("_placeholder|num|[a\"\\\\:{]", inner, 0..4)
                    .prop_map(|members| json!(members)),
            ]
        })
    }

    fn depth(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
            serde_json::Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn scanning_sees_what_the_tree_holds(value in values()) {
            let text = value.to_string();
            let depth = depth(&value);
            prop_assert!(is_within_depth(&text, depth));
            prop_assert!(depth == 0 || !is_within_depth(&text, depth - 1));
        }

        #[test]
        fn any_text_is_scanned_to_its_end(text in any::<String>(), punctuation in r#"[\[\]{}:,"\\a1t-]*"#) {
            for text in [text, punctuation] {
                is_within_depth(&text, 2);
                event_name(&text);
            }
        }
    }
}
