//! What a server uses, from `/proc` and from its control group.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// CPU used since the start and memory used now, summed over the processes or control groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU seconds in user mode.
    pub user: f64,
    /// CPU seconds in the kernel.
    pub system: f64,
    /// CPU seconds in all where they are counted apart, and exactly: then the two above only say how they divide.
    pub total: Option<f64>,
    /// Resident bytes of the processes.
    pub rss: u64,
    /// Bytes charged to the control groups, those of the kernel included.
    pub memory: Option<u64>,
}

impl Usage {
    /// CPU used from `start` to this: user, and user and system together.
    pub fn cpu_since(&self, start: &Self) -> (f64, f64) {
        let (user, system) = (self.user - start.user, self.system - start.system);
        let sampled = user + system;
        let total = self.total.zip(start.total).map_or(sampled, |(end, start)| end - start);
        (if sampled > 0.0 { total * user / sampled } else { 0.0 }, total)
    }
}

/// Takes samples of a server's processes and control groups.
#[derive(Debug, Clone)]
pub struct Sampler {
    pids: Vec<u32>,
    cgroups: Vec<PathBuf>,
}

impl Sampler {
    /// Samples these; none if both are empty. CPU comes from the control groups if there are any: their counters are
    /// exact, while those of a process advance in hundredths of a second.
    pub fn new(pids: &[u32], cgroups: &[PathBuf]) -> Option<Self> {
        let nothing = pids.is_empty() && cgroups.is_empty();
        (!nothing).then(|| Self { pids: pids.to_vec(), cgroups: cgroups.to_vec() })
    }

    /// What is used now.
    pub fn sample(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for pid in &self.pids {
            let failed = |cause| Error::Measure { what: format!("process {pid}"), cause };
            let (user, system) = process_cpu(&pid.to_string()).map_err(failed)?;
            usage.user += user;
            usage.system += system;
            usage.rss += process_memory(*pid).map_err(failed)?;
        }
        let mut cpu = None;
        for directory in &self.cgroups {
            let failed = |cause| Error::Measure { what: format!("control group {}", directory.display()), cause };
            if let Some((user, system)) = cgroup_cpu(directory).map_err(failed)? {
                let (sum_user, sum_system) = cpu.unwrap_or((0.0, 0.0));
                cpu = Some((sum_user + user, sum_system + system));
            }
            if let Some(nanoseconds) = number(&directory.join("cpuacct.usage")).map_err(failed)? {
                *usage.total.get_or_insert(0.0) += nanoseconds as f64 / 1e9;
            }
            if let Some(memory) = cgroup_memory(directory).map_err(failed)? {
                *usage.memory.get_or_insert(0) += memory;
            }
        }
        if let Some((user, system)) = cpu {
            (usage.user, usage.system) = (user, system);
        }
        Ok(usage)
    }
}

/// CPU seconds of this process so far.
pub fn own_cpu() -> f64 {
    process_cpu("self").map_or(0.0, |(user, system)| user + system)
}

fn process_cpu(process: &str) -> io::Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    cpu_of_stat(&stat).ok_or_else(|| io::Error::other("/proc/PID/stat cannot be read"))
}

/// User and system seconds in the text of `/proc/PID/stat` (fields 14 and 15; the name in field 2 may hold spaces).
fn cpu_of_stat(stat: &str) -> Option<(f64, f64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let mut seconds = || fields.next()?.parse().ok().map(|value: f64| value / ticks);
    Some((seconds()?, seconds()?))
}

fn process_memory(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|text| {
        let text = text.trim().strip_suffix("kB")?;
        text.trim().parse::<u64>().ok()
    });
    Ok(kilobytes.unwrap_or(0) * 1024)
}

/// CPU of a control group: version 2 counts microseconds, version 1 nanoseconds.
fn cgroup_cpu(directory: &Path) -> io::Result<Option<(f64, f64)>> {
    if let Some(stat) = read(&directory.join("cpu.stat"))? {
        let field = |name| {
            let line = stat.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok()).map(|value| value / 1e6)
        };
        if let Some(cpu) = field("user_usec ").zip(field("system_usec ")) {
            return Ok(Some(cpu));
        }
    }
    let user = number(&directory.join("cpuacct.usage_user"))?;
    let system = number(&directory.join("cpuacct.usage_sys"))?;
    Ok(user.zip(system).map(|(user, system)| (user as f64 / 1e9, system as f64 / 1e9)))
}

fn cgroup_memory(directory: &Path) -> io::Result<Option<u64>> {
    match number(&directory.join("memory.current"))? {
        None => number(&directory.join("memory.usage_in_bytes")),
        known => Ok(known),
    }
}

fn number(file: &Path) -> io::Result<Option<u64>> {
    Ok(read(file)?.and_then(|text| text.trim().parse().ok()))
}

/// The text of a file; none if there is no such file.
fn read(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let stat = "1 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 250 50 0 0 20 0";
        assert_eq!(cpu_of_stat(stat), Some((250.0 / ticks, 50.0 / ticks)));
    }

    #[test]
    fn this_process_can_be_sampled() {
        let sampler = Sampler::new(&[std::process::id()], &[]).unwrap();
        assert!(sampler.sample().unwrap().rss > 100_000);
        assert!(Sampler::new(&[], &[]).is_none());
        assert!(Sampler::new(&[u32::MAX], &[]).unwrap().sample().is_err());
    }
}
