//! `kinglet health`: whether the server of this container answers, for images without another program that could ask.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use kinglet::Config;

/// Time for connecting, sending the request and reading the answer, together. Platforms end a check after 4 or 5
/// seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes that are read to find the answer's status.
const STATUS_LINE: usize = 256;
/// The request of a load balancer, so that the answer is the one that a load balancer gets.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kinglet-health\r\nConnection: close\r\n\r\n";

/// Why the server is not healthy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    #[error(transparent)]
    Setting(#[from] kinglet::Error),
    #[error("PORT is 0, so the system chose a port that cannot be known here; set the port that the server listens on")]
    AnyPort,
    #[error("{0} does not answer: {1}")]
    Silent(SocketAddr, #[source] io::Error),
    #[error("{0} answers {1:?} instead of 200")]
    Refused(SocketAddr, String),
}

/// Asks the server that the environment's `PORT` and `KINGLET_ADDRESS` describe.
pub(crate) fn check() -> Result<(), Unhealthy> {
    let config = Config::from_env()?;
    if config.port == 0 {
        return Err(Unhealthy::AnyPort);
    }
    let address = SocketAddr::new(reachable(config.address), config.port);
    let status = ask(address).map_err(|error| Unhealthy::Silent(address, error))?;
    if status.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(Unhealthy::Refused(address, status)) }
}

/// An address that reaches a server that listens on `listening`.
fn reachable(listening: IpAddr) -> IpAddr {
    match listening {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// The first line of the answer, or as much of it as is read.
fn ask(address: SocketAddr) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_write_timeout(Some(left(deadline)?))?;
    connection.write_all(REQUEST)?;
    let mut answer = Vec::with_capacity(STATUS_LINE);
    let mut chunk = [0; STATUS_LINE];
    while answer.len() < STATUS_LINE && !answer.contains(&b'\n') {
        connection.set_read_timeout(Some(left(deadline)?))?;
        match connection.read(&mut chunk) {
            Ok(0) if answer.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(length) => answer.extend(chunk.iter().take(length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The error of a socket whose time is up.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        let asked = |listening: &str| reachable(listening.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0"), "127.0.0.1");
        assert_eq!(asked("::"), "::1");
        assert_eq!(asked("10.0.0.7"), "10.0.0.7");
    }
}
