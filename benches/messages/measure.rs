//! The two ways to count: a thread's CPU time, and the instructions it executes in user mode.
//!
//! CPU time is what the kernel has accounted to the thread, its own work for it included; it varies with whatever else
//! the machine does. Instructions are counted by valgrind's callgrind on a processor that it emulates: they hardly vary,
//! but leave out the kernel. Each count is the difference of two runs, so that what comes before the first step and after
//! the last one is not in it.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::{Case, Thread};

/// Rounds of which the median counts.
pub const ROUNDS: usize = 9;

/// CPU time a round takes at least, in nanoseconds: long beside the few microseconds by which the account is late.
const ROUND: u64 = 100_000_000;

/// The lowest, the median and the highest of all rounds: CPU time of an operation, in nanoseconds.
pub fn nanoseconds(case: &Case) -> io::Result<[f64; 3]> {
    let mut step = (case.prepare)()?;
    let account = account(case.thread)?;
    let mut round = |steps: u64| {
        let before = cpu_time(&account)?;
        for _ in 0..steps {
            step()?;
        }
        Ok::<_, io::Error>(cpu_time(&account)? - before)
    };
    let mut steps = 1;
    while round(steps)? < ROUND {
        steps *= 2;
    }
    let operations = (steps * case.operations) as f64;
    let rounds: io::Result<Vec<f64>> = (0..ROUNDS).map(|_| Ok(round(steps)? as f64 / operations)).collect();
    let mut rounds = rounds?;
    rounds.sort_by(f64::total_cmp);
    Ok([rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]])
}

/// The file in which the kernel keeps a thread's CPU time.
fn account(thread: Thread) -> io::Result<String> {
    if thread == Thread::Main {
        return Ok("/proc/thread-self/schedstat".to_owned());
    }
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim_end() == "kinglet-shard-0" {
            return Ok(task.join("schedstat").to_string_lossy().into_owned());
        }
    }
    Err(io::Error::other("no thread of a shard runs"))
}

/// Nanoseconds so far.
fn cpu_time(account: &str) -> io::Result<u64> {
    // The account of a running thread is brought up to date when it lets go of its core.
    thread::yield_now();
    let account = fs::read_to_string(account)?;
    let time = account.split(' ').next().and_then(|time| time.parse().ok());
    time.ok_or_else(|| io::Error::other("the kernel does not account CPU time"))
}

/// Instructions of an operation.
pub fn instructions(case: &Case) -> Result<f64, Box<dyn Error>> {
    let [few, many] = [case.steps, 3 * case.steps];
    let difference = emulate(case, many)?.saturating_sub(emulate(case, few)?);
    Ok(difference as f64 / ((many - few) * case.operations) as f64)
}

/// Instructions that a case's thread executes from its start to its end, for so many steps.
fn emulate(case: &Case, steps: u64) -> Result<u64, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("instructions-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let counts = folder.join("counts");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--separate-threads=yes"]);
    valgrind.arg(format!("--callgrind-out-file={}", counts.display()));
    valgrind.arg(std::env::current_exe()?).arg(case.name).arg("--steps").arg(steps.to_string());
    let status = valgrind.stdin(Stdio::null()).status().map_err(|error| format!("cannot run valgrind: {error}"))?;
    if !status.success() {
        return Err(format!("the run under valgrind failed: {status}").into());
    }
    // A server of one shard starts one thread.
    let thread = match case.thread {
        Thread::Main => 1,
        Thread::Shard => 2,
    };
    let counts = fs::read_to_string(folder.join(format!("counts-{thread:02}")))?;
    fs::remove_dir_all(&folder)?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals:"));
    Ok(total.ok_or("valgrind wrote no total")?.trim().parse()?)
}
