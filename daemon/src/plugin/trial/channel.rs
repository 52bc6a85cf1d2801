//! The cases of what publishes and tells: nothing twice, nothing lost, and the truth about what is not known.
//!
//! In: a stage. Out: cases for `publish`, `prepare`, `lookup`, `unpublish`, `metrics`, `inbox`, `notify`.
//! Never: assumes a service; what answers well is the author's recording.

use super::cases::{
    BUSY, Found, HUGE, LOCKED_OUT, Rule, STEADY, UNREACHED, alike, case, huge, is_defect, merge, must, nonsense, reading, rests,
    told, unless_silent,
};
use super::remote::{Fate, Whom, essence, shows};
use super::stage::{Scene, Stage};
use super::{Case, values};
use crate::kinds::{Finding, KindError, Outcome, Outgoing};
use crate::network::Request;

const DELIVERY: &str = "d-7f3a91";

const JUDGES: Rule = Rule {
    name: "judging a text is quick, steady and in words",
    expected: "the same problems each time, each with a code and a sentence, for no text, a long one and an odd one",
    why: "Texts are judged while people type, and what is wrong with one is all they see.",
};
const ONLINE: Rule = Rule {
    name: "a post goes online",
    expected: "online with the remote's identifier, or pending with a handle",
    why: "Without the identifier there are no figures, no answers, and no taking down.",
};
const BROKEN: Rule = Rule {
    name: "500 on publishing is not repeated blindly",
    expected: "uncertain; or retry, if the same request goes out again with the delivery's key in it",
    why: "The service may have taken the post before it failed: repeating it can publish twice.",
};
const LOST: Rule = Rule {
    name: "a lost answer on publishing is not repeated blindly",
    expected: "uncertain; or retry, if the same request goes out again with the delivery's key in it",
    why: "The post may be online: repeating it can publish twice.",
};
const SENSELESS: Rule = Rule {
    name: "a senseless answer on publishing is no proof",
    expected: "uncertain; or retry, if the same request goes out again with the delivery's key in it",
    why: "The service took the request: the post may be online, and no identifier proves it.",
};
const FORGETS: Rule = Rule {
    name: "a call that failed leaves nothing behind",
    expected: "no private state after an error",
    why: "Half of what a call did must not speak for the whole of it.",
};
const FOUND: Rule =
    Rule { name: "a post that is online is found", expected: "online", why: "What is found is not published again." };
const UNPROVEN: Rule = Rule {
    name: "what cannot be seen is not called absent",
    expected: "an error, or unsure, after 500, a lost answer or a senseless one",
    why: "Absent means: publish again. Said without proof, it publishes twice.",
};
const GONE: Rule = Rule {
    name: "taking down what is gone succeeds",
    expected: "success after 404 and 410",
    why: "Otherwise a post that somebody deleted by hand is tried for ever.",
};

pub(super) fn all(stage: &Stage, cases: &mut Vec<Case>) {
    if stage.can("publish") {
        publish(stage, cases);
    }
    if stage.can("lookup") {
        lookup(stage, cases);
    }
    // Identifiers belong to the service: only a recording knows one.
    let recorded = stage.example("unpublish").and_then(|call| call.remote_id.clone());
    let online = recorded.unwrap_or_else(|| "42".to_owned());
    if stage.can("unpublish") {
        for status in [404, 410] {
            let scene = stage.scene(Whom::All, Fate::status(status));
            let one = case("unpublish", &GONE, &scene, |s| unless_silent(s, must(s.unpublish(&online), Result::is_ok)));
            merge(cases, one, &status.to_string());
        }
        changing(stage, "unpublish", cases, |scene| scene.unpublish(&online).map(|answer| (answer, None)), false);
    }
    if stage.can("metrics") {
        let ids = ["42".to_owned(), "43".to_owned()];
        reading(stage, "metrics", cases, |scene| scene.metrics(&ids));
    }
    if stage.can("inbox") {
        reading(stage, "inbox", cases, |scene| scene.inbox(None));
    }
    if stage.can("notify") {
        let notice = values::notice(stage.example("notify").and_then(|call| call.notice.as_ref()));
        changing(stage, "notify", cases, |scene| scene.notify(DELIVERY, &notice).map(|answer| (answer, None)), true);
        steady(stage, "notify", cases, |scene| scene.notify(DELIVERY, &notice).map(drop));
    }
}

/// The author's example of a post.
fn example(stage: &Stage) -> Outgoing {
    values::post(stage.example("publish").and_then(|call| call.post.as_ref()))
}

type Attempt<T> = Result<(Result<T, KindError>, Option<String>), String>;

/// Prepares as recorded, then publishes.
fn attempt(scene: &Scene<'_>, post: &Outgoing) -> Attempt<Outcome> {
    // What prepares meets the same remote; a handle it cannot get is none.
    let prepared = match scene.prepared(DELIVERY, post)? {
        Ok(handle) => handle,
        Err(error) => return Ok((Err(error), None)),
    };
    Ok((scene.publish(DELIVERY, post, prepared.as_deref())?, prepared))
}

fn publish(stage: &Stage, cases: &mut Vec<Case>) {
    let post = example(stage);
    let with = |text: &str| Outgoing { text: text.into(), format: "post".into(), ..Outgoing::default() };
    let odd = [with(""), with(&"é".repeat(100_000)), with("\u{202e}👩‍👩‍👧 \u{0} \"<b>'"), with("https://example.com/ #a @b")];
    for text in &odd {
        let scene = stage.scene(Whom::All, Fate::NotSent);
        let one = case("publish", &JUDGES, &scene, |scene| judged(scene, text));
        merge(cases, one, &format!("a text of {} characters", text.text.chars().count()));
    }
    let scene = stage.scene(Whom::Nobody, Fate::NotSent);
    cases.push(case("publish", &ONLINE, &scene, |scene| {
        if stage.example("publish").is_none() {
            return Found::Missing("No recording in tests/ publishes a post.".into());
        }
        match attempt(scene, &post) {
            Err(sentence) => Found::Missing(sentence),
            Ok((Ok(Outcome::Online(receipt)), _)) if !receipt.remote_id.is_empty() => Found::Good,
            Ok((Ok(Outcome::Pending(pause)), _)) if !pause.handle.is_empty() => Found::Good,
            Ok((answer, _)) => Found::Wrong(format!("{} {}", told(&answer), scene.remote.unknown().join(", "))),
        }
    }));
    changing(stage, "publish", cases, |scene| attempt(scene, &post), true);
    steady(stage, "publish", cases, |scene| attempt(scene, &post).map(drop));
}

fn judged(scene: &Scene<'_>, post: &Outgoing) -> Found {
    let (once, twice) = match (scene.validate(post), scene.validate(post)) {
        (Ok(once), Ok(twice)) => (once, twice),
        (Err(sentence), _) | (_, Err(sentence)) => return Found::Missing(sentence),
    };
    if once != twice {
        return Found::Wrong(format!("First {once:?}, then {twice:?}."));
    }
    match once.iter().find(|problem| problem.code.is_empty() || problem.message.is_empty()) {
        Some(problem) => Found::Wrong(format!("{problem:?}")),
        None => Found::Good,
    }
}

/// The cases of a call that changes something at the service. `once` says that doing it twice would do harm.
fn changing<T: std::fmt::Debug>(
    stage: &Stage,
    ability: &'static str,
    cases: &mut Vec<Case>,
    call: impl Fn(&Scene<'_>) -> Attempt<T>,
    once: bool,
) {
    let all = |fate| stage.scene(Whom::All, fate);
    let first = |attempt: Attempt<T>| attempt.map(|(answer, _)| answer);
    cases.push(case(ability, &BUSY, &all(Fate::status(429).with("retry-after", "120")), |scene| {
        unless_silent(scene, must(first(call(scene)), rests))
    }));
    if !stage.manifest.credentials.is_empty() {
        cases.push(case(ability, &LOCKED_OUT, &all(Fate::status(401)), |scene| {
            unless_silent(scene, must(first(call(scene)), |answer| matches!(answer, Err(KindError::Reconnect(_)))))
        }));
    }
    cases.push(case(ability, &UNREACHED, &all(Fate::NotSent), |scene| {
        unless_silent(scene, must(first(call(scene)), |answer| matches!(answer, Err(KindError::Retry(..)))))
    }));
    if once {
        let blind = |rule: &Rule, fate: Fate| {
            let (scene, again) = (stage.scene(Whom::Writes, fate.clone()), stage.scene(Whom::Writes, fate));
            case(ability, rule, &scene, |scene| not_blindly(scene, &again, &call))
        };
        cases.push(blind(&BROKEN, Fate::status(500)));
        cases.push(blind(&LOST, Fate::Lost));
        for (what, fate) in nonsense() {
            // Some services answer with nothing, or with anything, and mean yes.
            if what == "204" || what == "nothing" {
                continue;
            }
            merge(cases, blind(&SENSELESS, fate), what);
        }
    } else {
        let scene = all(Fate::status(500));
        let rule =
            Rule { name: "500 is no success", expected: "an error in words", why: "What is not known to be done is not done." };
        cases
            .push(case(ability, &rule, &scene, |scene| must(first(call(scene)), |answer| answer.is_err() && !is_defect(answer))));
    }
    cases.push(case(ability, &HUGE, &stage.scene(Whom::Writes, huge()), |scene| {
        must(first(call(scene)), |answer| !is_defect(answer))
    }));
    cases.push(case(ability, &FORGETS, &all(Fate::status(500)), |scene| match call(scene) {
        Err(sentence) => Found::Missing(sentence),
        Ok(_) => {
            let kept = scene.keep.take();
            if kept.is_empty() { Found::Good } else { Found::Wrong(format!("It kept {}.", kept[0].key)) }
        }
    }));
}

/// After a write whose end is not known: uncertain, or the very same write once more, with a key that makes it one.
fn not_blindly<T: std::fmt::Debug>(scene: &Scene<'_>, again: &Scene<'_>, call: &impl Fn(&Scene<'_>) -> Attempt<T>) -> Found {
    let (answer, prepared) = match call(scene) {
        Ok(answer) => answer,
        Err(sentence) => return Found::Missing(sentence),
    };
    let last = |scene: &Scene<'_>| scene.remote.seen().into_iter().rfind(|r| !matches!(r.method.as_str(), "GET" | "HEAD"));
    let Some(write) = last(scene) else {
        let unknown = scene.remote.unknown();
        let why = if unknown.is_empty() {
            format!("It sends nothing that changes something. {}", told(&answer))
        } else {
            format!("No recording answers {}.", unknown.join(", "))
        };
        return Found::Missing(why);
    };
    match &answer {
        Err(KindError::Uncertain(_)) => Found::Good,
        Err(KindError::Retry(..)) => {
            let keyed = |request: &Request| {
                shows(request, DELIVERY) || prepared.as_ref().is_some_and(|p| !p.is_empty() && shows(request, p))
            };
            let repeated = call(again).ok().and_then(|_| last(again));
            match repeated {
                Some(other) if keyed(&write) && essence(&write) == essence(&other) => Found::Good,
                _ => Found::Wrong(format!(
                    "{} The request does not carry the delivery's key, or differs the second time.",
                    told(&answer)
                )),
            }
        }
        _ => Found::Wrong(told(&answer)),
    }
}

/// The same call, twice from the beginning.
fn steady(stage: &Stage, ability: &'static str, cases: &mut Vec<Case>, call: impl Fn(&Scene<'_>) -> Result<(), String>) {
    let (scene, again) = (stage.scene(Whom::Nobody, Fate::NotSent), stage.scene(Whom::Nobody, Fate::NotSent));
    cases.push(case(ability, &STEADY, &scene, |scene| match call(scene).and_then(|()| call(&again)) {
        Ok(()) => alike(scene, &again),
        Err(sentence) => Found::Missing(sentence),
    }));
}

fn lookup(stage: &Stage, cases: &mut Vec<Case>) {
    let post = example(stage);
    let look = |scene: &Scene<'_>| {
        // The handle comes from a good day.
        let quiet = stage.scene(Whom::Nobody, Fate::NotSent);
        let prepared = quiet.prepared(DELIVERY, &post)?.unwrap_or(None);
        scene.find(DELIVERY, &post, prepared.as_deref())
    };
    let recorded = stage.example("find").cloned();
    let scene = stage.scene(Whom::Nobody, Fate::NotSent);
    cases.push(case("lookup", &FOUND, &scene, |scene| {
        let Some(call) = &recorded else { return Found::Missing("No recording in tests/ finds a post.".into()) };
        let delivery = call.delivery.as_deref().unwrap_or(DELIVERY);
        let found = scene.find(delivery, &values::post(call.post.as_ref()), call.prepared.as_deref());
        must(found, |answer| matches!(answer, Ok(Finding::Online(receipt)) if !receipt.remote_id.is_empty()))
    }));
    let blind = [("500", Fate::status(500)), ("a lost answer", Fate::Lost), ("nothing sent", Fate::NotSent)];
    let senseless = nonsense().into_iter().filter(|(what, _)| ["HTML", "cut JSON", "no UTF-8"].contains(what));
    for (what, fate) in blind.into_iter().chain(senseless) {
        let scene = stage.scene(Whom::All, fate);
        let one = case("lookup", &UNPROVEN, &scene, |scene| {
            let so = |answer: &Result<Finding, KindError>| {
                !is_defect(answer) && !matches!(answer, Ok(Finding::Absent | Finding::Online(_)))
            };
            unless_silent(scene, must(look(scene), so))
        });
        merge(cases, one, what);
    }
    let rule =
        Rule { name: super::cases::GARBAGE.name, expected: "an error in words, or a finding", why: super::cases::GARBAGE.why };
    for (what, fate) in nonsense() {
        let scene = stage.scene(Whom::All, fate);
        merge(cases, case("lookup", &rule, &scene, |scene| must(look(scene), |answer| !is_defect(answer))), what);
    }
}
