use proptest::prelude::*;

use super::super::settings::Transports;
use super::*;

const PLAIN_GET: (Method, Kind) = (Method::Get, Kind::Plain);
const UPGRADE: (Method, Kind) = (Method::Get, Kind::Upgrade);
const ON_POLLING: Option<Found> = Some(Found { protocol: Protocol::V4, transport: Transport::Polling });
const ON_WEBSOCKET: Option<Found> = Some(Found { protocol: Protocol::V4, transport: Transport::WebSocket });

fn verdict((method, kind): (Method, Kind), query: &str, found: Option<Found>) -> Result<Purpose, Code> {
    check(Request { method, kind, query: &Query::parse(query), origin: None }, &Settings::default(), found)
}

#[test]
fn the_last_of_a_repeated_parameter_counts() {
    let query = Query::parse("EIO=3&EIO=4&transport=foo&transport=polling&sid=a&sid=b&t=1&b64=1");
    assert_eq!(query.protocol, Protocol::V4);
    assert_eq!(query.transport, Some(Transport::Polling));
    assert_eq!(query.sid.as_deref(), Some("b"));
    assert!(query.b64);
    assert_eq!(Query::parse("sid=a&sid=").sid, None);
}

#[test]
fn anything_but_eio_4_is_protocol_3() {
    for query in ["", "EIO=3", "EIO=5", "EIO=", "EIO", "EIO=04", "eio=4"] {
        assert_eq!(Query::parse(query).protocol, Protocol::V3, "{query}");
    }
}

#[test]
fn a_query_is_decoded_as_a_form() {
    let query = Query::parse("%45IO=%34&tr%61nsport=poll%69ng&sid=a+b%2Bc%zz%4");
    assert_eq!((query.protocol, query.transport), (Protocol::V4, Some(Transport::Polling)));
    assert_eq!(query.sid.as_deref(), Some("a b+c%zz%4"));
    assert_eq!(Query::parse("sid=%ff").sid.as_deref(), Some("\u{fffd}"));
}

#[test]
fn a_plain_query_is_not_copied() {
    assert!(matches!(Query::parse("EIO=4&sid=abc").sid, Some(Cow::Borrowed("abc"))));
}

#[test]
fn requests_find_their_purpose_or_their_code() {
    let post = (Method::Post, Kind::Plain);
    let other = (Method::Other, Kind::Plain);
    let cases = [
        (PLAIN_GET, "EIO=4&transport=polling", None, Ok(Purpose::Handshake)),
        (PLAIN_GET, "EIO=4&transport=polling&sid=", None, Ok(Purpose::Handshake)),
        (UPGRADE, "EIO=4&transport=websocket", None, Ok(Purpose::Handshake)),
        (PLAIN_GET, "EIO=3&transport=polling", None, Ok(Purpose::Handshake)),
        (PLAIN_GET, "EIO=4", None, Err(Code::UnknownTransport)),
        (PLAIN_GET, "EIO=4&transport=foo", None, Err(Code::UnknownTransport)),
        (PLAIN_GET, "EIO=4&transport=webtransport", None, Err(Code::UnknownTransport)),
        (UPGRADE, "EIO=4&transport=foo", None, Err(Code::UnknownTransport)),
        (PLAIN_GET, "EIO=4&transport=websocket", None, Err(Code::BadRequest)),
        (post, "EIO=4&transport=polling", None, Err(Code::BadHandshakeMethod)),
        (other, "EIO=4&transport=polling", None, Err(Code::BadHandshakeMethod)),
        ((Method::Post, Kind::Upgrade), "EIO=4&transport=websocket", None, Err(Code::BadHandshakeMethod)),
        (PLAIN_GET, "EIO=4&transport=polling&sid=nope", None, Err(Code::UnknownSid)),
        (post, "EIO=4&transport=polling&sid=nope", None, Err(Code::UnknownSid)),
        (UPGRADE, "EIO=4&transport=websocket&sid=nope", None, Err(Code::UnknownSid)),
        (PLAIN_GET, "EIO=4&transport=polling&sid=a", ON_POLLING, Ok(Purpose::Poll)),
        (post, "EIO=4&transport=polling&sid=a", ON_POLLING, Ok(Purpose::Post)),
        (other, "EIO=4&transport=polling&sid=a", ON_POLLING, Ok(Purpose::UnknownMethod)),
        (UPGRADE, "EIO=4&transport=websocket&sid=a", ON_POLLING, Ok(Purpose::Upgrade)),
        (UPGRADE, "EIO=4&transport=websocket&sid=a", ON_WEBSOCKET, Ok(Purpose::Upgrade)),
        (PLAIN_GET, "EIO=4&transport=websocket&sid=a", ON_POLLING, Err(Code::BadRequest)),
        (PLAIN_GET, "EIO=3&transport=polling&sid=a", ON_POLLING, Err(Code::BadRequest)),
        (UPGRADE, "EIO=3&transport=websocket&sid=a", ON_POLLING, Err(Code::BadRequest)),
        (PLAIN_GET, "EIO=4&transport=polling&sid=a", ON_WEBSOCKET, Err(Code::BadRequest)),
        (post, "EIO=4&transport=polling&sid=a", ON_WEBSOCKET, Err(Code::BadRequest)),
        // Node never answers this one.
        (PLAIN_GET, "EIO=4&transport=websocket&sid=a", ON_WEBSOCKET, Err(Code::BadRequest)),
        (UPGRADE, "EIO=4&transport=polling", None, Ok(Purpose::Dismissal)),
        (UPGRADE, "EIO=4&transport=polling&sid=a", ON_POLLING, Ok(Purpose::Dismissal)),
        (UPGRADE, "EIO=4&transport=polling&sid=nope", None, Err(Code::UnknownSid)),
    ];
    for (request, query, found, expected) in cases {
        assert_eq!(verdict(request, query, found), expected, "{request:?} {query} {found:?}");
    }
}

#[test]
fn an_origin_with_control_characters_is_refused_before_the_sid_is_looked_at() {
    let query = Query::parse("EIO=4&transport=polling&sid=nope");
    let request = Request { method: Method::Get, kind: Kind::Plain, query: &query, origin: Some(b"http://a\x01b") };
    assert_eq!(check(request, &Settings::default(), None), Err(Code::BadRequest));
    let request = Request { origin: Some("http://é".as_bytes()), ..request };
    assert_eq!(check(request, &Settings::default(), None), Err(Code::UnknownSid));
}

#[test]
fn a_transport_outside_the_list_is_unknown() {
    let only = |transport| Settings { transports: Transports::from_iter([transport]), ..Settings::default() };
    let polling = Query::parse("EIO=4&transport=polling");
    let request = Request { method: Method::Get, kind: Kind::Plain, query: &polling, origin: None };
    assert_eq!(check(request, &only(Transport::WebSocket), None), Err(Code::UnknownTransport));
    let websocket = Query::parse("EIO=4&transport=websocket");
    let request = Request { kind: Kind::Upgrade, query: &websocket, ..request };
    assert_eq!(check(request, &only(Transport::Polling), None), Err(Code::UnknownTransport));
}

#[test]
fn the_protocol_is_checked_last() {
    let (strict, lenient) = (Settings::default(), Settings { allow_eio3: true, ..Settings::default() });
    assert_eq!(check_protocol(Protocol::V4, &strict), Ok(()));
    assert_eq!(check_protocol(Protocol::V3, &strict), Err(Code::UnsupportedProtocolVersion));
    assert_eq!(check_protocol(Protocol::V3, &lenient), Ok(()));
}

#[test]
fn bodies_are_those_of_node() {
    assert_eq!(Code::UnknownSid.json_body(None), r#"{"code":1,"message":"Session ID unknown"}"#);
    assert_eq!(Code::Forbidden.json_body(Some("my \"reason\"\n")), r#"{"code":4,"message":"my \"reason\"\n"}"#);
}

#[test]
fn the_open_packet_offers_what_is_allowed() {
    let settings = Settings::default();
    let open = |transport, settings: &Settings| open_packet("lv_VI97HAXpY6yYWAAAC", transport, settings);
    assert_eq!(
        open(Transport::Polling, &settings),
        r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
    );
    let without = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    assert_eq!(open(Transport::WebSocket, &settings), without);
    let no_upgrades = Settings { allow_upgrades: false, ..settings.clone() };
    assert_eq!(open(Transport::Polling, &no_upgrades), without);
    let no_websocket = Settings { transports: Transports::from_iter([Transport::Polling]), ..settings };
    assert_eq!(open(Transport::Polling, &no_websocket), without);
}

proptest! {
    #[test]
    fn any_query_parses(query in ".*") {
        Query::parse(&query);
    }
}
