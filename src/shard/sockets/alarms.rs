//! What is to be done at its time, by the shard that keeps the time.

use std::rc::Rc;
use std::time::Duration;

use crate::engineio::Millis;
use crate::shard::Shard;
use crate::shard::sockets::Sockets;
use crate::shard::sockets::calls::Call;
use crate::shard::store::keys::TimerKey;

impl Sockets {
    /// Has something done at `deadline`. It cannot be taken back, so that must be near, and what has become needless by then must
    /// do nothing. What may end early is [waited for](Shard::wait).
    pub(in crate::shard) fn arm_alarm(&mut self, deadline: Millis, alarm: impl FnOnce(&Rc<Shard>) + 'static) {
        if let Ok(key) = u32::try_from(self.alarms.insert(Box::new(alarm))) {
            self.timers().arm(deadline, TimerKey::Alarm(key));
        }
    }

    /// The same after so much time from the begin of this turn.
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
