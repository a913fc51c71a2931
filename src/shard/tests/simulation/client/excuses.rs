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

    /// The client left the namespace.
    pub(super) fn left(&mut self) {
        self.0.insert("client namespace disconnect");
    }

    /// The client asked the program to let it go.
    pub(super) fn let_go(&mut self) {
        self.0.insert("server namespace disconnect");
    }

    /// The client may say something where the program has let it go, before it knows: that is out of place.
    pub(super) fn out_of_place(&mut self) {
        self.0.extend(["forced close", "forced server close"]);
    }

    /// The server is about to end.
    pub(super) fn shut_down(&mut self) {
        self.0.insert("server shutting down");
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Whether this reason is among them.
    pub(in super::super) fn allow(&self, reason: &str) -> bool {
        self.0.contains(reason)
    }
}
