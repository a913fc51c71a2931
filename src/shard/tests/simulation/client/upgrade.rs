//! The way from polling to a WebSocket: a probe, the pause of polling, and the switch. And a second probe, which must fail.

use std::time::Duration;

use super::http;
use super::link::Link;
use super::packet::Packet;
use super::websocket::{self, Frame};

/// How far an upgrade is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Probing,
    /// The server has answered the probe: polling is paused, and what is under way must end.
    Pausing,
}

/// What has become of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Goes,
    Failed,
    /// The upgrade packet is sent, and the session is on the WebSocket.
    Done,
}

/// An upgrade under way.
pub(super) struct Upgrade {
    pub(super) link: Link,
    stage: Stage,
    /// Whether the client forgets it after the probe.
    is_forgotten: bool,
    /// For how long something was on its way, on any connection of the session.
    delayed: Duration,
    /// A second WebSocket that probes while the first does.
    rival: Option<Rival>,
}

/// A WebSocket with the sid of a session that another one probes.
struct Rival {
    link: Link,
    is_granted: bool,
}

impl Upgrade {
    /// Asks for a WebSocket.
    pub(super) fn begin(mut link: Link, target: &str, is_forgotten: bool) -> Self {
        link.send(websocket::handshake(target));
        Self { link, stage: Stage::Opening, is_forgotten, delayed: Duration::ZERO, rival: None }
    }

    /// Whether it does not matter if it fails: it is to fail, or the way was slow.
    pub(super) fn may_fail(&self, timeout: Duration) -> bool {
        self.is_forgotten || self.delayed >= timeout / 2
    }

    pub(super) fn was_delayed(&mut self, by: Duration) {
        self.delayed += by;
    }

    /// Whether polling must not begin anything.
    pub(super) fn pauses(&self) -> bool {
        self.stage == Stage::Pausing
    }

    /// Whether a second WebSocket may probe: the server knows of the first.
    pub(super) fn may_have_rival(&self) -> bool {
        self.stage == Stage::Pausing && self.rival.is_none()
    }

    /// Whether a second one does.
    pub(super) fn has_rival(&self) -> bool {
        self.rival.is_some()
    }

    pub(super) fn meets(&mut self, mut link: Link, target: &str) {
        link.send(websocket::handshake(target));
        self.rival = Some(Rival { link, is_granted: false });
    }

    /// Goes on; `is_paused` says whether polling is, and `may_fail` whether the server may have given it up.
    pub(super) fn act(&mut self, is_paused: bool, may_fail: bool) -> Step {
        if let Some(rival) = &mut self.rival {
            rival.act(may_fail);
        }
        if self.stage == Stage::Opening {
            match http::take_head(&mut self.link.received) {
                Some(101) => {
                    self.link.send(websocket::frame(&Packet::text("2probe")));
                    self.stage = Stage::Probing;
                }
                Some(_) => return Step::Failed,
                None => {}
            }
        }
        if self.stage != Stage::Opening {
            match websocket::take_frame(&mut self.link.received) {
                Some(Frame::Packet(packet)) => {
                    assert_eq!((packet, self.stage), (Packet::text("3probe"), Stage::Probing), "a probe");
                    if !self.is_forgotten {
                        self.stage = Stage::Pausing;
                    }
                }
                Some(Frame::Close) => return Step::Failed,
                None => {}
            }
        }
        if self.link.is_closed() {
            return Step::Failed;
        }
        if self.stage == Stage::Pausing && is_paused {
            self.link.send(websocket::frame(&Packet::text("5")));
            return Step::Done;
        }
        Step::Goes
    }

    pub(super) fn describe(&self) -> String {
        format!("{:?} after {:?} on the way, {}", self.stage, self.delayed, self.link.describe())
    }

    /// Gives up all but the WebSocket, on which the session goes on.
    pub(super) fn finish(mut self) -> Link {
        if let Some(rival) = &mut self.rival {
            rival.link.end();
        }
        self.link
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        [&self.link].into_iter().chain(self.rival.as_ref().map(|rival| &rival.link))
    }

    pub(super) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        [&mut self.link].into_iter().chain(self.rival.as_mut().map(|rival| &mut rival.link))
    }
}

impl Rival {
    /// It probes, and gets no answer but the end, unless the first may have failed.
    fn act(&mut self, has_chance: bool) {
        if !self.is_granted && http::take_head(&mut self.link.received) == Some(101) {
            self.is_granted = true;
            self.link.send(websocket::frame(&Packet::text("2probe")));
        }
        if self.is_granted
            && let Some(Frame::Packet(packet)) = websocket::take_frame(&mut self.link.received)
        {
            assert!(has_chance, "a second probe is answered: {packet:?}");
        }
    }
}
