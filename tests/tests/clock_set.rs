//! A machine's clock that is set while a post is on its way: "not there" is believed when as much time has truly passed as the
//! network may need, whatever the clock says. Found by lives under seeded faults: a clock set forward made a post go out twice.

use beffroi::clock::{Clock, Dice, Nudge, Turn};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{AccountName, DeliveryId, Timestamp};
use beffroi::kinds::{Call, Channel, Failure, Finding, KindError, Outcome, Outgoing, Receipt};
use beffroi::network::ScriptedNetwork;
use beffroi::store::{Mode, view};
use beffroi_tests::disk::{Disk, Loss};
use beffroi_tests::{ACCOUNT, HEAD, START};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// True time, and how far the machine's clock is off.
#[derive(Default)]
struct Hand {
    truth: AtomicI64,
    off: AtomicI64,
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        let start = Timestamp::parse(START).expect("an instant").millis();
        Timestamp::from_millis(start + self.truth.load(Ordering::SeqCst) + self.off.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.truth.load(Ordering::SeqCst)).expect("time goes on"))
    }

    fn wait(&self, _: &Nudge, _: Option<Timestamp>) {}
}

/// Takes every post, loses the answer, and shows the post after fifty seconds.
struct Slow {
    clock: Arc<Hand>,
    disk: Disk,
    /// Whether the power goes with the first post.
    cuts: AtomicBool,
    taken: Mutex<Vec<i64>>,
}

impl Channel for Slow {
    fn objections(&self, _: &Outgoing) -> Vec<Failure> {
        Vec::new()
    }

    fn publish(&self, _: &Call<'_>, _: &str, _: &Outgoing, _: Option<&str>) -> Result<Outcome, KindError> {
        self.taken.lock().expect("nobody panics").push(self.clock.truth.load(Ordering::SeqCst));
        if self.cuts.swap(false, Ordering::SeqCst) {
            self.disk.cut();
        }
        Err(KindError::Uncertain(Failure::new("timeout", "No answer came in time.")))
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn find(&self, _: &Call<'_>, key: &str, _: &Outgoing, _: Option<&str>) -> Option<Result<Finding, KindError>> {
        let now = self.clock.truth.load(Ordering::SeqCst);
        let shown = self.taken.lock().expect("nobody panics").iter().any(|at| now >= at + 50_000);
        Some(Ok(if shown { Finding::Online(Receipt { remote_id: key.into(), url: None }) } else { Finding::Absent }))
    }
}

fn engine(folder: &Path, channel: &Arc<Slow>) -> Arc<Engine> {
    let injected = Injected {
        clock: channel.clock.clone(),
        dice: Arc::new(Dice::seeded(1)),
        network: Arc::new(ScriptedNetwork::new()),
        mode: Mode::Inline,
    };
    let engine = Engine::start_on(&folder.join("beffroi.toml"), Base::default(), injected, channel.disk.medium());
    let engine = engine.unwrap_or_else(|e| panic!("{e}"));
    engine.adapters.install_channel(AccountName::parse("facebook").expect("a name"), channel.clone());
    engine
}

/// Plans a post, sends it, sets the clock by this much, and lets three minutes pass; gives back how often it was sent, and its state.
fn sent(set_by: i64, cuts: bool) -> (usize, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("scripts")).expect("made");
    let script = "posts::plan(#{ text: \"Once.\", account: \"facebook\", expires: \"30d\" });";
    std::fs::write(folder.path().join("scripts/once.rhai"), script).expect("written");
    let config = format!("{HEAD}{ACCOUNT}[workflows.once]\nscript = \"once.rhai\"\n");
    std::fs::write(folder.path().join("beffroi.toml"), config).expect("written");
    let clock = Arc::new(Hand::default());
    let disk = Disk::new(folder.path());
    let channel = Arc::new(Slow { clock: clock.clone(), disk, cuts: AtomicBool::new(cuts), taken: Mutex::default() });
    let mut engine = self::engine(folder.path(), &channel);
    engine.run_soon("once", None).expect("recorded");
    while engine.turn() == Ok(Turn::Did) {}
    clock.off.fetch_add(set_by, Ordering::SeqCst);
    if cuts {
        drop(engine);
        channel.disk.restore(Loss::All);
        engine = self::engine(folder.path(), &channel);
    }
    for _ in 0..180 {
        while engine.turn().expect("the store answers") == Turn::Did {}
        clock.truth.fetch_add(1_000, Ordering::SeqCst);
    }
    let reader = engine.store.read().expect("a reader");
    let row = view::delivery(&reader, DeliveryId(1)).expect("readable").expect("planned");
    (channel.taken.lock().expect("nobody panics").len(), row.state)
}

const DAY: i64 = 86_400_000;

#[test]
fn a_clock_set_forward_while_a_post_is_on_its_way_does_not_double_it() {
    assert_eq!(sent(DAY, false), (1, "online".into()));
    assert_eq!(sent(0, false), (1, "online".into()));
}

#[test]
fn nor_does_a_clock_that_is_another_one_after_a_power_loss() {
    assert_eq!(sent(DAY, true), (1, "online".into()));
    assert_eq!(sent(0, true), (1, "online".into()));
}

#[test]
fn a_clock_set_back_over_a_power_loss_delays_no_answer() {
    assert_eq!(sent(-600_000, true), (1, "online".into()));
}
