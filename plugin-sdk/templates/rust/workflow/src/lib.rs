//! Suggests an entry of the library for each account, as a draft that waits for a yes.

use beffroi_plugin::prelude::*;

struct Suggests;

impl Plugin for Suggests {
    fn check() -> Result<String, Error> {
        Ok("{{title}}".to_owned())
    }
}

impl Workflow for Suggests {
    fn run(_trigger: &Trigger) -> Result<String, Error> {
        let run = desk::run_id()?;
        let accounts: Vec<String> = json::from_value(desk::run_accounts()?).unwrap_or_default();
        let mut planned = 0;
        for account in &accounts {
            let next = desk::library_next(account, ())?;
            let Some(item) = next["item"].as_str() else { continue };
            let once = format!("{run}-{account}");
            if desk::posts_plan(json!({ "item": item, "account": account, "draft": true, "once": once, "why": next["why"] }))? {
                planned += 1;
            }
        }
        Ok(pick(format!("{planned} brouillons pour {} comptes.", accounts.len()), format!("{planned} drafts for {} accounts.", accounts.len())))
    }
}

beffroi_plugin::export!(Suggests: workflow);

#[cfg(test)]
mod tests {
    use super::*;
    use beffroi_plugin::fake::Host;

    #[test]
    fn an_account_for_which_nothing_fits_gets_nothing() {
        let host = Host::new()
            .desk("run-id", "r1")
            .desk("run-accounts", json!(["bluesky"]))
            .desk("library-next", json!({ "item": null, "why": "all of it is cooling down" }));
        let trigger = Trigger { kind: "hand".to_owned(), due: 0, payload: "null".to_owned() };
        assert_eq!(host.run(|| Suggests::run(&trigger)), Ok("0 brouillons pour 1 comptes.".to_owned()));
        assert!(host.desk_calls_of("posts-plan").is_empty());
    }
}
