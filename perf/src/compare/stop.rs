//! Whether somebody asked for the end: servers, load and cgroups are then put away as on any other error.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How soon a wish to end is noticed.
pub const NOTICE: Duration = Duration::from_millis(20);

/// Listens to Ctrl-C and SIGTERM.
pub fn listen() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&STOP))?;
    }
    Ok(())
}

/// An error once the end was asked for.
pub fn check() -> io::Result<()> {
    // Not `Interrupted`: the standard library tries again at that.
    if STOP.load(Ordering::Relaxed) { Err(io::Error::other("stopped by a signal")) } else { Ok(()) }
}

/// Sleeps, unless the end is asked for.
pub fn pause(time: Duration) -> io::Result<()> {
    let begun = Instant::now();
    while let Some(left) = time.checked_sub(begun.elapsed()) {
        check()?;
        thread::sleep(left.min(NOTICE));
    }
    check()
}
