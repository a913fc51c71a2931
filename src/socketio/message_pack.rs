//! Packets of clients whose parser writes MessagePack (`socket.io-msgpack-parser`): known from others, and answered with a
//! refusal that such a client can read. Nothing else of theirs is understood here.

use memchr::memmem;

use crate::engineio::{Frames, FramesBuilder};

/// What precedes the refusal's text, and the text: a CONNECT_ERROR of the namespace `/`.
const REFUSAL_HEAD: &[u8] = b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x81\xa7message";
const REFUSAL: &[u8] = b"this server speaks JSON, not MessagePack: leave out the option `parser`";

/// Whether a binary message that no packet announced is a packet in MessagePack: a map with a member `type`.
pub fn is_message_pack(data: &[u8]) -> bool {
    matches!(data.first(), Some(0x81..=0x8f)) && memmem::find(data, b"\xa4type").is_some()
}

/// What such a client is told: that its parser is not the server's.
pub fn not_message_pack() -> Frames {
    let mut packet = REFUSAL_HEAD.to_vec();
    // A text of less than 256 bytes, and how many they are.
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
        // As `socket.io-msgpack-parser` and python-socketio write a CONNECT.
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
