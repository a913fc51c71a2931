//! Upgrades in random orders, against a model of the caller and the client.

mod caller;
mod client;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One thing that happens. Steps that make no sense at the moment are skipped.
#[derive(Debug, Clone, Copy)]
enum Step {
    Emit,
    Flush,
    Wait(u16),
    ServerCloses,
    Decent(Decent),
    Rude(Rude),
}

/// What a well-behaved client does.
#[derive(Debug, Clone, Copy)]
enum Decent {
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
    let client = prop_oneof![
        6 => Just(Decent::Poll),
        6 => Just(Decent::Deliver),
        3 => Just(Decent::PostBegin),
        3 => Just(Decent::PostEnd),
        3 => Just(Decent::Speak),
        3 => Just(Decent::OpenWebSocket),
        4 => Just(Decent::Probe),
        1 => Just(Decent::Babble),
        4 => Just(Decent::Upgrade),
        1 => Just(Decent::LoseProbe),
    ];
    prop_oneof![
        34 => client.prop_map(Step::Decent),
        6 => Just(Step::Emit),
        4 => Just(Step::Flush),
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

/// The session, its caller and its client, and what became of their messages.
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
    /// Does a step, if it makes sense at the moment.
    fn take(&mut self, step: Step) {
        if self.closed.is_some() && !matches!(step, Step::Decent(Decent::Deliver)) {
            return;
        }
        match step {
            Step::Emit => self.emit(),
            Step::Flush => self.bench.flush(),
            Step::Wait(millis) => self.wait(millis),
            Step::ServerCloses => self.server_closes(),
            Step::Decent(decent) => self.be_decent(decent),
            Step::Rude(rude) => {
                self.spoilt = true;
                self.be_rude(rude);
            }
        }
        self.carry_out(step);
        assert_eq!(self.bench.session.deadline().is_some(), self.closed.is_none());
        if !self.spoilt {
            assert!(self.received.iter().copied().eq(0..self.received.len() as u32), "{:?}", self.received);
        }
    }

    /// The client continues until nothing is left for it.
    fn finish(mut self) {
        self.take(Step::Flush);
        for _ in 0..4 {
            self.take(Step::Decent(Decent::Deliver));
            self.take(Step::Decent(Decent::Poll));
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
