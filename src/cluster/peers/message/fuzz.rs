//! What holds of the messages between instances for any bytes.
#![allow(clippy::expect_used)]

use bytes::Bytes;

use super::moving::{MOST_MOVED, Moving};
use super::recovery::Recovery;
use super::relay::Relay;
use crate::msgpack::Reader;

/// A message about an exchange: when it is written again it is the same, and no longer.
pub fn exchange(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&message);
    let Ok(relay) = Relay::read(&mut reader, &message) else { return };
    let mut written = Vec::new();
    relay.write(&mut written);
    assert!(written.len() <= reader.at(), "{} bytes became {}", reader.at(), written.len());
    let written = Bytes::from(written);
    let mut reader = Reader::new(&written);
    assert_eq!(Relay::read(&mut reader, &written).expect("what was written can be read"), relay);
    reader.end().expect("nothing follows");
}

/// A message about a client that comes back: when it is written again it is the same, and no longer, nor longer than it says.
pub fn recovery(bytes: &[u8]) {
    let message = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&message);
    let Ok(recovery) = Recovery::read(&mut reader, &message) else { return };
    let mut written = Vec::new();
    recovery.write(&mut written);
    assert!(written.len() <= reader.at(), "{} bytes became {}", reader.at(), written.len());
    assert!(written.len() <= recovery.len(), "{} bytes are more than {}", written.len(), recovery.len());
    let written = Bytes::from(written);
    let mut reader = Reader::new(&written);
    assert_eq!(Recovery::read(&mut reader, &written).expect("what was written can be read"), recovery);
    reader.end().expect("nothing follows");
}

/// A session that moves: when it is written again it is the same, and it takes no more than what moves.
pub fn moving(bytes: &[u8]) {
    let Ok(moving) = Moving::read(&Bytes::copy_from_slice(bytes)) else { return };
    let written = moving.write();
    assert!(written.len() <= bytes.len(), "{} bytes became {}", bytes.len(), written.len());
    assert!(moving.cost() <= MOST_MOVED, "it takes {} bytes", moving.cost());
    assert_eq!(Moving::read(&written).expect("what was written can be read"), moving);
}
