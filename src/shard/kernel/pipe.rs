//! Sockets in memory: two buffers, where other connections have a socket of the kernel's.
//!
//! The other end of each is in the hands of the same shard. It puts in what has come for the connection, takes out what the
//! connection has sent, and tells the connection of both, as the poll does of other sockets. A pipe that was used is among the
//! [news](Pipes::next_news) until it was looked at.

use std::collections::{HashMap, VecDeque};
use std::io;

use bytes::{Buf, Bytes};
use foldhash::fast::FixedState;

use crate::shard::store::keys::ConnectionKey;

/// Pipes for which memory is kept while there are none.
const KEPT: usize = 64;

/// The pipes of a shard, by the connections whose sockets they are.
#[derive(Debug, Default)]
pub(in crate::shard) struct Pipes {
    all: HashMap<ConnectionKey, Pipe, FixedState>,
    /// Those that were used and not looked at since, in the order of their first use.
    news: VecDeque<ConnectionKey>,
}

/// Where a socket finds the state that is not in it: the pipes, and the key of its connection.
pub(in crate::shard) struct At<'a> {
    pipes: &'a mut Pipes,
    key: ConnectionKey,
}

/// A socket in memory.
#[derive(Debug, Default)]
pub(in crate::shard) struct Pipe {
    /// What has come and was not read.
    incoming: VecDeque<Bytes>,
    unread: usize,
    /// Bytes that were read.
    read: u64,
    /// What was sent and not taken out.
    outgoing: Vec<u8>,
    /// The most bytes that may be sent and not be taken by the peer, if that is bounded.
    window: Option<usize>,
    /// Bytes that were sent and not taken by the peer, since that is bounded.
    untaken: usize,
    /// Whether bytes were refused, and it was not told since that they would be taken.
    refused: bool,
    /// Whether the other end is gone: nothing comes behind what has come, and what is sent goes nowhere.
    is_left: bool,
    end: Option<End>,
    is_news: bool,
}

/// How this end was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum End {
    /// Behind all that was sent.
    Shut,
    /// What was sent and not taken out is lost.
    Reset,
}

impl Pipes {
    /// A pipe for a connection.
    pub(in crate::shard) fn open(&mut self, key: ConnectionKey) {
        self.all.insert(key, Pipe::default());
    }

    /// A connection has ended: gives its pipe.
    pub(in crate::shard) fn close(&mut self, key: ConnectionKey) -> Option<Pipe> {
        let pipe = self.all.remove(&key);
        if self.all.is_empty() {
            self.all.shrink_to(KEPT);
        }
        pipe
    }

    /// The place of a connection's socket.
    #[inline]
    pub(in crate::shard) const fn at(&mut self, key: ConnectionKey) -> At<'_> {
        At { pipes: self, key }
    }

    pub(in crate::shard) fn get(&self, key: ConnectionKey) -> Option<&Pipe> {
        self.all.get(&key)
    }

    /// The same, to put something in or to take something out.
    pub(in crate::shard) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Pipe> {
        self.all.get_mut(&key)
    }

    /// Has a pipe looked at, although it was not used.
    pub(in crate::shard) fn look_at(&mut self, key: ConnectionKey) {
        let _ = self.at(key).act(|_| ());
    }

    /// Whether any pipe was used since it was looked at last.
    pub(in crate::shard) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The connection whose pipe was used first of those that were not looked at since.
    pub(in crate::shard) fn next_news(&mut self) -> Option<ConnectionKey> {
        loop {
            let key = self.news.pop_front()?;
            // One that was closed is no news any more.
            if let Some(pipe) = self.all.get_mut(&key) {
                pipe.is_news = false;
                return Some(key);
            }
        }
    }
}

impl At<'_> {
    /// Uses the pipe.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn act<R>(self, act: impl FnOnce(&mut Pipe) -> R) -> io::Result<R> {
        let pipe = self.pipes.all.get_mut(&self.key).ok_or(io::ErrorKind::NotConnected)?;
        if !std::mem::replace(&mut pipe.is_news, true) {
            self.pipes.news.push_back(self.key);
        }
        Ok(act(pipe))
    }
}

/// What the socket does.
impl Pipe {
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room());
        self.refused |= count < bytes.len();
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if !self.is_left {
            self.outgoing.extend_from_slice(bytes.get(..count).unwrap_or(bytes));
            self.untaken += self.window.map_or(0, |_| count);
        }
        Ok(count)
    }

    /// All that it takes of the pieces. It is in memory already, so nothing is gained by sending less.
    pub(super) fn send_pieces<'a>(&mut self, pieces: impl Iterator<Item = &'a Bytes>) -> usize {
        let mut sent = 0;
        for piece in pieces {
            let taken = self.send(piece).unwrap_or(0);
            sent += taken;
            if taken < piece.len() {
                break;
            }
        }
        sent
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while let Some(piece) = self.incoming.front_mut()
            && let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty())
        {
            let count = piece.len().min(rest.len());
            piece.copy_to_slice(rest.get_mut(..count).unwrap_or_default());
            read += count;
            if piece.is_empty() {
                self.incoming.pop_front();
            }
        }
        if read == 0 && !buffer.is_empty() {
            return Err(if self.is_left { io::ErrorKind::ConnectionReset } else { io::ErrorKind::WouldBlock }.into());
        }
        self.unread -= read;
        self.read += read as u64;
        Ok(read)
    }

    pub(super) fn shut(&mut self) {
        self.end = self.end.or(Some(End::Shut));
    }

    pub(super) fn forget_unsent(&mut self) {
        self.end = Some(End::Reset);
    }

    /// How many more bytes it takes.
    fn room(&self) -> usize {
        match self.window {
            Some(window) if !self.is_left => window.saturating_sub(self.untaken),
            _ => usize::MAX,
        }
    }

    /// Whether it takes bytes.
    pub(in crate::shard) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// Bytes that have come and were not read.
    pub(in crate::shard) const fn unread(&self) -> usize {
        self.unread
    }

    /// Bytes that were sent and not taken by the peer.
    pub(in crate::shard) const fn untaken(&self) -> usize {
        self.untaken
    }
}

/// What the other end does.
impl Pipe {
    /// These bytes have come.
    pub(in crate::shard) fn comes(&mut self, bytes: Bytes) {
        self.unread += bytes.len();
        if !bytes.is_empty() {
            self.incoming.push_back(bytes);
        }
    }

    /// Bytes that were read so far.
    pub(in crate::shard) const fn read(&self) -> u64 {
        self.read
    }

    /// Takes out what was sent.
    pub(in crate::shard) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.outgoing).into()
    }

    /// From now on at most so many bytes may be sent and not be taken by the peer. What was not taken out counts.
    pub(in crate::shard) fn bound(&mut self, window: usize) {
        if self.window.is_none() {
            self.window = Some(window);
            self.untaken = self.outgoing.len();
        }
    }

    /// The peer has taken so many bytes more.
    pub(in crate::shard) fn taken(&mut self, count: usize) {
        self.untaken = self.untaken.saturating_sub(count);
    }

    /// The other end goes. What has come can still be read.
    pub(in crate::shard) fn leave(&mut self) {
        self.is_left = true;
        self.outgoing = Vec::new();
        self.untaken = 0;
    }

    /// Whether the other end is gone.
    pub(in crate::shard) const fn is_left(&self) -> bool {
        self.is_left
    }

    /// Whether it has refused bytes and takes some now. It says so once.
    pub(in crate::shard) fn has_room_again(&mut self) -> bool {
        self.has_room() && std::mem::take(&mut self.refused)
    }

    /// How this end was closed, if it was.
    pub(in crate::shard) const fn end(&self) -> Option<End> {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: usize = 10;

    fn pipe() -> Pipe {
        let mut pipe = Pipe::default();
        pipe.bound(WINDOW);
        pipe
    }

    #[test]
    fn what_comes_is_read_in_order_however_small_the_buffer() {
        let mut pipe = pipe();
        let mut read = Vec::new();
        for piece in [&b"one"[..], b"", b"two", b"three"] {
            pipe.comes(Bytes::from_static(piece));
        }
        assert_eq!(pipe.unread(), 11);
        let mut buffer = [0; 4];
        while let Ok(count) = pipe.receive(&mut buffer) {
            read.extend_from_slice(&buffer[..count]);
        }
        assert_eq!((&read[..], pipe.unread(), pipe.read()), (&b"onetwothree"[..], 0, 11));
        assert_eq!(pipe.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_short_read_is_the_last_of_what_has_come() {
        let mut pipe = pipe();
        (0..3).for_each(|_| pipe.comes(Bytes::from_static(b"12345")));
        assert_eq!(pipe.receive(&mut [0; 20]).unwrap(), 15);
    }

    #[test]
    fn it_takes_a_window_of_bytes_and_says_once_when_it_takes_more() {
        let mut pipe = pipe();
        assert_eq!(pipe.send(b"1234567").unwrap(), 7);
        assert!(!pipe.has_room_again(), "it has refused nothing");
        assert_eq!(pipe.send(b"89abcdef").unwrap(), 3);
        assert_eq!(pipe.send(b"b").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!((&pipe.take()[..], pipe.untaken(), pipe.has_room_again()), (&b"123456789a"[..], WINDOW, false));
        pipe.taken(4);
        assert_eq!((pipe.untaken(), pipe.has_room_again(), pipe.has_room_again()), (6, true, false));
        let pieces = [Bytes::from_static(b"bc"), Bytes::from_static(b"def")];
        assert_eq!(pipe.send_pieces(pieces.iter()), 4);
        assert_eq!(pipe.take(), "bcde");
    }

    #[test]
    fn without_a_window_it_takes_everything_and_nothing_counts_but_what_is_still_here() {
        let mut pipe = Pipe::default();
        pipe.send(&[0; 100]).unwrap();
        assert_eq!((pipe.take().len(), pipe.untaken()), (100, 0));
        pipe.send(b"101").unwrap();
        pipe.bound(WINDOW);
        assert_eq!((pipe.untaken(), pipe.send(&[0; 100]).unwrap()), (3, 7));
    }

    #[test]
    fn when_the_other_end_is_gone_what_came_is_read_and_what_is_sent_vanishes() {
        let mut pipe = pipe();
        pipe.comes(Bytes::from_static(b"last"));
        pipe.send(&[0; 20]).unwrap();
        pipe.leave();
        assert_eq!((pipe.send(&[0; 20]).unwrap(), pipe.take().len()), (20, 0));
        let mut buffer = [0; 10];
        assert_eq!(pipe.receive(&mut buffer).unwrap(), 4);
        assert_eq!(pipe.receive(&mut buffer).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_pipe_that_is_used_is_news_once() {
        let (mut pipes, key, other) = (Pipes::default(), ConnectionKey(1), ConnectionKey(2));
        [key, other].into_iter().for_each(|key| pipes.open(key));
        for key in [key, other, key] {
            pipes.at(key).act(|pipe| pipe.send(b"x")).unwrap().unwrap();
        }
        assert!(pipes.close(other).is_some());
        assert_eq!((pipes.next_news(), pipes.next_news()), (Some(key), None));
        assert!(pipes.at(other).act(|_| ()).is_err());
    }
}
