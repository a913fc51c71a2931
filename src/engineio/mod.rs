//! Engine.IO, protocol 4: packets, payloads, sessions. No I/O happens here: bytes and instants come in, bytes and
//! effects go out.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod frames;
mod millis;
mod reason;

pub use frames::{Frames, FramesBuilder, Part};
pub use millis::Millis;
pub use reason::Reason;
