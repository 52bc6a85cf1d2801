//! Commands that a running daemon answers.
//!
//! In: a command. Out: the daemon's JSON as it came, or the same for people.
//! Never: shows a person one thing and says yes to another: an approval carries the seal of what was read.

use super::caller::{Caller, address, part, problem_of};
use super::offline::{document, timetable};
use super::outbox;
use super::page::{self, Reader};
use super::replay;
use super::{Approve, Command, Next, Run, Said, State, StateAsk};
use crate::clock::{Clock, SystemClock};
use crate::domain::{DeliveryId, Json, Language, PostId};
use anyhow::{anyhow, bail};
use hyper::Method;
use serde_json::json;
use std::path::Path;

/// Carries out a command with the daemon at this socket.
pub(super) fn ask(socket: &Path, as_json: bool, command: Command) -> anyhow::Result<Said> {
    let caller = Caller::connect(socket)?;
    let mut asking = Asking { caller, as_json };
    match command {
        Command::Status => asking.show("/v1/status", page::status),
        Command::Workflows => asking.show("/v1/workflows", page::workflows),
        Command::Next(next) => asking.next(&next),
        Command::Run(run) => asking.run(run),
        Command::Runs { workflow, limit } => {
            let limit = limit.to_string();
            asking.show(&address("/v1/runs", &[("workflow", workflow.as_deref()), ("limit", Some(&limit))]), page::runs)
        }
        Command::Show { run } => asking.show(&format!("/v1/runs/{}", part(&run)), page::run),
        Command::Logs { run } => asking.show(&format!("/v1/runs/{}/log", part(&run)), page::log),
        Command::Posts { state, account, limit } => {
            let limit = limit.to_string();
            let query = [("state", state.as_deref()), ("account", account.as_deref()), ("limit", Some(limit.as_str()))];
            asking.show(&address("/v1/posts", &query), page::posts)
        }
        Command::Inbox { account, limit } => {
            let limit = limit.to_string();
            asking.show(&address("/v1/inbox", &[("account", account.as_deref()), ("limit", Some(&limit))]), page::inbox)
        }
        Command::Accounts { check: false, .. } => asking.show("/v1/accounts", page::accounts),
        Command::Accounts { check: true, account } => {
            asking.act("/v1/accounts/check", &given("account", account), page::checked_accounts)
        }
        Command::Approve(approve) => asking.approve(&approve),
        Command::Reject { ids, reason, by } => asking.reject(&ids, reason.as_deref(), &by),
        Command::Why { subject, when } => {
            let when = (!when.is_empty()).then(|| when.join(" "));
            asking.show(&address(&format!("/v1/why/{}", part(&subject)), &[("when", when.as_deref())]), page::why)
        }
        Command::State(state) => asking.state(state),
        Command::Pause { workflow, reason } => {
            asking.act(&format!("/v1/workflows/{}/pause", part(&workflow)), &given("reason", reason), page::paused)
        }
        Command::Resume { workflow } => {
            asking.act(&format!("/v1/workflows/{}/resume", part(&workflow)), &json!({}), page::resumed)
        }
        Command::Reload => asking.reload(),
        Command::Freeze { account, reason } => {
            let body = merged(given("account", account), given("reason", reason));
            asking.act("/v1/freeze", &body, page::frozen)
        }
        Command::Thaw(thaw) => outbox::thaw(&mut asking, thaw),
        Command::Recall(recall) => outbox::recall(&mut asking, &recall),
        Command::Cancel { run } => asking.act(&format!("/v1/runs/{}/cancel", part(&run)), &json!({}), page::cancelled),
        Command::Backup { file } => {
            let file = std::path::absolute(file)?;
            asking.act("/v1/backup", &json!({ "file": file }), page::backup)
        }
        Command::Stop => asking.stop(),
        Command::Start(_)
        | Command::Check(_)
        | Command::Demo { .. }
        | Command::Test { .. }
        | Command::Feed { .. }
        | Command::Doctor(_)
        | Command::Plugin(_)
        | Command::Replay(_)
        | Command::Bundle(_)
        | Command::Shadow(_)
        | Command::Simulate(_)
        | Command::Functions { .. } => {
            bail!("This command needs no daemon.")
        }
    }
}

pub(super) fn given(key: &str, value: Option<String>) -> Json {
    value.map_or_else(|| json!({}), |value| json!({ key: value }))
}

pub(super) fn merged(mut one: Json, other: Json) -> Json {
    if let (Some(one), Json::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}

pub(super) fn reader(language: Language) -> Reader {
    Reader { language, now: SystemClock::new().now() }
}

/// One command's conversation with the daemon.
pub(super) struct Asking {
    pub(super) caller: Caller,
    pub(super) as_json: bool,
}

pub(super) type Shown = fn(&Json, Reader) -> String;

impl Asking {
    pub(super) fn show(&mut self, path: &str, shown: Shown) -> anyhow::Result<Said> {
        let reply = self.caller.get(path)?;
        if self.as_json {
            return Ok(Said::good(reply.text + "\n"));
        }
        Ok(Said::good(shown(&reply.json()?, reader(reply.language))))
    }

    pub(super) fn act(&mut self, path: &str, body: &Json, shown: Shown) -> anyhow::Result<Said> {
        let reply = self.caller.post(path, body)?;
        if self.as_json {
            return Ok(Said::good(reply.text + "\n"));
        }
        Ok(Said::good(shown(&reply.json()?, reader(reply.language))))
    }

    fn next(&mut self, next: &Next) -> anyhow::Result<Said> {
        let from = next.from.map(|at| at.rfc3339(next.zone.unwrap_or(crate::domain::Zone::UTC)));
        let count = next.count.to_string();
        let query = [("from", from.as_deref()), ("zone", next.zone.map(|z| z.name())), ("count", Some(count.as_str()))];
        let reply = self.caller.get(&address(&format!("/v1/workflows/{}/next", part(&next.what)), &query))?;
        let answer = reply.json()?;
        if self.as_json {
            return Ok(document(&answer["times"]));
        }
        let texts = |key: &str| -> Vec<String> {
            answer[key].as_array().into_iter().flatten().filter_map(|t| t.as_str().map(str::to_owned)).collect()
        };
        let times = texts("times");
        if times.is_empty() {
            return Ok(Said::good(page::never_due(&texts("events"), reply.language)));
        }
        Ok(Said::good(timetable(&texts("describe"), &times, reply.language)))
    }

    fn run(&mut self, run: Run) -> anyhow::Result<Said> {
        if run.dry.dry {
            return replay::dry(&mut self.caller, self.as_json, &run.workflow, run.payload, &run.dry);
        }
        let mut body = json!({ "wait": run.wait });
        if let Some(payload) = run.payload {
            body["payload"] = payload;
        }
        let reply = self.caller.post(&format!("/v1/workflows/{}/run", part(&run.workflow)), &body)?;
        let answer = reply.json()?;
        let failed = run.wait && answer["state"] != "done";
        let text = match (self.as_json, run.wait) {
            (true, _) => reply.text + "\n",
            (false, true) => page::run(&answer, reader(reply.language)),
            (false, false) => format!("{}\n", answer["run"].as_str().unwrap_or_default()),
        };
        Ok(Said { text, status: u8::from(failed) })
    }

    /// The deliveries that an identifier means.
    pub(super) fn meant(&mut self, id: &str) -> anyhow::Result<(Vec<Json>, Language)> {
        if id.starts_with('p')
            && let Some(post) = PostId::parse(id)
        {
            let reply = self.caller.get(&format!("/v1/posts/{post}"))?;
            let Json::Array(list) = reply.json()? else { bail!("The daemon's answer about {post} cannot be read.") };
            return Ok((list, reply.language));
        }
        let wrong = || anyhow!("\"{id}\" is neither a delivery (d12) nor a post (p7). 'beffroi posts' lists them.");
        let delivery = DeliveryId::parse(id).ok_or_else(wrong)?;
        let reply = self.caller.get(&format!("/v1/deliveries/{delivery}"))?;
        Ok((vec![reply.json()?], reply.language))
    }

    fn approve(&mut self, approve: &Approve) -> anyhow::Result<Said> {
        let verb = match (approve.again, approve.done) {
            (true, _) => "again",
            (_, true) => "done",
            _ => "approve",
        };
        let answerable: &dyn Fn(&Json) -> bool = match verb {
            "approve" => &|d| d["approval"] == "needed" && d["state"] == "held",
            "again" => &|d| d["state"] == "unknown" || d["state"] == "dead",
            _ => &|d| d["state"] == "unknown",
        };
        let mut said = Vec::new();
        let mut text = String::new();
        for id in &approve.ids {
            let (deliveries, language) = self.meant(id)?;
            // One that was named itself is sent even when it cannot be answered: the daemon says why.
            let whole = deliveries.len() > 1;
            let chosen: Vec<&Json> = deliveries.iter().filter(|d| !whole || answerable(d) && !page::stands_by(d)).collect();
            if chosen.is_empty() {
                bail!("{}", page::nothing_to_answer(id, language));
            }
            for delivery in chosen {
                let number = delivery["id"].as_str().unwrap_or_default();
                let mut body = json!({ "by": approve.by });
                // With what stands in for it, which the same yes covers.
                let delivery = &self.caller.get(&format!("/v1/deliveries/{}", part(number)))?.json()?;
                if verb == "approve" {
                    body["seal"] = delivery["seal"].clone();
                    if delivery["standing_by"]["approval"] == "needed" {
                        body["fallback"] = delivery["standing_by"]["seal"].clone();
                    }
                }
                if let Some(url) = &approve.url {
                    body["url"] = json!(url);
                }
                let reply = self.caller.post(&format!("/v1/deliveries/{}/{verb}", part(number)), &body)?;
                text.push_str(&page::answered(delivery, verb, reader(reply.language)));
                said.push(reply.json()?);
                if verb != "done" && !self.as_json {
                    text.push_str(&self.obstacle(delivery)?);
                }
            }
        }
        Ok(if self.as_json { document(&Json::Array(said)) } else { Said::good(text) })
    }

    /// What an account may still hold back, so that nobody waits in vain for what they said yes to.
    fn obstacle(&mut self, delivery: &Json) -> anyhow::Result<String> {
        let target = delivery["target"].as_str().unwrap_or_default();
        if delivery["kind"] == "notice" || target.is_empty() {
            return Ok(String::new());
        }
        // Of an account that is no longer configured there is nothing more to say: the daemon said yes to the yes.
        let Ok(reply) = self.caller.get(&format!("/v1/why/{}", part(target))) else { return Ok(String::new()) };
        Ok(page::may_wait(&reply.json()?, reader(reply.language)))
    }

    fn reject(&mut self, ids: &[String], reason: Option<&str>, by: &str) -> anyhow::Result<Said> {
        let mut said = Vec::new();
        let mut text = String::new();
        for id in ids {
            let (deliveries, language) = self.meant(id)?;
            let whole = deliveries.len() > 1;
            let open = |d: &Json| ["held", "due", "preparing", "retrying", "dead"].iter().any(|state| d["state"] == *state);
            // What stands in for a post ends with it.
            let chosen: Vec<&Json> = deliveries.iter().filter(|d| !whole || open(d) && !page::stands_by(d)).collect();
            if chosen.is_empty() {
                bail!("{}", page::nothing_to_answer(id, language));
            }
            for delivery in chosen {
                let body = merged(json!({ "by": by }), given("reason", reason.map(str::to_owned)));
                let number = delivery["id"].as_str().unwrap_or_default();
                let reply = self.caller.post(&format!("/v1/deliveries/{}/reject", part(number)), &body)?;
                text.push_str(&page::answered(delivery, "reject", reader(reply.language)));
                said.push(reply.json()?);
            }
        }
        Ok(if self.as_json { document(&Json::Array(said)) } else { Said::good(text) })
    }

    fn state(&mut self, state: State) -> anyhow::Result<Said> {
        let ask = state.ask.unwrap_or(match state.key {
            Some(key) => StateAsk::Get { key },
            None => StateAsk::List { prefix: None },
        });
        match ask {
            StateAsk::Get { key } => {
                let shown: Shown = |value, _| format!("{value:#}\n");
                self.show(&address("/v1/state", &[("key", Some(&key))]), shown)
            }
            StateAsk::List { prefix } => {
                self.show(&address("/v1/state", &[("prefix", Some(prefix.as_deref().unwrap_or_default()))]), page::state)
            }
            StateAsk::Set { key, value } => {
                let reply = self.caller.send(Method::PUT, "/v1/state", Some(&json!({ "key": key, "value": value })))?;
                Ok(Said::good(if self.as_json { reply.text + "\n" } else { format!("{key} = {value}\n") }))
            }
            StateAsk::Remove { key } => {
                let reply = self.caller.send(Method::DELETE, &address("/v1/state", &[("key", Some(&key))]), None)?;
                let text = reply.language.pick(format!("{key} est effacé.\n"), format!("{key} is removed.\n"));
                Ok(Said::good(if self.as_json { reply.text + "\n" } else { text }))
            }
        }
    }

    fn reload(&mut self) -> anyhow::Result<Said> {
        let reply = self.caller.post("/v1/reload", &json!({}))?;
        let answer = reply.json()?;
        if self.as_json {
            return Ok(Said::good(reply.text + "\n"));
        }
        let mut text: String =
            answer["problems"].as_array().into_iter().flatten().map(|problem| problem_of(problem).render()).collect();
        let file = answer["file"].as_str().unwrap_or_default();
        text.push_str(&reply.language.pick(format!("{file} est rechargé.\n"), format!("{file} is reloaded.\n")));
        Ok(Said::good(text))
    }

    fn stop(mut self) -> anyhow::Result<Said> {
        let reply = self.caller.post("/v1/stop", &json!({}))?;
        self.caller.wait_for_end()?;
        let text = if self.as_json {
            "{\"stopped\":true}\n"
        } else {
            reply.language.pick("Beffroi est arrêté.\n", "Beffroi has stopped.\n")
        };
        Ok(Said::good(text))
    }
}
