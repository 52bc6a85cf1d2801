//! Texts as Mastodon counts them and as servers render them.
//!
//! In: a text, or the HTML that a server made of it. Out: its length, its plain words, and how alike two texts are.
//! Never: decides what became of a post; `readback` does, from what is found here.

use unicode_segmentation::UnicodeSegmentation;

/// How alike a text and what a server shows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// One is the other as servers render it.
    Same,
    /// Too alike to be ruled out: cut, edited, or rendered in an unknown way.
    Near,
    /// Another text.
    Different,
}

/// The length as Mastodon counts: letters as people see them, each address as `per_url`, and of `@name@server` only `@name`.
pub(crate) fn length(text: &str, per_url: usize) -> usize {
    let mut length = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        if end == 0 {
            let white = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
            length += rest[..white].graphemes(true).count();
            rest = &rest[white..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        length += match address(word) {
            Some((from, to)) => graphemes(&word[..from]) + per_url + graphemes(&word[to..]),
            None => graphemes(&local_mention(word)),
        };
        rest = after;
    }
    length
}

fn graphemes(text: &str) -> usize {
    text.graphemes(true).count()
}

/// Where an address in a word begins and ends.
fn address(word: &str) -> Option<(usize, usize)> {
    let lower = word.to_ascii_lowercase();
    let from = ["https://", "http://"].iter().filter_map(|scheme| lower.find(scheme)).min()?;
    let mut end = word.len();
    while let Some(last) = word[from..end].chars().next_back() {
        let stray = match last {
            ')' => word[from..end].matches('(').count() < word[from..end].matches(')').count(),
            _ => matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '"' | '\'' | '»' | '”' | '’' | '…' | ']' | '}' | '>'),
        };
        if !stray {
            break;
        }
        end -= last.len_utf8();
    }
    let (_, host) = word[from..end].split_once("://")?;
    host.starts_with(char::is_alphanumeric).then_some((from, end))
}

/// `@name@server` becomes `@name`, as servers show it; other words stay.
fn local_mention(word: &str) -> String {
    let Some(at) = word.find('@') else { return word.to_owned() };
    let name = &word[at + 1..];
    let name_ends = name.find(|c: char| !(c.is_alphanumeric() || "_.-".contains(c))).unwrap_or(name.len());
    if at > 0 && word[..at].ends_with(char::is_alphanumeric) || name_ends == 0 || !name[name_ends..].starts_with('@') {
        return word.to_owned();
    }
    let server = &name[name_ends + 1..];
    let server_ends = server.find(|c: char| !(c.is_alphanumeric() || ".-:".contains(c))).unwrap_or(server.len());
    let server_ends = server[..server_ends].trim_end_matches(['.', '-', ':']).len();
    format!("{}{}", &word[..at + 1 + name_ends], &server[server_ends..])
}

/// HTML without its tags: lines where it had lines, characters where it had entities.
pub(crate) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((character, length)) = entity(rest) {
            text.push(character);
            rest = &rest[length..];
        } else if let Some(length) = tag(rest) {
            let name = rest[1..length - 1].trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
            if matches!(name.to_ascii_lowercase().as_str(), "br" | "p" | "div" | "li" | "ul" | "ol" | "blockquote" | "pre") {
                text.push('\n');
            }
            rest = &rest[length..];
        } else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    text.trim().to_owned()
}

/// The length of the tag that the text begins with.
fn tag(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('<')?;
    inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!').then_some(())?;
    Some(inner.find('>')? + 2)
}

/// The character of the entity that the text begins with, and the entity's length.
fn entity(text: &str) -> Option<(char, usize)> {
    let inner = text.strip_prefix('&')?;
    let name = &inner[..inner.bytes().take(10).position(|byte| byte == b';')?];
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, name.len() + 2))
}

/// Letters and digits, word by word, mentions without their server: what survives every server's rendering.
fn words(text: &str) -> Vec<String> {
    let spaced: Vec<String> = text.split_whitespace().map(local_mention).collect();
    let split = spaced.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    split.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The words outside of addresses, which some servers show shortened.
fn words_without_addresses(text: &str) -> Vec<String> {
    let kept: Vec<&str> = text.split_whitespace().filter(|word| !word.contains('/')).collect();
    words(&kept.join(" "))
}

/// A text without white space, for texts that have no words.
fn marks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{fe0f}').collect()
}

/// How alike a text that was sent and a text that a server shows are.
pub(crate) fn likeness(sent: &str, shown: &str) -> Likeness {
    let (ours, theirs) = (words(sent), words(shown));
    if ours.is_empty() {
        // Emoji only: some servers turn them into names or pictures.
        return match (marks(sent) == marks(shown), theirs.len()) {
            (true, _) => Likeness::Same,
            (false, 0..=3) if !marks(sent).is_empty() => Likeness::Near,
            _ => Likeness::Different,
        };
    }
    if ours == theirs {
        return Likeness::Same;
    }
    let (ours_bare, theirs_bare) = (words_without_addresses(sent), words_without_addresses(shown));
    if ours_bare.len() >= 3 && ours_bare == theirs_bare {
        return Likeness::Same;
    }
    // Words in common, with their number, out of all: a cut or an edit leaves most of them.
    let mut left = theirs.clone();
    let mut common = 0;
    for word in &ours {
        if let Some(at) = left.iter().position(|other| other == word) {
            left.swap_remove(at);
            common += 1;
        }
    }
    let cut = !theirs.is_empty() && ours.starts_with(&theirs);
    // No server makes up numbers: the menu of the 12th is not that of the 13th, however alike they are.
    let foreign = left.iter().any(|word| word.contains(|c: char| c.is_ascii_digit()));
    if cut || !foreign && 2 * common * 10 >= 6 * (ours.len() + theirs.len()) { Likeness::Near } else { Likeness::Different }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_what_mastodon_counts() {
        assert_eq!(length("Été 🥐", 23), 5);
        assert_eq!(length("👨‍👩‍👧", 23), 1);
        assert_eq!(length("https://example.com/a/very/long/address/that/goes/on/and/on", 23), 23);
        assert_eq!(length("a https://e.com, b", 23), 2 + 23 + 3);
        assert_eq!(length("a\n\nb", 23), 4);
        assert_eq!(length("@claire@example.social !", 23), "@claire !".len());
        assert_eq!(length("claire@example.com", 23), "claire@example.com".len());
        assert_eq!(length("", 23), 0);
    }

    #[test]
    fn html_becomes_the_text_it_was_made_of() {
        for (html, text) in [
            ("<p>Bonjour &amp; bienvenue</p><p>Deux<br />Trois</p>", "Bonjour & bienvenue\n\nDeux\nTrois"),
            ("<p>L&#39;été &lt;b&gt; &#x1F950;</p>", "L'été <b> 🥐"),
            (
                "<p><a href=\"https://e.com/a\"><span class=\"invisible\">https://</span><span class=\"ellipsis\">e.com</span><span class=\"invisible\">/a</span></a></p>",
                "https://e.com/a",
            ),
            ("second<br>", "second"),
            ("1 < 2 & 3 > 2 &unknown; <", "1 < 2 & 3 > 2 &unknown; <"),
            ("&#xZZ; &#99999999; &", "&#xZZ; &#99999999; &"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn a_text_is_the_same_however_it_was_rendered() {
        for (sent, html) in [
            ("Les croissants sont sortis du four !", "<p>Les croissants sont sortis du four !</p>"),
            ("Les croissants sont sortis du four !", "Les croissants sont sortis du four&nbsp;!<br>"),
            (
                "Bonjour @claire@example.social :-)",
                "<p>Bonjour <span class=\"h-card\"><a href=\"https://example.social/@claire\" class=\"u-url mention\">@<span>claire</span></a></span> &#128578;</p>",
            ),
            (
                "Du *pain* & du #vin https://example.com/a?b=1&c=2",
                "Du <i>pain</i> & du <a href=\"x?t=vin\">#vin</a> <a href=\"y\">https://example.com/a?b=1&c=2</a><br>",
            ),
            (
                "Tout est sur https://example.com/une/page/bien/longue",
                "<p>Tout est sur <a href=\"…\">example.com/une/pa…</a></p>",
            ),
            ("🥐🥐", "<p>🥐🥐</p>"),
        ] {
            assert_eq!(likeness(sent, &plain(html)), Likeness::Same, "{sent}");
        }
    }

    #[test]
    fn what_was_cut_or_edited_is_near_and_the_rest_is_different() {
        let sent = "Les croissants de ce matin sont sortis du four, venez vite";
        assert_eq!(likeness(sent, "Les croissants de ce matin sont"), Likeness::Near);
        assert_eq!(likeness(sent, "Les croissants de ce soir sont sortis du four, venez vite !"), Likeness::Near);
        assert_eq!(likeness(sent, "Demain la boutique sera fermée"), Likeness::Different);
        assert_eq!(likeness(sent, ""), Likeness::Different);
        assert_eq!(
            likeness("Le menu du 12 est servi : soupe, pain", "Le menu du 13 est servi : soupe, pain"),
            Likeness::Different
        );
        assert_eq!(likeness("🥐", ":croissant:"), Likeness::Near);
        assert_eq!(likeness("", "Bonjour"), Likeness::Different);
        assert_eq!(likeness("", ""), Likeness::Same);
    }

    #[test]
    fn any_text_survives_escaping_and_stripping() {
        let pieces = [
            "é",
            "🥐",
            "<",
            ">",
            "&",
            "amp;",
            "<br>",
            " ",
            "\n",
            "@a@b.c",
            "#x",
            "https://e.com/a",
            "</p>",
            "&#39;",
            "mot",
            "\"",
        ];
        let mut seed = 11_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..10 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br />");
            assert_eq!(likeness(&text, &plain(&format!("<p>{escaped}</p>"))), Likeness::Same, "{text:?}");
            plain(&text);
            length(&text, 23);
        }
    }
}
