//! Closing WebSockets that send more than they may and never wait.
//!
//! An upload that waits for each acknowledgement is held up most of the time, too, and so is a client that comes back and sends
//! its backlog. Unlike a flood, these pause: now and then their socket is empty. A polling client waits for the answer to each
//! POST, so it is never closed for this.

use std::time::Duration;

use crate::engineio::Millis;
use crate::metrics::Limit;
use crate::shard::net::connection::Role;
use crate::shard::sessions::Sessions;
use crate::shard::store::keys::ConnectionKey;

/// How much longer a client may have been held up than not.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client was held up while it had unread bytes in the socket.
#[derive(Debug)]
pub(super) struct Strain {
    /// How much longer it was held up than not.
    time: Duration,
    /// Until when it was held up last.
    until: Millis,
}

impl Strain {
    pub(super) fn new(now: Millis) -> Self {
        Self { time: Duration::ZERO, until: now }
    }

    /// It is held up until then. A client without unread bytes pauses by itself, so its time starts anew.
    pub(super) fn held_up(&mut self, now: Millis, until: Millis, has_sent_more: bool) {
        let free = Duration::from_millis(now.0.saturating_sub(self.until.0));
        let held_up = Duration::from_millis(until.0.saturating_sub(self.until.max(now).0));
        self.time = if has_sent_more { self.time.saturating_sub(free) + held_up } else { Duration::ZERO };
        self.until = until;
    }

    pub(super) fn is_too_much(&self) -> bool {
        self.time >= PATIENCE
    }
}

impl Sessions {
    /// A WebSocket is to be held up. Returns a limit if it is to be closed for it instead, because it has sent too much for too
    /// long.
    #[cold]
    pub(in crate::shard) fn goes_on_too_long(&mut self, key: ConnectionKey) -> Option<Limit> {
        let rates = self.shared().rates?;
        self.may_send_again(key)?;
        let Role::Session(session) = self.websocket(key)?.role else { return None };
        let has_sent_more = self.unread(key) > 0;
        self.allowances.get_mut(&session)?.goes_on(self.net.now(), rates, has_sent_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds a client up for 250 ms of each 260, and returns when that was too much.
    fn too_much_at(has_sent_more: impl Fn(u64) -> bool) -> Option<u64> {
        let mut strain = Strain::new(Millis(0));
        (0..600_000).step_by(260).find(|now| {
            strain.held_up(Millis(*now), Millis(now + 250), has_sent_more(*now));
            strain.is_too_much()
        })
    }

    #[test]
    fn a_client_that_never_pauses_is_closed_and_one_that_pauses_is_not() {
        let closed = too_much_at(|_| true);
        assert!(closed.is_some_and(|at| (10_000..11_000).contains(&at)), "{closed:?}");
        assert_eq!(too_much_at(|_| false), None);
        assert_eq!(too_much_at(|now| now % 9880 != 0), None);
    }

    #[test]
    fn time_without_a_hold_up_counts_for_the_client() {
        let mut strain = Strain::new(Millis(0));
        for now in (0..600_000).step_by(10_000) {
            strain.held_up(Millis(now), Millis(now + 4000), true);
            strain.held_up(Millis(now + 2000), Millis(now + 5000), true);
            assert!(!strain.is_too_much(), "{now}");
        }
        strain.held_up(Millis(600_000), Millis(610_000), true);
        assert!(strain.is_too_much());
    }
}
