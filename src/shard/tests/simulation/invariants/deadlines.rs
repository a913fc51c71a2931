//! Every state has a deadline, and every deadline a timer: what waits for something is looked at again, though it never comes.

use crate::engineio::Millis;
use crate::shard::event_loop::core::Core;
use crate::shard::net::connection::{Connection, HttpState, ReadState, Role, Stage};
use crate::shard::store::keys::{ConnectionKey, SessionKey, TimerKey};
use crate::shard::store::timers::NEVER;

/// The part of an instant by which its timer may be late.
const SLACK: u64 = 256;

/// The timers of a shard, and when they come up: they are so few that a look at each finds one soonest.
struct Timers {
    armed: Vec<(Millis, TimerKey)>,
    now: Millis,
}

impl Timers {
    fn of(core: &Core) -> Self {
        Self { armed: core.armed_timers(), now: core.now() }
    }

    /// When a timer comes up first.
    fn first(&self, key: TimerKey) -> Option<Millis> {
        self.armed.iter().filter(|(_, armed)| *armed == key).map(|(at, _)| *at).min()
    }

    fn has(&self, key: TimerKey) -> bool {
        self.armed.iter().any(|(_, armed)| *armed == key)
    }

    /// Whether it comes up at that instant, or a little later. What should have come up on the way here does so now: a session
    /// that moves brings its deadline.
    fn come_up(&self, key: TimerKey, at: Millis) -> bool {
        let latest = at.max(self.now);
        at != NEVER && self.first(key).is_some_and(|first| first.0 <= latest.0 + latest.0 / SLACK + 1)
    }
}

pub(super) fn check(core: &Core) {
    let timers = Timers::of(core);
    let late = timers.armed.iter().find(|(at, _)| *at <= timers.now);
    assert_eq!(late, None, "a timer that has not come up at {:?}", core.now());
    for (key, connection) in core.connections() {
        assert_eq!(connection.close_cause, None, "{key:?} has ended, and is still there");
        check_connection(core, &timers, key, connection);
    }
    for (key, client) in core.clients() {
        check_session(&timers, key, client.session.deadline(), client.armed_for());
    }
    for (key, until) in core.settling() {
        assert!(core.client(key).is_some(), "{key:?} settles, and is not there");
        assert!(timers.come_up(TimerKey::Settle(key), until), "no timer for {key:?}, which settles until {until:?}");
    }
    for (key, first, armed) in core.awaited_acks() {
        let comes = armed.0 <= first.0 + first.0 / SLACK + 1 && timers.come_up(TimerKey::Socket(key), armed);
        assert!(comes, "no timer for the acknowledgements of {key:?}");
    }
    if let Some(first) = core.waits().first() {
        assert!(timers.come_up(TimerKey::Wait, first), "no timer for answers that are awaited until {first:?}");
    }
    if let Some(first) = core.applicants().deadlines().first() {
        assert!(timers.come_up(TimerKey::Admission, first), "no timer for sockets that may wait until {first:?}");
    }
}

fn check_session(timers: &Timers, key: SessionKey, deadline: Option<Millis>, armed: Millis) {
    let Some(deadline) = deadline else { panic!("{key:?} is closed, and is still there") };
    let comes = armed <= deadline && timers.come_up(TimerKey::Session(key), armed);
    assert!(comes, "no timer for {key:?}, which is due at {deadline:?}");
}

fn check_connection(core: &Core, timers: &Timers, key: ConnectionKey, connection: &Connection) {
    // What is kept apart is watched once it is released.
    let is_kept_apart = connection.outbox.as_ref().is_some_and(|outbox| outbox.is_held());
    if connection.due() != NEVER && !is_kept_apart {
        let comes = connection.armed <= connection.due() && timers.come_up(TimerKey::Connection(key), connection.armed);
        assert!(comes, "no timer for {key:?}, which is due at {:?}", connection.due());
    }
    let is_written = connection.batch.is_none() && connection.outbox.is_none();
    let is_timed = connection.due() != NEVER;
    match &connection.stage {
        Stage::WebSocket(websocket) => match websocket.role {
            Role::Session(session) => assert!(core.client(session).is_some(), "{key:?} serves nobody"),
            Role::Closing => assert!(is_timed || !is_written, "{key:?} closes, and has no deadline"),
        },
        Stage::Tunnel(number) => {
            let is_finishing = !connection.is_listening() && !is_written;
            let serves = core.connection_of_errand(*number) == Some(key);
            assert!(serves || is_finishing, "{key:?} is for nothing");
        }
        Stage::Lingering => assert!(is_timed, "{key:?} lingers, and has no deadline"),
        Stage::Http(http) => match &http.state {
            HttpState::Head | HttpState::Discard(_) => {
                assert!(is_timed || !is_written, "{key:?} awaits a request, and has no deadline");
            }
            HttpState::Post(_) | HttpState::Body(_) => {
                assert!(is_timed, "{key:?} is read, and has no deadline")
            }
            HttpState::Routed(_) | HttpState::Sending(_) => {
                assert!(is_timed || !is_written, "{key:?} awaits an answer, and has no deadline");
            }
            HttpState::Relayed(_) => assert!(is_timed, "{key:?} is passed on, and has no deadline"),
            HttpState::Deferred(_) => assert!(core.handshakes_waiting() > 0, "{key:?} is deferred, and in no line"),
            HttpState::Asked(_) => assert!(is_timed, "{key:?} is asked about, and has no deadline"),
            HttpState::Held(session) => assert!(core.client(*session).is_some(), "{key:?} is held for nobody"),
            HttpState::Waiting(waiting) => {
                let is_asked = waiting.until == NEVER && core.client(waiting.session.key).is_some();
                let goes_on =
                    connection.input == ReadState::InLine || timers.come_up(TimerKey::Post(key), waiting.until);
                assert!(is_asked || goes_on, "the POST of {key:?} waits for nothing");
            }
        },
    }
    if is_kept_apart {
        assert!(timers.has(TimerKey::Release(key)), "the first packets of {key:?} are never released");
    }
    if connection.input == ReadState::HeldUp {
        let waits = connection.outbox.is_some() || timers.has(TimerKey::GoOn(key));
        assert!(
            waits || core.waits_for_room(key) || connection.awaits_answer() || connection.errand().is_some(),
            "{key:?} is held up, and nothing lets it go on"
        );
    }
}
