//! What must hold when all is over, asked of the database and of the outside, which must tell the same story.
//!
//! In: the engine at rest, the record of the outside, and what people were told on the way. Out: every broken promise.
//! Never: changes anything.

use super::firm::{Firm, PERSON, Program};
use super::story::{Edit, Told};
use super::world::{Kept, Outside};
use beffroi::daemon::Engine;
use beffroi::domain::{Digest, Timestamp};
use beffroi::schedule::cron::Schedule;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// After a start: the file is whole.
pub(super) fn whole(engine: &Engine, outside: &Outside) {
    let verdict = engine.store.read().and_then(|db| db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)));
    match verdict {
        Ok(verdict) if verdict == "ok" => {}
        Ok(verdict) => outside.breaks(format!("the database is damaged: {verdict}")),
        Err(_) if outside.disk.is_off() => {}
        Err(error) => outside.breaks(format!("the database cannot be checked: {error}")),
    }
}

struct Check<'a> {
    db: &'a Connection,
    firm: &'a Firm,
    outside: &'a Outside,
    told: &'a Told,
}

struct Delivery {
    id: i64,
    kind: String,
    target: String,
    state: String,
    reason: String,
    approval: String,
    due: i64,
    until: Option<i64>,
    armed: bool,
    sealed: bool,
}

/// All of it.
pub(super) fn everything(engine: &Engine, firm: &Firm, outside: &Outside, told: &Told) {
    let reader = match engine.store.read() {
        Ok(reader) => reader,
        Err(error) => return outside.breaks(format!("the database cannot be read in peace: {error}")),
    };
    whole(engine, outside);
    let check = Check { db: &reader, firm, outside, told };
    let done = check
        .occurrences()
        .and_then(|()| check.counts())
        .and_then(|()| check.ledger())
        .and_then(|()| check.deliveries())
        .and_then(|()| check.posts_and_notices())
        .and_then(|()| check.orders())
        .and_then(|()| check.witnessed());
    if let Err(error) = done {
        outside.breaks(format!("a question could not be asked: {error}"));
    }
}

type Done = rusqlite::Result<()>;

impl Check<'_> {
    fn breaks(&self, rule: String) {
        self.outside.breaks(rule);
    }

    fn rows<T>(&self, sql: &str, read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<Vec<T>> {
        self.db.prepare(sql)?.query_map([], read)?.collect()
    }

    /// No row may answer this question; each that does is told.
    fn none(&self, what: &str, sql: &str) -> Done {
        for row in self.rows(sql, |row| row.get::<_, String>(0))? {
            self.breaks(format!("{what}: {row}"));
        }
        Ok(())
    }

    fn number(&self, sql: &str) -> rusqlite::Result<i64> {
        self.db.query_row(sql, [], |row| row.get(0))
    }

    /// 0 silent, for runs.
    fn occurrences(&self) -> Done {
        self.none("an occurrence is open in peace", "SELECT 'r' || id || ' ' || workflow FROM occurrence WHERE fate IS NULL")?;
        self.none(
            "a fate without a reason",
            "SELECT 'r' || id || ' ' || fate FROM occurrence WHERE fate <> 'ran' AND coalesce(reason, '') = ''",
        )?;
        self.none(
            "fate and run disagree",
            "SELECT 'r' || o.id || ' ' || o.fate || ', ' || coalesce(r.state, 'no run') FROM occurrence o LEFT JOIN run r ON r.id = o.id
             WHERE (o.fate = 'ran') <> (coalesce(r.state, '') = 'done') OR (o.fate = 'failed') <> (coalesce(r.state, '') = 'failed')
                OR coalesce(r.state, '') IN ('running', 'waiting')",
        )?;
        self.none("a run without an occurrence", "SELECT 'r' || id FROM run WHERE id NOT IN (SELECT id FROM occurrence)")?;
        self.none(
            "it was said to run for another, and did not end by running or with a reason of its own",
            "SELECT 'r' || o.id FROM occurrence o LEFT JOIN occurrence i ON i.id = o.into_id WHERE o.fate = 'coalesced' AND i.fate IS NULL",
        )?;
        for id in &self.told.promised {
            if self.number(&format!("SELECT count(*) FROM occurrence WHERE id = {} AND kind = 'hand'", id.0))? != 1 {
                self.breaks(format!("{id} was promised, and is gone"));
            }
        }
        let listened = self.number("SELECT count(*) FROM occurrence WHERE kind = 'event' AND workflow = 'listener'")?;
        let emitted = self.number("SELECT count(*) FROM event WHERE name = 'ordered'")?;
        if listened != emitted {
            self.breaks(format!("{emitted} events were emitted, and {listened} runs answered to them"));
        }
        Ok(())
    }

    /// Counts on shared keys are the runs that ran.
    fn counts(&self) -> Done {
        let mut sum = 0;
        for Program { name, .. } in &self.firm.programs {
            let ran = self.number(&format!("SELECT count(*) FROM occurrence WHERE workflow = '{name}' AND fate = 'ran'"))?;
            let counted = self
                .number(&format!("SELECT coalesce((SELECT CAST(value AS INTEGER) FROM state WHERE key = 'count/{name}'), 0)"))?;
            if ran != counted {
                self.breaks(format!("{name} ran {ran} times and counted {counted}"));
            }
            sum += ran;
        }
        let counted = self.number("SELECT coalesce((SELECT CAST(value AS INTEGER) FROM state WHERE key = 'count'), 0)")?;
        if sum != counted {
            self.breaks(format!("{sum} runs counted {counted} on the shared key"));
        }
        Ok(())
    }

    /// The ledger is complete: what the schedules name, once each, and nothing else.
    fn ledger(&self) -> Done {
        for program in self.firm.programs.iter().filter(|p| self.firm.scheduled(p, 0).is_some()) {
            let (must, may) = self.expected(program);
            let mut found = BTreeSet::new();
            let rows = self.rows(
                &format!(
                    "SELECT id, due, last_due, count, schedule FROM occurrence WHERE kind = 'schedule' AND workflow = '{}'",
                    program.name
                ),
                |row| {
                    let schedule: String = row.get(4)?;
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, Option<i64>>(2)?,
                        row.get::<_, i64>(3)?,
                        schedule,
                    ))
                },
            )?;
            for (id, due, last, count, schedule) in rows {
                let mut stands_for = vec![due];
                if let Some(last) = last.filter(|_| count > 1) {
                    let schedule =
                        (0..2).filter_map(|e| self.firm.scheduled(program, e)).find(|s| schedule.starts_with(s.text()));
                    let Some(schedule) = schedule else {
                        self.breaks(format!("r{id} of {} has a schedule nobody wrote", program.name));
                        continue;
                    };
                    stands_for = schedule.between(before(due), Timestamp::from_millis(last)).map(Timestamp::millis).collect();
                    if stands_for.len() != usize::try_from(count).unwrap_or(0) {
                        self.breaks(format!(
                            "r{id} of {} stands for {} instants and says {count}",
                            program.name,
                            stands_for.len()
                        ));
                    }
                }
                for due in stands_for {
                    if !found.insert(due) {
                        self.breaks(format!("{} has two rows for {}", program.name, shown(due)));
                    }
                    if !may.contains(&due) {
                        self.breaks(format!("{} has a row for {}, which no schedule names", program.name, shown(due)));
                    }
                }
            }
            for due in must.difference(&found) {
                self.breaks(format!("{} has no row for {}", program.name, shown(*due)));
            }
        }
        Ok(())
    }

    /// Instants that must have a row, and those that may have one: the same but for the moments around an edit.
    fn expected(&self, program: &Program) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
        let edits = &self.told.edits;
        let furthest = self.told.furthest;
        let (mut surely, mut perhaps) = (Timestamp::NEVER, Timestamp::NEVER);
        for (at, edit) in edits.iter().enumerate() {
            let Some(schedule) = self.firm.scheduled(program, edit.number) else { continue };
            let same = |other: &Edit| self.firm.scheduled(program, other.number).is_some_and(|s| s.text() == schedule.text());
            // As long as the schedule stays the same, there is no edit as far as the ledger goes.
            if at == 0 || !same(&edits[at - 1]) {
                (surely, perhaps) = (Timestamp::NEVER, Timestamp::NEVER);
            }
            surely = surely.min(edit.surely.unwrap_or(furthest));
            perhaps = perhaps.min(edit.perhaps);
            let next = edits.get(at + 1);
            must.extend(between(&schedule, surely, next.map_or(self.told.rested_until, |next| next.perhaps)));
            let settled = edits[at + 1..].iter().find_map(|later| later.settled);
            may.extend(between(&schedule, perhaps, settled.unwrap_or(furthest)));
        }
        // While the same schedule goes on over several edits, all of it must be there.
        let all_same = edits.iter().all(|edit| {
            self.firm.scheduled(program, edit.number).map(|s| s.text().to_owned())
                == self.firm.scheduled(program, 0).map(|s| s.text().to_owned())
        });
        if let Some(schedule) = self.firm.scheduled(program, 0).filter(|_| all_same) {
            must = between(&schedule, edits[0].written, self.told.rested_until).collect();
            may = between(&schedule, edits[0].written, self.told.furthest).collect();
        }
        may.extend(self.firm.scheduled(program, 0).iter().flat_map(|s| between(s, self.told.earliest, edits[0].written)));
        (must, may)
    }

    /// 0 lost, 0 doubled, 0 silent.
    fn deliveries(&self) -> Done {
        let rows = self.rows(
            "SELECT id, kind, target, state, coalesce(reason, ''), approval, due, until, armed_at IS NOT NULL,
                 approval = 'none' OR (approval = 'given' AND approved_seal = seal) FROM delivery",
            |row| {
                Ok(Delivery {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    target: row.get(2)?,
                    state: row.get(3)?,
                    reason: row.get(4)?,
                    approval: row.get(5)?,
                    due: row.get(6)?,
                    until: row.get(7)?,
                    armed: row.get(8)?,
                    sealed: row.get(9)?,
                })
            },
        )?;
        let kept = self.outside.kept();
        let mut known = BTreeSet::new();
        for delivery in &rows {
            let key = (delivery.target.clone(), format!("d{}", delivery.id));
            self.delivery(delivery, kept.get(&key).unwrap_or(&Kept::default()));
            known.insert(key);
        }
        for (target, key) in kept.keys().filter(|key| !known.contains(*key)) {
            self.breaks(format!("{key} went to {target}, and the database does not know it"));
        }
        // One text, one place: whatever the key was. Only an alert says the same every time.
        let mut texts = BTreeSet::new();
        for ((target, key), kept) in kept.iter().filter(|(_, kept)| !kept.copies.is_empty() && kept.text.starts_with('r')) {
            if !texts.insert((target, &kept.text)) {
                self.breaks(format!("\"{}\" is on {target} twice, the second time as {key}", kept.text));
            }
        }
        for id in &self.told.approved {
            let found = rows.iter().find(|d| d.id == id.0);
            if found.is_none_or(|d| d.approval != "given") {
                self.breaks(format!("{id} got its yes, and it is lost"));
            }
        }
        Ok(())
    }

    fn delivery(&self, delivery: &Delivery, kept: &Kept) {
        let Delivery { id, kind, target, state, reason, .. } = delivery;
        let what = format!("d{id} ({kind} to {target})");
        let copies = kept.copies.len();
        if reason.is_empty() {
            self.breaks(format!("{what} is {state} without a reason"));
        }
        if delivery.armed && !delivery.sealed {
            self.breaks(format!("{what} was armed without its seal"));
        }
        if kept.calls > 0 && !delivery.armed {
            self.breaks(format!("{what} was sent and never armed"));
        }
        match state.as_str() {
            "online" if copies == 0 => self.breaks(format!("{what} is lost: it is said to be online and is not ({reason})")),
            "online" => {}
            "refused" if !kept.refused => self.breaks(format!("{what} is refused, and nobody refused it ({reason})")),
            "refused" | "cancelled" if copies > 0 => self.breaks(format!("{what} is {state} and online all the same ({reason})")),
            "refused" => {}
            "cancelled" => {
                let window = reason.contains("window") && delivery.until.is_some_and(|until| until > delivery.due);
                let no = delivery.approval == "refused";
                if !(window || no) {
                    self.breaks(format!("{what} is cancelled for no good reason ({reason})"));
                }
            }
            _ => self.breaks(format!("{what} is {state} after days of peace ({reason}); {copies} copies are there")),
        }
    }

    /// A run plans what it says it plans, once; a run that did not run plans nothing.
    fn posts_and_notices(&self) -> Done {
        self.none(
            "what a run planned is not what is there",
            "SELECT 'r' || r.id || ' says ' || coalesce(r.value, 'nothing') || ', there are ' || (SELECT count(*) FROM delivery d WHERE d.run = r.id AND d.kind = 'post')
             FROM run r WHERE r.state = 'done'
                AND CAST(coalesce(r.value, '0') AS INTEGER) <> (SELECT count(*) FROM delivery d WHERE d.run = r.id AND d.kind = 'post')",
        )?;
        self.none(
            "a run that did not run planned something",
            "SELECT 'd' || d.id FROM delivery d LEFT JOIN run r ON r.id = d.run WHERE coalesce(r.state, '') <> 'done'
                AND NOT (d.kind = 'notice' AND r.state = 'failed')",
        )?;
        self.none(
            "a run of the listener tells its person once",
            &format!(
                "SELECT 'r' || o.id FROM occurrence o WHERE o.workflow = 'listener' AND o.fate = 'ran'
                    AND (SELECT count(*) FROM delivery d WHERE d.run = o.id AND d.kind = 'notice' AND d.target = '{PERSON}' AND d.once = 'r' || o.id) <> 1"
            ),
        )
    }

    /// What a step asked of the shop was taken, once, under one key.
    fn orders(&self) -> Done {
        let orders = self.outside.orders();
        let ran = self.rows(
            "SELECT id FROM occurrence o WHERE workflow = 'orders' AND fate = 'ran' AND EXISTS (SELECT 1 FROM event e WHERE e.run = o.id)",
            |row| row.get::<_, i64>(0),
        )?;
        for run in ran {
            for step in ["order", "pay"] {
                if !orders.get(&format!("r{run} {step}")).is_some_and(|o| o.taken) {
                    self.breaks(format!("r{run} ran, and the shop never got its {step}"));
                }
            }
        }
        let keys: BTreeSet<&String> = orders.values().map(|o| &o.key).collect();
        if keys.len() != orders.len() {
            self.breaks("two orders went under one key".into());
        }
        Ok(())
    }

    /// What was final once is final.
    fn witnessed(&self) -> Done {
        let fates: BTreeMap<i64, String> = self
            .rows("SELECT id, coalesce(fate, 'open') FROM occurrence", |row| Ok((row.get(0)?, row.get(1)?)))?
            .into_iter()
            .collect();
        for (id, fate) in &self.told.fates {
            // A clock that was ahead may have counted an instant as missed that then comes after all.
            let undone = matches!(fate.as_str(), "missed" | "skipped" | "coalesced");
            if fates.get(id) != Some(fate) && !undone {
                self.breaks(format!("r{id} had ended as {fate}, and now it is {:?}", fates.get(id)));
            }
        }
        let ends: BTreeMap<i64, String> =
            self.rows("SELECT id, state FROM delivery", |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
        for (id, end) in &self.told.ends {
            if ends.get(id) != Some(end) {
                self.breaks(format!("d{id} had ended as {end}, and now it is {:?}", ends.get(id)));
            }
        }
        Ok(())
    }
}

fn before(due: i64) -> Timestamp {
    Timestamp::from_millis(due - 1)
}

fn between(schedule: &Schedule, after: Timestamp, until: Timestamp) -> impl Iterator<Item = i64> {
    schedule.between(after, until).map(Timestamp::millis)
}

fn shown(due: i64) -> String {
    Timestamp::from_millis(due).rfc3339("Europe/Paris".parse().expect("a zone"))
}

/// Adds what the database knows to the figures.
pub(super) fn count(engine: &Engine, outside: &Outside) {
    let Ok(reader) = engine.store.read() else { return };
    let number = |sql: &str| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0);
    for (word, sql) in [
        ("occurrences", "SELECT coalesce(sum(count), 0) FROM occurrence"),
        ("runs that ran", "SELECT count(*) FROM occurrence WHERE fate = 'ran'"),
        ("runs that failed", "SELECT count(*) FROM occurrence WHERE fate = 'failed'"),
        ("posts and notices planned", "SELECT count(*) FROM delivery"),
        ("posts and notices online", "SELECT count(*) FROM delivery WHERE state = 'online'"),
    ] {
        for _ in 0..number(sql) {
            outside.count(word);
        }
    }
}

/// Of all that the database holds and of the record of the outside, without what names this folder and this instance.
pub(super) fn digest(engine: &Engine, outside: &Outside, folder: &Path) -> String {
    let Ok(reader) = engine.store.read() else { return String::new() };
    let mut text = String::new();
    let tables: Vec<String> = reader
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
        .unwrap_or_default();
    for table in tables {
        let mut rows: Vec<String> = reader
            .prepare(&format!("SELECT * FROM {table}"))
            .and_then(|mut statement| {
                // A seal covers the folder's name where a sentence names a file.
                let columns: Vec<bool> = statement.column_names().map(|name| !name.ends_with("seal")).collect();
                statement
                    .query_map([], |row| {
                        columns.iter().enumerate().filter(|(_, told)| **told).try_fold(String::new(), |line, (at, _)| {
                            let value = match row.get_ref(at)? {
                                ValueRef::Null => "null".to_owned(),
                                ValueRef::Integer(n) => n.to_string(),
                                ValueRef::Real(n) => n.to_string(),
                                ValueRef::Text(t) => String::from_utf8_lossy(t).into_owned(),
                                ValueRef::Blob(b) => Digest::of(b).to_string(),
                            };
                            Ok(format!("{line}|{value}"))
                        })
                    })?
                    .collect()
            })
            .unwrap_or_default();
        rows.sort();
        text.push_str(&format!("{table}\n{}\n", rows.join("\n")));
    }
    let folder = folder.to_string_lossy();
    let text = text.replace(&*folder, "~").replace(engine.store.instance(), "INSTANCE");
    let outside = format!("{:?}{:?}", outside.kept(), outside.orders()).replace(engine.store.instance(), "INSTANCE");
    if let Some(to) = std::env::var_os("BEFFROI_DUMP") {
        let _ = std::fs::write(to, format!("{text}\n{outside}"));
    }
    Digest::of(format!("{text}{outside}").as_bytes()).short()
}
