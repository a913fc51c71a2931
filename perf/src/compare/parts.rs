//! The parts of the comparison, in their order; each measures all servers in turn.

use std::error::Error;
use std::time::Instant;

use super::Rounds;
use super::cross::Ask;
use super::measure::Bench;
use super::redis::Redis;
use super::server::Kind;
use super::stop;

/// A part, which may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// CPU time for each thing a server does.
    Cpu,
    /// Memory and heartbeats of idle clients.
    Memory,
    /// What a small task holds.
    SmallTask,
    /// Everybody comes back at once.
    Reconnection,
    /// Two instances on one Redis.
    Cross,
}

impl Part {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Memory, Self::SmallTask, Self::Reconnection, Self::Cross];

    const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::SmallTask => "small-task",
            Self::Reconnection => "reconnection",
            Self::Cross => "cross",
        }
    }

    /// Measures every server in as many rounds as the part has.
    pub fn measure(self, bench: &mut Bench<'_>, kinds: &[Kind], rounds: Rounds) -> Result<(), Box<dyn Error>> {
        let alone: Vec<_> = kinds.iter().copied().filter(|kind| *kind != Kind::CoalescingBaseline).collect();
        match self {
            Self::Cpu => {
                for round in 1..=rounds.cpu {
                    all(bench, &format!("CPU, round {round} of {}", rounds.cpu), |bench| bench.cpu(kinds))?;
                }
            }
            Self::Memory => each(bench, &alone, "memory and heartbeats", Bench::memory)?,
            Self::SmallTask => {
                for round in 1..=rounds.latency {
                    let part = format!("small task, round {round} of {}", rounds.latency);
                    all(bench, &part, |bench| bench.small_task(kinds))?;
                }
            }
            Self::Reconnection => each(bench, &alone, "reconnection", Bench::reconnection)?,
            Self::Cross => {
                if Redis::installed().is_none() {
                    bench.figures.fail("two instances on one Redis are left out: there is no redis-server".to_owned());
                    return Ok(());
                }
                let members: Vec<_> = kinds.iter().copied().filter(|kind| kind.joins_clusters()).collect();
                for round in 1..=rounds.cpu {
                    let part = format!("two instances, round {round} of {}", rounds.cpu);
                    let ask = if round <= rounds.latency { Ask::Latency } else { Ask::Cpu };
                    each(bench, &members, &part, |bench, kind| bench.cross(kind, ask))?;
                }
            }
        }
        Ok(())
    }
}

/// The parts named in a list with commas between, in their order.
pub fn named(list: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for name in list.split(',') {
        let part = Part::ALL.into_iter().find(|part| part.name() == name);
        parts.push(part.ok_or_else(|| {
            let names: Vec<_> = Part::ALL.iter().map(|part| part.name()).collect();
            format!("{name:?} is no part: {}", names.join(", "))
        })?);
    }
    parts.sort();
    parts.dedup();
    Ok(parts)
}

/// Measures all servers once, in turn.
fn all<'a>(
    bench: &mut Bench<'a>,
    part: &str,
    measure: impl FnOnce(&mut Bench<'a>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let result = measure(bench);
    eprintln!("{part}: all took {:.0} s", begun.elapsed().as_secs_f64());
    result
}

/// Measures every server once; what fails for one does not keep the others from it.
fn each<'a>(
    bench: &mut Bench<'a>,
    kinds: &[Kind],
    part: &str,
    measure: impl Fn(&mut Bench<'a>, Kind) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for kind in kinds {
        let begun = Instant::now();
        let result = measure(bench, *kind);
        stop::check()?;
        if let Err(error) = result {
            bench.failed(*kind, part, &*error)?;
        }
        eprintln!("{part}: {} took {:.0} s", kind.name(), begun.elapsed().as_secs_f64());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_in_any_order_and_measured_in_theirs() {
        assert_eq!(named("cross,cpu,cross").unwrap(), [Part::Cpu, Part::Cross]);
        assert!(named("cpu,all").unwrap_err().contains("small-task"));
    }
}
