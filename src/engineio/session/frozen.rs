//! Sessions that go to another server with their WebSocket.

use super::super::encoding::Encoding;
use super::super::frames::Frames;
use super::super::millis::Millis;
use super::super::settings::Settings;
use super::heartbeat::{FrozenHeartbeat, Heartbeat};
use super::{Effect, Session, State};

/// A session on its way to another server. Its times are milliseconds from when it was frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Its heartbeat.
    pub heartbeat: FrozenHeartbeat,
    /// The longest silence of the server that its client bears, as it was told at its handshake.
    pub bears: u64,
    /// How long it has for joining a namespace, if it has joined none.
    pub joins_within: Option<u64>,
    /// The messages that wait for its client.
    pub queue: Vec<Frames>,
}

impl<T: Copy + Eq> Session<T> {
    /// Whether [`freeze`](Self::freeze) would freeze it.
    pub fn may_freeze(&self) -> bool {
        let State::Polling(polling) = &self.state else { return false };
        polling.attempt.is_some() && polling.closing.is_none() && self.encoding == Encoding::V4
    }

    /// The upgrade packet has come, and the session goes to the server where its WebSocket is. It gives up its GET and its POST
    /// as it does for an upgrade, and is closed here without [`Effect::Closed`]; the WebSocket is the caller's. `None` if nobody
    /// probes, if it is closing, and on protocol 3: then nothing has happened.
    pub fn freeze(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) -> Option<Frozen> {
        if !self.may_freeze() {
            return None;
        }
        let State::Polling(polling) = std::mem::replace(&mut self.state, State::Closed) else { return None };
        if polling.queued_messages() > 0 {
            self.heartbeat.sign_of_life(now, settings);
        }
        Some(Frozen {
            heartbeat: self.heartbeat.freeze(now),
            bears: as_millis(settings.ping_interval + settings.ping_timeout),
            joins_within: self.join_by.map(|by| as_millis(by - now)),
            queue: polling.release(effects).into(),
        })
    }

    /// A session that comes from another server, on `websocket`. `None` if it cannot go on here: this server pings too seldom
    /// for its client, or its heartbeat has no meaning.
    pub fn thaw(
        now: Millis,
        websocket: T,
        frozen: Frozen,
        settings: &Settings,
        effects: &mut Vec<Effect<T>>,
    ) -> Option<Self> {
        if as_millis(settings.ping_interval) >= frozen.bears {
            return None;
        }
        let heartbeat = Heartbeat::thaw(now, &frozen.heartbeat, settings)?;
        let join_within = frozen.joins_within.map(|within| within.min(as_millis(settings.connect_timeout)));
        let join_by = join_within.map(|within| Millis(now.0.saturating_add(within)));
        effects.extend(frozen.queue.into_iter().map(|frames| Effect::Send(websocket, frames)));
        Some(Self { state: State::WebSocket(websocket), heartbeat, join_by, encoding: Encoding::V4 })
    }
}

fn as_millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
