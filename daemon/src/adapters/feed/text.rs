//! Markup as plain text: tags out, entities decoded once, white space folded, cut to length.
//!
//! In: HTML as feeds carry it, well-formed or not. Out: one line of plain text.
//! Never: fails, or lets a script's or a style sheet's content through.

use super::decode::is_noise;

/// The plain text of HTML, at most `max` characters.
pub(super) fn from_html(html: &str, max: usize) -> String {
    let mut line = Line::new(max);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        if line.full() {
            break;
        }
        line.decoded(&rest[..at]);
        rest = &rest[at..];
        rest = if let Some(inner) = rest.strip_prefix("<![CDATA[") {
            let (inner, after) = inner.split_once("]]>").unwrap_or((inner, ""));
            line.decoded(inner);
            after
        } else if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->").map_or("", |(_, after)| after)
        } else {
            match tag(rest) {
                Some(tag) => {
                    if !is_one_of(&INLINE, tag.name) {
                        line.space();
                    }
                    if tag.opens && is_one_of(&HIDDEN, tag.name) { past_end_of(tag.after, tag.name) } else { tag.after }
                }
                None => {
                    line.push('<');
                    &rest[1..]
                }
            }
        };
    }
    line.decoded(rest);
    line.done()
}

/// The plain text of text in which entities may be left over from careless escaping; what looks like a tag stays.
pub(super) fn from_text(text: &str, max: usize) -> String {
    let mut line = Line::new(max);
    line.decoded(text);
    line.done()
}

/// Tags that do not end a word. Every other one stands for white space.
const INLINE: [&str; 18] = [
    "a", "abbr", "b", "bdi", "big", "code", "em", "font", "i", "ins", "mark", "small", "span", "strong", "sub", "sup", "u", "wbr",
];

/// Tags whose content nobody is meant to read.
const HIDDEN: [&str; 4] = ["script", "style", "head", "template"];

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|n| name.eq_ignore_ascii_case(n))
}

struct Tag<'a> {
    name: &'a str,
    opens: bool,
    after: &'a str,
}

/// The tag at the start of this text, if it is one.
fn tag(text: &str) -> Option<Tag<'_>> {
    let inner = &text[1..];
    let named = inner.strip_prefix(['/', '!', '?']).unwrap_or(inner);
    if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (body, after) = inner.split_once('>')?;
    // No tag reaches over the start of another one: what looks like it is a "less than".
    if body.contains('<') {
        return None;
    }
    let name = named.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').next().unwrap_or_default();
    let name = name.rsplit(':').next().unwrap_or(name);
    Some(Tag { name, opens: named.len() == inner.len() && !body.ends_with('/'), after })
}

fn past_end_of<'a>(text: &'a str, name: &str) -> &'a str {
    let close = format!("</{name}");
    let at = text.as_bytes().windows(close.len()).position(|w| w.eq_ignore_ascii_case(close.as_bytes()));
    at.map_or("", |at| text[at..].split_once('>').map_or("", |(_, after)| after))
}

/// One line in the making: never two spaces in a row, never longer than it may be.
struct Line {
    out: String,
    count: usize,
    max: usize,
    gap: bool,
}

impl Line {
    fn new(max: usize) -> Self {
        Self { out: String::new(), count: 0, max, gap: false }
    }

    /// One character more than may stay tells that there was more.
    fn full(&self) -> bool {
        self.count > self.max
    }

    fn space(&mut self) {
        self.gap = true;
    }

    fn push(&mut self, c: char) {
        if c.is_whitespace() || c == '\u{200b}' {
            self.gap = true;
        } else if !is_noise(c) && c != '\u{ad}' && !self.full() {
            if self.gap && !self.out.is_empty() {
                self.out.push(' ');
                self.count += 1;
            }
            self.gap = false;
            self.out.push(c);
            self.count += 1;
        }
    }

    fn decoded(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            if self.full() {
                return;
            }
            rest[..at].chars().for_each(|c| self.push(c));
            rest = &rest[at..];
            let (decoded, length) = reference(rest).unwrap_or(('&', 1));
            self.push(decoded);
            rest = &rest[length..];
        }
        for c in rest.chars() {
            if self.full() {
                return;
            }
            self.push(c);
        }
    }

    fn done(self) -> String {
        if self.count <= self.max {
            return self.out;
        }
        let keep: String = self.out.chars().take(self.max.saturating_sub(1)).collect();
        // Cut between two words when one ends near by.
        let cut = keep.rfind(' ').filter(|at| keep[*at..].chars().count() <= 30).unwrap_or(keep.len());
        format!("{}…", keep[..cut].trim_end())
    }
}

/// The character that a reference at the start of this text stands for, and the reference's length in bytes.
pub(super) fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(34).position(|b| b == b';')?;
    let name = text.get(1..end)?;
    let found = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            numbered(code)
        }
        None => named(name)?,
    };
    Some((found, end + 1))
}

/// The character with this number; a space for those that may not stand in a text.
fn numbered(code: u32) -> char {
    match u8::try_from(code) {
        // Numbers of Windows-1252, which authors copied into references.
        Ok(byte @ 0x80..=0x9f) => {
            let bytes = [byte];
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes);
            text.chars().next().filter(|c| !is_noise(*c)).unwrap_or(' ')
        }
        _ => char::from_u32(code).filter(|c| !is_noise(*c)).unwrap_or(' '),
    }
}

fn named(name: &str) -> Option<char> {
    if let Some(at) = LATIN.iter().position(|n| *n == name) {
        return char::from_u32(0xa0 + u32::try_from(at).ok()?);
    }
    Some(match name {
        "amp" | "AMP" => '&',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "OElig" => 'Œ',
        "oelig" => 'œ',
        "Scaron" => 'Š',
        "scaron" => 'š',
        "Yuml" => 'Ÿ',
        "fnof" => 'ƒ',
        "circ" => 'ˆ',
        "tilde" => '˜',
        "ensp" | "emsp" | "thinsp" | "Tab" | "NewLine" => ' ',
        "zwnj" => '\u{200c}',
        "zwj" => '\u{200d}',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" | "rsquor" => '’',
        "sbquo" => '‚',
        "ldquo" => '“',
        "rdquo" | "rdquor" => '”',
        "bdquo" => '„',
        "dagger" => '†',
        "Dagger" => '‡',
        "bull" => '•',
        "hellip" | "mldr" => '…',
        "permil" => '‰',
        "prime" => '′',
        "Prime" => '″',
        "lsaquo" => '‹',
        "rsaquo" => '›',
        "euro" => '€',
        "trade" => '™',
        "larr" => '←',
        "uarr" => '↑',
        "rarr" => '→',
        "darr" => '↓',
        "minus" => '−',
        "infin" => '∞',
        "ne" => '≠',
        "le" => '≤',
        "ge" => '≥',
        "hearts" => '♥',
        "star" => '☆',
        "check" => '✓',
        "colon" => ':',
        "comma" => ',',
        "period" => '.',
        "excl" => '!',
        "quest" => '?',
        "lpar" => '(',
        "rpar" => ')',
        "num" => '#',
        "percnt" => '%',
        "commat" => '@',
        "lowbar" => '_',
        "sol" => '/',
        _ => return None,
    })
}

/// The names of the characters from U+00A0 to U+00FF.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg",
    "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14",
    "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute",
    "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml",
    "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth",
    "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute",
    "thorn", "yuml",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_go_and_words_stay_apart() {
        for (html, plain) in [
            ("<p>Bon<b>jour</b></p><p>le  monde</p>", "Bonjour le monde"),
            ("<ul><li>un</li><li>deux</li></ul>", "un deux"),
            ("a<br/>b<br>c", "a b c"),
            ("<script>alert(1)</script>x<STYLE a='b'>y{}</Style>z", "x z"),
            ("<script/>x", "x"),
            ("x<script>never closed", "x"),
            ("<!-- hidden -->x<!doctype html>y", "x y"),
            ("<![CDATA[T&eacute;l&eacute;]]> x", "Télé x"),
            ("5 < 6 et 7 > 3, a <b, <3", "5 < 6 et 7 > 3, a <b, <3"),
            ("&lt;b&gt; n&#8217;est pas gras", "<b> n’est pas gras"),
            ("Tom &amp;amp; Jerry", "Tom &amp; Jerry"),
            ("AT&T, &unknown; &#0; &#146;&#x2014;&nbsp;!", "AT&T, &unknown; ’— !"),
            ("soft&shy;hyphen", "softhyphen"),
            ("<a href='http://x'>lien</a>, suite", "lien, suite"),
        ] {
            assert_eq!(from_html(html, 300), plain, "{html}");
        }
        assert_eq!(from_text("if a < b then <b> &amp; c", 300), "if a < b then <b> & c");
    }

    #[test]
    fn a_long_text_is_cut_between_words() {
        let long = "mot ".repeat(100);
        let cut = from_html(&long, 50);
        assert!(cut.ends_with("mot…") && cut.chars().count() <= 50, "{cut}");
        assert_eq!(from_html(&"é".repeat(60), 50).chars().count(), 50);
        assert_eq!(from_html("exactly ten", 11), "exactly ten");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_short_line(html in "(<[a-z/!]{0,6}[ =\"'a-z]{0,8}>?|&#?x?[a-z0-9]{0,6};?|\\PC|\\s|<!\\[CDATA\\[|\\]\\]>){0,60}") {
            for plain in [from_html(&html, 40), from_text(&html, 40)] {
                prop_assert!(plain.chars().count() <= 40);
                prop_assert!(!plain.contains("  ") && plain.trim() == plain && !plain.contains('\n'));
            }
        }
    }
}
