//! Answers to held GETs: when they leave, and what they contain. A fan-out makes a payload once, and compresses it once in each
//! coding, for any number of clients.

use bytes::Bytes;

use crate::clock;
use crate::config::Config;
use crate::engineio::{Encoding, Frames, PayloadKind};
use crate::http::{self, Coding, PollAnswer};
use crate::shard::net::connection::{Answer, Connection, HttpState};
use crate::shard::net::write::SLICE;
use crate::shard::sessions::Sessions;
use crate::shard::store::keys::{ConnectionKey, SessionKey};

/// From this length on a payload is shared by the answers that carry it; a shorter one is copied behind their heads.
const SHARED: usize = 16 * 1024;

/// From this length on a payload for one client is compressed only if no other client waits.
const LONG: usize = 64 * 1024;

/// Answers that are remembered for one payload. Clients of one application send few different requests.
const REMEMBERED: usize = 8;

/// A payload that several clients may get. It lives until all sessions with queued packets are answered.
#[derive(Debug)]
pub(super) struct CommonPayload {
    frames: Vec<Frames>,
    encoding: Encoding,
    kind: PayloadKind,
    plain: Bytes,
    /// Whether compressing it takes longer than other clients should wait.
    takes_long: bool,
    /// The payload in each coding that was asked for; `None` if it is not compressed.
    coded: Vec<(Coding, Option<Bytes>)>,
    /// Complete responses with this payload.
    answers: Vec<(Answer, Bytes)>,
}

/// A held-up client goes on once its queue is below this part of `hold_up`.
pub(in crate::shard) const GO_ON: usize = 2;

impl Sessions {
    /// Answers the held GETs of sessions with queued packets, as many as one turn may.
    pub(in crate::shard) fn answer_polls(&mut self) {
        if self.has_released() {
            self.answer_released();
        }
        if self.polled.is_empty() {
            return;
        }
        let started = clock::now();
        for _ in 0..self.shared().config.limits.writes_per_turn {
            let Some(key) = self.polled.pop_front() else { break };
            if let Some(client) = self.clients.get_mut(key.0) {
                client.polled = false;
                self.act(key, |session, now, settings, effects| session.flush(now, settings, effects));
            }
            // Compressing one answer may have taken long.
            if clock::now() - started >= SLICE {
                break;
            }
        }
        if self.polled.is_empty() {
            self.common_payload = None;
        }
    }

    /// Answers the held GETs whose entries end, as the last on their connections, so that their clients' next ones find other
    /// entries.
    #[cold]
    fn answer_released(&mut self) {
        for (key, session) in self.take_released() {
            if let Some(http) = self.connection_mut(key).and_then(Connection::http) {
                http.answer.delivery.connection = http::Connection::Close;
            }
            self.act(session, |session, now, settings, effects| session.poll_release(now, key, settings, effects));
        }
    }

    /// Answers a held GET.
    pub(super) fn answer_poll(&mut self, key: ConnectionKey, encoding: Encoding, frames: Vec<Frames>) {
        let Some(http) = self.net.connection_mut(key).and_then(Connection::http) else { return };
        http.state = HttpState::Head;
        let Some(wanted) = self.net.connection(key).and_then(Connection::wanted) else { return };
        let common = self.common_payload.take().filter(|common| common.is_of(&frames, encoding));
        let others_wait = !self.net.line().is_empty(true);
        let mut common = common.unwrap_or_else(|| CommonPayload::new(frames, encoding, others_wait));
        if common.plain.len() < SHARED {
            let answer = common.answer(&self.net.shared().config, wanted);
            self.net.push(key, &answer);
        } else {
            let (head, payload) = common.head_and_payload(&self.net.shared().config, wanted);
            self.net.push_own(key, head);
            self.net.push(key, &payload);
        }
        if !self.polled.is_empty() {
            self.common_payload = Some(common);
        }
        self.answered(key);
    }

    /// Everything that waited for this connection has left. While a long answer was under way, the client could not answer the
    /// ping behind it; now it can.
    pub(in crate::shard) fn taken(&mut self, key: ConnectionKey) {
        let taking = self.connection_mut(key).and_then(Connection::http).and_then(|http| http.taking.take());
        if let Some(session) = taking {
            self.act(session, |session, now, settings, _| session.sent(now, settings));
        }
    }

    /// A GET of a session was answered by this connection.
    pub(super) fn answered_session(&mut self, session: SessionKey, key: ConnectionKey) {
        if let Some(client) = self.clients.get_mut(session.0) {
            client.answered = key;
        }
        if let Some(http) = self.connection_mut(key).and_then(Connection::http) {
            http.taking = Some(session);
        }
        self.let_post_go_on(session);
    }

    /// Makes the answer to a GET that ends its session the last on its connection, so that the client's next connection finds
    /// another server.
    pub(super) fn part_with(&mut self, session: SessionKey, key: ConnectionKey) {
        let closed = self.clients.get(session.0).is_none_or(|client| client.session.found().is_none());
        if closed && let Some(http) = self.connection_mut(key).and_then(Connection::http) {
            http.answer.delivery.connection = http::Connection::Close;
        }
    }

    /// A polling client has fetched, or probes: its POST goes on if its queue has become short, or if it must not be held up.
    pub(in crate::shard) fn let_post_go_on(&mut self, session: SessionKey) {
        let short = self.shared().config.limits.hold_up / GO_ON;
        let Some(client) = self.clients.get(session.0) else { return };
        let Some(key) = client.session.handled_post() else { return };
        if client.session.queued_bytes() > short && !client.session.is_probed() {
            return;
        }
        let now = self.now();
        let Some(http) = self.connection_mut(key).and_then(Connection::http) else { return };
        if let HttpState::Waiting(waiting) = &mut http.state
            && waiting.patience == Some(waiting.until)
        {
            waiting.until = now;
            self.line_up(key);
        }
    }
}

impl CommonPayload {
    fn new(frames: Vec<Frames>, encoding: Encoding, others_wait: bool) -> Self {
        let (plain, kind) = encoding.payload(&frames);
        let takes_long = others_wait && plain.len() > LONG && frames.iter().all(Frames::are_own);
        Self { frames, encoding, kind, plain: plain.into(), takes_long, coded: Vec::new(), answers: Vec::new() }
    }

    /// Whether it was made of these frames.
    fn is_of(&self, frames: &[Frames], encoding: Encoding) -> bool {
        // The payload holds its frames, so nothing else can have their addresses.
        let place = |frames: &Frames| (frames.bytes().as_ptr(), frames.len());
        self.encoding == encoding
            && self.frames.iter().map(place).eq(frames.iter().map(place))
            && self.frames.iter().any(Frames::may_compress) == frames.iter().any(Frames::may_compress)
    }

    /// The complete response to a request that wants it so.
    fn answer(&mut self, config: &Config, wanted: &Answer) -> Bytes {
        if let Some((_, answer)) = self.answers.iter().find(|(other, _)| other == wanted) {
            return answer.clone();
        }
        let (payload, coding) = self.payload(config, wanted.coding);
        let answer = self.carrying(&payload, coding, wanted).write(wanted.delivery);
        if self.answers.len() < REMEMBERED {
            self.answers.push((wanted.clone(), answer.clone()));
        }
        answer
    }

    /// The same in two parts. Other responses may share the second.
    fn head_and_payload(&mut self, config: &Config, wanted: &Answer) -> (Bytes, Bytes) {
        let (payload, coding) = self.payload(config, wanted.coding);
        let head = self.carrying(&payload, coding, wanted).head(wanted.delivery);
        (head, payload)
    }

    fn carrying<'a>(&self, payload: &'a [u8], coding: Option<Coding>, wanted: &'a Answer) -> PollAnswer<'a> {
        PollAnswer { payload, kind: self.kind, coding, cors: &wanted.cors, cookie: None }
    }

    /// The payload for a client that accepts this coding, and the coding that it has.
    fn payload(&mut self, config: &Config, coding: Option<Coding>) -> (Bytes, Option<Coding>) {
        let may_be = config.http_compression
            && !self.takes_long
            && self.plain.len() >= config.compression_threshold
            && self.frames.iter().any(Frames::may_compress);
        let Some(coding) = coding.filter(|_| may_be) else { return (self.plain.clone(), None) };
        let known = self.coded.iter().find(|(known, _)| *known == coding).map(|(_, coded)| coded.clone());
        let coded = known.unwrap_or_else(|| {
            let coded = coding.compress(&self.plain).ok().map(Bytes::from);
            self.coded.push((coding, coded.clone()));
            coded
        });
        coded.map_or_else(|| (self.plain.clone(), None), |coded| (coded, Some(coding)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engineio::Charge;
    use crate::socketio;

    /// Whether a payload of this length is compressed, depending on its receivers and on whether other clients wait.
    fn is_compressed(length: usize, others_wait: bool, receivers: usize) -> bool {
        let text = socketio::event("/", None, &format!("[\"long\",\"{}\"]", "x".repeat(length)), &[]);
        let charge = Charge::new(text.len(), &Arc::default());
        let mut frames: Vec<_> = (0..receivers).map(|_| text.charged(charge.clone())).collect();
        drop(charge);
        let mut common = CommonPayload::new(vec![frames.remove(0)], Encoding::V4, others_wait);
        common.payload(&Config::default(), Some(Coding::Gzip)).1.is_some()
    }

    #[test]
    fn a_long_payload_for_one_client_is_not_compressed_while_others_wait() {
        assert!(is_compressed(LONG, false, 1) && is_compressed(LONG / 2, true, 1));
        assert!(is_compressed(LONG, true, 2), "it is compressed for all of them");
        assert!(!is_compressed(LONG, true, 1));
    }
}
