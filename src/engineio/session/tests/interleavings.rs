//! Upgrades in random orders, against a model of the caller and the client.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::super::frames::Part;
use super::*;

/// One thing that happens. Steps that make no sense at the moment are skipped.
#[derive(Debug, Clone, Copy)]
enum Step {
    Emit,
    Flush,
    Poll,
    /// The answer to the GET reaches the client.
    Deliver,
    PostBegin,
    /// The body of the POST is complete; it has two messages, and the pong if one is due.
    PostEnd,
    /// A message, and the pong if one is due, on the WebSocket that the session is on.
    Speak,
    OpenWebSocket,
    Probe,
    /// Something invalid on the probing WebSocket.
    Babble,
    Upgrade,
    /// The probing WebSocket is lost.
    LoseProbe,
    Wait(u16),
    ServerCloses,
    Rude(Rude),
}

/// What no well-behaved client does, and what the network does to all of them.
#[derive(Debug, Clone, Copy)]
enum Rude {
    SecondPoll,
    SecondPost,
    SecondWebSocket,
    /// An upgrade packet whatever is open.
    Upgrade,
    LosePoll,
    LosePost,
    LoseWebSocket,
    BadPacket,
    /// The POST under way closes the session.
    Leave,
}

fn decent() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Emit),
        4 => Just(Step::Flush),
        6 => Just(Step::Poll),
        6 => Just(Step::Deliver),
        3 => Just(Step::PostBegin),
        3 => Just(Step::PostEnd),
        3 => Just(Step::Speak),
        3 => Just(Step::OpenWebSocket),
        4 => Just(Step::Probe),
        1 => Just(Step::Babble),
        4 => Just(Step::Upgrade),
        1 => Just(Step::LoseProbe),
        4 => (0..150_u16).prop_map(Step::Wait),
        1 => (0..26_000_u16).prop_map(Step::Wait),
        1 => Just(Step::ServerCloses),
    ]
}

fn rude() -> impl Strategy<Value = Step> {
    let rude = prop_oneof![
        Just(Rude::SecondPoll),
        Just(Rude::SecondPost),
        Just(Rude::SecondWebSocket),
        Just(Rude::Upgrade),
        Just(Rude::LosePoll),
        Just(Rude::LosePost),
        Just(Rude::LoseWebSocket),
        Just(Rude::BadPacket),
        Just(Rude::Leave),
    ];
    prop_oneof![9 => decent(), 1 => rude.prop_map(Step::Rude)]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Get,
    Post,
    WebSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Opened,
    Confirmed,
    Upgraded,
}

#[derive(Default)]
struct World {
    bench: Bench,
    /// The transports that are the session's, as the caller sees it.
    owned: BTreeMap<u32, Role>,
    named: u32,
    // The client.
    get: Option<u32>,
    arriving: Vec<Frames>,
    post: Option<u32>,
    websocket: Option<(u32, Probe)>,
    owes_pong: bool,
    // The ledger.
    emitted: u32,
    received: Vec<u32>,
    spoken: u32,
    heard: u32,
    /// The client or the network did something rude, so order and completeness are off.
    spoilt: bool,
    server_closed: bool,
    left: Option<Reason>,
    closed: Option<Reason>,
}

impl World {
    fn name(&mut self, role: Role) -> u32 {
        self.named += 1;
        self.owned.insert(self.named, role);
        self.named
    }

    fn upgraded(&self) -> Option<u32> {
        self.websocket.and_then(|(websocket, probe)| (probe == Probe::Upgraded).then_some(websocket))
    }

    fn take(&mut self, step: Step) {
        if self.closed.is_some() && !matches!(step, Step::Deliver) {
            return;
        }
        match step {
            Step::Emit => match self.bench.session.route() {
                Route::WebSocket(websocket) => {
                    let message = self.next_message();
                    self.bench.effects.push(Send(websocket, message));
                }
                Route::Queue => {
                    let message = self.next_message();
                    self.bench.enqueue(message);
                }
                Route::Translated(..) | Route::Gone => {}
            },
            Step::Flush => self.bench.flush(),
            Step::Poll if self.get.is_none() && self.upgraded().is_none() => {
                let get = self.name(Role::Get);
                self.get = Some(get);
                self.bench.poll(get);
            }
            Step::Deliver if self.get.is_some_and(|get| !self.owned.contains_key(&get)) => {
                self.get = None;
                for frames in std::mem::take(&mut self.arriving) {
                    self.arrive(&frames);
                }
            }
            Step::PostBegin if self.post.is_none() && self.upgraded().is_none() => {
                let post = self.name(Role::Post);
                self.post = Some(post);
                self.bench.session.post_begin(post, &mut self.bench.effects);
            }
            Step::PostEnd => {
                if let Some(post) = self.post.take() {
                    self.bench.session.post_read(post);
                    self.speak(post);
                    self.speak(post);
                    self.bench.session.post_accept(post, &mut self.bench.effects);
                }
            }
            Step::Speak => {
                if let Some(websocket) = self.upgraded() {
                    self.speak(websocket);
                }
            }
            Step::OpenWebSocket if self.websocket.is_none() => {
                let websocket = self.name(Role::WebSocket);
                self.websocket = Some((websocket, Probe::Opened));
                self.bench.open(websocket);
            }
            Step::Probe => self.on_probe(Packet::Ping("probe")),
            Step::Babble => self.on_probe(Packet::Text("2[]")),
            Step::Upgrade if self.get.is_none() && self.post.is_none() => {
                if let Some((websocket, Probe::Confirmed)) = self.websocket {
                    self.websocket = Some((websocket, Probe::Upgraded));
                    self.bench.receive(websocket, Packet::Upgrade);
                }
            }
            Step::LoseProbe => {
                if let Some((websocket, probe)) = self.websocket
                    && probe != Probe::Upgraded
                {
                    self.lose(websocket);
                }
            }
            Step::Wait(millis) => {
                let until = self.bench.now.0 + u64::from(millis);
                self.bench.flush();
                self.bench.wait_until(until);
            }
            Step::ServerCloses => {
                self.server_closed = true;
                self.bench.close();
            }
            Step::Rude(rude) => {
                self.spoilt = true;
                self.be_rude(rude);
            }
            Step::Poll | Step::Deliver | Step::PostBegin | Step::OpenWebSocket | Step::Upgrade => {}
        }
        self.carry_out(step);
        assert_eq!(self.bench.session.deadline().is_some(), self.closed.is_none());
        if !self.spoilt {
            assert!(self.received.iter().copied().eq(0..self.received.len() as u32), "{:?}", self.received);
        }
    }

    fn be_rude(&mut self, rude: Rude) {
        match rude {
            Rude::SecondPoll => {
                let get = self.name(Role::Get);
                self.bench.poll(get);
            }
            Rude::SecondPost => {
                let post = self.name(Role::Post);
                self.bench.session.post_begin(post, &mut self.bench.effects);
            }
            Rude::SecondWebSocket => {
                let websocket = self.name(Role::WebSocket);
                self.bench.open(websocket);
                self.websocket.get_or_insert((websocket, Probe::Opened));
            }
            Rude::Upgrade => {
                if let Some((websocket, probe)) = &mut self.websocket {
                    *probe = Probe::Upgraded;
                    let websocket = *websocket;
                    self.bench.receive(websocket, Packet::Upgrade);
                }
            }
            Rude::LosePoll => {
                if let Some(get) = self.get.take() {
                    self.arriving.clear();
                    self.owned.remove(&get);
                    self.bench.session.poll_lost(get, &mut self.bench.effects);
                }
            }
            Rude::LosePost => {
                if let Some(post) = self.post.take() {
                    self.owned.remove(&post);
                    self.bench.session.post_lost(post, &mut self.bench.effects);
                }
            }
            Rude::LoseWebSocket => {
                if let Some((websocket, _)) = self.websocket {
                    self.lose(websocket);
                }
            }
            Rude::Leave => {
                if let Some(post) = self.post.take() {
                    self.bench.session.post_read(post);
                    self.bench.receive(post, Packet::Close);
                    self.bench.session.post_accept(post, &mut self.bench.effects);
                }
            }
            Rude::BadPacket => {
                if let Some((websocket, _)) = self.websocket {
                    self.bench.session.bad_packet(websocket, &mut self.bench.effects);
                }
            }
        }
    }

    fn on_probe(&mut self, packet: Packet<'static>) {
        if let Some((websocket, probe)) = self.websocket
            && probe != Probe::Upgraded
        {
            assert_eq!(self.bench.receive(websocket, packet), None);
        }
    }

    fn lose(&mut self, websocket: u32) {
        self.websocket = None;
        self.owned.remove(&websocket);
        self.bench.session.websocket_lost(websocket, Lost::Closed, &mut self.bench.effects);
    }

    fn next_message(&mut self) -> Frames {
        let message = text(&format!("4{}", self.emitted));
        self.emitted += 1;
        message
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

    /// The caller's part: every effect must name a transport that is the session's, in a role that fits.
    fn carry_out(&mut self, step: Step) {
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
        matches!(step, Step::Wait(_) | Step::ServerCloses | Step::Poll | Step::Upgrade)
    }

    fn arrive(&mut self, frames: &Frames) {
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

    /// The client continues until nothing is left for it.
    fn finish(mut self) {
        self.take(Step::Flush);
        for _ in 0..4 {
            self.take(Step::Deliver);
            self.take(Step::Poll);
        }
        if !self.spoilt {
            assert_eq!(self.closed, self.server_closed.then_some(Reason::ForcedClose));
            assert_eq!(self.received.len() as u32, self.emitted);
            assert_eq!(self.heard, self.spoken);
        }
    }
}

fn play(steps: Vec<Step>) {
    let mut world = World::default();
    for step in steps {
        world.take(step);
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_is_lost_or_reordered_across_an_upgrade(steps in prop::collection::vec(decent(), 1..80)) {
        play(steps);
    }

    #[test]
    fn nothing_rude_breaks_the_session(steps in prop::collection::vec(rude(), 1..80)) {
        play(steps);
    }
}
