//! What deserves a look in a span of days.
//!
//! In: a [`Span`] and the [`Rules`]. Out: findings, the gravest kinds first, then by time.
//! Never: tells the same thing once for every post; what repeats is told once, with how often and where it is worst.

use super::{About, Account, Ended, Entry, Finding, Guard, Kind, Rules, Span};
use crate::craft::show;
use crate::craft::words;
use crate::domain::{Language, Timestamp};
use chrono::Timelike;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most posts named by one finding.
const NAMED: usize = 8;
/// Most items named by one finding.
const TITLES: usize = 12;
/// So many distances between posts make a rhythm.
const RHYTHM: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// A silence shorter than this is none, however quick the rhythm.
const BREATH: Duration = Duration::from_secs(36 * 3_600);

/// Everything that deserves a look.
pub fn findings(span: &Span, rules: &Rules) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut seen = Seen { span, rules, language: span.language, out: &mut out };
    seen.stopped();
    for account in &span.accounts {
        let posts: Vec<&Entry> = span.entries.iter().filter(|e| e.kind == Kind::Post && e.target == account.name).collect();
        seen.gaps(account, &posts);
        seen.moved(account, &posts);
        seen.unsent(account, &posts);
    }
    seen.echoes();
    seen.starved();
    seen.workflows();
    seen.drafts();
    out.sort_by(|a, b| (a.about, a.at, &a.account, &a.sentence).cmp(&(b.about, b.at, &b.account, &b.sentence)));
    out
}

/// Why a post left later than it wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Yes,
    Spacing,
    Guard,
    Hours,
    Other,
}

/// How a post ended without leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    Yes,
    Guard,
    Window,
    Refused,
    Stuck,
}

struct Seen<'a> {
    span: &'a Span,
    rules: &'a Rules,
    language: Language,
    out: &'a mut Vec<Finding>,
}

fn ids<'a>(posts: impl IntoIterator<Item = &'a Entry>) -> Vec<String> {
    posts.into_iter().map(|e| e.id.clone()).take(NAMED).collect()
}

fn counted(count: usize, (fr, fr_many): (&str, &str), (en, en_many): (&str, &str), language: Language) -> String {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    show::counted(count, language.pick(fr, en), language.pick(fr_many, en_many), language)
}

/// The form for one, or the form for several.
fn agree<T>(count: usize, one: T, several: T) -> T {
    if count == 1 { one } else { several }
}

/// Whether a post did not leave because its account was stopped.
fn stays_behind(account: &Account, post: &Entry) -> bool {
    let since = account.stopped.as_ref().map(|(_, since)| *since);
    let still_there = |since: Timestamp| post.ended.is_none_or(|ended| ended >= since);
    // What nobody said yes to, or a guard dropped, would not have left either.
    let ready = post.approval != "needed" && !matches!(post.state.as_str(), "refused" | "dead" | "unknown");
    post.kind == Kind::Post && !post.is_out() && ready && since.is_some_and(still_there)
}

/// To the hour when it is longer than a day: nobody plans by the minute then.
fn rounded(span: Duration) -> Duration {
    let unit = if span >= DAY { 3_600 } else { 60 };
    Duration::from_secs((span.as_secs() + unit / 2) / unit * unit)
}

impl Seen<'_> {
    fn say(&self, fr: String, en: String) -> String {
        show::typeset(&self.language.pick(fr, en), self.language)
    }

    fn moment(&self, at: Timestamp) -> String {
        let local = at.local(self.span.zone);
        format!("{} {}", show::day(local.date_naive(), self.language), local.format("%H:%M"))
    }

    fn length(&self, span: Duration) -> String {
        show::span(rounded(span), self.language)
    }

    fn posts(&self, count: usize) -> String {
        counted(count, ("publication", "publications"), ("post", "posts"), self.language)
    }

    fn times(&self, count: usize) -> String {
        counted(count, ("fois", "fois"), ("time", "times"), self.language)
    }

    /// Adds a finding that is about the span as a whole; the caller fills in what it is about besides.
    fn tell(&mut self, about: About, at: Timestamp, sentence: String, remedy: String) -> &mut Finding {
        let (account, workflow, posts) = Default::default();
        self.out.push(Finding { about, account, workflow, at: at.max(self.span.from), sentence, remedy, posts });
        self.out.last_mut().expect("it was added just now")
    }

    fn stopped(&mut self) {
        let span = self.span;
        if let Some(reason) = &span.frozen {
            let reason = reason.trim_end_matches('.');
            let sentence = self.say(
                format!("Tout est gelé : {reason}. Rien ne part avant un dégel."),
                format!("Everything is frozen: {reason}. Nothing leaves before it is thawed."),
            );
            let remedy = self.say("Dégelez avec : beffroi thaw".into(), "Thaw with: beffroi thaw".into());
            self.tell(About::Stopped, span.from, sentence, remedy);
        }
        for account in &span.accounts {
            let Some((reason, since)) = &account.stopped else { continue };
            let kept: Vec<&Entry> =
                span.entries.iter().filter(|e| e.target == account.name && stays_behind(account, e)).collect();
            let (name, reason, before) = (&account.name, reason.trim_end_matches('.'), *since < span.from);
            let (when, count) = (self.moment(*since), self.posts(kept.len()));
            let (fr, en) = agree(kept.len(), ("reste", "stays"), ("restent", "stay"));
            let sentence = if before {
                self.say(
                    format!("Le compte {name} est déjà bloqué ({reason}) ; {count} {fr} en arrière."),
                    format!("The account {name} is stopped already ({reason}); {count} {en} behind."),
                )
            } else {
                self.say(
                    format!("Le compte {name} se bloque le {when} : {reason}. Il se tait ensuite, et {count} {fr} en arrière."),
                    format!(
                        "The account {name} is stopped on {when}: {reason}. It is silent from then on, and {count} {en} behind."
                    ),
                )
            };
            let remedy = if before {
                self.say(format!("Débloquez-le avec : beffroi thaw {name}"), format!("Let it go on with: beffroi thaw {name}"))
            } else {
                self.say(
                    "Espacez les publications (every, spacing), ou relevez le plafond sous ceilings.".into(),
                    "Space the posts out (every, spacing), or raise the limit under ceilings.".into(),
                )
            };
            let found = self.tell(if before { About::Stopped } else { About::Breach }, *since, sentence, remedy);
            (found.account, found.posts) = (Some(name.clone()), ids(kept));
        }
    }

    /// Silences longer than the account's own rhythm, or than anybody should be silent.
    fn gaps(&mut self, account: &Account, posts: &[&Entry]) {
        let (from, to) = (self.span.from, self.span.to);
        let mut online: Vec<Timestamp> = posts.iter().filter(|e| e.is_out()).filter_map(|e| e.left).collect();
        online.sort_unstable();
        let earlier = self.span.before.get(&account.name).into_iter().flatten().copied().filter(|at| *at < from);
        let mut all: Vec<Timestamp> = earlier.chain(online.iter().copied()).collect();
        all.sort_unstable();
        let mut distances: Vec<Duration> = all.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        distances.sort_unstable();
        let usual = (distances.len() >= RHYTHM).then(|| distances[distances.len() / 2]);
        // Twice and a half of what is usual is a silence; one post that is missing is none.
        let limit = usual.map_or(self.rules.silent, |usual| (usual * 5 / 2).max(BREATH).min(self.rules.silent));
        let mut begin = all.iter().rev().find(|at| **at < from).copied().unwrap_or(from);
        if online.is_empty() {
            // A day or two without a word are none, unless it was silent before.
            if to.since(begin) > limit.min(to.since(from)) && to.since(from) >= BREATH && account.stopped.is_none() {
                self.gap(account, from, to, None, true);
            }
            return;
        }
        // That a stopped account is silent is told with what stopped it.
        let end = account.stopped.as_ref().map_or(to, |(_, since)| (*since).min(to));
        for next in online.iter().copied().chain([end]) {
            if next.since(begin) > limit {
                self.gap(account, begin, next, usual, false);
            }
            begin = begin.max(next);
        }
    }

    fn gap(&mut self, account: &Account, begin: Timestamp, end: Timestamp, usual: Option<Duration>, never: bool) {
        let name = &account.name;
        let (silence, when) = (self.length(end.since(begin)), self.moment(begin));
        let open = end >= self.span.to;
        let (fr_end, en_end) = if open { (", jusqu'à la fin", ", to the end") } else { ("", "") };
        let sentence = match (never, usual.map(|usual| self.length(usual))) {
            (true, _) => self.say(
                format!("Rien ne part sur {name} de toute la période."),
                format!("Nothing leaves to {name} in all that time."),
            ),
            (false, Some(usual)) => self.say(
                format!(
                    "{name} se tait pendant {silence} à partir du {when}{fr_end} ; d'habitude, {usual} séparent deux publications."
                ),
                format!("{name} is silent for {silence} from {when} on{en_end}; usually {usual} lie between two posts."),
            ),
            (false, None) => self.say(
                format!("{name} se tait pendant {silence} à partir du {when}{fr_end}."),
                format!("{name} is silent for {silence} from {when} on{en_end}."),
            ),
        };
        let remedy = self.say(
            format!("Ajoutez à la bibliothèque ce qui convient à {name}, ou un programme qui lui donne une publication."),
            format!("Add to the library what suits {name}, or a workflow that gives it a post."),
        );
        self.tell(About::Gap, begin, sentence, remedy).account = Some(name.clone());
    }

    /// Why a post that is out left later than it wanted, and the post that was in its way.
    fn cause<'e>(&self, account: &Account, post: &Entry, posts: &[&'e Entry]) -> (Cause, Option<&'e Entry>) {
        let (left, ready) = (post.at(), post.wanted.max(post.planned));
        let others = posts.iter().copied().filter(|e| e.id != post.id && e.left.is_some_and(|at| at <= left));
        let ahead = others.max_by_key(|e| (e.left, &e.id));
        let earlier = self.span.before.get(&account.name).and_then(|before| before.iter().max()).copied();
        let free = ahead.map(Entry::at).max(earlier).map(|at| at.plus(account.spacing));
        // It left as soon as the spacing let it, give or take a look.
        let spaced =
            !account.spacing.is_zero() && free.is_some_and(|free| free > ready && free <= left && left.since(free) < HOUR);
        let local = ready.local(self.span.zone);
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        let open = account.hours.is_empty() || account.hours.iter().any(|(begin, end)| (*begin..*end).contains(&minute));
        let answered = post.approved.filter(|at| *at > ready);
        let cause = if spaced {
            Cause::Spacing
        } else if answered.is_some_and(|at| left.since(at) < HOUR) {
            Cause::Yes
        } else if !open {
            Cause::Hours
        } else if post.guard.is_some() {
            Cause::Guard
        } else if answered.is_some() {
            Cause::Yes
        } else {
            Cause::Other
        };
        (cause, ahead)
    }

    /// Posts that left later than they wanted, told once for each workflow and cause.
    fn moved(&mut self, account: &Account, posts: &[&Entry]) {
        let mut groups: BTreeMap<(Cause, &str, &str), Vec<&Entry>> = BTreeMap::new();
        for post in posts.iter().copied().filter(|e| e.is_out()) {
            let (cause, ahead) = self.cause(account, post, posts);
            // Spacing that bends the plan is told however little it bends it; a yes is waited for on purpose.
            let least = if cause == Cause::Spacing { MINUTE } else { self.rules.moved };
            if cause != Cause::Yes && post.moved() > least {
                groups.entry((cause, &post.workflow, ahead.map_or("", |e| &e.workflow))).or_default().push(post);
            }
        }
        for ((cause, workflow, ahead), group) in groups {
            let Some(worst) = group.iter().copied().max_by_key(|e| (e.moved(), Reverse(e.at()))) else { continue };
            let (name, count) = (&account.name, self.posts(group.len()));
            let (wanted, left) = (self.moment(worst.wanted.max(worst.planned)), self.moment(worst.at()));
            let (moved, spacing) = (self.length(worst.moved()), self.length(account.spacing));
            let reason = worst.waits.last().map_or("", |(_, text)| text.trim_end_matches('.'));
            let wait = agree(group.len(), ("attend", "waits"), ("attendent", "wait"));
            let leave = agree(group.len(), ("part", "leaves"), ("partent", "leave"));
            let (fr, en) = match cause {
                Cause::Spacing if workflow == ahead || ahead.is_empty() => (
                    format!("{} que {spacing} séparent deux publications", wait.0),
                    format!("{} until {spacing} lie between two posts", wait.1),
                ),
                Cause::Spacing => (
                    format!("{} derrière « {ahead} », car {spacing} séparent deux publications", wait.0),
                    format!("{} behind \"{ahead}\", because {spacing} lie between two posts", wait.1),
                ),
                Cause::Guard => (
                    format!("{} que tout soit réuni ({reason})", wait.0),
                    format!("{} for the conditions to hold ({reason})", wait.1),
                ),
                Cause::Hours => (format!("{} les heures du compte", wait.0), format!("{} for the account's hours", wait.1)),
                Cause::Yes | Cause::Other => {
                    (format!("{} plus tard que prévu ({reason})", leave.0), format!("{} later than planned ({reason})", leave.1))
                }
            };
            let sentence = self.say(
                format!("Sur {name}, {count} de « {workflow} » {fr} ; au pire {moved}, du {wanted} au {left}."),
                format!("On {name}, {count} of \"{workflow}\" {en}; at worst {moved}, from {wanted} to {left}."),
            );
            let (about, fr, en) = match cause {
                Cause::Spacing => (
                    About::Collision,
                    format!("Décalez l'horaire de « {workflow} », ou réduisez spacing sous [accounts.{name}]."),
                    format!("Move the schedule of \"{workflow}\", or shorten spacing under [accounts.{name}]."),
                ),
                Cause::Guard => (
                    About::Guard,
                    "Vérifiez le stock prévu à ces heures, ou planifiez l'offre quand le produit est là.".into(),
                    "Check the stock expected at those hours, or plan the offer for when the product is there.".into(),
                ),
                Cause::Hours => (
                    About::Moved,
                    format!("Mettez l'horaire de « {workflow} » dans les heures de {name}, ou élargissez hours."),
                    format!("Put the schedule of \"{workflow}\" inside the hours of {name}, or widen hours."),
                ),
                Cause::Yes | Cause::Other => (
                    About::Moved,
                    format!("Regardez ce qui retient {}, la plus retardée.", worst.id),
                    format!("Look at what keeps {}, the latest of them.", worst.id),
                ),
            };
            let remedy = self.say(fr, en);
            let first = group.iter().map(|e| e.at()).min().unwrap_or(self.span.from);
            let found = self.tell(about, first, sentence, remedy);
            (found.account, found.workflow, found.posts) = (Some(name.clone()), Some(workflow.to_owned()), ids(group));
        }
    }

    /// Posts that ended without leaving, told once for each workflow and reason.
    fn unsent(&mut self, account: &Account, posts: &[&Entry]) {
        let mut groups: BTreeMap<(Lost, &str), Vec<&Entry>> = BTreeMap::new();
        for post in posts.iter().copied().filter(|post| !stays_behind(account, post)) {
            let late = post.until.zip(post.ended).is_some_and(|(until, ended)| ended >= until);
            let how = match post.state.as_str() {
                "refused" => Lost::Refused,
                "dead" | "unknown" => Lost::Stuck,
                "cancelled" if late && post.approval == "needed" => Lost::Yes,
                "cancelled" if late && post.guard.is_some() => Lost::Guard,
                "cancelled" if late => Lost::Window,
                "cancelled" if post.guard == Some(Guard::Drops) => Lost::Guard,
                // Taken back by its own workflow, or refused by a person: on purpose. Or it is on its way.
                _ => continue,
            };
            groups.entry((how, &post.workflow)).or_default().push(post);
        }
        for ((how, workflow), group) in groups {
            let Some(first) = group.iter().copied().min_by_key(|e| e.wanted) else { continue };
            let (name, count) = (&account.name, self.posts(group.len()));
            let (when, reason) = (self.moment(first.wanted), first.reason.trim_end_matches('.'));
            let one = group.len() == 1;
            let (about, (fr, en), cure_fr, cure_en) = match how {
                Lost::Yes => (
                    About::Unsent,
                    if one {
                        ("reste sans réponse jusqu'à la fin de sa fenêtre", "stays without an answer until its window ends")
                    } else {
                        ("restent sans réponse jusqu'à la fin de leur fenêtre", "stay without an answer until their window ends")
                    },
                    "Répondez plus tôt, ou donnez aux brouillons une fenêtre plus longue.",
                    "Answer sooner, or give the drafts a longer window.",
                ),
                Lost::Guard => (
                    About::Guard,
                    if one {
                        ("ne part pas, ses conditions n'étant pas remplies", "does not leave because its conditions do not hold")
                    } else {
                        (
                            "ne partent pas, leurs conditions n'étant pas remplies",
                            "do not leave because their conditions do not hold",
                        )
                    },
                    "Vérifiez le stock prévu et l'âge des chiffres, ou retirez l'offre.",
                    "Check the stock expected and the age of its figures, or take the offer out.",
                ),
                Lost::Window => (
                    About::Unsent,
                    if one {
                        ("ne part pas avant la fin de sa fenêtre", "does not leave before its window ends")
                    } else {
                        ("ne partent pas avant la fin de leur fenêtre", "do not leave before their window ends")
                    },
                    "Élargissez la fenêtre (expires), ou faites-leur de la place sur ce compte.",
                    "Widen the window (expires), or make room for them on this account.",
                ),
                Lost::Refused => (
                    About::Breach,
                    if one { ("est refusée", "is refused") } else { ("sont refusées", "are refused") },
                    "Corrigez le texte ou le format à sa source.",
                    "Mend the text or the format where it comes from.",
                ),
                Lost::Stuck => (
                    About::Breach,
                    if one {
                        ("ne se règle pas d'elle-même", "does not settle by itself")
                    } else {
                        ("ne se règlent pas d'elles-mêmes", "do not settle by themselves")
                    },
                    "Répondez-y avec beffroi approve, --again ou --done.",
                    "Answer them with beffroi approve, --again or --done.",
                ),
            };
            let sentence = self.say(
                format!("Sur {name}, {count} de « {workflow} » {fr} ; d'abord le {when} : {reason}."),
                format!("On {name}, {count} of \"{workflow}\" {en}; first on {when}: {reason}."),
            );
            let remedy = self.say(cure_fr.into(), cure_en.into());
            let found = self.tell(about, first.wanted, sentence, remedy);
            (found.account, found.workflow, found.posts) = (Some(name.clone()), Some(workflow.to_owned()), ids(group));
        }
    }

    /// The same item or text on several accounts at about the same time, told once for each set of accounts.
    fn echoes(&mut self) {
        let span = self.span;
        let mut groups: BTreeMap<(bool, &str), Vec<&Entry>> = BTreeMap::new();
        for post in span.entries.iter().filter(|e| e.kind == Kind::Post && e.is_out()) {
            let what = post.item.as_deref().unwrap_or(&post.text);
            groups.entry((post.item.is_some(), what)).or_default().push(post);
        }
        let mut told: BTreeMap<Vec<&str>, Vec<(&Entry, &str)>> = BTreeMap::new();
        for ((_, what), mut group) in groups {
            group.sort_by_key(|e| (e.at(), &e.target));
            let mut rest = group.as_slice();
            while let Some(first) = rest.first().copied() {
                let near = rest.iter().take_while(|e| e.at().since(first.at()) <= self.rules.together).count();
                let accounts: BTreeSet<&str> = rest[..near].iter().map(|e| e.target.as_str()).collect();
                if accounts.len() > 1 {
                    told.entry(accounts.into_iter().collect()).or_default().push((first, what));
                }
                rest = &rest[near..];
            }
        }
        for (accounts, mut cases) in told {
            cases.sort_by_key(|(e, _)| (e.at(), &e.id));
            let Some((first, what)) = cases.first().copied() else { continue };
            let (names, times) = (show::list(&accounts, self.language), self.times(cases.len()));
            let (when, what) = (self.moment(first.at()), words::fit(what.lines().next().unwrap_or_default(), 60));
            let within = self.length(self.rules.together);
            let sentence = self.say(
                format!("{names} disent la même chose à moins de {within} d'écart, {times} ; d'abord le {when} : « {what} »."),
                format!("{names} say the same within {within}, {times}; first on {when}: \"{what}\"."),
            );
            let remedy = self.say(
                "Donnez à chaque compte sa propre heure ou son propre texte (per_network, variantes).".into(),
                "Give each account its own hour or its own text (per_network, variants).".into(),
            );
            self.tell(About::Echo, first.at(), sentence, remedy).posts = ids(cases.iter().map(|(e, _)| *e));
        }
    }

    /// Items that fit and are never taken, and items that may not be taken again.
    fn starved(&mut self) {
        let span = self.span;
        let taken: BTreeSet<&str> = span.entries.iter().filter_map(|e| e.item.as_deref()).collect();
        // Only accounts that live on the library can leave something of it untouched.
        let uses = span.library.iter().flat_map(|item| item.uses.keys().map(String::as_str));
        let living: BTreeSet<&str> =
            span.entries.iter().filter(|e| e.item.is_some()).map(|e| e.target.as_str()).chain(uses).collect();
        let free = |item: &super::Shelved, account: &String| {
            let spent = item.max_uses.is_some_and(|most| item.uses.get(account).copied().unwrap_or(0) >= most);
            living.contains(account.as_str()) && !spent
        };
        let untouched = |item: &&super::Shelved| !taken.contains(item.id.as_str()) && item.fits.iter().any(|a| free(item, a));
        let left: Vec<&str> = span.library.iter().filter(untouched).map(|item| item.title.as_str()).collect();
        if !left.is_empty() {
            let (count, named) = (counted(left.len(), ("idée", "idées"), ("item", "items"), self.language), self.titles(&left));
            let (fr, en) = agree(
                left.len(),
                ("pourrait servir et ne sert pas", "could be used and is not"),
                ("pourraient servir et ne servent pas", "could be used and are not"),
            );
            let sentence =
                self.say(format!("{count} de la bibliothèque {fr} : {named}."), format!("{count} of the library {en}: {named}."));
            let remedy = self.say(
                "Publiez un peu plus souvent (every), ou donnez-leur plus de poids (weight).".into(),
                "Post a little more often (every), or give them more weight (weight).".into(),
            );
            self.tell(About::Starved, span.from, sentence, remedy);
        }
        for item in &span.library {
            let Some(most) = item.max_uses else { continue };
            for account in item.uses.iter().filter(|(_, uses)| **uses >= most).map(|(account, _)| account) {
                let here = span.entries.iter().filter(|e| e.item.as_deref() == Some(&item.id) && e.target == *account);
                let Some(last) = here.max_by_key(|e| (e.at(), &e.id)) else { continue };
                let (title, when, most) = (&item.title, self.moment(last.at()), self.times(usize::try_from(most).unwrap_or(0)));
                let sentence = self.say(
                    format!("« {title} » est épuisée sur {account} après le {when} : elle n'y sert que {most}."),
                    format!("\"{title}\" is used up on {account} after {when}: it serves there only {most}."),
                );
                let remedy = self
                    .say("Relevez max_uses, ou écrivez une autre idée.".into(), "Raise max_uses, or write another one.".into());
                let found = self.tell(About::Starved, last.at(), sentence, remedy);
                (found.account, found.posts) = (Some(account.clone()), vec![last.id.clone()]);
            }
        }
    }

    fn titles(&self, titles: &[&str]) -> String {
        let quoted = |t: &&str| self.language.pick(format!("« {t} »"), format!("\"{t}\""));
        let mut shown: Vec<String> = titles.iter().take(TITLES).map(quoted).collect();
        if titles.len() > TITLES {
            let more = titles.len() - TITLES;
            shown.push(counted(more, ("autre", "autres"), ("other", "others"), self.language));
        }
        show::list(&shown, self.language)
    }

    fn workflows(&mut self) {
        let span = self.span;
        for Ended { workflow, fate, count, first, reason } in &span.ended {
            let (times, when) = (self.times(usize::try_from(*count).unwrap_or(0)), self.moment(*first));
            let (fr, en, cure_fr, cure_en) = match fate.as_str() {
                "failed" => (
                    "échoue",
                    "fails",
                    format!("Corrigez la cause, puis essayez avec : beffroi run {workflow}"),
                    format!("Mend the cause, then try with: beffroi run {workflow}"),
                ),
                "missed" => (
                    "est manqué",
                    "is missed",
                    "Laissez Beffroi tourner, ou choisissez missed et window.".into(),
                    "Let Beffroi run, or choose missed and window.".into(),
                ),
                "coalesced" => (
                    "est rattrapé par un passage plus récent",
                    "is made up for by a later run",
                    "Laissez Beffroi tourner, ou choisissez missed et window.".into(),
                    "Let Beffroi run, or choose missed and window.".into(),
                ),
                "held" => (
                    "attend quelqu'un",
                    "waits for a person",
                    format!("Répondez, ou relancez-le avec : beffroi resume {workflow}"),
                    format!("Answer, or let it go on with: beffroi resume {workflow}"),
                ),
                _ => (
                    "ne passe pas",
                    "does not run",
                    format!("Espacez son horaire ou choisissez overlap ; s'il est en pause : beffroi resume {workflow}"),
                    format!("Space its schedule out or choose overlap; if it is paused: beffroi resume {workflow}"),
                ),
            };
            let why = reason.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().trim_end_matches('.');
            let sentence = self.say(
                format!("Le programme « {workflow} » {fr}, {times} ; d'abord le {when} : {why}."),
                format!("The workflow \"{workflow}\" {en}, {times}; first on {when}: {why}."),
            );
            let remedy = self.say(cure_fr, cure_en);
            self.tell(About::Workflow, *first, sentence, remedy).workflow = Some(workflow.clone());
        }
    }

    fn drafts(&mut self) {
        let span = self.span;
        let waiting: Vec<&Entry> = span.entries.iter().filter(|e| e.waits_for_a_yes()).collect();
        let Some(first) = waiting.iter().copied().min_by_key(|e| (e.planned, &e.id)) else { return };
        let fr = ("brouillon attend encore votre accord", "brouillons attendent encore votre accord");
        let count = counted(waiting.len(), fr, ("draft still waits", "drafts still wait"), self.language);
        let when = self.moment(first.planned);
        let sentence = self.say(
            format!("À la fin, {count} ; le plus ancien depuis le {when}."),
            format!("At the end {count} for your yes; the oldest since {when}."),
        );
        let remedy =
            self.say("Relisez-les avec : beffroi posts --state held".into(), "Read them with: beffroi posts --state held".into());
        self.tell(About::Draft, first.planned, sentence, remedy).posts = ids(waiting);
    }
}
