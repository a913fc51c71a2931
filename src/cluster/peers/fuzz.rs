//! What holds of messages of other instances for any bytes.
#![allow(clippy::expect_used)]

use bytes::Bytes;

use super::envelope::{Draft, open};
use super::key::Key;
use super::record::Record;
use crate::config::Password;

/// A message of an instance: when it is written again it is the same, and no longer; nobody can sign one without the key.
pub fn peer_message(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    assert!(open(&bytes, Some(&Key::new(&Password::new("nobody knows this secret")))).is_err());
    let Ok((address, message)) = open(&bytes, None) else { return };
    let written = Draft::new(&message, None).finish(address);
    assert!(written.len() <= bytes.len(), "{} bytes became {}", bytes.len(), written.len());
    assert_eq!(open(&written, None).expect("what was written can be read"), (address, message));
}

/// A lost socket in Redis: when it is written again it is the same, and no longer, nor longer than it says; without the key
/// none is genuine.
pub fn record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    assert_eq!(Record::open(&bytes, "name", Some(&Key::new(&Password::new("nobody knows this secret")))), None);
    let Some(record) = Record::open(&bytes, "name", None) else { return };
    let written = Bytes::from(record.seal("name", None));
    assert!(written.len() <= bytes.len(), "{} bytes became {}", bytes.len(), written.len());
    assert!(written.len() <= record.len(), "{} bytes are more than {}", written.len(), record.len());
    assert_eq!(Record::open(&written, "name", None), Some(record));
}
