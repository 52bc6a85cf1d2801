//! Front matter: the block of keys at the top of a Markdown file, between `+++` (TOML) or `---` (a small YAML).
//!
//! In: the text of a file. Out: keys and values as text with their places, and where the body starts.
//! Never: stops at the first mistake; a line that cannot be read is told and the next one is read.
//!
//! The subset of YAML: `key: value`; quoted or plain text; `[a, b]`; `{a: b}`; lists of `- a` lines, whose entries may be
//! `key: value` lines; one level of `key: value` lines below a key; comments after `# `.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A value and its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::adapters) struct Node {
    pub(in crate::adapters) value: Value,
    pub(in crate::adapters) range: Range<usize>,
}

/// What a key can hold. Numbers and dates are text: who asks for them reads them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::adapters) enum Value {
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::adapters) struct Entry {
    pub(in crate::adapters) key: String,
    pub(in crate::adapters) at: Range<usize>,
    pub(in crate::adapters) node: Node,
}

/// A place that cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::adapters) struct Slip {
    pub(in crate::adapters) range: Range<usize>,
    pub(in crate::adapters) message: String,
    pub(in crate::adapters) help: String,
}

impl Slip {
    fn new(range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { range, message: message.into(), help: help.into() }
    }
}

/// What the top of a file says.
#[derive(Debug, Default, PartialEq)]
pub(in crate::adapters) struct Front {
    pub(in crate::adapters) entries: Vec<Entry>,
    /// Byte at which the body starts.
    pub(in crate::adapters) body: usize,
    pub(in crate::adapters) slips: Vec<Slip>,
}

/// Reads the front matter of a text; a text without one has no entries and is all body.
pub(in crate::adapters) fn parse(text: &str) -> Front {
    let first = text.lines().next().unwrap_or_default();
    let fence = first.trim_end();
    if fence != "---" && fence != "+++" {
        return Front::default();
    }
    let start = (first.len() + 1).min(text.len());
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        if line.trim_end() == fence {
            let mut front = if fence == "+++" { toml(&text[start..at], start) } else { yaml(&text[start..at], start) };
            front.body = at + line.len();
            return front;
        }
        at += line.len();
    }
    let slip = Slip::new(
        0..fence.len(),
        format!("The front matter opened by \"{fence}\" is never closed."),
        format!("Add a line \"{fence}\" after the last key, before the text."),
    );
    Front { entries: Vec::new(), body: text.len(), slips: vec![slip] }
}

fn toml(block: &str, base: usize) -> Front {
    let (table, errors) = DeTable::parse_recoverable(block);
    let slips = errors.iter().map(|e| {
        let range = e.span().unwrap_or(0..0);
        let message = e.message().trim_end_matches('.');
        let mut letters = message.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        Slip::new(
            base + range.start..base + range.end,
            format!("This is not TOML: {capital}."),
            "Write `key = \"text\"`, `key = 3`, `key = 2026-12-24` or `key = [\"a\", \"b\"]`.",
        )
    });
    let slips = slips.collect();
    Front { entries: table_entries(table.get_ref(), base), body: 0, slips }
}

fn table_entries(table: &DeTable<'_>, base: usize) -> Vec<Entry> {
    let shift = |r: Range<usize>| base + r.start..base + r.end;
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: shift(key.span()),
            node: Node { value: toml_value(value.get_ref(), base), range: shift(value.span()) },
        })
        .collect();
    // As written: the table itself is in the order of the alphabet.
    entries.sort_by_key(|e| e.at.start);
    entries
}

fn toml_value(value: &DeValue<'_>, base: usize) -> Value {
    match value {
        DeValue::String(s) => Value::Text(s.to_string()),
        DeValue::Integer(i) => Value::Text(i.to_string()),
        DeValue::Float(f) => Value::Text(f.to_string()),
        DeValue::Boolean(b) => Value::Text(b.to_string()),
        DeValue::Datetime(d) => Value::Text(d.to_string()),
        DeValue::Array(list) => Value::List(
            list.iter()
                .map(|v| Node { value: toml_value(v.get_ref(), base), range: base + v.span().start..base + v.span().end })
                .collect(),
        ),
        DeValue::Table(table) => Value::Map(table_entries(table, base)),
    }
}

/// One line of the YAML subset that is neither blank nor a comment.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Byte of the first character that is not indentation.
    at: usize,
    indent: usize,
    text: &'a str,
}

impl Line<'_> {
    fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    fn is_dash(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }
}

fn yaml(block: &str, base: usize) -> Front {
    let mut lines = Vec::new();
    let mut at = base;
    for raw in block.split_inclusive('\n') {
        let text = raw.trim();
        let indent = raw.len() - raw.trim_start().len();
        if !text.is_empty() && !text.starts_with('#') {
            lines.push(Line { at: at + indent, indent, text });
        }
        at += raw.len();
    }
    let mut front = Front::default();
    let mut rest = lines.as_slice();
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        if line.indent > 0 || line.is_dash() {
            front.slips.push(Slip::new(
                line.range(),
                "This line belongs to no key.",
                "Put the key on a line of its own above, as in `key:`, or bring the text to the key's line in quotes.",
            ));
            continue;
        }
        let Some((key, value)) = key_and_value(line) else {
            front.slips.push(no_key(line));
            continue;
        };
        let node = if value.text.is_empty() {
            let count = rest.iter().take_while(|l| l.indent > 0 || l.is_dash()).count();
            let (children, after) = rest.split_at(count);
            rest = after;
            block_value(value.at, children, &mut front.slips)
        } else {
            match inline(value) {
                Ok(node) => node,
                Err(slip) => {
                    front.slips.push(slip);
                    continue;
                }
            }
        };
        if front.entries.iter().any(|e| e.key == key.text) {
            front.slips.push(Slip::new(key.range(), format!("The key \"{}\" stands here twice.", key.text), "Keep one of them."));
        } else {
            front.entries.push(Entry { key: key.text.to_owned(), at: key.range(), node });
        }
    }
    front
}

fn no_key(line: &Line<'_>) -> Slip {
    Slip::new(line.range(), "This line is not `key: value`.", "Write the key, a colon, a space and the value.")
}

/// Splits `key: value`; `None` when there is no key.
fn key_and_value<'a>(line: &Line<'a>) -> Option<(Line<'a>, Line<'a>)> {
    let (start, key, end) = match line.text.chars().next()? {
        quote @ ('"' | '\'') => {
            let close = line.text[1..].find(quote)? + 1;
            (1, &line.text[1..close], close + 1)
        }
        _ => {
            let colon = line.text.match_indices(':').map(|(at, _)| at).find(|at| {
                let after = &line.text[at + 1..];
                after.is_empty() || after.starts_with([' ', '\t'])
            });
            // A forgotten space after the colon is forgiven, except in an address.
            let colon = colon.or_else(|| line.text.find(':').filter(|at| !line.text[*at..].starts_with("://")))?;
            (0, line.text[..colon].trim_end(), colon)
        }
    };
    let rest = line.text[end..].trim_start();
    let after = rest.strip_prefix(':')?;
    let value = after.trim_start();
    let behind = line.text.len() - value.len();
    let key = Line { at: line.at + start, indent: line.indent, text: key };
    let value = Line { at: line.at + behind, indent: line.indent, text: uncommented(value) };
    (!key.text.is_empty()).then_some((key, value))
}

/// Plain text without the comment behind it. A hash without a space after it is a hashtag.
fn uncommented(text: &str) -> &str {
    if text.starts_with(['"', '\'', '[', '{']) {
        return text;
    }
    if text == "#" || text.starts_with("# ") {
        return "";
    }
    text.find(" # ").map_or(text, |at| text[..at].trim_end())
}

fn block_value(at: usize, children: &[Line<'_>], slips: &mut Vec<Slip>) -> Node {
    let Some(first) = children.first() else { return Node { value: Value::Text(String::new()), range: at..at } };
    let range = first.at..children.last().map_or(at, |l| l.range().end);
    let value = if first.is_dash() { block_list(children, slips) } else { Value::Map(block_map(children, first.indent, slips)) };
    Node { value, range }
}

fn block_list(lines: &[Line<'_>], slips: &mut Vec<Slip>) -> Value {
    let indent = lines[0].indent;
    let mut nodes = Vec::new();
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        if !line.is_dash() || line.indent != indent {
            slips.push(Slip::new(
                line.range(),
                "This line is not an entry of the list above.",
                "Start it with `- `, as the others.",
            ));
            continue;
        }
        let text = line.text[1..].trim_start();
        let entry = Line { at: line.at + line.text.len() - text.len(), indent: indent + line.text.len() - text.len(), text };
        let is_map = !text.starts_with(['"', '\'', '[', '{'])
            && text.split_once(':').is_some_and(|(k, v)| {
                let plain = !k.is_empty() && k.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                plain && (v.is_empty() || v.starts_with(' '))
            });
        if text.is_empty() {
            slips.push(Slip::new(
                line.range(),
                "This entry of the list is empty.",
                "Write its text after the `- `, or remove the line.",
            ));
        } else if is_map {
            let count = rest.iter().take_while(|l| l.indent > indent).count();
            let (more, after) = rest.split_at(count);
            rest = after;
            let entries: Vec<Line<'_>> = std::iter::once(entry).chain(more.iter().copied()).collect();
            let end = entries.last().map_or(entry.at, |l| l.range().end);
            let inner = more.first().map_or(entry.indent, |l| l.indent);
            let entries: Vec<Line<'_>> =
                entries.iter().enumerate().map(|(n, l)| if n == 0 { Line { indent: inner, ..*l } } else { *l }).collect();
            nodes.push(Node { value: Value::Map(block_map(&entries, inner, slips)), range: entry.at..end });
        } else {
            match inline(Line { text: uncommented(text), ..entry }) {
                Ok(node) => nodes.push(node),
                Err(slip) => slips.push(slip),
            }
        }
    }
    Value::List(nodes)
}

fn block_map(lines: &[Line<'_>], indent: usize, slips: &mut Vec<Slip>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        if line.indent != indent {
            slips.push(Slip::new(
                line.range(),
                "This line is indented more or less than its neighbours.",
                "Only one level is read below a key: give all its lines the same indentation.",
            ));
            continue;
        }
        let Some((key, value)) = key_and_value(line) else {
            slips.push(no_key(line));
            continue;
        };
        match inline(value) {
            Ok(_) if entries.iter().any(|e| e.key == key.text) => {
                slips.push(Slip::new(key.range(), format!("The key \"{}\" stands here twice.", key.text), "Keep one of them."));
            }
            Ok(node) => entries.push(Entry { key: key.text.to_owned(), at: key.range(), node }),
            Err(slip) => slips.push(slip),
        }
    }
    entries
}

/// Reads the value of one line: text, quoted text, `[…]` or `{…}`.
fn inline(line: Line<'_>) -> Result<Node, Slip> {
    if !line.text.starts_with(['"', '\'', '[', '{']) {
        return Ok(Node { value: Value::Text(line.text.to_owned()), range: line.range() });
    }
    let mut flow = Flow { text: line.text, base: line.at, pos: 0 };
    let node = flow.value(0, "")?;
    let rest = flow.text[flow.pos..].trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(node)
    } else {
        let start = line.at + flow.text.len() - rest.len();
        Err(Slip::new(
            start..start + rest.len(),
            "There is something behind the end of this value.",
            "Put quotes around the whole value, or remove what is behind it.",
        ))
    }
}

/// A reader of `[a, "b", {c: d}]` on one line.
struct Flow<'a> {
    text: &'a str,
    base: usize,
    pos: usize,
}

impl Flow<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.pos..].chars().next()
    }

    fn skip_spaces(&mut self) {
        self.pos += self.text[self.pos..].len() - self.text[self.pos..].trim_start().len();
    }

    fn slip(&self, from: usize, message: &str, help: &str) -> Slip {
        Slip::new(self.base + from..self.base + self.text.len(), message, help)
    }

    /// `stop` are the characters that end plain text here.
    fn value(&mut self, depth: usize, stop: &str) -> Result<Node, Slip> {
        self.skip_spaces();
        let from = self.pos;
        if depth > 3 {
            return Err(self.slip(from, "This is nested too deeply.", "Use lists of texts, or lists of `{key: value}`."));
        }
        let value = match self.peek() {
            Some('[') => Value::List(self.list(depth)?),
            Some('{') => Value::Map(self.map(depth)?),
            Some(quote @ ('"' | '\'')) => Value::Text(self.quoted(quote)?),
            _ => Value::Text(self.plain(stop).to_owned()),
        };
        let end = self.text[..self.pos].trim_end().len().max(from);
        Ok(Node { value, range: self.base + from..self.base + end })
    }

    fn plain(&mut self, stop: &str) -> &str {
        let rest = &self.text[self.pos..];
        let len = rest.find(|c| stop.contains(c)).unwrap_or(rest.len());
        self.pos += len;
        rest[..len].trim()
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Slip> {
        let open = self.pos;
        self.pos += 1;
        let mut nodes = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                Some(']') => {
                    self.pos += 1;
                    return Ok(nodes);
                }
                Some(',') => self.pos += 1,
                None => {
                    return Err(self.slip(
                        open,
                        "This list is not closed on its line.",
                        "End it with `]`, or write one `- ` line per entry.",
                    ));
                }
                Some(_) => {
                    nodes.push(self.value(depth + 1, ",]")?);
                    self.expect_end(']')?;
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Slip> {
        let open = self.pos;
        self.pos += 1;
        let mut entries = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                Some('}') => {
                    self.pos += 1;
                    return Ok(entries);
                }
                Some(',') => self.pos += 1,
                None => return Err(self.slip(open, "This `{` is not closed on its line.", "End it with `}`.")),
                Some(_) => {
                    let from = self.pos;
                    let key = match self.peek() {
                        Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                        _ => self.plain(":,}").to_owned(),
                    };
                    let at = self.base + from..self.base + self.pos;
                    self.skip_spaces();
                    if self.peek() != Some(':') || key.is_empty() {
                        return Err(self.slip(
                            from,
                            "A `key: value` is wanted between `{` and `}`.",
                            "Write for example `{file: pain.jpg, alt: Une miche}`.",
                        ));
                    }
                    self.pos += 1;
                    let node = self.value(depth + 1, ",}")?;
                    self.expect_end('}')?;
                    entries.push(Entry { key, at, node });
                }
            }
        }
    }

    fn expect_end(&mut self, close: char) -> Result<(), Slip> {
        self.skip_spaces();
        match self.peek() {
            None | Some(',') => Ok(()),
            Some(c) if c == close => Ok(()),
            Some(_) => Err(self.slip(self.pos, "A comma is missing before this.", "Separate entries with commas.")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Slip> {
        let open = self.pos;
        self.pos += 1;
        let mut out = String::new();
        while let Some(c) = self.peek() {
            self.pos += c.len_utf8();
            match c {
                '\'' if quote == '\'' && self.peek() == Some('\'') => {
                    self.pos += 1;
                    out.push('\'');
                }
                c if c == quote => return Ok(out),
                '\\' if quote == '"' => out.push(self.escape()?),
                c => out.push(c),
            }
        }
        Err(self.slip(open, "This quotation mark is not closed on its line.", "Close it at the end of the text."))
    }

    fn escape(&mut self) -> Result<char, Slip> {
        let from = self.pos - 1;
        let c = self.peek().unwrap_or_default();
        self.pos += self.peek().map_or(0, char::len_utf8);
        match c {
            'n' => Ok('\n'),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            '"' | '\\' | '/' | '\'' => Ok(c),
            'u' => {
                let hex = self.text[self.pos..].get(..4).and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32);
                self.pos += if hex.is_some() { 4 } else { 0 };
                hex.ok_or_else(|| self.slip(from, "This is not a character code.", "Write \\u and four hexadecimal digits."))
            }
            _ => Err(self.slip(from, "This backslash makes no sense here.", "Write \\\\ for a backslash, or use single quotes.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The value without its places.
    fn bare(node: &Node) -> String {
        match &node.value {
            Value::Text(t) => t.clone(),
            Value::List(l) => format!("[{}]", l.iter().map(bare).collect::<Vec<_>>().join("|")),
            Value::Map(m) => {
                format!("{{{}}}", m.iter().map(|e| format!("{}={}", e.key, bare(&e.node))).collect::<Vec<_>>().join("|"))
            }
        }
    }

    fn read(text: &str) -> Vec<String> {
        let front = parse(text);
        assert_eq!(front.slips, []);
        front.entries.iter().map(|e| format!("{}: {}", e.key, bare(&e.node))).collect()
    }

    #[test]
    fn both_kinds_say_the_same() {
        let wanted = [
            "title: L'été",
            "formats: [post|story]",
            "from: 2026-06-21",
            "weight: 2.5",
            "media: [{file=a.jpg|alt=Une miche, dorée}]",
        ];
        let toml = "+++\ntitle = \"L'été\"\nformats = [\"post\", \"story\"]\nfrom = 2026-06-21\nweight = 2.5\n\
                    media = [{ file = \"a.jpg\", alt = \"Une miche, dorée\" }]\n+++\nTexte";
        assert_eq!(read(toml), wanted);
        let yaml = "---\n# ce mois-ci\ntitle: L'été # la saison\nformats: [post, \"story\"]\nfrom: 2026-06-21\nweight: 2.5\n\
                    media:\n  - file: a.jpg\n    alt: \"Une miche, dorée\"\n---\nTexte";
        assert_eq!(read(yaml), wanted);
        assert_eq!(&yaml[parse(yaml).body..], "Texte");
    }

    #[test]
    fn every_form_of_the_subset_reads() {
        let text = "---\nempty:\nlist:\n- a\n- \"b: c\"\n- https://a.example/x\ntags: #noel #pain\nlink: https://a.example:80/x\n\
                    map:\n  a.jpg: Une miche\n  'b c.jpg': Deux\nflow: {file: a.jpg, alt: 'l''été'}\nmedia: [a.jpg | Une, b.jpg]\n\
                    quoted: \"a \\\"b\\\" \\u00e9\\n\" # ok\nnospace:3\n---\n";
        assert_eq!(
            read(text),
            [
                "empty: ",
                "list: [a|b: c|https://a.example/x]",
                "tags: #noel #pain",
                "link: https://a.example:80/x",
                "map: {a.jpg=Une miche|b c.jpg=Deux}",
                "flow: {file=a.jpg|alt=l'été}",
                "media: [a.jpg | Une|b.jpg]",
                "quoted: a \"b\" é\n",
                "nospace: 3"
            ]
        );
        assert_eq!(parse("Pas de clés.\n---\n"), Front::default());
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "---\ntitle: ok\njust words\nlist: [a, b\n  stray: 1\ntitle: again\nq: \"open\nx: \"a\" b\n---\nTexte\n";
        let front = parse(text);
        let told: Vec<&str> = front.slips.iter().map(|s| &text[s.range.clone()]).collect();
        assert_eq!(told, ["just words", "[a, b", "stray: 1", "title", "\"open", "b"]);
        assert_eq!(front.entries.len(), 1, "the good key is kept");
        let open = parse("---\ntitle: a\n");
        assert!(open.slips[0].message.contains("never closed"));
        let toml = "+++\ntitle = \"a\"\nweight = \n+++\n";
        assert!(parse(toml).slips[0].range.start >= toml.find("weight").expect("there"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,80}", lines in "[-+:#\\[\\]{}\"',a-z|é \n\\\\]{0,160}") {
            for text in [text.clone(), format!("---\n{lines}\n---\n{text}"), format!("+++\n{lines}\n+++\n"), lines] {
                let front = parse(&text);
                prop_assert!(text.get(front.body..).is_some());
                for slip in &front.slips {
                    prop_assert!(slip.range.start <= slip.range.end && slip.range.end <= text.len() + 1);
                }
                for entry in &front.entries {
                    prop_assert!(text.get(entry.at.clone()).is_some() && text.get(entry.node.range.clone()).is_some());
                }
            }
        }

        #[test]
        fn quoted_text_comes_back(value in "\\PC{0,40}") {
            let text = format!("---\nkey: {}\n---\n", serde_json::to_string(&value).expect("text is JSON"));
            prop_assert_eq!(read(&text), [format!("key: {value}")]);
        }
    }
}
