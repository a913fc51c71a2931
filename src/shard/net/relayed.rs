//! Requests that were passed on: what their owners answer, and what becomes of those that they do not answer.
//!
//! What the owner says is written to the client as it is. An errand that fails is answered as a request whose session nobody has,
//! so that the client begins a new one.

use std::time::Duration;

use bytes::Bytes;

use crate::cluster::peers::Unheard;
use crate::cluster::peers::message::relay::{ExchangeNumber, Then as What, ToEntry};
use crate::engineio::Code;
use crate::http::{self, Status};
use crate::metrics::RelayFailure;
use crate::shard::net::Net;
use crate::shard::net::connection::{CloseCause, DelayedPost, HttpState, Stage, Then};
use crate::shard::net::errands::Aim;
use crate::shard::store::keys::ConnectionKey;
use crate::shard::store::rate::LONGEST_DEBT;

/// Time after which a GET is sent once more that found no room on its way.
const AGAIN: Duration = Duration::from_millis(100);

/// Why an errand failed.
#[derive(Debug)]
pub(in crate::shard) enum Failure {
    /// The owner has not heard something. This is to be sent again, if that helps.
    Unheard(Unheard, Option<Bytes>),
    /// All that was under way with the owner is over.
    Gone,
    /// The owner did not answer in time.
    Late,
}

impl Net {
    /// The owner of a connection's errand tells something about it.
    pub(in crate::shard) fn told_by_owner(&mut self, key: ConnectionKey, number: ExchangeNumber, what: ToEntry) {
        match what {
            ToEntry::Down { bytes, then } => self.down(key, number, bytes, then),
            ToEntry::Taken(count) => self.up_taken(key, number, count),
            ToEntry::Gone if self.errands.get(number).is_some_and(|errand| !errand.has_begun) => {
                self.errand_failed(number, Failure::Gone);
            }
            ToEntry::Gone | ToEntry::Move { .. } => {
                self.end_errand(number);
                self.mark_closed(key, CloseCause::Cut);
            }
        }
    }

    /// Bytes for the client have come from the owner.
    fn down(&mut self, key: ConnectionKey, number: ExchangeNumber, bytes: Bytes, what: What) {
        if what == What::Tunnel {
            self.become_tunnel(key, number);
        }
        if !bytes.is_empty() {
            self.note_down(key, number, bytes.len());
            self.push_own(key, bytes);
        }
        if matches!(what, What::Answered | What::Closed) {
            self.end_errand(number);
            self.set_state(key, HttpState::Head);
        }
        match what {
            What::More | What::Tunnel => {}
            What::Answered => self.answered(key),
            What::Closed => self.finish(key, Then::Linger),
        }
    }

    /// The time of a connection's errand is over.
    pub(in crate::shard) fn errand_due(&mut self, key: ConnectionKey, number: ExchangeNumber) {
        let Some(errand) = self.errands.get_mut(number) else { return self.mark_closed(key, CloseCause::Cut) };
        let (owner, aim, has_begun) = (errand.owner.instance, errand.aim, errand.has_begun);
        if let Some(request) = errand.again.take() {
            self.set_deadline(key, self.now + self.patience(aim));
            return self.send_again(number, request);
        }
        if let Some(carrier) = &self.shared.carrier {
            carrier.unanswered(owner);
        }
        self.leave_errand(number);
        self.fail(key, aim, has_begun, &Failure::Late);
    }

    /// How long an owner has: as long as it may take for its own client, and the time of the way.
    pub(in crate::shard) fn patience(&self, aim: Aim) -> Duration {
        let settings = &self.shared.settings;
        let own = match aim {
            Aim::Poll => settings.ping_interval + settings.ping_timeout,
            Aim::Post if self.shared.rates.is_some() => DelayedPost::PATIENCE + LONGEST_DEBT,
            Aim::Post | Aim::Upgrade => DelayedPost::PATIENCE,
        };
        own + self.shared.config.limits.relay_timeout
    }

    /// An errand has failed, of which the owner needs to hear nothing more.
    pub(in crate::shard) fn errand_failed(&mut self, number: ExchangeNumber, failure: Failure) {
        let Some(errand) = self.errands.get_mut(number) else { return };
        let (key, aim, has_begun) = (errand.connection, errand.aim, errand.has_begun);
        if let Failure::Unheard(Unheard::Full, Some(request)) = failure {
            errand.again = Some(request);
            return self.set_deadline(key, self.now + AGAIN);
        }
        self.end_errand(number);
        self.fail(key, aim, has_begun, &failure);
    }

    /// Answers a request whose errand has failed and is over. A tunnel is closed, because something would be missing, as is the
    /// connection of a request whose answer has begun.
    fn fail(&mut self, key: ConnectionKey, aim: Aim, has_begun: bool, failure: &Failure) {
        let reason = failure.reason();
        self.metrics.relay_failures[reason as usize].one();
        log::debug!("connection {}: its session's instance does not answer ({})", key.0, reason.name());
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let http = match &mut connection.stage {
            Stage::Http(http) if !has_begun => http,
            _ => return self.mark_closed(key, CloseCause::Cut),
        };
        http.state = HttpState::Head;
        let (delivery, cors) = (http.answer.delivery, &http.answer.cors);
        let answer = match (reason, aim) {
            (RelayFailure::Full, _) => http::empty(Status::ServiceUnavailable, delivery, cors),
            (RelayFailure::TooLong, _) => http::empty(Status::PayloadTooLarge, delivery, cors),
            (_, Aim::Upgrade) => http::refusal(Code::UnknownSid.message()),
            (_, Aim::Poll | Aim::Post) => http::error(delivery, cors, Code::UnknownSid, None),
        };
        if !matches!(reason, RelayFailure::Full | RelayFailure::TooLong) {
            self.metrics.refused.one();
            self.metrics.refusals[Code::UnknownSid as usize].one();
        }
        self.push_own(key, answer);
        if aim == Aim::Upgrade { self.finish(key, Then::Linger) } else { self.answered(key) }
    }
}

impl Failure {
    /// The failure, as it is counted.
    const fn reason(&self) -> RelayFailure {
        match self {
            Self::Unheard(Unheard::Gone, _) | Self::Gone => RelayFailure::Gone,
            Self::Unheard(Unheard::Away | Unheard::Refused, _) => RelayFailure::Redis,
            Self::Unheard(Unheard::Full, _) => RelayFailure::Full,
            Self::Unheard(Unheard::TooLong, _) => RelayFailure::TooLong,
            Self::Late => RelayFailure::Late,
        }
    }
}
