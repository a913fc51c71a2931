//! A Redis of the comparison's own, over which two instances are one server.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::Limits;
use super::server::{Place, Server, free_port};
use super::stop;

const PROGRAM: &str = "redis-server";

/// Time for Redis to answer, and for instances to subscribe.
const PATIENCE: Duration = Duration::from_secs(20);

/// The channel by which members of the classic adapter's cluster are counted.
const MEMBERS: &str = "socket.io-request#/#";

/// A Redis that runs and keeps nothing; killed and its cgroup removed when dropped.
pub struct Redis(pub Server);

impl Redis {
    /// Which version is installed, none if it is not.
    pub fn installed() -> Option<String> {
        let output = Command::new(PROGRAM).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.split_ascii_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned)
    }

    /// Starts one and waits for its first answer.
    pub fn start(place: &Place) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let mut command = Command::new(PROGRAM);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning", "--port"]);
        command.arg(port.to_string());
        let answers = |address| ask(address, "PING").map(drop);
        Ok(Self(Server::launch("redis", &command, port, Limits::None, place, answers)?))
    }

    /// Waits until so many instances have subscribed.
    pub fn wait_for(&self, instances: usize) -> Result<(), Box<dyn Error>> {
        let begun = Instant::now();
        while ask(self.0.address(), &format!("PUBSUB NUMSUB {MEMBERS}"))? != instances.to_string() {
            stop::check()?;
            if begun.elapsed() > PATIENCE {
                return Err(format!("not all {instances} instances subscribe").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Asks Redis something whose words hold no spaces; gives the last word of the answer.
fn ask(address: SocketAddr, command: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    // After the answer comes the one to QUIT, and the end.
    let lines: Vec<_> = BufReader::new(stream.take(4096)).lines().collect::<io::Result<_>>()?;
    match lines.as_slice() {
        [.., answer, _] => Ok(answer.trim_start_matches(['+', ':']).to_owned()),
        _ => Err(io::Error::other("no answer of Redis")),
    }
}
