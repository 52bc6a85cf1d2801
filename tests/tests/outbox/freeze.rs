//! How fast a freeze is: real threads, the real clock, a store that writes through to the disk.

use super::*;
use beffroi::clock::{Dice, Nudge, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::store::{Change, Mode};

/// A busy network that notes when each post begins to leave.
struct Busy {
    clock: Arc<SystemClock>,
    began: std::sync::Mutex<Vec<Duration>>,
}

impl beffroi::kinds::Channel for Busy {
    fn objections(&self, _post: &beffroi::kinds::Outgoing) -> Vec<beffroi::kinds::Failure> {
        Vec::new()
    }

    fn publish(
        &self,
        _call: &beffroi::kinds::Call<'_>,
        key: &str,
        _post: &beffroi::kinds::Outgoing,
        _prepared: Option<&str>,
    ) -> Result<beffroi::kinds::Outcome, beffroi::kinds::KindError> {
        self.began.lock().expect("nobody panicked with it").push(self.clock.monotonic());
        Ok(beffroi::kinds::Outcome::Online(beffroi::kinds::Receipt { remote_id: key.into(), url: None }))
    }

    fn find(
        &self,
        _call: &beffroi::kinds::Call<'_>,
        _key: &str,
        _post: &beffroi::kinds::Outgoing,
        _prepared: Option<&str>,
    ) -> Option<Result<beffroi::kinds::Finding, beffroi::kinds::KindError>> {
        None
    }
}

#[test]
fn a_freeze_stops_a_busy_outbox_within_a_tenth_of_a_second_and_over_a_restart() {
    const ROUNDS: usize = 7;
    let clock = Arc::new(SystemClock::new());
    let accounts: String = (0..4)
        .map(|n| format!("\n[accounts.a{n}]\nnetwork = \"x\"\nchannel = \"folder\"\nfolder = \"a{n}\"\nceilings = {{ spacing = \"0s\", per_minute = 100000, per_hour = 100000, per_day = 100000 }}\n"))
        .collect();
    let script = "for n in 0..50 { posts::plan(#{ text: `${n}` }); }";
    let world = World::new().with(&accounts).workflow("many", "", script);
    let (_, file) = (std::fs::create_dir_all(world.path("scripts")), world.file("beffroi.toml", &world_text(&accounts)));
    let busy = Arc::new(Busy { clock: clock.clone(), began: std::sync::Mutex::default() });
    let start = || {
        let network = Arc::new(beffroi::network::ScriptedNetwork::new());
        let injected = Injected { clock: clock.clone(), dice: Arc::new(Dice::seeded(1)), network, mode: Mode::Threaded };
        let engine =
            Engine::start(&file, Base { state: None, builtin: Some(beffroi::sample::builtin) }, injected).expect("it starts");
        for n in 0..4 {
            let name = beffroi::domain::AccountName::parse(&format!("a{n}")).expect("a name");
            engine.adapters.install_channel(name, busy.clone());
        }
        engine
    };
    let wait = |until: &dyn Fn() -> bool| {
        let bell = Nudge::default();
        for _ in 0..4_000 {
            if until() {
                return;
            }
            clock.wait(&bell, Some(clock.now().plus(Duration::from_millis(4))));
        }
        panic!("nothing happens any more");
    };
    let began = || busy.began.lock().expect("nobody panicked with it").clone();
    let engine = start();
    let workers = engine.threads().expect("threads");
    engine.run_soon("many", None).expect("it runs");
    let order = |op: Op| {
        engine
            .store
            .commit(Change::new(clock.now(), vec![op, Op::Mark("freeze".into()), Op::Wake { target: None }]))
            .expect("done");
        engine.pulse.outbox.ring();
    };
    let (mut from_asking, mut from_answer) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        wait(&|| began().len() >= 14 * (round + 1));
        let asked = clock.monotonic();
        engine
            .store
            .commit(Change::new(clock.now(), vec![Op::Freeze(Some("now".into())), Op::Mark("freeze".into())]))
            .expect("frozen");
        let (answered, at) = (clock.monotonic(), clock.now());
        wait(&|| engine.delivered().expect("the store answers"));
        let last = began().into_iter().max().expect("something was sent");
        from_asking.push(last.max(answered) - asked);
        from_answer.push(last.saturating_sub(answered));
        let raw = rusqlite::Connection::open(engine.store.path()).expect("the store can be read");
        let armed: i64 = raw.query_row("SELECT max(armed_at) FROM delivery", [], |r| r.get(0)).expect("an answer");
        assert!(armed <= at.millis(), "something was armed {} ms after the freeze was answered", armed - at.millis());
        let stuck: i64 =
            raw.query_row("SELECT count(*) FROM delivery WHERE state = 'armed'", [], |r| r.get(0)).expect("an answer");
        assert_eq!(stuck, 0, "what was on its way is settled");
        if round + 1 < ROUNDS {
            order(Op::Freeze(None));
        }
    }
    let sent = began().len();
    assert!(sent < 200, "the outbox was busy to the end");
    let median = |spans: &mut Vec<Duration>| {
        spans.sort();
        spans[spans.len() / 2]
    };
    let (asking, answer) = (median(&mut from_asking), median(&mut from_answer));
    eprintln!("freeze: {asking:?} from asking to the last byte, {answer:?} after the answer (medians of {ROUNDS}), {sent} sent");
    assert!(asking < Duration::from_millis(100) && answer < Duration::from_millis(100), "{asking:?} {answer:?}");
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
    drop(engine);

    let engine = start();
    let workers = engine.threads().expect("threads");
    engine.store.commit(Change::new(clock.now(), vec![Op::Wake { target: None }])).expect("done");
    engine.pulse.outbox.ring();
    wait(&|| engine.delivered().expect("the store answers"));
    assert_eq!(began().len(), sent, "frozen is frozen, also for a new process");
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
}

/// A configuration with these accounts and the workflow `many`.
fn world_text(accounts: &str) -> String {
    format!("{}{accounts}\n[workflows.many]\nscript = \"many.rhai\"\n", beffroi_tests::HEAD)
}
