//! What a rotation promises, on small libraries and on random histories.

use super::*;
use proptest::prelude::*;

const DAY: u64 = 86_400;

fn days(n: u64) -> Duration {
    Duration::from_secs(n * DAY)
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T08:00:00+01:00").expect("RFC 3339")
}

fn item(id: &str) -> Candidate<'_> {
    Candidate {
        id,
        theme: "",
        formats: &[],
        networks: &[],
        accounts: &[],
        valid_from: None,
        valid_until: None,
        season_ok: true,
        cool_down: days(30),
        max_uses: None,
        weight: 1.0,
        words: &[],
    }
}

fn wanted() -> Wanted<'static> {
    Wanted {
        account: "boutique",
        network: "facebook",
        formats: &[],
        format: None,
        theme: None,
        theme_spacing: 2,
        now: now(),
        zone: chrono_tz::Europe::Paris,
        language: Language::Fr,
        seed: 7,
    }
}

fn used(list: &[(&str, u64)]) -> HashMap<String, Use> {
    list.iter().map(|(id, ago)| ((*id).to_owned(), Use { last: now().minus(days(*ago)), count: 1 })).collect()
}

fn post<'a>(ago: u64, item: &'a str, theme: &'a str) -> Recent<'a> {
    Recent { at: now().minus(days(ago)), item, theme, words: &[] }
}

fn picked(choice: &Choice) -> &str {
    match choice {
        Choice::Pick { id, .. } => id,
        Choice::Nothing { reasons } => panic!("nothing was picked: {reasons:?}"),
    }
}

fn reasons(choice: &Choice) -> String {
    let (Choice::Pick { reasons, .. } | Choice::Nothing { reasons }) = choice;
    reasons.join("\n").replace(['\u{a0}', '\u{202f}'], " ")
}

#[test]
fn never_used_comes_first_then_longest_unused_then_by_weight() {
    let items = [item("old"), item("older"), item("new")];
    let history = used(&[("old", 40), ("older", 60)]);
    assert_eq!(picked(&next(&wanted(), &items, &history, &[])), "new");
    let choice = next(&wanted(), &items[..2], &history, &[]);
    assert_eq!(picked(&choice), "older");
    assert_eq!(
        reasons(&choice),
        "Pas publié ici depuis le 21 septembre (60 jours) : le plus attendu, devant 1 autre.\nChoisi parmi 2 possibles sur 2."
    );
    let heavy = [Candidate { weight: 2.0, ..item("old") }, item("older")];
    assert_eq!(picked(&next(&wanted(), &heavy, &history, &[])), "old");
}

#[test]
fn what_stands_in_the_way_is_counted_and_dated() {
    let (networks, accounts, formats) = (["x".to_owned()], ["autre".to_owned()], ["reel".to_owned()]);
    let mut items = vec![
        item("rests"),
        item("rests-less"),
        Candidate { season_ok: false, ..item("summer") },
        Candidate { networks: &networks, ..item("for-x") },
        Candidate { accounts: &accounts, ..item("elsewhere") },
        Candidate { valid_from: Some("2027-01-02".parse().expect("a date")), ..item("later") },
        Candidate { valid_until: Some("2026-11-19".parse().expect("a date")), ..item("over") },
        Candidate { max_uses: Some(1), cool_down: Duration::ZERO, ..item("done") },
        Candidate { weight: 0.0, ..item("aside") },
        Candidate { weight: f64::NAN, ..item("aside-too") },
    ];
    let history = used(&[("rests", 3), ("rests-less", 17), ("done", 300)]);
    let choice = next(&wanted(), &items, &history, &[]);
    assert_eq!(
        reasons(&choice),
        "Aucun des 10 contenus de la bibliothèque ne convient à boutique pour l'instant.\n\
         2 se reposent, le premier jusqu'au 3 décembre.\n1 est hors saison.\n1 n'est pas encore valable (à partir du 2 janvier 2027).\n\
         1 n'est plus valable.\n1 a atteint son nombre d'utilisations.\n1 est pour d'autres réseaux.\n1 est pour d'autres comptes.\n\
         2 sont mis de côté."
    );
    let wish = Wanted { format: Some("story"), theme: Some("pain"), language: Language::En, ..wanted() };
    items.push(Candidate { formats: &formats, ..item("film") });
    items.push(Candidate { theme: "vin", ..item("wine") });
    let choice = next(&wish, &items[10..], &history, &[]);
    assert_eq!(
        reasons(&choice),
        "None of the 2 items in the library suits boutique right now.\n1 does not come in the right format.\n1 has another theme."
    );
    assert!(reasons(&next(&wanted(), &[], &history, &[])).contains("La bibliothèque est vide"));
}

#[test]
fn themes_are_spaced_and_give_way_only_with_a_reason() {
    let items = [Candidate { theme: "pain", ..item("a") }, Candidate { theme: "vin", ..item("b") }];
    let recent = [post(1, "", "pain"), post(2, "", "lait"), post(3, "", "vin")];
    let choice = next(&wanted(), &items, &HashMap::new(), &recent);
    assert_eq!(picked(&choice), "b");
    assert!(reasons(&choice).contains("Thème « vin » : dernier passage il y a 3 publications."), "{}", reasons(&choice));
    let choice = next(&wanted(), &items[..1], &HashMap::new(), &recent);
    assert_eq!(picked(&choice), "a");
    assert!(
        reasons(&choice).contains("Le thème « pain » revient après 0 publication au lieu de 2 : rien d'autre n'était possible."),
        "{}",
        reasons(&choice)
    );
}

#[test]
fn what_is_planned_already_rests() {
    let items = [item("a"), item("b")];
    let recent = [Recent { at: now().plus(days(2)), item: "a", theme: "", words: &[] }];
    for seed in 0..50 {
        assert_eq!(picked(&next(&Wanted { seed, ..wanted() }, &items, &HashMap::new(), &recent)), "b");
    }
}

#[test]
fn a_text_said_lately_is_not_said_again() {
    let words = ["croissant", "beurre", "matin", "chaud"].map(str::to_owned);
    let items = [Candidate { words: &words, ..item("same") }, item("other")];
    let recent = [Recent { at: now().minus(days(1)), item: "", theme: "", words: &words[..3] }];
    for seed in 0..50 {
        assert_eq!(picked(&next(&Wanted { seed, ..wanted() }, &items, &HashMap::new(), &recent)), "other");
    }
    let none = next(&wanted(), &items[..1], &HashMap::new(), &recent);
    assert!(reasons(&none).contains("1 ressemble trop à une publication récente."), "{}", reasons(&none));
}

#[test]
fn the_format_is_one_both_take() {
    let (of_item, of_account) = (["reel".to_owned(), "story".to_owned()], ["post".to_owned(), "story".to_owned()]);
    let items = [Candidate { formats: &of_item, ..item("a") }];
    let wanted = Wanted { formats: &of_account, ..wanted() };
    assert!(matches!(next(&wanted, &items, &HashMap::new(), &[]), Choice::Pick { format, .. } if format == "story"));
    let reel = Wanted { format: Some("reel"), ..wanted };
    assert!(matches!(next(&reel, &items, &HashMap::new(), &[]), Choice::Nothing { .. }));
    assert!(matches!(next(&wanted, &[item("b")], &HashMap::new(), &[]), Choice::Pick { format, .. } if format == "post"));
}

#[test]
fn weights_show_among_the_never_used() {
    let items = [Candidate { weight: 3.0, ..item("often") }, item("seldom")];
    let often = (0..1_000)
        .filter(|seed| picked(&next(&Wanted { seed: *seed, ..wanted() }, &items, &HashMap::new(), &[])) == "often")
        .count();
    assert!((680..820).contains(&often), "{often} of 1,000 with a weight of 3 against 1");
}

/// Run in a release build: `cargo test --release -p beffroi --lib a_pick_from_a_thousand -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, for a release build"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's clock")]
fn a_pick_from_a_thousand_items_takes_less_than_a_millisecond() {
    let ids: Vec<String> = (0..1_000).map(|n| format!("item-{n}")).collect();
    let themes = ["pain", "vin", "lait", "miel", "fete"];
    let items: Vec<Candidate<'_>> =
        ids.iter().enumerate().map(|(n, id)| Candidate { theme: themes[n % 5], ..item(id) }).collect();
    let history: HashMap<String, Use> =
        ids.iter().enumerate().map(|(n, id)| (id.clone(), Use { last: now().minus(days(n as u64 % 90)), count: 1 })).collect();
    let recent: Vec<Recent<'_>> = (0..30).map(|n| post(n, &ids[n as usize], themes[n as usize % 2])).collect();
    let start = std::time::Instant::now();
    for seed in 0..1_000 {
        assert!(matches!(next(&Wanted { seed, ..wanted() }, &items, &history, &recent), Choice::Pick { .. }));
    }
    let each = start.elapsed() / 1_000;
    println!("a pick from 1,000 items: {each:?}");
    assert!(each < Duration::from_millis(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_item_is_ever_used_inside_its_cool_down(
        rules in prop::collection::vec((0usize..4, 0u64..40, 0u32..5, 0.0f64..3.0), 1..20),
        steps in prop::collection::vec((0u64..100, any::<u64>(), prop::option::of(0usize..4)), 1..60),
        spacing in 0usize..6,
    ) {
        const THEMES: [&str; 4] = ["", "pain", "vin", "lait"];
        let ids: Vec<String> = (0..rules.len()).map(|n| format!("i{n}")).collect();
        let items: Vec<Candidate<'_>> = rules
            .iter()
            .zip(&ids)
            .map(|((theme, rest, max, weight), id)| Candidate {
                theme: THEMES[*theme],
                cool_down: days(*rest),
                max_uses: (*max > 0).then_some(*max),
                weight: *weight,
                ..item(id)
            })
            .collect();
        let mut history: HashMap<String, Use> = HashMap::new();
        let mut posts: Vec<(Timestamp, usize)> = Vec::new();
        let mut at = now();
        for (hours, seed, theme) in steps {
            at = at.plus(Duration::from_secs(hours * 3_600));
            let recent: Vec<Recent<'_>> =
                posts.iter().rev().take(10).map(|(at, n)| Recent { at: *at, item: items[*n].id, theme: items[*n].theme, words: &[] }).collect();
            let wish = Wanted { now: at, seed, theme_spacing: spacing, theme: theme.map(|t| THEMES[t]), ..wanted() };
            let choice = next(&wish, &items, &history, &recent);
            prop_assert_eq!(&choice, &next(&wish, &items, &history, &recent));
            let Choice::Pick { id, .. } = choice else { continue };
            let n = ids.iter().position(|known| *known == id).expect("a known item");
            let before = history.get(&id).copied();
            if let Some(before) = before {
                prop_assert!(at.since(before.last) >= items[n].cool_down, "{} was used again too soon", id);
                prop_assert!(items[n].max_uses.is_none_or(|max| before.count < max));
            }
            prop_assert!(items[n].weight > 0.0);
            history.insert(id, Use { last: at, count: before.map_or(1, |b| b.count + 1) });
            posts.push((at, n));
        }
    }
}
