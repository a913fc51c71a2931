//! Bytes as the vectors have them: in hexadecimal digits.

use serde_json::Value;

pub fn unhex(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("a text").as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hex")).collect()
}

pub fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}
