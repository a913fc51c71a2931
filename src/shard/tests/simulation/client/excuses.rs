//! Why the server may let a session or a socket go, given what was done to it.

use std::collections::BTreeSet;

/// The reasons that the server may give. A session to which nothing was done has none: it must not end.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Excuses(BTreeSet<&'static str>);

impl Excuses {
    /// A connection of it was lost, or the client left.
    pub(in super::super) fn lost(&mut self) {
        self.0.extend(["transport close", "transport error"]);
    }

    /// The client, or the way to it, was silent for long.
    pub(in super::super) fn silent(&mut self) {
        self.0.insert("ping timeout");
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Whether this reason is among them.
    pub(in super::super) fn allow(&self, reason: &str) -> bool {
        self.0.contains(reason)
    }
}
