//! Source `feed`: news from RSS, Atom and JSON Feed, over HTTP or from a file.
//!
//! In: an address or a path, and the cursor of the last read. Out: a page of signals in plain text.
//! Never: panics, whatever the bytes, or fetches anything but the one address.

mod dates;
mod decode;
mod mend;
mod text;

use crate::domain::{Digest, Json, Language, Timestamp};
use crate::kinds::{Call, Failure, KindError, Signal, SignalPage, Source};
use crate::network::{NetworkError, Request, Response, retry_after};
use feed_rs::model::{Entry, FeedType, Link, Text};
use mend::{Document, Extra, Family, mend, next_tag, recognise};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

const MAX_SIGNALS: usize = 500;
const MAX_TITLE: usize = 300;
const MAX_SUMMARY: usize = 2_000;
const MAX_URL: usize = 2_000;
const MAX_BYTES: usize = 8 << 20;
const HOUR: Duration = Duration::from_secs(3_600);
/// What is older than 1990 or announced for later than this is a mistake, not a date.
const FAR: Duration = Duration::from_secs(366 * 86_400);
const OLDEST: Timestamp = Timestamp::from_millis(631_152_000_000);

/// A feed as a source of signals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedSource(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Url(String),
}

impl FeedSource {
    /// The feed in a file on this machine.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// The feed at an http or https address.
    pub fn url(url: impl Into<String>) -> Self {
        Self(Place::Url(url.into()))
    }
}

/// What is kept between two reads.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Which place it is about: after a change of address the rest means nothing.
    of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl Mark {
    fn read(since: Option<&str>, of: &str) -> Self {
        let mark = since.and_then(|s| serde_json::from_str::<Self>(s).ok()).filter(|m| m.of == of);
        mark.unwrap_or_else(|| Self { of: of.to_owned(), ..Self::default() })
    }

    fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl Source for FeedSource {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<SignalPage, KindError> {
        match &self.0 {
            Place::File(path) => {
                let mark = Mark::read(since, &Digest::of(path.as_os_str().as_encoded_bytes()).short());
                let bytes = read_file(path, call.language)?;
                page(&bytes, None, None, mark, call)
            }
            Place::Url(url) => {
                let mark = Mark::read(since, &Digest::of(url.as_bytes()).short());
                fetch(url, mark, call)
            }
        }
    }
}

/// Reads a feed out of its bytes. `base` is the address it came from, if any.
///
/// # Errors
/// A sentence in English that says what these bytes are instead of a feed.
pub fn parse(bytes: &[u8], content_type: Option<&str>, base: Option<&str>) -> Result<SignalPage, KindError> {
    Reader { base: base.and_then(|b| Url::parse(b).ok()), now: None, language: Language::En }.read(bytes, content_type)
}

/// The page of a whole body, or `unchanged` when it is the same as last time.
fn page(
    bytes: &[u8],
    content_type: Option<&str>,
    base: Option<&str>,
    mut mark: Mark,
    call: &Call<'_>,
) -> Result<SignalPage, KindError> {
    let digest = Digest::of(bytes).to_string();
    if mark.digest.as_ref() == Some(&digest) {
        return Ok(SignalPage { cursor: mark.write(), unchanged: true, ..SignalPage::default() });
    }
    let reader = Reader { base: base.and_then(|b| Url::parse(b).ok()), now: Some(call.now), language: call.language };
    let page = reader.read(bytes, content_type)?;
    mark.digest = Some(digest);
    Ok(SignalPage { cursor: mark.write(), ..page })
}

fn read_file(path: &Path, language: Language) -> Result<Vec<u8>, KindError> {
    let shown = path.display();
    let mut bytes = Vec::new();
    // Opening a pipe would wait for somebody to write into it.
    if std::fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(reject(
            "not-a-file",
            language.pick(
                format!("{shown} n'est pas un fichier ordinaire. Donnez le chemin du fichier lui-même."),
                format!("{shown} is not a plain file. Give the path of the file itself."),
            ),
        ));
    }
    let read = std::fs::File::open(path).and_then(|f| f.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() > MAX_BYTES => Err(too_large(language)),
        Ok(_) => Ok(bytes),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(reject(
            "file-missing",
            language.pick(
                format!("Le fichier {shown} n'existe pas. Vérifiez son chemin dans la configuration, ou créez-le."),
                format!("There is no file {shown}. Check its path in the configuration, or create it."),
            ),
        )),
        Err(e) => Err(reject(
            "file-unreadable",
            language.pick(
                format!("Le fichier {shown} ne peut pas être lu ({e}). Donnez au démon le droit de le lire."),
                format!("The file {shown} cannot be read ({e}). Give the daemon the right to read it."),
            ),
        )),
    }
}

fn fetch(url: &str, mut mark: Mark, call: &Call<'_>) -> Result<SignalPage, KindError> {
    let accept =
        "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5";
    let mut request = Request { max_body: MAX_BYTES, ..Request::get(url) }.header("Accept", accept);
    if let Some(etag) = &mark.etag {
        request = request.header("If-None-Match", etag);
    }
    if let Some(modified) = &mark.modified {
        request = request.header("If-Modified-Since", modified);
    }
    let lang = call.language;
    let response = call.network.send(&request).map_err(|e| match e {
        NetworkError::Forbidden(text) => reject("forbidden", text),
        NetworkError::TooLarge(_) => too_large(lang),
        // Reading changes nothing over there: a lost answer may simply be asked for again.
        NetworkError::NotSent(text) => retry("not-reached", text, None),
        NetworkError::Lost(text) => retry("no-answer", text, None),
    })?;
    match response.status {
        200..=299 => {
            // Anything but plain signs would come back changed.
            let validator =
                |name| response.header(name).filter(|v| v.len() < 1_024 && v.bytes().all(|b| (b' '..=b'~').contains(&b)));
            mark.etag = validator("etag").map(str::to_owned);
            mark.modified = validator("last-modified").map(str::to_owned);
            page(&response.body, response.header("content-type"), Some(url), mark, call)
        }
        304 => Ok(SignalPage { cursor: mark.write(), unchanged: true, ..SignalPage::default() }),
        _ => Err(refusal(&response, url, call)),
    }
}

/// What a status other than success means for a feed.
fn refusal(response: &Response, url: &str, call: &Call<'_>) -> KindError {
    let (status, lang, now) = (response.status, call.language, call.now);
    let host = Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_default();
    let code = format!("http-{status}");
    let later = |span| Some(retry_after(response, now).unwrap_or(now.plus(span)));
    match status {
        410 => reject(
            &code,
            lang.pick(
                format!("Le flux {url} a été supprimé pour de bon. Retirez-le de la configuration."),
                format!("The feed {url} is gone for good. Remove it from the configuration."),
            ),
        ),
        401 | 407 => reject(
            &code,
            lang.pick(
                format!("{host} demande un mot de passe pour {url}. Indiquez un flux public, ou retirez celui-ci."),
                format!("{host} asks for a password for {url}. Name a public feed, or remove this one."),
            ),
        ),
        // A shop's site under repair or a guard against robots says this for a while: asked again, but not often.
        403 | 404 => retry(
            &code,
            lang.pick(
                format!("{host} répond {status} pour {url}. Si cela dure, vérifiez l'adresse du flux dans un navigateur."),
                format!("{host} answers {status} for {url}. If that lasts, check the feed's address in a browser."),
            ),
            later(6 * HOUR),
        ),
        429 => retry(
            &code,
            lang.pick(
                format!("{host} trouve que ce flux est lu trop souvent. Il est relu plus tard."),
                format!("{host} finds that this feed is read too often. It is read again later."),
            ),
            later(HOUR),
        ),
        408 | 425 | 500..=599 => retry(
            &code,
            lang.pick(
                format!("{host} a une panne ({status}). Le flux est relu plus tard."),
                format!("{host} has a failure ({status}). The feed is read again later."),
            ),
            retry_after(response, now),
        ),
        _ => reject(
            &code,
            lang.pick(
                format!("{host} répond {status} pour {url}, ce qui n'est pas un flux. Vérifiez son adresse dans un navigateur."),
                format!("{host} answers {status} for {url}, which is no feed. Check its address in a browser."),
            ),
        ),
    }
}

fn reject(code: &str, message: impl Into<String>) -> KindError {
    KindError::Reject(Failure::new(code, message))
}

fn retry(code: &str, message: impl Into<String>, not_before: Option<Timestamp>) -> KindError {
    KindError::Retry(Failure::new(code, message), not_before)
}

fn too_large(language: Language) -> KindError {
    let mib = MAX_BYTES >> 20;
    reject(
        "too-large",
        language.pick(
            format!("Le flux dépasse {mib} Mio et n'est pas lu. Indiquez un flux plus court."),
            format!("The feed is larger than {mib} MiB and is not read. Name a shorter one."),
        ),
    )
}

/// One item on its way to a signal.
#[derive(Debug, Default)]
struct Draft {
    id: String,
    title: String,
    summary: String,
    url: Option<String>,
    date: Option<Timestamp>,
}

struct Reader {
    base: Option<Url>,
    now: Option<Timestamp>,
    language: Language,
}

impl Reader {
    fn read(&self, bytes: &[u8], content_type: Option<&str>) -> Result<SignalPage, KindError> {
        let text = decode::decode(bytes, content_type);
        let lang = self.language;
        match recognise(&text) {
            Document::Feed(family, root) => self.read_xml(&text, family, root),
            Document::Json => self.read_json(&text),
            Document::Page => Err(reject("web-page", self.web_page(&text))),
            // Seen while somebody writes the file or the server: it passes.
            Document::Empty => Err(retry(
                "empty",
                lang.pick(
                    "Le flux est vide. Il est relu plus tard ; si cela dure, vérifiez son adresse.",
                    "The feed is empty. It is read again later; if that lasts, check its address.",
                ),
                None,
            )),
            Document::Unknown => Err(reject(
                "not-a-feed",
                lang.pick(
                    "Ce n'est pas un flux : ni RSS, ni Atom, ni JSON Feed. Vérifiez l'adresse ou le fichier.",
                    "This is not a feed: neither RSS nor Atom nor JSON Feed. Check the address or the file.",
                ),
            )),
        }
    }

    fn read_xml(&self, text: &str, family: Family, root: usize) -> Result<SignalPage, KindError> {
        let mended = mend(text, family, root);
        // A feed's author must not be able to stop a thread of the daemon through a slip in the parser.
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            let builder = feed_rs::parser::Builder::new().base_uri(self.base.as_ref().map(Url::as_str));
            builder.id_generator(|_, _, _| String::new()).sanitize_content(false).build().parse(mended.xml.as_bytes())
        }));
        let broken = |why: String| {
            reject(
                "malformed",
                self.language.pick(
                    format!("Le flux est trop abîmé pour être lu ({why}). Signalez-le à son éditeur."),
                    format!("The feed is too damaged to be read ({why}). Tell its publisher."),
                ),
            )
        };
        let feed = match parsed {
            Ok(Ok(feed)) => feed,
            Ok(Err(e)) => return Err(broken(e.to_string())),
            Err(_) => return Err(broken("the parser gave up".into())),
        };
        let home = feed.links.iter().filter(|l| l.rel.as_deref() != Some("self")).find_map(|l| self.address(&l.href, None));
        // A link to the feed or its site says nothing about the item.
        let own: HashSet<String> = feed.links.iter().filter_map(|l| self.address(&l.href, None)).collect();
        let html = feed.feed_type != FeedType::Atom;
        let extras = mended.extras.into_iter().chain(std::iter::repeat_with(Extra::default));
        let drafts =
            feed.entries.iter().zip(extras).map(|(entry, extra)| self.draft(entry, &extra, html, home.as_ref())).collect();
        self.finish(drafts, &own, mended.cut)
    }

    fn draft(&self, entry: &Entry, extra: &Extra, html: bool, home: Option<&String>) -> Draft {
        let plain = |text: &Text, max| {
            if html || text.content_type.as_str().contains("html") {
                text::from_html(&text.content, max)
            } else {
                text::from_text(&text.content, max)
            }
        };
        let mut summary = entry.summary.as_ref().map(|t| plain(t, MAX_SUMMARY)).unwrap_or_default();
        if summary.is_empty() {
            let body = entry.content.as_ref().and_then(|c| Some((c.body.as_ref()?, c.content_type.as_str())));
            summary = match body {
                Some((body, "text/plain")) => text::from_text(body, MAX_SUMMARY),
                Some((body, _)) => text::from_html(body, MAX_SUMMARY),
                None => extra.media.as_ref().map(|m| text::from_html(m, MAX_SUMMARY)).unwrap_or_default(),
            };
        }
        if let Some(traffic) = &extra.traffic {
            let searches = self.language.pick("recherches", "searches");
            let parts = std::iter::once(format!("{} {searches}", traffic.trim()));
            let parts = parts.chain((!summary.is_empty()).then(|| summary.clone())).chain(extra.headlines.iter().cloned());
            summary = text::from_html(&parts.collect::<Vec<_>>().join(". "), MAX_SUMMARY);
        }
        let date = entry.published.or(entry.updated).map(|d| Timestamp::from_millis(d.timestamp_millis()));
        Draft {
            id: entry.id.trim().to_owned(),
            title: entry.title.as_ref().map(|t| plain(t, MAX_TITLE)).unwrap_or_default(),
            summary,
            url: self.best_link(&entry.links, home).or_else(|| self.absolute(&entry.id)),
            date,
        }
    }

    fn best_link(&self, links: &[Link], home: Option<&String>) -> Option<String> {
        let rank = |link: &Link| match (link.rel.as_deref(), link.media_type.as_deref()) {
            (None | Some("alternate"), None | Some("text/html")) => Some(0),
            (None | Some("alternate"), _) => Some(1),
            (Some("related" | "via"), _) => Some(2),
            _ => None,
        };
        let mut ranked: Vec<_> = links.iter().filter_map(|l| Some((rank(l)?, l))).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().find_map(|(_, l)| self.address(&l.href, home))
    }

    /// An http or https address, resolved against the feed's own address or its site's.
    fn address(&self, href: &str, home: Option<&String>) -> Option<String> {
        let href = href.trim();
        if href.is_empty() {
            return None;
        }
        let joined = || {
            let base = self.base.clone().or_else(|| Url::parse(home?).ok())?;
            base.join(href).ok()
        };
        let url = Url::parse(href).ok().or_else(joined)?;
        let good = matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= MAX_URL;
        good.then(|| url.to_string())
    }

    fn absolute(&self, text: &str) -> Option<String> {
        if text.starts_with("http://") || text.starts_with("https://") { self.address(text, None) } else { None }
    }

    fn read_json(&self, text: &str) -> Result<SignalPage, KindError> {
        // Line ends inside strings are forbidden and common; outside they are white space anyway.
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let lang = self.language;
        let json: Json = serde_json::from_str(&clean).map_err(|e| {
            reject(
                "malformed",
                lang.pick(
                    format!("Le flux est du JSON abîmé (au caractère {} : {e}). Signalez-le à son éditeur.", e.column()),
                    format!("The feed is damaged JSON (at character {}: {e}). Tell its publisher.", e.column()),
                ),
            )
        })?;
        let Some(items) = json.get("items").and_then(Json::as_array) else {
            return Err(reject(
                "not-a-feed",
                lang.pick(
                    "C'est du JSON, mais pas un JSON Feed : il n'a pas de liste « items ». Vérifiez l'adresse.",
                    "This is JSON, but not a JSON Feed: it has no list \"items\". Check the address.",
                ),
            ));
        };
        let home = words(&json, "home_page_url").and_then(|u| self.address(&u, None));
        let own = [home.clone(), words(&json, "feed_url").and_then(|u| self.address(&u, None))].into_iter().flatten().collect();
        let drafts = items.iter().take(4 * MAX_SIGNALS).map(|item| self.json_draft(item, home.as_ref())).collect();
        self.finish(drafts, &own, false)
    }

    fn json_draft(&self, item: &Json, home: Option<&String>) -> Draft {
        let plain = |name| words(item, name).map(|t| text::from_text(&t, MAX_SUMMARY)).filter(|t| !t.is_empty());
        let html = || words(item, "content_html").map(|t| text::from_html(&t, MAX_SUMMARY));
        let link = |name| words(item, name).and_then(|u| self.address(&u, home));
        let date = |name| words(item, name).and_then(|d| json_date(&dates::tidy(&d)));
        let id = words(item, "id").unwrap_or_default();
        Draft {
            title: words(item, "title").map(|t| text::from_text(&t, MAX_TITLE)).unwrap_or_default(),
            summary: plain("summary").or_else(|| plain("content_text")).or_else(html).unwrap_or_default(),
            url: link("url").or_else(|| link("external_url")).or_else(|| self.absolute(&id)),
            date: date("date_published").or_else(|| date("date_modified")),
            id,
        }
    }

    /// Gives every item an identifier that stays the same, and leaves out what is there twice or says nothing.
    fn finish(&self, drafts: Vec<Draft>, own: &HashSet<String>, cut: bool) -> Result<SignalPage, KindError> {
        let lang = self.language;
        let mut remarks = Vec::new();
        if cut {
            remarks.push(
                lang.pick(
                    "Le flux s'arrête au milieu ; ce qui est complet a été lu.",
                    "The feed ends in the middle; what is complete has been read.",
                )
                .to_owned(),
            );
        }
        let mut links: HashMap<String, usize> = HashMap::new();
        for url in drafts.iter().filter(|d| d.id.is_empty()).filter_map(|d| d.url.as_ref()) {
            *links.entry(url.clone()).or_default() += 1;
        }
        let (mut seen, mut signals, mut twice, mut mute) = (HashSet::new(), Vec::new(), 0, 0);
        for mut draft in drafts {
            draft.date = draft
                .date
                .filter(|d| *d >= OLDEST && *d <= self.now.map_or(Timestamp::from_millis(4_102_444_800_000), |n| n.plus(FAR)));
            if draft.title.is_empty() && draft.summary.is_empty() && draft.url.is_none() {
                mute += 1;
                continue;
            }
            let telling = draft.url.as_ref().filter(|u| links.get(*u) == Some(&1) && !own.contains(*u));
            let id = identifier(&draft, telling);
            if draft.title.is_empty() {
                let from = if draft.summary.is_empty() { draft.url.clone().unwrap_or_default() } else { draft.summary.clone() };
                draft.title = text::from_text(&from, 100);
            }
            if !seen.insert(id.clone()) {
                twice += 1;
            } else if signals.len() < MAX_SIGNALS {
                signals.push(Signal { id, title: draft.title, url: draft.url, published: draft.date, summary: draft.summary });
            }
        }
        if twice > 0 {
            remarks.push(lang.pick(
                format!("Entrées présentes plusieurs fois et gardées une fois : {twice}."),
                format!("Entries found more than once and kept once: {twice}."),
            ));
        }
        if mute > 0 {
            remarks.push(lang.pick(
                format!("Entrées sans titre, sans texte et sans lien, laissées de côté : {mute}."),
                format!("Entries without title, text or link, left out: {mute}."),
            ));
        }
        if seen.len() > MAX_SIGNALS {
            remarks.push(lang.pick(
                format!("Le flux a {} entrées ; les {MAX_SIGNALS} premières sont gardées.", seen.len()),
                format!("The feed has {} entries; the first {MAX_SIGNALS} are kept.", seen.len()),
            ));
        }
        if cut && signals.is_empty() {
            return Err(retry(
                "cut-short",
                lang.pick(
                    "Le flux s'arrête avant sa première entrée complète. Il est relu plus tard.",
                    "The feed ends before its first complete entry. It is read again later.",
                ),
                None,
            ));
        }
        Ok(SignalPage { signals, cursor: None, unchanged: false, remarks })
    }

    /// The sentence about a page that was taken for a feed, with the feed's address if the page names it.
    fn web_page(&self, page: &str) -> String {
        match self.named_feed(page) {
            Some(feed) => self.language.pick(
                format!("C'est une page web, pas un flux. La page indique son flux : mettez plutôt l'adresse « {feed} »."),
                format!("This is a web page, not a feed. The page names its feed: use the address \"{feed}\" instead."),
            ),
            None => self
                .language
                .pick(
                    "C'est une page web, pas un flux. Cherchez sur le site un lien « RSS » et mettez son adresse.",
                    "This is a web page, not a feed. Look on the site for a link \"RSS\" and use its address.",
                )
                .to_owned(),
        }
    }

    /// The first feed in `<link rel="alternate" type="application/rss+xml" href="…">`.
    fn named_feed(&self, page: &str) -> Option<String> {
        let low = page.to_ascii_lowercase();
        let mut at = 0;
        while let Some(tag) = next_tag(page, &low, at) {
            at = tag.end;
            let is =
                |name, words: &[&str]| tag.attr(name).is_some_and(|v| words.contains(&v.trim().to_ascii_lowercase().as_str()));
            let kinds = ["application/rss+xml", "application/atom+xml", "application/feed+json"];
            if tag.name == "link" && is("rel", &["alternate"]) && is("type", &kinds) {
                let href = tag.attr("href").filter(|h| !h.trim().is_empty());
                if let Some(href) = href {
                    return Some(self.address(&href, None).unwrap_or(href));
                }
            }
        }
        None
    }
}

/// A field of a JSON object as text; numbers count as text, as identifiers are often numbers.
fn words(json: &Json, name: &str) -> Option<String> {
    match json.get(name)? {
        Json::String(text) => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// RFC 3339 as JSON Feed asks for, or the form of mail that some write.
fn json_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| chrono::DateTime::parse_from_rfc2822(text).ok().map(Timestamp::from))
}

/// The feed's own identifier, else a digest of a link that only this item has, else of what it says.
fn identifier(draft: &Draft, telling: Option<&String>) -> String {
    let digest = |kind: &str, text: &str| format!("{kind}-{}", &Digest::of(text.as_bytes()).to_string()[..32]);
    if !draft.id.is_empty() {
        return if draft.id.len() <= 400 { draft.id.clone() } else { digest("id", &draft.id) };
    }
    match (telling, draft.title.as_str()) {
        (Some(url), _) => digest("link", url),
        (None, "") => digest("text", &draft.summary),
        (None, title) => digest("title", &format!("{title}\n{}", draft.date.map_or(String::new(), |d| d.to_string()))),
    }
}

#[cfg(test)]
mod tests;
