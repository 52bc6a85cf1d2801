//! Reads the front page of Hacker News, or recent stories about a subject.
//!
//! In: the search service of Hacker News, which gives a whole page in one request. Out: signals with points and comments.
//! Never: a cursor. A story earns its points hours after it appeared, so each read looks at the same window again, and the
//! daemon drops what it knows.

#[cfg(test)]
mod tests;

use beffroi_plugin::prelude::*;
use beffroi_plugin::{loose, text};

/// The plugin.
pub struct HackerNews;

beffroi_plugin::export!(HackerNews: feed);

const SEARCH: &str = "https://hn.algolia.com/api/v1/";
/// Longest summary, in characters.
const SUMMARY: usize = 2000;

/// The address for these settings and this moment.
fn request(all: &Value, now: u64) -> http::Request {
    let new = loose::text(all, "/list") == "new";
    let count = loose::whole(all, "/count").unwrap_or(30).clamp(1, 100);
    let request = http::get(format!("{SEARCH}{}", if new { "search_by_date" } else { "search" }))
        .query("tags", if new { "story" } else { "front_page" })
        .query("hitsPerPage", count.to_string());
    let query = loose::text(all, "/query");
    let request = if query.trim().is_empty() { request } else { request.query("query", query.trim()) };
    let mut filters = Vec::new();
    if let Some(points) = loose::whole(all, "/points").filter(|points| *points > 0) {
        filters.push(format!("points>={points}"));
    }
    if new {
        let hours = loose::whole(all, "/hours").unwrap_or(48).clamp(1, 24 * 365) as u64;
        filters.push(format!("created_at_i>{}", (now / 1000).saturating_sub(hours * 3600)));
    }
    if filters.is_empty() { request } else { request.query("numericFilters", filters.join(",")) }
}

/// One story. Polls, jobs and questions have no address of their own; their page on Hacker News is one.
fn signal(hit: &Value, rank: usize) -> Option<Signal> {
    let id = loose::some_text(hit, "/objectID")?;
    let title = loose::some_text(hit, "/title")?;
    let discussion = format!("https://news.ycombinator.com/item?id={id}");
    let mut signal = Signal::new(&id, text::plain(&title));
    signal.summary = text::shorten(&text::plain(&loose::text(hit, "/story_text")), SUMMARY);
    signal.url = Some(loose::some_text(hit, "/url").unwrap_or_else(|| discussion.clone()));
    signal.published =
        loose::whole(hit, "/created_at_i").and_then(|seconds| u64::try_from(seconds).ok()).map(|seconds| seconds * 1000);
    signal.attributes.push(Attribute::new("rank", rank.to_string()));
    signal.attributes.push(Attribute::new("discussion", discussion));
    for (name, pointer) in [("weight", "/points"), ("comments", "/num_comments")] {
        if let Some(number) = loose::whole(hit, pointer) {
            signal.attributes.push(Attribute::new(name, number.to_string()));
        }
    }
    if let Some(author) = loose::some_text(hit, "/author") {
        signal.attributes.push(Attribute::new("author", author));
    }
    Some(signal)
}

fn read() -> Result<Vec<Signal>, Error> {
    let all: Value = settings::get()?;
    let answer: Value = request(&all, run::now()).send()?.json()?;
    let Some(hits) = answer.get("hits").and_then(Value::as_array) else {
        return Err(Error::retry(
            "no-list",
            pick("Hacker News a répondu sans liste de sujets.", "Hacker News answered without a list of stories."),
        ));
    };
    Ok(hits.iter().enumerate().filter_map(|(index, hit)| signal(hit, index + 1)).collect())
}

impl Plugin for HackerNews {
    fn check() -> Result<String, Error> {
        let found = read()?.len();
        Ok(pick(format!("Hacker News ({found} sujets)"), format!("Hacker News ({found} stories)")))
    }
}

impl Feed for HackerNews {
    fn poll(_since: Option<&str>) -> Result<SignalPage, Error> {
        Ok(SignalPage { signals: read()?, next: None, unchanged: false })
    }
}
