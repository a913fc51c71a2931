//! Two instances on one Redis: what it costs that a message's receivers are at the other.

use super::cgroup::Limits;
use super::figures::{self as of, Measure};
use super::load::{self, Load, Report};
use super::measure::{Bench, Outcome};
use super::redis::Redis;
use super::server::{Kind, Place, Program, Server};

/// A sender and its receivers.
const CLIENTS: &str = "--connections 1001";
/// Messages at a rate that leaves everyone time, for latency.
const CALM: &str = "--messages 10 --seconds 4";
/// The next message when all have heard the last, for CPU time.
const CLOSED: &str = "--window 1 --seconds 2";

/// A cluster of two.
struct Pair {
    redis: Redis,
    sender: Server,
    receivers: Server,
}

impl Pair {
    fn start(kind: Kind, place: &Place) -> Outcome<Self> {
        let redis = Redis::start(place)?;
        let (sender, receivers) = (Server::join(kind, &redis, place)?, Server::join(kind, &redis, place)?);
        redis.wait_for(2)?;
        Ok(Self { redis, sender, receivers })
    }

    /// A fan-out whose sender is at one instance and whose receivers are at the other; counts what one server uses.
    fn fanout(&self, pace: &str, counted: &Server) -> Outcome<Report> {
        let load = format!("fanout {CLIENTS} {pace} --listeners http://{}", self.receivers.address());
        Load::start(&load, &self.sender, counted)?.report()
    }
}

impl Bench<'_> {
    /// Latency and CPU time of a message to 1,000 clients: at an instance alone, and at the other one of two.
    pub fn cross(&mut self, kind: Kind) -> Outcome {
        let alone = Server::start(kind, Program::Starter, Limits::None, self.place)?;
        let mut lost = self.closed(of::ALONE_CPU, kind, load::run(&format!("fanout {CLIENTS} {CLOSED}"), &alone)?)?;
        let near = load::run(&format!("fanout {CLIENTS} {CALM}"), &alone)?;
        drop(alone);
        let pair = Pair::start(kind, self.place)?;
        for (counted, measure) in
            [(&pair.receivers, of::RECEIVERS_CPU), (&pair.sender, of::SENDER_CPU), (&pair.redis.0, of::REDIS_CPU)]
        {
            lost += self.closed(measure, kind, pair.fanout(CLOSED, counted)?)?;
        }
        let far = pair.fanout(CALM, &pair.receivers)?;
        for (share, here, there, added) in [
            ("/latency_us/p50", of::ALONE_P50, of::CROSS_P50, of::ADDED_P50),
            ("/latency_us/p99", of::ALONE_P99, of::CROSS_P99, of::ADDED_P99),
        ] {
            let (near, far) = (near.number(share)? / 1e3, far.number(share)? / 1e3);
            self.figures.add(here, kind, near);
            self.figures.add(there, kind, far);
            self.figures.add(added, kind, far - near);
        }
        lost += near.number("/lost")? + far.number("/lost")?;
        self.figures.add(of::CROSS_LOST, kind, lost);
        Ok(())
    }

    /// Notes the CPU time of a delivery; how many were lost.
    fn closed(&mut self, measure: Measure, kind: Kind, report: Report) -> Outcome<f64> {
        self.figures.add(measure, kind, report.number("/server_cpu_total_us_per_op")?);
        report.number("/lost")
    }
}
