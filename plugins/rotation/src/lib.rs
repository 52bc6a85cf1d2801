//! Gives each account its next post from the content library: `scripts/rotation.rhai` as a plugin.
//!
//! In: the workflow's settings `every` (the shortest distance between two library posts, per account), `formats` (the format wanted,
//! per account) and `theme`. Out: a planned post for each account for which something fits.
//! Never: chooses an item itself; the library does, and says why.

use beffroi_plugin::prelude::*;

struct Rotation;

beffroi_plugin::export!(Rotation: workflow);

impl Plugin for Rotation {
    fn check() -> Result<String, Error> {
        Ok(pick("rotation de la bibliothèque", "library rotation"))
    }
}

impl Workflow for Rotation {
    fn run(_: &Trigger) -> Result<String, Error> {
        let settings = desk::run_settings()?;
        let due = desk::run_due()?;
        let mut planned = 0;
        let accounts = desk::run_accounts()?;
        for account in accounts.as_array().into_iter().flatten().filter_map(Value::as_str) {
            // A promotion in between does not delay the stories, and what will never leave does not count.
            if let Some(every) = settings["every"][account].as_str() {
                let recent = desk::posts_recent(account, Some(every))?;
                if recent.as_array().into_iter().flatten().any(counts) {
                    desk::log_info(&format!("{account}: it had a library post less than {every} ago"))?;
                    continue;
                }
            }
            let mut wish = json!({});
            if let Some(format) = settings["formats"].get(account) {
                wish["format"] = format.clone();
            }
            if let Some(theme) = settings.get("theme") {
                wish["theme"] = theme.clone();
            }
            let next = desk::library_next(account, wish)?;
            if next["item"].is_null() {
                desk::log_warn(&format!("{account}: nothing fits today: {}", next["why"].as_str().unwrap_or_default()))?;
                continue;
            }
            // The key makes a repeated run for the same due time harmless.
            let once = format!("{account}/{due}");
            desk::posts_plan(json!({ "account": account, "item": next["item"], "why": next["why"], "once": once }))?;
            planned += 1;
        }
        Ok(json!({ "planned": planned }).to_string())
    }
}

fn counts(post: &Value) -> bool {
    !post["item"].is_null() && !matches!(post["state"].as_str(), Some("cancelled" | "refused"))
}

#[cfg(test)]
mod tests;
