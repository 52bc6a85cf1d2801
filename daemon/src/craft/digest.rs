//! The weekly digest: what a week brought, against the weeks before, as mail, page, text and data.
//!
//! In: metric rows, posts, what waits for a person. Out: one value that holds all four forms, the same for the same data.
//! Never: shows missing data as zero, calls a difference news that is within the usual, or refers to anything outside itself.

use crate::craft::kpi::{Compared, Coverage, Figure, Kind, MAIN, Measure, Row, Table, VANITY, Verdict, Week};
use crate::craft::show::{self, WIDE};
use crate::craft::words;
use crate::domain::{Currency, Language, Timestamp, Zone};
use minijinja::Environment;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A post that went online, with what is known of its effect.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Published {
    /// The account.
    pub account: String,
    /// When it went online.
    pub at: Timestamp,
    /// Its text; the first line is shown.
    pub text: String,
    /// What it is called elsewhere, such as `d12`.
    pub reference: String,
    /// Where it can be seen.
    pub url: Option<String>,
    /// Clicks on it, when known.
    pub clicks: Option<f64>,
    /// Orders it brought, when known.
    pub orders: Option<f64>,
    /// How many measurements the two rest on.
    pub rows: usize,
}

/// What a digest is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The business's name.
    pub business: &'a str,
    /// The reader's language.
    pub language: Language,
    /// What revenue is in.
    pub currency: Currency,
    /// The business's zone.
    pub zone: Zone,
    /// The week it is about.
    pub week: Week,
    /// How many weeks before it to compare with.
    pub weeks: usize,
    /// The accounts of the configuration, in the order to show them. Others that have data follow.
    pub accounts: &'a [String],
    /// Metrics of the week and the weeks before it.
    pub rows: &'a [Row],
    /// Posts; those outside the week are left out.
    pub posts: &'a [Published],
    /// Deliveries that were held in the week.
    pub held: usize,
    /// Deliveries that a network refused in the week.
    pub refused: usize,
    /// What needs a person: sentences.
    pub needs: &'a [String],
}

/// A digest, in all its forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// The week: `2026-W47`.
    pub key: String,
    /// One line.
    pub title: String,
    /// Plain text.
    pub text: String,
    /// A whole page that is also a mail: no script, nothing remote.
    pub html: String,
    /// Every number with its rows and period.
    pub json: Json,
}

/// More accounts, or more lines of any kind, than this are only counted in the page and the text; the data has them all.
const MOST_ACCOUNTS: usize = 16;
const MOST_LINES: usize = 12;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    pages.add_template("digest.html", include_str!("digest.html")).expect("the template of the digest is tested");
    pages
});

/// A number as it is shown.
#[derive(Serialize)]
struct Shown {
    label: String,
    value: String,
    note: String,
    /// `up`, `down`, `flat` or `none`.
    tone: &'static str,
}

#[derive(Serialize)]
struct Bar {
    /// Pixels; 0 where there is no data.
    height: u32,
    class: &'static str,
}

#[derive(Serialize)]
struct AccountView {
    name: String,
    cells: Vec<Shown>,
    bars: Vec<Bar>,
    bars_label: String,
    #[serde(skip)]
    blocks: String,
}

#[derive(Serialize)]
struct PostView {
    text: String,
    #[serde(rename = "where")]
    place: String,
    figures: String,
    url: Option<String>,
}

#[derive(Serialize)]
struct View {
    lang: &'static str,
    title: String,
    business: String,
    period: String,
    headline: String,
    tiles: Vec<Shown>,
    todo: Vec<String>,
    missing: Vec<String>,
    accounts: Vec<AccountView>,
    more_accounts: String,
    best: Vec<PostView>,
    worst: Vec<PostView>,
    unmeasured: String,
    small: Vec<String>,
    words: BTreeMap<&'static str, &'static str>,
    ink: BTreeMap<&'static str, &'static str>,
}

/// Writes the digest of a week.
pub fn write(facts: &Facts<'_>) -> Digest {
    let table = Table::of(facts.rows);
    let mut accounts: Vec<&str> = Vec::new();
    let posting = facts.posts.iter().map(|post| post.account.as_str());
    for name in facts.accounts.iter().map(String::as_str).chain(table.accounts()).chain(posting) {
        if !accounts.contains(&name) {
            accounts.push(name);
        }
    }
    let mut posts: Vec<&Published> = facts.posts.iter().filter(|post| facts.week.contains(post.at.day(facts.zone))).collect();
    posts.sort_by(|a, b| (a.at, &a.reference).cmp(&(b.at, &b.reference)));
    let week = WeekOf { facts, table, accounts, posts };
    let totals: Vec<Compared> = MAIN.iter().map(|m| week.table.total(&week.accounts, *m, facts.week, facts.weeks)).collect();
    let view = week.view(&totals);
    let html = PAGES
        .get_template("digest.html")
        .and_then(|page| page.render(minijinja::value::Serde(&view)))
        .expect("the template fits the view; tests render it");
    Digest {
        key: facts.week.key(),
        title: view.title.clone(),
        text: text(&view, facts.language),
        json: week.json(&totals, &view),
        html,
    }
}

/// The facts, sorted.
struct WeekOf<'a> {
    facts: &'a Facts<'a>,
    table: Table<'a>,
    accounts: Vec<&'a str>,
    posts: Vec<&'a Published>,
}

impl WeekOf<'_> {
    fn view(&self, totals: &[Compared]) -> View {
        let facts = self.facts;
        let language = facts.language;
        let range = show::range(facts.week.first(), facts.week.last(), language);
        let period = language.pick(format!("Semaine {range}"), format!("Week of {range}"));
        let business = words::fit(facts.business.trim(), 80);
        let title = show::typeset(
            &language.pick(format!("{business} : semaine {range}"), format!("{business}: week of {range}")),
            language,
        );
        let tiles = MAIN.iter().zip(totals).map(|(measure, compared)| self.tile(*measure, compared)).collect();
        let accounts: Vec<AccountView> = self.accounts.iter().take(MOST_ACCOUNTS).map(|name| self.account(name)).collect();
        let more = self.accounts.len() - accounts.len();
        let (best, worst, unmeasured) = self.ranking();
        View {
            lang: language.pick("fr", "en"),
            title,
            business,
            period,
            headline: self.headline(totals),
            tiles,
            todo: self.todo(),
            missing: self.missing(),
            accounts,
            more_accounts: match (more, language) {
                (0, _) => String::new(),
                (n, Language::Fr) => format!(
                    "Et {} ; leurs chiffres comptent dans les totaux.",
                    show::counted(n as i64, "autre compte", "autres comptes", language)
                ),
                (n, Language::En) => format!(
                    "And {}; their figures count in the totals.",
                    show::counted(n as i64, "other account", "other accounts", language)
                ),
            },
            best,
            worst,
            unmeasured,
            small: self.small(totals),
            words: [
                ("todo", language.pick("Ce qui vous attend", "What needs you")),
                ("accounts", language.pick("Compte par compte", "Account by account")),
                ("best", language.pick("Ce qui a le mieux marché", "What worked best")),
                ("worst", language.pick("Ce qui a le moins pris", "What caught on least")),
            ]
            .into(),
            ink: [("up", "#2a7547"), ("down", "#a35a00"), ("flat", "#75695f"), ("none", "#2b2420")].into(),
        }
    }

    fn headline(&self, totals: &[Compared]) -> String {
        let language = self.facts.language;
        let [clicks, talks, orders, revenue] = totals else { return String::new() };
        let start = language.pick("Cette semaine : ", "This week: ");
        if totals.iter().all(|total| total.now.value.is_none()) {
            let posts = show::counted(self.posts.len() as i64, "publication", "publications", language);
            let en = show::counted(self.posts.len() as i64, "post", "posts", language);
            let sentence = match (self.posts.len(), language) {
                (0, Language::Fr) => "rien n'a été publié et aucune donnée n'a été relevée.".to_owned(),
                (0, Language::En) => "nothing was published and no data was collected.".to_owned(),
                (_, Language::Fr) => format!("{posts}, et aucune donnée pour en mesurer l'effet."),
                (_, Language::En) => format!("{en}, and no data to measure their effect."),
            };
            return show::typeset(&format!("{start}{sentence}"), language);
        }
        let mut parts = Vec::new();
        parts.push(match clicks.now.value {
            None => language.pick("aucune donnée sur les clics", "no data on clicks").to_owned(),
            Some(value) => {
                let count = counted(value, ("clic", "clics"), ("click", "clicks"), language);
                match (clicks.change(), clicks.usual) {
                    (Some(change), Some(usual)) => {
                        let change = show::change(change, language);
                        match language {
                            Language::Fr => {
                                format!("{count} ({change} par rapport à la moyenne des {} semaines d'avant)", usual.weeks)
                            }
                            Language::En => format!("{count} ({change} against the mean of the {} weeks before)", usual.weeks),
                        }
                    }
                    _ => count,
                }
            }
        });
        parts.extend(
            talks.now.value.map(|v| counted(v, ("conversation", "conversations"), ("conversation", "conversations"), language)),
        );
        let money = revenue.now.value.map(|v| show::money(v, self.facts.currency, language));
        let sales = orders.now.value.map(|v| counted(v, ("commande", "commandes"), ("order", "orders"), language));
        parts.extend(match (sales, money) {
            (Some(sales), Some(money)) => Some(format!("{sales} {} {money}", language.pick("pour", "worth"))),
            (Some(sales), None) => Some(sales),
            (None, Some(money)) => Some(format!("{money} {}", language.pick("de ventes", "in sales"))),
            (None, None) => None,
        });
        show::typeset(&format!("{start}{}.", parts.join(", ")), language)
    }

    fn tile(&self, measure: Measure, compared: &Compared) -> Shown {
        let language = self.facts.language;
        let change = compared.change().map(|c| show::change(c, language)).unwrap_or_default();
        let band = self.band(measure, compared);
        let (note, tone) = match compared.verdict {
            Verdict::Above => (
                language
                    .pick(format!("▲ {change}, plus que d'habitude ({band})"), format!("▲ {change}, more than usual ({band})")),
                "up",
            ),
            Verdict::Below => (
                language
                    .pick(format!("▼ {change}, moins que d'habitude ({band})"), format!("▼ {change}, less than usual ({band})")),
                "down",
            ),
            Verdict::Usual => (language.pick(format!("comme d'habitude ({band})"), format!("as usual ({band})")), "flat"),
            Verdict::TooFew(_) => {
                (language.pick("pas assez de recul pour comparer", "not enough weeks to compare").to_owned(), "flat")
            }
            Verdict::Incomplete => {
                (language.pick("des données manquent : non comparé", "data is missing: not compared").to_owned(), "flat")
            }
            Verdict::NoData => (language.pick("aucune donnée", "no data").to_owned(), "flat"),
        };
        Shown {
            label: self.heading(measure).to_owned(),
            value: self.value(measure, &compared.now),
            note: show::typeset(&note, language),
            tone,
        }
    }

    fn account(&self, name: &str) -> AccountView {
        let facts = self.facts;
        let language = facts.language;
        let posts = self.posts.iter().filter(|post| post.account == name).count();
        let label =
            language.pick(if posts < 2 { "publication" } else { "publications" }, if posts == 1 { "post" } else { "posts" });
        let mut cells =
            vec![Shown { label: label.into(), value: show::whole(posts as i64, language), note: String::new(), tone: "none" }];
        let mut bars = (Vec::new(), String::new(), String::new());
        for measure in MAIN {
            let compared = self.table.compare(name, measure, facts.week, facts.weeks);
            let band = self.band(measure, &compared);
            let change = compared.change().map(|c| show::change(c, language)).unwrap_or_default();
            let (note, tone) = match compared.verdict {
                Verdict::Above => (format!("▲{WIDE}{change}"), "up"),
                Verdict::Below => (format!("▼{WIDE}{change}"), "down"),
                Verdict::Usual => (language.pick(format!("d'hab. {band}"), format!("usually {band}")), "flat"),
                Verdict::TooFew(_) => (language.pick("pas assez de recul", "too few weeks").to_owned(), "flat"),
                Verdict::Incomplete => (language.pick("incomplet", "incomplete").to_owned(), "flat"),
                Verdict::NoData => (String::new(), "flat"),
            };
            // The bars show the first measure this account has: what is nearest to an effect.
            if bars.0.is_empty() && compared.before.iter().any(|(figure, _)| figure.value.is_some()) {
                bars = self.bars(measure, &compared);
            }
            let label = self.noun(measure, compared.now.value).to_owned();
            cells.push(Shown { label, value: self.value(measure, &compared.now), note: show::typeset(&note, language), tone });
        }
        AccountView { name: words::fit(name, 60), cells, bars: bars.0, bars_label: bars.1, blocks: bars.2 }
    }

    fn bars(&self, measure: Measure, compared: &Compared) -> (Vec<Bar>, String, String) {
        let language = self.facts.language;
        let weeks: Vec<Figure> = compared.before.iter().map(|(figure, _)| *figure).chain([compared.now]).collect();
        let most = weeks.iter().filter_map(|figure| figure.value).fold(0.0, f64::max);
        let share = |value: f64| if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        let last = weeks.len() - 1;
        let bars = weeks
            .iter()
            .enumerate()
            .map(|(at, figure)| Bar {
                height: figure.value.map_or(0, |value| 2 + (share(value) * 32.0).round() as u32),
                class: if at == last { "now" } else { "past" },
            })
            .collect();
        let values: Vec<String> = weeks.iter().map(|figure| self.value(measure, figure)).collect();
        let label = self.heading(measure);
        let label = language.pick(
            format!("{label}, semaine par semaine, celle-ci en dernier : {}", values.join(" ; ")),
            format!("{label}, week by week, this one last: {}", values.join("; ")),
        );
        let blocks =
            weeks.iter().map(|figure| figure.value.map_or('·', |value| BLOCKS[(share(value) * 7.0).round() as usize])).collect();
        (bars, show::typeset(&label, language), blocks)
    }

    /// How many minor units make one.
    fn minor_unit(&self) -> f64 {
        10_f64.powi(self.facts.currency.decimals() as i32)
    }

    /// What is usual, as a range: `180 à 280`.
    fn band(&self, measure: Measure, compared: &Compared) -> String {
        let language = self.facts.language;
        let Some(usual) = compared.usual else { return String::new() };
        let to = language.pick("à", "to");
        if measure.kind == Kind::Money {
            // Cents in a range would claim a precision it does not have.
            let unit = self.minor_unit();
            let (low, high) = ((usual.low / unit).round(), (usual.high / unit).round());
            let money = |units: f64| show::money(units * unit, self.facts.currency, language);
            if low == high {
                return money(high);
            }
            // In French the sign follows the number, and once is enough.
            let low = language.pick(show::number(low, language), money(low));
            return format!("{low}{WIDE}{to}{WIDE}{}", money(high));
        }
        let (low, high) = (usual.low.ceil() as i64, usual.high.floor() as i64);
        format!("{}{WIDE}{to}{WIDE}{}", show::whole(low, language), show::whole(high, language))
    }

    fn value(&self, measure: Measure, figure: &Figure) -> String {
        match figure.value {
            None => "—".to_owned(),
            // Beside five figures, cents are noise; the data keeps them.
            Some(value) if measure.kind == Kind::Money && value.abs() >= 1e5 * self.minor_unit() => {
                let unit = self.minor_unit();
                show::money((value / unit).round() * unit, self.facts.currency, self.facts.language)
            }
            Some(value) if measure.kind == Kind::Money => show::money(value, self.facts.currency, self.facts.language),
            Some(value) => show::number(value, self.facts.language),
        }
    }

    /// The name of a measure as a heading.
    fn heading(&self, measure: Measure) -> &'static str {
        match measure.key {
            "clicks" => self.facts.language.pick("Clics", "Clicks"),
            "conversations" => "Conversations",
            "orders" => self.facts.language.pick("Commandes", "Orders"),
            _ => self.facts.language.pick("Ventes", "Sales"),
        }
    }

    /// The name of a measure after its number.
    fn noun(&self, measure: Measure, value: Option<f64>) -> &'static str {
        let language = self.facts.language;
        let one = value.is_some_and(|value| single(value, language));
        match (measure.key, one) {
            ("clicks", true) => language.pick("clic", "click"),
            ("clicks", false) => language.pick("clics", "clicks"),
            ("conversations", true) => "conversation",
            ("conversations", false) => "conversations",
            ("orders", true) => language.pick("commande", "order"),
            ("orders", false) => language.pick("commandes", "orders"),
            _ => language.pick("de ventes", "in sales"),
        }
    }

    fn todo(&self) -> Vec<String> {
        let facts = self.facts;
        let language = facts.language;
        let mut lines: Vec<String> =
            facts.needs.iter().take(MOST_LINES).map(|need| show::typeset(&words::fit(need.trim(), 400), language)).collect();
        if facts.needs.len() > MOST_LINES {
            let more = show::counted(
                (facts.needs.len() - MOST_LINES) as i64,
                language.pick("autre", "more"),
                language.pick("autres", "more"),
                language,
            );
            lines.push(language.pick(format!("Et {more}."), format!("And {more}.")));
        }
        lines
    }

    fn missing(&self) -> Vec<String> {
        let facts = self.facts;
        let language = facts.language;
        let mut lines = Vec::new();
        let mut never = Vec::new();
        for name in &self.accounts {
            let shown = words::fit(name, 60);
            match self.table.coverage(name, facts.week, facts.weeks) {
                Coverage::Whole => {}
                Coverage::Never => never.push(shown),
                Coverage::Since(day) if facts.week.contains(day) && day > facts.week.first() => {
                    let since = show::weekday(day, language);
                    lines.push(language.pick(
                        format!("Aucune donnée pour {shown} depuis {since} : sa semaine est incomplète et n'est pas comparée."),
                        format!("No data for {shown} since {since}: its week is incomplete and is not compared."),
                    ));
                }
                Coverage::Since(day) => {
                    let since = show::day(day, language);
                    lines.push(language.pick(
                        format!("Aucune donnée pour {shown} cette semaine, ni depuis le {since}."),
                        format!("No data for {shown} this week, nor since {since}."),
                    ));
                }
                Coverage::Gaps(days) => {
                    let days: Vec<&str> = days.iter().map(|day| show::weekday(*day, language)).collect();
                    let days = show::list(&days, language);
                    lines.push(language.pick(
                        format!("Il manque les données de {days} pour {shown} : sa semaine n'est pas comparée."),
                        format!("Data of {days} is missing for {shown}: its week is not compared."),
                    ));
                }
            }
        }
        if !never.is_empty() {
            let more = never.len().saturating_sub(MOST_LINES);
            never.truncate(MOST_LINES);
            if more > 0 {
                never.push(show::counted(
                    more as i64,
                    language.pick("autre", "other"),
                    language.pick("autres", "others"),
                    language,
                ));
            }
            let names = show::list(&never, language);
            lines.push(language.pick(
                format!("Aucune donnée n'a encore été relevée pour {names}."),
                format!("No data was ever collected for {names}."),
            ));
        }
        lines.truncate(MOST_ACCOUNTS);
        lines.iter().map(|line| show::typeset(line, language)).collect()
    }

    /// The measured posts, most clicks first, then most orders.
    fn ranked(&self) -> Vec<&Published> {
        let mut posts: Vec<&Published> =
            self.posts.iter().copied().filter(|post| post.clicks.is_some_and(f64::is_finite)).collect();
        let rank = |post: &Published| (post.clicks.unwrap_or(0.0), post.orders.filter(|o| o.is_finite()).unwrap_or(0.0));
        posts.sort_by(|a, b| {
            let (a_rank, b_rank) = (rank(a), rank(b));
            b_rank
                .0
                .total_cmp(&a_rank.0)
                .then(b_rank.1.total_cmp(&a_rank.1))
                .then_with(|| (Reverse(a.at), &a.reference).cmp(&(Reverse(b.at), &b.reference)))
        });
        posts
    }

    /// How many of the ranked posts are shown as best and as worst: never the same one as both, and few where there are few.
    fn split(measured: usize) -> (usize, usize) {
        let best = measured.div_ceil(2).min(3);
        (best, (measured / 3).min(2))
    }

    fn ranking(&self) -> (Vec<PostView>, Vec<PostView>, String) {
        let language = self.facts.language;
        let ranked = self.ranked();
        let (best, worst) = Self::split(ranked.len());
        let unmeasured = self.posts.len() - ranked.len();
        let sentence = match (unmeasured, ranked.len(), language) {
            (0, _, _) => String::new(),
            (1, 0, Language::Fr) => "La publication de la semaine n'a pas encore de clics mesurés.".to_owned(),
            (1, 0, Language::En) => "Clicks on the week's one post are not measured yet.".to_owned(),
            (n, 0, Language::Fr) => format!("Les clics des {n} publications de la semaine ne sont pas encore mesurés."),
            (n, 0, Language::En) => format!("Clicks on the week's {n} posts are not measured yet."),
            (n, _, Language::Fr) => format!(
                "Sans clics mesurés, donc non classées : {}.",
                show::counted(n as i64, "publication", "publications", language)
            ),
            (n, _, Language::En) => {
                format!("Not ranked, as their clicks are not measured: {}.", show::counted(n as i64, "post", "posts", language))
            }
        };
        let views = |posts: &[&Published]| -> Vec<PostView> { posts.iter().map(|post| self.post(post)).collect() };
        let last: Vec<&Published> = ranked.iter().rev().take(worst).copied().collect();
        (views(&ranked[..best]), views(&last), show::typeset(&sentence, language))
    }

    fn post(&self, post: &Published) -> PostView {
        let language = self.facts.language;
        let first = post.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let mut figures: Vec<String> = Vec::new();
        figures.extend(post.clicks.map(|v| counted(v, ("clic", "clics"), ("click", "clicks"), language)));
        figures.extend(post.orders.map(|v| counted(v, ("commande", "commandes"), ("order", "orders"), language)));
        let text = words::fit(first, 110);
        PostView {
            text: if text.is_empty() { post.reference.clone() } else { text },
            place: format!("{}, {}", words::fit(&post.account, 60), show::weekday(post.at.day(self.facts.zone), language)),
            figures: figures.join(", "),
            // Anything but a web address in a link could act in the reader's name.
            url: post.url.clone().filter(|url| url.starts_with("https://") || url.starts_with("http://")),
        }
    }

    fn small(&self, totals: &[Compared]) -> Vec<String> {
        let facts = self.facts;
        let language = facts.language;
        let mut lines = Vec::new();
        let mut counts = Vec::new();
        if facts.held > 0 {
            counts.push(counted(
                facts.held as f64,
                ("publication retenue", "publications retenues"),
                ("post held back", "posts held back"),
                language,
            ));
        }
        if facts.refused > 0 {
            counts.push(counted(
                facts.refused as f64,
                ("publication refusée par un réseau", "publications refusées par un réseau"),
                ("post refused by a network", "posts refused by a network"),
                language,
            ));
        }
        if !counts.is_empty() {
            lines.push(language.pick(
                format!("Aussi : {}.", show::list(&counts, language)),
                format!("Also: {}.", show::list(&counts, language)),
            ));
        }
        let vanity: Vec<String> = self
            .vanity()
            .into_iter()
            .filter_map(|(measure, compared)| {
                let (one, many) = match measure.key {
                    "followers" => language.pick(("abonné", "abonnés"), ("follower", "followers")),
                    "likes" => language.pick(("j'aime", "j'aime"), ("like", "likes")),
                    "shares" => language.pick(("partage", "partages"), ("share", "shares")),
                    "saves" => language.pick(("enregistrement", "enregistrements"), ("save", "saves")),
                    "reach" => language.pick(("personne touchée", "personnes touchées"), ("person reached", "people reached")),
                    _ => language.pick(("affichage", "affichages"), ("impression", "impressions")),
                };
                compared.now.value.map(|v| counted(v, (one, many), (one, many), language))
            })
            .collect();
        if !vanity.is_empty() {
            let vanity = vanity.join(", ");
            lines.push(language.pick(
                format!("Pour mémoire, tous comptes confondus : {vanity}. Ces chiffres font plaisir et n'achètent rien."),
                format!("For the record, all accounts together: {vanity}. Nice figures that buy nothing."),
            ));
        }
        if totals.iter().any(|total| total.usual.is_some()) {
            lines.push(language.pick(
                format!(
                    "« D'habitude » : la moyenne des semaines d'avant (jusqu'à {}), à deux écarts-types près. Une flèche n'apparaît qu'en dehors ; le reste, \
                     c'est le hasard des semaines.",
                    facts.weeks
                ),
                format!(
                    "\"Usual\" is the mean of the weeks before (up to {}), give or take two standard deviations. An arrow appears only outside it; the rest \
                     is the chance of the week.",
                    facts.weeks
                ),
            ));
        }
        lines.push(
            language
                .pick("Un tiret (—) veut dire : aucune donnée. Ce n'est pas zéro.", "A dash (—) means no data. It is not zero.")
                .to_owned(),
        );
        lines.iter().map(|line| show::typeset(line, language)).collect()
    }

    fn vanity(&self) -> Vec<(Measure, Compared)> {
        VANITY.iter().map(|m| (*m, self.table.total(&self.accounts, *m, self.facts.week, self.facts.weeks))).collect()
    }

    fn json(&self, totals: &[Compared], view: &View) -> Json {
        let facts = self.facts;
        let (from, to) = (facts.week.first().to_string(), facts.week.last().to_string());
        let counted = |n: usize| json!({ "value": n, "rows": n, "from": from, "to": to });
        let measures = |compared: Vec<(Measure, Compared)>| -> serde_json::Map<String, Json> {
            compared.iter().map(|(measure, compared)| (measure.key.to_owned(), compared.json())).collect()
        };
        let accounts: Vec<Json> = self
            .accounts
            .iter()
            .map(|name| {
                let all = MAIN.iter().chain(&VANITY).map(|m| (*m, self.table.compare(name, *m, facts.week, facts.weeks)));
                let mut one = measures(all.collect());
                one.insert("account".into(), json!(name));
                one.insert("posts".into(), counted(self.posts.iter().filter(|post| post.account == *name).count()));
                let (word, days) = match self.table.coverage(name, facts.week, facts.weeks) {
                    Coverage::Whole => ("whole", Vec::new()),
                    Coverage::Never => ("never", Vec::new()),
                    Coverage::Since(day) => ("missing-since", vec![day.to_string()]),
                    Coverage::Gaps(days) => ("gaps", days.iter().map(ToString::to_string).collect()),
                };
                one.insert("coverage".into(), json!({ "state": word, "days": days }));
                Json::Object(one)
            })
            .collect();
        let ranked = self.ranked();
        let (best, worst) = Self::split(ranked.len());
        let last: Vec<&Published> = ranked.iter().rev().take(worst).copied().collect();
        let posts = |list: &[&Published]| -> Vec<Json> {
            list.iter()
                .map(|post| {
                    let day = post.at.day(facts.zone).to_string();
                    let figure = |value: Option<f64>| json!({ "value": value, "rows": post.rows, "from": day, "to": to });
                    json!({
                        "ref": post.reference, "account": post.account, "at": post.at.rfc3339(facts.zone), "text": self.post(post).text,
                        "url": post.url, "clicks": figure(post.clicks), "orders": figure(post.orders),
                    })
                })
                .collect()
        };
        let mut all = measures(MAIN.iter().copied().zip(totals.iter().cloned()).chain(self.vanity()).collect());
        all.insert("posts".into(), counted(self.posts.len()));
        all.insert("held".into(), counted(facts.held));
        all.insert("refused".into(), counted(facts.refused));
        json!({
            "key": facts.week.key(), "title": view.title, "business": facts.business, "language": facts.language, "currency": facts.currency,
            "zone": facts.zone.name(), "period": { "from": from, "to": to }, "weeks": facts.weeks, "headline": view.headline,
            "totals": all, "accounts": accounts,
            "posts": { "best": posts(&ranked[..best]), "worst": posts(&last), "unmeasured": counted(self.posts.len() - ranked.len()) },
            "needs": facts.needs, "missing": view.missing,
        })
    }
}

/// A number with its noun in the reader's language.
fn counted(value: f64, fr: (&str, &str), en: (&str, &str), language: Language) -> String {
    let (one, many) = language.pick(fr, en);
    format!("{}{}{}", show::number(value, language), WIDE, if single(value, language) { one } else { many })
}

/// Whether a number takes the singular: in French everything below two does.
fn single(value: f64, language: Language) -> bool {
    language.pick(value.abs() < 2.0, value == 1.0)
}

/// The same digest for a reader of plain text.
fn text(view: &View, language: Language) -> String {
    let mut out = vec![view.title.clone(), String::new(), view.headline.clone()];
    let colon = language.pick("\u{a0}:", ":");
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push(String::new());
            if !title.is_empty() {
                out.push(title.to_uppercase());
            }
            out.extend(lines);
        }
    };
    section("", view.tiles.iter().map(|tile| format!("{}{colon} {}, {}", tile.label, tile.value, tile.note)).collect());
    section(view.words["todo"], view.todo.iter().map(|line| format!("- {line}")).collect());
    section("", view.missing.clone());
    let mut accounts: Vec<String> = Vec::new();
    for account in &view.accounts {
        let cells: Vec<String> = account
            .cells
            .iter()
            .map(|cell| {
                let note = if cell.note.is_empty() { String::new() } else { format!(" ({})", cell.note) };
                format!("{} {}{note}", cell.value, cell.label)
            })
            .collect();
        accounts.push(format!("{}{colon} {}", account.name, cells.join(", ")));
        if !account.blocks.is_empty() {
            accounts.push(format!("  {}", account.blocks));
        }
    }
    accounts.extend((!view.more_accounts.is_empty()).then(|| view.more_accounts.clone()));
    section(view.words["accounts"], accounts);
    let posts = |list: &[PostView]| -> Vec<String> {
        let line = |post: &PostView| {
            let url = post.url.as_ref().map(|url| format!("\n  {url}")).unwrap_or_default();
            format!("- {}\n  {}{colon} {}{url}", post.text, post.place, post.figures)
        };
        list.iter().map(line).collect()
    };
    section(view.words["best"], posts(&view.best));
    section(view.words["worst"], posts(&view.worst));
    section("", Some(view.unmeasured.clone()).filter(|line| !line.is_empty()).into_iter().collect());
    section("—", view.small.clone());
    let mut text = out.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
