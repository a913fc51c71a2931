//! What every message carries at a fixed place, in digits that are always as many.

use crate::wire::Batch;

/// Hexadecimal digits of sender, number and time, in this order.
const DIGITS: [usize; 3] = [8, 8, 16];

/// Who sent a message, which of theirs it is, and when it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Index of the sender among all clients.
    pub sender: usize,
    /// How many messages the sender has sent with this one.
    pub number: u32,
    /// Nanoseconds of the monotonic clock.
    pub due: u64,
}

impl Stamp {
    /// Its bytes.
    pub const LENGTH: usize = DIGITS[0] + DIGITS[1] + DIGITS[2];

    /// Writes it at `offset` of copy `copy` of a packet.
    pub fn write(self, batch: &mut Batch, copy: usize, mut offset: usize) {
        for (value, digits) in [self.sender as u64, u64::from(self.number), self.due].into_iter().zip(DIGITS) {
            batch.patch(copy, offset, value, digits);
            offset += digits;
        }
    }

    /// Reads what begins with one; `None` if it is too short.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (sender, rest) = bytes.first_chunk::<{ Self::LENGTH }>()?.split_at(DIGITS[0]);
        let (number, due) = rest.split_at(DIGITS[1]);
        Some(Self { sender: hexadecimal(sender) as usize, number: hexadecimal(number) as u32, due: hexadecimal(due) })
    }
}

/// The number that lower-case hexadecimal digits write; digits that are none count as something.
fn hexadecimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, &digit| {
        let nibble = if digit >= b'a' { digit - b'a' + 10 } else { digit.wrapping_sub(b'0') };
        value << 4 | u64::from(nibble & 0xf)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Transport;

    #[test]
    fn digits_are_read_as_they_are_written() {
        assert_eq!(hexadecimal(b"00ff"), 255);
        assert_eq!(hexadecimal(b"deadbeef01234567"), 0xdead_beef_0123_4567);
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let stamp = Stamp { sender: 7, number: 0xabcd, due: 0x0123_4567_89ab_cdef };
        let packet = format!("42[{}]", "x".repeat(Stamp::LENGTH));
        let mut batch = Batch::new(Transport::Polling, packet.as_bytes(), 1);
        stamp.write(&mut batch, 0, 3);
        assert_eq!(Stamp::read(&batch.bytes()[3..]), Some(stamp));
        assert_eq!(Stamp::read(&batch.bytes()[4..packet.len() - 1]), None);
    }
}
