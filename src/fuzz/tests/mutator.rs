//! Inputs made of others: damaged, cut, repeated, put together.

/// What parsers look for.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"4294967296",
    b"18446744073709551616",
    b"1e400",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"\x1e",
    b"\xc3",
    b"\xf0\x9f\x8e\x89",
    b"\"",
    b"\\u",
    b"\\ud83d",
    b"[",
    b"{",
    b"}",
    b"]",
    b",",
    b":",
    b";",
    b"-",
    b"_placeholder",
    b"num",
    b"true",
    b"null",
    b"%",
    b"%2",
    b"@",
    b"://",
    b"$",
    b"*",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\0\0\0\x01",
    b"\xc6\0\0\x01\0",
    b"\xd4\0\0",
    b"\xc0",
    b"\x81\xfe",
    b"\x82\xff",
];

/// Makes inputs for one check.
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    longest: usize,
    seed: u64,
}

impl<'a> Mutator<'a> {
    pub fn new(corpus: &'a [Vec<u8>], longest: usize) -> Self {
        Self { corpus, longest, seed: 0x9e37_79b9_7f4a_7c15 }
    }

    /// An input like this one.
    pub fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut mutated = input.to_vec();
        for _ in 0..=self.below(4) {
            self.step(&mut mutated);
        }
        mutated.truncate(self.longest);
        mutated
    }

    fn step(&mut self, bytes: &mut Vec<u8>) {
        let (start, end) = self.range(bytes.len());
        match self.below(8) {
            0 => bytes.truncate(start),
            1 => drop(bytes.drain(start..end)),
            2 => bytes.get_mut(start).into_iter().for_each(|byte| *byte ^= 1 << self.below(8)),
            3 => bytes.get_mut(start).into_iter().for_each(|byte| *byte = self.below(256) as u8),
            4 => insert(bytes, start, WORDS[self.below(WORDS.len())]),
            5 => drop(bytes.splice(start..end, WORDS[self.below(WORDS.len())].iter().copied())),
            6 => {
                let repeated = bytes[start..end].repeat(1 + self.below(3));
                insert(bytes, end, &repeated);
            }
            _ => {
                let other = &self.corpus[self.below(self.corpus.len())];
                let (from, until) = self.range(other.len());
                bytes.splice(start..end, other[from..until].iter().copied());
            }
        }
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        (start, start + self.below(length - start + 1))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % bound as u64) as usize
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, more: &[u8]) {
    bytes.splice(at..at, more.iter().copied());
}
