//! The pure middle: when a schedule is due next, and which library item comes next.
//!
//! In: expressions of every sort, a library of 1,000 items. Out: figures.
//! Never: touches a disk for the first two figures; the third is the whole call as a script makes it.

use crate::place::{Place, Watch, engine};
use crate::{Figure, median};
use beffroi::clock::Turn;
use beffroi::craft::rotation::{self, Candidate, Choice, Recent, Use, Wanted};
use beffroi::domain::{Json, Language, Timestamp, Zone};
use beffroi::schedule::cron::{Dst, Schedule};
use beffroi::store::Mode;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::mpsc;
use std::time::Duration;

const ITEMS: usize = 1_000;
const THEMES: [&str; 8] = ["pain", "levain", "équipe", "saison", "marché", "recette", "conseil", "histoire"];

pub(crate) fn measure() -> Vec<Figure> {
    vec![next_due(), pick(), call()]
}

fn next_due() -> Figure {
    const EXPRESSIONS: [&str; 12] = [
        "* * * * *",
        "*/5 * * * *",
        "30 8 * * *",
        "0 9-18/3 * * mon-fri",
        "15 7,12,19 * * sat,sun",
        "30 2 * * *",
        "0 0 1 * *",
        "0 12 L * *",
        "45 17 * * fri#2",
        "0 9 13 * fri",
        "*/20 * * * * *",
        "0 0 29 2 *",
    ];
    let zone: Zone = "Europe/Paris".parse().expect("a zone");
    let from = Timestamp::parse("2026-01-01T00:00:00+01:00").expect("an instant");
    let schedules: Vec<Schedule> =
        EXPRESSIONS.iter().map(|text| Schedule::parse(text, zone, Dst::Vixie).expect("an expression")).collect();
    let spans: Vec<f64> = schedules
        .iter()
        .map(|schedule| {
            let rounds = (0..5).map(|_| {
                let (mut at, mut count) = (from, 0);
                let watch = Watch::start();
                while count < 20_000 {
                    // A rare date runs out of years; then it begins again.
                    at = black_box(schedule).next(black_box(at)).unwrap_or(from);
                    count += 1;
                }
                watch.span().as_secs_f64() * 1e6 / f64::from(count)
            });
            median(rounds.collect())
        })
        .collect();
    let (slowest, text) = spans.iter().zip(EXPRESSIONS).max_by(|a, b| a.0.total_cmp(b.0)).expect("there are expressions");
    let note = format!("{} sorts of expression; slowest {slowest:.2} µs, \"{text}\"", EXPRESSIONS.len());
    Figure::below("next occurrence of a schedule", 1.0, "µs", median(spans.clone()), note)
}

fn pick() -> Figure {
    let ids: Vec<String> = (0..ITEMS).map(|n| format!("item-{n}")).collect();
    let formats = ["post".to_owned(), "story".to_owned()];
    let now = Timestamp::parse("2026-11-22T09:00:00+01:00").expect("an instant");
    let day = Duration::from_secs(86_400);
    let candidates: Vec<Candidate<'_>> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| Candidate {
            id,
            theme: THEMES[n % THEMES.len()],
            formats: &formats,
            networks: &[],
            accounts: &[],
            valid_from: None,
            valid_until: None,
            season_ok: n % 5 != 0,
            cool_down: 90 * day,
            max_uses: None,
            weight: 1.0,
            words: &[],
        })
        .collect();
    let used: HashMap<String, Use> = ids
        .iter()
        .enumerate()
        .filter(|(n, _)| n % 2 == 0)
        .map(|(n, id)| (id.clone(), Use { last: now.minus(day * u32::try_from(n % 200).unwrap_or(0)), count: 1 }))
        .collect();
    let recent: Vec<Recent<'_>> = (0..12)
        .map(|n| Recent { at: now.minus(day * u32::try_from(n).unwrap_or(0)), item: &ids[n], theme: THEMES[n % 4], words: &[] })
        .collect();
    let mut wanted = Wanted {
        account: "facebook",
        network: "facebook",
        formats: &formats,
        format: None,
        theme: None,
        theme_spacing: 2,
        now,
        zone: "Europe/Paris".parse().expect("a zone"),
        language: Language::Fr,
        seed: 0,
    };
    let spans = (0..400).map(|seed| {
        wanted.seed = seed;
        let watch = Watch::start();
        let choice = rotation::next(black_box(&wanted), black_box(&candidates), black_box(&used), black_box(&recent));
        let span = watch.millis();
        assert!(matches!(choice, Choice::Pick { .. }), "half of the items fit");
        span
    });
    Figure::below("pick of 1,000 library items", 1.0, "ms", median(spans.collect()), "the choice alone".into())
}

/// `library::next` as a script calls it: the folder as last read, what the account posted from the store, the choice.
fn call() -> Figure {
    let sections = "[library]\nfolder = \"library\"\n\n[accounts.facebook]\nchannel = \"folder\"\nfolder = \"out\"\n\n\
                    [workflows.fill]\nscript = \"fill.rhai\"\n\n[workflows.pick]\nscript = \"pick.rhai\"\n";
    let place = Place::new(sections)
        .script("pick", "let last = ();\nfor n in 0..run::payload() { last = library::next(\"facebook\"); }\nlast.item\n")
        .script("fill", "for n in 0..200 { posts::plan(#{ item: `item-${n}`, account: \"facebook\", at: \"1d\" }); }\n");
    for n in 0..ITEMS {
        let mut text = String::new();
        let _ = write!(
            text,
            "---\nid: item-{n}\ntitle: Numéro {n}\ntheme: {}\n---\nUn mot sur le pain, le numéro {n}.\n",
            THEMES[n % 8]
        );
        place.write(&format!("library/item-{n}.md"), &text);
    }
    let engine = engine(&place.config(), Mode::Inline);
    let run = |workflow: &str, payload: Json| {
        let (to, from) = mpsc::channel();
        let watch = Watch::start();
        let id = engine
            .run_now(workflow, Some(payload), Box::new(move |id| to.send(id).expect("the receiver is below")))
            .expect("there is such a workflow");
        while from.try_recv().is_err() {
            assert!(engine.turn().expect("the store works") == Turn::Did, "{id} ends");
        }
        watch.millis()
    };
    run("fill", Json::Null);
    run("pick", 1.into());
    let spans = (0..9).map(|_| (run("pick", 101.into()) - run("pick", 1.into())) / 100.0);
    Figure::below(
        "library::next in a script, 1,000 items",
        1.0,
        "ms",
        median(spans.collect()),
        "200 posts of the account known".into(),
    )
}
