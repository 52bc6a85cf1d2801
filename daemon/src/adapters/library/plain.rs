//! Markdown as the plain text of a post: no marks of emphasis, links with their address, line breaks as written.
//!
//! In: Markdown. Out: text for a social network.
//! Never: loses words; HTML comments and pictures are the only things left out.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Turns Markdown into the text of a post.
pub fn plain_text(markdown: &str) -> String {
    let mut out = Text::default();
    // Each open link: where its text starts, and its address.
    let mut links: Vec<(usize, String)> = Vec::new();
    // Each open list: the next number, if it is a numbered one.
    let mut lists: Vec<Option<u64>> = Vec::new();
    let mut in_picture = 0;
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::Image { .. }) => in_picture += 1,
            Event::End(TagEnd::Image) => in_picture -= 1,
            _ if in_picture > 0 => {}
            Event::Start(Tag::Link { dest_url, .. }) => links.push((out.text.len(), dest_url.into_string())),
            Event::End(TagEnd::Link) => {
                if let Some((start, address)) = links.pop() {
                    out.address(start, &address);
                }
            }
            Event::Start(Tag::List(first)) => {
                out.end_block(if lists.is_empty() { 2 } else { 1 });
                lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                lists.pop();
                out.end_block(if lists.is_empty() { 2 } else { 1 });
            }
            Event::Start(Tag::Item) => {
                out.end_block(1);
                let depth = lists.len().saturating_sub(1);
                let mark = match lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number += 1;
                        mark
                    }
                    _ => "• ".to_owned(),
                };
                out.push(&"  ".repeat(depth));
                out.push(&mark);
                // Paragraphs right after the mark stay on its line.
                out.gap = 0;
            }
            Event::End(TagEnd::Item) => out.end_block(1),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::BlockQuote(_)) => {
                out.end_block(if lists.is_empty() { 2 } else { 1 });
            }
            Event::Rule => out.end_block(2),
            Event::SoftBreak | Event::HardBreak => out.line_break(),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => out.push(&text),
            // Tags go, the words between them are text events of their own, except inside a block of HTML.
            Event::Html(html) => out.push(&without_tags(&html)),
            Event::InlineHtml(html) if html.starts_with("<br") => out.line_break(),
            _ => {}
        }
    }
    out.text.truncate(out.text.trim_end().len());
    out.text
}

#[derive(Default)]
struct Text {
    text: String,
    /// Line ends owed before the next word.
    gap: usize,
}

impl Text {
    fn push(&mut self, words: &str) {
        if words.is_empty() {
            return;
        }
        if self.gap > 0 && !self.text.is_empty() {
            let there = self.text.len() - self.text.trim_end_matches('\n').len();
            self.text.push_str(&"\n".repeat(self.gap.saturating_sub(there)));
        }
        self.gap = 0;
        self.text.push_str(words);
    }

    fn end_block(&mut self, gap: usize) {
        self.gap = self.gap.max(gap);
    }

    fn line_break(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    /// Writes the address behind a link's text, unless the text is the address.
    fn address(&mut self, start: usize, address: &str) {
        let shown = self.text.get(start..).unwrap_or_default().trim();
        let bare = |t: &str| {
            let t = t.trim_start_matches("mailto:").trim_start_matches("https://").trim_start_matches("http://");
            t.trim_end_matches('/').to_owned()
        };
        if address.is_empty() || address.starts_with('#') || bare(shown) == bare(address) {
            return;
        }
        let space = if shown.is_empty() { "" } else { " " };
        let line = format!("{space}{}", address.trim_start_matches("mailto:"));
        self.push(&line);
    }
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let tail = &rest[open..];
        let end = if tail.starts_with("<!--") { tail.find("-->").map(|at| at + 3) } else { tail.find('>').map(|at| at + 1) };
        rest = end.map_or("", |at| &tail[at..]);
    }
    out.push_str(rest);
    // A line that held nothing but tags is no line of the text.
    if out.trim().is_empty() { String::new() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_go_and_words_stay() {
        for (markdown, plain) in [
            ("Le **pain** du *jour* et le _bon_ ~~vieux~~ `levain`", "Le pain du jour et le bon vieux levain"),
            ("[Notre carte](https://a.example/carte) ici", "Notre carte https://a.example/carte ici"),
            ("<https://a.example>", "https://a.example"),
            ("[a.example](https://a.example/)", "a.example"),
            ("[Écrivez](mailto:b@a.example)", "Écrivez b@a.example"),
            ("Une ligne\nune autre  \net encore 🥐", "Une ligne\nune autre\net encore 🥐"),
            ("Un.\n\n\n\nDeux.", "Un.\n\nDeux."),
            ("# Titre\nTexte", "Titre\n\nTexte"),
            ("Voici :\n\n- pain\n- tarte\n  - fine\n\nFin", "Voici :\n\n• pain\n• tarte\n  • fine\n\nFin"),
            ("1. un\n2. deux", "1. un\n2. deux"),
            ("#noel #pain", "#noel #pain"),
            ("un_mot_rare et 5 * 3 * 2 = 30", "un_mot_rare et 5 * 3 * 2 = 30"),
            ("5 \\* 3 &amp; <b>gras</b><br>suite <3", "5 * 3 & gras\nsuite <3"),
            ("![Une miche](pain.jpg)Texte", "Texte"),
            ("<!-- pour nous -->\nTexte", "Texte"),
            ("> Le meilleur pain !\n> — Anne", "Le meilleur pain !\n— Anne"),
            ("Un\n\n---\n\nDeux", "Un\n\nDeux"),
            ("", ""),
        ] {
            assert_eq!(plain_text(markdown), plain, "{markdown}");
        }
    }

    proptest! {
        #[test]
        fn any_markdown_becomes_text(markdown in "[-#*_~`\\[\\]()<>!a-zé1. \n&;\\\\]{0,120}") {
            let text = plain_text(&markdown);
            prop_assert!(!text.contains("\n\n\n") || markdown.contains("```") || markdown.contains("    ") || markdown.contains('<'), "{:?}", text);
        }

        #[test]
        fn plain_sentences_are_left_alone(text in "[a-zéàç,;!?' ]{1,60}") {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(plain_text(&text), text);
        }
    }
}
