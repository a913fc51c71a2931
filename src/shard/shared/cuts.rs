//! The log's warning about clients that were cut off: at most one line in some seconds, with their number.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log_line::Excerpt;

/// Least time between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// Bytes of a message that are searched for the event's name.
const LOOKED_AT: usize = 256;

/// The cut off clients of a server that were not logged yet.
#[derive(Debug, Default)]
pub(in crate::shard) struct Cuts(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    /// Nothing is logged before this.
    until: Option<Instant>,
    count: usize,
    largest: Option<Cut>,
}

/// One client that was cut off.
#[derive(Debug)]
struct Cut {
    /// The limit that it met: the variable with its value.
    bound: String,
    /// Bytes that waited for it.
    length: usize,
    /// The last event of its queue.
    event: Option<String>,
}

impl Cuts {
    /// Notes that a client was cut off at a limit while `length` bytes waited for it, with `last` at the end. Logs this at
    /// once, or returns the time until it is to be logged, if no timer is set for that yet.
    pub(in crate::shard) fn note(
        &self,
        now: Instant,
        bound: String,
        length: usize,
        last: Option<&[u8]>,
    ) -> Option<Duration> {
        let mut state = self.state();
        state.count += 1;
        if state.largest.as_ref().is_none_or(|largest| largest.length < length) {
            state.largest = Some(Cut { bound, length, event: last.and_then(event_name) });
        }
        let left = state.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if left.is_zero() {
            state.tell(now);
            return None;
        }
        (state.count == 1).then_some(left)
    }

    /// Logs the clients that were not logged yet.
    pub(in crate::shard) fn tell(&self, now: Instant) {
        self.state().tell(now);
    }

    fn state(&self) -> MutexGuard<'_, Untold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Untold {
    fn tell(&mut self, now: Instant) {
        let Some(Cut { bound, length, event }) = self.largest.take() else { return };
        let count = std::mem::take(&mut self.count);
        self.until = Some(now + PAUSE);
        let event = event.map_or_else(String::new, |event| format!(", event {:?} last", Excerpt(&event)));
        log::warn!(
            "{count} client(s) cut off for which more waited than may, or that took too little of it; for the one with the most {length} bytes waited ({bound}){event}"
        );
    }
}

/// The name of the event that frames begin with, as far as it can be seen.
fn event_name(frames: &[u8]) -> Option<String> {
    let beginning = frames.get(..frames.len().min(LOOKED_AT))?;
    let start = memchr::memmem::find(beginning, b"[\"")? + 2;
    let name = beginning.get(start..)?;
    let end = memchr::memchr(b'"', name).unwrap_or(name.len());
    Some(String::from_utf8_lossy(name.get(..end)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_of_many() {
        let (cuts, now) = (Cuts::default(), Instant::now());
        assert_eq!(cuts.note(now, String::new(), 5, None), None);
        assert_eq!(cuts.note(now + PAUSE / 2, String::new(), 7, None), Some(PAUSE / 2), "later");
        assert_eq!(cuts.note(now + PAUSE / 2, String::new(), 6, None), None, "with the one before");
        assert_eq!(cuts.state().largest.as_ref().map(|cut| cut.length), Some(7));
        cuts.tell(now + PAUSE);
        assert_eq!(cuts.state().count, 0);
        assert_eq!(cuts.note(now + 2 * PAUSE, String::new(), 1, None), None);
        assert_eq!(cuts.state().count, 0, "told at once");
    }

    #[test]
    fn the_event_is_named_if_it_can_be_seen() {
        assert_eq!(event_name(b"\x81\x0e42[\"news\",\"x\"]").as_deref(), Some("news"));
        assert_eq!(event_name(b"\x81\x0e42/a,[\"news\"]").as_deref(), Some("news"));
        assert_eq!(event_name(b"\x81\x012"), None);
        assert_eq!(event_name(b""), None);
    }
}
