//! Puts a credential on a request, in the way its manifest says.
//!
//! In: a request without secrets, a secret. Out: the same request with the secret in its sealed parts.
//! Never: puts a secret where it could be logged, or changes where the request goes.

use super::mask;
use crate::domain::{Json, Language, Secret};
use crate::network::Request;
use crate::plugin::manifest::CredentialKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// Percent-encodes a secret for a path, with the signs that a path may hold as they are: some services compare without decoding.
pub(super) fn in_path(secret: &str) -> String {
    mask::percent(secret, |byte| b":@".contains(&byte))
}

/// Puts a header on, in place of any of the same name that the plugin wrote.
pub(super) fn header(request: &mut Request, name: &str, value: String) {
    request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    request.sealed.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    request.sealed.headers.push((name.to_owned(), Secret::new(value)));
}

/// Puts a bearer token on.
pub(super) fn bearer(request: &mut Request, token: &Secret) {
    header(request, "Authorization", format!("Bearer {}", token.expose()));
}

/// Puts the secret on; sessions and signatures are not for here.
///
/// # Errors
/// A sentence: the request, the setting or the secret does not have the form the manifest asks for.
pub(super) fn apply(
    request: &mut Request,
    url: &Url,
    kind: &CredentialKind,
    secret: &Secret,
    settings: &Json,
    language: Language,
) -> Result<(), String> {
    match kind {
        CredentialKind::Bearer => bearer(request, secret),
        CredentialKind::Header { name, prefix } => header(request, name, format!("{prefix}{}", secret.expose())),
        CredentialKind::Query { parameter } => {
            let mut sealed = url.clone();
            let others: Vec<(String, String)> =
                url.query_pairs().filter(|(name, _)| name != parameter).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            if others.len() != url.query_pairs().count() {
                // Two parameters of one name: nobody could say which one counts.
                sealed.set_query(None);
                sealed.query_pairs_mut().extend_pairs(others);
            }
            sealed.query_pairs_mut().append_pair(parameter, secret.expose());
            request.sealed.url = Some(Secret::new(sealed));
        }
        CredentialKind::Path { placeholder } => {
            // The address writes the braces of a placeholder in its own way.
            let written = mask::percent(placeholder, |_| false);
            let place = [written.as_str(), placeholder].into_iter().find(|p| !p.is_empty() && url.path().contains(p));
            let Some(place) = place else {
                return Err(language.pick(
                    format!("Le plugin n'a pas écrit {placeholder} dans le chemin de l'adresse. Signalez-le à son auteur."),
                    format!("The plugin did not write {placeholder} into the path of the address. Tell its author."),
                ));
            };
            let mut sealed = url.clone();
            sealed.set_path(&url.path().replace(place, &in_path(secret.expose())));
            request.sealed.url = Some(Secret::new(sealed));
        }
        CredentialKind::Basic { user } => {
            let user = user.as_deref().map(|user| named(user, settings, language)).transpose()?;
            let pair = match user {
                Some(user) if user.contains(':') => {
                    return Err(language.pick(
                        format!("Le nom d'utilisateur « {user} » contient un deux-points. Corrigez le réglage du plugin."),
                        format!("The user name \"{user}\" has a colon in it. Correct the plugin's setting."),
                    ));
                }
                Some(user) => format!("{user}:{}", secret.expose()),
                None if secret.expose().contains(':') => secret.expose().to_owned(),
                None => {
                    return Err(language.pick(
                        "Ce secret s'écrit « utilisateur:mot de passe ». Corrigez-le.".to_owned(),
                        "This secret is written as user:password. Correct it.".to_owned(),
                    ));
                }
            };
            header(request, "Authorization", format!("Basic {}", STANDARD.encode(pair)));
        }
        CredentialKind::Hmac | CredentialKind::Session(_) => {
            return Err(language.pick(
                "Cet accès ne sert qu'à signer ; il n'est jamais envoyé. Signalez-le à l'auteur du plugin.".to_owned(),
                "This credential is for signing only and is never sent. Tell the plugin's author.".to_owned(),
            ));
        }
    }
    Ok(())
}

/// A text of the manifest, or the setting it names.
fn named(text: &str, settings: &Json, language: Language) -> Result<String, String> {
    let Some(key) = text.strip_prefix("setting:") else { return Ok(text.to_owned()) };
    setting(settings, key, language)
}

/// A setting as text.
///
/// # Errors
/// A sentence, when it is not filled in.
pub(super) fn setting(settings: &Json, key: &str, language: Language) -> Result<String, String> {
    match settings.get(key) {
        Some(Json::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(value @ (Json::Number(_) | Json::Bool(_))) => Ok(value.to_string()),
        _ => Err(language.pick(
            format!("Le réglage {key} n'est pas rempli. Remplissez-le sous settings dans la configuration."),
            format!("The setting {key} is not filled in. Fill it in under settings in the configuration."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "123:AB/c d?é";

    fn applied(url: &str, kind: &CredentialKind, secret: &str) -> Result<Request, String> {
        let mut request = Request::get(url).header("authorization", "mine").header("Accept", "text/plain");
        let settings = serde_json::json!({ "key": "shop", "odd": "a:b" });
        let parsed = Url::parse(url).expect("a URL");
        apply(&mut request, &parsed, kind, &Secret::new(secret), &settings, Language::En).map(|()| request)
    }

    fn sealed_header(kind: &CredentialKind, secret: &str) -> Result<(String, String), String> {
        let request = applied("https://a.example/", kind, secret)?;
        assert_eq!(request.sealed.headers.len(), 1);
        let (name, value) = &request.sealed.headers[0];
        Ok((name.clone(), value.expose().to_owned()))
    }

    fn sealed_url(url: &str, kind: &CredentialKind, secret: &str) -> String {
        let request = applied(url, kind, secret).expect("applied");
        assert_eq!(request.url, url, "the open address stays as it was");
        request.sealed.url.expect("sealed").expose().to_owned()
    }

    #[test]
    fn headers_of_each_kind() {
        let header = |name: &str, prefix: &str| CredentialKind::Header { name: name.into(), prefix: prefix.into() };
        let basic = |user: Option<&str>| CredentialKind::Basic { user: user.map(str::to_owned) };
        let pair = |n: &str, v: &str| Ok((n.to_owned(), v.to_owned()));
        assert_eq!(sealed_header(&CredentialKind::Bearer, "secret"), pair("Authorization", "Bearer secret"));
        assert_eq!(sealed_header(&header("X-Api-Key", "Key "), "secret"), pair("X-Api-Key", "Key secret"));
        let base = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(sealed_header(&basic(Some("me")), "secret"), pair("Authorization", &base("me:secret")));
        assert_eq!(sealed_header(&basic(Some("setting:key")), "secret"), pair("Authorization", &base("shop:secret")));
        assert_eq!(sealed_header(&basic(None), "me:secret"), pair("Authorization", &base("me:secret")));
        assert!(sealed_header(&basic(None), "secret").expect_err("no user").contains("user:password"));
        assert!(sealed_header(&basic(Some("setting:odd")), "secret").expect_err("a colon").contains("colon"));
        assert!(sealed_header(&basic(Some("setting:none")), "secret").expect_err("not filled in").contains("setting none"));
        assert!(sealed_header(&CredentialKind::Hmac, "secret").expect_err("never sent").contains("signing only"));
    }

    #[test]
    fn the_plugins_own_header_of_that_name_goes() {
        let request = applied("https://a.example/", &CredentialKind::Bearer, "secret").expect("applied");
        assert_eq!(request.headers, [("Accept".to_owned(), "text/plain".to_owned())]);
    }

    #[test]
    fn a_secret_in_the_query_stands_there_once() {
        let kind = CredentialKind::Query { parameter: "key".into() };
        assert_eq!(sealed_url("https://a.example/x", &kind, SECRET), "https://a.example/x?key=123%3AAB%2Fc+d%3F%C3%A9");
        assert_eq!(sealed_url("https://a.example/x?b=%20c", &kind, "secret"), "https://a.example/x?b=%20c&key=secret");
        assert_eq!(sealed_url("https://a.example/x?key=mine&b=c", &kind, "secret"), "https://a.example/x?b=c&key=secret");
    }

    #[test]
    fn a_secret_in_the_path_stays_in_its_place() {
        let kind = CredentialKind::Path { placeholder: "{token}".into() };
        let sealed = sealed_url("https://a.example/bot{token}/send?x={token}", &kind, SECRET);
        assert_eq!(sealed, "https://a.example/bot123:AB%2Fc%20d%3F%C3%A9/send?x={token}");
        let sentence = applied("https://a.example/bot/send?x={token}", &kind, SECRET).expect_err("no placeholder in the path");
        assert!(sentence.contains("{token}") && !sentence.contains("123"), "{sentence}");
        let plain = CredentialKind::Path { placeholder: "TOKEN".into() };
        assert_eq!(sealed_url("https://a.example/botTOKEN/x", &plain, "../../etc"), "https://a.example/bot..%2F..%2Fetc/x");
    }

    proptest! {
        #[test]
        fn no_secret_changes_where_a_request_goes(secret in "\\PC{6,40}") {
            for kind in [CredentialKind::Path { placeholder: "{t}".into() }, CredentialKind::Query { parameter: "t".into() }] {
                let sealed = Url::parse(&sealed_url("https://a.example:444/b{t}/c?d=e", &kind, &secret)).expect("a URL");
                prop_assert_eq!(sealed.host_str(), Some("a.example"));
                prop_assert_eq!(sealed.port(), Some(444));
                prop_assert!(sealed.path().starts_with("/b") && sealed.path().ends_with("/c"));
                prop_assert_eq!(sealed.path().matches('/').count(), 2);
                prop_assert!(sealed.query().is_some_and(|q| q.starts_with("d=e")));
                prop_assert!(sealed.fragment().is_none());
            }
        }
    }
}
