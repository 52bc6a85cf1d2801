//! The cases of what reads and writes texts: sources, catalogs, generators.
//!
//! In: a stage. Out: cases for `feed`, `stock`, `generate`.
//! Never: assumes a service; what answers well is the author's recording.

use super::cases::{
    BUSY, Found, GARBAGE, HUGE, LOCKED_OUT, Rule, STEADY, UNREACHED, alike, case, huge, is_defect, merge, must, nonsense,
    reading, rests, told, unless_silent,
};
use super::remote::{Fate, Whom};
use super::stage::Stage;
use super::{Case, values};
use crate::kinds::KindError;
use std::collections::BTreeSet;

const READS: Rule = Rule {
    name: "what is there is read",
    expected: "at least one entry, each with an identifier of its own and a title",
    why: "The same entry has to be the same at each read, or it is news for ever.",
};
const GOES_ON: Rule = Rule {
    name: "the next read goes on with the cursor",
    expected: "a good page for the cursor that the page before gave",
    why: "A cursor that the plugin itself cannot read stops the feed.",
};
const ENDS: Rule = Rule {
    name: "a remote that repeats its page comes to an end",
    expected: "an end: a page without more, or an error in words",
    why: "A service that never says that it is done would keep the plugin reading until it is stopped.",
};
const ODD_CURSOR: Rule = Rule {
    name: "a cursor of an older version does not break it",
    expected: "a page, or an error in words",
    why: "Cursors outlive upgrades of the plugin.",
};
const WRITES: Rule = Rule {
    name: "texts are written",
    expected: "one to as many texts as were asked for, none of them empty, and the model's name",
    why: "People choose among the texts, and the model's name is kept with them.",
};
const PRICED: Rule = Rule {
    name: "500 is an error in words",
    expected: "retry or uncertain",
    why: "A service that is down comes back by itself.",
};

pub(super) fn all(stage: &Stage, cases: &mut Vec<Case>) {
    if stage.can("feed") {
        feed(stage, cases);
    }
    if stage.can("stock") {
        stock(stage, cases);
    }
    if stage.can("generate") {
        generate(stage, cases);
    }
}

fn no_example() -> Found {
    Found::Missing("No recording in tests/ shows this.".into())
}

fn feed(stage: &Stage, cases: &mut Vec<Case>) {
    let quiet = || stage.scene(Whom::Nobody, Fate::NotSent);
    let shown = stage.example("poll").is_some();
    cases.push(case("feed", &READS, &quiet(), |scene| {
        if !shown {
            return no_example();
        }
        match scene.feed(None) {
            Err(sentence) => Found::Missing(sentence),
            Ok(Ok(page)) => {
                let ids: BTreeSet<&str> = page.signals.iter().map(|s| s.id.as_str()).collect();
                let whole = page.signals.iter().all(|s| !s.id.is_empty() && !s.title.trim().is_empty());
                let good = !page.signals.is_empty() && whole && ids.len() == page.signals.len();
                if good { Found::Good } else { Found::Wrong(values::signals(&page).to_string().chars().take(300).collect()) }
            }
            Ok(answer) => Found::Wrong(format!("{} {}", told(&answer), scene.remote.unknown().join(", "))),
        }
    }));
    cases.push(case("feed", &GOES_ON, &quiet(), |scene| match scene.feed(None) {
        _ if !shown => no_example(),
        Ok(Ok(page)) => match page.cursor {
            None => Found::Missing("It gives no cursor.".into()),
            Some(cursor) => match scene.feed(Some(&cursor)) {
                Ok(Err(_)) if !scene.remote.unknown().is_empty() => {
                    Found::Missing(format!("No recording answers {}.", scene.remote.unknown().join(", ")))
                }
                called => must(called, Result::is_ok),
            },
        },
        called => must(called, |_| false),
    }));
    cases.push(case("feed", &ODD_CURSOR, &quiet(), |scene| must(scene.feed(Some("\u{0}{\"v\":")), |answer| !is_defect(answer))));
    reading(stage, "feed", cases, |scene| scene.feed(None));
    let again = quiet();
    cases.push(case("feed", &STEADY, &quiet(), |scene| match scene.feed(None).and_then(|_| again.feed(None)) {
        Ok(_) => alike(scene, &again),
        Err(sentence) => Found::Missing(sentence),
    }));
}

fn stock(stage: &Stage, cases: &mut Vec<Case>) {
    let quiet = || stage.scene(Whom::Nobody, Fate::NotSent);
    let shown = stage.example("poll").is_some();
    cases.push(case("stock", &READS, &quiet(), |scene| {
        if !shown {
            return no_example();
        }
        match scene.stock(None) {
            Err(sentence) => Found::Missing(sentence),
            Ok(Ok(page)) if !page.items.is_empty() && page.items.iter().all(|i| !i.sku.is_empty() && !i.title.is_empty()) => {
                Found::Good
            }
            Ok(answer) => Found::Wrong(format!("{} {}", told(&answer), scene.remote.unknown().join(", "))),
        }
    }));
    let first = stage.routes().into_iter().find(|(route, _)| route.starts_with("GET ")).map(|(_, fate)| fate);
    cases.push(match first {
        None => case("stock", &ENDS, &quiet(), |_| no_example()),
        Some(page) => {
            case("stock", &ENDS, &stage.scene(Whom::All, page), |scene| must(scene.stock(None), |answer| !is_defect(answer)))
        }
    });
    cases
        .push(case("stock", &ODD_CURSOR, &quiet(), |scene| must(scene.stock(Some("\u{0}{\"v\":")), |answer| !is_defect(answer))));
    reading(stage, "stock", cases, |scene| scene.stock(None));
    let again = quiet();
    cases.push(case("stock", &STEADY, &quiet(), |scene| match scene.stock(None).and_then(|_| again.stock(None)) {
        Ok(_) => alike(scene, &again),
        Err(sentence) => Found::Missing(sentence),
    }));
}

fn generate(stage: &Stage, cases: &mut Vec<Case>) {
    let quiet = || stage.scene(Whom::Nobody, Fate::NotSent);
    let all = |fate| stage.scene(Whom::All, fate);
    let prompt = values::prompt(stage.example("generate").and_then(|call| call.prompt.as_ref()));
    cases.push(case("generate", &WRITES, &quiet(), |scene| {
        if stage.example("generate").is_none() {
            return no_example();
        }
        must(scene.generate(&prompt), |answer| match answer {
            Ok(written) => {
                let count = written.texts.len();
                count > 0
                    && count <= prompt.variants as usize
                    && written.texts.iter().all(|t| !t.is_empty())
                    && !written.model.is_empty()
            }
            Err(_) => false,
        })
    }));
    cases.push(case("generate", &BUSY, &all(Fate::status(429).with("retry-after", "120")), |scene| {
        unless_silent(scene, must(scene.generate(&prompt), rests))
    }));
    if !stage.manifest.credentials.is_empty() {
        cases.push(case("generate", &LOCKED_OUT, &all(Fate::status(401)), |scene| {
            unless_silent(scene, must(scene.generate(&prompt), |answer| matches!(answer, Err(KindError::Reconnect(_)))))
        }));
    }
    cases.push(case("generate", &UNREACHED, &all(Fate::NotSent), |scene| {
        unless_silent(scene, must(scene.generate(&prompt), |answer| matches!(answer, Err(KindError::Retry(..)))))
    }));
    cases.push(case("generate", &PRICED, &all(Fate::status(500)), |scene| {
        unless_silent(scene, must(scene.generate(&prompt), |a| matches!(a, Err(KindError::Retry(..) | KindError::Uncertain(_)))))
    }));
    for (what, fate) in nonsense() {
        let one = case("generate", &GARBAGE, &all(fate), |scene| must(scene.generate(&prompt), |a| a.is_err() && !is_defect(a)));
        merge(cases, one, what);
    }
    cases.push(case("generate", &HUGE, &all(huge()), |scene| must(scene.generate(&prompt), |answer| !is_defect(answer))));
    let again = quiet();
    cases.push(case("generate", &STEADY, &quiet(), |scene| {
        match scene.generate(&prompt).and_then(|_| again.generate(&prompt)) {
            Ok(_) => alike(scene, &again),
            Err(sentence) => Found::Missing(sentence),
        }
    }));
}
