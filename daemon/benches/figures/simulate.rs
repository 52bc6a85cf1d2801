//! Days lived in advance: how long a simulation takes.
//!
//! In: a large instance, and the sample business. Out: figures, with what was simulated.
//! Never: counts a month whose due instants are not all there.

use crate::place::{Place, Watch};
use crate::{Figure, median};
use beffroi::config::{self, Base};
use beffroi::domain::Timestamp;
use beffroi::simulate::{self, Past, Simulated, Wish, show};
use std::fmt::Write as _;
use std::path::Path;

/// Counts, and now and then posts: most of what runs in a month changes little.
const COUNT: &str = "let key = `count/${run::workflow()}`;
let n = state::get(key, 0) + 1;
state::set(key, n);
if (run::due() / 60000 + n * 7) % 160 == 0 {
    posts::plan(#{ account: run::accounts()[n % 4], text: `${run::workflow()} says ${n}`, expires: \"12h\" });
}
n
";
const ROUNDS: usize = 5;

/// Two hundred workflows, each due sixteen or seventeen times a day, at every minute of the hour.
fn large() -> Place {
    let mut sections = String::new();
    for n in 0..4 {
        let _ = write!(sections, "[accounts.a{n}]\nnetwork = \"facebook\"\nchannel = \"folder\"\nfolder = \"posts/a{n}\"\n");
        let _ = write!(sections, "ceilings = {{ per_hour = 60, per_day = 1000, spacing = \"5m\" }}\n\n");
    }
    for n in 0..200 {
        let hours = if n % 5 == 0 { "5-21" } else { "6-21" };
        let _ = write!(sections, "[workflows.w{n}]\nscript = \"count.rhai\"\nschedule = \"{} {hours} * * *\"\n\n", n * 7 % 60);
    }
    Place::new(&sections).script("count", COUNT)
}

fn month(config: &Path, base: &Base) -> Simulated {
    let wish = Wish { from: Some("2026-12-01".into()), days: 31, seed: 1, ..Wish::default() };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loaded = config::load(config, base).unwrap_or_else(|problems| panic!("{problems:?}"));
    let past = (Past::None, folder.path());
    simulate::run(config, base.clone(), loaded, &wish, past, Timestamp::EPOCH).unwrap_or_else(|sentence| panic!("{sentence}"))
}

/// A large month and that of the sample business, from the configuration to the page.
pub(crate) fn measure() -> Vec<Figure> {
    let mut found = String::new();
    let mut timed = |place: &dyn Fn() -> Place, base: &Base, least: i64| {
        let times = (0..ROUNDS).map(|_| {
            let place = place();
            let watch = Watch::start();
            let simulated = month(&place.config(), base);
            let page = show::page(&simulated).expect("a page");
            let time = watch.span().as_secs_f64();
            let (due, ran) = simulated.occurrences;
            assert!(due >= least && ran == due, "{ran} of {due} ran");
            found = format!("{due} occurrences, {} posts, a page of {} kB", simulated.span.entries.len(), page.len() / 1_024);
            time
        });
        (median(times.collect()), std::mem::take(&mut found))
    };
    let (large_time, large_found) = timed(&large, &Base::default(), 100_000);
    let sample = || {
        let place = Place::new("");
        std::fs::remove_file(place.config()).expect("it is there");
        let now = Timestamp::parse("2026-12-01T00:00:00+01:00").expect("an instant");
        beffroi::sample::lay_out(place.folder(), now).expect("the sample is laid out");
        place
    };
    let base = Base { state: None, builtin: Some(beffroi::sample::builtin) };
    let (sample_time, sample_found) = timed(&sample, &base, 2_000);
    vec![
        Figure::below("31 days of 200 workflows, simulated", 5.0, "s", large_time, large_found),
        Figure::below("the sample business's month, simulated", 0.5, "s", sample_time, sample_found),
    ]
}
