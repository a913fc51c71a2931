//! Session ids: 20 characters that name a session's place and cannot be guessed.
//!
//! The characters encode 15 bytes: the instance (3), the shard (1), the slot in the shard's table (3), all big-endian,
//! and 64 random bits. Anyone with a sid can act as the client, so the random part comes from the operating system's
//! generator.

use std::fmt;

use crate::chance;
use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Length of a sid's text. Other parts of the ecosystem rely on it.
pub const SID_LENGTH: usize = 20;

const BYTES: usize = 15;

/// Random bytes drawn by one system call: enough for 128 sids.
const BLOCK: usize = 1024;

/// An Engine.IO session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid {
    /// The session's process, among those that serve together.
    pub instance: [u8; 3],
    /// The shard within the process.
    pub shard: u8,
    /// The slot in the shard's table; only its low 24 bits are encoded.
    pub slot: u32,
    /// What makes the sid a secret.
    pub random: u64,
}

impl Sid {
    /// The sid of `text`; `None` unless it is 20 characters of the base64url alphabet.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != SID_LENGTH {
            return None;
        }
        let mut bytes = [0; BYTES];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let [i0, i1, i2, shard, s0, s1, s2, random @ ..] = bytes;
        let slot = u32::from_be_bytes([0, s0, s1, s2]);
        Some(Self { instance: [i0, i1, i2], shard, slot, random: u64::from_be_bytes(random) })
    }

    /// The sid's text, without an allocation.
    pub fn to_text(self) -> SidText {
        let [i0, i1, i2] = self.instance;
        let [_, s0, s1, s2] = self.slot.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7] = self.random.to_be_bytes();
        let bytes: [u8; BYTES] = [i0, i1, i2, self.shard, s0, s1, s2, r0, r1, r2, r3, r4, r5, r6, r7];
        let mut text = [0; SID_LENGTH];
        // 15 bytes fill exactly 20 characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        SidText(text)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

/// The text of a [`Sid`]: a small string that lives on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SidText([u8; SID_LENGTH]);

impl Deref for SidText {
    type Target = str;

    fn deref(&self) -> &str {
        // The alphabet is ASCII, so this never fails.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for SidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Makes the sids of one shard.
pub struct SidSource {
    shard: u8,
    block: [u8; BLOCK],
    used: usize,
}

impl SidSource {
    /// A source for the sessions of `shard`. It draws nothing yet.
    pub const fn new(shard: u8) -> Self {
        Self { shard, block: [0; BLOCK], used: BLOCK }
    }

    /// The shard whose sids it makes.
    pub const fn shard(&self) -> u8 {
        self.shard
    }

    /// A new sid for the session in `slot`, whose low 24 bits count, of this instance.
    ///
    /// Fails if the operating system has no random bytes; the handshake is then refused with
    /// [`Code::BadRequest`](super::Code::BadRequest).
    pub fn next(&mut self, instance: [u8; 3], slot: u32) -> Result<Sid, getrandom::Error> {
        let random = u64::from_ne_bytes(self.draw()?);
        Ok(Sid { instance, shard: self.shard, slot: slot & 0x00ff_ffff, random })
    }

    fn draw(&mut self) -> Result<[u8; 8], getrandom::Error> {
        loop {
            if let Some((random, _)) = self.block.get(self.used..).and_then(|rest| rest.split_first_chunk()) {
                self.used += random.len();
                return Ok(*random);
            }
            chance::fill(&mut self.block)?;
            self.used = 0;
        }
    }
}

impl fmt::Debug for SidSource {
    /// Leaves out the block, which contains future sids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidSource").field("shard", &self.shard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_stand_in_the_documented_order() {
        let sid = Sid { instance: [0xff, 0xef, 0xbe], shard: 0, slot: 1, random: 2 };
        assert_eq!(&*sid.to_text(), "_---AAAAAQAAAAAAAAAC");
        assert_eq!(sid.to_string(), "_---AAAAAQAAAAAAAAAC");
    }

    #[test]
    fn other_texts_are_no_sids() {
        for text in
            ["", "nope", "AAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAA+/"]
        {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
        assert_eq!(Sid::parse("ééééééééée"), None);
    }

    #[test]
    fn a_source_outlives_its_block_and_never_repeats() {
        let mut source = SidSource::new(4);
        let sids: HashSet<_> = (0..1000).map(|slot| source.next([1, 2, 3], slot).unwrap().random).collect();
        assert_eq!(sids.len(), 1000);
        let sid = source.next([1, 2, 3], 0x0123_4567).unwrap();
        assert_eq!((sid.instance, sid.shard, sid.slot), ([1, 2, 3], 4, 0x23_4567));
    }

    proptest! {
        #[test]
        fn a_sid_survives_its_text(instance: [u8; 3], shard: u8, slot in 0..1_u32 << 24, random: u64) {
            let sid = Sid { instance, shard, slot, random };
            prop_assert_eq!(Sid::parse(&sid.to_text()), Some(sid));
        }
    }
}
