//! An upgrade under way.

use super::super::millis::Millis;

/// A WebSocket that may become the session's transport.
#[derive(Debug)]
pub(super) struct Attempt<T> {
    pub(super) websocket: T,
    pub(super) expires: Millis,
    /// When a held GET is answered next; `None` before the first probe.
    pub(super) relief: Option<Millis>,
}

impl<T> Attempt<T> {
    pub(super) fn deadline(&self) -> Millis {
        self.relief.map_or(self.expires, |relief| relief.min(self.expires))
    }
}
