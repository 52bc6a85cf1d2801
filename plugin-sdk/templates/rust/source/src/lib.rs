//! Reads items of a service with a small JSON interface: replace it by the one you want to read.

use beffroi_plugin::prelude::*;

struct Source;

#[derive(Deserialize)]
struct Settings {
    service: String,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Found>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    title: String,
    #[serde(default)]
    summary: String,
    url: Option<String>,
    /// In milliseconds since 1970; `time::parse` reads the dates that services write.
    published: Option<u64>,
}

fn read(since: Option<&str>) -> Result<Items, Error> {
    let settings: Settings = settings::get()?;
    let mut request = http::get(format!("{}/items", settings.service.trim_end_matches('/'))).credential("token");
    if let Some(since) = since {
        request = request.query("since", since);
    }
    request.send()?.json()
}

impl Plugin for Source {
    fn check() -> Result<String, Error> {
        read(None)?;
        Ok("{{title}}".to_owned())
    }
}

impl Feed for Source {
    fn poll(since: Option<&str>) -> Result<SignalPage, Error> {
        let page = read(since)?;
        let signal = |found: Found| Signal {
            summary: found.summary,
            url: found.url,
            published: found.published,
            ..Signal::new(found.id, found.title)
        };
        let signals = page.items.into_iter().map(signal).collect();
        // Without a new cursor the old one stays good.
        let next = page.next.or_else(|| since.map(str::to_owned));
        Ok(SignalPage { signals, next, unchanged: false })
    }
}

beffroi_plugin::export!(Source: feed);

#[cfg(test)]
mod tests {
    use super::*;
    use beffroi_plugin::fake::{Answer, Host};

    #[test]
    fn the_next_read_goes_on_where_this_one_ended() {
        let item = json!({ "id": "1", "title": "Fête du pain" });
        let host = Host::new()
            .settings(json!({ "service": "https://api.example.com" }))
            .answer("GET https://api.example.com/items", Answer::json(200, json!({ "items": [item], "next": "c1" })));
        let page = host.run(|| Source::poll(None)).expect("read");
        assert_eq!((page.signals[0].id.as_str(), page.next.as_deref()), ("1", Some("c1")));
        host.run(|| Source::poll(Some("c1"))).expect("read");
        assert_eq!(host.requests()[1].url, "https://api.example.com/items?since=c1");
    }
}
