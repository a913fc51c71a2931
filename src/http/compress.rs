//! Compression of polling answers: choosing a coding that the client accepts, and compressing.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// What HTTP calls deflate: the zlib format (RFC 9110 §8.4.1.2).
    Deflate,
}

impl Coding {
    /// The coding's name in `Content-Encoding`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The coding that an `Accept-Encoding` prefers: gzip if it has no preference, none if it accepts neither. Brotli
    /// is left out because it needs too much CPU.
    pub(crate) fn accepted(accept_encoding: &str) -> Option<Self> {
        let [mut gzip, mut deflate, mut any] = [None; 3];
        for item in accept_encoding.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let slot = if name.eq_ignore_ascii_case("gzip") {
                &mut gzip
            } else if name.eq_ignore_ascii_case("deflate") {
                &mut deflate
            } else if name == "*" {
                &mut any
            } else {
                continue;
            };
            *slot = Some(weight(parts));
        }
        let [gzip, deflate] = [gzip, deflate].map(|weight| weight.or(any).unwrap_or(0));
        match (gzip, deflate) {
            (0, 0) => None,
            _ if gzip >= deflate => Some(Self::Gzip),
            _ => Some(Self::Deflate),
        }
    }

    /// `body` in this coding. The lightest effort is used: payloads are JSON, where more effort gains little.
    pub(crate) fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let out = Vec::with_capacity(body.len() / 2);
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::fast());
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::fast());
                encoder.write_all(body)?;
                encoder.finish()
            }
        }
    }
}

/// The weight in an item's parameters, in thousandths; an unreadable one counts as zero (RFC 9110 §12.4.2).
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let named = |parameter: &'a str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("q").then(|| value.trim_start())
    };
    let Some(text) = parameters.find_map(named) else { return 1000 };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = format!("{fraction:0<3}").parse::<u16>().ok().filter(|_| digits);
    match (whole, thousandths) {
        ("1", Some(0)) => 1000,
        ("0", Some(thousandths)) => thousandths,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::{GzDecoder, ZlibDecoder};
    use proptest::prelude::*;
    use std::io::Read;

    #[test]
    fn the_client_chooses_the_coding() {
        let (gzip, deflate) = (Some(Coding::Gzip), Some(Coding::Deflate));
        for (accept, coding) in [
            ("", None),
            ("br", None),
            ("identity", None),
            ("gzip", gzip),
            ("GZIP", gzip),
            ("deflate", deflate),
            ("deflate, gzip", gzip),
            ("gzip, deflate, br, zstd", gzip),
            ("gzip;q=0.5, deflate;q=0.8", deflate),
            ("gzip; q=0.5 ,deflate;q=0.501", deflate),
            ("gzip;q=0", None),
            ("gzip;q=0.000, deflate;q=0.001", deflate),
            ("*", gzip),
            ("*;q=0", None),
            ("gzip;q=0, *", deflate),
            ("gzip;q=0.2, *;q=0.1", gzip),
            ("gzip;Q=1.000", gzip),
            ("gzip;q=1.5", None),
            ("gzip;q=-1", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=x", None),
        ] {
            assert_eq!(Coding::accepted(accept), coding, "{accept}");
        }
    }

    #[test]
    fn what_is_compressed_can_be_read_again() {
        let body = b"42[\"message\"]\x1e".repeat(100);
        let (mut gzip, mut deflate) = (Vec::new(), Vec::new());
        let compressed = Coding::Gzip.compress(&body).expect("a vector takes all");
        assert!(compressed.len() < body.len() / 5);
        GzDecoder::new(&compressed[..]).read_to_end(&mut gzip).expect("gzip");
        let compressed = Coding::Deflate.compress(&body).expect("a vector takes all");
        ZlibDecoder::new(&compressed[..]).read_to_end(&mut deflate).expect("zlib");
        assert_eq!([&gzip, &deflate], [&body, &body]);
    }

    proptest! {
        #[test]
        fn any_accept_encoding_is_readable(accept in "(gzip|deflate|\\*|;|,|=|q|\\.|[0-9]|\\PC){0,12}") {
            let _ = Coding::accepted(&accept);
        }
    }
}
