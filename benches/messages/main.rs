//! What runs for each message, measured piece by piece: `cargo bench -- [--instructions] [FILTER]`.
//!
//! The codecs are called directly. What lies inside a shard (a frame in, the dispatch of an event, a fan-out) runs in a
//! whole server of one shard in this process, which bare clients on the main thread drive over the loopback interface;
//! only the shard's thread is counted. See [`measure`] for the two ways to count.

mod clients;
mod codecs;
mod measure;
mod servers;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use lexopt::prelude::*;

/// Something that is measured.
struct Case {
    name: &'static str,
    /// The thread whose cost is counted.
    thread: Thread,
    /// Operations in one step.
    operations: u64,
    /// Steps that are few enough for an emulated processor.
    steps: u64,
    /// Sets up what a step needs.
    prepare: fn() -> io::Result<Step>,
}

/// Does a case's operations once, and returns when they are done.
type Step = Box<dyn FnMut() -> io::Result<()>>;

/// A thread of this process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    Main,
    Shard,
}

/// What the command line asks for.
enum Task {
    Time {
        filter: String,
    },
    Instructions {
        filter: String,
    },
    /// One case, so many steps, and nothing else: what runs on the emulated processor.
    Steps {
        name: String,
        steps: u64,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("messages: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let all = || codecs::CASES.iter().chain(servers::CASES);
    let some = |filter: String| match all().filter(|case| case.name.contains(&filter)).collect::<Vec<_>>() {
        cases if cases.is_empty() => Err(format!("no case has `{filter}` in its name")),
        cases => Ok(cases),
    };
    match task()? {
        Task::Time { filter } => {
            let cases = some(filter)?;
            println!(
                "{:<44} {:>12}   spread of {} rounds",
                "CPU time, the kernel's included",
                "ns each",
                measure::ROUNDS
            );
            for case in cases {
                let [low, median, high] = measure::nanoseconds(case)?;
                println!("{:<44} {median:>12.1}   {low:.1} to {high:.1}", case.name);
            }
        }
        Task::Instructions { filter } => {
            let cases = some(filter)?;
            println!("{:<44} {:>12}", "instructions in user mode", "each");
            for case in cases {
                println!("{:<44} {:>12.0}", case.name, measure::instructions(case)?);
            }
        }
        Task::Steps { name, steps } => {
            let case = all().find(|case| case.name == name).ok_or("there is no such case")?;
            let mut step = (case.prepare)()?;
            for _ in 0..steps {
                step()?;
            }
        }
    }
    Ok(())
}

fn task() -> Result<Task, lexopt::Error> {
    let (mut filter, mut instructions, mut steps) = (None, false, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            // Cargo says so to every benchmark.
            Long("bench") => {}
            Long("instructions") => instructions = true,
            Long("steps") => steps = Some(arguments.value()?.parse()?),
            Value(text) if filter.is_none() => filter = Some(text.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let filter = filter.unwrap_or_default();
    Ok(match steps {
        Some(steps) => Task::Steps { name: filter, steps },
        None if instructions => Task::Instructions { filter },
        None => Task::Time { filter },
    })
}
