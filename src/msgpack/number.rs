//! Numbers as JavaScript writes them.

use std::fmt::Write;

/// Writes a number as `JSON.stringify` does: the shortest digits for it, `0` for −0, `null` for NaN and infinities.
pub fn push(out: &mut String, number: f64) {
    if !number.is_finite() {
        out.push_str("null");
        return;
    }
    // Rust's own formatting rounds the last digit up where JavaScript rounds to even; serde_json's formatting agrees
    // with JavaScript.
    let shortest = serde_json::to_string(&number.abs()).unwrap_or_default();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        out.push('0');
        return;
    }
    if number < 0.0 {
        out.push('-');
    }
    // The place of the point, counted from before the first digit.
    let leading = all.len() - significant.len();
    let point = whole.len() as i32 - leading as i32 + exponent.parse::<i32>().unwrap_or_default();
    let zeros = |count: i32| std::iter::repeat_n('0', usize::try_from(count).unwrap_or_default());
    match point {
        1..=21 => {
            let (whole, fraction) = digits.split_at_checked(point as usize).unwrap_or((digits, ""));
            out.push_str(whole);
            out.extend(zeros(point - whole.len() as i32));
            if !fraction.is_empty() {
                out.push('.');
                out.push_str(fraction);
            }
        }
        -5..=0 => {
            out.push_str("0.");
            out.extend(zeros(-point));
            out.push_str(digits);
        }
        _ => {
            let (first, fraction) = digits.split_at_checked(1).unwrap_or((digits, ""));
            let dot = if fraction.is_empty() { "" } else { "." };
            // Writing to a String does not fail.
            let _ = write!(out, "{first}{dot}{fraction}e{:+}", point - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(number: f64) -> String {
        let mut text = String::new();
        push(&mut text, number);
        text
    }

    #[test]
    fn numbers_look_as_in_javascript() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (123.456, "123.456"),
            (1e20, "100000000000000000000"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.5, "0.5"),
            (0.001_25, "0.00125"),
            (0.000_001, "0.000001"),
            (-0.000_000_1, "-1e-7"),
            (1.25e-7, "1.25e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (8_329_969_744_112_309.0 / 4.0, "2082492436028077.2"),
            (1_230.0, "1230"),
            (f64::from(0.1_f32), "0.10000000149011612"),
            (f64::NAN, "null"),
            (f64::NEG_INFINITY, "null"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(number in any::<f64>()) {
            let read: Result<f64, _> = text(number).parse();
            prop_assert_eq!(read, if number == 0.0 { Ok(0.0) } else { Ok(number) });
        }
    }
}
