//! What a Socket.IO server costs: a load generator that plays many clients, and what it is compared with.

mod baseline;
mod commands;
mod compare;
mod engine;
mod error;
mod measure;
mod net;
mod options;
mod report;
mod wire;
mod workers;

#[cfg(not(target_os = "linux"))]
compile_error!("perf measures by what Linux alone has: its timers, its control groups, /proc");

use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt};

use commands::{ack, broadcast, connect, fanout, http, idle};
use error::{Error, Result};

const HELP: &str = "\
perf: what a Socket.IO server costs

usage: perf COMMAND [URL] [OPTIONS]

  broadcast   one client speaks, every other one must hear it
  idle        clients that only answer heartbeats            [--waves K]
  fanout      some speak, all hear     [--senders S] [--bytes B] [--burst K]
              [--messages PER_SECOND | --window WRITES] [--event NAME]
              [--listeners URL]
  ack         questions and answers                  [--event NAME] [--bytes B]
  connect     clients that come and go, or all come at once  [--stampede]
  polling     questions and answers over long polling
  http        GET / over connections that are kept   [--get PATH] [--rate PER_SECOND]
  baseline    a server that makes one send per message       (perf baseline --help)
  compare     every server under the same load             (perf compare --help)

options of all commands
  URL                http, https, ws or wss; else https://$LOAD_BALANCER_DOMAIN,
                     else http://127.0.0.1:3000
  --path PATH        where Engine.IO answers (/websockets)
  --namespace NAME   the Socket.IO namespace (the URL's path, or /)
  --transport NAME   websocket, polling, or default: polling, then the upgrade
  --connections N    clients
  --seconds N        length of the measured phase
  --rate N           connections begun per second at most
  --concurrency N    handshakes under way at once at most (256)
  --pid PID[,..]     the server's processes: CPU and memory are measured
  --cgroup DIR[,..]  the server's control group: exact CPU, memory of the kernel
  --processes N      processes that make the load (as few as open files allow)
  --ca FILE          certificates to trust beside the public ones
  --json             one JSON object instead of a table

exit code: 0 if nothing was lost, 1 if something was, 2 if nothing was measured
";

fn main() -> ExitCode {
    match command() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("perf: {error}");
            ExitCode::from(2)
        }
    }
}

fn command() -> Result<ExitCode> {
    let mut parser = Parser::from_env();
    let name = match parser.next()? {
        Some(Arg::Value(name)) => name.string()?,
        Some(Arg::Long("help") | Arg::Short('h')) => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(Error::Options("which command? See perf help".to_owned())),
    };
    match &*name {
        "broadcast" => broadcast::main(&mut parser),
        "idle" => idle::main(&mut parser),
        "fanout" => fanout::main(&mut parser),
        "ack" => ack::main(&mut parser, false),
        "connect" => connect::main(&mut parser),
        "polling" => ack::main(&mut parser, true),
        "http" => http::main(&mut parser),
        "baseline" => done(baseline::run(parser)),
        "compare" => done(compare::run(parser)),
        "confine" => done(compare::confine(parser)),
        "help" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(Error::Options(format!("there is no command {unknown:?}; see perf help"))),
    }
}

/// The exit code of a command that either does what it is for or not.
fn done(result: std::result::Result<(), Box<dyn std::error::Error>>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS).map_err(|error| Error::Options(error.to_string()))
}
