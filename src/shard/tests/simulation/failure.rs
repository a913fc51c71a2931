//! A history that fails, and how it is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::journal::{self, Keep, Panicked};
use super::plan::Changes;
use super::world::{Lived, World};

/// A history that broke an invariant.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) seed: u64,
    /// What of the plan is not as the seed chose it.
    pub(super) changes: Changes,
    /// The step in which it was noticed.
    pub(super) step: u64,
    pub(super) broken: Panicked,
    pub(super) last: Vec<String>,
}

/// Lives through a history once. The journal's lines are given in any case.
pub(super) fn live(seed: u64, changes: &Changes, keep: Keep) -> (Result<Lived, Failure>, Vec<String>) {
    journal::open(keep);
    let history = AssertUnwindSafe(|| World::new(seed, changes.plan(seed)).run());
    let lived = catch_unwind(history);
    let step = journal::current_step();
    let (lines, panicked) = journal::close();
    let failure = || Failure {
        seed,
        changes: changes.clone(),
        step,
        broken: panicked.expect("the panic was noted"),
        last: lines.clone(),
    };
    (lived.map_err(|_| failure()), lines)
}

impl Failure {
    /// The failure with its last lines: the history is lived through again, and this time they are kept.
    pub(super) fn with_its_last_lines(self) -> Self {
        match live(self.seed, &self.changes, Keep::Last).0 {
            Err(again) if again.broken == self.broken => again,
            _ => panic!("seed {} is not the same history twice:\n{self}", self.seed),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, changes, step, broken, last } = self;
        for line in last {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {seed} failed in step {step}, at {}: {}", broken.place, broken.message)?;
        writeln!(f, "replay it by: make simulate SEED={seed}{}", changes.argument())?;
        write!(f, "its place in the list: ({seed}, {:?}, \"what it found\", \"when mended\"),", changes.to_string())
    }
}
