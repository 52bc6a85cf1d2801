//! Finds a function of the desk by its name. Made from the daemon's table of functions by a test; changed there, not here.
//!
//! In: a name and arguments as JSON. Out: the typed call, and its answer as JSON. Never: anything else.

use beffroi_plugin::prelude::*;

pub(crate) fn call(name: &str, a: &[Value]) -> Result<Value, Error> {
    Ok(match name {
        "events::emit" => json!(desk::events_emit(text(a, 0)?, any(a, 1))?),
        "feeds::fresh" => json!(desk::feeds_fresh(any(a, 0))?),
        "feeds::rising" => json!(desk::feeds_rising(any(a, 0))?),
        "http::get" => json!(desk::http_get(text(a, 0)?, any(a, 1))?),
        "http::post" => json!(desk::http_post(text(a, 0)?, any(a, 1), any(a, 2))?),
        "json::parse" => json!(desk::json_parse(text(a, 0)?)?),
        "json::write" => json!(desk::json_write(any(a, 0))?),
        "kpi::week" => json!(desk::kpi_week(may_text(a, 0)?)?),
        "kpi::digest" => json!(desk::kpi_digest(any(a, 0))?),
        "library::next" => json!(desk::library_next(text(a, 0)?, any(a, 1))?),
        "library::items" => json!(desk::library_items()?),
        "log::debug" => json!(desk::log_debug(text(a, 0)?)?),
        "log::info" => json!(desk::log_info(text(a, 0)?)?),
        "log::warn" => json!(desk::log_warn(text(a, 0)?)?),
        "log::error" => json!(desk::log_error(text(a, 0)?)?),
        "notify::send" => json!(desk::notify_send(any(a, 0))?),
        "posts::plan" => json!(desk::posts_plan(any(a, 0))?),
        "posts::recent" => json!(desk::posts_recent(text(a, 0)?, may_text(a, 1)?)?),
        "posts::withdraw" => json!(desk::posts_withdraw(text(a, 0)?, text(a, 1)?)?),
        "run::workflow" => json!(desk::run_workflow()?),
        "run::id" => json!(desk::run_id()?),
        "run::kind" => json!(desk::run_kind()?),
        "run::due" => json!(desk::run_due()?),
        "run::now" => json!(desk::run_now()?),
        "run::attempt" => json!(desk::run_attempt()?),
        "run::payload" => json!(desk::run_payload()?),
        "run::setting" => json!(desk::run_setting(text(a, 0)?, any(a, 1))?),
        "run::settings" => json!(desk::run_settings()?),
        "run::accounts" => json!(desk::run_accounts()?),
        "run::account" => json!(desk::run_account(text(a, 0)?)?),
        "run::business" => json!(desk::run_business()?),
        "run::later" => json!(desk::run_later(any(a, 0), any(a, 1))?),
        "state::get" => json!(desk::state_get(text(a, 0)?, any(a, 1))?),
        "state::set" => json!(desk::state_set(text(a, 0)?, any(a, 1))?),
        "state::remove" => json!(desk::state_remove(text(a, 0)?)?),
        "state::add" => json!(desk::state_add(text(a, 0)?, number(a, 1)?)?),
        "state::list" => json!(desk::state_list(text(a, 0)?)?),
        "stock::get" => json!(desk::stock_get(text(a, 0)?, may_text(a, 1)?)?),
        "stock::items" => json!(desk::stock_items(any(a, 0))?),
        "text::fit" => json!(desk::text_fit(text(a, 0)?, whole(a, 1)?)?),
        "text::words" => json!(desk::text_words(text(a, 0)?)?),
        "text::similar" => json!(desk::text_similar(text(a, 0)?, text(a, 1)?)?),
        "text::slug" => json!(desk::text_slug(text(a, 0)?)?),
        "text::plain" => json!(desk::text_plain(text(a, 0)?)?),
        "text::fill" => json!(desk::text_fill(text(a, 0)?, any(a, 1))?),
        "text::tags" => json!(desk::text_tags(any(a, 0))?),
        "texts::write" => json!(desk::texts_write(any(a, 0))?),
        "time::show" => json!(desk::time_show(whole(a, 0)?, may_text(a, 1)?)?),
        "time::parse" => json!(desk::time_parse(text(a, 0)?)?),
        "time::span" => json!(desk::time_span(text(a, 0)?)?),
        "time::part" => json!(desk::time_part(whole(a, 0)?, text(a, 1)?)?),
        _ => return Err(Error::reject("name", format!("The guest does not know {name}."))),
    })
}

fn any(a: &[Value], at: usize) -> Value {
    a.get(at).cloned().unwrap_or_default()
}

fn wrong(at: usize) -> Error {
    Error::reject("typed", format!("Argument {at} cannot be said in the contract."))
}

fn text(a: &[Value], at: usize) -> Result<&str, Error> {
    a.get(at).and_then(Value::as_str).ok_or_else(|| wrong(at))
}

fn may_text(a: &[Value], at: usize) -> Result<Option<&str>, Error> {
    a.get(at).filter(|v| !v.is_null()).map(|v| v.as_str().ok_or_else(|| wrong(at))).transpose()
}

fn whole(a: &[Value], at: usize) -> Result<i64, Error> {
    a.get(at).and_then(Value::as_i64).ok_or_else(|| wrong(at))
}

fn number(a: &[Value], at: usize) -> Result<f64, Error> {
    a.get(at).and_then(Value::as_f64).ok_or_else(|| wrong(at))
}
