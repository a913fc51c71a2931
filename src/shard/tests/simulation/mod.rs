//! Servers, clients and the network between them in one thread, by one seed: one seed is one history, and each can be replayed.
//!
//! The servers are the real ones from the event loop down; below them stands the simulated [kernel](crate::shard::kernel), and their
//! time and their random bits are the simulation's. The [clients](client) share no code with the server: each is a small model
//! of the official one. The seed chooses a [plan], and then, step by step, who acts: bytes move a few at a time, sockets take
//! little or nothing, connections break, shards turn late. After each step, and at the end, the [world] checks what must hold.
//!
//! To add a fault, add a field to the plan and a step to the world; to add what must hold, add it to the world's checks.
//! CONTRIBUTING.md says how to run it.

mod application;
mod client;
mod cluster;
mod credentials;
mod driver;
mod ends;
mod failure;
mod instance;
mod instances;
mod invariants;
mod journal;
mod late;
mod network;
mod plan;
mod questions;
mod reckoning;
mod redis;
mod regressions;
mod shrinking;
mod survey;
mod world;

use self::failure::live;
use self::journal::Keep;
use self::plan::Changes;

#[test]
fn whatever_the_network_does_what_must_hold_holds() {
    driver::run();
}

#[test]
fn a_seed_is_the_same_history_each_time() {
    for seed in 0..4 {
        let history = || live(seed, &Changes::default(), Keep::All).1;
        let (once, again) = (history(), history());
        let differs = once.iter().zip(&again).find(|(once, again)| once != again);
        assert_eq!((differs, once.len()), (None, again.len()), "seed {seed}");
    }
}
