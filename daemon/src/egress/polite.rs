//! Manners towards one host: how many requests at once, how far apart, and when it asked to be left alone.
//!
//! In: host names, the rules, the clock. Out: a turn to hold while a request lasts, or the moment to come back.
//! Never: knows addresses or requests.

use crate::domain::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is remembered of one host.
struct Known {
    places: Arc<Semaphore>,
    at_once: usize,
    /// In monotonic time: the earliest start of the next request.
    next_start: Duration,
    rest_until: Timestamp,
}

/// The hosts called lately.
#[derive(Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Known>>);

impl Hosts {
    /// Beyond this many hosts, those about which nothing matters any more are forgotten.
    const MANY: usize = 512;

    fn with<T>(&self, host: &str, at_once: usize, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.entry(host.to_owned()).or_insert_with(|| Known {
            places: Arc::new(Semaphore::new(at_once)),
            at_once,
            next_start: Duration::ZERO,
            rest_until: Timestamp::EPOCH,
        });
        if known.at_once != at_once {
            known.places = Arc::new(Semaphore::new(at_once));
            known.at_once = at_once;
        }
        act(known)
    }

    /// Waits for a free place at this host; dropping what is returned gives it back.
    pub(super) async fn place(&self, host: &str, at_once: usize) -> OwnedSemaphorePermit {
        let places = self.with(host, at_once, |known| known.places.clone());
        places.acquire_owned().await.expect("the semaphore of a host is never closed")
    }

    /// Books the next start and says how long to wait for it.
    pub(super) fn book(&self, host: &str, at_once: usize, now: Duration, spacing: Duration) -> Duration {
        self.with(host, at_once, |known| {
            let start = known.next_start.max(now);
            known.next_start = start + spacing;
            start - now
        })
    }

    /// The moment until which this host asked to be left alone, if that is still to come.
    pub(super) fn resting(&self, host: &str, now: Timestamp) -> Option<Timestamp> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map(|known| known.rest_until).filter(|until| *until > now)
    }

    /// Remembers that this host asked to be left alone until then.
    pub(super) fn rest(&self, host: &str, at_once: usize, until: Timestamp) {
        self.with(host, at_once, |known| known.rest_until = until);
    }

    /// Forgets hosts that are idle, when there are many.
    pub(super) fn tidy(&self, now: Timestamp, monotonic: Duration) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() > Self::MANY {
            hosts.retain(|_, known| {
                let idle = Arc::strong_count(&known.places) == 1 && known.places.available_permits() == known.at_once;
                !idle || known.next_start > monotonic || known.rest_until > now
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spaced_per_host() {
        let hosts = Hosts::default();
        let ms = Duration::from_millis;
        let book = |host: &str, now| hosts.book(host, 1, ms(now), ms(500));
        assert_eq!([book("a", 1_000), book("a", 1_000), book("a", 1_100)], [ms(0), ms(500), ms(900)]);
        assert_eq!(book("b", 1_000), ms(0));
        assert_eq!(book("a", 9_000), ms(0));
    }

    #[test]
    fn idle_hosts_are_forgotten_and_resting_ones_are_not() {
        let hosts = Hosts::default();
        hosts.rest("resting", 1, Timestamp::from_millis(5_000));
        for n in 0..=Hosts::MANY {
            hosts.book(&format!("h{n}"), 1, Duration::ZERO, Duration::from_secs(1));
        }
        hosts.tidy(Timestamp::from_millis(1_000), Duration::from_secs(2));
        assert_eq!(hosts.0.lock().expect("not poisoned").len(), 1);
        assert_eq!(hosts.resting("resting", Timestamp::from_millis(1_000)), Some(Timestamp::from_millis(5_000)));
        assert_eq!(hosts.resting("resting", Timestamp::from_millis(5_000)), None);
    }
}
