//! A running server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::budget;
use crate::app::{Handle, Handlers, Pool, lost, receive};
use crate::cluster::Membership;
use crate::cluster::peers::OwnInstance;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::log_line;
use crate::ops::Operations;
use crate::shard::{
    Directory, EventLoop, Inbox, Letter, Listener, Poll, Shared, Sharing, Signals, leave_records, mailbox, probe,
};

/// A server that runs on its own threads.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    handle: Handle,
    workers: Workers,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the port for operations ([`Config::ops_port`]), if there is one.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.workers.operations.as_ref().map(Operations::address)
    }

    /// A handle to the server, for any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the server has stopped.
    ///
    /// # Errors
    /// [`Error::Shard`] if a shard panicked, [`Error::System`] if the system refused to poll for it. When one shard
    /// ends so, the others stop.
    pub fn join(self) -> Result<()> {
        let threads = self.threads.into_iter().enumerate();
        let ends: Vec<Result<()>> = threads
            .map(|(index, thread)| {
                let end = thread.join().map_err(|_| Error::Shard(index))?;
                end.map_err(Error::system("an event loop cannot go on"))
            })
            .collect();
        self.workers.end();
        log_line::settle_all();
        ends.into_iter().collect::<Result<()>>()?;
        log::info!("stopped");
        Ok(())
    }
}

/// How long the end waits for Redis to take the last messages.
const FLUSH: Duration = Duration::from_secs(1);

/// How long it waits for Redis if the server does not start.
const FAREWELL: Duration = Duration::from_millis(200);

/// The idle timeout of balancers, a minute by default, less a margin for late pings.
const PATIENCE_OF_BALANCERS: Duration = Duration::from_secs(55);

/// The threads beside the shards: those of blocking handlers, those to Redis, and those of the port for operations.
struct Workers {
    pool: Arc<Pool>,
    shared: Arc<Shared>,
    /// Closed when it is dropped, after the others have ended.
    operations: Option<Operations>,
}

impl Workers {
    /// Ends them when no more work will come.
    fn end(&self) {
        self.pool.join();
        if let Some(cluster) = &self.shared.cluster {
            leave_records(&self.shared);
            cluster.stop(FLUSH);
        }
    }

    /// Ends them at once: the server does not start. The other servers may have counted it, so it says goodbye.
    fn abandon(&self) {
        self.pool.close();
        if let Some(cluster) = &self.shared.cluster {
            cluster.stop(FAREWELL);
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workers")
    }
}

/// A server whose listeners are open, and whose shards do not run yet.
pub(super) struct Prepared {
    address: SocketAddr,
    handlers: Arc<Handlers>,
    handle: Handle,
    workers: Workers,
    shared: Arc<Shared>,
    shards: Vec<Stand>,
}

/// What one shard needs to run.
struct Stand {
    poll: Poll,
    inbox: Inbox,
    listener: Listener,
}

impl Prepared {
    pub(super) fn new(config: Config, mut handlers: Handlers, handle: Handle) -> Result<Self> {
        handlers.routes_mut().check(&config.path)?;
        if let Some(client) = &config.client {
            handlers.routes_mut().add_client(&config.path, client)?;
        }
        let budget = budget::budget(&config);
        let memory = budget.memory.as_ref().map(|memory| memory.limit);
        let (mut mailboxes, mut shards) = (Vec::new(), Vec::new());
        let mut address = config.listen_address();
        let count = budget::shards(&config);
        let sharing = if count == 1 { Sharing::Alone } else { Sharing::Shared };
        if sharing == Sharing::Shared {
            probe(address).map_err(|source| Error::Listen { address, source })?;
        }
        for _ in 0..count {
            let poll = Poll::new().map_err(Error::system("cannot create a poll"))?;
            let waker = poll.waker().map_err(Error::system("cannot create a waker"))?;
            let listener = Listener::open(address, sharing, &config.limits);
            let listener = listener.map_err(|source| Error::Listen { address, source })?;
            // With port 0 all listeners share the port that the first one got.
            address = listener.local_addr().map_err(Error::system("cannot read the listener's address"))?;
            let (mailbox, inbox) = mailbox(waker, config.limits.inbox);
            mailboxes.push(mailbox);
            shards.push(Stand { poll, inbox, listener });
        }
        let own = OwnInstance::draw().map_err(io::Error::other).map_err(Error::system("cannot draw random numbers"))?;
        let own = Arc::new(own);
        let pool = handlers.pool();
        let started = pool.start(&config).inspect_err(|_| pool.close());
        started.map_err(Error::system("cannot start a thread for blocking handlers"))?;
        let cluster = join_cluster(&config, &own, &handle, &handlers).inspect_err(|_| pool.close())?;
        let handlers = Arc::new(handlers);
        let directory: Arc<dyn Directory> = Arc::clone(&handlers) as _;
        let shared = Arc::new(Shared::new(config, own, directory, cluster, mailboxes, budget));
        handle.start(&shared);
        let mut workers = Workers { pool, shared: Arc::clone(&shared), operations: None };
        let operations = Operations::start(&shared, &handle, memory).inspect_err(|_| workers.abandon())?;
        workers.operations = operations;
        announce(&shared, address, memory, workers.operations.as_ref().map(Operations::address));
        Ok(Self { address, handlers, handle, workers, shared, shards })
    }

    /// Runs every shard on a thread of its own.
    pub(super) fn start(self) -> Result<Running> {
        let shards = self.shards.into_iter().enumerate();
        let threads: Result<_> =
            shards.map(|(index, stand)| stand.spawn(&self.shared, &self.handlers, index)).collect();
        let threads = threads.inspect_err(|_| self.workers.abandon())?;
        Ok(Running { address: self.address, handle: self.handle, workers: self.workers, threads })
    }

    /// Runs the first shard on this thread, so that a server of one shard needs one thread. `signals` are the signals
    /// that stop the server.
    pub(super) fn run(mut self, signals: Signals) -> Result<()> {
        let first = self.shards.remove(0);
        let others = self.shards.into_iter().enumerate();
        let threads: Result<_> =
            others.map(|(index, stand)| stand.spawn(&self.shared, &self.handlers, index + 1)).collect();
        let threads = threads.inspect_err(|_| self.workers.abandon())?;
        let others = Running { address: self.address, handle: self.handle, workers: self.workers, threads };
        let stop_others = StopOthers(Arc::clone(&self.shared));
        let result =
            EventLoop::new(self.shared, self.handlers, 0, first.poll, first.inbox, first.listener, Some(signals))
                .and_then(EventLoop::run);
        drop(stop_others);
        result.map_err(Error::system("the event loop cannot go on"))?;
        others.join()
    }
}

/// Logs what the server is and what it may use, and warns of settings that will hurt.
fn announce(shared: &Shared, address: SocketAddr, memory: Option<usize>, operations: Option<SocketAddr>) {
    let config = &shared.config;
    log::info!(
        "kinglet {} listens on {address}, path {}, {} event loop(s), at most {} connections, memory {}, {}, {}",
        env!("CARGO_PKG_VERSION"),
        config.path,
        shared.mailboxes.len(),
        shared.max_connections,
        memory.map_or("unknown".to_owned(), |memory| format!("{} MiB", memory / (1024 * 1024))),
        config.redis.as_ref().map_or("no Redis".to_owned(), |redis| format!("Redis {redis}")),
        operations.map_or("no port for operations".to_owned(), |address| format!("operations on {address}")),
    );
    if config.ping_interval >= PATIENCE_OF_BALANCERS {
        log::warn!(
            "KINGLET_PING_INTERVAL is {} s: balancers such as ALB cut connections that are silent for 60 s; use less than 55 s",
            config.ping_interval.as_secs()
        );
    }
    if config.trusted_proxies > 0 && config.limits.connections_per_address.is_some() {
        log::warn!(
            "KINGLET_CONNECTIONS_PER_ADDRESS has no effect behind trusted proxies, because all connections are theirs; use KINGLET_SESSIONS_PER_ADDRESS"
        );
    }
    if operations.is_some_and(|address| !address.ip().is_loopback()) {
        log::info!("the port for operations can be reached from elsewhere: it must not face the internet");
    }
}

/// Connects to Redis, if it is configured, with the namespaces that the program declared.
fn join_cluster(
    config: &Config,
    own: &Arc<OwnInstance>,
    handle: &Handle,
    handlers: &Handlers,
) -> Result<Option<Arc<Membership>>> {
    let (server, deserted) = (handle.clone(), handle.clone());
    let sink = move |incoming| receive(&server, incoming);
    Membership::start(config, own, handlers.declared(), sink, move |loss| lost(&deserted, loss))
}

/// Stops the other shards when one ends by an error or a panic, or when one gets no thread: a server with a missing
/// part serves nobody well.
struct StopOthers(Arc<Shared>);

impl Drop for StopOthers {
    fn drop(&mut self) {
        self.0.send_all(|| Letter::Stop);
    }
}

impl Stand {
    fn spawn(self, shared: &Arc<Shared>, handlers: &Arc<Handlers>, index: usize) -> Result<JoinHandle<io::Result<()>>> {
        let (shared, callbacks) = (Arc::clone(shared), Arc::clone(handlers));
        let others = StopOthers(Arc::clone(&shared));
        let run = move || {
            let _others = others;
            EventLoop::new(shared, callbacks, index, self.poll, self.inbox, self.listener, None)?.run()
        };
        let thread = thread::Builder::new().name(format!("kinglet-shard-{index}")).spawn(run);
        thread.map_err(Error::system("cannot start a shard's thread"))
    }
}
