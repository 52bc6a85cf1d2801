//! A feed as strict XML, whatever state it was in: what a careful reader would have understood, written down cleanly.
//!
//! In: decoded text that starts somewhere with a feed. Out: XML that `feed-rs` reads, with only the fields this
//! program uses, and what that format has no place for.
//! Never: fails, or reads any part of the text more than a fixed number of times.
//!
//! Found in real feeds and mended here: bare `&`, names of HTML entities, HTML that is neither escaped nor closed,
//! unknown versions and namespaces, missing closing tags, and an end in the middle of an item.

use super::decode::is_noise;
use super::text::reference;
use std::collections::HashMap;

/// Items beyond this many are not looked at.
const MAX_ITEMS: usize = 2_000;
/// Of one field, no more bytes than this are kept.
const MAX_FIELD: usize = 64 << 10;
/// So many fields that were never closed are read again to see where they should have been.
const MAX_UNCLOSED: usize = 20;

/// Which of the two families of XML feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// RSS of any version, RDF included.
    Rss,
    /// Atom 0.3 and 1.0.
    Atom,
}

/// What a text turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// A feed whose root tag starts at this byte.
    Feed(Family, usize),
    /// JSON of some kind.
    Json,
    /// A web page.
    Page,
    /// Nothing but white space.
    Empty,
    /// None of these.
    Unknown,
}

/// Looks at the beginning.
pub(super) fn recognise(text: &str) -> Document {
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        return Document::Empty;
    }
    if trimmed.starts_with(['{', '[']) {
        return Document::Json;
    }
    let low = text.to_ascii_lowercase();
    if let Some(tag) = next_tag(text, &low, 0) {
        let doctype = low[..tag.start].split("<!doctype").nth(1).unwrap_or_default();
        if !doctype.trim_start().starts_with("html") {
            match local(tag.name) {
                "rss" | "rdf" => return Document::Feed(Family::Rss, tag.start),
                "feed" | "entry" => return Document::Feed(Family::Atom, tag.start),
                "html" | "head" | "body" => return Document::Page,
                // A warning of the server's, perhaps, written in front of the feed.
                _ => {}
            }
            for (root, family) in [("<rss", Family::Rss), ("<rdf:rdf", Family::Rss), ("<feed", Family::Atom)] {
                if let Some(at) = low.find(root) {
                    return Document::Feed(family, at);
                }
            }
        }
    }
    if low.contains("<!doctype html") || low.contains("<html") { Document::Page } else { Document::Unknown }
}

/// What one item says beside the fields of its format.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Extra {
    /// How often it was searched for, as Google Trends says: `2000+`.
    pub(super) traffic: Option<String>,
    /// Headlines of the news that go with a trend.
    pub(super) headlines: Vec<String>,
    /// The description of a film or picture.
    pub(super) media: Option<String>,
}

/// The feed in clean XML.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) xml: String,
    /// One for each item, in order.
    pub(super) extras: Vec<Extra>,
    /// The text ended in the middle.
    pub(super) cut: bool,
}

/// Rewrites the feed whose root tag starts at `root`.
pub(super) fn mend(text: &str, family: Family, root: usize) -> Mended {
    let low = text.to_ascii_lowercase();
    let mut mender = Mender {
        text,
        low: &low,
        family,
        xml: String::with_capacity(text.len().min(1 << 20)),
        extras: Vec::new(),
        item: None,
        written: Vec::new(),
        prefixes: HashMap::new(),
        unclosed: 0,
    };
    let complete = mender.run(root);
    mender.finish(complete)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Item,
    Title,
    Link,
    AtomLink,
    Body,
    Content,
    Id,
    Published,
    Updated,
    Traffic,
    Headline,
    Media,
    /// Holds fields of the same names that mean something else.
    Aside,
    /// Not of interest; what is inside may be.
    Through,
}

struct Mender<'a> {
    text: &'a str,
    low: &'a str,
    family: Family,
    xml: String,
    extras: Vec<Extra>,
    /// Where the open item starts in `xml`.
    item: Option<usize>,
    /// Fields the open item has already: the first one counts.
    written: Vec<Field>,
    prefixes: HashMap<&'a str, Namespace>,
    /// How many fields were never closed.
    unclosed: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Namespace {
    Rss,
    Atom,
    Content,
    Dublin,
    Media,
    Trends,
    Foreign,
}

impl Namespace {
    fn of_uri(uri: &str) -> Self {
        let holds = |part: &str| uri.contains(part);
        if holds("purl.org/rss/1.0/modules/content") {
            Self::Content
        } else if holds("purl.org/rss/1.0/modules") {
            Self::Foreign
        } else if holds("purl.org/dc/elements") || holds("purl.org/dc/terms") {
            Self::Dublin
        } else if holds("search.yahoo.com/mrss") {
            Self::Media
        } else if holds("w3.org/2005/atom") || holds("purl.org/atom/ns") {
            Self::Atom
        } else if holds("trends.google") || holds("google.com/trends") {
            Self::Trends
        } else if holds("purl.org/rss") || holds("rdf/simple/0.9") || holds("userland") || holds("blogs.law.harvard") {
            Self::Rss
        } else {
            Self::Foreign
        }
    }

    /// What a prefix means by custom, for feeds that forgot to say.
    fn of_prefix(prefix: &str) -> Self {
        match prefix {
            "content" => Self::Content,
            "dc" | "dcterms" => Self::Dublin,
            "media" => Self::Media,
            "atom" => Self::Atom,
            "ht" => Self::Trends,
            "rss" => Self::Rss,
            _ => Self::Foreign,
        }
    }
}

impl<'a> Mender<'a> {
    /// Reads everything; whether the end of the feed was seen.
    fn run(&mut self, root: usize) -> bool {
        let Some(tag) = next_tag(self.text, self.low, root) else { return false };
        self.learn(tag.attrs_low);
        let base = tag.attr("xml:base").filter(|b| url::Url::parse(b).is_ok());
        let base = base.map_or(String::new(), |b| format!(" xml:base=\"{}\"", escape(&b)));
        match self.family {
            Family::Rss => self.xml.push_str(&format!(
                "<rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" \
                 xmlns:atom=\"http://www.w3.org/2005/Atom\"{base}><channel>"
            )),
            Family::Atom => self.xml.push_str(&format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"{base}>")),
        }
        let end = local(tag.name);
        let mut at = tag.end;
        if end == "entry" {
            self.open_item(&tag);
        }
        // Without its last tag a feed may still be whole; in RDF the items come after the channel.
        let mut whole = false;
        while let Some(tag) = next_tag(self.text, self.low, at) {
            at = tag.end;
            if tag.attrs_low.contains("xmlns:") {
                self.learn(tag.attrs_low);
            }
            let field = self.field(tag.name);
            if tag.closes {
                if field == Field::Item {
                    self.close_item();
                }
                if local(tag.name) == end {
                    return true;
                }
                whole |= end == "rss" && tag.name == "channel";
            } else if field == Field::Item {
                if self.extras.len() == MAX_ITEMS {
                    self.close_item();
                    return true;
                }
                self.open_item(&tag);
                if tag.empty {
                    self.close_item();
                }
            } else if field == Field::Aside && !tag.empty {
                match self.content(&tag) {
                    Some((_, next)) => at = next,
                    None => return false,
                }
            } else if !matches!(field, Field::Through | Field::Aside) {
                let (content, next) = if tag.empty {
                    ("", tag.end)
                } else {
                    match self.content(&tag) {
                        Some(found) => found,
                        None => return false,
                    }
                };
                at = next;
                self.write(field, &tag, content);
            }
        }
        whole
    }

    fn finish(mut self, complete: bool) -> Mended {
        if let Some(start) = self.item {
            // What the cut left of an item is no item, unless it is all there is.
            if complete || (self.extras.len() == 1 && self.written.contains(&Field::Title)) {
                self.close_item();
            } else {
                self.xml.truncate(start);
                self.extras.pop();
            }
        }
        self.xml.push_str(match self.family {
            Family::Rss => "</channel></rss>",
            Family::Atom => "</feed>",
        });
        Mended { xml: self.xml, extras: self.extras, cut: !complete }
    }

    /// Notes the namespaces that a tag declares.
    fn learn(&mut self, attrs: &'a str) {
        for part in attrs.split("xmlns:").skip(1) {
            if let Some((prefix, value)) = part.split_once('=') {
                let value = value.trim_start();
                let uri = value.get(1..).and_then(|v| v.split(['"', '\'']).next()).unwrap_or_default();
                self.prefixes.insert(prefix.trim(), Namespace::of_uri(uri));
            }
        }
    }

    fn field(&self, name: &str) -> Field {
        let own = match self.family {
            Family::Rss => Namespace::Rss,
            Family::Atom => Namespace::Atom,
        };
        let (namespace, local) = match name.split_once(':') {
            Some((prefix, local)) => (self.prefixes.get(prefix).copied().unwrap_or_else(|| Namespace::of_prefix(prefix)), local),
            None => (own, name),
        };
        match (namespace, local) {
            (Namespace::Rss, "item") | (Namespace::Atom, "entry") if namespace == own => Field::Item,
            (Namespace::Rss | Namespace::Atom, "title") if namespace == own => Field::Title,
            (Namespace::Rss | Namespace::Atom, "link") if namespace == own => Field::Link,
            (Namespace::Atom, "link") => Field::AtomLink,
            (Namespace::Rss, "description" | "summary") | (Namespace::Atom, "summary") | (Namespace::Dublin, "description") => {
                Field::Body
            }
            (Namespace::Content, "encoded") | (Namespace::Atom, "content") => Field::Content,
            (Namespace::Rss, "guid") => Field::Id,
            (Namespace::Atom, "id") if namespace == own => Field::Id,
            (Namespace::Rss, "pubdate" | "date" | "published")
            | (Namespace::Atom, "published" | "issued" | "created" | "pubdate")
            | (Namespace::Dublin, "date" | "created" | "issued") => Field::Published,
            (Namespace::Rss, "updated" | "lastbuilddate")
            | (Namespace::Atom, "updated" | "modified")
            | (Namespace::Dublin, "modified") => Field::Updated,
            (Namespace::Trends, "approx_traffic") => Field::Traffic,
            (Namespace::Trends, "news_item_title") => Field::Headline,
            (Namespace::Media, "description") => Field::Media,
            (Namespace::Rss | Namespace::Atom, "image" | "textinput" | "source" | "author" | "contributor") => Field::Aside,
            _ => Field::Through,
        }
    }

    fn open_item(&mut self, tag: &Tag<'_>) {
        self.close_item();
        self.item = Some(self.xml.len());
        self.written.clear();
        self.extras.push(Extra::default());
        self.xml.push_str(match self.family {
            Family::Rss => "<item>",
            Family::Atom => "<entry>",
        });
        if let Some(about) = tag.attr("rdf:about").filter(|a| !a.trim().is_empty()) {
            self.leaf("guid", "", &about);
            self.written.push(Field::Id);
        }
    }

    fn close_item(&mut self) {
        if self.item.take().is_some() {
            self.xml.push_str(match self.family {
                Family::Rss => "</item>",
                Family::Atom => "</entry>",
            });
        }
    }

    fn leaf(&mut self, name: &str, attrs: &str, value: &str) {
        self.xml.push_str(&format!("<{name}{attrs}>{}</{name}>", escape(value)));
    }

    fn write(&mut self, field: Field, tag: &Tag<'_>, content: &str) {
        if self.item.is_none() {
            // Of the feed itself only its address matters: links may be relative to it.
            match (field, self.family) {
                (Field::Link, Family::Rss) => self.leaf("link", "", value(content).0.trim()),
                (Field::Link, Family::Atom) => self.atom_link("link", tag),
                (Field::AtomLink, _) => self.atom_link("atom:link", tag),
                _ => {}
            }
            return;
        }
        let (text, marked) = value(content);
        let extra = self.extras.last_mut().expect("an open item has its extra");
        match field {
            Field::Traffic => extra.traffic = Some(text),
            Field::Headline if extra.headlines.len() < 3 => extra.headlines.push(text),
            Field::Media => extra.media = extra.media.take().or(Some(text)),
            Field::Headline | Field::AtomLink | Field::Item | Field::Aside | Field::Through => {}
            Field::Link => match self.family {
                Family::Atom => self.atom_link("link", tag),
                Family::Rss if text.trim().is_empty() => {
                    if let Some(href) = tag.attr("href") {
                        self.leaf("link", "", &href);
                    }
                }
                Family::Rss => self.leaf("link", "", text.trim()),
            },
            _ if self.written.contains(&field) || text.trim().is_empty() => {}
            Field::Title | Field::Body | Field::Content | Field::Id | Field::Published | Field::Updated => {
                let kind = tag.attr("type").unwrap_or_default().to_ascii_lowercase();
                if field == Field::Content && (tag.attr("src").is_some() || !is_text(&kind)) {
                    return;
                }
                self.written.push(field);
                let attrs = match (self.family, field) {
                    (Family::Atom, Field::Title | Field::Body | Field::Content) if marked || kind.contains("html") => {
                        " type=\"html\""
                    }
                    _ => "",
                };
                let name = match (field, self.family) {
                    (Field::Title, _) => "title",
                    (Field::Body, Family::Rss) => "description",
                    (Field::Body, Family::Atom) => "summary",
                    (Field::Content, Family::Rss) => "content:encoded",
                    (Field::Content, Family::Atom) => "content",
                    (Field::Id, Family::Rss) => "guid",
                    (Field::Id, Family::Atom) => "id",
                    (Field::Published, Family::Rss) => "pubDate",
                    (Field::Published, Family::Atom) => "published",
                    _ => "updated",
                };
                let dated = matches!(field, Field::Published | Field::Updated);
                self.leaf(name, attrs, &if dated { super::dates::tidy(&text) } else { text });
            }
        }
    }

    fn atom_link(&mut self, name: &str, tag: &Tag<'_>) {
        let Some(href) = tag.attr("href") else { return };
        let mut attrs = format!(" href=\"{}\"", escape(href.trim()));
        for key in ["rel", "type"] {
            if let Some(value) = tag.attr(key) {
                attrs.push_str(&format!(" {key}=\"{}\"", escape(&value)));
            }
        }
        self.leaf(name, &attrs, "");
    }

    /// What stands between a tag and its closing one, and where to read on. `None` when the text ends before.
    ///
    /// A field that is never closed ends where the next one begins, at the latest where an item or the feed begins or ends.
    fn content(&mut self, open: &Tag<'a>) -> Option<(&'a str, usize)> {
        let mut at = open.end;
        let mut next = None;
        loop {
            at += self.low[at..].find('<')?;
            let here = &self.low[at..];
            if here.starts_with("<![cdata[") {
                at += here.find("]]>")? + 3;
                continue;
            }
            let (closes, rest) = match here[1..].strip_prefix('/') {
                Some(rest) => (true, rest),
                None => (false, &here[1..]),
            };
            let name = &rest[..name_length(rest)];
            if closes && name == open.name {
                let end = at + here.find('>')? + 1;
                return Some((&self.text[open.end..at], end));
            }
            let outer = matches!(name, "channel" | "rss" | "rdf:rdf" | "feed") && closes;
            let field = self.field(name);
            if outer || field == Field::Item {
                self.unclosed += 1;
                let end = next.filter(|_| self.unclosed <= MAX_UNCLOSED).unwrap_or(at);
                return Some((&self.text[open.end..end], end));
            }
            if field != Field::Through && !closes {
                next = next.or(Some(at));
            }
            at += 1;
        }
    }
}

/// Whether an Atom `type` announces something that can be read.
fn is_text(kind: &str) -> bool {
    matches!(kind, "" | "text" | "html" | "xhtml") || kind.starts_with("text/") || kind.ends_with("xml")
}

/// A field's content, decoded as far as XML goes, and whether it is HTML that was not escaped.
fn value(content: &str) -> (String, bool) {
    let mut end = content.len().min(MAX_FIELD);
    while !content.is_char_boundary(end) {
        end -= 1;
    }
    let content = &content[..end];
    let marked = {
        let mut outside = String::new();
        for part in content.split("<![CDATA[") {
            outside.push_str(if outside.is_empty() { part } else { part.split_once("]]>").map_or("", |(_, after)| after) });
            outside.push(' ');
        }
        outside.as_bytes().windows(2).any(|w| w[0] == b'<' && (w[1] == b'/' || w[1].is_ascii_alphabetic()))
    };
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    loop {
        let (text, after) = rest.split_once("<![CDATA[").map_or((rest, None), |(text, after)| (text, Some(after)));
        if marked {
            out.push_str(text);
        } else {
            unescape(text, &mut out);
        }
        let Some(after) = after else { break };
        let (inner, after) = after.split_once("]]>").unwrap_or((after, ""));
        out.push_str(inner);
        rest = after;
    }
    (out, marked)
}

/// Decodes what XML itself defines. The names of HTML entities stay: whoever reads the text as HTML knows them.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let ours = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#"].iter().any(|name| rest.starts_with(name));
        match reference(rest).filter(|_| ours) {
            Some((decoded, length)) => {
                out.push(decoded);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if is_noise(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// A tag as found in the text; the names in small letters.
pub(super) struct Tag<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) name: &'a str,
    attrs: &'a str,
    attrs_low: &'a str,
    closes: bool,
    empty: bool,
}

impl Tag<'_> {
    /// The value of an attribute, decoded.
    pub(super) fn attr(&self, name: &str) -> Option<String> {
        let mut at = 0;
        while let Some(found) = self.attrs_low[at..].find(name) {
            let start = at + found;
            at = start + name.len();
            let fresh = self.attrs_low[..start].ends_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
            let Some(value) = self.attrs[at..].trim_start().strip_prefix('=').filter(|_| fresh) else { continue };
            let value = value.trim_start();
            let value = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
                _ => value.split(char::is_whitespace).next(),
            };
            let mut out = String::new();
            unescape(value.unwrap_or_default(), &mut out);
            return Some(out);
        }
        None
    }
}

fn name_length(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.')).count()
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The next tag from `at` on, past text, comments, CDATA sections and declarations.
pub(super) fn next_tag<'a>(text: &'a str, low: &'a str, mut at: usize) -> Option<Tag<'a>> {
    loop {
        at += low[at..].find('<')?;
        let here = &low[at..];
        if here.starts_with("<![cdata[") {
            at += here.find("]]>")? + 3;
        } else if here.starts_with("<!--") {
            at += here.find("-->")? + 3;
        } else if here.starts_with("<!doctype") {
            let end = here.find(['>', '['])?;
            // The declarations in brackets may hold a `>` of their own.
            let inner = if here[end..].starts_with('[') { here.find("]>").map(|n| n + 1) } else { None };
            at += inner.unwrap_or(end) + 1;
        } else {
            let (closes, skip) = if here.starts_with("</") { (true, 2) } else { (false, 1) };
            let length = name_length(&here[skip..]);
            let name = &here[skip..skip + length];
            let end = if name.starts_with(|c: char| c.is_ascii_alphabetic()) { tag_end(here, skip + length) } else { None };
            let Some(end) = end else {
                at += 1;
                continue;
            };
            let inner = at + skip + length..at + end - 1;
            return Some(Tag {
                start: at,
                end: at + end,
                name,
                attrs: &text[inner.clone()],
                attrs_low: &low[inner.clone()],
                closes,
                empty: !closes && low[inner].ends_with('/'),
            });
        }
    }
}

/// The length of the tag at the start of `here`. A `>` in quotes does not end it, unless nothing else does.
fn tag_end(here: &str, from: usize) -> Option<usize> {
    let mut quote = None;
    let mut within = None;
    for (n, b) in here.bytes().enumerate().skip(from) {
        match (b, quote) {
            (b'<', _) => return within,
            (b'>', None) => return Some(n + 1),
            (b'>', Some(_)) => within = within.or(Some(n + 1)),
            (b'"' | b'\'', None) => quote = Some(b),
            (b, Some(q)) if b == q => quote = None,
            _ => {}
        }
    }
    within
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mended(text: &str) -> Mended {
        let Document::Feed(family, root) = recognise(text) else { panic!("no feed: {text}") };
        mend(text, family, root)
    }

    #[test]
    fn the_beginning_says_what_it_is() {
        for (text, document) in [
            ("  \n ", Document::Empty),
            (" {\"items\":[]}", Document::Json),
            ("<?xml version='1.0'?><!-- <html> --><rss>", Document::Feed(Family::Rss, 36)),
            ("<rdf:RDF xmlns:rdf='x'>", Document::Feed(Family::Rss, 0)),
            ("<!DOCTYPE rss [<!ENTITY a 'b>'>]><rss>", Document::Feed(Family::Rss, 33)),
            ("<a:feed>", Document::Feed(Family::Atom, 0)),
            ("<br />\n<b>Warning</b>: x<rss>", Document::Feed(Family::Rss, 24)),
            ("<!DOCTYPE html><p>see <rss></p>", Document::Page),
            ("<?xml version='1.0'?><html xmlns='x'>", Document::Page),
            ("some words", Document::Unknown),
            ("<svg></svg>", Document::Unknown),
        ] {
            assert_eq!(recognise(text), document, "{text}");
        }
    }

    #[test]
    fn html_that_was_not_escaped_is_kept_as_html() {
        let xml = mended("<rss><channel><item><description>a<br>b & <b>c</description></item></channel></rss>").xml;
        assert!(xml.contains("<item><description>a&lt;br&gt;b &amp; &lt;b&gt;c</description></item>"), "{xml}");
        let xml = mended("<feed><entry><title type='xhtml'><div>x <i>y</i> &lt;</div></title></entry></feed>").xml;
        assert!(xml.contains("<title type=\"html\">&lt;div&gt;x &lt;i&gt;y&lt;/i&gt; &amp;lt;&lt;/div&gt;</title>"), "{xml}");
    }

    #[test]
    fn an_end_in_the_middle_costs_only_the_last_item() {
        let whole =
            "<rss><channel><item><title>a</title></item><item><title>b</title><link>http://x/b</link></item></channel></rss>";
        assert!(!mended(whole).cut);
        for end in 44..whole.find("</item></channel>").expect("in the text") {
            let cut = mended(&whole[..end]);
            assert!(cut.cut && cut.extras.len() == 1, "{}", &whole[..end]);
            assert!(cut.xml.ends_with("<item><title>a</title></item></channel></rss>"), "{}", cut.xml);
        }
    }

    #[test]
    fn a_forgotten_closing_tag_ends_with_the_item() {
        let m = mended("<rss><item><title>a<item><title>b</title></channel>");
        assert_eq!(m.xml.matches("<item>").count(), 2);
        assert!(
            m.xml.ends_with("<item><title>a</title></item><item><title>b</title></item></channel></rss>") && !m.cut,
            "{}",
            m.xml
        );
    }

    #[test]
    fn hostile_nesting_is_read_in_one_go() {
        for part in ["<title>", "<item>", "<a ", "<![CDATA[", "<!--", "&", "<description><title x='", "<x xmlns:a='", "<"] {
            for end in ["", "</item></channel></rss>"] {
                let text = format!("<rss><channel><item>{}{end}", part.repeat((1 << 18) / part.len()));
                assert!(mended(&text).xml.len() < 1 << 20, "{part}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_always_read(text in "<(rss|feed|rdf:RDF)>((</?(item|entry|title|link|content|description|dc:date|source|b)( type='html'| href=\"&\"| /)?>?)|<!\\[CDATA\\[|\\]\\]>|<!--|&(amp|#0|x);?|['\"<>]|\\PC){0,40}") {
            if let Document::Feed(family, root) = recognise(&text) {
                let m = mend(&text, family, root);
                let feed = feed_rs::parser::parse(m.xml.as_bytes());
                prop_assert_eq!(feed.map(|f| f.entries.len()).map_err(|e| e.to_string()), Ok(m.extras.len()));
            }
        }
    }
}
