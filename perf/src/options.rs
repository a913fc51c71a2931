//! What every command can be told.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::error::{Error, Result};
use crate::net::{Target, Url};

/// How clients reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket from the start.
    WebSocket,
    /// Long polling to the end.
    Polling,
    /// Polling first, then the upgrade to a WebSocket: what clients do by default.
    Default,
}

impl Transport {
    /// How many sockets a client of this transport may hold at once.
    pub const fn sockets(self) -> usize {
        if matches!(self, Self::WebSocket) { 1 } else { 2 }
    }
}

/// Which part of the clients a process has, when there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which process, counted from 0.
    pub index: usize,
    /// How many processes.
    pub of: usize,
}

impl Share {
    /// Everything in one process.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The part of `total` that is this share: where it begins and how many.
    pub const fn part(self, total: usize) -> (usize, usize) {
        let start = total * self.index / self.of;
        (start, total * (self.index + 1) / self.of - start)
    }
}

/// The options that commands have in common.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server, `LOAD_BALANCER_DOMAIN` (then `https`) or `http://127.0.0.1:3000` unless given.
    pub url: Option<String>,
    /// Where Engine.IO answers; `/websockets` unless given.
    pub path: String,
    /// The Socket.IO namespace; the URL's path, or `/`, unless given.
    pub namespace: Option<String>,
    /// How clients connect.
    pub transport: Transport,
    /// How many clients.
    pub connections: usize,
    /// How long the measured phase takes, in seconds.
    pub seconds: f64,
    /// Connections begun per second at most; 0 sets no limit.
    pub rate: f64,
    /// Handshakes under way at once at most.
    pub concurrency: usize,
    /// Whether the result is printed as JSON instead of a table.
    pub json: bool,
    /// Processes of the server, for its CPU and memory.
    pub pids: Vec<u32>,
    /// Control groups of the server, for exact CPU and the kernel's memory.
    pub cgroups: Vec<PathBuf>,
    /// Certificates to trust beside the public ones.
    pub ca: Option<PathBuf>,
    /// How many processes make the load; as many as the open-file limit asks for unless given.
    pub processes: Option<usize>,
    /// The share of this process, when another started it.
    pub share: Option<Share>,
}

impl Options {
    /// The defaults of a command with so many clients and seconds.
    pub fn new(connections: usize, seconds: f64) -> Self {
        Self {
            url: None,
            path: "/websockets".to_owned(),
            namespace: None,
            transport: Transport::WebSocket,
            connections,
            seconds,
            rate: 0.0,
            concurrency: 256,
            json: false,
            pids: Vec::new(),
            cgroups: Vec::new(),
            ca: None,
            processes: None,
            share: None,
        }
    }

    /// Reads the command line. `own` takes the options that only this command has and says whether it knows one.
    pub fn parse(self, parser: &mut Parser, own: impl FnMut(&str, &mut Parser) -> Result<bool>) -> Result<Self> {
        self.parse_unchecked(parser, own)?.checked()
    }

    /// Reads the command line, whose numbers are then to be [`checked`](Self::checked).
    pub fn parse_unchecked(
        mut self,
        parser: &mut Parser,
        mut own: impl FnMut(&str, &mut Parser) -> Result<bool>,
    ) -> Result<Self> {
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(url) if self.url.is_none() => self.url = Some(url.string()?),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    if !own(&name, parser)? && !self.common(&name, parser)? {
                        return Err(Arg::Long(&name).unexpected().into());
                    }
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(self)
    }

    /// Refuses what is impossible.
    pub fn checked(self) -> Result<Self> {
        if self.connections == 0 || self.concurrency == 0 || self.processes == Some(0) {
            return Err(Error::Options("connections, concurrency and processes must be at least 1".to_owned()));
        }
        if !(self.seconds >= 0.0 && self.seconds < 1e9 && self.rate >= 0.0) {
            return Err(Error::Options("seconds and rates must not be negative".to_owned()));
        }
        Ok(self)
    }

    fn common(&mut self, name: &str, parser: &mut Parser) -> Result<bool> {
        match name {
            "url" => self.url = Some(parser.value()?.string()?),
            "path" => self.path = parser.value()?.string()?,
            "namespace" => self.namespace = Some(parser.value()?.string()?),
            "transport" => {
                self.transport = parser.value()?.parse_with(|text| match text {
                    "websocket" => Ok(Transport::WebSocket),
                    "polling" => Ok(Transport::Polling),
                    "default" => Ok(Transport::Default),
                    _ => Err("websocket, polling or default"),
                })?;
            }
            "connections" => self.connections = parser.value()?.parse()?,
            "seconds" => self.seconds = parser.value()?.parse()?,
            "rate" => self.rate = parser.value()?.parse()?,
            "concurrency" => self.concurrency = parser.value()?.parse()?,
            "json" => self.json = true,
            "pid" => {
                let list = parser.value()?.string()?;
                for pid in list.split(',') {
                    let pid = pid.parse().map_err(|_| Error::Options(format!("--pid: {pid:?} is not a process id")))?;
                    self.pids.push(pid);
                }
            }
            "cgroup" => self.cgroups.extend(parser.value()?.string()?.split(',').map(PathBuf::from)),
            "ca" => self.ca = Some(parser.value()?.into()),
            "processes" => self.processes = Some(parser.value()?.parse()?),
            "share" => {
                self.share = Some(parser.value()?.parse_with(|text| {
                    let (index, of) = text.split_once('/').ok_or("INDEX/OF")?;
                    let share = index.parse().ok().zip(of.parse().ok()).map(|(index, of)| Share { index, of });
                    share.filter(|share| share.index < share.of).ok_or("INDEX/OF")
                })?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The measured phase.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The server that all of this names, its addresses resolved and tried.
    pub fn target(&self) -> Result<Target> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => match std::env::var("LOAD_BALANCER_DOMAIN") {
                Ok(domain) if domain.contains("://") => domain,
                Ok(domain) if !domain.is_empty() => format!("https://{domain}"),
                _ => "http://127.0.0.1:3000".to_owned(),
            },
        };
        self.instance(&url)
    }

    /// Another instance of it, at this URL.
    pub fn instance(&self, url: &str) -> Result<Target> {
        let url = Url::parse(url)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| url.path.clone());
        Target::new(url, &self.path, &namespace, self.ca.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::new(100, 10.0).parse(&mut Parser::from_args(arguments), |_, _| Ok(false))
    }

    #[test]
    fn the_command_line_is_read() {
        let options = parse(&["http://h", "--connections", "7", "--transport=default", "--pid=1,2", "--json"]).unwrap();
        assert_eq!((options.connections, options.transport, options.json), (7, Transport::Default, true));
        assert_eq!((options.url.as_deref(), options.pids), (Some("http://h"), vec![1, 2]));
    }

    #[test]
    fn what_is_unknown_or_impossible_is_refused() {
        for arguments in
            [&["--nonsense"][..], &["--connections", "0"], &["a", "b"], &["--share", "2/2"], &["--rate=-1"]]
        {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn shares_add_up() {
        let parts: Vec<_> = (0..3).map(|index| Share { index, of: 3 }.part(100)).collect();
        assert_eq!(parts, [(0, 33), (33, 33), (66, 34)]);
    }
}
