//! Runs seeds: so many, for so long, or one with each of its lines.

use std::env;
use std::fmt;
use std::fs;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::failure::{Failure, live};
use super::journal::Keep;
use super::plan::Changes;
use super::regressions::FAILED;
use super::shrinking::shrink;
use super::world::Lived;

/// Seeds in a run that asks for no number of them: `cargo test`.
const SEEDS: u64 = 120;

/// What the environment asks for.
pub(super) fn run() {
    let changes: Changes = asked("PLAN").unwrap_or_default();
    if let Some(seed) = asked("SEED") {
        return show(seed, &changes);
    }
    let seconds: Option<u64> = asked("SECONDS");
    let seeds = asked("SEEDS").unwrap_or(if seconds.is_some() { u64::MAX } else { SEEDS });
    let (from, until) =
        (asked("FROM").unwrap_or(0), seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)));
    let before = FAILED.iter().map(|(seed, changes, ..)| (*seed, changes.parse().expect("changes of a plan")));
    let fresh = (from..).take(usize::try_from(seeds).expect("so many")).map(|seed| (seed, changes.clone()));
    let mut figures = Figures::default();
    for (seed, changes) in before.chain(fresh) {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        match live(seed, &changes, Keep::Nothing).0 {
            Ok(lived) => figures.add(lived),
            Err(failure) => report(failure),
        }
    }
    println!("{figures}");
}

fn asked<T: FromStr<Err: fmt::Debug>>(variable: &str) -> Option<T> {
    env::var(variable).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect(variable))
}

/// One seed, with each of its lines.
fn show(seed: u64, changes: &Changes) {
    println!("seed {seed}: {:?}", changes.plan(seed));
    match live(seed, changes, Keep::Shown).0 {
        Ok(lived) => println!("seed {seed} is fine: {lived:?}"),
        Err(failure) => panic!("step {}, at {}: {}", failure.step, failure.broken.place, failure.broken.message),
    }
}

/// A seed has failed: it is told, then made smaller and told again.
fn report(failure: Failure) -> ! {
    let failure = failure.with_its_last_lines();
    println!("{failure}\n\nlooking for a smaller one ...\n");
    let seed = failure.seed;
    let smallest = shrink(failure, |changes| live(seed, changes, Keep::Nothing).0.err()).with_its_last_lines();
    println!("{smallest}\n");
    panic!("seed {seed} failed");
}

/// What a run has lived through, in one thread.
struct Figures {
    began: CoreTime,
    seeds: u64,
    sum: Lived,
}

impl Default for Figures {
    fn default() -> Self {
        Self { began: CoreTime::now(), seeds: 0, sum: Lived::default() }
    }
}

impl Figures {
    fn add(&mut self, lived: Lived) {
        self.seeds += 1;
        self.sum.steps += lived.steps;
        self.sum.time += lived.time;
        self.sum.lively += lived.lively;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { began, seeds, sum: Lived { steps, time, lively } } = self;
        let (took, hours) = (began.spent(), lively.as_secs_f64() / 3600.0);
        let idle = 100.0 * (1.0 - lively.as_secs_f64() / time.as_secs_f64().max(1.0));
        write!(
            f,
            "{seeds} seeds, {steps} steps, {hours:.1} simulated hours with clients in {took:.1} s of one core: {:.0} hours a \
             minute. ({idle:.0} % of all simulated time was without clients and is not counted.)",
            hours / took * 60.0
        )
    }
}

/// A point in the time for which this thread has had a core: other programs do not count. Where the system does not tell it, it is
/// the time of the clock.
struct CoreTime {
    of_core: Option<Duration>,
    of_clock: Instant,
}

impl CoreTime {
    fn now() -> Self {
        let times = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanoseconds = times.and_then(|times| times.split(' ').next()?.parse().ok());
        Self { of_core: nanoseconds.map(Duration::from_nanos), of_clock: Instant::now() }
    }

    /// Seconds since then.
    fn spent(&self) -> f64 {
        let now = Self::now();
        let of_core = now.of_core.zip(self.of_core).map(|(now, then)| now - then);
        of_core.unwrap_or(now.of_clock - self.of_clock).as_secs_f64()
    }
}
