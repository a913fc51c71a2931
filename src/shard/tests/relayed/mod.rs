//! An owner of sessions whose clients have reached another instance.

mod ends;
mod owner;
mod polling;
mod tunnels;
