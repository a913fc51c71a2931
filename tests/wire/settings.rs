//! The settings of the example `conformance`: its own, the library's beneath them, and wrong ones.

use std::process::Command;

use serde_json::Value;

use crate::support::{Server, WebSocket, program};

/// The content of the handshake's open packet.
fn opened(vars: &[(&str, &str)]) -> Value {
    let server = Server::with_vars(vars);
    let open = WebSocket::open_with(&server, "", &[]).text();
    serde_json::from_str(open.strip_prefix('0').expect("an open packet")).expect("JSON")
}

#[test]
fn the_application_s_own_win_and_the_library_s_win_over_defaults() {
    let path = ("CONFORMANCE_PATH", "/socket.io/");
    let interval = |vars: &[(&str, &str)]| opened(vars)["pingInterval"].clone();
    let (own, library) = (("CONFORMANCE_PING_INTERVAL", "300"), ("KINGLET_PING_INTERVAL", "4s"));
    assert_eq!(interval(&[path]), 25_000);
    assert_eq!(interval(&[path, library]), 4000);
    assert_eq!(interval(&[path, library, own]), 300);
    assert_eq!(interval(&[path, library, ("CONFORMANCE_PING_INTERVAL", "")]), 4000);
    assert_eq!(interval(&[path, ("KINGLET_PING_INTERVAL", "")]), 25_000);
    assert_eq!(interval(&[("CONFORMANCE_PATH", ""), ("KINGLET_PATH", "/socket.io/"), own]), 300);
}

#[test]
fn a_wrong_one_ends_it_with_2_and_one_line_that_names_variable_and_value() {
    for (name, value) in [
        ("PORT", "http"),
        ("KINGLET_PING_INTERVAL", "soon"),
        ("KINGLET_SHARDS", "0"),
        ("CONFORMANCE_APP", "chat"),
        ("CONFORMANCE_PATH", "websockets"),
        ("CONFORMANCE_PING_INTERVAL", "0"),
        ("CONFORMANCE_PING_TIMEOUT", "20s"),
        ("CONFORMANCE_MAX_PAYLOAD", "-1"),
        ("CONFORMANCE_CORS", "example.com"),
        ("CONFORMANCE_EIO3", "yes"),
        ("CONFORMANCE_RECOVERY", "2"),
        ("CONFORMANCE_RECOVERY_MS", "long"),
        ("CONFORMANCE_DRAIN_MS", "1.5"),
        ("CONFORMANCE_ADAPTER", "sharded"),
        ("CONFORMANCE_REQUESTS_TIMEOUT", "x"),
        ("CONFORMANCE_SPECIFIC_RESPONSE", "x"),
    ] {
        let ended = Command::new(program()).env("PORT", "0").env(name, value).output().expect("the program runs");
        let said = String::from_utf8(ended.stderr).expect("UTF-8");
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(2), 0), "{name}: {said}");
        assert!(said.lines().count() == 1 && said.contains(&format!("{name}={value:?}")), "{said}");
    }
}
