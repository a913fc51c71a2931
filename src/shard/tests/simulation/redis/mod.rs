//! A model of Redis: subscriptions, publications and their counts, as the servers use them. It shares no code with them.

mod resp;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::cluster::redis::simulated::{Ending, Network, Peer};

/// Redis, and the connections to it.
pub(in super::super) struct Redis {
    network: Network,
    clients: Vec<Client>,
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether it counts subscribers for those who ask.
    pub(in super::super) counts: bool,
    /// How many connections it has ended by itself.
    pub(in super::super) ended: u64,
}

/// A connection.
struct Client {
    peer: Peer,
    /// Bytes of a command that is not whole yet.
    unread: Vec<u8>,
    /// Bytes that have yet to reach the server.
    down: VecDeque<u8>,
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
    is_over: bool,
}

impl Redis {
    pub(in super::super) const fn new(network: Network) -> Self {
        Self { network, clients: Vec::new(), values: BTreeMap::new(), counts: true, ended: 0 }
    }

    /// Takes the connections that were made, and lets go of those that have ended. How many there are.
    pub(in super::super) fn attend(&mut self) -> usize {
        while let Some(peer) = self.network.accept() {
            self.clients.push(Client::new(peer));
        }
        self.clients.retain(|client| !client.is_over && !client.peer.is_shut());
        self.clients.len()
    }

    /// Reads at most so many bytes of a connection, and does what they say.
    pub(in super::super) fn hear(&mut self, client: usize, most: usize) {
        let bytes = self.clients[client].peer.take(most);
        self.clients[client].unread.extend(bytes);
        while let Some(command) = resp::take_command(&mut self.clients[client].unread) {
            self.execute(client, &command);
        }
    }

    /// Brings at most so many bytes to a server.
    pub(in super::super) fn carry(&mut self, client: usize, most: usize) {
        let client = &mut self.clients[client];
        let bytes: Vec<u8> = client.down.drain(..most.min(client.down.len())).collect();
        if !bytes.is_empty() {
            client.peer.send(&bytes);
        }
    }

    /// Whether nothing is on its way.
    pub(in super::super) fn is_idle(&self) -> bool {
        self.clients.iter().all(|it| it.down.is_empty() && it.unread.is_empty() && !it.peer.has_sent())
    }

    /// Ends a connection (CLIENT KILL).
    pub(in super::super) fn kill(&mut self, client: usize, how: Ending) {
        self.ended += 1;
        self.clients[client].peer.end(how);
        self.clients[client].is_over = true;
    }

    /// Goes away, or is there again.
    pub(in super::super) fn be_away(&mut self, away: bool) {
        self.network.refuse(away);
        if away {
            self.attend();
            (0..self.clients.len()).for_each(|client| self.kill(client, Ending::Reset));
            self.attend();
        }
    }

    fn execute(&mut self, client: usize, command: &[Vec<u8>]) {
        let (name, arguments) = command.split_first().expect("a command has a name");
        match &name[..] {
            b"PING" => self.clients[client].pong(),
            b"SUBSCRIBE" | b"PSUBSCRIBE" | b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" => {
                arguments.iter().for_each(|topic| self.clients[client].change(name, topic));
            }
            b"PUBLISH" => {
                let receivers = self.publish(&arguments[0], &arguments[1]);
                self.clients[client].say(&resp::number(receivers));
            }
            b"SET" => {
                self.values.insert(arguments[0].clone(), arguments[1].clone());
                self.clients[client].say(b"+OK\r\n");
            }
            b"GETDEL" => {
                let value = self.values.remove(&arguments[0]);
                self.clients[client].say(&value.map_or_else(|| b"$-1\r\n".to_vec(), |value| resp::text(&value)));
            }
            b"PUBSUB" if self.counts => {
                let counts = arguments[1..].iter().map(|channel| (channel, self.subscribers(channel)));
                let pairs: Vec<_> =
                    counts.flat_map(|(channel, count)| [resp::text(channel), resp::number(count)]).collect();
                self.clients[client].say(&resp::list(&pairs));
            }
            b"PUBSUB" => {
                self.clients[client].say(b"-NOPERM this user has no permissions to run the 'pubsub' command\r\n")
            }
            other => panic!("a command {:?}", String::from_utf8_lossy(other)),
        }
    }

    fn publish(&mut self, channel: &[u8], payload: &[u8]) -> usize {
        self.clients.iter_mut().filter(|client| !client.is_over).map(|client| client.hear(channel, payload)).sum()
    }

    fn subscribers(&self, channel: &[u8]) -> usize {
        self.clients.iter().filter(|client| !client.is_over && client.channels.contains(channel)).count()
    }
}

impl Client {
    fn new(peer: Peer) -> Self {
        let (channels, patterns) = (BTreeSet::new(), BTreeSet::new());
        Self { peer, unread: Vec::new(), down: VecDeque::new(), channels, patterns, is_over: false }
    }

    fn say(&mut self, reply: &[u8]) {
        self.down.extend(reply);
    }

    fn topics(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    fn pong(&mut self) {
        if self.topics() == 0 {
            self.say(b"+PONG\r\n");
        } else {
            self.say(&resp::list(&[resp::text(b"pong"), resp::text(b"")]));
        }
    }

    /// Subscribes, or ends a subscription.
    fn change(&mut self, command: &[u8], topic: &[u8]) {
        let topics = if command.starts_with(b"P") { &mut self.patterns } else { &mut self.channels };
        if command.ends_with(b"UNSUBSCRIBE") {
            topics.remove(topic);
        } else {
            topics.insert(topic.to_vec());
        }
        let parts = [resp::text(&command.to_ascii_lowercase()), resp::text(topic), resp::number(self.topics())];
        self.say(&resp::list(&parts));
    }

    /// Gets a message once for each subscription that it matches. How often.
    fn hear(&mut self, channel: &[u8], payload: &[u8]) -> usize {
        let mut messages = Vec::new();
        if self.channels.contains(channel) {
            messages.push(resp::list(&[resp::text(b"message"), resp::text(channel), resp::text(payload)]));
        }
        for pattern in self.patterns.iter().filter(|pattern| matches(pattern, channel)) {
            let parts = [resp::text(b"pmessage"), resp::text(pattern), resp::text(channel), resp::text(payload)];
            messages.push(resp::list(&parts));
        }
        messages.iter().for_each(|message| self.say(message));
        messages.len()
    }
}

/// Whether a channel matches a pattern: `*` stands for any text, `\` before a character for itself.
fn matches(pattern: &[u8], channel: &[u8]) -> bool {
    match (pattern, channel) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=channel.len()).any(|skipped| matches(rest, &channel[skipped..])),
        ([b'\\', literal, rest @ ..], [byte, behind @ ..]) => literal == byte && matches(rest, behind),
        ([literal, rest @ ..], [byte, behind @ ..]) => literal == byte && matches(rest, behind),
        _ => false,
    }
}
