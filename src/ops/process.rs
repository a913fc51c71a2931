//! What the system says of this process.

use std::fs;

/// Ticks of a second in which Linux counts CPU time for programs, on every machine there is.
const TICKS: f64 = 100.0;

/// What the process takes. What the system does not say is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// CPU time in seconds, the kernel's for it included.
    pub(super) cpu: f64,
    pub(super) threads: u64,
    /// Open files and sockets.
    pub(super) descriptors: usize,
}

impl Usage {
    /// As it is now.
    pub(super) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let number = |name: &str| line(name).split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Self {
            memory: number("VmRSS:") * 1024,
            cpu: fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu(&stat)).unwrap_or(0.0),
            threads: number("Threads:"),
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        }
    }
}

/// The times in user and kernel mode. The program's name, which may hold blanks, ends at the last bracket.
fn cpu(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    Some((f64::from(times.next()?.ok()?) + f64::from(times.next()?.ok()?)) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_a_process_takes() {
        let usage = Usage::now();
        assert!(usage.memory > 100_000 && usage.threads > 0 && usage.descriptors > 2, "{usage:?}");
        assert_eq!(cpu("1 (a ) b) S 1 1 1 0 -1 4 1 0 0 0 150 50 0 0"), Some(2.0));
    }
}
