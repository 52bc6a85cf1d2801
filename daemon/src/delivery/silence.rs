//! How long a network has been silent about a post, by a clock that nobody sets.
//!
//! In: when a publish ended without a certain answer. Out: how much longer "absent" is not to be believed.
//! Never: looks at the time of day: a clock that is set forward in between would make a post that is still on its way look lost,
//! and it would be sent twice. After a restart the wait begins anew, for the same reason.

use crate::domain::DeliveryId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(super) struct Silence {
    started: Duration,
    /// Until when it is too early; what is not in here was armed by an earlier process, or is over.
    until: Mutex<HashMap<DeliveryId, Duration>>,
}

impl Silence {
    pub(super) fn new(started: Duration) -> Self {
        Self { started, until: Mutex::default() }
    }

    /// From now on nothing is heard for a while.
    pub(super) fn begins(&self, id: DeliveryId, settles_within: Duration, now: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, until| *until > now);
        until.insert(id, now + settles_within);
    }

    /// How much longer a post that cannot be seen may still be on its way.
    pub(super) fn left(&self, id: DeliveryId, settles_within: Duration, now: Duration) -> Duration {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
        until.unwrap_or(self.started + settles_within).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_believed_when_as_much_time_has_truly_passed() {
        let second = Duration::from_secs;
        let silence = Silence::new(second(100));
        let (old, new) = (DeliveryId(1), DeliveryId(2));
        assert_eq!(silence.left(old, second(60), second(110)), second(50), "armed by the process before: from this start on");
        assert_eq!(silence.left(old, second(60), second(160)), second(0));
        silence.begins(new, second(60), second(200));
        assert_eq!(silence.left(new, second(60), second(201)), second(59));
        silence.begins(DeliveryId(3), second(60), second(260));
        assert_eq!(silence.left(new, second(60), second(260)), second(0), "what is over may be forgotten");
    }
}
