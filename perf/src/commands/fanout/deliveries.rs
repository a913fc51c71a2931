//! What became of the messages of a fan-out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::commands::{Measured, Tally, Verdict};
use crate::measure::Latency;
use crate::options::Options;
use crate::report::{Report, grouped, microseconds};

/// Counts of one process, or of all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Deliveries {
    /// Clients that hear.
    pub clients: u64,
    /// Those of them that speak.
    pub senders: u64,
    /// Messages written.
    pub sent: u64,
    /// Deliveries that this makes.
    pub expected: u64,
    /// Deliveries that came.
    pub delivered: u64,
    /// Deliveries of a message after a later one of the same sender, or twice.
    pub reordered: u64,
    /// Clients that were cut off.
    pub dropouts: u64,
    /// When the first message was due, in nanoseconds of the monotonic clock.
    pub begun: u64,
    /// When the last delivery came.
    pub ended: u64,
    /// Nanoseconds that a message was written after it was due, at most.
    pub lag: u64,
    /// From due, or written, to delivered.
    pub latency: Latency,
    /// CPU from the first message to the last delivery.
    pub measured: Measured,
}

impl Tally for Deliveries {
    fn merge(&mut self, other: Self) {
        self.clients += other.clients;
        self.senders += other.senders;
        self.sent += other.sent;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.reordered += other.reordered;
        self.dropouts += other.dropouts;
        self.begun = self.begun.min(other.begun);
        self.ended = self.ended.max(other.ended);
        self.lag = self.lag.max(other.lag);
        self.latency.merge(&other.latency);
        self.measured.merge(other.measured);
    }

    fn report(&self, _: &Options) -> (Report, Verdict) {
        let lost = self.expected.saturating_sub(self.delivered);
        let doubled = self.delivered.saturating_sub(self.expected);
        let time = Duration::from_nanos(self.ended.saturating_sub(self.begun));
        let mut report = Report::new("fanout");
        report
            .count("clients", "clients", self.clients)
            .count("senders", "senders", self.senders)
            .count("sent", "messages sent", self.sent)
            .per_second("sent_per_s", "sent", self.sent, time)
            .hidden("expected", self.expected)
            .entry(
                "delivered",
                "deliveries",
                self.delivered,
                format!("{} of {}", grouped(self.delivered), grouped(self.expected)),
            )
            .count("lost", "lost", lost)
            .count("doubled", "doubled", doubled)
            .count("reordered", "reordered", self.reordered)
            .count("dropouts", "clients that dropped out", self.dropouts)
            .seconds("seconds", "from the first send to the last delivery", time)
            .per_second("delivered_per_s", "delivered", self.delivered, time)
            .latency("latency_us", "latency", &self.latency)
            .entry("lag_us", "sent late by at most", self.lag as f64 / 1e3, microseconds(self.lag as f64 / 1e3))
            .cpu(self.measured.server, self.delivered, "delivery")
            .generator(self.measured.generator);
        let whole = lost == 0 && doubled == 0 && self.reordered == 0 && self.dropouts == 0;
        (report, if whole { Verdict::Passed } else { Verdict::Failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_reorderings_fail_the_run() {
        let options = Options::new(2, 1.0);
        let mut deliveries = Deliveries { expected: 10, delivered: 10, ..Deliveries::default() };
        assert_eq!(deliveries.report(&options).1, Verdict::Passed);
        deliveries.merge(Deliveries { expected: 5, delivered: 4, ..Deliveries::default() });
        assert_eq!(deliveries.report(&options).1, Verdict::Failed);
        deliveries.merge(Deliveries { delivered: 1, reordered: 1, ..Deliveries::default() });
        assert_eq!(deliveries.report(&options).1, Verdict::Failed);
    }
}
