//! A session on HTTP long polling: the held GET, the POST under way, the queue between two GETs.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::frames::Frames;
use super::super::millis::Millis;
use super::super::reason::Reason;
use super::super::settings::{CLOSE_WAIT, LEAVE_WAIT, MAX_ANSWER, MESSAGE_OVERHEAD, Settings};
use super::attempt::Attempt;
use super::{Effect, Session, State};

/// For how long an answer shows how fast a client fetches.
const OF_LATE: Duration = Duration::from_secs(10);

/// State that only polling and the upgrade need. A session on a WebSocket has none of it.
#[derive(Debug)]
pub(super) struct Polling<T> {
    held: Option<T>,
    post: Option<Post<T>>,
    queue: VecDeque<Frames>,
    queued_bytes: usize,
    /// When the last answer left, and its bytes.
    fetched: Option<(Millis, usize)>,
    /// Deadline of the next GET; set while more waits than one answer carries.
    fetch_by: Option<Millis>,
    pub(super) attempt: Option<Attempt<T>>,
    /// Set when the session is closed and waits only for a GET to carry the news.
    pub(super) closing: Option<Closing>,
}

/// The wait for the last GET.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    pub(super) by: Side,
    /// Deadline of the wait.
    pub(super) until: Millis,
}

impl Closing {
    pub(super) const fn reason(self) -> Reason {
        match self.by {
            Side::Client => Reason::TransportClose,
            Side::Server => Reason::ForcedClose,
        }
    }
}

/// Who closed a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The POST under way.
#[derive(Debug, Clone, Copy)]
struct Post<T> {
    post: T,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Its body is being read.
    Reading,
    /// Its body is complete, and its packets are being handled.
    Handling,
}

impl<T> Post<T> {
    /// The POST is not waited for any more. A client whose body was read still gets its answer.
    fn release(self, effects: &mut Vec<Effect<T>>) {
        effects.push(match self.stage {
            Stage::Reading => Effect::Cut(self.post),
            Stage::Handling => Effect::Accept(self.post),
        });
    }
}

impl<T: Copy + Eq> Polling<T> {
    pub(super) const fn new() -> Self {
        Self {
            held: None,
            post: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            fetched: None,
            fetch_by: None,
            attempt: None,
            closing: None,
        }
    }

    pub(super) const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn is_writable(&self) -> bool {
        self.held.is_some() && self.queue.is_empty()
    }

    /// Whether a GET is held and nothing else is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_writable() && self.post.is_none() && self.attempt.is_none()
    }

    /// Whether the client has closed the session.
    pub(super) fn is_left(&self) -> bool {
        self.closing.is_some_and(|closing| closing.by == Side::Client)
    }

    /// Whether the packets of this POST are being handled.
    pub(super) fn is_handling(&self, post: T) -> bool {
        matches!(self.post, Some(Post { post: handled, stage: Stage::Handling }) if handled == post)
    }

    pub(super) fn queued_messages(&self) -> usize {
        self.queue.len()
    }

    /// The messages that wait for a GET.
    pub(super) fn queue(&self) -> impl Iterator<Item = &Frames> {
        self.queue.iter()
    }

    /// The POST under way, once its body is here.
    pub(super) fn handled_post(&self) -> Option<T> {
        self.post.as_ref().filter(|post| matches!(post.stage, Stage::Handling)).map(|post| post.post)
    }

    pub(super) fn enqueue(&mut self, now: Millis, frames: Frames, settings: &Settings) {
        self.queued_bytes = self.queued_bytes.saturating_add(cost(&frames));
        self.queue.push_back(frames);
        if self.fetch_by.is_none() {
            self.expect_fetch(now, settings);
        }
    }

    /// Queues a heartbeat. If more waits than one answer carries, it goes before all of it.
    pub(super) fn enqueue_beat(&mut self, now: Millis, frames: Frames, settings: &Settings) {
        self.enqueue(now, frames, settings);
        if self.queued_bytes > MAX_ANSWER {
            self.queue.rotate_right(1);
        }
    }

    /// Whether such frames are first or last in the queue.
    pub(super) fn has_queued(&self, frames: &Frames) -> bool {
        self.queue.front() == Some(frames) || self.queue.back() == Some(frames)
    }

    /// The client fetches, or begins to leave too much: the time for its next GET begins.
    pub(super) fn expect_fetch(&mut self, now: Millis, settings: &Settings) {
        self.fetch_by = (self.queued_bytes > MAX_ANSWER).then(|| now + settings.fetch_timeout);
    }

    /// Bytes that the client fetched lately.
    pub(super) fn pace(&self, now: Millis) -> u64 {
        let late = self.fetched.filter(|(at, _)| *at + OF_LATE >= now);
        late.map_or(0, |(_, bytes)| bytes as u64)
    }

    /// Whether the client has left more than one answer carries for too long.
    pub(super) fn is_left_lying(&self, now: Millis) -> bool {
        self.fetch_by.is_some_and(|by| by <= now)
    }

    /// Answers the held GET with the queue, as much as one answer carries, if a GET is held and anything is queued.
    /// Returns whether it did.
    pub(super) fn flush(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let Some(get) = self.held.take() else { return false };
        let before = self.queued_bytes;
        let answer = self.take_answer();
        self.fetched = Some((now, before - self.queued_bytes));
        self.expect_fetch(now, settings);
        effects.push(Effect::Answer(get, answer));
        true
    }

    /// Takes out what one answer carries: at least one message, if there is any.
    fn take_answer(&mut self) -> Vec<Frames> {
        if self.queued_bytes <= MAX_ANSWER {
            self.queued_bytes = 0;
            return std::mem::take(&mut self.queue).into();
        }
        let mut bytes = 0;
        let fits = |frames: &&Frames| {
            bytes += cost(frames);
            bytes <= MAX_ANSWER
        };
        let count = self.queue.iter().take_while(fits).count().max(1);
        let answer: Vec<Frames> = self.queue.drain(..count).collect();
        self.queued_bytes -= answer.iter().map(cost).sum::<usize>();
        answer
    }

    /// Answers the held GET, if there is one, so that the client can leave polling.
    pub(super) fn relieve(&mut self, now: Millis, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        self.flush(now, settings, effects);
        if let Some(get) = self.held.take() {
            effects.push(Effect::Answer(get, vec![Frames::NOOP]));
        }
    }

    /// The session is over. A held GET carries the queue, with `farewell` at the end. If that is more than one answer
    /// carries, it carries only the beginning and no farewell: nothing is sent after a gap.
    pub(super) fn dissolve(mut self, farewell: Frames, effects: &mut Vec<Effect<T>>) {
        if let Some(get) = self.held {
            let mut answer = self.take_answer();
            if self.queue.is_empty() {
                answer.push(farewell);
            }
            effects.push(Effect::Answer(get, answer));
        }
        if let Some(post) = self.post {
            post.release(effects);
        }
        if let Some(attempt) = self.attempt {
            effects.push(Effect::Shut(attempt.websocket));
        }
    }

    /// The session continues on a WebSocket, where the queue that this returns goes. A client that still has a GET open
    /// ignores its answer, so nothing else may go that way.
    pub(super) fn release(self, effects: &mut Vec<Effect<T>>) -> VecDeque<Frames> {
        if let Some(get) = self.held {
            effects.push(Effect::Answer(get, vec![Frames::CLOSE]));
        }
        if let Some(post) = self.post {
            post.release(effects);
        }
        self.queue
    }

    /// The earliest deadline of polling itself.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let attempt = self.attempt.as_ref().map(Attempt::deadline);
        self.closing.map(|closing| closing.until).into_iter().chain(attempt).chain(self.fetch_by).min()
    }
}

/// What a waiting message counts.
fn cost(frames: &Frames) -> usize {
    frames.len().saturating_add(MESSAGE_OVERHEAD)
}

/// The requests of a polling session. A transport is one request here: the caller reads the connection's next request
/// only after the answer to the last.
impl<T: Copy + Eq> Session<T> {
    /// A GET came. It is held until there is something to send. A second one at the same time ends the session.
    pub fn poll(&mut self, now: Millis, get: T, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        let State::Polling(polling) = &mut self.state else {
            effects.push(Effect::Refuse(get));
            return;
        };
        if polling.held.is_some() {
            effects.push(Effect::Refuse(get));
            self.end(Reason::TransportError, Frames::CLOSE, effects);
        } else if polling.closing.is_none() {
            polling.held = Some(get);
            if polling.flush(now, settings, effects) {
                // The ping may be in this answer, or behind it.
                self.heartbeat.sign_of_life(now, settings);
            }
        } else if polling.is_left() {
            polling.held = Some(get);
            self.end(Reason::TransportClose, Frames::NOOP, effects);
        } else if polling.queue.is_empty() {
            effects.push(Effect::Answer(get, vec![Frames::NOOP, Frames::CLOSE]));
            self.end(Reason::ForcedClose, Frames::CLOSE, effects);
        } else {
            // Messages queued before the close go first and alone; the wait begins anew for the next GET.
            polling.held = Some(get);
            polling.flush(now, settings, effects);
            polling.closing = Some(Closing { by: Side::Server, until: now + CLOSE_WAIT });
        }
    }

    /// The server through which a GET has come ends, and the session goes on: the GET is answered now, if it is held, with a
    /// noop if nothing is queued.
    pub fn poll_release(&mut self, now: Millis, get: T, settings: &Settings, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state
            && polling.held == Some(get)
        {
            polling.relieve(now, settings, effects);
        }
    }

    /// A POST came; its body is still to be read. A second one at the same time ends the session.
    pub fn post_begin(&mut self, post: T, effects: &mut Vec<Effect<T>>) {
        match &mut self.state {
            State::Polling(polling) if polling.post.is_none() => {
                polling.post = Some(Post { post, stage: Stage::Reading });
            }
            State::Polling(_) => {
                effects.push(Effect::Refuse(post));
                self.end(Reason::TransportError, Frames::CLOSE, effects);
            }
            State::WebSocket(_) | State::Closed => effects.push(Effect::Refuse(post)),
        }
    }

    /// The body of the POST exceeds [`Settings::max_payload`](super::super::Settings::max_payload). The caller answers
    /// 413 and drops the body; the session goes on.
    pub fn post_too_long(&mut self, post: T) {
        if let State::Polling(polling) = &mut self.state {
            polling.post.take_if(|it| it.post == post);
        }
    }

    /// The session's protocol does not allow the POST's content type (`application/octet-stream` on protocol 4): the
    /// POST is refused, and the session ends.
    pub fn post_invalid(&mut self, post: T, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state
            && polling.post.take_if(|it| it.post == post).is_some()
        {
            effects.push(Effect::Refuse(post));
            self.end(Reason::TransportError, Frames::CLOSE, effects);
        }
    }

    /// The body of the POST is complete: its packets follow, by [`Session::receive`] and [`Session::bad_packet`], and then
    /// [`Session::post_accept`].
    pub fn post_read(&mut self, post: T) {
        if let State::Polling(polling) = &mut self.state
            && let Some(under_way) = &mut polling.post
            && under_way.post == post
        {
            under_way.stage = Stage::Handling;
        }
    }

    /// All packets of the POST have been handled. Answers it with `ok`, unless that has happened because one of them
    /// closed the session. Returns whether the answer is still to come: see [`LEAVE_WAIT`].
    pub fn post_accept(&mut self, post: T, effects: &mut Vec<Effect<T>>) -> bool {
        let State::Polling(polling) = &mut self.state else { return false };
        if polling.is_left() {
            return polling.is_handling(post);
        }
        if polling.post.take_if(|it| it.post == post).is_some() {
            effects.push(Effect::Accept(post));
        }
        false
    }

    /// The client closed the session by a POST. Its GET carries the news; if none is held, one may be on its way.
    pub(super) fn leave(&mut self, now: Millis, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state
            && polling.held.is_none()
        {
            polling.closing = Some(Closing { by: Side::Client, until: now + LEAVE_WAIT });
            effects.push(Effect::Left(Reason::TransportClose));
        } else {
            self.end(Reason::TransportClose, Frames::NOOP, effects);
        }
    }

    /// The connection of a GET is gone. That ends the session if the GET was still held.
    pub fn poll_lost(&mut self, get: T, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state
            && polling.held.take_if(|it| *it == get).is_some()
        {
            self.end(Reason::TransportError, Frames::CLOSE, effects);
        }
    }

    /// The connection of a POST is gone. That ends the session if the POST was still under way.
    pub fn post_lost(&mut self, post: T, effects: &mut Vec<Effect<T>>) {
        if let State::Polling(polling) = &mut self.state
            && polling.post.take_if(|it| it.post == post).is_some()
        {
            self.end(Reason::TransportError, Frames::CLOSE, effects);
        }
    }
}
