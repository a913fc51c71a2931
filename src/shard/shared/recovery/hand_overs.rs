//! Sockets that were handed over to another server, which has yet to say whether it has taken them.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::FixedState;

use crate::chance::RandomState;
use crate::engineio::{Millis, Sid};
use crate::shard::shared::recovery::lost::Lost;

/// Most sockets that are handed over at a time.
const MOST: usize = 4096;

/// Sockets handed over, by their numbers.
#[derive(Debug, Default)]
pub(in crate::shard) struct HandOvers {
    last: u64,
    given: HashMap<u64, (Sid, Lost), FixedState>,
}

impl HandOvers {
    /// A socket is handed over, under this number.
    ///
    /// # Errors
    /// The socket, if there are too many.
    pub(in crate::shard) fn give(&mut self, pid: Sid, lost: Lost) -> Result<u64, Lost> {
        if self.given.len() >= MOST {
            return Err(lost);
        }
        self.last += 1;
        self.given.insert(self.last, (pid, lost));
        Ok(self.last)
    }

    /// Takes out a socket that was handed over, with its private id.
    pub(in crate::shard) fn take(&mut self, number: u64) -> Option<(Sid, Lost)> {
        self.given.remove(&number)
    }

    /// The same for a socket that belongs here again. `doubt`: its number, if the other server may have it all the same. An
    /// earlier doubt stays: that this server does not have it says nothing of another.
    pub(in crate::shard) fn take_back(&mut self, number: u64, doubt: Option<u64>) -> Option<(Sid, Lost)> {
        let (pid, lost) = self.take(number)?;
        Some((pid, Lost { doubt: doubt.or(lost.doubt), ..lost }))
    }
}

/// Questions to other servers in a second: for all clients, and for those of one address.
const QUESTIONS: u32 = 200;
const QUESTIONS_PER_ADDRESS: u32 = 20;

/// How many questions this server asks others.
#[derive(Debug, Default)]
pub(in crate::shard) struct Questions {
    second: u64,
    all: u32,
    by_address: HashMap<IpAddr, u32, RandomState>,
}

impl Questions {
    /// Whether others may be asked about a client of that address, which counts.
    pub(in crate::shard) fn may_ask(&mut self, now: Millis, address: IpAddr) -> bool {
        let second = now.0 / 1000;
        if second != self.second {
            *self = Self { second, ..Self::default() };
        }
        if self.all >= QUESTIONS {
            return false;
        }
        let own = self.by_address.entry(address).or_default();
        if *own >= QUESTIONS_PER_ADDRESS {
            return false;
        }
        (self.all, *own) = (self.all + 1, *own + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_few_questions_in_a_second_and_all_have_more() {
        let mut questions = Questions::default();
        let mut asked = |second: u64, last: u8| {
            (0..1000).take_while(|_| questions.may_ask(Millis(second * 1000), [127, 0, 0, last].into())).count()
        };
        assert_eq!([asked(1, 1), asked(1, 2), asked(2, 1)], [20, 20, 20]);
        assert_eq!((2..20).map(|last| asked(2, last)).sum::<usize>(), 180);
    }
}
