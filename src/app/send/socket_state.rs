//! What a handle tells of its socket: what it knows, and what it asks the thread that serves the socket.

use std::net::IpAddr;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::socket_handle::SocketHandle;
use crate::app::base::on_shard;
use crate::engineio::Transport;
use crate::error::{NoValue, StateError};
use crate::shard::{Core, Handshake, Shard, SocketRef};
use crate::values::change_locked;

/// What the handle knows. Nothing is asked, so this works on any thread, and also when the socket has left.
impl SocketHandle {
    /// The request that opened the session. `None` if the session was forgotten when the handle was made, and for a socket of
    /// another server, whose [`RemoteSocket`](crate::RemoteSocket) has it. It is kept in memory as long as the handle.
    pub fn handshake(&self) -> Option<Arc<Handshake>> {
        self.known()?.handshake.clone()
    }

    /// The client's address: the TCP connection's, or the one that trusted proxies tell
    /// ([`Config::trusted_proxies`](crate::Config::trusted_proxies)). `None` if there is no [`handshake`](Self::handshake).
    pub fn client_address(&self) -> Option<IpAddr> {
        Some(self.known()?.handshake.as_ref()?.address().ip())
    }

    /// The client's authentication data for the namespace (`auth` of the JavaScript client). `None` if it sent none, or data of
    /// another type than `T`, and for a socket of another server, whose [`RemoteSocket`](crate::RemoteSocket) has it.
    /// [`Socket::auth`](crate::Socket::auth) says what else is in that of a client that has come back.
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.known()?.auth.as_ref()?).ok()
    }

    /// Whether the client came back after its connection was lost ([`Socket::recovered`](crate::Socket::recovered)).
    pub fn recovered(&self) -> bool {
        self.known().is_some_and(|known| known.location != known.sid)
    }

    /// Bytes that the handle keeps for a blocking handler.
    pub(in crate::app) fn bytes(&self) -> usize {
        self.known().and_then(|known| known.data.as_ref()).map_or(0, |data| data.bytes())
    }
}

/// What the program keeps with the socket. It is shared by all threads, so nothing is asked, and what one thread does the others
/// see at once.
impl SocketHandle {
    /// Keeps a value with the socket, in place of an earlier one of the same type, which is returned: see
    /// [`Socket::insert`](crate::Socket::insert). Nothing is kept for a socket that has left, or is on another server.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let location = self.known()?.location;
        let (before, is_first) = self.shared.values(location.shard)?.insert(location, value);
        if is_first {
            // The socket may have left, and would never take it along.
            on_shard(&self.shared, location.shard, 0, move |shard| {
                let has_left = shard.with(|core| core.socket_at(location)).is_none();
                if let Some(values) = shard.shared.values(location.shard).filter(|_| has_left) {
                    values.forget(&location);
                }
            });
        }
        before
    }

    /// The value of that type that was kept with the socket. `None` also if the socket has left, or is on another server.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let location = self.known()?.location;
        self.shared.values(location.shard)?.get(&location)
    }

    /// The same, or an error for `?`.
    ///
    /// # Errors
    /// If there is none.
    pub fn require<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, NoValue> {
        self.get().ok_or_else(NoValue::of::<T>)
    }

    /// Changes the value of that type which is kept behind a [`Mutex`](std::sync::Mutex), and gives what `change` returns. Other
    /// threads wait for the lock meanwhile, so it takes moments, and does not do the same within.
    ///
    /// See [`Socket::update`](crate::Socket::update).
    ///
    /// # Errors
    /// If there is none.
    pub fn update<T: Send + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, NoValue> {
        let value = self.get().ok_or_else(NoValue::of::<T>)?;
        Ok(change_locked(&value, change))
    }

    /// Takes the value of that type away.
    pub fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let location = self.known()?.location;
        self.shared.values(location.shard)?.remove(&location)
    }
}

/// What the handle asks the thread that serves the socket.
///
/// The question goes the way of every call, as a letter, so the answer is right for all earlier calls of the same thread. The
/// caller waits until the event loop reads the letter: at once if the loop sleeps, else after its turn and earlier letters.
///
/// A thread that serves sockets must not wait for another one, or both might wait for ever. There, a question about a socket of
/// another thread is [`StateError::EventLoop`].
impl SocketHandle {
    /// Whether the socket is a member of its namespace now ([`Socket::connected`](crate::Socket::connected)). A handler that takes
    /// long asks this before it does something for a client that may have left meanwhile.
    ///
    /// ```no_run
    /// # fn find_user(name: &str) -> Result<u64, kinglet::StateError> { Ok(1) }
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_blocking("log-in", |socket, event| {
    ///     let (name,): (String,) = event.args()?;
    ///     let user = find_user(&name)?;
    ///     if socket.is_connected()? {
    ///         socket.to("everybody").emit("online", user)?;
    ///     }
    ///     kinglet::Ok(())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the socket cannot be asked from here.
    #[doc(alias = "connected")]
    pub fn is_connected(&self) -> Result<bool, StateError> {
        Ok(self.learn(|core, socket| core.is_connected(socket))?.unwrap_or(false))
    }

    /// The rooms that it is in, its own first. None if it has left.
    ///
    /// # Errors
    /// If the socket cannot be asked from here.
    pub fn rooms(&self) -> Result<Vec<String>, StateError> {
        Ok(self.learn(|core, socket| core.rooms(socket))?.unwrap_or_default())
    }

    /// The transport that its client is on. `None` if it has left.
    ///
    /// # Errors
    /// If the socket cannot be asked from here.
    pub fn transport(&self) -> Result<Option<Transport>, StateError> {
        Ok(self.learn(|core, socket| core.transport(socket))?.flatten())
    }

    /// The data stored with the socket ([`Socket::data`](crate::Socket::data)). `None` if there is none, if it is of another
    /// type than `T`, or if the socket has left.
    ///
    /// A blocking handler is not kept waiting: its handle has a snapshot of the data, taken when the handler was called for.
    /// Once the handler has called [`set_data`](Self::set_data), this asks.
    ///
    /// # Errors
    /// If the socket cannot be asked from here.
    pub fn data<T: DeserializeOwned>(&self) -> Result<Option<T>, StateError> {
        let known = self.known().and_then(|known| known.data.as_ref()).and_then(|data| data.current());
        if let Some(data) = known {
            return Ok(data.and_then(|data| serde_json::from_str(data.get()).ok()));
        }
        let data = self.learn(|core, socket| core.data(socket))?.flatten();
        Ok(data.and_then(|data| serde_json::from_str(data.get()).ok()))
    }

    /// Bytes that wait for its client ([`Socket::queued_bytes`](crate::Socket::queued_bytes)), including earlier sends of this
    /// thread. It waits for the answer of the thread that serves the socket, so a program that streams can pace itself.
    ///
    /// `None` if the socket has left or is on another server, and on a thread that serves other sockets, which must not wait.
    ///
    /// ```no_run
    /// # fn chunks() -> Vec<String> { Vec::new() }
    /// # let mut server = kinglet::Server::new(kinglet::Config::default())?;
    /// server.of("/").on_blocking("download", |socket, _| {
    ///     for chunk in chunks() {
    ///         while socket.queued_bytes().is_some_and(|bytes| bytes > 1 << 20) {
    ///             std::thread::sleep(std::time::Duration::from_millis(10));
    ///         }
    ///         socket.emit("chunk", chunk)?;
    ///     }
    ///     Ok::<(), kinglet::EmitError>(())
    /// });
    /// # Ok::<(), kinglet::Error>(())
    /// ```
    pub fn queued_bytes(&self) -> Option<usize> {
        self.learn(|core, socket| core.queued_for(socket)).ok().flatten()
    }

    /// Asks the thread that serves the socket. `None` if the socket has left.
    fn learn<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Core, SocketRef) -> R + Send + 'static,
    ) -> Result<Option<R>, StateError> {
        let location = self.known().ok_or(StateError::Elsewhere)?.location;
        let here = Shard::current(&self.shared).is_some_and(|shard| shard.index() == usize::from(location.shard));
        if Shard::runs_here() && !here {
            return Err(StateError::EventLoop);
        }
        let (sender, receiver) = crossbeam_channel::bounded(1);
        self.run(0, move |shard, socket| {
            // The caller waits for it.
            let _ = sender.send(shard.with(|core| read(core, socket)));
        });
        Ok(receiver.recv().ok())
    }
}
