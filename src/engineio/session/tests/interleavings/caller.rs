//! The caller: it sends, closes, and carries out the session's effects.

use super::*;

impl World {
    /// Names a transport that is the session's from now on.
    pub(super) fn name(&mut self, role: Role) -> u32 {
        self.named += 1;
        self.owned.insert(self.named, role);
        self.named
    }

    pub(super) fn emit(&mut self) {
        match self.bench.session.route() {
            Route::WebSocket(websocket) => {
                let message = self.next_message();
                self.bench.effects.push(Send(websocket, message));
            }
            Route::Queue => {
                let message = self.next_message();
                self.bench.enqueue(message);
            }
            Route::Translated(..) | Route::Gone => {}
        }
    }

    fn next_message(&mut self) -> Frames {
        let message = text(&format!("4{}", self.emitted));
        self.emitted += 1;
        message
    }

    pub(super) fn wait(&mut self, millis: u16) {
        let until = self.bench.now.0 + u64::from(millis);
        self.bench.flush();
        self.bench.wait_until(until);
    }

    pub(super) fn server_closes(&mut self) {
        self.server_closed = true;
        self.bench.close();
    }

    /// Every effect must name a transport that is the session's, in a role that fits.
    pub(super) fn carry_out(&mut self, step: Step) {
        for effect in self.bench.take() {
            assert_eq!(self.closed, None, "{effect:?} after the end");
            match effect {
                Answer(get, payload) => {
                    assert_eq!(self.owned.remove(&get), Some(Role::Get));
                    assert!(!payload.is_empty());
                    if self.get == Some(get) {
                        self.arriving = payload;
                    }
                }
                Accept(post) => assert_eq!(self.owned.remove(&post), Some(Role::Post)),
                Refuse(request) => {
                    assert!(self.spoilt);
                    assert!(matches!(self.owned.remove(&request), Some(Role::Get | Role::Post)));
                }
                Send(websocket, frames) | Beat(websocket, frames) => {
                    assert_eq!(self.owned.get(&websocket), Some(&Role::WebSocket));
                    if self.upgraded() == Some(websocket) {
                        self.arrive(&frames);
                    } else {
                        assert_eq!(frames, Frames::PROBE);
                        self.websocket = Some((websocket, Probe::Confirmed));
                    }
                }
                Shut(websocket) => {
                    assert_eq!(self.owned.remove(&websocket), Some(Role::WebSocket));
                    self.websocket.take_if(|(current, _)| *current == websocket);
                }
                Cut(post) => {
                    assert!(self.spoilt || self.closed_by(step));
                    assert_eq!(self.owned.remove(&post), Some(Role::Post));
                    self.post.take_if(|current| *current == post);
                }
                Left(reason) => assert_eq!(self.left.replace(reason), None),
                Closed(reason) => {
                    assert!(self.left.is_none_or(|left| left == reason), "{:?}, then {reason:?}", self.left);
                    assert!(self.owned.is_empty(), "{:?} forgotten", self.owned);
                    self.closed = Some(reason);
                }
            }
        }
        // A client that does not answer pings, or fetches too late from a closing session, loses messages.
        if self.closed.is_some() && matches!(step, Step::Wait(_)) {
            self.spoilt = true;
        }
    }

    /// Whether a session with a well-behaved client may end at this step, with a POST still being read.
    fn closed_by(&self, step: Step) -> bool {
        matches!(step, Step::Wait(_) | Step::ServerCloses | Step::Decent(Decent::Poll | Decent::Upgrade))
    }
}
