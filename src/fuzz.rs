//! What holds of each parser for any bytes: a function for each that panics if it does not hold. Beside the parsers, `fuzz`
//! modules say it. `fuzz/` runs these functions with the inputs that libFuzzer invents, and `cargo test` with those in
//! `tests/corpus` and with mutations of them. Other builds contain none of it.

pub use crate::app::file_path;
pub use crate::cluster::fuzz::{broadcast, request, response};
pub use crate::cluster::peers::fuzz::{peer_message, record};
pub use crate::cluster::peers::message::fuzz::{exchange, moving, recovery};
pub use crate::cluster::redis::fuzz::replies;
pub use crate::config::fuzz::{redis_address, setting};
pub use crate::engineio::fuzz::{payload_v3_binary, payload_v3_text, payload_v4, query};
pub use crate::http::fuzz::{body, head};
pub use crate::msgpack::fuzz::{json_to_msgpack, msgpack_to_json};
pub use crate::shard::forwarded_for;
pub use crate::socketio::fuzz::{json_text, message_pack, packets};
pub use crate::websocket::fuzz::frames;

#[cfg(test)]
mod tests;
