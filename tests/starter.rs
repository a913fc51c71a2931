//! The starter's command line and its life as a process: arguments, settings, exit codes, signals.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use kinglet::SETTINGS;
use socket2::{Domain, Socket, Type};

const KINGLET: &str = env!("CARGO_BIN_EXE_kinglet");
/// The user and the group called `nobody` nearly everywhere.
const NOBODY: u32 = 65_534;

/// A request for a session on a WebSocket.
const WEBSOCKET: &[u8] = b"GET /websockets/?EIO=4&transport=websocket HTTP/1.1\r\nHost: example.test\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// How a process ended, and its output.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program, which is expected to end by itself.
fn run(args: &[&str], vars: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(KINGLET);
    let output = command.args(args).env_clear().envs(vars.iter().copied()).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("output in UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The program, serving. Dropping it ends the process.
struct Serving {
    child: Child,
    stderr: Box<dyn BufRead>,
    address: SocketAddr,
}

impl Serving {
    /// Starts the program with port 0 and nothing else in its environment; its log says which port the system chose.
    fn start(command: &mut Command) -> Self {
        Self::with(command, &[])
    }

    /// The same, with more variables.
    fn with(command: &mut Command, vars: &[(&str, &str)]) -> Self {
        command
            .env_clear()
            .env("PORT", "0")
            .envs(vars.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("the log is readable");
        let port = line.split_once(" listens on 0.0.0.0:").and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
        let port: u16 = port.unwrap_or_else(|| panic!("no port in {line:?}"));
        Self { child, stderr: Box::new(stderr), address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    fn get(&self) -> String {
        let mut connection = TcpStream::connect(self.address).expect("a connection");
        connection
            .write_all(b"GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
            .expect("the request is taken");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Sends so many requests, each logged at `debug`, that the log exceeds the pipe and the program's buffer.
    fn flood(&self) {
        const REQUESTS: usize = 100;
        let mut connection = TcpStream::connect(self.address).expect("a connection");
        let request = "GET /websockets/?EIO=4&transport=none HTTP/1.1\r\nHost: example.test\r\n\r\n";
        for _ in 0..80 {
            connection.write_all(request.repeat(REQUESTS).as_bytes()).expect("the requests are taken");
            let mut answers = BufReader::new(&connection).split(b'}');
            for _ in 0..REQUESTS {
                let answer = answers.next().expect("an answer").expect("in time");
                assert!(String::from_utf8_lossy(&answer).contains("Transport unknown"));
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }

    /// Waits for a line of the log.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).expect("the log is readable"), 0, "no {text:?}");
        }
    }

    /// Sends the signal and waits for the end; gives the rest of the log, too.
    fn stop(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        let mut log = String::new();
        self.stderr.read_to_string(&mut log).expect("the log is readable");
        (self.child.wait().expect("the end of the process"), log)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A full pipe, which nobody reads at the other end.
fn full() -> (Stdio, UnixStream) {
    let (mut full, other) = UnixStream::pair().expect("a pair of sockets");
    full.set_nonblocking(true).expect("a socket that does not wait");
    while full.write(&[b'x'; 4096]).is_ok() {}
    while full.write(b"x").is_ok() {}
    full.set_nonblocking(false).expect("a socket that waits");
    (OwnedFd::from(full).into(), other)
}

/// A directory that holds the program and cannot be written to.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn with_program() -> Self {
        let path = std::env::temp_dir().join(format!("kinglet-read-only-{}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        // Another process copies it: this one could not run a file that it wrote itself while another test has just
        // forked.
        let copied = Command::new("cp").arg(KINGLET).arg(path.join("kinglet")).status();
        assert!(copied.expect("cp runs").success());
        fs::set_permissions(&path, Permissions::from_mode(0o555)).expect("a directory that cannot be written to");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, Permissions::from_mode(0o755));
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("this process").uid() == 0
}

#[test]
fn help_lists_every_setting() {
    for flag in ["--help", "-h"] {
        let ended = run(&[flag], &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        for setting in SETTINGS {
            let line = ended.stdout.lines().find(|line| line.split_whitespace().next() == Some(setting.name));
            assert!(line.is_some_and(|line| line.contains(setting.help)), "{} in {}", setting.name, ended.stdout);
        }
    }
}

#[test]
fn version_is_the_package_s() {
    for flag in ["--version", "-V"] {
        let ended = run(&[flag], &[]);
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.stdout, format!("kinglet {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn an_argument_that_does_not_exist_ends_with_2() {
    for argument in ["--prot", "-x", "serve"] {
        let ended = run(&[argument], &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(argument) && ended.stderr.contains("kinglet --help"), "{}", ended.stderr);
    }
}

#[test]
fn health_is_0_while_the_server_answers() {
    let server = Serving::start(&mut Command::new(KINGLET));
    let port = server.address.port().to_string();
    for vars in [&[("PORT", port.as_str())][..], &[("PORT", port.as_str()), ("KINGLET_ADDRESS", "127.0.0.1")]] {
        let ended = run(&["health"], vars);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn health_is_1_where_nobody_listens() {
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = silent.local_addr().expect("its address").as_socket().expect("an IP address");
    let ended = run(&["health"], &[("PORT", &address.port().to_string())]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains(&format!("{address} does not answer")), "{}", ended.stderr);
}

#[test]
fn health_is_1_when_an_answer_does_not_come_in_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("its address").port().to_string();
    let ended = run(&["health"], &[("PORT", &port)]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("timed out"), "{}", ended.stderr);
}

#[test]
fn health_is_1_for_any_answer_but_200() {
    let endless = [b'x'; 4096];
    let answers =
        [&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], b"HTTP/1.1 2001 Odd\r\n\r\n", b"SSH-2.0\r\n", b"", &endless];
    for answer in answers {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port().to_string();
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                let (mut connection, _) = listener.accept().expect("a connection");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    connection.read_exact(&mut byte).expect("the request");
                    request.extend(byte);
                }
                assert!(request.starts_with(b"GET / HTTP/1.1\r\nHost: "));
                connection.write_all(answer).expect("the answer is taken");
            });
            run(&["health"], &[("PORT", &port)])
        });
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{answer:?}");
        assert!(ended.stderr.contains(&format!("127.0.0.1:{port} ")), "{}", ended.stderr);
    }
}

#[test]
fn health_needs_to_know_the_port_and_takes_no_arguments() {
    for (port, part) in [("0", "PORT is 0"), ("http", "a port, 0 to 65535")] {
        let ended = run(&["health"], &[("PORT", port)]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    for argument in ["--verbose", "now"] {
        let ended = run(&["health", argument], &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(argument), "{}", ended.stderr);
    }
}

#[test]
fn a_wrong_setting_ends_with_2_and_names_variable_value_and_what_is_accepted() {
    let wrong = [
        ("PORT", "http", "a port, 0 to 65535"),
        ("PORT", "65536", "a port, 0 to 65535"),
        ("KINGLET_PING_INTERVAL", "soon", "milliseconds"),
        ("KINGLET_CORS", "example.com", "origins"),
        ("KINGLET_TRANSPORTS", "carrier pigeon", "polling, websocket"),
    ];
    for (name, value, accepted) in wrong {
        let ended = run(&[], &[(name, value)]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        for part in [name, value, accepted] {
            assert!(ended.stderr.contains(part), "{part:?} in {:?}", ended.stderr);
        }
    }
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let names = SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != "PORT");
    let empty: Vec<_> = names.map(|name| (name, "")).collect();
    let (status, log) = Serving::with(&mut Command::new(KINGLET), &empty).stop("-TERM");
    assert_eq!(status.code(), Some(0), "{log}");
    let log = run(&[], &[("RUST_LOG", ""), ("KINGLET_NONE", "1"), ("PORT", "none")]).stderr;
    assert!(log.contains("KINGLET_NONE is not a setting"), "{log}");
}

#[test]
fn a_wrong_address_of_redis_ends_with_2_and_is_not_shown() {
    for name in ["REDIS_URL", "STP_REDIS_REDIS_URL", "STP_REDIS_CONNECTION_STRING"] {
        let ended = run(&[], &[(name, "redis://default:hunter2@cache:port"), ("RUST_LOG", "trace")]);
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains(name) && ended.stderr.contains("a port, 1 to 65535"), "{:?}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{:?}", ended.stderr);
    }
}

#[test]
fn an_unknown_parameter_of_the_redis_address_is_a_warning_with_its_name() {
    let address = "redis://:hunter2@cache?timeout=hunter3&hunter4&protocol=2&family=0&db=1";
    let log = run(&[], &[("REDIS_URL", address), ("PORT", "none")]).stderr;
    assert_eq!(log.matches(" WARN ").count(), 2, "{log}");
    assert!(log.contains(r#""timeout" in the query of Redis's address has no effect"#), "{log}");
    assert!(!log.contains("hunter"), "{log}");
}

#[test]
fn a_redis_address_that_asks_for_tls_or_a_database_in_vain_is_a_warning() {
    let warning = |address| run(&[], &[("REDIS_URL", address), ("PORT", "none")]).stderr;
    for address in ["redis://cache?tls=true", "redis://cache/0?ssl=1"] {
        assert!(warning(address).contains("write rediss:// instead of redis://"), "{address}");
    }
    assert!(!warning("rediss://cache?tls=true").contains("not encrypted"));
    let log = warning("redis://cache/3?db=1");
    assert!(log.contains("names database 3 before its query and 1 in it; 3 is used"), "{log}");
    assert!(!warning("redis://cache/3?db=3").contains(" WARN "));
}

#[test]
fn a_port_in_use_ends_with_1_and_is_named() {
    let other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = other.local_addr().expect("its address").port().to_string();
    let ended = run(&[], &[("PORT", &port)]);
    assert_eq!(ended.code, Some(1));
    let message = format!("kinglet: cannot listen on 0.0.0.0:{port}: ");
    assert!(ended.stderr.contains(&message), "{}", ended.stderr);
}

/// Opens a session on a WebSocket.
fn session(server: &Serving) -> TcpStream {
    let mut client = TcpStream::connect(server.address).expect("a connection");
    client.write_all(WEBSOCKET).expect("the request is taken");
    let mut answer = [0; 12];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    client
}

#[test]
fn sigint_closes_clients_at_once_also_during_a_drain() {
    for during_a_drain in [false, true] {
        let mut server = Serving::with(&mut Command::new(KINGLET), &[("KINGLET_DRAIN", "60m")]);
        let mut client = session(&server);
        let reader = thread::spawn(move || io::copy(&mut client, &mut io::sink()));
        if during_a_drain {
            server.signal("-TERM");
            server.wait_for("draining: ");
        }
        let (status, log) = server.stop("-INT");
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("SIGINT") && log.contains("stopped"), "{log}");
        reader.join().expect("no panic").expect("an orderly end");
    }
}

#[test]
fn a_drain_is_one_line_however_many_event_loops_there_are() {
    let vars = [("KINGLET_DRAIN", "100ms"), ("KINGLET_SHARDS", "4")];
    let server = Serving::with(&mut Command::new(KINGLET), &vars);
    let _clients: Vec<_> = (0..16).map(|_| session(&server)).collect();
    let (status, log) = server.stop("-TERM");
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(log.matches("draining").count(), 1, "{log}");
    assert!(log.contains("draining: 16 clients are let go within 100 ms"), "{log}");
}

#[test]
fn sigterm_and_sigint_end_with_0() {
    for signal in ["-TERM", "-INT"] {
        let server = Serving::start(&mut Command::new(KINGLET));
        assert!(server.get().ends_with("all good"));
        let (status, log) = server.stop(signal);
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

#[test]
fn stopping_just_after_an_accept_that_failed_costs_no_time_of_the_cpu() {
    const DESCRIPTORS: usize = 32;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec {KINGLET}")]);
    let mut server = Serving::with(&mut command, &[("KINGLET_SHARDS", "1"), ("KINGLET_DRAIN", "0")]);
    let _client = session(&server);
    // The last of them find no descriptor, and wait to be accepted.
    let _others: Vec<_> = (0..DESCRIPTORS).map(|_| TcpStream::connect(server.address).expect("a connection")).collect();
    server.wait_for("cannot accept");
    // The client does not answer the close frame. The server waits for that longer than accepting rests.
    let pid = server.child.id();
    assert!(Command::new("kill").arg(pid.to_string()).status().expect("kill runs").success());
    let mut log = String::new();
    server.stderr.read_to_string(&mut log).expect("the log is readable");
    assert!(log.contains("stopped"), "{log}");
    // The CPU time of an ended process is known until `wait` is called for it.
    let usage = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the statistics of the process");
    let (_, fields) = usage.rsplit_once(") ").expect("the name of the process");
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    assert!(ticks < 50, "{ticks} hundredths of a second");
}

#[test]
fn it_needs_no_root_no_writable_directory_and_no_environment_but_a_port() {
    let directory = ReadOnly::with_program();
    let mut command = Command::new(directory.path().join("kinglet"));
    command.current_dir(directory.path());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let server = Serving::start(&mut command);
    assert!(server.get().ends_with("all good"));
    let (status, log) = server.stop("-TERM");
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn an_unread_log_does_not_block_the_server() {
    for format in ["text", "json"] {
        let mut command = Command::new(KINGLET);
        let mut server = Serving::with(&mut command, &[("RUST_LOG", "debug"), ("KINGLET_LOG_FORMAT", format)]);
        server.flood();
        assert!(server.get().ends_with("all good"));
        server.signal("-TERM");
        assert_eq!(server.child.wait().expect("the end of the process").code(), Some(0));
    }
}

#[test]
fn a_log_that_is_read_again_says_how_much_of_it_is_missing() {
    let mut server = Serving::with(&mut Command::new(KINGLET), &[("RUST_LOG", "debug")]);
    server.flood();
    let mut written = 0;
    let missing: usize = loop {
        let mut line = String::new();
        assert_ne!(server.stderr.read_line(&mut line).expect("the log is readable"), 0);
        written += usize::from(line.contains("Transport unknown"));
        if let Some((before, _)) = line.split_once(" lines are missing here: standard error was not read") {
            break before.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a number");
        }
    };
    assert!(written > 0 && missing > 0 && written + missing <= 8000 + 10, "{written} written, {missing} missing");
    let (status, log) = server.stop("-TERM");
    assert_eq!(status.code(), Some(0));
    assert!(log.ends_with("stopped\n"), "{log}");
}

#[test]
fn a_log_without_a_reader_does_not_block_the_server() {
    let mut server = Serving::with(&mut Command::new(KINGLET), &[("RUST_LOG", "debug")]);
    server.stderr = Box::new(io::empty());
    server.flood();
    server.signal("-TERM");
    assert_eq!(server.child.wait().expect("the end of the process").code(), Some(0));
}

#[test]
fn an_error_ends_the_program_even_if_nobody_reads_it() {
    let other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let in_use = other.local_addr().expect("its address").port().to_string();
    for (args, vars, code) in [
        (&[][..], ("PORT", "http"), 2),
        (&[], ("PORT", &*in_use), 1),
        (&["--prot"], ("PORT", "0"), 2),
        (&["health"], ("PORT", "0"), 1),
    ] {
        let (unread, _kept) = full();
        let mut command = Command::new(KINGLET);
        let status = command.args(args).env_clear().envs([vars]).stderr(unread).status().expect("the program runs");
        assert_eq!(status.code(), Some(code), "{args:?} {vars:?}");
    }
}
