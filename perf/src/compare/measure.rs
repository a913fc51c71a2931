//! The measurements themselves: what is done to one server, and which figures come of it.

use std::error::Error;
use std::time::{Duration, Instant};

use super::cgroup::Limits;
use super::figures::{self as of, Figures};
use super::load::{self, Load};
use super::server::{self, Kind, Place, Program, Server};
use super::stop;

/// What a measurement gives.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Time for what a server does after its last client came or went.
const SETTLE: Duration = Duration::from_secs(1);

/// The heartbeat's interval: in a window of this length each client is asked once, whatever the server's schedule.
const BEAT_SECONDS: f64 = 25.0;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// How often `GET /` is asked while clients reconnect, and how long one may take.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// What has been measured so far, and where the next figures come from.
pub struct Bench<'a> {
    /// How servers are started.
    pub place: &'a Place,
    /// The figures so far.
    pub figures: Figures,
}

impl Bench<'_> {
    /// Memory with 1,000, 10,000, 19,000 idle clients and after them; what their heartbeats cost.
    pub fn memory(&mut self, kind: Kind) -> Outcome {
        let server = Server::start(kind, Program::Starter, Limits::None, self.place)?;
        stop::pause(SETTLE)?;
        let start = server.usage()?;
        let waves = [
            (1_000, 2.0, of::RSS_1K, of::CHARGED_1K),
            (10_000, BEAT_SECONDS, of::RSS_10K, of::CHARGED_10K),
            (19_000, 2.0, of::RSS_19K, of::CHARGED_19K),
        ];
        for (clients, seconds, rss_each, charged_each) in waves {
            let report = load::run(&format!("idle --connections {clients} --seconds {seconds}"), &server)?;
            let each = |now: f64, before: u64| (now - before as f64) / f64::from(clients);
            self.figures.add(rss_each, kind, each(report.number("/rss_with")?, start.rss));
            if let Some(charged) = start.memory {
                self.figures.add(charged_each, kind, each(report.number("/memory_with")?, charged));
            }
            if seconds >= BEAT_SECONDS {
                self.figures.add(of::IDLE_HOUR, kind, report.number("/server_cpu_idle")? * SECONDS_PER_HOUR);
            }
        }
        stop::pause(SETTLE * 2)?;
        let left = server.usage()?;
        self.figures.add(of::RSS_LEFT, kind, left.rss as f64 / 1e6);
        if let (Some(now), Some(before)) = (left.memory, start.memory) {
            self.figures.add(of::CHARGED_LEFT, kind, (now as f64 - before as f64) / 1e6);
        }
        Ok(())
    }

    /// Cuts 10,000 clients off at once, within a small task's limits, and lets them come back at once.
    pub fn reconnection(&mut self, kind: Kind) -> Outcome {
        let mut server = Server::start(kind, Program::Starter, Limits::SmallTask, self.place)?;
        let held = Load::hold(10_000, &server)?;
        stop::pause(SETTLE * 3)?;
        drop(held);
        let mut back = Load::start("connect --stampede --connections 10000", &server, &server)?;
        let mut gets = Vec::new();
        while !back.has_ended()? {
            let begun = Instant::now();
            // What is refused or cut off counts as if it had never been answered.
            let took = server::get(server.address(), PROBE_TIMEOUT).unwrap_or(PROBE_TIMEOUT);
            gets.push(took.as_secs_f64() * 1e3);
            stop::pause(PROBE_INTERVAL.saturating_sub(begun.elapsed()))?;
        }
        let report = back.report()?;
        if !server.lives() {
            return Err("the kernel killed it".into());
        }
        if report.number("/joined")? < 10_000.0 {
            return Err("not all came back".into());
        }
        self.figures.add(of::BACK, kind, report.number("/seconds")?);
        gets.sort_by(f64::total_cmp);
        if let Some(p99) = gets.get((gets.len() * 99).div_ceil(100).saturating_sub(1)) {
            self.figures.add(of::BACK_GET, kind, *p99);
        }
        Ok(())
    }
}
