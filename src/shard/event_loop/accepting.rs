//! New connections: each turn accepts a limited number.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::shard::Shard;
use crate::shard::net::accept::{Accepting, NOT_TAKEN};
use crate::shard::store::keys::TimerKey;

/// How long accepting rests when the process has no descriptor left.
const REST: Duration = Duration::from_millis(100);

impl Shard {
    /// Accepts waiting connections, as many as one turn may; the next turn accepts the rest. While the loop is `crowded`, the
    /// next turn reads the new connections even before the kernel reports their bytes: health checks and handshakes must not
    /// wait for thousands of clients.
    pub(super) fn accept(self: &Rc<Self>, crowded: bool) {
        if matches!(self.accepting.get(), Accepting::Resting | Accepting::Over) {
            return;
        }
        let mut core = self.core.borrow_mut();
        let listener = self.listener.borrow();
        let Some(listener) = listener.as_ref() else { return };
        for _ in 0..self.shared.config.limits.accepts_per_turn {
            match listener.accept() {
                Ok((socket, peer)) => {
                    if let Some(key) = core.accepted(socket, peer)
                        && crowded
                    {
                        core.line_up(key);
                    }
                    if core.has_enough_spares() {
                        break;
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.accepting.set(Accepting::WhenTold);
                        return;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        NOT_TAKEN.write(|| format!("cannot accept: {error}; trying again in {} ms", REST.as_millis()));
                        self.accepting.set(Accepting::Resting);
                        let again = core.now() + REST;
                        core.timers().arm(again, TimerKey::Accept);
                        return;
                    }
                },
            }
        }
        self.accepting.set(Accepting::Now);
    }
}
