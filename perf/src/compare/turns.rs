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

const USER: &str = "/server_cpu_user_us_per_op";
const TOTAL: &str = "/server_cpu_total_us_per_op";

/// A load, and which figures come of it.
struct Step {
    load: &'static str,
    wanted: Wanted,
    servers: Servers,
}

/// What is wanted of a load's report.
#[derive(Clone, Copy)]
enum Wanted {
    /// CPU time of an operation, and of it that in user mode.
    Cpu { user: Option<Measure>, total: Measure },
    /// CPU time of a delivery; what is lost is counted.
    Deliveries { user: Measure, total: Measure },
    /// Deliveries a second.
    Most(Measure),
    /// Latency of deliveries; what is lost is counted.
    Latency { p50: Measure, p99: Measure },
    /// Handshakes a second.
    Handshakes(Measure),
}

/// Whom a step is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Servers {
    /// All but the coalescing baseline, which differs from the baseline only where messages fall due together.
    Alone,
    /// The coalescing baseline, too.
    All,
}

impl Step {
    const fn alone(load: &'static str, wanted: Wanted) -> Self {
        Self { load, wanted, servers: Servers::Alone }
    }

    const fn all(load: &'static str, wanted: Wanted) -> Self {
        Self { load, wanted, servers: Servers::All }
    }
}

const fn deliveries(user: Measure, total: Measure) -> Wanted {
    Wanted::Deliveries { user, total }
}

/// What is measured with nothing limited; of fan-outs, the next messages follow when all have heard these.
const CPU: &[Step] = &[
    Step::alone("connect --seconds 1", Wanted::Cpu { user: Some(of::HANDSHAKE_USER), total: of::HANDSHAKE }),
    Step::alone("http --connections 100 --seconds 1", Wanted::Cpu { user: None, total: of::GET }),
    Step::alone("fanout --connections 100 --window 1 --seconds 1", deliveries(of::ONE_100_USER, of::ONE_100)),
    Step::alone("fanout --connections 1000 --window 1 --seconds 2", deliveries(of::ONE_1K_USER, of::ONE_1K)),
    Step::alone("fanout --connections 10000 --window 1 --seconds 1", deliveries(of::ONE_10K_USER, of::ONE_10K)),
    Step::all("fanout --connections 1000 --window 1 --burst 10 --seconds 2", deliveries(of::TEN_1K_USER, of::TEN_1K)),
    Step::all(
        "fanout --connections 10000 --window 1 --burst 10 --seconds 1",
        deliveries(of::TEN_10K_USER, of::TEN_10K),
    ),
];

/// What is measured of the program that acknowledges.
const ACKS: &[Step] = &[Step::alone("ack --connections 100 --seconds 1", Wanted::Cpu { user: None, total: of::ACK })];

/// What is measured within a small task's limits.
const SMALL_TASK: &[Step] = &[
    Step::all("fanout --connections 1000 --window 2 --seconds 2", Wanted::Most(of::MOST_ONE)),
    Step::all("fanout --connections 1000 --window 2 --burst 10 --seconds 2", Wanted::Most(of::MOST_TEN)),
    Step::alone(
        "fanout --connections 1000 --messages 1 --seconds 5",
        Wanted::Latency { p50: of::SLOW_P50, p99: of::SLOW_P99 },
    ),
    Step::alone(
        "fanout --connections 1000 --messages 10 --seconds 3",
        Wanted::Latency { p50: of::FAST_P50, p99: of::FAST_P99 },
    ),
    Step::alone("connect --seconds 2", Wanted::Handshakes(of::HANDSHAKES)),
];

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
        for Running { kind, server, .. } in running.iter().filter(|running| running.kind != Kind::CoalescingBaseline) {
            self.figures.add(of::START, *kind, server.first_answer.as_secs_f64() * 1e3);
            self.figures.add(of::BASE_RSS, *kind, server.usage()?.rss as f64 / 1e6);
        }
        self.steps(CPU, &mut running, Some(of::LOST))?;
        drop(running);
        let mut running = self.start_all(kinds, Program::Acks, Limits::None)?;
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
                if one.kind == Kind::CoalescingBaseline && step.servers == Servers::Alone {
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
        let kind = running.kind;
        let mut note = |measure, pointer, divisor: f64| -> Outcome {
            self.figures.add(measure, kind, report.number(pointer)? / divisor);
            Ok(())
        };
        match step.wanted {
            Wanted::Cpu { user, total } => {
                user.map_or(Ok(()), |user| note(user, USER, 1.0))?;
                note(total, TOTAL, 1.0)?;
            }
            Wanted::Deliveries { user, total } => {
                note(user, USER, 1.0)?;
                note(total, TOTAL, 1.0)?;
            }
            Wanted::Most(most) => note(most, "/delivered_per_s", 1.0)?,
            Wanted::Latency { p50, p99 } => {
                note(p50, "/latency_us/p50", 1e3)?;
                note(p99, "/latency_us/p99", 1e3)?;
            }
            Wanted::Handshakes(rate) => note(rate, "/handshakes_per_s", 1.0)?,
        }
        if matches!(step.wanted, Wanted::Deliveries { .. } | Wanted::Latency { .. }) {
            *running.lost.get_or_insert(0.0) += report.number("/lost")?;
        }
        running.server.until_it_rests()
    }

    /// What fails for one server does not keep the others from it; only a wish to end does.
    pub fn failed(&mut self, kind: Kind, what: &str, error: &dyn std::error::Error) -> Outcome {
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
