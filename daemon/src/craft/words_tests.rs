//! What the words promise, checked.

use super::*;
use proptest::prelude::*;

const FR: Option<Language> = Some(Language::Fr);
const EN: Option<Language> = Some(Language::En);

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn content_words_are_folded_stems_without_stop_words() {
    for (text, language, expected) in [
        ("Les croissants de l’Été, aujourd'hui !", FR, vec!["croissant", "ete"]),
        ("L'ŒUF d’ORIGINE qu'on aime", FR, vec!["oeuf", "origine", "aime"]),
        ("Des gâteaux, des journaux et des choux", FR, vec!["gateau", "journal", "chou"]),
        ("The baker's bakeries, sandwiches & brioches", EN, vec!["baker", "bakery", "sandwich", "brioche"]),
        ("Le repas à Arras, fin du mois", FR, vec!["repas", "arras", "fin", "mois"]),
        ("Voir https://x.fr/pains-chauds et www.pain.fr/x", FR, vec!["voir"]),
        ("-20 % sur les tartes", FR, vec!["20", "tarte"]),
        ("", None, vec![]),
    ] {
        assert_eq!(content_words(text, language), expected, "{text}");
    }
}

#[test]
fn singular_and_plural_meet_in_both_languages() {
    for (one, many) in
        [("boulangerie", "boulangeries"), ("bakery", "bakeries"), ("gâteau", "Gâteaux"), ("jeu", "jeux"), ("tarte", "TARTES")]
    {
        assert_eq!(content_words(one, None), content_words(many, None), "{one}");
    }
}

#[test]
fn a_word_knows_its_place_without_the_article() {
    let text = "Vive l’été !";
    let tokens = tokens(text, FR);
    assert_eq!(&text[tokens[1].range.clone()], "été");
}

#[test]
fn likeness_sees_rewordings_and_not_neighbours() {
    assert!(similar("Une boulangerie d'Arras élue meilleure de France", "Meilleure boulangerie de France : Arras élue") > 0.7);
    assert!(similar("Marché de Noël : les chalets arrivent", "Travaux rue de la gare jusqu'en mars") < 0.2);
    assert!(similar("Croissants", "Croissant !") > 0.8);
    assert!(similar("Pain", "Vélo") < 0.3);
    assert_eq!((similar("", ""), similar("", "pain"), similar("…", "!")), (1.0, 0.0, 0.0));
}

#[test]
fn a_cut_falls_at_the_end_of_a_word() {
    for (text, max, expected) in [
        ("Croissants chauds dès sept heures", 20, "Croissants chauds…"),
        ("Croissants chauds, dès sept heures", 20, "Croissants chauds…"),
        ("court", 5, "court"),
        ("Venez https://exemple.fr/une-longue-adresse vite", 20, "Venez…"),
        ("Venez #PainAuLevain demain matin tôt", 22, "Venez #PainAuLevain …"),
        ("https://exemple.fr/une-longue-adresse", 10, "…"),
        ("anticonstitutionnellement", 10, "anticonst…"),
        ("12\u{a0}% de remise", 4, "12…"),
        ("abc def", 0, ""),
        ("abc def", 1, "…"),
    ] {
        assert_eq!(fit(text, max), expected, "{text}");
    }
}

#[test]
fn a_family_is_not_split() {
    let family = "👨‍👩‍👧‍👦".repeat(10);
    let cut = fit(&family, 20);
    assert_eq!(cut, format!("{}…", "👨‍👩‍👧‍👦".repeat(2)));
}

#[test]
fn networks_count_in_their_own_way() {
    let text = "Pain 🥖 https://exemple.fr/une/adresse/assez/longue/pour/depasser";
    assert_eq!(count(text, "x"), 5 + 2 + 1 + 23);
    assert_eq!(count(text, "mastodon"), 5 + 1 + 1 + 23);
    assert_eq!(count("👨‍👩‍👧‍👦é", "bluesky"), 2);
    assert_eq!(count("日本", "x"), 4);
    assert_eq!(count("Voir exemple.fr.", "x"), 5 + 23 + 1);
    assert_eq!(count(text, "facebook"), text.chars().count());
}

#[test]
fn slugs_and_tags_are_what_people_expect() {
    assert_eq!(slug("  Pains & Brioches d’été  "), "pains-brioches-d-ete");
    assert_eq!(slug("!!!"), "");
    assert!(slug(&"mot ".repeat(200)).len() <= 80);
    let words = ["pain", "#Arras", "pain d’épices", "arras", "2026", "", "IGP"].map(str::to_owned);
    assert_eq!(tags(&words), "#Pain #Arras #PainDÉpices #IGP");
}

#[test]
fn templates_are_filled_or_say_what_is_missing() {
    let values = map(&[("price", "2,40\u{a0}€"), ("title", "Pain {noir}")]);
    assert_eq!(fill("{title} : {price} {{ok}} }", &values).as_deref(), Ok("Pain {noir} : 2,40\u{a0}€ {ok} }"));
    assert_eq!(
        fill("{prise}", &values).map_err(|e| e.0),
        Err("The template asks for {prise}, which has no value. Did you mean {price}? There are: {price}, {title}.".into())
    );
    assert!(fill("a {price", &values).is_err_and(|e| e.0.contains("not closed")));
    assert!(fill("{x}", &BTreeMap::new()).is_err_and(|e| e.0.contains("no values were given")));
}

proptest! {
    #[test]
    fn a_cut_never_exceeds_the_limit_nor_cuts_what_must_stay_whole(
        parts in prop::collection::vec("[a-zé,.]{1,12}|#[A-Za-z]{1,10}|https://[a-z]{1,8}\\.fr/[a-z\\-]{1,9}|👨‍👩‍👧|e\u{301}{1,3}", 0..30),
        max in 0usize..120,
    ) {
        let text = parts.join(" ");
        for (cut, size) in [(fit(&text, max), None), (fit_for(&text, max, "x"), Some("x")), (fit_for(&text, max, "bluesky"), Some("bluesky"))] {
            let length = size.map_or_else(|| cut.chars().count(), |n| count(&cut, n));
            prop_assert!(length <= max, "{cut:?} is longer than {max}");
            for word in cut.split_whitespace().filter(|w| w.contains('#') || w.contains("://")) {
                prop_assert!(parts.iter().any(|p| p == word), "{word} was cut");
            }
            let kept: Vec<&str> = cut.trim_end_matches(['…', ' ']).graphemes(true).collect();
            let all: Vec<&str> = text.graphemes(true).collect();
            prop_assert!(all.starts_with(&kept), "{cut:?} is not a beginning of {text:?}");
        }
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,80}", other in "\\PC{0,80}", max in 0usize..50) {
        let likeness = similar(&text, &other);
        prop_assert!((0.0..=1.0).contains(&likeness));
        prop_assert!((likeness - similar(&other, &text)).abs() < 1e-12);
        prop_assert!(fit(&text, max).chars().count() <= max);
        prop_assert!(fit_for(&text, max, "x").is_empty() || count(&fit_for(&text, max, "x"), "x") <= max);
        for token in tokens(&text, None) {
            prop_assert!(!text[token.range].is_empty());
        }
        let _ = (slug(&text), tags(std::slice::from_ref(&text)), count(&text, "mastodon"));
    }
}
