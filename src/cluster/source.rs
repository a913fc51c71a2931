//! What tells servers that an event which came to several of them is one.

use ring::digest::{Context, SHA256};

use super::serial::Serial;

/// What an event is known by in other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Source {
    /// Nothing: it is for this server alone, or recovery is off.
    #[default]
    Here,
    /// The number that its publisher gave it.
    Numbered(Serial),
    /// 64 bits of the digest of its message: its publisher, a server of Node or an emitter, gives no numbers.
    Unnumbered(u64),
}

impl Source {
    /// What an event from other servers is known by, with its channel and message.
    pub(super) fn of(serial: Option<Serial>, channel: &str, message: &[u8]) -> Self {
        serial.map_or_else(|| Self::Unnumbered(digest(channel, message)), Self::Numbered)
    }
}

/// 64 bits of SHA-256, which clients whose text is in the message cannot make equal at will.
fn digest(channel: &str, message: &[u8]) -> u64 {
    let mut context = Context::new(&SHA256);
    context.update(&(channel.len() as u64).to_be_bytes());
    context.update(channel.as_bytes());
    context.update(message);
    context.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_a_number_is_known_by_its_channel_and_message() {
        assert_eq!(digest("channel", b"message"), digest("channel", b"message"));
        assert_ne!(digest("channel", b"message"), digest("channelm", b"essage"));
        let serial = Serial { boot: 1, lane: 2, number: 3 };
        assert_eq!(Source::of(Some(serial), "channel", b"message"), Source::Numbered(serial));
    }
}
