//! The command line: help, version, the health check, and how errors end the process.

use std::ffi::OsString;
use std::process::ExitCode;

use kinglet::{Error, SETTINGS};

use crate::{health, stderr};

/// The exit code for a wrong setting or argument.
const USAGE: u8 = 2;

/// Handles the arguments; `None` if the server is to run.
pub(crate) fn answer(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    use lexopt::prelude::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_iter(args);
    match parser.next() {
        Ok(None) => None,
        Ok(Some(Short('h') | Long("help"))) => Some(print(&help())),
        Ok(Some(Short('V') | Long("version"))) => Some(print(concat!("kinglet ", env!("CARGO_PKG_VERSION"), "\n"))),
        Ok(Some(Value(command))) if command == "health" => Some(match parser.next() {
            Ok(None) => healthy(),
            Ok(Some(argument)) => wrong(&argument.unexpected().to_string()),
            Err(error) => wrong(&error.to_string()),
        }),
        Ok(Some(argument)) => Some(wrong(&argument.unexpected().to_string())),
        Err(error) => Some(wrong(&error.to_string())),
    }
}

/// Reports why the server could not run.
pub(crate) fn failure(error: &Error) -> ExitCode {
    complain(&error.to_string());
    match error {
        Error::Setting { .. } => ExitCode::from(USAGE),
        _ => ExitCode::FAILURE,
    }
}

/// 0 or 1, because container engines know no other code of a health check.
fn healthy() -> ExitCode {
    match health::check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn wrong(what: &str) -> ExitCode {
    complain(&format!("{what}; kinglet --help says what there is"));
    ExitCode::from(USAGE)
}

/// Reports an error before the process ends. The process ends whether somebody reads it or not.
fn complain(what: &str) {
    stderr::print(format!("kinglet: {what}\n").as_bytes());
    stderr::flush();
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    // The reader closed the pipe: it has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn help() -> String {
    let mut help = String::from(
        "kinglet: a Socket.IO server that relays `message-from-client` to everybody else\n\n\
         Usage: kinglet [--help] [--version]\n\
         \x20      kinglet health   asks the server with these settings: ends with 0 if it answers 200, else with 1\n\n\
         Settings come from the environment. Times are milliseconds, or have a unit (300ms, 25s, 2m);\n\
         sizes are bytes, or have a unit (64KiB or 64Ki, 1MiB or 1Mi, 512MB of a million bytes each).\n",
    );
    for group in SETTINGS.chunk_by(|a, b| a.group == b.group) {
        help += &format!("\n{}:\n", group[0].group);
        for setting in group {
            let default = match setting.name {
                "KINGLET_PATH" => "/websockets/",
                "KINGLET_HANDSHAKE_HEADERS" => "forget",
                _ => setting.default,
            };
            help += &format!("  {:<31} {} [{default}]\n", setting.name, setting.help);
        }
    }
    help += "  RUST_LOG                        log level: error, warn, info, debug [info]\n";
    help
}
