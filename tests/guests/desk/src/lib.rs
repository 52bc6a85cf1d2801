//! A plugin for tests: calls whatever function of the desk its payload names, and tells what came of it.
//!
//! In: a list of calls as payload, each `{function, arguments, step}`. Out: a list of `{ok}` or `{error}`, as JSON. Never: decides anything.

mod calls;

use beffroi_plugin::prelude::*;

struct Guest;

beffroi_plugin::export!(Guest: workflow);

impl Plugin for Guest {
    fn check() -> Result<String, Error> {
        Ok("desk".into())
    }
}

#[derive(Deserialize)]
#[serde(crate = "beffroi_plugin::serde")]
struct Asked {
    function: String,
    #[serde(default)]
    arguments: Vec<Value>,
    step: Option<String>,
}

impl Workflow for Guest {
    fn run(_: &Trigger) -> Result<String, Error> {
        let asked: Vec<Asked> = beffroi_plugin::serde_json::from_value(desk::run_payload()?)
            .map_err(|e| Error::reject("payload", format!("The payload is no list of calls: {e}.")))?;
        let mut told = Vec::new();
        for Asked { function, arguments, step } in asked {
            let answer = match step {
                Some(name) => desk::step(&name, || calls::call(&function, &arguments)),
                None => calls::call(&function, &arguments),
            };
            told.push(match answer {
                Ok(value) => json!({ "ok": value }),
                Err(error) => json!({ "error": error.message() }),
            });
        }
        Ok(Value::Array(told).to_string())
    }
}
