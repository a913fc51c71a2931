//! The two system calls that messages cost, bare: the C library's wrappers make each a point at which the thread could be
//! cancelled, by two locked operations on its state. That was an eighth of a delivery's instructions.

use std::io;

use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags};

/// Sends what the socket takes at once; says how much that was.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing now; whatever it is broken by.
pub(crate) fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}

/// Reads what has come, as much as fits; says how much that was, 0 at the end.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has come; whatever the socket is broken by.
pub(crate) fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map(|(read, _)| read).map_err(io::Error::from),
        }
    }
}
