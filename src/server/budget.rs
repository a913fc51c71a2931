//! What the machine grants: cores, descriptors, memory.

use std::thread;

use crate::config::{Config, MOST_SHARDS};
use crate::memory::Memory;
use crate::shard::Budget;

/// Descriptors reserved for other uses than clients.
const RESERVE: usize = 256;

/// The part of the memory that may be queued for one client, and its minimum.
const QUEUED_PER_CLIENT_PART: usize = 16;
const QUEUED_PER_CLIENT: usize = 8 * 1024 * 1024;

/// Memory estimated for each connection, including the kernel's share.
const MEMORY_PER_CONNECTION: usize = 6 * 1024;

/// Open files that Apple's systems grant at most, though they call the hard limit endless (`OPEN_MAX` of their headers).
const APPLE: libc::rlim_t = 10_240;

/// Event loops to run: one per granted core. A cgroup's quota counts. Other kernels than Linux give all connections of an
/// address to one listener, so one loop is all that would work there. At most [`MOST_SHARDS`].
pub(super) fn shards(config: &Config) -> usize {
    let granted = || match cfg!(target_os = "linux") {
        true => thread::available_parallelism().map_or(1, usize::from),
        false => 1,
    };
    config.shards.unwrap_or_else(granted).min(MOST_SHARDS)
}

/// The limits that follow from what the machine grants.
pub(super) fn budget(config: &Config) -> Budget {
    let granted = Memory::granted(config.memory);
    let memory = granted.as_ref().map(|memory| memory.limit);
    let descriptors = raise_descriptors();
    let by_descriptors = descriptors - RESERVE.min(descriptors / 8);
    let by_memory = memory.map_or(usize::MAX, |memory| memory / MEMORY_PER_CONNECTION);
    let set = config.limits.max_connections;
    if let Some(set) = set.filter(|set| *set > by_descriptors) {
        log::warn!(
            "KINGLET_MAX_CONNECTIONS is {set}, but the open-file limit of {descriptors} leaves room for {by_descriptors}: raise that limit"
        );
    }
    let max_connections = set.unwrap_or(by_memory).min(by_descriptors);
    let queued = config.limits.queued.unwrap_or_else(|| memory.map_or(usize::MAX, |memory| memory / 4));
    let unfinished = config.limits.unfinished.unwrap_or_else(|| memory.map_or(usize::MAX, |memory| memory / 8));
    let queued_per_client = config.limits.queued_per_client.unwrap_or_else(|| {
        memory.map_or(QUEUED_PER_CLIENT, |memory| memory / QUEUED_PER_CLIENT_PART).max(QUEUED_PER_CLIENT)
    });
    if config.limits.hold_up > queued_per_client {
        log::warn!(
            "KINGLET_HOLD_UP is {}, more than may wait for one client ({queued_per_client}, KINGLET_QUEUED_PER_CLIENT): clients are cut off before they are held up",
            config.limits.hold_up
        );
    }
    let kept = config.limits.sessions_memory.unwrap_or_else(|| memory.map_or(usize::MAX, |memory| memory / 4));
    Budget { memory: granted, max_connections, queued_per_client, queued, kept, unfinished }
}

/// Raises the soft limit of open files to the hard one, and returns the limit in force.
fn raise_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a live `rlimit`. Without raising the limit, many systems allow 1024 files.
    let raised = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 1024;
        }
        let before = limit.rlim_cur;
        let most = if cfg!(target_vendor = "apple") { limit.rlim_max.min(APPLE) } else { limit.rlim_max };
        limit.rlim_cur = most.max(before);
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 { limit.rlim_cur } else { before }
    };
    usize::try_from(raised).unwrap_or(usize::MAX)
}
