//! The log: one line per notable event on standard error, for people or for a collector. Nothing waits for it to be
//! read.

use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::thread;

use env_logger::Target;
use env_logger::fmt::Formatter;
use kinglet::LogFormat;
use log::{LevelFilter, Log, Metadata, Record};

use crate::stderr;

/// Most characters of a panic's message that are shown.
const MESSAGE: usize = 200;

/// Starts the log. When the returned value is dropped, the logged lines have been written, if somebody reads them.
pub(crate) fn start() -> Flush {
    // `env_logger` takes an empty variable for a filter that shows only errors; here it counts as not set.
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter.as_deref().unwrap_or("info"));
    // The runtime of the port for operations logs much, and calls the end of a connection an error.
    builder.filter_module("may", LevelFilter::Warn).filter_module("may_minihttp", LevelFilter::Off);
    if LogFormat::from_env() == LogFormat::Json {
        builder.format(json);
    }
    let logger = builder.target(Target::Pipe(Box::new(Lines))).build();
    log::set_max_level(logger.filter());
    log::set_boxed_logger(Box::new(Logger(logger))).expect("no other logger was set");
    panic::set_hook(Box::new(panicked));
    Flush
}

/// Writes a record as an object in a line.
fn json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let timestamp = out.timestamp_millis();
    let line = serde_json::json!({
        "timestamp": timestamp.to_string(),
        "level": record.level().as_str(),
        "target": record.target(),
        "message": record.args().to_string(),
    });
    writeln!(out, "{line}")
}

/// Logs a panic like anything else: the standard library's hook would wait for standard error.
fn panicked(panic: &PanicHookInfo<'_>) {
    let text = panic.payload().downcast_ref::<String>().map(String::as_str);
    let message = text.or_else(|| panic.payload().downcast_ref::<&str>().copied()).unwrap_or("no text");
    let message: String = message.chars().take(MESSAGE).collect();
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let thread = thread::current();
    log::error!("the thread {:?} panicked{place}: {message:?}", thread.name().unwrap_or("unnamed"));
}

/// See [`start`].
#[must_use = "dropped at the end of the process"]
pub(crate) struct Flush;

impl Drop for Flush {
    fn drop(&mut self) {
        stderr::flush();
    }
}

/// The logger, which can be told to flush.
struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.log(record);
    }

    fn flush(&self) {
        stderr::flush();
    }
}

/// Where the logger writes to, a line at a time.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        stderr::print(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
