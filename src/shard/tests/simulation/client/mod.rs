//! A model of the official client: one session, over WebSocket or polling, which checks what it hears.

mod http;
mod link;
mod websocket;

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

pub(super) use self::link::Link;

const PATH: &str = "/socket.io/?EIO=4&transport=";

/// How a client's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    WebSocket,
    Polling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The session is being opened.
    Opening,
    /// The CONNECT was sent.
    Joining,
    Joined,
    /// The session has ended.
    Over,
}

/// What a client says, and hears from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// To everybody else.
    All,
    /// To a room.
    Room,
    /// To the client itself.
    Echo,
    /// A question.
    Ask,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Room => "room",
            Self::Echo => "echo",
            Self::Ask => "ask",
        }
    }

    fn named(name: &str) -> Self {
        let all = [Self::All, Self::Room, Self::Echo, Self::Ask];
        all.into_iter().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("an event {name:?}"))
    }
}

/// A client's session.
pub(super) struct Client {
    /// Nobody else's.
    pub(super) tag: u64,
    pub(super) phase: Phase,
    way: Way,
    sid: Option<String>,
    /// Whether its request for a WebSocket was granted.
    upgraded: bool,
    /// Its WebSocket, or the connection of its GETs; then that of its POSTs.
    pub(super) links: Vec<Link>,
    /// Packets that are still to be sent.
    packets: VecDeque<String>,
    /// Whether a GET, and a POST, wait for their answers.
    waits: [bool; 2],
    /// How many it has said of each kind.
    pub(super) said: BTreeMap<Kind, u64>,
    /// The last that it has heard of each other.
    pub(super) heard: BTreeMap<(Kind, u64), u64>,
    /// How many of its questions were answered.
    pub(super) answered: u64,
}

impl Client {
    /// A client that opens a session over this link.
    pub(super) fn new(tag: u64, way: Way, link: Link) -> Self {
        let mut client = Self {
            tag,
            phase: Phase::Opening,
            way,
            sid: None,
            upgraded: false,
            links: vec![link],
            packets: VecDeque::new(),
            waits: [false; 2],
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            answered: 0,
        };
        match way {
            Way::WebSocket => client.links[0].send(websocket::handshake(&format!("{PATH}websocket")).as_bytes()),
            Way::Polling => client.get(),
        }
        client
    }

    /// Whether it needs another connection, for its POSTs.
    pub(super) fn needs_link(&self) -> bool {
        self.way == Way::Polling && self.sid.is_some() && self.links.len() == 1 && self.phase != Phase::Over
    }

    /// Whether it has joined, all that it had to say has left it, and all its questions are answered.
    pub(super) fn is_quiet(&self) -> bool {
        let asked = self.said.get(&Kind::Ask).copied().unwrap_or(0);
        let is_quiet = self.packets.is_empty() && !self.waits[1] && self.links.iter().all(Link::is_idle);
        self.phase == Phase::Joined && is_quiet && self.answered == asked
    }

    /// Where it stands, for who looks for a fault.
    pub(super) fn describe(&self) -> String {
        let links: Vec<_> = self.links.iter().map(Link::describe).collect();
        let Self { tag, way, phase, packets, waits, said, answered, .. } = self;
        format!(
            "client {tag} ({way:?}, {phase:?}): to send {packets:?}, waits {waits:?}, said {said:?}, answered {answered}, {links:?}"
        )
    }

    /// Says something.
    pub(super) fn say(&mut self, kind: Kind) {
        let number = *self.said.entry(kind).and_modify(|said| *said += 1).or_insert(1) - 1;
        let id = if kind == Kind::Ask { number.to_string() } else { String::new() };
        self.packets.push_back(format!("42{id}[\"{}\",{number}]", kind.name()));
    }

    /// Asks the server for something that is not answered.
    pub(super) fn ask_for(&mut self, event: &str) {
        self.packets.push_back(format!("42[\"{event}\"]"));
    }

    /// Its connections are lost.
    pub(super) fn lose(&mut self) {
        self.phase = Phase::Over;
    }

    /// Does what its links have brought, and sends what is to be sent.
    pub(super) fn act(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        match self.way {
            Way::WebSocket => self.act_on_websocket(),
            Way::Polling => self.act_on_answers(),
        }
        if self.phase != Phase::Over && self.links.iter().any(|link| link.is_closed()) {
            self.phase = Phase::Over;
        }
    }

    fn act_on_websocket(&mut self) {
        self.upgraded = self.upgraded || self.links[0].take_head();
        if !self.upgraded {
            return;
        }
        while let Some(frame) = websocket::take_frame(&mut self.links[0].received) {
            match frame {
                websocket::Frame::Text(text) => self.packet(&text),
                websocket::Frame::Close => self.phase = Phase::Over,
            }
        }
        if self.phase != Phase::Over {
            for packet in self.packets.drain(..) {
                self.links[0].send(&websocket::text(&packet));
            }
        }
    }

    fn get(&mut self) {
        let sid = self.sid.as_ref().map(|sid| format!("&sid={sid}")).unwrap_or_default();
        self.links[0].send(format!("GET {PATH}polling{sid} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        self.waits[0] = true;
    }

    fn act_on_answers(&mut self) {
        if self.waits[0]
            && let Some((status, body)) = http::take_answer(&mut self.links[0].received)
        {
            self.waits[0] = false;
            if status != 200 {
                self.phase = Phase::Over;
            }
            body.split('\u{1e}').filter(|packet| !packet.is_empty()).for_each(|packet| self.packet(packet));
            if self.phase != Phase::Over {
                self.get();
            }
        }
        let Some(posts) = self.links.get_mut(1) else { return };
        if self.waits[1]
            && let Some((status, _)) = http::take_answer(&mut posts.received)
        {
            self.waits[1] = false;
            if status != 200 {
                self.phase = Phase::Over;
            }
        }
        if !self.waits[1] && !self.packets.is_empty() && self.phase != Phase::Over {
            let body = self.packets.drain(..).collect::<Vec<_>>().join("\u{1e}");
            let (sid, length) = (self.sid.as_deref().unwrap_or_default(), body.len());
            let head = format!("POST {PATH}polling&sid={sid} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            posts.send(head.as_bytes());
            posts.send(body.as_bytes());
            self.waits[1] = true;
        }
    }

    fn packet(&mut self, packet: &str) {
        match packet.split_at(1) {
            ("0", open) => {
                let open: Value = serde_json::from_str(open).unwrap();
                self.sid = Some(open["sid"].as_str().unwrap().to_owned());
                self.packets.push_back(format!("40{{\"tag\":{}}}", self.tag));
                self.phase = Phase::Joining;
            }
            ("1", _) => self.phase = Phase::Over,
            ("2", _) => self.packets.push_back("3".to_owned()),
            ("4", message) => self.message(message),
            ("6", _) => {}
            other => panic!("client {}: a packet {other:?}", self.tag),
        }
    }

    fn message(&mut self, message: &str) {
        match message.split_at(1) {
            ("0", _) => {
                assert_eq!(self.phase, Phase::Joining, "client {} joins twice", self.tag);
                self.phase = Phase::Joined;
            }
            ("1", _) => self.phase = Phase::Over,
            ("2", event) => {
                let (name, sender, number): (String, u64, u64) = serde_json::from_str(event).unwrap();
                self.hear(Kind::named(&name), sender, number);
            }
            ("3", ack) => {
                let start = ack.find('[').unwrap();
                let (id, (number,)): (u64, (u64,)) =
                    (ack[..start].parse().unwrap(), serde_json::from_str(&ack[start..]).unwrap());
                assert_eq!((id, number), (self.answered, self.answered), "client {}: an answer out of order", self.tag);
                self.answered += 1;
            }
            other => panic!("client {}: a message {other:?}", self.tag),
        }
    }

    /// Events of one sender come in order, and without a gap; those to a room only while the client is in it.
    fn hear(&mut self, kind: Kind, sender: u64, number: u64) {
        let tag = self.tag;
        assert_eq!(self.phase, Phase::Joined, "client {tag} hears before it has joined");
        if let Some(last) = self.heard.insert((kind, sender), number) {
            let follows = if kind == Kind::Room { number > last } else { number == last + 1 };
            assert!(follows, "client {tag} hears {number} after {last} of {sender} ({kind:?})");
        }
    }
}
