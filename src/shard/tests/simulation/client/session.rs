//! One session of Engine.IO: its transport, its packets, its heartbeat, and its end.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::instance::Instance;
use super::super::journal::tell;
use super::super::network::Network;
use super::excuses::Excuses;
use super::heartbeat::Heartbeat;
use super::http;
use super::link::Link;
use super::packet::Packet;
use super::polling::{News, Polling};
use super::upgrade::{Step, Upgrade};
use super::websocket::{self, Frame};
use crate::clock;

/// How long another server may take to answer a POST.
const ON_THE_WAY: Duration = Duration::from_millis(2500);

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

/// What an upgrade that failed for no known reason may mean. If the session goes on, it is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    None,
    Failed,
    /// It fetches since.
    Fetches,
    /// It has fetched once. That may be what was queued before the server has closed the session: it comes alone.
    HasFetched,
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
    /// When it acted last, and whether something was on its way then, or could not be.
    acted: (Instant, bool),
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
            acted: (clock::now(), false),
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

    /// Where something is on its way for long, the server may take the client for dead. Where the server ends, or cannot accept, it
    /// is not the client's fault.
    fn find_excuses(&mut self, network: &Network<'_>) {
        let (home, delay, ways) = (&network.instances[self.home], network.delay, network.ways_to(self.home));
        if ways.iter().any(Instance::is_leaving) {
            self.excuses.shut_down();
            if ways.len() > 1 {
                // The way to its server ends.
                self.excuses.lost();
            }
        }
        if ways.iter().any(Instance::is_short_of_memory) {
            self.excuses.lost();
            self.excuses.silent();
        }
        // The server counts from the beginning of the session when it waits for an old client's first ping.
        let is_timed = self.is_old || self.open.is_some();
        let patience = if is_timed { Duration::from_millis(network.plan.ping_timeout) } else { Duration::from_secs(5) };
        let patience = patience.min(home.write_stall()).min(delay.map_or(Duration::MAX, |_| ON_THE_WAY)) / 3;
        let longest = self.links_mut().map(Link::under_way).max().flatten().max(delay);
        self.slowest = self.slowest.max(longest.unwrap_or_default());
        if longest.is_some_and(|longest| longest >= patience) {
            self.excuses.silent();
            self.excuses.lost();
        }
        let cannot_accept = ways.iter().any(Instance::is_failing_to_accept);
        if cannot_accept {
            self.excuses.silent();
        }
        let is_delayed = longest.is_some() || cannot_accept;
        let (since, was_delayed) = mem::replace(&mut self.acted, (clock::now(), is_delayed));
        if was_delayed {
            let by = clock::now() - since;
            self.heartbeat.was_delayed(by);
            self.upgrade.iter_mut().for_each(|upgrade| upgrade.was_delayed(by));
        }
    }

    /// Stops reading for so long. The server may let it go for that.
    pub(super) fn stop_reading(&mut self, time: Duration) {
        self.deaf = Some((clock::now(), clock::now() + time));
        self.lose(|_| {});
    }

    /// Reads again.
    pub(super) const fn read_again(&mut self) {
        self.deaf = None;
    }

    /// When it pings, if its client is an old one.
    pub(super) fn next_ping(&self) -> Option<Instant> {
        self.heartbeat.next_ping()
    }

    /// For how long it has not read, if it does not.
    pub(super) fn is_deaf_for(&self) -> Option<Duration> {
        self.deaf.map(|(since, _)| clock::now() - since)
    }

    /// Reads all that has come, if it reads.
    pub(super) fn take_all(&mut self) {
        if self.deaf.is_none_or(|(_, until)| until <= clock::now()) {
            self.deaf = None;
            self.links_mut().for_each(|link| link.carry_down(usize::MAX));
        }
    }

    fn fetch(&mut self) -> Vec<Packet> {
        let Transport::Polling(polling) = &mut self.transport else { return Vec::new() };
        match polling.posted() {
            News::Refused(status) => self.end = Some(End::Refused(status)),
            News::Lost => self.end = Some(End::Lost),
            News::Nothing | News::Packets(_) => {}
        }
        match polling.fetched() {
            News::Nothing => Vec::new(),
            News::Refused(status) => {
                self.end = Some(End::Refused(status));
                Vec::new()
            }
            News::Lost => {
                self.end = Some(End::Lost);
                Vec::new()
            }
            News::Packets(packets) => {
                let goes_on = !packets.contains(&Packet::text("1"));
                match self.suspicion {
                    Suspicion::Fetches if goes_on => self.suspicion = Suspicion::HasFetched,
                    Suspicion::HasFetched if goes_on => panic!("an upgrade failed for no reason: {}", self.describe()),
                    _ => {}
                }
                packets
            }
        }
    }

    fn read(&mut self) -> Vec<Packet> {
        let Transport::WebSocket(link, is_granted) = &mut self.transport else { return Vec::new() };
        if !*is_granted {
            match http::take_head(&mut link.received) {
                Some(101) => *is_granted = true,
                Some(status) => self.end = Some(End::Refused(status)),
                None => {}
            }
        }
        let mut packets = Vec::new();
        while *is_granted && self.end.is_none() {
            match websocket::take_frame(&mut link.received) {
                Some(Frame::Packet(packet)) if self.is_old => packets.push(packet.without_type()),
                Some(Frame::Packet(packet)) => packets.push(packet),
                Some(Frame::Close) => self.end = Some(End::Closed),
                None => break,
            }
        }
        if self.end.is_none() && link.is_closed() {
            self.end = Some(End::Lost);
        }
        packets
    }

    /// Acts on a packet. Gives the message, if it is one.
    fn packet(&mut self, packet: Packet, network: &mut Network<'_>) -> Option<Packet> {
        let Packet::Text(text) = packet else { return Some(packet) };
        match text.split_at(1) {
            ("0", open) => self.opened(open),
            ("1", _) => self.end = Some(End::Closed),
            ("2", _) if !self.is_old => self.heard_heartbeat(network),
            ("3", _) if self.is_old => self.heard_heartbeat(network),
            ("4", message) => return Some(Packet::text(message)),
            ("6", _) => {}
            other => panic!("a packet {other:?}"),
        }
        None
    }

    fn heard_heartbeat(&mut self, network: &mut Network<'_>) {
        let delay = self.delay_of_heartbeat(network);
        let interval = self.open.as_ref().map_or(Duration::ZERO, |open| open.ping_interval);
        self.heartbeat.hear(interval, delay);
    }

    /// How late its own heartbeat is: some are so late that the server may give up waiting, and some never come.
    fn delay_of_heartbeat(&mut self, network: &mut Network<'_>) -> Duration {
        let timeout = network.plan.ping_timeout;
        let delay = match network.random.below(8) {
            _ if !network.plan.late_pongs => 0,
            0 => timeout * 100,
            1 | 2 => network.random.below(2 * timeout),
            _ => 0,
        };
        if delay >= timeout / 3 {
            self.excuses.silent();
        }
        Duration::from_millis(delay)
    }

    fn opened(&mut self, open: &str) {
        let open: Value = serde_json::from_str(open).unwrap();
        let millis = |name: &str| Duration::from_millis(open[name].as_u64().unwrap());
        let ping_interval = millis("pingInterval");
        self.heartbeat.begin(ping_interval);
        self.open = Some(Open {
            sid: open["sid"].as_str().unwrap().to_owned(),
            ping_interval,
            ping_timeout: millis("pingTimeout"),
            max_payload: open["maxPayload"].as_u64().unwrap() as usize,
            offers_upgrade: open["upgrades"][0] == "websocket",
        });
    }

    /// Leaves a server that seems dead.
    fn give_up_after_silence(&mut self) {
        let Some(open) = &self.open else { return };
        let is_silent = self.heartbeat.is_missed(open.ping_interval, open.ping_timeout);
        if self.end.is_none() && is_silent && self.deaf.is_none() {
            let is_excused = self.excuses.allow("ping timeout") || self.heartbeat.may_be_late(open.ping_timeout);
            assert!(is_excused, "the server does not ping: {}", self.describe());
            self.excuses.silent();
            self.excuses.lost();
            self.end = Some(End::GaveUp);
        }
    }

    /// Tries to change from polling to WebSocket, and does it.
    fn go_on_with_upgrade(&mut self, network: &mut Network<'_>) {
        let (Transport::Polling(polling), Some(open)) = (&mut self.transport, &self.open) else { return };
        let target = || format!("{PATH}websocket&sid={}", open.sid);
        let Some(upgrade) = &mut self.upgrade else {
            if network.plan.upgrades && open.offers_upgrade && network.random.once_in(30) {
                let is_forgotten = network.random.once_in(8);
                self.upgrade = network.connect(self.home).map(|link| Upgrade::begin(link, &target(), is_forgotten));
            }
            return;
        };
        if upgrade.may_have_rival()
            && network.random.once_in(30)
            && let Some(link) = network.connect(self.home)
        {
            upgrade.meets(link, &target());
        }
        let timeout = Duration::from_millis(network.plan.upgrade_timeout);
        let may_fail = upgrade.may_fail(timeout) || clock::now() < self.probed_until;
        match upgrade.act(polling.is_paused(), may_fail) {
            Step::Goes => {}
            Step::Done => {
                if may_fail {
                    // The server may have given it up at the same moment.
                    self.excuses.silent();
                }
                polling.links_mut().for_each(Link::end);
                self.transport = Transport::WebSocket(self.upgrade.take().expect("an upgrade").finish(), true);
            }
            Step::Failed => {
                tell(|| format!("an upgrade fails, and may: {may_fail}; {}", upgrade.describe()));
                let is_excused = ["transport close", "server shutting down"].iter().any(|it| self.excuses.allow(it));
                if !may_fail && !is_excused && self.suspicion == Suspicion::None {
                    self.suspicion = Suspicion::Failed;
                }
                if upgrade.has_rival() {
                    self.probed_until = clock::now() + 2 * timeout;
                }
                upgrade.links_mut().for_each(Link::end);
                self.upgrade = None;
            }
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

    /// Something happens to its connections, and the server may notice.
    pub(super) fn lose(&mut self, how: fn(&mut Link)) {
        self.links_mut().for_each(how);
        self.excuses.lost();
        self.excuses.silent();
    }

    /// The same, to one of them.
    pub(super) fn lose_one(&mut self, place: usize) {
        self.links_mut().skip(place).take(1).for_each(|link| link.break_off());
        self.lose(|_| {});
    }

    /// The server is killed. Gives whether this session was there.
    pub(super) fn lose_home(&mut self, home: usize) -> bool {
        let is_lost = self.home == home;
        if is_lost {
            self.lose(Link::die);
        }
        is_lost
    }

    /// The client's program goes away, and the connections with it.
    pub(super) fn quit(&mut self) {
        self.lose(Link::end);
        self.end = Some(End::Lost);
    }

    pub(super) fn describe(&self) -> String {
        let links: Vec<_> = self.links().map(Link::describe).collect();
        let Self { open, packets, end, excuses, .. } = self;
        format!("{open:?}, to send {packets:?}, end {end:?}, {excuses:?}, {links:?}")
    }
}
