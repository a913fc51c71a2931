//! The load: this binary's own load generator as a child process, and what it reports.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::server::Server;
use super::stop;

/// A load generator that runs; killed when dropped.
pub struct Load {
    child: Child,
    arguments: String,
    output: Option<JoinHandle<io::Result<String>>>,
}

impl Load {
    /// Starts `perf ARGUMENTS` against a server, and has it report what `counted`, that server or another, uses. The
    /// arguments stand between spaces.
    pub fn start(arguments: &str, server: &Server, counted: &Server) -> io::Result<Self> {
        let mut command = command(arguments, server)?;
        command.arg("--json").arg("--pid").arg(counted.pid().to_string());
        for directory in counted.counters() {
            command.arg("--cgroup").arg(directory);
        }
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let output = child.stdout.take().map(|mut stdout| {
            thread::spawn(move || {
                let mut text = String::new();
                stdout.read_to_string(&mut text).map(|_| text)
            })
        });
        Ok(Self { child, arguments: arguments.to_owned(), output })
    }

    /// Connects idle clients and holds them until it is dropped; returns once all are connected.
    pub fn hold(clients: u32, server: &Server) -> Result<Self, Box<dyn Error>> {
        // As one of several processes it says when a phase is reached, and waits there for the others.
        let arguments = format!("idle --connections {clients} --share 0/1");
        let mut child = command(&arguments, server)?.stdin(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let held = Self { child, arguments, output: None };
        let (sender, reached) = channel();
        thread::spawn(move || {
            let connected = BufReader::new(stdout).lines().map_while(Result::ok).find(|line| line.starts_with("at "));
            // Nobody listens any more if the comparison was stopped.
            let _ = sender.send(connected);
        });
        loop {
            stop::check()?;
            match reached.recv_timeout(stop::NOTICE) {
                Ok(Some(_)) => return Ok(held),
                Err(RecvTimeoutError::Timeout) => {}
                _ => return Err(format!("perf {} did not connect its clients", held.arguments).into()),
            }
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        stop::check()?;
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for its end; what it reports.
    pub fn report(mut self) -> Result<Report, Box<dyn Error>> {
        while !self.has_ended()? {
            thread::sleep(stop::NOTICE);
        }
        let output = self.output.take().and_then(|output| output.join().ok()).transpose()?.unwrap_or_default();
        let report = serde_json::from_str(&output)
            .map_err(|error| format!("perf {}: {error} in what it reports: {output:?}", self.arguments))?;
        Ok(Report { arguments: std::mem::take(&mut self.arguments), report })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // What fails here is that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &str, server: &Server) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments.split(' ')).arg("--url").arg(format!("http://{}", server.address()));
    command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    Ok(command)
}

/// Runs the load generator to its end.
pub fn run(arguments: &str, server: &Server) -> Result<Report, Box<dyn Error>> {
    Load::start(arguments, server, server)?.report()
}

/// What the load generator reports.
pub struct Report {
    arguments: String,
    report: Value,
}

impl Report {
    /// A number of the report, by its JSON pointer.
    pub fn number(&self, pointer: &str) -> Result<f64, Box<dyn Error>> {
        self.report
            .pointer(pointer)
            .and_then(Value::as_f64)
            .ok_or_else(|| format!("perf {} reports no {pointer}: {}", self.arguments, self.report).into())
    }
}
