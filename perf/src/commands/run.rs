//! What every command has at hand while it runs, and what it gives at its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use mio::Waker;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::Result;
use crate::measure::{Sampler, Usage, own_cpu};
use crate::net::{Sources, Target};
use crate::options::{Options, Share};
use crate::report::{Progress, Report};
use crate::workers::Gate;

/// Whether what was to be shown was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Passed,
    /// Exit code 1.
    Failed,
}

/// What one process counted; those of several processes add up.
pub trait Tally: Serialize + DeserializeOwned {
    /// Adds what another process counted.
    fn merge(&mut self, other: Self);

    /// The result.
    fn report(&self, options: &Options) -> (Report, Verdict);
}

/// The surroundings of a command in one process.
pub struct Run {
    /// The command line.
    pub options: Options,
    /// The server.
    pub target: Arc<Target>,
    /// Which part of the clients this process plays.
    pub share: Share,
    /// Set when the run is to end early.
    pub stop: Arc<AtomicBool>,
    /// Where processes wait for each other.
    pub gate: Gate,
    /// Measures the server; in one of the processes only.
    pub sampler: Option<Sampler>,
    /// Shows how far the run is.
    pub progress: Progress,
    /// Where the gate finds what wakes the loop.
    pub waker: Arc<OnceLock<Arc<Waker>>>,
}

impl Run {
    /// The index of this process's first client, and how many it plays.
    pub const fn part(&self) -> (usize, usize) {
        self.share.part(self.options.connections)
    }

    /// The event loop with this process's clients.
    pub fn engine(&self, sources: Sources) -> Result<Engine> {
        let engine = Engine::new(&self.options, &self.target, self.part().1, sources)?;
        // Set once: a process has one loop.
        let _ = self.waker.set(engine.waker());
        Ok(engine)
    }

    /// Addresses enough for all clients, of this process and the others.
    pub const fn sources(&self) -> Sources {
        Sources::for_connections(self.options.connections * self.options.transport.sockets())
    }

    /// Whether the run is to end early.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether all processes have come to the end of the phase, or the run is to end early.
    pub fn may_go_on(&self) -> bool {
        self.is_stopped() || self.gate.passed().is_some()
    }

    /// What the server uses now; none if it is not measured here, or is gone.
    pub fn sample(&self) -> Option<Usage> {
        self.sampler.as_ref().and_then(|sampler| sampler.sample().ok())
    }
}

/// CPU over a phase.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The server at the phase's begin and end, in the process that measures it.
    pub server: Option<(Usage, Usage)>,
    /// CPU seconds of the load generator.
    pub generator: f64,
}

impl Measured {
    /// Adds what another process measured.
    pub fn merge(&mut self, other: Self) {
        self.server = self.server.or(other.server);
        self.generator += other.generator;
    }
}

/// Measures a phase.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    server: Option<Usage>,
    generator: f64,
}

impl Meter {
    /// The phase begins.
    pub fn begin(run: &Run) -> Self {
        Self { server: run.sample(), generator: own_cpu() }
    }

    /// The phase has ended.
    pub fn end(self, run: &Run) -> Measured {
        Measured { server: self.server.zip(run.sample()), generator: own_cpu() - self.generator }
    }
}
