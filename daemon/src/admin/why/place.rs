//! What stands in the way of an account, and how a workflow stands.
//!
//! In: an account or a workflow of the configuration. Out: the first obstacle, what comes next, what was last, the rules.
//! Never: looks further than a few rows.

use super::super::words::{self, first_words};
use super::super::{Refusal, unreadable};
use super::{Asking, Chain};
use crate::craft::show;
use crate::delivery::opens_at;
use crate::domain::{DeliveryId, Json};
use crate::instance::{Account, Workflow};
use crate::schedule::ledger::described;
use crate::store::view::{self, DeliveryRow, RunRow};
use serde_json::json;

impl Asking<'_> {
    pub(super) fn account(&self, account: &Account) -> Result<Json, Refusal> {
        let name = account.name.as_str();
        let obstacle = self.obstacle(account)?;
        let free = obstacle.is_none();
        let answer = match obstacle {
            Some(obstacle) => {
                self.pick(format!("Rien ne part sur {name} : {obstacle}."), format!("Nothing goes out on {name}: {obstacle}."))
            }
            None => self.pick(
                format!("Rien n'arrête {name} : un message prêt part tout de suite."),
                format!("Nothing stops {name}: a post that is ready goes out at once."),
            ),
        };
        let mut chain = Chain::default();
        let next = view::open_deliveries(&self.reader, Some(name), 5).map_err(unreadable)?;
        let colon = self.pick(" :", ":");
        let line = |row: &DeliveryRow| {
            let text = row.content["text"].as_str().unwrap_or_default();
            let reason = row.reason.as_deref().map(|r| format!(" — {}", first_words(r, 80))).unwrap_or_default();
            format!(
                "{} {}, {}{colon} {}{reason}",
                row.id,
                words::state(&row.state, self.language),
                self.when(row.due),
                first_words(text, 40)
            )
        };
        let lines: Vec<String> = next.iter().map(line).collect();
        let none = vec![self.pick("aucun message", "no post").to_owned()];
        chain.add(self.pick("À venir", "Next"), if lines.is_empty() { &none } else { &lines });
        let last = view::posts(&self.reader, Some("online"), Some(name), 3).map_err(unreadable)?;
        let line = |row: &DeliveryRow| {
            let at = row.settled_at.map(|at| self.when(at)).unwrap_or_default();
            format!("{}, {at}{colon} {}", row.id, first_words(row.content["text"].as_str().unwrap_or_default(), 60))
        };
        let lines: Vec<String> = last.iter().map(line).collect();
        chain.add(self.pick("Derniers en ligne", "Last online"), if lines.is_empty() { &none } else { &lines });
        chain.add(self.pick("Règles du compte", "Rules of the account"), &self.rules(account));
        let mut said = chain.answer(name, "account", &answer);
        said["free"] = json!(free);
        Ok(said)
    }

    fn rules(&self, account: &Account) -> Vec<String> {
        let mut lines = Vec::new();
        if !account.hours.is_empty() {
            let clock = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
            let hours: Vec<String> = account.hours.iter().map(|(from, to)| format!("{}–{}", clock(*from), clock(*to))).collect();
            let hours = hours.join(", ");
            lines.push(self.pick(format!("heures : {hours}"), format!("hours: {hours}")));
        }
        let ceilings = &account.ceilings;
        if !ceilings.spacing.is_zero() {
            let span = show::span(ceilings.spacing, self.language);
            lines.push(self.pick(format!("{span} au moins entre deux messages"), format!("at least {span} between two posts")));
        }
        let most = [
            (ceilings.per_minute, self.pick("par minute", "per minute")),
            (ceilings.per_hour, self.pick("par heure", "per hour")),
            (ceilings.per_day, self.pick("par jour", "per day")),
        ];
        for (count, span) in most {
            lines.extend(count.map(|count| self.pick(format!("au plus {count} {span}"), format!("at most {count} {span}"))));
        }
        lines
    }

    /// The first thing that stands in an account's way, in the order in which the outbox asks.
    fn obstacle(&self, account: &Account) -> Result<Option<String>, Refusal> {
        let name = account.name.as_str();
        if let Some(reason) = view::freeze(&self.reader).map_err(unreadable)? {
            return Ok(Some(self.pick(
                format!("tout est gelé ({reason}) ; pour reprendre : beffroi thaw"),
                format!("everything is frozen ({reason}); to let it go on: beffroi thaw"),
            )));
        }
        let stopped = view::breakers(&self.reader).map_err(unreadable)?;
        if let Some((_, reason)) = stopped.into_iter().find(|(stopped, _)| stopped == name) {
            return Ok(Some(self.pick(
                format!("le compte est bloqué ({reason}) ; pour reprendre : beffroi thaw {name}"),
                format!("the account is stopped ({reason}); to let it go on: beffroi thaw {name}"),
            )));
        }
        if let Some(opens) = opens_at(account, self.now, self.instance.business.zone) {
            let at = self.when(opens);
            return Ok(Some(self.pick(format!("hors de ses heures, jusqu'à {at}"), format!("outside its hours, until {at}"))));
        }
        let spacing = account.ceilings.spacing;
        let armed = view::armed_since(&self.reader, name, self.now.minus(spacing), DeliveryId(0)).map_err(unreadable)?;
        Ok(armed.first().map(|last| last.plus(spacing)).filter(|free| *free > self.now).map(|free| {
            let (span, at) = (show::span(spacing, self.language), self.when(free));
            self.pick(
                format!("{span} entre deux messages, donc pas avant {at}"),
                format!("{span} between two posts, so not before {at}"),
            )
        }))
    }

    pub(super) fn workflow(&self, workflow: &Workflow) -> Result<Json, Refusal> {
        let name = workflow.name.as_str();
        let paused = self.app.engine.board.standing(&workflow.name).paused;
        let answer = match (workflow.enabled, paused, self.app.engine.next_due(&workflow.name)) {
            (false, ..) => self.pick(
                format!("{name} ne tourne pas : il est désactivé dans la configuration (enabled = false)."),
                format!("{name} does not run: it is disabled in the configuration (enabled = false)."),
            ),
            (_, Some(reason), _) => self.pick(
                format!(
                    "{name} ne tourne pas : il est en pause ({}). Pour le relancer : beffroi resume {name}",
                    words::said(&reason, self.language)
                ),
                format!("{name} does not run: it is paused ({reason}). To let it go on: beffroi resume {name}"),
            ),
            (.., Some(due)) => {
                let due = self.when(due);
                self.pick(format!("{name} tournera {due}."), format!("{name} will run {due}."))
            }
            _ if !workflow.events.is_empty() => self.pick(
                format!("{name} n'a pas d'horaire : il répond à des événements."),
                format!("{name} has no schedule: it answers events."),
            ),
            _ => self.pick(
                format!("{name} n'a pas d'horaire : il se lance à la main, avec beffroi run {name}"),
                format!("{name} has no schedule: it is run by hand, with beffroi run {name}"),
            ),
        };
        let mut chain = Chain::default();
        chain.add(self.pick("Horaire", "Schedule"), &self.schedules(workflow));
        let runs = view::runs(&self.reader, Some(name), 5).map_err(unreadable)?;
        let line = |run: &RunRow| {
            let said = [&run.line, &run.error, &run.reason].into_iter().flatten().next();
            let said = said.map(|text| format!(" — {}", first_words(&words::said(text, self.language), 80))).unwrap_or_default();
            let state = words::run_state(&run.state, self.language);
            let (trigger, due) = (words::trigger(run.trigger.word(), self.language), self.when(run.due));
            let many = if run.count > 1 { format!(" (×{})", run.count) } else { String::new() };
            format!("{} {due}, {trigger}{} {state}{many}{said}", run.run, self.pick(" :", ":"))
        };
        let lines: Vec<String> = runs.iter().map(line).collect();
        let none = vec![self.pick("jamais", "never").to_owned()];
        chain.add(self.pick("Derniers passages", "Last runs"), if lines.is_empty() { &none } else { &lines });
        Ok(chain.answer(name, "workflow", &answer))
    }

    pub(super) fn schedules(&self, workflow: &Workflow) -> Vec<String> {
        let mut lines: Vec<String> = workflow.schedules.iter().map(|s| described(s, self.language)).collect();
        if !workflow.events.is_empty() {
            let events = workflow.events.join(", ");
            lines.push(self.pick(format!("sur événement : {events}"), format!("on an event: {events}")));
        }
        lines
    }
}
