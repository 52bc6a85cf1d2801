//! Whether the configuration gives a plugin what its manifest asks for.
//!
//! In: a manifest, and a use of the plugin in the configuration. Out: every reason why it cannot be called, as sentences.
//! Never: looks for secrets; that is `secrets`.

use super::manifest::{Manifest, Setting, fits};
use crate::domain::Json;
use crate::instance::PluginUse;
use crate::problem::perhaps;

/// Everything that is wrong or missing in a use of a plugin; empty when it can be called.
pub fn usable(manifest: &Manifest, used: &PluginUse) -> Vec<String> {
    let mut out = Vec::new();
    let name = &manifest.name;
    let none = serde_json::Map::new();
    let given = match &*used.settings {
        Json::Object(given) => given,
        Json::Null => &none,
        _ => return vec![format!("The settings of the plugin {name} are a table. Write settings = {{ key = \"value\" }}.")],
    };
    let known = || manifest.settings.iter().map(|setting| setting.name.as_str());
    for key in given.keys().filter(|key| !known().any(|known| known == *key)) {
        let list: Vec<&str> = known().collect();
        let rest = match (perhaps(key, known()), list.is_empty()) {
            (near, _) if !near.is_empty() => near,
            (_, true) => " It has none.".to_owned(),
            _ => format!(" Its settings are: {}.", list.join(", ")),
        };
        out.push(format!("The plugin {name} has no setting \"{key}\".{rest}"));
    }
    for setting in &manifest.settings {
        match given.get(&setting.name) {
            Some(value) => {
                if let Err(wrong) = fits(&setting.kind, value) {
                    out.push(format!("The setting \"{}\" of the plugin {name} is {wrong}. {}", setting.name, example(setting)));
                }
            }
            None if setting.default.is_some() || setting.optional => {}
            None => out.push(format!(
                "The plugin {name} needs the setting \"{}\" ({}). {}",
                setting.name,
                setting.label.en,
                example(setting)
            )),
        }
    }
    let credentials = || manifest.credentials.iter().map(|credential| credential.name.as_str());
    for key in used.secrets.keys().filter(|key| !credentials().any(|known| known == *key)) {
        let near = perhaps(key, credentials());
        let list: Vec<&str> = credentials().collect();
        let rest = match (near.is_empty(), list.is_empty()) {
            (false, _) => near,
            (true, true) => " It needs none: take \"secrets\" out.".to_owned(),
            (true, false) => format!(" Its credentials are: {}.", list.join(", ")),
        };
        out.push(format!("The plugin {name} has no credential \"{key}\".{rest}"));
    }
    out
}

fn example(setting: &Setting) -> String {
    use super::manifest::SettingKind as Kind;
    let value = match &setting.kind {
        Kind::Text => "\"…\"".to_owned(),
        Kind::Url => "\"https://…\"".to_owned(),
        Kind::Whole => "10".to_owned(),
        Kind::Number => "1.5".to_owned(),
        Kind::Truth => "true".to_owned(),
        Kind::Choice(choices) => format!("\"{}\"", choices.first().map_or("…", String::as_str)),
    };
    format!("Write settings = {{ {} = {value} }}.", setting.name)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::testing;
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn what_is_missing_wrong_or_unknown_is_told_with_what_to_write() {
        let manifest = testing::whole();
        let used = |settings: Json, secrets: &[(&str, &str)]| PluginUse {
            plugin: manifest.name.clone(),
            scope: "account:bluesky".into(),
            settings: Arc::new(settings),
            secrets: Arc::new(secrets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()),
        };
        assert_eq!(usable(&manifest, &used(json!({ "handle": "b" }), &[("session", "x")])), Vec::<String>::new());
        let given = json!({ "handel": "b", "service": "bsky", "audience": "all" });
        let told = usable(&manifest, &used(given, &[("sesion", "x")]));
        for part in [
            "has no setting \"handel\". Did you mean \"handle\"?",
            "\"service\" of the plugin bluesky is not an http or https address",
            "needs the setting \"handle\" (Handle). Write settings = { handle = \"…\" }.",
            "none of: \"public\", \"unlisted\"",
            "no credential \"sesion\". Did you mean \"session\"?",
        ] {
            assert!(told.iter().any(|sentence| sentence.contains(part)), "{part}: {told:#?}");
        }
        assert_eq!(told.len(), 5);
        assert_eq!(usable(&manifest, &used(json!([]), &[])).len(), 1);
    }
}
