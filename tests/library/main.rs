//! The library from a program's side: servers in this process, driven by raw clients over TCP.
//!
//! Nothing waits for a time to pass: a test waits for bytes, for what a handler sends it, or for a metric.

mod acks;
mod admissions;
mod bookkeeping;
mod broadcasts;
mod drain;
mod files;
mod flow;
mod handlers;
mod handles;
mod handoff;
mod handshakes;
mod limits;
mod polls;
mod recovery;
mod routes;
mod stop;
mod support;
