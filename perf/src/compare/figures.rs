//! What is measured, and the figures gathered for it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::Kind;

/// The part of the results a measure stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Memory, with nothing limited.
    Memory,
    /// CPU time, with nothing limited.
    Cpu,
    /// What a quarter vCPU and 512 MB hold.
    SmallTask,
    /// What it costs that receivers are at another instance, with nothing limited.
    Cluster,
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Microseconds of CPU time.
    Micros,
    /// Megabytes of 1,000,000 bytes.
    Megabytes,
    /// Bytes.
    Bytes,
    /// How many in a second.
    PerSecond,
    /// How many.
    Count,
}

impl Unit {
    /// The figure with its unit.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Millis => format!("{} ms", short(value)),
            Self::Seconds => format!("{} s", short(value)),
            Self::Micros => format!("{} µs", short(value)),
            Self::Megabytes => format!("{} MB", short(value)),
            Self::Bytes => format!("{} B", short(value)),
            Self::PerSecond => format!("{}/s", short(value)),
            Self::Count => short(value),
        }
    }
}

/// Three significant digits, thousands set apart.
pub fn short(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let fraction = if fraction.bytes().all(|byte| matches!(byte, b'.' | b'0')) { "" } else { fraction };
    let mut grouped = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// One row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measure {
    /// Its name in the raw results.
    pub key: &'static str,
    /// Its name in the tables.
    pub title: &'static str,
    /// How its figures are written.
    pub unit: Unit,
    /// Where it stands.
    pub section: Section,
    /// What its ratio is taken against.
    pub baseline: Kind,
}

macro_rules! measures {
    ($($constant:ident $key:literal $section:ident $unit:ident $baseline:ident $title:literal)*) => {
        $(
            #[doc = $title]
            pub const $constant: Measure = Measure {
                key: $key,
                title: $title,
                unit: Unit::$unit,
                section: Section::$section,
                baseline: Kind::$baseline,
            };
        )*
        /// Every measure, in the order of the tables.
        pub const MEASURES: &[Measure] = &[$($constant),*];
    };
}

measures! {
    START "start" Memory Millis Baseline "exec to the first `200` on `/`"
    BASE_RSS "base_rss" Memory Megabytes Baseline "RSS with no client"
    RSS_1K "rss_per_client_1000" Memory Bytes Baseline "RSS per idle client, 1,000"
    RSS_10K "rss_per_client_10000" Memory Bytes Baseline "RSS per idle client, 10,000"
    RSS_19K "rss_per_client_19000" Memory Bytes Baseline "RSS per idle client, 19,000"
    RSS_LEFT "rss_left" Memory Megabytes Baseline "RSS after they left"
    CHARGED_1K "charged_per_client_1000" Memory Bytes Baseline "charged to the cgroup, kernel included, per idle client, 1,000"
    CHARGED_10K "charged_per_client_10000" Memory Bytes Baseline "the same, 10,000"
    CHARGED_19K "charged_per_client_19000" Memory Bytes Baseline "the same, 19,000"
    CHARGED_LEFT "charged_left" Memory Megabytes Baseline "charged after they left, above the start"
    HANDSHAKE_USER "handshake_user" Cpu Micros Baseline "handshake and close: user"
    HANDSHAKE "handshake_total" Cpu Micros Baseline "handshake and close: total"
    ONE_100_USER "delivery_one_100_user" Cpu Micros Baseline "delivery, 100 clients, one message at a time: user"
    ONE_100 "delivery_one_100_total" Cpu Micros Baseline "delivery, 100 clients, one message at a time: total"
    ONE_1K_USER "delivery_one_1000_user" Cpu Micros Baseline "delivery, 1,000 clients, one message at a time: user"
    ONE_1K "delivery_one_1000_total" Cpu Micros Baseline "delivery, 1,000 clients, one message at a time: total"
    ONE_10K_USER "delivery_one_10000_user" Cpu Micros Baseline "delivery, 10,000 clients, one message at a time: user"
    ONE_10K "delivery_one_10000_total" Cpu Micros Baseline "delivery, 10,000 clients, one message at a time: total"
    TEN_1K_USER "delivery_ten_1000_user" Cpu Micros CoalescingBaseline "delivery, 1,000 clients, ten due at once: user"
    TEN_1K "delivery_ten_1000_total" Cpu Micros CoalescingBaseline "delivery, 1,000 clients, ten due at once: total"
    TEN_10K_USER "delivery_ten_10000_user" Cpu Micros CoalescingBaseline "delivery, 10,000 clients, ten due at once: user"
    TEN_10K "delivery_ten_10000_total" Cpu Micros CoalescingBaseline "delivery, 10,000 clients, ten due at once: total"
    LOST "lost" Cpu Count Baseline "deliveries lost in all of these"
    ACK "ack_total" Cpu Micros Baseline "ack round trip: total"
    GET "get_total" Cpu Micros Baseline "`GET /`: total"
    IDLE_HOUR "idle_hour" Cpu Seconds Baseline "10,000 idle clients, for an hour: total"
    MOST_ONE "most_one" SmallTask PerSecond CoalescingBaseline "most deliveries to 1,000 clients, one message a write"
    MOST_TEN "most_ten" SmallTask PerSecond CoalescingBaseline "most deliveries to 1,000 clients, ten a write"
    SLOW_P50 "latency_1_p50" SmallTask Millis Baseline "1 message/s to 1,000 clients: p50"
    SLOW_P99 "latency_1_p99" SmallTask Millis Baseline "1 message/s to 1,000 clients: p99"
    FAST_P50 "latency_10_p50" SmallTask Millis Baseline "10 messages/s to 1,000 clients: p50"
    FAST_P99 "latency_10_p99" SmallTask Millis Baseline "10 messages/s to 1,000 clients: p99"
    SMALL_LOST "small_lost" SmallTask Count Baseline "deliveries lost at 1 and 10 messages/s"
    HANDSHAKES "handshakes" SmallTask PerSecond Baseline "handshakes"
    BACK "back" SmallTask Seconds Baseline "10,000 clients cut off reconnect at once: all back after"
    BACK_GET "back_get_p99" SmallTask Millis Baseline "`GET /` meanwhile: p99"
    ALONE_P50 "alone_p50" Cluster Millis Baseline "10 messages/s to 1,000 clients, an instance alone: p50"
    ALONE_P99 "alone_p99" Cluster Millis Baseline "10 messages/s to 1,000 clients, an instance alone: p99"
    CROSS_P50 "cross_p50" Cluster Millis Baseline "10 messages/s to 1,000 clients of the other instance: p50"
    CROSS_P99 "cross_p99" Cluster Millis Baseline "10 messages/s to 1,000 clients of the other instance: p99"
    ADDED_P50 "added_p50" Cluster Millis Baseline "added by the way to the other instance: p50"
    ADDED_P99 "added_p99" Cluster Millis Baseline "added by the way to the other instance: p99"
    ALONE_CPU "alone_cpu" Cluster Micros Baseline "delivery, 1,000 clients, an instance alone: CPU time"
    RECEIVERS_CPU "cross_receivers_cpu" Cluster Micros Baseline "delivery, 1,000 clients of the other instance: CPU time there"
    SENDER_CPU "cross_sender_cpu" Cluster Micros Baseline "the same: CPU time of the sender's instance"
    REDIS_CPU "cross_redis_cpu" Cluster Micros Baseline "the same: CPU time of Redis"
    CROSS_LOST "cluster_lost" Cluster Count Baseline "deliveries lost in all of these"
}

/// The figures of a run.
#[derive(Default)]
pub struct Figures {
    values: BTreeMap<(Measure, Kind), Vec<f64>>,
    failures: Vec<String>,
}

/// Several figures of one measure and server as one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Figures {
    /// Adds what one round found.
    pub fn add(&mut self, measure: Measure, kind: Kind, value: f64) {
        self.values.entry((measure, kind)).or_default().push(value);
    }

    /// Notes what could not be measured.
    pub fn fail(&mut self, failure: String) {
        eprintln!("  {failure}");
        self.failures.push(failure);
    }

    /// What could not be measured.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The servers with any figure, in the order of the tables.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.values.keys().any(|(_, of)| of == kind)).collect()
    }

    /// All rounds of a measure as one.
    pub fn summary(&self, measure: Measure, kind: Kind) -> Option<Summary> {
        summary(self.values.get(&(measure, kind))?)
    }

    /// The measure as a multiple of its baseline's, where that is above zero: the median of the rounds' ratios, or the ratio of
    /// the medians if one of the two has rounds that the other lacks.
    pub fn against_baseline(&self, measure: Measure, kind: Kind) -> Option<f64> {
        let [values, baselines] = [kind, measure.baseline].map(|kind| self.values.get(&(measure, kind)));
        let (values, baselines) = (values?, baselines?);
        if kind == measure.baseline || baselines.iter().any(|baseline| *baseline <= 0.0) {
            return None;
        }
        if values.len() != baselines.len() {
            return Some(summary(values)?.median / summary(baselines)?.median);
        }
        let ratios: Vec<_> = values.iter().zip(baselines).map(|(value, baseline)| value / baseline).collect();
        Some(summary(&ratios)?.median)
    }

    /// What [`json`](Self::json) wrote, from the raw results of an earlier run. Measures and servers that are not known any
    /// more are left out.
    pub fn from_json(results: &Value) -> Self {
        let mut figures = Self::default();
        for measure in MEASURES {
            for kind in Kind::ALL {
                let values = results["measures"][measure.key]["values"][kind.key()].as_array();
                let values = values.into_iter().flatten().filter_map(Value::as_f64);
                values.for_each(|value| figures.add(*measure, kind, value));
            }
        }
        figures
    }

    /// Everything, for other programs.
    pub fn json(&self) -> Value {
        let mut measures = serde_json::Map::new();
        for measure in MEASURES {
            let servers: serde_json::Map<_, _> = Kind::ALL
                .into_iter()
                .filter_map(|kind| Some((kind.key().to_owned(), json!(self.values.get(&(*measure, kind))?))))
                .collect();
            if !servers.is_empty() {
                let unit = format!("{:?}", measure.unit).to_lowercase();
                measures
                    .insert(measure.key.to_owned(), json!({"title": measure.title, "unit": unit, "values": servers}));
            }
        }
        json!({"measures": measures, "failures": self.failures})
    }
}

fn summary(values: &[f64]) -> Option<Summary> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let half = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
    Some(Summary { median, min, max, count: values.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_results_are_read_as_they_were_written() {
        let mut figures = Figures::default();
        [4.0, 2.5].into_iter().for_each(|value| figures.add(ACK, Kind::CoalescingBaseline, value));
        figures.add(MOST_TEN, Kind::Socketioxide, 1e6);
        let raw = figures.json();
        assert_eq!(Figures::from_json(&raw).json(), raw);
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(
            [0.0, 0.0812, 3.39, 12.0, 62.45, 14_917.4, 1_259_845.0].map(short),
            ["0", "0.081", "3.39", "12", "62.5", "14,917", "1,259,845"]
        );
    }

    #[test]
    fn a_summary_is_the_median_with_its_spread_and_ratio() {
        let mut figures = Figures::default();
        [4.0, 2.0, 3.0].into_iter().for_each(|value| figures.add(ACK, Kind::Baseline, value));
        [6.0, 3.0].into_iter().for_each(|value| figures.add(ACK, Kind::Kinglet, value));
        let summary = Summary { median: 4.5, min: 3.0, max: 6.0, count: 2 };
        assert_eq!(figures.summary(ACK, Kind::Kinglet), Some(summary));
        assert_eq!(figures.against_baseline(ACK, Kind::Kinglet), Some(1.5));
        assert_eq!(figures.against_baseline(ACK, Kind::Baseline), None);
        // Round by round: 1.5, 1.5 and 2.
        figures.add(ACK, Kind::Kinglet, 6.0);
        assert_eq!(figures.against_baseline(ACK, Kind::Kinglet), Some(1.5));
    }
}
