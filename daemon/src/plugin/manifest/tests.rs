//! Tests of the way from a text to a manifest or to problems.

use super::testing::WHOLE;
use super::*;
use crate::problem::Problem;
use proptest::prelude::*;
use std::path::Path;

fn read(text: &str) -> Result<Manifest, Vec<Problem>> {
    parse(text, Path::new("beffroi-plugin.toml"))
}

#[test]
fn a_whole_manifest_is_read_with_its_defaults() {
    let manifest = read(WHOLE).unwrap_or_else(|problems| panic!("{}", problems.iter().map(Problem::render).collect::<String>()));
    assert_eq!(manifest.name.as_str(), "bluesky");
    let names: Vec<&str> = manifest.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!(names, ["service", "handle", "audience"], "in the order of the file");
    assert_eq!((manifest.limits.memory, manifest.limits.time.as_secs()), (48 << 20, 45));
    assert_eq!(manifest.limits.requests, Asked::default().requests);
    assert_eq!((manifest.settles_within.as_secs(), manifest.desk.len(), manifest.places.len()), (90, 2, 2));
    let CredentialKind::Session(session) = &manifest.credentials[0].kind else { panic!("a session") };
    assert!(session.refresh.bearer_refresh && session.login.is_some() && session.expires_in.is_none());
    let header = CredentialKind::Header { name: "X-Api-Key".into(), prefix: "Bot ".into() };
    assert_eq!(manifest.credentials[1].kind, header);
}

#[test]
fn every_slip_is_told_with_its_place_and_remedy() {
    // What is replaced, by what, where the problem is, and words of the message and of the help.
    let slips: &[(&str, &str, &str, &str, &str)] = &[
        ("name = \"bluesky\"", "nam = \"bluesky\"", "3:1", "no key \"nam\"", "\"name\""),
        ("name = \"bluesky\"", "name = \"Blue Sky\"", "3:8", "cannot name", "small letters"),
        ("name = \"bluesky\"", "name = \"blue_sky\"", "3:8", "no \"_\"", "blue-sky"),
        ("version = \"0.1.0\"", "version = \"1\"", "4:11", "not a version", "three numbers"),
        ("api = \"0.1\"", "api = \"0.1.0\"", "5:7", "not a line", "\"0.1\""),
        ("title = { fr = \"Bluesky\", en = \"Bluesky\" }", "title = { fr = \"Bluesky\" }", "6:1", "has no \"en\"", "English"),
        ("fr = \"Publie sur Bluesky.\", ", "", "7:1", "has no \"fr\"", "French"),
        ("Posts to Bluesky.", "Posts to\\u001b[2J Bluesky.", "7:46", "cannot see", "one line"),
        ("Posts to Bluesky.", "Posts \\u202e", "7:46", "cannot see", ""),
        ("host = \"*.video.example.com\"", "host = \"*.com\"", "18:8", "too wide", "*.example.com"),
        ("host = \"*.video.example.com\"", "host = \"*\"", "18:8", "too wide", "setting:NAME"),
        ("host = \"*.video.example.com\"", "host = \"https://video.example.com/x\"", "18:8", "without", "\"video.example.com\""),
        ("host = \"*.video.example.com\"", "host = \"Video.example.com\"", "18:8", "as the network", "video.example.com"),
        ("host = \"*.video.example.com\"", "host = \"bücher.example\"", "18:8", "as the network", "xn--bcher-kva.example"),
        ("host = \"*.video.example.com\"", "host = \"169.254.169.254\"", "18:8", "not addresses", "setting:NAME"),
        ("host = \"*.video.example.com\"", "host = \"localhost\"", "18:8", "private network", "setting:NAME"),
        ("host = \"*.video.example.com\"", "host = \"setting:servise\"", "18:8", "no setting", "\"service\""),
        ("host = \"*.video.example.com\"", "host = \"setting:handle\"", "18:8", "names no host", "type = \"url\""),
        ("methods = [\"GET\"]", "methods = [\"get\"]", "19:12", "capitals", ""),
        ("methods = [\"GET\"]", "methods = []", "19:11", "empty", "methods"),
        ("paths = [\"/exact\"]", "paths = [\"exact\"]", "20:10", "starts with", "\"/exact\""),
        ("paths = [\"/exact\"]", "paths = [\"/a/*/b\"]", "20:10", "only at the end", ""),
        ("paths = [\"/exact\"]", "paths = [\"/a/../b\"]", "20:10", "does not stay", ""),
        ("hosts = [\"a.video.example.com\"]", "hosts = [\"evil.example\"]", "42:10", "nothing could be sent", "[[http]]"),
        ("kind = \"header\"", "kind = \"heder\"", "39:8", "cannot be \"heder\"", "\"header\""),
        ("header = \"X-Api-Key\"", "header = \"Host\"", "40:10", "cannot go", ""),
        ("header = \"X-Api-Key\"", "parameter = \"k\"", "40:13", "means nothing", "query"),
        ("name = \"key\"", "name = \"session\"", "38:8", "two credentials", ""),
        ("{setting:service}/xrpc/login", "{setting:service}.evil.example/", "31:17", "\"/\" stands between", ""),
        ("{setting:service}/xrpc/login", "https://evil.example/", "31:17", "not bound", "hosts"),
        ("{setting:handle}", "{setting:handel}", "31:56", "no setting \"handel\"", "\"handle\""),
        ("\"{secret}\"", "\"{secert}\"", "31:56", "nothing to put", "\"secret\""),
        ("access = \"/accessJwt\"", "access = \"$.accessJwt\"", "33:10", "JSON pointer", "\"/accessJwt\""),
        ("default = \"https://bsky.social\"", "default = \"bsky\"", "48:11", "not an http", ""),
        ("optional = true", "default = \"secret\"", "58:11", "none of", ""),
        ("memory = \"48 MiB\"", "memory = \"48\"", "62:10", "not an amount", "64MB"),
        ("cost = \"EUR\"", "cost = \"euro\"", "68:8", "not a currency", "EUR"),
        ("\"posts::plan\"", "\"posts.plan\"", "70:23", "no function", "posts::plan"),
        ("[limits]", "[limit]", "61:2", "no section [limit]", "[limits]"),
    ];
    let mut wrong = String::new();
    for (from, to, place, message, help) in slips {
        assert!(WHOLE.contains(from), "{from}");
        let problems = read(&WHOLE.replacen(from, to, 1)).err().unwrap_or_default();
        let found = problems
            .iter()
            .any(|p| format!("{}:{}", p.line, p.column) == *place && p.message.contains(message) && p.help.contains(help));
        if !found {
            wrong += &format!("{to}: {place} {message}\n{}", problems.iter().map(Problem::render).collect::<String>());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn several_slips_are_told_at_once() {
    let text = WHOLE.replace("\"bluesky\"", "\"B\"").replace("[\"/exact\"]", "[\"exact\"]").replace("\"EUR\"", "\"x\"");
    assert_eq!(read(&text).expect_err("three slips").len(), 3);
}

#[test]
fn a_wildcard_covers_what_is_below_it_and_nothing_beside() {
    assert!(covers("*.example.com", "api.example.com") && covers("*.example.com", "*.api.example.com"));
    assert!(covers("example.com", "example.com") && covers("setting:a", "setting:a"));
    for (wide, narrow) in [
        ("*.example.com", "example.com"),
        ("*.example.com", "badexample.com"),
        ("*.api.example.com", "*.example.com"),
        ("*.example.com", "example.com.evil.org"),
        ("example.com", "*.example.com"),
        ("*.example.com", "api.example.com:8080"),
    ] {
        assert!(!covers(wide, narrow), "{wide} {narrow}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fall_over(cut in 0..WHOLE.len(), garbage in "\\PC{0,20}", drop in 0..40_usize) {
        let cut = (0..=cut).rev().find(|at| WHOLE.is_char_boundary(*at)).unwrap_or(0);
        let rest = WHOLE.get(cut + drop..).unwrap_or_default();
        // What is read is never half: it is a manifest, or there is at least one error.
        if let Err(problems) = read(&format!("{}{garbage}{rest}", &WHOLE[..cut])) {
            prop_assert!(!problems.is_empty());
        }
    }
}
