//! Several processes that make one load. Each plays a share of the clients and tells the one that started it, a line at
//! a time, how far it is; phases begin in all of them together.
//!
//! A process says `now COUNT TOTAL WHAT` (progress), `at NUMBER` (it has reached the end of a phase, with a number of
//! its own) and last `tally JSON`. It is told `go SUM` once all have reached the end of the phase, with the sum of their
//! numbers, or `stop`.

mod conduct;
mod gate;
mod leader;

pub use conduct::conduct;
pub use gate::Gate;
