//! The events for a socket that comes back.
//!
//! The *old* shard lost the socket, and it comes back to the *new* one, which may be the same, or one of another server. The
//! client names the offset of its last event. So the socket gets the events behind that offset in the old shard's log, then the
//! new shard's further broadcasts from its log, and from then on the new shard's broadcasts as they come. If the old shard is
//! ahead of the new one, the new one must catch up first, or its next broadcasts would arrive twice.

use std::sync::Mutex;
use std::time::Duration;

use crate::cluster::peers::message::recovery::{LaneEnd, Progress};
use crate::cluster::{Serial, Source};
use crate::engineio::{Frames, Millis};
use crate::shard::shared::recovery::lock;
use crate::shard::shared::recovery::log::{Log, Mark, Missed, ReadStep, Sought};
use crate::shard::shared::recovery::lost::Lost;
use crate::shard::shared::recovery::recipient::Recipient;
use crate::shard::shared::target::Broadcast;
use crate::socketio::Offset;

/// Stands for a shard of another server as the one that lost a socket.
pub(in crate::shard) const ELSEWHERE: usize = usize::MAX;

/// A socket on its way back.
#[derive(Debug)]
pub(in crate::shard) struct Restoration {
    pub(in crate::shard) lost: Lost,
    /// The last event that its client received.
    offset: Offset,
    pub(in crate::shard::shared) missed: Missed,
    /// How far another server had come when it handed the socket over, until this one has come as far.
    abroad: Option<(Progress, Sought)>,
    /// How far it was in each lane.
    lanes: Vec<LaneEnd>,
}

impl Restoration {
    /// Reads the old shard's log. `whole`: since when nothing can be missing there, if it is not for ever. `None` if it does not
    /// know the offset or something behind it. The log is locked slice by slice, so that its shard can go on logging.
    pub(in crate::shard) fn begin(lost: Lost, offset: Offset, old: &Mutex<Log>, whole: Option<Millis>) -> Option<Self> {
        if !lock(old).knows_all_since(&lost.addressee(), offset, whole) {
            return None;
        }
        let (missed, ()) = read(&lost, offset, old, |_| Some(()))?;
        Some(Self { lost, offset, missed, abroad: None, lanes: Vec::new() })
    }

    /// One whose old shard is another server's. That has told what the client missed, and how far it was by then.
    pub(in crate::shard) fn from_elsewhere(
        lost: Lost,
        offset: Offset,
        events: Vec<(Offset, Frames)>,
        progress: Progress,
        sought: Sought,
    ) -> Self {
        let missed = Missed { events, until: Box::default() };
        Self { lost, offset, missed, abroad: Some((progress, sought)), lanes: Vec::new() }
    }

    /// Whether the new shard has caught up with the old one.
    pub(in crate::shard) fn is_ready(&self, new: &Log) -> bool {
        match &self.abroad {
            None => new.has_reached(&self.missed.until),
            Some((progress, sought)) => !new.is_behind(&self.lost.addressee(), progress, sought),
        }
    }

    /// Whether the new shard may have caught up by delivering this broadcast. It is much cheaper to tell.
    pub(in crate::shard) fn may_wait_for(&self, broadcast: &Broadcast) -> bool {
        let Some((progress, _)) = &self.abroad else { return true };
        broadcast.namespace == self.lost.namespace
            && match broadcast.source {
                Source::Here => false,
                Source::Numbered(Serial { boot, lane, .. }) => {
                    progress.lanes.iter().any(|end| (end.serial.boot, end.serial.lane) == (boot, lane))
                }
                Source::Unnumbered(digest) => {
                    [&progress.after, &progress.near, &progress.far].iter().any(|texts| texts.contains(&digest))
                }
            }
    }

    /// Adds the new shard's broadcasts since then. `None` if it has forgotten some of them, or cannot tell them.
    pub(in crate::shard) fn go_on(&mut self, new: &Log) -> Option<()> {
        let addressee = self.lost.addressee();
        let Some((progress, sought)) = self.abroad.take() else { return new.go_on(&addressee, &mut self.missed) };
        self.missed.events.extend(new.beyond(&addressee, &progress, &sought)?);
        self.missed.until = new.delivered();
        self.lanes = progress.lanes;
        Some(())
    }

    /// The bytes of the events that the socket missed. Each counts `overhead` more than its length.
    pub(in crate::shard) fn bytes(&self, overhead: usize) -> usize {
        self.missed.events.iter().map(|(_, frames)| frames.len() + overhead).sum()
    }

    /// The socket is back in the shard `here`: returns the frames that it missed, in order. If this is another shard than
    /// before, its log notes them all, and where they begin, for the next recovery. Also returns how many entries were dropped
    /// for that.
    pub(in crate::shard) fn end(self, here: usize, now: Millis, new: &mut Log) -> (Vec<Frames>, u64) {
        let Self { lost, offset, missed, lanes, .. } = self;
        new.learn(now, lost.namespace, &lanes);
        let mut dropped = 0;
        let to = Recipient { namespace: lost.namespace, sid: lost.sid };
        if lost.shard != here {
            dropped += new.bring(now, offset, to, None);
            for (offset, frames) in &missed.events {
                dropped += new.bring(now, *offset, to, Some(frames.clone()));
            }
        }
        (missed.events.into_iter().map(|(_, frames)| frames).collect(), dropped)
    }
}

/// What a socket of `old` missed, for another server whose question came at `mark`, and how far `old` is now. Both servers have
/// heard the namespace for `heard` or longer, and read at once what came. `whole`: for how long nothing can be missing in `old`,
/// if it is not for ever. `None` if `old` does not know the offset or something behind it, or if that is too much to tell.
pub(in crate::shard) fn hand_over(
    lost: &Lost,
    offset: Offset,
    old: &Mutex<Log>,
    mark: Mark,
    heard: Duration,
    whole: Option<Duration>,
) -> Option<(Vec<(Offset, Frames)>, Progress)> {
    let whole = whole.map(|whole| mark.at - whole);
    if !lock(old).knows_all_since(&lost.addressee(), offset, whole) {
        return None;
    }
    let (missed, progress) = read(lost, offset, old, |log| log.progress(&lost.addressee(), mark, heard))?;
    Some((missed.events, progress))
}

/// Reads what a socket missed, slice by slice. At the end, `and_then` reads on before anything else is logged.
fn read<T>(
    lost: &Lost,
    offset: Offset,
    old: &Mutex<Log>,
    and_then: impl FnOnce(&Log) -> Option<T>,
) -> Option<(Missed, T)> {
    let addressee = lost.addressee();
    let mut events = Vec::new();
    let mut place = lock(old).behind(&addressee, offset)?;
    loop {
        let old = lock(old);
        if let ReadStep::Done(until) = old.read(&addressee, &mut place, &mut events)? {
            return Some((Missed { events, until }, and_then(&old)?));
        }
    }
}
