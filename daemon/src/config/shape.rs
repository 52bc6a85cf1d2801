//! The sections of the configuration and the keys each may have.
//!
//! In: nothing. Out: the lists that suggestions, the check for unknown keys and the test of the reference in
//! `config/beffroi.toml` share.
//! Never: says what a key means; that is `meant`.

use crate::written::Keys;

const fn section(section: &'static str, keys: &'static [&'static str]) -> Keys {
    Keys { section, inner: None, keys, open: false }
}

/// The top level.
pub(super) static TOP: Keys = section(
    "",
    &[
        "business",
        "store",
        "admin",
        "accounts",
        "feeds",
        "catalogs",
        "library",
        "metrics",
        "generators",
        "people",
        "workflows",
        "scripts",
        "secrets",
        "limits",
    ],
);
/// `[business]`
pub(super) static BUSINESS: Keys =
    section("business", &["name", "town", "zone", "language", "words", "avoid", "site", "currency"]);
/// `[store]`
pub(super) static STORE: Keys = section("store", &["path"]);
/// `[admin]`
pub(super) static ADMIN: Keys = section("admin", &["socket"]);
/// `[accounts.…]`
pub(super) static ACCOUNT: Keys = section(
    "accounts",
    &["network", "channel", "folder", "plugin", "settings", "secrets", "hours", "approval", "formats", "max_chars", "ceilings"],
);
/// `ceilings` of an account
pub(super) static CEILINGS: Keys =
    Keys { section: "accounts", inner: Some("ceilings"), keys: &["per_minute", "per_hour", "per_day", "spacing"], open: false };
/// `[feeds.…]`
pub(super) static FEED: Keys =
    section("feeds", &["url", "file", "plugin", "settings", "secrets", "topic", "weight", "alert_after"]);
/// `[catalogs.…]`
pub(super) static CATALOG: Keys =
    section("catalogs", &["file", "plugin", "settings", "secrets", "max_age", "columns", "currency"]);
/// `columns` of a catalog: which meanings there are is the CSV adapter's to know.
pub(super) static COLUMNS: Keys = Keys { section: "catalogs", inner: Some("columns"), keys: &["sku"], open: true };
/// `[library]`
pub(super) static LIBRARY: Keys = section("library", &["folder", "cool_down", "theme_spacing"]);
/// `[metrics]`
pub(super) static METRICS: Keys = section("metrics", &["files"]);
/// `[generators.…]`
pub(super) static GENERATOR: Keys = section("generators", &["plugin", "settings", "secrets", "budget"]);
/// `[people.…]`
pub(super) static PERSON: Keys = section("people", &["channel", "folder", "plugin", "settings", "secrets", "language"]);
/// `[workflows.…]`
pub(super) static WORKFLOW: Keys = section(
    "workflows",
    &[
        "script",
        "plugin",
        "purpose",
        "schedule",
        "zone",
        "dst",
        "events",
        "missed",
        "window",
        "overlap",
        "jitter",
        "retries",
        "backoff",
        "pause_after",
        "timeout",
        "memory",
        "operations",
        "calls",
        "accounts",
        "enabled",
        "settings",
        "secrets",
    ],
);
/// `[scripts]`
pub(super) static SCRIPTS: Keys = section("scripts", &["folder"]);
/// `[secrets]`
pub(super) static SECRETS: Keys = section("secrets", &["folder"]);
/// `[limits]`
pub(super) static LIMITS: Keys = section(
    "limits",
    &[
        "runs",
        "keep_runs",
        "keep_journals",
        "journal_size",
        "allow_private",
        "watch",
        "plugin_memory",
        "plugin_time",
        "plugin_hosts",
    ],
);

const fn secrets(section: &'static str) -> Keys {
    Keys { section, inner: Some("secrets"), keys: &["token"], open: true }
}

static ACCOUNT_SECRETS: Keys = secrets("accounts");
static FEED_SECRETS: Keys = secrets("feeds");
static CATALOG_SECRETS: Keys = secrets("catalogs");
static GENERATOR_SECRETS: Keys = secrets("generators");
static PERSON_SECRETS: Keys = secrets("people");
static WORKFLOW_SECRETS: Keys = secrets("workflows");

/// `secrets` of a section that may name a plugin: which credentials there are is the plugin's to know.
pub(super) fn secrets_of(section: &Keys) -> &'static Keys {
    match section.section {
        "accounts" => &ACCOUNT_SECRETS,
        "feeds" => &FEED_SECRETS,
        "catalogs" => &CATALOG_SECRETS,
        "generators" => &GENERATOR_SECRETS,
        "people" => &PERSON_SECRETS,
        _ => &WORKFLOW_SECRETS,
    }
}

/// Every list above.
#[cfg(test)]
pub(super) static ALL: [&Keys; 18] = [
    &TOP,
    &BUSINESS,
    &STORE,
    &ADMIN,
    &ACCOUNT,
    &CEILINGS,
    &ACCOUNT_SECRETS,
    &FEED,
    &CATALOG,
    &COLUMNS,
    &LIBRARY,
    &METRICS,
    &GENERATOR,
    &PERSON,
    &WORKFLOW,
    &SCRIPTS,
    &SECRETS,
    &LIMITS,
];
