//! The batches of a turn: what it queues for many connections, shared among them.
//!
//! All receivers of a broadcast get the same frames, and so do those of a run of broadcasts. Sequences of frames are
//! therefore paths of a tree: a node is one [`Frames`](crate::engineio::Frames) behind its parent's, and a connection
//! holds only the node at the end of its sequence. Queueing what the connection before got moves two counts and touches
//! no reference count. A sequence that several connections hold is joined once, and each gets it in a single send.

use std::borrow::Cow;
use std::num::NonZeroU32;

use bytes::Bytes;

/// Bytes up to which a sequence is joined; beyond it a vectored write costs less than the copy.
const MAX_JOINED: usize = 64 * 1024;

/// Nodes for which memory is kept while there are none.
const KEPT: usize = 1024;

/// The node a sequence ends at. Each id a connection holds is counted: it is moved by [`Batches::push`] and given back
/// by [`Batches::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) struct BatchId(NonZeroU32);

/// The sequences of all connections of a shard.
#[derive(Debug, Default)]
pub(in crate::shard) struct Batches {
    slots: Vec<Slot>,
    free: Option<BatchId>,
    live: usize,
    /// Bytes of all frames that are held, each once.
    bytes: usize,
    /// The newest sequence of a single `Frames`, if it still lives.
    last_root: Option<BatchId>,
}

#[derive(Debug)]
enum Slot {
    Node(Node),
    Free { next: Option<BatchId> },
}

#[derive(Debug)]
struct Node {
    frames: Bytes,
    /// The whole sequence as one piece, once it was asked for.
    joined: Option<Bytes>,
    /// Bytes of the whole sequence.
    len: usize,
    /// `Frames` of the whole sequence.
    count: u32,
    /// Connections whose sequence ends here.
    users: u32,
    children: u32,
    parent: Option<BatchId>,
    /// The newest child, if it still lives.
    last_child: Option<BatchId>,
}

impl Batches {
    /// Whether no connection holds a sequence.
    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Appends `frames` to the sequence that ends at `at` (`None`: an empty one) and gives its new end; `at` is
    /// consumed. The sequences of other connections stay as they are. Frames that are borrowed are taken to be shared.
    #[inline(always)]
    pub(in crate::shard) fn push(&mut self, at: Option<BatchId>, frames: Cow<'_, Bytes>) -> BatchId {
        let last = match at {
            None => self.last_root,
            Some(at) => self.node_mut(at).and_then(|node| {
                node.users -= 1;
                node.last_child
            }),
        };
        if let Some(id) = last
            && let Some(node) = self.node_mut(id)
            && same(&node.frames, &frames)
        {
            node.users += 1;
            return id;
        }
        self.grow(at, frames)
    }

    /// A new node behind `at`, for one user.
    #[cold]
    fn grow(&mut self, at: Option<BatchId>, frames: Cow<'_, Bytes>) -> BatchId {
        let (len, count) = at.and_then(|id| self.node(id)).map_or((0, 0), |node| (node.len, node.count));
        let id = self.add(Node {
            joined: None,
            len: len + frames.len(),
            frames: frames.into_owned(),
            count: count + 1,
            users: 1,
            children: 0,
            parent: at,
            last_child: None,
        });
        match at.and_then(|id| self.node_mut(id)) {
            Some(parent) => {
                parent.children += 1;
                parent.last_child = Some(id);
            }
            None => self.last_root = Some(id),
        }
        id
    }

    /// Bytes of all frames that are held, each once.
    pub(in crate::shard) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there are connections whose sequence ends at `id`.
    pub(in crate::shard) fn is_held(&self, id: BatchId) -> bool {
        self.node(id).is_some_and(|node| node.users > 0)
    }

    /// Bytes of the sequence that ends at `id`.
    pub(in crate::shard) fn len(&self, id: BatchId) -> usize {
        self.node(id).map_or(0, |node| node.len)
    }

    /// How many [`Frames`] the sequence that ends at `id` has.
    #[cfg(test)]
    pub(super) fn count(&self, id: BatchId) -> u32 {
        self.node(id).map_or(0, |node| node.count)
    }

    /// The sequence that ends at `id` as one piece, if it has only one or was joined. A sequence is joined if at least
    /// two connections hold it and it has at most 64 KiB.
    #[inline]
    pub(in crate::shard) fn contiguous(&mut self, id: BatchId) -> Option<&Bytes> {
        let node = self.node(id)?;
        if node.joined.is_none() && node.count > 1 {
            self.join(id)?;
        }
        let node = self.node(id)?;
        Some(node.joined.as_ref().unwrap_or(&node.frames))
    }

    #[cold]
    fn join(&mut self, id: BatchId) -> Option<()> {
        let node = self.node(id).filter(|node| node.users > 1 && node.len <= MAX_JOINED)?;
        let mut joined = Vec::with_capacity(node.len);
        let upwards: Vec<_> = self.upwards(id).collect();
        upwards.iter().rev().for_each(|piece| joined.extend_from_slice(piece));
        self.node_mut(id)?.joined = Some(joined.into());
        Some(())
    }

    /// Appends the pieces of the sequence that ends at `id` to `out`, in order; what was joined is one piece.
    pub(in crate::shard) fn pieces(&self, id: BatchId, out: &mut Vec<Bytes>) {
        let before = out.len();
        out.extend(self.upwards(id).cloned());
        if let Some(added) = out.get_mut(before..) {
            added.reverse();
        }
    }

    /// Gives the sequence that ends at `id` back: it was written, or its connection is gone. Nodes that nobody else
    /// holds are dropped.
    #[inline]
    pub(in crate::shard) fn release(&mut self, id: BatchId) {
        let Some(node) = self.node_mut(id) else { return };
        node.users -= 1;
        if node.users == 0 {
            self.prune(id);
        }
    }

    /// Drops the node `id` if nobody holds it, then each node before it that nobody holds any more.
    #[cold]
    fn prune(&mut self, id: BatchId) {
        let mut next = Some(id);
        while let Some(id) = next
            && let Some(node) = self.node(id)
            && node.users == 0
            && node.children == 0
        {
            next = node.parent;
            self.remove(id);
        }
        if self.live == 0 {
            self.slots.clear();
            self.slots.shrink_to(KEPT);
            self.free = None;
        }
    }

    /// The pieces of a sequence from its end to its start.
    fn upwards(&self, id: BatchId) -> impl Iterator<Item = &Bytes> {
        let mut next = self.node(id);
        std::iter::from_fn(move || {
            let node = next?;
            if node.joined.is_some() {
                next = None;
                return node.joined.as_ref();
            }
            next = node.parent.and_then(|parent| self.node(parent));
            Some(&node.frames)
        })
    }

    fn add(&mut self, node: Node) -> BatchId {
        self.live += 1;
        self.bytes += node.frames.len();
        if let Some(id) = self.free
            && let Some(slot) = self.slots.get_mut(id.index())
            && let Slot::Free { next } = *slot
        {
            self.free = next;
            *slot = Slot::Node(node);
            return id;
        }
        self.slots.push(Slot::Node(node));
        BatchId(u32::try_from(self.slots.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX))
    }

    /// Frees a node; its parent forgets it, so that no link to it is left.
    fn remove(&mut self, id: BatchId) {
        let free = Slot::Free { next: self.free };
        let Some(slot) = self.slots.get_mut(id.index()) else { return };
        let Slot::Node(node) = std::mem::replace(slot, free) else { return };
        self.free = Some(id);
        self.live -= 1;
        self.bytes -= node.frames.len();
        let last = match node.parent.and_then(|parent| self.node_mut(parent)) {
            Some(parent) => {
                parent.children -= 1;
                &mut parent.last_child
            }
            None => &mut self.last_root,
        };
        if *last == Some(id) {
            *last = None;
        }
    }

    fn node(&self, id: BatchId) -> Option<&Node> {
        match self.slots.get(id.index()) {
            Some(Slot::Node(node)) => Some(node),
            _ => None,
        }
    }

    fn node_mut(&mut self, id: BatchId) -> Option<&mut Node> {
        match self.slots.get_mut(id.index()) {
            Some(Slot::Node(node)) => Some(node),
            _ => None,
        }
    }
}

impl BatchId {
    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Whether both are the same memory. A node holds its bytes, so nothing else can have their address.
fn same(a: &Bytes, b: &Bytes) -> bool {
    a.as_ptr() == b.as_ptr() && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Bytes = Bytes::from_static(b"\x81\x024a");
    const B: Bytes = Bytes::from_static(b"\x81\x024b");
    const PING: Bytes = Bytes::from_static(b"\x81\x012");
    const NOOP: Bytes = Bytes::from_static(b"\x81\x016");

    fn push(batches: &mut Batches, at: Option<BatchId>, frames: &Bytes) -> BatchId {
        batches.push(at, Cow::Borrowed(frames))
    }

    fn whole(batches: &Batches, id: BatchId) -> Vec<u8> {
        let mut pieces = Vec::new();
        batches.pieces(id, &mut pieces);
        pieces.concat()
    }

    #[test]
    fn an_id_takes_four_bytes() {
        assert_eq!(size_of::<Option<BatchId>>(), 4);
    }

    #[test]
    fn the_same_frames_share_their_nodes() {
        let (a, b) = (A, B);
        let mut batches = Batches::default();
        let mut queued = [None; 1000];
        for frames in [&a, &b, &a] {
            queued.iter_mut().for_each(|at| *at = Some(push(&mut batches, *at, frames)));
        }
        assert_eq!((batches.live, batches.slots.len(), batches.bytes()), (3, 3, 12));
        let id = queued[0].unwrap();
        assert!(batches.is_held(id));
        assert_eq!((batches.len(id), batches.count(id)), (12, 3));
        let first = batches.contiguous(id).unwrap().as_ptr();
        for id in queued.into_iter().flatten() {
            let joined = batches.contiguous(id).unwrap();
            assert_eq!((joined.as_ptr(), &joined[..]), (first, &b"\x81\x024a\x81\x024b\x81\x024a"[..]));
            batches.release(id);
        }
        assert!(batches.is_empty() && batches.bytes() == 0 && !batches.is_held(id));
    }

    #[test]
    fn one_frames_is_contiguous_without_a_copy() {
        let frames = A;
        let mut batches = Batches::default();
        let id = push(&mut batches, None, &frames);
        assert!(same(batches.contiguous(id).unwrap(), &frames));
    }

    #[test]
    fn a_sequence_of_one_connection_alone_is_not_joined() {
        let mut batches = Batches::default();
        let first = push(&mut batches, None, &PING);
        let id = push(&mut batches, Some(first), &NOOP);
        assert_eq!(batches.contiguous(id), None);
        let other = push(&mut batches, None, &PING);
        let other = push(&mut batches, Some(other), &NOOP);
        assert_eq!(id, other);
        assert!(batches.contiguous(id).is_some());
        batches.release(other);
        assert!(batches.contiguous(id).is_some(), "remembered");
        assert_eq!(whole(&batches, id), b"\x81\x012\x81\x016");
    }

    #[test]
    fn long_sequences_are_not_joined() {
        let frames = Bytes::from(vec![b'x'; MAX_JOINED / 2 + 1]);
        let mut batches = Batches::default();
        let ends = [None; 2].map(|at| push(&mut batches, at, &frames)).map(|at| push(&mut batches, Some(at), &frames));
        assert_eq!(batches.contiguous(ends[0]), None);
    }

    #[test]
    fn a_freed_node_is_not_found_again() {
        let (a, b) = (A, B);
        let mut batches = Batches::default();
        let keeper = push(&mut batches, None, &b);
        let first = push(&mut batches, None, &a);
        batches.release(first);
        // The slot of `first` goes to a child of `keeper`; a new sequence must not end up there.
        let child = push(&mut batches, Some(keeper), &a);
        assert_eq!(child, first);
        let other = push(&mut batches, None, &a);
        assert_eq!(
            (whole(&batches, child), whole(&batches, other)),
            (b"\x81\x024b\x81\x024a".into(), b"\x81\x024a".into())
        );
    }

    #[test]
    fn a_large_tree_gives_its_memory_back() {
        let mut batches = Batches::default();
        let mut end = None;
        for _ in 0..5000 {
            end = Some(push(&mut batches, end, &PING));
        }
        assert_eq!(batches.slots.len(), 5000);
        batches.release(end.unwrap());
        assert!(batches.is_empty() && batches.slots.capacity() <= KEPT);
    }

    proptest! {
        #[test]
        fn behaves_as_a_list_for_each_connection(
            steps in proptest::collection::vec((0..12usize, 0..10usize, 0..3usize), 0..400)
        ) {
            let all: Vec<_> = (0..8).map(|n| Bytes::from(vec![b'a' + n; usize::from(n) * 40 + 1])).collect();
            let mut batches = Batches::default();
            let mut ends = [None; 12];
            let mut model: [Vec<&Bytes>; 12] = Default::default();
            for (connection, choice, others) in steps {
                match all.get(choice) {
                    // Several connections in a row get the same, as in a broadcast.
                    Some(frames) => for connection in (0..12).cycle().skip(connection).take(others * 4 + 1) {
                        ends[connection] = Some(push(&mut batches, ends[connection], frames));
                        model[connection].push(frames);
                    },
                    None => if let Some(id) = ends[connection].take() {
                        batches.release(id);
                        model[connection].clear();
                    },
                }
                let users = ends.iter().filter(|end| **end == ends[connection]).count();
                if let Some(id) = ends[connection] {
                    let expected: Vec<u8> = model[connection].iter().flat_map(|frames| frames.to_vec()).collect();
                    prop_assert_eq!(whole(&batches, id), &expected[..]);
                    prop_assert_eq!(batches.len(id), expected.len());
                    prop_assert_eq!(batches.count(id) as usize, model[connection].len());
                    let one = batches.contiguous(id);
                    prop_assert!(one.is_some() || users == 1 || expected.len() > MAX_JOINED);
                    prop_assert!(one.is_none_or(|one| one[..] == expected[..]));
                    prop_assert_eq!(whole(&batches, id), expected);
                }
                let live: usize = model.iter().map(Vec::len).sum();
                prop_assert!(batches.live <= live);
                prop_assert_eq!(batches.is_empty(), live == 0);
            }
            ends.into_iter().flatten().for_each(|id| batches.release(id));
            prop_assert_eq!((batches.live, batches.slots.len(), batches.last_root, batches.free), (0, 0, None, None));
        }
    }
}
