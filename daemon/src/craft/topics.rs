//! What people write about more than usual.
//!
//! In: what the feeds brought, the business's words, a window and the time before it. Out: topics, best first, each with
//! its reason and the signals it rests on.
//! Never: counts a reworded copy twice, names a topic the business avoids, or depends on the order of its input.

use crate::craft::show;
use crate::craft::words::{self, Gist, Token};
use crate::domain::{Language, Timestamp};
use crate::kinds::Signal;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// A signal with where and when it was read.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// What was read.
    pub signal: &'a Signal,
    /// The feed's name: one feed is one source.
    pub feed: &'a str,
    /// The feed's class: `sector`, `competitor`, `town` or another word of the owner's.
    pub topic: &'a str,
    /// How much the feed counts, 1.0 when not said.
    pub weight: f64,
    /// When it was first read.
    pub seen: Timestamp,
}

impl Sighting<'_> {
    /// When it appeared: as published, but never after it was read.
    pub fn at(&self) -> Timestamp {
        self.signal.published.map_or(self.seen, |published| published.min(self.seen))
    }
}

/// The question: what rises now, for this business?
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// Everything read in the window and the baseline before it, in any order; what lies outside both is ignored.
    pub sightings: &'a [Sighting<'a>],
    /// The end of the window.
    pub now: Timestamp,
    /// The length of the window.
    pub window: Duration,
    /// How far before the window usual counts are taken.
    pub baseline: Duration,
    /// Words that say what the business is about.
    pub words: &'a [String],
    /// Its town, may be empty.
    pub town: &'a str,
    /// Words that exclude a signal and every topic with them.
    pub avoid: &'a [String],
    /// The language of the reasons.
    pub language: Language,
    /// A topic needs at least this many feeds.
    pub min_sources: usize,
    /// At most this many topics.
    pub limit: usize,
}

/// A topic that rises.
#[derive(Debug, Clone, PartialEq)]
pub struct Rising {
    /// The same for the same topic from day to day.
    pub key: String,
    /// As people write it.
    pub label: String,
    /// Higher is more; comparable within one answer only.
    pub score: f64,
    /// Different stories in the window; copies and rewordings count once.
    pub count: usize,
    /// Different feeds.
    pub sources: usize,
    /// Stories to expect in such a window; `None` when there is not enough history to say.
    pub baseline: Option<f64>,
    /// How near to the business's words, from 0 to 1.
    pub relevance: f64,
    /// One sentence that says why it is here.
    pub why: String,
    /// Positions in the sightings, newest first.
    pub signals: Vec<usize>,
}

/// Titles at least this alike tell the same story.
const SAME_STORY: f64 = 0.6;
/// A mention in a summary counts this much of a mention in a title.
const IN_SUMMARY: f64 = 0.4;
/// Only the beginning of a summary is read: what a text is about comes first.
const SUMMARY_CHARS: usize = 400;
/// Below this surprise, a count is within what chance brings.
const SURPRISE: f64 = 1.0;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Words between two others that make one expression of them: "pain au chocolat".
const LINKS: [&str; 12] = ["de", "du", "des", "la", "le", "les", "au", "aux", "a", "en", "of", "the"];
/// Words too general to be a topic alone.
const GENERAL: &str = "nouveau nouvelle new grand grande petit petite premier premiere first dernier derniere last jour journee day semaine week \
    mois month annee year heure hour an ans euro euros million millier ville city france francais francaise pays country monde world gens people \
    photo video direct live actu info news article suite fin debut cas fois chose vie place prix the top retour projet personne habitant \
    lundi mardi mercredi jeudi vendredi samedi dimanche janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre \
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december";

/// One sighting, read.
struct Read<'a> {
    /// Its position in the question.
    index: usize,
    sighting: &'a Sighting<'a>,
    gist: Gist,
    grams: Vec<Gram>,
    relevance: f64,
    /// Which of the business's words it mentions, by their position; the town comes after the last.
    mentions: Vec<usize>,
}

/// A word or pair of words in a text.
struct Gram {
    stems: String,
    /// As it stands in the text.
    surface: String,
    title: bool,
    /// At the beginning of the text, where a capital says nothing.
    first: bool,
}

/// Stories that mention a topic, and the weights of their strongest mentions.
#[derive(Default, Clone, Copy)]
struct Mentions {
    stories: usize,
    weight: f64,
}

/// A topic that might rise.
#[derive(Default)]
struct Candidate {
    /// Weight of the strongest mention, by story.
    stories: BTreeMap<usize, f64>,
    sources: BTreeSet<String>,
    /// Positions among the reads of the window.
    reads: BTreeSet<usize>,
    /// Surface: how often, and how often not at the beginning.
    forms: BTreeMap<String, (usize, usize)>,
    in_title: bool,
    /// In the whole baseline.
    before: Mentions,
    /// In the windows of the weeks before on the same weekday and at the same hours.
    same_time: Mentions,
}

/// The topics that rise, best first; ties are in the order of their keys.
pub fn rising(inquiry: &Inquiry<'_>) -> Vec<Rising> {
    let lexicon = Lexicon::of(inquiry);
    let start = inquiry.now.minus(inquiry.window);
    let oldest = start.minus(inquiry.baseline);
    let mut order: Vec<usize> = (0..inquiry.sightings.len()).collect();
    // From here on, everything follows this order, so the order of the input is of no consequence.
    order.sort_by_key(|i| {
        let s = &inquiry.sightings[*i];
        (Reverse(s.at()), s.feed, &s.signal.id, &s.signal.title, &s.signal.summary)
    });
    let mut window = Vec::new();
    let mut before = Vec::new();
    for index in order {
        let at = inquiry.sightings[index].at();
        let list = if at > inquiry.now || at < oldest {
            continue;
        } else if at >= start {
            &mut window
        } else {
            &mut before
        };
        list.extend(lexicon.read(index, &inquiry.sightings[index]));
    }
    let mut candidates = collect(&window);
    candidates
        .retain(|_, c| c.in_title && (c.stories.len() >= 2 || c.sources.len() >= 2) && c.sources.len() >= inquiry.min_sources);
    pairs_beat_words(&mut candidates);
    let history = History::of(inquiry, start, &before);
    if let Some(history) = &history {
        history.count(&mut candidates, inquiry, start, &before);
    }
    let mut ranked: Vec<(Rising, String, BTreeSet<usize>)> = candidates
        .iter()
        .filter(|(stems, _)| !lexicon.is_town(stems))
        .filter_map(|(stems, candidate)| {
            let topic = weigh(inquiry, &lexicon, history.as_ref(), stems, candidate, &window)?;
            Some((topic, stems.clone(), candidate.stories.keys().copied().collect()))
        })
        .collect();
    ranked.sort_by(|a, b| b.0.score.total_cmp(&a.0.score).then_with(|| a.0.key.cmp(&b.0.key)));
    let mut kept: Vec<(Rising, String, BTreeSet<usize>)> = Vec::new();
    for candidate in ranked {
        if kept.len() == inquiry.limit {
            break;
        }
        if !kept.iter().any(|other| same_topic(&candidate, other)) {
            kept.push(candidate);
        }
    }
    kept.into_iter().map(|(topic, _, _)| topic).collect()
}

/// What the business's words mean for a text.
struct Lexicon {
    /// Stems of each word or expression of the business; the town comes last.
    words: Vec<Vec<String>>,
    /// As the owner wrote them.
    written: Vec<String>,
    avoid: Vec<Vec<String>>,
    town: Vec<String>,
    general: BTreeSet<String>,
}

impl Lexicon {
    fn of(inquiry: &Inquiry<'_>) -> Self {
        let town = words::content_words(inquiry.town, None);
        let mut written: Vec<String> = inquiry.words.iter().map(|w| w.trim().to_owned()).collect();
        let mut stems: Vec<Vec<String>> = written.iter().map(|w| words::content_words(w, None)).collect();
        stems.push(town.clone());
        written.push(inquiry.town.trim().to_owned());
        // What is avoided may consist of stop words, so they count here.
        let avoid = inquiry.avoid.iter().map(|w| all_stems(&words::tokens(w, None))).filter(|stems| !stems.is_empty()).collect();
        Self { words: stems, written, avoid, town, general: GENERAL.split_whitespace().map(|w| words::stem(w, None)).collect() }
    }

    /// Reads a sighting; `None` when the business avoids what it says.
    fn read<'a>(&self, index: usize, sighting: &'a Sighting<'a>) -> Option<Read<'a>> {
        let title = &sighting.signal.title;
        let summary: String = sighting.signal.summary.chars().take(SUMMARY_CHARS).collect();
        let (in_title, in_summary) = (words::tokens(title, None), words::tokens(&summary, None));
        for stems in [all_stems(&in_title), all_stems(&in_summary)] {
            if self.avoid.iter().any(|avoid| stems.windows(avoid.len()).any(|w| w == avoid.as_slice())) {
                return None;
            }
        }
        let content: Vec<&str> = in_title.iter().chain(&in_summary).filter(|t| !t.stop).map(|t| t.stem.as_str()).collect();
        let mentions: Vec<usize> = (0..self.words.len()).filter(|i| mentions(&content, &self.words[*i])).collect();
        // A feed that was chosen for its subject says something even when it uses none of the words.
        let class: f64 = if sighting.topic.is_empty() { 0.0 } else { 0.3 };
        let word = mentions.iter().map(|i| if *i + 1 == self.words.len() { 0.7 } else { 1.0 }).fold(0.0, f64::max);
        let mut grams = Vec::new();
        self.grams(title, &in_title, true, &mut grams);
        self.grams(&summary, &in_summary, false, &mut grams);
        Some(Read { index, sighting, gist: Gist::of_tokens(title, &in_title), grams, relevance: class.max(word), mentions })
    }

    fn grams(&self, text: &str, tokens: &[Token], title: bool, out: &mut Vec<Gram>) {
        let mut last: Option<&Token> = None;
        let mut links = 0;
        for (at, token) in tokens.iter().enumerate() {
            if token.stop {
                // Anything but a few linking words ends an expression.
                links += 1;
                if links > 2 || !LINKS.contains(&token.stem.as_str()) {
                    last = None;
                }
                continue;
            }
            let topical = token.stem.chars().any(char::is_alphabetic) && token.stem.chars().count() >= 2;
            if topical && token.stem.chars().count() >= 3 && !self.general.contains(&token.stem) {
                out.push(Gram {
                    stems: token.stem.clone(),
                    surface: text[token.range.clone()].to_owned(),
                    title,
                    first: at == 0,
                });
            }
            if let Some(before) = last.filter(|b| topical && b.stem != token.stem) {
                let gap = &text[before.range.end..token.range.start];
                if !gap.contains(|c: char| !(c.is_alphabetic() || c == ' ' || "\u{a0}-'’".contains(c))) {
                    out.push(Gram {
                        stems: format!("{} {}", before.stem, token.stem),
                        surface: text[before.range.start..token.range.end].to_owned(),
                        title,
                        first: before.range.start == tokens[0].range.start,
                    });
                }
            }
            last = topical.then_some(token);
            links = 0;
        }
    }

    /// The town alone is where everything happens, and no topic.
    fn is_town(&self, stems: &str) -> bool {
        stems.split(' ').all(|stem| self.town.iter().any(|t| t == stem))
    }

    /// How directly a topic is one of the business's words.
    fn direct(&self, stems: &str) -> f64 {
        let stems: Vec<&str> = stems.split(' ').collect();
        let (town, own) = self.words.split_last().expect("the town is always there, if only as an empty list");
        match (own.iter().any(|word| mentions(&stems, word)), mentions(&stems, town)) {
            (true, _) => 1.0,
            (false, true) => 0.7,
            (false, false) => 0.0,
        }
    }
}

fn all_stems(tokens: &[Token]) -> Vec<String> {
    // A stop word keeps its plural; here "les morts" and "mort" must still meet.
    tokens.iter().map(|t| words::stem(&t.stem, None)).collect()
}

/// Whether all the stems of an expression are there. A long word also meets its derivations: "boulanger", "boulangerie".
fn mentions(content: &[&str], expression: &[String]) -> bool {
    match expression {
        [] => false,
        [word] => content.iter().any(|other| {
            let (short, long) = if word.len() <= other.len() { (word.as_str(), *other) } else { (*other, word.as_str()) };
            short == long || (short.len() >= 6 && long.starts_with(short) && long.len() - short.len() <= 4)
        }),
        several => several.iter().all(|word| content.contains(&word.as_str())),
    }
}

/// Gives each read the number of its story: rewordings and copies share one.
fn stories(reads: &[&Read<'_>]) -> Vec<usize> {
    let mut groups = Groups((0..reads.len()).collect());
    let mut by_word: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_url: HashMap<&str, usize> = HashMap::new();
    let mut shared = vec![0_usize; reads.len()];
    for (at, read) in reads.iter().enumerate() {
        if let Some(url) = read.sighting.signal.url.as_deref().filter(|url| !url.is_empty()) {
            groups.join(*by_url.entry(url).or_insert(at), at);
        }
        let mut touched = Vec::new();
        for word in read.gist.words() {
            let others = by_word.entry(word).or_default();
            for other in others.iter() {
                if shared[*other] == 0 {
                    touched.push(*other);
                }
                shared[*other] += 1;
            }
            others.push(at);
        }
        for other in touched {
            // One comparison for each story, not for each copy of it that is there already.
            if groups.of(other) != groups.of(at) && read.gist.similarity_given(&reads[other].gist, shared[other]) >= SAME_STORY {
                groups.join(other, at);
            }
            shared[other] = 0;
        }
    }
    (0..reads.len()).map(|at| groups.of(at)).collect()
}

/// Which of some things belong together: each points at an earlier one of its group, the first at itself.
struct Groups(Vec<usize>);

impl Groups {
    /// The first of a thing's group.
    fn of(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// All words and pairs of the window with the stories that mention them.
fn collect(window: &[Read<'_>]) -> BTreeMap<String, Candidate> {
    let numbers = stories(&window.iter().collect::<Vec<_>>());
    let mut candidates: BTreeMap<String, Candidate> = BTreeMap::new();
    for (at, read) in window.iter().enumerate() {
        for gram in &read.grams {
            let candidate = candidates.entry(gram.stems.clone()).or_default();
            let weight = mention_weight(read.sighting, gram.title);
            let strongest = candidate.stories.entry(numbers[at]).or_insert(weight);
            *strongest = strongest.max(weight);
            candidate.sources.insert(read.sighting.feed.to_owned());
            candidate.reads.insert(at);
            candidate.in_title |= gram.title;
            let form = candidate.forms.entry(gram.surface.split_whitespace().collect::<Vec<_>>().join(" ")).or_default();
            form.0 += 1;
            form.1 += usize::from(!gram.first);
        }
    }
    candidates
}

fn mention_weight(sighting: &Sighting<'_>, title: bool) -> f64 {
    let feed = if sighting.weight.is_finite() { sighting.weight.clamp(0.0, 10.0) } else { 1.0 };
    if title { feed } else { feed * IN_SUMMARY }
}

/// A pair that makes up most of the mentions of a word says it better: the word goes.
fn pairs_beat_words(candidates: &mut BTreeMap<String, Candidate>) {
    let mut beaten = BTreeSet::new();
    for (stems, pair) in candidates.iter().filter(|(stems, _)| stems.contains(' ')) {
        for word in stems.split(' ') {
            if candidates.get(word).is_some_and(|c| pair.stories.len() * 10 >= c.stories.len() * 6) {
                beaten.insert(word.to_owned());
            }
        }
    }
    candidates.retain(|stems, _| !beaten.contains(stems));
}

/// How much there is to compare with.
struct History {
    /// Windows in the part of the baseline that was really read.
    windows: f64,
    /// Whole weeks in it, when there are enough to know weekdays.
    weeks: Option<u32>,
    /// How much more or less is written on this weekday and at these hours.
    season: f64,
}

impl History {
    /// `None` when there is too little to say what is usual.
    fn of(inquiry: &Inquiry<'_>, start: Timestamp, before: &[Read<'_>]) -> Option<Self> {
        let earliest = before.iter().map(|read| read.sighting.at()).min()?;
        let span = start.since(earliest);
        let window = inquiry.window.as_secs_f64();
        if window <= 0.0 {
            return None;
        }
        let windows = span.as_secs_f64() / window;
        let enough = (inquiry.baseline.as_secs_f64() / window).min(3.0) * 0.75;
        if windows < enough {
            return None;
        }
        // The earliest signal is rarely the first thing of its day: a few hours short of a week still make a week.
        let weeks = u32::try_from((span.as_secs() + 12 * 3_600) / WEEK.as_secs()).unwrap_or(u32::MAX).min(52);
        let weeks = Some(weeks).filter(|weeks| *weeks >= 2 && inquiry.window * 2 <= WEEK);
        let season = weeks.map_or(1.0, |weeks| {
            let same = before.iter().filter(|read| weeks_ago(inquiry, read).is_some_and(|week| week <= weeks)).count() as f64;
            // One signal more on both sides keeps a quiet feed from swinging wildly.
            ((same / f64::from(weeks) + 1.0) / (before.len() as f64 / windows + 1.0)).clamp(0.25, 4.0)
        });
        Some(Self { windows, weeks, season })
    }

    /// Counts the candidates in the baseline, where copies within one window's length count once.
    fn count(&self, candidates: &mut BTreeMap<String, Candidate>, inquiry: &Inquiry<'_>, start: Timestamp, before: &[Read<'_>]) {
        let mut slices: BTreeMap<u128, Vec<&Read<'_>>> = BTreeMap::new();
        let mut same_time: BTreeMap<u32, Vec<&Read<'_>>> = BTreeMap::new();
        for read in before {
            let slice = start.since(read.sighting.at()).as_millis() / inquiry.window.as_millis().max(1);
            slices.entry(slice).or_default().push(read);
            if let Some(week) = weeks_ago(inquiry, read).filter(|week| self.weeks.is_some_and(|weeks| *week <= weeks)) {
                same_time.entry(week).or_default().push(read);
            }
        }
        slices.values().for_each(|slice| add_mentions(slice, candidates, |candidate| &mut candidate.before));
        same_time.values().for_each(|slice| add_mentions(slice, candidates, |candidate| &mut candidate.same_time));
    }

    /// What such a window usually brings: the mean, or what this weekday and hour bring when that is more.
    fn expected(&self, before: f64, same_time: f64) -> f64 {
        let mean = before / self.windows * self.season;
        self.weeks.map_or(mean, |weeks| mean.max(same_time / f64::from(weeks)))
    }
}

/// How many whole weeks before the window a signal lies, when it lies on the same weekday and at the same hours.
fn weeks_ago(inquiry: &Inquiry<'_>, read: &Read<'_>) -> Option<u32> {
    let age = inquiry.now.since(read.sighting.at()).as_millis();
    let inside = age % WEEK.as_millis() <= inquiry.window.as_millis();
    u32::try_from(age / WEEK.as_millis()).ok().filter(|_| inside)
}

fn add_mentions(slice: &[&Read<'_>], candidates: &mut BTreeMap<String, Candidate>, place: fn(&mut Candidate) -> &mut Mentions) {
    let numbers = stories(slice);
    let mut found: BTreeMap<(&str, usize), f64> = BTreeMap::new();
    for (read, number) in slice.iter().zip(&numbers) {
        for gram in read.grams.iter().filter(|gram| candidates.contains_key(&gram.stems)) {
            let weight = mention_weight(read.sighting, gram.title);
            let strongest = found.entry((gram.stems.as_str(), *number)).or_insert(weight);
            *strongest = strongest.max(weight);
        }
    }
    for ((stems, _), weight) in found {
        if let Some(candidate) = candidates.get_mut(stems) {
            let mentions = place(candidate);
            mentions.stories += 1;
            mentions.weight += weight;
        }
    }
}

/// Scores a candidate; `None` when it does not rise.
fn weigh(
    inquiry: &Inquiry<'_>,
    lexicon: &Lexicon,
    history: Option<&History>,
    stems: &str,
    candidate: &Candidate,
    window: &[Read<'_>],
) -> Option<Rising> {
    let mass: f64 = candidate.stories.values().sum();
    let reads: Vec<&Read<'_>> = candidate.reads.iter().map(|at| &window[*at]).collect();
    let around = reads.iter().map(|read| read.relevance).sum::<f64>() / reads.len() as f64;
    let relevance = 0.5 * lexicon.direct(stems) + 0.5 * around;
    let surprise = match history {
        Some(history) => {
            let expected = history.expected(candidate.before.weight, candidate.same_time.weight);
            let surprise = (mass - expected) / (expected + 1.0).sqrt();
            if surprise < SURPRISE {
                return None;
            }
            surprise
        }
        None => (1.0 + mass).ln(),
    };
    let spread = 1.0 + (candidate.sources.len() as f64).ln();
    // What has nothing to do with the business still ranks, far below what has.
    let score = surprise * spread * (0.1 + 0.9 * relevance);
    let baseline = history.map(|history| history.expected(candidate.before.stories as f64, candidate.same_time.stories as f64));
    let label = best_form(&candidate.forms);
    let why = reason(inquiry, lexicon, &label, candidate, baseline, &reads);
    Some(Rising {
        key: words::slug(stems),
        label,
        score,
        count: candidate.stories.len(),
        sources: candidate.sources.len(),
        baseline,
        relevance,
        why,
        signals: reads.iter().map(|read| read.index).collect(),
    })
}

/// The most usual spelling; among equals the one with accents, not in capitals, and not from the beginning of a title.
fn best_form(forms: &BTreeMap<String, (usize, usize)>) -> String {
    let mut spellings: BTreeMap<String, usize> = BTreeMap::new();
    for (form, (count, _)) in forms {
        *spellings.entry(form.to_lowercase()).or_default() += count;
    }
    let accents = |text: &str| text.chars().filter(|c| !c.is_ascii()).count();
    let shouted = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() > 3 && text.to_uppercase() == *text;
    let spelling = spellings.iter().max_by_key(|(text, count)| (**count, accents(text), Reverse(*text))).map(|(text, _)| text);
    forms
        .iter()
        .filter(|(form, _)| Some(&form.to_lowercase()) == spelling)
        .max_by_key(|(form, (count, inside))| (!shouted(form), *inside, *count, Reverse(*form)))
        .map(|(form, _)| form.clone())
        .unwrap_or_default()
}

fn reason(
    inquiry: &Inquiry<'_>,
    lexicon: &Lexicon,
    label: &str,
    candidate: &Candidate,
    baseline: Option<f64>,
    reads: &[&Read<'_>],
) -> String {
    let language = inquiry.language;
    let stories = show::counted(
        candidate.stories.len() as i64,
        language.pick("sujet", "story"),
        language.pick("sujets", "stories"),
        language,
    );
    let sources = show::counted(candidate.sources.len() as i64, "source", "sources", language);
    let span = span_in_words(inquiry.window, language);
    let past = span_in_words(inquiry.baseline, language);
    let usual = match (language, baseline) {
        (Language::Fr, None) => {
            "pas encore assez de recul pour dire si c'est plus que d'habitude ; classé d'après le lien avec votre activité et le nombre de sources"
                .to_owned()
        }
        (Language::En, None) => {
            "not enough history yet to say whether this is more than usual; ranked by its link to your business and by spread".to_owned()
        }
        (Language::Fr, Some(_)) if candidate.before.stories == 0 => format!("jamais vu dans les {past} d'avant"),
        (Language::En, Some(_)) if candidate.before.stories == 0 => format!("never seen in the {past} before"),
        (Language::Fr, Some(n)) if n < 0.1 => "contre presque aucun d'habitude".to_owned(),
        (Language::En, Some(n)) if n < 0.1 => "against hardly any usually".to_owned(),
        (Language::Fr, Some(n)) => format!("contre {} d'habitude", show::number(n, language)),
        (Language::En, Some(n)) => format!("against {} usually", show::number(n, language)),
    };
    let mut mentions: BTreeMap<usize, usize> = BTreeMap::new();
    reads.iter().flat_map(|read| &read.mentions).for_each(|word| *mentions.entry(*word).or_default() += 1);
    let mut mentions: Vec<(usize, usize)> = mentions.into_iter().collect();
    mentions.sort_by_key(|(word, count)| (Reverse(*count), *word));
    let named: Vec<String> = mentions
        .iter()
        .take(3)
        .map(|(word, _)| language.pick(format!("« {} »", lexicon.written[*word]), format!("\"{}\"", lexicon.written[*word])))
        .collect();
    let link = match (language, named.is_empty()) {
        (Language::Fr, true) => "sans lien direct avec vos mots".to_owned(),
        (Language::En, true) => "no direct link to your words".to_owned(),
        (Language::Fr, false) => format!("en lien avec {}", show::list(&named, language)),
        (Language::En, false) => format!("linked to {}", show::list(&named, language)),
    };
    let sentence = match language {
        Language::Fr => format!("« {label} » : {stories} dans {sources} en {span}, {usual} ; {link}."),
        Language::En => format!("\"{label}\": {stories} in {sources} in {span}, {usual}; {link}."),
    };
    show::typeset(&sentence, language)
}

fn span_in_words(span: Duration, language: Language) -> String {
    let minutes = i64::try_from(span.as_secs() / 60).unwrap_or(i64::MAX);
    match minutes {
        m if m >= 2_880 && m % 1_440 == 0 => {
            show::counted(m / 1_440, language.pick("jour", "day"), language.pick("jours", "days"), language)
        }
        m if m >= 60 => show::counted(m / 60, language.pick("heure", "hour"), language.pick("heures", "hours"), language),
        m => show::counted(m, "minute", "minutes", language),
    }
}

/// Whether a topic says what a better one already says: the same stories, or a common word and mostly the same stories.
fn same_topic(a: &(Rising, String, BTreeSet<usize>), b: &(Rising, String, BTreeSet<usize>)) -> bool {
    let common = a.2.intersection(&b.2).count();
    let all = a.2.len() + b.2.len() - common;
    let shares_word = a.1.split(' ').any(|word| b.1.split(' ').any(|other| word == other));
    common * 10 >= all * 8 || (shares_word && common * 2 >= a.2.len().min(b.2.len()))
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
