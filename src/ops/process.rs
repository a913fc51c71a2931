//! The system's figures about this process.

use std::fs;

/// Ticks per second in which Linux counts CPU time for programs, on every machine.
const TICKS: f64 = 100.0;

/// What the process uses. An unknown figure is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// CPU time in seconds, including the kernel's for this process.
    pub(super) cpu: f64,
    pub(super) threads: u64,
    /// Open files and sockets.
    pub(super) descriptors: usize,
}

impl Usage {
    /// The current figures.
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

/// The times in user and kernel mode. The program's name may contain blanks; it ends at the last bracket.
fn cpu(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    Some((f64::from(times.next()?.ok()?) + f64::from(times.next()?.ok()?)) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_tells_what_a_process_takes() {
        let usage = Usage::now();
        assert!(usage.memory > 100_000 && usage.threads > 0 && usage.descriptors > 2, "{usage:?}");
    }

    #[test]
    fn times_stand_behind_the_last_bracket() {
        assert_eq!(cpu("1 (a ) b) S 1 1 1 0 -1 4 1 0 0 0 150 50 0 0"), Some(2.0));
    }
}
