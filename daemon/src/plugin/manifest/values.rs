//! Single values of manifests: versions, hosts, what settings take.
//!
//! In: texts and values. Out: whether they are what they have to be, and the sentence when not.
//! Never: knows where they stand.

use super::SettingKind;
use crate::domain::Json;

/// A version as semver has it, to be compared.
///
/// # Errors
/// A sentence.
pub fn version(text: &str) -> Result<semver::Version, String> {
    let wrong = || format!("\"{}\" is not a version. Write three numbers with dots, such as \"1.4.0\".", first(text, 40));
    if text.len() > 64 {
        return Err(wrong());
    }
    semver::Version::parse(text).map_err(|_| wrong())
}

/// Whether a host as asked for covers another: the same, or `*.example.com` over `api.example.com` and `*.api.example.com`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let Some(rest) = wide.strip_prefix("*.") else { return false };
    let narrow = narrow.strip_prefix("*.").unwrap_or(narrow);
    narrow.strip_suffix(rest).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
}

pub(super) fn first(text: &str, most: usize) -> String {
    text.chars().take(most).flat_map(char::escape_debug).collect()
}

/// Whether a character could make a text look like another one, or steer a terminal.
pub(super) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether this is an address of the web that names no user.
pub(super) fn is_web(url: &url::Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none()
}

/// Whether a value is what a setting takes.
///
/// # Errors
/// What it takes, in words: `not an http or https address`.
pub fn fits(kind: &SettingKind, value: &Json) -> Result<(), String> {
    let good = match kind {
        SettingKind::Text => value.is_string(),
        SettingKind::Url => value.as_str().is_some_and(|text| url::Url::parse(text).is_ok_and(|url| is_web(&url))),
        SettingKind::Whole => value.is_i64() || value.is_u64(),
        SettingKind::Number => value.is_number(),
        SettingKind::Truth => value.is_boolean(),
        SettingKind::Choice(choices) => value.as_str().is_some_and(|text| choices.iter().any(|choice| choice == text)),
    };
    if good {
        return Ok(());
    }
    Err(match kind {
        SettingKind::Text => "not a text".into(),
        SettingKind::Url => "not an http or https address".into(),
        SettingKind::Whole => "not a whole number".into(),
        SettingKind::Number => "not a number".into(),
        SettingKind::Truth => "neither true nor false".into(),
        SettingKind::Choice(choices) => format!("none of: \"{}\"", choices.join("\", \"")),
    })
}

/// What is wrong with a host, and the remedy.
pub(super) fn host_wrong(text: &str) -> Option<(String, String)> {
    let shown = first(text, 80);
    let (bare, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (text, None),
    };
    let (wild, name) = match bare.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, bare),
    };
    let said = |message: String, help: &str| Some((message, help.to_owned()));
    if let Some(rest) = text.split_once("://").map(|(_, rest)| rest) {
        let host = rest.split('/').next().unwrap_or_default();
        return said("A host stands without \"https://\" and without a path.".into(), &format!("Write \"{}\".", first(host, 80)));
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0) || port.starts_with('0')) {
        return said(
            format!("\"{shown}\" has no port that there is."),
            "Write a port from 1 to 65535, or none for that of https.",
        );
    }
    if name.contains('*') || text == "*" {
        let help = "Write the host, \"*.example.com\", or \"setting:NAME\" for one that the owner fills in.";
        return said(format!("\"{shown}\" is too wide: owners have to know where a plugin calls."), help);
    }
    match url::Host::parse(name) {
        Ok(url::Host::Domain(domain)) if domain != name => {
            return said(
                "A host is written as the network has it.".into(),
                &format!("Write \"{}{domain}\".", if wild { "*." } else { "" }),
            );
        }
        Ok(url::Host::Domain(_)) => {}
        Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => {
            return said(
                "A plugin names hosts, not addresses of machines.".into(),
                "Let the owner fill it in: host = \"setting:NAME\", with type = \"url\" for that setting.",
            );
        }
        Err(_) => return said(format!("\"{shown}\" is not a host."), "Write for example \"api.example.com\"."),
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return said(format!("\"{shown}\" is not a host."), "Write for example \"api.example.com\".");
    }
    if !name.contains('.') {
        return if wild {
            said(
                format!("\"{shown}\" is too wide: owners have to know where a plugin calls."),
                "Write at least \"*.example.com\".",
            )
        } else {
            said(
                format!("\"{shown}\" is a name of a private network."),
                "Let the owner fill it in: host = \"setting:NAME\", with type = \"url\" for that setting.",
            )
        };
    }
    None
}
