//! The secrets of requests: the token of the POSTs, and the secret between the gate and the service.

use std::fmt::Write as _;
use std::io;

/// Compares in a time that reveals only the lengths.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |differences, (one, other)| differences | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

/// The gate's secret for the service, in a header: 32 digits.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    /// A new one.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
            // A string takes all that is written to it.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        Ok(Self(digits))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_the_same() {
        assert!(same(b"", b"") && same(b"token", b"token"));
        assert!(!same(b"token", b"tokem") && !same(b"token", b"toke") && !same(b"toke", b"token"));
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.as_str().len(), 32);
        assert_ne!(one.as_str(), other.as_str());
    }
}
