//! The heartbeat from the client's end: the server pings, and the client answers. An old client pings, and the server answers.

use std::time::{Duration, Instant};

use super::packet::Packet;
use crate::clock;

/// The heartbeat of a session.
pub(super) struct Heartbeat {
    /// Whether the client pings.
    is_old: bool,
    /// When the server's last one came, or the session was opened.
    heard: Instant,
    /// For how long something was on its way since then.
    delayed: Duration,
    /// When the client's next one leaves.
    leaves_at: Option<Instant>,
}

impl Heartbeat {
    pub(super) fn new(is_old: bool) -> Self {
        Self { is_old, heard: clock::now(), delayed: Duration::ZERO, leaves_at: None }
    }

    /// The session is open, in which the server's heartbeat comes once in so long a time.
    pub(super) fn begin(&mut self, interval: Duration) {
        (self.heard, self.delayed) = (clock::now(), Duration::ZERO);
        self.leaves_at = self.is_old.then(|| self.heard + interval);
    }

    /// The server's has come. The client's follows, so much later than it should.
    pub(super) fn hear(&mut self, interval: Duration, delay: Duration) {
        (self.heard, self.delayed) = (clock::now(), Duration::ZERO);
        let rest = if self.is_old { interval } else { Duration::ZERO };
        self.leaves_at = Some(self.heard + rest + delay);
    }

    /// Something was on its way for so long.
    pub(super) fn was_delayed(&mut self, by: Duration) {
        self.delayed += by;
    }

    /// Whether so much of the time since the server's last one is that of the way, so that the next of either may be late: a
    /// client waits for several things, one after the other.
    pub(super) fn may_be_late(&self, delay: Duration) -> bool {
        self.delayed >= delay
    }

    /// The packet that is due.
    pub(super) fn take_due(&mut self) -> Option<Packet> {
        self.leaves_at.take_if(|at| *at <= clock::now())?;
        Some(Packet::text(if self.is_old { "2" } else { "3" }))
    }

    /// When an old client pings: nothing else moves the time there.
    pub(super) fn next_ping(&self) -> Option<Instant> {
        self.leaves_at.filter(|_| self.is_old)
    }

    /// Whether the server's should have come by now.
    pub(super) fn is_missed(&self, interval: Duration, timeout: Duration) -> bool {
        clock::now() - self.heard >= interval + timeout
    }
}
