//! Plain text out of HTML.
//!
//! In: HTML as feeds carry it, well formed or not. Out: its text, entities decoded, blocks on their own lines.
//! Never: fails, or takes more than linear time on any input. The answer is plain text: who shows it in a page escapes it.

/// The names of the letters U+00A0 to U+00FF, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para \
    middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml \
    Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave \
    aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde \
    ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// Other names that texts for people use.
const NAMED: [(&str, char); 34] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("euro", '€'),
    ("hellip", '…'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("bull", '•'),
    ("oelig", 'œ'),
    ("OElig", 'Œ'),
    ("scaron", 'š'),
    ("Scaron", 'Š'),
    ("Yuml", 'Ÿ'),
    ("trade", '™'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("minus", '−'),
    ("rarr", '→'),
    ("larr", '←'),
    ("hearts", '♥'),
    ("check", '✓'),
];

/// Elements that stand on their own lines.
const BLOCKS: [&str; 24] = [
    "p",
    "br",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "hr",
    "pre",
    "figure",
    "dt",
    "dd",
];

/// Elements whose content is not text.
const HIDDEN: [&str; 5] = ["script", "style", "template", "noscript", "head"];

/// The text of an HTML fragment: tags removed, entities decoded, spaces collapsed, blocks on their own lines.
pub fn plain(html: &str) -> String {
    let mut out = Text::default();
    let mut rest = html;
    // Once there is no `>` ahead, no `<` opens a tag any more; knowing it keeps the whole thing linear.
    let last_close = html.rfind('>');
    while let Some(at) = rest.find(['<', '&']) {
        out.push(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with('&') {
            entity(rest).map(|(letter, len)| {
                out.decoded(letter);
                len
            })
        } else if rest.starts_with("<!--") {
            Some(rest.find("-->").map_or(rest.len(), |end| end + 3))
        } else if last_close.is_some_and(|close| close > html.len() - rest.len()) {
            markup(rest, &mut out)
        } else {
            None
        };
        match taken {
            Some(len) => rest = &rest[len..],
            None => {
                out.push(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    out.push(rest);
    out.done.trim_end().to_owned()
}

/// Reads a tag at the start of `rest`; `None` when the `<` is only a sign.
fn markup(rest: &str, out: &mut Text) -> Option<usize> {
    let after = rest.as_bytes().get(1).copied()?;
    if !(after.is_ascii_alphabetic() || matches!(after, b'/' | b'!' | b'?')) {
        return None;
    }
    let len = tag_len(rest)?;
    let inner = &rest[1..len - 1];
    let closing = inner.starts_with('/');
    let name: String =
        inner.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if BLOCKS.contains(&name.as_str()) {
        out.line();
    } else if matches!(name.as_str(), "td" | "th") {
        out.push(" ");
    }
    if closing || inner.ends_with('/') || !HIDDEN.contains(&name.as_str()) {
        return Some(len);
    }
    // What a script or style sheet holds ends at its closing tag, or never.
    let end = format!("</{name}");
    let bytes = rest.as_bytes();
    let close = (len..bytes.len().saturating_sub(end.len() - 1))
        .find(|at| bytes[*at..*at + end.len()].eq_ignore_ascii_case(end.as_bytes()));
    Some(close.map_or(rest.len(), |at| rest[at..].find('>').map_or(rest.len(), |end| at + end + 1)))
}

/// The length of the tag at the start, `>` included. A `>` inside quotes does not end it, unless the quotes never close.
fn tag_len(rest: &str) -> Option<usize> {
    /// Longer than any tag people write; the limit bounds the work on hostile input.
    const LONGEST: usize = 8_192;
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate().take(LONGEST) {
        match (quote, byte) {
            (Some(open), close) if open == close => quote = None,
            (None, b'"' | b'\'') if rest.as_bytes()[at - 1] == b'=' => quote = Some(byte),
            (None, b'>') => return Some(at + 1),
            _ => {}
        }
    }
    rest.bytes().take(LONGEST).position(|byte| byte == b'>').map(|at| at + 1)
}

/// Decodes the entity at the start: the letter and how many bytes it took.
fn entity(rest: &str) -> Option<(char, usize)> {
    let end = rest.bytes().take(12).position(|byte| byte == b';')?;
    let name = &rest[1..end];
    let letter = if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        // Windows-1252 punctuation written as numbers is common in old feeds.
        match code {
            0x80 => '€',
            0x85 => '…',
            0x91 => '‘',
            0x92 => '’',
            0x93 => '“',
            0x94 => '”',
            0x96 => '–',
            0x97 => '—',
            0x9c => 'œ',
            _ => char::from_u32(code).filter(|c| !c.is_control() || c.is_whitespace())?,
        }
    } else {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter).or_else(|| {
            let at = LATIN.split_whitespace().position(|known| known == name)?;
            char::from_u32(0xa0 + u32::try_from(at).ok()?)
        })?
    };
    Some((letter, end + 1))
}

/// Text with its spaces collapsed as it is written.
#[derive(Default)]
struct Text {
    done: String,
    space: bool,
    lines: usize,
}

impl Text {
    fn push(&mut self, text: &str) {
        for letter in text.chars() {
            if letter.is_whitespace() && letter != '\u{a0}' && letter != '\u{202f}' {
                self.space = true;
            } else {
                self.letter(letter);
            }
        }
    }

    fn decoded(&mut self, letter: char) {
        match letter {
            // A soft hyphen or joiner says nothing in plain text.
            '\u{ad}' | '\u{200c}' => {}
            _ if letter.is_whitespace() && letter != '\u{a0}' => self.space = true,
            _ => self.letter(letter),
        }
    }

    fn line(&mut self) {
        self.lines += 1;
    }

    fn letter(&mut self, letter: char) {
        if !self.done.is_empty() {
            match (self.lines, self.space) {
                (0, true) => self.done.push(' '),
                (0, false) => {}
                _ => self.done.push('\n'),
            }
        }
        self.space = false;
        self.lines = 0;
        self.done.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_go_and_text_stays() {
        for (html, text) in [
            ("<p>Caf&eacute; &amp; th&#233; &#x2014; 3&nbsp;&euro;</p>", "Café & thé — 3\u{a0}€"),
            ("un<br/>deux<p>trois</p>\n<p>quatre", "un\ndeux\ntrois\nquatre"),
            ("a <b>b</b>, <i>c</i>!", "a b, c!"),
            ("i <3 you & me, 1 < 2 > 0", "i <3 you & me, 1 < 2 > 0"),
            ("<script>alert('<b>')</script>x<STYLE>p{}</sTyLe >y", "xy"),
            ("<a title=\"a > b\" href='x'>lien</a>", "lien"),
            ("<a title=\"never closed>lien</a>", "lien"),
            ("a<!-- <p>no</p> -->b<!-- rest", "ab"),
            ("&unknown; &;&amp", "&unknown; &;&amp"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("l&#146;&#339;uf &yuml;", "l’œuf ÿ"),
            ("<td>1</td><td>2</td>", "1 2"),
            ("prix <dix euros", "prix <dix euros"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(html in "[<>&;/!a-z\"'= é\\-#x0-9]{0,200}") {
            let text = plain(&html);
            prop_assert!(!text.starts_with([' ', '\n']) && !text.ends_with([' ', '\n']));
        }
    }
}
