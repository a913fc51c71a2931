//! The port for operations: health and readiness, metrics, a page that shows them, and publishing over HTTP.
//!
//! It is off unless [`Config::ops_port`](crate::Config::ops_port) is set; then nothing of it exists. No listener, thread or
//! counter of a shard serves it, except two histograms: while the port is open, a shard reads the clock twice a turn and
//! twice an event. Its runtime is `may`: one worker thread and one for its timers, started by the first server that has the
//! port and shared by the whole process.
//!
//! Requests pass two stations:
//!
//! - The [`gate`] listens. It limits connections, times, heads and bodies with the parser of the public port, and takes one
//!   request per connection.
//! - The [`relay`] repeats what the gate lets through, in three headers, to the [`service`]: a `may_minihttp` server on a
//!   loopback port that requires a secret known only to the gate.
//!
//! So `may_minihttp` never meets a client. It reads heads of any length, panics at a `Content-Length` that is not a number,
//! takes at most 16 headers (a browser behind a balancer sends more), and opens its own listener. One thing is left open: a
//! process in the same network namespace can connect to the service's port, and gets 403.
//!
//! The [`census`] asks each shard by a letter. An answer proves that the loop turns, so nothing ticks in a shard for this, and
//! clients are counted only when somebody asks. A loop with eight unanswered questions gets no more of them. A worker never
//! waits for a shard: `POST` is refused while a mailbox is full.

mod census;
mod disconnect;
mod emit;
mod exposition;
mod families;
mod gate;
mod health;
mod process;
mod ready;
mod relay;
mod request;
mod routes;
mod service;
mod status;
mod targets;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use may::coroutine::JoinHandle;

use crate::app::Handle;
use crate::error::{Error, Result};
use crate::metrics::ShardMetrics;
use crate::shard::{Shared, probe};

/// Coroutines kept for the next connections.
const POOL: usize = 4;

/// Stack of a coroutine, in words: 1 MiB of addresses; only touched pages become memory.
const STACK: usize = 128 * 1024;

/// The server, as the port for operations sees it.
struct Subject {
    shared: Arc<Shared>,
    handle: Handle,
    /// Bytes that the process may use.
    memory_limit: Option<usize>,
    started: Instant,
    questions: census::Questions,
}

impl Subject {
    /// The counters of the port itself.
    fn metrics(&self) -> Option<&Arc<ShardMetrics>> {
        self.shared.metrics.last()
    }
}

/// The open port for operations. It closes when this is dropped; requests that it has begun to answer are still
/// answered.
pub(crate) struct Operations {
    address: SocketAddr,
    listeners: [JoinHandle<()>; 2],
}

impl Operations {
    /// Opens the port, if it is configured.
    ///
    /// # Errors
    /// If it cannot listen on the address, or the system has no random numbers.
    pub(crate) fn start(shared: &Arc<Shared>, handle: &Handle, memory_limit: Option<usize>) -> Result<Option<Self>> {
        let config = &shared.config;
        let Some(port) = config.ops_port else { return Ok(None) };
        let address = SocketAddr::new(config.ops_address, port);
        prepare_runtime();
        let listening = |source| Error::Listen { address, source };
        // That runtime's listeners would share their address with other processes.
        probe(address).map_err(listening)?;
        let listener = may::net::TcpListener::bind(address).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let secret = token::Secret::random().map_err(Error::system("cannot draw random numbers"))?;
        let subject = Subject {
            shared: Arc::clone(shared),
            handle: handle.clone(),
            memory_limit,
            started: Instant::now(),
            questions: census::Questions::new(shared.mailboxes.len()),
        };
        let subject = Arc::new(subject);
        let (service, backend) = service::start(&subject, &secret)
            .map_err(Error::system("cannot listen on the loopback for the port for operations"))?;
        let gate = gate::start(listener, &subject, relay::Relay::new(backend, secret));
        Ok(Some(Self { address, listeners: [gate, service] }))
    }

    /// Its address.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        for listener in &self.listeners {
            // SAFETY: a cancelled coroutine unwinds where it waits. These two wait in `accept` and hold nothing there but
            // their listener, which is what is to be closed.
            unsafe { listener.coroutine().cancel() };
        }
    }
}

/// Longest sleep of the worker, in nanoseconds: 5 s. By default it wakes a hundred times a second for nothing.
const SLEEP: u64 = 5_000_000_000;

/// Configures the runtime before its first use starts it.
fn prepare_runtime() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        may::config().set_workers(1).set_pool_capacity(POOL).set_stack_size(STACK).set_worker_pin(false);
        may::config().set_timeout_ns(SLEEP);
    });
}
