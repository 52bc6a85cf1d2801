//! Why something went out, or did not: the chain of causes in plain words.
//!
//! In: a delivery, a post, an account or a workflow. Out: one sentence that answers, and the causes in their order.
//! Never: guesses: every line is a row of the store or a line of the configuration.

use super::words::{self, first_words, moment};
use super::{App, Refusal, outbox, shown, unreadable};
use crate::craft::show;
use crate::delivery::opens_at;
use crate::domain::{DeliveryId, Json, Language, Money, PostId, RunId, Timestamp};
use crate::effects::{Guards, OnFail};
use crate::instance::{Account, Instance, Workflow};
use crate::problem::perhaps;
use crate::store::Reader;
use crate::store::view::{self, DeliveryRow, RunRow};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Explains something.
pub(super) fn why(app: &App, subject: &str) -> Result<Json, Refusal> {
    let instance = app.engine.current.get();
    let reader = app.engine.store.read().and_then(Reader::snapshot).map_err(unreadable)?;
    let asking = Asking { reader, now: app.engine.clock.now(), language: instance.business.language, instance, app };
    let starts = |letter: char| subject.starts_with(letter) || subject.starts_with(|c: char| c.is_ascii_digit());
    if let Some(id) = DeliveryId::parse(subject).filter(|_| starts('d')) {
        return asking.delivery(id);
    }
    if let Some(id) = PostId::parse(subject).filter(|_| starts('p')) {
        return asking.post(id);
    }
    if let Some(account) = asking.instance.accounts.values().find(|a| a.name.as_str() == subject) {
        return asking.account(account);
    }
    if let Some(workflow) = asking.instance.workflows.values().find(|w| w.name.as_str() == subject) {
        return asking.workflow(workflow);
    }
    if let Some(run) = RunId::parse(subject).filter(|_| subject.starts_with('r')) {
        return Err(Refusal::wrong(format!("A run is shown whole: beffroi show {run}")));
    }
    let names = asking.instance.accounts.keys().map(crate::domain::AccountName::as_str);
    let names = names.chain(asking.instance.workflows.keys().map(crate::domain::WorkflowName::as_str));
    let near = perhaps(subject, names);
    Err(Refusal::missing(format!(
        "\"{subject}\" is neither a delivery (d12) nor a post (p7), nor an account or a workflow of the configuration.{near}"
    )))
}

/// One question, answered from one moment of the store.
struct Asking<'a> {
    app: &'a App,
    reader: Reader<'a>,
    instance: Arc<Instance>,
    language: Language,
    now: Timestamp,
}

/// The causes so far.
#[derive(Default)]
struct Chain(Vec<Json>);

impl Chain {
    /// One cause with its lines; without lines there is nothing to say about it.
    fn add(&mut self, what: &str, lines: &[String]) {
        if !lines.is_empty() {
            self.0.push(json!({ "what": what, "lines": lines }));
        }
    }

    fn answer(self, subject: &str, kind: &str, answer: &str) -> Json {
        json!({ "subject": subject, "kind": kind, "answer": answer, "steps": self.0 })
    }
}

impl Asking<'_> {
    fn pick<T>(&self, fr: T, en: T) -> T {
        self.language.pick(fr, en)
    }

    fn when(&self, at: Timestamp) -> String {
        let zone = self.instance.business.zone;
        moment(&at.local(zone), self.now.day(zone), self.language)
    }

    fn delivery(&self, id: DeliveryId) -> Result<Json, Refusal> {
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

    fn post(&self, id: PostId) -> Result<Json, Refusal> {
        let rows = view::deliveries_of(&self.reader, id).map_err(unreadable)?;
        let Some(first) = rows.first() else {
            return Err(Refusal::missing(format!("There is no post {id}. 'beffroi posts' lists the latest.")));
        };
        let mut chain = Chain::default();
        self.origin(first, &mut chain)?;
        for row in &rows {
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
            chain.add(&format!("{} → {}", row.id, row.target), &lines);
        }
        let answer: Vec<String> = rows.iter().map(|row| self.standing(row)).collect();
        Ok(chain.answer(&id.to_string(), "post", &answer.join("\n")))
    }

    /// One sentence about where a delivery stands.
    fn standing(&self, row: &DeliveryRow) -> String {
        let (id, target) = (row.id, &row.target);
        let reason = row.reason.as_deref().unwrap_or_default().trim_end_matches('.');
        if let Some(recalled) = outbox::standing(row, self.language, |at| self.when(at)) {
            return recalled;
        }
        if row.state == "online" {
            let at = row.settled_at.map(|at| self.when(at)).unwrap_or_default();
            return self.pick(format!("{id} est en ligne sur {target}, {at}."), format!("{id} is online on {target}, {at}."));
        }
        let state = words::state(&row.state, self.language);
        let ends = if reason.is_empty() { String::new() } else { self.pick(format!(" : {reason}"), format!(": {reason}")) };
        self.pick(
            format!("{id} n'est pas en ligne sur {target} ({state}){ends}."),
            format!("{id} is not online on {target} ({state}){ends}."),
        )
    }

    /// Where it comes from: the workflow, its run, the reasons.
    fn origin(&self, row: &DeliveryRow, chain: &mut Chain) -> Result<(), Refusal> {
        let workflow = self.instance.workflows.values().find(|w| w.name.as_str() == row.workflow);
        let mut lines = vec![match workflow {
            Some(w) if !w.purpose.is_empty() => format!("{} — {}", w.name, w.purpose),
            _ => row.workflow.clone(),
        }];
        lines.extend(workflow.into_iter().flat_map(|w| self.schedules(w)));
        chain.add(self.pick("Programme", "Workflow"), &lines);
        if let Some(run) = view::run(&self.reader, row.run).map_err(unreadable)? {
            chain.add(self.pick("Passage", "Run"), &self.run_lines(&run.row));
        }
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
        chain.add(self.pick("Ce qui l'a décidé", "What decided it"), &reasons);
        Ok(())
    }

    fn schedules(&self, workflow: &Workflow) -> Vec<String> {
        let mut lines: Vec<String> = workflow
            .schedules
            .iter()
            .map(|s| format!("{} ({}, {})", s.describe(self.language), s.text(), s.zone().name()))
            .collect();
        if !workflow.events.is_empty() {
            let events = workflow.events.join(", ");
            lines.push(self.pick(format!("sur événement : {events}"), format!("on an event: {events}")));
        }
        lines
    }

    fn run_lines(&self, run: &RunRow) -> Vec<String> {
        let (trigger, due) = (words::trigger(run.trigger.word(), self.language), self.when(run.due));
        let state = words::run_state(&run.state, self.language);
        let mut lines = vec![self.pick(
            format!("{} lancé {trigger}, prévu {due} : {state}", run.run),
            format!("{} started {trigger}, due {due}: {state}", run.run),
        )];
        lines.extend(run.line.as_deref().map(|line| first_words(line, 120)));
        lines
    }

    /// What it meets on its way: conditions, the yes, its window, what happened, the proof. What has no lines is left out.
    fn way(&self, row: &DeliveryRow) -> Result<Vec<(&'static str, Vec<String>)>, Refusal> {
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

    fn account(&self, account: &Account) -> Result<Json, Refusal> {
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

    fn workflow(&self, workflow: &Workflow) -> Result<Json, Refusal> {
        let name = workflow.name.as_str();
        let paused = self.app.engine.board.standing(&workflow.name).paused;
        let answer = match (workflow.enabled, paused, self.app.engine.next_due(&workflow.name)) {
            (false, ..) => self.pick(
                format!("{name} ne tourne pas : il est désactivé dans la configuration (enabled = false)."),
                format!("{name} does not run: it is disabled in the configuration (enabled = false)."),
            ),
            (_, Some(reason), _) => self.pick(
                format!("{name} ne tourne pas : il est en pause ({reason}). Pour le relancer : beffroi resume {name}"),
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
            let said = said.map(|text| format!(" — {}", first_words(text, 80))).unwrap_or_default();
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
}
