//! Servers that run at the same time and are measured in turn, one thing after the other: what the machine does to one of
//! them for some seconds it does to the next, and ratios hold.

use std::time::Duration;

use super::cgroup::Limits;
use super::figures::{self as of, Measure};
use super::load;
use super::measure::{Bench, Outcome};
use super::server::{Kind, Program, Server};
use super::stop;

/// Time for servers that have started.
const SETTLE: Duration = Duration::from_millis(500);

/// How long a server must do nothing to be taken for one that rests, and how long that is waited for.
const QUIET: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);

/// The part of its time that a server which rests may be at work.
const REST: f64 = 0.02;

/// A load, and which numbers of its report are which figures.
struct Step {
    load: &'static str,
    /// By their pointers in the report; each is divided by the last.
    figures: &'static [(&'static str, Measure, f64)],
    servers: Servers,
    /// Whether what it lost is counted.
    counts_lost: bool,
}

impl Step {
    const fn counting_lost(self) -> Self {
        Self { counts_lost: true, ..self }
    }
}

/// Whom a step is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Servers {
    /// All but the coalescing floor, which differs from the floor only where messages fall due together.
    Alone,
    /// The coalescing floor, too.
    All,
}

const USER: &str = "/server_cpu_user_us_per_op";
const TOTAL: &str = "/server_cpu_total_us_per_op";
const RATE: &str = "/delivered_per_s";
const P50: &str = "/latency_us/p50";
const P99: &str = "/latency_us/p99";

/// What is measured with nothing limited; of fan-outs, the next messages follow when all have heard these.
const CPU: &[Step] = &[
    alone("connect --seconds 1", &[(USER, of::HANDSHAKE_USER, 1.0), (TOTAL, of::HANDSHAKE, 1.0)]),
    alone("http --connections 100 --seconds 1", &[(TOTAL, of::GET, 1.0)]),
    alone(
        "fanout --connections 100 --window 1 --seconds 1",
        &[(USER, of::ONE_100_USER, 1.0), (TOTAL, of::ONE_100, 1.0)],
    )
    .counting_lost(),
    alone(
        "fanout --connections 1000 --window 1 --seconds 2",
        &[(USER, of::ONE_1K_USER, 1.0), (TOTAL, of::ONE_1K, 1.0)],
    )
    .counting_lost(),
    alone(
        "fanout --connections 10000 --window 1 --seconds 1",
        &[(USER, of::ONE_10K_USER, 1.0), (TOTAL, of::ONE_10K, 1.0)],
    )
    .counting_lost(),
    all(
        "fanout --connections 1000 --window 1 --burst 10 --seconds 2",
        &[(USER, of::TEN_1K_USER, 1.0), (TOTAL, of::TEN_1K, 1.0)],
    )
    .counting_lost(),
    all(
        "fanout --connections 10000 --window 1 --burst 10 --seconds 1",
        &[(USER, of::TEN_10K_USER, 1.0), (TOTAL, of::TEN_10K, 1.0)],
    )
    .counting_lost(),
];

/// What is measured of the program that acknowledges.
const ACKS: &[Step] = &[alone("ack --connections 100 --seconds 1", &[(TOTAL, of::ACK, 1.0)])];

/// What is measured within a small task's limits.
const SMALL_TASK: &[Step] = &[
    all("fanout --connections 1000 --window 2 --seconds 2", &[(RATE, of::MOST_ONE, 1.0)]),
    all("fanout --connections 1000 --window 2 --burst 10 --seconds 2", &[(RATE, of::MOST_TEN, 1.0)]),
    alone("fanout --connections 1000 --messages 1 --seconds 5", &[(P50, of::SLOW_P50, 1e3), (P99, of::SLOW_P99, 1e3)])
        .counting_lost(),
    alone("fanout --connections 1000 --messages 10 --seconds 3", &[(P50, of::FAST_P50, 1e3), (P99, of::FAST_P99, 1e3)])
        .counting_lost(),
    alone("connect --seconds 2", &[("/handshakes_per_s", of::HANDSHAKES, 1.0)]),
];

const fn alone(load: &'static str, figures: &'static [(&'static str, Measure, f64)]) -> Step {
    Step { load, figures, servers: Servers::Alone, counts_lost: false }
}

const fn all(load: &'static str, figures: &'static [(&'static str, Measure, f64)]) -> Step {
    Step { load, figures, servers: Servers::All, counts_lost: false }
}

/// A server that is measured in turn with others.
struct Running {
    kind: Kind,
    server: Server,
    /// What the steps lost in which that is counted.
    lost: Option<f64>,
}

impl Bench<'_> {
    /// A round of CPU time for each thing a server does, with nothing limited.
    pub fn cpu(&mut self, kinds: &[Kind]) -> Outcome {
        let mut running = self.start_all(kinds, Program::Starter, Limits::None)?;
        for Running { kind, server, .. } in running.iter().filter(|running| running.kind != Kind::CoalescingFloor) {
            self.figures.add(of::START, *kind, server.first_answer.as_secs_f64() * 1e3);
            self.figures.add(of::BASE_RSS, *kind, server.usage()?.rss as f64 / 1e6);
        }
        self.steps(CPU, &mut running, Some(of::LOST))?;
        drop(running);
        let alone: Vec<_> = kinds.iter().copied().filter(|kind| *kind != Kind::CoalescingFloor).collect();
        let mut running = self.start_all(&alone, Program::Acks, Limits::None)?;
        self.steps(ACKS, &mut running, None)
    }

    /// A round of what servers do within a small task's limits.
    pub fn small_task(&mut self, kinds: &[Kind]) -> Outcome {
        let mut running = self.start_all(kinds, Program::Starter, Limits::SmallTask)?;
        self.steps(SMALL_TASK, &mut running, Some(of::SMALL_LOST))
    }

    /// Starts a program of all servers. One that does not start is left out.
    fn start_all(&mut self, kinds: &[Kind], program: Program, limits: Limits) -> Outcome<Vec<Running>> {
        let mut running = Vec::new();
        for kind in kinds {
            match Server::start(*kind, program, limits, self.place) {
                Ok(server) => running.push(Running { kind: *kind, server, lost: None }),
                Err(error) => self.failed(*kind, "start", &*error)?,
            }
        }
        stop::pause(SETTLE)?;
        Ok(running)
    }

    /// Takes each step with each server. One that fails takes no more.
    fn steps(&mut self, steps: &[Step], running: &mut Vec<Running>, lost: Option<Measure>) -> Outcome {
        for step in steps {
            let mut failed = Vec::new();
            for one in running.iter_mut() {
                if one.kind == Kind::CoalescingFloor && step.servers == Servers::Alone {
                    continue;
                }
                if let Err(error) = self.step(step, one) {
                    self.failed(one.kind, step.load, &*error)?;
                    failed.push(one.kind);
                }
            }
            running.retain(|one| !failed.contains(&one.kind));
        }
        for one in running {
            if let Some((measure, count)) = lost.zip(one.lost) {
                self.figures.add(measure, one.kind, count);
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, running: &mut Running) -> Outcome {
        let report = load::run(step.load, &running.server)?;
        for (pointer, measure, divisor) in step.figures {
            self.figures.add(*measure, running.kind, report.number(pointer)? / divisor);
        }
        if step.counts_lost {
            *running.lost.get_or_insert(0.0) += report.number("/lost")?;
        }
        running.server.until_it_rests()
    }

    /// What fails for one server does not keep the others from it; only a wish to end does.
    fn failed(&mut self, kind: Kind, what: &str, error: &dyn std::error::Error) -> Outcome {
        stop::check()?;
        self.figures.fail(format!("{}, {what}: {error}", kind.name()));
        Ok(())
    }
}

impl Server {
    /// Waits until it has nothing more to do for clients that have left, so that the next to be measured is alone.
    fn until_it_rests(&self) -> Outcome {
        for _ in 0..PATIENCE.as_millis() / QUIET.as_millis() {
            let before = self.usage()?;
            stop::pause(QUIET)?;
            let (_, worked) = self.usage()?.cpu_since(&before);
            if worked < REST * QUIET.as_secs_f64() {
                break;
            }
        }
        Ok(())
    }
}
