//! The heartbeat. On protocol 4 the server pings, and the client answers in time or is given up; on protocol 3 the client
//! pings in time or is given up.

use super::super::millis::Millis;
use super::super::protocol::Protocol;
use super::super::settings::Settings;

/// Bytes of which it does not matter whether they have been delivered: they do not keep a pong for long.
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
    /// `due` is when the pong must be there; any other packet may move it once.
    Awaiting,
    /// `due` is when the pong must be there, and was moved already.
    Extended,
    /// The same, moved because the ping may be under way: so many bytes were, of which it is one.
    UnderWay(u32),
    /// The same, moved for the last time: what was under way has been delivered since.
    Delivered,
    /// `due` is when the client must have pinged.
    Listening,
}

/// What a heartbeat asks for when it is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Send a ping.
    Ping,
    /// Close the session: no pong, or no ping of the client's, came.
    Timeout,
}

impl Heartbeat {
    /// A heartbeat that begins now, or anew: the next ping of the server's leaves in one interval, or the client's must be
    /// there in one interval and one timeout.
    pub(super) fn new(now: Millis, protocol: Protocol, settings: &Settings) -> Self {
        match protocol {
            Protocol::V4 => Self { due: now + settings.ping_interval, phase: Phase::Resting },
            Protocol::V3 => Self { due: now + settings.ping_interval + settings.ping_timeout, phase: Phase::Listening },
        }
    }

    /// When [`Heartbeat::tick`] has something to say.
    pub(super) const fn deadline(&self) -> Millis {
        self.due
    }

    /// A packet that is no heartbeat came: it extends the wait for a pong, once for each ping.
    pub(super) fn packet(&mut self, now: Millis, settings: &Settings) {
        if self.phase == Phase::Awaiting {
            *self = Self { due: now + settings.ping_timeout, phase: Phase::Extended };
        }
    }

    /// The client has shown that it is there, other than by a packet: it takes what it is sent, or is not read. The wait for
    /// its heartbeat begins anew.
    pub(super) fn sign_of_life(&mut self, now: Millis, settings: &Settings) {
        if self.phase != Phase::Resting {
            self.due = self.due.max(now + settings.ping_timeout);
        }
        if matches!(self.phase, Phase::UnderWay(_) | Phase::Delivered) {
            self.phase = Phase::Extended;
        }
    }

    /// So many bytes that were written to the client may not have reached it, the ping among them. Its pong is waited for once
    /// more, and again as long as they become fewer; when they have been delivered, for the last time.
    pub(super) fn may_be_under_way(&mut self, now: Millis, left: usize, settings: &Settings) {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let phase = match self.phase {
            Phase::Awaiting | Phase::Extended if left > DELIVERED => Phase::UnderWay(left),
            Phase::UnderWay(before) if left < before && left > DELIVERED => Phase::UnderWay(left),
            Phase::UnderWay(before) if left < before => Phase::Delivered,
            _ => return,
        };
        *self = Self { due: now + settings.ping_timeout, phase };
    }

    /// Whether the client's heartbeat would be missing at `now`.
    pub(super) fn is_missing(&self, now: Millis) -> bool {
        self.phase != Phase::Resting && self.due <= now
    }

    /// What is due at `now`. A ping's deadline counts from the moment it is really sent.
    pub(super) fn tick(&mut self, now: Millis, settings: &Settings) -> Option<Beat> {
        if now < self.due {
            return None;
        }
        if self.phase != Phase::Resting {
            return Some(Beat::Timeout);
        }
        *self = Self { due: now + settings.ping_timeout, phase: Phase::Awaiting };
        Some(Beat::Ping)
    }
}
