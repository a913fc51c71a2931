//! A bar on a terminal while a run lasts; a process of several tells the one that started it instead.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::entries::grouped;

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(100);
/// Characters of the bar.
const WIDTH: u64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nowhere,
    OnTerminal,
    ToParent,
}

/// How far a run is.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    drawn: Instant,
    what: &'static str,
    begun: Instant,
    first: u64,
}

impl Progress {
    /// Shown if standard error is a terminal.
    pub fn new() -> Self {
        let shown = if std::io::stderr().is_terminal() { Shown::OnTerminal } else { Shown::Nowhere };
        Self::shown(shown)
    }

    /// Told to the process that started this one.
    pub fn to_parent() -> Self {
        Self::shown(Shown::ToParent)
    }

    fn shown(shown: Shown) -> Self {
        let now = Instant::now();
        Self { shown, drawn: now, what: "", begun: now, first: 0 }
    }

    /// `count` of `total` are done in the phase `what`. With no total known the count and its rate are shown alone.
    pub fn update(&mut self, what: &'static str, count: u64, total: Option<u64>) {
        if self.shown == Shown::Nowhere {
            return;
        }
        let now = Instant::now();
        if self.what != what {
            (self.what, self.begun, self.first) = (what, now, count);
        } else if now.duration_since(self.drawn) < EVERY {
            return;
        }
        self.drawn = now;
        if self.shown == Shown::ToParent {
            println!("now {count} {} {what}", total.unwrap_or(0));
            return;
        }
        let seconds = now.duration_since(self.begun).as_secs_f64();
        let rate = if seconds > 0.0 { count.saturating_sub(self.first) as f64 / seconds } else { 0.0 };
        let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(what, count, total, rate));
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if self.shown == Shown::OnTerminal && !self.what.is_empty() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

fn line(what: &str, count: u64, total: Option<u64>, rate: f64) -> String {
    let rate = grouped(rate.round() as u64);
    let Some(total) = total.filter(|&total| total > 0) else {
        return format!("{what} {}  {rate}/s", grouped(count));
    };
    let full = (count.min(total) * WIDTH / total) as usize;
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(WIDTH as usize - full));
    format!("{what} [{bar}] {} of {}  {rate}/s", grouped(count), grouped(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_counts_and_rate() {
        assert_eq!(
            line("connecting", 50, Some(100), 1234.4),
            format!("connecting [{0}{1}] 50 of 100  1,234/s", "#".repeat(15), "-".repeat(15))
        );
        assert_eq!(line("sent", 5000, None, 10.0), "sent 5,000  10/s");
    }
}
