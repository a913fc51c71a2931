//! The pool: a few threads for what may block, with a bounded queue.

#[cfg(test)]
mod simulated;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::queue::{Queue, Waiting};
use crate::config::Config;
use crate::engineio::Sid;
use crate::metrics::Limit;

/// Time that blocking handlers have to end when the server stops. Events that still wait after it are dropped.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the pool does not take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Refused {
    /// The server stops.
    Closed,
    /// Too many jobs wait. The `first` of a burst is worth a line in the log.
    Full { limit: Limit, first: bool },
}

/// The threads that run what may block, and the jobs that wait for one.
#[derive(Default)]
pub(crate) struct Pool {
    /// Whether a blocking handler was declared; otherwise no thread is started.
    wanted: AtomicBool,
    state: Mutex<State>,
    /// Something waits, or the pool closes.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue,
    threads: usize,
    /// Whether the last job was refused: a burst is one line in the log.
    refusing: bool,
    /// Once the pool closes: the instant until which waiting jobs may still begin.
    until: Option<Instant>,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A blocking handler was declared.
    pub(in crate::app) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Starts the threads, if a blocking handler was declared.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn start(self: &Arc<Self>, config: &Config) -> io::Result<()> {
        if !self.wanted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut state = self.lock();
        state.queue.most = config.limits.blocking_queue;
        state.queue.most_bytes = config.limits.blocking_queue_bytes;
        for index in 0..config.blocking_threads {
            let pool = Arc::clone(self);
            thread::Builder::new().name(format!("kinglet-blocking-{index}")).spawn(move || pool.work())?;
            state.threads += 1;
        }
        Ok(())
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if let Some(Waiting { job, socket, .. }) = state.queue.take() {
                drop(state);
                job();
                state = self.lock();
                socket.into_iter().for_each(|socket| state.queue.ended(socket));
            } else if state.until.is_some() {
                break;
            } else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.threads -= 1;
        self.ended.notify_all();
    }

    /// Hands a job that holds so many bytes to a thread. Those of one `socket` run one after the other.
    ///
    /// # Errors
    /// If the pool takes no more jobs. The job is dropped.
    pub(in crate::app) fn submit(
        &self,
        size: usize,
        socket: Option<Sid>,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.until.is_some() {
            return Err(Refused::Closed);
        }
        if let Some(limit) = state.queue.exceeded(size, socket) {
            let first = !std::mem::replace(&mut state.refusing, true);
            return Err(Refused::Full { limit, first });
        }
        state.queue.push(Box::new(job), size, socket);
        state.refusing = false;
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Hands a job to a thread that goes on with an earlier one. It is never refused, since there is one at most for each
    /// connection.
    pub(in crate::app) fn go_on(&self, job: impl FnOnce() + Send + 'static) {
        self.lock().queue.push(Box::new(job), 0, None);
        self.work.notify_one();
    }

    /// Takes no more jobs. Waiting ones may still begin, for a while.
    pub(crate) fn close(&self) {
        self.lock().until.get_or_insert_with(|| Instant::now() + STOP_TIMEOUT);
        self.work.notify_all();
    }

    /// Waits until the threads have ended, up to their time limit. Threads that go on longer are left behind.
    pub(crate) fn join(&self) {
        self.close();
        let mut state = self.lock();
        while state.threads > 0 {
            let left = state.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                log::warn!("{} blocking handlers go on, {} events are dropped", state.threads, state.queue.len());
                break;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let dropped = std::mem::take(&mut state.queue);
        drop(state);
        drop(dropped);
    }
}
