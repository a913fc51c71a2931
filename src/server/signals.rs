//! SIGTERM and SIGINT.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::error::{Error, Result};

/// The signals that stop a server, caught from now on.
pub(super) struct Signals {
    terminate: UnixStream,
    interrupt: UnixStream,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: caught(SIGTERM)?, interrupt: caught(SIGINT)? })
    }

    /// Calls `act` when one of the signals arrives. A second one ends the process at once.
    pub(super) fn on_arrival(self, act: impl Fn(&str) + Clone + Send + 'static) -> Result<()> {
        for (name, mut pipe) in [("SIGTERM", self.terminate), ("SIGINT", self.interrupt)] {
            let act = act.clone();
            let wait = move || {
                let mut byte = [0];
                if pipe.read_exact(&mut byte).is_ok() {
                    act(name);
                }
                if pipe.read_exact(&mut byte).is_ok() {
                    log::warn!("ending at once: got {name} again");
                    std::process::exit(1);
                }
            };
            thread::Builder::new()
                .name(format!("kinglet-{}", name.to_lowercase()))
                .stack_size(64 * 1024)
                .spawn(wait)
                .map_err(Error::system("cannot start the signal thread"))?;
        }
        Ok(())
    }
}

/// A pipe that has a byte to read for each arrival of the signal.
fn caught(signal: i32) -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    pipe::register(signal, write)?;
    Ok(read)
}
