//! Bodies of requests: those of POSTs are collected, unwanted ones are dropped.

use crate::http::{self, BodyError, BodyStep, Delivery, HeaderLines, Status};
use crate::metrics::Limit;
use crate::shard::input::Intake;
use crate::shard::input::http::Step;
use crate::shard::net::connection::{HttpState, Then};
use crate::shard::store::keys::ConnectionKey;

impl Intake {
    pub(in crate::shard::input) fn discarded(
        &mut self,
        key: ConnectionKey,
        result: Result<(usize, BodyStep), BodyError>,
    ) -> Step {
        match result {
            Ok((used, BodyStep::Done)) => {
                self.set_state(key, HttpState::Head);
                let deadline = self.now() + self.shared().config.limits.keep_alive;
                self.set_deadline(key, deadline);
                Step::Used(used)
            }
            Ok((used, BodyStep::TooLarge)) => Step::Used(used),
            Ok((_, BodyStep::More)) => Step::Over,
            // The answer is given already; what follows on this connection cannot be understood.
            Err(_) => {
                self.finish(key, Then::Linger);
                Step::Over
            }
        }
    }

    pub(in crate::shard::input) fn post_went_on(
        &mut self,
        key: ConnectionKey,
        result: Result<(usize, BodyStep), BodyError>,
    ) -> Step {
        let Some(session) = self.posting(key) else { return Step::Over };
        match result {
            Ok((used, BodyStep::TooLarge)) => {
                self.metrics().hit(Limit::MaxHttpBufferSize);
                self.session(session, |session, _, _, _| session.post_too_long(key));
                self.answer_and_drop(key, Status::PayloadTooLarge);
                Step::Used(used)
            }
            Ok((_, BodyStep::More | BodyStep::Done)) => Step::Over,
            Err(error) => {
                log::debug!("connection {}: {error}", key.0);
                self.set_state(key, HttpState::Head);
                self.session(session, |session, _, _, effects| session.post_lost(key, effects));
                self.last_answer(key, &http::empty(Status::BadRequest, Delivery::LAST, &HeaderLines::EMPTY));
                Step::Over
            }
        }
    }
}
