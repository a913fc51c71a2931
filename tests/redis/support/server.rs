//! A `redis-server` process on a port of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use kinglet::{RedisSecurity, RedisServer};

use super::client::Client;

pub struct Server {
    pub port: u16,
    arguments: Vec<String>,
    directory: Directory,
    process: Option<Child>,
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts one with these further arguments, and waits until it takes connections.
    pub fn start(arguments: &[&str]) -> Self {
        let mut server = Self::absent(arguments);
        server.run();
        server
    }

    /// Starts one with a user of these rights.
    pub fn with_user(rights: &str) -> Self {
        let words: Vec<&str> = ["--user"].into_iter().chain(rights.split(' ')).collect();
        Self::start(&words)
    }

    /// One that is not started yet.
    pub fn absent(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { port: free_port(), arguments, directory: Directory::new(), process: None }
    }

    /// Starts it (again).
    pub fn run(&mut self) {
        self.run_with(&["--port", &self.port.to_string()]);
    }

    /// Starts it with TLS on its port, and no plain port.
    pub fn run_with_tls(&mut self, certificate: &Path, key: &Path, ca: &Path) {
        let [certificate, key, ca] = [certificate, key, ca].map(|path| path.to_str().unwrap());
        let port = self.port.to_string();
        self.run_with(&[
            "--port",
            "0",
            "--tls-port",
            &port,
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-ca-cert-file",
            ca,
            "--tls-auth-clients",
            "no",
        ]);
    }

    fn run_with(&mut self, port: &[&str]) {
        let mut process = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir"])
            .arg(&self.directory.0)
            .args(port)
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server, which tests/setup.sh installs");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        self.process = Some(process);
        let ready = lines.by_ref().any(|line| line.is_ok_and(|line| line.contains("Ready to accept connections")));
        assert!(ready, "redis-server did not start");
        thread::spawn(move || lines.for_each(drop));
    }

    /// Its address for the settings.
    pub fn address(&self) -> RedisServer {
        RedisServer::new("127.0.0.1", self.port, RedisSecurity::Plain)
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    fn signal(&self, signal: i32) {
        let process = self.process.as_ref().expect("a process");
        // SAFETY: the process is our child and has not been waited for.
        assert_eq!(unsafe { libc::kill(process.id().cast_signed(), signal) }, 0);
    }

    /// Freezes it with SIGSTOP; its connections stay.
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory that is removed with the test.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kinglet-redis-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
