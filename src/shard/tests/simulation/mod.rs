//! Servers, clients and the network between them in one thread, by one seed: one seed is one history, and each can be replayed.
//!
//! The servers are the real ones from the event loop down; below them stands the simulated [kernel](crate::shard::kernel), and their
//! time and their random bits are the simulation's. The [clients](client) share no code with the server: each is a small model
//! of the official one. The seed chooses, step by step, who acts: bytes move a few at a time, sockets take little or nothing,
//! connections break, shards turn late. After each step, and at the end, the [world](world) checks what must hold.
//!
//! `SEEDS=n` simulates so many seeds, `SEED=n` one of them with a line for each step.

mod application;
mod client;
mod instance;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::world::{Plan, World};

/// Seeds in a run that asks for no number of them.
const SEEDS: u64 = 200;

/// Seeds that have failed once, and are tried first.
const FAILED: &[u64] = &[];

fn simulate(seed: u64, plan: Plan, verbose: bool) {
    let history = AssertUnwindSafe(|| World::new(seed, plan, verbose).run());
    if let Err(panic) = catch_unwind(history) {
        eprintln!("seed {seed} failed with {plan:?}; SEED={seed} shows each step");
        resume_unwind(panic);
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_the_network_does_what_must_hold_holds() {
    if let Some(seed) = number("SEED") {
        return simulate(seed, Plan::of(seed), true);
    }
    let seeds = FAILED.iter().copied().chain(0..number("SEEDS").unwrap_or(SEEDS));
    seeds.for_each(|seed| simulate(seed, Plan::of(seed), false));
}
