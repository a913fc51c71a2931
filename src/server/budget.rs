//! What the machine grants: cores, descriptors, memory.

use std::fs;
use std::thread;

use crate::config::Config;
use crate::shard::Budget;

/// Descriptors kept for other things than clients.
const RESERVE: usize = 256;

/// Memory reckoned for each connection, the kernel's share included.
const MEMORY_PER_CONNECTION: usize = 6 * 1024;

/// Event loops to run: as many as cores are granted; a cgroup's quota counts.
pub(super) fn shards(config: &Config) -> usize {
    config.shards.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).min(256)
}

/// The bounds that follow from what the machine grants.
pub(super) fn budget(config: &Config) -> Budget {
    let memory = config.memory.or_else(container_memory);
    let descriptors = raise_descriptors();
    let by_descriptors = descriptors - RESERVE.min(descriptors / 8);
    let by_memory = memory.map_or(usize::MAX, |memory| memory / MEMORY_PER_CONNECTION);
    let max_connections = config.limits.max_connections.unwrap_or(by_descriptors.min(by_memory));
    if max_connections > by_descriptors {
        log::warn!("max_connections is {max_connections}, but the open-file limit is only {descriptors}");
    }
    let queued = config.limits.queued.unwrap_or_else(|| memory.map_or(usize::MAX, |memory| memory / 4));
    Budget { max_connections, queued }
}

/// Raises the soft limit of open files to the hard one; gives the limit in force.
fn raise_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a live `rlimit`. Without raising the limit, many systems allow 1024 files.
    let raised = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 1024;
        }
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 { limit.rlim_cur } else { before }
    };
    usize::try_from(raised).unwrap_or(usize::MAX)
}

/// The container's memory limit, in bytes; `None` if there is none.
fn container_memory() -> Option<usize> {
    /// What cgroup v1 says when there is no limit, and everything near it.
    const UNLIMITED: usize = 1 << 60;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let memory = groups.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path));
    let files = [
        unified.map(|path| format!("/sys/fs/cgroup{path}/memory.max")),
        Some("/sys/fs/cgroup/memory.max".to_owned()),
        memory.map(|path| format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")),
        Some("/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()),
    ];
    let limits = files.into_iter().flatten().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.filter(|limit| *limit < UNLIMITED).min()
}
