//! A session's way from polling to a WebSocket, as far as it is not the [upgrade](super::super::upgrade)'s own.

use std::time::Duration;

use super::super::link::Link;
use super::super::upgrade::{Step, Upgrade};
use super::{PATH, Session, Transport};
use crate::clock;
use crate::shard::tests::simulation::journal::tell;
use crate::shard::tests::simulation::network::Network;

/// What an upgrade that failed for no known reason may mean. If the session goes on, it is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    None,
    Failed,
    /// It fetches since.
    Fetches,
    /// It has fetched once. That may be what was queued before the server has closed the session: it comes alone.
    HasFetched,
}

impl Session {
    /// Tries to change from polling to WebSocket, and does it.
    pub(super) fn go_on_with_upgrade(&mut self, network: &mut Network<'_>) {
        let (Transport::Polling(polling), Some(open)) = (&mut self.transport, &self.open) else { return };
        let target = || format!("{PATH}websocket&sid={}", open.sid);
        let Some(upgrade) = &mut self.upgrade else {
            if network.plan.upgrades && open.offers_upgrade && network.random.once_in(30) {
                let is_forgotten = network.random.once_in(8);
                self.upgrade = network.connect(self.home).map(|link| Upgrade::begin(link, &target(), is_forgotten));
            }
            return;
        };
        if upgrade.may_have_rival()
            && network.random.once_in(30)
            && let Some(link) = network.connect(self.home)
        {
            upgrade.meets(link, &target());
        }
        let timeout = Duration::from_millis(network.plan.upgrade_timeout);
        let may_fail = upgrade.may_fail(timeout) || clock::now() < self.probed_until;
        match upgrade.act(polling.is_paused(), may_fail) {
            Step::Goes => {}
            Step::Done => {
                tell(|| format!("an upgrade is done, and may fail: {may_fail}; {}", upgrade.describe()));
                if may_fail {
                    // The server may have given it up at the same moment, and keeps the session until it misses the client, or
                    // closes it before for want of memory.
                    self.excuses.silent();
                    self.excuses.lost();
                }
                polling.links_mut().for_each(Link::end);
                self.transport = Transport::WebSocket(self.upgrade.take().expect("an upgrade").finish(), true);
            }
            Step::Failed => {
                tell(|| format!("an upgrade fails, and may: {may_fail}; {}", upgrade.describe()));
                let is_excused = ["transport close", "server shutting down"].iter().any(|it| self.excuses.allow(it));
                if !may_fail && !is_excused && self.suspicion == Suspicion::None {
                    self.suspicion = Suspicion::Failed;
                }
                if upgrade.has_rival() {
                    self.probed_until = clock::now() + 2 * timeout;
                }
                upgrade.links_mut().for_each(Link::end);
                self.upgrade = None;
            }
        }
    }
}
