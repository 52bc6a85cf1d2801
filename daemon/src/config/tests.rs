//! Tests of the whole way from a text to an instance or to problems.

use super::*;
use crate::domain::{Currency, Language, Zone};
use crate::instance::{Approval, CatalogSource, Ceilings, ChannelConfig, Location, Missed, Workflow};
use crate::problem::Severity;
use proptest::prelude::*;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with every file that the texts below name.
fn home() -> TempDir {
    let home = TempDir::new().expect("a temporary folder");
    for folder in ["feeds", "library", "scripts"] {
        fs::create_dir(home.path().join(folder)).expect("a folder");
    }
    for (file, text) in [
        ("stock.csv", "sku;title\n"),
        ("metrics.csv", "day;account\n"),
        ("feeds/ville.xml", "<rss/>"),
        ("scripts/rotation.rhai", "1 + 1"),
        ("scripts/windows.rhai", ""),
    ] {
        fs::write(home.path().join(file), text).expect("a file");
    }
    fs::write(home.path().join("scripts/windows.rhai"), b"\"\xe9t\xe9\"").expect("a file");
    home
}

fn builtin(name: &str) -> Option<&'static str> {
    (name == "digest.rhai").then_some("\"built in\"")
}

fn load_text(home: &TempDir, text: impl AsRef<[u8]>) -> Result<Loaded, Vec<Problem>> {
    let file = home.path().join("beffroi.toml");
    fs::write(&file, text).expect("a file");
    load(&file, &Base { state: Some(home.path().join("state")), builtin: Some(builtin) })
}

fn good(home: &TempDir, text: &str) -> Loaded {
    load_text(home, text).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(Problem::render).collect::<String>());
    })
}

const HEAD: &str = "[business]\nname = \"B\"\nzone = \"Europe/Paris\"\n";

const WHOLE: &str = r#"
[business]
name = "Boulangerie du Beffroi"
town = "Arras"
zone = "Europe/Paris"
words = ["pain", "levain"]
site = "https://boulangerie.example"

[limits]
runs = 4
watch = false
allow_private = ["127.0.0.1:8080", "[::1]:80"]

[accounts.facebook]
folder = "out/facebook"
hours = ["7h-12h30", "12:00-20:30", "22:00-02:00"]
approval = "always"
formats = ["post", "story"]
ceilings = { per_minute = 1, per_day = 6, spacing = "45m" }

[accounts.vitrine]
network = "instagram"
folder = "/srv/vitrine"

[feeds.ville]
file = "feeds/ville.xml"
topic = "town"
weight = 2

[feeds.metier]
url = "https://metier.example/rss"

[catalogs.boutique]
file = "stock.csv"
max_age = "2h"
columns = { sku = "Réf" }

[library]
folder = "library"

[metrics]
files = ["metrics.csv"]

[people.owner]
folder = "out/mail"
language = "en"

[workflows.rotation]
script = "rotation.rhai"
schedule = ["30 8 * * *", "0 12 * * *"]
accounts = ["vitrine", "facebook"]
memory = "32MiB"
timeout = "2m"
missed = "all"

[limits.extra]

[workflows.rotation.settings]
since = 2026-03-28
at = 2026-03-28T08:00:00+01:00
deep = { list = [1, 2.5, "x"] }

[workflows.digest]
script = "digest.rhai"
events = "week.over"
"#;

#[test]
fn what_was_written_is_what_is_meant() {
    let home = home();
    let loaded = good(&home, &WHOLE.replace("[limits.extra]\n", ""));
    let instance = &loaded.instance;
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.store, home.path().join("state/beffroi.db"));
    assert_eq!(loaded.socket, home.path().join("state/beffroi.sock"));
    assert_eq!(
        loaded.files,
        [home.path().join("beffroi.toml"), home.path().join("scripts"), home.path().join("scripts/rotation.rhai")]
    );

    let business = &instance.business;
    assert_eq!((business.zone, business.language, business.currency), (Zone::Europe__Paris, Language::Fr, Currency::EUR));
    assert_eq!(business.words, ["pain", "levain"]);
    assert_eq!(instance.limits.allow_private, ["127.0.0.1:8080", "[::1]:80"]);
    assert_eq!((instance.limits.runs, instance.limits.watch), (4, false));

    let facebook = &instance.accounts["facebook"];
    assert_eq!(facebook.hours, [(0, 120), (420, 1_230), (1_320, 1_440)]);
    assert_eq!((facebook.network.as_str(), facebook.max_chars, facebook.approval), ("facebook", 63_206, Approval::Always));
    let spacing = Duration::from_secs(45 * 60);
    assert_eq!(facebook.ceilings, Ceilings { per_minute: Some(1), per_hour: Some(4), per_day: Some(6), spacing });
    let vitrine = &instance.accounts["vitrine"];
    assert_eq!((vitrine.max_chars, vitrine.formats.as_slice()), (2_200, ["post".to_owned()].as_slice()));
    let ChannelConfig::Folder(folder) = &vitrine.channel else { panic!("a folder") };
    assert_eq!(folder, Path::new("/srv/vitrine"));

    assert_eq!(instance.feeds["ville"].location, Location::File(home.path().join("feeds/ville.xml")));
    assert_eq!(instance.feeds["ville"].weight, 2.0);
    assert_eq!(instance.feeds["metier"].topic, "sector");
    let CatalogSource::File { columns, .. } = &instance.catalogs["boutique"].source else { panic!("a file") };
    assert_eq!(columns["sku"], "Réf");
    assert_eq!(instance.metrics, [home.path().join("metrics.csv")]);
    assert_eq!(instance.people["owner"].language, Language::En);

    let rotation = &instance.workflows["rotation"];
    assert_eq!(&*rotation.source, "1 + 1");
    assert_eq!(rotation.version, crate::domain::Digest::of(b"1 + 1"));
    assert_eq!((rotation.schedules.len(), rotation.missed, rotation.budget.memory), (2, Missed::All, 32 << 20));
    assert_eq!(rotation.accounts.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["vitrine", "facebook"]);
    let settings = serde_json::json!({
        "since": "2026-03-28", "at": "2026-03-28T08:00:00+01:00", "deep": { "list": [1, 2.5, "x"] }
    });
    assert_eq!(*rotation.settings, settings);
    let digest = &instance.workflows["digest"];
    assert_eq!((digest.script.to_str(), &*digest.source), (Some("builtin:digest.rhai"), "\"built in\""));
    assert_eq!(digest.events, ["week.over"]);
}

#[test]
fn a_script_of_the_owner_goes_before_the_one_that_came_along() {
    let home = home();
    fs::write(home.path().join("scripts/digest.rhai"), "\"mine\"").expect("a file");
    let loaded = good(&home, &format!("{HEAD}[workflows.digest]\nscript = \"digest.rhai\"\nevents = [\"a\"]\n"));
    assert_eq!(&*loaded.instance.workflows["digest"].source, "\"mine\"");
}

#[test]
fn equal_things_are_held_once() {
    let home = home();
    let mut text = format!("{HEAD}[accounts.x]\nfolder = \"out/x\"\n");
    for n in 0..3 {
        text += &format!(
            "[workflows.w{n}]\nscript = \"rotation.rhai\"\nschedule = \"{} * * * *\"\naccounts = [\"x\"]\npurpose = \"p\"\nsettings = {{ a = 1 }}\n",
            n / 2
        );
    }
    let loaded = good(&home, &text);
    let all: Vec<&Arc<Workflow>> = loaded.instance.workflows.values().collect();
    assert!(Arc::ptr_eq(&all[0].source, &all[2].source));
    assert!(Arc::ptr_eq(&all[0].script, &all[2].script));
    assert!(Arc::ptr_eq(&all[0].purpose, &all[2].purpose));
    assert!(Arc::ptr_eq(&all[0].settings, &all[2].settings));
    assert!(Arc::ptr_eq(&all[0].accounts, &all[2].accounts));
    assert!(Arc::ptr_eq(&all[0].schedules[0], &all[1].schedules[0]));
    assert!(!Arc::ptr_eq(&all[0].schedules[0], &all[2].schedules[0]));
}

/// Texts with one problem each: line, column, a part of the sentence, a part of the remedy. Each stands below [`HEAD`], whose three
/// lines are not counted.
const BAD: &[(&str, usize, usize, &str, &str)] = &[
    // The text is not TOML.
    ("[store]\npath = a.db\n", 2, 8, "The text a.db is not between quotes", "Write \"a.db\""),
    ("[limits]\nwatch = oui\n", 2, 9, "not between quotes", "Write true."),
    ("[store]\npath = “a.db”\n", 2, 8, "not between quotes", "Use straight quotes: \"a.db\""),
    ("[store]\npath = \"a.db\n", 2, 13, "closing quote", "Close the text"),
    ("[store]\npath =\n", 2, 7, "There is no value", "Write key"),
    ("[store]\npath\n", 2, 5, "There is no \"=\"", "remark"),
    ("[store]\npath: \"a.db\"\n", 2, 5, "joined by \"=\"", "Write key ="),
    ("[store]\npath = \"a\"\npath = \"b\"\n", 3, 1, "\"path\" is written twice", "Keep one"),
    ("[store]\n[limits]\n[store]\n", 3, 2, "\"store\" is written twice", "Keep one"),
    ("[store]\npath = \"C:\\Users\\b.db\"\n", 2, 13, "a backslash", "single quotes"),
    ("[store\npath = \"a\"\n", 1, 7, "\"]\" after the name", "Write [section]"),
    ("[limits]\nruns = 08\n", 2, 8, "does not start with 0", "Leave the 0 out"),
    ("[limits]\nallow_private = [\"a\" \"b\"]\n", 2, 22, "comma is missing", "Put a comma"),
    ("[limits]\nallow_private = [\"a\",\nruns = 3\n[store]\npath = \"x\"\n", 2, 17, "The \"]\" for this bracket", "Close it"),
    ("[store]\npath = \"\"\"a\n[limits]\nruns = 1\n", 2, 8, "never closed", "Close it with \"\"\""),
    ("[limits]\nwatch = TRUE\n", 2, 9, "TRUE is not a value", "small letters"),
    ("[store]\ndépôt = 1\n", 2, 2, "cannot stand in a key", "without accents"),
    ("[limits]\nruns = 1,\n", 2, 9, "Something follows", "one key and one value"),
    ("[workflows.a]\nscript = \"rotation.rhai\"\nevents = \"e\"\n[limits]\n[workflows.a]\n", 5, 12, "written twice", "Keep one"),
    // Sections and keys.
    ("[workflow.a]\n", 1, 2, "no section [workflow]", "Did you mean [workflows]?"),
    ("[zzz]\n", 1, 2, "no section [zzz]", "Known sections"),
    ("[limits]\nrunns = 1\n", 2, 1, "no key \"runns\" in [limits]", "Did you mean \"runs\"?"),
    ("[limits]\nzzz = 1\n", 2, 1, "no key \"zzz\"", "Known keys: runs, keep_runs"),
    ("[limits.extra]\n", 1, 9, "no key \"extra\"", "Known keys"),
    ("[accounts]\nx = 3\n", 2, 5, "[accounts.x] is a section", "on a line of its own"),
    ("[[feeds]]\nurl = \"https://a.example\"\n", 1, 1, "[feeds] holds sections with names", "[feeds.name]"),
    ("[accounts.x]\nfolder = \"x\"\nceilings = 3\n", 3, 12, "\"ceilings\" of [accounts.x]", "ceilings = { per_minute"),
    ("[accounts.x]\nfolder = \"x\"\nceilings = { per_hours = 3 }\n", 3, 14, "no key \"per_hours\"", "\"per_hour\""),
    // Names.
    (
        "[accounts.\"Épicerie d'Arras\"]\nnetwork = \"x\"\nfolder = \"x\"\n",
        1,
        11,
        "cannot name an account",
        "[accounts.epicerie-d-arras]",
    ),
    ("[workflows.A]\nscript = \"rotation.rhai\"\nevents = \"e\"\n", 1, 12, "cannot name a workflow", "[workflows.a]"),
    // Wrong types.
    ("[limits]\nruns = \"3\"\n", 2, 8, "\"runs\" is a whole number, not a text", "Write runs = 3, without quotes."),
    ("[limits]\nruns = 3.5\n", 2, 8, "not a number with a decimal point", "Write for example runs = 16"),
    ("[limits]\nruns = 0\n", 2, 8, "out of range", "from 1 to 1024"),
    ("[limits]\nruns = 99999999999999999999\n", 2, 8, "out of range", "from 1 to 1024"),
    ("[limits]\nwatch = \"true\"\n", 2, 9, "\"watch\" is true or false, not a text", "Write watch = true, without quotes"),
    ("[limits]\nkeep_runs = 90\n", 2, 13, "length of time", "keep_runs = \"90s\""),
    ("[limits]\nkeep_runs = \"90 days\"\n", 2, 13, "\"90 days\" is not a length of time", "Write for example"),
    ("[limits]\nkeep_runs = \"5s\"\n", 2, 13, "out of range", "from \"1h\""),
    ("[limits]\nallow_private = \"a\"\n", 2, 17, "is a list of texts, not one text", "Write allow_private = [\"a\"]"),
    ("[limits]\nallow_private = [\"http://a/\"]\n", 2, 18, "is not a host", "127.0.0.1:8080"),
    ("[store]\npath = 3\n", 2, 8, "is a text, not a whole number", "Write path = \"3\""),
    ("[store]\npath = \" \"\n", 2, 8, "\"path\" is empty", "leave the key out"),
    ("[feeds.a]\nurl = \"https://a.example\"\nweight = \"much\"\n", 3, 10, "is a number, not a text", "weight = 1.0"),
    ("[feeds.a]\nurl = \"https://a.example\"\nweight = -1\n", 3, 10, "out of range", "from 0 to 100"),
    // Values.
    ("[accounts.shop]\nfolder = \"x\"\n", 1, 11, "does not say which network", "network = \"…\""),
    ("[accounts.facebok]\nfolder = \"x\"\n", 1, 11, "does not say which network", "network = \"facebook\""),
    ("[accounts.x]\n", 1, 11, "[accounts.x] has no \"folder\"", "folder = \"out/x\""),
    ("[accounts.x]\nfolder = \"o\"\nchannel = \"api\"\n", 3, 11, "\"channel\" cannot be \"api\"", "Write \"folder\""),
    (
        "[accounts.x]\nfolder = \"o\"\napproval = \"alway\"\n",
        3,
        12,
        "\"approval\" cannot be \"alway\"",
        "Did you mean \"always\"?",
    ),
    ("[accounts.x]\nfolder = \"o\"\nformats = [\"post\", \"stroy\"]\n", 3, 20, "\"formats\" cannot be \"stroy\"", "\"story\""),
    ("[accounts.x]\nfolder = \"o\"\nhours = [\"7-20\"]\n", 3, 10, "not a range of hours", "07:00-20:30"),
    ("[accounts.x]\nfolder = \"o\"\nhours = [\"07:00-24:01\"]\n", 3, 10, "not a range of hours", "07:00-20:30"),
    ("[accounts.x]\nfolder = \"o\"\nhours = [\"07:00-07:00\"]\n", 3, 10, "ends when it begins", "00:00-24:00"),
    ("[accounts.x]\nfolder = \"o\"\nceilings = { per_day = 0 }\n", 3, 24, "nothing would ever be posted", "beffroi freeze"),
    (
        "[accounts.x]\nfolder = \"o\"\n[accounts.threads]\nfolder = \"p/../o/.\"\n",
        2,
        10,
        "already the folder of [accounts.threads]",
        "of its own",
    ),
    ("[feeds.a]\n", 1, 8, "does not say where", "url = "),
    ("[feeds.a]\nurl = \"metier.example\"\n", 2, 7, "not a web address", "https://metier.example"),
    ("[feeds.a]\nurl = \"ftp://metier.example\"\n", 2, 7, "not a web address", "starts with https://"),
    ("[feeds.a]\nurl = \"https://a.example\"\nfile = \"feeds/ville.xml\"\n", 3, 8, "both \"url\" and \"file\"", "Keep one"),
    ("[feeds.a]\nfile = \"feeds\"\n", 2, 8, "is a folder, not a file", "Name a file"),
    ("[catalogs.a]\nfile = \"stock.csv\"\ncolumns = { sku = 3 }\n", 3, 19, "\"sku\" is a text", "sku = \"3\""),
    ("[catalogs.a]\nfile = \"stock.csv\"\ncurrency = \"euros\"\n", 3, 12, "not a currency", "three letters"),
    ("[library]\nfolder = \"stock.csv\"\n", 2, 10, "is a file, not a folder", "Name a folder"),
    ("[people.owner]\nfolder = \"m\"\nlanguage = \"de\"\n", 3, 12, "not a language", "\"fr\" or \"en\""),
    ("[scripts]\nfolder = \"script\"\n", 2, 10, "There is no folder", "\"scripts\""),
    // Workflows: `%` stands for a script and an event.
    ("[workflows.a]\nevents = \"e\"\n", 1, 12, "[workflows.a] has no \"script\"", "script = "),
    ("[workflows.a]\nscript = \"rotation.rhai\"\nshedule = \"* * * * *\"\n", 3, 1, "no key \"shedule\"", "\"schedule\""),
    ("[workflows.a]\nevents = \"e\"\nscript = \"rotaton.rhai\"\n", 3, 10, "no script \"rotaton.rhai\"", "\"rotation.rhai\""),
    ("[workflows.a]\nevents = \"e\"\nscript = \"digest\"\n", 3, 10, "no script \"digest\"", "\"digest.rhai\""),
    ("[workflows.a]\nevents = \"e\"\nscript = \"../stock.csv\"\n", 3, 10, "outside the folder of scripts", "without \"..\""),
    ("[workflows.a]\nevents = \"e\"\nscript = \"windows.rhai\"\n", 3, 10, "not written in UTF-8", "UTF-8"),
    ("[workflows.a]\n%schedule = \"30 corn * * *\"\n", 4, 16, "\"corn\"", "from 0 to 23"),
    ("[workflows.a]\n%schedule = [\"1 1 1 1 1\", 'x * * * *']\n", 4, 27, "\"x\"", "from 0 to 59"),
    ("[workflows.a]\n%schedule = \"30 \\u0063orn * * *\"\n", 4, 12, "\"corn\"", "from 0 to 23"),
    ("[workflows.a]\nscrpt = \"rotation.rhai\"\nevents = \"e\"\n", 2, 1, "no key \"scrpt\"", "\"script\""),
    ("[workflows.a]\n%zone = \"Europe/Pari\"\n", 4, 8, "not a time zone", "\"Europe/Paris\""),
    ("[workflows.a]\n%zone = \"new york\"\n", 4, 8, "not a time zone", "\"America/New_York\""),
    ("[workflows.a]\n%dst = \"vixi\"\n", 4, 7, "\"dst\" cannot be", "\"vixie\""),
    ("[workflows.a]\n%missed = \"none\"\n", 4, 10, "cannot be \"none\"", "\"skip\", \"latest\", \"all\""),
    ("[workflows.a]\n%overlap = \"cancel\"\n", 4, 11, "cannot be \"cancel\"", "\"cancel-running\""),
    ("[workflows.a]\n%timeout = \"2h\"\n", 4, 11, "out of range", "from \"1s\" to \"1h\""),
    ("[workflows.a]\n%backoff = \"2h\"\n", 4, 11, "out of range", "from \"1s\" to \"1h\""),
    ("[workflows.a]\n%retries = 101\n", 4, 11, "out of range", "from 0 to 100"),
    ("[workflows.a]\n%memory = \"64\"\n", 4, 10, "not an amount of memory", "\"64MB\""),
    ("[workflows.a]\n%memory = \"1kB\"\n", 4, 10, "out of range", "\"1MiB\""),
    ("[workflows.a]\n%memory = 64\n", 4, 10, "an amount of memory such as", "memory = \"64MB\""),
    ("[workflows.a]\n%events = [\"e\", 3]\n", 3, 16, "Each element of \"events\"", "between quotes"),
    ("[workflows.a]\n%accounts = [\"facebook\"]\n", 4, 13, "There is no account \"facebook\"", "[accounts.facebook]"),
    ("[workflows.a]\n%settings = 3\n", 4, 12, "\"settings\" is a table", "settings = {"),
    ("[workflows.a]\n%settings = { a = [nan] }\n", 4, 19, "not a number a script can count", "ordinary number"),
    ("[workflows]\na = { script = \"rotation.rhai\", events = \"e\" }\n[workflows.a]\n%", 3, 12, "written twice", "Keep one"),
];

#[test]
fn data_that_is_not_there_is_told_and_does_not_keep_the_daemon_from_starting() {
    let home = home();
    for (text, column, message, help) in [
        ("[feeds.a]\nfile = \"feeds/vile.xml\"\n", 8, "There is no file \"feeds/vile.xml\"", "\"feeds/ville.xml\""),
        ("[catalogs.a]\nfile = \"zzz.csv\"\n", 8, "There is no file", "it counts from the folder"),
        ("[metrics]\nfiles = [\"metrics.cvs\"]\n", 10, "There is no file", "\"metrics.csv\""),
    ] {
        let loaded = load_text(&home, format!("{HEAD}{text}")).expect("only a warning");
        let warnings = loaded.warnings.iter().filter(|w| w.message.contains(message)).collect::<Vec<_>>();
        assert_eq!((warnings.len(), warnings[0].line, warnings[0].column), (1, 5, column), "{text}");
        assert!(warnings[0].help.contains(help), "{}", warnings[0].help);
    }
}

#[test]
fn each_problem_is_told_at_its_place_with_its_remedy() {
    let home = home();
    let mut differ = String::new();
    for (text, line, column, message, help) in BAD {
        let events = if text.contains("events = [") { "" } else { "events = \"e\"\n" };
        let text = format!("{HEAD}{}", text.replace('%', &format!("script = \"rotation.rhai\"\n{events}")));
        let problems = load_text(&home, &text).expect_err(&text);
        let as_expected = problems.len() == 1
            && problems.iter().all(|problem| {
                (problem.line, problem.column, problem.severity) == (line + 3, *column, Severity::Error)
                    && problem.message.contains(message)
                    && problem.help.contains(help)
                    && text.lines().any(|line| line == problem.excerpt)
            });
        if !as_expected {
            let shown: String = problems.iter().map(Problem::render).collect();
            differ += &format!("{}:{column} {message} {help}\n{shown}\n", line + 3);
        }
    }
    assert_eq!(differ, "");
}

#[test]
fn what_is_missing_from_the_business_is_told() {
    let home = home();
    for (text, line, message) in [
        ("[limits]\n", 1, "There is no section [business]."),
        ("[business]\nname = \"B\"\n", 1, "[business] has no \"zone\"."),
        ("[business]\nzone = \"Europe/Paris\"\n", 1, "[business] has no \"name\"."),
        ("[business]\nname = \"B\"\nzone = \"Paris\"\n", 3, "\"Paris\" is not a time zone."),
        ("name = \"B\"\n[business]\nname = \"B\"\nzone = \"UTC\"\n", 1, "\"name\" stands in no section."),
    ] {
        let problems = load_text(&home, text).expect_err(text);
        assert_eq!(problems.len(), 1, "{text}");
        assert_eq!((problems[0].line, problems[0].message.as_str()), (line, message));
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let home = home();
    let text = r#"[business]
name = 3
zone = "Europe/Pari"
[limits]
runns = 1
[accounts.x]
hours = ["7"]
ceilings = { per_day = 0, spacing = "soon" }
[feeds.a]
file = "no.xml"
[workflows.a]
script = "no.rhai"
schedule = "corn"
accounts = ["x", "y"]
timeout = 5
"#;
    let problems = load_text(&home, text).expect_err("twelve problems");
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 5, 6, 7, 8, 8, 10, 12, 13, 14, 15]);
}

#[test]
fn slips_in_several_lines_are_all_told_and_what_follows_from_them_is_not() {
    let home = home();
    let text = format!(
        "{HEAD}[accounts.x]\nfolder out\n[workflows.a]\nscript = rotation.rhai\nschedule = \"1 1 1 1 1\nretries = 500\n[workflows.b]\naccounts = [\"x\"\n"
    );
    let problems = load_text(&home, text).expect_err("five problems");
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [5, 7, 8, 9, 11]);
}

#[test]
fn doubtful_things_are_warnings_and_load() {
    let home = home();
    for (text, line, column, message) in [
        ("[workflows.a]\nscript = \"rotation.rhai\"\n", 1, 12, "it runs only by hand"),
        ("[workflows.a]\nscript = \"rotation.rhai\"\nschedule = [\"1 * * * *\", \"1  * * * *\"]\n", 3, 26, "written twice"),
        ("[accounts.x]\nfolder = \"o\"\nmax_chars = 500\n", 3, 13, "x takes 280 characters"),
        ("[accounts.a]\nnetwork = \"myspace\"\nfolder = \"o\"\n", 2, 11, "not a network whose limits"),
        ("[accounts.x]\nfolder = \"o\"\nceilings = { per_day = 6, spacing = \"8h\" }\n", 3, 37, "only 3 posts fit"),
        (
            "[accounts.x]\nfolder = \"o\"\nceilings = { per_hour = 6, per_day = 5 }\n",
            3,
            25,
            "\"per_hour\" is more than \"per_day\"",
        ),
    ] {
        let loaded = good(&home, &format!("{HEAD}{text}"));
        assert_eq!(loaded.warnings.len(), 1, "{text}");
        let warning = &loaded.warnings[0];
        assert_eq!((warning.line, warning.column, warning.severity), (line + 3, column, Severity::Warning), "{text}");
        assert!(warning.message.contains(message), "{warning:?}");
        assert!(!warning.help.is_empty());
    }
}

#[test]
fn ceilings_that_were_not_said_give_way_to_those_that_were() {
    let home = home();
    let ceilings = |inner: &str| {
        let loaded = good(&home, &format!("{HEAD}[accounts.x]\nfolder = \"o\"\n{inner}\n"));
        assert_eq!(loaded.warnings, []);
        loaded.instance.accounts["x"].ceilings
    };
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let all =
        |per_hour, per_day, spacing| Ceilings { per_minute: None, per_hour: Some(per_hour), per_day: Some(per_day), spacing };
    assert_eq!(ceilings(""), all(4, 12, minutes(10)));
    assert_eq!(ceilings("ceilings = {}"), all(4, 12, minutes(10)));
    assert_eq!(ceilings("ceilings = { per_day = 2 }"), all(2, 2, minutes(10)));
    assert_eq!(ceilings("ceilings = { per_hour = 20 }"), all(20, 20, minutes(3)));
}

#[test]
fn files_that_are_no_configuration_are_refused_in_one_sentence() {
    let home = home();
    for (bytes, line, column, message) in [
        (b"".as_slice(), 0, 0, "says nothing"),
        (b"# a\n\n", 0, 0, "says nothing"),
        (b"\xef\xbb\xbf", 0, 0, "says nothing"),
        (b"\xff\xfe[\0", 0, 0, "UTF-16"),
        (b"[business]\nname = \"\xc9picerie\"\n", 2, 9, "\"\u{c9}\" on this line"),
    ] {
        let problems = load_text(&home, bytes).expect_err(message);
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].line, problems[0].column), (line, column));
        assert!(problems[0].message.contains(message), "{}", problems[0].message);
        assert!(!problems[0].help.is_empty());
    }
    let missing = load(&home.path().join("no.toml"), &Base::default()).expect_err("no file");
    assert_eq!((missing.len(), missing[0].message.as_str()), (1, "There is no such file."));
    let folder = load(home.path(), &Base::default()).expect_err("a folder");
    assert_eq!((folder.len(), folder[0].message.as_str()), (1, "This is a folder, not a file."));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let home = home();
    let text = format!("\u{feff}{HEAD}").replace('\n', "\r\n");
    assert_eq!(good(&home, &text).instance.business.name, "B");
    let problems = load_text(&home, format!("\u{feff}corn = 1\r\n{}", HEAD.replace('\n', "\r\n"))).expect_err("an unknown key");
    assert_eq!((problems[0].line, problems[0].column, problems[0].excerpt.as_str()), (1, 1, "corn = 1"));
}

#[test]
fn a_slip_behind_a_return_alone_is_told_like_any_other() {
    let home = home();
    let mut behind = 0;
    for line in [
        "name = \"a\rb\" c",
        "name = { fr = \"a\r\", en = \"b = \"c\"",
        "name = \"a\r\0\0b\", zone = \"x\"y\"",
        "a = 1 \r b = = 2",
    ] {
        let problems = load_text(&home, format!("[business]\n{line}\nlanguage = \"en\"\n")).unwrap_err();
        let first = problems.first().expect("at least one");
        assert_eq!(first.line, 2, "{line:?}: {problems:?}");
        assert!(first.column <= line.chars().count() + 1 && first.render().contains("error"), "{line:?}: {first:?}");
        let shown = line.split('\r').next().expect("there is a return").chars().count();
        behind += usize::from(first.column > shown + 1);
    }
    assert!(behind > 0, "none of the slips is told where it stands: behind the return");
}

#[test]
fn a_socket_path_that_the_system_cannot_take_is_told() {
    let home = home();
    let file = home.path().join("beffroi.toml");
    fs::write(&file, HEAD).expect("a file");
    let base = Base { state: Some(home.path().join("s".repeat(120))), builtin: None };
    let problems = load(&file, &base).expect_err("too long");
    assert!(problems[0].message.contains("too long") && problems[0].help.contains("socket ="), "{problems:?}");
}

#[test]
fn without_a_state_folder_everything_lies_beside_the_configuration() {
    let home = home();
    let file = home.path().join("beffroi.toml");
    fs::write(&file, format!("{HEAD}[accounts.x]\nfolder = \"out/x\"\n")).expect("a file");
    let loaded = load(&file, &Base::default()).expect("a good file");
    let ChannelConfig::Folder(folder) = &loaded.instance.accounts["x"].channel else { panic!("a folder") };
    assert_eq!((loaded.store, folder), (home.path().join("beffroi.db"), &home.path().join("out/x")));
}

#[test]
fn many_problems_of_one_kind_are_counted_not_listed() {
    let home = home();
    let text: String =
        (0..1_500).map(|n| format!("[workflows.w{n}]\nscript = \"rotation.rhai\"\nschedule = \"corn\"\n")).collect();
    let problems = load_text(&home, format!("{HEAD}{text}")).expect_err("many problems");
    assert_eq!(problems.len(), 1_001);
    assert_eq!(problems[999].line, 3 + 1_000 * 3);
    assert_eq!(problems[1_000].message, "There are 500 more problems.");
}

const PLUGINS: &str = r#"
[accounts.bluesky]
plugin = "bluesky"
settings = { service = "https://bsky.social", handle = "b.example" }
secrets = { session = "bluesky-password" }
[feeds.hn]
plugin = "hackernews"
topic = "trade"
[catalogs.shop]
plugin = "woocommerce"
max_age = "2h"
settings = { shop = "https://shop.example" }
[generators.writer]
plugin = "openai-compatible"
budget = "2,50 EUR"
[people.claire]
plugin = "smtp"
language = "en"
[workflows.evening]
plugin = "rotation"
schedule = "30 17 * * *"
accounts = ["bluesky"]
settings = { every = { bluesky = "2d" } }
[secrets]
folder = "keys"
[limits]
plugin_memory = "16MiB"
plugin_time = "10s"
plugin_hosts = ["*.Example.com", "[::1]:80"]
"#;

#[test]
fn plugins_stand_where_folders_and_scripts_stand() {
    let home = home();
    let loaded = good(&home, &format!("{HEAD}{PLUGINS}"));
    assert_eq!(loaded.warnings, []);
    let instance = loaded.instance;
    let ChannelConfig::Plugin(used) = &instance.accounts["bluesky"].channel else { panic!("a plugin") };
    assert_eq!((used.plugin.as_str(), &*used.scope), ("bluesky", "account:bluesky"));
    assert_eq!(used.settings["handle"], "b.example");
    assert_eq!(used.secrets["session"], "bluesky-password");
    let Location::Plugin(used) = &instance.feeds["hn"].location else { panic!("a plugin") };
    assert_eq!((used.plugin.as_str(), &*used.scope, &*used.settings), ("hackernews", "feed:hn", &serde_json::json!({})));
    let CatalogSource::Plugin(used) = &instance.catalogs["shop"].source else { panic!("a plugin") };
    assert_eq!(&*used.scope, "catalog:shop");
    let writer = &instance.generators["writer"];
    assert_eq!((writer.budget.map(|b| b.minor), &*writer.plugin.scope), (Some(250), "generator:writer"));
    let crate::instance::NotifierConfig::Plugin(used) = &instance.people["claire"].notifier else { panic!("a plugin") };
    assert_eq!(&*used.scope, "person:claire");
    let workflow = &instance.workflows["evening"];
    let used = workflow.plugin.as_ref().expect("a plugin");
    assert_eq!((used.plugin.as_str(), &*used.scope), ("rotation", "workflow:evening"));
    assert!(Arc::ptr_eq(&used.settings, &workflow.settings) && workflow.settings["every"]["bluesky"] == "2d");
    assert_eq!((&*workflow.script, &*workflow.source), (Path::new("plugin:rotation"), ""));
    assert_eq!(instance.secrets, home.path().join("keys"));
    assert_eq!((instance.limits.plugins.memory, instance.limits.plugins.time), (16 << 20, Duration::from_secs(10)));
    assert_eq!(instance.limits.plugins.hosts, ["*.example.com", "[::1]:80"]);
    assert_eq!(good(&home, HEAD).instance.secrets, home.path().join("secrets"));
}

#[test]
fn slips_about_plugins_are_told_with_their_place() {
    let home = home();
    for (text, message, help) in [
        (
            "[accounts.x]\nplugin = \"x\"\nfolder = \"out\"\n",
            "[accounts.x] has both \"plugin\" and \"folder\".",
            "one of the two",
        ),
        ("[accounts.x]\nplugin = \"X!\"\n", "\"X!\" cannot name a plugin.", "small letters"),
        ("[accounts.x]\nplugni = \"x\"\n", "There is no key \"plugni\" in [accounts.x].", "Did you mean \"plugin\"?"),
        ("[accounts.x]\nchannel = \"bluesky\"\nfolder = \"o\"\n", "\"channel\" cannot be \"bluesky\".", "plugin = \"bluesky\""),
        ("[accounts.x]\nfolder = \"o\"\nsettings = { a = 1 }\n", "\"settings\" is for plugins", "plugin = "),
        (
            "[accounts.x]\nplugin = \"x\"\nsecrets = { token = \"s3cr3t/==\" }\n",
            "What \"token\" stands for is not",
            "folder of secrets",
        ),
        (
            "[feeds.f]\nurl = \"https://a.example\"\nplugin = \"p\"\n",
            "[feeds.f] has both \"plugin\" and \"url\".",
            "one of the two",
        ),
        ("[feeds.f]\ntopic = \"t\"\n", "[feeds.f] does not say where the feed is.", "plugin = "),
        ("[catalogs.c]\nplugin = \"p\"\ncolumns = { sku = \"a\" }\n", "[catalogs.c] has both \"plugin\" and \"columns\".", ""),
        ("[generators.g]\n", "[generators.g] has no \"plugin\".", "plugin = "),
        ("[generators.g]\nplugin = \"p\"\nbudget = \"five\"\n", "\"five\" is not an amount of money.", "5 EUR"),
        ("[generators.g]\nplugin = \"p\"\nbudget = 5\n", "\"budget\" is a text", "5"),
        (
            "[workflows.w]\nplugin = \"p\"\nscript = \"rotation.rhai\"\nevents = \"e\"\n",
            "has both \"plugin\" and \"script\".",
            "",
        ),
        (
            "[workflows.w]\nscript = \"rotation.rhai\"\nevents = \"e\"\nsecrets = { a = \"b\" }\n",
            "\"secrets\" is for plugins",
            "",
        ),
        ("[secret]\nfolder = \"keys\"\n", "There is no section [secret].", "[secrets]"),
        ("[limits]\nplugin_memory = \"1kB\"\n", "\"plugin_memory\" is 1kB, which is out of range.", "1MiB"),
        ("[limits]\nplugin_hosts = [\"https://a.example/x\"]\n", "is not a host.", "*.example.com"),
    ] {
        let problems = load_text(&home, format!("{HEAD}{text}")).expect_err(text);
        let found = problems.iter().find(|p| p.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{text}: {problems:#?}"));
        assert!(found.help.contains(help) && found.line > 3, "{text}: {found:?}");
        assert!(!found.message.contains("s3cr3t"), "a secret written in the wrong place is not repeated");
    }
}

#[test]
fn budgets_read_as_people_write_them() {
    let eur = |minor| Some(crate::domain::Money::eur(minor));
    for (text, money) in
        [("5 EUR", eur(500)), ("2,50 €", eur(250)), ("0.5eur", eur(50)), ("€ 12", eur(1_200)), ("EUR 3.1", eur(310))]
    {
        assert_eq!(plugins::money(text), money, "{text}");
    }
    assert_eq!(plugins::money("100 JPY").map(|m| m.minor), Some(100));
    for wrong in ["", "5", "EUR", "5.555 EUR", "-5 EUR", "5. EUR", "1.2.3 EUR", "5 EURO", "1,000.00 EUR", "1.5 JPY", ".5 EUR"] {
        assert_eq!(plugins::money(wrong), None, "{wrong}");
    }
}

const REFERENCE: &str = include_str!("../../../config/beffroi.toml");

/// The reference with every key in force.
fn uncommented() -> String {
    let key = |line: &str| {
        let word = line.bytes().take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_').count();
        word > 0 && line[word..].starts_with(" = ")
    };
    let lines = REFERENCE.lines().map(|line| match line.strip_prefix("# ") {
        Some(inner) if key(inner) || (inner.starts_with('[') && inner.ends_with(']')) => inner,
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_reference_loads_as_it_is_and_with_every_key_in_force() {
    let home = home();
    let short = good(&home, REFERENCE);
    let long = good(&home, &uncommented());
    assert_eq!((short.warnings.len(), long.warnings.len()), (0, 0));
    assert_eq!((short.store, short.socket), (long.store, long.socket));
    assert_eq!(long.instance.workflows["rotation"].settings["slots"][1], "noon");
}

#[test]
fn the_reference_shows_the_defaults() {
    let home = home();
    let long = good(&home, &uncommented()).instance;
    let short = good(
        &home,
        &format!(
            "{HEAD}[accounts.facebook]\nfolder = \"out/facebook\"\n[people.owner]\nfolder = \"out/mail\"\n[feeds.metier]\nurl = \"https://a.example\"\n[catalogs.boutique]\nfile = \"stock.csv\"\n[library]\nfolder = \"library\"\n[workflows.rotation]\nscript = \"rotation.rhai\"\nevents = [\"e\"]\n"
        ),
    )
    .instance;
    assert_eq!(format!("{:?}", long.limits), format!("{:?}", short.limits));
    assert_eq!(format!("{:?}", long.library), format!("{:?}", short.library));
    assert_eq!(format!("{:?}", long.people), format!("{:?}", short.people));
    let account = |instance: &Instance| {
        let account = &instance.accounts["facebook"];
        let ceilings = Ceilings { per_minute: None, ..account.ceilings };
        (account.network.clone(), account.approval, account.formats.clone(), account.max_chars, ceilings)
    };
    assert_eq!(account(&long), account(&short));
    let business = |instance: &Instance| (instance.business.language, instance.business.currency);
    assert_eq!(business(&long), business(&short));
    let feed = |instance: &Instance| (instance.feeds["metier"].topic.clone(), instance.feeds["metier"].weight);
    assert_eq!(feed(&long), feed(&short));
    assert_eq!(long.catalogs["boutique"].max_age, short.catalogs["boutique"].max_age);
    let workflow = |instance: &Instance| {
        let w = instance.workflows["rotation"].clone();
        ((w.missed, w.window, w.overlap, w.jitter, w.retries), (w.backoff, w.pause_after, w.budget, w.enabled))
    };
    assert_eq!(workflow(&long), workflow(&short));
}

#[test]
fn every_key_stands_in_the_reference() {
    let text = uncommented();
    for keys in shape::ALL {
        for key in keys.keys {
            let as_section = format!("[{key}");
            let as_key = format!("{key} = ");
            let found = text.lines().any(|line| match (keys.section, keys.inner) {
                ("", _) => line.starts_with(&as_section),
                (_, Some(inner)) => line.starts_with(&format!("{inner} = {{")) && line.contains(&as_key),
                _ => line.starts_with(&as_key),
            });
            assert!(found, "\"{key}\" of [{}] is missing in config/beffroi.toml", keys.section);
        }
    }
}

#[test]
fn every_network_with_limits_stands_in_the_reference() {
    for (network, _) in meant::NETWORKS {
        assert!(REFERENCE.contains(network), "{network} is missing in config/beffroi.toml");
    }
}

#[test]
fn amounts_of_memory_read_in_both_languages() {
    for (text, bytes) in [("64MB", 64_000_000), ("64 MiB", 64 << 20), ("1Go", 1_000_000_000), ("512kio", 512 << 10), ("7B", 7)] {
        assert_eq!(crate::written::parse_size(text), Some(bytes), "{text}");
    }
    for wrong in ["", "MB", "64", "-1MB", "1.5MB", "99999999999999999999GB", "99999999999999GiB"] {
        assert_eq!(crate::written::parse_size(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_mutilated_file_loads_or_is_told_with_valid_places(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, r#"([ -~é\n]|\[|\]|"|'|\{|\}|=|""")?"#), 1..6),
    ) {
        let home = home();
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, length, instead) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, instead.chars());
        }
        let text: String = text.into_iter().collect();
        match load_text(&home, &text) {
            Ok(loaded) => prop_assert!(!any_error(&loaded.warnings)),
            Err(problems) => {
                prop_assert!(any_error(&problems));
                let lines: Vec<&str> = text.split('\n').collect();
                for problem in problems {
                    prop_assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{problem:?}");
                    prop_assert!(problem.line <= lines.len(), "{problem:?}");
                    if problem.line > 0 {
                        prop_assert!((1..=lines[problem.line - 1].chars().count() + 1).contains(&problem.column), "{problem:?}");
                    }
                    prop_assert!(problem.render().contains(&problem.message));
                }
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let home = home();
        prop_assert!(load_text(&home, bytes).is_err());
    }
}
