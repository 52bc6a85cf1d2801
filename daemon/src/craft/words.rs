//! What a text says, how alike two texts are, and how to bring a text into the form a network wants.
//!
//! In: texts in French, English or both at once. Out: stems, likeness, texts that fit.
//! Never: cuts a grapheme, an address or a hashtag; never fails on any text.

pub use crate::craft::markup::plain;
use crate::domain::Language;
use crate::problem::did_you_mean;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Words that carry no topic in French. Folded: no case, no accents, no apostrophes.
const STOP_FR: &str = "le la les un une des du de au aux a et ou ni mais donc or car que qui quoi dont quand comme si ne pas plus moins \
    tres trop peu bien tout tous toute toutes autre autres meme memes ce cet cette ces ceci cela ca c l d j m t s n qu \
    je tu il elle on nous vous ils elles me te se lui leur leurs eux moi toi soi y en mon ma mes ton ta tes son sa ses notre nos votre vos \
    quel quelle quels quelles quelque quelques chaque aucun aucune plusieurs \
    est sont etait etaient ete etre suis es sommes etes sera seront serait fut soit ai as avons avez ont avait avaient avoir aura auront eu \
    fait faire font fera peut peuvent pouvoir doit doivent va vont aller vient \
    dans par pour sur sous avec sans chez vers entre depuis pendant apres avant contre selon jusque jusqu jusqua lors lorsque lorsqu puis puisque \
    puisqu parce afin ainsi alors aussi encore deja jamais toujours souvent ici la-bas voici voila oui non aujourdhui hier demain maintenant \
    comment pourquoi combien mieux vraiment seulement notamment hors via cest nest jai";

/// Words that carry no topic in English.
const STOP_EN: &str = "the a an and or nor but so if then else of to in on at by for from with without into onto over under about after before \
    between during since until against as is are was were be been being am do does did doing done have has had having will would shall should \
    can could may might must not no yes it its i you he she we they me him her us them my your his our their mine yours this that these those \
    there here who whom whose which what when where why how all any both each few more most other others some such only own same than too very \
    just also again ever never always often now today yesterday tomorrow up down out off again once dont doesnt didnt isnt arent wasnt cant wont \
    im ive youre were theyre lets get gets got make makes made";

/// Words whose last letter looks like a plural and is not one.
const SINGULAR: &str = "arras repas bras cas bas gras ananas temps corps pays cours concours parcours secours discours velours ours mars alors \
    jus plus dessous dessus mois fois bois lens reims amiens tours cannes nantes rennes vannes limoges bruges sens univers envers divers vers \
    lilas canvas christmas atlas news always series species paris palais francais anglais frais";

static FRENCH: LazyLock<HashSet<&'static str>> = LazyLock::new(|| STOP_FR.split_whitespace().collect());
static ENGLISH: LazyLock<HashSet<&'static str>> = LazyLock::new(|| STOP_EN.split_whitespace().collect());
static KEEP: LazyLock<HashSet<&'static str>> = LazyLock::new(|| SINGULAR.split_whitespace().collect());

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Folded and without its plural.
    pub stem: String,
    /// Where it stands, in bytes, without an elided article.
    pub range: Range<usize>,
    /// It carries no topic.
    pub stop: bool,
}

/// Case, accents and ligatures removed: `Œufs à l’été` becomes `oeufs a l'ete`.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)) {
        match letter {
            '’' | 'ʼ' | '‘' => out.push('\''),
            'œ' | 'Œ' => out.push_str("oe"),
            'æ' | 'Æ' => out.push_str("ae"),
            'ß' => out.push_str("ss"),
            other => out.extend(other.to_lowercase()),
        }
    }
    out
}

/// A folded word without the ending of its plural. The same for singular and plural, and still readable.
pub fn stem(word: &str, language: Option<Language>) -> String {
    let letters = word.chars().count();
    if letters < 4 || KEEP.contains(word) || !word.is_ascii() {
        return word.to_owned();
    }
    let cut = |ending: &str, instead: &str| word.strip_suffix(ending).map(|start| format!("{start}{instead}"));
    let english = language == Some(Language::En);
    let changed = if english && letters > 4 {
        cut("ies", "y").or_else(|| {
            let hissing = ["ches", "shes", "xes", "sses", "zzes"].iter().any(|ending| word.ends_with(ending));
            let french = ["brioches", "quiches", "niches", "caches", "creches", "avalanches"].contains(&word);
            (hissing && !french).then(|| word[..word.len() - 2].to_owned())
        })
    } else if language.is_none() && letters > 4 {
        // Both languages at once: "bakery", "bakeries" and "boulangerie", "boulangeries" must each meet.
        word.strip_suffix('y').filter(|start| !start.ends_with(['a', 'e', 'i', 'o', 'u'])).map(|start| format!("{start}ie"))
    } else {
        None
    };
    changed
        .or_else(|| ["eaux", "oux", "eux", "yaux"].iter().any(|e| word.ends_with(e)).then(|| word[..word.len() - 1].to_owned()))
        .or_else(|| if letters > 5 { cut("aux", "al") } else { None })
        .or_else(|| {
            let plural = word.ends_with('s') && !["ss", "us", "is"].iter().any(|e| word.ends_with(e));
            plural.then(|| word[..word.len() - 1].to_owned())
        })
        .unwrap_or_else(|| word.to_owned())
}

/// Every word of a text in order, stop words included and marked; addresses are left out.
pub fn tokens(text: &str, language: Option<Language>) -> Vec<Token> {
    let mut out = Vec::new();
    for (start, chunk) in chunks(text) {
        let address = link_in(chunk);
        for (at, word) in chunk.unicode_word_indices() {
            if address.as_ref().is_some_and(|a| at < a.end && at + word.len() > a.start) {
                continue;
            }
            if let Some((stem, range, stop)) = read_word(word, language) {
                out.push(Token { stem, range: start + at + range.start..start + at + range.end, stop });
            }
        }
    }
    out
}

fn read_word(word: &str, language: Option<Language>) -> Option<(String, Range<usize>, bool)> {
    const ELIDED: [&str; 15] =
        ["l", "d", "j", "m", "t", "s", "n", "c", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "presqu", "quelqu"];
    let apostrophe = |c: char| matches!(c, '\'' | '’' | '‘' | 'ʼ');
    let mut range = 0..word.len();
    let mut elided = false;
    if let Some((at, sign)) = word.char_indices().find(|(_, c)| apostrophe(*c))
        && at + sign.len_utf8() < word.len()
        && ELIDED.contains(&fold(&word[..at]).as_str())
    {
        range.start = at + sign.len_utf8();
        elided = true;
    }
    // The English possessive: "baker's".
    if let Some((at, sign)) = word[range.clone()].char_indices().rev().find(|(_, c)| apostrophe(*c)) {
        let at = range.start + at;
        if at > range.start && matches!(&word[at + sign.len_utf8()..], "s" | "S") {
            range.end = at;
        }
    }
    let mut folded = fold(&word[range.clone()]);
    folded.retain(|c| c != '\'');
    let mut letters = folded.chars();
    let first = letters.next()?;
    let lone = letters.next().is_none() && first.is_ascii_alphabetic();
    // "a été" says nothing, "l'été" is a season.
    let summer = elided && folded == "ete";
    let listed = match language {
        Some(Language::Fr) => FRENCH.contains(folded.as_str()),
        Some(Language::En) => ENGLISH.contains(folded.as_str()),
        None => FRENCH.contains(folded.as_str()) || ENGLISH.contains(folded.as_str()),
    };
    let stop = lone || (listed && !summer);
    let stem = if stop { folded } else { stem(&folded, language) };
    Some((stem, range, stop))
}

/// The words that carry the topic of a text, in order, folded and without plurals. Without a language, both are assumed.
pub fn content_words(text: &str, language: Option<Language>) -> Vec<String> {
    tokens(text, language).into_iter().filter(|t| !t.stop).map(|t| t.stem).collect()
}

/// A text prepared for many comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    words: BTreeSet<String>,
    /// Letters that follow each other, sorted, each as often as it occurs.
    pairs: Vec<(char, char)>,
}

impl Gist {
    /// Fewer different words than this on either side, and pairs of letters are compared instead.
    const FEW_WORDS: usize = 4;

    /// Prepares a text.
    pub fn of(text: &str) -> Self {
        Self::of_tokens(text, &tokens(text, None))
    }

    /// The same, when the text was read already, in both languages.
    pub fn of_tokens(text: &str, tokens: &[Token]) -> Self {
        let words: BTreeSet<String> = tokens.iter().filter(|t| !t.stop).map(|t| t.stem.clone()).collect();
        let mut pairs = Vec::new();
        // Long texts are never compared by letters; their pairs would only cost memory.
        if words.len() < 4 * Self::FEW_WORDS {
            let letters: Vec<char> = fold(text).chars().filter(|c| c.is_alphanumeric()).collect();
            match letters.as_slice() {
                [] => {}
                [one] => pairs.push((*one, ' ')),
                more => pairs.extend(more.windows(2).map(|w| (w[0], w[1]))),
            }
            pairs.sort_unstable();
        }
        Self { words, pairs }
    }

    /// The different words, sorted.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// From 0 (nothing in common) to 1 (says the same).
    pub fn similarity(&self, other: &Self) -> f64 {
        self.similarity_given(other, self.words.intersection(&other.words).count())
    }

    /// The same, when the number of common words is known already.
    pub fn similarity_given(&self, other: &Self, common: usize) -> f64 {
        let few = self.words.len().min(other.words.len()) < Self::FEW_WORDS;
        if few && !self.pairs.is_empty() && !other.pairs.is_empty() {
            let mut theirs = other.pairs.iter().peekable();
            let mut common = 0_usize;
            for pair in &self.pairs {
                while theirs.next_if(|other| *other < pair).is_some() {}
                common += usize::from(theirs.next_if_eq(&pair).is_some());
            }
            return 2.0 * common as f64 / (self.pairs.len() + other.pairs.len()) as f64;
        }
        let all = self.words.len() + other.words.len() - common;
        if all == 0 { 0.0 } else { common as f64 / all as f64 }
    }
}

/// How alike two texts are, from 0 to 1: the share of common content words, or of letter pairs in very short texts.
pub fn similar(a: &str, b: &str) -> f64 {
    if a == b { 1.0 } else { Gist::of(a).similarity(&Gist::of(b)) }
}

/// Cuts a text to at most `max` characters at the end of a word and marks the cut with `…`.
pub fn fit(text: &str, max: usize) -> String {
    fit_by(text, max, |t| t.chars().count())
}

/// The same, with characters counted as the network counts them: see [`count`].
pub fn fit_for(text: &str, max: usize, network: &str) -> String {
    fit_by(text, max, |t| count(t, network))
}

fn fit_by(text: &str, max: usize, measure: impl Fn(&str) -> usize) -> String {
    if measure(text) <= max {
        return text.to_owned();
    }
    let loose = |c: char| c.is_whitespace() || ",;:.…–—-([«\"“/&+".contains(c);
    let words: Vec<Range<usize>> =
        chunks(text).filter(|(_, chunk)| !chunk.chars().all(loose)).map(|(at, chunk)| at..at + chunk.len()).collect();
    let cut_after = |word: &Range<usize>| -> String {
        if whole_or_nothing(&text[word.clone()]) {
            // Without the space, the mark would become part of the address or hashtag.
            return format!("{} …", &text[..word.end]);
        }
        format!("{}…", text[..word.end].trim_end_matches(loose))
    };
    let mut kept = words.partition_point(|word| measure(&cut_after(word)) <= max);
    // Trimmed ends make lengths uneven by a few characters; this makes sure of the limit.
    while kept > 0 && measure(&cut_after(&words[kept - 1])) > max {
        kept -= 1;
    }
    let at_word = if kept > 0 { cut_after(&words[kept - 1]) } else { "…".to_owned() };
    // One endless word (or a script without spaces) is cut between graphemes rather than lost.
    let endless = |next: &&Range<usize>| {
        !whole_or_nothing(&text[(*next).clone()])
            && (kept == 0 || (measure(&at_word) * 2 < max && measure(&text[(*next).clone()]) > 30))
    };
    if let Some(next) = words.get(kept).filter(endless) {
        let ends: Vec<usize> = text[next.clone()].grapheme_indices(true).map(|(at, g)| next.start + at + g.len()).collect();
        let cut_at = |end: usize| format!("{}…", text[..end].trim_end());
        let mut fits = ends.partition_point(|end| measure(&cut_at(*end)) <= max);
        while fits > 0 && measure(&cut_at(ends[fits - 1])) > max {
            fits -= 1;
        }
        if fits > 0 {
            return cut_at(ends[fits - 1]);
        }
    }
    if measure(&at_word) <= max { at_word } else { String::new() }
}

/// An address, a hashtag, a mention or a number with decimals: half of it would mislead.
fn whole_or_nothing(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    word.contains(['#', '@'])
        || link_in(word).is_some()
        || letters.windows(3).any(|w| matches!(w[1], '.' | ',' | '/') && w[0].is_alphanumeric() && w[2].is_alphanumeric())
}

/// How many characters a network sees: addresses count 23 on X and Mastodon, wide letters and emoji count double on X,
/// Bluesky counts what the eye sees, the others count characters.
pub fn count(text: &str, network: &str) -> usize {
    match network.to_ascii_lowercase().as_str() {
        "x" | "twitter" => {
            let text: String = text.nfc().collect();
            with_links(&text, 23, |part| part.graphemes(true).map(weight_on_x).sum())
        }
        "mastodon" => with_links(text, 23, |part| part.graphemes(true).count()),
        "bluesky" => text.graphemes(true).count(),
        _ => text.chars().count(),
    }
}

fn with_links(text: &str, link: usize, measure: impl Fn(&str) -> usize) -> usize {
    let mut total = 0;
    let mut from = 0;
    for (start, chunk) in chunks(text) {
        if let Some(range) = link_in(chunk) {
            total += measure(&text[from..start + range.start]) + link;
            from = start + range.end;
        }
    }
    total + measure(&text[from..])
}

fn weight_on_x(grapheme: &str) -> usize {
    if grapheme.chars().any(|c| u32::from(c) >= 0x1_F000 || c == '\u{fe0f}') {
        return 2;
    }
    let narrow = |c: u32| matches!(c, 0..=4351 | 8192..=8205 | 8208..=8223 | 8242..=8247);
    grapheme.chars().map(|c| if narrow(u32::from(c)) { 1 } else { 2 }).sum()
}

/// Pieces between breaking spaces, with their place. Unbreakable spaces hold a piece together.
fn chunks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(|c: char| c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{202f}')).map(move |chunk| {
        let start = at;
        at += chunk.len();
        // The separator itself may be one to three bytes long.
        at += text[at..].chars().next().map_or(0, char::len_utf8);
        (start, chunk)
    })
}

/// Where an address lies in a piece without spaces: with a scheme, or a plain domain under a common ending.
fn link_in(chunk: &str) -> Option<Range<usize>> {
    const ENDINGS: [&str; 24] = [
        "fr", "com", "net", "org", "eu", "be", "ch", "lu", "de", "uk", "io", "info", "shop", "bio", "paris", "bzh", "co", "app",
        "me", "ca", "es", "it", "nl", "gl",
    ];
    let closing = |c: char| ".,;:!?)]}»\"'’…".contains(c);
    // Whatever follows has one of them.
    if !chunk.contains([':', '.']) {
        return None;
    }
    let lower = chunk.to_ascii_lowercase();
    let start = lower.find("https://").or_else(|| lower.find("http://")).or_else(|| lower.find("www."));
    if let Some(start) = start {
        let end = chunk.trim_end_matches(closing).len();
        return (end > start).then_some(start..end);
    }
    let inner = lower.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = lower.len() - inner.len();
    let end = lower.trim_end_matches(closing).len();
    if end <= start || lower[start..end].contains('@') {
        return None;
    }
    let host = lower[start..end].split(['/', '?', '#']).next().unwrap_or_default();
    let (name, ending) = host.rsplit_once('.')?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    (plain && ENDINGS.contains(&ending)).then_some(start..end)
}

/// Lower-case letters and digits with dashes between, at most 80 bytes: `Pains & brioches` becomes `pains-brioches`.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for part in fold(text).split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()) {
        if out.len() + part.len() + 1 > 80 {
            if out.is_empty() {
                out.extend(part.chars().take(20));
            }
            break;
        }
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(part);
    }
    out
}

/// Hashtags from words, each in CamelCase with its accents: `pain d’épices` becomes `#PainDÉpices`.
pub fn tags(words: &[String]) -> String {
    let mut seen = BTreeSet::new();
    let mut out: Vec<String> = Vec::new();
    for word in words {
        let word: String = word.nfc().collect();
        let mut tag = String::from("#");
        for part in word.split(|c: char| !c.is_alphanumeric() && c != '_') {
            let mut letters = part.chars();
            if let Some(first) = letters.next() {
                tag.extend(first.to_uppercase());
                tag.push_str(letters.as_str());
            }
        }
        // Networks do not make a link of a hashtag without a letter.
        if tag.chars().any(char::is_alphabetic) && seen.insert(fold(&tag)) {
            out.push(tag);
        }
    }
    out.join(" ")
}

/// Why a template could not be filled: a sentence that says what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfilled(pub String);

/// Replaces each `{name}` by its value; `{{` and `}}` stand for the braces themselves.
///
/// # Errors
/// A sentence about the first name that has no value or the brace that is not closed.
pub fn fill(template: &str, values: &BTreeMap<String, String>) -> Result<String, Unfilled> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
        } else if brace == "}" {
            out.push('}');
        } else {
            let Some(end) = rest.find(['{', '}']).filter(|end| rest[*end..].starts_with('}')) else {
                let start = fit(rest.lines().next().unwrap_or_default(), 30);
                return Err(Unfilled(format!(
                    "The brace before \"{start}\" is not closed. Close it, or write {{{{ for a brace that stays."
                )));
            };
            let name = rest[..end].trim();
            let value = values.get(name).ok_or_else(|| unknown(name, values))?;
            out.push_str(value);
            rest = &rest[end + 1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn unknown(name: &str, values: &BTreeMap<String, String>) -> Unfilled {
    if values.is_empty() {
        return Unfilled(format!("The template asks for {{{name}}}, and no values were given. Give it a value, or remove it."));
    }
    let known: Vec<String> = values.keys().map(|k| format!("{{{k}}}")).collect();
    let hint =
        did_you_mean(name, values.keys().map(String::as_str)).map(|k| format!(" Did you mean {{{k}}}?")).unwrap_or_default();
    Unfilled(format!("The template asks for {{{name}}}, which has no value.{hint} There are: {}.", known.join(", ")))
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
