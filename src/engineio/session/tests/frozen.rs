//! Sessions that go to another server.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// One thing that happens to a session on polling.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u16),
    Emit(u8),
    Flush,
    Poll,
    Post,
    Pong,
    SignOfLife,
    UnderWay(u16),
    Join,
    PostUnderWay,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30_000_u16).prop_map(Step::Wait),
        any::<u8>().prop_map(Step::Emit),
        Just(Step::Flush),
        Just(Step::Poll),
        Just(Step::Post),
        Just(Step::Pong),
        Just(Step::SignOfLife),
        any::<u16>().prop_map(Step::UnderWay),
        Just(Step::Join),
        Just(Step::PostUnderWay),
    ]
}

/// A session that has seen these steps and is probed; `None` if they ended it.
fn probed(steps: &[Step]) -> Option<Bench> {
    let settings = Settings::default();
    let session = Session::polling(Millis(0), Encoding::V4, &settings);
    let mut bench = Bench { session, settings, now: Millis(0), effects: Vec::new() };
    for step in steps {
        bench.step(*step);
    }
    bench.open(WEBSOCKET);
    bench.receive(WEBSOCKET, Packet::Ping("probe"));
    bench.take();
    bench.session.may_freeze().then_some(bench)
}

impl Bench {
    fn step(&mut self, step: Step) {
        let Self { session, settings, now, effects } = self;
        match step {
            Step::Wait(millis) => {
                *now = *now + Duration::from_millis(millis.into());
                session.tick(*now, settings, effects);
            }
            Step::Emit(letter) => session.enqueue(*now, Frames::text(&[b'4', b'a' + letter % 26]), settings),
            Step::Flush => session.flush(*now, settings, effects),
            Step::Poll => session.poll(*now, GET, settings, effects),
            Step::Post => self.post(POST, [Packet::Text("x")]),
            Step::Pong => self.post(POST, [Packet::Pong("")]),
            Step::SignOfLife => session.sign_of_life(*now, settings, effects),
            Step::UnderWay(left) => session.ping_may_be_under_way(*now, left.into(), settings),
            Step::Join => session.joined(),
            Step::PostUnderWay => session.post_begin(POST_2, effects),
        }
    }

    /// What is sent to the WebSocket.
    fn sent(&mut self) -> Vec<Effect<u32>> {
        let effects = self.take();
        effects.into_iter().filter(|effect| matches!(effect, Send(WEBSOCKET, _))).collect()
    }
}

proptest! {
    /// A session that was frozen and thawed is the one that an upgrade here would have made.
    #[test]
    fn a_thawed_session_is_what_it_would_be_here(steps in prop::collection::vec(step(), 0..30), later in 0..1_000_000_u64) {
        let (Some(mut here), Some(mut leaving)) = (probed(&steps), probed(&steps)) else { return Ok(()) };
        here.receive(WEBSOCKET, Packet::Upgrade);
        let frozen = leaving.session.freeze(leaving.now, &leaving.settings, &mut leaving.effects).unwrap();
        prop_assert_eq!(leaving.session.found(), None);
        // What is not for the WebSocket is the same, too.
        let released = leaving.take();
        prop_assert_eq!(&released, &here.effects[..released.len()]);
        prop_assert!(!released.iter().any(|effect| matches!(effect, Send(..) | Closed(_))));
        // The other server has another clock.
        let (settings, mut effects) = (Settings::default(), Vec::new());
        let there = leaving.now + Duration::from_millis(later);
        let thawed = Session::thaw(there, WEBSOCKET, frozen.clone(), &settings, &mut effects).unwrap();
        prop_assert_eq!(effects, here.sent());
        let back = Session::thaw(leaving.now, WEBSOCKET, frozen, &settings, &mut Vec::new()).unwrap();
        prop_assert_eq!(format!("{back:?}"), format!("{:?}", here.session));
        prop_assert_eq!(thawed.deadline().unwrap() - there, here.session.deadline().unwrap() - here.now);
    }
}

#[test]
fn a_session_that_nobody_probes_or_that_closes_or_of_protocol_3_is_not_frozen() {
    let mut bench = Bench::polling();
    assert!(bench.session.freeze(bench.now, &bench.settings, &mut bench.effects).is_none());
    let mut bench = Bench::websocket();
    assert!(bench.session.freeze(bench.now, &bench.settings, &mut bench.effects).is_none());
    let mut bench = Bench::probing();
    bench.session.close(bench.now, &bench.settings, &mut bench.effects);
    assert!(bench.session.freeze(bench.now, &bench.settings, &mut bench.effects).is_none());
    let settings = Settings::default();
    let mut bench = Bench::joined(Session::polling(Millis(0), Encoding::V3, &settings), settings);
    bench.open(WEBSOCKET);
    assert!(bench.session.is_probed() && !bench.session.may_freeze());
}

#[test]
fn a_server_that_pings_too_seldom_takes_no_session() {
    let mut bench = Bench::probing();
    let frozen = bench.session.freeze(bench.now, &bench.settings, &mut bench.effects).unwrap();
    let taken = |interval| {
        let settings = Settings { ping_interval: Duration::from_millis(interval), ..Settings::default() };
        Session::thaw(Millis(0), WEBSOCKET, frozen.clone(), &settings, &mut Vec::new()).is_some()
    };
    assert!(taken(1) && taken(44_999) && !taken(45_000));
}

#[test]
fn a_thawed_session_waits_no_longer_than_one_that_begins() {
    let settings = Settings::default();
    let thawed = |due, phase, number| {
        let heartbeat = FrozenHeartbeat { due, phase, number };
        let frozen = Frozen { heartbeat, bears: 45_000, joins_within: Some(u64::MAX), queue: Vec::new() };
        let session = Session::thaw(Millis(1000), WEBSOCKET, frozen, &settings, &mut Vec::new())?;
        Some(session.deadline().unwrap().0)
    };
    assert_eq!(thawed(i64::MAX, 0, 0), Some(26_000));
    assert_eq!(thawed(i64::MAX, 1, 0), Some(21_000));
    assert_eq!(thawed(i64::MIN, 3, u32::MAX), Some(0));
    assert_eq!(thawed(0, 8, 0), None);
}
