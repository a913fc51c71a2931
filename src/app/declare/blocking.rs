//! A pool of a few threads for handlers that block, with a bounded queue.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use super::failures::Failures;
use super::socket::Socket;
use crate::app::base::{Failure, Fault, HandlerError, catch};
use crate::app::send::{Event, SocketHandle};
use crate::config::Config;
use crate::log_line::LineKind;
use crate::metrics::Limit;

/// Time that blocking handlers have to end when the server stops. Events that still wait after it are dropped.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

static REFUSED: LineKind = LineKind::new(Level::Warn, module_path!(), "refused events of blocking handlers");

/// A handler that may block.
pub(super) struct BlockingHandler<H> {
    pub(super) handler: H,
    /// What becomes of events for which it fails.
    pub(super) failures: Arc<Failures>,
}

impl<H: Fn(&SocketHandle, &Event) -> Failure> BlockingHandler<H> {
    fn run(&self, socket: &SocketHandle, event: &Event) {
        if let Some(error) = catch(|| (self.handler)(socket, event)) {
            let fault = Fault::from(&error);
            self.failures.answer(socket, event, error);
            socket.record(event.name().to_owned(), fault);
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Why the pool does not take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Refused {
    /// The server stops.
    Closed,
    /// Too many jobs wait. The `first` of a burst is worth a line in the log.
    Full { limit: Limit, first: bool },
}

/// The threads that run blocking handlers, and the events that wait for one.
#[derive(Default)]
pub(crate) struct Pool {
    /// Whether a blocking handler was declared; otherwise no thread is started.
    wanted: AtomicBool,
    queue: Mutex<Queue>,
    /// Something waits, or the pool closes.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Job, usize)>,
    /// Bytes of the events that wait.
    bytes: usize,
    most: usize,
    most_bytes: usize,
    threads: usize,
    /// Whether the last event was refused: a burst is one line in the log.
    refusing: bool,
    /// Once the pool closes: the instant until which waiting events may still begin.
    until: Option<Instant>,
}

impl Queue {
    fn take(&mut self) -> Option<Job> {
        let (job, size) = self.jobs.pop_front()?;
        self.bytes -= size;
        Some(job)
    }

    /// The limit that an event would exceed. If none waits, an event of any size fits.
    fn exceeded(&self, size: usize) -> Option<Limit> {
        if self.jobs.len() >= self.most {
            Some(Limit::BlockingQueue)
        } else if !self.jobs.is_empty() && self.bytes + size > self.most_bytes {
            Some(Limit::BlockingQueueBytes)
        } else {
            None
        }
    }
}

impl Pool {
    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut queue = self.lock_queue();
        queue.most = config.limits.blocking_queue;
        queue.most_bytes = config.limits.blocking_queue_bytes;
        for index in 0..config.blocking_threads {
            let pool = Arc::clone(self);
            thread::Builder::new().name(format!("kinglet-blocking-{index}")).spawn(move || pool.work())?;
            queue.threads += 1;
        }
        Ok(())
    }

    fn work(&self) {
        let mut queue = self.lock_queue();
        loop {
            if queue.until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if let Some(job) = queue.take() {
                drop(queue);
                job();
                queue = self.lock_queue();
            } else if queue.until.is_some() {
                break;
            } else {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
        queue.threads -= 1;
        self.ended.notify_all();
    }

    /// Hands a job that holds so many bytes to a thread.
    ///
    /// # Errors
    /// If the pool takes no more jobs. The job is dropped.
    pub(in crate::app) fn submit(&self, size: usize, job: impl FnOnce() + Send + 'static) -> Result<(), Refused> {
        let mut queue = self.lock_queue();
        if queue.until.is_some() {
            return Err(Refused::Closed);
        }
        if let Some(limit) = queue.exceeded(size) {
            let first = !std::mem::replace(&mut queue.refusing, true);
            return Err(Refused::Full { limit, first });
        }
        queue.bytes += size;
        queue.jobs.push_back((Box::new(job), size));
        queue.refusing = false;
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    /// Hands a job to a thread that goes on with an earlier one. It is never refused, since there is one at most for each
    /// connection.
    pub(in crate::app) fn go_on(&self, job: impl FnOnce() + Send + 'static) {
        self.lock_queue().jobs.push_back((Box::new(job), 0));
        self.work.notify_one();
    }

    /// Hands an event to a thread, or refuses it, so that its handler never hears it.
    pub(super) fn dispatch<H: Fn(&SocketHandle, &Event) -> Failure + Send + Sync + 'static>(
        &self,
        socket: &Socket,
        event: &Event,
        handler: &Arc<BlockingHandler<H>>,
    ) {
        let spare = event.spare_ack();
        let (handle, own, runs) = (socket.handle_with_data(), event.to_owned(), Arc::clone(handler));
        let size = own.name().len()
            + own.raw().len()
            + own.attachments().iter().map(bytes::Bytes::len).sum::<usize>()
            + handle.bytes();
        let result = self.submit(size, move || runs.run(&handle, &own));
        let Err(Refused::Full { limit, first }) = result else { return };
        event.set_ack(spare);
        handler.failures.answer(&socket.handle(), event, HandlerError::new("the server is busy: try again later"));
        socket.count_refused(limit);
        if first {
            REFUSED.write(|| {
                format!(
                    "an event for a blocking handler was refused, and so will be others: the threads are busy ({limit}; {})",
                    socket.describe()
                )
            });
        }
    }

    /// Takes no more events. Waiting ones may still begin, for a while.
    pub(crate) fn close(&self) {
        self.lock_queue().until.get_or_insert_with(|| Instant::now() + STOP_TIMEOUT);
        self.work.notify_all();
    }

    /// Waits until the threads have ended, up to their time limit. Threads that go on longer are left behind.
    pub(crate) fn join(&self) {
        self.close();
        let mut queue = self.lock_queue();
        while queue.threads > 0 {
            let left = queue.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                log::warn!("{} blocking handlers go on, {} events are dropped", queue.threads, queue.jobs.len());
                break;
            }
            queue = self.ended.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let dropped = std::mem::take(&mut queue.jobs);
        drop(queue);
        drop(dropped);
    }
}
