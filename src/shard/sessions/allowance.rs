//! Rate limits of one client: the messages and bytes that it may send.
//!
//! A client that has sent as much as it may is held up: its WebSocket is not read, so TCP backpressure slows it, and a
//! POST is answered later. Only a WebSocket that never waits is closed ([`strain`](super::strain)).

use crate::cluster::peers::message::moving::MovingAllowance;
use crate::engineio::Millis;
use crate::metrics::Limit;
use crate::shard::net::connection::Role;
use crate::shard::sessions::Sessions;
use crate::shard::sessions::strain::Strain;
use crate::shard::shared::rates::Rates;
use crate::shard::store::keys::{ConnectionKey, SessionKey};
use crate::shard::store::rate::{Account, Rate};

/// What one client may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    messages: Account,
    bytes: Account,
    /// When it may send again, or could when it was held up last.
    until: Millis,
    /// Whether what it has sent last ended a message.
    is_at_end: bool,
    strain: Strain,
}

/// What to do with a client that has sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Verdict {
    /// It may go on.
    GoOn,
    /// It exceeds this limit, and is to be held up until then.
    HoldUp(Millis, Limit),
}

impl Allowance {
    pub(super) fn new(now: Millis) -> Self {
        Self { messages: Account::new(), bytes: Account::new(), until: now, is_at_end: false, strain: Strain::new(now) }
    }

    /// It for the instance to which its session moves.
    pub(super) fn freeze(&self, now: Millis, rates: Rates) -> MovingAllowance {
        let level = |account: &Account, rate: Option<Rate>| rate.map_or(i64::MAX, |rate| account.level(now, rate));
        MovingAllowance { messages: level(&self.messages, rates.messages), bytes: level(&self.bytes, rates.bytes) }
    }

    /// That of a session that has moved here.
    pub(super) fn thaw(now: Millis, rates: Rates, moved: MovingAllowance) -> Self {
        let account = |level, rate: Option<Rate>| rate.map(|rate| Account::with_level(now, rate, level));
        let mut allowance = Self::new(now);
        allowance.messages = account(moved.messages, rates.messages).unwrap_or(allowance.messages);
        allowance.bytes = account(moved.bytes, rates.bytes).unwrap_or(allowance.bytes);
        allowance.judge(now, rates);
        allowance
    }

    /// Whether it is held up.
    fn is_held_up(&self, now: Millis) -> bool {
        now < self.until
    }

    /// The client has sent `messages` and `bytes`.
    fn spend(&mut self, now: Millis, rates: Rates, messages: usize, bytes: usize) -> Verdict {
        if let Some(rate) = rates.messages {
            self.messages.charge(now, rate, messages);
        }
        if let Some(rate) = rates.bytes {
            self.bytes.charge(now, rate, bytes);
        }
        self.is_at_end = messages > 0;
        self.judge(now, rates)
    }

    /// The client is held up. Returns the limit if it has exceeded that for too long. A single message may take any time,
    /// because a client cannot pause within it.
    pub(super) fn goes_on(&mut self, now: Millis, rates: Rates, has_sent_more: bool) -> Option<Limit> {
        let Verdict::HoldUp(until, limit) = self.judge(now, rates) else { return None };
        self.strain.held_up(now, until, has_sent_more);
        (self.is_at_end && self.strain.is_too_much()).then_some(limit)
    }

    fn judge(&mut self, now: Millis, rates: Rates) -> Verdict {
        let wait = |account: &Account, rate: Option<Rate>| rate.and_then(|rate| account.wait(rate));
        let messages = wait(&self.messages, rates.messages).map(|wait| (wait, Limit::MessageRate));
        let bytes = wait(&self.bytes, rates.bytes).map(|wait| (wait, Limit::ByteRate));
        let Some((wait, limit)) = messages.into_iter().chain(bytes).max_by_key(|(wait, _)| *wait) else {
            return Verdict::GoOn;
        };
        self.until = now + wait;
        Verdict::HoldUp(self.until, limit)
    }
}

impl Sessions {
    /// Charges a client for what it has sent, and says what to do with it.
    pub(in crate::shard) fn charge(&mut self, session: SessionKey, messages: usize, bytes: usize) -> Verdict {
        let Some(rates) = self.shared().rates else { return Verdict::GoOn };
        if self.clients.get(session.0).is_none() {
            return Verdict::GoOn;
        }
        let allowance = self.allowances.entry(session).or_insert_with(|| Allowance::new(self.net.now()));
        let goes_on = allowance.is_held_up(self.net.now());
        let verdict = allowance.spend(self.net.now(), rates, messages, bytes);
        if let Verdict::HoldUp(_, limit) = verdict
            && !goes_on
        {
            self.metrics().hit(limit);
        }
        verdict
    }

    /// Until when a client is held up, if it is.
    fn held_up_until(&self, session: SessionKey) -> Option<Millis> {
        let allowance = self.allowances.get(&session)?;
        allowance.is_held_up(self.now()).then_some(allowance.until)
    }

    /// When the client of a session's WebSocket may send again, if it has exceeded a limit. A probing WebSocket is always read:
    /// a client whose POST is held up needs it to go on.
    #[inline]
    pub(in crate::shard) fn may_send_again(&mut self, key: ConnectionKey) -> Option<Millis> {
        self.shared().rates.as_ref()?;
        let Role::Session(session) = self.websocket(key)?.role else { return None };
        let carries = self.clients.get(session.0)?.session.is_on(key);
        self.held_up_until(session).filter(|_| carries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    const RATES: fn() -> Rates =
        || Rates::new(&Limits { message_rate: Some(100), byte_rate: Some(1000), ..Limits::default() }).unwrap();

    #[test]
    fn a_client_within_its_rate_is_never_held_up() {
        let mut allowance = Allowance::new(Millis(0));
        for now in (0..60_000).step_by(10).map(Millis) {
            assert_eq!(allowance.spend(now, RATES(), 1, 9), Verdict::GoOn);
        }
    }

    #[test]
    fn a_client_whose_session_moves_has_no_more_and_no_less() {
        let (mut here, sent) = (Allowance::new(Millis(0)), 250);
        here.spend(Millis(0), RATES(), sent, 10 * sent);
        let moved = here.freeze(Millis(50), RATES());
        let mut there = Allowance::thaw(Millis(7000), RATES(), moved);
        assert_eq!(there.is_held_up(Millis(7000)), here.is_held_up(Millis(50)));
        let (here, there) = (here.spend(Millis(60), RATES(), 1, 1), there.spend(Millis(7010), RATES(), 1, 1));
        let waits = |verdict, now| match verdict {
            Verdict::HoldUp(until, limit) => Some((until - Millis(now), limit)),
            Verdict::GoOn => None,
        };
        assert_eq!(waits(there, 7010), waits(here, 60));
        let worst = MovingAllowance { messages: i64::MIN, bytes: i64::MAX };
        let mut worst = Allowance::thaw(Millis(0), RATES(), worst);
        assert!(worst.is_held_up(Millis(5000)) && !worst.is_held_up(Millis(5200)));
        assert_eq!(worst.spend(Millis(6000), RATES(), 1, 0), Verdict::GoOn);
    }

    #[test]
    fn a_burst_passes_and_the_excess_waits() {
        let mut allowance = Allowance::new(Millis(0));
        assert_eq!(allowance.spend(Millis(0), RATES(), 199, 0), Verdict::GoOn);
        let held_up = Verdict::HoldUp(Millis(100), Limit::MessageRate);
        assert_eq!(allowance.spend(Millis(0), RATES(), 1, 0), held_up);
        assert!(allowance.is_held_up(Millis(99)) && !allowance.is_held_up(Millis(100)));
        let held_up = Verdict::HoldUp(Millis(2200), Limit::ByteRate);
        assert_eq!(allowance.spend(Millis(100), RATES(), 0, 4000), held_up);
    }

    #[test]
    fn a_client_that_keeps_sending_gets_its_rate_and_no_more() {
        let mut allowance = Allowance::new(Millis(0));
        let mut sent = 0;
        for now in (0..600_000).map(Millis) {
            while !allowance.is_held_up(now) {
                allowance.spend(now, RATES(), 1, 0);
                sent += 1;
            }
        }
        assert!((60_000..=60_200).contains(&sent), "{sent}");
    }
}
