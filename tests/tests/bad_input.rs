//! Bad input of every kind: one clear sentence with the place and the remedy, and nothing is lost.

use beffroi::config::Base;
use beffroi::domain::Json;
use beffroi::problem::{Problem, Severity};
use beffroi::store::{Change, CommitError, Mode, Op, Store, view};
use beffroi_tests::World;
use serde_json::json;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Puts something bad in the place of a file.
type Put<'a> = &'a dyn Fn(&Path);

const SAY: &str = "posts::plan(run::payload());";

/// Every problem of a world's configuration, as `beffroi check` finds them.
fn check(world: &World) -> Vec<Problem> {
    let base = Base { state: None, builtin: Some(beffroi::sample::builtin) };
    beffroi::daemon::check(&world.path("beffroi.toml"), &base)
}

/// The one problem there is, with its place: `file:line:column`.
fn only(problems: Vec<Problem>) -> (String, Problem) {
    let shown: String = problems.iter().map(Problem::render).collect();
    assert_eq!(problems.len(), 1, "{shown}");
    let problem = problems.into_iter().next().expect("it is there");
    assert!(problem.message.ends_with(['.', '?']) && !problem.help.is_empty(), "{shown}");
    let name = problem.file.file_name().expect("it is there").to_string_lossy().into_owned();
    (format!("{name}:{}:{}", problem.line, problem.column), problem)
}

/// A world with a workflow that runs every hour and one more line in its log each time.
fn ticking() -> World {
    World::new().account().workflow("tick", "schedule = \"0 * * * *\"", "state::set(\"n\", state::get(\"n\", 0) + 1);")
}

fn post(world: &mut World, post: Json) {
    let run = world.run_with("say", Some(post));
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
}

fn utf_16(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// A file of this size that takes no room on the disk.
fn sparse(path: &Path, begins: &str, size: u64) {
    std::fs::create_dir_all(path.parent().expect("it is there")).expect("it is there");
    let file = std::fs::File::create(path).expect("it is there");
    file.write_at(begins.as_bytes(), 0).expect("it is there");
    file.set_len(size).expect("it is there");
}

// ---- configuration and scripts -------------------------------------------------------------------------------------------

#[test]
fn a_configuration_with_a_mistake_does_not_start_and_does_not_replace_a_good_one() {
    let mut world = ticking();
    world.advance("1h30m");
    assert_eq!(world.state("n"), json!(1));
    let good = std::fs::read_to_string(world.path("beffroi.toml")).unwrap();
    let with = |change: &dyn Fn(&str) -> Vec<u8>| std::fs::write(world.path("beffroi.toml"), change(&good)).unwrap();
    for (change, place, word) in [
        (&(|g: &str| g.replace("[limits]", "[limits").into_bytes()) as &dyn Fn(&str) -> Vec<u8>, "beffroi.toml:9:", ""),
        (&|g: &str| g.replace("schedule =", "shedule =").into_bytes(), "beffroi.toml:", "shedule"),
        (&|g: &str| g.replace("tick.rhai", "tock.rhai").into_bytes(), "beffroi.toml:", "tock.rhai"),
        (&|g: &str| utf_16(g), "beffroi.toml:0:0", "UTF-16"),
        (&|_: &str| Vec::new(), "beffroi.toml:0:0", "empty"),
        (&|_: &str| b"\x00\x01\x02garbage\xff".to_vec(), "beffroi.toml:1:", ""),
    ] {
        with(change);
        let problems: Vec<Problem> = check(&world).into_iter().filter(|p| p.severity == Severity::Error).collect();
        let (at, problem) = only(problems);
        assert!(at.starts_with(place) && problem.message.contains(word), "{}", problem.render());
    }
    // The running daemon refuses each of them and goes on as before.
    assert!(world.on().engine.reload().is_err());
    world.advance("1h");
    assert_eq!(world.state("n"), json!(2));
    std::fs::remove_file(world.path("beffroi.toml")).unwrap();
    let (_, problem) = only(check(&world));
    assert!(problem.message.contains("no such file") && problem.help.contains("--config"), "{}", problem.render());
    assert!(world.on().engine.reload().is_err());
    world.advance("1h");
    assert_eq!(world.state("n"), json!(3));
    world.file("beffroi.toml", &good);
    world.on().engine.reload().expect("it is back");
}

#[test]
fn a_configuration_that_cannot_be_stored_whole_is_not_in_force_by_half() {
    let mut world = ticking();
    world.advance("1h30m");
    let good = std::fs::read_to_string(world.path("beffroi.toml")).unwrap();
    world.file("beffroi.toml", &good.replace("0 * * * *", "*/10 * * * *"));
    world.file("scripts/tick.rhai", "state::set(\"n\", state::get(\"n\", 0) + 100);");
    let other = rusqlite::Connection::open(world.on().engine.store.path()).expect("a second connection");
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON script BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    other.execute_batch(refuse).expect("a trigger");
    let problems = world.on().engine.reload().expect_err("the script cannot be kept");
    assert!(problems.iter().any(|p| p.message.contains("the disk is full")), "{problems:?}");
    world.advance("1h");
    assert_eq!(world.state("n"), json!(2), "neither the new hours nor the new script");
    other.execute_batch("DROP TRIGGER no").expect("it is there");
    world.on().engine.reload().expect("the disk takes it now");
    world.advance("1h");
    assert_eq!(world.state("n"), json!(602));
}

#[test]
fn a_bad_script_is_told_before_it_runs() {
    for (script, at, word, help) in [
        ("let x = ;\n", "tick.rhai:1:", "", ""),
        ("let x = 1;\nposts::plann(#{ text: \"x\" });\n", "tick.rhai:2:", "plann", "posts::plan"),
        ("log::info();\n", "tick.rhai:1:", "log::info", ""),
        ("import \"lib/none\" as l;\n", "tick.rhai:1:", "lib/none.rhai", ""),
    ] {
        let mut world = ticking();
        world.file("scripts/tick.rhai", script);
        let sentence = world.try_on().unwrap_err();
        assert!(sentence.contains(at) && sentence.contains(word) && sentence.contains(help), "{sentence}");
        // Mended, it starts.
        world.file("scripts/tick.rhai", "log::info(\"well\");");
        world.try_on().expect("mended");
    }
}

#[test]
fn what_stands_in_the_place_of_a_script_is_named() {
    let cases: [(Put<'_>, &str, &str); 5] = [
        (&|p| std::fs::create_dir(p).unwrap(), "is a folder", "Name the .rhai file in it"),
        (&|p| std::fs::write(p, utf_16("log::info(\"x\");")).unwrap(), "UTF-16", "UTF-8"),
        (&|p| std::fs::write(p, b"log::info(\"\xe9t\xe9\");").unwrap(), "not written in UTF-8", "UTF-8"),
        (&|p| sparse(p, "// large\n", 300 << 20), "larger than 1 MiB", "Check that it is the script"),
        (&|p| std::os::unix::fs::symlink("/dev/zero", p).unwrap(), "not a plain file", "read"),
    ];
    for (put, message, help) in cases {
        let mut world = ticking();
        std::fs::remove_file(world.path("scripts/tick.rhai")).unwrap();
        put(&world.path("scripts/tick.rhai"));
        let sentence = world.try_on().unwrap_err();
        assert!(sentence.contains(message) && sentence.contains(help), "{sentence}");
    }
    // An empty script is a script: it does nothing.
    let mut world = ticking();
    world.file("scripts/tick.rhai", "");
    assert_eq!(world.run("tick").row.state, "done");
}

#[test]
fn a_script_that_fails_while_it_runs_names_the_line_and_leaves_nothing_behind() {
    let script = "state::set(\"half\", 1);\nposts::plan(#{ text: \"half\" });\nlet list = [];\nlet x = list[7];\n";
    let mut world = ticking().workflow("bad", "", script);
    let run = world.run("bad");
    let error = run.row.error.unwrap();
    assert_eq!(run.row.state, "failed");
    assert!(error.contains("bad.rhai:4:") && error.contains("let x = list[7];"), "{error}");
    assert_eq!((world.state("half"), world.deliveries().len()), (Json::Null, 0));
    world.advance("1h");
    assert_eq!(world.state("n"), json!(1), "the others go on");
}

// ---- feeds ---------------------------------------------------------------------------------------------------------------

const RSS: &str = r#"<rss version="2.0"><channel><title>t</title><link>https://a.example/</link>
<item><title>First</title><guid>1</guid></item><item><title>Second</title><guid>2</guid></item></channel></rss>"#;
const READ: &str = "let n = feeds::fresh().len(); state::set(\"seen\", state::get(\"seen\", 0) + n); n";

#[test]
fn a_feed_that_is_no_feed_is_told_and_the_others_are_read() {
    let feeds = "\n[feeds.bad]\nfile = \"bad.xml\"\n[feeds.good]\nfile = \"good.xml\"\n";
    let cases: [(Put<'_>, &str); 6] = [
        (&|p| std::fs::write(p, [0xde, 0xad, 0xbe, 0xef].repeat(100)).unwrap(), "feed"),
        (&|p| std::fs::write(p, "<!doctype html><html><body>Please log in</body></html>").unwrap(), "web page"),
        (&|p| std::fs::write(p, "").unwrap(), "empty"),
        (&|_| {}, "bad.xml"),
        (&|p| sparse(p, "<rss>", 300 << 20), "8 M"),
        (&|p| std::fs::create_dir(p).unwrap(), "bad.xml"),
    ];
    for (put, word) in cases {
        let mut world = ticking().with(feeds).workflow("read", "", READ);
        world.file("good.xml", RSS);
        // What is a folder, or missing, when the daemon starts is the configuration's matter.
        world.file("bad.xml", RSS.replace("<guid>", "<guid>x").as_str());
        world.on();
        std::fs::remove_file(world.path("bad.xml")).unwrap();
        put(&world.path("bad.xml"));
        let run = world.run("read");
        assert_eq!((run.row.state.as_str(), world.state("seen")), ("done", json!(2)), "{:?}", run.row.error);
        let said = run.log.iter().find(|l| l.level == "warn").map(|l| l.text.clone()).unwrap_or_default();
        assert!(said.contains("the feed bad could not be read") && said.contains(word) && said.ends_with('.'), "{word}: {said}");
        let error = world.ask(view::feeds).into_iter().find(|f| f.0 == "bad").unwrap().2;
        assert!(error.is_some(), "it stays visible");
        // Mended, all of it comes.
        let path = world.path("bad.xml");
        if path.is_dir() {
            std::fs::remove_dir(&path).unwrap();
        }
        world.file("bad.xml", RSS);
        world.run("read");
        assert_eq!(world.state("seen"), json!(4));
        assert_eq!(world.ask(view::feeds).into_iter().find(|f| f.0 == "bad").unwrap().2, None);
    }
}

#[test]
fn a_feed_in_utf_16_is_read_like_any_other() {
    let mut world = ticking().with("\n[feeds.a]\nfile = \"a.xml\"\n").workflow("read", "", READ);
    std::fs::write(world.path("a.xml"), utf_16(&format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{RSS}"))).unwrap();
    world.run("read");
    assert_eq!(world.state("seen"), json!(2));
}

/// An adapter that does nothing but break down.
struct Broken;

impl beffroi::kinds::Source for Broken {
    fn poll(
        &self,
        _: &beffroi::kinds::Call<'_>,
        _: Option<&str>,
    ) -> Result<beffroi::kinds::SignalPage, beffroi::kinds::KindError> {
        panic!("at the third entry")
    }
}

impl beffroi::kinds::Catalog for Broken {
    fn poll(
        &self,
        _: &beffroi::kinds::Call<'_>,
        _: Option<&str>,
    ) -> Result<beffroi::kinds::StockPage, beffroi::kinds::KindError> {
        panic!("at the first line")
    }
}

#[test]
fn an_adapter_that_breaks_down_while_it_reads_is_a_sentence_in_the_run() {
    let config = "\n[feeds.bad]\nfile = \"a.xml\"\n[feeds.good]\nfile = \"b.xml\"\n[catalogs.till]\nfile = \"stock.csv\"\n";
    let mut world = ticking().with(config).workflow("read", "", READ).workflow("ask", "", "stock::get(\"A\")");
    world.file("b.xml", RSS);
    let adapters = world.on().engine.adapters.clone();
    adapters.install_source(beffroi::domain::FeedName::parse("bad").unwrap(), std::sync::Arc::new(Broken));
    adapters.install_catalog(beffroi::domain::CatalogName::parse("till").unwrap(), std::sync::Arc::new(Broken));
    let run = world.run("read");
    assert_eq!((run.row.state.as_str(), world.state("seen")), ("done", json!(2)));
    assert!(run.log.iter().any(|l| l.text.contains("\"bad\" broke down (at the third entry)")), "{:?}", run.log);
    let error = world.run("ask").row.error.unwrap();
    assert!(error.contains("\"till\" broke down (at the first line)") && error.contains("tell its author"), "{error}");
    world.advance("1h");
    assert_eq!(world.state("n"), json!(1));
}

// ---- stock, figures, library ---------------------------------------------------------------------------------------------

#[test]
fn a_bad_stock_file_leaves_the_last_good_one_in_force() {
    let good = "sku,title,stock,price\nTARTE,Tarte,5,12.00\nPAIN,Pain,9,1.00\nFLAN,Flan,3,3.00\nECLAIR,Eclair,7,2.50\n";
    let ask = "let i = stock::get(\"TARTE\"); if i == () { \"unknown\" } else { `${i.available}` }";
    let cases: [(Put<'_>, &str); 7] = [
        (&|p| std::fs::write(p, "sku,title,stock,price\nTARTE,Ta").unwrap(), "half"),
        (&|p| std::fs::write(p, "a,b,c,d\nTARTE,Tarte,0,12.00\nPAIN,Pain,0,1.00\n").unwrap(), "header"),
        (&|p| std::fs::write(p, [0_u8, 1, 2, 3, 255, 254, 0, 0].repeat(64)).unwrap(), "not text"),
        (&|p| std::fs::write(p, "").unwrap(), "empty"),
        (&|p| sparse(p, "sku,title,stock,price\n", 300 << 20), "large"),
        (&|p| std::fs::remove_file(p).unwrap(), "gone"),
        (
            &|p| {
                std::fs::remove_file(p).unwrap();
                std::fs::create_dir(p).unwrap();
            },
            "folder",
        ),
    ];
    for (put, what) in cases {
        let mut world = ticking().with("\n[catalogs.till]\nfile = \"stock.csv\"\n").workflow("ask", "", ask);
        world.file("stock.csv", good);
        assert_eq!(world.run("ask").value, Some(json!("5")));
        put(&world.path("stock.csv"));
        assert_eq!(world.run("ask").value, Some(json!("5")), "{what}");
        // Without anything good before, the run fails with the sentence instead of believing it.
        if what != "folder" {
            world.restart("1m");
            let run = world.run("ask");
            let error = run.row.error.unwrap_or_else(|| panic!("{what}: {:?}", run.value));
            assert!(error.contains("stock.csv") && error.contains("ask.rhai:1:"), "{what}: {error}");
            let _ = std::fs::remove_file(world.path("stock.csv"));
            world.file("stock.csv", &good.replace(",5,", ",4,"));
            world.advance("2m");
            assert_eq!(world.run("ask").value, Some(json!("4")), "{what}");
        }
    }
    let mut world = ticking().with("\n[catalogs.till]\nfile = \"stock.csv\"\n").workflow("ask", "", ask);
    std::fs::write(world.path("stock.csv"), utf_16(good)).unwrap();
    assert_eq!(world.run("ask").value, Some(json!("5")), "a spreadsheet's UTF-16 is a file like any other");
}

#[test]
fn bad_figures_are_told_and_good_lines_are_kept() {
    let good = "account,date,name,value\nfacebook,2025-12-30,clicks,12\nfacebook,yesterday,clicks,5\n";
    let cases: [(Put<'_>, &str, usize); 5] = [
        (&|p| std::fs::write(p, good).unwrap(), "\"yesterday\" is not a day", 1),
        (&|p| std::fs::write(p, [0xde, 0xad, 0xbe, 0xef].repeat(100)).unwrap(), "columns account, date, name and value", 0),
        (&|p| std::fs::write(p, utf_16(good)).unwrap(), "UTF-16", 0),
        (&|p| sparse(p, good, 300 << 20), "larger than 32 MiB", 0),
        (&|p| std::fs::write(p, "sku,stock\nA,1\n").unwrap(), "columns account, date, name and value", 0),
    ];
    for (put, word, kept) in cases {
        let mut world = ticking().with("\n[metrics]\nfiles = [\"figures.csv\"]\n");
        put(&world.path("figures.csv"));
        world.advance("1h");
        assert_eq!(world.state("n"), json!(1));
        assert_eq!(world.ask(|db| view::metrics(db, "2025-01-01", "2026-12-31")).len(), kept, "{word}");
        let problems = check(&world);
        let shown: String = problems.iter().map(Problem::render).collect();
        assert!(problems.len() == 1 && problems[0].severity == Severity::Warning && shown.contains(word), "{shown}");
        // Mended while the daemon runs.
        world.file("figures.csv", good);
        world.advance("15m");
        assert_eq!(world.ask(|db| view::metrics(db, "2025-01-01", "2026-12-31")).len(), 1);
    }
}

#[test]
fn one_bad_library_file_is_told_and_the_others_are_used() {
    let library = "\n[library]\nfolder = \"library\"\n";
    let pick = "let next = library::next(\"facebook\"); if next.item == () { next.why } else { next.item }";
    let cases: [(Put<'_>, &str); 6] = [
        (&|p| std::fs::write(p, "---\ntheme: [\n---\nText\n").unwrap(), "bad.md:2:"),
        (&|p| std::fs::write(p, "---\nwieght: 3\n---\nText\n").unwrap(), "weight"),
        (&|p| std::fs::write(p, "---\nfrom: tomorrow\n---\nText\n").unwrap(), "bad.md:2:"),
        (&|p| std::fs::write(p, utf_16("---\ntheme: pain\n---\nText\n")).unwrap(), "UTF-8"),
        (&|p| sparse(p, "---\n", 300 << 20), "larger than 1 MB"),
        (&|p| std::fs::write(p, "").unwrap(), "bad.md"),
    ];
    for (put, word) in cases {
        let mut world = ticking().with(library).workflow("pick", "", pick);
        world.file("library/good.md", "---\ntheme: pain\n---\nOur bread.\n");
        world.file("library/bad.md", "x");
        put(&world.path("library/bad.md"));
        let run = world.run("pick");
        assert_eq!(run.value, Some(json!("good")), "{:?}", run.row.error);
        let shown: String = check(&world).iter().map(Problem::render).collect();
        assert!(shown.contains("bad.md") && shown.contains(word) && shown.matches(": error").count() <= 1, "{shown}");
        world.file("library/bad.md", "---\ntheme: tarte\nweight: 1000\n---\nOur tarte.\n");
        assert!(!check(&world).iter().any(|p| p.severity == Severity::Error));
    }
}

// ---- database ------------------------------------------------------------------------------------------------------------

#[test]
fn a_database_that_cannot_be_used_is_left_as_it_is() {
    let mut world = ticking();
    world.advance("3h");
    let path = world.database();
    let second = Store::open(&path, Mode::Inline).err().expect("in use").to_string();
    assert!(second.contains("in use by another Beffroi") && second.contains("[store] path"), "{second}");
    world.advance("1h");
    assert_eq!(world.state("n"), json!(4), "the first one goes on");
    drop(world);

    let cases: [(Put<'_>, &str, &str); 4] = [
        (&|p| std::fs::write(p, "some notes of mine\n".repeat(100)).unwrap(), "is not a Beffroi database", "left as it is"),
        (
            &|p| rusqlite::Connection::open(p).unwrap().execute_batch("CREATE TABLE recipes (x)").unwrap(),
            "is not a Beffroi database",
            "left as it is",
        ),
        (
            &|p| {
                drop(Store::open(p, Mode::Inline).unwrap());
                rusqlite::Connection::open(p).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
            },
            "newer Beffroi (schema 99",
            "left as it is",
        ),
        (&|p| std::fs::create_dir(p).unwrap(), "Cannot open the database", "Check that"),
    ];
    for (put, word, remedy) in cases {
        let mut world = ticking().with("\n[store]\npath = \"ours.db\"\n");
        let path = world.path("ours.db");
        put(&path);
        let before = std::fs::read(&path).ok();
        let sentence = world.try_on().unwrap_err();
        assert!(sentence.contains(word) && sentence.contains(remedy) && sentence.contains("ours.db"), "{sentence}");
        assert_eq!(std::fs::read(&path).ok(), before);
    }
}

#[test]
fn a_damaged_database_says_so_wherever_the_damage_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.db");
    let whole = {
        let mut world = ticking().workflow("fill", "", "for i in 0..400 { state::set(`key/${i}`, `text ${i}`); }");
        world.run("fill");
        world.advance("1d");
        world.on().engine.store.backup(&path).unwrap();
        std::fs::read(&path).unwrap()
    };
    let pages = whole.len() / 4096;
    let (mut refused, mut silent) = (0, Vec::new());
    for page in 0..pages {
        let mut bad = whole.clone();
        // The head of the page: what kind it is and where its cells begin. The file's own head is on the first.
        let head = page * 4096 + if page == 0 { 100 } else { 0 };
        bad[head..head + 64].fill(0xa5);
        let _ = std::fs::remove_file(folder.path().join("b.db-wal"));
        std::fs::write(&path, &bad).unwrap();
        match Store::open(&path, Mode::Inline) {
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains("b.db is damaged") && text.contains("latest backup"), "page {page}: {text}");
            }
            Ok(_) => silent.push(page),
        }
    }
    // A page that holds nothing but free space can be anything.
    assert!(refused > 0 && silent.len() * 10 <= pages, "{refused} of {pages} refused, {silent:?} not seen");
}

#[test]
fn damage_that_nobody_looked_for_is_told_by_the_first_read_that_meets_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.db");
    let large = format!("\"{}\"", "x".repeat(100_000));
    let at = beffroi::domain::Timestamp::from_millis(1);
    {
        let store = Store::open(&path, Mode::Inline).unwrap();
        let ops = (0..120).map(|n| {
            let value = Some(large.clone());
            Op::State { key: format!("k{n:03}"), value, run: beffroi::domain::RunId(1) }
        });
        store.commit(Change::new(at, ops.collect())).unwrap();
    }
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let root: u64 = raw
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'feed'", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap();
    drop(raw);
    std::fs::File::options().write(true).open(&path).unwrap().write_at(&[0xa5; 64], (root - 1) * 4096).unwrap();
    let store = Store::open(&path, Mode::Inline).expect("too large to be looked through");
    let error = view::feeds(&store.read().unwrap()).map_err(CommitError::from).unwrap_err().to_string();
    assert!(error.contains("The database is damaged") && error.contains("latest backup"), "{error}");
    // What is whole can still be read, and saved.
    assert!(view::state(&store.read().unwrap(), "k007").unwrap().is_some());
}

// ---- room and places to write ---------------------------------------------------------------------------------------------

/// A small disk of its own; unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn new(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "beffroi-test"]).arg(at).output();
        mounted.is_ok_and(|o| o.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_makes_everything_wait_and_loses_nothing() {
    let mut world = ticking().with("\n[store]\npath = \"disk/b.db\"\n").workflow("say", "", SAY).workflow(
        "hourly",
        "schedule = \"30 * * * *\"",
        "posts::plan(#{ text: `It is ${run::due()}.`, expires: \"7d\" });",
    );
    let Some(_disk) = SmallDisk::new(&world.path("disk")) else {
        println!("skipped: this machine gives no small disk (mount -t tmpfs needs root)");
        return;
    };
    world.advance("2h");
    let before = world.state("n").as_i64().unwrap();
    post(&mut world, json!({ "text": "Planned in time.", "at": "30m", "expires": "7d" }));
    // Somebody fills the disk to the last byte.
    let filler = world.path("disk/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for size in [4096, 512, 1] {
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
    drop(file);
    let span = std::time::Duration::from_secs(60);
    let mut said = String::new();
    for _ in 0..180 {
        // The daemon's threads rest after an error and go on; so does this loop.
        if let Err(sentence) = world.on().advance(span) {
            said = sentence;
            world.on().clock.advance(span);
        }
    }
    assert!(said.contains("The disk that holds the database is full") && said.contains("goes on by itself"), "{said}");
    assert!(world.files("posts", ".md").len() <= 3, "nothing leaves that could not be written down first");
    std::fs::remove_file(&filler).unwrap();
    world.advance("2h");
    let ledger = world.ledger();
    assert!(ledger.iter().all(|l| ["ran", "coalesced"].contains(&l.1.as_str())), "{ledger:#?}");
    assert!(world.state("n").as_i64().unwrap() >= before + 3);
    let deliveries = world.deliveries();
    assert!(deliveries.iter().all(|d| d.state == "online"), "{deliveries:#?}");
    assert_eq!(world.files("posts", ".md").len(), deliveries.len(), "each once");
}

#[test]
fn a_folder_that_cannot_be_written_delays_posts_and_notices_and_loses_none() {
    let mut world = ticking().workflow("say", "", SAY).workflow("tell", "", "notify::send(run::payload());");
    world.file("posts", "a file in the place of the folder");
    world.file("mail", "another");
    post(&mut world, json!({ "text": "Fresh bread." }));
    assert_eq!(world.run_with("tell", Some(json!({ "title": "Hello", "text": "x" }))).row.state, "done");
    world.advance("4h");
    for number in [1, 2] {
        let (state, reason) = world.delivery(number);
        assert_eq!(state, "retrying");
        assert!(reason.contains("is not a folder. Rename the file that is in its place"), "{reason}");
    }
    std::fs::remove_file(world.path("posts")).unwrap();
    std::fs::remove_file(world.path("mail")).unwrap();
    world.advance("1h");
    assert_eq!(world.deliveries().into_iter().map(|d| d.state).collect::<Vec<_>>(), ["online", "online"]);
    assert_eq!((world.files("posts", ".md").len(), world.files("mail", ".txt").len()), (1, 1));
}

#[test]
fn a_full_disk_under_the_posts_is_waited_out() {
    let mut world = ticking().workflow("say", "", SAY);
    let Some(_disk) = SmallDisk::new(&world.path("posts")) else {
        println!("skipped: this machine gives no small disk (mount -t tmpfs needs root)");
        return;
    };
    let filler = world.path("posts/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    for size in [4096, 512, 1] {
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
    drop(file);
    post(&mut world, json!({ "text": "Fresh bread." }));
    world.advance("1h");
    let (state, reason) = world.delivery(1);
    assert!(state == "retrying" && reason.contains("is full. Make room"), "{state} {reason}");
    assert_eq!(world.files("posts", ""), ["filler"], "no half file is left");
    std::fs::remove_file(&filler).unwrap();
    world.advance("1h");
    assert_eq!(world.delivery(1).0, "online");
    assert_eq!(world.files("posts", ".md").len(), 1);
}
