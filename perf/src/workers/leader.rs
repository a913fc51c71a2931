//! The process that starts the others, and what it hears of them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::commands::Tally;
use crate::error::{Error, Result};
use crate::report::Progress;

/// One line of a process.
enum Line<T> {
    /// How much of how much is done.
    Now(u64, u64),
    /// It has come to the end of a phase, with this number.
    At(u64),
    Tally(T),
}

impl<T: Tally> Line<T> {
    /// `None` if no process says so.
    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ')? {
            ("now", rest) => {
                let mut words = rest.splitn(3, ' ');
                let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                Some(Self::Now(number(), number()))
            }
            ("at", number) => number.parse().ok().map(Self::At),
            ("tally", text) => serde_json::from_str(text).ok().map(Self::Tally),
            _ => None,
        }
    }
}

/// The process that starts the others.
pub struct Leader {
    children: Vec<Child>,
    /// What they say, by their index; `None` at the end of one.
    lines: Receiver<(usize, Option<String>)>,
    progress: Progress,
    /// What each has done of what it has to do.
    done: Vec<(u64, u64)>,
    /// Who has come to the end of the phase.
    arrived: HashMap<usize, u64>,
}

impl Leader {
    /// Starts `of` processes.
    pub fn start(of: usize) -> Result<Self> {
        let (sender, lines) = channel();
        let (progress, done) = (Progress::new(), vec![(0, 0); of]);
        let mut leader = Self { children: Vec::new(), lines, progress, done, arrived: HashMap::new() };
        let program = std::env::current_exe().map_err(Error::system("the path of this program"))?;
        for index in 0..of {
            let child = Command::new(&program)
                .args(std::env::args_os().skip(1))
                .arg(format!("--share={index}/{of}"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn();
            let mut child = child.map_err(Error::system("starting a load process"))?;
            let sender: Sender<_> = sender.clone();
            if let Some(output) = child.stdout.take() {
                std::thread::spawn(move || {
                    let lines = BufReader::new(output).lines().map_while(|line| line.ok());
                    lines.map(Some).chain([None]).try_for_each(|line| sender.send((index, line)))
                });
            }
            leader.children.push(child);
        }
        Ok(leader)
    }

    /// Leads them to their end; the sum of their tallies.
    pub fn lead<T: Tally>(mut self, stop: &AtomicBool) -> Result<T> {
        let mut tallies: Vec<T> = Vec::new();
        let mut ended = 0;
        let mut told = false;
        while ended < self.children.len() {
            if stop.load(Ordering::Relaxed) && !told {
                told = true;
                self.tell("stop\n");
            }
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok((index, Some(line))) => match Line::parse(&line) {
                    Some(Line::Now(count, total)) => self.show(index, count, total),
                    Some(Line::At(number)) => self.let_in(index, number),
                    Some(Line::Tally(tally)) => tallies.push(tally),
                    None => return Err(Error::Worker { index, cause: format!("said {line:?}") }),
                },
                Ok((index, None)) => {
                    ended += 1;
                    if tallies.len() < ended {
                        let status =
                            self.children[index].wait().map_err(Error::system("waiting for a load process"))?;
                        return Err(Error::Worker { index, cause: status.to_string() });
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.progress.clear();
        let sum = tallies.into_iter().reduce(|mut sum, tally| {
            sum.merge(tally);
            sum
        });
        sum.ok_or_else(|| Error::Worker { index: 0, cause: "said nothing".to_owned() })
    }

    fn show(&mut self, index: usize, count: u64, total: u64) {
        self.done[index] = (count, total);
        let (count, total) = self.done.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        self.progress.update("all processes", count, Some(total));
    }

    /// Opens the gate when all have arrived.
    fn let_in(&mut self, index: usize, number: u64) {
        self.arrived.insert(index, number);
        if self.arrived.len() == self.children.len() {
            let sum: u64 = self.arrived.drain().map(|(_, number)| number).sum();
            self.tell(&format!("go {sum}\n"));
        }
    }

    fn tell(&mut self, line: &str) {
        for child in &mut self.children {
            if let Some(input) = &mut child.stdin {
                // One that is gone is noticed by the end of its output.
                let _ = input.write_all(line.as_bytes());
            }
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Those that have ended need no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
