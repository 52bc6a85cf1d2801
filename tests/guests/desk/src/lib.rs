//! A plugin for tests: calls whatever function of the desk its payload names, and tells what came of it.
//!
//! In: a list of calls as payload, each `{function, arguments, step}`; the function `time left` is no function of the desk. Out: the last answer, `{ok}` or
//! `{error}`, in the state under `told`. Never: decides anything.

mod calls;

use beffroi_plugin::prelude::*;
use serde::Deserialize;

struct Guest;

beffroi_plugin::export!(Guest: workflow);

impl Plugin for Guest {
    fn check() -> Result<String, Error> {
        Ok("desk".into())
    }
}

#[derive(Deserialize)]
struct Asked {
    function: String,
    #[serde(default)]
    arguments: Vec<Value>,
    step: Option<String>,
}

impl Workflow for Guest {
    fn run(_: &Trigger) -> Result<String, Error> {
        let asked: Vec<Asked> = json::from_value(desk::run_payload()?)
            .map_err(|e| Error::reject("payload", format!("The payload is no list of calls: {e}.")))?;
        let mut told = Value::Null;
        for Asked { function, arguments, step } in asked {
            let answer = match step {
                _ if function == "time left" => Ok(json!(run::time_left())),
                Some(name) => desk::step(&name, || calls::call(&function, &arguments)),
                None => calls::call(&function, &arguments),
            };
            told = match answer {
                Ok(value) => json!({ "ok": value }),
                Err(error) => json!({ "error": error.message() }),
            };
        }
        desk::state_set("told", &told)?;
        Ok(String::new())
    }
}
