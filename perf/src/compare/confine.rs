//! The step between the comparison and a program it starts: `perf confine` enters the cgroup, takes its core, asks to
//! die with its parent, says that it is ready, and becomes the program. All that the program does happens confined.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::cgroup::Cgroup;

/// The cores of the two sides: the first that this process may use, and the last. On a machine of one core they share it.
#[derive(Clone, Copy)]
pub struct Cores {
    /// Runs the server under test.
    pub server: usize,
    /// Runs the load and the comparison itself.
    pub load: usize,
}

impl Cores {
    /// Chooses among the cores this process may use.
    pub fn choose() -> io::Result<Self> {
        let permitted = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| permitted.is_set(*core));
        let server = cores.next().unwrap_or(0);
        Ok(Self { server, load: cores.next_back().unwrap_or(server) })
    }
}

/// Binds this process, and what it starts from now on, to one core.
pub fn bind(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Starts `program` confined; returns as it begins. Its standard output is kept open and goes nowhere.
pub fn start(
    program: &Command,
    core: usize,
    cgroup: Option<&Cgroup>,
    log: fs::File,
) -> io::Result<(Child, ChildStdout)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("confine").arg(core.to_string());
    command.args(cgroup.map(Cgroup::entrances).unwrap_or_default()).arg("--");
    command.arg(program.get_program()).args(program.get_args());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = program.get_current_dir() {
        command.current_dir(directory);
    }
    // A group of its own: Ctrl-C reaches the comparison alone, which then ends what it started.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn()?;
    let mut stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
    match stdout.read_exact(&mut [0]) {
        Ok(()) => Ok((child, stdout)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

/// What `perf confine` does; returns only if it fails.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Box<dyn Error>> {
    let mut words: Vec<OsString> = arguments.raw_args()?.collect();
    let end = words.iter().position(|word| word == "--").ok_or("no program to start")?;
    let program: Vec<OsString> = words.drain(end..).skip(1).collect();
    let [core, entrances @ ..] = words.as_slice() else { return Err("no core named".into()) };
    let [program, arguments @ ..] = program.as_slice() else { return Err("no program to start".into()) };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    entrances.iter().try_for_each(|entrance| fs::write(Path::new(entrance), "0"))?;
    bind(core.to_str().and_then(|core| core.parse().ok()).ok_or("no core named")?)?;
    io::stdout().write_all(b"\n")?;
    io::stdout().flush()?;
    Err(Command::new(program).args(arguments).exec().into())
}
