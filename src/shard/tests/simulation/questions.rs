//! Questions of the server: each is answered once, by those who got it, or ends in its time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::speech::attachment;
use super::plan::Plan;
use crate::app::{Answers, MissingAnswers};
use crate::clock;
use crate::error::AckError;
use crate::socketio::Arguments;

/// How late a question may end.
const LATE: Duration = Duration::from_millis(1500);

/// All questions that were asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions(Arc<Mutex<Vec<Question>>>);

#[derive(Debug)]
struct Question {
    until: Instant,
    endings: Vec<Ending>,
}

/// How a question has ended.
#[derive(Debug)]
struct Ending {
    at: Instant,
    /// The tags of those who have answered.
    answers: Vec<u64>,
    /// How many were asked and have not.
    missing: usize,
}

/// Who has got a question, by its number, and whether it has answered.
pub(super) type Got = BTreeMap<(u64, u64), bool>;

impl Questions {
    fn lock(&self) -> MutexGuard<'_, Vec<Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question begins. Gives its number.
    pub(super) fn begin(&self, timeout: Duration) -> u64 {
        let mut questions = self.lock();
        questions.push(Question { until: clock::now() + timeout, endings: Vec::new() });
        questions.len() as u64 - 1
    }

    /// A question to one has ended.
    pub(super) fn end(&self, number: u64, answer: Result<Arguments, AckError>) {
        let answers: Vec<u64> = answer.iter().map(|answer| tag(answer, number)).collect();
        self.note(number, 1 - answers.len(), answers);
    }

    /// A question to many has ended.
    pub(super) fn end_of_all(&self, number: u64, answers: Result<Answers, MissingAnswers>) {
        let (answers, missing) = match answers {
            Ok(answers) => (answers, 0),
            Err(MissingAnswers { answers, missing }) => (answers, missing),
        };
        self.note(number, missing, answers.iter().map(|answer| tag(answer, number)).collect());
    }

    fn note(&self, number: u64, missing: usize, answers: Vec<u64>) {
        self.lock()[number as usize].endings.push(Ending { at: clock::now(), answers, missing });
    }

    /// Each has ended once and in its time, unless its server has. Who answered got it; who got it has answered or is counted as
    /// missing, unless other servers may have counted too late.
    pub(super) fn check(&self, got: &Got, plan: &Plan) {
        for (number, question) in self.lock().iter().enumerate() {
            let Question { until, endings } = question;
            if plan.has_ends() && endings.is_empty() {
                continue;
            }
            let [Ending { at, answers, missing }] = endings.as_slice() else {
                panic!("question {number}: {endings:?}")
            };
            assert!(*at <= *until + LATE, "question {number} ends {:?} late", *at - *until);
            let receivers = got.range((number as u64, 0)..(number as u64 + 1, 0));
            let (mut count, mut willing) = (0, BTreeSet::new());
            for ((_, tag), has_answered) in receivers {
                count += 1;
                willing.extend(has_answered.then_some(*tag));
            }
            let given: BTreeSet<u64> = answers.iter().copied().collect();
            assert_eq!(given.len(), answers.len(), "question {number} is answered twice by somebody: {answers:?}");
            assert!(given.is_subset(&willing), "question {number} is answered by {given:?}, not by {willing:?}");
            let asked = answers.len() + missing;
            assert!(plan.is_cluster() || count <= asked, "question {number} was got by {count}, and asked of {asked}");
        }
    }
}

/// The tag of the one who answers, if the attachment is that of the question and the tag.
fn tag(answer: &Arguments, number: u64) -> u64 {
    let tag = answer.args::<(Value,)>().ok().and_then(|(answer,)| answer["tag"].as_u64()).unwrap_or(u64::MAX);
    let is_whole = answer.attachments().iter().eq(&[attachment(tag, number, 0)]);
    if is_whole { tag } else { u64::MAX }
}
