//! What a consent is about, in words that a shop owner understands.
//!
//! In: a manifest, and the rights to speak of. Out: lines in French or English; the reasons between quotes are the author's.
//! Never: leaves a right out, or lets an author's text pass for the daemon's own.

use super::{PlaceRight, Rights, asked};
use crate::craft::show::{list, typeset};
use crate::domain::{Language, show_span};
use crate::plugin::manifest::{CredentialKind, Manifest, Words};
use std::time::Duration;

/// More paths than these are counted on the line, so that a long list hides nothing else.
const PATHS: usize = 8;

/// What an upgrade changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// What was not granted before; empty when there is nothing to ask.
    pub new: Vec<String>,
    /// What it no longer asks for.
    pub gone: Vec<String>,
}

impl Change {
    /// What the new manifest asks for beyond what was granted to the old one, and what went away.
    pub fn between(old: &Manifest, granted: &Rights, new: &Manifest, language: Language) -> Self {
        let wanted = asked(new);
        Self { new: consent(new, &wanted.beyond(granted), language), gone: consent(old, &granted.beyond(&wanted), language) }
    }
}

/// The whole question for a first installation, ready to be shown.
pub fn question(manifest: &Manifest, language: Language) -> String {
    let rights = consent(manifest, &asked(manifest), language);
    let title = manifest.title.pick(language);
    let mut lines = Vec::new();
    if rights.is_empty() {
        lines.push(language.pick(
            format!("{title} ne demande aucun droit : il n'appelle personne et ne reçoit aucun mot de passe."),
            format!("{title} asks for no right: it calls nobody and gets no password."),
        ));
    } else {
        lines.push(language.pick(format!("{title} veut :"), format!("{title} wants to:")));
        lines.extend(rights.iter().map(|line| format!("  • {line}")));
    }
    // At the desk, the daemon's own requests may go anywhere public.
    let rest = if manifest.desk.iter().any(|pattern| pattern.starts_with("http::")) {
        language.pick(
            "Il n'a accès à rien d'autre : ni à vos fichiers, ni à votre réseau privé, ni aux autres plugins.",
            "It has access to nothing else: not to your files, not to your private network, not to other plugins.",
        )
    } else {
        language.pick(
            "Il n'a accès à rien d'autre : ni à vos fichiers, ni au reste du réseau, ni aux autres plugins.",
            "It has access to nothing else: not to your files, not to the rest of the network, not to other plugins.",
        )
    };
    lines.push(rest.to_owned());
    lines.iter().map(|line| typeset(line, language) + "\n").collect()
}

/// These rights, a line for each; empty when there is nothing beyond the usual.
pub fn consent(manifest: &Manifest, rights: &Rights, language: Language) -> Vec<String> {
    let speaker = Speaker { manifest, language };
    let mut lines: Vec<String> = rights.places.iter().map(|place| speaker.place(place)).collect();
    lines.extend(rights.credentials.iter().map(|credential| speaker.credential(&credential.name, credential.hosts.iter())));
    lines.extend(speaker.desk(&rights.desk));
    lines.extend(speaker.limits(rights));
    lines.into_iter().map(|line| typeset(&line, language)).collect()
}

struct Speaker<'m> {
    manifest: &'m Manifest,
    language: Language,
}

impl Speaker<'_> {
    fn pick<T>(&self, fr: T, en: T) -> T {
        self.language.pick(fr, en)
    }

    /// An author's words, between quotes that they cannot close.
    fn quoted(&self, text: &str) -> String {
        let text = text.replace(['"', '«', '»', '“', '”', '„'], "'");
        self.pick(format!("« {text} »"), format!("\"{text}\""))
    }

    fn because(&self, reasons: &[&Words]) -> String {
        let mut said: Vec<String> = reasons.iter().map(|words| self.quoted(words.pick(self.language))).collect();
        said.dedup();
        match said.as_slice() {
            [] => String::new(),
            said => self.pick(format!(" : {}", list(said, self.language)), format!(": {}", list(said, self.language))),
        }
    }

    fn host(&self, host: &str) -> String {
        if let Some(name) = host.strip_prefix("setting:") {
            let setting = self.manifest.settings.iter().find(|setting| setting.name == name);
            let label = setting.map_or(name, |setting| setting.label.pick(self.language));
            let usual = setting.and_then(|setting| setting.default.as_ref()).and_then(|value| value.as_str());
            let usual = usual
                .and_then(super::host_of)
                .map(|host| self.pick(format!(" ({host} si vous ne dites rien)"), format!(" ({host} unless you say otherwise)")));
            let label = self.quoted(label);
            return self.pick(format!("le serveur que vous indiquez sous {label}"), format!("the server you name under {label}"))
                + usual.unwrap_or_default().as_str();
        }
        match host.strip_prefix("*.") {
            Some(rest) => self.pick(format!("tous les serveurs de {rest}"), format!("every server of {rest}")),
            None => host.to_owned(),
        }
    }

    fn place(&self, place: &PlaceRight) -> String {
        let has = |words: &[&str]| place.methods.iter().any(|method| words.contains(&method.as_str()));
        let mut verbs = Vec::new();
        if has(&["GET", "HEAD", "OPTIONS"]) {
            verbs.push(self.pick("lire", "read"));
        }
        if place.methods.iter().any(|method| !["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method.as_str())) {
            verbs.push(self.pick("envoyer", "send"));
        }
        if has(&["DELETE"]) {
            verbs.push(self.pick("supprimer", "delete"));
        }
        let verbs = list(&verbs, self.language);
        let everything = place.paths.contains("/*");
        let mut paths: Vec<&str> = place.paths.iter().map(String::as_str).take(PATHS).collect();
        let more = self.pick(
            format!("et {} autres", place.paths.len() - paths.len()),
            format!("and {} more", place.paths.len() - paths.len()),
        );
        if place.paths.len() > PATHS {
            paths.push(&more);
        }
        let paths = paths.join(", ");
        let paths = if everything { String::new() } else { self.pick(format!(" sous {paths}"), format!(" under {paths}")) };
        let mine = |asked: &&crate::plugin::manifest::AskedPlace| {
            asked.host == place.host && asked.methods.iter().any(|method| place.methods.contains(method))
        };
        let reasons: Vec<&Words> = self.manifest.places.iter().filter(mine).map(|asked| &asked.reason).collect();
        let host = self.host(&place.host);
        self.pick(format!("{verbs} sur {host}{paths}"), format!("{verbs} at {host}{paths}")) + self.because(&reasons).as_str()
    }

    fn credential<'h>(&self, name: &str, hosts: impl Iterator<Item = &'h String>) -> String {
        let known = self.manifest.credentials.iter().find(|credential| credential.name == name);
        let label = self.quoted(known.map_or(name, |credential| credential.label.pick(self.language)));
        let hosts: Vec<String> = hosts.map(|host| self.host(host)).collect();
        let hosts = list(&hosts, self.language);
        let signing = known.is_some_and(|credential| credential.kind == CredentialKind::Hmac);
        let line = if signing {
            self.pick(
                format!("faire signer ses envois par Beffroi avec {label}, que le plugin ne voit jamais"),
                format!("have Beffroi sign what it sends with {label}, which the plugin never sees"),
            )
        } else {
            self.pick(
                format!("se servir de {label} sur {hosts} et nulle part ailleurs, sans jamais le voir"),
                format!("use {label} at {hosts} and nowhere else, without ever seeing it"),
            )
        };
        let reasons: Vec<&Words> = known.map(|credential| &credential.reason).into_iter().collect();
        line + self.because(&reasons).as_str()
    }

    fn desk(&self, patterns: &[String]) -> Vec<String> {
        // Functions for the same thing share a line.
        let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
        for pattern in patterns {
            let words = self.function(pattern).unwrap_or(self.pick("appeler dans Beffroi", "call inside Beffroi"));
            match lines.iter_mut().find(|(known, _)| *known == words) {
                Some((_, patterns)) => patterns.push(pattern),
                None => lines.push((words, vec![pattern])),
            }
        }
        lines.into_iter().map(|(words, patterns)| format!("{words} ({})", patterns.join(", "))).collect()
    }

    /// What functions of the desk are for.
    fn function(&self, pattern: &str) -> Option<&'static str> {
        let (fr, en) = match pattern {
            "posts::plan" => ("préparer des messages à publier, dans vos règles", "plan posts, within your rules"),
            "posts::recent" => ("voir vos derniers messages", "see your recent posts"),
            "posts::withdraw" => ("retirer des messages qui ne sont pas partis", "take back posts that have not gone out"),
            "run::later" => ("se faire relancer plus tard", "have itself run again later"),
            "http::post" => (
                "envoyer à toute adresse publique, même hors de cette liste",
                "send to any public address, also outside this list",
            ),
            "http::get" => {
                ("lire toute adresse publique, même hors de cette liste", "read any public address, also outside this list")
            }
            "step" => ("garder le résultat de ses étapes", "keep what its steps gave"),
            other => match other.split_once("::")?.0 {
                "posts" => ("préparer, voir et retirer vos messages", "plan, see and take back your posts"),
                "http" => (
                    "lire et envoyer à toute adresse publique, même hors de cette liste",
                    "read and send to any public address, also outside this list",
                ),
                "library" => ("lire votre bibliothèque de contenus", "read your library of content"),
                "feeds" => ("lire les nouvelles de vos flux", "read the news of your feeds"),
                "stock" => ("lire vos produits, stocks et prix", "read your products, stock and prices"),
                "kpi" => ("lire vos chiffres", "read your figures"),
                "notify" => ("envoyer des avis à vos personnes", "send notices to your people"),
                "events" => ("lancer d'autres programmes", "start other workflows"),
                "state" => ("lire et changer la mémoire commune des programmes", "read and change what workflows remember"),
                "run" => ("savoir pourquoi et pour qui il tourne", "know why and for whom it runs"),
                "text" | "json" | "time" | "log" => ("compter, écrire et noter au journal", "count, write and keep a log"),
                _ => return None,
            },
        };
        Some(self.pick(fr, en))
    }

    fn limits(&self, rights: &Rights) -> Option<String> {
        let (mine, usual) = (&rights.limits, super::LimitRight::default());
        let size = |bytes: u64| {
            let (count, unit) = match bytes {
                b if b >= 1 << 20 => (b.div_ceil(1 << 20), self.pick("Mio", "MiB")),
                b => (b.div_ceil(1 << 10), self.pick("Kio", "KiB")),
            };
            format!("{count} {unit}")
        };
        let time = |millis: u64| show_span(Duration::from_millis(millis));
        let mut parts = Vec::new();
        let mut say = |mine: u64, usual: u64, shown: String, fr: &str, en: &str| {
            if mine > usual {
                parts.push(self.pick(format!("{shown} {fr}"), format!("{shown} {en}")));
            }
        };
        say(mine.memory, usual.memory, size(mine.memory), "de mémoire", "of memory");
        say(mine.time_ms, usual.time_ms, time(mine.time_ms), "par appel", "per call");
        say(mine.response, usual.response, size(mine.response), "par réponse", "per answer");
        say(mine.requests, usual.requests, mine.requests.to_string(), "requêtes par appel", "requests per call");
        say(mine.bytes, usual.bytes, size(mine.bytes), "transmis par appel", "transferred per call");
        say(mine.state, usual.state, size(mine.state), "de mémoire durable", "of lasting memory");
        say(mine.log_lines, usual.log_lines, mine.log_lines.to_string(), "lignes de journal", "lines of log");
        (!parts.is_empty()).then(|| {
            let all = list(&parts, self.language);
            self.pick(format!("utiliser plus que d'habitude : {all}"), format!("use more than usual: {all}"))
        })
    }
}
