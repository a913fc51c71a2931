//! The server's packets as frames: the Engine.IO message type `4` in front, attachments behind.
//!
//! Each packet is one allocation of its exact size, made once for any number of clients. Only the message of a refusal
//! needs a second one, to be escaped.

use bytes::Bytes;

use crate::engineio::{Frames, FramesBuilder};

/// CONNECT: the client has joined `namespace` as `sid`; with connection state recovery `pid` is its private session id.
pub fn connect(namespace: &str, sid: &str, pid: Option<&str>) -> Frames {
    let [before, pid, after] = pid.map_or(["", "", ""], |pid| [",\"pid\":\"", pid, "\""]);
    packet(&["40", address(namespace), comma(namespace), "{\"sid\":\"", sid, "\"", before, pid, after, "}"], &[])
}

/// CONNECT_ERROR: the client may not join `namespace`. `data` is the text of a JSON value.
pub fn connect_error(namespace: &str, message: &str, data: Option<&str>) -> Frames {
    let message = serde_json::Value::from(message).to_string();
    let [before, data] = data.map_or(["", ""], |data| [",\"data\":", data]);
    packet(&["44", address(namespace), comma(namespace), "{\"message\":", &message, before, data, "}"], &[])
}

/// DISCONNECT: the server removes the client from `namespace`.
pub fn disconnect(namespace: &str) -> Frames {
    packet(&["41", address(namespace), comma(namespace)], &[])
}

/// EVENT, or BINARY_EVENT if there are attachments. `json` is the text of a JSON array that begins with the event's
/// name and has a placeholder for each attachment. `id` asks for an acknowledgement.
pub fn event(namespace: &str, id: Option<u64>, json: &str, attachments: &[Bytes]) -> Frames {
    let id = id.map(Digits::of);
    let id = id.as_ref().map_or("", Digits::as_str);
    if attachments.is_empty() {
        return packet(&["42", address(namespace), comma(namespace), id, json], &[]);
    }
    let count = Digits::of(attachments.len() as u64);
    packet(&["45", count.as_str(), "-", address(namespace), comma(namespace), id, json], attachments)
}

/// EVENT, or BINARY_EVENT if there are attachments, for a client that may recover it later: `offset` is one more
/// argument, the last. `json` is as for [`event`].
pub fn event_at(namespace: &str, offset: &str, json: &str, attachments: &[Bytes]) -> Frames {
    let json = json.trim_end();
    let json = json.strip_suffix(']').unwrap_or(json);
    let [comma, address] = [comma(namespace), address(namespace)];
    if attachments.is_empty() {
        return packet(&["42", address, comma, json, ",\"", offset, "\"]"], &[]);
    }
    let count = Digits::of(attachments.len() as u64);
    packet(&["45", count.as_str(), "-", address, comma, json, ",\"", offset, "\"]"], attachments)
}

/// ACK, or BINARY_ACK if there are attachments: the answer to the client's event `id`. `json` is the text of a JSON array.
pub fn ack(namespace: &str, id: u64, json: &str, attachments: &[Bytes]) -> Frames {
    let id = Digits::of(id);
    if attachments.is_empty() {
        return packet(&["43", address(namespace), comma(namespace), id.as_str(), json], &[]);
    }
    let count = Digits::of(attachments.len() as u64);
    packet(&["46", count.as_str(), "-", address(namespace), comma(namespace), id.as_str(), json], attachments)
}

/// The namespace as it is written; `/` is left out.
pub(super) fn address(namespace: &str) -> &str {
    if namespace == "/" { "" } else { namespace }
}

pub(super) fn comma(namespace: &str) -> &'static str {
    if namespace == "/" { "" } else { "," }
}

pub(super) fn packet<const N: usize>(pieces: &[&str; N], attachments: &[Bytes]) -> Frames {
    let pieces = pieces.map(str::as_bytes);
    let text = frame_len(pieces.iter().map(|piece| piece.len()).sum());
    let capacity = text + attachments.iter().map(|attachment| frame_len(attachment.len())).sum::<usize>();
    let mut frames = FramesBuilder::with_capacity(capacity);
    frames.text(&pieces);
    for attachment in attachments {
        frames.binary(attachment);
    }
    frames.finish()
}

/// Length of a server's frame: its payload and the header in front.
const fn frame_len(payload: usize) -> usize {
    match payload {
        0..126 => 2 + payload,
        126..0x1_0000 => 4 + payload,
        _ => 10 + payload,
    }
}

/// A number in decimal, without an allocation.
struct Digits {
    ascii: [u8; 20],
    start: usize,
}

impl Digits {
    fn of(mut number: u64) -> Self {
        let mut digits = Self { ascii: [b'0'; 20], start: 20 };
        for place in digits.ascii.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            digits.start -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        digits
    }

    fn as_str(&self) -> &str {
        self.ascii.get(self.start..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(Digits::of(number).as_str(), number.to_string());
        }
    }

    #[test]
    fn an_offset_is_the_last_argument() {
        let frames = |text: &str, data: &[u8]| {
            let mut frames = FramesBuilder::default();
            frames.text(&[text.as_bytes()]);
            data.chunks(1).for_each(|data| frames.binary(data));
            frames.finish()
        };
        assert_eq!(event_at("/", "Q8AGDxC", r#"["one","x"]"#, &[]), frames(r#"42["one","x","Q8AGDxC"]"#, b""));
        let json = r#"["bin",{"_placeholder":true,"num":0}] "#;
        let expected = r#"451-/a,["bin",{"_placeholder":true,"num":0},"1.0"]"#;
        assert_eq!(event_at("/a", "1.0", json, &[Bytes::from_static(b"b")]), frames(expected, b"b"));
    }

    #[test]
    fn a_frame_is_as_long_as_foreseen() {
        for length in [0, 125, 126, 65_535, 65_536] {
            assert_eq!(frame_len(length), Frames::text(&vec![b'x'; length]).len());
        }
    }
}
