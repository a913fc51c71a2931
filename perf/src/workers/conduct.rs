//! From options to a printed result, in as many processes as it takes.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Gate;
use super::leader::Leader;
use crate::commands::{Run, Tally, Verdict};
use crate::error::{Error, Result};
use crate::measure::Sampler;
use crate::options::{Options, Share};
use crate::report::Progress;

/// Descriptors that a process keeps for itself.
const RESERVE: usize = 64;

/// Runs a command: alone, or in several processes whose tallies are added up. Prints the result.
pub fn conduct<T: Tally>(options: &Options, command: impl FnOnce(Run) -> Result<T>) -> Result<ExitCode> {
    let descriptors = raise_descriptors()?;
    let stop = stopped_by_signals()?;
    if options.share.is_some() {
        println!("tally {}", json(&play(options, &stop, command)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let needed = (options.connections * options.transport.sockets()).div_ceil(descriptors - RESERVE);
    let processes = options.processes.unwrap_or(needed).min(options.connections);
    let tally = if processes > 1 {
        // Without a server or with a wrong URL one message is better than one of each process.
        options.target()?;
        Leader::start(processes)?.lead(&stop)?
    } else {
        play(options, &stop, command)?
    };
    let verdict = print(&tally, options)?;
    if stop.load(Ordering::Relaxed) {
        eprintln!("perf: interrupted; the figures are of what was done until then");
    }
    Ok(match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::FAILURE,
    })
}

/// Set when the run is to end early.
fn stopped_by_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(Error::system("a signal handler"))?;
    }
    Ok(stop)
}

/// Plays this process's share of the clients.
fn play<T>(options: &Options, stop: &Arc<AtomicBool>, command: impl FnOnce(Run) -> Result<T>) -> Result<T> {
    let waker = Arc::new(OnceLock::new());
    let (gate, progress) = match options.share {
        Some(_) => (Gate::among(Arc::clone(stop), Arc::clone(&waker)), Progress::to_parent()),
        None => (Gate::alone(), Progress::new()),
    };
    let share = options.share.unwrap_or(Share::WHOLE);
    let sampler = Sampler::new(&options.pids, &options.cgroups).filter(|_| share.index == 0);
    sampler.as_ref().map(Sampler::sample).transpose()?;
    let target = Arc::new(options.target()?);
    command(Run { options: options.clone(), target, share, stop: Arc::clone(stop), gate, sampler, progress, waker })
}

/// Prints the result.
fn print(tally: &impl Tally, options: &Options) -> Result<Verdict> {
    let (report, verdict) = tally.report(options);
    if options.json {
        println!("{}", json(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(verdict)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::System { what: "JSON", cause: error.into() })
}

/// Raises the open-file limit as far as it goes.
fn raise_descriptors() -> Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
        .map_err(|cause| Error::System { what: "the open-file limit", cause: cause.into() })?;
    let descriptors = limit.current.map_or(1 << 20, |limit| limit as usize);
    if descriptors < 2 * RESERVE {
        return Err(Error::Options(format!("an open-file limit of {descriptors} is too low")));
    }
    Ok(descriptors)
}
