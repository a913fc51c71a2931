//! Engine.IO sessions: what a shard knows of a client across its connections, and what it keeps and may send.

pub(in crate::shard) mod acting;
pub(in crate::shard) mod allowance;
pub(in crate::shard) mod client;
pub(in crate::shard) mod handshake;
pub(in crate::shard) mod ledger;
pub(in crate::shard) mod polls;
pub(in crate::shard) mod sending;
pub(in crate::shard) mod slow;
pub(in crate::shard) mod strain;
pub(in crate::shard) mod translation;
