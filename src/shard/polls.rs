//! Answers to held GETs: when they are given, and what they are. In a fan-out the answer is made once, however many
//! clients get the same.

use std::time::Instant;

use bytes::Bytes;

use super::connection::{Answer, Connection, HttpState};
use super::core::Core;
use super::keys::ConnectionKey;
use super::write::{SLICE, WRITES_PER_LOOK};
use crate::config::Config;
use crate::engineio::{Encoding, Frames};
use crate::http::PollAnswer;

/// An answer that others may get, too. It lives until the turn's frames are written.
#[derive(Debug)]
pub(crate) struct CommonAnswer {
    frames: Vec<Frames>,
    encoding: Encoding,
    wanted: Answer,
    bytes: Bytes,
}

impl Core {
    /// Answers the held GETs of sessions for which something was queued, as many as one turn may.
    pub(crate) fn answer_polls(&mut self) {
        if self.polled.is_empty() {
            return;
        }
        let started = Instant::now();
        for count in 1..=self.shared.config.limits.writes_per_turn {
            let Some(key) = self.polled.pop_front() else { break };
            if let Some(client) = self.sessions.get_mut(key.0) {
                client.polled = false;
                self.session(key, |session, _, _, effects| session.flush(effects));
            }
            if count % WRITES_PER_LOOK == 0 && started.elapsed() >= SLICE {
                break;
            }
        }
        self.common_answer = None;
    }

    /// Answers a held GET.
    pub(crate) fn answer_poll(&mut self, key: ConnectionKey, encoding: Encoding, frames: &[Frames]) {
        let Some(http) = self.connections.get_mut(key.0).and_then(Connection::http) else { return };
        http.state = HttpState::Head;
        let wanted = &http.answer;
        let common = self.common_answer.as_ref().filter(|common| common.serves(frames, encoding, wanted));
        let bytes = match common {
            Some(common) => common.bytes.clone(),
            None => {
                let bytes = written(&self.shared.config, frames, encoding, wanted);
                if !self.polled.is_empty() {
                    let (frames, wanted) = (frames.to_vec(), wanted.clone());
                    self.common_answer = Some(CommonAnswer { frames, encoding, wanted, bytes: bytes.clone() });
                }
                bytes
            }
        };
        self.push(key, &bytes);
        self.answered(key);
    }
}

impl CommonAnswer {
    fn serves(&self, frames: &[Frames], encoding: Encoding, wanted: &Answer) -> bool {
        // The answer holds its frames, so nothing else can have their addresses.
        let place = |frames: &Frames| (frames.bytes().as_ptr(), frames.len());
        self.encoding == encoding
            && self.frames.iter().map(place).eq(frames.iter().map(place))
            && self.frames.iter().any(Frames::may_compress) == frames.iter().any(Frames::may_compress)
            && self.wanted == *wanted
    }
}

fn written(config: &Config, frames: &[Frames], encoding: Encoding, wanted: &Answer) -> Bytes {
    let (mut payload, kind) = encoding.payload(frames);
    let mut coding = None;
    if config.http_compression
        && payload.len() >= config.compression_threshold
        && frames.iter().any(Frames::may_compress)
        && let Some(accepted) = wanted.coding
        && let Ok(compressed) = accepted.compress(&payload)
    {
        payload = compressed;
        coding = Some(accepted);
    }
    let answer = PollAnswer { payload: &payload, kind, coding, cors: &wanted.cors, cookie: None };
    answer.write(wanted.delivery)
}
