//! SIGTERM and SIGINT.

use std::io;

use mio::net::UnixStream;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::shard::Signals;

/// Catches the signals that stop a server, from now on.
pub(super) fn catch() -> io::Result<Signals> {
    Ok(Signals::new(arrivals_of(SIGTERM)?, arrivals_of(SIGINT)?))
}

/// A pipe that gets a byte for each signal.
fn arrivals_of(signal: i32) -> io::Result<UnixStream> {
    let (read, write) = std::os::unix::net::UnixStream::pair()?;
    pipe::register(signal, write)?;
    read.set_nonblocking(true)?;
    Ok(UnixStream::from_std(read))
}
