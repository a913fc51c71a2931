//! What waits for a client whose socket would block. It exists only while something waits.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

use crate::engineio::{MESSAGE_OVERHEAD, Millis};

/// Most pieces given to one `writev`.
const PIECES_PER_WRITE: usize = 64;

/// The pieces that a socket has not taken yet, in order.
#[derive(Debug)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    queued: usize,
    progress: Millis,
}

impl Outbox {
    /// An outbox of what the socket has not taken; of the first piece it may have taken a part.
    pub(crate) fn of(now: Millis, pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let mut outbox = Self { pieces: VecDeque::new(), queued: 0, progress: now };
        pieces.into_iter().for_each(|piece| outbox.push(piece));
        outbox
    }

    /// Puts a message behind what waits.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.queued += piece.len() + MESSAGE_OVERHEAD;
        self.pieces.push_back(piece);
    }

    /// Bytes that wait, with each message's cost; the message now being written does not count.
    pub(crate) fn waiting(&self) -> usize {
        self.queued - self.pieces.front().map_or(0, |first| first.len() + MESSAGE_OVERHEAD)
    }

    /// Bytes that wait, with each message's cost.
    pub(crate) const fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes that wait.
    pub(crate) fn unsent(&self) -> usize {
        self.queued - self.pieces.len() * MESSAGE_OVERHEAD
    }

    /// When the socket last took a byte.
    pub(crate) const fn progress(&self) -> Millis {
        self.progress
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes until nothing is left or the socket would block.
    ///
    /// # Errors
    /// The socket's error, if it is broken.
    pub(crate) fn write(&mut self, now: Millis, socket: &mut impl Write) -> io::Result<()> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            let count = self.pieces.iter().zip(&mut slices).map(|(piece, slice)| *slice = IoSlice::new(piece)).count();
            match socket.write_vectored(slices.get(..count).unwrap_or(&slices)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.progress = now;
                    self.consume(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn consume(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.queued -= written;
                return;
            }
            written -= first.len();
            self.queued -= first.len() + MESSAGE_OVERHEAD;
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then would block.
    struct Socket {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_leave_in_order_however_little_the_socket_takes() {
        let pieces: Vec<Bytes> = (0u8..100).map(|n| vec![n; usize::from(n % 7) + 1].into()).collect();
        let mut outbox = Outbox::of(Millis(0), pieces.iter().cloned());
        let mut socket = Socket { room: 0, taken: Vec::new() };
        while !outbox.is_empty() {
            socket.room = 3;
            outbox.write(Millis(5), &mut socket).unwrap();
        }
        assert_eq!(socket.taken, pieces.concat());
        assert_eq!((outbox.queued(), outbox.waiting(), outbox.progress()), (0, 0, Millis(5)));
    }

    #[test]
    fn the_message_being_written_does_not_count() {
        let mut outbox = Outbox::of(Millis(0), [Bytes::from_static(&[0; 1000])]);
        assert_eq!(outbox.waiting(), 0);
        outbox.push(Bytes::from_static(&[0; 10]));
        assert_eq!(outbox.waiting(), 10 + MESSAGE_OVERHEAD);
    }
}
