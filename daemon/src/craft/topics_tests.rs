//! Rising topics on small, readable news weeks.

use super::*;
use proptest::prelude::*;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T08:00:00+01:00").expect("RFC 3339")
}

/// One line of a little newspaper: hours ago, feed, class, title, summary.
struct News(Vec<(Signal, String, String, Timestamp)>);

impl News {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, hours_ago: u64, feed: &str, class: &str, title: &str, summary: &str) {
        let seen = now().minus(Duration::from_secs(hours_ago * HOUR));
        let id = format!("{feed}-{}", self.0.len());
        let signal = Signal { id, title: title.into(), url: None, published: Some(seen), summary: summary.into() };
        self.0.push((signal, feed.into(), class.into(), seen));
    }

    /// A quiet fortnight: two stories a day about other things, and bread now and then.
    fn quiet(mut self) -> Self {
        for day in 1..15 {
            self.add(day * 24 + 2, "voix", "", &format!("Conseil municipal numéro {day} : le budget {day} voté"), "");
            self.add(day * 24 + 5, "filiere", "sector", &format!("Le prix de la farine au point {day}"), "");
            if day % 4 == 0 {
                self.add(day * 24 + 7, "filiere", "sector", &format!("Concours du pain {day} : les inscriptions"), "");
            }
        }
        self
    }

    fn sightings(&self) -> Vec<Sighting<'_>> {
        self.0.iter().map(|(signal, feed, topic, seen)| Sighting { signal, feed, topic, weight: 1.0, seen: *seen }).collect()
    }
}

fn ask<'a>(sightings: &'a [Sighting<'a>], words: &'a [String], avoid: &'a [String]) -> Inquiry<'a> {
    Inquiry {
        sightings,
        now: now(),
        window: Duration::from_secs(DAY),
        baseline: Duration::from_secs(14 * DAY),
        words,
        town: "Arras",
        avoid,
        language: Language::Fr,
        min_sources: 1,
        limit: 10,
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn noel() -> News {
    let mut news = News::new().quiet();
    news.add(3, "voix", "", "Le marché de Noël d'Arras ouvre ses chalets", "");
    news.add(4, "ville", "town", "MARCHÉ DE NOËL : la grande roue arrive", "");
    news.add(5, "filiere", "sector", "Boulangers : vos recettes pour le marché de Noël", "");
    news.add(6, "voix", "", "Le budget 15 voté", "");
    news
}

#[test]
fn a_burst_in_several_feeds_rises_under_the_name_people_give_it() {
    let news = noel();
    let sightings = news.sightings();
    let words = strings(&["boulangerie", "pain"]);
    let topics = rising(&ask(&sightings, &words, &[]));
    let first = &topics[0];
    assert_eq!((first.key.as_str(), first.label.as_str()), ("marche-noel", "marché de Noël"));
    assert_eq!((first.count, first.sources, first.baseline), (3, 3, Some(0.0)));
    assert_eq!(
        first.why,
        "«\u{a0}marché de Noël\u{a0}»\u{a0}: 3\u{a0}sujets dans 3\u{a0}sources en 24\u{a0}heures, jamais vu dans les 14\u{a0}jours \
         d'avant\u{202f}; en lien avec «\u{a0}boulangerie\u{a0}» et «\u{a0}Arras\u{a0}»."
    );
    assert!(topics.iter().all(|t| !t.label.eq_ignore_ascii_case("budget")), "what is written about every day does not rise");
    assert_eq!(topics.iter().filter(|t| t.label.to_lowercase().contains("noël")).count(), 1, "one topic is named once");
}

#[test]
fn copies_and_rewordings_count_once() {
    let mut news = News::new().quiet();
    for (feed, title) in [
        ("a", "Une boulangerie d'Arras élue meilleure de France"),
        ("b", "Meilleure boulangerie de France : Arras élue"),
        ("c", "Une boulangerie d'Arras élue meilleure de France !"),
    ] {
        news.add(3, feed, "", title, "");
    }
    let sightings = news.sightings();
    let words = strings(&["boulangerie"]);
    let topics = rising(&ask(&sightings, &words, &[]));
    assert!(topics.iter().all(|t| t.count == 1), "{topics:?}");
    let topic = topics.first().expect("three feeds carry it");
    assert_eq!((topic.sources, topic.signals.len()), (3, 3));
}

#[test]
fn what_is_avoided_never_appears_even_beside_a_good_word() {
    let mut news = noel();
    news.add(2, "voix", "", "Accident mortel devant la boulangerie du centre", "");
    news.add(3, "ville", "town", "Un accident près de la boulangerie Martin", "");
    news.add(3, "radio", "", "Que faire au marché ? Les idées", "Un accident a eu lieu hier.");
    let sightings = news.sightings();
    let (words, avoid) = (strings(&["boulangerie"]), strings(&["Accidents"]));
    let topics = rising(&ask(&sightings, &words, &avoid));
    for topic in &topics {
        for at in &topic.signals {
            let signal = sightings[*at].signal;
            assert!(!words::fold(&format!("{} {}", signal.title, signal.summary)).contains("accident"));
        }
    }
    assert!(!topics.is_empty());
}

#[test]
fn without_history_it_says_so_and_ranks_by_nearness_and_spread() {
    let mut news = News::new();
    for (feed, title) in [
        ("a", "La baguette classée"),
        ("b", "Baguette : le prix monte"),
        ("a", "Vélo : la piste ouvre"),
        ("b", "Le vélo en ville"),
    ] {
        news.add(3, feed, "", title, "");
    }
    let sightings = news.sightings();
    let words = strings(&["baguette"]);
    let topics = rising(&ask(&sightings, &words, &[]));
    assert_eq!(topics.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["baguette", "velo"]);
    assert_eq!(topics[0].baseline, None);
    assert!(topics[0].why.contains("pas encore assez de recul"), "{}", topics[0].why);
    let english = rising(&Inquiry { language: Language::En, ..ask(&sightings, &words, &[]) });
    assert!(
        english[0].why.starts_with("\"baguette\": 2\u{a0}stories in 2\u{a0}sources in 24\u{a0}hours, not enough history"),
        "{}",
        english[0].why
    );
}

#[test]
fn a_usual_weekday_is_no_surprise() {
    // Every Friday brings five stories about the fish market; today is a Friday and brings five again.
    let mut news = News::new();
    for week in 0..5 {
        for (at, angle) in ["les criées", "tarifs", "turbot entier", "horaires", "étals complets"].iter().enumerate() {
            news.add(
                week * 168 + 2 + at as u64,
                ["a", "b"][at % 2],
                "",
                &format!("Halle aux poissons, semaine {week}, {angle} {at}"),
                "",
            );
        }
        for day in 1..7 {
            news.add(week * 168 + day * 24 + 3, "a", "", &format!("Brève {week} {day}"), "");
        }
    }
    let sightings = news.sightings();
    let inquiry = Inquiry { baseline: Duration::from_secs(28 * DAY), ..ask(&sightings, &[], &[]) };
    let topics = rising(&inquiry);
    assert!(topics.iter().all(|t| !t.key.contains("poisson")), "{topics:?}");
    let earlier: Vec<Sighting<'_>> =
        sightings.iter().filter(|s| s.at() >= now().minus(Duration::from_secs(6 * DAY))).copied().collect();
    let unaware = rising(&Inquiry { sightings: &earlier, ..inquiry });
    assert!(
        unaware.iter().any(|t| t.key.contains("poisson")),
        "without weeks of history, five at once is a surprise: {unaware:?}"
    );
}

#[test]
fn croissance_is_not_a_croissant() {
    assert!(!mentions(&["croissance"], &["croissant".into()]));
    assert!(mentions(&["boulanger"], &["boulangerie".into()]));
    assert!(!mentions(&[], &[]));
}

#[test]
fn nothing_and_nonsense_give_nothing() {
    assert!(rising(&ask(&[], &[], &[])).is_empty());
    let mut news = News::new();
    for title in ["", "!!!", "le la les", "2026"] {
        news.add(1, "a", "", title, "");
        news.add(1, "b", "", title, "");
    }
    let sightings = news.sightings();
    assert!(rising(&ask(&sightings, &[], &[])).is_empty());
    let zero = Inquiry { window: Duration::ZERO, baseline: Duration::ZERO, ..ask(&sightings, &[], &[]) };
    assert!(rising(&zero).is_empty());
}

#[test]
fn a_large_month_is_read_in_reasonable_time() {
    let mut news = News::new();
    for at in 0..3_000_u64 {
        let title = format!(
            "Boulangerie {} et {} dans la rue {}",
            at % 97,
            ["pain", "vélo", "marché", "train"][at as usize % 4],
            at % 389
        );
        news.add(
            at % 360,
            ["a", "b", "c"][at as usize % 3],
            "sector",
            &title,
            "Un texte qui en dit un peu plus sur le sujet du jour.",
        );
    }
    let sightings = news.sightings();
    let _ = rising(&ask(&sightings, &strings(&["pain"]), &[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_the_input_is_of_no_consequence(
        lines in prop::collection::vec((0u64..72, 0usize..4, prop::collection::vec(0usize..10, 1..6)), 0..40),
        turn in 0usize..40,
    ) {
        const VOCABULARY: [&str; 10] = ["pain", "Noël", "marché", "Arras", "vélo", "de", "CHOCOLAT", "fête", "gare", "été"];
        let mut news = News::new();
        for (hours, feed, picks) in &lines {
            let title: Vec<&str> = picks.iter().map(|at| VOCABULARY[*at]).collect();
            news.add(*hours, ["a", "b", "c", "d"][*feed], "", &title.join(" "), "");
        }
        let straight = news.sightings();
        let mut turned = straight.clone();
        turned.rotate_left(turn % straight.len().max(1));
        turned.reverse();
        let words = strings(&["pain"]);
        let ids = |topics: Vec<Rising>, from: &[Sighting<'_>]| -> Vec<(Rising, Vec<String>)> {
            topics
                .into_iter()
                .map(|mut t| {
                    let ids = std::mem::take(&mut t.signals).into_iter().map(|at| from[at].signal.id.clone()).collect();
                    (t, ids)
                })
                .collect()
        };
        let a = ids(rising(&ask(&straight, &words, &[])), &straight);
        let b = ids(rising(&ask(&turned, &words, &[])), &turned);
        prop_assert_eq!(&a, &b);
        for (topic, _) in &a {
            prop_assert!((0.0..=1.0).contains(&topic.relevance) && topic.score.is_finite() && !topic.label.is_empty());
            prop_assert!(topic.count >= 2 || topic.sources >= 2);
        }
        let keys: BTreeSet<&str> = a.iter().map(|(t, _)| t.key.as_str()).collect();
        prop_assert_eq!(keys.len(), a.len());
    }
}
