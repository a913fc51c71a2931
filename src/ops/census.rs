//! Questions to the event loops. Each loop answers in a turn of its own.
//!
//! Nothing ticks in a shard. It is asked by a letter when somebody asks here, and its answer proves that its loop
//! turns.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Subject;
use crate::shard::{Census, Letter, Shard};

/// Most unanswered questions of one loop. A loop with that many is stuck, and gets no more.
const UNANSWERED: usize = 8;

/// Time a loop has to count. Beyond: metrics and status are answered without it.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// The first and the longest pause between two looks for answers.
const LOOKS: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(20));

/// How many questions each loop has yet to answer.
pub(super) struct Questions(Vec<Arc<AtomicUsize>>);

impl Questions {
    pub(super) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Arc::default()).collect())
    }
}

/// Asks every loop, and returns the answers that came in time, in the order of the loops.
pub(super) fn ask<T: Send + 'static>(
    subject: &Subject,
    within: Duration,
    question: impl Fn(&Rc<Shard>) -> T + Send + Sync + 'static,
) -> Vec<Option<T>> {
    let until = Instant::now() + within;
    let question = Arc::new(question);
    let asked = subject.shared.mailboxes.iter().zip(&subject.questions.0).map(|(mailbox, unanswered)| {
        if unanswered.fetch_add(1, Relaxed) >= UNANSWERED {
            unanswered.fetch_sub(1, Relaxed);
            return None;
        }
        let place = Arc::new(Mutex::new(None));
        let (question, answer, unanswered) = (Arc::clone(&question), Arc::clone(&place), Arc::clone(unanswered));
        // This does not wait for room: there are few of these letters, and nothing here may wait for a loop.
        mailbox.hand_over(Letter::run(0, move |shard| {
            let said = question(shard);
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
            unanswered.fetch_sub(1, Relaxed);
        }));
        Some(place)
    });
    let places: Vec<Option<Arc<Mutex<Option<T>>>>> = asked.collect();
    let take = |place: &Mutex<Option<T>>| place.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut answers: Vec<Option<T>> = places.iter().map(|_| None).collect();
    let (mut pause, longest) = LOOKS;
    loop {
        let mut missing = false;
        for (answer, place) in answers.iter_mut().zip(&places) {
            if answer.is_none() {
                *answer = place.as_deref().and_then(take);
                missing |= answer.is_none() && place.is_some();
            }
        }
        if !missing || Instant::now() >= until {
            return answers;
        }
        may::coroutine::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Adds up the counts of all loops, and how many loops did not answer.
pub(super) fn take(subject: &Subject) -> (Census, usize) {
    let mut sum = Census::default();
    let mut silent = 0;
    for answer in ask(subject, COUNTED_WITHIN, |shard| shard.with(|core| core.census())) {
        match answer {
            Some(census) => sum.add(census),
            None => silent += 1,
        }
    }
    (sum.ranked(), silent)
}
