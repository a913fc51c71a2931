//! Dates as JavaScript writes them, in UTC and the proleptic Gregorian calendar.

use std::fmt::Write;

/// The greatest distance of a JavaScript date from 1970, in milliseconds.
const FARTHEST: f64 = 8.64e15;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A date and a time of day.
struct Civil {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
    /// Days since Sunday.
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millis: i64,
}

impl Civil {
    /// `millis` count from 1970; the callers limit their number.
    const fn of(millis: i64) -> Self {
        let days = millis.div_euclid(MILLIS_PER_DAY);
        let of_day = millis.rem_euclid(MILLIS_PER_DAY);
        // The years begin in March, so that the leap day is the last day, in eras of 400 years.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + if month <= 2 { 1 } else { 0 },
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7),
            hour: of_day / 3_600_000,
            minute: of_day / 60_000 % 60,
            second: of_day / 1000 % 60,
            millis: of_day % 1000,
        }
    }
}

/// Writes a date as `JSON.stringify` does, in quotes; `null` if JavaScript has no such date. `millis` are those since 1970,
/// of which fractions are dropped.
pub fn push_json(out: &mut String, millis: f64) {
    // False for NaN, too.
    let exists = millis.abs() <= FARTHEST;
    if !exists {
        out.push_str("null");
        return;
    }
    let Civil { year, month, day, hour, minute, second, millis, .. } = Civil::of(millis as i64);
    // Writing to a String does not fail.
    let _ = match year {
        0..=9999 => write!(out, "\"{year:04}"),
        _ => write!(out, "\"{year:+07}"),
    };
    let _ = write!(out, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z\"");
}

/// The text of a Node server in UTC for a date, milliseconds since 1970: `handshake.time`.
///
/// ```
/// use kinglet::cluster::date_text;
/// assert_eq!(date_text(0), "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)");
/// ```
pub fn date_text(millis: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let millis = i64::try_from(millis).unwrap_or(i64::MAX).min(FARTHEST as i64);
    let Civil { year, month, day, weekday, hour, minute, second, .. } = Civil::of(millis);
    let name = |names: &[&'static str], place: i64| {
        usize::try_from(place).ok().and_then(|place| names.get(place).copied()).unwrap_or_default()
    };
    let (weekday, month) = (name(&WEEKDAYS, weekday), name(&MONTHS, month - 1));
    format!(
        "{weekday} {month} {day:02} {year:04} {hour:02}:{minute:02}:{second:02} GMT+0000 (Coordinated Universal Time)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(millis: f64) -> String {
        let mut text = String::new();
        push_json(&mut text, millis);
        text
    }

    #[test]
    fn dates_are_iso_8601() {
        for (millis, expected) in [
            (0.0, "\"1970-01-01T00:00:00.000Z\""),
            (1_700_000_000_123.0, "\"2023-11-14T22:13:20.123Z\""),
            (-1.0, "\"1969-12-31T23:59:59.999Z\""),
            (-0.5, "\"1970-01-01T00:00:00.000Z\""),
            (951_782_400_000.0, "\"2000-02-29T00:00:00.000Z\""),
            (951_868_800_000.0, "\"2000-03-01T00:00:00.000Z\""),
            (4_107_542_400_000.0, "\"2100-03-01T00:00:00.000Z\""),
            (-62_167_219_200_000.0, "\"0000-01-01T00:00:00.000Z\""),
            (-62_167_219_200_001.0, "\"-000001-12-31T23:59:59.999Z\""),
            (253_402_300_800_000.0, "\"+010000-01-01T00:00:00.000Z\""),
            (8.64e15, "\"+275760-09-13T00:00:00.000Z\""),
            (-8.64e15, "\"-271821-04-20T00:00:00.000Z\""),
            (8.64e15 + 1.0, "null"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(json(millis), expected);
        }
    }

    #[test]
    fn the_text_of_a_date_is_javascript_s() {
        let expected = "Mon Nov 23 2026 20:57:38 GMT+0000 (Coordinated Universal Time)";
        assert_eq!(date_text(1_795_467_458_662), expected);
        assert!(date_text(u64::MAX).starts_with("Sat Sep 13 275760 00:00:00"));
    }
}
