//! The listener of a shard.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Type};

use crate::config::Limits;
#[cfg(test)]
use crate::shard::kernel::simulated;
use crate::shard::kernel::socket::Socket;

/// Whether an address has one listener or several, over which the kernel spreads connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// One to which a test connects.
    #[cfg(test)]
    Simulated(simulated::Listener),
}

impl Listener {
    /// Opens a listener of one shard.
    ///
    /// Accepted connections inherit the options set here, so they cost no system call for each.
    ///
    /// # Errors
    /// The system's error, if it refuses.
    pub(crate) fn open(address: SocketAddr, sharing: Sharing, limits: &Limits) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(sharing == Sharing::Shared)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(limits.send_buffer)?;
        #[cfg(target_os = "linux")]
        set_unsent(&socket, limits.unsent)?;
        socket.bind(&address.into())?;
        socket.listen(limits.backlog)?;
        Ok(Self::Tcp(TcpListener::from_std(socket.into())))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// The system's error, if it does not tell.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            #[cfg(test)]
            Self::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The next connection, and its peer.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none; the system's error if it cannot be accepted.
    pub(in crate::shard) fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, peer)| (Socket::Tcp(stream), peer)),
            #[cfg(test)]
            Self::Simulated(listener) => listener.accept().map(|(socket, peer)| (Socket::simulated(socket), peer)),
        }
    }
}

#[cfg(test)]
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Simulated(listener) = self {
            listener.close();
        }
    }
}

/// Fails if somebody else listens on the address: listeners that share it would not notice.
///
/// # Errors
/// The system's error, if the address cannot be listened on.
pub(crate) fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Bounds what waits unsent in the kernel, so that a slow reader is noticed early.
#[cfg(target_os = "linux")]
fn set_unsent(socket: &socket2::Socket, unsent: u32) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(unsent)
}
