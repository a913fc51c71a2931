//! The captured vectors, and how to compare with them: session ids are random, so they are masked, and the conformance
//! application greets each socket with an event that the captured server did not send.

use std::collections::BTreeSet;

use serde_json::Value;

/// One file of vectors.
pub struct Vectors(Value);

impl Vectors {
    /// HTTP exchanges.
    pub fn http() -> Self {
        Self::read(include_str!("../../vectors/engine-io-http.json"))
    }

    /// Upgrade, heartbeat, WebSocket bytes, malformed packets, timeouts.
    pub fn behaviour() -> Self {
        Self::read(include_str!("../../vectors/engine-io-behaviour.json"))
    }

    /// Sessions of protocol 3.
    pub fn v3_sessions() -> Self {
        Self::read(include_str!("../../vectors/engine-io-v3-sessions.json"))
    }

    fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("vectors are JSON"))
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0["entries"].as_array().expect("a list of entries").iter()
    }

    /// The entry with this id.
    pub fn get(&self, id: &str) -> &Value {
        self.entries().find(|entry| entry["id"] == id).unwrap_or_else(|| panic!("no entry {id}"))
    }
}

/// Panics unless each entry stands in exactly one of the lists.
pub fn assert_covers<'a>(vectors: &'a Vectors, lists: &[&[&'a str]]) {
    let listed: Vec<_> = lists.concat();
    let unique: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(unique.len(), listed.len(), "an entry stands in two lists");
    let entries: BTreeSet<_> = vectors.entries().map(|entry| entry["id"].as_str().expect("an id")).collect();
    assert_eq!(unique, entries);
}

/// The text with each sid, 20 characters of the URL alphabet of base 64, replaced by `<sid>`.
pub fn masked(text: &str) -> String {
    let (mut parts, mut result) = (text.split("\"sid\":\""), String::new());
    result.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (sid, rest) = part.split_once('"').expect("the end of a sid");
        let well_formed = sid.len() == 20 && sid.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        assert!(well_formed || sid == "<sid>", "not a sid: {sid:?}");
        result.push_str("\"sid\":\"<sid>\"");
        result.push_str(rest);
    }
    result
}

/// The payload without the greeting of the conformance application.
pub fn without_auth(payload: &str) -> String {
    let packets: Vec<_> = payload.split('\x1e').filter(|packet| !packet.starts_with("42[\"auth\",")).collect();
    packets.join("\x1e")
}

/// Bytes of their hexadecimal text.
pub fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}
