//! What cases are made of, and all of them for one plugin.
//!
//! In: a stage. Out: cases with their verdicts, each with what was expected and why it matters.
//! Never: stops at the first failure.

use super::remote::{Fate, Whom, essence};
use super::stage::{CANARY, NOW, Scene, Stage};
use super::{Case, Verdict};
use crate::kinds::KindError;
use std::time::Duration;

/// What a case found: nothing, what is wrong, or what is missing.
pub(super) enum Found {
    Good,
    Wrong(String),
    Missing(String),
}

impl From<Result<(), String>> for Found {
    fn from(found: Result<(), String>) -> Self {
        found.map_or_else(Self::Wrong, |()| Self::Good)
    }
}

/// One rule: what holds, and why it matters.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) expected: &'static str,
    pub(super) why: &'static str,
}

/// Plays a scene and judges it, by the rule and by those that hold for every scene.
pub(super) fn case(ability: &'static str, rule: &Rule, scene: &Scene<'_>, judge: impl FnOnce(&Scene<'_>) -> Found) -> Case {
    let found = judge(scene);
    let failed = |expected: &str, seen: String, why: &str| Verdict::Failed { expected: expected.into(), seen, why: why.into() };
    let verdict = match found {
        Found::Wrong(seen) => failed(rule.expected, seen, rule.why),
        _ if !scene.leaks().is_empty() => failed(
            "No request shows a secret.",
            format!("{} shows one.", scene.leaks()[0].url.replace(CANARY, "…")),
            "A plugin never holds a secret; it names a credential, and the host adds it.",
        ),
        _ if scene.used().1 >= scene.stage.manifest.limits.log_lines as usize => failed(
            "The log stays under its limit.",
            format!("{} lines in one call.", scene.used().1),
            "What is past the limit is dropped, and it may be what matters. The manifest may ask for more: [limits] log-lines.",
        ),
        Found::Missing(reason) => Verdict::Skipped { reason },
        Found::Good => Verdict::Passed,
    };
    Case {
        ability,
        name: rule.name.into(),
        verdict,
        requests: scene.remote.seen().len(),
        memory: scene.used().0,
        took: scene.took(),
    }
}

/// How a call ended, in words.
pub(super) fn told<T: std::fmt::Debug>(answer: &Result<T, KindError>) -> String {
    match answer {
        Ok(value) => format!("It gave {value:?}.").chars().take(300).collect(),
        Err(error) => {
            let word = match error {
                KindError::Retry(_, None) => "retry".to_owned(),
                KindError::Retry(_, Some(at)) => format!("retry, {} s later", at.since(NOW).as_secs()),
                KindError::Reconnect(_) => "reconnect".into(),
                KindError::Reject(_) => "reject".into(),
                KindError::Uncertain(_) => "uncertain".into(),
                KindError::Internal(_) => "internal".into(),
            };
            format!("It gave {word} ({}): {}", error.failure().code, error.failure().message)
        }
    }
}

/// Whether a call ended by a defect.
pub(super) fn is_defect<T>(answer: &Result<T, KindError>) -> bool {
    matches!(answer, Err(KindError::Internal(_)))
}

type Called<T> = Result<Result<T, KindError>, String>;

/// A call has to end so.
pub(super) fn must<T: std::fmt::Debug>(called: Called<T>, so: impl FnOnce(&Result<T, KindError>) -> bool) -> Found {
    match called {
        Err(sentence) => Found::Missing(sentence),
        Ok(answer) if so(&answer) => Found::Good,
        Ok(answer) => Found::Wrong(told(&answer)),
    }
}

pub(super) const BUSY: Rule = Rule {
    name: "429 with Retry-After is tried again later",
    expected: "retry, not before the moment in Retry-After (120 s)",
    why: "A service that asks for rest and is asked again at once blocks the account.",
};
pub(super) const LOCKED_OUT: Rule = Rule {
    name: "401 asks for a new connection",
    expected: "reconnect",
    why: "Only the owner can renew an access; anything else repeats in vain, or loses the post.",
};
pub(super) const DOWN: Rule = Rule {
    name: "500 when reading is tried again",
    expected: "retry",
    why: "A service that is down comes back by itself; nobody should have to look.",
};
pub(super) const CUT: Rule =
    Rule { name: "a lost answer when reading is tried again", expected: "retry", why: "Reading again does no harm." };
pub(super) const UNREACHED: Rule = Rule {
    name: "what did not leave is tried again",
    expected: "retry",
    why: "Nothing left this machine, so trying again is safe, and giving up would lose it.",
};
pub(super) const GARBAGE: Rule = Rule {
    name: "answers that make no sense do not break it",
    expected: "an error in words, for each of: HTML, cut JSON, other JSON, bytes that are no UTF-8, nothing",
    why: "Services show maintenance pages and change; a plugin that breaks down is suspended.",
};
pub(super) const HUGE: Rule = Rule {
    name: "an answer of 10 MB does not break it",
    expected: "an error in words",
    why: "A plugin that breaks down is suspended, and all that needs it waits.",
};
pub(super) const STEADY: Rule = Rule {
    name: "the same call sends the same requests",
    expected: "the same requests, byte for byte",
    why: "Attempts, previews and tests have to agree; chance and the clock come from the host.",
};

/// 10 MB of JSON.
pub(super) fn huge() -> Fate {
    let mut body = b"{\"items\":[\"".to_vec();
    body.resize(10 << 20, b'x');
    body.extend_from_slice(b"\"]}");
    Fate::body(200, "application/json", body)
}

/// Answers that make no sense, with what to call them.
pub(super) fn nonsense() -> Vec<(&'static str, Fate)> {
    let json = "application/json";
    vec![
        ("HTML", Fate::body(200, "text/html", b"<html><body>Back soon</body></html>".to_vec())),
        ("cut JSON", Fate::body(200, json, b"{\"id\": \"4".to_vec())),
        ("null", Fate::body(200, json, b"null".to_vec())),
        ("a list", Fate::body(200, json, b"[1, [2]]".to_vec())),
        ("other keys", Fate::body(200, json, b"{\"surprise\": {\"id\": [7]}}".to_vec())),
        ("no UTF-8", Fate::body(200, json, b"{\"id\": \"\xff\xfe\"}".to_vec())),
        ("nothing", Fate::body(200, json, Vec::new())),
        ("204", Fate::body(204, json, Vec::new())),
    ]
}

/// The cases that hold for everything that reads.
pub(super) fn reading<T: std::fmt::Debug>(
    stage: &Stage,
    ability: &'static str,
    cases: &mut Vec<Case>,
    call: impl Fn(&Scene<'_>) -> Called<T>,
) {
    let all = |fate| stage.scene(Whom::All, fate);
    cases.push(case(ability, &BUSY, &all(Fate::status(429).with("retry-after", "120")), |scene| {
        unless_silent(scene, must(call(scene), rests))
    }));
    if !stage.manifest.credentials.is_empty() {
        cases.push(case(ability, &LOCKED_OUT, &all(Fate::status(401)), |scene| {
            unless_silent(scene, must(call(scene), |answer| matches!(answer, Err(KindError::Reconnect(_)))))
        }));
    }
    let again = |answer: &Result<T, KindError>| matches!(answer, Err(KindError::Retry(..)));
    for (rule, fate) in [(&DOWN, Fate::status(500)), (&CUT, Fate::Lost), (&UNREACHED, Fate::NotSent)] {
        cases.push(case(ability, rule, &all(fate), |scene| unless_silent(scene, must(call(scene), again))));
    }
    for (what, fate) in nonsense() {
        let rule = Rule { name: GARBAGE.name, expected: "an error in words, or an empty page", why: GARBAGE.why };
        let one = case(ability, &rule, &all(fate), |scene| must(call(scene), |answer| !is_defect(answer)));
        merge(cases, one, what);
    }
    cases.push(case(ability, &HUGE, &all(huge()), |scene| must(call(scene), |answer| !is_defect(answer))));
}

/// One case out of several tries: the first failure stays.
pub(super) fn merge(cases: &mut Vec<Case>, mut one: Case, what: &str) {
    if let Verdict::Failed { seen, .. } = &mut one.verdict {
        *seen = format!("With {what}: {seen}");
    }
    match cases.iter_mut().rev().find(|case| case.name == one.name && case.ability == one.ability) {
        None => cases.push(one),
        Some(known) => {
            known.took += one.took;
            known.requests += one.requests;
            known.memory = known.memory.max(one.memory);
            if known.verdict == Verdict::Passed {
                known.verdict = one.verdict;
            }
        }
    }
}

/// What a remote says means nothing to a plugin that asks none.
pub(super) fn unless_silent(scene: &Scene<'_>, found: Found) -> Found {
    match found {
        Found::Wrong(seen) if scene.remote.seen().is_empty() => Found::Missing(format!("It sends no request. {seen}")),
        found if scene.remote.seen().is_empty() => Found::Missing(match found {
            Found::Missing(reason) => reason,
            _ => "It sends no request.".into(),
        }),
        found => found,
    }
}

/// Whether a call is tried again, and not before two minutes from now.
pub(super) fn rests<T>(answer: &Result<T, KindError>) -> bool {
    matches!(answer, Err(KindError::Retry(_, Some(at))) if *at >= NOW.plus(Duration::from_secs(120)))
}

/// Two scenes have to send the same.
pub(super) fn alike(one: &Scene<'_>, other: &Scene<'_>) -> Found {
    let (one, other) = (one.remote.seen(), other.remote.seen());
    if one.len() != other.len() {
        return Found::Wrong(format!("It sent {} requests, and then {}.", one.len(), other.len()));
    }
    match one.iter().zip(&other).find(|(a, b)| essence(a) != essence(b)) {
        None => Found::Good,
        Some((a, b)) => {
            Found::Wrong(format!("{} {} and {} {} differ in address, headers or body.", a.method, a.url, b.method, b.url))
        }
    }
}

/// All cases for what a plugin can do.
pub(super) fn all(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    let check = |scene: &Scene<'_>| scene.check();
    let all = |fate| stage.scene(Whom::All, fate);
    if !stage.manifest.places.is_empty() {
        for (what, fate) in nonsense() {
            let one = case("plugin", &GARBAGE, &all(fate), |scene| must(check(scene), |answer| !is_defect(answer)));
            merge(&mut cases, one, what);
        }
        if !stage.manifest.credentials.is_empty() {
            cases.push(case("plugin", &LOCKED_OUT, &all(Fate::status(401)), |scene| {
                unless_silent(scene, must(check(scene), |answer| matches!(answer, Err(KindError::Reconnect(_)))))
            }));
        }
    }
    super::channel::all(stage, &mut cases);
    super::readers::all(stage, &mut cases);
    super::desk::all(stage, &mut cases);
    cases
}
