//! Digests of made-up weeks, read the way an owner and a program would.

use super::*;
use chrono::{Days, NaiveDate};
use proptest::prelude::*;

fn week() -> Week {
    Week::of("2026-11-18".parse().expect("a date"))
}

/// A value spread evenly over the seven days of the week `ago` weeks before.
fn spread(rows: &mut Vec<Row>, account: &str, name: &str, ago: usize, total: f64) {
    for (at, day) in week().before(ago).days().enumerate() {
        let each = (total / 7.0).floor();
        let value = if at == 6 { total - each * 6.0 } else { each };
        rows.push(Row { account: account.into(), name: name.into(), day, value });
    }
}

fn series(rows: &mut Vec<Row>, account: &str, name: &str, weeks: &[f64]) {
    weeks.iter().rev().enumerate().for_each(|(ago, total)| spread(rows, account, name, ago, *total));
}

/// Three accounts and nine weeks: one doing well, one as usual, one that went silent on Tuesday.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    series(&mut rows, "facebook", "clicks", &[120.0, 135.0, 118.0, 126.0, 140.0, 122.0, 131.0, 128.0, 203.0]);
    series(&mut rows, "facebook", "replies", &[14.0, 9.0, 12.0, 15.0, 11.0, 13.0, 10.0, 12.0, 13.0]);
    series(&mut rows, "facebook", "messages", &[8.0, 6.0, 9.0, 7.0, 5.0, 8.0, 9.0, 6.0, 8.0]);
    series(&mut rows, "facebook", "orders", &[12.0, 14.0, 9.0, 13.0, 12.0, 15.0, 11.0, 12.0, 18.0]);
    series(
        &mut rows,
        "facebook",
        "revenue",
        &[25_000.0, 31_000.0, 20_500.0, 28_000.0, 26_000.0, 33_000.0, 24_000.0, 26_500.0, 41_250.0],
    );
    series(&mut rows, "facebook", "likes", &[90.0; 9]);
    series(&mut rows, "facebook", "followers", &[7.0 * 1_204.0; 9]);
    series(&mut rows, "linkedin", "clicks", &[44.0, 39.0, 51.0, 42.0, 47.0, 40.0, 45.0, 43.0, 46.0]);
    series(&mut rows, "linkedin", "messages", &[3.0, 2.0, 4.0, 1.0, 3.0, 2.0, 3.0, 2.0, 1.0]);
    series(&mut rows, "linkedin", "orders", &[2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0]);
    series(&mut rows, "linkedin", "revenue", &[9_000.0, 4_500.0, 12_000.0, 8_000.0, 5_000.0, 9_500.0, 7_000.0, 6_000.0, 5_990.0]);
    series(&mut rows, "instagram", "clicks", &[63.0, 70.0, 66.0, 58.0, 72.0, 69.0, 64.0, 71.0, 63.0]);
    series(&mut rows, "instagram", "replies", &[21.0, 25.0, 19.0, 22.0, 24.0, 18.0, 23.0, 20.0, 19.0]);
    rows
}

fn complete() -> Vec<Row> {
    rows()
}

fn silent() -> Vec<Row> {
    rows().into_iter().filter(|row| row.account != "instagram" || row.day < week().first() + Days::new(1)).collect()
}

fn posts() -> Vec<Published> {
    [
        (
            "facebook",
            "17T07:00",
            "Les croissants sortent du four à 7 h : qui veut le premier ?\nVenez tôt.",
            Some(96.0),
            Some(9.0),
            "d41",
        ),
        ("instagram", "18T12:10", "Pain de seigle au miel, la fournée du mercredi", Some(41.0), Some(2.0), "d42"),
        ("facebook", "19T17:30", "Galette des rois : les réservations sont ouvertes", Some(88.0), Some(7.0), "d43"),
        ("linkedin", "20T09:00", "Nous recrutons une apprentie pâtissière pour janvier", Some(33.0), None, "d44"),
        ("facebook", "21T10:00", "Rappel : fermeture exceptionnelle lundi", Some(6.0), Some(0.0), "d45"),
        ("instagram", "22T11:00", "Dimanche brioche", None, None, "d46"),
        ("facebook", "23T00:30", "La semaine suivante", Some(999.0), None, "d47"),
    ]
    .map(|(account, at, text, clicks, orders, reference)| Published {
        account: account.into(),
        at: Timestamp::parse(&format!("2026-11-{at}:00+01:00")).expect("RFC 3339"),
        text: text.into(),
        reference: reference.into(),
        url: (reference != "d45").then(|| format!("https://exemple.fr/p/{reference}")),
        clicks,
        orders,
        rows: 6,
    })
    .into()
}

fn accounts() -> Vec<String> {
    ["facebook", "instagram", "linkedin"].map(str::to_owned).into()
}

fn facts<'a>(accounts: &'a [String], rows: &'a [Row], posts: &'a [Published], needs: &'a [String]) -> Facts<'a> {
    Facts {
        business: "Boulangerie Lefèvre",
        language: Language::Fr,
        currency: Currency::EUR,
        zone: chrono_tz::Europe::Paris,
        week: week(),
        weeks: 8,
        accounts,
        rows,
        posts,
        held: 2,
        refused: 0,
        needs,
    }
}

fn needs() -> Vec<String> {
    vec![
        "Un brouillon attend votre accord depuis jeudi : « Marché de Noël, nos idées gourmandes ». Tapez : beffroi approve d48."
            .into(),
        "La promotion « Tarte aux pommes » est retenue : il n'y en a plus en stock.".into(),
    ]
}

/// Unbreakable spaces as ordinary ones: easier to read in a test.
fn spaced(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

#[test]
fn a_french_week_reads_as_it_should() {
    let (accounts, rows, posts, needs) = (accounts(), complete(), posts(), needs());
    let digest = write(&facts(&accounts, &rows, &posts, &needs));
    assert_eq!(digest.key, "2026-W47");
    assert_eq!(digest.title, "Boulangerie Lefèvre\u{a0}: semaine du 16 au 22\u{a0}novembre 2026");
    let text = spaced(&digest.text);
    for line in [
        "Cette semaine : 312 clics (+31 % par rapport à la moyenne des 8 semaines d'avant), 41 conversations, 19 commandes pour 472,40 €.",
        "Clics : 312, ▲ +31 %, plus que d'habitude (208 à 268)",
        "- La promotion « Tarte aux pommes » est retenue : il n'y en a plus en stock.",
        "facebook : 3 publications, 203 clics (▲ +59 %), 21 conversations (d'hab. 11 à 28), 18 commandes (d'hab. 6 à 19), 412,50 € de ventes (▲ +54 %)",
        "  ▅▆▅▅▆▅▆▅█",
        "linkedin : 1 publication, 46 clics (d'hab. 31 à 57), 1 conversation (d'hab. 0 à 5), 1 commande (d'hab. 0 à 4), 59,90 € de ventes (d'hab. 26 à 127 €)",
        "- Les croissants sortent du four à 7 h : qui veut le premier ?\n  facebook, mardi : 96 clics, 9 commandes\n  https://exemple.fr/p/d41",
        "Sans clics mesurés, donc non classées : 1 publication.",
        "Aussi : 2 publications retenues.",
        "Pour mémoire, tous comptes confondus : 1 204 abonnés, 90 j'aime. Ces chiffres font plaisir et n'achètent rien.",
    ] {
        assert!(text.contains(line), "missing: {line}\nin:\n{text}");
    }
    assert!(!text.contains("La semaine suivante"), "a post of Monday, 00:30 in Paris, belongs to the next week");
    let best = text.find("LE MIEUX MARCHÉ").expect("a heading");
    let worst = text.find("LE MOINS PRIS").expect("a heading");
    let closing = text.find("fermeture exceptionnelle").expect("the post");
    assert!(best < worst && worst < closing);
    assert!(!text.contains("aucune donnée pour"));
}

#[test]
fn an_english_week_reads_as_it_should() {
    let (accounts, rows, posts) = (accounts(), complete(), posts());
    let digest = write(&Facts { language: Language::En, ..facts(&accounts, &rows, &posts, &[]) });
    let text = spaced(&digest.text);
    for line in [
        "Boulangerie Lefèvre: week of 16–22 November 2026",
        "This week: 312 clicks (+31% against the mean of the 8 weeks before), 41 conversations, 19 orders worth €472.40.",
        "linkedin: 1 post, 46 clicks (usually 31 to 57), 1 conversation (usually 0 to 5), 1 order (usually 0 to 4), €59.90 in sales",
        "Also: 2 posts held back.",
    ] {
        assert!(text.contains(line), "missing: {line}\nin:\n{text}");
    }
    assert!(!text.contains("WHAT NEEDS YOU"), "nothing needs anybody");
}

#[test]
fn what_is_missing_is_said_and_never_shown_as_zero() {
    let (accounts, rows, posts) = (accounts(), silent(), posts());
    let digest = write(&facts(&accounts, &rows, &posts, &[]));
    let text = spaced(&digest.text);
    assert!(
        text.contains("Aucune donnée pour instagram depuis mardi : sa semaine est incomplète et n'est pas comparée."),
        "{text}"
    );
    assert!(
        text.contains("instagram : 2 publications, 9 clics (incomplet), 2 conversations (incomplet), — commandes, — de ventes"),
        "{text}"
    );
    assert!(text.contains("Clics : 258, des données manquent : non comparé"), "{text}");
    assert!(text.contains("Cette semaine : 258 clics, "), "no percentage without a comparison: {text}");
    let instagram = &digest.json["accounts"][1];
    assert_eq!((&instagram["orders"]["value"], &instagram["orders"]["rows"]), (&Json::Null, &json!(0)));
    assert_eq!(instagram["coverage"], json!({ "state": "missing-since", "days": ["2026-11-17"] }));
}

#[test]
fn every_number_in_the_data_has_its_rows_and_period() {
    let (accounts, rows, posts) = (accounts(), complete(), posts());
    let json = write(&facts(&accounts, &rows, &posts, &[])).json;
    fn check(value: &Json, path: &str, seen: &mut usize) {
        match value {
            Json::Object(map) => {
                if map.contains_key("value") {
                    *seen += 1;
                    for part in ["rows", "from", "to"] {
                        assert!(map.contains_key(part), "{path} has no {part}");
                    }
                }
                map.iter().for_each(|(key, inner)| check(inner, &format!("{path}/{key}"), seen));
            }
            Json::Array(list) => list.iter().enumerate().for_each(|(at, inner)| check(inner, &format!("{path}/{at}"), seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    check(&json, "", &mut seen);
    assert!(seen > 100, "only {seen} numbers");
    assert_eq!(json["totals"]["clicks"]["value"], json!(312.0));
    assert_eq!(json["totals"]["clicks"]["rows"], json!(21));
    assert_eq!(
        (&json["totals"]["clicks"]["from"], &json["totals"]["clicks"]["to"]),
        (&json!("2026-11-16"), &json!("2026-11-22"))
    );
    assert_eq!(json["totals"]["clicks"]["usual"]["weeks"], json!(8));
    assert_eq!(json["accounts"][0]["clicks"]["before"].as_array().map(Vec::len), Some(8));
    assert_eq!((&json["posts"]["best"][0]["ref"], &json["posts"]["worst"][0]["ref"]), (&json!("d41"), &json!("d45")));
    assert_eq!(json["posts"]["worst"].as_array().map(Vec::len), Some(1));
}

fn sound(digest: &Digest) {
    assert!(digest.html.len() < 100_000, "{} bytes", digest.html.len());
    assert!(digest.html.trim_start().starts_with("<!DOCTYPE html>"));
    for banned in ["<script", "<img", "<link", "src=", "@import", "url(", "javascript:", "onerror="] {
        assert!(!digest.html.to_lowercase().contains(banned), "{banned} in the page");
    }
    assert_eq!(digest.html.matches("<table").count(), digest.html.matches("</table>").count());
    assert_eq!(digest.html.matches("<td").count(), digest.html.matches("</td>").count());
    assert!(!digest.text.contains("NaN") && !digest.html.contains("NaN"));
}

#[test]
fn awkward_names_and_texts_stay_texts() {
    let nasty = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
    let accounts = vec![nasty.replace("src=", "s=").replace("onerror=", "on="), "a".repeat(300)];
    let rows = vec![Row { account: accounts[0].clone(), name: "clicks".into(), day: week().first(), value: f64::INFINITY }];
    let mut posts = posts();
    posts[0].account = accounts[0].clone();
    posts[0].text = "{{ 7 * 7 }} {% raw %} <b>gras</b> & co".into();
    posts[0].url = Some("javascript:alert(1)".into());
    posts[1].clicks = Some(f64::NAN);
    let needs = vec!["<b>urgent</b>".to_owned(); 50];
    let digest = write(&Facts { business: "Chez <Léa> & Fils", ..facts(&accounts, &rows, &posts, &needs) });
    sound(&digest);
    assert!(digest.html.contains("Chez &lt;Léa&gt; &amp; Fils"));
    assert!(
        digest.html.contains("{{ 7 * 7 }}")
            && digest.html.contains("&lt;b&gt;gras&lt;")
            && digest.html.contains("&lt;b&gt;urgent")
    );
    assert!(spaced(&digest.text).contains("Et 38 autres."));
}

#[test]
fn empty_weeks_single_accounts_and_a_dozen_of_them() {
    let empty = write(&facts(&[], &[], &[], &[]));
    sound(&empty);
    assert!(
        spaced(&empty.text).contains("Cette semaine : rien n'a été publié et aucune donnée n'a été relevée."),
        "{}",
        empty.text
    );
    let accounts = accounts();
    let posts = posts();
    let silent = write(&facts(&accounts, &[], &posts, &[]));
    sound(&silent);
    let text = spaced(&silent.text);
    assert!(text.contains("Cette semaine : 6 publications, et aucune donnée pour en mesurer l'effet."), "{text}");
    assert!(text.contains("Aucune donnée n'a encore été relevée pour facebook, instagram et linkedin."), "{text}");
    let mut young = Vec::new();
    series(&mut young, "facebook", "clicks", &[10.0, 12.0]);
    let young = write(&facts(&accounts[..1], &young, &[], &[]));
    sound(&young);
    assert!(spaced(&young.text).contains("Clics : 12, pas assez de recul pour comparer"), "{}", young.text);
    let mut many = Vec::new();
    let names: Vec<String> = (0..60).map(|n| format!("compte-{n}")).collect();
    for name in &names {
        series(&mut many, name, "clicks", &[100.0, 110.0, 90.0, 105.0, 95.0, 100.0, 100.0, 98.0, 102.0]);
        series(&mut many, name, "revenue", &[1e9; 9]);
    }
    let dozen = write(&facts(&names[..12], &many[..12 * 126], &[], &[]));
    sound(&dozen);
    assert_eq!(dozen.json["accounts"].as_array().map(Vec::len), Some(12));
    let crowd = write(&facts(&names, &many, &[], &[]));
    sound(&crowd);
    assert!(spaced(&crowd.text).contains("Et 44 autres comptes"), "{}", crowd.text);
}

/// `cargo test -p beffroi --lib pages_for_a_look -- --ignored` writes pages to look at in a browser.
#[test]
#[ignore = "writes pages for a person to look at"]
fn pages_for_a_look() {
    let folder = std::env::temp_dir().join("beffroi-digest");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (accounts, rows, silent, posts, needs) = (accounts(), complete(), silent(), posts(), needs());
    let names: Vec<String> = (0..12).map(|n| format!("compte-numéro-{n}")).collect();
    let mut many = Vec::new();
    for (at, name) in names.iter().enumerate() {
        series(&mut many, name, "clicks", &[100.0, 110.0, 90.0, 105.0, 95.0, 100.0, 100.0, 98.0, 60.0 + 10.0 * at as f64]);
        series(&mut many, name, "replies", &[1_000.0; 9]);
        series(&mut many, name, "orders", &[1_234.0; 9]);
        series(&mut many, name, "revenue", &[12_345_678.0; 9]);
    }
    let full = facts(&accounts, &rows, &posts, &needs);
    for (name, facts) in [
        ("fr", full),
        ("en", Facts { language: Language::En, ..full }),
        ("silent", facts(&accounts, &silent, &posts, &[])),
        ("twelve", facts(&names, &many, &posts, &[])),
        ("empty", facts(&accounts, &[], &[], &[])),
    ] {
        let digest = write(&facts);
        std::fs::write(folder.join(format!("{name}.html")), &digest.html).expect("a page");
        std::fs::write(folder.join(format!("{name}.txt")), &digest.text).expect("a text");
    }
    println!("{}", folder.display());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_week_gives_a_sound_digest(
        cells in prop::collection::vec((0usize..4, 0usize..6, 0u64..70, prop_oneof![Just(0.0), -5.0f64..1e7]), 0..120),
        english in any::<bool>(),
        name in "\\PC{0,40}",
    ) {
        const NAMES: [&str; 6] = ["clicks", "replies", "orders", "revenue", "followers", "strange"];
        let accounts = vec![name.replace("src=", "").replace("url(", "").replace('@', "")];
        let last: NaiveDate = week().last();
        let rows: Vec<Row> = cells
            .iter()
            .map(|(account, name, ago, value)| Row {
                account: ["a", "b", "c", &accounts[0]][*account].into(),
                name: NAMES[*name].into(),
                day: last - Days::new(*ago),
                value: *value,
            })
            .collect();
        let posts = posts();
        let language = if english { Language::En } else { Language::Fr };
        let facts = Facts { language, business: &accounts[0], ..facts(&accounts, &rows, &posts, &[]) };
        let digest = write(&facts);
        sound(&digest);
        prop_assert_eq!(&digest, &write(&facts));
    }
}
