//! Why the server may let a session or a socket go, given what was done to it.

use std::fmt;

/// The reasons that there are.
const REASONS: [&str; 8] = [
    "transport close",
    "transport error",
    "ping timeout",
    "client namespace disconnect",
    "server namespace disconnect",
    "forced close",
    "forced server close",
    "server shutting down",
];

/// The reasons that the server may give, as the bits of their places. A session to which nothing was done has none: it must not end.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Excuses(u8);

impl Excuses {
    /// A connection of it was lost, or the client left.
    pub(in super::super) const fn lost(&mut self) {
        self.0 |= 0b11;
    }

    /// The client, or the way to it, was silent for long.
    pub(in super::super) const fn silent(&mut self) {
        self.0 |= 1 << 2;
    }

    /// The client left the namespace.
    pub(super) const fn left(&mut self) {
        self.0 |= 1 << 3;
    }

    /// The client asked the program to let it go.
    pub(super) const fn let_go(&mut self) {
        self.0 |= 1 << 4;
    }

    /// The client may say something where the program has let it go, before it knows: that is out of place.
    pub(super) const fn out_of_place(&mut self) {
        self.0 |= 0b11 << 5;
    }

    /// The server is about to end.
    pub(super) const fn shut_down(&mut self) {
        self.0 |= 1 << 7;
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether this reason is among them.
    pub(in super::super) fn allow(self, reason: &str) -> bool {
        self.reasons().any(|it| it == reason)
    }

    fn reasons(self) -> impl Iterator<Item = &'static str> {
        (0..).zip(REASONS).filter_map(move |(place, reason)| (self.0 >> place & 1 == 1).then_some(reason))
    }
}

impl fmt::Debug for Excuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.reasons()).finish()
    }
}
