//! Why a run came to what it came to, or why there was none.
//!
//! In: an occurrence. Out: one sentence, and the chain from the schedule's line to the network's answer.
//! Never: follows another workflow's runs.

use super::super::words::{self, first_words};
use super::super::{Refusal, unreadable};
use super::{Asking, Chain};
use crate::craft::show;
use crate::domain::{Json, RunId};
use crate::schedule::ledger::{described, kept};
use crate::store::because::{self, Occurrence};
use crate::store::view::{self, DeliveryRow, RunDetail, RunRow};
use crate::store::{Fate, TriggerKind, ledger};
use serde_json::json;

/// Log lines that are shown of a run.
const LINES: usize = 5;

/// What an occurrence came to.
pub(super) struct Told {
    /// In one sentence.
    pub(super) answer: String,
    /// What stood in the way, in one word for programs; `none` when nothing did.
    pub(super) obstacle: &'static str,
}

impl Told {
    pub(super) fn new(obstacle: &'static str, answer: String) -> Self {
        Self { answer, obstacle }
    }

    pub(super) fn came(&self) -> bool {
        self.obstacle == "none"
    }
}

impl Asking<'_> {
    pub(super) fn detail(&self, id: RunId) -> Result<RunDetail, Refusal> {
        let found = view::run(&self.reader, id).map_err(unreadable)?;
        found.ok_or_else(|| Refusal::missing(format!("There is no run {id}. 'beffroi runs' lists the latest.")))
    }

    pub(super) fn run(&self, id: RunId) -> Result<Json, Refusal> {
        let detail = self.detail(id)?;
        let mut chain = Chain::default();
        let told = self.occurrence(&detail, None, &mut chain)?;
        let mut said = chain.answer(&id.to_string(), "run", &told.answer);
        said["obstacle"] = json!(told.obstacle);
        Ok(said)
    }

    /// Tells an occurrence whole; of its posts only those for one account, if one is named.
    pub(super) fn occurrence(&self, run: &RunDetail, target: Option<&str>, chain: &mut Chain) -> Result<Told, Refusal> {
        let row = &run.row;
        let more = because::occurrence(&self.reader, row.run).map_err(unreadable)?;
        let more = more.ok_or_else(|| Refusal::missing(format!("There is no run {}.", row.run)))?;
        chain.add(self.pick("Programme", "Workflow"), &self.rule(&row.workflow, Some(&more)));
        chain.add(self.pick("Échéance", "Due time"), &self.due_lines(row, &more));
        let mut posts: Vec<DeliveryRow> = Vec::new();
        for post in because::posts_of(&self.reader, row.run).map_err(unreadable)? {
            posts.extend(view::deliveries_of(&self.reader, post).map_err(unreadable)?);
        }
        let mut said: Vec<String> = row.line.iter().map(|line| first_words(line, 200)).collect();
        let loud = run.log.iter().filter(|line| line.level != "debug" && Some(&line.text) != row.error.as_ref());
        let loud: Vec<String> = loud.map(|line| format!("{}  {}", self.when(line.at), first_words(&line.text, 160))).collect();
        said.extend_from_slice(&loud[loud.len().saturating_sub(LINES)..]);
        said.extend(row.error.as_deref().map(|error| first_words(error, 300)));
        chain.add(self.pick("Ce qu'il a dit", "What it said"), &said);
        posts.retain(|post| target.is_none_or(|target| post.target == target));
        let mut before = None;
        for post in &posts {
            if post.post != before {
                chain.add(self.pick("Ce qui l'a décidé", "What decided it"), &self.reasons(post));
                before = post.post;
            }
            chain.add(&format!("{} → {}", post.id, post.target), &self.lines_of(post)?);
        }
        self.told(run, &more, &posts, target)
    }

    /// The workflow with its schedule, and with the one it came from when that has changed since.
    pub(super) fn rule(&self, name: &str, more: Option<&Occurrence>) -> Vec<String> {
        let workflow = self.instance.workflows.values().find(|w| w.name.as_str() == name);
        let mut lines = vec![match workflow {
            Some(w) if !w.purpose.is_empty() => format!("{} — {}", w.name, w.purpose),
            Some(_) => name.to_owned(),
            None => self.pick(
                format!("{name}, qui n'est plus dans la configuration"),
                format!("{name}, which is no longer in the configuration"),
            ),
        }];
        lines.extend(workflow.into_iter().flat_map(|w| self.schedules(w)));
        if let Some(text) = more.and_then(|more| more.schedule.as_deref())
            && let Some(then) = kept(text).and_then(|list| list.into_iter().next())
            && !workflow.is_some_and(|w| w.schedules.iter().any(|s| **s == then))
        {
            let line = described(&then, self.language);
            lines.push(self.pick(format!("d'après l'horaire d'alors : {line}"), format!("by the schedule of then: {line}")));
        }
        lines
    }

    /// When it was due, when it began, how long it took, how it ended.
    pub(super) fn due_lines(&self, run: &RunRow, more: &Occurrence) -> Vec<String> {
        let (trigger, due) = (words::trigger(run.trigger.word(), self.language), self.when(run.due));
        let state = words::run_state(&run.state, self.language);
        let mut lines = vec![match run.last_due {
            Some(last) => {
                let (count, last) = (run.count, self.when(last));
                self.pick(
                    format!("{} : {count} échéances de {due} à {last} : {state}", run.run),
                    format!("{}: {count} due times from {due} to {last}: {state}", run.run),
                )
            }
            None => self.pick(
                format!("{} lancé {trigger}, prévu {due} : {state}", run.run),
                format!("{} started {trigger}, due {due}: {state}", run.run),
            ),
        }];
        if run.attempt <= 1 && more.start_at > run.due {
            let at = self.when(more.start_at);
            lines.push(self.pick(
                format!("décalé au hasard : pas avant {at} (jitter)"),
                format!("delayed by chance: not before {at} (jitter)"),
            ));
        }
        if let Some(started) = run.started {
            let (at, lag) = (self.when(started), started.since(run.due));
            let lag = if lag.as_secs() == 0 {
                self.pick("à l'heure", "on time").to_owned()
            } else {
                let span = show::span(lag, self.language);
                self.pick(format!("{span} après"), format!("{span} late"))
            };
            let tries = if run.attempt > 1 {
                self.pick(format!(", essai {}", run.attempt), format!(", attempt {}", run.attempt))
            } else {
                String::new()
            };
            lines.push(self.pick(format!("commencé {at} ({lag}{tries})"), format!("begun {at} ({lag}{tries})")));
        }
        if let Some(finished) = run.finished {
            let at = self.when(finished);
            lines.push(self.pick(format!("fini {at}"), format!("ended {at}")));
        }
        lines.extend(run.reason.as_deref().map(|reason| first_words(&words::said(reason, self.language), 300)));
        lines
    }

    fn told(&self, run: &RunDetail, more: &Occurrence, posts: &[DeliveryRow], target: Option<&str>) -> Result<Told, Refusal> {
        let row = &run.row;
        let (name, id, due) = (&row.workflow, row.run, self.when(row.due));
        let reason = words::said(row.reason.as_deref().unwrap_or_default(), self.language);
        let did_not = |reason: &str| match row.last_due {
            Some(last) => {
                let (count, last) = (row.count, self.when(last));
                self.pick(
                    format!("{name} n'a pas tourné, prévu {count} fois entre {due} et {last} : {reason}."),
                    format!("{name} did not run, due {count} times between {due} and {last}: {reason}."),
                )
            }
            None => self.pick(
                format!("{name} n'a pas tourné, prévu {due} : {reason}."),
                format!("{name} did not run, due {due}: {reason}."),
            ),
        };
        Ok(match row.fate {
            None => self.still_open(row, more)?,
            Some(Fate::Ran) => self.ran(run, posts, target)?,
            Some(Fate::Skipped) => {
                let raw = row.reason.as_deref().unwrap_or_default();
                let obstacle = match raw {
                    raw if raw.starts_with("paused: ") => "paused",
                    raw if raw.ends_with("was still going") => "overlap",
                    raw if raw.ends_with("or is switched off") => "off",
                    _ => "cancelled",
                };
                Told::new(obstacle, did_not(&first_words(&reason, 200)))
            }
            Some(Fate::Missed) => {
                let around = ledger::downtime(&self.reader, row.due).map_err(unreadable)?;
                let paused = row.reason.as_deref().is_some_and(|reason| reason.starts_with("paused: "));
                let there = around.filter(|_| !paused).map(|(seen, back)| {
                    let (seen, back) = (self.when(seen), self.when(back));
                    self.pick(
                        format!(" Son dernier signe de vie date de {seen}, il est revenu {back}."),
                        format!(" Its last sign of life was {seen}, it came back {back}."),
                    )
                });
                let obstacle = if paused { "paused" } else { "not-running" };
                Told::new(obstacle, format!("{}{}", did_not(&reason), there.unwrap_or_default()))
            }
            Some(Fate::Coalesced) => {
                let Some(into) = more.into else { return Ok(Told::new("coalesced", did_not(&reason))) };
                let other = self.detail(into)?;
                let mut unused = Chain::default();
                // What runs for others is never itself run for by another.
                let told = self.occurrence(&other, target, &mut unused)?;
                let first = self.pick(
                    format!("{name}, prévu {due}, a été regroupé : {into} a tourné pour lui."),
                    format!("{name}, due {due}, was taken together with others: {into} ran for it."),
                );
                Told::new(if told.came() { "none" } else { told.obstacle }, format!("{first} {}", told.answer))
            }
            Some(Fate::Held) => Told::new("held", did_not(&reason)),
            Some(Fate::Failed) => {
                let error = first_words(row.error.as_deref().or(row.reason.as_deref()).unwrap_or_default(), 240);
                let tries = if row.attempt > 1 {
                    self.pick(format!(" après {} essais", row.attempt), format!(" after {} attempts", row.attempt))
                } else {
                    String::new()
                };
                let error = error.trim_end_matches('.');
                Told::new(
                    "failed",
                    self.pick(
                        format!("{name}, prévu {due}, a échoué{tries} ({id}) : {error}."),
                        format!("{name}, due {due}, failed{tries} ({id}): {error}."),
                    ),
                )
            }
        })
    }

    fn still_open(&self, row: &RunRow, more: &Occurrence) -> Result<Told, Refusal> {
        let (name, id, due) = (&row.workflow, row.run, self.when(row.due));
        let start = self.when(more.start_at);
        if row.state == "running" {
            let since = row.started.map(|at| self.when(at)).unwrap_or_default();
            let text = self
                .pick(format!("{name} tourne depuis {since} ({id})."), format!("{name} has been running since {since} ({id})."));
            return Ok(Told::new("running", text));
        }
        if row.state == "waiting" {
            let error = first_words(row.error.as_deref().unwrap_or_default(), 200);
            let error = error.trim_end_matches('.');
            let text = self.pick(
                format!("{name}, prévu {due}, a échoué et sera réessayé {start} ({id}) : {error}."),
                format!("{name}, due {due}, failed and will be tried again {start} ({id}): {error}."),
            );
            return Ok(Told::new("failed", text));
        }
        if more.start_at > self.now && row.trigger != TriggerKind::Later {
            let text = self.pick(
                format!("{name}, prévu {due}, commencera {start} : son départ est décalé au hasard (jitter)."),
                format!("{name}, due {due}, will start {start}: its start is delayed by chance (jitter)."),
            );
            return Ok(Told::new("jitter", text));
        }
        if more.start_at > self.now {
            let text = self.pick(
                format!("{name} tournera {start} ({id}), comme il l'a demandé lui-même."),
                format!("{name} will run {start} ({id}), as it asked for itself."),
            );
            return Ok(Told::new("future", text));
        }
        if let Some(ahead) = because::open_before(&self.reader, name, id).map_err(unreadable)? {
            let text = self.pick(
                format!("{name}, prévu {due}, attend la fin de {ahead}, le passage précédent."),
                format!("{name}, due {due}, waits for the end of {ahead}, the run before it."),
            );
            return Ok(Told::new("turn", text));
        }
        Ok(if self.app.engine.board.holds(id) {
            let text = self.pick(
                format!("{name}, prévu {due}, attend son tour : assez de passages sont en cours ([limits] runs)."),
                format!("{name}, due {due}, waits for a thread: enough runs are going on ([limits] runs)."),
            );
            Told::new("turn", text)
        } else {
            let text = self.pick(
                format!("{name}, prévu {due}, est ouvert et personne ne s'en occupe. Voyez : beffroi doctor"),
                format!("{name}, due {due}, is open and nobody works on it. See: beffroi doctor"),
            );
            Told::new("forgotten", text)
        })
    }

    /// It ran: what became of what it planned.
    fn ran(&self, run: &RunDetail, posts: &[DeliveryRow], target: Option<&str>) -> Result<Told, Refusal> {
        let row = &run.row;
        let (name, id) = (&row.workflow, row.run);
        let at = self.when(row.started.unwrap_or(row.due));
        if let Some(stuck) = posts.iter().find(|post| post.state != "online") {
            let stands = self.standing(stuck);
            let text = self.pick(format!("{name} a tourné {at}, mais {stands}"), format!("{name} ran {at}, but {stands}"));
            return Ok(Told::new("delivery", text));
        }
        if let Some(post) = posts.first() {
            let more = posts.len() - 1;
            let more =
                if more > 0 { self.pick(format!(" (et {more} de plus)"), format!(" (and {more} more)")) } else { String::new() };
            let stands = self.standing(post);
            return Ok(Told::new(
                "none",
                self.pick(format!("{name} a tourné {at} : {stands}{more}"), format!("{name} ran {at}: {stands}{more}")),
            ));
        }
        let last = run.log.iter().rev().find(|line| line.level != "debug").map(|line| line.text.as_str());
        let said = row.line.as_deref().filter(|line| !line.is_empty()).or(last).map(|line| first_words(line, 160));
        let said =
            said.map(|said| self.pick(format!(" Il dit : « {said} »."), format!(" It says: \"{said}\"."))).unwrap_or_default();
        // What was posted for its key before is the usual reason for posting nothing.
        let before = because::post_before(&self.reader, name, id).map_err(unreadable)?;
        let before = match before {
            Some(post) => view::deliveries_of(&self.reader, post).map_err(unreadable)?.into_iter().next(),
            None => None,
        };
        let before = before.and_then(|row| Some((row.post?, row.once?, row.due))).map(|(post, once, due)| {
            let due = self.when(due);
            self.pick(
                format!(" Son dernier message est {post}, {due}, une seule fois pour « {once} »."),
                format!(" Its last post is {post}, {due}, only once for \"{once}\"."),
            )
        });
        let before = before.unwrap_or_default();
        let place = target.map(|target| self.pick(format!(" pour {target}"), format!(" for {target}"))).unwrap_or_default();
        let text = self.pick(
            format!("{name} a tourné {at} ({id}) et n'a prévu aucun message{place}.{said}{before}"),
            format!("{name} ran {at} ({id}) and planned no post{place}.{said}{before}"),
        );
        // Many workflows are not there to post: their end is what was wanted.
        let worked = run.effects.as_ref().and_then(Json::as_object).is_some_and(|effects| !effects.is_empty());
        Ok(Told::new(if worked && target.is_none() { "none" } else { "nothing-planned" }, text))
    }
}
