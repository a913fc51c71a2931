//! Connections that come from another shard.

use std::rc::Rc;

use crate::shard::Shard;
use crate::shard::shared::mailbox::HandOff;

impl Shard {
    /// Takes over a connection of another shard, with the bytes it had read.
    pub(super) fn take_over(self: &Rc<Self>, letter: HandOff) {
        let mut core = self.core.borrow_mut();
        let key = core.adopt(letter.socket, letter.peer);
        if letter.is_spare
            && let Some(key) = key
        {
            core.add_spare(key);
        }
        drop(core);
        if let Some(key) = key {
            self.served(key, |shard| shard.http_bytes(key, &letter.unread));
        }
    }
}
