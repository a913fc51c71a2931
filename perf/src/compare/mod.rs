//! `perf compare`: every server in turn, each in a cgroup of its own, under the same load.
//!
//! The server has the machine's first core and the load its last. Rounds are interleaved, and where CPU time and the small
//! task are measured all servers do one thing before the first does the next, so that the machine's noise is shared; a
//! figure is the median of its rounds and stands with the least and the greatest. What is written: `perf/RESULTS.md`, plots and the raw figures in `perf/results/`.

mod cgroup;
mod confine;
mod cross;
mod figures;
mod load;
mod measure;
mod parts;
mod plot;
mod redis;
mod report;
mod server;
mod stop;
mod turns;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use confine::run as confine;

use cgroup::{Cgroup, Limits};
use confine::Cores;
use figures::Figures;
use measure::Bench;
use parts::Part;
use server::{Cgroups, Kind, Place};

/// What `perf compare --help` prints.
pub const HELP: &str = "\
perf compare: what kinglet costs, beside other servers and a baseline

Usage: perf compare [--servers LIST] [--parts LIST] [--quick]
       perf compare --redraw

  --servers LIST  kinglet, baseline, node, socketioxide, separated by commas; baseline is measured with one send per
                  message and with one send per turn [kinglet,baseline,node,socketioxide]
  --parts LIST    cpu, memory, small-task, reconnection, cross, separated by commas [all]. If some are left out the
                  tables are printed, and no file is written
  --quick         fewer rounds, for a first look
  --redraw        measures nothing, and draws the plots from perf/results/results.json

Builds and installs what it compares. Needs cargo, npm for node, redis-server for cross (else that is left out), and the
right to make cgroups: without that nothing is limited and the figures come from /proc. Writes perf/RESULTS.md and
perf/results/.
";

/// How often a part is repeated: where CPU time is measured, and where latency and the like are.
#[derive(Clone, Copy)]
struct Rounds {
    cpu: usize,
    latency: usize,
}

/// Compares and writes the results.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Box<dyn Error>> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let (mut kinds, mut rounds) = (Kind::ALL.to_vec(), Rounds { cpu: 5, latency: 3 });
    let mut parts = Part::ALL.to_vec();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("servers") => kinds = servers(&arguments.value()?.string()?)?,
            Long("parts") => parts = parts::named(&arguments.value()?.string()?)?,
            Long("quick") => rounds = Rounds { cpu: 3, latency: 1 },
            Long("redraw") => return report::redraw(&root()?),
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    stop::listen()?;
    let root = root()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let place = Place { root, target, cores: Cores::choose()?, cgroups: cgroups() };
    if place.cgroups == Cgroups::Denied {
        eprintln!("no permission to make cgroups: nothing is limited, and the figures come from /proc");
    }
    let begun = Instant::now();
    let figures = compare(kinds, &parts, rounds, &place)?;
    if parts.len() < Part::ALL.len() {
        print!("{}", report::page(&figures, rounds, &place, begun.elapsed())?);
        return Ok(());
    }
    report::write(&figures, rounds, &place, begun.elapsed())?;
    eprintln!("perf/RESULTS.md and perf/results/ are written");
    Ok(())
}

/// The repository.
fn root() -> Result<PathBuf, &'static str> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.map(Path::to_owned).ok_or("perf has no repository around it")
}

fn compare(mut kinds: Vec<Kind>, parts: &[Part], rounds: Rounds, place: &Place) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::default();
    kinds.retain(|kind| match kind.build(&place.root, &place.target) {
        Ok(()) => true,
        Err(error) => {
            figures.fail(format!("{} is left out: {error}", kind.name()));
            false
        }
    });
    stop::check()?;
    // What is started from here on has the load's core, unless it is told otherwise.
    confine::bind(place.cores.load)?;
    let mut bench = Bench { place, figures };
    for part in parts {
        part.measure(&mut bench, &kinds, rounds)?;
    }
    Ok(bench.figures)
}

fn servers(list: &str) -> Result<Vec<Kind>, String> {
    let mut kinds = Vec::new();
    for name in list.split(',') {
        let kind = Kind::ALL.into_iter().find(|kind| kind.key() == name);
        kinds.push(kind.ok_or_else(|| format!("{name:?} is no server: kinglet, baseline, node, socketioxide"))?);
        if kind == Some(Kind::Baseline) {
            kinds.push(Kind::CoalescingBaseline);
        }
    }
    kinds.sort();
    kinds.dedup();
    Ok(kinds)
}

/// Finds out by making one.
fn cgroups() -> Cgroups {
    match Cgroup::create(&format!("kinglet-perf-{}", std::process::id()), Limits::SmallTask) {
        Ok(cgroup) => Cgroups::Version(cgroup.version()),
        Err(_) => Cgroups::Denied,
    }
}
