//! What the owner filled in, held against the manifest.
//!
//! In: the settings of the manifest, and a JSON object. Out: the object complete with defaults, or every problem as a sentence.
//! Never: lets a plugin see a setting that its manifest does not know.

use super::manifest::{Manifest, Setting, SettingKind, fits};
use crate::domain::{Json, Language};
use crate::instance::PluginUse;

/// Secrets given for credentials that the manifest does not name, as sentences.
pub fn unknown_secrets(manifest: &Manifest, used: &PluginUse, language: Language) -> Vec<String> {
    let known = || manifest.credentials.iter().map(|credential| credential.name.as_str());
    let unknown = used.secrets.keys().filter(|key| !known().any(|name| name == *key));
    unknown
        .map(|key| {
            let hint = near(key, known(), language);
            language.pick(
                format!("Le plugin {} ne demande pas de secret «\u{a0}{key}\u{a0}». {hint}", manifest.name),
                format!("The plugin {} names no credential \"{key}\". {hint}", manifest.name),
            )
        })
        .collect()
}

fn near<'n>(key: &str, known: impl Iterator<Item = &'n str>, language: Language) -> String {
    let best = known.max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
    match best {
        Some(near) => language.pick(format!("Voulez-vous dire «\u{a0}{near}\u{a0}» ?"), format!("Did you mean \"{near}\"?")),
        None => language.pick("Il n'en a aucun.".into(), "It has none.".into()),
    }
}

/// What the manifest knows of these settings.
pub fn own(manifest: &Manifest, settings: &Json) -> Json {
    let known = |key: &str| manifest.settings.iter().any(|setting| setting.name == key);
    let given = settings.as_object().into_iter().flatten();
    given.filter(|(key, _)| known(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Checks settings and completes them with the manifest's defaults.
///
/// # Errors
/// Every problem, as a sentence that says what to write.
pub fn complete(manifest: &Manifest, settings: &Json, language: Language) -> Result<Json, Vec<String>> {
    let empty = serde_json::Map::new();
    let given = match settings {
        Json::Object(map) => map,
        Json::Null => &empty,
        _ => {
            return Err(vec![
                language.pick("Les réglages d'un plugin sont une table.", "A plugin's settings are a table.").to_owned(),
            ]);
        }
    };
    let mut problems = Vec::new();
    for key in given.keys().filter(|key| !manifest.settings.iter().any(|s| s.name == **key)) {
        let hint = near(key, manifest.settings.iter().map(|s| s.name.as_str()), language);
        problems.push(language.pick(
            format!("Le plugin {} ne connaît pas le réglage «\u{a0}{key}\u{a0}». {hint}", manifest.name),
            format!("The plugin {} knows no setting \"{key}\". {hint}", manifest.name),
        ));
    }
    let mut complete = serde_json::Map::new();
    for setting in &manifest.settings {
        match given.get(&setting.name).filter(|value| !value.is_null()).or(setting.default.as_ref()) {
            Some(value) if fits(&setting.kind, value).is_ok() => {
                complete.insert(setting.name.clone(), value.clone());
            }
            Some(value) => problems.push(wrong(setting, value, language)),
            None if setting.optional => {}
            None => problems.push(language.pick(
                format!("Il manque le réglage {} ({}) : {}.", setting.name, setting.label.fr, takes(&setting.kind, language)),
                format!("The setting {} ({}) is missing: {}.", setting.name, setting.label.en, takes(&setting.kind, language)),
            )),
        }
    }
    if problems.is_empty() { Ok(Json::Object(complete)) } else { Err(problems) }
}

fn takes(kind: &SettingKind, language: Language) -> String {
    match kind {
        SettingKind::Text => language.pick("un texte", "a text").into(),
        SettingKind::Url => language
            .pick(
                "une adresse, comme https://exemple.fr, sans nom ni mot de passe",
                "an address, such as https://example.com, without a name or password",
            )
            .into(),
        SettingKind::Whole => language.pick("un nombre entier", "a whole number").into(),
        SettingKind::Number => language.pick("un nombre", "a number").into(),
        SettingKind::Truth => language.pick("true ou false", "true or false").into(),
        SettingKind::Choice(choices) => {
            let choices = choices.join(", ");
            language.pick(format!("l'un de ceux-ci : {choices}"), format!("one of these: {choices}"))
        }
    }
}

fn wrong(setting: &Setting, value: &Json, language: Language) -> String {
    let (name, takes) = (&setting.name, takes(&setting.kind, language));
    let shown: String = value.to_string().chars().take(60).collect();
    language.pick(
        format!("Le réglage {name} ({}) ne peut pas être {shown}. Il lui faut {takes}.", setting.label.fr),
        format!("The setting {name} ({}) cannot be {shown}. It takes {takes}.", setting.label.en),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing;
    use serde_json::json;

    fn manifest() -> Manifest {
        let setting = |name: &str, kind, default, optional| Setting {
            name: name.into(),
            kind,
            default,
            optional,
            label: Default::default(),
        };
        Manifest {
            settings: vec![
                setting("service", SettingKind::Url, Some(json!("https://bsky.social")), false),
                setting("handle", SettingKind::Text, None, false),
                setting("limit", SettingKind::Whole, None, true),
                setting("who", SettingKind::Choice(vec!["all".into(), "me".into()]), Some(json!("all")), false),
            ],
            ..testing::plain("probe")
        }
    }

    #[test]
    fn defaults_complete_what_is_there() {
        let complete = complete(&manifest(), &json!({ "handle": "boulangerie" }), Language::En);
        assert_eq!(complete, Ok(json!({ "service": "https://bsky.social", "handle": "boulangerie", "who": "all" })));
    }

    #[test]
    fn every_problem_is_a_sentence() {
        let given = json!({ "hendle": "x", "service": "ftp://x", "limit": 1.5, "who": "you" });
        let problems = complete(&manifest(), &given, Language::En).expect_err("problems");
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems[0].contains("Did you mean \"handle\"?"));
        assert!(complete(&manifest(), &json!([]), Language::Fr).is_err());
        let named = json!({ "handle": "x", "service": "https://me:secret@example.com" });
        assert!(complete(&manifest(), &named, Language::Fr).is_err(), "an address carries no password");
    }
}
