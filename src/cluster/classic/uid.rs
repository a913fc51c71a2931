//! The uids of kinglets, which no Node server has.

use crate::cluster::id::ClusterId;

/// The last character of a kinglet's uid. No Node server's uid ends so: they consist of letters, digits, `-` and `_`.
const KINGLET: char = '~';

/// A new uid for a kinglet.
///
/// # Errors
/// As [`ClusterId::random`].
pub fn kinglet_uid() -> Result<Box<str>, getrandom::Error> {
    Ok(format!("{}{KINGLET}", ClusterId::random()?).into())
}

/// Whether a uid is that of a kinglet.
pub fn is_kinglet_uid(uid: &str) -> bool {
    uid.len() == ClusterId::LENGTH + KINGLET.len_utf8() && uid.ends_with(KINGLET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinglets_are_known_by_their_uids() {
        assert!(is_kinglet_uid(&kinglet_uid().unwrap()));
        assert!(["9y1JGY", "emitter", "", "~", "much longer~"].iter().all(|uid| !is_kinglet_uid(uid)));
    }
}
