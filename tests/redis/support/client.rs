//! A bare client of Redis, which checks from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::PATIENCE;

pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a command of words without spaces and returns its reply: a text, a number, an error, or the texts of an
    /// array with spaces between.
    pub fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.read()
    }

    /// Publishes any bytes.
    pub fn publish(&mut self, channel: &str, payload: &[u8]) {
        let head = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${}\r\n", channel.len(), payload.len());
        self.0.get_mut().write_all(&[head.as_bytes(), payload, b"\r\n"].concat()).unwrap();
        self.read();
    }

    /// Reads a value as [`ask`](Self::ask) gives it.
    pub fn read(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "Redis closed the connection");
        let rest = line[1..].trim_end().to_owned();
        match line.as_bytes()[0] {
            b'$' if rest == "-1" => "nil".to_owned(),
            b'$' => {
                let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut text).unwrap();
                String::from_utf8_lossy(&text).trim_end_matches("\r\n").to_owned()
            }
            b'*' => (0..rest.parse().unwrap()).map(|_| self.read()).collect::<Vec<_>>().join(" "),
            _ => rest,
        }
    }

    /// Subscribes; from then on [`message`](Self::message) returns the messages.
    pub fn subscribe(&mut self, channel: &str) {
        assert_eq!(self.ask(&format!("SUBSCRIBE {channel}")), format!("subscribe {channel} 1"));
    }

    /// The payload of the next message.
    pub fn message(&mut self) -> String {
        let message = self.read();
        message.rsplit(' ').next().unwrap().to_owned()
    }

    /// The parts of the next message, as bytes.
    pub fn message_parts(&mut self) -> Vec<Vec<u8>> {
        let count = self.line().trim_start_matches('*').parse().unwrap();
        (0..count).map(|_| self.bytes()).collect()
    }

    /// A line without its end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "Redis closed the connection");
        line.trim_end().to_owned()
    }

    /// A bulk string.
    fn bytes(&mut self) -> Vec<u8> {
        let length: usize = self.line().trim_start_matches('$').parse().unwrap();
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    /// How many others there are, by Redis's own list.
    pub fn others(&mut self) -> Vec<String> {
        self.ask("CLIENT LIST").lines().filter(|line| !line.contains("cmd=client")).map(str::to_owned).collect()
    }
}
