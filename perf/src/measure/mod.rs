//! What is measured: latencies here, CPU and memory of the server from outside it.

mod latency;
mod usage;

pub use latency::Latency;
pub use usage::{Sampler, Usage, own_cpu};

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub fn nanoseconds() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
