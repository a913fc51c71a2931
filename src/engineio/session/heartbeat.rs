//! The heartbeat. On protocol 4 the server pings and the client must answer in time; on protocol 3 the client must ping
//! in time.

use std::time::Duration;

use super::super::millis::Millis;
use super::super::protocol::Protocol;
use super::super::settings::Settings;

/// Undelivered bytes that do not matter: they do not delay a pong for long.
const DELIVERED: u32 = 4096;

/// The heartbeat of one session. It always has a deadline.
#[derive(Debug)]
pub(super) struct Heartbeat {
    due: Millis,
    phase: Phase,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// `due` is when the next ping leaves.
    Resting,
    /// `due` is the deadline of the pong; any other packet may extend the wait once.
    Awaiting,
    /// The same, and another packet came. At `due` the wait is extended by so many milliseconds.
    Spoken(u32),
    /// The client has shown life otherwise. At `due` it is pinged again, lest it believe the server dead, and its pong is
    /// waited for so many milliseconds longer.
    Alive(u32),
    /// The same, and what was sent since the ping may be under way: then its pong is waited for as long as that arrives.
    Sent(u32),
    /// `due` is the deadline of the pong, for which the wait was extended: so many milliseconds after the ping.
    Extended(u32),
    /// The same, moved because the ping may not have arrived: this many bytes, the ping included, were undelivered.
    UnderWay(u32),
    /// The same, moved for the last time: the undelivered bytes have arrived since.
    Delivered,
    /// `due` is the deadline of the client's ping.
    Listening,
}

/// A heartbeat on its way to another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrozenHeartbeat {
    /// In how many milliseconds it is due; below zero if it should have been.
    pub due: i64,
    /// Where it stands: the place of its phase among those of protocol 4.
    pub phase: u8,
    /// The number that belongs to the phase, or 0.
    pub number: u32,
}

/// What a heartbeat asks for when it is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Send a ping.
    Ping,
    /// Close the session: the client's pong or ping did not come.
    Timeout,
}

impl Heartbeat {
    /// A heartbeat that begins or restarts now: the server's next ping leaves after one interval, or the client's must
    /// arrive within one interval and one timeout.
    pub(super) fn new(now: Millis, protocol: Protocol, settings: &Settings) -> Self {
        match protocol {
            Protocol::V4 => Self { due: now + settings.ping_interval, phase: Phase::Resting },
            Protocol::V3 => Self { due: now + settings.ping_interval + settings.ping_timeout, phase: Phase::Listening },
        }
    }

    /// The client's heartbeat has come. The next ping counts from now, but from half a timeout after the last one at most, and a
    /// pong for which nobody waits does not move it: pongs that waited to be read are late, and the client, which believes the
    /// server dead an interval and a timeout after the last ping that it heard, does not know that.
    pub(super) fn restart(&mut self, now: Millis, settings: &Settings) {
        let whole = match self.phase {
            Phase::Listening => return *self = Self::new(now, Protocol::V3, settings),
            Phase::Resting => return,
            Phase::Extended(whole) => Duration::from_millis(whole.into()),
            _ => settings.ping_timeout,
        };
        let waited = (whole + (now - self.due)).saturating_sub(self.due - now);
        let late = waited.saturating_sub(settings.ping_timeout / 2);
        *self = Self { due: now + settings.ping_interval.saturating_sub(late), phase: Phase::Resting };
    }

    /// When [`Heartbeat::tick`] must be called.
    pub(super) const fn deadline(&self) -> Millis {
        self.due
    }

    /// A packet that is not a heartbeat came. It extends the wait for a pong, once for each ping.
    #[inline]
    pub(super) fn packet(&mut self, now: Millis, settings: &Settings) {
        if matches!(self.phase, Phase::Awaiting | Phase::Alive(_) | Phase::Sent(_)) {
            self.extend(now, settings);
        }
    }

    #[cold]
    fn extend(&mut self, now: Millis, settings: &Settings) {
        if let Some(longer) = self.longer(now, settings) {
            self.phase = match self.phase {
                Phase::Awaiting => Phase::Spoken(longer),
                Phase::Sent(_) => Phase::Sent(longer),
                _ => Phase::Alive(longer),
            };
        }
    }

    /// The client has shown life other than by a packet: it takes bytes, or the server does not read it. The wait for
    /// its heartbeat begins anew.
    pub(super) fn sign_of_life(&mut self, now: Millis, settings: &Settings) {
        match (&self.phase, self.longer(now, settings)) {
            (Phase::Resting, _) => {}
            (Phase::Listening, _) => self.due = self.due.max(now + settings.ping_timeout),
            (_, Some(longer)) => self.phase = Phase::Alive(longer),
            (Phase::UnderWay(_) | Phase::Delivered, None) => {
                self.phase = Phase::Extended(millis(settings.ping_timeout))
            }
            (_, None) => {}
        }
    }

    /// All that waited for the client has left, though it may not have arrived: the wait for its pong begins anew. A ping that it
    /// has had before still counts for the client, so that it is pinged again at `due`.
    pub(super) fn sent(&mut self, now: Millis, settings: &Settings) {
        self.sign_of_life(now, settings);
        match self.phase {
            Phase::Alive(longer) => self.phase = Phase::Sent(longer),
            _ => self.may_be_under_way(now, usize::MAX, settings),
        }
    }

    /// By how many milliseconds a wait that begins now ends after `due`, if it does.
    fn longer(&self, now: Millis, settings: &Settings) -> Option<u32> {
        let longer = ((now + settings.ping_timeout) - self.due).as_millis();
        (longer > 0).then(|| u32::try_from(longer).unwrap_or(u32::MAX))
    }

    /// This many written bytes may not have reached the client, the ping among them. Its pong is waited for once more,
    /// and again as long as they become fewer; when they have been delivered, for the last time.
    pub(super) fn may_be_under_way(&mut self, now: Millis, left: usize, settings: &Settings) {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let phase = match self.phase {
            Phase::Awaiting | Phase::Spoken(_) | Phase::Alive(_) | Phase::Extended(_) if left > DELIVERED => {
                Phase::UnderWay(left)
            }
            Phase::UnderWay(before) if left < before && left > DELIVERED => Phase::UnderWay(left),
            Phase::Sent(_) if left > DELIVERED => Phase::UnderWay(left),
            Phase::UnderWay(before) if left < before => Phase::Delivered,
            Phase::Sent(_) => Phase::Delivered,
            _ => return,
        };
        *self = Self { due: now + settings.ping_timeout, phase };
    }

    /// The heartbeat, for another server.
    pub(super) fn freeze(&self, now: Millis) -> FrozenHeartbeat {
        let (phase, number) = match self.phase {
            Phase::Resting => (0, 0),
            Phase::Awaiting => (1, 0),
            Phase::Spoken(longer) => (2, longer),
            Phase::Alive(longer) => (3, longer),
            Phase::Extended(whole) => (4, whole),
            Phase::UnderWay(left) => (5, left),
            Phase::Delivered => (6, 0),
            Phase::Sent(longer) => (7, longer),
            Phase::Listening => (8, 0),
        };
        FrozenHeartbeat { due: self.due.0.cast_signed().saturating_sub(now.0.cast_signed()), phase, number }
    }

    /// A heartbeat of another server. `None` if it has no meaning, or is one of protocol 3.
    pub(super) fn thaw(now: Millis, frozen: &FrozenHeartbeat, settings: &Settings) -> Option<Self> {
        // No longer than a wait that begins now, or one that was extended now.
        let timeout = millis(settings.ping_timeout);
        let (longer, whole) = (frozen.number.min(timeout), frozen.number.min(timeout.saturating_mul(2)));
        let phase = match frozen.phase {
            0 => Phase::Resting,
            1 => Phase::Awaiting,
            2 => Phase::Spoken(longer),
            3 => Phase::Alive(longer),
            4 => Phase::Extended(whole),
            5 => Phase::UnderWay(frozen.number),
            6 => Phase::Delivered,
            7 => Phase::Sent(longer),
            _ => return None,
        };
        let wait = if phase == Phase::Resting { settings.ping_interval } else { settings.ping_timeout };
        let due = now.0.saturating_add_signed(frozen.due.min(millis(wait).into()));
        Some(Self { due: Millis(due), phase })
    }

    /// Whether the client's heartbeat would be missing at `now`.
    pub(super) fn is_missing(&self, now: Millis) -> bool {
        match self.phase {
            Phase::Resting => false,
            Phase::Alive(longer) | Phase::Sent(longer) => self.due + Duration::from_millis(longer.into()) <= now,
            _ => self.due <= now,
        }
    }

    /// What is due at `now`. A ping's deadline counts from when it is really sent.
    pub(super) fn tick(&mut self, now: Millis, settings: &Settings) -> Option<Beat> {
        if now < self.due {
            return None;
        }
        let later = |longer: u32| self.due + Duration::from_millis(longer.into());
        let whole = |longer: u32| millis(settings.ping_timeout).saturating_add(longer);
        let rest = |longer: u32| millis(later(longer) - now);
        let ping = Some(Beat::Ping);
        let (due, phase, beat) = match self.phase {
            Phase::Resting => (now + settings.ping_timeout, Phase::Awaiting, ping),
            Phase::Spoken(longer) if later(longer) > now => (later(longer), Phase::Extended(whole(longer)), None),
            Phase::Alive(longer) if later(longer) > now => (later(longer), Phase::Extended(rest(longer)), ping),
            Phase::Sent(longer) if later(longer) > now => (later(longer), Phase::UnderWay(u32::MAX), ping),
            _ => return Some(Beat::Timeout),
        };
        *self = Self { due, phase };
        beat
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
