//! What a simulation does with the pool: it has no threads, and each job runs when the simulation has it run.

use std::mem;

use super::Pool;
use crate::config::Config;

impl Pool {
    /// Takes jobs as if it had its threads.
    pub(crate) fn pretend(&self, config: &Config) {
        let mut state = self.lock();
        state.queue.most = config.limits.blocking_queue;
        state.queue.most_bytes = config.limits.blocking_queue_bytes;
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    /// Runs a job that may begin: the one with that place among them, or the last.
    pub(crate) fn run_one(&self, place: usize) {
        let taken = self.lock().queue.take_at(place);
        let Some((job, socket)) = taken else { return };
        job();
        socket.into_iter().for_each(|socket| self.lock().queue.ended(socket));
    }

    /// Lets go of all jobs, as the system does when a process ends.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        let (most, most_bytes) = (state.queue.most, state.queue.most_bytes);
        let jobs = mem::take(&mut state.queue);
        (state.queue.most, state.queue.most_bytes) = (most, most_bytes);
        drop(state);
        drop(jobs);
    }
}
