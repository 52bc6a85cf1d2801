//! One request that gives tokens: what is sent, and what its answer means.
//!
//! In: the manifest's exchange with its placeholders, the secret, the refresh token, settings. Out: tokens, a refusal, or "later".
//! Never: takes a broken line or a broken server for a refusal: only the service itself can refuse.

use super::mask;
use super::session::{Tokens, Use};
use crate::domain::{Json, Secret, Timestamp};
use crate::network::{NetworkError, Reach, Request, Response, retry_after};
use crate::plugin::manifest::{Exchange, ExchangeBody, Session};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A token is renewed this long before its end, so that none ends on its way.
const EARLY: Duration = Duration::from_secs(60);
/// Tokens are small.
const LARGEST_ANSWER: usize = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(20);

/// What an exchange came to.
pub(super) enum Outcome {
    /// New tokens.
    Given(Tokens),
    /// The service does not accept what it was given; the words say what it answered.
    Refused(String),
    /// Nobody can say: try again, not before the moment given.
    Later(String, Option<Timestamp>),
    /// Our own rules forbid it.
    Forbidden(String),
}

/// What stands for the placeholders of an exchange.
struct Filling<'a> {
    using: &'a Use<'a>,
    refresh: Option<&'a Secret>,
}

impl Filling<'_> {
    /// The text with all placeholders replaced in one pass, so that a value is never read as a placeholder itself. A setting at
    /// the very beginning is taken as it is: it is the beginning of an address.
    fn fill(&self, text: &str, encode: impl Fn(&str) -> String) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            let value = match name {
                "secret" => encode(self.using.secret.expose()),
                "refresh" => encode(self.refresh.map(Secret::expose).unwrap_or_default()),
                _ => match name.strip_prefix("setting:") {
                    Some(key) => encode(&super::apply::setting(&self.using.user.settings, key, self.using.user.language)?),
                    None => {
                        out.push('{');
                        rest = after;
                        continue;
                    }
                },
            };
            out.push_str(&value);
            rest = behind;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn json(&self, value: &Json) -> Result<Json, String> {
        Ok(match value {
            Json::String(text) => Json::String(self.fill(text, str::to_owned)?),
            Json::Array(all) => Json::Array(all.iter().map(|v| self.json(v)).collect::<Result<_, _>>()?),
            Json::Object(all) => {
                Json::Object(all.iter().map(|(k, v)| Ok((k.clone(), self.json(v)?))).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// The address, which may begin with a setting that holds the beginning of one.
    fn url(&self, text: &str) -> Result<String, String> {
        let (head, tail) = match text.strip_prefix("{setting:").and_then(|t| t.split_once('}')) {
            Some((key, tail)) => {
                let base = super::apply::setting(&self.using.user.settings, key, self.using.user.language)?;
                (base.trim().trim_end_matches('/').to_owned(), tail)
            }
            None => (String::new(), text),
        };
        let tail = self.fill(tail, |value| mask::percent(value, |_| false))?;
        Ok(format!("{head}{tail}"))
    }
}

/// The open form of an exchange's address: the same place, without secrets.
pub(super) fn place(using: &Use<'_>, exchange: &Exchange) -> Result<Url, String> {
    let hidden = exchange.url.replace("{secret}", "-").replace("{refresh}", "-");
    let text = Filling { using, refresh: None }.url(&hidden)?;
    let language = using.user.language;
    Url::parse(&text).map_err(|_| {
        language.pick(
            format!("« {text} » n'est pas une adresse du web. Corrigez le réglage, ou signalez-le à l'auteur du plugin."),
            format!("\"{text}\" is not a web address. Correct the setting, or tell the plugin's author."),
        )
    })
}

/// What an exchange's body hangs on, as one text; only a digest of it is ever kept.
pub(super) fn body_text(using: &Use<'_>, exchange: &Exchange) -> Result<String, String> {
    let filling = Filling { using, refresh: None };
    match &exchange.body {
        ExchangeBody::Empty => Ok(String::new()),
        ExchangeBody::Json(json) => Ok(filling.json(json)?.to_string()),
        ExchangeBody::Form(pairs) => {
            pairs.iter().map(|(n, v)| Ok(format!("{n}={}\n", filling.fill(v, str::to_owned)?))).collect()
        }
    }
}

/// The request of an exchange.
fn request(using: &Use<'_>, exchange: &Exchange, refresh: Option<&Secret>) -> Result<Request, String> {
    let place = place(using, exchange)?;
    let filling = Filling { using, refresh };
    let mut request = Request::get(place.as_str()).header("Accept", "application/json");
    request.method = "POST".into();
    request.timeout = TIMEOUT;
    request.max_body = LARGEST_ANSWER;
    let places = using.places.iter().map(|p| {
        let (methods, paths) = (vec!["POST".to_owned()], vec!["/*".to_owned()]);
        crate::network::Place { methods, paths, ..p.clone() }
    });
    request.reach = Some(Arc::new(Reach { places: places.collect(), of: using.user.plugin.to_string() }));
    if exchange.url.contains("{secret}") || exchange.url.contains("{refresh}") {
        request.sealed.url = Some(Secret::new(filling.url(&exchange.url)?));
    }
    match &exchange.body {
        ExchangeBody::Empty => {}
        ExchangeBody::Json(json) => {
            request = request.header("Content-Type", "application/json");
            request.sealed.body = Some(Secret::new(filling.json(json)?.to_string()));
        }
        ExchangeBody::Form(pairs) => {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in pairs {
                form.append_pair(name, &filling.fill(value, str::to_owned)?);
            }
            request.sealed.body = Some(Secret::new(form.finish()));
        }
    }
    if let (true, Some(refresh)) = (exchange.bearer_refresh, refresh) {
        super::apply::bearer(&mut request, refresh);
    }
    Ok(request)
}

/// Sends an exchange and reads its answer. `kept` is the refresh token that stays in force when the answer brings none.
pub(super) fn ask(using: &Use<'_>, exchange: &Exchange, refresh: Option<&Secret>, now: Timestamp) -> Outcome {
    let request = match request(using, exchange, refresh) {
        Ok(request) => request,
        Err(sentence) => return Outcome::Forbidden(sentence),
    };
    match using.network.send(&request) {
        Ok(response) => read(using, &response, refresh, now),
        Err(NetworkError::Forbidden(text)) => Outcome::Forbidden(text),
        // The answer of a refresh that was lost may have held new tokens. The old one is tried again next time: services that
        // rotate tokens accept the old one for a while for exactly this reason.
        Err(NetworkError::NotSent(text) | NetworkError::Lost(text) | NetworkError::TooLarge(text)) => Outcome::Later(text, None),
    }
}

fn read(using: &Use<'_>, response: &Response, kept: Option<&Secret>, now: Timestamp) -> Outcome {
    let json: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = error_code(&json);
    // A 400 or 403 that is not the service's own may come from anything on the way.
    let itself = json.is_object() && !code.is_some_and(|c| PASSING.contains(&c));
    match response.status {
        200..=299 => match tokens(using.session, &json, kept, now) {
            Some(tokens) => Outcome::Given(Tokens { origin: using.origin, ..tokens }),
            None => Outcome::Later(
                using.user.language.pick(
                    format!("{} a répondu sans jeton d'accès. Nouvel essai plus tard.", using.host),
                    format!("{} answered without an access token. It is tried again later.", using.host),
                ),
                None,
            ),
        },
        status @ (400 | 401 | 403) if status == 401 || itself => {
            let code = code.map(|c| format!(", {}", c.chars().take(60).collect::<String>())).unwrap_or_default();
            Outcome::Refused(format!("HTTP {status}{code}"))
        }
        status => Outcome::Later(
            using.user.language.pick(
                format!("{} ne donne pas de jeton pour l'instant (HTTP {status}). Nouvel essai plus tard.", using.host),
                format!("{} gives no token for now (HTTP {status}). It is tried again later.", using.host),
            ),
            retry_after(response, now),
        ),
    }
}

/// Codes of a 400 or 403 that say nothing about the token.
const PASSING: [&str; 4] = ["temporarily_unavailable", "server_error", "slow_down", "RateLimitExceeded"];

/// The code at `/error` of an answer.
pub(super) fn error_code(json: &Json) -> Option<&str> {
    json.pointer("/error").and_then(Json::as_str)
}

/// The tokens in an answer; `None` without an access token. An empty or missing refresh token leaves the old one in force.
fn tokens(session: &Session, json: &Json, kept: Option<&Secret>, now: Timestamp) -> Option<Tokens> {
    let text = |pointer: &str| json.pointer(pointer).and_then(Json::as_str).filter(|t| !t.trim().is_empty());
    let access = text(&session.access)?;
    let refresh = text(&session.refresh_token).map(Secret::new).or_else(|| kept.cloned()).unwrap_or_default();
    let told = session.expires_in.as_ref().and_then(|pointer| {
        let value = json.pointer(pointer)?;
        value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
    });
    let lives = told.or_else(|| jwt_lives(access, now)).filter(|s| *s > 0.0 && s.is_finite());
    // A token of a very short life is used for at least half of it.
    let lives = lives.map(|s| Duration::from_secs_f64(s.min(10.0 * 366.0 * 86_400.0)));
    let renew_at = lives.map(|life| now.plus(life - EARLY.min(life / 2)));
    Some(Tokens { access: Secret::new(access), refresh, renew_at, origin: crate::domain::Digest::of(b"") })
}

/// How many seconds a JWT lives. From its own beginning where it says so: clocks differ.
fn jwt_lives(token: &str, now: Timestamp) -> Option<f64> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let claims: Json = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let end = claims.get("exp")?.as_f64()?;
    let start = claims.get("iat").and_then(Json::as_f64).filter(|start| *start < end);
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of this millennium are exact in a float")]
    let here = now.millis() as f64 / 1_000.0;
    Some(end - start.unwrap_or(here))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::manifest::Exchange;

    fn session() -> Session {
        let refresh = Exchange { url: String::new(), body: ExchangeBody::Empty, bearer_refresh: true };
        Session {
            login: None,
            refresh,
            access: "/a".into(),
            refresh_token: "/r".into(),
            expires_in: Some("/e".into()),
            expired: Vec::new(),
        }
    }

    fn renewed(json: &Json, now: i64) -> Option<i64> {
        let tokens = tokens(&session(), json, None, Timestamp::from_millis(now)).expect("an access token");
        tokens.renew_at.map(Timestamp::millis)
    }

    fn jwt(claims: &Json) -> String {
        format!("x.{}.y", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn tokens_are_renewed_a_minute_early() {
        let json = serde_json::json!({ "a": "token", "e": 3_600 });
        assert_eq!(renewed(&json, 1_000), Some(1_000 + 3_540_000));
        assert_eq!(renewed(&serde_json::json!({ "a": "token", "e": "3600" }), 0), Some(3_540_000));
        assert_eq!(renewed(&serde_json::json!({ "a": "token", "e": 30 }), 0), Some(15_000), "a short life is not all margin");
        assert_eq!(renewed(&serde_json::json!({ "a": "token", "e": 0 }), 0), None);
        assert_eq!(renewed(&serde_json::json!({ "a": "token", "e": -5 }), 0), None);
        assert_eq!(renewed(&serde_json::json!({ "a": "token", "e": "soon" }), 0), None);
        assert_eq!(renewed(&serde_json::json!({ "a": "not.a.jwt" }), 0), None);
    }

    #[test]
    fn the_life_of_a_jwt_is_read_even_when_clocks_differ() {
        let whole = jwt(&serde_json::json!({ "iat": 5_000, "exp": 12_200 }));
        assert_eq!(renewed(&serde_json::json!({ "a": whole }), 9_000_000_000), Some(9_000_000_000 + 7_140_000));
        let bare = jwt(&serde_json::json!({ "exp": 12_200 }));
        assert_eq!(renewed(&serde_json::json!({ "a": bare }), 5_000_000), Some(5_000_000 + 7_140_000));
        assert_eq!(renewed(&serde_json::json!({ "a": bare }), 99_000_000), None, "an end in the past is a wrong clock");
        assert_eq!(renewed(&serde_json::json!({ "a": jwt(&serde_json::json!({ "exp": "x" })) }), 0), None);
    }

    #[test]
    fn an_empty_refresh_token_never_replaces_one() {
        let old = Secret::new("old refresh");
        for json in [
            serde_json::json!({ "a": "token" }),
            serde_json::json!({ "a": "token", "r": "" }),
            serde_json::json!({ "a": "token", "r": " " }),
            serde_json::json!({ "a": "token", "r": null }),
            serde_json::json!({ "a": "token", "r": 5 }),
        ] {
            let tokens = tokens(&session(), &json, Some(&old), Timestamp::EPOCH).expect("an access token");
            assert_eq!(tokens.refresh, old, "{json}");
        }
        for json in [serde_json::json!({}), serde_json::json!({ "a": "" }), serde_json::json!([1]), Json::Null] {
            assert!(tokens(&session(), &json, Some(&old), Timestamp::EPOCH).is_none(), "{json}");
        }
    }
}
