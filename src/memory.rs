//! The memory that this process is granted, and how much of it is in use: by its control group, of version 1 or 2, or
//! by the machine. A control group also counts the kernel's memory, that of sockets included.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes that are read of a kernel file; the wanted value is near its beginning.
const FILE: usize = 4096;

/// What the allocator takes for an allocation of a length that somebody else chose. glibc adds eight bytes and rounds
/// up to multiples of 16, at least 32. No bytes need no allocation.
pub(crate) const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=24 => 32,
        _ => bytes.saturating_add(8).next_multiple_of(16),
    }
}

/// A limit, and a gauge that shows how near it is.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Bytes that may be used.
    pub(crate) limit: usize,
    gauge: Gauge,
}

/// Where the use can be read.
#[derive(Debug)]
enum Gauge {
    /// Of all processes of the control group, including its kernel memory. `reclaimable` names the entry in
    /// `statistics` of what the kernel drops before it kills a process.
    Group { usage: File, statistics: File, reclaimable: &'static str },
    /// Of this process only: no group has a limit.
    Process { status: File },
    /// As much as a test says.
    #[cfg(test)]
    Simulated(Arc<AtomicUsize>),
}

impl Memory {
    /// The granted memory: `set` if given, otherwise that of the control group or the machine, whichever is less.
    /// `None` if the system tells neither, or not the use.
    pub(crate) fn granted(set: Option<usize>) -> Option<Self> {
        let machine = machine_memory();
        let group = Group::tightest().filter(|group| machine.is_none_or(|machine| group.limit < machine));
        let limit = set.or(group.as_ref().map(|group| group.limit)).or(machine)?;
        let gauge = match group {
            Some(group) => group.version.gauge(&group.directory),
            None => File::open("/proc/self/status").map(|status| Gauge::Process { status }),
        };
        Some(Self { limit, gauge: gauge.ok()? })
    }

    /// Bytes in use. From `matters` on, bytes that the kernel would drop when necessary are read, too, and subtracted.
    pub(crate) fn in_use(&self, matters: usize) -> Option<usize> {
        match &self.gauge {
            Gauge::Group { usage, statistics, reclaimable } => {
                let used = read(usage).ok()?.trim().parse().ok()?;
                if used < matters {
                    return Some(used);
                }
                Some(used.saturating_sub(field(&read(statistics).ok()?, reclaimable)?))
            }
            Gauge::Process { status } => field(&read(status).ok()?, "VmRSS:").map(|kibibytes| kibibytes * 1024),
            #[cfg(test)]
            Gauge::Simulated(used) => Some(used.load(Ordering::Relaxed)),
        }
    }

    /// A limit, and a use that a test sets.
    #[cfg(test)]
    pub(crate) const fn simulated(limit: usize, used: Arc<AtomicUsize>) -> Self {
        Self { limit, gauge: Gauge::Simulated(used) }
    }
}

/// A control group that limits this process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    limit: usize,
    directory: PathBuf,
    version: Version,
}

/// The names of a group's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The group's limit. Without one, version 2 says `max`, and version 1 a number that no machine has.
    fn limit(self, directory: &Path) -> Option<usize> {
        let name = match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        };
        fs::read_to_string(directory.join(name)).ok()?.trim().parse().ok()
    }

    fn gauge(self, directory: &Path) -> io::Result<Gauge> {
        let (usage, reclaimable) = match self {
            Self::One => ("memory.usage_in_bytes", "total_inactive_file"),
            Self::Two => ("memory.current", "inactive_file"),
        };
        let open = |name| File::open(directory.join(name));
        Ok(Gauge::Group { usage: open(usage)?, statistics: open("memory.stat")?, reclaimable })
    }
}

impl Group {
    /// The one with the lowest limit among the group of this process and those around it.
    fn tightest() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let memory = groups.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path));
        let two = unified.into_iter().flat_map(|group| around("/sys/fs/cgroup", group));
        let one = memory.into_iter().flat_map(|group| around("/sys/fs/cgroup/memory", group));
        two.map(|directory| (directory, Version::Two))
            .chain(one.map(|directory| (directory, Version::One)))
            .filter_map(|(directory, version)| Some(Self { limit: version.limit(&directory)?, directory, version }))
            .min_by_key(|group| group.limit)
    }
}

/// The directories of a group and of all groups around it.
fn around(root: &str, group: &str) -> impl Iterator<Item = PathBuf> {
    Path::new(group).ancestors().map(move |group| PathBuf::from(format!("{root}{}", group.display())))
}

fn machine_memory() -> Option<usize> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    field(&memory, "MemTotal:").map(|kibibytes| kibibytes * 1024)
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<usize> {
    let mut words = text.lines().map(str::split_whitespace).find_map(|mut words| {
        let found = words.next() == Some(name);
        found.then_some(words)
    })?;
    words.next()?.parse().ok()
}

/// The beginning of a kernel file, read now.
fn read(file: &File) -> io::Result<String> {
    let mut bytes = [0; FILE];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_allocator_takes_is_never_less_than_it_is_asked_for() {
        assert_eq!([0, 1, 24, 25, 40, 41].map(allocated), [0, 32, 32, 48, 48, 64]);
        assert!((1..1000).all(|bytes| allocated(bytes) >= bytes + 8));
    }

    #[test]
    fn the_groups_around_one_bound_it_too() {
        let all: Vec<_> = around("/sys/fs/cgroup", "/task/container").collect();
        assert_eq!(all, ["/task/container", "/task", "/"].map(|group| PathBuf::from(format!("/sys/fs/cgroup{group}"))));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_a_bound_without_a_container_too() {
        let memory = Memory::granted(None).expect("every Linux says how much memory it has");
        assert!(memory.limit > 0 && memory.limit <= machine_memory().expect("MemTotal"));
        assert!(memory.in_use(usize::MAX).is_some_and(|used| used > 1 << 16), "{memory:?}");
        assert_eq!(Memory::granted(Some(7)).expect("a bound").limit, 7);
    }

    #[test]
    fn what_the_kernel_would_drop_is_left_out_where_it_matters() {
        let directory = std::env::temp_dir().join(format!("kinglet-memory-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a new directory");
        let statistics = "cache 9\nactive_file 5\ninactive_file 300\ntotal_inactive_file 400\n";
        let files = [
            ("memory.limit_in_bytes", "5000\n"),
            ("memory.max", "max\n"),
            ("memory.usage_in_bytes", "1000\n"),
            ("memory.current", "1000\n"),
            ("memory.stat", statistics),
        ];
        for (name, content) in files {
            fs::write(directory.join(name), content).expect("a new file");
        }
        assert_eq!([Version::One, Version::Two].map(|version| version.limit(&directory)), [Some(5000), None]);
        for (version, left) in [(Version::One, 600), (Version::Two, 700)] {
            let memory = Memory { limit: 5000, gauge: version.gauge(&directory).expect("its files") };
            assert_eq!([memory.in_use(1001), memory.in_use(1000)], [Some(1000), Some(left)]);
        }
        fs::remove_dir_all(&directory).expect("the directory goes");
    }
}
