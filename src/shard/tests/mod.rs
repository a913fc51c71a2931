//! Whole servers in a simulated world.

mod simulation;
