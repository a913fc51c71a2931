//! The servers that are compared: what each is, how it is built, and one that runs.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::{Cgroup, Limits};
use super::confine::{self, Cores};
use super::redis::Redis;
use super::stop;
use crate::measure::{Sampler, Usage};

/// Ports below those that systems give to clients.
static NEXT_PORT: AtomicU16 = AtomicU16::new(4300);

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The starter, `target/release/kinglet`.
    Kinglet,
    /// `perf baseline`.
    Baseline,
    /// `perf baseline --coalesce`.
    CoalescingBaseline,
    /// `perf/peers/node`.
    Node,
    /// `perf/peers/socketioxide`.
    Socketioxide,
}

/// Which of a server's programs runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The starter's application.
    Starter,
    /// One that also answers `message-with-ack`: for kinglet `examples/conformance`, since its starter has no such
    /// event; the others answer it anyway.
    Acks,
}

impl Kind {
    /// All, in the order of the tables.
    pub const ALL: [Self; 5] =
        [Self::Kinglet, Self::Baseline, Self::CoalescingBaseline, Self::Node, Self::Socketioxide];

    /// Its name on the command line and in the raw results.
    pub fn key(self) -> &'static str {
        match self {
            Self::Kinglet => "kinglet",
            Self::Baseline => "baseline",
            Self::CoalescingBaseline => "coalescing baseline",
            Self::Node => "node",
            Self::Socketioxide => "socketioxide",
        }
    }

    /// Its name in tables and plots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "one send per message",
            Self::CoalescingBaseline => "one send per turn",
            other => other.key(),
        }
    }

    /// What it is and how it is tuned, in a line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Kinglet => {
                "the starter, `target/release/kinglet`, with its defaults; `examples/conformance` where acks are measured"
            }
            Self::Baseline => "`perf baseline`: nothing kept per connection, one `send` for each delivery",
            Self::CoalescingBaseline => {
                "`perf baseline --coalesce`: the same, but all messages that one turn of the loop relays leave in one `send` for \
                 each client"
            }
            Self::Node => {
                "the starter on socket.io, express and ws (`perf/peers/node`): `NODE_ENV=production`, ws with its \
                 native add-on, first requests let go, as Socket.IO's pages on performance and memory advise"
            }
            Self::Socketioxide => {
                "the same application on socketioxide and axum (`perf/peers/socketioxide`): tokio's current-thread \
                 runtime, 4 KiB read buffers, a queue of 4,096 packets for each client, fat LTO"
            }
        }
    }

    /// Whether several of it on one Redis are one server.
    pub fn joins_clusters(self) -> bool {
        matches!(self, Self::Kinglet | Self::Node)
    }

    /// Builds or installs what it needs.
    pub fn build(self, root: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Baseline | Self::CoalescingBaseline => Ok(()),
            Self::Kinglet => run(Command::new("cargo")
                .args(["build", "--release", "--package", "kinglet", "--bin", "kinglet", "--example", "conformance"])
                .current_dir(root)),
            Self::Node => {
                let peer = root.join("perf/peers/node");
                let newer = |file: &str| fs::metadata(peer.join(file)).and_then(|file| file.modified()).ok();
                if newer("node_modules/.package-lock.json") >= newer("package-lock.json") {
                    return Ok(());
                }
                run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(peer))
            }
            Self::Socketioxide => run(Command::new("cargo")
                .args(["build", "--release", "--target-dir"])
                .arg(target.join("peers"))
                .current_dir(root.join("perf/peers/socketioxide"))),
        }
    }

    /// Versions of what it is made of.
    pub fn version(self, root: &Path) -> Option<String> {
        let text = |file: &str| fs::read_to_string(root.join(file)).ok();
        match self {
            Self::Kinglet => Some(format!("kinglet {}", toml_version(&text("Cargo.toml")?)?)),
            Self::Baseline | Self::CoalescingBaseline => None,
            Self::Node => {
                let node = Command::new("node").arg("--version").output().ok()?;
                let mut versions = format!("Node.js {}", String::from_utf8_lossy(&node.stdout).trim());
                for package in ["socket.io", "ws", "express"] {
                    let manifest = text(&format!("perf/peers/node/node_modules/{package}/package.json"))?;
                    let manifest: serde_json::Value = serde_json::from_str(&manifest).ok()?;
                    versions += &format!(", {package} {}", manifest["version"].as_str()?);
                }
                Some(versions)
            }
            Self::Socketioxide => {
                let lock = text("perf/peers/socketioxide/Cargo.lock")?;
                let version = |package| toml_version(lock.split(&format!("name = \"{package}\"\n")).nth(1)?);
                let names = ["socketioxide", "axum", "tokio"];
                let versions = names.map(|name| Some(format!("{name} {}", version(name)?)));
                Some(versions.into_iter().collect::<Option<Vec<_>>>()?.join(", "))
            }
        }
    }

    fn command(self, program: Program, root: &Path, target: &Path, port: u16) -> io::Result<Command> {
        let mut command = match self {
            Self::Kinglet if program == Program::Acks => {
                let mut command = Command::new(target.join("release/examples/conformance"));
                command.env("CONFORMANCE_PATH", "/websockets");
                command
            }
            Self::Kinglet => Command::new(target.join("release/kinglet")),
            Self::Baseline | Self::CoalescingBaseline => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("baseline").arg("--port").arg(port.to_string());
                if self == Self::CoalescingBaseline {
                    command.arg("--coalesce");
                }
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg("server.js").current_dir(root.join("perf/peers/node")).env("NODE_ENV", "production");
                command
            }
            Self::Socketioxide => Command::new(target.join("peers/release/kinglet-perf-socketioxide")),
        };
        command.env("PORT", port.to_string());
        Ok(command)
    }
}

/// A server that runs; killed and its cgroup removed when dropped.
pub struct Server {
    child: Child,
    // Held so that whatever the server prints has somewhere to go.
    _stdout: ChildStdout,
    cgroup: Option<Cgroup>,
    port: u16,
    /// From its first instruction to the first `200` on `/`.
    pub first_answer: Duration,
}

/// Where servers are found and how they are started.
pub struct Place {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// The cores of the two sides.
    pub cores: Cores,
    /// Whether each server gets a cgroup.
    pub cgroups: Cgroups,
}

/// Whether this run may make cgroups.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// It may, of this version.
    Version(u8),
    /// It may not: nothing is limited, and the figures come from `/proc`.
    Denied,
}

impl Server {
    /// Starts a server and waits for its first answer.
    pub fn start(kind: Kind, program: Program, limits: Limits, place: &Place) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let command = kind.command(program, &place.root, &place.target, port)?;
        Self::launch(kind.key(), &command, port, limits, place, answers_get)
    }

    /// Starts the starter as a member of the cluster that shares this Redis, and waits for its first answer.
    pub fn join(kind: Kind, redis: &Redis, place: &Place) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let mut command = kind.command(Program::Starter, &place.root, &place.target, port)?;
        command.env("REDIS_URL", format!("redis://{}", redis.0.address()));
        Self::launch(kind.key(), &command, port, Limits::None, place, answers_get)
    }

    /// Starts a program that is to listen on `port`, and waits until it answers.
    pub fn launch(
        name: &str,
        command: &Command,
        port: u16,
        limits: Limits,
        place: &Place,
        answers: impl Fn(SocketAddr) -> io::Result<()>,
    ) -> Result<Self, Box<dyn Error>> {
        let cgroup = match place.cgroups {
            Cgroups::Denied => None,
            Cgroups::Version(_) => {
                Some(Cgroup::create(&format!("kinglet-perf-{}-{port}", std::process::id()), limits)?)
            }
        };
        let log = place.target.join("perf");
        fs::create_dir_all(&log)?;
        let log = File::create(log.join(format!("{}.log", name.replace(' ', "-"))))?;
        let (child, stdout) = confine::start(command, place.cores.server, cgroup.as_ref(), log)?;
        let begun = Instant::now();
        let mut server = Self { child, _stdout: stdout, cgroup, port, first_answer: Duration::ZERO };
        while answers(server.address()).is_err() {
            stop::check()?;
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{name} ended before its first answer: {status}").into());
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(format!("{name} does not answer").into());
            }
            thread::sleep(Duration::from_micros(100));
        }
        server.first_answer = begun.elapsed();
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directories whose counters say what it uses, none where it has no cgroup.
    pub fn counters(&self) -> Vec<PathBuf> {
        let directories = self.cgroup.as_ref().map(Cgroup::counters).unwrap_or_default();
        directories.into_iter().map(Path::to_owned).collect()
    }

    /// What it uses.
    pub fn usage(&self) -> Result<Usage, Box<dyn Error>> {
        let sampler = Sampler::new(&[self.pid()], &self.counters()).ok_or("nothing to sample")?;
        Ok(sampler.sample()?)
    }

    /// Whether it still runs: the kernel kills what passes its memory limit.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends in any case; what fails here is that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long `GET /` takes on a connection of its own; an error unless it is answered 200 in time.
pub fn get(address: SocketAddr, timeout: Duration) -> io::Result<Duration> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut status = [0; b"HTTP/1.1 200".len()];
    stream.read_exact(&mut status)?;
    if status == *b"HTTP/1.1 200" { Ok(begun.elapsed()) } else { Err(io::Error::other("GET / is not answered 200")) }
}

fn answers_get(address: SocketAddr) -> io::Result<()> {
    get(address, START_TIMEOUT).map(drop)
}

/// A port that nobody listens on.
pub fn free_port() -> io::Result<u16> {
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => {}
        }
    }
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

fn toml_version(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}
