//! Writes texts with a language model behind the OpenAI interface: OpenAI, Mistral, Ollama, llama.cpp and others.
//!
//! In: the owner's instructions, a task that may quote strangers, facts. Out: texts that keep to the length, and the bill.
//! Never: obeys the quoted, and never gives half a text: what was cut off or is too long is left out.

mod answer;
mod asking;
#[cfg(test)]
mod tests;

use beffroi_plugin::prelude::*;
use beffroi_plugin::{amount, loose};

/// The plugin.
pub struct OpenAi;

beffroi_plugin::export!(OpenAi: generate);

/// Where it is kept that this model takes no schema.
const PLAIN: &str = "plain:";

/// What the owner filled in.
pub(crate) struct Settings {
    service: String,
    pub(crate) model: String,
    with_key: bool,
    schema: bool,
    pub(crate) limit_field: String,
    pub(crate) max_tokens: i64,
    pub(crate) temperature: Option<Value>,
    /// Millionths for a million tokens: millionths of the currency's unit for a token, times a million.
    prices: Option<(i64, i64)>,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let price = |pointer| amount::micros(&loose::text(&all, pointer)).filter(|price| *price >= 0);
        let limit_field = loose::some_text(&all, "/limit-field").unwrap_or_else(|| "max_completion_tokens".into());
        Ok(Self {
            service: loose::text(&all, "/service").trim_end_matches('/').to_owned(),
            model: loose::text(&all, "/model").trim().to_owned(),
            with_key: all.get("with-key").is_none() || loose::truth(&all, "/with-key"),
            schema: loose::text(&all, "/answer") != "plain",
            limit_field,
            max_tokens: loose::whole(&all, "/max-tokens").unwrap_or(2000).clamp(16, 100_000),
            temperature: all.get("temperature").filter(|value| value.is_number()).cloned(),
            prices: price("/input-price").zip(price("/output-price")),
        })
    }

    /// Sends a request. A text that was generated and lost costs money, and does no other harm.
    fn send(&self, request: http::Request) -> Result<http::Response, Error> {
        let request = request.harmless();
        let request = if self.with_key { request.credential("key") } else { request };
        let response = request.send_raw().map_err(|e| http::explain(e, true))?;
        if response.is_good() { Ok(response) } else { Err(self.refusal(&response)) }
    }

    /// What a refusal means. Services agree on the statuses, less on the words.
    fn refusal(&self, response: &http::Response) -> Error {
        let body: Value = response.json().unwrap_or_default();
        let said = loose::some_text(&body, "/error/message")
            .or_else(|| loose::some_text(&body, "/message"))
            .or_else(|| loose::some_text(&body, "/error"))
            .unwrap_or_default();
        let code = [loose::text(&body, "/error/code"), loose::text(&body, "/error/type")];
        let coded = |word: &str| code.iter().any(|code| code == word);
        let lower = said.to_ascii_lowercase();
        let model = &self.model;
        match response.status {
            402 | 429 if response.status == 402 || coded("insufficient_quota") => Error::reconnect(
                "no-credit",
                pick(
                    "Le compte du service de texte n'a plus de crédit : rechargez-le, puis reconnectez-le.",
                    "The account at the text service has no credit left: top it up, then reconnect it.",
                ),
            ),
            404 => Error::reject(
                "no-model",
                pick(
                    format!(
                        "Le service ne connaît pas le modèle « {model} » à cette adresse : vérifiez les réglages \
                         « model » et « service »."
                    ),
                    format!(
                        "The service does not know the model “{model}” at this address: check the settings “model” and “service”."
                    ),
                ),
            ),
            400 | 422 if lower.contains("max_tokens") || lower.contains("max_completion_tokens") => Error::reject(
                "limit-field",
                pick(
                    format!("Ce modèle ne veut pas de « {} » : changez le réglage « limit-field ».", self.limit_field),
                    format!("This model does not take “{}”: change the setting “limit-field”.", self.limit_field),
                ),
            ),
            400 | 422 if lower.contains("temperature") => Error::reject(
                "temperature",
                pick(
                    "Ce modèle ne veut pas de cette température : videz le réglage « temperature ».",
                    "This model does not take this temperature: empty the setting “temperature”.",
                ),
            ),
            400 | 413 if coded("context_length_exceeded") => Error::reject(
                "task-too-long",
                pick(
                    "La consigne est trop longue pour ce modèle : raccourcissez-la.",
                    "The task is too long for this model: shorten it.",
                ),
            ),
            400 if coded("content_filter") || coded("content_policy_violation") => answer::filtered(),
            400 | 422 if !said.is_empty() => Error::reject(
                "service-refused",
                pick(
                    format!("Le service de texte refuse la demande : {said}"),
                    format!("The text service refuses the request: {said}"),
                ),
            ),
            _ => response.error(),
        }
    }

    /// What the tokens cost, rounded up, where both prices are known.
    fn cost(&self, input: u64, output: u64) -> Option<u64> {
        let (read, written) = self.prices?;
        let parts = u128::from(input) * read as u128 + u128::from(output) * written as u128;
        u64::try_from(parts.div_ceil(1_000_000)).ok()
    }
}

impl Plugin for OpenAi {
    /// Asks for the list of models, which costs nothing. Not every service lists all of its models, so an absence is said, no more.
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        let answer = match settings.send(http::get(format!("{}/models", settings.service))) {
            Ok(answer) => answer.json::<Value>()?,
            Err(error) if error.code() == "no-model" => return Ok(settings.model),
            Err(error) => return Err(error),
        };
        let models = loose::list(&answer, "/data");
        let listed = models.is_empty() || models.iter().any(|model| loose::text(model, "/id") == settings.model);
        if listed {
            return Ok(settings.model);
        }
        let model = settings.model;
        Ok(pick(format!("{model} (absent de la liste du service)"), format!("{model} (not in the service's list)")))
    }
}

impl Generate for OpenAi {
    fn generate(prompt: &Prompt) -> Result<Generation, Error> {
        let settings = Settings::read()?;
        let url = format!("{}/chat/completions", settings.service);
        let plain_key = format!("{PLAIN}{}", text_key(&settings.model));
        let mut schema = settings.schema && state::get(&plain_key).is_none();
        let send = |schema: bool| settings.send(http::post(&url).json(&asking::body(&settings, prompt, schema)));
        let response = match send(schema) {
            // Older servers know no schemas. They are asked without from now on.
            Err(error) if schema && wants_no_schema(&error) => {
                schema = false;
                let response = send(schema)?;
                state::set(&plain_key, "1")?;
                response
            }
            other => other?,
        };
        let body: Value = response.json()?;
        let input = count(&body, "/usage/prompt_tokens");
        let output = count(&body, "/usage/completion_tokens");
        let texts = answer::texts(&body, prompt, schema)
            .map_err(|error| error.with("input-tokens", input.to_string()).with("output-tokens", output.to_string()))?;
        let model = loose::some_text(&body, "/model").unwrap_or_else(|| settings.model.clone());
        let known = body.pointer("/usage/prompt_tokens").is_some();
        let cost_micros = if known { settings.cost(input, output) } else { None };
        Ok(Generation { texts, usage: Usage { model, input_tokens: input, output_tokens: output, cost_micros } })
    }
}

/// A refusal that is about the form of the answer.
fn wants_no_schema(error: &Error) -> bool {
    let words = ["response_format", "json_schema", "schema", "structured output"];
    let said = error.message().to_ascii_lowercase();
    error.code() == "service-refused" && words.iter().any(|word| said.contains(word))
}

/// A model's name as part of a key.
fn text_key(model: &str) -> String {
    model.chars().take(100).collect()
}

fn count(body: &Value, pointer: &str) -> u64 {
    loose::whole(body, pointer).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}
