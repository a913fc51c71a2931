//! Protocol 4 of Socket.IO, where it differs: the protocol of 2.x clients, over Engine.IO 3.
//!
//! The server's CONNECT has no payload, a refusal is any JSON value, and authentication data is a query after the
//! namespace's name. Events and acknowledgements are the same.

use bytestring::ByteString;
use serde_json::{Map, Value};

use super::encode::{address, comma, packet};
use super::packet::Packet;
use crate::engineio::{Frames, query_pairs};

/// CONNECT: the client has joined `namespace`.
pub fn connect(namespace: &str) -> Frames {
    packet(&["40", address(namespace), comma(namespace)], &[])
}

/// CONNECT_ERROR: the client may not join `namespace`. It gets `data`, the text of a JSON value, or else the message.
pub fn connect_error(namespace: &str, message: &str, data: Option<&str>) -> Frames {
    let escaped;
    let payload = match data {
        Some(data) => data,
        None => {
            escaped = Value::from(message).to_string();
            &escaped
        }
    };
    packet(&["44", address(namespace), comma(namespace), payload], &[])
}

/// The packet without the query after its namespace's name. In a CONNECT the query is the authentication data.
pub fn without_query(packet: Packet) -> Packet {
    let name = |namespace: ByteString| namespace.slice_ref(split_query(&namespace).0);
    match packet {
        Packet::Connect { namespace, .. } => {
            let auth = split_query(&namespace).1.map(auth);
            Packet::Connect { namespace: name(namespace), auth }
        }
        Packet::Disconnect { namespace } => Packet::Disconnect { namespace: name(namespace) },
        Packet::Event { namespace, id, event } => Packet::Event { namespace: name(namespace), id, event },
        Packet::Ack { namespace, id, arguments } => Packet::Ack { namespace: name(namespace), id, arguments },
        Packet::ConnectError { namespace } => Packet::ConnectError { namespace: name(namespace) },
    }
}

fn split_query(namespace: &str) -> (&str, Option<&str>) {
    namespace.split_once('?').map_or((namespace, None), |(name, query)| (name, Some(query)))
}

/// The parameters of a query as members of a JSON object, each a text. If one is repeated, the last counts.
fn auth(query: &str) -> ByteString {
    let members = query_pairs(query).map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
    Value::Object(members.collect::<Map<_, _>>()).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engineio::Part;

    fn text(frames: &Frames) -> String {
        match frames.parts().next() {
            Some(Part::Text(packet)) => String::from_utf8_lossy(packet).into_owned(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_connect_has_no_payload() {
        assert_eq!(text(&connect("/")), "40");
        assert_eq!(text(&connect("/custom")), "40/custom,");
    }

    #[test]
    fn a_refusal_is_its_data_or_its_message() {
        assert_eq!(text(&connect_error("/", "no \"entry\"", None)), r#"44"no \"entry\"""#);
        assert_eq!(text(&connect_error("/custom", "no", Some(r#"{"code":1}"#))), r#"44/custom,{"code":1}"#);
    }

    #[test]
    fn a_query_is_not_part_of_the_name_but_what_the_client_shows() {
        let connect = |namespace: &'static str| {
            without_query(Packet::Connect { namespace: ByteString::from_static(namespace), auth: None })
        };
        let with = |auth: Option<&'static str>| Packet::Connect {
            namespace: ByteString::from_static("/custom"),
            auth: auth.map(ByteString::from_static),
        };
        assert_eq!(connect("/custom?x=1&y=a%20b&x=2"), with(Some(r#"{"x":"2","y":"a b"}"#)));
        assert_eq!(connect("/custom"), with(None));
        let left = without_query(Packet::Disconnect { namespace: ByteString::from_static("/custom?x=1") });
        assert_eq!(left, Packet::Disconnect { namespace: ByteString::from_static("/custom") });
    }
}
