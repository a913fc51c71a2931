//! Questions to the event loops, each of which answers in a turn of its own.
//!
//! Nothing ticks in a shard: it is asked by a letter when somebody asks here, and its answer proves that it turns.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Subject;
use crate::shard::{Census, Letter, Shard};

/// Questions that one loop may have left unanswered: it is stuck, and is not sent more.
const UNANSWERED: usize = 8;

/// Time that a loop has to say what it has. Beyond: metrics and status go without.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// The first and the longest time between two looks for answers.
const LOOKS: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(20));

/// How many questions each loop has yet to answer.
pub(super) struct Questions(Vec<Arc<AtomicUsize>>);

impl Questions {
    pub(super) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Arc::default()).collect())
    }
}

/// Asks every loop; gives what each said within that time, in their order.
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
        // Whether there is room or not: so few letters do not matter, and nothing here may wait for a loop.
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

/// Counts who and what is there in all loops, and how many of them did not say.
pub(super) fn take(subject: &Subject) -> (Census, usize) {
    let mut sum = Census::default();
    let mut silent = 0;
    for answer in ask(subject, COUNTED_WITHIN, |shard| shard.core.borrow().census()) {
        match answer {
            Some(census) => sum.add(census),
            None => silent += 1,
        }
    }
    (sum.ranked(), silent)
}
