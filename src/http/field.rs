//! Header fields: which bytes they may contain, and header lines ready to be sent.

/// Whether `byte` may stand in a token: a method, a field name, a subprotocol (RFC 9110 §5.6.2).
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Whether `byte` may stand in a field value: anything but control characters, tab excepted (RFC 9110 §5.5).
pub(crate) const fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Header lines ready to be sent, each with its line end: the CORS headers of a held request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeaderLines {
    bytes: Vec<u8>,
}

impl HeaderLines {
    /// No line at all.
    pub(crate) const EMPTY: Self = Self { bytes: Vec::new() };

    /// Appends a line, see [`push_line`].
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        push_line(&mut self.bytes, name, value);
    }

    /// The lines as they are sent.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Appends `name: value` and a line end. A value that could end the line early is left out together with its name:
/// values come from requests and settings, and a missing header does less harm than a forged one.
pub(super) fn push_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if value.iter().copied().all(is_value) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_would_end_the_line_is_left_out() {
        let mut lines = HeaderLines::EMPTY;
        for value in ["a\r\nSet-Cookie: x", "a\n", "a\r", "a\0", "a\x7f"] {
            lines.push("Vary", value.as_bytes());
        }
        assert_eq!(lines, HeaderLines::EMPTY);
        lines.push("Vary", b"a\tb \xff");
        assert_eq!(lines.as_bytes(), b"Vary: a\tb \xff\r\n");
    }
}
