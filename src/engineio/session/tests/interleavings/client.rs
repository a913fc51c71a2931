//! The client: what it does, well-behaved or not, and what it receives.

use super::super::super::super::frames::Part;
use super::*;

impl World {
    pub(super) fn be_decent(&mut self, decent: Decent) {
        match decent {
            Decent::Poll if self.get.is_none() && self.upgraded().is_none() => self.get = Some(self.poll()),
            Decent::Deliver if self.get.is_some_and(|get| !self.owned.contains_key(&get)) => self.deliver(),
            Decent::PostBegin if self.post.is_none() && self.upgraded().is_none() => {
                self.post = Some(self.begin_post());
            }
            Decent::PostEnd => self.end_post(|client, post| {
                client.speak(post);
                client.speak(post);
            }),
            Decent::Speak => self.upgraded().into_iter().for_each(|websocket| self.speak(websocket)),
            Decent::OpenWebSocket if self.websocket.is_none() => {
                self.websocket = Some((self.open_websocket(), Probe::Opened));
            }
            Decent::Probe => self.on_probe(Packet::Ping("probe")),
            Decent::Babble => self.on_probe(Packet::Text("2[]")),
            Decent::Upgrade if self.get.is_none() && self.post.is_none() => {
                if let Some((websocket, Probe::Confirmed)) = self.websocket {
                    self.upgrade(websocket);
                }
            }
            Decent::LoseProbe => {
                if let Some(websocket) = self.probing() {
                    self.lose(websocket);
                }
            }
            Decent::Poll | Decent::Deliver | Decent::PostBegin | Decent::OpenWebSocket | Decent::Upgrade => {}
        }
    }

    pub(super) fn be_rude(&mut self, rude: Rude) {
        match rude {
            Rude::SecondPoll => drop(self.poll()),
            Rude::SecondPost => drop(self.begin_post()),
            Rude::SecondWebSocket => {
                let websocket = self.open_websocket();
                self.websocket.get_or_insert((websocket, Probe::Opened));
            }
            Rude::Upgrade => self.with_websocket(Self::upgrade),
            Rude::LosePoll => self.lose_poll(),
            Rude::LosePost => self.lose_post(),
            Rude::LoseWebSocket => self.with_websocket(Self::lose),
            Rude::Leave => self.end_post(|client, post| {
                client.bench.receive(post, Packet::Close);
            }),
            Rude::BadPacket => self.with_websocket(|client, websocket| {
                client.bench.session.bad_packet(websocket, &mut client.bench.effects);
            }),
        }
    }

    /// The WebSocket that the session is on.
    pub(super) fn upgraded(&self) -> Option<u32> {
        self.websocket.and_then(|(websocket, probe)| (probe == Probe::Upgraded).then_some(websocket))
    }

    /// The WebSocket that the session is not yet on.
    fn probing(&self) -> Option<u32> {
        self.websocket.and_then(|(websocket, probe)| (probe != Probe::Upgraded).then_some(websocket))
    }

    fn with_websocket(&mut self, act: impl FnOnce(&mut Self, u32)) {
        if let Some((websocket, _)) = self.websocket {
            act(self, websocket);
        }
    }

    fn poll(&mut self) -> u32 {
        let get = self.name(Role::Get);
        self.bench.poll(get);
        get
    }

    /// The answer to the GET reaches the client.
    fn deliver(&mut self) {
        self.get = None;
        for frames in std::mem::take(&mut self.arriving) {
            self.arrive(&frames);
        }
    }

    fn lose_poll(&mut self) {
        if let Some(get) = self.get.take() {
            self.arriving.clear();
            self.owned.remove(&get);
            self.bench.session.poll_lost(get, &mut self.bench.effects);
        }
    }

    fn begin_post(&mut self) -> u32 {
        let post = self.name(Role::Post);
        self.bench.session.post_begin(post, &mut self.bench.effects);
        post
    }

    /// The body of the POST under way is complete, with what `say` says in it.
    fn end_post(&mut self, say: impl FnOnce(&mut Self, u32)) {
        if let Some(post) = self.post.take() {
            self.bench.session.post_read(post);
            say(self, post);
            self.bench.session.post_accept(post, &mut self.bench.effects);
        }
    }

    fn lose_post(&mut self) {
        if let Some(post) = self.post.take() {
            self.owned.remove(&post);
            self.bench.session.post_lost(post, &mut self.bench.effects);
        }
    }

    fn open_websocket(&mut self) -> u32 {
        let websocket = self.name(Role::WebSocket);
        self.bench.open(websocket);
        websocket
    }

    fn on_probe(&mut self, packet: Packet<'static>) {
        if let Some(websocket) = self.probing() {
            assert_eq!(self.bench.receive(websocket, packet), None);
        }
    }

    fn upgrade(&mut self, websocket: u32) {
        self.websocket = Some((websocket, Probe::Upgraded));
        self.bench.receive(websocket, Packet::Upgrade);
    }

    fn lose(&mut self, websocket: u32) {
        self.websocket = None;
        self.owned.remove(&websocket);
        self.bench.session.websocket_lost(websocket, Lost::Closed, &mut self.bench.effects);
    }

    /// A message from the client, and its due pong. The server must hear it unless it has closed the session.
    fn speak(&mut self, from: u32) {
        if std::mem::take(&mut self.owes_pong) {
            self.bench.receive(from, Packet::Pong(""));
        }
        let listens = self.bench.is_open();
        let inbound = self.bench.receive(from, Packet::Text("2[]"));
        self.spoken += u32::from(listens);
        self.heard += u32::from(inbound.is_some());
    }

    /// Frames reach the client.
    pub(super) fn arrive(&mut self, frames: &Frames) {
        for part in frames.parts() {
            match part {
                Part::Text(b"1" | b"6" | b"3probe") => {}
                Part::Text(b"2") => self.owes_pong = true,
                Part::Text([b'4', number @ ..]) => {
                    let number = std::str::from_utf8(number).unwrap().parse().unwrap();
                    assert!(!self.received.contains(&number), "{number} twice");
                    self.received.push(number);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
