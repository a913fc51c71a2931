//! The two system calls that messages cost, bare: the C library's wrappers make each a point at which the thread could be
//! cancelled, by two locked operations on its state. That was an eighth of a delivery's instructions.

use std::io;

use mio::net::TcpStream;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};

/// Sends what the socket takes at once; says how much that was.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing now; whatever it is broken by.
pub(crate) fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, SendFlags::NOSIGNAL)
}

/// The same with the last bytes before this half of the connection is closed: they leave with its end, in one segment.
///
/// # Errors
/// As those of [`send`].
pub(crate) fn send_last(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)
}

fn send_with(socket: &TcpStream, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::send(socket, bytes, flags))?)
}

/// Reads what has come, as much as fits; says how much that was, 0 at the end.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has come; whatever the socket is broken by.
pub(crate) fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (read, _) = retry_on_intr(|| rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()))?;
    Ok(read)
}
