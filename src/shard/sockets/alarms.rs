//! Alarms: closures that the shard runs at their deadlines.

use std::rc::Rc;
use std::time::Duration;

use crate::engineio::Millis;
use crate::shard::Shard;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::store::keys::TimerKey;

impl Sockets {
    /// Runs `alarm` at `deadline`. It cannot be cancelled, so the deadline must be near, and an alarm that has become needless
    /// must do nothing. Use [`wait`](Shard::wait) for what may end early.
    pub(in crate::shard) fn arm_alarm(&mut self, deadline: Millis, alarm: impl FnOnce(&Rc<Shard>) + 'static) {
        if let Ok(key) = u32::try_from(self.alarms.insert(Box::new(alarm))) {
            self.timers().arm(deadline, TimerKey::Alarm(key));
        }
    }

    /// Runs `alarm` after `time`, counted from the start of this turn.
    pub(crate) fn alarm_in(&mut self, time: Duration, alarm: impl FnOnce(&Rc<Shard>) + 'static) {
        self.arm_alarm(self.now() + time, alarm);
    }

    /// The timer of an alarm came up.
    pub(in crate::shard) fn alarm_due(&mut self, key: u32) {
        if let Some(alarm) = self.alarms.try_remove(key as usize) {
            self.calls.push_back(Call::Alarm(alarm));
        }
    }
}
