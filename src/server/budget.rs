//! What the machine grants: cores, descriptors, memory.

use std::fs;
use std::path::Path;
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

/// The memory that the server may use, in bytes; `None` if nothing says how much that is.
pub(super) fn memory(config: &Config) -> Option<usize> {
    config.memory.or_else(granted_memory)
}

/// The bounds that follow from what the machine grants.
pub(super) fn budget(config: &Config) -> Budget {
    let memory = memory(config);
    let descriptors = raise_descriptors();
    let by_descriptors = descriptors - RESERVE.min(descriptors / 8);
    let by_memory = memory.map_or(usize::MAX, |memory| memory / MEMORY_PER_CONNECTION);
    let max_connections = config.limits.max_connections.unwrap_or(by_descriptors.min(by_memory));
    if max_connections > by_descriptors {
        log::warn!("max_connections is {max_connections}, but the open-file limit is only {descriptors}");
    }
    let queued = config.limits.queued.unwrap_or_else(|| memory.map_or(usize::MAX, |memory| memory / 4));
    let unfinished = config.limits.unfinished.unwrap_or_else(|| memory.map_or(usize::MAX, |memory| memory / 8));
    Budget { max_connections, queued, unfinished }
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

/// The container's memory limit, or the machine's memory if that is less, in bytes; `None` if the system says neither.
fn granted_memory() -> Option<usize> {
    [container_memory(), machine_memory()].into_iter().flatten().min()
}

/// The least limit among the control group of this process and those around it.
fn container_memory() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let memory = groups.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path));
    let version_2 = unified.into_iter().flat_map(|path| files("/sys/fs/cgroup", path, "memory.max"));
    let version_1 = memory.into_iter().flat_map(|path| files("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    // Without a limit, version 2 says `max`, and version 1 a number that no machine has.
    version_2.chain(version_1).filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

/// The same file of a group and of all groups around it.
fn files(root: &str, group: &str, file: &str) -> impl Iterator<Item = String> {
    Path::new(group).ancestors().map(move |group| format!("{root}{}/{file}", group.display()))
}

fn machine_memory() -> Option<usize> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: usize = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_around_one_bound_it_too() {
        let all: Vec<_> = files("/sys/fs/cgroup", "/task/container", "memory.max").collect();
        let expected = ["/task/container/memory.max", "/task/memory.max", "//memory.max"];
        assert_eq!(all, expected.map(|file| format!("/sys/fs/cgroup{file}")));
    }

    #[test]
    fn there_is_a_bound_without_a_container_too() {
        let granted = granted_memory().expect("every Linux says how much memory it has");
        assert!(granted > 0 && granted <= machine_memory().expect("MemTotal"));
    }
}
