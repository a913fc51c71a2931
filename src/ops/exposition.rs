//! Prometheus's text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::request::{Answer, Status};
use crate::metrics::HistogramSum;

/// The kind of a family of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// The answer that carries it.
    pub(super) fn answer(self) -> Answer {
        Answer::new(Status::Ok, &["Content-Type: text/plain; version=0.0.4; charset=utf-8"], self.0)
    }

    /// Starts a family.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }

    /// A sample with one label.
    pub(super) fn labelled(&mut self, name: &str, label: &str, text: &str, value: impl Display) {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        self.line(format_args!("{name}{{{label}=\"{text}\"}} {value}"));
    }

    /// A family of one histogram, in seconds.
    pub(super) fn histogram(&mut self, name: &str, help: &str, sum: &HistogramSum) {
        self.family(name, Kind::Histogram, help);
        for (micros, count) in &sum.up_to {
            self.line(format_args!("{name}_bucket{{le=\"{}\"}} {count}", seconds(*micros)));
        }
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {}", sum.count));
        self.line(format_args!("{name}_sum {}", seconds(sum.micros)));
        self.line(format_args!("{name}_count {}", sum.count));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A string takes all that is written to it.
        let _ = writeln!(self.0, "{line}");
    }
}

/// Microseconds in seconds.
pub(super) fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_may_be_any_text() {
        let mut exposition = Exposition::default();
        exposition.labelled("a", "namespace", "/\"\\\n", 1);
        assert_eq!(exposition.0, "a{namespace=\"/\\\"\\\\\\n\"} 1\n");
    }

    #[test]
    fn a_histogram_is_told_in_seconds_up_to_infinity() {
        let mut exposition = Exposition::default();
        let sum = HistogramSum { up_to: vec![(16, 1), (64, 2)], count: 3, micros: 1_500_000 };
        exposition.histogram("a_seconds", "A.", &sum);
        let expected = "# HELP a_seconds A.\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"0.000016\"} 1\n\
                        a_seconds_bucket{le=\"0.000064\"} 2\na_seconds_bucket{le=\"+Inf\"} 3\na_seconds_sum 1.5\n\
                        a_seconds_count 3\n";
        assert_eq!(exposition.0, expected);
    }
}
