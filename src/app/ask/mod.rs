//! Questions to the shards and to the other servers, and the collection of their answers: by time, by number, and within
//! the answer budget.

mod acknowledgements;
mod collecting;
mod counts;
mod questions;

pub(in crate::app) use self::acknowledgements::ask_for_acks;
pub(in crate::app) use self::collecting::end_after;
pub(in crate::app) use self::counts::count_servers;
pub(in crate::app) use self::questions::{Question, collect_all, collect_here};
