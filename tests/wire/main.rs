//! The server's bytes over raw TCP: the example `conformance` runs as a process of its own. Its bytes are compared with the
//! vectors captured from Node's server (`tests/vectors`), and with the documented limits.
//!
//! `KINGLET_CONFORMANCE` names another program to test in its place; it must take the same settings from its environment. Time
//! is only ever a bound here: a test waits for bytes, for the end of a connection, or for an answer that proves that earlier
//! input was handled.

mod compression;
mod heartbeat;
mod hostile;
mod http;
mod http_sessions;
mod lifetime;
mod limits;
mod message_pack;
mod packets;
mod protocol_3;
mod proxies;
mod routes;
mod segments;
mod settings;
mod state;
mod support;
mod upgrade;
mod websocket;
