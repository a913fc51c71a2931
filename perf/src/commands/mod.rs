//! The commands, each a load on the event loop and a tally of what became of it.

pub mod ack;
pub mod broadcast;
pub mod connect;
pub mod fanout;
pub mod http;
pub mod idle;
mod run;

pub use run::{Measured, Meter, Run, Tally, Verdict};
