//! Has texts written by a service with a small JSON interface: replace it by the one you want to use.

use beffroi_plugin::prelude::*;

struct Generator;

#[derive(Deserialize)]
struct Settings {
    service: String,
}

#[derive(Deserialize)]
struct Me {
    name: String,
}

#[derive(Deserialize)]
struct Written {
    texts: Vec<String>,
    model: String,
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    cost_micros: Option<u64>,
}

/// An address at the service.
fn at(path: &str) -> Result<String, Error> {
    Ok(format!("{}{path}", settings::get::<Settings>()?.service.trim_end_matches('/')))
}

impl Plugin for Generator {
    fn check() -> Result<String, Error> {
        Ok(http::get(at("/me")?).credential("token").send()?.json::<Me>()?.name)
    }
}

impl Generate for Generator {
    fn generate(prompt: &Prompt) -> Result<Generation, Error> {
        let facts: Value = prompt.facts.iter().map(|fact| (fact.name.clone(), fact.value.clone())).collect();
        let question = json!({
            "instructions": prompt.instructions, "task": prompt.task, "facts": facts, "variants": prompt.variants,
            "max_characters": prompt.max_characters, "language": prompt.language,
        });
        // Asking twice costs twice, and does no harm otherwise.
        let answer = http::post(at("/generate")?).credential("token").json(&question).harmless().send()?;
        let mut written: Written = answer.json()?;
        written.texts.truncate(prompt.variants as usize);
        let usage = Usage {
            model: written.model,
            input_tokens: written.input_tokens,
            output_tokens: written.output_tokens,
            cost_micros: written.cost_micros,
        };
        Ok(Generation { texts: written.texts, usage })
    }
}

beffroi_plugin::export!(Generator: generate);

#[cfg(test)]
mod tests {
    use super::*;
    use beffroi_plugin::fake::{Answer, Host};

    #[test]
    fn no_more_texts_than_were_asked_for() {
        let written = json!({ "texts": ["a", "b", "c"], "model": "plume-1" });
        let host = Host::new()
            .settings(json!({ "service": "https://api.example.com" }))
            .answer("POST https://api.example.com/generate", Answer::json(200, written));
        let prompt = Prompt {
            instructions: String::new(),
            task: "Un mot.".to_owned(),
            facts: Vec::new(),
            variants: 2,
            max_characters: None,
            language: "fr".to_owned(),
        };
        assert_eq!(host.run(|| Generator::generate(&prompt)).expect("written").texts, ["a", "b"]);
    }
}
