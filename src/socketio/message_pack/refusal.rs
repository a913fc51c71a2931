//! Packets in MessagePack at a server whose parser is JSON. They are recognised and answered with a refusal that such a client
//! can read. The other way round Node's server closes the session without a word, and so does this one.

use memchr::memmem;

use crate::engineio::{Frames, FramesBuilder};

/// The refusal: a CONNECT_ERROR of the namespace `/`, and its text.
const REFUSAL_HEAD: &[u8] = b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x81\xa7message";
const REFUSAL: &[u8] = b"this server speaks JSON, not MessagePack: leave out the option `parser`";

/// Whether a binary message that no packet announced is a packet in MessagePack: a map with a key `type`.
pub fn is_message_pack(data: &[u8]) -> bool {
    matches!(data.first(), Some(0x81..=0x8f)) && memmem::find(data, b"\xa4type").is_some()
}

/// The refusal for such a client: its parser is not the server's.
pub fn not_message_pack() -> Frames {
    let mut packet = REFUSAL_HEAD.to_vec();
    // A text of less than 256 bytes, with its length.
    packet.extend([0xd9, REFUSAL.len() as u8]);
    packet.extend_from_slice(REFUSAL);
    let mut frames = FramesBuilder::with_capacity(packet.len() + 10);
    frames.binary(&packet);
    frames.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::Part;

    #[test]
    fn packets_in_message_pack_are_known_from_other_data() {
        // A CONNECT as `socket.io-msgpack-parser` and python-socketio write it.
        assert!(is_message_pack(b"\x83\xa4type\x00\xa4data\xc0\xa3nsp\xa1/"));
        assert!(is_message_pack(b"\x82\xa3nsp\xa1/\xa4type\x00"));
        for other in [&b""[..], b"\x80", b"\xa4type", b"\x82\xa3nsp\xa1/", b"type", &[0x83; 1000]] {
            assert!(!is_message_pack(other), "{other:?}");
        }
    }

    #[test]
    fn the_refusal_is_a_connect_error_in_message_pack() {
        let frames = not_message_pack();
        let Some(Part::Binary(mut packet)) = frames.parts().next() else { unreachable!("{frames:?}") };
        let value = rmpv::decode::read_value(&mut packet).expect("MessagePack");
        assert!(packet.is_empty());
        assert_eq!((value["type"].as_u64(), value["nsp"].as_str()), (Some(4), Some("/")));
        assert_eq!(value["data"]["message"].as_str().map(str::as_bytes), Some(REFUSAL));
    }
}
