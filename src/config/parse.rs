//! The formats of settings: sizes, durations, switches.

use std::time::Duration;

use super::{HandshakeHeaders, ResponseChannel};
use crate::engineio::{Transport, Transports};
use crate::http::{Cors, Origin};
use crate::socketio::Parser;

/// What is accepted instead of a refused value.
pub(super) type Expected = &'static str;

pub(super) fn number<T: std::str::FromStr>(text: &str, expected: Expected) -> Result<T, Expected> {
    text.trim().parse().map_err(|_| expected)
}

pub(super) fn text(text: &str) -> Result<String, Expected> {
    Ok(text.to_owned())
}

/// A duration: milliseconds, or a number followed by `ms`, `s` or `m`.
pub(super) fn duration(text: &str) -> Result<Duration, Expected> {
    const EXPECTED: Expected = "milliseconds, or a number with a unit: 500ms, 25s, 2m";
    let (digits, unit) = split_unit(text);
    let count: u64 = number(digits, EXPECTED)?;
    match unit {
        "" | "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "m" => count.checked_mul(60).map(Duration::from_secs).ok_or(EXPECTED),
        _ => Err(EXPECTED),
    }
}

/// A share, in percent.
pub(super) fn percent(text: &str) -> Result<u32, Expected> {
    const EXPECTED: Expected = "percent, 1 to 100, or off";
    number(text.trim().trim_end_matches('%'), EXPECTED)
        .ok()
        .filter(|percent| (1..=100).contains(percent))
        .ok_or(EXPECTED)
}

/// A size: bytes, or a number with a unit of 1000 (`MB`) or of 1024 (`MiB`, `Mi`). An ambiguous one such as `512M` is
/// refused.
pub(super) fn size(text: &str) -> Result<usize, Expected> {
    const EXPECTED: Expected = "bytes, or a number with a unit: 64KiB or 64Ki (1024 each), 512MB (1000000 each), 2GiB";
    let (digits, unit) = split_unit(text);
    let count: usize = number(digits, EXPECTED)?;
    let factor = match unit {
        "" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        _ => return Err(EXPECTED),
    };
    count.checked_mul(factor).ok_or(EXPECTED)
}

pub(super) fn switch(text: &str) -> Result<bool, Expected> {
    match text.trim() {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" => Ok(false),
        _ => Err("1 or 0 (true, false, on, off)"),
    }
}

pub(super) fn transports(text: &str) -> Result<Transports, Expected> {
    let names: Option<Transports> = text.split(',').map(|name| Transport::from_name(name.trim())).collect();
    names.ok_or("polling, websocket, or both separated by a comma")
}

/// `*`, or a list of origins, whose pages may send credentials.
pub(super) fn cors(text: &str) -> Result<Cors, Expected> {
    match text.trim() {
        "*" => Ok(Cors::new(Origin::Any)),
        list => match origins(list) {
            Ok(origins) => Ok(Cors::new(Origin::List(origins)).credentials(true)),
            Err(_) => Err("*, origins separated by commas (https://a.example,https://b.example), or off"),
        },
    }
}

/// A list of origins.
pub(super) fn origins(text: &str) -> Result<Vec<String>, Expected> {
    let origins: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    let all = origins.iter().all(|origin| origin.contains("://"));
    all.then_some(origins).ok_or("origins separated by commas (https://a.example,https://b.example), or all")
}

pub(super) fn response_channel(text: &str) -> Result<ResponseChannel, Expected> {
    match text {
        "shared" => Ok(ResponseChannel::Shared),
        "specific" => Ok(ResponseChannel::Specific),
        _ => Err("shared or specific"),
    }
}

pub(super) fn headers(text: &str) -> Result<HandshakeHeaders, Expected> {
    match text.trim() {
        "keep" => Ok(HandshakeHeaders::Keep),
        "forget" => Ok(HandshakeHeaders::Forget),
        _ => Err("keep or forget"),
    }
}

pub(super) fn parser(text: &str) -> Result<Parser, Expected> {
    match text.trim() {
        "json" => Ok(Parser::Json),
        "msgpack" => Ok(Parser::MessagePack),
        _ => Err("json or msgpack"),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("300"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration(" 25 s "), Ok(Duration::from_secs(25)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "-1", "1h", "1.5s", "99999999999999999999"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn percents_are_parts() {
        assert_eq!([percent("1"), percent(" 85% "), percent("100")], [Ok(1), Ok(85), Ok(100)]);
        for wrong in ["", "%", "0", "101", "-1", "8.5"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("1000000"), Ok(1_000_000));
        assert_eq!(["16KiB", "16Ki"].map(size), [Ok(16 * 1024), Ok(16 * 1024)]);
        assert_eq!(["1 MiB", "1Mi"].map(size), [Ok(1024 * 1024), Ok(1024 * 1024)]);
        assert_eq!(["2GiB", "2Gi"].map(size), [Ok(2 * 1024 * 1024 * 1024), Ok(2 * 1024 * 1024 * 1024)]);
        assert_eq!(["3kB", "3KB", "512MB", "1GB"].map(size), [3000, 3000, 512_000_000, 1_000_000_000].map(Ok));
        for wrong in ["", "KiB", "1K", "512M", "1mb", "1TiB", "-5", "99999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn transports_come_in_any_order() {
        assert_eq!(transports("websocket, polling"), Ok(Transports::ALL));
        assert_eq!(transports("websocket"), Ok([Transport::WebSocket].into_iter().collect()));
        assert!(transports("webtransport").is_err());
    }
}
