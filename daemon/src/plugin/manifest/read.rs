//! Reads `beffroi-plugin.toml`: what an author wrote becomes the [`Manifest`] that was meant, or every reason why it cannot.
//!
//! In: the text, and the name to show for it. Out: a manifest, or all problems at once with line, column and remedy.
//! Never: lets a text through that could disturb a terminal or hide what is asked for: owners decide by these texts.

use super::values::{covers, first, fits, hidden, host_wrong, is_web, version};
use super::{
    Asked, AskedPlace, Credential, CredentialKind, Exchange, ExchangeBody, Manifest, Session, Setting, SettingKind, Words,
};
use crate::domain::{Currency, Json, PluginName};
use crate::problem::{Problem, any_error, perhaps};
use crate::written::{Findings, Keys, Piece, Table, Text};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// The largest manifest.
const LARGEST: usize = 64 << 10;
/// The longest text that owners are shown, in characters.
const LONGEST: usize = 240;
/// The most places, credentials, settings, and elements of their lists.
const MOST: usize = 64;

const fn section(section: &'static str, keys: &'static [&'static str]) -> Keys {
    Keys { section, inner: None, keys, open: false }
}

const fn inner(section: &'static str, inner: &'static str, keys: &'static [&'static str]) -> Keys {
    Keys { section, inner: Some(inner), keys, open: false }
}

const LANGUAGES: &[&str] = &["fr", "en"];

static TOP: Keys = section("", &["plugin", "http", "credentials", "settings", "limits", "channel", "generator", "workflow"]);
static PLUGIN: Keys = section("plugin", &["name", "version", "api", "title", "summary", "license", "homepage"]);
static TITLE: Keys = inner("plugin", "title", LANGUAGES);
static SUMMARY: Keys = inner("plugin", "summary", LANGUAGES);
static HTTP: Keys = section("[http]", &["host", "methods", "paths", "reason"]);
static HTTP_REASON: Keys = inner("[http]", "reason", LANGUAGES);
static CREDENTIAL: Keys = section(
    "[credentials]",
    &["name", "kind", "hosts", "label", "reason", "header", "prefix", "parameter", "placeholder", "user", "session"],
);
static CREDENTIAL_LABEL: Keys = inner("[credentials]", "label", LANGUAGES);
static CREDENTIAL_REASON: Keys = inner("[credentials]", "reason", LANGUAGES);
static SESSION: Keys =
    inner("[credentials]", "session", &["login", "refresh", "access", "refresh-token", "expires-in", "expired"]);
static LOGIN: Keys = inner("[credentials]", "session.login", &["url", "json", "form", "bearer"]);
static REFRESH: Keys = inner("[credentials]", "session.refresh", &["url", "json", "form", "bearer"]);
static FORM: Keys = Keys { section: "[credentials]", inner: Some("form"), keys: &["grant_type"], open: true };
static SETTING: Keys = section("settings", &["type", "default", "optional", "choices", "label"]);
static SETTING_LABEL: Keys = inner("settings", "label", LANGUAGES);
static LIMITS: Keys = section("limits", &["memory", "time", "response", "requests", "bytes", "state", "log-lines"]);
static CHANNEL: Keys = section("channel", &["settles-within"]);
static GENERATOR: Keys = section("generator", &["cost"]);
static WORKFLOW: Keys = section("workflow", &["desk"]);

/// Reads a manifest. `file` is what problems are said to be in.
///
/// # Errors
/// All problems, in the order of the text.
pub fn parse(text: &str, file: &Path) -> Result<Manifest, Vec<Problem>> {
    if text.len() > LARGEST {
        return Err(vec![Problem::file(
            file,
            "This manifest is larger than 64 KiB.",
            "Keep it to what a plugin says of itself.",
        )]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let findings = Findings::new(text);
    let whole = 0..text.len();
    let piece = Piece::new(text, std::slice::from_ref(&whole));
    let tree = piece.parse(&findings);
    let root = Table::root(&tree, &piece, &findings, &TOP);
    let manifest = Reader { findings: &findings }.manifest(&root);
    let problems = findings.finish(file);
    match manifest {
        Some(manifest) if !any_error(&problems) => Ok(manifest),
        _ => Err(problems),
    }
}

struct Reader<'a> {
    findings: &'a Findings<'a>,
}

impl<'a> Reader<'a> {
    fn manifest(&self, root: &Table<'_>) -> Option<Manifest> {
        if !root.has("plugin") {
            let help = "Write [plugin], and below it name, version, api, title, summary and license.";
            self.findings.dependent(0..0, "There is no section [plugin].", help);
        }
        let settings = self.settings(root);
        let known: BTreeSet<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
        let urls: BTreeSet<&str> =
            settings.iter().filter(|s| s.kind == SettingKind::Url).map(|setting| setting.name.as_str()).collect();
        let refs = Refs { known, urls };
        let places = self.places(root, &refs);
        let credentials = self.credentials(root, &refs, &places);
        let limits = root.table("limits", &LIMITS).map_or_else(Asked::default, |table| limits(&table));
        let settles_within = root.table("channel", &CHANNEL).map_or(Duration::from_secs(60), |table| {
            table.span("settles-within", Duration::ZERO..=Duration::from_secs(86_400), Duration::from_secs(60))
        });
        let cost = root.table("generator", &GENERATOR).and_then(|table| self.cost(&table));
        let desk = root.table("workflow", &WORKFLOW).map_or_else(Vec::new, |table| self.desk(&table));

        let table = root.table("plugin", &PLUGIN)?;
        let name = table.required("name", "Write name = \"…\", in small letters, digits and \"-\".");
        let name = name.and_then(|text| self.name(&text));
        let version = table.required("version", "Write version = \"0.1.0\".").filter(|text| {
            let wrong = version(text.value).err();
            wrong.iter().for_each(|sentence| self.findings.sentences(text.at.clone(), sentence));
            wrong.is_none()
        });
        let api = table.required("api", "Write api = \"0.1\", the line of the contract it was written against.");
        let api = api.filter(|text| self.api(text));
        let title = self.words(&table, "title", &TITLE, 40);
        let summary = self.words(&table, "summary", &SUMMARY, LONGEST);
        let license = table.required("license", "Write license = \"Apache-2.0 OR MIT\", or what applies.");
        let license = license.filter(|text| self.showable(text, LONGEST));
        let homepage = table.text("homepage").filter(|text| self.showable(text, LONGEST) && self.address(text));
        Some(Manifest {
            name: name?,
            version: version?.value.to_owned(),
            api: api?.value.to_owned(),
            title: title?,
            summary: summary?,
            license: license?.value.to_owned(),
            homepage: homepage.map(|text| text.value.to_owned()),
            places,
            credentials,
            settings,
            limits,
            settles_within,
            cost,
            desk,
        })
    }

    /// A plugin's name is also part of a file's name and of addresses.
    fn name(&self, text: &Text<'_>) -> Option<PluginName> {
        match PluginName::parse(text.value) {
            Ok(name) if !text.value.contains('_') => Some(name),
            Ok(_) => {
                let help = format!("Write \"{}\".", text.value.replace('_', "-"));
                self.findings.error(text.at.clone(), "A plugin's name has no \"_\".", help);
                None
            }
            Err(wrong) => {
                self.findings.sentences(text.at.clone(), &wrong.0);
                None
            }
        }
    }

    fn api(&self, text: &Text<'_>) -> bool {
        let parts: Vec<&str> = text.value.split('.').collect();
        let number = |part: &&str| part.len() <= 4 && part.parse::<u16>().is_ok() && (part.len() == 1 || !part.starts_with('0'));
        let good = parts.len() == 2 && parts.iter().all(number);
        if !good {
            let help = "Write the two first numbers of the contract's version, such as \"0.1\".";
            self.findings.error(text.at.clone(), format!("\"{}\" is not a line of the contract.", first(text.value, 20)), help);
        }
        good
    }

    fn address(&self, text: &Text<'_>) -> bool {
        let good = url::Url::parse(text.value).is_ok_and(|url| is_web(&url));
        if !good {
            let help = "Write for example \"https://example.com\".";
            self.findings.error(text.at.clone(), "This is not an http or https address.", help);
        }
        good
    }

    /// Whether a text can be shown to an owner as it is.
    fn showable(&self, text: &Text<'_>, most: usize) -> bool {
        let count = text.value.chars().count();
        if let Some(at) = text.value.find(hidden) {
            let c = text.value[at..].chars().next().unwrap_or_default();
            let place = text.part(self.findings.text(), at..at + c.len_utf8());
            let message = format!("This text holds a character that owners cannot see: {}.", c.escape_unicode());
            self.findings.error(place, message, "Take it out. Texts for owners are one line.");
            return false;
        }
        if count > most {
            let message = format!("This text has {count} characters; {most} is the most.");
            self.findings.error(text.at.clone(), message, "Say it shorter.");
            return false;
        }
        true
    }

    fn words(&self, table: &Table<'_>, key: &'static str, keys: &'static Keys, most: usize) -> Option<Words> {
        if !table.has_or_nearly(key) {
            let help = format!("Write {key} = {{ fr = \"…\", en = \"…\" }}.");
            self.findings.dependent(table.at.clone(), format!("{} has no \"{key}\".", table.label()), help);
            return None;
        }
        let inner = table.table(key, keys)?;
        let fr = inner.required("fr", "Write it in French too: fr = \"…\".");
        let en = inner.required("en", "Write it in English too: en = \"…\".");
        let (fr, en) = (fr.filter(|text| self.showable(text, most)), en.filter(|text| self.showable(text, most)));
        Some(Words { fr: fr?.value.to_owned(), en: en?.value.to_owned() })
    }

    fn few<T>(&self, at: &Range<usize>, what: &str, list: &[T]) {
        if list.len() > MOST {
            let message = format!("There are {} {what}; {MOST} is the most.", list.len());
            self.findings.error(at.clone(), message, "Ask for less, or use a prefix that ends in \"*\".");
        }
    }

    fn places(&self, root: &Table<'_>, refs: &Refs<'_>) -> Vec<AskedPlace> {
        let rows = root.rows("http", &HTTP);
        self.few(&root.place("http"), "places", &rows);
        rows.iter().filter_map(|table| self.place(table, refs)).collect()
    }

    fn place(&self, table: &Table<'_>, refs: &Refs<'_>) -> Option<AskedPlace> {
        let host =
            table.required("host", "Write host = \"api.example.com\", or \"setting:NAME\" for one that the owner fills in.");
        let host = host.filter(|text| self.host(text, refs));
        let methods = table.texts("methods");
        self.needed(table, "methods", &methods, "methods = [\"GET\"]");
        let methods: Vec<String> = methods.iter().filter_map(|text| self.method(text)).collect();
        let paths = table.texts("paths");
        self.needed(table, "paths", &paths, "paths = [\"/api/*\"], or [\"/*\"] for all");
        let paths: Vec<String> = paths.iter().filter_map(|text| self.path(text)).collect();
        let reason = self.words(table, "reason", &HTTP_REASON, LONGEST);
        Some(AskedPlace { host: host?.value.to_owned(), methods, paths, reason: reason? })
    }

    /// A list with something in it.
    fn needed(&self, table: &Table<'_>, key: &'static str, list: &[Text<'_>], example: &str) {
        let at = table.place(key);
        self.few(&at, key, list);
        if !table.has_or_nearly(key) {
            self.findings.dependent(at, format!("{} has no \"{key}\".", table.label()), format!("Write {example}."));
        } else if list.is_empty() && table.is_empty_list(key) {
            self.findings.error(at, format!("\"{key}\" is empty."), format!("Write {example}."));
        }
    }

    fn host(&self, text: &Text<'_>, refs: &Refs<'_>) -> bool {
        if let Some(name) = text.value.strip_prefix("setting:") {
            return self.url_setting(text, name, refs);
        }
        let wrong = host_wrong(text.value);
        if let Some((message, help)) = &wrong {
            self.findings.error(text.at.clone(), message, help);
        }
        wrong.is_none()
    }

    fn url_setting(&self, text: &Text<'_>, name: &str, refs: &Refs<'_>) -> bool {
        if !refs.known.contains(name) {
            let help = format!("Describe it under [settings.{}].{}", first(name, 40), perhaps(name, refs.urls.iter().copied()));
            self.findings.dependent(text.at.clone(), format!("There is no setting \"{}\".", first(name, 40)), help);
            return false;
        }
        if !refs.urls.contains(name) {
            let message = format!("The setting \"{name}\" is not an address, so it names no host.");
            self.findings.error(text.at.clone(), message, format!("Write type = \"url\" under [settings.{name}]."));
            return false;
        }
        true
    }

    fn method(&self, text: &Text<'_>) -> Option<String> {
        let upper = text.value.to_ascii_uppercase();
        let word = (2..=20).contains(&upper.len()) && upper.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        let (message, help) = match upper.as_str() {
            "CONNECT" | "TRACE" => (format!("Plugins may not send {upper}."), "Take it out."),
            _ if !word => (format!("\"{}\" is not a method.", first(text.value, 20)), "Write for example \"GET\" or \"POST\"."),
            _ if upper != text.value => ("Methods are written in capitals.".to_owned(), "Write it in capitals."),
            _ => return Some(upper),
        };
        self.findings.error(text.at.clone(), message, help);
        None
    }

    fn path(&self, text: &Text<'_>) -> Option<String> {
        let path = text.value;
        let prefix = path.strip_suffix('*').unwrap_or(path);
        let (message, help) = if !path.starts_with('/') {
            ("A path starts with \"/\".", format!("Write \"/{}\".", first(path, 80)))
        } else if prefix.contains('*') {
            ("A \"*\" may stand only at the end of a path.", "End the path where the first \"*\" stands.".to_owned())
        } else if prefix.contains(['?', '#']) {
            ("A path goes up to the \"?\"; what follows is free.", "Take the \"?\" and what follows out.".to_owned())
        } else if path.len() > 512 || !path.bytes().all(|b| (0x21..0x7f).contains(&b) && !matches!(b, b'\\' | b'"' | b'<' | b'>'))
        {
            ("This cannot stand in a path.", "Write other characters as in addresses, such as \"%20\" for a blank.".to_owned())
        } else if url::Url::parse("https://example.com").and_then(|base| base.join(prefix)).is_ok_and(|url| url.path() != prefix)
        {
            (
                "This path does not stay as it is in an address.",
                "Write it without \"..\", \"//\" at its start and the like.".to_owned(),
            )
        } else {
            return Some(path.to_owned());
        };
        self.findings.error(text.at.clone(), message, help);
        None
    }

    fn credentials(&self, root: &Table<'_>, refs: &Refs<'_>, places: &[AskedPlace]) -> Vec<Credential> {
        let rows = root.rows("credentials", &CREDENTIAL);
        self.few(&root.place("credentials"), "credentials", &rows);
        let mut names = BTreeSet::new();
        rows.iter()
            .filter_map(|table| {
                let name = table.required("name", "Write name = \"token\": what requests call it.");
                let name = name.filter(|text| self.key(text, "credential"));
                if let Some(text) = name.as_ref().filter(|text| !names.insert(text.value)) {
                    let message = format!("There are two credentials \"{}\".", text.value);
                    self.findings.error(text.at.clone(), message, "Give them different names.");
                }
                let hosts = table.texts("hosts");
                self.needed(table, "hosts", &hosts, "hosts = [\"…\"], of those under [[http]]");
                let hosts: Vec<String> =
                    hosts.iter().filter(|text| self.bound(text, refs, places)).map(|text| text.value.to_owned()).collect();
                let label = self.words(table, "label", &CREDENTIAL_LABEL, LONGEST);
                let reason = self.words(table, "reason", &CREDENTIAL_REASON, LONGEST);
                let kind = self.credential_kind(table, refs, &hosts);
                Some(Credential { name: name?.value.to_owned(), kind: kind?, hosts, label: label?, reason: reason? })
            })
            .collect()
    }

    /// A name that requests, settings and files go by.
    fn key(&self, text: &Text<'_>, what: &str) -> bool {
        let good = text.value.len() <= 40
            && text.value.starts_with(|c: char| c.is_ascii_lowercase())
            && text.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if !good {
            let message = format!("\"{}\" cannot name a {what}.", first(text.value, 40));
            self.findings.error(text.at.clone(), message, "Use up to 40 small letters without accents, digits, \"-\" and \"_\".");
        }
        good
    }

    /// Whether a credential's host is among the places the plugin may call at all.
    fn bound(&self, text: &Text<'_>, refs: &Refs<'_>, places: &[AskedPlace]) -> bool {
        if !self.host(text, refs) {
            return false;
        }
        let among = places.iter().any(|place| covers(&place.host, text.value));
        if !among {
            let near = perhaps(text.value, places.iter().map(|place| place.host.as_str()));
            let message = format!("No [[http]] asks for the host \"{}\", so nothing could be sent there.", text.value);
            self.findings.dependent(text.at.clone(), message, format!("Name hosts of [[http]] only.{near}"));
        }
        among
    }

    fn credential_kind(&self, table: &Table<'_>, refs: &Refs<'_>, hosts: &[String]) -> Option<CredentialKind> {
        const KINDS: [(&str, &[&str]); 7] = [
            ("bearer", &[]),
            ("header", &["header", "prefix"]),
            ("query", &["parameter"]),
            ("path", &["placeholder"]),
            ("basic", &["user"]),
            ("hmac", &[]),
            ("session", &["session"]),
        ];
        let text = table.required("kind", "Write kind = \"bearer\", or how else the host applies it.")?;
        let words: Vec<(&'static str, &'static [&'static str])> = KINDS.to_vec();
        let own = table.pick("kind", &text, &words)?;
        for (kind, keys) in KINDS {
            for key in keys.iter().filter(|key| table.has(key) && !own.contains(key)) {
                let help = format!("Take it out, or write kind = \"{kind}\".");
                self.findings.error(table.place(key), format!("\"{key}\" means nothing for kind = \"{}\".", text.value), help);
            }
        }
        Some(match text.value {
            "header" => {
                let name = table.required("header", "Write header = \"X-Api-Key\".")?;
                let prefix = table.any("prefix").map(|(value, at)| (value.as_str().map(str::to_owned), at));
                let prefix = match prefix {
                    None => String::new(),
                    Some((Some(prefix), at)) => self.plain(&prefix, at)?,
                    Some((None, at)) => {
                        self.findings.error(at, "\"prefix\" is a text.", "Write for example prefix = \"Bot \".");
                        return None;
                    }
                };
                CredentialKind::Header { name: self.header(&name)?, prefix }
            }
            "query" => {
                let parameter = table.required("parameter", "Write parameter = \"key\".")?;
                CredentialKind::Query { parameter: self.plain(parameter.value, parameter.at.clone())? }
            }
            "path" => {
                let text = table.required("placeholder", "Write placeholder = \"{token}\".")?;
                let inner = text.value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                let good = inner.is_some_and(|name| {
                    (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                });
                if !good {
                    self.findings.error(text.at, "A placeholder is a word in braces.", "Write for example \"{token}\".");
                    return None;
                }
                CredentialKind::Path { placeholder: text.value.to_owned() }
            }
            "basic" => {
                let user = table.text("user");
                if let Some(text) = &user
                    && let Some(name) = text.value.strip_prefix("setting:")
                {
                    self.setting(text, name, refs);
                }
                CredentialKind::Basic { user: user.map(|text| text.value.to_owned()) }
            }
            "hmac" => CredentialKind::Hmac,
            "session" => {
                if !table.has_or_nearly("session") {
                    let help = "Write [credentials.session] below it, with refresh, access and refresh-token.";
                    self.findings.dependent(table.at.clone(), "This session does not say how tokens are got.", help);
                    return None;
                }
                CredentialKind::Session(Box::new(self.session(&table.table("session", &SESSION)?, refs, hosts)?))
            }
            _ => CredentialKind::Bearer,
        })
    }

    fn header(&self, text: &Text<'_>) -> Option<String> {
        // Headers that frame a request or choose its receiver are the host's own.
        const OWN: [&str; 8] =
            ["host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "proxy-authorization"];
        let name = text.value;
        let token = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if token && !OWN.contains(&name.to_ascii_lowercase().as_str()) {
            return Some(name.to_owned());
        }
        let message = format!("A credential cannot go into a header \"{}\".", first(name, 64));
        self.findings.error(text.at.clone(), message, "Write for example \"X-Api-Key\".");
        None
    }

    /// A text that goes along in requests.
    fn plain(&self, text: &str, at: Range<usize>) -> Option<String> {
        if text.len() <= 64 && text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Some(text.to_owned());
        }
        self.findings.error(at, "This cannot stand in a request.", "Use up to 64 plain letters, digits and signs.");
        None
    }

    fn setting(&self, text: &Text<'_>, name: &str, refs: &Refs<'_>) -> bool {
        let there = refs.known.contains(name);
        if !there {
            let help = format!("Describe it under [settings.{}].{}", first(name, 40), perhaps(name, refs.known.iter().copied()));
            self.findings.dependent(text.at.clone(), format!("There is no setting \"{}\".", first(name, 40)), help);
        }
        there
    }

    fn session(&self, table: &Table<'_>, refs: &Refs<'_>, hosts: &[String]) -> Option<Session> {
        let login = table.table("login", &LOGIN);
        let has_login = login.is_some();
        let login = login.map(|inner| self.exchange(&inner, refs, hosts));
        if !table.has_or_nearly("refresh") {
            let help = "Write refresh = { url = \"…\", form = { … } }, or bearer = \"refresh\" in it.";
            self.findings.dependent(table.at.clone(), "This session does not say how tokens are renewed.", help);
        }
        let refresh = table.table("refresh", &REFRESH).map(|inner| self.exchange(&inner, refs, hosts));
        let access = table.required("access", "Write access = \"/access_token\".").and_then(|text| self.pointer(&text));
        let token = table.required("refresh-token", "Write refresh-token = \"/refresh_token\".");
        let token = token.and_then(|text| self.pointer(&text));
        let expires_in = table.text("expires-in").map(|text| self.pointer(&text));
        let expired = table.texts("expired").iter().map(|text| text.value.to_owned()).collect();
        let login = match login {
            Some(login) => Some(login?),
            None if has_login => return None,
            None => None,
        };
        let expires_in = match expires_in {
            Some(pointer) => Some(pointer?),
            None => None,
        };
        Some(Session { login, refresh: refresh??, access: access?, refresh_token: token?, expires_in, expired })
    }

    fn pointer(&self, text: &Text<'_>) -> Option<String> {
        if text.value.starts_with('/') && text.value.len() <= 200 {
            return Some(text.value.to_owned());
        }
        let help = format!("Write \"/{}\".", first(text.value.trim_start_matches(['$', '.']), 80).replace('.', "/"));
        self.findings.error(text.at.clone(), "A place in an answer is a JSON pointer, which starts with \"/\".", help);
        None
    }

    fn exchange(&self, table: &Table<'_>, refs: &Refs<'_>, hosts: &[String]) -> Option<Exchange> {
        let url = table.required("url", "Write url = \"https://…\", or \"{setting:NAME}/…\".");
        let url = url.filter(|text| self.exchange_url(text, refs, hosts));
        let json = table.json("json");
        let form = table.table("form", &FORM).map(|inner| inner.entries());
        if let (Some(_), Some(_)) = (&json, &form) {
            self.findings.error(table.place("form"), "An exchange sends JSON or a form, not both.", "Keep one of the two.");
        }
        let bearer = table.text("bearer");
        let bearer_refresh = bearer.is_some_and(|text| table.pick("bearer", &text, &[("refresh", true)]).unwrap_or(false));
        let body = match (json, form) {
            (Some(json), _) => {
                let at = table.place("json");
                let mut texts = Vec::new();
                strings(&json, &mut texts);
                texts.iter().for_each(|text| self.placeholders(text, &at, refs));
                ExchangeBody::Json(json)
            }
            (None, Some(form)) => {
                form.iter().for_each(|(_, text)| self.placeholders(text.value, &text.at, refs));
                ExchangeBody::Form(form.iter().map(|(key, text)| (key.value.to_owned(), text.value.to_owned())).collect())
            }
            (None, None) => ExchangeBody::Empty,
        };
        Some(Exchange { url: url?.value.to_owned(), body, bearer_refresh })
    }

    /// An exchange carries the secret, so its host must be one that the credential is bound to.
    fn exchange_url(&self, text: &Text<'_>, refs: &Refs<'_>, hosts: &[String]) -> bool {
        let host = match text.value.strip_prefix("{setting:").and_then(|rest| rest.split_once('}')) {
            Some((name, rest)) => {
                if !self.url_setting(text, name, refs) {
                    return false;
                }
                // Anything else right behind the setting could become part of the host.
                if !(rest.is_empty() || rest.starts_with('/')) {
                    let help = format!("Write \"{{setting:{name}}}/…\".");
                    self.findings.error(text.at.clone(), "A \"/\" stands between the setting and what follows.", help);
                    return false;
                }
                self.placeholders(rest, &text.at, refs);
                format!("setting:{name}")
            }
            None => {
                let rest = text.value.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
                match rest.filter(|host| host_wrong(host).is_none() && !host.starts_with('*')) {
                    Some(host) => {
                        self.placeholders(text.value, &text.at, refs);
                        host.to_owned()
                    }
                    None => {
                        let help = "Write \"https://…\" with a host that the credential is bound to, or \"{setting:NAME}/…\".";
                        self.findings.error(text.at.clone(), "This is not an address tokens can be got from.", help);
                        return false;
                    }
                }
            }
        };
        let bound = hosts.iter().any(|known| covers(known, &host));
        if !bound {
            let message = format!("The credential is not bound to \"{host}\".");
            self.findings.dependent(text.at.clone(), message, "Add it to \"hosts\" of the credential.");
        }
        bound
    }

    fn placeholders(&self, text: &str, at: &Range<usize>, refs: &Refs<'_>) {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            rest = after;
            match name.strip_prefix("setting:") {
                Some(setting) => {
                    self.setting(&Text { value: text, at: at.clone() }, setting, refs);
                }
                None if matches!(name, "secret" | "refresh") => {}
                None => {
                    let message = format!("There is nothing to put for {{{}}}.", first(name, 40));
                    let near = perhaps(name, ["secret", "refresh"]);
                    self.findings.error(at.clone(), message, format!("Write {{secret}}, {{refresh}} or {{setting:NAME}}.{near}"));
                }
            }
        }
    }

    fn settings(&self, root: &Table<'_>) -> Vec<Setting> {
        let mut all = root.tables("settings", &SETTING);
        all.sort_by_key(|(name, _)| name.at.start);
        if let Some((name, _)) = all.get(MOST) {
            self.few(&name.at, "settings", &all);
        }
        all.iter().filter_map(|(name, table)| self.one_setting(name, table)).collect()
    }

    fn one_setting(&self, name: &Text<'_>, table: &Table<'_>) -> Option<Setting> {
        const TYPES: [(&str, SettingKind); 6] = [
            ("text", SettingKind::Text),
            ("url", SettingKind::Url),
            ("whole", SettingKind::Whole),
            ("number", SettingKind::Number),
            ("truth", SettingKind::Truth),
            ("choice", SettingKind::Choice(Vec::new())),
        ];
        let good = self.key(name, "setting");
        let text = table.required("type", "Write type = \"text\", or url, whole, number, truth, choice.");
        let words: Vec<(&'static str, usize)> = TYPES.iter().enumerate().map(|(at, (word, _))| (*word, at)).collect();
        let kind = text.and_then(|text| table.pick("type", &text, &words)).map(|at| TYPES[at].1.clone());
        let choices = table.texts("choices");
        let kind = match kind {
            Some(SettingKind::Choice(_)) => {
                self.needed(table, "choices", &choices, "choices = [\"…\", \"…\"]");
                choices.iter().for_each(|text| {
                    self.showable(text, 64);
                });
                Some(SettingKind::Choice(choices.iter().map(|text| text.value.to_owned()).collect()))
            }
            Some(other) if table.has("choices") => {
                let help = "Write type = \"choice\", or take the choices out.";
                self.findings.error(table.place("choices"), "Only a choice has choices.", help);
                Some(other)
            }
            other => other,
        };
        let label = self.words(table, "label", &SETTING_LABEL, LONGEST);
        let default = table.any("default");
        if let (Some(kind), Some((value, at))) = (&kind, &default)
            && let Err(wanted) = fits(kind, value)
        {
            self.findings.error(at.clone(), format!("The default is {wanted}."), "Write one, or leave it out.");
        }
        let optional = table.flag("optional", false);
        if optional && default.is_some() {
            let help = "Keep one of the two.";
            self.findings.error(table.place("optional"), "A setting with a default is never missing.", help);
        }
        let setting = Setting {
            name: name.value.to_owned(),
            kind: kind?,
            default: default.map(|(value, _)| value),
            optional,
            label: label?,
        };
        good.then_some(setting)
    }

    fn cost(&self, table: &Table<'_>) -> Option<Currency> {
        let text = table.text("cost")?;
        let currency = Currency::parse(text.value);
        if currency.is_none() {
            let help = "Write three capitals, such as \"EUR\".";
            self.findings.error(text.at, format!("\"{}\" is not a currency.", first(text.value, 20)), help);
        }
        currency
    }

    fn desk(&self, table: &Table<'_>) -> Vec<String> {
        let all = table.texts("desk");
        self.needed(table, "desk", &all, "desk = [\"posts::plan\", \"library::*\"]");
        all.iter()
            .filter(|text| {
                let word = |part: &str| {
                    !part.is_empty()
                        && part.len() <= 40
                        && part.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'))
                };
                let good = match text.value.split_once("::") {
                    Some((module, "*")) => word(module),
                    Some((module, name)) => word(module) && word(name),
                    None => word(text.value),
                };
                if !good {
                    let message = format!("\"{}\" names no function of the desk.", first(text.value, 60));
                    self.findings.error(text.at.clone(), message, "Write for example \"posts::plan\" or \"library::*\".");
                }
                good
            })
            .map(|text| text.value.to_owned())
            .collect()
    }
}

/// Settings that can be referred to.
struct Refs<'m> {
    known: BTreeSet<&'m str>,
    urls: BTreeSet<&'m str>,
}

fn strings<'j>(json: &'j Json, out: &mut Vec<&'j str>) {
    match json {
        Json::String(text) => out.push(text),
        Json::Array(list) => list.iter().for_each(|value| strings(value, out)),
        Json::Object(map) => map.values().for_each(|value| strings(value, out)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn limits(table: &Table<'_>) -> Asked {
    let usual = Asked::default();
    let whole = |key, most, default: u32| u32::try_from(table.number(key, 0..=most, default.into())).unwrap_or(default);
    let bytes = |key, most: usize, default: u64| {
        let default = usize::try_from(default).unwrap_or(usize::MAX);
        table.size(key, 0..=most, default) as u64
    };
    Asked {
        memory: table.size("memory", 1 << 20..=4 << 30, usual.memory),
        time: table.span("time", Duration::from_secs(1)..=Duration::from_secs(600), usual.time),
        response: table.size("response", 1 << 10..=256 << 20, usual.response),
        requests: whole("requests", 10_000, usual.requests),
        bytes: bytes("bytes", 4 << 30, usual.bytes),
        state: bytes("state", 256 << 20, usual.state),
        log_lines: whole("log-lines", 10_000, usual.log_lines),
    }
}
