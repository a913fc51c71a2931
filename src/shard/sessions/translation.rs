//! Messages for WebSockets of protocol 3. A fan-out makes them once, however many clients get them.

use bytes::Bytes;

use crate::engineio::{Encoding, Frames, Protocol};
use crate::shard::sessions::Sessions;
use crate::shard::store::keys::SessionKey;

/// The frames that were translated last, and their translation. It lives until the turn's frames are written, so that all their
/// receivers share one buffer.
#[derive(Debug)]
pub(super) struct Translation {
    from: Bytes,
    encoding: Encoding,
    into: Bytes,
}

impl Sessions {
    /// The frames as a client with this encoding gets them over its WebSocket.
    pub(super) fn translated(&mut self, frames: &Frames, encoding: Encoding) -> Bytes {
        let from = frames.bytes();
        if let Some(last) = &self.translation
            // The translation holds these bytes, so nothing else can have their address.
            && (last.from.as_ptr(), last.from.len(), last.encoding) == (from.as_ptr(), from.len(), encoding)
        {
            return last.into.clone();
        }
        let into = encoding.frames(frames).bytes().clone();
        if into.as_ptr() != from.as_ptr() {
            self.translation = Some(Translation { from: from.clone(), encoding, into: into.clone() });
        }
        into
    }

    /// The encoding of a session's packets. Nothing is looked up while the server has only one.
    pub(in crate::shard) fn encoding(&self, session: SessionKey) -> Encoding {
        if !self.shared().settings.allow_eio3 {
            return Encoding::V4;
        }
        self.clients.get(session.0).map_or(Encoding::V4, |client| client.session.encoding())
    }

    /// Whether a session's client is Socket.IO 2.x.
    pub(in crate::shard) fn is_v3(&self, session: SessionKey) -> bool {
        self.encoding(session).protocol() == Protocol::V3
    }
}
