//! A result, entry by entry: the same entries are the rows of a table and the members of a JSON object.

use std::fmt::Write as _;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::measure::{Latency, Usage};

#[derive(Debug)]
struct Entry {
    key: &'static str,
    value: Value,
    /// A row of the table; none for what only JSON holds.
    row: Option<(String, String)>,
}

/// The result of a command.
#[derive(Debug)]
pub struct Report {
    entries: Vec<Entry>,
}

impl Report {
    /// The result of `command`.
    pub fn new(command: &'static str) -> Self {
        let command = Entry { key: "command", value: command.into(), row: None };
        Self { entries: vec![command] }
    }

    /// An entry whose text in the table is `text`.
    pub fn entry(&mut self, key: &'static str, label: &str, value: impl Into<Value>, text: String) -> &mut Self {
        self.entries.push(Entry { key, value: value.into(), row: Some((label.to_owned(), text)) });
        self
    }

    /// A row that only the table holds.
    pub fn row(&mut self, label: &str, text: String) -> &mut Self {
        self.entries.push(Entry { key: "", value: Value::Null, row: Some((label.to_owned(), text)) });
        self
    }

    /// An entry that only JSON holds.
    pub fn hidden(&mut self, key: &'static str, value: impl Into<Value>) -> &mut Self {
        self.entries.push(Entry { key, value: value.into(), row: None });
        self
    }

    /// A count.
    pub fn count(&mut self, key: &'static str, label: &str, count: u64) -> &mut Self {
        self.entry(key, label, count, grouped(count))
    }

    /// A rate per second.
    pub fn per_second(&mut self, key: &'static str, label: &str, count: u64, time: Duration) -> &mut Self {
        let seconds = time.as_secs_f64();
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        self.entry(key, label, rate, format!("{}/s", grouped(rate.round() as u64)))
    }

    /// A time in seconds.
    pub fn seconds(&mut self, key: &'static str, label: &str, time: Duration) -> &mut Self {
        let text = microseconds(time.as_secs_f64() * 1e6);
        self.entry(key, label, time.as_secs_f64(), text)
    }

    /// A distribution, in microseconds.
    pub fn latency(&mut self, key: &'static str, label: &str, latency: &Latency) -> &mut Self {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| latency.quantile(share));
        let (max, mean, count) = (latency.max(), latency.mean(), latency.count());
        let value = json!({"p50": p50, "p90": p90, "p99": p99, "max": max, "mean": mean, "count": count});
        if count == 0 {
            return self.entry(key, label, value, "nothing measured".to_owned());
        }
        let [p50, p90, p99, max] = [p50, p90, p99, max].map(microseconds);
        self.entry(key, label, value, format!("p50 {p50}   p90 {p90}   p99 {p99}   max {max}"))
    }

    /// The server's CPU between two samples, in all and per operation.
    pub fn cpu(&mut self, from_to: Option<(Usage, Usage)>, operations: u64, operation: &str) -> &mut Self {
        let Some((start, end)) = from_to else { return self };
        let (user, total) = end.cpu_since(&start);
        self.hidden("server_cpu_user_s", user).hidden("server_cpu_total_s", total);
        if operations == 0 {
            return self;
        }
        let [user, total] = [user, total].map(|seconds| seconds * 1e6 / operations as f64);
        let label = format!("server CPU per {operation}");
        self.hidden("server_cpu_user_us_per_op", user);
        self.entry("server_cpu_total_us_per_op", &label, total, format!("user {user:.3} µs   total {total:.3} µs"))
    }

    /// The server's memory in one sample.
    pub fn memory(&mut self, keys: [&'static str; 2], when: &str, usage: Option<Usage>) -> &mut Self {
        let Some(usage) = usage else { return self };
        if usage.rss > 0 {
            self.entry(keys[0], &format!("server RSS {when}"), usage.rss, bytes(usage.rss));
        }
        if let Some(memory) = usage.memory {
            self.entry(keys[1], &format!("cgroup memory {when}"), memory, bytes(memory));
        }
        self
    }

    /// The CPU of the load generator itself, beside which that of the server can be judged.
    pub fn generator(&mut self, seconds: f64) -> &mut Self {
        self.entry("generator_cpu_s", "load generator CPU", seconds, format!("{seconds:.2} s"))
    }

    /// The table.
    pub fn table(&self) -> String {
        let rows: Vec<_> = self.entries.iter().filter_map(|entry| entry.row.as_ref()).collect();
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let mut table = String::new();
        for (label, text) in rows {
            let _ = writeln!(table, "{label:width$}  {text}");
        }
        table
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for Entry { key, value, .. } in self.entries.iter().filter(|entry| !entry.key.is_empty()) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds in the unit that suits them.
pub fn microseconds(value: f64) -> String {
    match value {
        ..1e3 => format!("{value:.0} µs"),
        1e3..1e6 => format!("{:.2} ms", value / 1e3),
        _ => format!("{:.2} s", value / 1e6),
    }
}

fn bytes(value: u64) -> String {
    format!("{:.2} MB", value as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12.4, 1500.0, 2e6].map(microseconds), ["12 µs", "1.50 ms", "2.00 s"]);
    }

    #[test]
    fn table_and_json_say_the_same() {
        let mut report = Report::new("idle");
        report.count("held", "clients held", 1000).per_second("rate", "rate", 50, Duration::from_secs(2));
        assert_eq!(report.table(), "clients held  1,000\nrate          25/s\n");
        assert_eq!(serde_json::to_string(&report).unwrap(), r#"{"command":"idle","held":1000,"rate":25.0}"#);
    }
}
