//! The server's bytes, judged over raw TCP: the example `conformance` runs as a process of its own and is held against the
//! vectors captured from Node's server (`tests/vectors`), and against the documented limits.
//!
//! `KINGLET_CONFORMANCE` names another program to judge in its place; it must take the same settings from its environment.
//! Time is only ever a bound here: a test waits for bytes, for the end of a connection, or for an answer that proves that
//! what was sent before it has been handled.

mod compression;
mod heartbeat;
mod hostile;
mod http;
mod http_sessions;
mod lifetime;
mod limits;
mod packets;
mod protocol_3;
mod proxies;
mod segments;
mod settings;
mod support;
mod upgrade;
mod websocket;
