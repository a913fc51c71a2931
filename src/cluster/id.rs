//! The ids that servers and requests have among the servers of a cluster.

use std::fmt;

use crate::chance;
use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A uid (the id of a server's adapter in one namespace) or the id of a request, made here: six random characters of
/// `A-Z a-z 0-9 - _`. Others' ids may be any texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterId([u8; ClusterId::LENGTH]);

impl ClusterId {
    /// Characters of every id.
    pub(super) const LENGTH: usize = 6;

    /// A new id.
    ///
    /// # Errors
    /// If the operating system has no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        // Eight characters, of which six are taken.
        let mut random = [0; 6];
        chance::fill(&mut random)?;
        let mut text = [0; 8];
        // Six bytes fill exactly eight characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(random, &mut text);
        let [a, b, c, d, e, f, ..] = text;
        Ok(Self([a, b, c, d, e, f]))
    }
}

impl Deref for ClusterId {
    type Target = str;

    fn deref(&self) -> &str {
        // The alphabet is ASCII, so this never fails.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_six_characters_at_random() {
        let ids: HashSet<_> = (0..100).map(|_| ClusterId::random().unwrap()).collect();
        assert!(ids.len() > 90);
        for id in ids {
            assert!(
                id.len() == 6 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            );
        }
    }
}
