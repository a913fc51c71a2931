//! The program as a process: its log, and the port behind the gate.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::TOKEN;
use crate::http::{get, send};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program on ports that the system chooses, with its log in JSON; gives the log up to the first line that says
/// that it listens.
fn start(vars: &[(&str, &str)]) -> (Process, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinglet"));
    command.env_clear().envs([("PORT", "0"), ("KINGLET_OPS_PORT", "0"), ("KINGLET_LOG_FORMAT", "json")]);
    command.envs(vars.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().expect("the program starts"));
    let mut log = BufReader::new(process.0.stderr.take().expect("stderr is piped"));
    let mut lines: Vec<Value> = Vec::new();
    while !lines.last().is_some_and(|line| message(line).contains("listens on")) {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("the log is readable") > 0, "it ended after {lines:?}");
        lines.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")));
    }
    process.0.stderr = Some(log.into_inner());
    (process, lines)
}

fn message(line: &Value) -> &str {
    line["message"].as_str().expect("a message")
}

/// The address of the port for operations, as the log has it.
fn ops(lines: &[Value]) -> SocketAddr {
    let said = lines.last().map(message).and_then(|said| said.split_once("operations on ")).expect("it is said").1;
    said.parse().unwrap_or_else(|error| panic!("{error} in {said:?}"))
}

#[test]
fn the_log_in_json_is_an_object_a_line_whatever_a_message_holds() {
    let odd = "KINGLET_\"\\\n\u{1}é";
    let (_process, lines) =
        start(&[(odd, "1"), ("REDIS_URL", "redis://:hunter2@127.0.0.1:1"), ("KINGLET_OPS_TOKEN", TOKEN)]);
    assert!(message(&lines[0]).starts_with(odd), "{lines:?}");
    for line in &lines {
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24), "{line}");
        assert!(line["target"].as_str().is_some_and(|target| target.starts_with("kinglet")), "{line}");
        assert!(matches!(line["level"].as_str(), Some("INFO" | "WARN")), "{line}");
        assert!(!message(line).contains("hunter2") && !message(line).contains(TOKEN), "{line}");
    }
    let first = lines.last().map(message).expect("a line");
    for part in [env!("CARGO_PKG_VERSION"), "path /websockets/", "event loop(s)", "at most", "redis://127.0.0.1:1/0"] {
        assert!(first.contains(part), "no {part} in {first}");
    }
    assert_eq!(get(ops(&lines), "/health").status, 200);
}

#[test]
fn a_ping_interval_too_long_for_a_balancer_is_a_warning() {
    let warned = |interval: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinglet"));
        command.env_clear().envs([("PORT", "0"), ("KINGLET_PING_INTERVAL", interval)]).stderr(Stdio::piped());
        let mut process = Process(command.spawn().expect("the program starts"));
        let mut log = BufReader::new(process.0.stderr.take().expect("stderr is piped"));
        log.read_line(&mut String::new()).expect("the first line");
        let pid = process.0.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill runs").success());
        let mut rest = String::new();
        log.read_to_string(&mut rest).expect("the log is readable");
        rest.contains("KINGLET_PING_INTERVAL")
    };
    assert!(warned("55s"));
    assert!(!warned("54s"));
}

/// The ports of the loopback that a process listens on.
fn ports(process: &Process) -> Vec<u16> {
    let open = fs::read_dir(format!("/proc/{}/fd", process.0.id())).expect("its descriptors");
    let links = open.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
    let inodes: HashSet<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let sockets = fs::read_to_string("/proc/net/tcp").expect("the system's sockets");
    let listening = sockets.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let port = address.strip_prefix("0100007F:").filter(|_| *state == "0A" && inodes.contains(*inode))?;
        u16::from_str_radix(port, 16).ok()
    });
    listening.collect()
}

#[test]
fn the_port_behind_the_gate_answers_only_the_gate() {
    let (process, lines) = start(&[("KINGLET_OPS_TOKEN", TOKEN)]);
    let gate = ops(&lines);
    let behind: Vec<u16> = ports(&process).into_iter().filter(|port| *port != gate.port()).collect();
    let [behind] = behind[..] else { panic!("one port is behind the gate, not {behind:?}") };
    for headers in
        ["", "x-gate: 0\r\n", "x-gate: \r\n", "x-gate: 00000000000000000000000000000000\r\nContent-Length: 2\r\n"]
    {
        let request = format!("POST /emit HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n");
        let answer = answered(behind, &request);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{headers:?}: {answer:?}");
    }
    // The parser panics at this length if it is asked for the body.
    let odd = "POST /emit HTTP/1.1\r\nHost: a\r\nContent-Length: odd\r\n\r\n";
    assert!(answered(behind, odd).starts_with("HTTP/1.1 403 "));
    assert_eq!(send(gate, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

/// The answer on a connection that stays open.
fn answered(port: u16, request: &str) -> String {
    let mut stream = crate::http::open((std::net::Ipv4Addr::LOCALHOST, port).into());
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("the request is taken");
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[test]
fn the_public_port_does_not_serve_operations() {
    for shards in ["1", "2"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinglet"));
        let port = crate::redis::server::free_port().to_string();
        command.env_clear().envs([("PORT", &*port), ("KINGLET_OPS_PORT", &port), ("KINGLET_SHARDS", shards)]);
        let ended = command.output().expect("the program runs");
        let said = String::from_utf8(ended.stderr).expect("UTF-8");
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("KINGLET_OPS_PORT={port:?}")) && said.contains("another port"), "{said}");
    }
}

#[test]
fn a_port_for_operations_that_is_taken_is_an_error() {
    let (_process, lines) = start(&[]);
    let taken = ops(&lines).port();
    let config = kinglet::Config { ops_port: Some(taken), ..crate::config() };
    let error = kinglet::Server::new(config).expect("settings").start().expect_err("the port is taken");
    assert!(error.to_string().contains("another server is running there"), "{error}");
}
