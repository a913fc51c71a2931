//! The jobs that wait for a thread of the pool, in the order in which they came. Those of one socket run one at a time, so that
//! its client's events do not overtake each other, and no client keeps more than one thread busy.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;

use crate::engineio::Sid;
use crate::metrics::Limit;

/// The part of the queue that the events of one socket may take, so that its client cannot have those of others refused.
const SHARE: usize = 4;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Jobs that wait.
#[derive(Default)]
pub(super) struct Queue {
    /// Those that may begin.
    ready: VecDeque<Waiting>,
    /// For each socket of which one is ready or runs: its later ones.
    behind: HashMap<Sid, Behind, FixedState>,
    length: usize,
    /// Bytes that they hold.
    bytes: usize,
    pub(super) most: usize,
    pub(super) most_bytes: usize,
}

/// The later jobs of a socket.
#[derive(Default)]
struct Behind {
    jobs: VecDeque<Waiting>,
    bytes: usize,
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
    /// The limit that a job would exceed, of all or of its socket. If none waits, one of any size fits.
    pub(super) fn exceeded(&self, size: usize, socket: Option<Sid>) -> Option<Limit> {
        let exceeds = |length: usize, bytes: usize, share: usize| {
            if length >= self.most.div_ceil(share) {
                Some(Limit::BlockingQueue)
            } else if length > 0 && bytes + size > self.most_bytes / share {
                Some(Limit::BlockingQueueBytes)
            } else {
                None
            }
        };
        let behind = socket.and_then(|socket| self.behind.get(&socket));
        let own = || behind.and_then(|behind| exceeds(behind.jobs.len(), behind.bytes, SHARE));
        exceeds(self.length, self.bytes, 1).or_else(own)
    }

    pub(super) fn push(&mut self, job: Job, size: usize, socket: Option<Sid>) {
        let waiting = Waiting { job, size, socket };
        self.length += 1;
        self.bytes += size;
        match socket.and_then(|socket| self.behind.get_mut(&socket)) {
            Some(behind) => {
                behind.bytes += size;
                behind.jobs.push_back(waiting);
            }
            None => {
                self.behind.extend(socket.map(|socket| (socket, Behind::default())));
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

    /// The one with that place among those that may begin, or the last of them, and its socket.
    #[cfg(test)]
    pub(super) fn take_at(&mut self, place: usize) -> Option<(Job, Option<Sid>)> {
        let Waiting { job, size, socket } = self.ready.remove(place.min(self.ready.len().checked_sub(1)?))?;
        self.length -= 1;
        self.bytes -= size;
        Some((job, socket))
    }

    /// A job of a socket has ended: its next one may begin, behind those that wait already.
    pub(super) fn ended(&mut self, socket: Sid) {
        let Some(behind) = self.behind.get_mut(&socket) else { return };
        if let Some(next) = behind.jobs.pop_front() {
            behind.bytes -= next.size;
            self.ready.push_back(next);
        } else {
            self.behind.remove(&socket);
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
        assert_eq!([94, 95].map(|size| queue.exceeded(size, None)), [None, Some(Limit::BlockingQueueBytes)]);
        queue.most = 3;
        assert_eq!(queue.exceeded(0, None), Some(Limit::BlockingQueue));
        assert_eq!(Queue { most: 1, ..Queue::default() }.exceeded(1000, None), None, "none waits");
    }

    #[test]
    fn a_socket_has_a_part_of_the_queue() {
        let (ada, bob) = (socket(1), socket(2));
        let mut queue = queue(&[ada, ada, ada]);
        assert_eq!([22, 23].map(|size| queue.exceeded(size, ada)), [None, Some(Limit::BlockingQueueBytes)]);
        assert_eq!([queue.exceeded(90, bob), queue.exceeded(90, None)], [None, None]);
        queue.most = 8;
        assert_eq!([queue.exceeded(0, ada), queue.exceeded(0, bob)], [Some(Limit::BlockingQueue), None]);
        assert_eq!(begin(&mut queue), [0]);
        queue.ended(ada.unwrap());
        assert_eq!([queue.exceeded(23, ada), queue.exceeded(24, ada)], [None, Some(Limit::BlockingQueueBytes)]);
    }
}
