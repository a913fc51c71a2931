//! Signals to the process: SIGTERM drains the server, SIGINT (Ctrl-C) ends it at once.

use std::io::{self, Read};
use std::mem;
use std::rc::Rc;

use mio::net::UnixStream;

use crate::shard::Shard;
use crate::shard::kernel::poll::Poll;
use crate::shard::shared::mailbox::Letter;

/// Pipes that have a byte to read for each arrival of a signal.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: UnixStream,
    interrupt: UnixStream,
    /// Whether SIGTERM has come before.
    terminated: bool,
    interrupted: bool,
}

impl Signals {
    /// Reads the pipes of SIGTERM and SIGINT.
    pub(crate) const fn new(terminate: UnixStream, interrupt: UnixStream) -> Self {
        Self { terminate, interrupt, terminated: false, interrupted: false }
    }

    pub(in crate::shard) fn watch(&mut self, poll: &Poll) -> io::Result<()> {
        poll.watch_signals(&mut self.terminate)?;
        poll.watch_signals(&mut self.interrupt)
    }
}

/// What a signal asks for.
enum Demand {
    Nothing,
    Drain,
    Stop,
    /// To end the process with this code at once.
    Exit(i32),
}

impl Signals {
    /// Reads which signals have come. If both have, SIGINT counts. Signals that came together count as one.
    fn demand(&mut self) -> Demand {
        let (terminate, interrupt) = (has_come(&mut self.terminate), has_come(&mut self.interrupt));
        if interrupt {
            return if mem::replace(&mut self.interrupted, true) { Demand::Exit(0) } else { Demand::Stop };
        }
        if terminate && !self.interrupted {
            return if mem::replace(&mut self.terminated, true) { Demand::Exit(1) } else { Demand::Drain };
        }
        Demand::Nothing
    }
}

impl Shard {
    /// A signal has come.
    pub(in crate::shard) fn signalled(self: &Rc<Self>) {
        let demand = self.signals.borrow_mut().as_mut().map_or(Demand::Nothing, Signals::demand);
        match demand {
            Demand::Nothing => {}
            Demand::Drain => {
                log::info!("stopping: SIGTERM came");
                self.shared.drain_all();
                self.drain();
            }
            Demand::Stop => {
                log::info!("stopping at once: SIGINT came");
                self.shared.send_all(|| Letter::Stop);
                self.stop();
            }
            Demand::Exit(code) => {
                log::warn!("ending at once: a second signal came");
                log::logger().flush();
                std::process::exit(code);
            }
        }
    }
}

/// Empties a pipe. Returns whether there was something to read.
fn has_come(pipe: &mut UnixStream) -> bool {
    let mut has_come = false;
    loop {
        match pipe.read(&mut [0; 16]) {
            Ok(count) if count > 0 => has_come = true,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                log::error!("cannot learn which signal came: {error}");
                return true;
            }
            _ => return has_come,
        }
    }
}
