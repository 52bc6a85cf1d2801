//! Journals and replays: what keeping them costs, how large they are, how many runs a second are done again.
//!
//! In: the engine as the daemon has it, with and without journals; polls of feeds that change. Out: figures. What a script computes
//! itself takes as long in a replay as it took in the run; these polls remember what they saw and plan one draft.
//! Never: counts a replay that did not give the effects of its run.

use crate::place::{Place, Watch};
use crate::runs::{COUNT, COUNT_SECTION, rate};
use crate::{Figure, median};
use beffroi::config::Base;
use beffroi::domain::{RunId, Timestamp};
use beffroi::rehearsal::Rehearsal;
use beffroi::run::replay::{Recording, Replayer};
use beffroi::run::script::STACK;
use beffroi::store::journal;
use std::fmt::Write as _;
use std::time::Duration;

const NOW: &str = "2026-11-22T09:00:00Z";
const FEEDS: usize = 3;
/// Entries of a feed, of which each poll finds this many new ones.
const ENTRIES: usize = 30;
const NEW: usize = 5;
const POLLS: usize = 60;
const POLL: &str = r#"
let fresh = feeds::fresh();
for signal in fresh {
    let key = `seen/${signal.feed}/${text::slug(signal.title)}`;
    if state::get(key, ()) != () { continue; }
    state::set(key, run::now());
}
if fresh.is_empty() { return 0; }
posts::plan(#{ text: fresh[0].title, link: fresh[0].url, account: "facebook", draft: true, once: fresh[0].id });
fresh.len()
"#;

/// Part of a run's throughput that journals take.
pub(crate) fn cost() -> Vec<Figure> {
    let limits = |size: &str| format!("[limits]\njournal_size = \"{size}\"\n{COUNT_SECTION}");
    let (with, without) = (Place::new(&limits("64MiB")), Place::new(&limits("0B")));
    let (with, without) = (with.script("count", COUNT), without.script("count", COUNT));
    let (kept, none) = (with.engine(), without.engine());
    let workers = [kept.threads().expect("threads"), none.threads().expect("threads")];
    let (mut on, mut off) = (Vec::new(), Vec::new());
    // One round of each to warm up.
    rate(&kept);
    rate(&none);
    // In turn, so that the machine's moods touch both alike.
    for _ in 0..7 {
        off.push(rate(&none));
        on.push(rate(&kept));
    }
    let reader = kept.store.read().expect("readable");
    let (bytes, parts) = journal::journal_bytes(&reader).expect("readable");
    let count: i64 = reader.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).expect("readable");
    drop(reader);
    for (engine, workers) in [&kept, &none].into_iter().zip(workers) {
        engine.begin_stop();
        workers.join(engine, Duration::from_secs(5));
    }
    let (on, off) = (median(on), median(off));
    let note = format!("{on:.0}/s with, {off:.0}/s without; {} bytes a run, {parts} shared", bytes / count.max(1));
    vec![Figure::below("what journals take of the throughput of runs", 20.0, "%", (100.0 * (1.0 - on / off)).max(0.0), note)]
}

fn feed(place: &Place, feed: usize, poll: usize) {
    const WORDS: [&str; 12] =
        ["boulangerie", "farine", "levain", "marché", "Arras", "concours", "baguette", "prix", "artisan", "noël", "grève", "blé"];
    let mut text = String::from("<rss version=\"2.0\"><channel><title>Presse</title><link>https://presse.example</link>");
    for entry in (poll * NEW..poll * NEW + ENTRIES).rev() {
        let word = |n: usize| WORDS[(entry * 7 + n * 5 + feed) % WORDS.len()];
        let _ = write!(
            text,
            "<item><guid>f{feed}-{entry}</guid><title>{} et {} : ce qui change pour le {} numéro {entry}</title><link>https://presse.example/{feed}/{entry}</link><description>Depuis lundi, {} et {} occupent les {} de la région, qui attendent une réponse avant la fin du mois. Reportage {entry}.</description></item>",
            word(0),
            word(1),
            word(2),
            word(3),
            word(4),
            word(5),
        );
    }
    place.write(&format!("feed{feed}.xml"), &(text + "</channel></rss>"));
}

/// The size of journals of polls, and how many are done again in a second.
pub(crate) fn polls() -> Vec<Figure> {
    let mut sections = String::from("[workflows.poll]\nscript = \"poll.rhai\"\n[accounts.facebook]\nfolder = \"out\"\n");
    for n in 0..FEEDS {
        let _ = write!(sections, "[feeds.f{n}]\nfile = \"feed{n}.xml\"\ntopic = \"sector\"\n");
    }
    let place = Place::new(&sections).script("poll", POLL);
    (0..FEEDS).for_each(|n| feed(&place, n, 0));
    let now = Timestamp::parse(NOW).expect("an instant");
    let world = Rehearsal::start(&place.config(), Base::default(), now, 1).unwrap_or_else(|e| panic!("{e}"));
    let mut runs: Vec<RunId> = Vec::new();
    for poll in 0..POLLS {
        (0..FEEDS).for_each(|n| feed(&place, n, poll));
        runs.push(world.run("poll", None).expect("it ends").row.run);
        world.advance(Duration::from_secs(1_800)).expect("it goes on");
    }
    let reader = world.engine.store.read().expect("readable");
    // What only this run named counts with it; the first poll finds everything new.
    let size = |run: &RunId| journal::journal(&reader, *run).expect("readable").expect("kept").data.len() as f64;
    let sizes: Vec<f64> = runs[1..].iter().map(size).collect();
    let (_, parts) = journal::journal_bytes(&reader).expect("readable");
    let shared = parts as f64 / POLLS as f64;
    let typical = median(sizes) + shared;
    let replayer = Replayer::new().expect("a replayer");
    drop(reader);
    let again = || {
        let reader = world.engine.store.read().expect("readable");
        let watch = Watch::start();
        let mut done = 0;
        while watch.span() < Duration::from_secs(1) {
            for run in &runs[1..] {
                let recording = Recording::of_run(&reader, *run).expect("kept");
                let replayed = replayer.replay_here(&recording, None).expect("replayed");
                assert!(replayed.is_as(&recording), "{run} planned something else");
                done += 1;
            }
        }
        f64::from(done) / watch.span().as_secs_f64()
    };
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let job = thread.spawn_scoped(scope, || (0..5).map(|_| again()).collect());
        job.expect("a thread").join().expect("it ends")
    });
    vec![
        Figure::below(
            "journal of a poll: 3 feeds, 5 new of 30 entries each",
            1_500.0,
            "bytes",
            typical,
            format!("{shared:.0} of it parts that runs share"),
        ),
        Figure::above("these polls done again, from database to digest", 2_000.0, "1/s", median(rates), String::new()),
    ]
}
