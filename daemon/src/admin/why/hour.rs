//! What was to happen at a certain time, and the first thing that stood in its way.
//!
//! In: an hour or a day, and a workflow, an account or nothing more. Out: one sentence, and the chain of what it is about.
//! Never: takes today's schedule for the one that was in force then.

use super::super::words;
use super::super::{Refusal, unreadable};
use super::moments::Meant;
use super::run::Told;
use super::{Asking, Chain};
use crate::craft::show;
use crate::domain::{Json, Timestamp};
use crate::instance::Account;
use crate::schedule::audit::due_in;
use crate::schedule::ledger::{OFF, REMOVED, described, kept};
use crate::store::view::{self, DeliveryRow};
use crate::store::{because, ledger};
use serde_json::json;
use std::time::Duration;

/// Who asks about an hour of an account, or of everything, means what was to happen in the hour that begins then.
const HOUR: Duration = Duration::from_secs(3_600);
/// Occurrences of one workflow that are looked at.
const MOST: u32 = 60;
/// Lines about the others.
const OTHERS: usize = 12;

impl Asking<'_> {
    /// Whether the ledger knows a workflow of this name, in the configuration or not.
    pub(super) fn knew(&self, name: &str) -> Result<bool, Refusal> {
        Ok(view::workflows(&self.reader).map_err(unreadable)?.iter().any(|row| row.name == name))
    }

    /// The time that is meant, for a sentence.
    fn meant(&self, meant: Meant) -> String {
        if meant.day {
            let day = meant.from.day(self.instance.business.zone);
            format!("{} {}", show::weekday(day, self.language), show::day(day, self.language))
        } else {
            self.when(meant.from)
        }
    }

    fn around(meant: Meant) -> (Timestamp, Timestamp) {
        (meant.from, if meant.day { meant.to } else { meant.from.plus(HOUR) })
    }

    pub(super) fn workflow_at(&self, name: &str, meant: Meant) -> Result<Json, Refusal> {
        let mut chain = Chain::default();
        let told = match self.came_to(name, (meant.from, meant.to), None, &mut chain)? {
            Some(told) => told,
            None => self.not_due(name, meant, &mut chain)?,
        };
        let mut said = chain.answer(name, "hour", &told.answer);
        said["obstacle"] = json!(told.obstacle);
        Ok(said)
    }

    /// What a workflow's due times in a window came to: the first that did not come off, else the first. `None` when there were none.
    fn came_to(
        &self,
        name: &str,
        (from, to): (Timestamp, Timestamp),
        target: Option<&str>,
        chain: &mut Chain,
    ) -> Result<Option<Told>, Refusal> {
        let rows = because::due_between(&self.reader, name, from, to, MOST).map_err(unreadable)?;
        let mut chosen: Option<(Told, Chain)> = None;
        let mut others = Vec::new();
        for id in rows {
            let mut own = Chain::default();
            let told = self.occurrence(&self.detail(id)?, target, &mut own)?;
            let better = chosen.as_ref().is_none_or(|(best, _)| best.came() && !told.came());
            if better {
                others.extend(chosen.replace((told, own)).map(|(told, _)| told.answer));
            } else {
                others.push(told.answer);
            }
        }
        if let Some((told, own)) = chosen {
            chain.0.extend(own.0);
            others.truncate(OTHERS);
            chain.add(self.pick("Les autres fois", "The other times"), &others);
            return Ok(Some(told));
        }
        let spans = ledger::spans(&self.reader, Some(name), from, to).map_err(unreadable)?;
        let Some(due) = due_in(&spans, from, to).and_then(|mut due| due.next()) else { return Ok(None) };
        chain.add(self.pick("Programme", "Workflow"), &self.rule(name, None));
        let at = self.when(due);
        if due <= self.now {
            let text = self.pick(
                format!("{name} était prévu {at}, et le registre n'en dit rien. Voyez : beffroi doctor"),
                format!("{name} was due {at}, and the ledger says nothing of it. See: beffroi doctor"),
            );
            return Ok(Some(Told::new("missing", text)));
        }
        let paused = self.instance.workflows.get(name).and_then(|w| self.app.engine.board.standing(&w.name).paused);
        Ok(Some(match paused {
            Some(reason) => {
                let reason = words::said(&reason, self.language);
                let text = self.pick(
                    format!("{name} est prévu {at}, mais ne tournera pas : il est en pause ({reason}). Pour le relancer : beffroi resume {name}"),
                    format!("{name} is due {at}, but will not run: it is paused ({reason}). To let it go on: beffroi resume {name}"),
                );
                Told::new("paused", text)
            }
            None => Told::new(
                "future",
                self.pick(
                    format!("{name} est prévu {at} : ce n'est pas encore l'heure."),
                    format!("{name} is due {at}: it is not time yet."),
                ),
            ),
        }))
    }

    /// Nothing was due: why not, and what was next to it.
    fn not_due(&self, name: &str, meant: Meant, chain: &mut Chain) -> Result<Told, Refusal> {
        let at = self.meant(meant);
        let just_after = meant.from.plus(Duration::from_millis(1));
        let spans = ledger::spans(&self.reader, Some(name), meant.from, just_after).map_err(unreadable)?;
        let then = spans.iter().rev().find(|span| span.since < meant.from && span.until.is_none_or(|until| until >= meant.from));
        chain.add(self.pick("Programme", "Workflow"), &self.rule(name, None));
        let before = because::last_before(&self.reader, name, meant.from).map_err(unreadable)?;
        let before = before.map(|id| self.detail(id)).transpose()?.map(|run| {
            let state = words::run_state(&run.row.state, self.language);
            format!("{} ({}, {state})", self.when(run.row.last_due.unwrap_or(run.row.due)), run.row.run)
        });
        let after = ledger::spans(&self.reader, Some(name), meant.to, Timestamp::NEVER).map_err(unreadable)?;
        let after = due_in(&after, meant.to, Timestamp::NEVER).and_then(|mut due| due.next()).map(|at| self.when(at));
        let mut near = Vec::new();
        near.extend(before.map(|text| self.pick(format!("juste avant : {text}"), format!("just before: {text}"))));
        near.extend(after.map(|text| self.pick(format!("juste après : {text}"), format!("just after: {text}"))));
        chain.add(self.pick("Autour", "Around it"), &near);
        let near = if near.is_empty() { String::new() } else { format!(" {}.", capital(&near.join(self.pick(" ; ", "; ")))) };
        let known = ledger::spans(&self.reader, Some(name), Timestamp::EPOCH, Timestamp::NEVER).map_err(unreadable)?;
        let begins = known.first().map(|span| self.when(span.known));
        Ok(match then.map(|span| span.schedule.as_str()) {
            None => {
                let begins = begins.unwrap_or_default();
                let text = self.pick(
                    format!("De {name}, rien n'est connu {at} : son histoire commence {begins}.{near}"),
                    format!("Nothing is known of {name} {at}: its history begins {begins}.{near}"),
                );
                Told::new("not-known", text)
            }
            Some(OFF) => {
                let text = self.pick(
                    format!("{name} n'a pas tourné {at} : il était désactivé (enabled = false).{near}"),
                    format!("{name} did not run {at}: it was switched off (enabled = false).{near}"),
                );
                Told::new("off", text)
            }
            Some(REMOVED) => {
                let text = self.pick(
                    format!("{name} n'a pas tourné {at} : il n'était pas dans la configuration.{near}"),
                    format!("{name} did not run {at}: it was not in the configuration.{near}"),
                );
                Told::new("off", text)
            }
            Some("") => {
                let text = self.pick(
                    format!("{name} n'était pas prévu {at} : il n'a pas d'horaire.{near}"),
                    format!("{name} was not due {at}: it has no schedule.{near}"),
                );
                Told::new("not-due", text)
            }
            Some(text) => {
                let lines: Vec<String> = kept(text).unwrap_or_default().iter().map(|s| described(s, self.language)).collect();
                let rule = lines.join(self.pick(" ; ", "; "));
                let text = self.pick(
                    format!("{name} n'était pas prévu {at}. Son horaire : {rule}.{near}"),
                    format!("{name} was not due {at}. Its schedule: {rule}.{near}"),
                );
                Told::new("not-due", text)
            }
        })
    }

    pub(super) fn account_at(&self, account: &Account, meant: Meant) -> Result<Json, Refusal> {
        let name = account.name.as_str();
        let (from, to) = Self::around(meant);
        let mut rows: Vec<DeliveryRow> = Vec::new();
        for id in because::posts_due(&self.reader, name, from, to, MOST).map_err(unreadable)? {
            rows.extend(view::delivery(&self.reader, id).map_err(unreadable)?);
        }
        let mut chain = Chain::default();
        let told = if let Some(chosen) = rows.iter().find(|row| row.state != "online").or(rows.first()) {
            self.origin(chosen, &mut chain)?;
            chain.add(&format!("{} → {name}", chosen.id), &self.lines_of(chosen)?);
            let others = rows.iter().filter(|row| row.id != chosen.id).take(OTHERS);
            let others: Vec<String> = others.map(|row| self.standing(row)).collect();
            chain.add(self.pick("Les autres messages", "The other posts"), &others);
            Told::new(if chosen.state == "online" { "none" } else { "delivery" }, self.standing(chosen))
        } else {
            self.nothing_planned(account, meant, &mut chain)?
        };
        let mut said = chain.answer(name, "hour", &told.answer);
        said["obstacle"] = json!(told.obstacle);
        Ok(said)
    }

    /// No post was planned for an account in an hour: what its workflows did then.
    fn nothing_planned(&self, account: &Account, meant: Meant, chain: &mut Chain) -> Result<Told, Refusal> {
        let name = account.name.as_str();
        let posts = |w: &crate::instance::Workflow| w.accounts.is_empty() || w.accounts.contains(&account.name);
        let candidates: Vec<String> =
            self.instance.workflows.values().filter(|w| posts(w)).map(|w| w.name.as_str().to_owned()).collect();
        if let Some(told) = self.first_of(&candidates, Self::around(meant), Some(name), chain)?.0 {
            return Ok(told);
        }
        let (before, after) = because::posts_near(&self.reader, name, meant.from).map_err(unreadable)?;
        let line = |id: Option<crate::domain::DeliveryId>| -> Result<Option<String>, Refusal> {
            let row = id.map(|id| view::delivery(&self.reader, id).map_err(unreadable)).transpose()?.flatten();
            Ok(row.map(|row| format!("{} {} ({})", row.id, self.when(row.due), words::state(&row.state, self.language))))
        };
        let mut near = Vec::new();
        near.extend(line(before)?.map(|text| self.pick(format!("juste avant : {text}"), format!("just before: {text}"))));
        near.extend(line(after)?.map(|text| self.pick(format!("juste après : {text}"), format!("just after: {text}"))));
        chain.add(self.pick("Autour", "Around it"), &near);
        let near = if near.is_empty() { String::new() } else { format!(" {}.", capital(&near.join(self.pick(" ; ", "; ")))) };
        let at = self.meant(meant);
        let text = self.pick(
            format!("Rien n'était prévu sur {name} {at} : aucun programme qui y publie n'avait d'échéance alors.{near}"),
            format!("Nothing was planned on {name} {at}: no workflow that posts there was due then.{near}"),
        );
        Ok(Told::new("not-due", text))
    }

    /// Of several workflows the first whose due times in a window did not come off, and how many came off.
    fn first_of(
        &self,
        names: &[String],
        window: (Timestamp, Timestamp),
        target: Option<&str>,
        chain: &mut Chain,
    ) -> Result<(Option<Told>, Vec<String>), Refusal> {
        let mut first: Option<(Told, Chain)> = None;
        let (mut others, mut came) = (Vec::new(), Vec::new());
        for name in names {
            let mut own = Chain::default();
            let Some(told) = self.came_to(name, window, target, &mut own)? else { continue };
            if told.came() {
                came.push(name.clone());
            }
            let better = first.as_ref().is_none_or(|(best, _)| best.came() && !told.came());
            if better {
                others.extend(first.replace((told, own)).map(|(told, _)| told.answer));
            } else {
                others.push(told.answer);
            }
        }
        let Some((told, own)) = first else { return Ok((None, came)) };
        chain.0.extend(own.0);
        others.truncate(OTHERS);
        chain.add(self.pick("Les autres programmes", "The other workflows"), &others);
        Ok((Some(told), came))
    }

    pub(super) fn everything_at(&self, meant: Meant) -> Result<Json, Refusal> {
        let names: Vec<String> = view::workflows(&self.reader).map_err(unreadable)?.into_iter().map(|row| row.name).collect();
        let window = Self::around(meant);
        let mut chain = Chain::default();
        let (first, came) = self.first_of(&names, window, None, &mut chain)?;
        let at = self.meant(meant);
        let told = match first {
            Some(told) if told.came() => {
                let list = show::list(&came, self.language);
                let text = self.pick(
                    format!("Tout ce qui était prévu {at} a eu lieu : {list}. {}", told.answer),
                    format!("Everything that was due {at} took place: {list}. {}", told.answer),
                );
                Told::new("none", text)
            }
            Some(told) => told,
            None => {
                let mut next: Option<(Timestamp, &String)> = None;
                for name in &names {
                    let spans = ledger::spans(&self.reader, Some(name), window.1, Timestamp::NEVER).map_err(unreadable)?;
                    let due = due_in(&spans, window.1, Timestamp::NEVER).and_then(|mut due| due.next());
                    next = [next, due.map(|at| (at, name))].into_iter().flatten().min();
                }
                let after = next.map(|(at, name)| {
                    let at = self.when(at);
                    self.pick(format!(" Juste après : {name}, {at}."), format!(" Just after: {name}, {at}."))
                });
                let after = after.unwrap_or_default();
                let text = self.pick(
                    format!("Rien n'était prévu {at} : aucun programme n'avait d'échéance alors.{after}"),
                    format!("Nothing was due {at}: no workflow had a due time then.{after}"),
                );
                Told::new("not-due", text)
            }
        };
        let mut said = chain.answer(&at, "hour", &told.answer);
        said["obstacle"] = json!(told.obstacle);
        Ok(said)
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}
