//! Log lines about hostile clients: they cannot forge lines, nor cause more lines than anybody can read.

#[path = "api/client.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod client;

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use client::Client;
use kinglet::{Config, Method, Response, Running, Server};
use log::{LevelFilter, Log, Metadata, Record};

/// Bound on every wait: no correct answer takes as long, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(20);

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static WRITTEN: Condvar = Condvar::new();

/// Keeps all log lines of this process.
struct Keeper;

impl Log for Keeper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        lines().push(format!("{} {} {}", record.level(), record.target(), record.args()));
        WRITTEN.notify_all();
    }

    fn flush(&self) {}
}

fn lines() -> MutexGuard<'static, Vec<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the lines with a text satisfy `suffice`, and returns them.
fn lines_with(text: &str, suffice: impl Fn(&[String]) -> bool) -> Vec<String> {
    let (begin, mut lines) = (Instant::now(), lines());
    loop {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(text)).cloned().collect();
        if suffice(&found) {
            return found;
        }
        let left = PATIENCE.saturating_sub(begin.elapsed());
        assert!(!left.is_zero(), "it is not logged: {text}; but {found:#?}");
        lines = WRITTEN.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Left-out lines are counted for the whole process, and any server's end logs them, so only one test may run at a
/// time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(declare: impl FnOnce(&mut Server)) -> Running {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keeper).expect("the only logger");
        log::set_max_level(LevelFilter::Debug);
    });
    let config = Config { address: Ipv4Addr::LOCALHOST.into(), port: 0, shards: Some(1), ..Config::default() };
    let mut server = Server::new(config).expect("settings that are accepted");
    declare(&mut server);
    server.start().expect("a server that starts")
}

fn end(running: Running) {
    running.handle().close();
    running.join().expect("an orderly end");
}

/// An event in JSON, of a client that writes what it likes.
fn event(name: &str) -> String {
    serde_json::to_string(&[name]).expect("a text is JSON")
}

#[test]
fn text_of_a_client_is_cut_and_escaped_and_the_client_is_named() {
    let _alone = alone();
    let running = serve(|server| {
        server.of_dynamic(|_| true).on_any(|_, _| -> () { panic!("as it should") });
    });
    let namespace = "/a\n\u{1b}[2Jnamespace";
    let mut client = Client::open(running.address(), &[]);
    let id = client.join(namespace);
    let forged = format!("a name\n[2030-01-01 INFO kinglet] all is well\u{1b}[2J{}", "x".repeat(100_000));
    client.send(&format!("42{namespace},{}", event(&forged)));

    let line = lines_with("panicked", |lines| !lines.is_empty()).remove(0);
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.contains(r#"the handler of "a name\n[2030-01-01 INFO kinglet] all is well\u{1b}[2Jxxx"#), "{line}");
    assert!(line.contains(&format!(r#"(socket {id} of "/a\n\u{{1b}}[2Jnamespace", from 127.0.0.1)"#)), "{line}");
    assert!(line.len() < 500, "{line}");
    drop(client);
    end(running);
}

#[test]
fn a_session_has_one_name_from_opened_to_closed() {
    let _alone = alone();
    lines().clear();
    let running = serve(|server| {
        server.of("/").on("leave", |socket, _| socket.disconnect(true));
    });
    let mut client = Client::open(running.address(), &[]);
    client.join("/");
    client.send(&format!("42{}", event("leave")));
    let closed = lines_with(": closed: ", |lines| !lines.is_empty()).remove(0);
    let opened = lines_with(": opened", |lines| !lines.is_empty()).remove(0);
    let name = |line: &str| line.split_once(" session ").and_then(|(_, rest)| Some(rest.split(':').next()?.to_owned()));
    assert!(name(&opened).is_some() && name(&opened) == name(&closed), "{opened}; {closed}");
    end(running);
}

#[test]
fn a_refused_event_is_logged_at_debug_and_no_client_s_address_at_info() {
    let _alone = alone();
    lines().clear();
    let running = serve(|server| {
        server.of("/").event_middleware(|_, _| Err("not now"));
    });
    let mut client = Client::open(running.address(), &[]);
    client.join("/");
    client.send(&format!("42{}", event("any")));
    let line = lines_with("is refused: not now", |lines| !lines.is_empty()).remove(0);
    assert!(line.starts_with("DEBUG ") && line.contains("from 127.0.0.1"), "{line}");
    drop(client);
    end(running);
    let told = lines_with("from 127.0.0.1", |_| true);
    assert!(told.iter().all(|line| line.starts_with("DEBUG ")), "{told:?}");
}

#[test]
fn lines_of_a_kind_are_ten_a_second_and_the_rest_is_counted() {
    /// How many lines were written, and how many are reported as left out.
    fn written_and_left_out(lines: &[String]) -> (usize, usize) {
        let left_out =
            lines.iter().filter_map(|line| line.split_once("failed: ")?.1.strip_suffix(" more lines were left out"));
        let left_out: Vec<usize> = left_out.map(|count| count.parse().expect("a number")).collect();
        (lines.len() - left_out.len(), left_out.iter().sum())
    }

    let _alone = alone();
    let running = serve(|server| {
        server.of("/").on("fail", |_, event| Err::<(), _>(format!("{:?}\n{}", event.raw(), "y".repeat(1000))));
    });
    let mut client = Client::open(running.address(), &[]);
    client.join("/");
    let begin = Instant::now();
    for _ in 0..1000 {
        client.send(&format!("42{}", event("fail")));
    }
    // Nothing follows, and yet the left-out lines are reported.
    let all = |count| {
        move |lines: &[String]| {
            let (written, left_out) = written_and_left_out(lines);
            written + left_out == count
        }
    };
    let lines = lines_with("failed: ", all(1000));
    let intervals = begin.elapsed().as_secs() as usize + 1;
    assert!(written_and_left_out(&lines).0 <= 10 * intervals, "{lines:#?}");
    assert!(lines.iter().all(|line| line.len() < 500 && !line.contains(char::is_control)), "{lines:#?}");

    // The end of the server is the last chance.
    for _ in 0..100 {
        client.send(&format!("42{}", event("fail")));
    }
    client.send("40/none,");
    client.expect(r#"44/none,{"message":"Invalid namespace"}"#);
    drop(client);
    end(running);
    let (written, left_out) = written_and_left_out(&lines_with("failed: ", |_| true));
    assert_eq!(written + left_out, 1100);
}

#[test]
fn a_handler_that_holds_its_event_loop_up_is_named() {
    let _alone = alone();
    let running = serve(|server| {
        server.of("/").on("dawdle", |_, _| std::thread::sleep(Duration::from_millis(150)));
    });
    let mut client = Client::open(running.address(), &[]);
    client.join("/");
    client.send(&format!("42{}", event("dawdle")));
    let told = lines_with("the handler of \"dawdle\" took", |lines| !lines.is_empty());
    assert!(told[0].starts_with("WARN ") && told[0].contains("on_blocking"), "{told:?}");
    end(running);
}

#[test]
fn a_route_that_holds_its_event_loop_up_is_named() {
    let _alone = alone();
    let running = serve(|server| {
        server.route(Method::Get, "/dawdle", |_| {
            std::thread::sleep(Duration::from_millis(150));
            Response::new(204)
        });
    });
    let mut connection = TcpStream::connect(running.address()).expect("the server accepts");
    connection.write_all(b"GET /dawdle HTTP/1.1\r\nHost: h\r\n\r\n").expect("the server reads");
    let told = lines_with("the handler of \"GET /dawdle\" took", |lines| !lines.is_empty());
    assert!(told[0].contains("route_blocking") && told[0].contains("(from 127.0.0.1)"), "{told:?}");
    end(running);
}
