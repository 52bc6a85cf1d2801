//! Text as networks want it: lengths, links, HTML in both directions, addresses.
//!
//! In: what the owner wrote, or what a service answered. Out: text that is ready to be sent or kept.
//! Never: cuts what the owner wrote; a text that is too long is the owner's to shorten.

/// The length as most networks count it: UTF-16 code units. Never less than the number of characters.
pub fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text with its link on a line of its own, unless the link is in the text already.
pub fn with_link(text: &str, link: Option<&str>) -> String {
    match link {
        Some(link) if !link.is_empty() && !text.contains(link) => {
            if text.trim().is_empty() {
                link.to_owned()
            } else {
                format!("{}\n\n{link}", text.trim_end())
            }
        }
        _ => text.to_owned(),
    }
}

/// Escapes what has a meaning in HTML.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// At most `limit` characters, cut between words where there is one, with an ellipsis in place of the rest.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    let end = kept.rfind(char::is_whitespace).filter(|end| *end * 2 > kept.len()).unwrap_or(kept.len());
    format!("{}…", kept[..end].trim_end())
}

/// Plain text out of HTML: no tags, no scripts, paragraphs on lines of their own, entities resolved.
pub fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        push_text(&mut out, &rest[..open]);
        let tag = &rest[open..];
        // A sign that opens no tag, as in "a < b", is text.
        if !tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            out.push('<');
            rest = &tag[1..];
            continue;
        }
        let Some(close) = tag.find('>') else {
            rest = "";
            break;
        };
        let name: String = tag[1..close]
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        rest = &tag[close + 1..];
        match name.as_str() {
            "br" | "p" | "div" | "li" | "tr" | "blockquote" | "h1" | "h2" | "h3" | "h4" => out.push('\n'),
            "script" | "style" if !tag.starts_with("</") => {
                let end = format!("</{name}");
                rest = rest.to_ascii_lowercase().find(&end).map_or("", |at| &rest[at..]);
            }
            _ => {}
        }
    }
    push_text(&mut out, rest);
    let lines: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let mut text = String::with_capacity(out.len());
    for line in lines.iter().filter(|line| !line.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}

/// Adds a piece of HTML without tags, its entities resolved once: `&amp;lt;` is the text `&lt;`.
fn push_text(out: &mut String, mut piece: &str) {
    while let Some(at) = piece.find('&') {
        out.push_str(&piece[..at]);
        piece = &piece[at..];
        let entity = piece[1..].find(';').filter(|end| *end <= 10).and_then(|end| Some((entity(&piece[1..=end])?, end + 2)));
        match entity {
            Some((c, length)) => {
                out.push(c);
                piece = &piece[length..];
            }
            None => {
                out.push('&');
                piece = &piece[1..];
            }
        }
    }
    out.push_str(piece);
}

/// The character behind the name of an entity.
fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control() || *c == '\n' || *c == '\t');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "euro" => '€',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "eacute" => 'é',
        "egrave" => 'è',
        "ecirc" => 'ê',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ocirc" => 'ô',
        "times" => '×',
        "deg" => '°',
        _ => return None,
    })
}

/// Percent-encodes one segment of an address's path.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$'()*,;:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_added_once_and_on_a_line_of_its_own() {
        assert_eq!(with_link("Bonjour ", Some("https://a.example")), "Bonjour\n\nhttps://a.example");
        assert_eq!(with_link("Voir https://a.example !", Some("https://a.example")), "Voir https://a.example !");
        assert_eq!(with_link("", Some("https://a.example")), "https://a.example");
        assert_eq!(with_link("Bonjour", None), "Bonjour");
    }

    #[test]
    fn html_becomes_plain_text() {
        assert_eq!(
            plain("<p>Un <b>pain</b> &amp; deux&nbsp;<br/>croissants</p><p>&#8364;&#x20ac;</p>"),
            "Un pain & deux\ncroissants\n€€"
        );
        assert_eq!(plain("a < b & c; d &unknown; &amp;lt;"), "a < b & c; d &unknown; &lt;");
        assert_eq!(plain("x<script>alert('<p>')</SCRIPT>y<style>p{}</style>z"), "xyz");
        assert_eq!(plain("cut <a href=\"x"), "cut");
        assert_eq!(plain("<script>never closed"), "");
        assert_eq!(plain("&#0;&#xD800;&#99999999;&"), "&#0;&#xD800;&#99999999;&");
        assert_eq!(plain("é&é;&"), "é&é;&");
    }

    #[test]
    fn escaping_and_reading_back_gives_the_same_text() {
        for text in ["a < b", "\"x\" & <y>", "&amp;", "Ça coûte 3 €"] {
            assert_eq!(plain(&escape_html(text)), text);
        }
    }

    #[test]
    fn a_cut_keeps_whole_words_and_the_limit() {
        assert_eq!(shorten("un deux trois", 20), "un deux trois");
        assert_eq!(shorten("un deux trois", 10), "un deux…");
        assert_eq!(shorten("ééééééééééé", 5), "éééé…");
        assert_eq!(shorten("a b", 0), "…");
    }

    #[test]
    fn lengths_count_as_networks_do() {
        assert_eq!(utf16_len("é👍🏽"), 5);
    }

    #[test]
    fn segments_are_encoded() {
        assert_eq!(segment("Été/à 100 %"), "%C3%89t%C3%A9%2F%C3%A0%20100%20%25");
        assert_eq!(segment("Mission:_Impossible_(film)"), "Mission:_Impossible_(film)");
    }
}
