//! From the classic format's descriptions of sockets to neutral ones, and back.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::value::RawValue;

use super::{RemoteHandshake, RemoteSocket};
use crate::cluster::message::{Described, DescribedHandshake};
use crate::engineio::query_pairs;
use crate::msgpack::date_text;

/// A socket of this server, described for Node.
pub(super) fn written(socket: Described) -> RemoteSocket {
    let Described { id, handshake, rooms, auth, data } = socket;
    let DescribedHandshake { url, headers, address, cross_origin, secure, issued } = handshake;
    let issued = u64::try_from(issued.as_millis()).unwrap_or(u64::MAX);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query_pairs(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let handshake = RemoteHandshake {
        headers,
        time: date_text(issued),
        address: address.to_string(),
        xdomain: cross_origin,
        secure,
        issued,
        url,
        query,
        // Node has an empty object for a client without authentication data.
        auth: auth.or_else(|| RawValue::from_string("{}".to_owned()).ok()),
    };
    RemoteSocket { id, handshake, rooms, data }
}

/// A socket of another server. An invalid address becomes 0.0.0.0.
pub(super) fn read(socket: RemoteSocket) -> Described {
    let RemoteSocket { id, handshake, rooms, data } = socket;
    let RemoteHandshake { headers, address, xdomain, secure, issued, url, auth, .. } = handshake;
    let handshake = DescribedHandshake {
        url,
        headers,
        address: address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        cross_origin: xdomain,
        secure,
        issued: Duration::from_millis(issued),
    };
    Described { id, handshake, rooms, auth, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(auth: Option<&str>) -> Described {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let handshake = DescribedHandshake {
            url: "/socket.io/?EIO=4&a=b%20c".to_owned(),
            headers: vec![("host".to_owned(), "h".to_owned())],
            address: "::1".parse().unwrap(),
            cross_origin: true,
            secure: false,
            issued: Duration::from_millis(1_795_467_458_662),
        };
        Described { id: "s".into(), handshake, rooms: vec!["s".into()], auth: auth.map(raw), data: Some(raw("[1]")) }
    }

    #[test]
    fn a_socket_is_described_as_node_does_it() {
        let written = serde_json::to_string(&written(socket(None))).unwrap();
        let expected = [
            r#"{"id":"s","handshake":{"headers":{"host":"h"},"#,
            r#""time":"Mon Nov 23 2026 20:57:38 GMT+0000 (Coordinated Universal Time)","address":"::1","xdomain":true,"#,
            r#""secure":false,"issued":1795467458662,"url":"/socket.io/?EIO=4&a=b%20c","#,
            r#""query":{"EIO":"4","a":"b c"},"auth":{}},"rooms":["s"],"data":[1]}"#,
        ];
        assert_eq!(written, expected.concat());
    }

    #[test]
    fn what_is_written_is_read() {
        let read = read(written(socket(Some(r#"{"token":1}"#))));
        assert_eq!(format!("{read:?}"), format!("{:?}", socket(Some(r#"{"token":1}"#))));
    }

    #[test]
    fn an_invalid_address_is_unspecified() {
        let mut told = written(socket(None));
        told.handshake.address = "somewhere".to_owned();
        assert_eq!(read(told).handshake.address, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
}
