//! What a socket has heard of others: in order, and whole as long as nothing changes about who is to hear it.

use std::collections::BTreeMap;

use super::super::plan::Plan;
use super::speech::Kind;

/// Where a socket stands with its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Outside,
    Inside,
    /// It has asked to change.
    Changing,
    /// It had asked to change when it was lost.
    Unknown,
}

/// The last that was heard of somebody.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    /// In which stay.
    stay: u32,
}

/// What was heard, and where.
#[derive(Debug)]
pub(super) struct Hearing {
    pub(super) place: Place,
    /// Whether it may miss some of what others say.
    may_miss: bool,
    /// Whether some of what is said to a handler that blocks is refused.
    may_be_refused: bool,
    /// Each change of the place begins a new one.
    stay: u32,
    last: BTreeMap<(Kind, u64), Last>,
}

impl Hearing {
    pub(super) const fn new(plan: &Plan) -> Self {
        let (may_miss, may_be_refused) = (plan.may_miss(), plan.has_few_jobs());
        Self { place: Place::Outside, may_miss, may_be_refused, stay: 0, last: BTreeMap::new() }
    }

    /// The same for a socket that is new.
    pub(super) const fn anew(&self) -> Self {
        Self { place: Place::Outside, stay: 0, last: BTreeMap::new(), ..*self }
    }

    /// Whether some of what is said to a handler that blocks is refused.
    pub(super) const fn may_be_refused(&self) -> bool {
        self.may_be_refused
    }

    /// The place begins to change.
    pub(super) const fn change(&mut self) {
        self.place = Place::Changing;
        self.stay += 1;
    }

    /// The socket was lost and has come back.
    pub(super) fn go_on(&mut self) {
        if self.place == Place::Changing {
            self.place = Place::Unknown;
        }
    }

    /// Sayings of one sender come in order. They come without a gap, as long as nothing changes about who is to hear them.
    pub(super) fn hear(&mut self, kind: Kind, sender: u64, number: u64) {
        let stay = self.stay;
        let Some(last) = self.last.insert((kind, sender), Last { number, stay }) else { return };
        let is_whole = match kind {
            Kind::Echo => true,
            Kind::Volatile | Kind::Ask | Kind::Who | Kind::Late => false,
            _ if self.may_miss => false,
            Kind::Slow => !self.may_be_refused,
            Kind::All => true,
            Kind::Room => self.place == Place::Inside && last.stay == stay,
            Kind::Except => self.place == Place::Outside && last.stay == stay,
        };
        let follows = if is_whole { number == last.number + 1 } else { number > last.number };
        assert!(follows, "{number} is heard after {} of {sender} ({kind:?})", last.number);
    }

    /// The number of the next saying of that kind that is to be heard of a sender; `None` if none was heard yet.
    pub(super) fn next_of(&self, kind: Kind, sender: u64) -> Option<u64> {
        self.last.get(&(kind, sender)).map(|last| last.number + 1)
    }
}
