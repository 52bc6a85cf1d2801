//! What feeds will bring: what the store remembers of them, week for week, or news made up by seed.
//!
//! In: remembered signals or the business's words, a span and a seed. Out: sources that show what has appeared by the moment of a read.
//! Never: passes made-up news off as real: each says in its summary that it is simulated.

use super::stock::instant;
use crate::domain::{Digest, Language, Timestamp, Zone};
use crate::instance::Instance;
use crate::kinds::{Call, KindError, Signal, SignalPage, Source};
use crate::store::view::SignalRow;
use chrono::{Days, NaiveDate, NaiveTime};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most news that a feed shows at once.
const SHOWN: usize = 30;
/// Made-up news goes back so far: what is rising is weighed against it.
const BEFORE: Duration = Duration::from_secs(15 * 86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// Remembered weeks that are played again.
const WEEKS: u64 = 4;
/// So much has to be remembered of a feed, or news is made up for it.
const REMEMBERED: usize = 10;

/// A feed whose future is known.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    /// Oldest first: when each appears, and itself.
    signals: Vec<(Timestamp, Signal)>,
}

impl Foreseen {
    fn of(mut signals: Vec<(Timestamp, Signal)>) -> Self {
        signals.sort_by(|(a, one), (b, other)| (a, &one.id).cmp(&(b, &other.id)));
        Self { signals }
    }

    /// What the feed shows at a moment, newest first.
    pub fn at(&self, now: Timestamp) -> Vec<Signal> {
        let count = self.signals.partition_point(|(at, _)| *at <= now);
        self.signals[count.saturating_sub(SHOWN)..count].iter().rev().map(|(_, signal)| signal.clone()).collect()
    }

    /// Every moment in a span at which something appears.
    pub fn moments(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        self.signals.iter().map(|(at, _)| *at).filter(|at| *at > from && *at < to).collect()
    }
}

impl Source for Foreseen {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<SignalPage, KindError> {
        let count = self.signals.partition_point(|(at, _)| *at <= call.now);
        let cursor = format!("simulated {count}");
        if since == Some(&cursor) {
            return Ok(SignalPage { cursor: Some(cursor), unchanged: true, ..SignalPage::default() });
        }
        Ok(SignalPage { signals: self.at(call.now), cursor: Some(cursor), ..SignalPage::default() })
    }
}

/// How a feed's future was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// From what the store remembers.
    Recorded,
    /// By seed.
    Generated,
}

/// The future of every feed, by name: recorded where enough is remembered and nothing else is wished for, else generated.
pub fn foresee(
    instance: &Instance,
    remembered: &[SignalRow],
    (from, to): (Timestamp, Timestamp),
    seed: u64,
    wish: Option<Origin>,
) -> BTreeMap<String, (Origin, Foreseen)> {
    let zone = instance.business.zone;
    let made_up = Newsroom::new(instance, (from.minus(BEFORE), to), seed);
    let mut out = BTreeMap::new();
    for (nth, name) in instance.feeds.keys().enumerate() {
        let name = name.as_str();
        let known: Vec<&SignalRow> = remembered.iter().filter(|row| row.feed == name).collect();
        let origin = wish.unwrap_or(if known.len() >= REMEMBERED { Origin::Recorded } else { Origin::Generated });
        let future = match origin {
            Origin::Recorded => replayed(&known, from, to, zone),
            Origin::Generated => made_up.feed(name, nth),
        };
        out.insert(name.to_owned(), (origin, future));
    }
    out
}

/// What was remembered of the last weeks, again and again: on the same day of the week, at the same time by the clock on the wall.
fn replayed(known: &[&SignalRow], from: Timestamp, to: Timestamp, zone: Zone) -> Foreseen {
    let seen = |row: &SignalRow| row.signal.published.unwrap_or(row.seen_at).min(row.seen_at);
    let past = known.iter().filter(|row| seen(row) < from);
    let Some(oldest) = past.clone().map(|row| seen(row)).min() else { return Foreseen::default() };
    let weeks = (from.since(oldest).as_secs() / WEEK.as_secs()).clamp(1, WEEKS);
    let begin = from.minus(WEEK * u32::try_from(weeks).unwrap_or(1));
    let mut signals = Vec::new();
    for row in past {
        // What is there already stays in sight.
        signals.push((seen(row), row.signal.clone()));
        for round in 1.. {
            let local = seen(row).local(zone).naive_local();
            let Some(later) = local.checked_add_days(Days::new(7 * weeks * round)) else { break };
            let at = instant(zone, later);
            if seen(row) < begin || at >= to {
                break;
            }
            let signal = Signal { id: format!("{}~{round}", row.signal.id), published: Some(at), ..row.signal.clone() };
            signals.push((at, signal));
        }
    }
    Foreseen::of(signals)
}

/// Makes up news for all feeds: a base of everyday news for each, and now and then a topic that several of them write about.
struct Newsroom {
    days: Vec<NaiveDate>,
    until: Timestamp,
    zone: Zone,
    language: Language,
    seed: u64,
    words: Vec<String>,
    topics: Vec<Topic>,
}

/// Something that several feeds write about for a day or two.
struct Topic {
    name: String,
    begins: Timestamp,
    /// Which feeds, as bits by their place in the order of names.
    feeds: u64,
}

const EVERYDAY_FR: [&str; 12] = [
    "La médiathèque rouvre après travaux",
    "Circulation modifiée près de la gare",
    "Les écoles préparent leur kermesse",
    "Un nouveau parking au sud de la ville",
    "La piscine change ses horaires",
    "Les bénévoles du club cherchent du renfort",
    "Météo : du vent et des éclaircies",
    "Le musée prête douze tableaux",
    "Deux lignes de bus sont prolongées",
    "Le conseil vote le budget des jardins",
    "Une chorale de quartier enregistre un disque",
    "Les abonnements de théâtre sont ouverts",
];
const EVERYDAY_EN: [&str; 12] = [
    "The library opens again after building work",
    "Traffic is diverted near the station",
    "The schools prepare their fair",
    "A new car park in the south of the town",
    "The swimming pool changes its hours",
    "The club's volunteers look for help",
    "Weather: windy with bright spells",
    "The museum lends twelve paintings",
    "Two bus lines are made longer",
    "The council votes on the budget for gardens",
    "A choir of the neighbourhood makes a record",
    "Subscriptions to the theatre are open",
];
const RISING_FR: [&str; 6] = [
    "Concours {} : les inscriptions sont ouvertes",
    "Concours {} : qui sont les favoris",
    "Concours {} : le programme complet de la journée",
    "Ce que le concours {} change pour les artisans",
    "Concours {} : le jury est connu",
    "Au concours {}, une tradition se réinvente",
];
const RISING_EN: [&str; 6] = [
    "{} contest: entries are open",
    "{} contest: who are the favourites",
    "{} contest: the whole day's programme",
    "What the {} contest changes for craftspeople",
    "{} contest: the jury is known",
    "At the {} contest, a tradition is born again",
];

impl Newsroom {
    fn new(instance: &Instance, (from, to): (Timestamp, Timestamp), seed: u64) -> Self {
        let business = &instance.business;
        let zone = business.zone;
        let days = from.day(zone).iter_days().take_while(|day| *day <= to.day(zone)).collect();
        let mut words: Vec<String> = business.words.iter().filter(|w| w.chars().count() >= 4).cloned().collect();
        if words.is_empty() {
            words.push(business.name.clone());
        }
        let (language, topics) = (business.language, Vec::new());
        let mut room = Self { days, until: to, zone, language, seed, words, topics };
        room.topics = room.topics(instance.feeds.len());
        room
    }

    fn dice(&self, what: &str) -> fastrand::Rng {
        let digest = Digest::of(format!("{}\n{what}", self.seed).as_bytes());
        fastrand::Rng::with_seed(u64::from_be_bytes(std::array::from_fn(|at| digest.0[at])))
    }

    /// One topic in every week, on a day and at an hour of its own.
    fn topics(&self, feeds: usize) -> Vec<Topic> {
        self.days
            .chunks(7)
            .filter_map(|week| {
                let mut dice = self.dice(&format!("topic {}", week[0]));
                let day = *week.get(dice.usize(0..7))?;
                let time = NaiveTime::from_hms_opt(dice.u32(6..12), dice.u32(0..60), 0)?;
                let name = self.words[dice.usize(0..self.words.len())].clone();
                let mut who = dice.u64(..);
                // One feed alone makes no topic.
                let first = dice.usize(0..feeds.max(1));
                who |= 1 << (first % 64) | 1 << ((first + 1) % feeds.max(1) % 64);
                Some(Topic { name, begins: instant(self.zone, day.and_time(time)), feeds: who })
            })
            .collect()
    }

    fn feed(&self, name: &str, nth: usize) -> Foreseen {
        let rate = self.dice(&format!("rate {name}")).u32(1..=2);
        let mut signals = Vec::new();
        for day in &self.days {
            let mut dice = self.dice(&format!("news {name} {day}"));
            for count in 0..dice.u32(0..=rate) {
                let minute = dice.u32(6 * 60..22 * 60);
                let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, dice.u32(0..60)).unwrap_or_default();
                let titles = self.language.pick(&EVERYDAY_FR, &EVERYDAY_EN);
                let title = titles[dice.usize(0..titles.len())];
                let title = format!("{title} ({})", self.language.pick(day.format("%d/%m"), day.format("%-d %b")));
                signals.push(self.signal(name, &format!("{day}-{count}"), title, instant(self.zone, day.and_time(time))));
            }
        }
        for topic in self.topics.iter().filter(|t| t.feeds >> (nth % 64) & 1 == 1) {
            let mut dice = self.dice(&format!("rising {name} {}", topic.begins.millis()));
            let templates = self.language.pick(&RISING_FR, &RISING_EN);
            let begin = dice.usize(0..templates.len());
            for count in 0..dice.usize(2..5) {
                let at = topic.begins.plus(Duration::from_secs(dice.u64(0..30 * 3_600)));
                let title = templates[(begin + count) % templates.len()].replace("{}", &topic.name);
                signals.push(self.signal(name, &format!("{}-{count}", topic.begins.millis()), title, at));
            }
        }
        signals.retain(|(at, _)| *at < self.until);
        Foreseen::of(signals)
    }

    fn signal(&self, feed: &str, id: &str, title: String, at: Timestamp) -> (Timestamp, Signal) {
        let summary = self.language.pick("(simulation)", "(simulated)");
        let url = Some(format!("https://simulation.example/{feed}/{id}"));
        (at, Signal { id: format!("simulated-{id}"), title, url, published: Some(at), summary: summary.into() })
    }
}
