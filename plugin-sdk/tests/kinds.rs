//! One tiny plugin of each kind, on the fake host.

use beffroi_plugin::fake::{Answer, Host};
use beffroi_plugin::prelude::*;

/// Says what a check says, for plugins that have nothing to check.
macro_rules! plain {
    ($($plugin:ident),*) => {$(
        struct $plugin;
        impl Plugin for $plugin {
            fn check() -> Result<String, Error> {
                Ok(stringify!($plugin).to_owned())
            }
        }
    )*};
}
plain!(News, Shop, Writer, Bell, Evening);

// ---- A channel -----------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Settings {
    service: String,
}

struct Wall;

impl Plugin for Wall {
    fn check() -> Result<String, Error> {
        let settings: Settings = settings::get()?;
        let me: Value = http::get(format!("{}/me", settings.service)).credential("token").send()?.json()?;
        Ok(format!("@{}", me["name"].as_str().unwrap_or("?")))
    }
}

impl Publish for Wall {
    fn validate(post: &Post) -> Vec<Problem> {
        if post.text.is_empty() {
            vec![Problem::new("text-missing", pick("Écrivez un texte.", "Write a text."))]
        } else {
            Vec::new()
        }
    }

    fn publish(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error> {
        state::set_json("last", &delivery)?;
        let body = json!({ "text": post.text, "image": prepared });
        let answer: Value =
            http::post("https://wall.example/posts").header("idempotency-key", delivery).json(&body).send()?.json()?;
        log::info(format!("{} is online", answer["id"]));
        Ok(Outcome::Online(Receipt::new(answer["id"].as_str().unwrap_or_default(), None)))
    }
}

impl Prepare for Wall {
    fn prepare(_delivery: &str, post: &Post, so_far: Option<&str>) -> Result<Preparation, Error> {
        match (so_far, post.assets.first()) {
            (None, Some(asset)) if media::read_all(asset)?.starts_with(b"GIF") => {
                Err(Error::reject("media-type", pick("Choisissez une photo.", "Choose a photo.")))
            }
            (None, Some(asset)) => {
                let answer: Value = http::put("https://wall.example/images").file(asset).harmless().send()?.json()?;
                let handle = answer["id"].as_str().unwrap_or_default();
                Ok(Preparation::Again(Pause::new(handle, run::now() + 1000, "…")))
            }
            (handle, _) => Ok(Preparation::Ready(handle.map(str::to_owned))),
        }
    }
}

impl Lookup for Wall {
    fn find(delivery: &str, _post: &Post, _prepared: Option<&str>) -> Result<Finding, Error> {
        let found: Value = http::get("https://wall.example/posts").query("key", delivery).send()?.json()?;
        Ok(match found["id"].as_str() {
            Some(id) => Finding::Online(Receipt::new(id, None)),
            None => Finding::Absent,
        })
    }
}

impl Unpublish for Wall {
    fn unpublish(remote_id: &str) -> Result<(), Error> {
        let answer = http::delete(format!("https://wall.example/posts/{remote_id}")).send_raw();
        let answer = answer.map_err(|e| http::explain(e, true))?;
        if answer.is_good() || answer.status == 404 { Ok(()) } else { Err(answer.error()) }
    }
}

impl Metrics for Wall {
    fn read(remote_ids: &[String]) -> Result<Vec<Sample>, Error> {
        Ok(remote_ids.iter().map(|id| Sample::of_post(id, "likes", 3.0)).chain([Sample::of_account("followers", 9.0)]).collect())
    }
}

impl Inbox for Wall {
    fn poll(since: Option<&str>) -> Result<InboxPage, Error> {
        Ok(InboxPage { messages: Vec::new(), next: Some(since.map_or("1".to_owned(), |s| format!("{s}1"))), more: false })
    }
}

beffroi_plugin::export!(Wall: publish, prepare, lookup, unpublish, metrics, inbox);

const POST: &str = "POST https://wall.example/posts";

#[test]
fn a_channel_checks_with_its_settings_and_names_its_credential() {
    let host = Host::new()
        .settings(json!({ "service": "https://wall.example" }))
        .answer("GET https://wall.example/me", Answer::json(200, json!({ "name": "claire" })));
    assert_eq!(host.run(Wall::check), Ok("@claire".to_owned()));
    assert_eq!(host.requests()[0].credential.as_deref(), Some("token"));
    assert_eq!(Host::new().run(Wall::check).map_err(|e| e.code().to_owned()), Err("settings".to_owned()));
}

#[test]
fn a_channel_publishes_and_what_it_kept_is_there_afterwards() {
    let host = Host::new().answer(POST, Answer::json(200, json!({ "id": "42" })));
    let outcome = host.run(|| Wall::publish("d1", &Post::new("Bonjour"), None));
    assert_eq!(outcome, Ok(Outcome::Online(Receipt::new("42", None))));
    assert_eq!(host.requests()[0].header("idempotency-key"), Some("d1"));
    assert_eq!(host.state_json("last"), json!("d1"));
    assert_eq!(host.log()[0].message, "\"42\" is online");
}

#[test]
fn a_call_that_fails_or_dies_keeps_nothing() {
    let host = Host::new()
        .kept("last", "\"d0\"")
        .answer(POST, Answer::lost())
        .answer(POST, Answer::not_sent())
        .answer(POST, Answer::dies_after_sending())
        .answer(POST, Answer::json(200, json!({ "id": "42" })));
    let post = Post::new("Bonjour");
    let publish = || Wall::publish("d1", &post, None);
    assert!(matches!(host.run(publish), Err(Error::Uncertain(_))));
    assert!(matches!(host.run(publish), Err(Error::Retry(_))));
    assert_eq!(host.attempt(publish), None);
    assert_eq!(host.state_json("last"), json!("d0"));
    for _ in 0..2 {
        assert!(host.run(publish).is_ok(), "the last answer stays");
    }
    assert_eq!((host.requests().len(), host.state_json("last")), (5, json!("d1")));
}

#[test]
fn a_channel_says_what_is_wrong_in_the_language_of_the_firm() {
    let texts = ["fr", "en"].map(|l| Host::new().language(l).run(|| Wall::validate(&Post::new("")))[0].message.clone());
    assert_eq!(texts, ["Écrivez un texte.", "Write a text."]);
}

#[test]
fn a_channel_prepares_step_by_step_and_looks_into_files() {
    let host = Host::new()
        .now(5000)
        .file("photo", "image/png", "PNG…")
        .file("film", "image/gif", "GIF89a")
        .answer("PUT https://wall.example/images", Answer::json(200, json!({ "id": "i7" })));
    let with = |id: &str| Post { assets: vec![host.asset(id)], ..Post::new("Bonjour") };
    let first = host.run(|| Wall::prepare("d1", &with("photo"), None));
    assert_eq!(first, Ok(Preparation::Again(Pause::new("i7", 6000, "…"))));
    assert_eq!(host.requests()[0].file(), Some("photo"));
    assert_eq!(host.run(|| Wall::prepare("d1", &with("photo"), Some("i7"))), Ok(Preparation::Ready(Some("i7".to_owned()))));
    assert!(matches!(host.run(|| Wall::prepare("d1", &with("film"), None)), Err(Error::Reject(_))));
    assert!(host.run(|| media::read(&host.asset("film"), 7, 1)).is_err(), "the range is outside");
}

#[test]
fn a_channel_looks_up_takes_down_counts_and_reads() {
    let host = Host::new()
        .answer("GET https://wall.example/posts?key=d1", Answer::json(200, json!({ "id": "42" })))
        .answer("GET https://wall.example/posts", Answer::json(200, json!({})))
        .answer("DELETE https://wall.example/posts/42", Answer::status(404))
        .answer("DELETE https://wall.example/posts/43", Answer::status(401));
    let find = |delivery: &str| host.run(|| Wall::find(delivery, &Post::new(""), None));
    assert_eq!(find("d1"), Ok(Finding::Online(Receipt::new("42", None))));
    assert_eq!(find("d2"), Ok(Finding::Absent));
    assert_eq!(host.run(|| Wall::unpublish("42")), Ok(()));
    assert!(matches!(host.run(|| Wall::unpublish("43")), Err(Error::Reconnect(_))));
    assert_eq!(host.run(|| Wall::read(&["42".to_owned()])).map(|s| s.len()), Ok(2));
    assert_eq!(host.run(|| <Wall as Inbox>::poll(Some("1"))).map(|p| p.next), Ok(Some("11".to_owned())));
}

// ---- A source ------------------------------------------------------------------------------------------------------

impl Feed for News {
    fn poll(since: Option<&str>) -> Result<SignalPage, Error> {
        let request = http::get("https://news.example/top");
        let request = if let Some(tag) = since { request.header("if-none-match", tag) } else { request };
        let answer = request.send()?;
        if answer.status == 304 {
            return Ok(SignalPage { signals: Vec::new(), next: since.map(str::to_owned), unchanged: true });
        }
        let titles: Vec<String> = answer.json()?;
        let signals = titles.into_iter().map(|t| Signal { published: Some(run::now()), ..Signal::new(&t, &t) }).collect();
        Ok(SignalPage { signals, next: answer.header("ETag").map(str::to_owned), unchanged: false })
    }
}

beffroi_plugin::export!(News: feed);

#[test]
fn a_source_reads_and_asks_only_for_what_changed() {
    let host = Host::new()
        .answer("GET https://news.example/top", Answer::json(200, json!(["Pain", "Sel"])).header("ETag", "\"v1\""))
        .answer("GET https://news.example/top", Answer::status(304));
    let first = host.run(|| News::poll(None)).expect("there is an answer");
    assert_eq!((first.signals.len(), first.next.as_deref()), (2, Some("\"v1\"")));
    let second = host.run(|| News::poll(first.next.as_deref())).expect("nothing changed");
    assert!(second.unchanged && second.next == first.next);
    assert_eq!(host.requests()[1].header("if-none-match"), Some("\"v1\""));
}

// ---- A catalog -----------------------------------------------------------------------------------------------------

impl Stock for Shop {
    fn poll(since: Option<&str>) -> Result<StockPage, Error> {
        let page = since.unwrap_or("1");
        let answer = http::get("https://shop.example/products").query("page", page).send()?;
        let names: Vec<String> = answer.json()?;
        let price = Price { minor: 120, currency: "EUR".to_owned() };
        let items = names.iter().map(|n| Item { price: Some(price.clone()), ..Item::new(n, n) }).collect();
        let next = answer.header("x-next").map(str::to_owned);
        Ok(StockPage { items, removed: Vec::new(), changes: false, more: next.is_some(), next })
    }
}

beffroi_plugin::export!(Shop: stock);

#[test]
fn a_catalog_is_read_page_by_page() {
    let host = Host::new()
        .answer("GET https://shop.example/products?page=1", Answer::json(200, json!(["croissant"])).header("X-Next", "2"))
        .answer("GET https://shop.example/products?page=2", Answer::json(200, json!(["baguette"])));
    let first = host.run(|| Shop::poll(None)).expect("there is a first page");
    let second = host.run(|| Shop::poll(first.next.as_deref())).expect("there is a second page");
    assert_eq!((first.more, second.more), (true, false));
    assert_eq!((first.items[0].sku.as_str(), second.items[0].sku.as_str()), ("croissant", "baguette"));
}

// ---- A generator ---------------------------------------------------------------------------------------------------

impl Generate for Writer {
    fn generate(prompt: &Prompt) -> Result<Generation, Error> {
        let town = prompt.fact("town").unwrap_or("?");
        let texts = (0..prompt.variants).map(|n| format!("{} à {town} ({n})", prompt.task)).collect();
        let usage = Usage { model: "none".to_owned(), input_tokens: 1, output_tokens: 2, cost_micros: Some(3) };
        Ok(Generation { texts, usage })
    }
}

beffroi_plugin::export!(Writer: generate);

#[test]
fn a_generator_uses_the_facts() {
    let prompt = Prompt {
        instructions: String::new(),
        task: "Du pain".to_owned(),
        facts: vec![Attribute::new("town", "Arras")],
        variants: 2,
        max_characters: None,
        language: "fr".to_owned(),
    };
    let texts = Host::new().run(|| Writer::generate(&prompt)).map(|g| g.texts);
    assert_eq!(texts, Ok(vec!["Du pain à Arras (0)".to_owned(), "Du pain à Arras (1)".to_owned()]));
}

// ---- A notifier ----------------------------------------------------------------------------------------------------

impl Notify for Bell {
    fn notify(delivery: &str, notice: &Notice) -> Result<Receipt, Error> {
        http::post("https://bell.example/ring").bytes(notice.text.clone(), "text/plain").send()?;
        Ok(Receipt::new(delivery, None))
    }
}

beffroi_plugin::export!(Bell: notify);

#[test]
fn a_notifier_is_unsure_when_the_answer_is_lost() {
    let host = Host::new()
        .answer("POST https://bell.example/ring", Answer::lost())
        .answer("POST https://bell.example/ring", Answer::status(200));
    let notice = Notice { kind: "note".to_owned(), title: "Levain".to_owned(), text: "Il est prêt.".to_owned(), html: None };
    assert!(matches!(host.run(|| Bell::notify("n1", &notice)), Err(Error::Uncertain(_))));
    assert_eq!(host.run(|| Bell::notify("n1", &notice)), Ok(Receipt::new("n1", None)));
    assert_eq!(host.requests()[1].text(), "Il est prêt.");
}

// ---- A workflow ----------------------------------------------------------------------------------------------------

impl Workflow for Evening {
    fn run(trigger: &Trigger) -> Result<String, Error> {
        let account: String = desk::run_setting("account", ())?.as_str().unwrap_or_default().to_owned();
        let text = desk::step("write", || Ok(format!("{}…", desk::text_fit("Du pain chaud", 6)?)))?;
        let round = desk::state_get("round", 0)?.as_i64().unwrap_or_default() + 1;
        desk::state_set("round", round)?;
        let item = desk::library_next(&account, ())?;
        let planned = desk::posts_plan(json!({ "account": account, "text": text, "item": item["item"] }))?;
        desk::log_info(&format!("{} {planned}", trigger.kind))?;
        Ok(format!("round {round}"))
    }
}

beffroi_plugin::export!(Evening: workflow);

fn by_hand() -> Trigger {
    Trigger { kind: "hand".to_owned(), due: 0, payload: "null".to_owned() }
}

#[test]
fn a_workflow_reads_what_came_with_its_trigger() {
    let trigger = Trigger { payload: json!({ "sku": "bread" }).to_string(), ..by_hand() };
    assert_eq!(trigger.payload_as::<Value>(), Ok(json!({ "sku": "bread" })));
    let code = Host::new().run(|| trigger.payload_as::<u8>()).map_err(|e| e.code().to_owned());
    assert_eq!(code, Err("payload".to_owned()));
}

#[test]
fn a_workflow_plans_at_the_desk_and_does_a_step_once() {
    let host = Host::new()
        .settings(json!({ "account": "instagram" }))
        .desk("text-fit", "Du")
        .desk("library-next", json!({ "item": "bread" }));
    assert_eq!(host.run(|| Evening::run(&by_hand())), Ok("round 1".to_owned()));
    assert_eq!(host.run(|| Evening::run(&by_hand())), Ok("round 2".to_owned()));
    let plans = host.desk_calls_of("posts-plan");
    assert_eq!(plans[0], json!({ "post": { "account": "instagram", "text": "Du…", "item": "bread" } }));
    assert_eq!(host.desk_calls_of("text-fit"), [json!({ "text": "Du pain chaud", "max": 6 })], "the second run kept it");
    assert_eq!(host.desk_calls_of("library-next")[0], json!({ "account": "instagram", "wish": null }));
}

#[test]
fn what_a_failed_workflow_wrote_to_the_desk_is_dropped() {
    let host = Host::new()
        .settings(json!({ "account": "instagram" }))
        .desk("text-fit", "Du")
        .desk_refuses("library-next", "There is no account of this name.");
    let error = host.run(|| Evening::run(&by_hand())).expect_err("the desk refuses");
    assert_eq!((error.code(), error.message()), ("desk-library-next", "There is no account of this name."));
    let host = host.desk_with(|function, _| (function == "library-next").then(|| Ok(json!({ "item": null }))));
    assert_eq!(host.run(|| Evening::run(&by_hand())), Ok("round 1".to_owned()), "the first round never was");
}

#[test]
fn a_step_that_fails_is_done_again() {
    let host = Host::new();
    let fails = || desk::step("once", || Err::<u8, _>(Error::reject("no", "Not today.")));
    assert!(host.run(fails).is_err());
    assert_eq!(host.run(|| desk::step("once", || Ok(7_u8))), Ok(7));
    assert_eq!(host.run(|| desk::step("once", || Ok(8_u8))), Ok(7), "what was kept is given again");
    assert_eq!(host.desk_calls_of("step-fail").len(), 1);
}

// ---- The state ------------------------------------------------------------------------------------------------------

#[test]
fn the_state_has_keys_in_order_and_a_quota() {
    let host = Host::new().quota(20);
    host.run(|| {
        state::set("b/2", "x")?;
        state::set("b/1", "x")?;
        state::set("a", "x")?;
        state::remove("a");
        assert_eq!(state::get("a"), None);
        assert_eq!(state::keys("b/", None, 9), ["b/1", "b/2"]);
        assert_eq!(state::keys("b/", Some("b/1"), 9), ["b/2"]);
        assert_eq!(state::keys("", None, 1), ["b/1"]);
        assert_eq!(state::set("", "x").map_err(|e| e.code().to_owned()), Err("state".to_owned()));
        assert!(state::set("c", "x".repeat(20)).is_err(), "the quota is used up");
        Ok::<_, Error>(())
    })
    .expect("the keys are fine");
    assert_eq!(host.state().len(), 2);
}
