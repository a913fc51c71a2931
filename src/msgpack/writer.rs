//! A writer for MessagePack, each value in its shortest form.

use super::error::PackError;

/// A whole number from zero.
pub fn uint(out: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    let [.., b4, b5, b6, b7] = bytes;
    match number {
        0..0x80 => out.push(b7),
        0x80..0x100 => out.extend_from_slice(&[0xcc, b7]),
        0x100..0x1_0000 => out.extend_from_slice(&[0xcd, b6, b7]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[0xce, b4, b5, b6, b7]),
        _ => {
            out.push(0xcf);
            out.extend_from_slice(&bytes);
        }
    }
}

/// A whole number.
pub fn int(out: &mut Vec<u8>, number: i64) {
    let bytes = number.to_be_bytes();
    let [.., b4, b5, b6, b7] = bytes;
    match number {
        0.. => uint(out, number.unsigned_abs()),
        -0x20..0 => out.push(b7),
        -0x80..-0x20 => out.extend_from_slice(&[0xd0, b7]),
        -0x8000..-0x80 => out.extend_from_slice(&[0xd1, b6, b7]),
        -0x8000_0000..-0x8000 => out.extend_from_slice(&[0xd2, b4, b5, b6, b7]),
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&bytes);
        }
    }
}

/// A number: an integer if it is whole and within 64 bits, zero if it is −0.
pub fn number(out: &mut Vec<u8>, number: f64) {
    const BEYOND_I64: f64 = 9_223_372_036_854_775_808.0;
    const BEYOND_U64: f64 = 18_446_744_073_709_551_616.0;
    let is_whole = number.fract() == 0.0;
    if is_whole && (0.0..BEYOND_U64).contains(&number) {
        uint(out, number as u64);
    } else if is_whole && (-BEYOND_I64..0.0).contains(&number) {
        int(out, number as i64);
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// A text. Fails beyond 4 GiB.
pub fn text(out: &mut Vec<u8>, text: &str) -> Result<(), PackError> {
    match length(text.len())? {
        length @ 0..32 => out.push(0xa0 | length as u8),
        length @ 32..0x100 => out.extend_from_slice(&[0xd9, length as u8]),
        length => wide(out, [0xda, 0xdb], length),
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The head of binary data.
pub fn bin(out: &mut Vec<u8>, length: u32) {
    match length {
        0..0x100 => out.extend_from_slice(&[0xc4, length as u8]),
        _ => wide(out, [0xc5, 0xc6], length),
    }
}

/// The head of an array.
pub fn array(out: &mut Vec<u8>, length: u32) {
    match length {
        0..16 => out.push(0x90 | length as u8),
        _ => wide(out, [0xdc, 0xdd], length),
    }
}

/// The head of a map; the length counts its members.
pub fn map(out: &mut Vec<u8>, length: u32) {
    match length {
        0..16 => out.push(0x80 | length as u8),
        _ => wide(out, [0xde, 0xdf], length),
    }
}

/// A length that MessagePack can express.
pub fn length(length: usize) -> Result<u32, PackError> {
    u32::try_from(length).map_err(|_| PackError::TooLong { length })
}

/// A length of two or four bytes, after its marker.
fn wide(out: &mut Vec<u8>, [short, long]: [u8; 2], length: u32) {
    match length {
        0..0x1_0000 => {
            out.push(short);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(long);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn integers_are_as_short_as_can_be() {
        for (value, length) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (255, 2),
            (256, 3),
            (65_535, 3),
            (65_536, 5),
            (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
            (i64::MAX, 9),
            (-1, 1),
            (-32, 1),
            (-33, 2),
            (-128, 2),
            (-129, 3),
            (-32_768, 3),
            (-32_769, 5),
            (i64::from(i32::MIN), 5),
            (i64::from(i32::MIN) - 1, 9),
            (i64::MIN, 9),
        ] {
            let bytes = written(|out| int(out, value));
            assert_eq!(bytes.len(), length, "{value}");
            let read = rmpv::decode::read_value(&mut &bytes[..]).unwrap();
            assert_eq!(read.as_i64(), Some(value));
        }
    }

    #[test]
    fn floats_are_integers_where_they_can() {
        assert_eq!(written(|out| number(out, -0.0)), [0]);
        assert_eq!(written(|out| number(out, -1.0)), [0xff]);
        assert_eq!(written(|out| number(out, 1.5)), *b"\xcb\x3f\xf8\0\0\0\0\0\0");
        assert_eq!(written(|out| number(out, 2_f64.powi(63))), *b"\xcf\x80\0\0\0\0\0\0\0");
        assert_eq!(written(|out| number(out, -(2_f64.powi(63)))), *b"\xd3\x80\0\0\0\0\0\0\0");
        assert_eq!(written(|out| number(out, 2_f64.powi(64)))[0], 0xcb);
        assert_eq!(written(|out| number(out, -(2_f64.powi(64))))[0], 0xcb);
        assert_eq!(written(|out| number(out, f64::INFINITY))[0], 0xcb);
        assert_eq!(written(|out| number(out, f64::NAN))[0], 0xcb);
    }

    #[test]
    fn lengths_are_as_short_as_can_be() {
        for (length, head) in [(0, 1), (31, 1), (32, 2), (255, 2), (256, 3), (65_535, 3), (65_536, 5)] {
            let bytes = written(|out| text(out, &"x".repeat(length)).unwrap());
            assert_eq!(bytes.len(), head + length);
            assert_eq!(rmpv::decode::read_value(&mut &bytes[..]).unwrap().as_str().map(str::len), Some(length));
        }
        for (length, heads) in [(0, [1, 2]), (15, [1, 2]), (16, [3, 2]), (255, [3, 2]), (256, [3, 3]), (65_536, [5, 5])]
        {
            assert_eq!(written(|out| array(out, length)).len(), heads[0]);
            assert_eq!(written(|out| map(out, length)).len(), heads[0]);
            assert_eq!(written(|out| bin(out, length)).len(), heads[1]);
        }
    }
}
