//! The secret that instances share, and what they sign with it.

use std::fmt;

use ring::hmac;

use crate::config::Password;

/// Bytes of a signature: 128 bits of HMAC-SHA-256.
pub(crate) const SIGNATURE: usize = 16;

/// The instances' common secret.
pub(crate) struct Key(hmac::Key);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(super) fn new(secret: &Password) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Begins to sign something of a kind. What is signed as one kind is not valid as another.
    pub(crate) fn sign(&self, kind: &'static str) -> Signing {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind.as_bytes());
        context.update(&[0]);
        Signing(context)
    }

    /// Whether two signatures are the same, in a time that does not tell where they differ.
    pub(crate) fn are_equal(&self, one: &[u8], other: &[u8]) -> bool {
        hmac::verify(&self.0, one, hmac::sign(&self.0, other).as_ref()).is_ok()
    }
}

/// Something that is being signed, one part after the other.
pub(crate) struct Signing(hmac::Context);

impl Signing {
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> [u8; SIGNATURE] {
        let mut signature = [0; SIGNATURE];
        let tag = self.0.sign();
        signature.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(secret: &str, kind: &'static str, parts: &[&str]) -> [u8; SIGNATURE] {
        let mut signing = Key::new(&Password::new(secret)).sign(kind);
        parts.iter().for_each(|part| signing.update(part.as_bytes()));
        signing.finish()
    }

    #[test]
    fn a_signature_depends_on_the_secret_the_kind_and_the_text() {
        let one = signature("secret", "a", &["te", "xt"]);
        assert_eq!(one, signature("secret", "a", &["text"]));
        let key = Key::new(&Password::new("secret"));
        assert!(key.are_equal(&one, &one));
        for other in [("other", "a", "text"), ("secret", "b", "text"), ("secret", "a", "texT"), ("secret", "", "atext")]
        {
            let other = signature(other.0, other.1, &[other.2]);
            assert!(!key.are_equal(&one, &other));
        }
        assert!(!key.are_equal(&one, &one[..15]) && !key.are_equal(&one, b""));
    }

    #[test]
    fn it_is_hmac_sha_256() {
        // RFC 4231, test case 1, whose text begins with the kind.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[0x0b; 20]);
        assert_eq!(hmac::sign(&key, b"Hi There").as_ref()[..4], [0xb0, 0x34, 0x4c, 0x61]);
        let signed = Key(hmac::Key::new(hmac::HMAC_SHA256, &[0x0b; 20])).sign("Hi").finish();
        assert_eq!(signed[..], hmac::sign(&key, b"Hi\0").as_ref()[..SIGNATURE]);
    }
}
