//! Whether Redis is connected, from both connections. Each change is logged once.

use std::mem::discriminant;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::Fault;

/// The state of Redis.
#[derive(Debug, Clone)]
pub enum State {
    /// No attempt has ended yet.
    Connecting,
    /// Both connections are up, and all subscriptions are in effect.
    Up,
    /// One or both are down, and being retried. Messages of others were or may be missed.
    Down(Fault),
}

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Subscriber,
    Publisher,
}

/// The last reported state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Up,
    Down,
}

#[derive(Debug)]
pub(super) struct Status {
    /// Redis's address, for the log.
    address: String,
    sides: Mutex<[State; 2]>,
}

impl Status {
    pub(super) fn new(address: String) -> Self {
        Self { address, sides: Mutex::new([State::Connecting, State::Connecting]) }
    }

    fn sides(&self) -> MutexGuard<'_, [State; 2]> {
        self.sides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> State {
        both(&self.sides())
    }

    /// Whether a side's first attempt has not ended yet.
    pub(super) fn is_untried(&self, side: Side) -> bool {
        let [subscriber, publisher] = &*self.sides();
        let state = match side {
            Side::Subscriber => subscriber,
            Side::Publisher => publisher,
        };
        matches!(state, State::Connecting)
    }

    /// The state, if it differs from the last reported one.
    pub(super) fn news(&self, told: &mut Told) -> Option<State> {
        let state = self.get();
        let now = match &state {
            State::Connecting => Told::Nothing,
            State::Up => Told::Up,
            State::Down(_) => Told::Down,
        };
        (std::mem::replace(told, now) != now && now != Told::Nothing).then_some(state)
    }

    /// Notes the state of one side. A change of the combined state is logged.
    pub(super) fn set(&self, side: Side, state: State) {
        let mut sides = self.sides();
        let before = both(&sides);
        let [subscriber, publisher] = &mut *sides;
        *match side {
            Side::Subscriber => subscriber,
            Side::Publisher => publisher,
        } = state;
        // Still locked, so that the log has the changes in order.
        self.log(&before, &both(&sides));
    }

    fn log(&self, before: &State, after: &State) {
        let address = &self.address;
        match (before, after) {
            (State::Up, State::Up) => {}
            (_, State::Up) => log::info!("Redis at {address} is there"),
            (_, State::Down(Fault::Stopped)) => {}
            (State::Down(before), State::Down(after)) if discriminant(before) == discriminant(after) => {}
            (State::Down(_), State::Down(fault)) => log::warn!("Redis at {address} is still away: {fault}"),
            (_, State::Down(fault)) => log::warn!("Redis at {address} is away, serving without it: {fault}"),
            (_, State::Connecting) => {}
        }
    }
}

fn both([subscriber, publisher]: &[State; 2]) -> State {
    match (subscriber, publisher) {
        (State::Down(_), _) => subscriber.clone(),
        (_, State::Down(_)) => publisher.clone(),
        (State::Up, State::Up) => State::Up,
        _ => State::Connecting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_up_when_both_sides_are_and_down_when_one_is() {
        let status = Status::new(String::new());
        assert!(matches!(status.get(), State::Connecting));
        status.set(Side::Subscriber, State::Up);
        assert!(matches!(status.get(), State::Connecting));
        status.set(Side::Publisher, State::Up);
        assert!(matches!(status.get(), State::Up));
        status.set(Side::Publisher, State::Down(Fault::Closed));
        assert!(matches!(status.get(), State::Down(Fault::Closed)));
        status.set(Side::Publisher, State::Up);
        status.set(Side::Subscriber, State::Down(Fault::Closed));
        assert!(matches!(status.get(), State::Down(Fault::Closed)));
    }
}
