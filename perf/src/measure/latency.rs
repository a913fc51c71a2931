//! Latencies in a histogram, to three digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest latency told apart: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// A distribution of nanoseconds. Goes through JSON as pairs of value and count.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// No latency yet.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(64, LONGEST, 3);
        Self(histogram.expect("these bounds and digits are valid"))
    }

    /// Adds one, in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    /// Adds one.
    pub fn record_duration(&mut self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(LONGEST));
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for value in other.0.iter_recorded() {
            self.0.saturating_record_n(value.value_iterated_to(), value.count_since_last_iteration());
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds that a share (0.5 for the median) of all do not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share).min(self.0.max()) as f64 / 1e3
    }

    /// The longest, in microseconds, to three digits.
    pub fn max(&self) -> f64 {
        self.0.max() as f64 / 1e3
    }

    /// The mean, in microseconds.
    pub fn mean(&self) -> f64 {
        self.0.mean() / 1e3
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.iter_recorded().map(|value| (value.value_iterated_to(), value.count_since_last_iteration()));
        serializer.collect_seq(pairs)
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latency = Self::new();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            latency.0.record_n(value, count).map_err(D::Error::custom)?;
        }
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let mut latency = Latency::new();
        for microseconds in 1..=1000 {
            latency.record(microseconds * 1000);
        }
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0)] {
            let value = latency.quantile(share);
            assert!((value / expected - 1.0).abs() < 0.002, "{share}: {value}");
        }
        assert!((latency.max() / 1000.0 - 1.0).abs() < 0.002);
        assert!((latency.mean() / 500.5 - 1.0).abs() < 0.002);
    }

    #[test]
    fn a_histogram_survives_its_json_and_merging() {
        let mut latency = Latency::new();
        [1_000, 1_000, 50_000, 7_000_000].into_iter().for_each(|value| latency.record(value));
        let json = serde_json::to_string(&latency).unwrap();
        let mut twice: Latency = serde_json::from_str(&json).unwrap();
        twice.merge(&latency);
        assert_eq!(twice.count(), 8);
        assert_eq!(twice.quantile(0.5), latency.quantile(0.5));
        assert_eq!(twice.max(), latency.max());
    }
}
