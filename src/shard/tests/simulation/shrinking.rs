//! Shrinking: a history that fails is made smaller as long as it fails at the same place.
//!
//! It knows no field of a plan but the counts. Whatever may be `null` or `false` is a kind of trouble, and is switched off if the
//! history fails without it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::failure::Failure;
use super::plan::Changes;

/// Fields of which less is smaller, and the least of each. Of other numbers nobody knows which are small.
const COUNTS: &[(&str, u64)] = &[("steps", 1), ("clients", 1), ("shards", 1), ("instances", 1)];

/// How long smaller histories are looked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The smallest history that was found to fail as this one does. `live` lives through one with these changes.
pub(super) fn shrink(mut failure: Failure, mut live: impl FnMut(&Changes) -> Option<Failure>) -> Failure {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut candidates = smaller(&failure);
        let smaller = candidates.find_map(|changes| {
            let again = (Instant::now() < until).then(|| live(&changes)).flatten();
            again.filter(|again| again.broken.place == failure.broken.place)
        });
        match smaller {
            Some(smaller) => failure = smaller,
            None => return failure,
        }
    }
}

/// Changes that make a history a little smaller, those that are likely to help first.
fn smaller(failure: &Failure) -> impl Iterator<Item = Changes> + use<> {
    let (seed, changes, step) = (failure.seed, failure.changes.clone(), failure.step);
    let fields = changes.fields(seed);
    let cut = fields["steps"].as_u64().filter(|steps| step < *steps).map(|_| ("steps".to_owned(), Value::from(step)));
    let off = fields.clone().into_iter().filter_map(|(field, value)| match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some((field, Value::Bool(false))),
        // Only what may be missing is switched off by it.
        _ => Some((field, Value::Null)),
    });
    let counts = COUNTS.iter().filter_map(move |(field, least)| {
        Some((*field, fields.get(*field)?.as_u64().filter(|value| value > least)?, *least))
    });
    let fewer = counts.flat_map(|(field, value, least)| {
        let steps = [value / 2, value - value / 4, value - value / 16, value - 1];
        let steps = steps.into_iter().filter(move |fewer| (least..value).contains(fewer));
        steps.map(|fewer| (field.to_owned(), Value::from(fewer)))
    });
    let all = cut.into_iter().chain(off).chain(fewer);
    all.filter_map(move |(field, value)| changes.and(seed, &field, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::simulation::journal::Panicked;

    /// A seed whose plan has every kind of trouble that this test looks at.
    const SEED: u64 = 5;

    fn failure(changes: &Changes, step: u64, place: &str) -> Failure {
        let broken = Panicked { place: place.to_owned(), message: String::new() };
        Failure { seed: SEED, changes: changes.clone(), step, broken, last: Vec::new() }
    }

    /// A world that fails if `fails` says so, at that step and place.
    fn shrunk(fails: impl Fn(&super::super::plan::Plan) -> Option<(u64, &'static str)>) -> Changes {
        let live = |changes: &Changes| {
            let (step, place) = fails(&changes.plan(SEED))?;
            Some(failure(changes, step, place))
        };
        let all: Changes = r#"{"shards":3,"clients":13,"breaks":77,"message_rate":20}"#.parse().unwrap();
        shrink(live(&all).expect("it fails"), live).changes
    }

    #[test]
    fn what_a_failure_does_not_need_is_gone() {
        let changes = shrunk(|plan| (plan.clients >= 5 && plan.steps >= 300).then_some((300, "here")));
        let plan = changes.plan(SEED);
        assert_eq!((plan.shards, plan.clients, plan.steps), (1, 5, 300));
        assert_eq!((plan.breaks, plan.message_rate), (None, None));
    }

    #[test]
    fn what_a_failure_needs_is_left() {
        let changes = shrunk(|plan| plan.breaks.filter(|_| plan.shards > 1).map(|_| (2, "here")));
        let plan = changes.plan(SEED);
        assert_eq!((plan.shards, plan.clients, plan.steps), (2, 1, 1));
        assert_eq!((plan.breaks, plan.message_rate), (Some(77), None));
    }

    #[test]
    fn another_failure_is_not_taken_for_the_same() {
        let changes = shrunk(|plan| Some((1, if plan.clients >= 9 { "here" } else { "elsewhere" })));
        assert_eq!(changes.plan(SEED).clients, 9);
    }

    #[test]
    fn a_smaller_plan_is_read_as_it_is_written() {
        let changes = shrunk(|plan| (plan.clients >= 5).then_some((100, "here")));
        assert_eq!(changes.to_string().parse::<Changes>().unwrap(), changes);
    }
}
