//! SIGTERM and SIGINT.

use std::io;

use mio::net::UnixStream;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Catches the signals that stop a server, from now on: a pipe that has a byte to read for each arrival.
pub(super) fn catch() -> io::Result<UnixStream> {
    let (read, write) = std::os::unix::net::UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        pipe::register(signal, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    Ok(UnixStream::from_std(read))
}
