//! What a client says of itself: new ones say it in their CONNECT, old ones in the query of their handshake.

use serde_json::Value;

use crate::shard::{Handshake, Refusal};

/// What a client says of one of its sockets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credentials {
    /// What it calls the socket.
    pub(super) tag: u64,
    /// Whether the program is to let it in.
    pub(super) is_welcome: bool,
}

impl Credentials {
    /// `None` if it says nothing, or if that was forgotten.
    pub(super) fn of(auth: Option<&Value>, handshake: Option<&Handshake>) -> Option<Self> {
        // Another server may say of an old client that it has sent an empty object.
        if let Some(auth) = auth
            && let Some(tag) = auth["tag"].as_u64()
        {
            return Some(Self { tag, is_welcome: auth["is_welcome"] == true });
        }
        let query = handshake?.query();
        let (_, tag) = query.iter().find(|(name, _)| name == "tag")?;
        Some(Self { tag: tag.parse().ok()?, is_welcome: true })
    }

    /// Whether the program lets a client in that says this.
    pub(super) fn judge(this: Option<Self>) -> Result<(), Refusal> {
        if this.is_some_and(|this| this.is_welcome) { Ok(()) } else { Err(Refusal::new("not welcome")) }
    }
}
