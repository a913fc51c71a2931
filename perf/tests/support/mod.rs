//! Running `perf`, and servers for it.

mod kinglet;
mod lossy;

use std::process::{Child, Command, Stdio};

pub use kinglet::Kinglet;
pub use lossy::{Fault, LossyServer};

/// What a run of `perf` came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub output: String,
    pub errors: String,
}

impl Run {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub fn perf(arguments: &[&str]) -> Run {
    finish(start(arguments))
}

/// Runs `perf`, and interrupts it as Ctrl-C does once `ready` returns.
pub fn interrupted(arguments: &[&str], ready: impl FnOnce()) -> Run {
    let child = start(arguments);
    ready();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    finish(child)
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), output: text(output.stdout), errors: text(output.stderr) }
}
