//! Durations in coarse buckets: each is four times as long as the one before.

use std::time::Duration;

use super::Counter;

/// The upper ends of the buckets in microseconds: 16 µs to 4.2 s. Longer durations are in a bucket of their own.
const STEPS: usize = 10;

/// The binary logarithm of the first bucket's end.
const FIRST: u32 = 4;

/// Durations with one writer.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [Counter; STEPS + 1],
    micros: Counter,
}

/// The sum of several writers' histograms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HistogramSum {
    /// How many took at most as long as the end of a bucket, in microseconds.
    pub(crate) up_to: Vec<(u64, u64)>,
    /// How many there were.
    pub(crate) count: u64,
    /// Their sum in microseconds.
    pub(crate) micros: u64,
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // The number of bits beyond the first bucket, in pairs.
        let bits = u64::BITS - (micros.saturating_sub(1) >> FIRST).leading_zeros();
        let step = (bits.div_ceil(2) as usize).min(STEPS);
        if let Some(count) = self.counts.get(step) {
            count.one();
        }
        self.micros.add(micros);
    }
}

impl HistogramSum {
    pub(crate) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram> + Clone) -> Self {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(STEPS);
        for step in 0..=STEPS {
            let here = histograms.clone().filter_map(|histogram| histogram.counts.get(step));
            count += here.map(Counter::get).sum::<u64>();
            if step < STEPS {
                up_to.push((1 << (FIRST as usize + 2 * step), count));
            }
        }
        Self { up_to, count, micros: histograms.map(|histogram| histogram.micros.get()).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_each_step_that_is_as_long_or_longer() {
        let (one, other) = (Histogram::default(), Histogram::default());
        for micros in [0, 16, 17, 64] {
            one.record(Duration::from_micros(micros));
        }
        other.record(Duration::from_micros(65));
        other.record(Duration::from_secs(60));
        let sum = HistogramSum::of([&one, &other].into_iter());
        assert_eq!(sum.up_to[..4], [(16, 2), (64, 4), (256, 5), (1024, 5)]);
        assert_eq!(sum.up_to.last(), Some(&(4_194_304, 5)));
        assert_eq!((sum.count, sum.micros), (6, 60_000_162));
    }
}
