//! The jobs that wait for a thread of the pool, in the order in which they came. Those of one socket run one at a time, so that
//! its client's events do not overtake each other, and no client keeps more than one thread busy.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;

use crate::engineio::Sid;
use crate::metrics::Limit;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Jobs that wait.
#[derive(Default)]
pub(super) struct Queue {
    /// Those that may begin.
    ready: VecDeque<Waiting>,
    /// For each socket of which one is ready or runs: its later ones.
    behind: HashMap<Sid, VecDeque<Waiting>, FixedState>,
    length: usize,
    /// Bytes that they hold.
    bytes: usize,
    pub(super) most: usize,
    pub(super) most_bytes: usize,
}

/// A job that waits.
pub(super) struct Waiting {
    pub(super) job: Job,
    /// Bytes that it holds.
    size: usize,
    /// The socket that it is about, if its turn matters.
    pub(super) socket: Option<Sid>,
}

impl Queue {
    /// The limit that a job would exceed. If none waits, one of any size fits.
    pub(super) fn exceeded(&self, size: usize) -> Option<Limit> {
        if self.length >= self.most {
            Some(Limit::BlockingQueue)
        } else if self.length > 0 && self.bytes + size > self.most_bytes {
            Some(Limit::BlockingQueueBytes)
        } else {
            None
        }
    }

    pub(super) fn push(&mut self, job: Job, size: usize, socket: Option<Sid>) {
        let waiting = Waiting { job, size, socket };
        self.length += 1;
        self.bytes += size;
        match socket.and_then(|socket| self.behind.get_mut(&socket)) {
            Some(behind) => behind.push_back(waiting),
            None => {
                self.behind.extend(socket.map(|socket| (socket, VecDeque::new())));
                self.ready.push_back(waiting);
            }
        }
    }

    /// The next job that may begin. Whoever runs one of a socket says when it has [`ended`](Self::ended).
    pub(super) fn take(&mut self) -> Option<Waiting> {
        let waiting = self.ready.pop_front()?;
        self.length -= 1;
        self.bytes -= waiting.size;
        Some(waiting)
    }

    /// A job of a socket has ended: its next one may begin, behind those that wait already.
    pub(super) fn ended(&mut self, socket: Sid) {
        match self.behind.get_mut(&socket).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => drop(self.behind.remove(&socket)),
        }
    }

    /// How many wait.
    pub(super) const fn len(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(slot: u32) -> Option<Sid> {
        Some(Sid { instance: [0; 3], shard: 0, slot, random: 0 })
    }

    /// A queue of jobs of these sockets, each as large as its number.
    fn queue(sockets: &[Option<Sid>]) -> Queue {
        let mut queue = Queue { most: 10, most_bytes: 100, ..Queue::default() };
        sockets.iter().enumerate().for_each(|(number, socket)| queue.push(Box::new(|| ()), number, *socket));
        queue
    }

    /// The sizes of the jobs that may begin now.
    fn begin(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.take()).map(|waiting| waiting.size).collect()
    }

    #[test]
    fn jobs_of_one_socket_run_one_at_a_time_and_others_beside_them() {
        let (ada, bob) = (socket(1), socket(2));
        let mut queue = queue(&[ada, ada, None, bob, ada, None]);
        assert_eq!((begin(&mut queue), queue.len()), (vec![0, 2, 3, 5], 2));
        queue.push(Box::new(|| ()), 6, bob);
        for (ends, next) in [(ada, vec![1]), (bob, vec![6]), (ada, vec![4]), (bob, vec![]), (ada, vec![])] {
            queue.ended(ends.unwrap());
            assert_eq!(begin(&mut queue), next);
        }
        assert_eq!((queue.len(), queue.bytes, queue.behind.len()), (0, 0, 0));
    }

    #[test]
    fn what_waits_for_its_turn_counts() {
        let mut queue = queue(&[socket(1); 4]);
        assert_eq!(begin(&mut queue), [0]);
        assert_eq!([queue.exceeded(94), queue.exceeded(95)], [None, Some(Limit::BlockingQueueBytes)]);
        queue.most = 3;
        assert_eq!(queue.exceeded(0), Some(Limit::BlockingQueue));
        assert_eq!(Queue { most: 1, ..Queue::default() }.exceeded(1000), None, "none waits");
    }
}
