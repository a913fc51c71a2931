//! `POST /emit` publishes events.
//!
//! The body is one event, or a list of them: `{"namespace": "/", "rooms": ["a"], "except": ["b"], "event": "news",
//! "args": ["text", {"n": 1}]}`. Only `event` is required. `{"$base64": "AAEC"}` in the arguments is binary data, which
//! is sent as an attachment. All events are checked before the first is sent.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Subject;
use super::request::{Answer, Status};
use super::targets::Targets;
use crate::app::{Args, Writer};
use crate::error::EmitError;
use crate::metrics::Limit;
use crate::socketio::binary::Binary;
use crate::socketio::{is_reserved, is_within_depth};

/// The key of an object that represents binary data.
const BASE64: &str = "$base64";

/// One event of the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publication<'a> {
    #[serde(flatten)]
    targets: Targets,
    event: String,
    #[serde(borrow, default)]
    args: Vec<&'a RawValue>,
    /// Whether clients that are not ready to receive are left out.
    #[serde(default)]
    volatile: bool,
}

/// An event that passed the checks.
struct Checked {
    targets: Targets,
    event: String,
    arguments: Arguments,
    volatile: bool,
}

struct Arguments(Vec<Argument>);

enum Argument {
    /// Unchanged.
    Json(Box<RawValue>),
    /// With binary data in it.
    Binary(Value),
}

/// Why events are refused.
struct Wrong {
    status: Status,
    what: String,
}

/// 202 and how many events were accepted, or why none was.
pub(super) fn answer(subject: &Subject, body: &[u8]) -> Answer {
    let checked = match read(subject, body) {
        Ok(checked) => checked,
        Err(Wrong { status, what }) => return Answer::refusal(status, what),
    };
    let count = checked.len();
    for (place, publication) in checked.into_iter().enumerate() {
        if is_behind(subject) {
            return behind(place);
        }
        let Checked { targets, event, arguments, volatile } = publication;
        let meant = targets.select(subject);
        let meant = if volatile { meant.volatile() } else { meant };
        if let Err(error) = meant.emit(&event, arguments) {
            let status = if let EmitError::TooLarge(_) = error { Status::PayloadTooLarge } else { Status::NotFound };
            let error = format!("event {place}, after those before it were sent: {error}");
            return Answer::json(status, &json!({ "error": error, "accepted": place }));
        }
    }
    Answer::json(Status::Accepted, &json!({ "accepted": count }))
}

/// Whether an event loop's mailbox is full. A sender would have to wait, and with it everybody who uses this port.
pub(super) fn is_behind(subject: &Subject) -> bool {
    subject.shared.mailboxes.iter().any(crate::shard::Mailbox::is_full)
}

/// The answer in that case; this many were done.
pub(super) fn behind(accepted: usize) -> Answer {
    let error = "the event loops are behind with what they were given (inbox): try the rest again soon";
    Answer::json(Status::Unavailable, &json!({ "error": error, "accepted": accepted }))
        .with(&["Content-Type: application/json", "Retry-After: 1"])
}

fn read(subject: &Subject, body: &[u8]) -> Result<Vec<Checked>, Wrong> {
    let list = body.trim_ascii_start().first() == Some(&b'[');
    let malformed = |error| Wrong::request(format_args!("the body is no event, and no list of events: {error}"));
    let raw: Vec<&RawValue> = if list {
        serde_json::from_slice(body).map_err(malformed)?
    } else {
        vec![serde_json::from_slice(body).map_err(malformed)?]
    };
    let most = subject.shared.config.limits.ops_batch;
    if raw.len() > most {
        if let Some(metrics) = subject.metrics() {
            metrics.hit(Limit::OpsBatch);
        }
        let what = format!("{} events are more than {most} (ops_batch): send them in several requests", raw.len());
        return Err(Wrong { status: Status::PayloadTooLarge, what });
    }
    let check = |(place, raw): (usize, &RawValue)| {
        let checked = serde_json::from_str(raw.get()).map_err(Wrong::request).and_then(|one| check(subject, one));
        checked.map_err(|wrong| Wrong { what: format!("event {place}: {}", wrong.what), ..wrong })
    };
    raw.into_iter().enumerate().map(check).collect()
}

fn check(subject: &Subject, publication: Publication<'_>) -> Result<Checked, Wrong> {
    let Publication { targets, event, args, volatile } = publication;
    if is_reserved(&event) {
        return Err(Wrong::request(EmitError::Reserved(event)));
    }
    if let Some(namespace) = targets.unknown_namespace(subject) {
        return Err(Wrong { status: Status::NotFound, what: format!("no namespace {namespace:?}") });
    }
    // The list of all arguments is one level.
    let depth = subject.shared.config.limits.json_depth.saturating_sub(1);
    let arguments: Result<_, Wrong> = args.into_iter().map(|argument| Argument::read(argument, depth)).collect();
    Ok(Checked { targets, event, arguments: Arguments(arguments?), volatile })
}

impl Wrong {
    fn request(what: impl fmt::Display) -> Self {
        Self { status: Status::BadRequest, what: what.to_string() }
    }
}

impl Argument {
    fn read(argument: &RawValue, depth: usize) -> Result<Self, Wrong> {
        let text = argument.get();
        if !is_within_depth(text, depth) {
            return Err(Wrong::request(format_args!("an argument is nested deeper than {depth} levels (json_depth)")));
        }
        if !text.contains(BASE64) {
            return Ok(Self::Json(argument.to_owned()));
        }
        let value: Value = serde_json::from_str(text).map_err(Wrong::request)?;
        check_binary(&value)?;
        Ok(Self::Binary(value))
    }
}

/// The base64 text, if a value is binary data.
fn base64(value: &Value) -> Option<&Value> {
    value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get(BASE64))
}

/// Checks that the text is base64.
fn check_binary(value: &Value) -> Result<(), Wrong> {
    if let Some(text) = base64(value) {
        let decoded = text.as_str().map(|text| BASE64_STANDARD.decode(text));
        return match decoded {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(Wrong::request(format_args!("{BASE64}: {error}"))),
            None => Err(Wrong::request(format_args!("{BASE64} is no text"))),
        };
    }
    match value {
        Value::Array(values) => values.iter().try_for_each(check_binary),
        Value::Object(object) => object.values().try_for_each(check_binary),
        _ => Ok(()),
    }
}

impl Args for Arguments {
    fn write(&self, writer: &mut Writer) -> Result<(), EmitError> {
        self.0.iter().try_for_each(|argument| match argument {
            Argument::Json(raw) => writer.value(raw),
            Argument::Binary(value) => writer.value(&WithBinary(value)),
        })
    }
}

/// A value whose binary data becomes attachments.
struct WithBinary<'a>(&'a Value);

impl Serialize for WithBinary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = base64(self.0).and_then(Value::as_str) {
            let bytes = BASE64_STANDARD.decode(text).map_err(serde::ser::Error::custom)?;
            return Binary::from(bytes).serialize(serializer);
        }
        match self.0 {
            Value::Array(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| list.serialize_element(&WithBinary(value)))?;
                list.end()
            }
            Value::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                object.iter().try_for_each(|(name, value)| map.serialize_entry(name, &WithBinary(value)))?;
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}
