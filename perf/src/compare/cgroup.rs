//! A cgroup for one server: what it may use, and what it used.
//!
//! Both versions of cgroups are spoken. Version 1 is preferred where its controllers are mounted, since a machine that
//! mounts them has taken them from version 2.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const MOUNT: &str = "/sys/fs/cgroup";

/// What a server may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Limits {
    /// All of its core.
    None,
    /// A quarter of a vCPU and 512 MB, without swap.
    SmallTask,
}

impl Limits {
    const CPU_QUOTA_MICROS: u32 = 25_000;
    const CPU_PERIOD_MICROS: u32 = 100_000;
    const MEMORY_BYTES: u64 = 512 * 1024 * 1024;
}

/// Where a cgroup's files are.
enum Tree {
    V1 { cpu: PathBuf, cpuacct: PathBuf, memory: PathBuf },
    V2(PathBuf),
}

/// A cgroup, removed when dropped.
pub struct Cgroup {
    tree: Tree,
}

impl Cgroup {
    /// Makes a cgroup of this name; fails where the machine has none or does not permit it.
    pub fn create(name: &str, limits: Limits) -> io::Result<Self> {
        let mount = Path::new(MOUNT);
        let tree = if mount.join("memory/memory.limit_in_bytes").exists() || mount.join("cpuacct").exists() {
            let directory = |controller: &str| mount.join(controller).join(name);
            Tree::V1 { cpu: directory("cpu"), cpuacct: directory("cpuacct"), memory: directory("memory") }
        } else if mount.join("cgroup.controllers").exists() {
            fs::write(mount.join("cgroup.subtree_control"), "+cpu +memory")?;
            Tree::V2(mount.join(name))
        } else {
            return Err(io::Error::new(ErrorKind::NotFound, "no cgroups are mounted"));
        };
        // From here on, what was made is removed if the rest fails.
        let cgroup = Self { tree };
        for directory in cgroup.directories() {
            match fs::create_dir(directory) {
                // Controllers mounted together share a directory.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        if limits == Limits::SmallTask {
            cgroup.limit()?;
        }
        Ok(cgroup)
    }

    /// The version of cgroups, for the report.
    pub fn version(&self) -> u8 {
        match self.tree {
            Tree::V1 { .. } => 1,
            Tree::V2(_) => 2,
        }
    }

    /// Files into which a process writes `0` to enter.
    pub fn entrances(&self) -> Vec<PathBuf> {
        self.directories().iter().map(|directory| directory.join("cgroup.procs")).collect()
    }

    /// The directories whose counters say what was used.
    pub fn counters(&self) -> Vec<&Path> {
        match &self.tree {
            Tree::V1 { cpuacct, memory, .. } => vec![cpuacct, memory],
            Tree::V2(directory) => vec![directory],
        }
    }

    /// The directories of the cgroup, one for each hierarchy it lies in.
    fn directories(&self) -> Vec<&Path> {
        match &self.tree {
            Tree::V1 { cpu, cpuacct, memory } => vec![cpu, cpuacct, memory],
            Tree::V2(directory) => vec![directory],
        }
    }

    fn limit(&self) -> io::Result<()> {
        let (quota, period, bytes) = (Limits::CPU_QUOTA_MICROS, Limits::CPU_PERIOD_MICROS, Limits::MEMORY_BYTES);
        match &self.tree {
            Tree::V1 { cpu, memory, .. } => {
                fs::write(cpu.join("cpu.cfs_period_us"), period.to_string())?;
                fs::write(cpu.join("cpu.cfs_quota_us"), quota.to_string())?;
                fs::write(memory.join("memory.limit_in_bytes"), bytes.to_string())
            }
            Tree::V2(directory) => {
                fs::write(directory.join("cpu.max"), format!("{quota} {period}"))?;
                fs::write(directory.join("memory.max"), bytes.to_string())?;
                match fs::write(directory.join("memory.swap.max"), "0") {
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in self.directories() {
            // A process that was just killed leaves a moment later.
            for _ in 0..200 {
                match fs::remove_dir(directory) {
                    Err(error) if error.kind() == ErrorKind::ResourceBusy => thread::sleep(Duration::from_millis(10)),
                    _ => break,
                }
            }
        }
    }
}
