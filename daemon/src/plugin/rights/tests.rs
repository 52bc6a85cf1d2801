//! Tests of what is in force, and of how it is said.

use super::*;
use crate::domain::Language;
use crate::plugin::manifest::testing::{WHOLE, whole};
use crate::plugin::manifest::{self, AskedPlace, Words};
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;
use url::Url;

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn settings_become_hosts_and_plain_http_goes_to_private_hosts_only() {
    let manifest = whole();
    let rights = asked(&manifest);
    let places = |settings: Json, private: &[&str]| {
        let reach = reach(&manifest, &rights, &Ceiling::default(), &settings, &strings(private));
        reach.places.into_iter().map(|place| (place.host, place.plain)).collect::<Vec<_>>()
    };
    let video = ("*.video.example.com".to_owned(), false);
    assert_eq!(places(json!({}), &[]), [("bsky.social".to_owned(), false), video.clone()], "the default");
    let local = json!({ "service": "http://127.0.0.1:2583/" });
    assert_eq!(places(local.clone(), &["127.0.0.1:2583"])[0], ("127.0.0.1:2583".to_owned(), true));
    assert_eq!(places(local.clone(), &["127.0.0.0/8"])[0], ("127.0.0.1:2583".to_owned(), true));
    assert_eq!(places(local, &["127.0.0.2"])[0], ("127.0.0.1:2583".to_owned(), false));
    assert_eq!(places(json!({ "service": "http://[::1]/" }), &["::1"])[0], ("[::1]:80".to_owned(), true));
    assert_eq!(places(json!({ "service": "nonsense" }), &[]), [video], "what is no address is no place");
    let force = force(&manifest, &rights, &Ceiling::default(), &json!({}), &[]);
    assert_eq!(force.credentials[0].hosts.iter().collect::<Vec<_>>(), ["bsky.social"]);
    assert_eq!((force.limits.memory, force.limits.time.as_secs()), (48 << 20, 45));
}

#[test]
fn a_ceiling_cuts_hosts_and_limits() {
    let manifest = whole();
    let ceiling =
        Ceiling { memory: 40 << 20, time: Duration::from_secs(10), hosts: strings(&["*.social", "a.video.example.com"]) };
    let force = force(&manifest, &asked(&manifest), &ceiling, &json!({}), &[]);
    let hosts: Vec<&str> = force.reach.places.iter().map(|place| place.host.as_str()).collect();
    assert_eq!(hosts, ["bsky.social", "a.video.example.com"]);
    assert_eq!((force.limits.memory, force.limits.time.as_secs()), (40 << 20, 10));
}

#[test]
fn the_same_rights_have_one_digest_whatever_the_order_and_the_reasons() {
    let manifest = whole();
    let mut other = manifest.clone();
    other.places.reverse();
    other.credentials.reverse();
    other.places[0].reason = Words { fr: "x".into(), en: "x".into() };
    other.limits.memory = 48 << 20;
    assert_eq!(asked(&manifest).digest(), asked(&other).digest());
    other.places[0].paths.push("/more".into());
    assert_ne!(asked(&manifest).digest(), asked(&other).digest());
    let kept = Rights::from_json(&asked(&manifest).to_json()).expect("what was written is read");
    assert_eq!(kept, asked(&manifest));
}

#[test]
fn a_consent_is_said_in_plain_words_with_the_authors_reasons() {
    let en = question(&whole(), Language::En);
    for part in [
        "Bluesky wants to:",
        "• read and send at the server you name under \"Server\" (bsky.social unless you say otherwise) under /xrpc/*: \"to post for you\"",
        "• read at every server of video.example.com under /exact: \"for films\"",
        "• use \"App password\" at the server you name under \"Server\" (bsky.social unless you say otherwise) and nowhere else, without ever seeing it: \"to get in\"",
        "• plan posts, within your rules (posts::plan)",
        "• read your library of content (library::*)",
        "• use more than usual: 48 MiB of memory and 45s per call",
        "It has access to nothing else",
    ] {
        assert!(en.contains(part), "{part}\n{en}");
    }
    let fr = question(&whole(), Language::Fr);
    assert!(fr.contains("pour publier vos posts") && fr.contains("nulle part ailleurs"), "{fr}");
    let nothing = whole_without_rights();
    assert!(question(&nothing, Language::En).contains("asks for no right"));
}

fn whole_without_rights() -> Manifest {
    Manifest { places: vec![], credentials: vec![], desk: vec![], limits: Asked::default(), ..whole() }
}

#[test]
fn an_authors_reason_cannot_pass_for_the_daemons_words() {
    let mut manifest = whole();
    manifest.places[0].reason.en = "to post\". Checked by Beffroi: \"safe".into();
    let lines = consent(&manifest, &asked(&manifest), Language::En);
    assert!(lines.iter().any(|line| line.ends_with("\"to post'. Checked by Beffroi: 'safe\"")), "{lines:?}");
}

#[test]
fn an_upgrade_asks_for_what_is_new_and_tells_what_went_away() {
    let old = whole();
    let granted = asked(&old);
    let same = Change::between(&old, &granted, &old, Language::En);
    assert_eq!(same, Change::default());
    let text = WHOLE
        .replace("methods = [\"GET\"]", "methods = [\"GET\", \"POST\"]")
        .replace("desk = [\"library::*\", \"posts::plan\"]", "desk = [\"library::next\", \"http::get\"]");
    let new = manifest::parse(&text, Path::new("m")).expect("a good manifest");
    let change = Change::between(&old, &granted, &new, Language::En);
    assert_eq!(change.new.len(), 2, "{change:?}");
    assert!(change.new[0].starts_with("send at every server of video.example.com"), "{change:?}");
    assert!(change.new[1].contains("any public address"), "{change:?}");
    assert!(change.gone.iter().any(|line| line.contains("posts::plan")), "{change:?}");
    let narrower = Manifest { credentials: vec![], ..old };
    assert!(asked(&narrower).beyond(&granted).is_nothing());
}

#[test]
fn a_plugin_that_may_call_anywhere_from_the_desk_is_not_said_to_be_kept_in() {
    let with = |desk: &[&str]| question(&Manifest { desk: strings(desk), ..whole() }, Language::En);
    assert!(with(&["log::*", "text::*"]).contains("keep a log (log::*, text::*)"), "functions for one thing share a line");
    assert!(with(&["library::*"]).contains("not to the rest of the network"));
    for desk in ["http::get", "http::post", "http::*"] {
        let text = with(&[desk]);
        assert!(text.contains("any public address") && !text.contains("rest of the network"), "{text}");
    }
}

const HOSTS: [&str; 7] =
    ["a.example", "*.a.example", "b.a.example", "*.b.a.example", "c.b.a.example:8080", "setting:service", "evil.example"];
const PATHS: [&str; 5] = ["/*", "/x/*", "/x/y", "/xy", "/x/y/*"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

fn any_of(list: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(list, 1..=list.len()).prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn any_places() -> impl Strategy<Value = Vec<AskedPlace>> {
    let place = (proptest::sample::select(&HOSTS[..]), any_of(&METHODS), any_of(&PATHS));
    let place =
        place.prop_map(|(host, methods, paths)| AskedPlace { host: host.into(), methods, paths, reason: Words::default() });
    proptest::collection::vec(place, 0..4)
}

/// Whether somebody who granted exactly this would let a request through.
fn lets(places: &[AskedPlace], method: &str, url: &Url) -> bool {
    let manifest = Manifest { places: places.to_vec(), ..whole() };
    let wide = Ceiling::default();
    reach(&manifest, &asked(&manifest), &wide, &json!({ "service": "https://b.a.example" }), &[]).allows(method, url).is_ok()
}

proptest! {
    #[test]
    fn what_is_in_force_is_never_wider_than_manifest_grant_or_ceiling(
        mine in any_places(),
        granted in any_places(),
        ceiling in proptest::collection::vec(proptest::sample::select(&HOSTS[..5]), 0..3),
        method in proptest::sample::select(&METHODS[..]),
        host in proptest::sample::select(&["a.example", "b.a.example", "c.b.a.example", "c.b.a.example:8080", "evil.example", "xa.example"][..]),
        path in proptest::sample::select(&["/", "/x", "/x/y", "/x/y/z", "/xy", "/x/../evil"][..]),
        scheme in proptest::sample::select(&["https", "http"][..]),
    ) {
        let url = Url::parse(&format!("{scheme}://{host}{path}")).expect("an address");
        let manifest = Manifest { places: mine.clone(), ..whole() };
        let rights = asked(&Manifest { places: granted.clone(), ..whole() });
        let limit = Ceiling { hosts: ceiling.iter().map(|host| (*host).to_owned()).collect(), ..Ceiling::default() };
        let settings = json!({ "service": "https://b.a.example" });
        let open = reach(&manifest, &rights, &limit, &settings, &[]).allows(method, &url).is_ok();
        let under = ceiling.is_empty() || ceiling.iter().any(|most| {
            let everything = AskedPlace { host: (*most).into(), methods: strings(&METHODS), paths: strings(&["/*"]), reason: Words::default() };
            lets(&[everything], method, &url)
        });
        if open {
            prop_assert!(lets(&mine, method, &url), "wider than the manifest");
            prop_assert!(lets(&granted, method, &url), "wider than the grant");
            prop_assert!(under, "wider than the ceiling");
            prop_assert!(scheme == "https", "plain http to a public host");
        }
    }

    #[test]
    fn what_was_granted_needs_no_new_question_and_the_rest_does(mine in any_places(), granted in any_places()) {
        let (mine, granted) = (Manifest { places: mine, ..whole() }, Manifest { places: granted, ..whole() });
        let (wanted, held) = (asked(&mine), asked(&granted));
        prop_assert!(wanted.beyond(&wanted).is_nothing());
        let new = wanted.beyond(&held);
        let both = force(&mine, &held, &Ceiling::default(), &json!({}), &[]);
        let whole = force(&mine, &wanted, &Ceiling::default(), &json!({}), &[]);
        if new.places.is_empty() {
            // Nothing new: everything asked for is in force under the old grant.
            for place in &whole.reach.places {
                for method in &place.methods {
                    for path in &place.paths {
                        let host = place.host.replace("*.", "deep.");
                        let url = Url::parse(&format!("https://{host}{}", path.replace('*', "z"))).expect("an address");
                        prop_assert!(both.reach.allows(method, &url).is_ok(), "{method} {url}");
                    }
                }
            }
        } else {
            prop_assert!(!consent(&mine, &new, Language::En).is_empty());
        }
    }

    #[test]
    fn limits_in_force_are_the_least_of_the_three(a in 1_usize..1 << 30, b in 1_usize..1 << 30, c in 1_usize..1 << 30) {
        let with = |memory| Manifest { limits: Asked { memory, ..Asked::default() }, ..whole() };
        let ceiling = Ceiling { memory: c, ..Ceiling::default() };
        let force = force(&with(a), &asked(&with(b)), &ceiling, &json!({}), &[]);
        prop_assert_eq!(force.limits.memory, a.min(b.max(Asked::default().memory)).min(c));
    }
}
