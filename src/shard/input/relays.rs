//! What other instances tell about errands of this shard.

use std::rc::Rc;

use bytes::Bytes;

use crate::cluster::peers::message::relay::{ExchangeNumber, ToEntry};
use crate::cluster::peers::{Instance, Unheard};
use crate::shard::Shard;
use crate::shard::net::relayed::Failure;

impl Shard {
    /// An instance tells something about an errand. Nobody but its owner is believed.
    pub(crate) fn told_by_owner(self: &Rc<Self>, from: Instance, number: ExchangeNumber, what: ToEntry) {
        let key = self.core.borrow_mut().hear(from, number);
        if let Some(key) = key {
            self.served(key, |shard| match what {
                ToEntry::Move { taken, session } => shard.move_in(number, taken, &session),
                what => shard.core.borrow_mut().told_by_owner(key, number, what),
            });
        }
    }

    /// All that was under way with an instance is over.
    pub(crate) fn owner_gone(self: &Rc<Self>, instance: Instance) {
        let errands = self.core.borrow().errands_to(instance);
        errands.into_iter().for_each(|number| self.errand_failed(number, Failure::Gone));
    }

    /// The owner of an errand has not heard something. What is to be sent `again` comes back.
    pub(in crate::shard) fn owner_not_told(
        self: &Rc<Self>,
        number: ExchangeNumber,
        why: Unheard,
        again: Option<Bytes>,
    ) {
        self.errand_failed(number, Failure::Unheard(why, again));
    }

    fn errand_failed(self: &Rc<Self>, number: ExchangeNumber, failure: Failure) {
        self.serve_errand(number, |shard| shard.core.borrow_mut().errand_failed(number, failure));
    }

    /// Acts for the connection of an errand.
    fn serve_errand(self: &Rc<Self>, number: ExchangeNumber, act: impl FnOnce(&Rc<Self>)) {
        let key = self.core.borrow().connection_of_errand(number);
        if let Some(key) = key {
            self.served(key, act);
        }
    }
}
