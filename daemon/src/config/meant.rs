//! What the configuration means: the firm, its accounts, what is read, who is told. Workflows are in `workflows`.
//!
//! In: tables as written. Out: the instance, with every default filled in; findings where something cannot be meant.
//! Never: invents a value that a person had to give.

use super::files::{Files, Scripts, Want, plain};
use super::plugins;
use super::sections::sections;
use super::shape;
use super::workflows::Workflows;
use super::{Base, Loaded};
use crate::domain::{AccountName, CatalogName, Currency, FeedName, GeneratorName, Language, NotAValue, PersonName, Zone};
use crate::instance::{
    Account, Approval, Business, CatalogConfig, CatalogSource, Ceiling, Ceilings, ChannelConfig, Feed, GeneratorConfig, Instance,
    LibraryConfig, Limits, Location, NotifierConfig, Person, PluginUse,
};
use crate::problem::did_you_mean;
use crate::written::Findings;
use crate::written::{Piece, Table, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use unicode_normalization::UnicodeNormalization as _;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// Networks with the most characters their texts may have.
pub(super) static NETWORKS: [(&str, usize); 14] = [
    ("facebook", 63_206),
    ("instagram", 2_200),
    ("x", 280),
    ("linkedin", 3_000),
    ("mastodon", 500),
    ("bluesky", 300),
    ("threads", 500),
    ("pinterest", 500),
    ("tiktok", 2_200),
    ("youtube", 5_000),
    ("whatsapp", 4_096),
    ("google", 1_500),
    ("telegram", 4_096),
    ("discord", 2_000),
];

const FORMATS: [(&str, &str); 4] = [("post", "post"), ("story", "story"), ("reel", "reel"), ("long", "long")];

/// A Unix socket's path has to fit into a field of this many bytes, with a zero at its end.
const SOCKET_PATH: usize = 108;

/// The instance that this text means. Findings may make it worthless; the caller looks.
pub(super) fn mean(file: &Path, text: &str, base: &Base, findings: &Findings<'_>) -> Option<Loaded> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let files = Files::new(folder, base.state.as_deref().unwrap_or(folder), findings);
    let cut = sections(text, findings);
    let piece = Piece::new(text, &cut.rest);
    let tree = piece.parse(findings);
    let root = Table::root(&tree, &piece, findings, &shape::TOP);
    let reader = Reader { files: &files, findings };

    let business = reader.business(&root);
    // The rest is read even without a business, so that its problems are told as well.
    let language = business.as_ref().map_or(Language::Fr, |business| business.language);
    let currency = business.as_ref().map_or(Currency::EUR, |business| business.currency);
    let zone = business.as_ref().map_or(Zone::UTC, |business| business.zone);

    let store = root.table("store", &shape::STORE).and_then(|table| table.text("path"));
    let store = files.written(store.map_or("beffroi.db", |path| path.value));
    let socket = reader.socket(&root);
    let (accounts, declared) = reader.accounts(&root);
    let feeds = reader.feeds(&root);
    let catalogs = reader.catalogs(&root, currency);
    let library = root.table("library", &shape::LIBRARY).and_then(|table| reader.library(&table));
    let generators = reader.generators(&root);
    let people = reader.people(&root, language);
    let secrets = root.table("secrets", &shape::SECRETS).and_then(|table| table.text("folder"));
    let secrets = folder.join(secrets.map_or("secrets", |text| text.value));
    let metrics = root
        .table("metrics", &shape::METRICS)
        .map_or_else(Vec::new, |table| table.texts("files").iter().map(|text| files.data(text)).collect());
    let limits = root.table("limits", &shape::LIMITS).map_or_else(Limits::default, |table| reader.limits(&table));

    let scripts = root.table("scripts", &shape::SCRIPTS).and_then(|table| table.text("folder"));
    let scripts = scripts.map_or_else(|| folder.join("scripts"), |text| files.existing(&text, Want::Folder));
    let mut workflows = Workflows::new(Scripts::new(scripts.clone(), base), &accounts, declared, zone, findings);
    for (name, table) in root.tables("workflows", &shape::WORKFLOW) {
        workflows.read(&name, &table);
    }
    for group in cut.workflows.chunk_by(|a, b| a.0 == b.0) {
        let ranges: Vec<_> = group.iter().map(|(_, range)| range.clone()).collect();
        let piece = Piece::new(text, &ranges);
        let tree = piece.parse(findings);
        for (name, table) in Table::root(&tree, &piece, findings, &shape::TOP).tables("workflows", &shape::WORKFLOW) {
            workflows.read(&name, &table);
        }
    }

    let mut read = vec![file.to_owned()];
    read.extend(scripts.is_dir().then(|| scripts.clone()));
    read.extend(workflows.files());
    let workflows = workflows.finish();
    let instance = Instance {
        business: business?,
        accounts,
        feeds,
        catalogs,
        generators,
        secrets,
        library,
        metrics,
        people,
        workflows,
        limits,
        scripts,
    };
    Some(Loaded { instance, store, socket, files: read, warnings: Vec::new() })
}

/// Where posts or notices go.
enum Place<'p> {
    Folder(Text<'p>, PathBuf),
    Plugin(PluginUse),
}

struct Reader<'a> {
    files: &'a Files<'a>,
    findings: &'a Findings<'a>,
}

impl Reader<'_> {
    fn business(&self, root: &Table<'_>) -> Option<Business> {
        if !root.has("business") {
            let help = "Write [business], and below it name = \"…\" and zone = \"Europe/Paris\".";
            self.findings.dependent(0..0, "There is no section [business].", help);
            return None;
        }
        let table = root.table("business", &shape::BUSINESS)?;
        let name = table.required("name", "Write name = \"…\", as customers know the business.");
        let zone = table.required("zone", "Write zone = \"Europe/Paris\", or where its clocks hang.");
        let zone = zone.and_then(|text| zone_of(&text, self.findings));
        let language = self.language(&table).unwrap_or_default();
        let site = table.text("site").filter(|text| self.is_address(text)).map(|text| text.value.to_owned());
        let words = |key| table.texts(key).iter().map(|text| text.value.trim().to_owned()).collect();
        Some(Business {
            town: table.text("town").map(|text| text.value.to_owned()).unwrap_or_default(),
            language,
            words: words("words"),
            avoid: words("avoid"),
            site,
            currency: self.currency(&table).unwrap_or(Currency::EUR),
            name: name?.value.to_owned(),
            zone: zone?,
        })
    }

    fn language(&self, table: &Table<'_>) -> Option<Language> {
        let text = table.text("language")?;
        let language = Language::parse(text.value);
        if language.is_none() {
            let help = "Write \"fr\" or \"en\".";
            self.findings.error(text.at, format!("\"{}\" is not a language Beffroi writes in.", text.value), help);
        }
        language
    }

    fn currency(&self, table: &Table<'_>) -> Option<Currency> {
        let text = table.text("currency")?;
        let currency = Currency::parse(text.value);
        if currency.is_none() {
            let help = "Write its three letters, such as \"EUR\" or \"CHF\".";
            self.findings.error(text.at, format!("\"{}\" is not a currency.", text.value), help);
        }
        currency
    }

    fn is_address(&self, text: &Text<'_>) -> bool {
        let good = url::Url::parse(text.value).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !good {
            let help = match text.value.contains("://") {
                true => "Write an address that starts with https:// or http://.".to_owned(),
                false => format!("Write \"https://{}\" if that is where it is.", text.value.trim().trim_start_matches('/')),
            };
            self.findings.error(text.at.clone(), format!("\"{}\" is not a web address.", text.value), help);
        }
        good
    }

    fn socket(&self, root: &Table<'_>) -> PathBuf {
        let written = root.table("admin", &shape::ADMIN).and_then(|table| table.text("socket"));
        let path = self.files.written(written.as_ref().map_or("beffroi.sock", |text| text.value));
        if path.as_os_str().len() >= SOCKET_PATH {
            let at = written.map_or(0..0, |text| text.at);
            let message = format!("The path of the socket is too long: {}.", path.display());
            self.findings.error(
                at,
                message,
                "Under [admin], write socket = \"/run/beffroi/beffroi.sock\" or another short path.",
            );
        }
        path
    }

    /// The accounts, and the names of all sections that were meant to be one.
    fn accounts(&self, root: &Table<'_>) -> (BTreeMap<AccountName, Account>, BTreeSet<String>) {
        let mut out = BTreeMap::new();
        let mut declared = BTreeSet::new();
        let mut folders: BTreeMap<PathBuf, String> = BTreeMap::new();
        for (name, table) in root.tables("accounts", &shape::ACCOUNT) {
            declared.insert(name.value.to_owned());
            let place = self.place(&table, "account", "out/", &name);
            if let Some(Place::Folder(text, path)) = &place
                && let Some(other) = folders.insert(plain(path), name.value.to_owned())
            {
                let message = format!("\"{}\" is already the folder of [accounts.{other}].", text.value);
                self.findings.error(text.at.clone(), message, "Give each account a folder of its own.");
            }
            let account = self.account(&name, &table, place);
            out.extend(account.map(|account| (account.name.clone(), account)));
        }
        (out, declared)
    }

    fn account(&self, name: &Text<'_>, table: &Table<'_>, place: Option<Place<'_>>) -> Option<Account> {
        let parsed = name_of(name, "accounts", AccountName::parse, self.findings);
        let network = self.network(name, table);
        let limit =
            network.as_deref().and_then(|network| NETWORKS.iter().find(|(known, _)| *known == network)).map(|(_, max)| *max);
        let max_chars = table.number("max_chars", 0..=1_000_000, limit.unwrap_or(0) as u64) as usize;
        if let (Some(limit), Some(network)) = (limit, &network)
            && (max_chars > limit || max_chars == 0)
        {
            let help = format!("Write max_chars = {limit}, or leave it out.");
            self.findings.doubt(table.place("max_chars"), format!("{network} takes {limit} characters at most."), help);
        }
        let hours = table.texts("hours").iter().flat_map(|text| self.hours(text)).collect();
        let approval = table.choice("approval", &[("always", Approval::Always), ("drafts", Approval::Drafts)], Approval::Drafts);
        let mut formats: Vec<String> =
            table.texts("formats").iter().filter_map(|text| table.pick("formats", text, &FORMATS)).map(str::to_owned).collect();
        if formats.is_empty() {
            formats.push("post".into());
        }
        let ceilings = self.ceilings(table);
        Some(Account {
            name: parsed?,
            network: network?,
            channel: match place? {
                Place::Folder(_, folder) => ChannelConfig::Folder(folder),
                Place::Plugin(used) => ChannelConfig::Plugin(used),
            },
            ceilings,
            hours: merged(hours),
            approval,
            formats,
            max_chars,
        })
    }

    fn network(&self, name: &Text<'_>, table: &Table<'_>) -> Option<String> {
        let known = || NETWORKS.iter().map(|(network, _)| *network);
        if !table.has("network") {
            if known().any(|network| network == name.value) {
                return Some(name.value.to_owned());
            }
            let all = known().collect::<Vec<_>>().join("\", \"");
            let help = match did_you_mean(name.value, known()) {
                Some(near) => format!("Write network = \"{near}\" below it, or the network it is on."),
                None => format!("Write network = \"…\" below it: \"{all}\"."),
            };
            let message = format!("[accounts.{}] does not say which network it is on.", name.value);
            self.findings.dependent(name.at.clone(), message, help);
            return None;
        }
        let text = table.text("network")?;
        if !known().any(|network| network == text.value) {
            let help = match did_you_mean(&text.value.to_lowercase(), known()) {
                Some(near) => format!("Did you mean \"{near}\"?"),
                None => "Write max_chars yourself if texts may not be of any length.".into(),
            };
            let message = format!("\"{}\" is not a network whose limits are known.", text.value);
            self.findings.doubt(text.at, message, help);
        }
        Some(text.value.to_owned())
    }

    /// Where posts or notices go: a folder, as written and as a path, or a plugin.
    fn place<'p>(&self, table: &Table<'p>, kind: &str, under: &str, name: &Text<'_>) -> Option<Place<'p>> {
        let used = plugins::used(table, kind, name.value, self.findings);
        if table.has("plugin") {
            plugins::alone(table, &["channel", "folder"], self.findings);
            return used.map(Place::Plugin);
        }
        if let Some(channel) = table.text("channel").filter(|text| text.value != "folder") {
            let help = match did_you_mean(&channel.value.to_lowercase(), ["folder"]) {
                Some(near) => format!("Did you mean \"{near}\"?"),
                None => format!("Write \"folder\"; or, for a plugin, plugin = \"{}\" and no \"channel\".", channel.value),
            };
            self.findings.error(channel.at, format!("\"channel\" cannot be \"{}\".", channel.value), help);
        }
        let help = format!("Write folder = \"{under}{}\", or plugin = \"…\".", name.value);
        let text = if table.has_or_nearly("plugin") { table.text("folder") } else { table.required("folder", &help) }?;
        let path = self.files.written(text.value);
        Some(Place::Folder(text, path))
    }

    /// The minutes of the day of `07:00-20:30`; two ranges for a night.
    fn hours(&self, text: &Text<'_>) -> Vec<(u16, u16)> {
        let bounds = text.value.split_once(['-', '–']).and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        match bounds {
            Some((from, to)) if from < to => vec![(from, to)],
            Some((from, to)) if from > to && from < 1_440 => {
                [(from, 1_440), (0, to)].into_iter().filter(|(from, to)| from < to).collect()
            }
            Some(_) => {
                let message = format!("\"{}\" ends when it begins.", text.value);
                self.findings.error(text.at.clone(), message, "Write \"00:00-24:00\" for the whole day.");
                Vec::new()
            }
            None => {
                let message = format!("\"{}\" is not a range of hours.", text.value);
                self.findings.error(text.at.clone(), message, "Write for example \"07:00-20:30\".");
                Vec::new()
            }
        }
    }

    fn ceilings(&self, account: &Table<'_>) -> Ceilings {
        let Some(table) = account.table("ceilings", &shape::CEILINGS) else {
            return Ceilings { per_minute: None, per_hour: Some(4), per_day: Some(12), spacing: 10 * MINUTE };
        };
        let written = |key, example| {
            let number = table.number_if(key, 0..=100_000, example).and_then(|number| u32::try_from(number).ok())?;
            if number == 0 {
                let message = format!("\"{key}\" is 0: nothing would ever be posted.");
                self.findings.error(table.place(key), message, "Write 1 or more. To stop posting, use: beffroi freeze");
            }
            Some(number)
        };
        let per_minute = written("per_minute", 1);
        // What was not said gives way to what was.
        let (hour, day) = (written("per_hour", 4), written("per_day", 12));
        let per_day = day.unwrap_or(hour.unwrap_or(0).max(12));
        let per_hour = hour.unwrap_or(per_minute.unwrap_or(0).max(4).min(per_day));
        for (less, fewer, more, most) in
            [("per_minute", per_minute, "per_hour", per_hour), ("per_hour", hour, "per_day", per_day)]
        {
            if fewer.is_some_and(|fewer| fewer > most) {
                let message = format!("\"{less}\" is more than \"{more}\", which is {most}, so it never counts.");
                self.findings.doubt(table.place(less), message, format!("Lower \"{less}\" or raise \"{more}\"."));
            }
        }
        let room = (DAY / per_day.max(1)).min(HOUR / per_hour.max(1));
        let spacing = table.span("spacing", Duration::ZERO..=7 * DAY, room.min(10 * MINUTE));
        if let (true, true, Some(day)) = (table.has("spacing"), spacing > DAY / per_day.max(1), day) {
            let fit = DAY.as_millis() / spacing.as_millis().max(1);
            let message = format!("With this \"spacing\" only {fit} posts fit into a day, and \"per_day\" allows {day}.");
            self.findings.doubt(table.place("spacing"), message, "Shorten \"spacing\" or lower \"per_day\".");
        }
        Ceilings { per_minute, per_hour: Some(per_hour), per_day: Some(per_day), spacing }
    }

    fn feeds(&self, root: &Table<'_>) -> BTreeMap<FeedName, Feed> {
        root.tables("feeds", &shape::FEED)
            .into_iter()
            .filter_map(|(name, table)| {
                let parsed = name_of(&name, "feeds", FeedName::parse, self.findings);
                let used = plugins::used(&table, "feed", name.value, self.findings);
                let (url, file) = (table.text("url"), table.text("file"));
                let location = match (url, file) {
                    _ if table.has("plugin") => {
                        plugins::alone(&table, &["url", "file"], self.findings);
                        used.map(Location::Plugin)
                    }
                    (Some(_), Some(file)) => {
                        let message = format!("[feeds.{}] has both \"url\" and \"file\".", name.value);
                        self.findings.error(file.at, message, "Keep one of the two.");
                        None
                    }
                    (Some(url), None) => self.is_address(&url).then(|| Location::Url(url.value.trim().to_owned())),
                    (None, Some(file)) => Some(Location::File(self.files.data(&file))),
                    (None, None) if ["url", "file", "plugin"].iter().any(|key| table.has_or_nearly(key)) => None,
                    (None, None) => {
                        let message = format!("[feeds.{}] does not say where the feed is.", name.value);
                        let help = "Write url = \"https://…\", file = \"feeds/….xml\" or plugin = \"…\".";
                        self.findings.dependent(name.at, message, help);
                        None
                    }
                };
                let topic = table.text("topic").map_or("sector", |text| text.value.trim()).to_owned();
                let weight = table.decimal("weight", 0.0..=100.0, 1.0);
                #[allow(clippy::cast_possible_truncation, reason = "bounded by the range")]
                let alert_after = table.number("alert_after", 0..=1_000, 3) as u32;
                Some(Feed { name: parsed?, location: location?, topic, weight, alert_after })
            })
            .map(|feed| (feed.name.clone(), feed))
            .collect()
    }

    fn catalogs(&self, root: &Table<'_>, currency: Currency) -> BTreeMap<CatalogName, CatalogConfig> {
        root.tables("catalogs", &shape::CATALOG)
            .into_iter()
            .filter_map(|(name, table)| {
                let parsed = name_of(&name, "catalogs", CatalogName::parse, self.findings);
                let used = plugins::used(&table, "catalog", name.value, self.findings);
                let file = match table.has_or_nearly("plugin") {
                    true => None,
                    false => table.required("file", "Write file = \"stock.csv\", or plugin = \"…\"."),
                };
                let file = file.map(|text| self.files.data(&text));
                let columns = table.table("columns", &shape::COLUMNS).map_or_else(Vec::new, |columns| columns.entries());
                let columns = columns.into_iter().map(|(key, column)| (key.value.to_owned(), column.value.to_owned())).collect();
                let max_age = table.span("max_age", MINUTE..=YEAR, DAY);
                let currency = self.currency(&table).unwrap_or(currency);
                let source = match table.has("plugin") {
                    true => {
                        plugins::alone(&table, &["file", "columns"], self.findings);
                        CatalogSource::Plugin(used?)
                    }
                    false => CatalogSource::File { file: file?, columns },
                };
                Some(CatalogConfig { name: parsed?, source, max_age, currency })
            })
            .map(|catalog| (catalog.name.clone(), catalog))
            .collect()
    }

    fn library(&self, table: &Table<'_>) -> Option<LibraryConfig> {
        let folder = table.required("folder", "Write folder = \"library\".").map(|text| self.files.existing(&text, Want::Folder));
        let cool_down = table.span("cool_down", Duration::ZERO..=10 * YEAR, 30 * DAY);
        let theme_spacing = table.number("theme_spacing", 0..=1_000, 2) as usize;
        Some(LibraryConfig { folder: folder?, cool_down, theme_spacing })
    }

    fn generators(&self, root: &Table<'_>) -> BTreeMap<GeneratorName, GeneratorConfig> {
        root.tables("generators", &shape::GENERATOR)
            .into_iter()
            .filter_map(|(name, table)| {
                let parsed = name_of(&name, "generators", GeneratorName::parse, self.findings);
                table.required("plugin", "Write plugin = \"…\": the plugin that writes.");
                let used = plugins::used(&table, "generator", name.value, self.findings);
                let budget = plugins::budget(&table, self.findings);
                Some(GeneratorConfig { name: parsed?, plugin: used?, budget: budget.ok()? })
            })
            .map(|generator| (generator.name.clone(), generator))
            .collect()
    }

    fn people(&self, root: &Table<'_>, language: Language) -> BTreeMap<PersonName, Person> {
        root.tables("people", &shape::PERSON)
            .into_iter()
            .filter_map(|(name, table)| {
                let parsed = name_of(&name, "people", PersonName::parse, self.findings);
                let place = self.place(&table, "person", "out/mail/", &name);
                let language = self.language(&table).unwrap_or(language);
                let notifier = match place? {
                    Place::Folder(_, folder) => NotifierConfig::Folder(folder),
                    Place::Plugin(used) => NotifierConfig::Plugin(used),
                };
                Some(Person { name: parsed?, notifier, language })
            })
            .map(|person| (person.name.clone(), person))
            .collect()
    }

    fn limits(&self, table: &Table<'_>) -> Limits {
        let default = Limits::default();
        let allow_private = table.texts("allow_private").into_iter().filter_map(|text| {
            let host = text.value.trim();
            let good = !host.contains(['/', '*', ' ', '@']) && url::Url::parse(&format!("http://{host}/")).is_ok();
            if !good {
                let help = "Write a host or address, with its port if only that is meant: \"127.0.0.1:8080\".";
                self.findings.error(text.at, format!("\"{host}\" is not a host."), help);
            }
            good.then(|| host.to_owned())
        });
        Limits {
            allow_private: allow_private.collect(),
            runs: table.number("runs", 1..=1_024, default.runs as u64) as usize,
            keep_runs: table.span("keep_runs", HOUR..=100 * YEAR, default.keep_runs),
            keep_journals: table.span("keep_journals", HOUR..=100 * YEAR, default.keep_journals),
            journal_size: table.size("journal_size", 0..=1 << 40, default.journal_size as usize) as u64,
            watch: table.flag("watch", default.watch),
            plugins: Ceiling {
                memory: table.size("plugin_memory", 1 << 20..=1 << 30, default.plugins.memory),
                time: table.span("plugin_time", Duration::from_secs(1)..=HOUR, default.plugins.time),
                hosts: plugins::hosts(table, self.findings),
            },
        }
    }
}

/// Reads a name, and suggests one where it is none.
pub(super) fn name_of<N>(
    text: &Text<'_>,
    section: &str,
    parse: impl Fn(&str) -> Result<N, NotAValue>,
    findings: &Findings<'_>,
) -> Option<N> {
    let wrong = match parse(text.value) {
        Ok(name) => return Some(name),
        Err(wrong) => wrong.0,
    };
    let plain: String = text
        .value
        .nfd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' })
        .take(64)
        .collect();
    let plain = plain.trim_matches(['-', '_']);
    let (message, help) = wrong.rsplit_once(". ").unwrap_or((&wrong, ""));
    let example = if parse(plain).is_ok() { format!(" For example: [{section}.{plain}]") } else { String::new() };
    findings.error(text.at.clone(), format!("{}.", message.trim_end_matches('.')), format!("{help}{example}"));
    None
}

/// Reads a zone, and suggests one where it is none.
pub(super) fn zone_of(text: &Text<'_>, findings: &Findings<'_>) -> Option<Zone> {
    if let Ok(zone) = text.value.parse::<Zone>() {
        return Some(zone);
    }
    let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let written = text.value.trim().replace(' ', "_");
    // People often write the town alone, or the right name in small letters.
    let town = names().find(|name| name.rsplit('/').next().is_some_and(|town| town.eq_ignore_ascii_case(&written)));
    let help = match names().find(|name| name.eq_ignore_ascii_case(&written)).or(town).or_else(|| did_you_mean(&written, names()))
    {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None => "Write the IANA name, such as \"Europe/Paris\".".into(),
    };
    findings.error(text.at.clone(), format!("\"{}\" is not a time zone.", text.value), help);
    None
}

/// Minutes from midnight of `07:00`, `7h`, `7h30` or `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minutes) = text.trim().split_once([':', 'h'])?;
    let digits = |part: &str| part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minutes) {
        return None;
    }
    let hour: u16 = hour.parse().ok()?;
    let minutes: u16 = if minutes.is_empty() && text.contains('h') { 0 } else { minutes.parse().ok()? };
    let all = hour * 60 + minutes;
    (minutes < 60 && all <= 1_440).then_some(all)
}

/// The same ranges, in order and without overlap.
fn merged(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::new();
    for (from, to) in ranges {
        match out.last_mut() {
            Some((_, end)) if *end >= from => *end = to.max(*end),
            _ => out.push((from, to)),
        }
    }
    out
}
