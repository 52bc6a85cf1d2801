//! Once a day: has every due instant its row and its fate?
//!
//! In: the clock and the ledger. Out: the count, kept; when it does not come out even, a notice to everybody, once a day.
//! Never: mends the ledger, or holds up whoever writes it.

use super::audit::{Audit, adrift, audit};
use crate::clock::{Clock, Turn};
use crate::domain::{Language, RunId, Timestamp};
use crate::effects::PlannedNotice;
use crate::instance::{Current, Instance};
use crate::kinds::Notice;
use crate::pulse::Pulse;
use crate::store::ledger::{self, CheckRow};
use crate::store::{Change, CommitError, Op, Reader, Store};
use std::sync::Arc;
use std::time::Duration;

/// From one count to the next.
const EVERY: Duration = Duration::from_secs(86_400);
/// So much of what was counted is counted again: what was open then has its fate now.
const OVERLAP: Duration = Duration::from_secs(86_400);
/// After a start: what it makes up for comes first.
const AT_FIRST: Duration = Duration::from_secs(60);

/// Counts the ledger. One per daemon.
pub struct Auditor {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    current: Arc<Current>,
    pulse: Arc<Pulse>,
    started: Timestamp,
    next: Option<Timestamp>,
}

impl Auditor {
    /// An auditor that counts when a day has gone by since the last count, in this process or before.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, current: Arc<Current>, pulse: Arc<Pulse>) -> Self {
        let started = clock.now();
        Self { store, clock, current, pulse, started, next: None }
    }

    /// Counts, if it is time. `plan` brings the ledger up to now first.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn turn(&mut self, plan: impl FnOnce() -> Result<Turn, CommitError>) -> Result<Turn, CommitError> {
        let now = self.clock.now();
        let next = match self.next {
            // A clock that went back must not put it off for years.
            Some(next) if next.since(now) <= EVERY => next,
            _ => {
                let last = ledger::last_check(&*self.store.read()?)?.map(|(check, _)| check.at);
                let soon = self.started.min(now).plus(AT_FIRST);
                last.map(|at| at.plus(EVERY)).filter(|at| at.since(now) <= EVERY).map_or(soon, |at| at.max(soon))
            }
        };
        self.next = Some(next);
        if now < next {
            return Ok(Turn::Idle(Some(next)));
        }
        plan()?;
        let instance = self.current.get();
        let (found, fresh) = self.count(&instance, now)?;
        let row = CheckRow {
            at: now,
            since: found.from,
            until: found.to,
            expected: found.expected,
            fresh,
            found: found.found,
            missing: found.missing.count,
            extra: found.extra.count,
            without_fate: found.without_fate.count,
            doubled: found.doubled.count,
            unknown: u64::try_from(found.unknown.len()).unwrap_or(u64::MAX),
        };
        let mut ops = vec![Op::LedgerCounted(row)];
        if found.holds() {
            tracing::debug!("the ledger holds: {} due times, each with its row", found.expected);
        } else {
            tracing::error!("{}", sentence(&found, Language::En));
            ops.extend(alarms(&instance, &found, now));
        }
        self.store.commit(Change::new(now, ops))?;
        if !found.holds() {
            self.pulse.outbox.ring();
            self.pulse.tell("ledger", now, "broken", sentence(&found, instance.business.language));
        }
        self.next = Some(now.plus(EVERY));
        Ok(Turn::Idle(self.next))
    }

    fn count(&self, instance: &Instance, now: Timestamp) -> Result<(Audit, u64), CommitError> {
        let reader = self.store.read().and_then(Reader::snapshot)?;
        let counted = ledger::last_check(&reader)?.map_or(Timestamp::EPOCH, |(check, _)| check.until.min(now));
        let fresh = audit(&reader, counted, now)?;
        let new = fresh.expected;
        let mut whole = audit(&reader, counted.minus(OVERLAP), counted)?.and(fresh);
        whole.unknown.extend(adrift(&reader, instance)?);
        whole.unknown.sort();
        whole.unknown.dedup();
        Ok((whole, new))
    }
}

/// What a count that does not come out even says, in one sentence.
pub fn sentence(found: &Audit, language: Language) -> String {
    let mut parts = Vec::new();
    let mut say = |count: u64, fr: (&str, &str), en: (&str, &str)| {
        if count > 0 {
            let (one, many) = language.pick(fr, en);
            parts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    };
    say(
        found.missing.count,
        ("échéance sans ligne", "échéances sans ligne"),
        ("due time without a row", "due times without a row"),
    );
    say(
        found.doubled.count,
        ("échéance notée deux fois", "échéances notées deux fois"),
        ("due time with two rows", "due times with two rows"),
    );
    say(
        found.without_fate.count,
        ("échéance ouverte sans que rien ne tourne", "échéances ouvertes sans que rien ne tourne"),
        ("due time left open while nothing runs", "due times left open while nothing runs"),
    );
    say(
        found.extra.count,
        ("ligne sans échéance", "lignes sans échéance"),
        ("row that was never due", "rows that were never due"),
    );
    let unknown = u64::try_from(found.unknown.len()).unwrap_or(u64::MAX);
    say(
        unknown,
        ("programme dont l'historique ne suit pas la configuration", "programmes dont l'historique ne suit pas la configuration"),
        ("workflow whose history does not follow the configuration", "workflows whose history does not follow the configuration"),
    );
    let (expected, parts) = (found.expected, parts.join(", "));
    language.pick(
        format!("Le registre des échéances ne tombe pas juste : sur {expected} échéances, {parts}."),
        format!("The ledger of due times does not come out even: of {expected} due times, {parts}."),
    )
}

/// The first few, for people: workflow and time.
pub fn examples(found: &Audit, zone: crate::domain::Zone) -> Vec<String> {
    let sorts = [&found.missing, &found.doubled, &found.without_fate, &found.extra];
    let shown = |e: &super::audit::Example| {
        let many = if e.count > 1 { format!(" (×{})", e.count) } else { String::new() };
        format!("{} {}{many}", e.workflow, e.due.local(zone).format("%Y-%m-%d %H:%M:%S"))
    };
    let mut lines: Vec<String> = sorts.into_iter().flat_map(|found| found.examples.iter().take(5).map(shown)).collect();
    lines.extend(found.unknown.iter().take(5).cloned());
    lines
}

fn alarms(instance: &Instance, found: &Audit, now: Timestamp) -> Vec<Op> {
    let zone = instance.business.zone;
    let lines = examples(found, zone).join("\n");
    let notice = |person: &crate::instance::Person| {
        let language = person.language;
        let title =
            language.pick("Le registre des échéances ne tombe pas juste", "The ledger of due times does not come out even");
        let what = sentence(found, language);
        let text = language.pick(
            format!(
                "{what}\n\n{lines}\n\nCe qui est noté ici n'a peut-être pas été fait. Regardez de plus près : beffroi doctor\n"
            ),
            format!("{what}\n\n{lines}\n\nWhat is listed here may not have been done. Look closer: beffroi doctor\n"),
        );
        let notice = Notice { kind: "alert".into(), title: title.into(), text, html: None };
        // At most once a day, whatever happens in between.
        let once = Some(format!("ledger/{}", now.day(zone)));
        PlannedNotice { to: person.name.clone(), once, notice }.into_op(RunId(0), now)
    };
    instance.people.values().map(notice).collect()
}
