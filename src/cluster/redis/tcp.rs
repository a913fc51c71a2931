//! A TCP connection that never blocks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

#[cfg(test)]
use super::simulated;

/// A connection; in tests one may be simulated.
#[derive(Debug)]
pub(super) enum Tcp {
    Real(TcpStream),
    #[cfg(test)]
    Simulated(simulated::Tcp),
}

impl Tcp {
    /// Begins to connect. It [is connected](Self::is_connected) or has failed when it becomes writable.
    ///
    /// The kernel probes a silent peer each `interval`, and ends the connection when data was not acknowledged for `limit`.
    pub(super) fn connect(address: SocketAddr, interval: Duration, limit: Duration) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(network) = simulated::network() {
            return network.connect().map(Self::Simulated);
        }
        let (domain, protocol) = (Domain::for_address(address), Some(Protocol::TCP));
        let socket = Socket::new(domain, Type::STREAM, protocol)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // The kernel counts whole seconds.
        let second = Duration::from_secs(1);
        let keepalive = TcpKeepalive::new().with_time(interval.max(second)).with_interval((limit / 2).max(second));
        socket.set_tcp_keepalive(&keepalive.with_retries(2))?;
        // Elsewhere the probes alone tell that a peer is gone.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(limit))?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Self::Real(TcpStream::from_std(socket.into()))),
        }
    }

    /// Whether it is connected.
    ///
    /// # Errors
    /// If that has failed.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        match self {
            Self::Real(tcp) => {
                tcp.take_error()?.map_or(Ok(()), Err)?;
                match tcp.peer_addr() {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
                    other => other.map(|_| true),
                }
            }
            #[cfg(test)]
            Self::Simulated(_) => Ok(true),
        }
    }

    /// Ends it, both ways.
    pub(super) fn shut(&self) {
        match self {
            // It may have ended by itself.
            Self::Real(tcp) => drop(tcp.shutdown(Shutdown::Both)),
            #[cfg(test)]
            Self::Simulated(tcp) => tcp.shut(),
        }
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Real(tcp) => tcp.read(buffer),
            #[cfg(test)]
            Self::Simulated(tcp) => tcp.read(buffer),
        }
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Real(tcp) => tcp.write(bytes),
            #[cfg(test)]
            Self::Simulated(tcp) => tcp.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
