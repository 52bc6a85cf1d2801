//! What is to be done and when: the `[workflows.…]` sections.
//!
//! In: one table after the other. Out: workflows that share what they have in common.
//! Never: keeps a part of the tree it read from; a hundred thousand workflows have to fit on a small machine.

use super::files::{Script, Scripts};
use super::meant::{DAY, HOUR, YEAR, name_of, zone_of};
use super::plugins;
use crate::domain::{AccountName, Digest, Json, WorkflowName, Zone};
use crate::instance::{Account, Budget, Missed, Overlap, PluginUse, Workflow};
use crate::problem::did_you_mean;
use crate::schedule::cron::{Dst, Schedule};
use crate::written::Findings;
use crate::written::{Table, Text};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const DST: [(&str, &str); 3] = [("vixie", "vixie"), ("skip", "skip"), ("twice", "twice")];
const MISSED: [(&str, Missed); 3] = [("skip", Missed::Skip), ("latest", Missed::Latest), ("all", Missed::All)];
const OVERLAP: [(&str, Overlap); 3] =
    [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("cancel-running", Overlap::CancelRunning)];

type SchedulesByText = HashMap<Box<str>, Arc<Schedule>>;

/// Reads workflows one by one.
pub(super) struct Workflows<'a> {
    scripts: Scripts<'a>,
    accounts: &'a BTreeMap<AccountName, Account>,
    /// Also those with problems of their own.
    declared: BTreeSet<String>,
    zone: Zone,
    findings: &'a Findings<'a>,
    out: BTreeMap<WorkflowName, Arc<Workflow>>,
    // What was made already, by what was written.
    zones: HashMap<String, Zone>,
    schedules: HashMap<(Zone, &'static str), SchedulesByText>,
    purposes: HashSet<Arc<str>>,
    lists: HashMap<String, Arc<[AccountName]>>,
    /// By the hash of their text, which for very many is a good deal smaller than the text.
    settings: HashMap<u64, Arc<Json>>,
    nothing: Arc<Json>,
}

impl<'a> Workflows<'a> {
    /// None so far.
    pub(super) fn new(
        scripts: Scripts<'a>,
        accounts: &'a BTreeMap<AccountName, Account>,
        declared: BTreeSet<String>,
        zone: Zone,
        findings: &'a Findings<'a>,
    ) -> Self {
        Self {
            scripts,
            accounts,
            declared,
            zone,
            findings,
            out: BTreeMap::new(),
            zones: HashMap::new(),
            schedules: HashMap::new(),
            purposes: HashSet::new(),
            lists: HashMap::new(),
            settings: HashMap::new(),
            nothing: Arc::new(Json::Object(serde_json::Map::new())),
        }
    }

    /// The workflows.
    pub(super) fn finish(self) -> BTreeMap<WorkflowName, Arc<Workflow>> {
        self.out
    }

    /// The script files that were read.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.scripts.files()
    }

    /// Reads one more.
    pub(super) fn read(&mut self, name: &Text<'_>, table: &Table<'_>) {
        let Some(workflow) = self.workflow(name, table) else { return };
        if self.out.contains_key(&workflow.name) {
            let message = format!("\"{}\" is written twice.", name.value);
            self.findings.error(name.at.clone(), message, "Keep one of the two, or give them different names.");
            return;
        }
        self.out.insert(workflow.name.clone(), Arc::new(workflow));
    }

    fn workflow(&mut self, name: &Text<'_>, table: &Table<'_>) -> Option<Workflow> {
        let default = Budget::default();
        let parsed = name_of(name, "workflows", WorkflowName::parse, self.findings);
        let used = plugins::used(table, "workflow", name.value, self.findings);
        let script = if table.has_or_nearly("plugin") {
            plugins::alone(table, &["script"], self.findings);
            if table.has("operations") {
                let message = "\"operations\" are steps of a script, and this workflow is a plugin.";
                self.findings.doubt(
                    table.place("operations"),
                    message,
                    "Take it out; \"timeout\" and \"memory\" count for plugins.",
                );
            }
            used.as_ref().map(|used| {
                let path = format!("plugin:{}", used.plugin);
                let version = Digest::of(path.as_bytes());
                Script { path: PathBuf::from(path).into(), version, source: "".into() }
            })
        } else {
            let script = table.required("script", "Write script = \"….rhai\", or plugin = \"…\".");
            script.and_then(|text| self.scripts.get(&text, self.findings)).cloned()
        };
        let schedules = self.schedules(table);
        let events = self.events(table);
        let enabled = table.flag("enabled", true);
        if enabled && !table.has_or_nearly("schedule") && !table.has_or_nearly("events") {
            let message = format!("[workflows.{}] has neither \"schedule\" nor \"events\": it runs only by hand.", name.value);
            self.findings.doubt(name.at.clone(), message, "Write for example schedule = \"30 8 * * *\".");
        }
        let budget = Budget {
            time: table.span("timeout", Duration::from_secs(1)..=HOUR, default.time),
            memory: table.size("memory", 1 << 20..=1 << 30, default.memory),
            operations: table.number("operations", 1_000..=1_000_000_000_000, default.operations),
            calls: table.number("calls", 1..=10_000_000, default.calls.into()) as u32,
        };
        let purpose = table.text("purpose").map_or("", |text| text.value.trim());
        let purpose = match self.purposes.get(purpose) {
            Some(known) => known.clone(),
            None => {
                let new: Arc<str> = purpose.into();
                self.purposes.insert(new.clone());
                new
            }
        };
        let settings = self.settings(table);
        let accounts = self.accounts(table);
        let missed = table.choice("missed", &MISSED, Missed::default());
        let overlap = table.choice("overlap", &OVERLAP, Overlap::default());
        let window = table.span("window", Duration::ZERO..=YEAR, 6 * HOUR);
        let jitter = table.span("jitter", Duration::ZERO..=DAY, Duration::ZERO);
        let retries = table.number("retries", 0..=100, 3) as u32;
        let backoff = table.span("backoff", Duration::from_secs(1)..=HOUR, Duration::from_secs(30));
        let pause_after = table.number("pause_after", 0..=1_000, 5) as u32;
        let script = script?;
        Some(Workflow {
            name: parsed?,
            purpose,
            // One copy of the settings, whoever reads them.
            plugin: used.map(|used| Arc::new(PluginUse { settings: settings.clone(), ..used })),
            script: script.path,
            version: script.version,
            source: script.source,
            schedules: schedules?,
            events,
            jitter,
            missed,
            window,
            overlap,
            retries,
            backoff,
            pause_after,
            budget,
            accounts,
            settings,
            enabled,
        })
    }

    fn schedules(&mut self, table: &Table<'_>) -> Option<Vec<Arc<Schedule>>> {
        let zone = match table.text("zone") {
            Some(text) => self.zone(&text),
            None => Some(self.zone),
        };
        let dst = table.choice("dst", &DST, "vixie");
        let texts = table.one_or_more("schedule");
        for (at, text) in texts.iter().enumerate() {
            let same = |other: &Text<'_>| other.value.split_whitespace().eq(text.value.split_whitespace());
            if texts[..at].iter().any(same) {
                let message = format!("The schedule \"{}\" is written twice.", text.value);
                self.findings.doubt(text.at.clone(), message, "Take one of the two out.");
            }
        }
        // Without a zone the schedules can still be checked.
        let all: Vec<_> = texts.iter().map(|text| self.schedule(text, zone.unwrap_or(Zone::UTC), dst)).collect();
        zone?;
        all.into_iter().collect()
    }

    fn schedule(&mut self, text: &Text<'_>, zone: Zone, dst: &'static str) -> Option<Arc<Schedule>> {
        let known = self.schedules.entry((zone, dst)).or_default();
        if let Some(schedule) = known.get(text.value) {
            return Some(schedule.clone());
        }
        let policy = Dst::parse(dst).expect("the words of DST are those of Dst");
        match Schedule::parse(text.value, zone, policy) {
            Ok(schedule) => {
                let schedule = Arc::new(schedule);
                known.insert(text.value.into(), schedule.clone());
                Some(schedule)
            }
            Err(error) => {
                let five = "Write five fields: minute, hour, day of the month, month, day of the week.";
                let help = if error.help.is_empty() { five.to_owned() } else { error.help };
                self.findings.error(text.part(self.findings.text(), error.span), error.message, help);
                None
            }
        }
    }

    fn zone(&mut self, text: &Text<'_>) -> Option<Zone> {
        if let Some(zone) = self.zones.get(text.value) {
            return Some(*zone);
        }
        let zone = zone_of(text, self.findings)?;
        self.zones.insert(text.value.to_owned(), zone);
        Some(zone)
    }

    fn events(&self, table: &Table<'_>) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for text in table.one_or_more("events") {
            let good = text.value.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
            if !good {
                let message = format!("\"{}\" is not the name of an event.", text.value);
                self.findings.error(text.at, message, "Use letters, digits, \".\", \"-\" and \"_\", as in \"stock.changed\".");
            } else if !out.iter().any(|event| event == text.value) {
                out.push(text.value.to_owned());
            }
        }
        out
    }

    fn accounts(&mut self, table: &Table<'_>) -> Arc<[AccountName]> {
        let texts = table.texts("accounts");
        let key = texts.iter().map(|text| text.value).collect::<Vec<_>>().join("\n");
        if let Some(list) = self.lists.get(&key) {
            return list.clone();
        }
        let mut names = Vec::new();
        let mut all_known = true;
        for text in &texts {
            match self.accounts.get_key_value(text.value) {
                Some((name, _)) if names.contains(name) => {}
                Some((name, _)) => names.push(name.clone()),
                None if self.declared.contains(text.value) => {}
                None => {
                    all_known = false;
                    let known = || self.declared.iter().map(String::as_str);
                    let help = match did_you_mean(text.value, known()) {
                        Some(near) => format!("Did you mean \"{near}\"?"),
                        None if self.declared.is_empty() => format!("Write a section [accounts.{}] for it.", text.value),
                        None => format!("Known accounts: {}.", known().collect::<Vec<_>>().join(", ")),
                    };
                    self.findings.dependent(text.at.clone(), format!("There is no account \"{}\".", text.value), help);
                }
            }
        }
        let list: Arc<[AccountName]> = names.into();
        if all_known {
            self.lists.insert(key, list.clone());
        }
        list
    }

    fn settings(&mut self, table: &Table<'_>) -> Arc<Json> {
        let Some(settings) = table.json("settings") else { return self.nothing.clone() };
        let mut hasher = DefaultHasher::new();
        settings.to_string().hash(&mut hasher);
        let known = self.settings.entry(hasher.finish()).or_insert_with(|| Arc::new(settings.clone()));
        if **known == settings { known.clone() } else { Arc::new(settings) }
    }
}
