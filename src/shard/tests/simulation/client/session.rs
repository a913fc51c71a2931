//! One session of Engine.IO: its transport, its packets, its heartbeat, and its end.

mod reading;
mod trouble;
mod upgrading;

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use self::upgrading::Suspicion;
use super::super::network::Network;
use super::excuses::Excuses;
use super::heartbeat::Heartbeat;
use super::link::Link;
use super::packet::Packet;
use super::polling::Polling;
use super::upgrade::Upgrade;
use super::websocket;
use crate::clock;
use crate::clock::simulated::spent_looking;

const PATH: &str = "/socket.io/?EIO=4&transport=";

/// That of old clients. What they say of themselves follows.
const OLD_PATH: &str = "/socket.io/?EIO=3&transport=websocket&";

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    WebSocket,
    Polling,
    /// By WebSocket, as an old client whose socket has this tag.
    Old(u64),
}

/// What the server has told about itself.
#[derive(Debug)]
struct Open {
    sid: String,
    ping_interval: Duration,
    ping_timeout: Duration,
    max_payload: usize,
    offers_upgrade: bool,
}

enum Transport {
    Polling(Polling),
    /// With whether the request for it was granted.
    WebSocket(Link, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Lost,
    /// The server has refused a request with this status.
    Refused(u16),
    /// The server has closed the session in order.
    Closed,
    /// The client has given up, after a silence.
    GaveUp,
}

/// A moment in which a session acted.
#[derive(Debug, Clone, Copy)]
struct Acted {
    at: Instant,
    /// How much time servers had spent by then.
    looked: Duration,
    /// Whether something was on its way, or could not be.
    is_delayed: bool,
}

/// One session.
pub(super) struct Session {
    /// The server where it began.
    home: usize,
    transport: Transport,
    open: Option<Open>,
    /// Packets that are still to be sent.
    packets: VecDeque<Packet>,
    /// Whether its client is an old one.
    is_old: bool,
    heartbeat: Heartbeat,
    end: Option<End>,
    upgrade: Option<Upgrade>,
    /// Whether an upgrade has failed for no known reason, and whether the session has gone on since.
    suspicion: Suspicion,
    /// Until when the server may take a second WebSocket for one that probes, though it has ended: held up for what it does not
    /// take, its end is not read.
    probed_until: Instant,
    /// When it acted last.
    acted: Acted,
    /// Since when it does not read, and until when, if it does not.
    deaf: Option<(Instant, Instant)>,
    /// The longest time for which something was on its way.
    pub(super) slowest: Duration,
    pub(super) excuses: Excuses,
}

impl Session {
    /// Asks for a session. `None` if the connection is refused.
    pub(super) fn begin(way: Way, network: &mut Network<'_>) -> Option<Self> {
        let home = network.some_home();
        let mut link = network.open(home)?;
        let transport = match way {
            Way::Polling => Transport::Polling(Polling::open(link, &format!("{PATH}polling"))),
            Way::WebSocket => {
                link.send(websocket::handshake(&format!("{PATH}websocket")));
                Transport::WebSocket(link, false)
            }
            Way::Old(tag) => {
                link.send(websocket::handshake(&format!("{OLD_PATH}tag={tag}")));
                Transport::WebSocket(link, false)
            }
        };
        let is_old = matches!(way, Way::Old(_));
        Some(Self {
            home,
            transport,
            open: None,
            packets: VecDeque::new(),
            is_old,
            heartbeat: Heartbeat::new(is_old),
            end: None,
            upgrade: None,
            suspicion: Suspicion::None,
            probed_until: clock::now(),
            acted: Acted { at: clock::now(), looked: spent_looking(), is_delayed: false },
            deaf: None,
            slowest: Duration::ZERO,
            excuses: Excuses::default(),
        })
    }

    pub(super) const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some() && self.end.is_none()
    }

    pub(super) fn send(&mut self, packets: impl IntoIterator<Item = Packet>) {
        self.packets.extend(packets);
    }

    /// Whether all that was to be sent has left, and nothing is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        let is_posting = matches!(&self.transport, Transport::Polling(polling) if polling.is_posting());
        self.packets.is_empty() && !is_posting && self.upgrade.is_none() && self.links().all(Link::is_idle)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        let (polling, websocket) = match &self.transport {
            Transport::Polling(polling) => (Some(polling), None),
            Transport::WebSocket(link, _) => (None, Some(link)),
        };
        let upgrade = self.upgrade.iter().flat_map(Upgrade::links);
        polling.into_iter().flat_map(Polling::links).chain(websocket).chain(upgrade)
    }

    pub(super) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        let (polling, websocket) = match &mut self.transport {
            Transport::Polling(polling) => (Some(polling), None),
            Transport::WebSocket(link, _) => (None, Some(link)),
        };
        let upgrade = self.upgrade.iter_mut().flat_map(Upgrade::links_mut);
        polling.into_iter().flat_map(Polling::links_mut).chain(websocket).chain(upgrade)
    }

    /// Does what its links have brought, and sends what is to be sent. Gives the messages that have come.
    pub(super) fn act(&mut self, network: &mut Network<'_>) -> Vec<Packet> {
        let packets = match self.transport {
            Transport::Polling(_) => self.fetch(),
            Transport::WebSocket(..) => self.read(),
        };
        let messages = packets.into_iter().filter_map(|packet| self.packet(packet, network)).collect();
        self.find_excuses(network);
        self.give_up_after_silence();
        if self.end.is_none() {
            self.go_on_with_upgrade(network);
            self.flush(network);
        }
        messages
    }

    /// When it pings, if its client is an old one.
    pub(super) fn next_ping(&self) -> Option<Instant> {
        self.heartbeat.next_ping()
    }

    /// Reads all that has come, if it reads.
    pub(super) fn take_all(&mut self) {
        if self.deaf.is_none_or(|(_, until)| until <= clock::now()) {
            self.deaf = None;
            self.links_mut().for_each(|link| link.carry_down(usize::MAX));
        }
    }

    fn flush(&mut self, network: &mut Network<'_>) {
        self.packets.extend(self.heartbeat.take_due());
        let Some(open) = &self.open else { return };
        if self.upgrade.as_ref().is_some_and(Upgrade::pauses) {
            return;
        }
        if self.suspicion == Suspicion::Failed
            && let Transport::Polling(polling) = &self.transport
            && !polling.is_fetching()
        {
            self.suspicion = Suspicion::Fetches;
        }
        match &mut self.transport {
            Transport::Polling(polling) => {
                let target = || format!("{PATH}polling&sid={}", open.sid);
                let is_connected = polling.fetch(target, self.home, network)
                    && polling.post(&mut self.packets, open.max_payload, target, self.home, network);
                if !is_connected {
                    self.excuses.silent();
                    self.excuses.lost();
                    self.end = Some(End::Lost);
                }
            }
            Transport::WebSocket(link, _) => {
                for packet in mem::take(&mut self.packets) {
                    let packet = if self.is_old { packet.with_type() } else { packet };
                    link.send(websocket::frame(&packet));
                }
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        let links: Vec<_> = self.links().map(Link::describe).collect();
        let Self { open, packets, end, excuses, .. } = self;
        let upgrade = self.upgrade.as_ref().map(Upgrade::describe);
        format!("{open:?}, to send {packets:?}, end {end:?}, {excuses:?}, {links:?}, upgrade {upgrade:?}")
    }
}
