//! A server that runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};

use super::budget;
use crate::app::{Handle, Handlers};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::shard::{Shard, Shared, WAKER, listen, mailbox};

/// A server that runs on threads of its own.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(config: Config, handlers: Handlers, handle: Handle) -> Result<Self> {
        let shards = budget::shards(&config);
        let budget = budget::budget(&config);
        let (mut mailboxes, mut parts) = (Vec::new(), Vec::new());
        let mut address = config.listen_address();
        for _ in 0..shards {
            let poll = Poll::new().map_err(Error::system("cannot create a poll"))?;
            let waker = Waker::new(poll.registry(), WAKER).map_err(Error::system("cannot create a waker"))?;
            let listener = listen(address, &config.limits).map_err(|source| Error::Listen { address, source })?;
            // With port 0 the first listener's port is the one that all share.
            address = listener.local_addr().map_err(Error::system("cannot read the listener's address"))?;
            let (mailbox, inbox) = mailbox(waker);
            mailboxes.push(mailbox);
            parts.push((poll, inbox, listener));
        }
        let mut instance = [0; 3];
        getrandom::fill(&mut instance).map_err(|error| Error::System {
            what: "cannot draw random numbers",
            source: std::io::Error::other(error),
        })?;
        log::info!(
            "kinglet {} listens on {address}, path {}, {shards} shard(s), at most {} connections",
            env!("CARGO_PKG_VERSION"),
            config.path,
            budget.max_connections
        );
        let shared = Arc::new(Shared::new(config, instance, Box::new(handlers), mailboxes, budget));
        handle.start(&shared);
        let mut threads = Vec::new();
        for (index, (poll, inbox, listener)) in parts.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let run = move || {
                if let Err(error) = Shard::run(shared, index, poll, &inbox, listener) {
                    log::error!("shard {index} cannot go on: {error}");
                }
            };
            let thread = thread::Builder::new().name(format!("kinglet-shard-{index}")).spawn(run);
            threads.push(thread.map_err(Error::system("cannot start a shard's thread"))?);
        }
        Ok(Self { address, handle, threads })
    }

    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A way to the server from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the server has stopped.
    ///
    /// # Errors
    /// [`Error::Shard`] if a shard ended by a panic.
    pub fn join(self) -> Result<()> {
        for (index, thread) in self.threads.into_iter().enumerate() {
            thread.join().map_err(|_| Error::Shard(index))?;
        }
        log::info!("stopped");
        Ok(())
    }
}
