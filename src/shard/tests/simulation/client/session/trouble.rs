//! What happens to a session, and what the server may say of it for that.

use std::mem;
use std::time::Duration;

use super::super::link::Link;
use super::{Acted, End, Session};
use crate::clock;
use crate::clock::simulated::spent_looking;
use crate::shard::tests::simulation::network::{Balancer, Network};

/// How long another server may take to answer a POST.
const ON_THE_WAY: Duration = Duration::from_millis(2500);

impl Session {
    /// Where something is on its way for long, the server may take the client for dead. Where the server ends, or cannot accept, it
    /// is not the client's fault.
    pub(super) fn find_excuses(&mut self, network: &Network<'_>) {
        let (home, delay, trouble) = (&network.instances[self.home], network.delay, network.trouble(self.home));
        if trouble.is_leaving {
            self.excuses.shut_down();
            if network.balancer == Balancer::Loose {
                // The way to its server ends.
                self.excuses.lost();
            }
        }
        if trouble.is_short_of_memory {
            self.excuses.lost();
            self.excuses.silent();
        }
        // The server counts from the beginning of the session when it waits for an old client's first ping.
        let is_timed = self.is_old || self.open.is_some();
        let patience = if is_timed { Duration::from_millis(network.plan.ping_timeout) } else { Duration::from_secs(5) };
        let patience = patience.min(home.write_stall()).min(delay.map_or(Duration::MAX, |_| ON_THE_WAY)) / 3;
        let longest = self.links_mut().map(Link::under_way).max().flatten().max(delay);
        self.slowest = self.slowest.max(longest.unwrap_or_default());
        if longest.is_some_and(|longest| longest >= patience) {
            self.excuses.silent();
            self.excuses.lost();
        }
        if trouble.is_failing_to_accept {
            self.excuses.silent();
        }
        let is_delayed = longest.is_some() || trouble.is_failing_to_accept;
        let acted = Acted { at: clock::now(), looked: spent_looking(), is_delayed };
        let before = mem::replace(&mut self.acted, acted);
        let by = if before.is_delayed { acted.at - before.at } else { acted.looked - before.looked };
        self.heartbeat.was_delayed(by);
        if self.heartbeat.may_be_late(Duration::from_millis(network.plan.ping_timeout / 2)) {
            self.excuses.silent();
        }
        self.upgrade.iter_mut().for_each(|upgrade| upgrade.was_delayed(by));
    }

    /// Leaves a server that seems dead.
    pub(super) fn give_up_after_silence(&mut self) {
        let Some(open) = &self.open else { return };
        let is_silent = self.heartbeat.is_missed(open.ping_interval, open.ping_timeout);
        if self.end.is_none() && is_silent && self.deaf.is_none() {
            let is_excused = self.excuses.allow("ping timeout") || self.heartbeat.may_be_late(open.ping_timeout / 3);
            assert!(is_excused, "the server does not ping: {}", self.describe());
            self.excuses.silent();
            self.excuses.lost();
            self.end = Some(End::GaveUp);
        }
    }

    /// Stops reading for so long. The server may let it go for that.
    pub(in super::super) fn stop_reading(&mut self, time: Duration) {
        self.deaf = Some((clock::now(), clock::now() + time));
        self.lose(|_| {});
    }

    /// Reads again.
    pub(in super::super) const fn read_again(&mut self) {
        self.deaf = None;
    }

    /// For how long it has not read, if it does not.
    pub(in super::super) fn is_deaf_for(&self) -> Option<Duration> {
        self.deaf.map(|(since, _)| clock::now() - since)
    }

    /// Something happens to its connections, and the server may notice.
    pub(in super::super) fn lose(&mut self, how: fn(&mut Link)) {
        self.links_mut().for_each(how);
        self.excuses.lost();
        self.excuses.silent();
    }

    /// The same, to one of them.
    pub(in super::super) fn lose_one(&mut self, place: usize) {
        self.links_mut().skip(place).take(1).for_each(|link| link.break_off());
        self.lose(|_| {});
    }

    /// The server is killed. Gives whether this session was there.
    pub(in super::super) fn lose_home(&mut self, home: usize) -> bool {
        let is_lost = self.home == home;
        if is_lost {
            self.lose(Link::die);
        }
        is_lost
    }

    /// The client's program goes away, and the connections with it.
    pub(in super::super) fn quit(&mut self) {
        self.lose(Link::end);
        self.end = Some(End::Lost);
    }
}
