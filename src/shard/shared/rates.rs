//! How fast each client may send, if that is bounded.

use crate::config::Limits;
use crate::shard::store::rate::Rate;

/// Seconds' worth that a client may send at once after a while without.
const BURST: u32 = 2;

/// How fast each client may send.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Rates {
    pub(in crate::shard) messages: Option<Rate>,
    pub(in crate::shard) bytes: Option<Rate>,
}

impl Rates {
    /// `None` if nothing is bounded.
    pub(in crate::shard) fn new(limits: &Limits) -> Option<Self> {
        let rate = |bound: Option<usize>| bound.map(|per_second| Rate::new(per_second, BURST));
        let rates = Self { messages: rate(limits.message_rate), bytes: rate(limits.byte_rate) };
        (rates.messages.is_some() || rates.bytes.is_some()).then_some(rates)
    }
}
