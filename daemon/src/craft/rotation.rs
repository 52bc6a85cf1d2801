//! The next item of the content library for one account.
//!
//! In: the library's items, what this account published and what is planned, the rules, a number from the dice. Out: one
//! item with the reasons for it, or the reasons why there is none.
//! Never: an item inside its cool-down. Everything else may be wished for; that may not.

use crate::craft::show;
use crate::domain::{Language, Timestamp, Zone};
use chrono::NaiveDate;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// An item of the library, reduced to what the choice needs.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The item's identifier.
    pub id: &'a str,
    /// Its theme; empty for none.
    pub theme: &'a str,
    /// Formats it can take; empty for any.
    pub formats: &'a [String],
    /// Networks it is for; empty for all.
    pub networks: &'a [String],
    /// Accounts it is for; empty for all.
    pub accounts: &'a [String],
    /// The first day it may go out.
    pub valid_from: Option<NaiveDate>,
    /// The last day it may go out.
    pub valid_until: Option<NaiveDate>,
    /// Whether today lies in its season.
    pub season_ok: bool,
    /// How long it rests on an account after each use.
    pub cool_down: Duration,
    /// Most uses on an account; `None` for no limit.
    pub max_uses: Option<u32>,
    /// How often it comes compared with others; 0 sets it aside.
    pub weight: f64,
    /// The content words of its text, when it should not follow a post that says the same; may be empty.
    pub words: &'a [String],
}

/// What this account did with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The last time.
    pub last: Timestamp,
    /// How often.
    pub count: u32,
}

/// A post of this account, published or planned, from the library or not.
#[derive(Debug, Clone, Copy)]
pub struct Recent<'a> {
    /// When it went out or will.
    pub at: Timestamp,
    /// The item it came from; empty for none.
    pub item: &'a str,
    /// Its theme; empty for none.
    pub theme: &'a str,
    /// The content words of its text; may be empty.
    pub words: &'a [String],
}

/// What the choice is for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Its network.
    pub network: &'a str,
    /// Formats it takes; empty for any.
    pub formats: &'a [String],
    /// A wish for one format.
    pub format: Option<&'a str>,
    /// A wish for one theme.
    pub theme: Option<&'a str>,
    /// A theme rests for this many posts.
    pub theme_spacing: usize,
    /// The time for which the choice is made.
    pub now: Timestamp,
    /// The business's zone, for days.
    pub zone: Zone,
    /// The language of the reasons.
    pub language: Language,
    /// A number from the dice.
    pub seed: u64,
}

/// The choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This item.
    Pick {
        /// The item's identifier.
        id: String,
        /// The format it should take: the wish, or the first that item and account share.
        format: String,
        /// Why this one: sentences.
        reasons: Vec<String>,
    },
    /// None of them.
    Nothing {
        /// What stood in the way: sentences.
        reasons: Vec<String>,
    },
}

/// A text that shares this much of its words with a recent post is not chosen.
const TOO_ALIKE: f64 = 0.6;

/// What stood in the way of an item; each is counted once, by the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Account,
    Network,
    Format,
    Theme,
    SetAside,
    NotYet(NaiveDate),
    Expired,
    Season,
    UsedUp,
    Rests(Timestamp),
    TooAlike,
}

/// Counts of obstacles.
#[derive(Default)]
struct Tally {
    account: usize,
    network: usize,
    format: usize,
    theme: usize,
    set_aside: usize,
    not_yet: usize,
    first_day: Option<NaiveDate>,
    expired: usize,
    season: usize,
    used_up: usize,
    rests: usize,
    first_rested: Option<Timestamp>,
    too_alike: usize,
}

impl Tally {
    fn add(&mut self, obstacle: Obstacle) {
        match obstacle {
            Obstacle::Account => self.account += 1,
            Obstacle::Network => self.network += 1,
            Obstacle::Format => self.format += 1,
            Obstacle::Theme => self.theme += 1,
            Obstacle::SetAside => self.set_aside += 1,
            Obstacle::NotYet(day) => {
                self.not_yet += 1;
                self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
            }
            Obstacle::Expired => self.expired += 1,
            Obstacle::Season => self.season += 1,
            Obstacle::UsedUp => self.used_up += 1,
            Obstacle::Rests(until) => {
                self.rests += 1;
                self.first_rested = Some(self.first_rested.map_or(until, |first| first.min(until)));
            }
            Obstacle::TooAlike => self.too_alike += 1,
        }
    }
}

/// An item nothing stands in the way of.
#[derive(Clone, Copy)]
struct Free<'c, 'a> {
    item: &'c Candidate<'a>,
    last: Option<Timestamp>,
}

/// Chooses the next item for an account: never used before longest unused, by weight, themes spaced, cool-downs kept.
///
/// `used` holds what this account did with each item, by identifier; `recent` its posts in any order, planned ones included.
pub fn next(wanted: &Wanted<'_>, items: &[Candidate<'_>], used: &HashMap<String, Use>, recent: &[Recent<'_>]) -> Choice {
    let mut posts: Vec<&Recent<'_>> = recent.iter().collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.at));
    let mut planned: HashMap<&str, Timestamp> = HashMap::new();
    for post in posts.iter().rev().filter(|post| !post.item.is_empty()) {
        planned.insert(post.item, post.at);
    }
    let today = wanted.now.day(wanted.zone);
    let mut tally = Tally::default();
    let mut free = Vec::with_capacity(items.len());
    for item in items {
        let before = used.get(item.id);
        let last = before.map(|b| b.last).max(planned.get(item.id).copied());
        match obstacle(wanted, item, today, before, last) {
            Some(found) => tally.add(found),
            None => free.push(Free { item, last }),
        }
    }
    // A theme spacing longer than what else there is gives way step by step; a cool-down never does.
    let mut spacing = wanted.theme_spacing.min(posts.len());
    loop {
        let resting: BTreeSet<&str> =
            posts.iter().take(spacing).map(|post| post.theme).filter(|theme| !theme.is_empty()).collect();
        let mut open: Vec<Free<'_, '_>> = free.iter().copied().filter(|f| !resting.contains(f.item.theme)).collect();
        while let Some(at) = choose(wanted, &open) {
            let chosen = open[at];
            if posts.iter().any(|post| alike(chosen.item.words, post.words)) {
                // Compared only when chosen: this keeps a choice from a thousand items in microseconds.
                tally.add(Obstacle::TooAlike);
                open.swap_remove(at);
                free.retain(|f| f.item.id != chosen.item.id);
                continue;
            }
            return Choice::Pick {
                id: chosen.item.id.to_owned(),
                format: format_for(wanted, chosen.item),
                reasons: reasons_for(wanted, &chosen, &open, &tally, items.len(), spacing, &posts),
            };
        }
        if spacing == 0 {
            return Choice::Nothing { reasons: reasons_against(wanted, &tally, items.len()) };
        }
        spacing -= 1;
    }
}

fn obstacle(
    wanted: &Wanted<'_>,
    item: &Candidate<'_>,
    today: NaiveDate,
    before: Option<&Use>,
    last: Option<Timestamp>,
) -> Option<Obstacle> {
    let allows = |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
    if !allows(item.accounts, wanted.account) {
        return Some(Obstacle::Account);
    }
    if !allows(item.networks, wanted.network) {
        return Some(Obstacle::Network);
    }
    let takes = match wanted.format {
        Some(format) => allows(item.formats, format) && allows(wanted.formats, format),
        None => item.formats.is_empty() || item.formats.iter().any(|format| allows(wanted.formats, format)),
    };
    if !takes {
        return Some(Obstacle::Format);
    }
    if wanted.theme.is_some_and(|theme| theme != item.theme) {
        return Some(Obstacle::Theme);
    }
    if !(item.weight > 0.0 && item.weight.is_finite()) {
        return Some(Obstacle::SetAside);
    }
    if let Some(from) = item.valid_from.filter(|from| *from > today) {
        return Some(Obstacle::NotYet(from));
    }
    if item.valid_until.is_some_and(|until| until < today) {
        return Some(Obstacle::Expired);
    }
    if !item.season_ok {
        return Some(Obstacle::Season);
    }
    if item.max_uses.is_some_and(|max| before.map_or(0, |b| b.count) >= max) {
        return Some(Obstacle::UsedUp);
    }
    last.map(|last| last.plus(item.cool_down)).filter(|until| *until > wanted.now).map(Obstacle::Rests)
}

/// What stands in the way of one item for an account, in one sentence; nothing when it may be chosen next.
///
/// The theme's rest is among it here, although it gives way when there is nothing else.
pub fn in_the_way(wanted: &Wanted<'_>, item: &Candidate<'_>, used: Option<&Use>, recent: &[Recent<'_>]) -> Option<String> {
    let today = wanted.now.day(wanted.zone);
    let mut posts: Vec<&Recent<'_>> = recent.iter().collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.at));
    let planned = posts.iter().find(|post| post.item == item.id).map(|post| post.at);
    let last = used.map(|u| u.last).max(planned);
    let language = wanted.language;
    let Some(found) = obstacle(wanted, item, today, used, last) else {
        let resting = posts.iter().take(wanted.theme_spacing).position(|post| post.theme == item.theme && !item.theme.is_empty());
        return resting.map(|at| {
            let theme = item.theme;
            let posts = |count: usize| {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                let (one, many) = language.pick(("publication", "publications"), ("post", "posts"));
                show::counted(count, one, many, language)
            };
            let (ago, rest) = (posts(at + 1), posts(wanted.theme_spacing));
            language.pick(
                format!("le thème « {theme} » est passé il y a {ago} et se repose pendant {rest} (theme_spacing)"),
                format!("the theme \"{theme}\" was {ago} ago and rests for {rest} (theme_spacing)"),
            )
        });
    };
    let date = |day: NaiveDate| day_and_year(day, wanted);
    let list = |words: &[String]| show::list(words, language);
    Some(match found {
        Obstacle::Account => language.pick(
            format!("il n'est prévu que pour {} (accounts)", list(item.accounts)),
            format!("it is only for {} (accounts)", list(item.accounts)),
        ),
        Obstacle::Network => language.pick(
            format!("il n'est prévu que pour {} (networks)", list(item.networks)),
            format!("it is only for {} (networks)", list(item.networks)),
        ),
        Obstacle::Format => language.pick(
            format!("il vient en {} et ce compte prend {} (formats)", list(item.formats), list(wanted.formats)),
            format!("it comes as {} and this account takes {} (formats)", list(item.formats), list(wanted.formats)),
        ),
        Obstacle::Theme => language
            .pick(format!("il est d'un autre thème, « {} »", item.theme), format!("it has another theme, \"{}\"", item.theme)),
        Obstacle::SetAside => language.pick("il est mis de côté (weight = 0)", "it is set aside (weight = 0)").to_owned(),
        Obstacle::NotYet(day) => language.pick(
            format!("il n'est valable qu'à partir du {} (from)", date(day)),
            format!("it is valid only from {} (from)", date(day)),
        ),
        Obstacle::Expired => {
            let day = item.valid_until.map(date).unwrap_or_default();
            language.pick(format!("il n'est plus valable depuis le {day} (until)"), format!("it was valid until {day} (until)"))
        }
        Obstacle::Season => language.pick("ce n'est pas sa saison (season)", "it is out of season (season)").to_owned(),
        Obstacle::UsedUp => {
            let (count, most) = (used.map_or(0, |u| u.count), item.max_uses.unwrap_or(0));
            language.pick(
                format!("il a servi {count} fois et ne doit pas servir plus de {most} fois (max_uses)"),
                format!("it was used {count} times and may be used {most} times at most (max_uses)"),
            )
        }
        Obstacle::Rests(until) => {
            let day = date(until.day(wanted.zone));
            let rest = show::span(item.cool_down, language);
            language.pick(
                format!("il se repose jusqu'au {day} (cool_down : {rest})"),
                format!("it rests until {day} (cool_down: {rest})"),
            )
        }
        Obstacle::TooAlike => language.pick("il ressemble trop à un message récent", "it is too like a recent post").to_owned(),
    })
}

/// Never used ones first, by chance in proportion to their weights; else the one whose wait times weight is longest.
fn choose(wanted: &Wanted<'_>, open: &[Free<'_, '_>]) -> Option<usize> {
    let mut dice = fastrand::Rng::with_seed(wanted.seed);
    let unused: f64 = open.iter().filter(|f| f.last.is_none()).map(|f| f.item.weight).sum();
    if unused > 0.0 {
        let mut left = dice.f64() * unused;
        let mut chosen = None;
        for (at, free) in open.iter().enumerate().filter(|(_, f)| f.last.is_none()) {
            chosen = Some(at);
            left -= free.item.weight;
            if left < 0.0 {
                break;
            }
        }
        return chosen;
    }
    let wait = |f: &Free<'_, '_>| f.last.map_or(f64::MAX, |last| wanted.now.since(last).as_secs_f64() * f.item.weight);
    let longest = open.iter().map(&wait).max_by(f64::total_cmp)?;
    let equal: Vec<usize> = (0..open.len()).filter(|at| wait(&open[*at]) >= longest).collect();
    Some(equal[dice.usize(..equal.len())])
}

fn alike(a: &[String], b: &[String]) -> bool {
    if a.is_empty() || b.is_empty() {
        return false;
    }
    let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (a.iter().collect(), b.iter().collect());
    let common = a.intersection(&b).count();
    common as f64 >= TOO_ALIKE * (a.len() + b.len() - common) as f64
}

fn format_for(wanted: &Wanted<'_>, item: &Candidate<'_>) -> String {
    let shared = item.formats.iter().find(|format| wanted.formats.is_empty() || wanted.formats.contains(format));
    wanted.format.or(shared.map(String::as_str)).or(wanted.formats.first().map(String::as_str)).unwrap_or("post").to_owned()
}

fn reasons_for(
    wanted: &Wanted<'_>,
    chosen: &Free<'_, '_>,
    open: &[Free<'_, '_>],
    tally: &Tally,
    all: usize,
    spacing: usize,
    posts: &[&Recent<'_>],
) -> Vec<String> {
    let language = wanted.language;
    let mut reasons = Vec::new();
    reasons.push(match (chosen.last, language) {
        (None, Language::Fr) => "Jamais publié sur ce compte.".to_owned(),
        (None, Language::En) => "Never published on this account.".to_owned(),
        (Some(last), _) => {
            let days = i64::try_from(wanted.now.since(last).as_secs() / 86_400).unwrap_or(i64::MAX);
            let day = day_and_year(last.day(wanted.zone), wanted);
            let days = show::counted(days, language.pick("jour", "day"), language.pick("jours", "days"), language);
            let others = show::counted(
                open.len() as i64 - 1,
                language.pick("autre", "other"),
                language.pick("autres", "others"),
                language,
            );
            match (open.len(), language) {
                (1, Language::Fr) => format!("Pas publié ici depuis le {day} ({days})."),
                (1, Language::En) => format!("Not published here since {day} ({days})."),
                (_, Language::Fr) => {
                    format!("Pas publié ici depuis le {day} ({days}) : le plus attendu, devant {others}.")
                }
                (_, Language::En) => {
                    format!("Not published here since {day} ({days}): the longest wait, ahead of {others}.")
                }
            }
        }
    });
    if !chosen.item.theme.is_empty() {
        let theme = chosen.item.theme;
        let distance = posts.iter().position(|post| post.theme == theme);
        let n = |count: usize| {
            show::counted(count as i64, language.pick("publication", "post"), language.pick("publications", "posts"), language)
        };
        reasons.push(match (distance, language) {
            (Some(distance), Language::Fr) if distance < wanted.theme_spacing => {
                format!(
                    "Le thème « {theme} » revient après {} au lieu de {} : rien d'autre n'était possible.",
                    n(distance),
                    wanted.theme_spacing
                )
            }
            (Some(distance), Language::En) if distance < wanted.theme_spacing => {
                format!(
                    "The theme \"{theme}\" is back after {} instead of {}: nothing else was possible.",
                    n(distance),
                    wanted.theme_spacing
                )
            }
            (Some(distance), Language::Fr) => format!("Thème « {theme} » : dernier passage il y a {}.", n(distance + 1)),
            (Some(distance), Language::En) => format!("Theme \"{theme}\": last seen {} ago.", n(distance + 1)),
            (None, Language::Fr) => format!("Thème « {theme} » : absent des dernières publications."),
            (None, Language::En) => format!("Theme \"{theme}\": not among the latest posts."),
        });
    }
    if spacing < wanted.theme_spacing.min(posts.len()) && chosen.item.theme.is_empty() {
        reasons.push(
            language
                .pick("Choisi sans thème : les autres thèmes se reposent.", "Chosen without a theme: the other themes rest.")
                .to_owned(),
        );
    }
    let (open, all) = (show::whole(open.len() as i64, language), show::whole(all as i64, language));
    let others = obstacles(wanted, tally);
    let tail = if others.is_empty() {
        String::new()
    } else {
        format!("{}{}", language.pick(" ; ", "; "), others.join(language.pick(" ; ", "; ")))
    };
    reasons.push(match language {
        Language::Fr => format!("Choisi parmi {open} possibles sur {all}{tail}."),
        Language::En => format!("Chosen from {open} possible of {all}{tail}."),
    });
    reasons.iter().map(|reason| show::typeset(reason, language)).collect()
}

fn reasons_against(wanted: &Wanted<'_>, tally: &Tally, all: usize) -> Vec<String> {
    let language = wanted.language;
    if all == 0 {
        let empty = language.pick(
            "La bibliothèque est vide : ajoutez un fichier Markdown dans son dossier.",
            "The library is empty: add a Markdown file to its folder.",
        );
        return vec![show::typeset(empty, language)];
    }
    let items = show::counted(all as i64, language.pick("contenu", "item"), language.pick("contenus", "items"), language);
    let account = wanted.account;
    let mut reasons = vec![match language {
        Language::Fr => format!("Aucun des {items} de la bibliothèque ne convient à {account} pour l'instant."),
        Language::En => format!("None of the {items} in the library suits {account} right now."),
    }];
    reasons.extend(obstacles(wanted, tally).into_iter().map(|part| {
        let mut letters = part.chars();
        letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
    }));
    reasons.iter().map(|reason| show::typeset(reason, language)).collect()
}

/// What stood in the way, with counts: first what time mends, last what was meant for elsewhere.
fn obstacles(wanted: &Wanted<'_>, tally: &Tally) -> Vec<String> {
    let language = wanted.language;
    let mut out = Vec::new();
    let mut say = |count: usize, fr: (&str, &str), en: (&str, &str), more: String| {
        if count > 0 {
            let (one, many) = language.pick(fr, en);
            out.push(format!("{} {}{more}", show::whole(count as i64, language), if count == 1 { one } else { many }));
        }
    };
    let rested = tally.first_rested.map(|until| {
        let day = day_and_year(until.day(wanted.zone), wanted);
        let many = tally.rests > 1;
        match language {
            Language::Fr if many => format!(", le premier jusqu'au {day}"),
            Language::Fr => format!(" jusqu'au {day}"),
            Language::En if many => format!(", the earliest until {day}"),
            Language::En => format!(" until {day}"),
        }
    });
    say(tally.rests, ("se repose", "se reposent"), ("rests", "rest"), rested.unwrap_or_default());
    say(tally.season, ("est hors saison", "sont hors saison"), ("is out of season", "are out of season"), String::new());
    let first = tally.first_day.map(|day| match language {
        Language::Fr => format!(" (à partir du {})", day_and_year(day, wanted)),
        Language::En => format!(" (from {})", day_and_year(day, wanted)),
    });
    say(
        tally.not_yet,
        ("n'est pas encore valable", "ne sont pas encore valables"),
        ("is not valid yet", "are not valid yet"),
        first.unwrap_or_default(),
    );
    say(
        tally.expired,
        ("n'est plus valable", "ne sont plus valables"),
        ("is no longer valid", "are no longer valid"),
        String::new(),
    );
    say(
        tally.used_up,
        ("a atteint son nombre d'utilisations", "ont atteint leur nombre d'utilisations"),
        ("has reached its number of uses", "have reached their number of uses"),
        String::new(),
    );
    say(
        tally.too_alike,
        ("ressemble trop à une publication récente", "ressemblent trop à une publication récente"),
        ("is too like a recent post", "are too like a recent post"),
        String::new(),
    );
    say(
        tally.network,
        ("est pour d'autres réseaux", "sont pour d'autres réseaux"),
        ("is for other networks", "are for other networks"),
        String::new(),
    );
    say(
        tally.account,
        ("est pour d'autres comptes", "sont pour d'autres comptes"),
        ("is for other accounts", "are for other accounts"),
        String::new(),
    );
    say(
        tally.format,
        ("n'a pas le bon format", "n'ont pas le bon format"),
        ("does not come in the right format", "do not come in the right format"),
        String::new(),
    );
    say(
        tally.theme,
        ("est d'un autre thème", "sont d'un autre thème"),
        ("has another theme", "have another theme"),
        String::new(),
    );
    say(tally.set_aside, ("est mis de côté", "sont mis de côté"), ("is set aside", "are set aside"), String::new());
    out
}

/// The year is said only when it is another one.
fn day_and_year(day: NaiveDate, wanted: &Wanted<'_>) -> String {
    use chrono::Datelike as _;
    let text = show::day(day, wanted.language);
    if day.year() == wanted.now.day(wanted.zone).year() { text } else { format!("{text} {}", day.year()) }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
