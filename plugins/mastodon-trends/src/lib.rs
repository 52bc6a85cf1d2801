//! Reads what a Mastodon server talks about: links, tags, or statuses.
//!
//! In: the server's public trends. Out: signals with the number of uses and of people.
//! Never: statuses that their authors marked as sensitive.

#[cfg(test)]
mod tests;

use beffroi_plugin::prelude::*;
use beffroi_plugin::{loose, text};

/// The plugin.
pub struct Trends;

beffroi_plugin::export!(Trends: feed);

const DAY: u64 = 86_400_000;
/// Longest title and summary, in characters.
const TITLE: usize = 200;
const SUMMARY: usize = 2000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Links,
    Tags,
    Statuses,
}

struct Settings {
    service: String,
    kind: Kind,
    count: i64,
    language: String,
}

impl Settings {
    fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let kind = match loose::text(&all, "/kind").as_str() {
            "tags" => Kind::Tags,
            "statuses" => Kind::Statuses,
            _ => Kind::Links,
        };
        Ok(Self {
            service: loose::text(&all, "/service").trim_end_matches('/').to_owned(),
            kind,
            count: loose::whole(&all, "/count").unwrap_or(20).clamp(1, if kind == Kind::Statuses { 40 } else { 20 }),
            language: loose::text(&all, "/language").trim().to_ascii_lowercase(),
        })
    }

    /// Whether something in this language is wanted. What says nothing about its language is.
    fn wants(&self, value: &Value) -> bool {
        let language = loose::text(value, "/language").to_ascii_lowercase();
        self.language.is_empty()
            || language.is_empty()
            || language == self.language
            || language.starts_with(&format!("{}-", self.language))
    }
}

fn read(settings: &Settings) -> Result<Vec<Value>, Error> {
    let path = match settings.kind {
        Kind::Links => "links",
        Kind::Tags => "tags",
        Kind::Statuses => "statuses",
    };
    let url = format!("{}/api/v1/trends/{path}", settings.service);
    let response = http::get(url).query("limit", settings.count.to_string()).send_raw().map_err(|e| http::explain(e, true))?;
    match response.status {
        401 | 403 | 422 => {
            return Err(Error::reject(
                "trends-closed",
                pick(
                    "Ce serveur ne montre ses tendances qu'à ses membres : choisissez-en un autre.",
                    "This server shows its trends to its members only: choose another one.",
                ),
            ));
        }
        404 => {
            return Err(Error::reject(
                "no-trends",
                pick(
                    "Ce serveur n'a pas de tendances de ce genre : choisissez-en un autre, ou un autre réglage « kind ».",
                    "This server has no trends of this kind: choose another one, or another setting “kind”.",
                ),
            ));
        }
        _ if !response.is_good() => return Err(response.error()),
        _ => {}
    }
    match response.json()? {
        Value::Array(list) => Ok(list),
        _ => Err(Error::retry(
            "no-list",
            pick("Le serveur a répondu sans liste de tendances.", "The server answered without a list of trends."),
        )),
    }
}

/// Uses and people of a trend. The numbers are text; the first day is today and not over, so two days are counted.
fn counted(trend: &Value) -> (i64, i64) {
    let days = loose::list(trend, "/history").iter().take(2);
    days.fold((0, 0), |(uses, people), day| {
        (uses + loose::whole(day, "/uses").unwrap_or(0), people + loose::whole(day, "/accounts").unwrap_or(0))
    })
}

fn with_counts(mut signal: Signal, trend: &Value, rank: usize) -> Signal {
    let (uses, people) = counted(trend);
    signal.attributes.push(Attribute::new("rank", rank.to_string()));
    signal.attributes.push(Attribute::new("weight", people.to_string()));
    signal.attributes.push(Attribute::new("uses", uses.to_string()));
    signal
}

fn link(trend: &Value, rank: usize) -> Option<Signal> {
    let url = loose::some_text(trend, "/url")?;
    let title = loose::some_text(trend, "/title").unwrap_or_else(|| url.clone());
    let mut signal = Signal::new(&url, text::shorten(&text::plain(&title), TITLE));
    signal.summary = text::shorten(&text::plain(&loose::text(trend, "/description")), SUMMARY);
    signal.published = time::parse(&loose::text(trend, "/published_at"));
    signal.url = Some(url);
    let mut signal = with_counts(signal, trend, rank);
    if let Some(provider) = loose::some_text(trend, "/provider_name") {
        signal.attributes.push(Attribute::new("provider", provider));
    }
    Some(signal)
}

/// A tag trends on a day; when it comes back next month, that is news again.
fn tag(trend: &Value, rank: usize, now: u64) -> Option<Signal> {
    let name = loose::some_text(trend, "/name")?;
    let day = loose::whole(trend, "/history/0/day")
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(now, |seconds| seconds * 1000);
    let day = day - day % DAY;
    let date: String = time::write(day).chars().take(10).collect();
    let mut signal = Signal::new(format!("#{}/{date}", name.to_ascii_lowercase()), format!("#{name}"));
    signal.url = loose::some_text(trend, "/url");
    signal.published = Some(day);
    Some(with_counts(signal, trend, rank))
}

fn status(status: &Value, rank: usize) -> Option<Signal> {
    if loose::truth(status, "/sensitive") {
        return None;
    }
    let id = loose::some_text(status, "/uri")?;
    let content = text::plain(&loose::text(status, "/content"));
    let first = content.lines().next().filter(|line| !line.is_empty())?;
    let mut signal = Signal::new(id, text::shorten(first, TITLE));
    signal.summary = text::shorten(&content, SUMMARY);
    signal.url = loose::some_text(status, "/url");
    signal.published = time::parse(&loose::text(status, "/created_at"));
    let count = |pointer| loose::whole(status, pointer).unwrap_or(0);
    let (boosts, likes) = (count("/reblogs_count"), count("/favourites_count"));
    for (name, value) in [("rank", rank as i64), ("weight", boosts + likes), ("shares", boosts), ("likes", likes)] {
        signal.attributes.push(Attribute::new(name, value.to_string()));
    }
    signal.attributes.push(Attribute::new("author", loose::text(status, "/account/acct")));
    Some(signal)
}

fn signals(settings: &Settings, trends: &[Value], now: u64) -> Vec<Signal> {
    let wanted = trends.iter().enumerate().filter(|(_, trend)| settings.wants(trend));
    wanted
        .filter_map(|(index, trend)| match settings.kind {
            Kind::Links => link(trend, index + 1),
            Kind::Tags => tag(trend, index + 1, now),
            Kind::Statuses => status(trend, index + 1),
        })
        .collect()
}

impl Plugin for Trends {
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        read(&settings)?;
        Ok(settings.service.trim_start_matches("https://").to_owned())
    }
}

impl Feed for Trends {
    fn poll(_since: Option<&str>) -> Result<SignalPage, Error> {
        let settings = Settings::read()?;
        let trends = read(&settings)?;
        Ok(SignalPage { signals: signals(&settings, &trends, run::now()), next: None, unchanged: false })
    }
}
