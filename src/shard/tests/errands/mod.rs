//! An entry: clients reach it whose sessions live on another instance.

mod entry;
mod failures;
mod requests;
mod tunnels;
