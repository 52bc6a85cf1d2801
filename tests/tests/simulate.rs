//! A simulation says what the engine then does, in four forms, and touches nothing.
//!
//! Beside each simulated month the real engine lives the same month: built-in folder channels, CSV and feed files that are rewritten
//! as time goes by the same curves, the same yeses at the same times.

use beffroi::clock::Clock as _;
use beffroi::config::{self, Base};
use beffroi::craft::calendar::{About, Entry, Kind};
use beffroi::domain::{DeliveryId, Json, Timestamp, Zone};
use beffroi::instance::Location;
use beffroi::network::Response;
use beffroi::rehearsal::Rehearsal;
use beffroi::simulate::feeds::{self, Foreseen, Origin};
use beffroi::simulate::stock::{Curve, Levels};
use beffroi::simulate::{self, Approvals, COPY, Past, Simulated, Wish, show};
use beffroi::store::{Change, Op, calendar as rows, view};
use beffroi_tests::{ACCOUNT, World};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const ZONE: Zone = beffroi::sample::ZONE;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn base() -> Base {
    Base { state: None, builtin: Some(beffroi::sample::builtin) }
}

fn wish(from: &str, days: u32) -> Wish {
    Wish { from: Some(from.into()), days, seed: 1, ..Wish::default() }
}

/// Simulates on the configuration as it lies there, with nothing before it.
fn simulated(config: &Path, wish: &Wish) -> Simulated {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let loaded = config::load(config, &base()).unwrap_or_else(|p| panic!("{p:?}"));
    simulate::run(config, base(), loaded, wish, (Past::None, folder.path()), Timestamp::EPOCH).unwrap_or_else(|e| panic!("{e}"))
}

/// A line of a calendar: where to, the minute, what, and how it stands.
type Line = (String, String, String, String);

fn line(target: &str, when: Timestamp, text: &str, state: &str) -> Line {
    let minute = when.local(ZONE).format("%Y-%m-%d %H:%M %z").to_string();
    (target.to_owned(), minute, beffroi::domain::Digest::of(text.as_bytes()).short(), state.to_owned())
}

fn foreseen(simulated: &Simulated) -> Vec<Line> {
    simulated.span.entries.iter().map(|e| line(&e.target, e.at(), &e.text, &e.state)).collect()
}

/// The files of the owner's, as they change in a span.
struct Files {
    stock: Option<(Curve, String)>,
    feeds: Vec<(String, Foreseen)>,
    moments: BTreeSet<Timestamp>,
}

impl Files {
    /// The very curves that a simulation with this wish uses, beginning now.
    fn of(rehearsal: &Rehearsal, folder: &Path, wish: &Wish, to: Timestamp) -> Self {
        let (engine, now) = (&rehearsal.engine, rehearsal.clock.now());
        let instance = engine.current.get();
        let remembered = view::signals_since(&engine.store.read().expect("a reader"), Timestamp::EPOCH).expect("signals");
        let mut future = feeds::foresee(&instance, &remembered, (now, to), wish.seed, wish.feeds);
        let mut moments = BTreeSet::new();
        let feeds: Vec<(String, Foreseen)> = instance
            .feeds
            .values()
            .map(|feed| {
                let Location::File(path) = &feed.location else { panic!("{} is no file", feed.name) };
                let (_, future) = future.remove(feed.name.as_str()).expect("every feed has a future");
                moments.extend(future.moments(now, to));
                (path.strip_prefix(folder).expect("in the folder").display().to_string(), future)
            })
            .collect();
        let stock = instance.catalogs.values().next().map(|catalog| {
            let keep = beffroi::kinds::Keep::default();
            let (network, language) = (&*rehearsal.network, instance.business.language);
            let call = beffroi::kinds::Call {
                id: "test",
                attempt: 1,
                time: Duration::from_secs(9),
                keep: &keep,
                now,
                network,
                zone: ZONE,
                language,
            };
            let items = engine.adapters.stock(catalog, &call).expect("the stock is read").items.clone();
            let curve = Curve::new(items, now, ZONE, wish.seed, Levels::default());
            moments.extend(curve.moments(now, to));
            (curve, std::fs::read_to_string(folder.join("stock.csv")).expect("the stock"))
        });
        Self { stock, feeds, moments }
    }

    fn write(&self, world: &World, now: Timestamp) {
        if let Some((curve, text)) = &self.stock {
            let levels: BTreeMap<String, Option<i64>> = curve.at(now).0.into_iter().map(|i| (i.sku, i.available)).collect();
            let line = |line: &str| {
                let mut fields: Vec<String> = line.split(';').map(str::to_owned).collect();
                if let Some(level) = levels.get(&fields[0]) {
                    fields[3] = level.map_or_else(String::new, |level| level.to_string());
                }
                fields.join(";")
            };
            world.file("stock.csv", &format!("{}\n", text.lines().map(line).collect::<Vec<_>>().join("\n")));
        }
        for (file, feed) in &self.feeds {
            let items: Vec<Json> = feed
                .at(now)
                .iter()
                .map(|s| {
                    serde_json::json!({
                        "id": s.id, "title": s.title, "url": s.url, "content_text": s.summary,
                        "date_published": s.published.map(|at| at.rfc3339(ZONE)),
                    })
                })
                .collect();
            let version = "https://jsonfeed.org/version/1.1";
            world.file(file, &serde_json::json!({ "version": version, "title": "news", "items": items }).to_string());
        }
    }
}

/// Lets the real engine live a span, and gives back its calendar.
fn lived(world: &mut World, wish: &Wish, to: Timestamp) -> Vec<Line> {
    world.on();
    let folder = world.path("");
    let files = Files::of(world.on(), &folder, wish, to);
    let from = world.on().clock.now();
    files.write(world, from);
    let mut moments = files.moments.iter().copied().peekable();
    let mut answers: BTreeMap<DeliveryId, Option<Timestamp>> = BTreeMap::new();
    loop {
        let next = world.on().settle().expect("the engine comes to rest");
        let now = world.on().clock.now();
        let waiting = world.ask(rows::waiting_for_a_yes);
        answers.retain(|id, _| waiting.iter().any(|(waits, ..)| waits == id));
        let mut ops = Vec::new();
        for (id, seal, _) in waiting {
            let answer = *answers.entry(id).or_insert_with(|| wish.approvals.answer(now, ZONE));
            if answer.is_some_and(|at| at <= now) {
                ops.push(Op::Approve { id, seal, by: "owner".into() });
            }
        }
        if !ops.is_empty() {
            world.on().engine.store.commit(Change::new(now, ops)).expect("it waits for a yes");
            continue;
        }
        let change = moments.peek().copied();
        let yes = answers.values().flatten().min().copied();
        match [next, change, yes].into_iter().flatten().min() {
            Some(moment) if moment < to => world.on().clock.set(moment.max(now.plus(Duration::from_millis(1)))),
            _ => break,
        }
        let now = world.on().clock.now();
        let mut changed = false;
        while moments.next_if(|at| *at <= now).is_some() {
            changed = true;
        }
        if changed {
            files.write(world, now);
        }
    }
    let shown = |row: view::DeliveryRow| {
        let text = row.content.get(if row.kind == "post" { "text" } else { "title" }).and_then(Json::as_str).unwrap_or_default();
        let left = row.armed_at.filter(|_| row.state == "online").unwrap_or(row.due);
        line(&row.target, left, text, &row.state)
    };
    world.ask(|db| rows::deliveries_between(db, from, to)).into_iter().map(shown).collect()
}

#[track_caller]
fn same(foreseen: &[Line], lived: &[Line]) {
    for (said, done) in foreseen.iter().zip(lived) {
        assert_eq!(said, done, "the first line that differs");
    }
    assert_eq!(foreseen.len(), lived.len());
}

#[test]
fn a_simulated_month_of_the_sample_business_is_what_the_engine_then_does() {
    let mut world = World::sample("2026-12-01T00:00:00+01:00");
    let wish = wish("2026-12-01", 31);
    world.file("beffroi.toml", &std::fs::read_to_string(world.path("beffroi.toml")).expect("the configuration"));
    let simulated = simulated(&world.path("beffroi.toml"), &wish);
    assert_eq!(simulated.span.to, at("2027-01-01T00:00:00+01:00"));
    let said = foreseen(&simulated);
    assert!(said.len() > 60, "{}", said.len());
    let states: BTreeSet<&str> = said.iter().map(|(.., state)| state.as_str()).collect();
    assert!(states.contains("online") && states.contains("cancelled"), "{states:?}");
    assert!(simulated.span.entries.iter().any(|e| e.workflow == "trends" && e.approval == "given"), "no draft was approved");
    assert!(simulated.span.entries.iter().any(|e| e.kind == Kind::Notice && e.workflow == "digest"), "no digest");
    same(&said, &lived(&mut world, &wish, simulated.span.to));
}

#[test]
fn a_month_in_which_the_clocks_change_is_what_the_engine_then_does() {
    let world = World::sample("2026-10-10T09:00:00+02:00");
    let wish = Wish { approvals: Approvals::After(Duration::from_secs(1_800)), seed: 9, ..wish("2026-10-10T09:00:00+02:00", 31) };
    let mut other = World::sample("2026-10-10T09:00:00+02:00").seed(9);
    let simulated = simulated(&world.path("beffroi.toml"), &wish);
    assert_eq!(simulated.span.to, at("2026-11-10T09:00:00+01:00"), "thirty-one days by the clock on the wall");
    let lived = lived(&mut other, &wish, simulated.span.to);
    same(&foreseen(&simulated), &lived);
    // Half past eight stays half past eight.
    let rotation: BTreeSet<String> = simulated
        .span
        .entries
        .iter()
        .filter(|e| e.workflow == "rotation")
        .map(|e| e.planned.local(ZONE).format("%H:%M").to_string())
        .collect();
    assert_eq!(rotation, BTreeSet::from(["08:30".to_owned()]));
}

#[test]
fn a_month_that_begins_with_a_database_is_what_the_engine_does_after_its_start() {
    let mut world = World::sample("2026-11-22T10:00:00+01:00").with(beffroi::sample::PLUGINS);
    world.install("rotation");
    world.advance("2d");
    let wish = Wish { feeds: Some(Origin::Recorded), ..wish("2026-11-24T18:00:00+01:00", 14) };
    // The engine ends, and eight hours later another one starts.
    let config = world.path("beffroi.toml");
    let database = world.database();
    let past = world.deliveries().len();
    world.restart("8h");
    let copy = tempfile::tempdir().expect("a temporary folder");
    let world_now = world.on().clock.now();
    assert_eq!(world_now, at("2026-11-24T18:00:00+01:00"));
    // Nothing has been done since the start but taking over what was open; the copy is of before that.
    beffroi::store::copy(&database, &copy.path().join(COPY)).expect("copied");
    let loaded = config::load(&config, &base()).expect("sound");
    let before = std::fs::read(&database).expect("the database");
    let simulated = simulate::run(&config, base(), loaded, &wish, (Past::Resting, copy.path()), Timestamp::EPOCH);
    let simulated = simulated.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(std::fs::read(&database).expect("the database"), before, "the database was touched");
    assert!(past > 0 && simulated.span.before.values().any(|times| !times.is_empty()), "nothing happened before");
    let vitrine = simulated.span.entries.iter().filter(|e| e.workflow == "vitrine").count();
    assert!(vitrine > 0, "the workflow that is a plugin did nothing");
    same(&foreseen(&simulated), &lived(&mut world, &wish, simulated.span.to));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let world = World::sample("2026-12-01T00:00:00+01:00");
    let config = world.path("beffroi.toml");
    let documents = |seed: u64| {
        let simulated = simulated(&config, &Wish { seed, ..wish("2026-12-01", 16) });
        let page = show::page(&simulated).expect("a page");
        [show::text(&simulated, 100), show::json(&simulated), show::ics(&simulated), page]
    };
    let (first, again, other) = (documents(4), documents(4), documents(5));
    for ((one, same), another) in first.iter().zip(&again).zip(&other) {
        let differs = one.lines().zip(same.lines()).find(|(a, b)| a != b);
        assert!(one == same, "{differs:?}");
        assert!(one != another, "another seed gives the same");
        let folder = world.path("").display().to_string();
        assert!(!one.contains(folder.trim_end_matches('/')) && !one.contains("/tmp"), "a document names the folder");
    }
}

/// Every file below a folder with its bytes.
fn all(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(all(&path));
        } else {
            out.insert(path.display().to_string(), std::fs::read(&path).expect("readable"));
        }
    }
    out
}

#[test]
fn a_simulation_writes_nothing_into_the_instance() {
    let mut world = World::sample("2026-12-01T00:00:00+01:00");
    let config = world.path("beffroi.toml");
    let before = all(&world.path(""));
    simulated(&config, &wish("2026-12-01", 10));
    assert_eq!(all(&world.path("")), before, "with nothing before it");
    world.advance("1d");
    world.restart("0s");
    let folder = world.path("");
    let before = all(&folder);
    // While an engine holds it, the file is not copied behind its back.
    let copy = tempfile::tempdir().expect("a temporary folder");
    let loaded = config::load(&config, &base()).expect("sound");
    let refused = simulate::copy_resting(&loaded.store, copy.path()).expect_err("an engine works on it");
    assert!(refused.contains("--socket"), "{refused}");
    assert_eq!(all(&folder), before);
}

#[test]
fn what_happened_before_is_taken_over_and_cannot_be_lived_again() {
    let mut world = World::new().account().workflow(
        "daily",
        "schedule = \"0 10 * * *\"\nmissed = \"all\"\nwindow = \"3d\"",
        "posts::plan(#{ account: \"facebook\", text: `${run::due()}`, expires: \"10d\" });\n",
    );
    world.advance("3d");
    let later = world.on().clock.now();
    let config = world.path("beffroi.toml");
    let database = world.database();
    let copy = tempfile::tempdir().expect("a temporary folder");
    beffroi::store::copy(&database, &copy.path().join(COPY)).expect("copied");
    let loaded = || config::load(&config, &base()).expect("sound");
    let run = |past, wish: &Wish| simulate::run(&config, base(), loaded(), wish, (past, copy.path()), later);
    let early = run(Past::Running, &wish("2026-01-02", 5)).expect_err("that is over");
    assert!(early.contains("2026-01-03 10:00") && early.contains("Leave --from out"), "{early}");
    // A daemon that runs goes on running until the span begins; one that rests is started then, and catches up.
    let running = run(Past::Running, &wish("2026-01-07", 2)).expect("simulated");
    let online: Vec<String> = running.span.entries.iter().map(|e| e.at().rfc3339(ZONE)).collect();
    assert_eq!(online, ["2026-01-07T10:00:00+01:00", "2026-01-08T10:00:00+01:00"]);
    assert_eq!(running.span.before["facebook"].len(), 6, "three that were, and three until the span begins");
    let resting = run(Past::Resting, &wish("2026-01-07", 2)).expect("simulated");
    let online: Vec<String> = resting.span.entries.iter().map(|e| e.at().rfc3339(ZONE)).collect();
    assert_eq!(online.len(), 5, "{online:?}");
    assert_eq!(online.iter().filter(|at| at.starts_with("2026-01-07T00:00")).count(), 3, "{online:?}");
}

#[test]
fn drafts_are_answered_as_was_said() {
    let world = World::new().account().workflow(
        "draft",
        "schedule = \"0 15 * * 1\"",
        "posts::plan(#{ account: \"facebook\", text: \"A draft.\", draft: true, expires: \"20h\" });\n",
    );
    let config = world.file("beffroi.toml", &configuration(&world));
    let states = |approvals| {
        let simulated = simulated(&config, &Wish { approvals, ..wish("2026-01-05", 7) });
        let entry = &simulated.span.entries[0];
        (entry.state.clone(), entry.at().local(ZONE).format("%d %H:%M").to_string())
    };
    let hours = |h: u64| Approvals::After(Duration::from_secs(h * 3_600));
    assert_eq!(states(Approvals::Always), ("online".into(), "05 15:00".into()));
    assert_eq!(states(Approvals::default()), ("online".into(), "05 17:00".into()));
    assert_eq!(states(hours(6)), ("online".into(), "06 08:00".into()));
    assert_eq!(states(hours(30)), ("cancelled".into(), "05 15:00".into()));
    assert_eq!(states(Approvals::Never), ("cancelled".into(), "05 15:00".into()));
}

/// A world's configuration, which it keeps to itself until its engine starts.
fn configuration(world: &World) -> String {
    let mut workflows = String::new();
    for file in world.files("scripts", ".rhai") {
        let name = file.trim_end_matches(".rhai");
        let schedule = if name == "draft" { "0 15 * * 1" } else { "0 9 * * *" };
        workflows.push_str(&format!("\n[workflows.{name}]\nscript = \"{file}\"\nschedule = \"{schedule}\"\n"));
    }
    format!("{}{ACCOUNT}{workflows}", beffroi_tests::HEAD)
}

#[test]
fn the_world_outside_is_not_asked_and_a_workflow_sees_it_as_down() {
    let world = World::new().workflow("ask", "", "http::get(\"https://example.org/today.json\");\n");
    let config = world.file("beffroi.toml", &configuration(&world));
    let simulated = simulated(&config, &wish("2026-01-05", 3));
    let failed: Vec<&str> =
        simulated.findings.iter().filter(|f| f.about == About::Workflow).map(|f| f.sentence.as_str()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains("\"ask\" fails, 3\u{a0}times") && failed[0].contains("example.org was not called"), "{failed:?}");
}

#[test]
fn a_page_that_a_run_has_read_is_read_as_it_last_was() {
    let ask = "let page = http::get(\"https://example.org/today.json\");\n\
        posts::plan(#{ account: \"facebook\", text: `${page.status} ${page.headers[\"x-day\"]}: ${page.body}`, expires: \"10h\" });\n\
        http::get(`https://example.org/never-read/${run::due()}`);\n";
    let mut world = World::new().account().workflow("ask", "schedule = \"0 9 * * *\"\nretries = 0", ask);
    for word in ["rain", "sun"] {
        let headers = vec![("x-day".to_owned(), "today".to_owned())];
        // A long page is kept apart from the journal.
        let body = format!("{word} {}", "all day ".repeat(400)).into_bytes();
        world.on().network.answer("GET https://example.org/today.json", Ok(Response { status: 200, headers, body }));
    }
    world.advance("2d");
    let now = world.on().clock.now();
    let copy = tempfile::tempdir().expect("a temporary folder");
    beffroi::store::copy(&world.database(), &copy.path().join(COPY)).expect("copied");
    let config = world.path("beffroi.toml");
    let simulated = || {
        let loaded = config::load(&config, &base()).expect("sound");
        simulate::run(&config, base(), loaded, &wish("2026-01-10", 1), (Past::Resting, copy.path()), now).expect("simulated")
    };
    let down = simulated();
    assert!(down.span.entries.is_empty());
    let failed = down.findings.iter().find(|f| f.about == About::Workflow).expect("the other page was never read");
    assert!(failed.sentence.contains("example.org was not called"), "{}", failed.sentence);
    world.file("scripts/ask.rhai", &ask.lines().take(2).collect::<Vec<_>>().join("\n"));
    let simulated = simulated();
    let texts: Vec<&str> = simulated.span.entries.iter().map(|e| e.text.as_str()).collect();
    assert!(texts.len() == 1 && texts[0].starts_with("200 today: sun all day"), "{texts:?}");
    assert_eq!(simulated.assumed.pages, 1);
    assert!(show::text(&simulated, 200).contains("1\u{a0}page that scripts read: as they last were."));
}

#[test]
fn a_spacing_that_is_too_wide_for_the_ceiling_is_found_before_it_stops_the_account() {
    let world = World::new().workflow(
        "often",
        "",
        "for n in 0..3 { posts::plan(#{ account: \"facebook\", text: `${run::due()} ${n}`, expires: \"1d\" }); }\n",
    );
    let text = configuration(&world).replace("per_day = 1000", "per_day = 2");
    let config = world.file("beffroi.toml", &text);
    let simulated = simulated(&config, &wish("2026-01-05", 3));
    let breach = simulated.findings.iter().find(|f| f.about == About::Breach).expect("the ceiling is reached");
    assert!(breach.sentence.contains("the ceiling of 2 per day is reached"), "{}", breach.sentence);
    assert_eq!(breach.account.as_deref(), Some("facebook"));
}

#[test]
fn wrong_wishes_are_refused_with_what_to_write() {
    let now = at("2026-12-01T10:00:00+01:00");
    let refused = |from: Option<&str>, days| {
        simulate::span(&Wish { from: from.map(str::to_owned), days, ..Wish::default() }, now, ZONE).expect_err("refused")
    };
    assert!(refused(Some("yesterday"), 31).contains("--from 2026-12-01"));
    assert!(refused(None, 0).contains("--days 31") && refused(None, 367).contains("366"));
    assert!(refused(Some("9999-12-30"), 31).contains("century"));
    let span = simulate::span(&wish("2026-10-25", 1), now, ZONE).expect("a day of twenty-five hours");
    assert_eq!(span.1.since(span.0), Duration::from_secs(25 * 3_600));
    let missing = Wish { stock: Some("nowhere.csv".into()), ..wish("2026-12-01", 1) };
    let world = World::sample("2026-12-01T00:00:00+01:00");
    let loaded = config::load(&world.path("beffroi.toml"), &base()).expect("sound");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let past = (Past::None, folder.path());
    let said = simulate::run(&world.path("beffroi.toml"), base(), loaded, &missing, past, now).expect_err("no such file");
    assert!(said.contains("nowhere.csv") && said.contains("--stock"), "{said}");
}

#[test]
fn levels_from_a_file_decide_over_the_offers() {
    let world = World::sample("2026-12-01T00:00:00+01:00");
    let file = world.path("levels.csv");
    std::fs::write(&file, "sku,date,available\nVIE-006,2026-12-01,0\nTAR-001,2026-12-01,9\n").expect("written");
    let simulated = simulated(&world.path("beffroi.toml"), &Wish { stock: Some(file), ..wish("2026-12-01", 5) });
    let offers = |word: &str| -> Vec<&Entry> {
        let of = |e: &&Entry| e.workflow == "promotions" && e.target == "google" && e.text.contains(word);
        simulated.span.entries.iter().filter(of).collect()
    };
    assert!(offers("croissants").iter().all(|e| e.state == "cancelled") && offers("croissants").len() == 5);
    assert!(offers("Tarte").iter().all(|e| e.state == "online") && offers("Tarte").len() == 5);
}

/// A calendar file taken apart by the book: components with their properties, each name, parameters and value.
fn parsed(ics: &str) -> Vec<Vec<(String, String)>> {
    assert!(ics.ends_with("\r\n") && !ics.replace("\r\n", "").contains(['\r', '\n']), "lines end with CRLF and nothing else");
    let physical: Vec<&str> = ics.trim_end_matches("\r\n").split("\r\n").collect();
    assert!(physical.iter().all(|line| line.len() <= 75), "a line is longer than 75 octets");
    let mut lines: Vec<String> = Vec::new();
    for line in physical {
        match (line.strip_prefix(' '), lines.last_mut()) {
            (Some(rest), Some(before)) => before.push_str(rest),
            _ => lines.push(line.to_owned()),
        }
    }
    let mut events = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line} is no content line"));
        match name {
            "BEGIN" => {
                open.push(value.to_owned());
                if value == "VEVENT" {
                    events.push(Vec::new());
                }
            }
            "END" => assert_eq!(open.pop().as_deref(), Some(value)),
            _ if open.last().is_some_and(|c| c == "VEVENT") => {
                let event: &mut Vec<(String, String)> = events.last_mut().expect("an event is open");
                event.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }
    assert!(open.is_empty());
    events
}

/// A text value as it was meant.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(c @ ('\\' | ';' | ',')) => out.push(c),
                other => panic!("\\{other:?} is no escape"),
            },
            (';' | ',', _) => panic!("a bare {letter} in {text}"),
            _ => out.push(letter),
        }
    }
    out
}

#[test]
fn the_calendar_file_is_one_by_the_book_and_says_what_the_json_says() {
    let world = World::new().workflow(
        "odd",
        "",
        "posts::plan(#{ account: \"facebook\", text: `Pain; brioche, \\ et « œufs »\nà 2,40 € ${run::due()} 🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖🥖`, link: \"https://shop.example/a,b;c\", expires: \"1d\" });\n",
    );
    let config = world.file("beffroi.toml", &configuration(&world));
    let simulated = simulated(&config, &wish("2026-03-27", 4));
    let events = parsed(&show::ics(&simulated));
    assert_eq!(events.len(), 4);
    let value = |event: &[(String, String)], name: &str| {
        let found: Vec<&str> = event.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(found.len(), 1, "{name} in {event:?}");
        found[0].to_owned()
    };
    let starts: Vec<String> = events.iter().map(|e| value(e, "DTSTART")).collect();
    // Nine in the morning is an hour earlier in UTC once summer time begins, on the 29th.
    assert_eq!(starts, ["20260327T080000Z", "20260328T080000Z", "20260329T070000Z", "20260330T070000Z"]);
    let ids: BTreeSet<String> = events.iter().map(|e| value(e, "UID")).collect();
    assert_eq!(ids.len(), 4);
    let json: Json = serde_json::from_str(&show::json(&simulated)).expect("JSON");
    for (event, day) in events.iter().zip(json["days"].as_array().expect("days")) {
        let entry = &day["entries"][0];
        let text = entry["text"].as_str().expect("a text");
        assert!(unescaped(&value(event, "DESCRIPTION")).starts_with(text), "{event:?}");
        assert!(
            unescaped(&value(event, "SUMMARY")).starts_with("facebook · Pain; brioche, \\ et « œufs » à 2,40 €"),
            "{event:?}"
        );
        assert_eq!(value(event, "URL"), "https://shop.example/a,b;c");
        assert_eq!((value(event, "DTSTAMP"), value(event, "STATUS")), ("20260326T230000Z".into(), "CONFIRMED".into()));
        assert_eq!(at(entry["at"].as_str().expect("a time")).utc().format("%Y%m%dT%H%M%SZ").to_string(), value(event, "DTSTART"));
    }
    let next = parsed(&show::ics(&simulated_again(&config)));
    assert!(next.iter().all(|e| ids.contains(&value(e, "UID")) || value(e, "DTSTART").starts_with("20260331")), "names change");
}

fn simulated_again(config: &Path) -> Simulated {
    simulated(config, &wish("2026-03-28", 4))
}

#[test]
fn the_json_document_has_its_version_and_everything_once() {
    let world = World::sample("2026-12-01T00:00:00+01:00");
    let simulated = simulated(&world.path("beffroi.toml"), &wish("2026-12-01", 10));
    let json: Json = serde_json::from_str(&show::json(&simulated)).expect("JSON");
    assert_eq!((&json["version"], &json["zone"], &json["seed"]), (&1.into(), &"Europe/Paris".into(), &1.into()));
    assert_eq!((&json["from"], &json["to"]), (&"2026-12-01T00:00:00+01:00".into(), &"2026-12-11T00:00:00+01:00".into()));
    assert_eq!(json["days"].as_array().map(Vec::len), Some(10));
    let entries: usize = json["days"].as_array().expect("days").iter().map(|d| d["entries"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(entries, simulated.span.entries.len());
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(simulated.findings.len()));
    assert!(json["occurrences"]["due"].as_i64() > Some(800), "{}", json["occurrences"]);
    assert_eq!(
        (&json["feeds"]["ville"], &json["stock"]["caisse"], &json["approvals"]),
        (&"generated".into(), &"curve".into(), &"after:2h".into())
    );
}

#[test]
fn the_page_needs_nothing_else_and_trusts_no_text() {
    let world = World::new().workflow(
        "hostile",
        "",
        "posts::plan(#{ account: \"facebook\", text: \"<script>alert(1)</script> & \\\"quotes\\\"\", why: [\"<img src=x>\"], link: \"https://a.example/?a=1&b=2\", expires: \"1d\", once: `${run::due()}` });\n",
    );
    let config = world.file("beffroi.toml", &configuration(&world));
    let page = show::page(&simulated(&config, &wish("2026-01-05", 3))).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for word in ["<script", "<img", "<link", "@import", "url(", "javascript:"] {
        assert!(!page.contains(word), "{word} is in the page");
    }
    assert!(
        page.contains("&lt;script&gt;alert(1)") && page.contains("prefers-color-scheme: dark") && page.contains("@media print")
    );
    assert!(page.contains("width=device-width"));
}

#[test]
fn the_text_keeps_to_the_width() {
    let world = World::sample("2026-12-01T00:00:00+01:00");
    let simulated = simulated(&world.path("beffroi.toml"), &wish("2026-12-01", 6));
    for width in [60, 100, 140] {
        let text = show::text(&simulated, width);
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > width).collect();
        assert!(long.is_empty(), "{long:?}");
        assert!(text.contains("mardi 1er\u{a0}décembre") && text.contains("À regarder"));
    }
}
