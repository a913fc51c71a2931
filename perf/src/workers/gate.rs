//! Where processes wait for each other.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};

use mio::Waker;

/// Opens when all processes have arrived, each time anew.
#[derive(Debug)]
pub enum Gate {
    /// The only process: it waits for nobody.
    Alone(u64),
    /// One of several.
    Among(Receiver<u64>),
}

impl Gate {
    /// The gate of the only process.
    pub const fn alone() -> Self {
        Self::Alone(0)
    }

    /// The gate of one of several, which listens on standard input, sets `stop` when told to, and wakes the loop.
    pub fn among(stop: Arc<AtomicBool>, waker: Arc<OnceLock<Arc<Waker>>>) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let line = line.unwrap_or_default();
                match line.strip_prefix("go ").and_then(|sum| sum.parse().ok()) {
                    Some(sum) => drop(sender.send(sum)),
                    None => break,
                }
                wake(&waker);
            }
            // Told to stop, or the process that would tell is gone.
            stop.store(true, Ordering::Relaxed);
            wake(&waker);
        });
        Self::Among(receiver)
    }

    /// This process has come to the end of a phase, with `number`.
    pub fn arrive(&mut self, number: u64) {
        match self {
            Self::Alone(sum) => *sum = number,
            Self::Among(_) => println!("at {number}"),
        }
    }

    /// The sum of all numbers, once all have arrived.
    pub fn passed(&self) -> Option<u64> {
        match self {
            Self::Alone(sum) => Some(*sum),
            Self::Among(receiver) => receiver.try_recv().ok(),
        }
    }
}

fn wake(waker: &OnceLock<Arc<Waker>>) {
    if let Some(waker) = waker.get() {
        // A loop that cannot be woken looks within half a second.
        let _ = waker.wake();
    }
}
