//! The days ahead, lived in advance: the whole instance with its real engine, on a clock that runs ahead, in an imagined world.
//!
//! In: a configuration, a copy of the database or none, a span, a seed. Out: the calendar of the span and what deserves a look in it.
//! Never: writes to the instance, sends anything, or asks anybody. The same inputs and seed give the same bytes.

pub mod feeds;
mod owner;
pub mod show;
pub mod stock;
pub mod world;

pub use owner::Approvals;

use crate::adapters::library::LibraryItem;
use crate::clock::Clock;
use crate::config::{Base, Loaded};
use crate::craft::calendar::{self, Account, Ended, Entry, Finding, Guard, Kind, Rules, Shelved, Span};
use crate::daemon::Engine;
use crate::domain::{Json, Timestamp, Zone};
use crate::effects::{Guards, OnFail};
use crate::instance::{Account as Presence, Instance};
use crate::kinds::{Call, Keep};
use crate::plugin::install;
use crate::rehearsal::Rehearsal;
use crate::run::replay;
use crate::run::script::on_stack;
use crate::store::calendar as rows;
use crate::store::view::{self, DeliveryRow};
use chrono::{Days, NaiveDate};
use feeds::Origin;
use owner::Owner;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stock::{Curve, Levels, Unread, instant};
use world::{Remembered, Sample, Taken, Told};

/// The longest span.
pub const MOST_DAYS: u32 = 366;
/// Pages are remembered from so many runs before.
const TOLD_LATELY: u32 = 1_000;
/// The rhythm of an account is read from so many days before.
const BEFORE: Duration = Duration::from_secs(60 * 86_400);

/// What is to be simulated.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The first day or moment, as it was typed; now when left out.
    pub from: Option<String>,
    /// How many days.
    pub days: u32,
    /// What all chance is drawn from.
    pub seed: u64,
    /// How drafts are answered.
    pub approvals: Approvals,
    /// Where the feeds' future comes from; where each can best be had when left out.
    pub feeds: Option<Origin>,
    /// A file of stock levels.
    pub stock: Option<PathBuf>,
}

/// What the database is that a simulation begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// Nothing has happened yet.
    None,
    /// A copy of the database of a daemon that runs: it goes on running until the span begins.
    Running,
    /// A copy of the database of a daemon that does not run: it is started when the span begins.
    Resting,
}

/// The name of the copy in the private folder of a simulation.
pub const COPY: &str = "beffroi.db";

/// What came out.
#[derive(Debug)]
pub struct Simulated {
    /// The calendar.
    pub span: Span,
    /// What deserves a look.
    pub findings: Vec<Finding>,
    /// The business's name.
    pub business: String,
    /// What was assumed.
    pub assumed: Assumed,
    /// How many due instants the span has, and how many of them ran.
    pub occurrences: (i64, i64),
}

/// What a simulation takes for given.
#[derive(Debug)]
pub struct Assumed {
    /// The seed.
    pub seed: u64,
    /// How drafts are answered.
    pub approvals: Approvals,
    /// Where each feed's future comes from.
    pub feeds: BTreeMap<String, Origin>,
    /// What each catalog's stock goes by: a word.
    pub stock: BTreeMap<String, &'static str>,
    /// How many pages scripts read as they last were.
    pub pages: usize,
    /// What it began with.
    pub past: Past,
}

/// A span of whole days from a day or moment on.
///
/// # Errors
/// A sentence that says what to write.
pub fn span(wish: &Wish, now: Timestamp, zone: Zone) -> Result<(Timestamp, Timestamp), String> {
    let from = match &wish.from {
        Some(text) => stock::moment(text.trim(), zone).ok_or_else(|| {
            format!("\"{text}\" is no day. Write --from 2026-12-01, or a moment such as 2026-12-01T09:00:00+01:00.")
        })?,
        None => now,
    };
    if wish.days == 0 || wish.days > MOST_DAYS {
        return Err(format!("A simulation is 1 to {MOST_DAYS} days long, not {}. Write for example --days 31.", wish.days));
    }
    let end = from.local(zone).naive_local().checked_add_days(Days::new(u64::from(wish.days)));
    let to = end.map(|end| instant(zone, end)).filter(|to| *to > from && *to < Timestamp::NEVER);
    to.map(|to| (from, to)).ok_or_else(|| "That lies too far ahead. Write a day of this century after --from.".into())
}

/// Simulates. `folder` is private to this simulation, and holds the copy of the database ([`COPY`]) unless the past is empty.
///
/// # Errors
/// Sentences: what people wrote is wrong, or the database does not fit the span.
pub fn run(
    config: &Path,
    base: Base,
    loaded: Loaded,
    wish: &Wish,
    past: (Past, &Path),
    now: Timestamp,
) -> Result<Simulated, String> {
    // Scripts need more of a stack than a thread has by itself.
    on_stack("simulation", || live(config, base, loaded, wish, past, now))
        .map_err(|e| format!("The machine gives no more threads ({e}). Stop something else, then try again."))?
        .unwrap_or_else(|_| Err("The simulation broke down. This is a defect; please report it.".into()))
}

fn live(
    config: &Path,
    base: Base,
    loaded: Loaded,
    wish: &Wish,
    (past, folder): (Past, &Path),
    now: Timestamp,
) -> Result<Simulated, String> {
    let zone = loaded.instance.business.zone;
    let (from, to) = span(wish, now, zone)?;
    let levels = match &wish.stock {
        Some(file) => {
            let cannot = |e| format!("The file {} cannot be read: {e}. Check the path after --stock.", file.display());
            Levels::parse(&std::fs::read_to_string(file).map_err(cannot)?, zone)
                .map_err(|e| format!("{}: {e}", file.display()))?
        }
        None => Levels::default(),
    };
    let begin = begin(&past, folder, from, zone)?;
    if past != Past::None {
        copy_plugins(&install::folder(&loaded.store), &install::folder(&folder.join(COPY)))?;
    }
    let mut imagined = Loaded { store: folder.join(COPY), ..loaded };
    // Nobody replays what was only imagined.
    imagined.instance.limits.journal_size = 0;
    let network = Arc::new(Remembered::default());
    let rehearsal = Rehearsal::imagine(config, base, imagined, begin, network, wish.seed).map_err(|e| e.to_string())?;
    let pages = rehearsal.engine.store.read().and_then(|db| replay::pages(&db, TOLD_LATELY)).map_err(|e| e.to_string())?;
    let remembered = pages.len();
    rehearsal.network.learn(pages);
    let (feeds, stock) = imagine_world(&rehearsal.engine, (begin, to), wish, &levels)?;
    let mut owner = Owner::new(wish.approvals);
    pass(&rehearsal, &mut owner, to)?;
    let (span, occurrences) = read(&rehearsal.engine, &owner, from, to).map_err(|e| e.to_string())?;
    let findings = calendar::findings(&span, &Rules::default());
    let business = rehearsal.engine.current.get().business.name.clone();
    let assumed = Assumed { seed: wish.seed, approvals: wish.approvals, feeds, stock, pages: remembered, past };
    Ok(Simulated { span, findings, business, assumed, occurrences })
}

/// When the clock starts: with a daemon that runs, at the last moment its database knows of; else when the span begins.
fn begin(past: &Past, folder: &Path, from: Timestamp, zone: Zone) -> Result<Timestamp, String> {
    if *past == Past::None {
        return Ok(from);
    }
    let last = rows::last_moment(&folder.join(COPY)).map_err(|e| e.to_string())?;
    if from < last {
        let last = last.local(zone).format("%Y-%m-%d %H:%M");
        return Err(format!(
            "What happened up to {last} stands in the database; a simulation begins after it. Leave --from out, or name a later day."
        ));
    }
    Ok(if *past == Past::Running && last > Timestamp::EPOCH { last } else { from })
}

/// Copies a database that nobody writes to, with what its last writer left beside it.
///
/// # Errors
/// A sentence: a daemon holds it, or it cannot be read.
pub fn copy_resting(database: &Path, folder: &Path) -> Result<(), String> {
    let beside = |ending: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    if let Ok(lock) = std::fs::File::open(beside("-lock"))
        && matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
    {
        return Err(format!(
            "A Beffroi works on {} and does not answer. Name its socket with --socket, or stop it first.",
            database.display()
        ));
    }
    for ending in ["", "-wal"] {
        let (from, to) = (beside(ending), folder.join(format!("{COPY}{ending}")));
        if from.exists() {
            std::fs::copy(&from, &to).map_err(|e| {
                format!("The database {} cannot be copied: {e}. Use sudo, or name another place with --state.", from.display())
            })?;
        }
    }
    Ok(())
}

/// Copies the packages of plugins and what they were compiled to.
fn copy_plugins(from: &Path, to: &Path) -> Result<(), String> {
    let Ok(list) = std::fs::read_dir(from) else { return Ok(()) };
    let cannot =
        |e: std::io::Error| format!("The plugins in {} cannot be copied: {e}. Use sudo, or check the disk.", from.display());
    std::fs::create_dir_all(to).map_err(cannot)?;
    for entry in list.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy_plugins(&source, &target)?,
            Ok(kind) if kind.is_file() => drop(std::fs::copy(&source, &target).map_err(cannot)?),
            _ => {}
        }
    }
    Ok(())
}

/// Where each feed's future comes from, and what each catalog's stock goes by.
type Origins = (BTreeMap<String, Origin>, BTreeMap<String, &'static str>);

/// Puts the imagined world in the place of the real one.
fn imagine_world(engine: &Engine, (begin, to): (Timestamp, Timestamp), wish: &Wish, levels: &Levels) -> Result<Origins, String> {
    let instance = engine.current.get();
    let zone = instance.business.zone;
    for (name, account) in &instance.accounts {
        let real = engine.adapters.channel(&instance, account);
        engine.adapters.install_channel(name.clone(), Arc::new(Taken(real)));
    }
    for name in instance.people.keys() {
        engine.adapters.install_notifier(name.clone(), Arc::new(Told));
    }
    for name in instance.generators.keys() {
        engine.adapters.install_generator(name.clone(), Arc::new(Sample(name.as_str().to_owned())));
    }
    let remembered = engine.store.read().and_then(|db| view::signals_since(&db, Timestamp::EPOCH)).map_err(|e| e.to_string())?;
    let mut future = feeds::foresee(&instance, &remembered, (begin, to), wish.seed, wish.feeds);
    let mut origins = BTreeMap::new();
    for name in instance.feeds.keys() {
        if let Some((origin, feed)) = future.remove(name.as_str()) {
            origins.insert(name.as_str().to_owned(), origin);
            engine.adapters.install_source(name.clone(), Arc::new(feed));
        }
    }
    let mut stock = BTreeMap::new();
    for (name, config) in &instance.catalogs {
        let keep = Keep::default();
        let (attempt, time, language) = (1, Duration::from_secs(60), instance.business.language);
        let call =
            Call { id: "simulation", attempt, time, keep: &keep, now: begin, network: &Remembered::default(), zone, language };
        let present = engine.adapters.stock(config, &call);
        let word = match (&present, wish.stock.is_some()) {
            (Ok(_), false) => "curve",
            (Ok(_), true) => "file and curve",
            (Err(_), true) => "file",
            (Err(_), false) => "unknown",
        };
        stock.insert(name.as_str().to_owned(), word);
        match present {
            Err(why) if wish.stock.is_none() => engine.adapters.install_catalog(name.clone(), Arc::new(Unread(why))),
            present => {
                let items = present.map(|stock| stock.items.clone()).unwrap_or_default();
                let curve = Curve::new(items, begin, zone, wish.seed, levels.clone());
                engine.adapters.install_catalog(name.clone(), Arc::new(curve));
            }
        }
    }
    // Figures were read when the engine started; their files stay as they are from here on.
    engine.current.set(Instance { metrics: Vec::new(), ..(*instance).clone() });
    Ok((origins, stock))
}

/// Lets time pass up to a moment, which is not reached, with the owner's answers in between.
fn pass(rehearsal: &Rehearsal<Remembered>, owner: &mut Owner, end: Timestamp) -> Result<(), String> {
    loop {
        let next = rehearsal.settle()?;
        if owner.turn(&rehearsal.engine)? {
            continue;
        }
        let now = rehearsal.clock.now();
        match [next, owner.next()].into_iter().flatten().min() {
            Some(at) if at < end => rehearsal.clock.set(at.max(now.plus(Duration::from_millis(1)))),
            _ => return Ok(()),
        }
    }
}

/// Reads the span off the store.
fn read(engine: &Engine, owner: &Owner, from: Timestamp, to: Timestamp) -> rusqlite::Result<(Span, (i64, i64))> {
    let instance = engine.current.get();
    let db = engine.store.read()?;
    let mut entries = Vec::new();
    for row in rows::deliveries_between(&db, from, to)? {
        let history = view::delivery_history(&db, row.id)?;
        let given = owner.given(row.id);
        entries.push(entry(row, history, given));
    }
    let mut before: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for (account, at) in rows::posted_between(&db, from.minus(BEFORE), from)? {
        before.entry(account).or_default().push(at);
    }
    let mut accounts = Vec::new();
    let mut uses: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for account in instance.accounts.values() {
        let name = account.name.as_str();
        let stopped = view::breaker(&db, name)?.and_then(|(reason, at)| reason.map(|reason| (reason, at)));
        let (spacing, hours) = (account.ceilings.spacing, account.hours.clone());
        accounts.push(Account { name: name.to_owned(), spacing, hours, stopped });
        for (item, _, count) in view::item_uses(&db, name)? {
            uses.entry(item).or_default().insert(name.to_owned(), count);
        }
    }
    let ended = rows::fates_between(&db, from, to)?
        .into_iter()
        .map(|(workflow, fate, count, first, reason)| Ended { workflow, fate, count, first, reason })
        .collect();
    let (zone, language) = (instance.business.zone, instance.business.language);
    let days: Vec<NaiveDate> = from.day(zone).iter_days().take_while(|day| *day <= to.day(zone)).collect();
    let library = instance.library.iter().flat_map(|config| {
        let (library, _) = engine.adapters.library(config);
        let shelved = |item: &LibraryItem| shelved(item, &instance, &days, uses.remove(&item.id).unwrap_or_default());
        library.items.iter().map(shelved).collect::<Vec<_>>()
    });
    let library = library.collect();
    let frozen = view::freeze(&db)?;
    let occurrences = rows::occurrences_between(&db, from, to)?;
    Ok((Span { from, to, zone, language, accounts, entries, before, ended, library, frozen }, occurrences))
}

fn entry(row: DeliveryRow, history: Vec<(Timestamp, String, String)>, approved: Option<Timestamp>) -> Entry {
    let text = |key: &str| row.content.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let notice = row.kind == "notice";
    let guards = row.guards.clone().and_then(|guards| serde_json::from_value::<Guards>(guards).ok());
    // That it is online is told by its state, and where by nobody: it is nowhere.
    let reason = row.reason.filter(|_| row.state != "online").unwrap_or_default();
    Entry {
        id: row.id.to_string(),
        kind: if notice { Kind::Notice } else { Kind::Post },
        text: text(if notice { "title" } else { "text" }),
        format: text(if notice { "kind" } else { "format" }),
        link: Some(text("link")).filter(|link| !link.is_empty()),
        reason,
        target: row.target,
        workflow: row.workflow,
        planned: row.created,
        wanted: row.due,
        until: row.until,
        left: row.armed_at.filter(|_| row.state == "online"),
        ended: row.settled_at,
        state: row.state,
        item: row.item,
        theme: row.theme,
        why: row.why,
        approval: row.approval,
        approved,
        guard: guards.map(|g| if g.on_fail == OnFail::Drop { Guard::Drops } else { Guard::Holds }),
        waits: history
            .into_iter()
            .filter(|(_, state, text)| matches!(state.as_str(), "held" | "due" | "retrying") && text != "planned")
            .map(|(at, _, text)| (at, text))
            .collect(),
    }
}

/// An item with the accounts that could take it on some day of the span.
fn shelved(item: &LibraryItem, instance: &Instance, days: &[NaiveDate], uses: BTreeMap<String, u32>) -> Shelved {
    let some_day = days.iter().any(|day| {
        item.valid_from.is_none_or(|first| first <= *day)
            && item.valid_until.is_none_or(|last| *day <= last)
            && item.season.as_ref().is_none_or(|season| season.contains(*day))
    });
    let suits = |account: &&Presence| {
        let listed = |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
        listed(&item.accounts, account.name.as_str())
            && listed(&item.networks, &account.network)
            && (account.formats.is_empty() || item.formats.iter().any(|format| account.formats.contains(format)))
    };
    let fits = instance.accounts.values().filter(suits).filter(|_| some_day && item.weight > 0.0);
    Shelved {
        id: item.id.clone(),
        title: item.title.clone(),
        fits: fits.map(|account| account.name.as_str().to_owned()).collect(),
        max_uses: item.max_uses,
        uses,
    }
}
