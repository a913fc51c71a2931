//! The two system calls that messages cost, bare: the C library's wrappers make each a point at which the thread could be
//! cancelled, by two locked operations on its state. That was an eighth of a delivery's instructions.

use std::io::{self, IoSlice, Write};

use bytes::Bytes;
use mio::net::TcpStream;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};

/// Sends what the socket takes at once; says how much that was.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing now; whatever it is broken by.
pub(super) fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, SendFlags::NOSIGNAL)
}

/// The same with the last bytes before this half of the connection is closed: they leave with its end, in one segment.
///
/// # Errors
/// As those of [`send`].
pub(super) fn send_last(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)
}

/// Most pieces given to one `writev`.
const PIECES_PER_WRITE: usize = 64;

/// Bytes from which on no more pieces are sent at once: a peer that takes them as fast as they come has its turn, too.
pub(super) const MOST_AT_ONCE: usize = 1024 * 1024;

/// Sends as much of the pieces, one behind the other, as the socket takes, but little more than [`MOST_AT_ONCE`]; says how much
/// that was.
///
/// # Errors
/// Whatever the socket is broken by.
pub(super) fn send_pieces<'a>(
    socket: &mut impl Write,
    mut pieces: impl Iterator<Item = &'a Bytes> + Clone,
) -> io::Result<usize> {
    let (mut sent, mut taken) = (0, 0);
    while sent < MOST_AT_ONCE {
        let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces.clone()) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let Some(mut slices) = slices.get_mut(..count).filter(|slices| !slices.is_empty()) else { return Ok(sent) };
        IoSlice::advance_slices(&mut slices, taken);
        match socket.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                sent += written;
                taken += written;
                while let Some(piece) = pieces.clone().next().filter(|piece| piece.len() <= taken) {
                    taken -= piece.len();
                    pieces.next();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(sent),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

fn send_with(socket: &TcpStream, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::send(socket, bytes, flags))?)
}

/// Reads what has come, as much as fits; says how much that was, 0 at the end.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has come; whatever the socket is broken by.
pub(in crate::shard) fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (read, _) = retry_on_intr(|| rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()))?;
    Ok(read)
}
