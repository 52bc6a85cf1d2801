//! The pages of a folder of posts: one card per post, and a list of them all.
//!
//! In: posts, and the text files of earlier ones. Out: whole HTML pages that need nothing but the pictures beside them.
//! Never: trusts a text; everything is escaped by the templates, and only http and https addresses become links.

use super::Written;
use crate::adapters::media::Shape;
use crate::craft::show;
use crate::domain::{Language, Timestamp, Zone};
use crate::kinds::Call;
use chrono::{Datelike, NaiveDate, Timelike};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Posts that the list shows in full; older ones are one line each.
const IN_FULL: usize = 60;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    for (name, source) in [
        ("style.html", include_str!("style.html")),
        ("preview.html", include_str!("preview.html")),
        ("index.html", include_str!("index.html")),
    ] {
        environment.add_template(name, source).expect("the templates are part of the program and tested");
    }
    environment
});

/// A post to show.
pub(super) struct Post<'a> {
    pub(super) business: &'a str,
    pub(super) account: &'a str,
    pub(super) network: &'a str,
    pub(super) format: &'a str,
    pub(super) text: &'a str,
    pub(super) link: Option<&'a str>,
    /// File seen from the folder, and description.
    pub(super) media: Vec<(&'a str, &'a str)>,
    pub(super) stem: &'a str,
    pub(super) key: &'a str,
    pub(super) length: usize,
    pub(super) max_chars: usize,
}

/// How a network looks.
#[derive(Serialize, Clone)]
struct Network {
    label: String,
    colour: &'static str,
    /// The colour of its links, which must be legible on light and dark ground.
    tint: &'static str,
}

const LOOKS: [(&str, &str, &str, &str); 14] = [
    ("facebook", "Facebook", "#1877f2", "#1877f2"),
    ("instagram", "Instagram", "#d62976", "#d62976"),
    ("linkedin", "LinkedIn", "#0a66c2", "#1d7fe0"),
    ("x", "X", "#0f1419", "#1d9bf0"),
    ("tiktok", "TikTok", "#161823", "#e8284f"),
    ("threads", "Threads", "#101010", "#0a8df0"),
    ("mastodon", "Mastodon", "#6364ff", "#6d6eff"),
    ("bluesky", "Bluesky", "#1185fe", "#1185fe"),
    ("pinterest", "Pinterest", "#bd081c", "#e03143"),
    ("youtube", "YouTube", "#cc0000", "#e33b3b"),
    ("google", "Google", "#1a73e8", "#3b82f0"),
    ("whatsapp", "WhatsApp", "#128c5e", "#149e6a"),
    ("telegram", "Telegram", "#1c8ac4", "#2396d3"),
    ("snapchat", "Snapchat", "#7a6a00", "#9a8700"),
];

fn look(network: &str) -> Network {
    match LOOKS.iter().find(|(name, ..)| *name == network) {
        Some((_, label, colour, tint)) => Network { label: (*label).to_owned(), colour, tint },
        None => Network { label: network.to_owned(), colour: "#7a5230", tint: "#a8703f" },
    }
}

/// The name of a network as its users write it.
pub(super) fn network_label(network: &str) -> String {
    look(network).label
}

/// A piece of a post's text.
#[derive(Debug, Serialize, PartialEq)]
struct Piece {
    kind: &'static str,
    text: String,
    href: String,
}

/// Cuts a text into words, links, hashtags and mentions.
fn pieces(text: &str) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at_start = plain.chars().next_back().is_none_or(|p| !p.is_alphanumeric() && p != '_' && p != '/' && p != '&');
        let (kind, len) = match c {
            'h' | 'H' | 'w' | 'W' if at_start => ("link", link_length(rest)),
            '#' if at_start => ("tag", tag_length(rest, |c| c.is_alphanumeric() || c == '_')),
            '@' if at_start => ("mention", tag_length(rest, |c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))),
            _ => ("", 0),
        };
        if len == 0 {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        if !plain.is_empty() {
            out.push(Piece { kind: "text", text: std::mem::take(&mut plain), href: String::new() });
        }
        let word = rest[..len].to_owned();
        let href = match kind {
            "link" if word.to_ascii_lowercase().starts_with("www.") => format!("https://{word}"),
            "link" => word.clone(),
            _ => String::new(),
        };
        out.push(Piece { kind, text: word, href });
        rest = &rest[len..];
    }
    if !plain.is_empty() {
        out.push(Piece { kind: "text", text: plain, href: String::new() });
    }
    out
}

/// Bytes of the address a text starts with; 0 when it starts with none.
fn link_length(text: &str) -> usize {
    let lower: String = text.chars().take(8).collect::<String>().to_ascii_lowercase();
    let Some(scheme) = ["https://", "http://", "www."].into_iter().find(|s| lower.starts_with(s)) else { return 0 };
    let end = text.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"«»“”`{}|\\".contains(c)).unwrap_or(text.len());
    let mut link = &text[..end];
    // Punctuation at the end belongs to the sentence, a bracket only when it was not opened in the address.
    loop {
        let shorter = link.trim_end_matches(|c| ".,;:!?…'’*".contains(c));
        let shorter = match shorter.strip_suffix(')') {
            Some(inner) if inner.matches('(').count() <= inner.matches(')').count() => inner,
            _ => shorter,
        };
        if shorter.len() == link.len() {
            break;
        }
        link = shorter;
    }
    let host = link.get(scheme.len()..).unwrap_or_default();
    if host.starts_with(|c: char| c.is_alphanumeric()) { link.len() } else { 0 }
}

/// Bytes of a hashtag or mention, with its sign; 0 when nothing with a letter follows the sign.
fn tag_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    let word = &text[1..];
    let end = word.find(|c| !belongs(c)).unwrap_or(word.len());
    let word = word[..end].trim_end_matches(['.', '-']);
    if word.chars().any(char::is_alphabetic) { word.len() + 1 } else { 0 }
}

#[derive(Serialize)]
struct Shown<'a> {
    src: &'a str,
    alt: &'a str,
    shape: &'static str,
}

fn shape(path: &str) -> &'static str {
    match Shape::of(path) {
        Shape::Picture => "picture",
        Shape::Film => "film",
        Shape::Other => "file",
    }
}

/// Up to two letters that stand for the firm: its own name's, not those of "la" and "du".
fn initials(business: &str) -> String {
    let words: Vec<&str> = business.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let weighty: Vec<&&str> = words.iter().filter(|w| w.chars().count() > 3).collect();
    let chosen: Vec<char> = if weighty.is_empty() {
        words.iter().take(2).filter_map(|w| w.chars().next()).collect()
    } else {
        weighty.iter().take(2).filter_map(|w| w.chars().next()).collect()
    };
    chosen.into_iter().flat_map(char::to_uppercase).collect()
}

fn day_words(date: NaiveDate, language: Language) -> String {
    format!("{} {} {}", show::weekday(date, language), show::day(date, language), date.year())
}

fn hour_words(at: Timestamp, zone: Zone, language: Language) -> String {
    let local = at.local(zone);
    match language {
        Language::Fr => format!("{}\u{a0}h\u{a0}{:02}", local.hour(), local.minute()),
        Language::En => format!("{:02}:{:02}", local.hour(), local.minute()),
    }
}

/// A number with the thousands set apart.
fn grouped(number: usize, language: Language) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push_str(language.pick("\u{202f}", ","));
        }
        out.push(digit);
    }
    out
}

fn format_label(format: &str, language: Language) -> &str {
    match format {
        "post" => language.pick("Publication", "Post"),
        "story" => language.pick("Story", "Story"),
        "reel" => language.pick("Reel", "Reel"),
        "long" => language.pick("Texte long", "Long text"),
        other => other,
    }
}

fn count_words(length: usize, most: usize, language: Language) -> String {
    let word = match (language, length) {
        (Language::Fr, 0 | 1) => "caractère",
        (Language::Fr, _) => "caractères",
        (Language::En, 1) => "character",
        (Language::En, _) => "characters",
    };
    let length = grouped(length, language);
    match most {
        0 => format!("{length} {word}"),
        most => format!("{length} {} {} {word}", language.pick("sur", "of"), grouped(most, language)),
    }
}

/// Words of the pages, in the reader's language.
fn words(language: Language) -> Value {
    match language {
        Language::Fr => context! {
            lang => "fr", posts => "Tous les posts", text => "Texte seul", none => "Rien n'a encore été publié dans ce dossier.",
            older => "Plus anciens", undescribed => "Sans description pour les personnes qui ne la voient pas.", key => "Référence",
            film => "Votre navigateur n'affiche pas cette vidéo.", at => "à",
        },
        Language::En => context! {
            lang => "en", posts => "All posts", text => "Text only", none => "Nothing has been published to this folder yet.",
            older => "Older", undescribed => "No description for people who cannot see it.", key => "Reference",
            film => "Your browser does not show this film.", at => "at",
        },
    }
}

/// The page of one post.
pub(super) fn preview(post: &Post<'_>, call: &Call<'_>) -> Result<String, minijinja::Error> {
    let language = call.language;
    let media: Vec<Shown<'_>> = post.media.iter().map(|(src, alt)| Shown { src, alt, shape: shape(src) }).collect();
    let card = post.link.filter(|link| !post.text.contains(link)).and_then(|link| {
        let address = url::Url::parse(link).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
        let host = address.host_str()?.trim_start_matches("www.").to_owned();
        Some(context! { href => link, host })
    });
    TEMPLATES.get_template("preview.html")?.render(context! {
        words => words(language),
        business => post.business,
        initials => initials(post.business),
        account => post.account,
        network => Serde(look(post.network)),
        format => format_label(post.format, language),
        is_tall => matches!(post.format, "story" | "reel"),
        is_long => post.format == "long",
        is_brief => post.media.is_empty() && post.length <= 90,
        iso => call.now.rfc3339(call.zone),
        day => day_words(call.now.day(call.zone), language),
        hour => hour_words(call.now, call.zone, language),
        pieces => Serde(pieces(post.text)),
        card,
        media => Serde(media),
        stem => post.stem,
        key => post.key,
        count => count_words(post.length, post.max_chars, language),
    })
}

#[derive(Serialize)]
struct Row {
    page: String,
    account: String,
    network: Network,
    format: String,
    hour: String,
    excerpt: String,
    picture: Option<(String, String)>,
}

#[derive(Serialize)]
struct DayRows {
    day: String,
    rows: Vec<Row>,
}

/// The list of all posts of a folder, newest first.
pub(super) fn index(folder: &Path, business: &str, call: &Call<'_>) -> anyhow::Result<String> {
    let language = call.language;
    let mut texts = BTreeSet::new();
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(stem) = name.strip_suffix(".md").filter(|s| day_of(s).is_some()) {
            texts.insert(stem.to_owned());
        } else if let Some(stem) = name.strip_suffix(".html") {
            pages.insert(stem.to_owned());
        }
    }
    let total = texts.len();
    let page_of = |stem: &str| if pages.contains(stem) { format!("{stem}.html") } else { format!("{stem}.md") };
    let mut days: Vec<DayRows> = Vec::new();
    let mut older: Vec<(String, String)> = Vec::new();
    for (at, stem) in texts.iter().rev().enumerate() {
        let Some(day) = day_of(stem) else { continue };
        if at >= IN_FULL {
            older.push((page_of(stem), stem.clone()));
            continue;
        }
        // A text that a person is editing or removing right now is left to the next list.
        let Ok(post) = Written::read(&folder.join(format!("{stem}.md"))) else { continue };
        let row = Row {
            page: page_of(stem),
            network: look(&post.network),
            format: format_label(&post.format, language).to_owned(),
            hour: post.date.map(|d| hour_words(d, call.zone, language)).unwrap_or_default(),
            excerpt: excerpt(&post.text),
            picture: post.picture.filter(|(file, _)| Shape::of(file) == Shape::Picture),
            account: post.account,
        };
        let day = day_words(day, language);
        match days.last_mut().filter(|d| d.day == day) {
            Some(rows) => rows.rows.push(row),
            None => days.push(DayRows { day, rows: vec![row] }),
        }
    }
    let count = match (language, total) {
        (Language::Fr, 0 | 1) | (Language::En, 1) => format!("{total} post"),
        _ => format!("{} posts", grouped(total, language)),
    };
    Ok(TEMPLATES.get_template("index.html")?.render(context! {
        words => words(language),
        business,
        initials => initials(business),
        count,
        days => Serde(days),
        older => Serde(older),
    })?)
}

/// The day in the name of a post's file; `None` for other files.
fn day_of(stem: &str) -> Option<NaiveDate> {
    let (date, rest) = (stem.get(..10)?, stem.get(10..)?);
    let time = rest.strip_prefix('-')?.get(..5)?;
    let is_time = time.ends_with('-') && time[..4].bytes().all(|b| b.is_ascii_digit());
    if is_time { NaiveDate::parse_from_str(date, "%Y-%m-%d").ok() } else { None }
}

/// The start of a text, cut between words.
fn excerpt(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if out.chars().count() + word.chars().count() > 180 {
            out.extend(word.chars().take(if out.is_empty() { 180 } else { 0 }));
            out.truncate(out.trim_end().len());
            out.push('…');
            return out;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(text: &str) -> Vec<(&'static str, String)> {
        pieces(text).into_iter().filter(|p| p.kind != "text").map(|p| (p.kind, p.text)).collect()
    }

    #[test]
    fn links_hashtags_and_mentions_are_seen() {
        let text =
            "Voyez https://a.example/x?y=(1), (www.b.example) et #été2026, #1 @anne.b. a@b.example c#d & HTTPS://C.example…";
        let wanted = [
            ("link", "https://a.example/x?y=(1)"),
            ("link", "www.b.example"),
            ("tag", "#été2026"),
            ("mention", "@anne.b"),
            ("link", "HTTPS://C.example"),
        ];
        assert_eq!(marked(text), wanted.map(|(k, t)| (k, t.to_owned())));
        assert_eq!(marked("javascript:alert(1) http:// www. # @"), []);
    }

    #[test]
    fn dates_and_numbers_are_in_the_readers_language() {
        let at = Timestamp::parse("2026-03-01T08:05:00+01:00").expect("a time");
        let zone = chrono_tz::Europe::Paris;
        assert_eq!(day_words(at.day(zone), Language::Fr), "dimanche 1er\u{a0}mars 2026");
        assert_eq!(day_words(at.day(zone), Language::En), "Sunday 1\u{a0}March 2026");
        assert_eq!(hour_words(at, zone, Language::Fr), "8\u{a0}h\u{a0}05");
        assert_eq!(count_words(1, 2200, Language::Fr), "1 sur 2\u{202f}200 caractère");
        assert_eq!(initials("Boulangerie du Beffroi"), "BB");
        assert_eq!(initials("O'7"), "O7");
        assert_eq!(initials("—"), "");
    }

    #[test]
    fn only_names_of_posts_are_posts() {
        assert!(day_of("2026-11-22-0930-fb-d1").is_some());
        for other in ["index", "2026-11-22", "2026-11-22-09h0-x", "2026-13-22-0930-x", "é2026-11-22-0930-x"] {
            assert_eq!(day_of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "\\PC{0,80}", odd in "[#@hw.:/tps() é\n]{0,60}") {
            for text in [text, odd] {
                let joined: String = pieces(&text).iter().map(|p| p.text.as_str()).collect();
                prop_assert_eq!(joined, text.clone());
                excerpt(&text);
            }
        }
    }
}
