//! A small firm as a seed wants it: its accounts, its workflows, its configuration, and how that is edited later on.
//!
//! In: a seed. Out: the text of the configuration, the scripts, and which schedules each workflow has in which version.
//! Never: says what goes wrong.

use super::world::Manner;
use beffroi::clock::Dice;
use beffroi::domain::Zone;
use beffroi::schedule::cron::{Dst, Schedule};
use std::fmt::Write as _;
use std::time::Duration;

/// Every run that comes to its end counts itself, for its workflow and for all.
const COUNT: &str = r#"
state::add("count", 1);
state::add("count/" + run::workflow(), 1);
let quiet = state::get("quiet", false);
let planned = 0;
"#;

/// The scripts, by name.
const SCRIPTS: &[(&str, &str)] = &[
    ("tally", r#"if run::attempt() <= run::setting("fails", 0) { throw "not yet"; }"#),
    (
        "poster",
        r#"
if !quiet {
    posts::plan(#{ text: run::id() + " on two", accounts: ["solid", "plain"], once: run::id() + "/two", expires: "30h" });
    posts::plan(#{ text: run::id() + " blind", account: "blind", once: run::id() + "/blind", expires: "3h" });
    planned = 3;
}"#,
    ),
    (
        "drafts",
        r#"
if !quiet {
    posts::plan(#{ text: run::id() + " draft", accounts: ["plain", "keyed"], draft: true, at: "20m", once: run::id() });
    planned = 2;
}"#,
    ),
    (
        "orders",
        r#"
fn ask(what) {
    let said = http::post("https://shop.example/orders", run::id() + " " + what);
    if said.status != 200 { throw "the shop says " + said.status; }
    said.body
}
if !quiet {
    let first = step("order", || ask("order"));
    step("pay", || ask("pay"));
    if first != run::id() + " order" { throw "the kept answer is another one: " + first; }
    events::emit("ordered", #{ run: run::id() });
}"#,
    ),
    (
        "listener",
        r#"
if !quiet {
    posts::plan(#{ text: run::id() + " heard", account: "solid", once: run::id(), expires: "30h" });
    planned = 1;
}
notify::send(#{ title: run::id() + " heard", text: "An order.", once: run::id() });"#,
    ),
    (
        "chain",
        r#"
let links = run::payload();
let left = if links == () { 2 } else { links.left - 1 };
if !quiet && left > 0 { run::later("70m", #{ left: left }); }"#,
    ),
];

/// The person who is told.
pub(super) const PERSON: &str = "owner";

/// One workflow.
pub(super) struct Program {
    /// Its name.
    pub name: String,
    script: Option<&'static str>,
    schedule: Option<&'static str>,
    more: String,
}

/// The firm.
pub(super) struct Firm {
    /// Its workflows.
    pub programs: Vec<Program>,
    /// Its accounts, and how the networks serve them.
    pub accounts: Vec<(&'static str, Manner)>,
    spacing: &'static str,
    hours: &'static str,
    /// The schedule of the first workflow from the first edit on, if edits touch schedules.
    edited: Option<&'static str>,
}

const OFTEN: &[&str] = &["7,37 8-11 * * *", "0 * * * *", "*/45 0-6 * * *", "15 */2 * * *", "30 */2 * * *"];
const SELDOM: &[&str] = &["20 */3 * * *", "5 */2 * * *", "50 6,9,12,18 * * *", "0 */4 * * *"];

fn pick<T: Copy>(dice: &Dice, of: &[T]) -> T {
    of[usize::try_from(dice.below(u64::try_from(of.len()).expect("few"))).expect("few")]
}

impl Firm {
    /// The firm of a seed. `edits` says whether an edit changes a schedule, `traps` whether there is a workflow that is a plugin and
    /// ends in a trap.
    pub(super) fn new(dice: &Dice, edits: bool, traps: bool) -> Self {
        let mut programs = Vec::new();
        let mut add = |name: &str, script: &'static str, schedule: Option<&'static str>, settings: String| {
            let missed = pick(dice, &["skip", "latest", "all"]);
            let overlap = pick(dice, &["skip", "queue", "cancel-running"]);
            let jitter = pick(dice, &["0s", "0s", "90s", "10m"]);
            let pause_after = pick(dice, &[2, 5, 0]);
            let window = pick(dice, &["1h", "6h", "2d"]);
            let more = format!(
                "missed = \"{missed}\"\noverlap = \"{overlap}\"\njitter = \"{jitter}\"\npause_after = {pause_after}\nwindow = \"{window}\"\n{settings}"
            );
            programs.push(Program { name: name.to_owned(), script: Some(script), schedule, more });
        };
        let fails = pick(dice, &[0, 1, 2, 9]);
        add("tally-a", "tally", Some(pick(dice, OFTEN)), String::new());
        add("tally-b", "tally", Some(pick(dice, OFTEN)), format!("retries = 2\nsettings = {{ fails = {fails} }}\n"));
        add("poster", "poster", Some(pick(dice, SELDOM)), String::new());
        add("drafts", "drafts", Some(pick(dice, SELDOM)), String::new());
        add("orders", "orders", Some(pick(dice, SELDOM)), format!("retries = {}\n", pick(dice, &[0, 3, 6])));
        add("listener", "listener", None, "events = [\"ordered\"]\n".into());
        add("chain", "chain", Some("40 7 * * *"), String::new());
        let lag = |of: &[u64]| Duration::from_secs(pick(dice, of));
        let accounts = vec![
            ("solid", Manner { reads_back: true, honours_keys: true, lag: lag(&[0, 30, 110]) }),
            ("plain", Manner { reads_back: true, honours_keys: false, lag: lag(&[0, 30, 110]) }),
            ("blind", Manner { reads_back: false, honours_keys: false, lag: lag(&[0, 30]) }),
            ("keyed", Manner { reads_back: false, honours_keys: true, lag: lag(&[0, 30]) }),
        ];
        if traps {
            let more = "plugin = \"hostile\"\nretries = 1\npause_after = 3\nsettings = { orders = '{\"do\":\"unreachable\"}' }\n";
            programs.push(Program { name: "evil".into(), script: None, schedule: Some("25 */2 * * *"), more: more.into() });
        }
        let spacing = pick(dice, &["0s", "90s", "10m"]);
        let hours = pick(dice, &["", "", "hours = [\"06:00-22:30\"]\n"]);
        let edited = edits.then(|| pick(dice, &["10 */2 * * *", "*/40 6-9 * * *", "0 5,17 * * *"]));
        Self { programs, accounts, spacing, hours, edited }
    }

    /// How the person's notices are served.
    pub(super) fn person(&self) -> Manner {
        self.accounts[1].1
    }

    /// The scripts' files.
    pub(super) fn scripts() -> impl Iterator<Item = (String, String)> {
        SCRIPTS.iter().map(|(name, text)| (format!("scripts/{name}.rhai"), format!("{COUNT}{text}\nplanned\n")))
    }

    /// The configuration after so many edits.
    pub(super) fn configuration(&self, edits: usize) -> String {
        let mut out = String::from(
            "[business]\nname = \"Test\"\nzone = \"Europe/Paris\"\nlanguage = \"en\"\n[people.owner]\nchannel = \"folder\"\nfolder = \"mail\"\n\
             [limits]\nwatch = false\n",
        );
        for (name, _) in &self.accounts {
            let (spacing, hours) = (self.spacing, self.hours);
            let _ = write!(
                out,
                "[accounts.{name}]\nnetwork = \"facebook\"\nchannel = \"folder\"\nfolder = \"posts-{name}\"\n{hours}\
                 ceilings = {{ spacing = \"{spacing}\", per_minute = 100, per_hour = 1000, per_day = 1000 }}\n"
            );
        }
        for program in &self.programs {
            let Program { name, script, more, .. } = program;
            let _ = write!(out, "[workflows.{name}]\n{more}");
            if let Some(script) = script {
                let _ = writeln!(out, "script = \"{script}.rhai\"");
            }
            if let Some(schedule) = self.schedule(program, edits) {
                let _ = writeln!(out, "schedule = \"{schedule}\"");
            }
            if edits % 2 == 1 && name == "poster" {
                out.push_str("backoff = \"2m\"\n");
            }
        }
        out
    }

    fn schedule(&self, program: &Program, edits: usize) -> Option<&'static str> {
        match self.edited {
            Some(edited) if edits % 2 == 1 && program.name == "tally-a" => Some(edited),
            _ => program.schedule,
        }
    }

    /// The schedule of a workflow after so many edits.
    pub(super) fn scheduled(&self, program: &Program, edits: usize) -> Option<Schedule> {
        let zone: Zone = "Europe/Paris".parse().expect("a zone");
        let text = self.schedule(program, edits)?;
        Some(Schedule::parse(text, zone, Dst::default()).unwrap_or_else(|e| panic!("{text}: {e:?}")))
    }
}
