//! The socket of a connection: one of TCP that never blocks, with its system calls, or another kind.
//!
//! The two system calls that messages cost are bare: the C library's wrappers make each a point at which the thread could be
//! cancelled, by two locked operations on its state. That was an eighth of a delivery's instructions.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;
use rustix::io::{ioctl_fionread, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;

use super::pipe::{At, Pipe, Pipes};
#[cfg(test)]
use super::simulated;
use crate::shard::store::keys::ConnectionKey;

/// Most pieces given to one `writev`.
const PIECES_PER_WRITE: usize = 64;

/// Once this many bytes are sent, no more pieces are sent in this turn, however fast the peer takes them.
pub(in crate::shard) const MOST_AT_ONCE: usize = 1024 * 1024;

/// A broken connection is an error, not a signal. Apple's kernels have no flag for that; there it is the signal that Rust's
/// programs ignore from their start.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// More follows at once. Where the kernel takes no such hint, the FIN leaves in a segment of its own.
#[cfg(target_os = "linux")]
const MORE: SendFlags = SendFlags::MORE;
#[cfg(not(target_os = "linux"))]
const MORE: SendFlags = SendFlags::empty();

/// A socket of a connection.
///
/// What the kernel knows by a descriptor is called at once. Other kinds are out of line, so they cost the first one a comparison,
/// and their state is elsewhere, so a connection is no larger for them: operations are told where, [`At`] the connection's key.
#[derive(Debug)]
pub(in crate::shard) enum Socket {
    Tcp(TcpStream),
    Other(Other),
}

/// A socket that is not the kernel's.
#[derive(Debug)]
pub(in crate::shard) enum Other {
    /// One in memory.
    Pipe,
    /// A simulated socket, for tests.
    #[cfg(test)]
    Simulated(simulated::Socket),
}

impl Socket {
    /// One in memory.
    pub(in crate::shard) const PIPE: Self = Self::Other(Other::Pipe);

    /// A simulated one.
    #[cfg(test)]
    pub(in crate::shard) const fn simulated(socket: simulated::Socket) -> Self {
        Self::Other(Other::Simulated(socket))
    }

    /// Whether it is one in memory.
    #[inline]
    pub(in crate::shard) const fn is_pipe(&self) -> bool {
        matches!(self, Self::Other(Other::Pipe))
    }

    /// Sends what the socket takes now. Returns how much that was.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing now; the socket's error if it is broken.
    #[inline]
    pub(in crate::shard) fn send(&self, bytes: &[u8], at: At<'_>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => send_with(stream, bytes, NO_SIGNAL),
            Self::Other(other) => other.send(bytes, at),
        }
    }

    /// Sends the last bytes before this half of the connection is closed. They leave in one segment with the FIN.
    ///
    /// # Errors
    /// The same as of [`send`](Self::send).
    pub(in crate::shard) fn send_last(&self, bytes: &[u8], at: At<'_>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => send_with(stream, bytes, NO_SIGNAL.union(MORE)),
            Self::Other(other) => other.send(bytes, at),
        }
    }

    /// Sends as much of the pieces, one behind the other, as the socket takes, but little more than [`MOST_AT_ONCE`]. Returns
    /// how much that was.
    ///
    /// # Errors
    /// The socket's error if it is broken.
    pub(in crate::shard) fn send_pieces<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a Bytes> + Clone,
        at: At<'_>,
    ) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => write_pieces(stream, pieces),
            Self::Other(other) => other.send_pieces(pieces, at),
        }
    }

    /// Reads what has come, as much as fits. Returns how much that was; 0 at the end.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has come; the socket's error if it is broken.
    #[inline]
    pub(in crate::shard) fn receive(&self, buffer: &mut [u8], at: At<'_>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => {
                let (read, _) = retry_on_intr(|| rustix::net::recv(stream, &mut *buffer, RecvFlags::empty()))?;
                Ok(read)
            }
            Self::Other(other) => other.receive(buffer, at),
        }
    }

    /// Bytes that the kernel holds for the peer: not sent yet, or not acknowledged.
    ///
    /// # Errors
    /// If the kernel does not know.
    pub(in crate::shard) fn unacknowledged(&self, pipes: &Pipes, key: ConnectionKey) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => unacknowledged(stream),
            Self::Other(Other::Pipe) => Ok(pipes.get(key).map_or(0, Pipe::untaken)),
            #[cfg(test)]
            Self::Other(Other::Simulated(socket)) => Ok(socket.unacknowledged()),
        }
    }

    /// Bytes of the peer that wait to be read; 0 if the kernel does not know.
    pub(in crate::shard) fn unread(&self, pipes: &Pipes, key: ConnectionKey) -> u64 {
        match self {
            Self::Tcp(stream) => ioctl_fionread(stream).unwrap_or(0),
            Self::Other(Other::Pipe) => pipes.get(key).map_or(0, Pipe::unread) as u64,
            #[cfg(test)]
            Self::Other(Other::Simulated(socket)) => socket.unread() as u64,
        }
    }

    /// Closes this half of the connection. A socket that cannot be shut is gone already, and says so when it is read.
    pub(in crate::shard) fn shut(&self, at: At<'_>) {
        match self {
            Self::Tcp(stream) => _ = stream.shutdown(Shutdown::Write),
            Self::Other(Other::Pipe) => _ = at.act(Pipe::shut),
            #[cfg(test)]
            Self::Other(Other::Simulated(socket)) => socket.shut(),
        }
    }

    /// Has the kernel drop what it holds for the peer when the socket is closed, instead of trying for minutes to deliver it.
    ///
    /// # Errors
    /// The kernel's error, if it refuses.
    pub(in crate::shard) fn forget_unsent(&self, at: At<'_>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Self::Other(Other::Pipe) => at.act(Pipe::forget_unsent),
            #[cfg(test)]
            Self::Other(Other::Simulated(_)) => Ok(()),
        }
    }
}

impl Other {
    #[cold]
    fn send(&self, bytes: &[u8], at: At<'_>) -> io::Result<usize> {
        match self {
            Self::Pipe => at.act(|pipe| pipe.send(bytes))?,
            #[cfg(test)]
            Self::Simulated(socket) => socket.send(bytes),
        }
    }

    #[cold]
    fn send_pieces<'a>(&mut self, pieces: impl Iterator<Item = &'a Bytes> + Clone, at: At<'_>) -> io::Result<usize> {
        match self {
            Self::Pipe => at.act(|pipe| pipe.send_pieces(pieces)),
            #[cfg(test)]
            Self::Simulated(socket) => write_pieces(socket, pieces),
        }
    }

    #[cold]
    fn receive(&self, buffer: &mut [u8], at: At<'_>) -> io::Result<usize> {
        match self {
            Self::Pipe => at.act(|pipe| pipe.receive(buffer))?,
            #[cfg(test)]
            Self::Simulated(socket) => socket.receive(buffer),
        }
    }
}

#[cfg(test)]
impl Drop for Other {
    fn drop(&mut self) {
        if let Self::Simulated(socket) = self {
            socket.close();
        }
    }
}

fn send_with(socket: &TcpStream, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::send(socket, bytes, flags))?)
}

/// As [`Socket::send_pieces`].
fn write_pieces<'a>(socket: &mut impl Write, mut pieces: impl Iterator<Item = &'a Bytes> + Clone) -> io::Result<usize> {
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

/// As [`Socket::unacknowledged`].
#[cfg(target_os = "linux")]
fn unacknowledged(socket: &TcpStream) -> io::Result<usize> {
    use std::os::fd::AsRawFd;

    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as the stream is borrowed, and `TIOCOUTQ` writes one `int` to the pointer. There
    // is no safe call for it in the crates at hand; without it a peer that takes bytes slowly, from the kernel's buffer,
    // looks like one that takes none.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done == 0 { Ok(usize::try_from(bytes).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
}

/// As [`Socket::unacknowledged`]. Elsewhere the call answers for terminals only.
#[cfg(not(target_os = "linux"))]
fn unacknowledged(_: &TcpStream) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
