//! Socket.IO, protocol 5: the packet codec, rooms. No I/O happens here.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
