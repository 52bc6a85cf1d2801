//! What a plugin may do: what its manifest asks for, as far as the owner granted it and the daemon's ceiling allows.
//!
//! In: a manifest, a grant, the ceiling, what the owner filled in. Out: the places, credentials, functions and limits in force; and in
//! words, what a consent is about.
//! Never: gives more than the least of the three. Nothing else in the program decides what a plugin may do.

mod consent;
#[cfg(test)]
mod tests;

pub use consent::{Change, consent, question};

use super::manifest::{Asked, Manifest, covers};
use crate::domain::{Digest, Json};
use crate::instance::Ceiling;
use crate::network::{Place, Reach};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// What was asked for or granted, without the reasons.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rights {
    /// Where it may call.
    pub places: Vec<PlaceRight>,
    /// Which credentials it may name, and for which hosts.
    pub credentials: Vec<CredentialRight>,
    /// Functions of the desk, as in manifests.
    pub desk: Vec<String>,
    /// What it may use up.
    pub limits: LimitRight,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlaceRight {
    /// As in manifests.
    pub host: String,
    /// In capitals.
    pub methods: BTreeSet<String>,
    /// Exact, or prefixes that end in `*`.
    pub paths: BTreeSet<String>,
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CredentialRight {
    /// The manifest's name.
    pub name: String,
    /// As in manifests.
    pub hosts: BTreeSet<String>,
}

/// What a plugin may use up, never less than the usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRight {
    memory: u64,
    time_ms: u64,
    response: u64,
    requests: u64,
    bytes: u64,
    state: u64,
    log_lines: u64,
}

impl LimitRight {
    fn of(asked: &Asked) -> Self {
        Self {
            memory: asked.memory as u64,
            time_ms: u64::try_from(asked.time.as_millis()).unwrap_or(u64::MAX),
            response: asked.response as u64,
            requests: asked.requests.into(),
            bytes: asked.bytes,
            state: asked.state,
            log_lines: asked.log_lines.into(),
        }
    }

    fn merge(&self, other: &Self, pick: fn(u64, u64) -> u64) -> Self {
        Self {
            memory: pick(self.memory, other.memory),
            time_ms: pick(self.time_ms, other.time_ms),
            response: pick(self.response, other.response),
            requests: pick(self.requests, other.requests),
            bytes: pick(self.bytes, other.bytes),
            state: pick(self.state, other.state),
            log_lines: pick(self.log_lines, other.log_lines),
        }
    }

    fn asked(&self) -> Asked {
        let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Asked {
            memory: size(self.memory),
            time: Duration::from_millis(self.time_ms),
            response: size(self.response),
            requests: small(self.requests),
            bytes: self.bytes,
            state: self.state,
            log_lines: small(self.log_lines),
        }
    }
}

impl Default for LimitRight {
    fn default() -> Self {
        Self::of(&Asked::default())
    }
}

/// What a manifest asks for.
pub fn asked(manifest: &Manifest) -> Rights {
    let mut places: Vec<PlaceRight> = manifest
        .places
        .iter()
        .map(|place| PlaceRight {
            host: place.host.clone(),
            methods: place.methods.iter().cloned().collect(),
            paths: place.paths.iter().cloned().collect(),
        })
        .collect();
    places.sort();
    places.dedup();
    let mut credentials: Vec<CredentialRight> = manifest
        .credentials
        .iter()
        .map(|credential| CredentialRight { name: credential.name.clone(), hosts: credential.hosts.iter().cloned().collect() })
        .collect();
    credentials.sort();
    let desk: BTreeSet<String> = manifest.desk.iter().cloned().collect();
    let limits = LimitRight::of(&manifest.limits).merge(&LimitRight::default(), u64::max);
    Rights { places, credentials, desk: desk.into_iter().collect(), limits }
}

impl Rights {
    /// Names exactly these rights: what a consent is given to. Reasons and order do not count.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_json().as_bytes())
    }

    /// As the store keeps them.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// From the store.
    ///
    /// # Errors
    /// A sentence.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|_| "What was granted to this plugin cannot be read from the database. Install the plugin again.".to_owned())
    }

    /// Whether nothing is asked for beyond the usual.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What is in these rights and not in those: what a wider upgrade has to ask for.
    #[must_use]
    pub fn beyond(&self, granted: &Self) -> Self {
        let places = self.places.iter().filter_map(|place| place.beyond(&granted.places)).collect();
        let credentials = self
            .credentials
            .iter()
            .filter_map(|credential| {
                let before = granted.credentials.iter().filter(|before| before.name == credential.name);
                let before: BTreeSet<&String> = before.flat_map(|before| &before.hosts).collect();
                let hosts: BTreeSet<String> =
                    credential.hosts.iter().filter(|host| !before.iter().any(|wide| covers(wide, host))).cloned().collect();
                (!hosts.is_empty()).then(|| CredentialRight { name: credential.name.clone(), hosts })
            })
            .collect();
        let desk =
            self.desk.iter().filter(|wanted| !granted.desk.iter().any(|wide| desk_covers(wide, wanted))).cloned().collect();
        let more = |mine: u64, theirs: u64, usual: u64| if mine > theirs { mine } else { usual };
        let (mine, theirs, usual) = (&self.limits, &granted.limits, LimitRight::default());
        let limits = LimitRight {
            memory: more(mine.memory, theirs.memory, usual.memory),
            time_ms: more(mine.time_ms, theirs.time_ms, usual.time_ms),
            response: more(mine.response, theirs.response, usual.response),
            requests: more(mine.requests, theirs.requests, usual.requests),
            bytes: more(mine.bytes, theirs.bytes, usual.bytes),
            state: more(mine.state, theirs.state, usual.state),
            log_lines: more(mine.log_lines, theirs.log_lines, usual.log_lines),
        };
        Self { places, credentials, desk, limits }
    }
}

impl PlaceRight {
    fn covers(&self, host: &str, method: &str, path: &str) -> bool {
        covers(&self.host, host) && self.methods.contains(method) && self.paths.iter().any(|wide| path_covers(wide, path))
    }

    /// What of this place is not in those.
    fn beyond(&self, granted: &[Self]) -> Option<Self> {
        let new: Vec<(&String, &String)> = self
            .methods
            .iter()
            .flat_map(|method| self.paths.iter().map(move |path| (method, path)))
            .filter(|(method, path)| !granted.iter().any(|wide| wide.covers(&self.host, method, path)))
            .collect();
        (!new.is_empty()).then(|| Self {
            host: self.host.clone(),
            methods: new.iter().map(|(method, _)| (*method).clone()).collect(),
            paths: new.iter().map(|(_, path)| (*path).clone()).collect(),
        })
    }
}

/// Whether a path as asked for covers another.
fn path_covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('*') {
        Some(prefix) => narrow.strip_suffix('*').unwrap_or(narrow).starts_with(prefix),
        None => wide == narrow,
    }
}

/// Whether functions of the desk as asked for cover another.
fn desk_covers(wide: &str, narrow: &str) -> bool {
    wide == narrow
        || wide.strip_suffix("::*").is_some_and(|module| narrow.split_once("::").is_some_and(|(other, _)| other == module))
}

/// Whether a function of the desk, such as `posts::plan`, is among those granted.
pub fn desk_allows(granted: &[String], function: &str) -> bool {
    granted.iter().any(|wide| desk_covers(wide, function))
}

fn narrower<'a>(a: &'a str, b: &'a str, covers: fn(&str, &str) -> bool) -> Option<&'a str> {
    if covers(a, b) { Some(b) } else { covers(b, a).then_some(a) }
}

/// What is in force for one use of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Force {
    /// Where it may call.
    pub reach: Reach,
    /// Credentials it may name, each with the hosts it may be sent to: `host` or `host:port`, as in [`Place::host`].
    pub credentials: Vec<CredentialRight>,
    /// Functions of the desk, as in manifests.
    pub desk: Vec<String>,
    /// What it may use up.
    pub limits: Asked,
}

/// What is in force: manifest ∩ grant ∩ ceiling, with the owner's settings put in.
pub fn force(manifest: &Manifest, rights: &Rights, ceiling: &Ceiling, settings: &Json, allow_private: &[String]) -> Force {
    let filled = Filled { manifest, settings };
    let credentials = manifest
        .credentials
        .iter()
        .filter_map(|credential| {
            let granted = rights.credentials.iter().filter(|granted| granted.name == credential.name);
            let granted: BTreeSet<&str> = granted.flat_map(|granted| &granted.hosts).map(String::as_str).collect();
            let both = credential.hosts.iter().flat_map(|host| granted.iter().filter_map(|other| narrower(host, other, covers)));
            let hosts: BTreeSet<String> =
                both.filter_map(|host| filled.host(host)).flat_map(|host| under(&host, &ceiling.hosts)).collect();
            (!hosts.is_empty()).then(|| CredentialRight { name: credential.name.clone(), hosts })
        })
        .collect();
    let desk: BTreeSet<String> = manifest
        .desk
        .iter()
        .flat_map(|mine| rights.desk.iter().filter_map(|granted| narrower(mine, granted, desk_covers)))
        .map(str::to_owned)
        .collect();
    let most = LimitRight::of(&Asked { memory: ceiling.memory, time: ceiling.time, ..Asked::unlimited() });
    let limits = LimitRight::of(&manifest.limits).merge(&rights.limits, u64::min).merge(&most, u64::min).asked();
    Force {
        reach: reach(manifest, rights, ceiling, settings, allow_private),
        credentials,
        desk: desk.into_iter().collect(),
        limits,
    }
}

/// The places in force. Plain http goes only to hosts that the owner listed as private.
pub fn reach(manifest: &Manifest, rights: &Rights, ceiling: &Ceiling, settings: &Json, allow_private: &[String]) -> Reach {
    let filled = Filled { manifest, settings };
    let mut places = Vec::new();
    for mine in &manifest.places {
        for granted in &rights.places {
            let Some(host) = narrower(&mine.host, &granted.host, covers) else { continue };
            let methods: Vec<String> = mine.methods.iter().filter(|method| granted.methods.contains(*method)).cloned().collect();
            let paths: BTreeSet<&str> = mine
                .paths
                .iter()
                .flat_map(|path| granted.paths.iter().filter_map(|other| narrower(path, other, path_covers)))
                .collect();
            let Some(host) = filled.host(host) else { continue };
            if methods.is_empty() || paths.is_empty() {
                continue;
            }
            for host in under(&host, &ceiling.hosts) {
                let plain = is_private(&host, allow_private);
                let paths = paths.iter().map(|path| (*path).to_owned()).collect();
                let place = Place { host, plain, methods: methods.clone(), paths };
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
    }
    Reach { places, of: manifest.name.to_string() }
}

impl Asked {
    fn unlimited() -> Self {
        Self {
            memory: usize::MAX,
            time: Duration::MAX,
            response: usize::MAX,
            requests: u32::MAX,
            bytes: u64::MAX,
            state: u64::MAX,
            log_lines: u32::MAX,
        }
    }
}

/// What is left of a host under a ceiling. An empty ceiling is any host: which of them are public, the network sees.
fn under(host: &str, ceiling: &[String]) -> Vec<String> {
    if ceiling.is_empty() {
        return vec![host.to_owned()];
    }
    let left: BTreeSet<&str> = ceiling.iter().filter_map(|most| narrower(most, host, covers)).collect();
    left.into_iter().map(str::to_owned).collect()
}

/// Whether the owner listed this very host as private: with its port, without any, or in a range of addresses.
fn is_private(host: &str, allow_private: &[String]) -> bool {
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => bare,
        _ => host,
    };
    let address: Option<IpAddr> = bare.trim_matches(['[', ']']).parse().ok();
    let listed = |entry: &String| {
        let entry = entry.trim().to_ascii_lowercase();
        entry == host
            || entry == bare
            || format!("[{entry}]") == bare
            || address.zip(entry.split_once('/')).is_some_and(|(address, (net, bits))| in_range(address, net, bits))
    };
    !host.starts_with('*') && allow_private.iter().any(listed)
}

/// Whether an address lies in a range such as `192.168.1.0/24`.
fn in_range(address: IpAddr, net: &str, bits: &str) -> bool {
    let (Ok(net), Ok(bits)) = (net.trim_matches(['[', ']']).parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (address.to_canonical(), net.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) if (1..=32).contains(&bits) => (a.to_bits() ^ b.to_bits()) >> (32 - bits) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) if (1..=128).contains(&bits) => (a.to_bits() ^ b.to_bits()) >> (128 - bits) == 0,
        _ => false,
    }
}

/// A manifest with what the owner filled in.
struct Filled<'m> {
    manifest: &'m Manifest,
    settings: &'m Json,
}

impl Filled<'_> {
    /// A host with its setting put in; none when it is not filled in or no address.
    fn host(&self, asked: &str) -> Option<String> {
        let Some(name) = asked.strip_prefix("setting:") else { return Some(asked.to_owned()) };
        host_of(self.value(name)?)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let setting = self.manifest.settings.iter().find(|setting| setting.name == name)?;
        self.settings.get(name).or(setting.default.as_ref())?.as_str()
    }
}

/// Host and port of an address, as in [`Place::host`]: without the port when it is that of https.
pub fn host_of(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    match (url.scheme(), url.port_or_known_default()?) {
        ("https", 443) => Some(host),
        ("http" | "https", port) => Some(format!("{host}:{port}")),
        _ => None,
    }
}
