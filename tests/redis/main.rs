//! The way to Redis against real servers, each test with one of its own.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod completeness;
mod crossing;
mod dropped;
mod goodbyes;
mod hearing;
mod log_in;
mod outages;
mod publishing;
mod questions;
mod stopping;
mod subscribing;
mod support;
mod tls;
mod too_large;
