//! The form of the program's log.

use super::parse::Expected;

/// The variable that sets it.
pub(super) const VARIABLE: &str = "KINGLET_LOG_FORMAT";

/// How the program writes a line of its log. The library logs through the `log` crate and leaves this to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object with `timestamp`, `level`, `target` and `message`, for collectors such as CloudWatch.
    Json,
}

impl LogFormat {
    /// The form that the environment asks for. It is needed before anything can be logged, so a value that is not
    /// accepted means text here; [`Config::from_env`](super::Config::from_env) refuses it.
    pub fn from_env() -> Self {
        std::env::var(VARIABLE).ok().and_then(|text| parse(&text).ok()).unwrap_or_default()
    }
}

pub(super) fn parse(text: &str) -> Result<LogFormat, Expected> {
    match text.trim() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json"),
    }
}
