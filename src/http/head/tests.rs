//! Which heads are accepted, and which are refused.

use super::*;
use proptest::prelude::*;

fn outcome<T>(text: &str, limits: HeadLimits, look: impl FnOnce(&Head<'_>) -> T) -> Result<Option<T>, HeadError> {
    match parse(text.as_bytes(), &limits, &mut scratch())? {
        Parsed::Complete(head) => Ok(Some(look(&head))),
        Parsed::Partial => Ok(None),
    }
}

fn look<T>(text: &str, look: impl FnOnce(&Head<'_>) -> T) -> T {
    outcome(text, HeadLimits::default(), look).expect("a sound head").expect("a whole head")
}

fn refused(text: &str) -> HeadError {
    outcome(text, HeadLimits::default(), |head| format!("{head:?}")).expect_err(text)
}

#[test]
fn a_head_is_taken_apart() {
    let text = "\r\nPOST /socket.io/?EIO=4&a=?b HTTP/1.1\r\nHost: h\r\nX-A:  one \r\ncontent-length: 12\r\nx-a: two\r\n\r\nrest";
    look(text, |head| {
        assert_eq!(
            (head.method, head.version, head.body),
            (Some(Method::Post), Version::Http11, BodyLength::Length(12))
        );
        assert_eq!((head.path, head.query), ("/socket.io/", "EIO=4&a=?b"));
        assert_eq!(head.target, "/socket.io/?EIO=4&a=?b");
        assert_eq!(head.length, text.len() - 4);
        assert_eq!(head.text("x-A"), Some("one"));
        assert_eq!(head.values("x-a").collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(head.header("x-b"), None);
        assert_eq!(head.headers().count(), 4);
        assert!(head.keep_alive && !head.upgrade && head.expectation == Expectation::None);
    });
}

#[test]
fn the_target_may_stand_in_three_forms() {
    for (line, path, query) in [
        ("GET / HTTP/1.1", "/", ""),
        ("GET http://h/a?b HTTP/1.1", "/a", "b"),
        ("GET HTTPS://h?b/c HTTP/1.1", "/", "b/c"),
        ("GET http://h HTTP/1.1", "/", ""),
        ("OPTIONS * HTTP/1.1", "*", ""),
    ] {
        let parts = look(&format!("{line}\r\nHost: h\r\n\r\n"), |head| (head.path.to_owned(), head.query.to_owned()));
        assert_eq!(parts, (path.to_owned(), query.to_owned()), "{line}");
    }
    for line in ["GET * HTTP/1.1", "CONNECT h:443 HTTP/1.1", "GET ftp://h/ HTTP/1.1", "GET http:///a HTTP/1.1"] {
        assert_eq!(refused(&format!("{line}\r\nHost: h\r\n\r\n")), HeadError::Target, "{line}");
    }
    assert_eq!(refused("GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n"), HeadError::Target);
}

#[test]
fn version_and_connection_header_decide_over_keep_alive() {
    for (version, connection, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n");
        assert_eq!(look(&text, |head| head.keep_alive), keep_alive, "{text}");
    }
}

#[test]
fn an_upgrade_needs_the_token_and_the_header() {
    for (version, headers, upgrade) in [
        ("1.1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", true),
        ("1.1", "Connection: Upgrade\r\n", false),
        ("1.1", "Upgrade: websocket\r\n", false),
        ("1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        ("1.0", "Connection: close\r\nUpgrade: websocket\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: h\r\n{headers}\r\n");
        assert_eq!(look(&text, |head| head.upgrade), upgrade, "{text}");
    }
}

#[test]
fn a_client_of_1_1_may_expect_something() {
    use Expectation::{Continue, None, Unknown};
    for (version, headers, expectation) in [
        ("1.1", "Expect: 100-Continue\r\n", Continue),
        ("1.0", "Expect: 100-continue\r\n", None),
        ("1.1", "Expect: x, 100-continue\r\n", Continue),
        ("1.1", "Expect: 100-continue\r\nExpect: x\r\n", Continue),
        ("1.1", "Expect: x\r\nExpect: 100-continue\r\n", Continue),
        ("1.1", "Expect: x\r\n", Unknown),
        ("1.1", "Expect:\r\n", Unknown),
        ("1.1", "Expect: x100-continue\r\n", Unknown),
        ("1.0", "Expect: x\r\n", None),
    ] {
        let text = format!("POST / HTTP/{version}\r\nHost: h\r\n{headers}\r\n");
        assert_eq!(look(&text, |head| head.expectation), expectation, "{text}");
    }
}

#[test]
fn what_two_parsers_may_read_differently_is_refused() {
    use HeadError::{ContentLength, Header, Host, LineEnd, RequestLine, TransferEncoding};
    for (headers, error) in [
        ("Content-Length: 1\r\nContent-Length: 1\r\n", ContentLength),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", ContentLength),
        ("Content-Length: 1, 1\r\n", ContentLength),
        ("Content-Length: +1\r\n", ContentLength),
        ("Content-Length: -1\r\n", ContentLength),
        ("Content-Length: 1 1\r\n", ContentLength),
        ("Content-Length: 0x1\r\n", ContentLength),
        ("Content-Length:\r\n", ContentLength),
        ("Content-Length: 18446744073709551616\r\n", ContentLength),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", TransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", TransferEncoding),
        ("Transfer-Encoding: identity\r\n", TransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", TransferEncoding),
        ("Transfer-Encoding:\r\n", TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", TransferEncoding),
        ("Transfer-Encoding : chunked\r\n", Header),
        ("A: b\r\n c\r\n", Header),
        (" A: b\r\n", Header),
        ("A: b\rc\r\n", Header),
        ("A: b\0c\r\n", Header),
        ("A: b\x01c\r\n", Header),
        ("A: b\x7fc\r\n", Header),
        ("A\r\n", Header),
        (": b\r\n", Header),
        ("A: b\n", LineEnd),
        ("A:\n", LineEnd),
        ("Host: h\r\n", Host),
    ] {
        let found = refused(&format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n"));
        assert_eq!((found, found.status()), (error, Status::BadRequest), "{headers}");
    }
    for (text, error) in [
        ("GET / HTTP/1.1\r\n\r\n", Host),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding),
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", LineEnd),
        ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", LineEnd),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
        ("GET /  HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
        ("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
        ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", RequestLine),
        ("GET / x HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
        ("GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", RequestLine),
        ("GET /\r\n\r\n", RequestLine),
    ] {
        assert_eq!(refused(text), error, "{text}");
    }
}

#[test]
fn other_versions_are_told_apart_from_garbage() {
    for text in ["PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.2\r\n", "GET / HTTP/0"] {
        assert_eq!(refused(text).status(), Status::HttpVersionNotSupported, "{text}");
    }
    assert_eq!(refused("GET / JTTP/1.1\r\n").status(), Status::BadRequest);
}

#[test]
fn a_head_ends_at_its_limits() {
    let limits = HeadLimits { max_head_bytes: 40, max_headers: 2 };
    let exact = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(40 - 27));
    assert_eq!(exact.len(), 40);
    let outcome = |text: &str| outcome(text, limits, |head| head.length);
    assert_eq!(outcome(&exact), Ok(Some(40)));
    assert_eq!(outcome(&exact[..39]), Ok(None));
    let longer = exact.replacen("/x", "/xx", 1);
    assert_eq!(outcome(&longer), Err(HeadError::TooLong));
    assert_eq!(outcome(&longer[..40]), Err(HeadError::TooLong));
    assert_eq!(outcome("GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\n"), Err(HeadError::TooManyHeaders));
    assert_eq!(HeadError::TooLong.status(), Status::RequestHeaderFieldsTooLarge);
    assert_eq!(HeadError::TooManyHeaders.status(), Status::RequestHeaderFieldsTooLarge);
}

/// Fragments of heads, valid and invalid, so that random input gets past the first line.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/",
        "*",
        " HTTP/1.1",
        " HTTP/1.0",
        " HTTP/2.0",
        "\r\n",
        "\n",
        "\r",
        " ",
        ":",
        "Host: h\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "http://h",
        "\r\n\r\n",
    ]);
    let piece = prop_oneof![8 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => any::<[u8; 2]>().prop_map(|two| two.to_vec())];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_the_splits(bytes in fragments(), max_head_bytes in 1_usize..128) {
        let limits = HeadLimits { max_head_bytes, max_headers: 3 };
        let outcome = |bytes: &[u8]| match parse(bytes, &limits, &mut scratch()) {
            Ok(Parsed::Complete(head)) => Some(Ok(format!("{head:?}"))),
            Ok(Parsed::Partial) => None,
            Err(error) => Some(Err(error)),
        };
        let first = (0..=bytes.len()).find_map(|end| outcome(&bytes[..end]));
        prop_assert_eq!(first, outcome(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse(&bytes, &HeadLimits::default(), &mut scratch());
    }
}
