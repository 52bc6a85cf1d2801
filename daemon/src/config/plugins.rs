//! What every section that names a plugin has in common: `plugin`, `settings`, `secrets`, and what limits plugins.
//!
//! In: a section's table. Out: the use of a plugin, as written.
//! Never: asks whether the plugin is installed or takes these settings; that is seen when it is looked up.

use super::shape;
use crate::domain::{Currency, Json, Money, PluginName};
use crate::instance::PluginUse;
use crate::written::{Findings, Table, Text};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The use of a plugin in this section, if it names one. `kind` and `name` make its scope, such as `account:bluesky`. The settings
/// of a workflow are left to the caller, which reads them in any case.
pub(super) fn used(table: &Table<'_>, kind: &str, name: &str, findings: &Findings<'_>) -> Option<PluginUse> {
    let plugin = table.text("plugin");
    let own_settings = kind != "workflow";
    let settings = if own_settings { table.json("settings") } else { None };
    let secrets = secrets(table, findings);
    if !table.has_or_nearly("plugin") {
        let only_plugins: &[&'static str] = if own_settings { &["settings", "secrets"] } else { &["secrets"] };
        for key in only_plugins.iter().filter(|key| table.has(key)) {
            let message = format!("\"{key}\" is for plugins, and {} names none.", table.label());
            findings.dependent(table.place(key), message, "Write plugin = \"…\" above it, or take it out.");
        }
    }
    let plugin = named(&plugin?, findings)?;
    Some(PluginUse {
        plugin,
        scope: format!("{kind}:{name}").into(),
        settings: Arc::new(settings.unwrap_or_else(|| Json::Object(serde_json::Map::new()))),
        secrets: Arc::new(secrets),
    })
}

fn named(text: &Text<'_>, findings: &Findings<'_>) -> Option<PluginName> {
    match PluginName::parse(text.value) {
        Ok(name) => Some(name),
        Err(wrong) => {
            findings.sentences(text.at.clone(), &wrong.0);
            None
        }
    }
}

/// Says what a plugin in this section leaves no room for.
pub(super) fn alone(table: &Table<'_>, others: &[&'static str], findings: &Findings<'_>) {
    for key in others.iter().filter(|key| table.has(key)) {
        let message = format!("{} has both \"plugin\" and \"{key}\".", table.label());
        findings.error(table.place(key), message, "Keep one of the two.");
    }
}

/// Names of secrets by names of credentials.
fn secrets(table: &Table<'_>, findings: &Findings<'_>) -> BTreeMap<String, String> {
    let entries = table.table("secrets", shape::secrets_of(table.keys())).map_or_else(Vec::new, |secrets| secrets.entries());
    let good = |name: &str| {
        (1..=100).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    entries
        .into_iter()
        .filter_map(|(credential, secret)| {
            if !good(secret.value) {
                // What stands here may be the secret itself: it is not repeated.
                let message = format!("What \"{}\" stands for is not the name of a secret.", credential.value);
                let help = "Write the name of a file in the folder of secrets: letters, digits, \".\", \"-\" and \"_\". The secret itself belongs into that file.";
                findings.error(secret.at, message, help);
                return None;
            }
            Some((credential.value.to_owned(), secret.value.to_owned()))
        })
        .collect()
}

/// The most a generator may cost in a month: `5 EUR`, `2.50 €`.
pub(super) fn budget(table: &Table<'_>, findings: &Findings<'_>) -> Result<Option<Money>, ()> {
    if !table.has("budget") {
        return Ok(None);
    }
    let text = table.text("budget").ok_or(())?;
    match money(text.value) {
        Some(money) => Ok(Some(money)),
        None => {
            let message = format!("\"{}\" is not an amount of money.", text.value);
            findings.error(text.at, message, "Write a number and a currency, such as \"5 EUR\" or \"2.50 EUR\".");
            Err(())
        }
    }
}

/// Reads `5 EUR`, `2,50 €` and `EUR 5`. Nothing below zero, and no more digits than the currency has.
pub(super) fn money(text: &str) -> Option<Money> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    let (number, currency) = match text.find(|c| !is_number(c)) {
        Some(0) => {
            let at = text.find(is_number)?;
            (&text[at..], &text[..at])
        }
        Some(at) => text.split_at(at),
        None => return None,
    };
    let currency = Currency::parse(currency)?;
    let decimals = currency.decimals() as usize;
    let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > decimals || number.ends_with(['.', ',']) {
        return None;
    }
    let minor = format!("{whole}{part:0<decimals$}").parse().ok()?;
    Some(Money { minor, currency })
}

/// Hosts that plugins may reach; none written means any public one.
pub(super) fn hosts(table: &Table<'_>, findings: &Findings<'_>) -> Vec<String> {
    let texts = table.texts("plugin_hosts");
    texts
        .into_iter()
        .filter_map(|text| {
            let host = text.value.trim();
            let bare = host.strip_prefix("*.").unwrap_or(host);
            let good = !bare.contains(['/', '*', ' ', '@', '?', '#']) && url::Url::parse(&format!("https://{bare}/")).is_ok();
            if !good {
                let help = "Write a host, or \"*.\" and a domain for all hosts below it: \"api.example.com\", \"*.example.com\".";
                findings.error(text.at, format!("\"{host}\" is not a host."), help);
            }
            good.then(|| host.to_lowercase())
        })
        .collect()
}
