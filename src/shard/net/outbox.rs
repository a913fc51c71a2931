//! The waiting output of a client whose socket would block. It exists only while something waits.

use std::collections::VecDeque;
use std::io::{self};
use std::time::Duration;

use bytes::{Buf, Bytes};

use crate::engineio::{Charge, MESSAGE_OVERHEAD, Millis};
use crate::shard::kernel::pipe::At;
use crate::shard::kernel::socket::Socket;
use crate::shard::net::progress::Progress;

/// Bytes that wait, and what they cost.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) charge: Charge,
}

/// The pieces that a socket has yet to take, in order. Each is a whole number of messages.
#[derive(Debug)]
pub(in crate::shard) struct Outbox {
    pieces: VecDeque<Piece>,
    queued: usize,
    /// Whether the socket has taken a part of the first piece.
    begun: bool,
    /// Heartbeats at the front, behind the first piece if that has begun.
    beats: usize,
    /// Bytes added since the last write.
    untried: usize,
    /// Whether nothing is to be written yet.
    pub(super) held: bool,
    pub(in crate::shard) progress: Progress,
}

impl Outbox {
    /// An empty outbox, whose peer must make progress every `patience`.
    pub(super) fn new(now: Millis, patience: Duration) -> Self {
        Self {
            pieces: VecDeque::new(),
            queued: 0,
            begun: false,
            beats: 0,
            untried: 0,
            held: false,
            progress: Progress::new(now, patience),
        }
    }

    /// Puts a message into an empty outbox. The socket has taken its first `taken` bytes.
    pub(super) fn begin(&mut self, mut whole: Piece, taken: usize) {
        self.begun = taken > 0;
        whole.bytes.advance(taken);
        self.push(whole);
    }

    /// Appends a message.
    pub(super) fn push(&mut self, piece: Piece) {
        self.count(&piece);
        self.pieces.push_back(piece);
    }

    /// Puts a heartbeat before all messages, but behind one that has begun and behind earlier heartbeats.
    pub(super) fn push_beat(&mut self, piece: Piece) {
        let place = (usize::from(self.begun) + self.beats).min(self.pieces.len());
        self.count(&piece);
        self.pieces.insert(place, piece);
        self.beats += 1;
    }

    fn count(&mut self, piece: &Piece) {
        self.queued += piece.bytes.len() + MESSAGE_OVERHEAD;
        self.untried += piece.bytes.len();
    }

    /// Bytes that wait, with each message's cost; the message now being written does not count.
    pub(in crate::shard) fn waiting(&self) -> usize {
        self.queued - self.pieces.front().map_or(0, |first| first.bytes.len() + MESSAGE_OVERHEAD)
    }

    /// Bytes that wait, with each message's cost.
    pub(in crate::shard) const fn queued(&self) -> usize {
        self.queued
    }

    /// What the bookkeeping of the messages costs.
    pub(super) fn overhead(&self) -> usize {
        self.pieces.len() * MESSAGE_OVERHEAD
    }

    /// Bytes that wait.
    pub(super) fn unsent(&self) -> usize {
        self.queued - self.overhead()
    }

    /// Bytes that wait for this client alone, with each message's cost.
    pub(in crate::shard) fn own(&self) -> usize {
        let own = self.pieces.iter().filter(|piece| piece.charge.is_own());
        own.map(|piece| piece.bytes.len()).sum::<usize>() + self.overhead()
    }

    /// Bytes added since the last write.
    pub(super) const fn untried(&self) -> usize {
        self.untried
    }

    /// The message that came last.
    pub(super) fn last(&self) -> Option<&Bytes> {
        self.pieces.back().map(|piece| &piece.bytes)
    }

    /// What waits, in order.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes what the socket takes, up to the limit of one write. Returns how much that was.
    ///
    /// # Errors
    /// The socket's error, if it is broken.
    pub(super) fn write(&mut self, socket: &mut Socket, at: At<'_>) -> io::Result<usize> {
        self.untried = 0;
        let written = socket.send_pieces(self.pieces.iter().map(|piece| &piece.bytes), at)?;
        self.progress.wrote(written);
        self.consume(written);
        Ok(written)
    }

    fn consume(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.bytes.len() {
                first.bytes.advance(written);
                self.queued -= written;
                if written > 0 {
                    self.begin_first();
                }
                return;
            }
            written -= first.bytes.len();
            self.queued -= first.bytes.len() + MESSAGE_OVERHEAD;
            self.pieces.pop_front();
            self.begin_first();
            self.begun = false;
        }
    }

    /// The first piece begins to leave. If it is a heartbeat, it no longer counts as one at the front.
    fn begin_first(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.beats = self.beats.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::shard::kernel::pipe::Pipes;
    use crate::shard::kernel::simulated;
    use crate::shard::store::keys::ConnectionKey;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A socket that takes so many bytes, and what it has taken.
    fn socket(room: usize) -> (Socket, simulated::Socket) {
        let simulated = simulated::Socket::with_room(room);
        (Socket::simulated(simulated.clone()), simulated)
    }

    fn write(outbox: &mut Outbox, socket: &mut Socket) {
        outbox.write(socket, Pipes::default().at(ConnectionKey(0))).unwrap();
    }

    fn piece(bytes: impl Into<Bytes>) -> Piece {
        let bytes = bytes.into();
        Piece { charge: Charge::new(bytes.len(), &Arc::default()), bytes }
    }

    fn outbox(pieces: impl IntoIterator<Item = Bytes>) -> Outbox {
        let mut outbox = Outbox::new(Millis(0), PATIENCE);
        pieces.into_iter().for_each(|bytes| outbox.push(piece(bytes)));
        outbox
    }

    #[test]
    fn bytes_leave_in_order_however_little_the_socket_takes() {
        let pieces: Vec<Bytes> = (0u8..100).map(|n| vec![n; usize::from(n % 7) + 1].into()).collect();
        let mut outbox = outbox(pieces.iter().cloned());
        let (mut socket, peer) = socket(0);
        while !outbox.is_empty() {
            peer.make_room(3);
            write(&mut outbox, &mut socket);
        }
        assert_eq!(peer.sent(), pieces.concat());
        assert_eq!((outbox.queued(), outbox.waiting(), outbox.overhead()), (0, 0, 0));
    }

    #[test]
    fn the_message_being_written_does_not_count() {
        let mut outbox = outbox([Bytes::from_static(&[0; 1000])]);
        assert_eq!(outbox.waiting(), 0);
        outbox.push(piece(vec![0; 10]));
        assert_eq!(outbox.waiting(), 10 + MESSAGE_OVERHEAD);
    }

    #[test]
    fn heartbeats_overtake_all_but_the_message_being_written() {
        let mut outbox = outbox([]);
        outbox.begin(piece(&b"aaaa"[..]), 2);
        outbox.push(piece(&b"bb"[..]));
        outbox.push_beat(piece(&b"1"[..]));
        outbox.push_beat(piece(&b"2"[..]));
        outbox.push(piece(&b"cc"[..]));
        let (mut socket, peer) = socket(3);
        write(&mut outbox, &mut socket);
        assert_eq!(peer.sent(), b"aa1");
        outbox.push_beat(piece(&b"3"[..]));
        peer.make_room(3);
        write(&mut outbox, &mut socket);
        assert_eq!(peer.sent(), b"aa123b");
        outbox.push_beat(piece(&b"4"[..]));
        peer.make_room(9);
        write(&mut outbox, &mut socket);
        assert_eq!(peer.sent(), b"aa123bb4cc");
    }

    #[test]
    fn a_heartbeat_that_has_begun_is_not_torn_by_the_next() {
        let mut outbox = outbox([Bytes::from_static(b"aa")]);
        outbox.push_beat(piece(&b"12"[..]));
        let (mut socket, peer) = socket(1);
        write(&mut outbox, &mut socket);
        outbox.push_beat(piece(&b"3"[..]));
        peer.make_room(9);
        write(&mut outbox, &mut socket);
        assert_eq!(peer.sent(), b"123aa");
    }
}
