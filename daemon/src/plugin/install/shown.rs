//! Plugins as everybody sees them: the daemon's answers and the command line without a daemon.
//!
//! In: packages, rows, the configuration. Out: JSON.
//! Never: shows a state that the store does not have.

use super::{Examined, Refused, Shelf, known, stored, used_by};
use crate::domain::{Json, Language, Zone};
use crate::instance::Instance;
use crate::plugin::manifest::Manifest;
use crate::plugin::package::{Package, Publisher};
use crate::plugin::rights;
use crate::store::PluginRow;
use serde_json::json;

/// A package that somebody looks at before deciding.
pub fn examined(examined: &Examined, language: Language) -> Json {
    let manifest = &examined.package.manifest;
    let mut out = package(&examined.package, language);
    // What was granted before is not asked again.
    let whole = examined.before.as_ref().is_none_or(|row| row.publisher != examined.publisher.as_str());
    let question = if whole { rights::question(manifest, language) } else { String::new() };
    out["source"] = json!(examined.source);
    out["step"] = json!(examined.step);
    out["before"] = json!(examined.before.as_ref().map(|row| &row.version));
    out["other_key"] = json!(examined.other_key.as_ref().map(Publisher::as_str));
    out["asks"] = json!(examined.asks);
    out["grant"] = json!(examined.consent);
    out["question"] = json!(question);
    out["new"] = json!(examined.change.new);
    out["gone"] = json!(examined.change.gone);
    out
}

/// A package by itself.
pub fn package(package: &Package, language: Language) -> Json {
    let manifest = &package.manifest;
    let mut out = said(manifest, language);
    out["publisher"] = json!(package.publisher.as_ref().map(Publisher::as_str));
    out["key"] = json!(package.publisher.as_ref().map(Publisher::short));
    out["digest"] = json!(package.digest);
    out["bytes"] = json!(package.bytes.len());
    out["abilities"] = json!(package.abilities);
    out["unknown"] = json!(package.unknown);
    out["rights"] = json!(rights::consent(manifest, &rights::asked(manifest), language));
    out
}

/// What a manifest says of its plugin.
fn said(manifest: &Manifest, language: Language) -> Json {
    let settings: Vec<Json> = manifest
        .settings
        .iter()
        .map(|setting| {
            let needed = setting.default.is_none() && !setting.optional;
            json!({ "name": setting.name, "label": setting.label.pick(language), "default": setting.default, "needed": needed })
        })
        .collect();
    let credentials: Vec<Json> = manifest
        .credentials
        .iter()
        .map(|credential| json!({ "name": credential.name, "label": credential.label.pick(language) }))
        .collect();
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "api": manifest.api,
        "title": manifest.title.pick(language),
        "summary": manifest.summary.pick(language),
        "license": manifest.license,
        "homepage": manifest.homepage,
        "settings": settings,
        "credentials": credentials,
    })
}

/// An installed plugin.
pub fn installed(shelf: &Shelf<'_>, row: &PluginRow, instance: &Instance, zone: Zone) -> Json {
    let language = shelf.language;
    let mut out = match known(row) {
        Ok((manifest, granted)) => {
            let mut out = said(&manifest, language);
            out["rights"] = json!(rights::consent(&manifest, &granted, language));
            out
        }
        Err(refused) => json!({ "name": row.name, "version": row.version, "problem": refused.to_string() }),
    };
    match stored(&shelf.folder, row) {
        Ok(package) => out["abilities"] = json!(package.abilities),
        Err(refused) => out["problem"] = json!(refused.to_string()),
    }
    let state = match (&row.suspended, out.get("problem")) {
        (_, Some(_)) => "broken",
        (Some(_), None) => "suspended",
        (None, None) => "ready",
    };
    out["publisher"] = json!(row.publisher);
    out["key"] = json!(Publisher::parse(&row.publisher).map(|publisher| publisher.short()).unwrap_or_default());
    out["digest"] = json!(row.digest);
    out["source"] = json!(row.source);
    out["installed"] = json!(row.installed_at.rfc3339(zone));
    out["state"] = json!(state);
    out["reason"] = json!(row.suspended.as_ref().map(|(reason, _)| reason));
    out["since"] = json!(row.suspended.as_ref().map(|(_, since)| since.rfc3339(zone)));
    out["used_by"] = json!(used_by(instance, &row.name));
    out
}

/// Every installed plugin.
///
/// # Errors
/// When the database cannot be read.
pub fn list(shelf: &Shelf<'_>, instance: &Instance) -> Result<Json, Refused> {
    let zone = instance.business.zone;
    Ok(shelf.rows()?.iter().map(|row| installed(shelf, row, instance, zone)).collect())
}
