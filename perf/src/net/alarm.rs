//! A wake-up to the microsecond: epoll's own timeout is rounded up to milliseconds, which a latency would contain.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Wakes a poll at a given time.
#[derive(Debug)]
pub struct Alarm {
    timer: OwnedFd,
    at: u64,
}

impl Alarm {
    /// An alarm that is not set, and will wake the poll of `registry` with an event of `token`.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer, at: 0 })
    }

    /// Sets it to `at`, nanoseconds of the monotonic clock, in place of what it was set to.
    pub fn set(&mut self, at: u64) -> io::Result<()> {
        if self.at != at {
            let once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
            let time = Itimerspec { it_interval: once, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &time)?;
            self.at = at;
        }
        Ok(())
    }
}
