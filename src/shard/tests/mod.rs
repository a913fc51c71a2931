//! Whole servers in a simulated world, and servers that pass requests on to each other.

mod errands;
mod recovery;
mod relayed;
mod server;
mod simulation;
