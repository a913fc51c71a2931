//! From options to a printed result, in as many processes as it takes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Gate;
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
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(Error::system("a signal handler"))?;
    }
    let needed = (options.connections * options.transport.sockets()).div_ceil(descriptors - RESERVE);
    let processes = options.processes.unwrap_or(needed).min(options.connections);
    let tally = match options.share {
        None if processes > 1 => {
            // Without a server or with a wrong URL one message is better than one of each process.
            options.target()?;
            Leader::start(processes)?.lead(&stop)?
        }
        share => {
            let waker = Arc::new(OnceLock::new());
            let (gate, progress) = match share {
                Some(_) => (Gate::among(Arc::clone(&stop), Arc::clone(&waker)), Progress::to_parent()),
                None => (Gate::alone(), Progress::new()),
            };
            let share = share.unwrap_or(Share::WHOLE);
            let sampler = Sampler::new(&options.pids, &options.cgroups).filter(|_| share.index == 0);
            sampler.as_ref().map(Sampler::sample).transpose()?;
            let target = Arc::new(options.target()?);
            command(Run {
                options: options.clone(),
                target,
                share,
                stop: Arc::clone(&stop),
                gate,
                sampler,
                progress,
                waker,
            })?
        }
    };
    if options.share.is_some() {
        println!("tally {}", json(&tally)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (report, verdict) = tally.report(options);
    if options.json {
        println!("{}", json(&report)?);
    } else {
        print!("{}", report.table());
    }
    if stop.load(Ordering::Relaxed) {
        eprintln!("perf: interrupted; the figures are of what was done until then");
    }
    Ok(match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::FAILURE,
    })
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

/// The process that starts the others.
struct Leader {
    children: Vec<Child>,
    lines: Receiver<(usize, Option<String>)>,
}

impl Leader {
    fn start(of: usize) -> Result<Self> {
        let (sender, lines) = channel();
        let mut leader = Self { children: Vec::new(), lines };
        let program = std::env::current_exe().map_err(Error::system("the path of this program"))?;
        for index in 0..of {
            let child = Command::new(&program)
                .args(std::env::args_os().skip(1))
                .arg(format!("--share={index}/{of}"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn();
            let mut child = child.map_err(Error::system("starting a load process"))?;
            let sender: Sender<_> = sender.clone();
            if let Some(output) = child.stdout.take() {
                std::thread::spawn(move || {
                    let lines = BufReader::new(output).lines().map_while(|line| line.ok());
                    lines.map(Some).chain([None]).try_for_each(|line| sender.send((index, line)))
                });
            }
            leader.children.push(child);
        }
        Ok(leader)
    }

    /// Opens the gate whenever all have arrived; the sum of their tallies.
    fn lead<T: Tally>(mut self, stop: &AtomicBool) -> Result<T> {
        let of = self.children.len();
        let mut progress = Progress::new();
        let mut arrived: HashMap<usize, u64> = HashMap::new();
        let mut shown = vec![(0, 0); of];
        let mut tallies: Vec<T> = Vec::new();
        let mut ended = 0;
        let mut told = false;
        while ended < of {
            if stop.load(Ordering::Relaxed) && !told {
                told = true;
                self.tell("stop\n");
            }
            let (index, line) = match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let Some(line) = line else {
                ended += 1;
                if tallies.len() < ended {
                    let status = self.children[index].wait().map_err(Error::system("waiting for a load process"))?;
                    return Err(Error::Worker { index, cause: status.to_string() });
                }
                continue;
            };
            let unreadable = || Error::Worker { index, cause: format!("said {line:?}") };
            match line.split_once(' ').ok_or_else(unreadable)? {
                ("now", rest) => {
                    let mut words = rest.splitn(3, ' ');
                    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0_u64);
                    shown[index] = (number(), number());
                    let sums = shown.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
                    progress.update("all processes", sums.0, Some(sums.1));
                }
                ("at", number) => {
                    arrived.insert(index, number.parse().map_err(|_| unreadable())?);
                    if arrived.len() == of {
                        let sum: u64 = arrived.drain().map(|(_, number)| number).sum();
                        self.tell(&format!("go {sum}\n"));
                    }
                }
                ("tally", text) => tallies.push(serde_json::from_str(text).map_err(|_| unreadable())?),
                _ => return Err(unreadable()),
            }
        }
        progress.clear();
        let mut tallies = tallies.into_iter();
        let mut sum = tallies.next().ok_or(Error::Worker { index: 0, cause: "said nothing".to_owned() })?;
        tallies.for_each(|tally| sum.merge(tally));
        Ok(sum)
    }

    fn tell(&mut self, line: &str) {
        for child in &mut self.children {
            if let Some(input) = &mut child.stdin {
                // One that is gone is noticed by the end of its output.
                let _ = input.write_all(line.as_bytes());
            }
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Those that have ended need no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
