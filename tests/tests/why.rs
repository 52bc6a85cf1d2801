//! `beffroi why` answers with the first thing that stood in the way, each one provoked on the engine, in both languages.

use beffroi::admin::{App, why};
use beffroi::daemon::Engine;
use beffroi::domain::{DeliveryId, Json, Timestamp};
use beffroi::store::Op;
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ReadBack, ScriptedChannel};
use serde_json::json;
use std::sync::Arc;

fn ask(world: &mut World, subject: &str, when: Option<&str>) -> Json {
    let app = App::new(world.on().engine.clone(), Box::new(Engine::reload));
    why(&app, subject, when).unwrap_or_else(|refusal| panic!("{subject} {when:?}: {}", refusal.sentence()))
}

fn refused(world: &mut World, subject: &str, when: Option<&str>) -> String {
    let app = App::new(world.on().engine.clone(), Box::new(Engine::reload));
    why(&app, subject, when).expect_err("a refusal").sentence().to_owned()
}

fn answer(world: &mut World, subject: &str, when: &str) -> String {
    ask(world, subject, (!when.is_empty()).then_some(when))["answer"].as_str().expect("a sentence").to_owned()
}

fn until(world: &mut World, hour: &str) {
    let at = Timestamp::parse(&format!("2026-01-01T{hour}:00+01:00")).expect("an instant");
    world.on().advance_to(at).expect("time passes");
}

const PLAN: &str = "posts::plan(#{ text: \"Bonjour\", account: \"facebook\", why: [\"parce que\"] });";
const DAILY: &str = "schedule = \"0 10 * * *\"\npurpose = \"Le pain\"";

/// A firm with one account and the workflow `pain`, due at ten.
fn pain(config: &str, script: &str, account: &str) -> World {
    let ceilings = if account.contains("ceilings") { "" } else { "ceilings = { spacing = \"0s\" }" };
    World::new()
        .with(&format!("[accounts.facebook]\nnetwork = \"facebook\"\nfolder = \"posts\"\n{ceilings}\n{account}\n"))
        .workflow("pain", config, script)
}

fn scripted(world: World, answer: Answer, read_back: ReadBack) -> World {
    world.channel("facebook", &Arc::new(ScriptedChannel::always(answer).read_back(read_back)))
}

/// One obstacle: how it comes about, what is asked, the sentence in French and in English (a part of it), the word for programs.
struct Case {
    name: &'static str,
    world: fn() -> World,
    act: fn(&mut World),
    ask: (&'static str, &'static str),
    fr: &'static str,
    en: &'static str,
    word: &'static str,
}

/// Draft of the workflow `pain`.
const DRAFT: &str = "posts::plan(#{ text: \"Bonjour\", account: \"facebook\", draft: true, expires: \"2h\" });";

const CASES: &[Case] = &[
    Case {
        name: "not due by its schedule",
        world: || pain(DAILY, PLAN, ""),
        act: |w| until(w, "12:00"),
        ask: ("pain", "09:30"),
        fr: "pain n'était pas prévu aujourd'hui 09:30. Son horaire : Chaque jour à 10 h (0 10 * * *, Europe/Paris). Juste après : aujourd'hui 10:00.",
        en: "pain was not due today 09:30. Its schedule: Every day at 10:00 (0 10 * * *, Europe/Paris). Just after: today 10:00.",
        word: "not-due",
    },
    Case {
        name: "nothing is known of that time",
        world: || pain(DAILY, PLAN, ""),
        act: |w| until(w, "12:00"),
        ask: ("pain", "yesterday 10:00"),
        fr: "De pain, rien n'est connu hier 10:00 : son histoire commence aujourd'hui 09:00.",
        en: "Nothing is known of pain yesterday 10:00: its history begins today 09:00.",
        word: "not-known",
    },
    Case {
        name: "not yet",
        world: || pain(DAILY, PLAN, ""),
        act: |w| until(w, "12:00"),
        ask: ("pain", "demain 10:00"),
        fr: "pain est prévu demain 10:00 : ce n'est pas encore l'heure.",
        en: "pain is due tomorrow 10:00: it is not time yet.",
        word: "future",
    },
    Case {
        name: "switched off",
        world: || pain("schedule = \"0 10 * * *\"\nenabled = false", PLAN, ""),
        act: |w| until(w, "12:00"),
        ask: ("pain", "10:00"),
        fr: "pain n'a pas tourné aujourd'hui 10:00 : il était désactivé (enabled = false).",
        en: "pain did not run today 10:00: it was switched off (enabled = false).",
        word: "off",
    },
    Case {
        name: "removed from the configuration",
        world: || pain(DAILY, PLAN, "").workflow("reste", "schedule = \"0 0 1 1 *\"", "1"),
        act: |w| {
            until(w, "09:30");
            w.reconfigure(|c| c.split("\n[workflows.pain]").next().expect("the head").to_owned());
            until(w, "12:00");
        },
        ask: ("pain", "10:00"),
        fr: "pain n'a pas tourné aujourd'hui 10:00 : il n'était pas dans la configuration.",
        en: "pain did not run today 10:00: it was not in the configuration.",
        word: "off",
    },
    Case {
        name: "Beffroi was not running",
        world: || pain("schedule = \"0 10 * * *\"\nmissed = \"skip\"", PLAN, ""),
        act: |w| {
            until(w, "09:30");
            w.restart("4h");
            w.settle();
        },
        ask: ("pain", "10:00"),
        fr: "pain n'a pas tourné, prévu aujourd'hui 10:00 : Beffroi ne tournait pas, et rien ne se rattrape (missed = \"skip\"). Son dernier signe de vie date de",
        en: "pain did not run, due today 10:00: Beffroi was not running, and missed = \"skip\". Its last sign of life was",
        word: "not-running",
    },
    Case {
        name: "Beffroi was not running, in a stretch",
        world: || pain("schedule = \"*/5 * * * *\"\nmissed = \"skip\"", PLAN, ""),
        act: |w| {
            w.restart("20h");
            w.settle();
        },
        ask: ("pain", "2026-01-01 17:35"),
        fr: "pain n'a pas tourné, prévu 167 fois entre hier 09:05 et hier 22:55 : Beffroi ne tournait pas, et c'est plus ancien",
        en: "pain did not run, due 167 times between yesterday 09:05 and yesterday 22:55: Beffroi was not running, and it is longer ago",
        word: "not-running",
    },
    Case {
        name: "paused",
        world: || pain(DAILY, PLAN, ""),
        act: |w| {
            until(w, "09:30");
            w.on().engine.pause("pain", Some("travaux".into())).expect("paused");
            until(w, "12:00");
        },
        ask: ("pain", "10:00"),
        fr: "pain n'a pas tourné, prévu aujourd'hui 10:00 : en pause : travaux.",
        en: "pain did not run, due today 10:00: paused: travaux.",
        word: "paused",
    },
    Case {
        name: "paused, before it is due",
        world: || pain(DAILY, PLAN, ""),
        act: |w| {
            until(w, "12:00");
            w.on().engine.pause("pain", Some("travaux".into())).expect("paused");
        },
        ask: ("pain", "tomorrow 10:00"),
        fr: "pain est prévu demain 10:00, mais ne tournera pas : il est en pause (travaux).",
        en: "pain is due tomorrow 10:00, but will not run: it is paused (travaux).",
        word: "paused",
    },
    Case {
        name: "the run before it was still going",
        world: || {
            pain(
                "schedule = \"0 * * * *\"\nretries = 3\nbackoff = \"55m\"\noverlap = \"skip\"",
                "if run::attempt() < 3 { throw \"pas encore\" }",
                "",
            )
        },
        act: |w| until(w, "11:30"),
        ask: ("pain", "11:00"),
        fr: "pain n'a pas tourné, prévu aujourd'hui 11:00 : le passage précédent, r1, n'était pas fini.",
        en: "pain did not run, due today 11:00: r1, the run before it, was still going.",
        word: "overlap",
    },
    Case {
        name: "waits behind the run before it",
        world: || {
            pain(
                "schedule = \"0 * * * *\"\nretries = 3\nbackoff = \"55m\"\noverlap = \"queue\"",
                "if run::attempt() < 3 { throw \"pas encore\" }",
                "",
            )
        },
        act: |w| until(w, "11:05"),
        ask: ("pain", "11:00"),
        fr: "pain, prévu aujourd'hui 11:00, attend la fin de r1, le passage précédent.",
        en: "pain, due today 11:00, waits for the end of r1, the run before it.",
        word: "turn",
    },
    Case {
        name: "failed, and is tried again",
        world: || pain("schedule = \"0 10 * * *\"\nretries = 3\nbackoff = \"55m\"", "throw \"plus de farine\"", ""),
        act: |w| until(w, "10:05"),
        ask: ("pain", "10:00"),
        fr: "pain, prévu aujourd'hui 10:00, a échoué et sera réessayé aujourd'hui 10:55 (r1)",
        en: "pain, due today 10:00, failed and will be tried again today 10:55 (r1)",
        word: "failed",
    },
    Case {
        name: "failed for good",
        world: || pain("schedule = \"0 10 * * *\"\nretries = 1\nbackoff = \"1m\"", "throw \"plus de farine\"", ""),
        act: |w| until(w, "12:00"),
        ask: ("pain", "10:00"),
        fr: "pain, prévu aujourd'hui 10:00, a échoué après 2 essais (r1)",
        en: "pain, due today 10:00, failed after 2 attempts (r1)",
        word: "failed",
    },
    Case {
        name: "delayed by chance",
        world: || pain("schedule = \"0 10 * * *\"\njitter = \"6h\"", PLAN, ""),
        act: |w| until(w, "10:00"),
        ask: ("pain", "10:00"),
        fr: "son départ est décalé au hasard (jitter).",
        en: "its start is delayed by chance (jitter).",
        word: "jitter",
    },
    Case {
        name: "planned nothing",
        world: || pain(DAILY, "\"rien de neuf au four\"", ""),
        act: |w| until(w, "12:00"),
        ask: ("pain", "10:00"),
        fr: "pain a tourné aujourd'hui 10:00 (r1) et n'a prévu aucun message. Il dit : « rien de neuf au four ».",
        en: "pain ran today 10:00 (r1) and planned no post. It says: \"rien de neuf au four\".",
        word: "nothing-planned",
    },
    Case {
        name: "done already for its key",
        world: || {
            pain(
                "schedule = \"0 * * * *\"",
                "posts::plan(#{ text: \"Bonjour\", account: \"facebook\", once: \"jour\" }); \"rien\"",
                "",
            )
        },
        act: |w| until(w, "12:30"),
        ask: ("pain", "12:00"),
        fr: "pain a tourné aujourd'hui 12:00 (r3) et n'a prévu aucun message. Il dit : « rien ». Son dernier message est p1, aujourd'hui 10:00, une seule fois pour « jour ».",
        en: "pain ran today 12:00 (r3) and planned no post. It says: \"rien\". Its last post is p1, today 10:00, only once for \"jour\".",
        word: "nothing-planned",
    },
    Case {
        name: "waits for a yes",
        world: || pain(DAILY, DRAFT, ""),
        act: |w| until(w, "10:30"),
        ask: ("pain", "10:00"),
        fr: "pain a tourné aujourd'hui 10:00, mais d1 n'est pas en ligne sur facebook (en attente) : attend votre accord.",
        en: "pain ran today 10:00, but d1 is not online on facebook (waiting): waits for a yes.",
        word: "delivery",
    },
    Case {
        name: "its window ended while it waited for a yes",
        world: || pain(DAILY, DRAFT, ""),
        act: |w| until(w, "13:00"),
        ask: ("facebook", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (annulé) : sa fenêtre s'est terminée le 1er\u{a0}janvier 12:00 (attend votre accord).",
        en: "d1 is not online on facebook (cancelled): its window ended on 1\u{a0}January 12:00 (waits for a yes).",
        word: "delivery",
    },
    Case {
        name: "somebody said no",
        world: || pain(DAILY, DRAFT, ""),
        act: |w| {
            until(w, "10:30");
            w.order(vec![Op::Reject { id: DeliveryId(1), by: "Ana".into(), reason: "trop tôt".into() }]).expect("rejected");
        },
        ask: ("d1", ""),
        fr: "d1 n'est pas en ligne sur facebook (annulé) : trop tôt. D'abord, aujourd'hui 10:00 : attend votre accord.",
        en: "d1 is not online on facebook (cancelled): trop tôt. First, today 10:00: waits for a yes.",
        word: "",
    },
    Case {
        name: "a guard",
        world: || {
            let world = pain(DAILY, "posts::plan(#{ text: \"Tarte\", account: \"facebook\", guards: #{ sku: \"TARTE\" } });", "");
            world.file("stock.csv", "sku,title,stock,price\nTARTE,Tarte,0,12.00\n");
            world.with("[catalogs.till]\nfile = \"stock.csv\"\nmax_age = \"6h\"\n")
        },
        act: |w| until(w, "10:30"),
        ask: ("facebook", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (en attente) : « Tarte » est épuisé.",
        en: "d1 is not online on facebook (waiting): \"Tarte\" is sold out.",
        word: "delivery",
    },
    Case {
        name: "hours of the account",
        world: || pain(DAILY, PLAN, "hours = [\"14:00-18:00\"]"),
        act: |w| until(w, "10:30"),
        ask: ("pain", "10:00"),
        fr: "(en attente) : hors des heures du compte, jusqu'au 1er\u{a0}janvier 14:00.",
        en: "(waiting): outside the account's hours, until 1\u{a0}January 14:00.",
        word: "delivery",
    },
    Case {
        name: "hours of the account, and then it went out",
        world: || pain(DAILY, PLAN, "hours = [\"14:00-18:00\"]"),
        act: |w| until(w, "15:00"),
        ask: ("d1", ""),
        fr: "d1 est en ligne sur facebook, aujourd'hui 14:00. Retenu d'abord aujourd'hui 10:00 : hors des heures du compte",
        en: "d1 is online on facebook, today 14:00. First held up today 10:00: outside the account's hours",
        word: "",
    },
    Case {
        name: "spacing",
        world: || pain("schedule = \"0 10,11 * * *\"", PLAN, "ceilings = { spacing = \"6h\" }"),
        act: |w| until(w, "11:30"),
        ask: ("pain", "11:00"),
        fr: "d2 n'est pas en ligne sur facebook (en attente) : laisse 6\u{a0}h entre deux messages.",
        en: "d2 is not online on facebook (waiting): keeps 6\u{a0}h between two posts.",
        word: "delivery",
    },
    Case {
        name: "a ceiling",
        world: || pain("schedule = \"0 10,11 * * *\"", PLAN, "ceilings = { spacing = \"0s\", per_day = 1 }"),
        act: |w| until(w, "11:30"),
        ask: ("pain", "11:00"),
        fr: "d2 n'est pas en ligne sur facebook (en attente) : le plafond de 1 par jour est atteint.",
        en: "d2 is not online on facebook (waiting): the ceiling of 1 per day is reached.",
        word: "delivery",
    },
    Case {
        name: "a freeze",
        world: || pain(DAILY, PLAN, ""),
        act: |w| {
            w.freeze("vacances");
            until(w, "10:30");
        },
        ask: ("facebook", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (en attente) : tout est gelé : vacances.",
        en: "d1 is not online on facebook (waiting): everything is frozen: vacances.",
        word: "delivery",
    },
    Case {
        name: "the account is stopped",
        world: || scripted(pain(DAILY, PLAN, ""), Answer::Reconnect, ReadBack::True),
        act: |w| until(w, "10:30"),
        ask: ("facebook", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (en attente) : The token has expired. Le compte est bloqué",
        en: "d1 is not online on facebook (waiting): The token has expired. The account is stopped",
        word: "delivery",
    },
    Case {
        name: "refused by the network",
        world: || scripted(pain(DAILY, PLAN, ""), Answer::Reject, ReadBack::True),
        act: |w| until(w, "10:30"),
        ask: ("pain", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (refusé par le réseau) : The network does not take this.",
        en: "d1 is not online on facebook (refused by the network): The network does not take this.",
        word: "delivery",
    },
    Case {
        name: "the network is overloaded",
        world: || scripted(pain(DAILY, PLAN, ""), Answer::Retry(None), ReadBack::True),
        act: |w| until(w, "10:02"),
        ask: ("pain", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (nouvel essai) : The network is overloaded.",
        en: "d1 is not online on facebook (trying again): The network is overloaded.",
        word: "delivery",
    },
    Case {
        name: "nobody knows whether it went out",
        world: || scripted(pain(DAILY, PLAN, ""), Answer::LostAfter, ReadBack::No),
        act: |w| until(w, "10:30"),
        ask: ("pain", "10:00"),
        fr: "d1 n'est pas en ligne sur facebook (à vérifier) : peut-être parti : ce réseau ne permet pas de le vérifier.",
        en: "d1 is not online on facebook (to be checked): it may have gone out: this network cannot be read back.",
        word: "delivery",
    },
    Case {
        name: "nothing planned on the account in that hour",
        world: || pain(DAILY, PLAN, ""),
        act: |w| until(w, "16:00"),
        ask: ("facebook", "15:00"),
        fr: "Rien n'était prévu sur facebook aujourd'hui 15:00 : aucun programme qui y publie n'avait d'échéance alors. Juste avant : d1 aujourd'hui 10:00 (en ligne).",
        en: "Nothing was planned on facebook today 15:00: no workflow that posts there was due then. Just before: d1 today 10:00 (online).",
        word: "not-due",
    },
    Case {
        name: "the account's workflow failed",
        world: || pain("schedule = \"0 10 * * *\"\nretries = 0", "throw \"plus de farine\"", ""),
        act: |w| until(w, "12:00"),
        ask: ("facebook", "10:00"),
        fr: "pain, prévu aujourd'hui 10:00, a échoué (r1)",
        en: "pain, due today 10:00, failed (r1)",
        word: "failed",
    },
    Case {
        name: "of everything due in an hour, what did not come off",
        world: || {
            pain(DAILY, PLAN, "").workflow("stock", "schedule = \"0 10 * * *\"\nretries = 0", "throw \"la caisse ne répond pas\"")
        },
        act: |w| until(w, "12:00"),
        ask: ("2026-01-01", "10:00"),
        fr: "stock, prévu aujourd'hui 10:00, a échoué (r2)",
        en: "stock, due today 10:00, failed (r2)",
        word: "failed",
    },
    Case {
        name: "everything came off",
        world: || pain(DAILY, PLAN, ""),
        act: |w| until(w, "12:00"),
        ask: ("10:00", ""),
        fr: "Tout ce qui était prévu aujourd'hui 10:00 a eu lieu : pain. pain a tourné aujourd'hui 10:00 : d1 est en ligne sur facebook, aujourd'hui 10:00.",
        en: "Everything that was due today 10:00 took place: pain. pain ran today 10:00: d1 is online on facebook, today 10:00.",
        word: "none",
    },
    Case {
        name: "nothing was due at all",
        world: || pain(DAILY, PLAN, ""),
        act: |w| until(w, "16:00"),
        ask: ("2026-01-01T15:00", ""),
        fr: "Rien n'était prévu aujourd'hui 15:00 : aucun programme n'avait d'échéance alors. Juste après : pain, demain 10:00.",
        en: "Nothing was due today 15:00: no workflow had a due time then. Just after: pain, tomorrow 10:00.",
        word: "not-due",
    },
    Case {
        name: "taken together with a later one",
        world: || pain("schedule = \"0 10,11 * * *\"\nmissed = \"latest\"\nwindow = \"6h\"", PLAN, ""),
        act: |w| {
            until(w, "09:30");
            w.restart("2h");
            w.settle();
        },
        ask: ("pain", "10:00"),
        fr: "pain, prévu aujourd'hui 10:00, a été regroupé : r1 a tourné pour lui. pain a tourné aujourd'hui 11:30 : d1 est en ligne sur facebook",
        en: "pain, due today 10:00, was taken together with others: r1 ran for it. pain ran today 11:30: d1 is online on facebook",
        word: "none",
    },
];

#[test]
fn the_answer_is_the_first_thing_that_stood_in_the_way_in_both_languages() {
    let mut wrong = Vec::new();
    for case in CASES {
        for (language, wanted) in [("fr", case.fr), ("en", case.en)] {
            let mut world = (case.world)();
            world.reconfigure(|config| config.replace("language = \"en\"", &format!("language = \"{language}\"")));
            world.on();
            (case.act)(&mut world);
            let (subject, when) = case.ask;
            let said = ask(&mut world, subject, (!when.is_empty()).then_some(when));
            let answer = said["answer"].as_str().unwrap_or_default();
            if !answer.contains(wanted) || !case.word.is_empty() && said["obstacle"] != case.word {
                wrong.push(format!(
                    "{} ({language})\n  wanted: {wanted} [{}]\n  said:   {answer} [{}]",
                    case.name, case.word, said["obstacle"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every line of the chain, as one text.
fn chain(said: &Json) -> String {
    let steps = said["steps"].as_array().expect("steps");
    let lines =
        |step: &Json| step["lines"].as_array().expect("lines").iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n");
    steps.iter().map(|step| format!("[{}]\n{}\n", step["what"].as_str().unwrap_or_default(), lines(step))).collect()
}

fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part).unwrap_or_else(|| panic!("\"{part}\" does not come in its turn in:\n{text}"));
        from += at + part.len();
    }
}

#[test]
fn the_chain_goes_from_the_schedule_to_the_networks_answer() {
    let draft = "log::info(\"le four est chaud\"); posts::plan(#{ text: \"Pain\", account: \"facebook\", draft: true, once: \"jour\", theme: \"pain\", why: [\"c'est l'heure du pain\"] });";
    let mut world = pain(DAILY, draft, "hours = [\"11:00-18:00\"]");
    until(&mut world, "10:30");
    world.approve(1);
    until(&mut world, "12:00");
    let run = ask(&mut world, "r1", None);
    assert!(
        run["answer"].as_str().is_some_and(|a| a.starts_with("pain ran today 10:00: d1 is online on facebook, today 11:00.")),
        "{run}"
    );
    let parts = [
        "[Workflow]",
        "pain — Le pain",
        "Every day at 10:00 (0 10 * * *, Europe/Paris)",
        "[Due time]",
        "r1 started by its schedule, due today 10:00: done",
        "begun today 10:00 (on time)",
        "[What it said]",
        "le four est chaud",
        "[What decided it]",
        "c'est l'heure du pain",
        "theme pain",
        "only once for jour",
        "[d1 → facebook]",
        "yes by owner",
        "today 10:30  waiting: yes by owner",
        "outside the account's hours",
        "today 11:00  online",
        "Proof",
    ];
    in_order(&chain(&run), &parts);
    let same = chain(&ask(&mut world, "p1", None));
    in_order(&same, &["[Workflow]", "[Run]", "r1 started", "[What decided it]", "[d1 → facebook]", "online"]);
}

#[test]
fn an_edited_workflow_is_judged_by_the_schedule_of_then() {
    let mut world = pain(DAILY, PLAN, "");
    until(&mut world, "12:00");
    world.reconfigure(|config| config.replace("0 10 * * *", "0 15 * * *"));
    until(&mut world, "16:00");
    let then = ask(&mut world, "pain", Some("10:00"));
    assert_eq!(then["obstacle"], "none", "{then}");
    assert!(chain(&then).contains("by the schedule of then: Every day at 10:00"), "{then:#}");
    assert!(answer(&mut world, "pain", "11:00").contains("Its schedule: Every day at 10:00 (0 10 * * *"), "not today's");
    assert_eq!(ask(&mut world, "pain", Some("15:00"))["obstacle"], "none");
}

#[test]
fn a_day_is_told_with_what_did_not_come_off_first() {
    let mut world = pain(
        "schedule = \"0 10-13 * * *\"\nretries = 0\npause_after = 0",
        "if time::part(run::due(), \"hour\") == 12 { throw \"four éteint\" } \"ok\"",
        "",
    );
    until(&mut world, "16:00");
    let said = ask(&mut world, "pain", Some("today"));
    assert_eq!(said["obstacle"], "nothing-planned", "{said}");
    assert!(chain(&said).contains("pain, due today 12:00, failed (r3)"), "{said:#}");
}

#[test]
fn an_item_of_the_library_says_why_it_was_chosen_and_why_it_is_not() {
    let script = "let next = library::next(\"facebook\"); if next.item != () { posts::plan(#{ account: \"facebook\", item: next.item, why: next.why }); }";
    let mut world = pain("schedule = \"0 10 * * *\"", script, "")
        .with("[library]\nfolder = \"library\"\ncool_down = \"10d\"\ntheme_spacing = 0\n");
    world.file("library/pain-lundi.md", "---\nid: pain-lundi\ntitle: Le pain\ntheme: pain\n---\nDu pain.");
    world.file("library/noel.md", "---\nid: noel\ntitle: Noel\nuntil: 2025-12-26\n---\nJoyeux Noel.");
    world.file("library/ailleurs.md", "---\nid: ailleurs\ntitle: Ailleurs\nnetworks: [instagram]\n---\nAilleurs.");
    world.file("library/une-fois.md", "---\nid: une-fois\ntitle: Une fois\nweight: 0\n---\nUne fois.");
    until(&mut world, "11:00");
    let used = ask(&mut world, "item:pain-lundi", None);
    let said = used["answer"].as_str().expect("a sentence");
    assert_eq!(
        said,
        "pain-lundi was last used on facebook, today 10:00. On facebook, not now: it rests until 11\u{a0}January (cool_down: 10\u{a0}days)."
    );
    in_order(
        &chain(&used),
        &["Le pain", "[facebook]", "d1 today 10:00 (pain, online)", "Never published on this account", "not now: it rests"],
    );
    let why = |world: &mut World, id: &str| answer(world, id, "");
    assert!(
        why(&mut world, "noel").contains("has never been used. On facebook, not now: it was valid until 26\u{a0}December 2025"),
        "{}",
        why(&mut world, "noel")
    );
    assert!(why(&mut world, "ailleurs").contains("it is only for instagram (networks)"));
    assert!(why(&mut world, "une-fois").starts_with("une-fois cannot be used: its file has a mistake."));
    world.advance("11d");
    assert!(why(&mut world, "pain-lundi").contains("last used on facebook"));
    std::fs::remove_file(world.path("library/pain-lundi.md")).expect("removed");
    world.advance("1h");
    assert_eq!(why(&mut world, "pain-lundi"), "pain-lundi is no longer in the library.");
}

#[test]
fn a_product_says_what_is_left_and_who_waits_for_it() {
    let guarded = "posts::plan(#{ text: \"Tarte\", account: \"facebook\", guards: #{ sku: \"TARTE\", at_least: 3 } });";
    let mut world = pain(DAILY, guarded, "").with("[catalogs.till]\nfile = \"stock.csv\"\nmax_age = \"6h\"\n");
    world.file("stock.csv", "sku,title,stock,price\nTARTE,Tarte,2,12.00\nPAIN,Pain,9,1.20\n");
    until(&mut world, "10:30");
    let said = answer(&mut world, "TARTE", "");
    assert!(said.starts_with("Tarte: 2 in stock, €12.00, says till, today 09:00. d1 is not online on facebook (waiting): only 2 of \"Tarte\" are left, 3 are needed"), "{said}");
    assert!(answer(&mut world, "sku:PAIN", "").ends_with("No post depends on it."));
}

#[test]
fn what_does_not_exist_is_refused_with_what_there_is() {
    let mut world = pain(DAILY, PLAN, "");
    until(&mut world, "12:00");
    assert!(refused(&mut world, "pian", None).contains("pain"), "{}", refused(&mut world, "pian", None));
    assert!(refused(&mut world, "pain", Some("whenever")).contains("is no time. Write for example"));
    assert!(refused(&mut world, "r99", None).contains("There is no run r99"));
    assert!(refused(&mut world, "item:nothing", None).contains("neither"));
    assert_eq!(ask(&mut world, "facebook", None)["free"], json!(true));
}
