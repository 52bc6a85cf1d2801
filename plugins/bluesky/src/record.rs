//! A post as Bluesky keeps it: limits, text as shown, the record and its key.
//!
//! In: a post, what the uploads and look-ups gave, a moment. Out: problems, or a record that never changes again.
//! Never: sends anything. The key and the date are frozen with the record, so that sending it twice is sending it once.

use crate::facets::{self, Facet, Feature};
use beffroi_plugin::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

/// Where posts are kept in an account.
pub(crate) const COLLECTION: &str = "app.bsky.feed.post";
const GRAPHEMES: usize = 300;
const BYTES: usize = 3_000;
const PICTURES: usize = 4;
const PICTURE_BYTES: u64 = 2_000_000;
/// A link that stands in the text next to pictures is shown shortened; the whole address is behind it.
const LINK_SHOWN: usize = 30;

/// The text as shown, with what is clickable in it.
pub(crate) struct Shown {
    /// With the link after it when a card cannot carry it.
    pub(crate) text: String,
    /// Ranges in `text`.
    pub(crate) facets: Vec<Facet>,
}

/// The text as shown. A post has room for pictures or for a link card; with pictures the link goes into the text.
pub(crate) fn shown(post: &Post) -> Shown {
    let mut text = post.text.trim_end().to_owned();
    let mut facets = facets::find(&text);
    if let Some(link) = card_or_text_link(post).filter(|_| !post.assets.is_empty()) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        let start = text.len();
        text.push_str(&shortened(link));
        facets.push(Facet { start, end: text.len(), feature: Feature::Link(link.to_owned()) });
    }
    Shown { text, facets }
}

/// The link that goes with the text, unless the text has it already.
fn card_or_text_link(post: &Post) -> Option<&str> {
    post.link.as_deref().filter(|link| !post.text.contains(link))
}

fn without_scheme(link: &str) -> &str {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches('/')
}

fn shortened(link: &str) -> String {
    let plain = without_scheme(link);
    if plain.graphemes(true).count() <= LINK_SHOWN {
        return plain.to_owned();
    }
    plain.graphemes(true).take(LINK_SHOWN - 1).chain(["…"]).collect()
}

/// Every reason why Bluesky would refuse this post.
pub(crate) fn problems(post: &Post) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |code: &str, fr: String, en: String| problems.push(Problem::new(code, pick(fr, en)));
    if !matches!(post.format.as_str(), "post" | "long") {
        add(
            "format-unknown",
            "Bluesky n'a ni stories ni reels : choisissez le format « post ».".into(),
            "Bluesky has neither stories nor reels: choose the format `post`.".into(),
        );
    }
    let text = shown(post).text;
    if text.trim().is_empty() && post.assets.is_empty() && post.link.is_none() {
        add("empty", "Écrivez un texte ou ajoutez une image.".into(), "Write a text or add a picture.".into());
    }
    let graphemes = text.graphemes(true).count();
    if graphemes > GRAPHEMES {
        let over = graphemes - GRAPHEMES;
        add(
            "text-too-long",
            format!("Bluesky accepte {GRAPHEMES} caractères et ce texte en a {graphemes} : retirez-en {over}."),
            format!("Bluesky takes {GRAPHEMES} characters and this text has {graphemes}: take out {over}."),
        );
    } else if text.len() > BYTES {
        let size = text.len();
        add(
            "text-too-long",
            format!("Ce texte pèse {size} octets et Bluesky en accepte {BYTES} : retirez des emojis composés."),
            format!("This text weighs {size} bytes and Bluesky takes {BYTES}: take out composed emoji."),
        );
    }
    if post.link.as_deref().is_some_and(|link| !link.starts_with("https://") && !link.starts_with("http://")) {
        add(
            "link-unusable",
            "Le lien doit commencer par https:// ou http://.".into(),
            "The link has to begin with https:// or http://.".into(),
        );
    }
    if post.reply_to.as_deref().is_some_and(|uri| Place::parse(uri).is_none()) {
        add(
            "reply-unknown",
            "Le message auquel répondre n'est pas un message de Bluesky.".into(),
            "The message to answer is not one of Bluesky's.".into(),
        );
    }
    if post.assets.len() > PICTURES {
        let count = post.assets.len();
        add(
            "too-many-pictures",
            format!("Bluesky accepte {PICTURES} images et il y en a {count}."),
            format!("Bluesky takes {PICTURES} pictures and there are {count}."),
        );
    }
    for (number, asset) in (1..).zip(&post.assets) {
        if !asset.media_type.starts_with("image/") || asset.media_type.starts_with("image/svg") {
            let kind = &asset.media_type;
            add(
                "media-unusable",
                format!("Le fichier {number} est de type {kind} : ce module n'envoie que des images (JPEG, PNG, WebP)."),
                format!("File {number} is of type {kind}: this plugin sends pictures only (JPEG, PNG, WebP)."),
            );
        } else if asset.size > PICTURE_BYTES {
            let kilobytes = asset.size.div_ceil(1_000);
            add(
                "picture-too-large",
                format!("L'image {number} pèse {kilobytes} ko et Bluesky en accepte 2000 : réduisez-la."),
                format!("Picture {number} weighs {kilobytes} kB and Bluesky takes 2000: make it smaller."),
            );
        }
        if asset.alt.trim().is_empty() {
            add(
                "alt-missing",
                format!("Décrivez l'image {number} pour les personnes qui ne la voient pas."),
                format!("Describe picture {number} for people who cannot see it."),
            );
        }
    }
    problems
}

/// What the other side gave for this post before it is written down for good.
pub(crate) struct Parts {
    /// One blob for each asset, as `uploadBlob` gave it.
    pub(crate) blobs: Vec<Value>,
    /// Identities behind the handles that exist.
    pub(crate) people: Vec<(String, String)>,
    /// The `reply` of the record.
    pub(crate) reply: Option<Value>,
    /// BCP 47, separated by commas.
    pub(crate) languages: String,
}

/// The record. `now` becomes its date.
pub(crate) fn record(post: &Post, parts: &Parts, now: u64) -> Value {
    let Shown { text, facets } = shown(post);
    let facets: Vec<Value> = facets.iter().filter_map(|facet| facet_json(facet, &parts.people)).collect();
    let mut record = json!({ "$type": COLLECTION, "text": text, "createdAt": time::write(now) });
    if !facets.is_empty() {
        record["facets"] = Value::Array(facets);
    }
    let languages: Vec<&str> = parts.languages.split(',').map(str::trim).filter(|code| !code.is_empty()).take(3).collect();
    if !languages.is_empty() {
        record["langs"] = json!(languages);
    }
    if !parts.blobs.is_empty() {
        let pictures: Vec<Value> = post.assets.iter().zip(&parts.blobs).map(|(asset, blob)| picture(asset, blob)).collect();
        record["embed"] = json!({ "$type": "app.bsky.embed.images", "images": pictures });
    } else if let Some(link) = post.link.as_deref() {
        let title = post.option("link-title").map_or_else(|| shortened(link), str::to_owned);
        let description = post.option("link-description").unwrap_or_default();
        let external = json!({ "uri": link, "title": title, "description": description });
        record["embed"] = json!({ "$type": "app.bsky.embed.external", "external": external });
    }
    if let Some(reply) = &parts.reply {
        record["reply"] = reply.clone();
    }
    record
}

fn facet_json(facet: &Facet, people: &[(String, String)]) -> Option<Value> {
    let feature = match &facet.feature {
        Feature::Link(uri) => json!({ "$type": "app.bsky.richtext.facet#link", "uri": uri }),
        Feature::Tag(tag) => json!({ "$type": "app.bsky.richtext.facet#tag", "tag": tag }),
        Feature::Mention(handle) => {
            let (_, did) = people.iter().find(|(known, _)| known == handle)?;
            json!({ "$type": "app.bsky.richtext.facet#mention", "did": did })
        }
    };
    Some(json!({ "index": { "byteStart": facet.start, "byteEnd": facet.end }, "features": [feature] }))
}

fn picture(asset: &Asset, blob: &Value) -> Value {
    let mut picture = json!({ "image": blob, "alt": asset.alt });
    if let Some((width, height)) = asset.dimensions.filter(|(width, height)| *width > 0 && *height > 0) {
        picture["aspectRatio"] = json!({ "width": width, "height": height });
    }
    picture
}

/// Whether a record read back is the one that was sent.
pub(crate) fn same(ours: &Value, theirs: &Value) -> bool {
    ["text", "createdAt"].iter().all(|field| ours[field].is_string() && ours[field] == theirs[field])
}

/// Where a record is: `at://REPO/COLLECTION/RKEY`.
pub(crate) struct Place<'a> {
    /// The account.
    pub(crate) repo: &'a str,
    /// The kind of record.
    pub(crate) collection: &'a str,
    /// The record's key.
    pub(crate) rkey: &'a str,
}

impl<'a> Place<'a> {
    /// Reads an address of a record.
    pub(crate) fn parse(uri: &'a str) -> Option<Self> {
        let mut parts = uri.strip_prefix("at://")?.split('/');
        let (repo, collection, rkey) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && !repo.is_empty() && !collection.is_empty() && !rkey.is_empty();
        whole.then_some(Self { repo, collection, rkey })
    }
}

/// The address of a post of an account.
pub(crate) fn address(did: &str, rkey: &str) -> String {
    format!("at://{did}/{COLLECTION}/{rkey}")
}

/// Where a person can see a post.
pub(crate) fn page(uri: &str) -> Option<String> {
    Place::parse(uri).map(|place| format!("https://bsky.app/profile/{}/post/{}", place.repo, place.rkey))
}

/// A record key: 53 bits of microseconds and 10 bits of chance in base 32, sorted by time. Chance comes from the delivery,
/// so that two deliveries of the same millisecond differ.
pub(crate) fn key(now: u64, delivery: &str) -> String {
    const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
    // FNV-1a.
    let chance =
        delivery.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let micros = now.wrapping_mul(1_000).wrapping_add(chance % 1_000) & ((1 << 53) - 1);
    let value = micros << 10 | (chance >> 20) & 0x3ff;
    (0..13).rev().map(|digit| char::from(DIGITS[(value >> (5 * digit)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_well_formed_sorted_by_time_and_differ_by_delivery() {
        let now = 1_795_327_200_000;
        let mut before = String::new();
        for step in 0..2_000 {
            let key = key(now + step, "delivery");
            assert_eq!(key.len(), 13);
            assert!(key.starts_with(|c| "234567abcdefghij".contains(c)), "{key}");
            assert!(key.chars().all(|c| "234567abcdefghijklmnopqrstuvwxyz".contains(c)), "{key}");
            assert!(key > before, "{key} does not come after {before}");
            before = key;
        }
        let keys: std::collections::HashSet<String> = (0..2_000).map(|n| key(now, &format!("delivery-{n}"))).collect();
        assert!(keys.len() >= 1_997, "two deliveries of the same millisecond hardly ever share a key: {}", keys.len());
        assert_eq!(key(now, "a"), key(now, "a"));
    }

    #[test]
    fn an_address_has_three_parts() {
        let uri = address("did:plc:abc", "3mabcdefghijk");
        let place = Place::parse(&uri).expect("just made");
        assert_eq!((place.repo, place.collection, place.rkey), ("did:plc:abc", COLLECTION, "3mabcdefghijk"));
        for broken in ["", "at://", "at://did:plc:abc", "at://a/b", "at://a/b/", "at://a/b/c/d", "https://a/b/c"] {
            assert!(Place::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_long_link_next_to_pictures_is_shown_short() {
        assert_eq!(shortened("https://www.example.com/"), "example.com");
        let short = shortened("https://example.com/a/very/long/path/to/some/page");
        assert_eq!(short.graphemes(true).count(), LINK_SHOWN);
        assert!(short.starts_with("example.com/a/") && short.ends_with('…'), "{short}");
    }
}
