//! Rate limits: how fast each client may send.

use crate::config::Limits;
use crate::shard::store::rate::Rate;

/// The burst of a client that has sent nothing for a while, in seconds of its rate.
const BURST: u32 = 2;

/// The rate limits of a client.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Rates {
    pub(in crate::shard) messages: Option<Rate>,
    pub(in crate::shard) bytes: Option<Rate>,
}

impl Rates {
    /// `None` if nothing is limited.
    pub(in crate::shard) fn new(limits: &Limits) -> Option<Self> {
        let rate = |bound: Option<usize>| bound.map(|per_second| Rate::new(per_second, BURST));
        let rates = Self { messages: rate(limits.message_rate), bytes: rate(limits.byte_rate) };
        (rates.messages.is_some() || rates.bytes.is_some()).then_some(rates)
    }
}
