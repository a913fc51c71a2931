//! Placeholders: the objects in the JSON of a packet that stand for its attachments.
//!
//! A placeholder is an object whose member `_placeholder` is exactly `true`. Members other than `num` do not matter. If
//! a member is repeated, the last one counts, but a bad placeholder in an earlier one is still bad. A placeholder with
//! an invalid number such as 0.5 stands for nothing.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::json::{skip_string, skip_while};

/// Drops the attachments without a placeholder, as Node's decoder does, and renumbers the others; `None` if there is
/// nothing to drop. Several placeholders may stand for the same attachment, and still do. One that stands for nothing
/// becomes `null`.
pub(super) fn without_unnamed(
    text: &str,
    placeholders: &[Placeholder],
    attachments: &[Bytes],
) -> Option<(ByteString, Box<[Bytes]>)> {
    let mut numbers = vec![None; attachments.len()];
    for num in placeholders.iter().filter_map(|placeholder| placeholder.num) {
        if let Some(number) = numbers.get_mut(num) {
            *number = Some(0);
        }
    }
    if numbers.iter().all(Option::is_some) && placeholders.iter().all(|placeholder| placeholder.num.is_some()) {
        return None;
    }
    numbers.iter_mut().flatten().zip(0..).for_each(|(number, place)| *number = place);
    let mut json = String::with_capacity(text.len());
    let mut written = 0;
    for Placeholder { num, place } in placeholders {
        json.push_str(text.get(written..place.start).unwrap_or_default());
        match num.and_then(|num| *numbers.get(num)?) {
            Some(number) => json.push_str(&number.to_string()),
            None => json.push_str("null"),
        }
        written = place.end;
    }
    json.push_str(text.get(written..).unwrap_or_default());
    let named = attachments.iter().zip(&numbers).filter(|(_, number)| number.is_some());
    Some((json.into(), named.map(|(data, _)| data.clone()).collect()))
}

/// A placeholder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// The number of its attachment, if it has one.
    num: Option<usize>,
    /// The place of that number in the text, or of the whole placeholder.
    place: Range<usize>,
}

/// The result of comparing placeholders and attachments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Each placeholder has an attachment, and each attachment a placeholder.
    All,
    /// Some attachments have no placeholder, or some placeholders stand for nothing, or a quick look cannot tell.
    NotAll,
}

/// Checks the placeholders in a valid JSON text, without a list of them. `None` if one has no number from 0 to below
/// `count`.
pub(super) fn look(text: &str, count: usize) -> Option<Named> {
    let mut glance = Glance::default();
    walk(text, count, &mut glance)?;
    let all = 1_u64.checked_shl(u32::try_from(count).ok()?).map(|bit| bit - 1);
    Some(if glance.is_clear && all == Some(glance.named) { Named::All } else { Named::NotAll })
}

/// The placeholders in a valid JSON text, in order. `None` if one has no number from 0 to below `count`.
pub(super) fn find(text: &str, count: usize) -> Option<Vec<Placeholder>> {
    let mut found = Vec::new();
    walk(text, count, &mut found)?;
    Some(found)
}

/// Receives placeholders as they are found.
trait Found {
    /// How many were found.
    fn count(&self) -> usize;

    /// Keeps only this many of the first ones: the others are inside a placeholder.
    fn forget_behind(&mut self, count: usize);

    fn add(&mut self, num: Option<usize>, place: Range<usize>);
}

impl Found for Vec<Placeholder> {
    fn count(&self) -> usize {
        self.len()
    }

    fn forget_behind(&mut self, count: usize) {
        self.truncate(count);
    }

    fn add(&mut self, num: Option<usize>, place: Range<usize>) {
        self.push(Placeholder { num, place });
    }
}

/// Which of the first 64 attachments are named, a bit for each.
struct Glance {
    named: u64,
    count: usize,
    is_clear: bool,
}

impl Default for Glance {
    fn default() -> Self {
        Self { named: 0, count: 0, is_clear: true }
    }
}

impl Found for Glance {
    fn count(&self) -> usize {
        self.count
    }

    fn forget_behind(&mut self, count: usize) {
        self.is_clear &= count == self.count;
    }

    fn add(&mut self, num: Option<usize>, _: Range<usize>) {
        self.count += 1;
        let bit = num.and_then(|num| 1_u64.checked_shl(u32::try_from(num).ok()?));
        self.is_clear &= bit.is_some();
        self.named |= bit.unwrap_or(0);
    }
}

fn walk(text: &str, count: usize, found: &mut impl Found) -> Option<()> {
    let mut enclosing = Vec::new();
    let mut level = Level::default();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let here = rest;
        rest = behind;
        match byte {
            b'"' => {
                rest = skip_string(rest);
                if rest.trim_ascii_start().first() == Some(&b':') {
                    level.key = Key::of(here.get(..here.len() - rest.len()).unwrap_or_default());
                } else {
                    level.value(Value::Other);
                }
            }
            b'[' | b'{' => {
                let within = Level { found: found.count(), begin: text.len() - here.len(), ..Level::default() };
                enclosing.push(std::mem::replace(&mut level, within));
            }
            b']' | b'}' => {
                let fits = level.end(text.len() - rest.len(), count, found);
                level = enclosing.pop().unwrap_or_default();
                level.value(Value::Other);
                level.children_fit &= fits;
            }
            b't' => {
                level.value(Value::True);
                rest = skip_while(rest, |byte| byte.is_ascii_lowercase());
            }
            b'f' | b'n' => {
                level.value(Value::Other);
                rest = skip_while(rest, |byte| byte.is_ascii_lowercase());
            }
            b'-' | b'0'..=b'9' => {
                rest = skip_while(rest, |byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
                let place = text.len() - here.len()..text.len() - rest.len();
                let number = text.get(place.clone()).and_then(number);
                level.value(number.map_or(Value::Other, |number| Value::Number(number, place)));
            }
            _ => {}
        }
    }
    level.children_fit.then_some(())
}

/// The value of a number's text. Nearly all attachments have numbers of one digit, and the general parser is slow.
fn number(text: &str) -> Option<f64> {
    match text.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(f64::from(digit - b'0')),
        _ => text.parse().ok(),
    }
}

/// An array or object that is being read.
struct Level {
    key: Key,
    is_placeholder: bool,
    num: Option<(f64, Range<usize>)>,
    children_fit: bool,
    /// How many placeholders were found before this.
    found: usize,
    /// Where it begins.
    begin: usize,
}

enum Key {
    Placeholder,
    Num,
    Other,
}

enum Value {
    True,
    Number(f64, Range<usize>),
    Other,
}

impl Default for Level {
    fn default() -> Self {
        Self { key: Key::Other, is_placeholder: false, num: None, children_fit: true, found: 0, begin: 0 }
    }
}

impl Level {
    fn value(&mut self, value: Value) {
        match self.key {
            Key::Placeholder => self.is_placeholder = matches!(value, Value::True),
            Key::Num => self.num = if let Value::Number(num, place) = value { Some((num, place)) } else { None },
            Key::Other => {}
        }
    }

    /// Whether the placeholders in it fit. If it is itself a placeholder, its contents do not matter.
    fn end(self, end: usize, count: usize, found: &mut impl Found) -> bool {
        if !self.is_placeholder {
            return self.children_fit;
        }
        found.forget_behind(self.found);
        let Some((num, place)) = self.num.filter(|(num, _)| *num >= 0.0 && *num < count as f64) else { return false };
        match num.fract() {
            0.0 => found.add(Some(num as usize), place),
            _ => found.add(None, self.begin..end),
        }
        true
    }
}

impl Key {
    /// The meaning of a member's name, which has its quotes and escapes.
    fn of(quoted: &[u8]) -> Self {
        if memchr::memchr(b'\\', quoted).is_some() {
            return serde_json::from_slice::<String>(quoted).map_or(Self::Other, |name| Self::named(name.as_bytes()));
        }
        Self::named(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default())
    }

    fn named(name: &[u8]) -> Self {
        match name {
            b"_placeholder" => Self::Placeholder,
            b"num" => Self::Num,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::values;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_placeholder_is_recognised_whatever_its_spelling() {
        for (text, fits) in [
            (r#"[{"_placeholder":true,"num":0}]"#, true),
            (r#"[{"num" : -0 , "_placeholder"\n: true}]"#, true),
            (r#"[{"_placeholder":true,"num":0.5}]"#, true),
            (r#"[{"\u005fplaceholder":true,"num":1}]"#, false),
            (r#"[{"\"_placeholder\"":true}]"#, true),
            (r#"[{"_placeholder":true,"n\u0075m":1}]"#, false),
            (r#"[{"_placeholder":true}]"#, false),
            (r#"[{"_placeholder":true,"num":1e400}]"#, false),
            (r#"[{"_placeholder":true,"num":[0]}]"#, false),
            (r#"[{"_placeholder":false,"_placeholder":true,"num":0,"num":1}]"#, false),
            (r#"[{"_placeholder":true,"num":7,"_placeholder":1}]"#, true),
            (r#"[{"_placeholder":true,"num":0,"a":{"_placeholder":true}}]"#, true),
            (r#"["_placeholder",true,{"a":"_placeholder:true"}]"#, true),
            (r#"["\ud83d",{"\ud83d":[[{"_placeholder":true,"num":-1}]]}]"#, false),
        ] {
            assert_eq!(find(text, 1).is_some(), fits, "{text}");
        }
    }

    #[test]
    fn attachments_without_a_placeholder_are_dropped() {
        let kept = |text: &str, kept: &str, of: &[&'static str], left: &[&'static str]| {
            let bytes = |texts: &[&'static str]| texts.iter().map(|text| Bytes::from(*text)).collect::<Box<[_]>>();
            let attachments = bytes(of);
            let placeholders = find(text, attachments.len()).unwrap();
            let without = without_unnamed(text, &placeholders, &attachments);
            let (json, attachments) = without.unwrap_or_else(|| (text.into(), attachments));
            assert_eq!((&*json, attachments), (kept, bytes(left)));
        };
        let [zero, one] = [0, 1].map(|num| format!(r#"{{"_placeholder":true,"num":{num}}}"#));
        kept("[]", "[]", &["a"], &[]);
        kept(&format!("[{one}, 1,{one}]"), &format!("[{zero}, 1,{zero}]"), &["a", "b"], &["b"]);
        kept(&format!("[{one},{zero}]"), &format!("[{one},{zero}]"), &["a", "b"], &["a", "b"]);
        let within = r#"[{"_placeholder":true,"n\u0075m":1e0 ,"x":{"_placeholder":true,"num":0}}]"#;
        kept(within, &within.replace("1e0", "0"), &["a", "b"], &["b"]);
        kept(&format!(r#"[{{"_placeholder":true,"num":0.5}},{zero}]"#), &format!("[null,{zero}]"), &["a"], &["a"]);
    }

    fn fits(value: &serde_json::Value, count: i64) -> bool {
        match value {
            serde_json::Value::Object(members) if members.get("_placeholder") == Some(&json!(true)) => {
                members.get("num").and_then(serde_json::Value::as_i64).is_some_and(|num| (0..count).contains(&num))
            }
            serde_json::Value::Object(members) => members.values().all(|member| fits(member, count)),
            serde_json::Value::Array(elements) => elements.iter().all(|element| fits(element, count)),
            _ => true,
        }
    }

    proptest! {
        #[test]
        fn all_that_the_tree_holds_are_found(value in values(), count in 0_i64..4) {
            let found = find(&value.to_string(), usize::try_from(count).unwrap());
            prop_assert_eq!(found.is_some(), fits(&value, count));
        }

        #[test]
        fn a_glance_tells_no_more_than_the_list(value in values(), count in 0_usize..4) {
            let text = value.to_string();
            let (glance, found) = (look(&text, count), find(&text, count));
            prop_assert_eq!(glance.is_some(), found.is_some());
            if let (Some(Named::All), Some(found)) = (glance, found) {
                prop_assert!(without_unnamed(&text, &found, &vec![Bytes::new(); count]).is_none());
            }
        }

        #[test]
        fn any_text_is_read_to_its_end(text in any::<String>(), punctuation in r#"[\[\]{}:,"\\a1t-]*"#) {
            for text in [text, punctuation] {
                find(&text, 1);
            }
        }
    }
}
