//! Handles: a server and its namespaces, from any thread.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::broadcast::Broadcast;
use super::outcome::{Outcome, failure};
use crate::app::ask::{Question, collect_all};
use crate::app::base::MissingServers;
use crate::cluster::message::{Answer, Ask};
use crate::cluster::{ClusterMetrics, redis};
use crate::metrics::Metrics;
use crate::shard::{Letter, NamespaceRef, Shared};

/// A handle to the server, for any thread and any time.
///
/// ```no_run
/// let mut server = kinglet::Server::new(kinglet::Config::default())?;
/// let handle = server.handle();
/// std::thread::spawn(move || {
///     for tick in 0.. {
///         std::thread::sleep(std::time::Duration::from_secs(1));
///         handle.of("/").emit("tick", tick).expect("a number is JSON");
///     }
/// });
/// server.run()?;
/// # Ok::<(), kinglet::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle(Arc<OnceLock<Arc<Shared>>>);

impl Handle {
    /// A handle to a server that will start.
    pub(crate) fn early() -> Self {
        Self(Arc::default())
    }

    /// A handle to a server that runs.
    pub(in crate::app) fn started(shared: &Arc<Shared>) -> Self {
        Self(Arc::new(OnceLock::from(Arc::clone(shared))))
    }

    /// Tells a handle that its server has started.
    pub(crate) fn start(&self, shared: &Arc<Shared>) {
        // A server starts once, so nothing is there yet.
        let _ = self.0.set(Arc::clone(shared));
    }

    /// Waits for the server to start, which is about to happen.
    pub(in crate::app) fn wait(&self) -> &Arc<Shared> {
        self.0.wait()
    }

    pub(super) fn shared(&self) -> Option<&Arc<Shared>> {
        self.0.get()
    }

    /// A namespace of the server, to send to. Messages sent before the server has started reach nobody.
    pub fn of(&self, namespace: &str) -> Emitter {
        Emitter { handle: self.clone(), namespace: full_name(namespace) }
    }

    /// Everybody in the namespace `/`: a target, as of [`to`](Self::to), that no room narrows yet.
    pub fn everybody(&self) -> Broadcast {
        self.of("/").everybody()
    }

    /// Shuts the server down gracefully, as SIGTERM does: disconnects the clients, spread over
    /// [`Config::drain`](crate::Config::drain), and then stops. From now on new sessions and `GET /` are answered `503`. Each
    /// client is served until it is disconnected, in a way that makes it connect elsewhere. The sockets' reason is `server
    /// shutting down`. The server stops sooner if no client is left, and no request for a route is under way.
    pub fn drain(&self) {
        if let Some(shared) = self.shared() {
            shared.drain_all();
        }
    }

    /// Stops the server at once, as `io.close()` does in JavaScript, even during a drain: it stops listening, and closes every
    /// session in a way that makes its client connect elsewhere. The sockets' reason is `server shutting down`.
    pub fn close(&self) {
        if let Some(shared) = self.shared() {
            shared.send_all(|| Letter::Stop);
        }
    }

    /// How many clients have a session now, in any namespace or none (`io.engine.clientsCount` in JavaScript).
    pub fn clients_count(&self) -> u64 {
        self.shared().map_or(0, |shared| shared.clients())
    }

    /// The cluster's counters since the server started. `None` without Redis.
    pub fn cluster_metrics(&self) -> Option<ClusterMetrics> {
        Some(self.shared()?.cluster.as_ref()?.metrics())
    }

    /// Whether Redis is available now. `None` if none is configured.
    pub fn redis_state(&self) -> Option<redis::State> {
        Some(self.shared()?.cluster.as_ref()?.redis_state())
    }

    /// The server's counters since it started.
    pub fn metrics(&self) -> Metrics {
        self.shared().map(|shared| Metrics::sum(&shared.metrics)).unwrap_or_default()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("started", &self.shared().is_some()).finish()
    }
}

/// A namespace's name as clients write it. A program may leave out the leading slash.
pub(in crate::app) fn full_name(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

/// A namespace to send to, from any thread.
#[derive(Debug, Clone)]
pub struct Emitter {
    handle: Handle,
    namespace: String,
}

impl Emitter {
    /// Everybody in the namespace: a target, as of [`to`](Self::to), that no room narrows yet.
    pub fn everybody(&self) -> Broadcast {
        let shared = self.handle.shared().map(Arc::clone);
        let key = shared.as_ref().and_then(|shared| shared.directory.find_namespace(&self.namespace));
        Broadcast::new(shared, key.ok_or_else(|| self.namespace.clone()), None)
    }

    /// Collects the names of all rooms of the namespace in the whole cluster, in no particular order; each socket's own room,
    /// named by its id, is among them. Of a namespace that this server does not have, it collects those of others. `receive` is
    /// called with them on one of the server's threads, perhaps before this returns, and not at all if the server stops
    /// meanwhile. See [`MissingServers`] for when they are all.
    pub fn all_rooms<R: Outcome>(
        &self,
        receive: impl FnOnce(Result<Vec<String>, MissingServers<Vec<String>>>) -> R + Send + 'static,
    ) {
        let everybody = self.everybody();
        let Some(shared) = &everybody.shared else { return drop(receive(Ok(Vec::new()))) };
        let question = everybody.cluster().map(|_| Question {
            ask: Ask::Rooms,
            read: |answer, _| match answer {
                Answer::Rooms(rooms) => Some(rooms.into_iter().map(Into::into).collect()),
                _ => None,
            },
        });
        let key = everybody.namespace.as_ref().ok().map(NamespaceRef::key);
        collect_all(
            shared,
            everybody.name(),
            0,
            move |shard| key.map_or_else(Vec::new, |key| shard.with(|core| core.all_rooms(key))),
            question,
            |mut rooms, missing| {
                rooms.sort_unstable();
                rooms.dedup();
                failure(receive(MissingServers::check(rooms, missing)))
            },
        );
    }
}
