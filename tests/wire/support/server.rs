//! The server under test, as a child process on a free port.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{Connection, PATIENCE};

/// Ports given out by this process. The server shares its port among its shards (SO_REUSEPORT), so two servers on one port
/// would not notice each other.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A running server. Dropping it ends the process, and shows its standard error if the test has failed.
pub struct Server {
    child: Child,
    address: SocketAddr,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// A server with default settings, but for the path of the vectors.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with these settings, each given without its `CONFORMANCE_` in front.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let vars: Vec<_> = settings.iter().map(|(name, value)| (format!("CONFORMANCE_{name}"), *value)).collect();
        Self::with_vars(&vars)
    }

    /// A server with these variables.
    pub fn with_vars(vars: &[(impl AsRef<OsStr>, &str)]) -> Self {
        for _ in 0..5 {
            if let Some(server) = Self::try_start(vars) {
                return server;
            }
        }
        panic!("{} does not listen", program().display());
    }

    fn try_start(vars: &[(impl AsRef<OsStr>, &str)]) -> Option<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(program());
        command.env("PORT", address.port().to_string()).env("CONFORMANCE_PATH", "/socket.io/");
        command.env_remove("REDIS_URL");
        for (name, value) in vars {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error} (`cargo build --example conformance` makes it)", program().display());
        });

        let stderr = Arc::new(Mutex::new(Vec::new()));
        let (mut pipe, log) = (child.stderr.take().expect("stderr is piped"), Arc::clone(&stderr));
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                log.lock().expect("the log of the server").extend_from_slice(&chunk[..n]);
            }
        });

        let mut server = Self { child, address, stderr };
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Some(server);
            }
            if server.exit_status().is_some() {
                return None;
            }
            // No event announces an open port, so it is polled.
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new TCP connection to it.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Its exit status, if it has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of the server")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(status.expect("kill").success());
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.exit_status() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the server does not end");
    }

    /// Panics unless the same process still runs and answers `GET /`.
    pub fn assert_well(&mut self) {
        assert_eq!(self.exit_status(), None, "the server has ended");
        let mut connection = self.connect();
        connection.send(b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
        let response = connection.response();
        assert_eq!((response.status, response.text()), (200, "all good".to_owned()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let stderr = self.stderr.lock().map(|log| String::from_utf8_lossy(&log).into_owned());
            eprintln!("standard error of the server:\n{}", stderr.unwrap_or_default());
        }
    }
}

/// `KINGLET_CONFORMANCE`, or the example that cargo built beside the tests.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("KINGLET_CONFORMANCE").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let test = std::env::current_exe().expect("the path of the test");
    let profile = test.ancestors().nth(2).expect("tests stand in target/<profile>/deps");
    profile.join("examples").join("conformance")
}

fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        if TAKEN.lock().expect("the ports taken").get_or_insert_default().insert(port) {
            return port;
        }
    }
}
