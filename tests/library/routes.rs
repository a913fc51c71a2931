//! Routes: requests beside Socket.IO that the program answers.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinglet::{Config, Cors, Limits, Method, Origin, Response};

use super::support::{Client, Connection, Server, config, one_shard, receive};

/// A request with these lines of headers behind the host, and this body.
pub fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: example.test\r\n{headers}\r\n{body}").into_bytes()
}

pub fn get(connection: &mut Connection, path: &str) -> super::support::Response {
    connection.send(&request(&format!("GET {path}"), "", ""));
    connection.response()
}

/// A request with a body of this length.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    request(&format!("POST {path}"), &format!("Content-Length: {}\r\n", body.len()), body)
}

pub fn hello(server: &mut kinglet::Server) {
    server
        .route(Method::Get, "/hello", |request| {
            Response::text(format!("hello {}", request.parameter("name").unwrap_or_default()))
        })
        .route(Method::Post, "/echo", |request| {
            Response::bytes(request.header("content-type").unwrap_or("a/b"), request.body().clone())
        });
}

/// A server with the routes of [`hello`] and a blocking route `/slow`.
pub struct Slow {
    pub server: Server,
    begun: mpsc::Receiver<()>,
    answers: mpsc::Sender<&'static str>,
}

impl Slow {
    pub fn start(config: Config) -> Self {
        let (begins, begun) = mpsc::channel();
        let (answers, next) = mpsc::channel();
        let next = Mutex::new(next);
        let server = Server::start(config, |server| {
            hello(server);
            server.route_blocking(Method::Get, "/slow", move |_| {
                begins.send(()).expect("the test listens");
                Response::text(next.lock().expect("the answers").recv().unwrap_or("nobody asks any more"))
            });
        });
        Self { server, begun, answers }
    }

    /// A connection on which `/slow` was asked for.
    pub fn ask(&self) -> Connection {
        let mut connection = self.server.connect();
        connection.send(&request("GET /slow", "", ""));
        connection
    }

    /// The same once the handler works.
    pub fn ask_and_wait(&self) -> Connection {
        let connection = self.ask();
        receive(&self.begun);
        connection
    }

    /// Has the handler answer.
    pub fn answer(&self, text: &'static str) {
        self.answers.send(text).expect("the route waits");
    }
}

#[test]
fn a_route_answers_and_the_connection_goes_on() {
    let server = Server::start(one_shard(), hello);
    let mut connection = server.connect();
    for name in ["ada", "bob"] {
        let answer = get(&mut connection, &format!("/hello?name={name}"));
        answer.assert_is(200, &format!("hello {name}"));
        assert_eq!(answer.header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    }
    get(&mut connection, "/").assert_is(200, "all good");
    get(&mut connection, "/other").assert_is(404, "");
    assert_eq!((server.metrics().routed, server.metrics().requests), (2, 4));
}

#[test]
fn requests_that_come_together_are_answered_in_order() {
    let server = Server::start(one_shard(), |server| {
        hello(server);
        server.route_blocking(Method::Post, "/later", |request| Response::bytes("a/b", request.body().clone()));
    });
    let mut connection = server.connect();
    let requests = [
        request("GET /hello?name=1", "", ""),
        post("/later", "2"),
        post("/echo", "3"),
        request("GET /", "", ""),
        post("/later", "5"),
        request("GET /hello?name=6", "Connection: close\r\n", ""),
    ];
    connection.send(&requests.concat());
    for body in ["hello 1", "2", "3", "all good", "5", "hello 6"] {
        connection.response().assert_is(200, body);
    }
    connection.expect_end();
}

#[test]
fn a_client_that_sends_ever_more_behind_a_slow_route_is_held_up_and_then_served() {
    const COUNT: usize = 4000;
    let slow = Slow::start(one_shard());
    let mut connection = slow.ask_and_wait();
    let many: Vec<u8> = (0..COUNT).flat_map(|number| request(&format!("GET /hello?name={number}"), "", "")).collect();
    assert!(many.len() > 3 * 64 * 1024, "several reads");
    connection.send(&many);
    slow.server.wait_until("held up", |metrics| metrics.held_up > 0);
    assert_eq!(slow.server.metrics().requests, 1);
    slow.answer("slow");
    connection.response().assert_is(200, "slow");
    for number in 0..COUNT {
        connection.response().assert_is(200, &format!("hello {number}"));
    }
}

#[test]
fn a_body_comes_whole_in_pieces_or_chunked() {
    let server = Server::start(one_shard(), hello);
    let mut connection = server.connect();
    connection.send(&request("POST /echo", "Content-Type: x/y\r\nContent-Length: 5\r\n", "ab"));
    connection.send(b"cde");
    let answer = connection.response();
    answer.assert_is(200, "abcde");
    assert_eq!(answer.header("content-type").as_deref(), Some("x/y"));
    connection.send(&request("POST /echo", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"));
    connection.send(b"2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n");
    connection.response().assert_is(200, "abcde");
    connection.send(&request("POST /echo", "Expect: 100-continue\r\nContent-Length: 1\r\n", ""));
    assert_eq!(connection.response().status, 100);
    connection.send(b"x");
    connection.response().assert_is(200, "x");
    connection.send(&request("POST /echo", "", ""));
    connection.response().assert_is(200, "");
}

#[test]
fn an_unwanted_body_that_waits_to_be_asked_for_is_not_confused_with_the_next_request() {
    let server = Server::start(one_shard(), hello);
    let mut connection = server.connect();
    for (path, status) in [("/other", 404), ("/hello", 405)] {
        connection.send(&request(&format!("POST {path}"), "Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
        assert_eq!(connection.response().status, 100);
        connection.response().assert_is(status, "");
        connection.send(b"abcde");
        get(&mut connection, "/hello").assert_is(200, "hello ");
    }
}

#[test]
fn a_body_that_is_malformed_or_does_not_come_ends_the_connection() {
    let limits = Limits { body_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(Config { limits, ..one_shard() }, hello);
    let mut connection = server.connect();
    connection.send(&request("POST /echo", "Transfer-Encoding: chunked\r\n", "x\r\n"));
    connection.response().assert_is(400, "");
    connection.expect_end();
    let mut connection = server.connect();
    connection.send(&request("POST /echo", "Content-Length: 2\r\n", "x"));
    connection.response().assert_is(408, "");
    connection.expect_end();
    server.wait_for_hits("body_timeout", 1);
}

#[test]
fn the_methods_of_a_path_are_told() {
    let server = Server::start(one_shard(), |server| {
        hello(server);
        server.route(Method::Put, "/echo", |_| Response::new(204));
    });
    let mut connection = server.connect();
    connection.send(&request("HEAD /hello?name=ada", "", ""));
    let head = connection.response_to("HEAD");
    assert_eq!((head.status, head.header("content-length").as_deref()), (200, Some("9")));
    for (line, allow) in [("DELETE /hello", "GET, HEAD, OPTIONS"), ("TRACE /echo", "POST, PUT, OPTIONS")] {
        connection.send(&request(line, "", ""));
        let answer = connection.response();
        answer.assert_is(405, "");
        assert_eq!(answer.header("allow").as_deref(), Some(allow), "{line}");
    }
    connection.send(&request("OPTIONS /echo", "", ""));
    let answer = connection.response();
    assert_eq!((answer.status, answer.header("allow").as_deref()), (204, Some("POST, PUT, OPTIONS")));
    connection.send(&post("/hello", "dropped"));
    connection.response().assert_is(405, "");
    connection.send(&request("PUT /echo", "", ""));
    let answer = connection.response();
    assert_eq!((answer.status, answer.header("content-length")), (204, None));
}

#[test]
fn pages_of_other_origins_may_use_routes_as_the_settings_say() {
    let cors = Cors::new(Origin::List(vec!["https://a.test".into()])).credentials(true);
    let server = Server::start(Config { cors: Some(cors), ..one_shard() }, hello);
    let mut connection = server.connect();
    connection.send(&request("GET /hello", "Origin: https://a.test\r\n", ""));
    let answer = connection.response();
    assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("https://a.test"));
    assert_eq!(answer.header("vary").as_deref(), Some("Origin"));
    let asks =
        "Origin: https://a.test\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-a\r\n";
    connection.send(&request("OPTIONS /echo", asks, ""));
    let answer = connection.response();
    assert_eq!((answer.status, answer.header("allow").as_deref()), (204, Some("POST, OPTIONS")));
    assert_eq!(answer.header("access-control-allow-headers").as_deref(), Some("x-a"));
    assert_eq!(answer.header("access-control-allow-credentials").as_deref(), Some("true"));
}

#[test]
fn a_handler_that_fails_or_panics_answers_500_and_is_counted() {
    let server = Server::start(one_shard(), |server| {
        server
            .route(Method::Get, "/fails", |_| Err::<Response, _>("the reason"))
            .route(Method::Get, "/panics", |_| -> Response { panic!("on purpose") })
            .route_blocking(Method::Get, "/fails-there", |_| Err::<Response, _>("the reason"))
            .route_blocking(Method::Get, "/panics-there", |_| -> Response { panic!("on purpose") });
    });
    let mut connection = server.connect();
    for path in ["/fails", "/panics", "/fails-there", "/panics-there"] {
        get(&mut connection, path).assert_is(500, "internal error");
    }
    server.wait_until("all counted", |metrics| (metrics.handler_errors, metrics.handler_panics) == (2, 2));
    server.assert_well();
}

#[test]
fn an_error_may_be_the_answer_and_what_a_client_did_wrong_is_told_to_it() {
    fn number(request: &kinglet::Request) -> Result<Response, Box<dyn std::error::Error>> {
        let factor: i64 = request.rest().parse().map_err(|_| Response::text("no number").status(404))?;
        kinglet::Ok(Response::text((factor * request.json::<i64>()?).to_string()))
    }
    let server = Server::start(one_shard(), |server| {
        server.route(Method::Post, "/times/*", number).route_blocking(Method::Post, "/times-there/*", number);
    });
    let mut connection = server.connect();
    for path in ["/times", "/times-there"] {
        for (factor, body, status, answer) in [
            ("2", "21", 200, "42"),
            ("x", "21", 404, "no number"),
            (
                "2",
                "[]",
                400,
                "the body is not the JSON that is expected: invalid type: sequence, expected i64 at line 1 column 0",
            ),
        ] {
            connection.send(&post(&format!("{path}/{factor}"), body));
            connection.response().assert_is(status, answer);
        }
    }
    assert_eq!(server.metrics().handler_errors, 0);
}

#[test]
fn a_handler_knows_the_request() {
    let config = Config { trusted_proxies: 1, ..one_shard() };
    let server = Server::start(config, |server| {
        server.route(Method::Patch, "/users/*", |request| {
            Response::json(&(
                request.method().as_str(),
                request.path(),
                request.rest(),
                request.query(),
                request.header("x-a"),
                request.address().ip().to_string(),
                request.text().unwrap_or("?"),
            ))
        });
    });
    let mut connection = server.connect();
    let headers = "X-A: 1\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nContent-Length: 4\r\n";
    connection.send(&request("PATCH /users/a%20b/c?d=e%2B&f", headers, "body"));
    let answer = connection.response();
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    let expected = r#"["PATCH","/users/a%20b/c","a b/c",[["d","e+"],["f",""]],"1","192.0.2.7","body"]"#;
    answer.assert_is(200, expected);
}

#[test]
fn a_route_reaches_the_clients_on_every_shard() {
    let server = Server::start(config(2), |server| {
        let handle = server.handle();
        server.route(Method::Post, "/emit", move |request| {
            handle.emit("news", request.text().unwrap_or_default())?;
            Ok::<_, kinglet::EmitError>(Response::new(202))
        });
    });
    let mut clients = Client::connect_many(&server, 2, 2);
    let mut connection = server.connect();
    connection.send(&post("/emit", "hi"));
    connection.response().assert_is(202, "");
    for client in &mut clients {
        client.expect(r#""news","hi""#);
    }
}

#[test]
fn while_a_blocking_route_works_others_are_served() {
    let slow = Slow::start(one_shard());
    let mut asks = slow.ask_and_wait();
    get(&mut slow.server.connect(), "/hello").assert_is(200, "hello ");
    slow.answer("slow");
    asks.response().assert_is(200, "slow");
}

#[test]
fn a_client_may_leave_while_its_route_works() {
    let slow = Slow::start(one_shard());
    let mut half = slow.ask_and_wait();
    half.finish_sending();
    slow.answer("still");
    let response = half.response();
    response.assert_is(200, "still");
    half.expect_end();
    drop(slow.ask_and_wait());
    slow.answer("to nobody");
    slow.server.wait_until("alone", |metrics| metrics.connections == 0);
}

#[test]
fn a_drain_answers_what_is_under_way() {
    let slow = Slow::start(Config { drain: Duration::from_secs(60), ..one_shard() });
    let mut asks = slow.ask_and_wait();
    let (mut half, mut idle) = (slow.server.connect(), slow.server.connect());
    half.send(&request("POST /echo", "Content-Length: 2\r\n", "a"));
    get(&mut idle, "/hello").assert_is(200, "hello ");
    slow.server.wait_until("all asked", |metrics| metrics.requests == 3);
    slow.server.handle().drain();
    idle.send(&request("GET /", "", ""));
    idle.response().assert_is(503, "leaving");
    half.send(b"b");
    half.response().assert_is(200, "ab");
    half.expect_end();
    slow.answer("slow");
    let response = asks.response();
    response.assert_is(200, "slow");
    assert_eq!(response.header("connection").as_deref(), Some("close"));
    slow.server.wait_for_end().expect("it ran well");
}

#[test]
fn a_route_may_stand_at_the_root_and_a_health_check_there_fails_all_the_same() {
    let config = Config { drain: Duration::from_secs(60), ..one_shard() };
    let server = Server::start(config, |server| {
        server.route(Method::Get, "/", |_| Response::text("a page"));
    });
    // It keeps the server from ending at once.
    let _client = Client::connect(&server);
    let mut connection = server.connect();
    get(&mut connection, "/").assert_is(200, "a page");
    server.handle().drain();
    get(&mut connection, "/").assert_is(503, "leaving");
}

#[test]
fn a_stop_waits_for_an_answer_that_is_under_way() {
    let slow = Slow::start(one_shard());
    let mut asks = slow.ask_and_wait();
    slow.server.handle().close();
    slow.answer("slow");
    asks.response().assert_is(200, "slow");
    slow.server.wait_for_end().expect("it ran well");
}

#[test]
fn a_request_that_asks_for_another_protocol_is_answered_in_this_one() {
    let server = Server::start(one_shard(), hello);
    let mut connection = server.connect();
    let headers = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    connection.send(&request("GET /hello", headers, ""));
    connection.response().assert_is(200, "hello ");
}

#[test]
fn a_wildcard_does_not_hide_from_a_socket_io_client_that_its_path_is_wrong() {
    let config = Config { path: "/live/".into(), ..one_shard() };
    let server = Server::start(config, |server| {
        server.route(Method::Get, "/*", |_| Response::text("a page"));
    });
    let mut connection = server.connect();
    get(&mut connection, "/any").assert_is(200, "a page");
    get(&mut connection, "/socket.io/socket.io.js").assert_is(200, "a page");
    let answer = get(&mut connection, "/socket.io/?EIO=4&transport=polling");
    answer.assert_is(404, "Socket.IO is at /live/ here: set the client's option `path`");
}

#[test]
fn a_large_response_comes_whole_and_counts_as_queued() {
    let server = Server::start(one_shard(), |server| {
        let large = Arc::new("0123456789".repeat(500_000));
        server.route(Method::Get, "/large", move |_| Response::text(String::clone(&large)));
    });
    let mut connection = server.connect();
    connection.send(&request("GET /large", "", ""));
    server.wait_until("queued", |metrics| metrics.queued_bytes > 1_000_000);
    assert_eq!(connection.response().body.len(), 5_000_000);
}
