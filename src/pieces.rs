//! Bytes in the pieces in which a network may deliver them. Only what is checked with any input uses this.

/// Some ways to cut `bytes`: not at all, after each byte, and twice in pieces of lengths that follow from the bytes. The last
/// piece is always empty, so that there is one.
pub fn ways(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lengths: [fn(&mut u64) -> usize; 4] = [|_| usize::MAX, |_| 1, |seed| short(seed), |seed| long(seed)];
    lengths.into_iter().map(|length| cut(bytes, length))
}

/// The places at which [`ways`] cuts in pieces of several bytes, and the end; of few bytes, all places.
pub fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let all = bytes.len() <= 256;
    let pieces = cut(bytes, if all { |_| 1 } else { |seed| short(seed) });
    pieces.into_iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    })
}

fn cut(mut bytes: &[u8], length: fn(&mut u64) -> usize) -> Vec<&[u8]> {
    let mut seed = bytes.iter().fold(0x9e37_79b9_7f4a_7c15, |seed: u64, byte| (seed ^ u64::from(*byte)).rotate_left(7));
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(length(&mut seed).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn short(seed: &mut u64) -> usize {
    next(seed) % 7 + 1
}

fn long(seed: &mut u64) -> usize {
    next(seed) % 200 + 1
}

fn next(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 48) as usize
}
