//! The upgrade from polling to a WebSocket.
//!
//! The session stays on polling while a WebSocket probes. Only the client's upgrade packet moves it, together with its
//! queue. Until then only the answer to a probe goes to the WebSocket. A failure before that costs the WebSocket, never
//! the session.

use super::super::frames::Frames;
use super::super::millis::Millis;
use super::super::packet::Packet;
use super::super::settings::{NOOP_INTERVAL, Settings};
use super::attempt::Attempt;
use super::polling::Polling;
use super::{Effect, Overdue, Session, State};

impl<T: Copy + Eq> Polling<T> {
    /// Ends the attempt, if there is one.
    fn abandon(&mut self, effects: &mut Vec<Effect<T>>) {
        effects.extend(self.attempt.take().map(|attempt| Effect::Shut(attempt.websocket)));
    }

    /// Does what is due in the attempt, if there is one.
    pub(super) fn tick_attempt(
        &mut self,
        now: Millis,
        settings: &Settings,
        effects: &mut Vec<Effect<T>>,
    ) -> Option<Overdue> {
        // The client cannot go on before its POST is answered, and that is the server's time.
        let waits_for_server = self.handled_post().is_some();
        let attempt = self.attempt.as_mut()?;
        if attempt.expires <= now {
            if !waits_for_server {
                self.abandon(effects);
                return Some(Overdue::Upgrade);
            }
            attempt.expires = now + NOOP_INTERVAL;
        }
        if attempt.relief.is_some_and(|relief| relief <= now) {
            attempt.relief = Some(now + NOOP_INTERVAL);
            self.relieve(now, settings, effects);
        }
        None
    }
}

impl<T: Copy + Eq> Session<T> {
    /// A WebSocket with this session's sid was opened and may probe. It is shut if the session is on a WebSocket
    /// already, or if another one probes.
    pub fn websocket_opened(&mut self, now: Millis, websocket: T, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        match &mut self.state {
            State::Polling(polling) if polling.attempt.is_none() => {
                let expires = now + settings.upgrade_timeout;
                polling.attempt = Some(Attempt { websocket, expires, relief: None });
            }
            _ => effects.push(Effect::Shut(websocket)),
        }
    }

    /// A packet on the probing WebSocket. An upgrade packet is valid even without a probe before it.
    pub(super) fn receive_on_probe(
        &mut self,
        now: Millis,
        packet: &Packet<'_>,
        settings: &Settings,
        effects: &mut Vec<Effect<T>>,
    ) {
        let State::Polling(polling) = &mut self.state else { return };
        let Some(attempt) = &mut polling.attempt else { return };
        match packet {
            Packet::Ping("probe") => {
                attempt.relief = Some(now + NOOP_INTERVAL);
                effects.push(Effect::Send(attempt.websocket, Frames::PROBE));
            }
            Packet::Upgrade => {
                let websocket = attempt.websocket;
                self.upgrade(now, websocket, settings, effects);
            }
            _ => polling.abandon(effects),
        }
    }

    /// A text on the probing WebSocket that is not a packet.
    pub(super) fn bad_packet_on_probe(&mut self, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state {
            polling.abandon(effects);
        }
    }

    fn upgrade(&mut self, now: Millis, websocket: T, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = std::mem::replace(&mut self.state, State::WebSocket(websocket)) {
            let closing = polling.closing;
            if polling.queued_messages() > 0 {
                // The ping may be in the queue that moves, or behind it.
                self.heartbeat.sign_of_life(now, settings);
            }
            let queue = polling.release(effects);
            effects.extend(queue.iter().map(|frames| Effect::Send(websocket, self.encoding.frames(frames))));
            if let Some(closing) = closing {
                self.end(closing.reason(), Frames::CLOSE, effects);
            }
        }
    }
}
