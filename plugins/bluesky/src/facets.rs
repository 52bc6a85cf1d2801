//! Finds what is clickable in a text: links, mentions, hashtags.
//!
//! In: a text. Out: ranges of UTF-8 bytes, which is how Bluesky counts, and what each stands for.
//! Never: asks anybody whether a name exists; the caller drops mentions that lead nowhere.

use unicode_segmentation::UnicodeSegmentation;

/// One clickable range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facet {
    /// First byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
    /// Where it leads.
    pub(crate) feature: Feature,
}

/// Where a range leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Feature {
    /// An address.
    Link(String),
    /// Somebody, by handle, without the `@`.
    Mention(String),
    /// A hashtag, without the `#`.
    Tag(String),
}

/// Bluesky's limits on a hashtag.
const TAG_GRAPHEMES: usize = 64;
const TAG_BYTES: usize = 640;

/// Everything clickable, in the order of the text, never overlapping.
pub(crate) fn find(text: &str) -> Vec<Facet> {
    let mut found = Vec::new();
    for (start, word) in words(text) {
        if let Some((from, link)) = link_in(word) {
            found.push(Facet { start: start + from, end: start + from + link.len(), feature: Feature::Link(link.into()) });
            continue;
        }
        let open = word.len() - word.trim_start_matches(opening).len();
        let (start, word) = (start + open, &word[open..]);
        if let Some(rest) = word.strip_prefix('@') {
            if let Some(handle) = handle_at_start(rest) {
                found.push(Facet {
                    start,
                    end: start + 1 + handle.len(),
                    feature: Feature::Mention(handle.to_ascii_lowercase()),
                });
            }
        } else if let Some(rest) = word.strip_prefix(['#', '＃'])
            && let Some(tag) = tag_at_start(rest)
        {
            let sign = word.len() - rest.len();
            found.push(Facet { start, end: start + sign + tag.len(), feature: Feature::Tag(tag.into()) });
        }
    }
    found
}

/// The words between white space, with where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_whitespace().map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

fn opening(character: char) -> bool {
    matches!(character, '(' | '[' | '{' | '<' | '«' | '"' | '\'' | '“' | '‘' | '’' | '¿' | '¡' | '*')
}

/// The first address in a word, with its offset, without the punctuation that follows it.
fn link_in(word: &str) -> Option<(usize, &str)> {
    let lower = word.to_ascii_lowercase();
    let at = ["https://", "http://"]
        .iter()
        .flat_map(|scheme| lower.match_indices(scheme).map(|(at, _)| at))
        .filter(|at| !word[..*at].ends_with(char::is_alphanumeric))
        .min()?;
    let mut link = &word[at..];
    if let Some(end) = link.find(['<', '>', '"', '«', '»', '“', '”']) {
        link = &link[..end];
    }
    loop {
        let last = link.chars().next_back()?;
        let stray = match last {
            ')' => link.matches('(').count() < link.matches(')').count(),
            ']' => link.matches('[').count() < link.matches(']').count(),
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’' | '…' | '}' | '*' => true,
            _ => false,
        };
        if !stray {
            break;
        }
        link = &link[..link.len() - last.len_utf8()];
    }
    let host = link.split_once("://")?.1;
    host.starts_with(|c: char| c.is_alphanumeric() || c == '[').then_some((at, link))
}

/// A handle is a domain name: two labels or more, the last of which begins with a letter.
fn handle_at_start(rest: &str) -> Option<&str> {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).unwrap_or(rest.len());
    let handle = rest[..end].trim_end_matches(['.', '-']);
    // An address of mail or of another network goes on with an `@`.
    if rest[handle.len()..].starts_with(['@', '_']) {
        return None;
    }
    let labels: Vec<&str> = handle.split('.').collect();
    let sound = |label: &&str| !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
    let last = labels.last()?;
    let whole = labels.len() >= 2 && labels.iter().all(sound) && last.starts_with(|c: char| c.is_ascii_alphabetic());
    (whole && handle.len() <= 253).then_some(handle)
}

/// A hashtag goes on until white space or punctuation, and is more than a number.
fn tag_at_start(rest: &str) -> Option<&str> {
    // `#️⃣` is an emoji.
    if rest.starts_with(['\u{fe0f}', '\u{20e3}']) {
        return None;
    }
    let ends = |c: char| {
        matches!(
            c,
            '#' | '＃' | ',' | ';' | ':' | '!' | '?' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '«' | '»' | '“' | '”' | '…'
        )
    };
    let end = rest.find(ends).unwrap_or(rest.len());
    let tag = rest[..end].trim_end_matches(['.', '\'', '’', '-', '*']);
    let says_something = tag.chars().any(|c| !c.is_ascii_digit() && !c.is_ascii_punctuation());
    (says_something && tag.len() <= TAG_BYTES && tag.graphemes(true).count() <= TAG_GRAPHEMES).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is clickable, as pairs of the text in the range and the feature.
    fn seen(text: &str) -> Vec<(&str, Feature)> {
        find(text).into_iter().map(|facet| (&text[facet.start..facet.end], facet.feature)).collect()
    }
    fn link(address: &str) -> Feature {
        Feature::Link(address.into())
    }

    #[test]
    fn ranges_count_bytes_and_not_letters() {
        let facets = find("Été 🥐 : https://example.com/é #pâtisserie");
        assert_eq!((facets[0].start, facets[0].end), (13, 35));
        assert_eq!((facets[1].start, facets[1].end), (36, 48));
        assert_eq!(facets[1].feature, Feature::Tag("pâtisserie".into()));
    }

    #[test]
    fn punctuation_around_a_link_stays_outside() {
        for (text, address) in [
            ("Voir https://example.com.", "https://example.com"),
            ("(https://example.com/a)", "https://example.com/a"),
            ("https://fr.wikipedia.org/wiki/Pain_(aliment),", "https://fr.wikipedia.org/wiki/Pain_(aliment)"),
            ("ici:https://example.com/a?b=c&d=#e !", "https://example.com/a?b=c&d=#e"),
            ("« HTTP://Example.com »", "HTTP://Example.com"),
            ("<https://example.com>", "https://example.com"),
            ("*https://example.com/*", "https://example.com/"),
        ] {
            assert_eq!(seen(text), [(address, link(address))], "{text}");
        }
        for text in ["https://", "http://.", "xhttps://example.com", "https:// example", "example.com"] {
            assert_eq!(seen(text), [], "{text}");
        }
    }

    #[test]
    fn mentions_are_domain_names() {
        assert_eq!(
            seen("Merci @Claire.bsky.social, bravo"),
            [("@Claire.bsky.social", Feature::Mention("claire.bsky.social".into()))]
        );
        assert_eq!(seen("(@a.example)"), [("@a.example", Feature::Mention("a.example".into()))]);
        for text in ["@claire", "claire@example.com", "@a..b", "@-a.com", "@a.1", "@claire.b@example.com", "@"] {
            assert_eq!(seen(text), [], "{text}");
        }
    }

    #[test]
    fn hashtags_are_more_than_numbers() {
        for (text, tag) in [
            ("#pain", "pain"),
            ("#Noël2026!", "Noël2026"),
            ("(#fait-maison)", "fait-maison"),
            ("＃パン", "パン"),
            ("#1er.", "1er"),
        ] {
            assert_eq!(
                find(text).into_iter().map(|facet| facet.feature).collect::<Vec<_>>(),
                [Feature::Tag(tag.into())],
                "{text}"
            );
        }
        let long = format!("#{}", "a".repeat(65));
        for text in ["#", "#1", "#️⃣", "a#b", "# pain", "#...", long.as_str()] {
            assert_eq!(seen(text), [], "{text}");
        }
    }

    #[test]
    fn any_text_gives_ranges_on_letters_in_order() {
        let pieces = ["é", "🥐", "@", "#", "https://", " ", "\n", "a.b", "(", ")", "»", "…", "\u{fe0f}", "1", "."];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            let mut end = 0;
            for facet in find(&text) {
                assert!(facet.start >= end && facet.end > facet.start, "{text:?}");
                assert!(text.is_char_boundary(facet.start) && text.is_char_boundary(facet.end), "{text:?}");
                end = facet.end;
            }
        }
    }
}
