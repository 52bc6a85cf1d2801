//! Why a post is where it is: where it comes from, what decided it, what it met on its way, what the network said.
//!
//! In: a delivery or a post. Out: its standing in one sentence, the first thing that stood in its way, and the chain.
//! Never: says of a post more than its rows do.

use super::super::words::{self, first_words};
use super::super::{Refusal, outbox, shown, unreadable};
use super::{Asking, Chain};
use crate::craft::show;
use crate::domain::{DeliveryId, Json, Money, PostId, Timestamp};
use crate::effects::{Guards, OnFail};
use crate::store::because;
use crate::store::view::{self, DeliveryRow};
use std::time::Duration;

/// A post that left this much later than planned was held up by something.
const HELD_UP: Duration = Duration::from_secs(60);

impl Asking<'_> {
    pub(super) fn delivery(&self, id: DeliveryId) -> Result<Json, Refusal> {
        let row = view::delivery(&self.reader, id).map_err(unreadable)?;
        let row = row.ok_or_else(|| Refusal::missing(format!("There is no delivery {id}. 'beffroi posts' lists the latest.")))?;
        let mut chain = Chain::default();
        self.origin(&row, &mut chain)?;
        for (what, lines) in self.way(&row)? {
            chain.add(what, &lines);
        }
        let mut whole = chain.answer(&id.to_string(), "delivery", &self.standing(&row));
        whole["delivery"] = shown::delivery(&row, self.instance.business.zone);
        Ok(whole)
    }

    pub(super) fn post(&self, id: PostId) -> Result<Json, Refusal> {
        let rows = view::deliveries_of(&self.reader, id).map_err(unreadable)?;
        let Some(first) = rows.first() else {
            return Err(Refusal::missing(format!("There is no post {id}. 'beffroi posts' lists the latest.")));
        };
        let mut chain = Chain::default();
        self.origin(first, &mut chain)?;
        for row in &rows {
            chain.add(&format!("{} → {}", row.id, row.target), &self.lines_of(row)?);
        }
        let answer: Vec<String> = rows.iter().map(|row| self.standing(row)).collect();
        Ok(chain.answer(&id.to_string(), "post", &answer.join("\n")))
    }

    /// One sentence about where a delivery stands, and a second one about what stood in its way first.
    pub(super) fn standing(&self, row: &DeliveryRow) -> String {
        let (id, target) = (row.id, &row.target);
        let reason = words::happened(row.reason.as_deref().unwrap_or_default(), self.language);
        let reason = reason.trim_end_matches('.');
        let first = self.first_obstacle(row);
        if let Some(recalled) = outbox::standing(row, self.language, |at| self.when(at)) {
            return recalled;
        }
        if row.state == "online" {
            let at = row.settled_at.map(|at| self.when(at)).unwrap_or_default();
            let online =
                self.pick(format!("{id} est en ligne sur {target}, {at}."), format!("{id} is online on {target}, {at}."));
            let late = row.settled_at.is_some_and(|at| at.since(row.due) > HELD_UP);
            return match first.filter(|_| late) {
                Some((at, text)) => {
                    let at = self.when(at);
                    self.pick(format!("{online} Retenu d'abord {at} : {text}."), format!("{online} First held up {at}: {text}."))
                }
                None => online,
            };
        }
        let state = words::state(&row.state, self.language);
        let ends = if reason.is_empty() || reason == state {
            String::new()
        } else {
            self.pick(format!(" : {reason}"), format!(": {reason}"))
        };
        let stands = self.pick(
            format!("{id} n'est pas en ligne sur {target} ({state}){ends}."),
            format!("{id} is not online on {target} ({state}){ends}."),
        );
        match first.filter(|(_, text)| !reason.contains(text.as_str()) && !text.contains(reason)) {
            Some((at, text)) => {
                let at = self.when(at);
                self.pick(format!("{stands} D'abord, {at} : {text}."), format!("{stands} First, {at}: {text}."))
            }
            None => stands,
        }
    }

    /// The first thing that stood in a delivery's way: when, and what.
    fn first_obstacle(&self, row: &DeliveryRow) -> Option<(Timestamp, String)> {
        let history = view::delivery_history(&self.reader, row.id).ok()?;
        let yes = history.iter().position(|(.., text)| text.starts_with("approved by "));
        // A yes that came in time held nothing up.
        let from = yes.filter(|at| history[*at].0 <= row.due.plus(HELD_UP)).map_or(0, |at| at + 1);
        let stood = |(at, state, text): (Timestamp, String, String)| {
            let yes = text.starts_with("approved by ");
            let stands = matches!(state.as_str(), "held" | "retrying" | "unknown" | "refused" | "cancelled" | "dead") && !yes;
            stands.then(|| (at, words::happened(&text, self.language).trim_end_matches('.').to_owned()))
        };
        history.into_iter().skip(from).find_map(stood)
    }

    /// Where it comes from: the workflow, its run, the reasons.
    pub(super) fn origin(&self, row: &DeliveryRow, chain: &mut Chain) -> Result<(), Refusal> {
        let run = view::run(&self.reader, row.run).map_err(unreadable)?;
        let more = because::occurrence(&self.reader, row.run).map_err(unreadable)?;
        chain.add(self.pick("Programme", "Workflow"), &self.rule(&row.workflow, more.as_ref()));
        if let (Some(run), Some(more)) = (run, more) {
            let mut lines = self.due_lines(&run.row, &more);
            lines.extend(run.row.line.as_deref().map(|line| first_words(line, 120)));
            chain.add(self.pick("Passage", "Run"), &lines);
        }
        chain.add(self.pick("Ce qui l'a décidé", "What decided it"), &self.reasons(row));
        Ok(())
    }

    /// What the workflow gave as its reasons, and what the post came from.
    pub(super) fn reasons(&self, row: &DeliveryRow) -> Vec<String> {
        let mut reasons = row.why.clone();
        if let Some(item) = &row.item {
            reasons.push(self.pick(format!("contenu {item}"), format!("content {item}")));
        }
        if let Some(theme) = &row.theme {
            reasons.push(self.pick(format!("thème {theme}"), format!("theme {theme}")));
        }
        if let Some(once) = &row.once {
            reasons.push(self.pick(format!("une seule fois pour {once}"), format!("only once for {once}")));
        }
        reasons
    }

    /// The way of one of several deliveries, as lines.
    pub(super) fn lines_of(&self, row: &DeliveryRow) -> Result<Vec<String>, Refusal> {
        let mut lines = Vec::new();
        for (what, said) in self.way(row)? {
            match said.as_slice() {
                [one] => lines.push(self.pick(format!("{what} : {one}"), format!("{what}: {one}"))),
                several => {
                    lines.push(self.pick(format!("{what} :"), format!("{what}:")));
                    lines.extend(several.iter().map(|line| format!("  {line}")));
                }
            }
        }
        Ok(lines)
    }

    /// What it meets on its way: conditions, the yes, its window, what happened, the proof. What has no lines is left out.
    pub(super) fn way(&self, row: &DeliveryRow) -> Result<Vec<(&'static str, Vec<String>)>, Refusal> {
        let by = row.approved_by.as_deref().unwrap_or_default();
        let approval = match row.approval.as_str() {
            "needed" => self.pick(
                format!("il faut un oui : beffroi approve {}", row.id),
                format!("it needs a yes: beffroi approve {}", row.id),
            ),
            "given" => self.pick(format!("oui de {by}, à ce texte exactement"), format!("yes by {by}, to exactly this text")),
            "refused" => self.pick("non", "no").to_owned(),
            _ => self.pick("pas nécessaire pour ce message", "not needed for this post").to_owned(),
        };
        let due = self.when(row.due);
        let window = match row.until.map(|end| self.when(end)) {
            Some(end) => self.pick(format!("pas avant {due}, pas après {end}"), format!("not before {due}, not after {end}")),
            None => self.pick(format!("pas avant {due}"), format!("not before {due}")),
        };
        let mut way = vec![
            (self.pick("Conditions à l'envoi", "Conditions when it is sent"), self.guards(row)),
            (self.pick("Accord", "Approval"), if row.kind == "post" { vec![approval] } else { Vec::new() }),
            (self.pick("Moment", "Moment"), vec![window]),
            (self.pick("Ce qui s'est passé", "What happened"), self.history(row.id)?),
            (self.pick("Preuve", "Proof"), row.url.as_ref().or(row.remote_id.as_ref()).cloned().into_iter().collect()),
        ];
        way.extend(outbox::around(&self.reader, row, self.language, |at| self.when(at))?);
        way.retain(|(_, lines)| !lines.is_empty());
        Ok(way)
    }

    fn history(&self, id: DeliveryId) -> Result<Vec<String>, Refusal> {
        let mut lines: Vec<String> = Vec::new();
        let mut before = String::new();
        for (at, state, text) in view::delivery_history(&self.reader, id).map_err(unreadable)? {
            let state = words::state(&state, self.language);
            let text = words::happened(&text, self.language);
            // The reason often begins with the state itself, and a first look repeats what was planned.
            let said = match text.strip_prefix(state) {
                Some("") => state.to_owned(),
                Some(rest) => format!("{state}{rest}"),
                None if text.is_empty() => state.to_owned(),
                None => self.pick(format!("{state} : {text}"), format!("{state}: {text}")),
            };
            if said != before {
                lines.push(format!("{}  {}", self.when(at), first_words(&said, 160)));
            }
            before = said;
        }
        Ok(lines)
    }

    fn guards(&self, row: &DeliveryRow) -> Vec<String> {
        let Some(guards) = row.guards.clone().and_then(|json| serde_json::from_value::<Guards>(json).ok()) else {
            return Vec::new();
        };
        let sku = &guards.sku;
        let mut lines = vec![self.pick(
            format!("au moins {} {sku} en stock", guards.at_least),
            format!("at least {} of {sku} in stock", guards.at_least),
        )];
        if let Some(minor) = guards.price {
            let price = Money { minor, currency: self.instance.business.currency }.show(self.language);
            lines.push(self.pick(format!("prix toujours à {price}"), format!("price still {price}")));
        }
        if let Some(age) = guards.max_age.and_then(|ms| u64::try_from(ms).ok()) {
            let age = show::span(Duration::from_millis(age), self.language);
            lines.push(self.pick(format!("stock connu depuis moins de {age}"), format!("stock known for less than {age}")));
        }
        lines.push(
            match guards.on_fail {
                OnFail::Hold => self.pick("sinon il attend", "else it waits"),
                OnFail::Drop => self.pick("sinon il est annulé", "else it is cancelled"),
                OnFail::Swap => self.pick("sinon un autre prend sa place", "else another one takes its place"),
            }
            .to_owned(),
        );
        lines
    }
}
