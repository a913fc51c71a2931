//! Descriptions of other servers' sockets.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{cost, opts};

/// Bytes of names with several values: in the request each value had its own name.
const MOST_NAMES: usize = 64 * 1024;

/// A socket of another server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoteSocket {
    /// Its id, which is also a room.
    pub id: Box<str>,
    /// The request that opened its session, and the client's authentication data.
    #[serde(default, deserialize_with = "or_default")]
    pub handshake: RemoteHandshake,
    /// The rooms it is in, its own included.
    #[serde(default, deserialize_with = "opts::rooms")]
    pub rooms: Vec<Box<str>>,
    /// The application's data, as JSON; written as `{}` if there is none.
    #[serde(default, serialize_with = "object_if_none")]
    pub data: Option<Box<RawValue>>,
}

impl RemoteSocket {
    /// Estimated bytes.
    pub(super) fn bytes(&self) -> usize {
        let RemoteHandshake { headers, time, address, url, query, auth, .. } = &self.handshake;
        let json = [&self.data, auth].into_iter().flatten().map(|value| value.get());
        let pairs = headers.iter().chain(query).flat_map(|(name, value)| [&**name, &**value]);
        let texts = [&*self.id, time, address, url].into_iter().chain(json).chain(pairs);
        // Its list may have room for as many again.
        2 * size_of::<Self>() + cost::of_texts(texts.chain(self.rooms.iter().map(|room| &**room)))
    }
}

/// Another server's description of the request that opened a session. A missing member, or `null`, is empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteHandshake {
    /// The headers, names in lower case. Those of one name are written as one.
    #[serde(serialize_with = "headers", deserialize_with = "pairs")]
    pub headers: Vec<(String, String)>,
    /// When the session was opened, as a text for people: [`date_text`](crate::msgpack::date_text).
    #[serde(deserialize_with = "or_default")]
    pub time: String,
    /// The client's IP address.
    #[serde(deserialize_with = "or_default")]
    pub address: String,
    /// Whether the request came from a page of another origin.
    #[serde(deserialize_with = "or_default")]
    pub xdomain: bool,
    /// Whether the connection was encrypted.
    #[serde(deserialize_with = "or_default")]
    pub secure: bool,
    /// When the session was opened, in milliseconds since 1970.
    #[serde(deserialize_with = "or_default")]
    pub issued: u64,
    /// The request's target: path and query.
    #[serde(deserialize_with = "or_default")]
    pub url: String,
    /// The parameters of the query. Those of one name are written as a list.
    #[serde(serialize_with = "query", deserialize_with = "pairs")]
    pub query: Vec<(String, String)>,
    /// The client's authentication data for the namespace, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Box<RawValue>>,
}

fn object_if_none<S: Serializer>(data: &Option<Box<RawValue>>, serializer: S) -> Result<S::Ok, S::Error> {
    match data {
        Some(data) => data.serialize(serializer),
        None => serializer.serialize_map(Some(0))?.end(),
    }
}

/// Headers of one name are joined, as HTTP allows.
fn headers<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    write_pairs(pairs, serializer, |map, name, values| {
        let separator = if name == "cookie" { "; " } else { ", " };
        map.serialize_entry(name, &values.join(separator))
    })
}

fn query<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    write_pairs(pairs, serializer, |map, name, values| map.serialize_entry(name, values))
}

/// Writes pairs as an object: names that occur once as they are, the others by `many`.
fn write_pairs<S: Serializer>(
    pairs: &[(String, String)],
    serializer: S,
    many: impl Fn(&mut S::SerializeMap, &str, &[&str]) -> Result<(), S::Error>,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    let mut written = HashSet::new();
    for (name, value) in pairs {
        if !written.insert(name) {
            continue;
        }
        let values: Vec<&str> = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect();
        match values.as_slice() {
            [_] => map.serialize_entry(name, value)?,
            values => many(&mut map, name, values)?,
        }
    }
    map.end()
}

/// Reads a value, or `null` for an empty one.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an object of texts, or of lists of texts; other values are left out.
fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values<'a> {
        #[serde(borrow)]
        One(Cow<'a, str>),
        Many(Vec<String>),
        Other(serde::de::IgnoredAny),
    }

    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let (mut pairs, mut repeated) = (Vec::new(), 0_usize);
            while let Some((name, values)) = members.next_entry::<String, Values<'_>>()? {
                match values {
                    Values::One(value) => pairs.push((name, value.into_owned())),
                    Values::Many(values) => {
                        repeated += name.len() * values.len();
                        if repeated > MOST_NAMES {
                            return Err(A::Error::custom("names that no request has room for"));
                        }
                        pairs.extend(values.into_iter().map(|value| (name.clone(), value)));
                    }
                    Values::Other(_) => {}
                }
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_any(Pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> RemoteSocket {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_left_out_is_empty() {
        let socket = read(r#"{"id":"a"}"#);
        assert_eq!((&*socket.id, socket.rooms.len(), socket.handshake.issued), ("a", 0, 0));
        assert!(socket.data.is_none() && socket.handshake.auth.is_none());
        let written = serde_json::to_string(&socket).unwrap();
        assert!(written.ends_with(r#""url":"","query":{}},"rooms":[],"data":{}}"#), "{written}");
    }

    #[test]
    fn null_is_as_good_as_nothing() {
        let handshake =
            r#"{"headers":null,"time":null,"address":null,"xdomain":null,"issued":null,"query":null,"auth":null}"#;
        let socket = read(&format!(r#"{{"id":"a","handshake":{handshake},"rooms":null,"data":null}}"#));
        assert_eq!(serde_json::to_string(&socket).unwrap(), serde_json::to_string(&read(r#"{"id":"a"}"#)).unwrap());
        assert!(read(r#"{"id":"a","handshake":null}"#).handshake.headers.is_empty());
    }

    #[test]
    fn data_and_auth_stay_the_text_they_are() {
        let socket = read(r#"{"id":"a","handshake":{"auth":{ "n": 1.0 }},"data":[ 1e400 ]}"#);
        assert_eq!(socket.handshake.auth.unwrap().get(), r#"{ "n": 1.0 }"#);
        assert_eq!(socket.data.unwrap().get(), "[ 1e400 ]");
    }

    #[test]
    fn names_that_are_there_twice_are_written_once() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let handshake = RemoteHandshake {
            headers: vec![pair("via", "a"), pair("cookie", "x=1"), pair("via", "b"), pair("cookie", "y=2")],
            query: vec![pair("a", "1"), pair("b", "2"), pair("a", "3")],
            ..RemoteHandshake::default()
        };
        let written = serde_json::to_string(&handshake).unwrap();
        assert!(written.starts_with(r#"{"headers":{"via":"a, b","cookie":"x=1; y=2"},"#), "{written}");
        assert!(written.contains(r#""query":{"a":["1","3"],"b":"2"}"#), "{written}");
        let read: RemoteHandshake = serde_json::from_str(&written).unwrap();
        assert_eq!(read.query, [pair("a", "1"), pair("a", "3"), pair("b", "2")]);
    }

    #[test]
    fn a_long_name_of_many_values_is_not_multiplied() {
        let json = |values: usize| {
            let (name, values) = ("x".repeat(1000), vec!["\"\""; values].join(","));
            format!(r#"{{"id":"a","handshake":{{"query":{{"{name}":[{values}]}}}}}}"#)
        };
        assert_eq!(read(&json(16)).handshake.query.len(), 16);
        assert!(serde_json::from_str::<RemoteSocket>(&json(1000)).is_err());
    }

    #[test]
    fn pairs_that_are_no_texts_are_left_out() {
        let socket = read(r#"{"id":"a","handshake":{"query":{"a":1,"b":{"c":"d"},"e":"\n","f":[1]}}}"#);
        assert_eq!(socket.handshake.query, [("e".to_owned(), "\n".to_owned())]);
    }
}
