//! The listener and the connections it brings.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use log::Level;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Limits;
use crate::http;
use crate::log_line::LineKind;
use crate::metrics::Limit;
use crate::shard::net::Net;
use crate::shard::net::connection::Connection;
use crate::shard::store::keys::ConnectionKey;

pub(in crate::shard) static NOT_TAKEN: LineKind =
    LineKind::new(Level::Warn, module_path!(), "connections that were not taken");

/// Whether an address has one listener or several, over which the kernel spreads connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

/// Whether a shard looks for new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Accepting {
    /// When the kernel tells of some.
    WhenTold,
    /// In the next turn in any case: the last had no room for all.
    Now,
    /// Not before a timer says so: there was an error.
    Resting,
    /// Never again: the listener is closed.
    Over,
}

impl Accepting {
    /// The timer that ends a rest came up.
    pub(in crate::shard) fn rested(self) -> Self {
        if self == Self::Resting { Self::Now } else { self }
    }
}

/// Fails if somebody else listens on the address: listeners that share it would not notice.
///
/// # Errors
/// Whatever the system has against listening there.
pub(crate) fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Opens a listener of one shard.
///
/// What is set here is inherited by every connection that is accepted, and so costs no system call for each.
///
/// # Errors
/// Whatever the system has against it.
pub(crate) fn listen(address: SocketAddr, sharing: Sharing, limits: &Limits) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Shared)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(limits.send_buffer)?;
    #[cfg(target_os = "linux")]
    set_unsent(&socket, limits.unsent)?;
    socket.bind(&address.into())?;
    socket.listen(limits.backlog)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Bounds what waits unsent in the kernel, so that a slow reader is noticed early.
#[cfg(target_os = "linux")]
fn set_unsent(socket: &Socket, unsent: u32) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(unsent)
}

impl Net {
    pub(in crate::shard) fn accepted(&mut self, mut stream: TcpStream, peer: SocketAddr) -> Option<ConnectionKey> {
        self.metrics.accepted.one();
        if self.shared.peers.as_ref().is_some_and(|peers| !peers.enter(peer.ip())) {
            self.metrics.hit(Limit::ConnectionsPerAddress);
            send_away(&mut stream, http::CROWD);
            return None;
        }
        let is_spare = !self.shared.connection_opened();
        let key = self.adopt(stream, peer)?;
        if is_spare {
            self.add_spare(key);
        }
        let deadline = self.now + self.head_time(key);
        self.set_deadline(key, deadline);
        Some(key)
    }

    pub(in crate::shard) fn adopt(&mut self, stream: TcpStream, peer: SocketAddr) -> Option<ConnectionKey> {
        let key = self.connections.insert(Connection::new(stream, peer)).ok();
        let registered = key.and_then(|key| {
            let connection = self.connections.get_mut(key)?;
            let token = Token(key as usize);
            match self.registry.register(&mut connection.stream, token, Interest::READABLE) {
                Ok(()) => Some(ConnectionKey(key)),
                Err(error) => {
                    NOT_TAKEN.write(|| format!("cannot watch a connection: {error}"));
                    self.connections.remove(key);
                    None
                }
            }
        });
        match registered {
            Some(key) if self.shared.peers.is_some() => _ = self.peers.insert(key, peer.ip()),
            Some(_) => {}
            None => {
                self.shared.connection_closed();
                self.leave_peer(peer.ip());
            }
        }
        self.metrics.connections.set(self.connections.len() as u64);
        registered
    }

    /// A connection of that address is no more.
    fn leave_peer(&self, address: IpAddr) {
        if let Some(peers) = &self.shared.peers {
            peers.leave(address);
        }
    }

    /// The same, by its key.
    pub(super) fn forget_peer(&mut self, key: ConnectionKey) {
        if let Some(address) = self.peers.remove(&key) {
            self.leave_peer(address);
        }
    }
}

/// Answers a connection that is one too many, and lets it go. What has come is taken first: closing on it would reset the
/// connection, and the answer with it. The socket's buffer is empty, so the answer fits; whether it arrives is the client's
/// concern.
fn send_away(stream: &mut TcpStream, answer: &[u8]) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write(answer);
}
