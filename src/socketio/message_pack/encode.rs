//! The server's packets: one binary frame each, made once for any number of clients.

use super::{ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT};
use crate::engineio::{Frames, FramesBuilder};
use crate::msgpack::{self, Packed};

/// CONNECT: see [`socketio::connect`](crate::socketio::connect).
pub fn connect(namespace: &str, sid: &str, pid: Option<&str>) -> Frames {
    packet(CONNECT, namespace, 1, 0, |out| {
        text(out, "data");
        msgpack::map(out, 1 + u32::from(pid.is_some()));
        for (name, id) in [Some(("sid", sid)), pid.map(|pid| ("pid", pid))].into_iter().flatten() {
            text(out, name);
            text(out, id);
        }
    })
}

/// CONNECT_ERROR: see [`socketio::connect_error`](crate::socketio::connect_error). Data that MessagePack cannot hold, because
/// it nests too deep, is left out.
pub fn connect_error(namespace: &str, message: &str, data: Option<&str>) -> Frames {
    let data = data.and_then(|data| Packed::pack(data, &[]).ok());
    let capacity = message.len() + data.as_ref().map_or(0, Packed::capacity);
    packet(CONNECT_ERROR, namespace, 1, capacity, |out| {
        text(out, "data");
        msgpack::map(out, 1 + u32::from(data.is_some()));
        text(out, "message");
        text(out, message);
        if let Some(data) = &data {
            text(out, "data");
            data.write(out);
        }
    })
}

/// DISCONNECT: see [`socketio::disconnect`](crate::socketio::disconnect).
pub fn disconnect(namespace: &str) -> Frames {
    packet(DISCONNECT, namespace, 0, 0, |_| ())
}

/// EVENT: see [`socketio::event`](crate::socketio::event).
pub fn event(namespace: &str, id: Option<u64>, arguments: &Packed<'_>) -> Frames {
    with_arguments(EVENT, namespace, id, arguments, None)
}

/// EVENT that may be recovered: see [`socketio::event_at`](crate::socketio::event_at).
pub fn event_at(namespace: &str, offset: &str, arguments: &Packed<'_>) -> Frames {
    with_arguments(EVENT, namespace, None, arguments, Some(offset))
}

/// ACK: see [`socketio::ack`](crate::socketio::ack).
pub fn ack(namespace: &str, id: u64, arguments: &Packed<'_>) -> Frames {
    with_arguments(ACK, namespace, Some(id), arguments, None)
}

/// CONNECT for 2.x clients: see [`v4::connect`](crate::socketio::v4::connect).
pub fn connect_v4(namespace: &str) -> Frames {
    packet(CONNECT, namespace, 0, 0, |_| ())
}

/// CONNECT_ERROR for 2.x clients: see [`v4::connect_error`](crate::socketio::v4::connect_error).
pub fn connect_error_v4(namespace: &str, message: &str, data: Option<&str>) -> Frames {
    let data = data.and_then(|data| Packed::pack(data, &[]).ok());
    let capacity = message.len() + data.as_ref().map_or(0, Packed::capacity);
    packet(CONNECT_ERROR, namespace, 1, capacity, |out| {
        text(out, "data");
        match &data {
            Some(data) => data.write(out),
            None => text(out, message),
        }
    })
}

/// A packet with a list as its data, and with one more element in it, if there is one.
fn with_arguments(kind: u8, namespace: &str, id: Option<u64>, arguments: &Packed<'_>, last: Option<&str>) -> Frames {
    let capacity = arguments.capacity() + last.map_or(0, str::len);
    packet(kind, namespace, 1 + u32::from(id.is_some()), capacity, |out| {
        text(out, "data");
        match last {
            Some(last) => {
                arguments.write_longer(1, out);
                text(out, last);
            }
            None => arguments.write(out),
        }
        if let Some(id) = id {
            text(out, "id");
            msgpack::uint(out, id);
        }
    })
}

/// A packet with so many members beside its type and namespace. `capacity`: about their length.
fn packet(kind: u8, namespace: &str, members: u32, capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Frames {
    let mut out = Vec::with_capacity(64 + namespace.len() + capacity);
    msgpack::map(&mut out, 2 + members);
    text(&mut out, "type");
    msgpack::uint(&mut out, kind.into());
    write(&mut out);
    text(&mut out, "nsp");
    text(&mut out, namespace);
    let mut frames = FramesBuilder::with_capacity(out.len() + 10);
    frames.binary(&out);
    frames.finish()
}

/// A text of less than 4 GiB. Of a longer one nothing is written.
fn text(out: &mut Vec<u8>, text: &str) {
    let _ = msgpack::text(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::Part;

    fn hex(frames: &Frames) -> String {
        let parts: Vec<_> = frames.parts().collect();
        let &[Part::Binary(packet)] = &parts[..] else { unreachable!("{parts:?}") };
        packet.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn packed(json: &str) -> Packed<'_> {
        Packed::pack(json, &[]).unwrap()
    }

    #[test]
    fn packets_are_the_bytes_that_node_writes() {
        assert_eq!(
            hex(&event("/", None, &packed(r#"["auth",{}]"#))),
            "83a47479706502a46461746192a46175746880a36e7370a12f"
        );
        let question = "84a47479706502a46461746191a87175657374696f6ea2696400a36e7370a12f";
        assert_eq!(hex(&event("/", Some(0), &packed(r#"["question"]"#))), question);
        assert_eq!(hex(&disconnect("/custom")), "82a47479706501a36e7370a72f637573746f6d");
        assert_eq!(hex(&connect_v4("/")), "82a47479706500a36e7370a12f");
    }

    #[test]
    fn an_offset_is_one_more_argument_of_the_event_alone() {
        let nested = packed(r#"[[[]],"x"]"#);
        assert_eq!(hex(&event_at("/", "1.0", &nested)), "83a47479706502a464617461939190a178a3312e30a36e7370a12f");
    }

    #[test]
    fn data_that_cannot_be_written_is_left_out_of_a_refusal() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(connect_error("/", "no", Some(&deep)), connect_error("/", "no", None));
        assert_ne!(connect_error("/", "no", Some("[]")), connect_error("/", "no", None));
        assert_eq!(hex(&connect_error_v4("/", "no", None)), "83a47479706504a464617461a26e6fa36e7370a12f");
    }
}
