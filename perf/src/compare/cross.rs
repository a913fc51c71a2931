//! Two instances on one Redis: what it costs that a message's receivers are at the other.

use super::cgroup::Limits;
use super::figures as of;
use super::load::{self, Load, Report};
use super::measure::{Bench, Outcome};
use super::redis::Redis;
use super::server::{Kind, Place, Program, Server};

/// A sender and its receivers.
const CLIENTS: &str = "--connections 1001";
/// Messages at a rate that leaves everyone time, for latency.
const CALM: &str = "--messages 10 --seconds 3";
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

    /// A fan-out whose sender is at one instance and whose receivers are at the other; counts what the latter uses.
    fn fanout(&self, pace: &str) -> Outcome<Report> {
        let load = format!("fanout {CLIENTS} {pace} --listeners http://{}", self.receivers.address());
        Load::start(&load, &self.sender, &self.receivers)?.report()
    }
}

/// What a cluster's fan-out is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// CPU time.
    Cpu,
    /// Latency, too.
    Latency,
}

impl Bench<'_> {
    /// CPU time of a message to 1,000 clients, and its latency if asked: at an instance alone, and at the other one of two.
    pub fn cross(&mut self, kind: Kind, ask: Ask) -> Outcome {
        let alone = Server::start(kind, Program::Starter, Limits::None, self.place)?;
        let near = load::run(&format!("fanout {CLIENTS} {CLOSED}"), &alone)?;
        self.figures.add(of::ALONE_CPU, kind, near.number("/server_cpu_total_us_per_op")?);
        let mut lost = near.number("/lost")?;
        let near = calm(ask, || load::run(&format!("fanout {CLIENTS} {CALM}"), &alone))?;
        drop(alone);
        let pair = Pair::start(kind, self.place)?;
        lost += self.cpu_of_pair(kind, &pair)?;
        let far = calm(ask, || pair.fanout(CALM))?;
        if let Some((near, far)) = near.zip(far) {
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
        }
        self.figures.add(of::CROSS_LOST, kind, lost);
        Ok(())
    }

    /// Notes the CPU time of a delivery at each place; how many were lost. The sender's instance and Redis are counted over
    /// the whole run: but for the messages, one client comes and goes there.
    fn cpu_of_pair(&mut self, kind: Kind, pair: &Pair) -> Outcome<f64> {
        let elsewhere = [(&pair.sender, of::SENDER_CPU), (&pair.redis.0, of::REDIS_CPU)];
        let before = elsewhere.map(|(server, _)| server.usage());
        let report = pair.fanout(CLOSED)?;
        self.figures.add(of::RECEIVERS_CPU, kind, report.number("/server_cpu_total_us_per_op")?);
        let delivered = report.number("/delivered")?;
        for ((server, measure), before) in elsewhere.into_iter().zip(before) {
            let (_, seconds) = server.usage()?.cpu_since(&before?);
            self.figures.add(measure, kind, seconds * 1e6 / delivered);
        }
        report.number("/lost")
    }
}

/// The fan-out for latency, if that is asked for.
fn calm(ask: Ask, run: impl FnOnce() -> Outcome<Report>) -> Outcome<Option<Report>> {
    (ask == Ask::Latency).then(run).transpose()
}
