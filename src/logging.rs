//! The log: one line a notable event on standard error, for people or for a collector.

use std::io::{self, Write};

use env_logger::fmt::Formatter;
use kinglet::LogFormat;
use log::{LevelFilter, Record};

/// Starts the log.
pub(crate) fn start() {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"));
    // What runs the port for operations tells at length what it does, and calls the end of a connection an error.
    builder.filter_module("may", LevelFilter::Warn).filter_module("may_minihttp", LevelFilter::Off);
    if LogFormat::from_env() == LogFormat::Json {
        builder.format(json);
    }
    builder.init();
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
