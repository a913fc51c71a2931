//! Requests of proxies and browsers that were not captured, answered as by Node's server. `beside-node.test.mjs` holds the same
//! against Node itself.

use crate::support::{Connection, Server, WebSocket};

fn status(server: &Server, request: &str) -> u16 {
    let mut connection = server.connect();
    connection.send(request.as_bytes());
    connection.response().status
}

#[test]
fn a_websocket_that_comes_over_http_1_0_is_served() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(WebSocket::request("").replace("HTTP/1.1", "HTTP/1.0").as_bytes());
    assert_eq!(connection.response().status, 101);
    let mut ws = WebSocket { connection };
    ws.opened();
    ws.send_text("40");
    assert!(ws.text().starts_with("40{"));
}

#[test]
fn an_upgrade_that_a_proxy_of_http_1_0_has_taken_out_is_no_upgrade() {
    let server = Server::start();
    let request = WebSocket::request("").replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(status(&server, &request.replace("Connection: Upgrade", "Connection: close")), 400);
}

#[test]
fn an_expectation_other_than_100_continue_gets_417_and_the_connection_goes_on() {
    let server = Server::start();
    for target in ["/", "/socket.io/?EIO=4&transport=polling", "/elsewhere"] {
        let mut connection = server.connect();
        for expectation in ["200-ok", ""] {
            let head =
                format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: {expectation}\r\n\r\n");
            connection.send(head.as_bytes());
            connection.response().assert_is(417, "");
            connection.send(b"40");
        }
        assert_goes_on(&mut connection);
    }
}

#[test]
fn an_upgrade_may_expect_what_it_likes() {
    let server = Server::start();
    let request = WebSocket::request("").replace("Host:", "Expect: x\r\nHost:");
    assert_eq!(status(&server, &request), 101);
}

#[test]
fn a_preflight_allows_the_headers_of_all_its_lines() {
    let server = Server::start();
    let mut connection = server.connect();
    let headers = "Access-Control-Request-Headers: x-a\r\nAccess-Control-Request-Headers: x-b, x-c\r\n";
    let request = format!("OPTIONS /socket.io/?EIO=4 HTTP/1.1\r\nHost: h\r\nOrigin: http://a.test\r\n{headers}\r\n");
    connection.send(request.as_bytes());
    let answer = connection.response();
    assert_eq!(answer.header("access-control-allow-headers").as_deref(), Some("x-a, x-b, x-c"));
}

fn assert_goes_on(connection: &mut Connection) {
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.response().status, 200);
}
