//! Text that somebody else chose, in a form that is safe in the log.

use std::fmt::{self, Write};

/// Most characters that are shown.
const MOST: usize = 200;

/// Shows the first 200 characters of something. It escapes what could end a line or control a terminal: control
/// characters, line separators, and characters that are invisible or change the direction of text.
#[derive(Clone, Copy)]
pub(crate) struct Excerpt<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cut::of(f, |cut| write!(cut, "{}", self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cut::of(f, |cut| write!(cut, "{:?}", self.0))
    }
}

/// Passes text on, escaped, until enough has passed.
struct Cut<'a, 'f> {
    to: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl<'a, 'f> Cut<'a, 'f> {
    fn of(to: &'a mut fmt::Formatter<'f>, write: impl FnOnce(&mut Self) -> fmt::Result) -> fmt::Result {
        let mut cut = Self { to, left: MOST };
        // An error stops text that is too long; the caller must not take it for a failure.
        let _ = write(&mut cut);
        Ok(())
    }

    fn character(&mut self, character: char) -> fmt::Result {
        let escaped = character.escape_debug();
        let is_plain = matches!(character, '"' | '\'' | '\\') || escaped.len() == 1;
        let length = if is_plain { 1 } else { escaped.len() };
        let Some(left) = self.left.checked_sub(length) else {
            self.to.write_char('…')?;
            return Err(fmt::Error);
        };
        self.left = left;
        if is_plain { self.to.write_char(character) } else { write!(self.to, "{escaped}") }
    }
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| self.character(character))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_as_it_is() {
        for text in ["", "joined \"lobby\": c:\\it's", "čaj 茶 ☕", &"x".repeat(200)] {
            assert_eq!(Excerpt(text).to_string(), text);
        }
        assert_eq!(format!("{:?}", Excerpt("a \"b\"\n")), r#""a \"b\"\n""#);
    }

    #[test]
    fn what_is_longer_is_cut_and_shown_to_be() {
        assert_eq!(Excerpt("x".repeat(201)).to_string(), "x".repeat(200) + "…");
        assert_eq!(Excerpt("茶".repeat(1_000_000)).to_string(), "茶".repeat(200) + "…");
        assert_eq!(format!("{:?}", Excerpt("x".repeat(300))), "\"".to_owned() + &"x".repeat(199) + "…");
    }

    #[test]
    fn lines_terminals_and_directions_are_left_alone() {
        let hostile = "a\nb\rc\0d\u{1b}[31me\u{9b}f\u{2028}g\u{202e}h\u{7f}";
        let shown = r"a\nb\rc\0d\u{1b}[31me\u{9b}f\u{2028}g\u{202e}h\u{7f}";
        assert_eq!(Excerpt(hostile).to_string(), shown);
        assert_eq!(format!("{:?}", Excerpt(hostile)), format!("\"{shown}\""));
    }

    #[test]
    fn an_escape_sequence_is_not_cut_in_two() {
        assert_eq!(Excerpt("x".repeat(199) + "\n").to_string(), "x".repeat(199) + "…");
        assert_eq!(Excerpt("\u{1b}".repeat(200)).to_string(), r"\u{1b}".repeat(33) + "…");
    }

    #[test]
    fn what_cannot_be_shown_does_no_harm() {
        struct Broken;
        impl fmt::Display for Broken {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                Err(fmt::Error)
            }
        }
        assert_eq!(Excerpt(Broken).to_string(), "half");
    }
}
