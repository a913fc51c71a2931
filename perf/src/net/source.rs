//! Where connections come from. One address has some 28,000 ports, and one that was closed keeps its port for a minute:
//! on the loopback interface every address of 127.0.0.0/8 is ours to spread over.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections from one address. The kernel first looks among some 7,000 of its ports, at random and then in order: when
/// those are gone, with the ones that were closed in the last minute, each look costs milliseconds.
const PER_ADDRESS: usize = 500;
/// Source addresses at most.
const MOST: usize = 200;

/// Source addresses, taken in turn.
#[derive(Debug)]
pub struct Sources {
    addresses: usize,
    next: usize,
}

impl Sources {
    /// Addresses enough for `connections` sockets at once; the operating system chooses when one does.
    pub const fn for_connections(connections: usize) -> Self {
        Self::addresses(connections.div_ceil(PER_ADDRESS))
    }

    /// So many addresses, at most 200.
    pub const fn addresses(addresses: usize) -> Self {
        Self { addresses: if addresses > MOST { MOST } else { addresses }, next: 0 }
    }

    /// Begins a connection to `target`; from the next address if `spread`.
    pub fn connect(&mut self, target: SocketAddr, spread: bool) -> io::Result<TcpStream> {
        let stream = if spread && self.addresses > 1 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
            self.next = (self.next + 1) % self.addresses;
            // 127.0.0.1 is left to everybody else.
            let source = Ipv4Addr::new(127, 0, 0, 2 + self.next as u8);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
            match socket.connect(&target.into()) {
                Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                    return Err(error);
                }
                _ => TcpStream::from_std(socket.into()),
            }
        } else {
            TcpStream::connect(target)?
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
