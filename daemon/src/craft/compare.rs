//! What two runs planned, side by side: lines that a shop owner can read.
//!
//! In: the planned effects of two runs as JSON, as kept in the ledger. Out: what would go away, come, or change; in words.
//! Never: judges which of the two is better.

use super::show;
use crate::domain::{Json, Language, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How a line differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// Only the first plans it.
    Gone,
    /// Only the second plans it.
    New,
    /// Both plan it, differently.
    Changed,
    /// Both plan the same.
    Same,
}

impl Sign {
    /// The mark at the beginning of the line.
    pub const fn mark(self) -> char {
        match self {
            Self::Gone => '-',
            Self::New => '+',
            Self::Changed => '~',
            Self::Same => '=',
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// How.
    pub sign: Sign,
    /// What, as a sentence.
    pub text: String,
    /// Details of a change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// In whose words.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// The reader's language.
    pub language: Language,
    /// The zone of moments.
    pub zone: Zone,
}

impl Voice {
    fn pick<T>(self, fr: T, en: T) -> T {
        self.language.pick(fr, en)
    }

    fn moment(self, value: &Json) -> String {
        match read_instant(value) {
            None => self.pick("sans heure", "at no set time").to_owned(),
            Some(at) => {
                let local = at.local(self.zone);
                let day = local.date_naive();
                format!("{} {} {}", show::weekday(day, self.language), show::day(day, self.language), local.format("%H:%M"))
            }
        }
    }
}

/// A moment in planned effects: milliseconds, or RFC 3339.
pub fn read_instant(value: &Json) -> Option<Timestamp> {
    value.as_i64().map(Timestamp::from_millis).or_else(|| value.as_str().and_then(Timestamp::parse))
}

/// One thing planned: what it is known by, the sentence that says it, and the parts that may differ.
struct Planned {
    key: String,
    /// When no key is the same: things that are likely one and the same.
    kin: String,
    says: String,
    parts: Vec<(&'static str, &'static str, String)>,
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

fn list<'a>(effects: &'a Json, name: &str) -> &'a [Json] {
    effects.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// A text for one line: its beginning, in quotation marks of the language.
fn quoted(text: &str, voice: Voice) -> String {
    const LONGEST: usize = 90;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = match flat.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", flat[..end].trim_end()),
        None => flat,
    };
    voice.pick(format!("« {cut} »"), format!("“{cut}”"))
}

fn quoted_if(text: &str, voice: Voice) -> String {
    if text.is_empty() { String::new() } else { quoted_whole(text, voice) }
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn posts(effects: &Json, voice: Voice) -> Vec<Planned> {
    let mut all = Vec::new();
    for post in list(effects, "posts") {
        let once = text(&post["once"]);
        for delivery in list(post, "deliveries") {
            let account = text(&delivery["account"]);
            let content = &delivery["content"];
            let at = voice.moment(&delivery["at"]);
            let words = quoted(text(&content["text"]), voice);
            let says =
                voice.pick(format!("publication sur {account}, {at} : {words}"), format!("post on {account}, {at}: {words}"));
            let media: Vec<&str> = list(content, "media").iter().map(|m| text(&m["path"])).collect();
            let yes = if delivery["needs_yes"].as_bool() == Some(true) {
                voice.pick("attend votre accord", "waits for your yes")
            } else {
                voice.pick("part de lui-même", "leaves by itself")
            };
            let parts = vec![
                ("texte", "text", quoted_whole(text(&content["text"]), voice)),
                ("heure", "time", at),
                ("jusqu'au", "until", voice.moment(&delivery["until"])),
                ("lien", "link", plain(&content["link"])),
                ("images", "pictures", media.join(", ")),
                ("format", "format", plain(&content["format"])),
                ("réponse à", "answer to", plain(&content["reply_to"])),
                ("options", "options", content.get("options").map(plain).unwrap_or_default()),
                ("accord", "approval", yes.to_owned()),
                ("article de la bibliothèque", "library item", plain(&post["item"])),
                ("thème", "theme", plain(&post["theme"])),
                ("campagne", "campaign", plain(&post["campaign"])),
                ("conditions", "guards", plain(&post["guards"])),
                ("à défaut", "else", quoted_if(text(&delivery["fallback"]["content"]["text"]), voice)),
            ];
            let key = if once.is_empty() { format!("{account} {}", delivery["at"]) } else { format!("{account} {once}") };
            all.push(Planned { key, kin: format!("post {account}"), says, parts });
        }
    }
    all
}

fn quoted_whole(text: &str, voice: Voice) -> String {
    voice.pick(format!("« {text} »"), format!("“{text}”"))
}

fn others(effects: &Json, voice: Voice) -> Vec<Planned> {
    let mut all = Vec::new();
    for notice in list(effects, "notices") {
        let (to, title) = (text(&notice["to"]), text(&notice["notice"]["title"]));
        all.push(Planned {
            key: format!("notice {to} {}", plain(&notice["once"])),
            kin: format!("notice {to}"),
            says: voice.pick(format!("message à {to} : « {title} »"), format!("notice to {to}: “{title}”")),
            parts: vec![
                ("titre", "title", title.to_owned()),
                ("texte", "text", plain(&notice["notice"]["text"])),
                ("sorte", "kind", plain(&notice["notice"]["kind"])),
            ],
        });
    }
    if let Some(state) = effects.get("state").and_then(Json::as_object) {
        for (key, value) in state {
            let says = match value {
                Json::Null => voice.pick(format!("la clé {key} est retirée"), format!("the key {key} is removed")),
                value => voice.pick(format!("la clé {key} devient {value}"), format!("the key {key} becomes {value}")),
            };
            let parts = vec![("valeur", "value", value.to_string())];
            all.push(Planned { key: format!("state {key}"), kin: String::new(), says, parts });
        }
    }
    for event in list(effects, "events") {
        let name = text(&event["name"]);
        all.push(Planned {
            key: format!("event {name}"),
            kin: String::new(),
            says: voice.pick(format!("événement {name}"), format!("event {name}")),
            parts: vec![("contenu", "payload", event["payload"]["payload"].to_string())],
        });
    }
    for later in list(effects, "later") {
        let at = voice.moment(&later["at"]);
        all.push(Planned {
            key: format!("later {at}"),
            kin: "later".into(),
            says: voice.pick(format!("nouvelle exécution, {at}"), format!("another run, {at}")),
            parts: vec![("heure", "time", at), ("contenu", "payload", later["payload"].to_string())],
        });
    }
    for withdrawal in list(effects, "withdrawn") {
        let prefix = text(&withdrawal["prefix"]);
        all.push(Planned {
            key: format!("withdrawn {prefix}"),
            kin: String::new(),
            says: voice.pick(
                format!("retrait de ce qui n'est pas parti sous {prefix}"),
                format!("withdrawal of what has not left under {prefix}"),
            ),
            parts: vec![("raison", "reason", plain(&withdrawal["reason"]))],
        });
    }
    for read in list(effects, "feeds") {
        let feed = text(&read["feed"]);
        all.push(Planned {
            key: format!("feed {feed}"),
            kin: String::new(),
            says: voice.pick(
                format!("lecture de {feed} : {} nouveautés", read["new"]),
                format!("reading of {feed}: {} new", read["new"]),
            ),
            parts: vec![("nouveautés", "new", read["new"].to_string()), ("erreur", "error", plain(&read["error"]))],
        });
    }
    for write in list(effects, "private") {
        let key = format!("private {} {} {}", text(&write["owner"]), text(&write["scope"]), text(&write["key"]));
        let says = voice.pick(
            format!("l'extension {} retient {}", text(&write["owner"]), text(&write["key"])),
            format!("the plugin {} remembers {}", text(&write["owner"]), text(&write["key"])),
        );
        all.push(Planned { key, kin: String::new(), says, parts: vec![("valeur", "value", write["value"].to_string())] });
    }
    all
}

fn pair(before: Vec<Planned>, after: Vec<Planned>, voice: Voice, lines: &mut Vec<Line>) {
    let mut left: Vec<Option<Planned>> = before.into_iter().map(Some).collect();
    let mut right: Vec<Option<Planned>> = after.into_iter().map(Some).collect();
    let mut pairs: Vec<(Planned, Planned)> = Vec::new();
    let same_kind: [fn(&Planned, &Planned) -> bool; 2] = [|a, b| a.key == b.key, |a, b| !a.kin.is_empty() && a.kin == b.kin];
    for alike in same_kind {
        for slot in &mut left {
            let Some(one) = slot.as_ref() else { continue };
            let Some(other) = right.iter_mut().find(|r| r.as_ref().is_some_and(|r| alike(one, r))) else { continue };
            pairs.push((slot.take().expect("seen above"), other.take().expect("found above")));
        }
    }
    let mut same = 0;
    for (a, b) in pairs {
        let details: Vec<String> = a
            .parts
            .iter()
            .zip(&b.parts)
            .filter(|(x, y)| x.2 != y.2)
            .map(|((fr, en, x), (_, _, y))| {
                let nothing = voice.pick("rien", "nothing");
                let shown = |v: &String| if v.is_empty() { nothing.to_owned() } else { v.clone() };
                voice.pick(format!("{fr} : {} → {}", shown(x), shown(y)), format!("{en}: {} → {}", shown(x), shown(y)))
            })
            .collect();
        if details.is_empty() {
            same += 1;
        } else {
            lines.push(Line { sign: Sign::Changed, text: a.says, details });
        }
    }
    for gone in left.into_iter().flatten() {
        lines.push(Line { sign: Sign::Gone, text: gone.says, details: Vec::new() });
    }
    for new in right.into_iter().flatten() {
        lines.push(Line { sign: Sign::New, text: new.says, details: Vec::new() });
    }
    if same > 0 {
        let text = match voice.language {
            Language::Fr if same == 1 => "une chose prévue à l'identique".to_owned(),
            Language::Fr => format!("{same} choses prévues à l'identique"),
            Language::En if same == 1 => "one thing planned alike".to_owned(),
            Language::En => format!("{same} things planned alike"),
        };
        lines.push(Line { sign: Sign::Same, text, details: Vec::new() });
    }
}

/// What the second plans otherwise than the first. Only lines of [`Sign::Same`], or none, when both plan the same.
pub fn effects(first: &Json, second: &Json, voice: Voice) -> Vec<Line> {
    let mut lines = Vec::new();
    let both = |voice| {
        let mut a = posts(first, voice);
        a.extend(others(first, voice));
        let mut b = posts(second, voice);
        b.extend(others(second, voice));
        (a, b)
    };
    let (a, b) = both(voice);
    pair(a, b, voice, &mut lines);
    // What has no words of its own must not pass for equal.
    let known = ["state", "posts", "notices", "events", "later", "withdrawn", "feeds", "private"];
    let names: BTreeSet<&String> = [first, second].into_iter().filter_map(Json::as_object).flat_map(|m| m.keys()).collect();
    for name in names.into_iter().filter(|name| !known.contains(&name.as_str())) {
        if first.get(name) != second.get(name) {
            let details = vec![format!("{} → {}", plain(&first[name]), plain(&second[name]))];
            lines.push(Line { sign: Sign::Changed, text: name.clone(), details });
        }
    }
    if !differs(&lines) && first != second {
        let text = voice.pick("des détails diffèrent (voir --json)", "details differ (see --json)");
        lines.push(Line { sign: Sign::Changed, text: text.into(), details: Vec::new() });
    }
    lines
}

/// Whether any of these lines is a difference.
pub fn differs(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.sign != Sign::Same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VOICE: Voice = Voice { language: Language::Fr, zone: chrono_tz::Europe::Paris };

    fn post(once: Option<&str>, account: &str, text: &str, at: i64) -> Json {
        json!({ "once": once, "item": null, "why": [], "deliveries": [
            { "account": account, "content": { "text": text, "media": [] }, "at": at, "until": at + 1, "needs_yes": false } ] })
    }

    #[test]
    fn the_same_is_told_in_one_line() {
        let a = json!({ "posts": [post(Some("k"), "facebook", "Pain frais", 0)], "state": { "n": 1 } });
        let lines = effects(&a, &a, VOICE);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].sign, lines[0].text.as_str()), (Sign::Same, "2 choses prévues à l'identique"));
        assert!(!differs(&lines));
        assert!(effects(&json!({}), &json!({}), VOICE).is_empty());
    }

    #[test]
    fn a_changed_text_names_both_texts() {
        let a = json!({ "posts": [post(None, "facebook", "Pain frais", 1_000)] });
        let b = json!({ "posts": [post(None, "facebook", "Pain tout frais", 1_000)] });
        let lines = effects(&a, &b, VOICE);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].sign, Sign::Changed);
        assert_eq!(lines[0].details, ["texte : « Pain frais » → « Pain tout frais »"]);
    }

    #[test]
    fn posts_that_moved_are_one_change_and_new_ones_are_new() {
        let a = json!({ "posts": [post(None, "facebook", "A", 0)], "state": { "old": 1 } });
        let b = json!({ "posts": [post(None, "facebook", "A", 3_600_000), post(None, "x", "B", 0)] });
        let signs: Vec<Sign> = effects(&a, &b, VOICE).into_iter().map(|l| l.sign).collect();
        assert_eq!(signs, [Sign::Changed, Sign::Gone, Sign::New]);
    }

    #[test]
    fn what_has_no_words_is_still_a_difference() {
        let a = json!({ "posts": [], "strange": 1 });
        let b = json!({ "posts": [], "strange": 2 });
        assert!(differs(&effects(&a, &b, VOICE)));
        let quiet =
            |why: &str| json!({ "posts": [{ "why": [why], "deliveries": [{ "account": "x", "at": 0, "content": {} }] }] });
        assert!(differs(&effects(&quiet("a"), &quiet("b"), VOICE)));
    }
}
