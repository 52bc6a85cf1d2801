//! The routes about plugins.
//!
//! In: packages, and a person's word about them. Out: what they ask for, what is installed, what came of it.
//! Never: takes a yes to anything but the question that was shown.

use super::writes::read;
use super::{Answer, App, Refusal, answer, aside};
use crate::domain::Json;
use crate::plugin::install::{Allowed, Examined, Shelf, Source, shown};
use crate::plugin::package::Refused;
use axum::body::Bytes;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// The largest body: a package in base64, and what goes with it.
pub(super) const LARGEST: usize = 90 << 20;

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::conflict(refused.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageAsked {
    package: Option<String>,
    source: String,
    name: Option<String>,
    grant: Option<String>,
    by: Option<String>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    new_key: bool,
}

impl PackageAsked {
    fn examine(&self, shelf: &Shelf<'_>) -> Result<Examined, Refusal> {
        let bytes = match &self.package {
            Some(text) => BASE64.decode(text).map_err(|_| Refusal::wrong("\"package\" is the bytes of the file in base64."))?,
            None => match Source::parse(&self.source)? {
                // The daemon may see other files than whoever asks.
                Source::File(_) => return Err(Refusal::wrong("Send the bytes of a file as \"package\", in base64.")),
                source => shelf.fetch(&source)?,
            },
        };
        let examined = shelf.examine(bytes, &self.source)?;
        let found = examined.package.manifest.name.as_str();
        match &self.name {
            Some(name) if name != found => Err(Refusal::conflict(format!("This package is the plugin {found}, not {name}."))),
            _ => Ok(examined),
        }
    }
}

/// `GET /v1/plugins`
pub(super) async fn list(State(app): State<Arc<App>>) -> Answer {
    aside(&app, |app| Ok(answer(&shown::list(&app.engine.shelf(), &app.engine.current.get())?))).await
}

/// `POST /v1/plugins/examine`
pub(super) async fn examine(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let asked: PackageAsked = read(&body)?;
    aside(&app, move |app| {
        let shelf = app.engine.shelf();
        Ok(answer(&shown::examined(&asked.examine(&shelf)?, shelf.language)))
    })
    .await
}

/// `POST /v1/plugins`
pub(super) async fn install(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let asked: PackageAsked = read(&body)?;
    aside(&app, move |app| {
        app.engine.with_shelf(|shelf| {
            let examined = asked.examine(shelf)?;
            let by = asked.by.clone().unwrap_or_else(|| "admin".into());
            let allowed = Allowed { grant: asked.grant.clone(), by, force: asked.force, new_key: asked.new_key };
            let row = shelf.install(&examined, &allowed)?;
            app.engine.pulse.tell("plugin", &row.name, "installed", &row.version);
            let instance = app.engine.current.get();
            Ok(answer(&shown::installed(shelf, &row, &instance, instance.business.zone)))
        })
    })
    .await
}

/// `DELETE /v1/plugins/{name}`
pub(super) async fn remove(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer {
    aside(&app, move |app| {
        let row = app.engine.with_shelf(|shelf| shelf.remove(&name))?;
        app.engine.pulse.tell("plugin", &name, "removed", &row.version);
        Ok(answer(&json!({ "name": name, "version": row.version, "removed": true })))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuspendAsked {
    reason: Option<String>,
}

/// `POST /v1/plugins/{name}/suspend`
pub(super) async fn suspend(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let SuspendAsked { reason } = read(&body)?;
    aside(&app, move |app| {
        let language = app.engine.current.get().business.language;
        let reason: String = reason.unwrap_or_else(|| language.pick("à la main", "by hand").into());
        app.engine.with_shelf(|shelf| shelf.suspend(&name, Some(reason.clone())))?;
        app.engine.pulse.tell("plugin", &name, "suspended", &reason);
        Ok(answer(&json!({ "name": name, "suspended": reason })))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /v1/plugins/{name}/resume`
pub(super) async fn resume(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let Nothing {} = read(&body)?;
    aside(&app, move |app| {
        let was = app.engine.with_shelf(|shelf| shelf.suspend(&name, None))?;
        app.engine.pulse.tell("plugin", &name, "resumed", "");
        let was: Json = json!(was.suspended.map(|(reason, _)| reason));
        Ok(answer(&json!({ "name": name, "was": was })))
    })
    .await
}
