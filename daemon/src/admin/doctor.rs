//! Looks at everything that can be out of order, and says what to do about it.
//!
//! In: the database, the configuration, the machine; the running engine, where there is one. Out: findings: a sentence, a remedy, how
//! bad it is.
//! Never: changes anything, stops at the first finding, or asks a network.

use super::words::{self, first_words, moment};
use super::{App, Refusal};
use crate::config::{self, Base};
use crate::craft::show;
use crate::daemon::{self, Engine};
use crate::domain::{Json, Language, Timestamp};
use crate::instance::Instance;
use crate::problem::{Problem, Severity};
use crate::schedule::audit::{adrift, audit, overdue};
use crate::schedule::daily;
use crate::store::view::{self, Db, DbError};
use crate::store::{health, ledger, plugins};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// How far back the ledger is counted when nobody says.
pub const MONTH: Duration = Duration::from_secs(31 * 86_400);
/// Free space below which work is about to stop, and below which somebody should look.
const NO_SPACE: u64 = 64 << 20;
const LITTLE_SPACE: u64 = 512 << 20;
/// Things named in one sentence.
const NAMED: usize = 3;
/// Problems of the configuration that are told one by one.
const PROBLEMS: usize = 8;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// In order.
    Ok,
    /// Somebody should look.
    Warning,
    /// Something does not work, or was not done.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: one word for programs.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Grade,
    /// What is so, in one sentence.
    pub text: String,
    /// What to do, empty when there is nothing to do.
    pub help: String,
}

/// Everything that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether a daemon runs.
    pub running: bool,
    /// The language of the sentences.
    pub language: Language,
    /// One or more for each check, in the order in which one would look.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst of all.
    pub fn worst(&self) -> Grade {
        self.findings.iter().map(|f| f.severity).max().unwrap_or(Grade::Ok)
    }

    /// As JSON, with the worst in front.
    pub fn json(&self) -> Json {
        json!({ "worst": self.worst(), "running": self.running, "language": self.language, "findings": self.findings })
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Reads every page and every index of the database.
    pub deep: bool,
    /// Counts the ledger from here; a month when not said.
    pub since: Option<Timestamp>,
}

/// Looks at a running daemon.
///
/// # Errors
/// When its database cannot be read at all.
pub fn online(app: &App, wanted: Wanted) -> Result<Report, Refusal> {
    let engine = &*app.engine;
    let instance = engine.current.get();
    // What has come due up to now has its row before it is counted.
    engine.bring_up_to_date().map_err(Refusal::from)?;
    let mut problems = engine.problems();
    problems.extend(app.refused().into_iter().flat_map(|refused| refused.problems).filter(|p| p.severity == Severity::Error));
    problems.dedup();
    let now = engine.clock.now();
    let reader = engine.store.read().map_err(super::unreadable)?;
    let mut seen = Exam::new(now, Some(&instance), instance.business.language, wanted);
    seen.file(engine.store.path());
    seen.configuration(&problems, app.refused().is_some());
    // Whatever a damaged file does not let be read is told like anything else.
    if let Err(error) =
        seen.database(&reader).and_then(|usable| if usable { seen.everything(&reader, Some(engine)) } else { Ok(()) })
    {
        seen.unreadable(&error);
    }
    drop(reader);
    Ok(seen.report(true))
}

/// Looks at what a daemon that does not run has left.
pub fn offline(file: &Path, base: &Base, wanted: Wanted, now: Timestamp, own: Language) -> Report {
    let problems = daemon::check(file, base);
    let loaded = config::load(file, base).ok();
    let folder = || base.state.clone().or_else(|| file.parent().map(Path::to_owned)).unwrap_or_default();
    let database: PathBuf = loaded.as_ref().map_or_else(|| folder().join("beffroi.db"), |loaded| loaded.store.clone());
    let instance = loaded.map(|loaded| loaded.instance);
    let language = instance.as_ref().map_or(own, |instance| instance.business.language);
    let mut seen = Exam::new(now, instance.as_ref(), language, wanted);
    seen.configuration(&problems, false);
    seen.file(&database);
    let held = health::is_held(&database);
    seen.not_running(held);
    if !database.exists() {
        let text = seen.pick(
            format!("Il n'y a pas encore de base de données ({}).", database.display()),
            format!("There is no database yet ({}).", database.display()),
        );
        let help = seen.pick(
            "Elle est créée au premier démarrage. Si Beffroi a déjà tourné ici, nommez son dossier avec --state.",
            "It is made at the first start. If Beffroi has run here before, name its folder with --state.",
        );
        seen.add("database", Grade::Warning, text, help);
        return seen.report(false);
    }
    let looked = health::look_at(&database).and_then(|db| if seen.database(&db)? { seen.everything(&db, None) } else { Ok(()) });
    if let Err(error) = looked {
        seen.unreadable(&error);
    }
    seen.report(false)
}

/// An examination that goes on.
struct Exam<'a> {
    now: Timestamp,
    instance: Option<&'a Instance>,
    language: Language,
    wanted: Wanted,
    findings: Vec<Finding>,
}

impl<'a> Exam<'a> {
    fn new(now: Timestamp, instance: Option<&'a Instance>, language: Language, wanted: Wanted) -> Self {
        Self { now, instance, language, wanted, findings: Vec::new() }
    }

    fn report(self, running: bool) -> Report {
        Report { running, language: self.language, findings: self.findings }
    }

    fn pick<T>(&self, fr: T, en: T) -> T {
        self.language.pick(fr, en)
    }

    fn when(&self, at: Timestamp) -> String {
        let zone = self.instance.map_or(crate::domain::Zone::UTC, |i| i.business.zone);
        moment(&at.local(zone), self.now.day(zone), self.language)
    }

    fn span(&self, length: Duration) -> String {
        show::span(length, self.language)
    }

    fn add(&mut self, check: &'static str, severity: Grade, text: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding { check, severity, text: text.into(), help: help.into() });
    }

    fn fine(&mut self, check: &'static str, fr: impl Into<String>, en: impl Into<String>) {
        let text: String = self.language.pick(fr.into(), en.into());
        self.add(check, Grade::Ok, text, "");
    }

    fn number(&self, count: usize, fr: (&str, &str), en: (&str, &str)) -> String {
        let (one, many) = self.pick(fr, en);
        show::counted(i64::try_from(count).unwrap_or(i64::MAX), one, many, self.language)
    }

    /// The first few of many, and how many more there are.
    fn named(&self, names: &[String]) -> String {
        let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if names.len() > NAMED {
            let more = names.len() - NAMED;
            text.push_str(&self.pick(format!(" et {more} de plus"), format!(" and {more} more")));
        }
        text
    }

    fn unreadable(&mut self, error: &DbError) {
        let text =
            self.pick(format!("La base de données ne se lit pas : {error}."), format!("The database cannot be read: {error}."));
        let help = self.pick(
            "Vérifiez le disque et les droits du fichier. S'il est abîmé, gardez-en une copie et remettez la dernière sauvegarde.",
            "Check the disk and the file's permissions. If it is damaged, keep a copy and put back the latest backup.",
        );
        self.add("database", Grade::Error, text, help);
    }

    fn not_running(&mut self, held: bool) {
        if held {
            let text = self.pick(
                "Un Beffroi tient la base de données, mais ne répond pas.",
                "A Beffroi holds the database, but does not answer.",
            );
            let help = self.pick(
                "Nommez sa prise avec --socket ; s'il ne répond pas non plus là, redémarrez-le.",
                "Name its socket with --socket; if it does not answer there either, restart it.",
            );
            self.add("daemon", Grade::Error, text, help);
        } else {
            let text = self.pick("Beffroi ne tourne pas : rien ne part.", "Beffroi does not run: nothing goes out.");
            let help = self.pick("Pour le lancer : beffroi start", "To start it: beffroi start");
            self.add("daemon", Grade::Warning, text, help);
        }
    }

    fn configuration(&mut self, problems: &[Problem], refused: bool) {
        if refused {
            let text = self.pick(
                "La dernière modification de la configuration a été refusée : l'ancienne reste en vigueur.",
                "The last change of the configuration was refused: the one before stays in force.",
            );
            let help = self.pick("Corrigez-la, puis : beffroi reload", "Mend it, then: beffroi reload");
            self.add("configuration", Grade::Error, text, help);
        }
        let (errors, remarks): (Vec<&Problem>, Vec<&Problem>) = problems.iter().partition(|p| p.severity == Severity::Error);
        for problem in errors.iter().take(PROBLEMS) {
            let place = if problem.line > 0 {
                format!("{}:{}", problem.file.display(), problem.line)
            } else {
                problem.file.display().to_string()
            };
            self.add("configuration", Grade::Error, format!("{place}: {}", problem.message), problem.help.clone());
        }
        if errors.len() > PROBLEMS {
            let more = errors.len() - PROBLEMS;
            let text = self.pick(
                format!("Et {more} autres fautes de configuration."),
                format!("And {more} more faults of the configuration."),
            );
            self.add("configuration", Grade::Error, text, self.pick("Toutes : beffroi check", "All of them: beffroi check"));
        }
        // Remarks need nobody: what they are about may be meant so.
        if errors.is_empty() && !refused {
            let remarks = match remarks.len() {
                0 => String::new(),
                count => {
                    let count = self.number(count, ("remarque", "remarques"), ("remark", "remarks"));
                    self.pick(format!(" ({count} : beffroi check)"), format!(" ({count}: beffroi check)"))
                }
            };
            self.fine(
                "configuration",
                format!("La configuration est sans faute{remarks}."),
                format!("The configuration has no fault{remarks}."),
            );
        }
    }

    /// The disk it lies on.
    fn file(&mut self, database: &Path) {
        let folder = database.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Ok(about) = rustix::fs::statvfs(&folder) else { return };
        self.space(about.f_bavail.saturating_mul(about.f_frsize), &folder.display().to_string());
    }

    fn space(&mut self, free: u64, folder: &str) {
        let giga = free as f64 / 1e9;
        let size = if giga >= 1.0 {
            format!("{}{}{}", show::number(giga, self.language), show::WIDE, self.pick("Go", "GB"))
        } else {
            words::bytes(free, self.language)
        };
        let help = self.pick(
            "Libérez de la place : sans elle, Beffroi ne peut plus rien noter, et n'envoie donc plus rien.",
            "Free some space: without it Beffroi cannot write anything down, and so sends nothing.",
        );
        let text =
            self.pick(format!("Il reste {size} sur le disque de {folder}."), format!("{size} are left on the disk of {folder}."));
        match free {
            free if free < NO_SPACE => self.add("disk", Grade::Error, text, help),
            free if free < LITTLE_SPACE => self.add("disk", Grade::Warning, text, help),
            _ => self.add("disk", Grade::Ok, text, ""),
        }
    }

    /// Whether the file is whole, ours and of this program's schema. Whatever else is asked of it needs that.
    fn database(&mut self, db: &Db) -> Result<bool, DbError> {
        let kind = health::kind(db)?;
        if !kind.ours {
            let text = self.pick("Le fichier de la base n'est pas celui d'un Beffroi.", "The database file is not a Beffroi's.");
            let help = self.pick("Nommez le bon fichier sous [store] path.", "Name the right file under [store] path.");
            self.add("database", Grade::Error, text, help);
            return Ok(false);
        }
        if kind.schema != kind.known {
            let (found, known) = (kind.schema, kind.known);
            let newer = found > known;
            let text = self.pick(
                format!("La base est au schéma {found}, ce programme connaît le {known}."),
                format!("The database has schema {found}, this program knows {known}."),
            );
            let help = if newer {
                self.pick("Remettez la version plus récente de Beffroi.", "Install the newer Beffroi again.")
            } else {
                self.pick("Elle est mise à jour au prochain démarrage.", "It is brought up to date at the next start.")
            };
            self.add("database", if newer { Grade::Error } else { Grade::Warning }, text, help);
            return Ok(false);
        }
        let damage = health::damage(db, self.wanted.deep)?;
        if let Some(first) = damage.first() {
            let text =
                self.pick(format!("La base de données est abîmée : {first}."), format!("The database is damaged: {first}."));
            let help = self.pick(
                "Arrêtez Beffroi, gardez une copie du fichier, et remettez la dernière sauvegarde.",
                "Stop Beffroi, keep a copy of the file, and put back the latest backup.",
            );
            self.add("database", Grade::Error, text, help);
        }
        let lacks = health::lacks(db)?;
        if !lacks.is_empty() {
            let names = self.named(&lacks);
            let text = self.pick(
                format!("Il manque à la base des garde-fous : {names}. Quelqu'un a modifié le fichier à la main."),
                format!("The database lacks safeguards: {names}. Somebody has changed the file by hand."),
            );
            let help = self.pick("Remettez la dernière sauvegarde.", "Put back the latest backup.");
            self.add("database", Grade::Error, text, help);
        }
        if damage.is_empty() && lacks.is_empty() {
            self.fine("database", "La base de données est entière.", "The database is whole.");
        }
        Ok(true)
    }

    fn everything(&mut self, db: &Db, engine: Option<&Engine>) -> Result<(), DbError> {
        self.machine_clock(db)?;
        self.ledger(db, engine.is_some())?;
        if let Some(engine) = engine {
            self.overdue(db)?;
            self.without_owner(db, engine)?;
        } else {
            self.interrupted(db)?;
        }
        self.deliveries(db)?;
        self.stopped(db)?;
        self.waiting(db, engine)?;
        self.feeds(db)
    }

    fn machine_clock(&mut self, db: &Db) -> Result<(), DbError> {
        let newest = health::newest(db)?.unwrap_or(Timestamp::EPOCH);
        let (now, then) = (self.when(self.now), self.when(newest));
        if newest > self.now.plus(MINUTE) {
            let text = self.pick(
                format!("La base parle déjà de {then}, mais l'horloge de la machine dit {now}."),
                format!("The database speaks of {then} already, but this machine's clock says {now}."),
            );
            let help = self.pick(
                "Vérifiez l'heure avec timedatectl. Si elle est juste maintenant, elle était fausse avant ; cela se remet tout seul quand ce moment est passé.",
                "Check the time with timedatectl. If it is right now, it was wrong before; this mends itself when that moment has passed.",
            );
            self.add("clock", Grade::Warning, text, help);
        } else {
            self.fine("clock", format!("L'horloge est plausible : {now}."), format!("The clock is plausible: {now}."));
        }
        Ok(())
    }

    fn ledger(&mut self, db: &Db, running: bool) -> Result<(), DbError> {
        // Without a daemon the ledger ends where the last one left it; the next start accounts for what came due since.
        let end = if running { self.now } else { ledger::end(db)?.unwrap_or(self.now).min(self.now) };
        let from = self.wanted.since.unwrap_or_else(|| self.now.minus(MONTH)).min(end);
        let mut found = audit(db, from, end)?;
        if let Some(instance) = self.instance.filter(|_| running) {
            found.unknown.extend(adrift(db, instance)?);
            found.unknown.sort();
            found.unknown.dedup();
        }
        if found.holds() {
            let since = self.when(from);
            let rows = usize::try_from(found.expected).unwrap_or(usize::MAX);
            let count = self.number(rows, ("échéance", "échéances"), ("due time", "due times"));
            self.fine(
                "ledger",
                format!("Le registre est complet depuis le {since} : {count}, chacune notée une fois."),
                format!("The ledger is complete since {since}: {count}, each with one row."),
            );
        } else {
            let zone = self.instance.map_or(crate::domain::Zone::UTC, |i| i.business.zone);
            let examples = self.named(&daily::examples(&found, zone));
            let text = self.pick(
                format!("{} Par exemple : {examples}.", daily::sentence(&found, self.language)),
                format!("{} For example: {examples}.", daily::sentence(&found, self.language)),
            );
            let help = self.pick(
                "Regardez si ces heures-là ont été faites, rattrapez à la main avec beffroi run, et signalez ce défaut.",
                "Look whether these times were done, make up for them with beffroi run, and report this defect.",
            );
            self.add("ledger", Grade::Error, text, help);
        }
        if let Some((check, _)) = ledger::last_check(db)?.filter(|(check, _)| running && self.now.since(check.at) > DAY * 2) {
            let at = self.when(check.at);
            let text = self.pick(
                format!("Le contrôle quotidien du registre n'a plus été fait depuis {at}."),
                format!("The daily count of the ledger was last made {at}."),
            );
            let help = self.pick("Redémarrez Beffroi, et regardez son journal.", "Restart Beffroi, and look at its log.");
            self.add("ledger", Grade::Warning, text, help);
        }
        Ok(())
    }

    fn overdue(&mut self, db: &Db) -> Result<(), DbError> {
        match overdue(db, self.now)? {
            Some((at, workflow)) if self.now.since(at) > MINUTE => {
                let late = self.span(self.now.since(at));
                let text = self.pick(
                    format!("« {workflow} » aurait dû commencer il y a {late} et n'a pas commencé."),
                    format!("\"{workflow}\" should have started {late} ago and has not."),
                );
                let help = self.pick(
                    format!("Voyez : beffroi why {workflow}. Si tout attend, redémarrez Beffroi."),
                    format!("See: beffroi why {workflow}. If everything waits, restart Beffroi."),
                );
                self.add("overdue", if self.now.since(at) > HOUR { Grade::Error } else { Grade::Warning }, text, help);
            }
            _ => self.fine("overdue", "Rien n'est en retard sur l'horaire.", "Nothing is behind its schedule."),
        }
        Ok(())
    }

    fn without_owner(&mut self, db: &Db, engine: &Engine) -> Result<(), DbError> {
        let open = health::unfinished(db, self.now.minus(MINUTE))?;
        let mut lost: Vec<_> = open.into_iter().filter(|row| !engine.board.holds(row.run)).collect();
        if !lost.is_empty() {
            // What ended in between is no longer open.
            let still = health::unfinished(&*engine.store.read()?, self.now.minus(MINUTE))?;
            lost.retain(|row| still.iter().any(|other| other.run == row.run));
        }
        if lost.is_empty() {
            let running = engine.board.running().len();
            let count = self.number(running, ("passage en cours", "passages en cours"), ("run goes on", "runs go on"));
            self.add("runs", Grade::Ok, format!("{count}."), "");
            return Ok(());
        }
        let names: Vec<String> = lost.iter().map(|row| format!("{} ({})", row.run, row.workflow)).collect();
        let names = self.named(&names);
        let text = self.pick(
            format!("Des passages sont ouverts et personne ne s'en occupe : {names}."),
            format!("Runs are open and nobody works on them: {names}."),
        );
        let help = self.pick("Redémarrez Beffroi : il les reprend.", "Restart Beffroi: it takes them up again.");
        self.add("runs", Grade::Error, text, help);
        Ok(())
    }

    fn interrupted(&mut self, db: &Db) -> Result<(), DbError> {
        let open = health::unfinished(db, self.now)?;
        let names: Vec<String> = open.iter().map(|row| format!("{} ({})", row.run, row.workflow)).collect();
        if names.is_empty() {
            self.fine("runs", "Aucun passage n'est resté ouvert.", "No run was left open.");
        } else {
            let names = self.named(&names);
            self.fine(
                "runs",
                format!("Restés ouverts, repris au prochain démarrage : {names}."),
                format!("Left open, taken up at the next start: {names}."),
            );
        }
        Ok(())
    }

    fn deliveries(&mut self, db: &Db) -> Result<(), DbError> {
        let undecided = health::undecided(db, self.now.minus(MINUTE))?;
        for row in undecided.iter().take(PROBLEMS) {
            let (id, target, ago) = (row.id, &row.target, self.span(self.now.since(row.since)));
            let old = self.now.since(row.since) > DAY || row.asks;
            let text = self.pick(
                format!("On ne sait pas si {id} est parti sur {target}, depuis {ago}."),
                format!("Nobody knows whether {id} went out on {target}, for {ago}."),
            );
            let help = if old {
                self.pick(
                    format!(
                        "Regardez sur le réseau, puis répondez : beffroi approve {id} --done (parti) ou --again (pas parti)."
                    ),
                    format!("Look on the network, then answer: beffroi approve {id} --done (it did) or --again (it did not)."),
                )
            } else {
                self.pick("Beffroi le vérifie tout seul.", "Beffroi reads it back by itself.").to_owned()
            };
            self.add("deliveries", if old { Grade::Error } else { Grade::Warning }, text, help);
        }
        let dead = health::given_up(db, self.now.minus(MONTH))?;
        for row in dead.iter().take(PROBLEMS) {
            let (id, target, why) = (row.id, &row.target, first_words(&row.reason, 120));
            let text = self
                .pick(format!("{id} n'est pas parti sur {target} : {why}"), format!("{id} did not go out on {target}: {why}"));
            let help = self.pick(
                format!("L'envoyer quand même : beffroi approve {id} --again ; l'oublier : beffroi reject {id}."),
                format!("Send it after all: beffroi approve {id} --again; forget it: beffroi reject {id}."),
            );
            self.add("deliveries", Grade::Error, text, help);
        }
        let more = undecided.len().saturating_sub(PROBLEMS) + dead.len().saturating_sub(PROBLEMS);
        if more > 0 {
            let text = self.pick(format!("Et {more} autres messages dans ce cas."), format!("And {more} more posts like these."));
            let help = self.pick("Tous : beffroi status", "All of them: beffroi status");
            self.add("deliveries", Grade::Error, text, help);
        }
        if undecided.is_empty() && dead.is_empty() {
            self.fine("deliveries", "Aucun message n'est dans le doute ni abandonné.", "No post is in doubt or given up.");
        }
        Ok(())
    }

    /// What a person, or a breaker, has stopped.
    fn stopped(&mut self, db: &Db) -> Result<(), DbError> {
        let before = self.findings.len();
        if let Some(reason) = view::freeze(db)? {
            let text = self.pick(format!("Tout envoi est gelé : {reason}."), format!("All sending is frozen: {reason}."));
            self.add("freeze", Grade::Warning, text, self.pick("Pour reprendre : beffroi thaw", "To let it go on: beffroi thaw"));
        }
        for (account, reason) in view::breakers(db)? {
            let reason = reason.trim_end_matches('.');
            let text = self.pick(
                format!("Le compte {account} est bloqué : {reason}. Rien n'y part."),
                format!("The account {account} is stopped: {reason}. Nothing goes out there."),
            );
            let help = self.pick(
                format!("Réglez la cause, puis : beffroi thaw {account}"),
                format!("Mend the cause, then: beffroi thaw {account}"),
            );
            self.add("accounts", Grade::Error, text, help);
        }
        for row in view::workflows(db)? {
            let here = self.instance.is_none_or(|i| i.workflows.keys().any(|name| name.as_str() == row.name));
            if let Some(reason) = row.paused.filter(|_| here) {
                let (name, reason) = (&row.name, words::said(&reason, self.language));
                let text = self.pick(
                    format!("Le programme « {name} » est en pause : {reason}."),
                    format!("The workflow \"{name}\" is paused: {reason}."),
                );
                let help = self
                    .pick(format!("Pour le relancer : beffroi resume {name}"), format!("To let it go on: beffroi resume {name}"));
                self.add("workflows", Grade::Warning, text, help);
            }
        }
        for row in plugins::plugins(db, None)? {
            if let Some((reason, _)) = row.suspended {
                let name = &row.name;
                let text = self.pick(
                    format!("Le module « {name} » est suspendu : {reason}"),
                    format!("The plugin \"{name}\" is suspended: {reason}"),
                );
                let help = self.pick(
                    format!("Pour le reprendre : beffroi plugin resume {name}"),
                    format!("To use it again: beffroi plugin resume {name}"),
                );
                self.add("plugins", Grade::Warning, text, help);
            }
        }
        if self.findings.len() == before {
            self.fine("stopped", "Rien n'est gelé, bloqué ni en pause.", "Nothing is frozen, stopped or paused.");
        }
        Ok(())
    }

    /// What piles up.
    fn waiting(&mut self, db: &Db, engine: Option<&Engine>) -> Result<(), DbError> {
        let before = self.findings.len();
        // What a stop or a freeze holds back has been told.
        let stopped: Vec<String> = view::breakers(db)?.into_iter().map(|(account, _)| account).collect();
        let frozen = view::freeze(db)?.is_some();
        let behind = health::behind(db, self.now.minus(HOUR))?;
        let behind: Vec<_> = behind.into_iter().filter(|row| !frozen && !stopped.contains(&row.target)).collect();
        if let Some(first) = behind.first() {
            let count =
                self.number(behind.len(), ("message en retard", "messages en retard"), ("post is late", "posts are late"));
            let (id, late, why) = (first.id, self.span(self.now.since(first.since)), first_words(&first.reason, 100));
            let text = self.pick(
                format!("{count} ; le plus ancien, {id} sur {}, attend depuis {late} : {why}.", first.target),
                format!("{count}; the oldest, {id} on {}, has waited for {late}: {why}.", first.target),
            );
            let help = self.pick(format!("Voyez : beffroi why {id}"), format!("See: beffroi why {id}"));
            self.add("backlog", Grade::Warning, text.replace("..", "."), help);
        }
        let ending = health::unanswered(db, self.now.plus(DAY))?;
        let ending: Vec<_> = ending.into_iter().filter(|row| row.until.is_some()).collect();
        if let Some(first) = ending.iter().min_by_key(|row| row.until) {
            let count = self.number(
                ending.len(),
                (
                    "message attend votre accord et sera bientôt périmé",
                    "messages attendent votre accord et seront bientôt périmés",
                ),
                ("post waits for your yes and will soon be too late", "posts wait for your yes and will soon be too late"),
            );
            let (id, end) = (first.id, self.when(first.until.unwrap_or(self.now)));
            let text = self.pick(format!("{count} : {id} {end}."), format!("{count}: {id} {end}."));
            let help = self.pick(format!("Pour dire oui : beffroi approve {id}"), format!("To say yes: beffroi approve {id}"));
            self.add("backlog", Grade::Warning, text, help);
        }
        let ready = engine.map_or(0, |engine| engine.board.counts().0);
        if ready > 100 {
            let text = self.pick(format!("{ready} passages attendent leur tour."), format!("{ready} runs wait for a thread."));
            let help = self.pick(
                "Augmentez [limits] runs, ou étalez les horaires avec jitter.",
                "Raise [limits] runs, or spread the schedules with jitter.",
            );
            self.add("backlog", Grade::Warning, text, help);
        }
        if self.findings.len() == before {
            self.fine("backlog", "Rien ne s'accumule.", "Nothing piles up.");
        }
        Ok(())
    }

    fn feeds(&mut self, db: &Db) -> Result<(), DbError> {
        let failing = health::failing_feeds(db, self.now.minus(DAY))?;
        let here = |name: &str| self.instance.is_none_or(|i| i.feeds.keys().any(|feed| feed.as_str() == name));
        let failing: Vec<_> = failing.into_iter().filter(|(name, ..)| here(name)).collect();
        for (name, since, error) in &failing {
            let (ago, error) = (self.span(self.now.since(*since)), first_words(error, 120));
            let text = self.pick(
                format!("La source « {name} » ne se lit plus depuis {ago} : {error}"),
                format!("The feed \"{name}\" has not been readable for {ago}: {error}"),
            );
            let help = self.pick(
                "Vérifiez son adresse dans la configuration, par exemple avec beffroi feed ADRESSE.",
                "Check its address in the configuration, for example with beffroi feed ADDRESS.",
            );
            self.add("feeds", Grade::Warning, text, help);
        }
        if failing.is_empty() {
            self.fine("feeds", "Aucune source n'est en panne depuis longtemps.", "No feed has been failing for long.");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_told_before_it_is_full() {
        let said = |free: u64, language| {
            let mut exam = Exam::new(Timestamp::EPOCH, None, language, Wanted::default());
            exam.space(free, "/var/lib/beffroi");
            exam.report(false).findings.remove(0)
        };
        assert_eq!(said(40 << 30, Language::En).severity, Grade::Ok);
        let little = said(200_000_000, Language::Fr);
        assert_eq!(little.severity, Grade::Warning);
        assert!(little.text.contains("200\u{a0}Mo") && little.help.contains("n'envoie donc plus rien"), "{little:?}");
        assert_eq!(said(1_000_000, Language::En).severity, Grade::Error);
    }
}
