//! The connections to Redis, with a real server for each test.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod completeness;
mod crossing;
mod dropped;
mod goodbyes;
mod hearing;
mod log_in;
mod moving;
mod numbers;
mod outages;
mod peers;
mod publishing;
mod questions;
mod recovery;
mod settling;
mod stopping;
mod subscribing;
mod support;
mod tls;
mod too_large;
mod tunnels;
