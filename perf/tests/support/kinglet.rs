//! The real server, where there is one.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long kinglet may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running kinglet, ended with the test.
pub struct Kinglet {
    child: Child,
    port: u16,
}

impl Kinglet {
    /// Starts the binary that `KINGLET_BIN` names; none, with a word about it, if it names none.
    pub fn start() -> Option<Self> {
        let Some(binary) = std::env::var_os("KINGLET_BIN").filter(|path| !path.is_empty()) else {
            eprintln!("skipped: KINGLET_BIN names no kinglet to test with");
            return None;
        };
        let port = free_port();
        let mut command = Command::new(binary);
        command.env("PORT", port.to_string()).env("RUST_LOG", "warn").env_remove("KINGLET_BIN");
        let server = Self { child: command.spawn().unwrap(), port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "kinglet does not answer within {PATIENCE:?}");
            std::thread::yield_now();
        }
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Kinglet {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A port below those that the system gives out by itself: the servers and clients of the tests beside this one take those.
fn free_port() -> u16 {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    (first..first + 1000).find(|&port| TcpListener::bind(("0.0.0.0", port)).is_ok()).unwrap()
}
