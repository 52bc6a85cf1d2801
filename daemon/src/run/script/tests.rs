//! Scripts against a small desk: what they can say, how steps behave, and that nothing they do gets out of their limits.

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::run::function::{Effect, Kind, Level, Param, Refusal};
use std::time::Duration;

const fn needed(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, optional: false, doc: "" }
}

const fn optional(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, optional: true, doc: "" }
}

const fn function(space: &'static str, name: &'static str, params: &'static [Param], returns: Kind, effect: Effect) -> Function {
    Function { space, name, params, returns, doc: "Does what it says.", example: "", effect }
}

pub(super) static TABLE: &[Function] = &[
    function("state", "get", &[needed("key", Kind::Text), optional("default", Kind::Any)], Kind::Any, Effect::Read),
    function("state", "set", &[needed("key", Kind::Text), needed("value", Kind::Any)], Kind::Nothing, Effect::Plan),
    function("posts", "plan", &[needed("post", Kind::Map)], Kind::Text, Effect::Plan),
    function("http", "post", &[needed("url", Kind::Text), needed("body", Kind::Any)], Kind::Map, Effect::Now),
    function("run", "setting", &[needed("name", Kind::Text)], Kind::Any, Effect::Read),
    function("json", "parse", &[needed("text", Kind::Text)], Kind::Any, Effect::Pure),
];

/// What the desk was told, kept outside of it.
#[derive(Default)]
struct Told {
    calls: Vec<(String, Vec<Json>)>,
    log: Vec<(Level, String)>,
    steps: Vec<(String, Json)>,
    failed: Vec<String>,
}

struct FakeDesk {
    told: Arc<Mutex<Told>>,
    state: HashMap<String, Json>,
    clock: Arc<SystemClock>,
    deadline: Duration,
}

impl Desk for FakeDesk {
    fn call(&mut self, index: usize, arguments: Vec<Json>) -> Result<Json, Refusal> {
        let name = TABLE[index].full_name();
        self.told.lock().expect("not poisoned").calls.push((name.clone(), arguments.clone()));
        let text = |place: usize| arguments[place].as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "state::get" => {
                Ok(self.state.get(&text(0)).cloned().unwrap_or_else(|| arguments.get(1).cloned().unwrap_or_default()))
            }
            "state::set" => {
                self.state.insert(text(0), arguments[1].clone());
                Ok(Json::Null)
            }
            "run::setting" => match text(0).as_str() {
                "stop" => Err(Stop::Cancelled.into()),
                "panic" => panic!("planted"),
                other => Err(format!("There is no setting \"{other}\".").into()),
            },
            "json::parse" => serde_json::from_str(&text(0)).map_err(|e| Refusal::Error(format!("This is not JSON: {e}."))),
            _ => Ok("ref-1".into()),
        }
    }

    fn step_kept(&mut self, name: &str) -> Result<Option<Json>, Refusal> {
        Ok(self.told.lock().expect("not poisoned").steps.iter().find(|(n, _)| n == name).map(|(_, answer)| answer.clone()))
    }

    fn step_done(&mut self, name: &str, answer: &Json) -> Result<(), Refusal> {
        self.told.lock().expect("not poisoned").steps.push((name.to_owned(), answer.clone()));
        Ok(())
    }

    fn step_failed(&mut self, name: &str) {
        self.told.lock().expect("not poisoned").failed.push(name.to_owned());
    }

    fn stop(&self) -> Option<Stop> {
        (self.clock.monotonic() > self.deadline).then_some(Stop::Deadline(self.deadline))
    }

    fn log(&mut self, level: Level, text: &str) {
        self.told.lock().expect("not poisoned").log.push((level, text.to_owned()));
    }
}

/// A world of one script: a folder, limits, and what earlier attempts have told the desk.
struct Bench {
    scripts: Arc<Scripts>,
    folder: tempfile::TempDir,
    limits: Limits,
    deadline: Duration,
    told: Arc<Mutex<Told>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            scripts: Arc::new(Scripts::new(TABLE, folder.path())),
            folder,
            limits: Limits { operations: 50_000_000, memory: 64 << 20 },
            deadline: Duration::from_secs(60),
            told: Arc::default(),
        }
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, text).expect("written");
    }

    fn run(&self, source: &str) -> Ended {
        let compiled = match self.scripts.compile(Path::new("test.rhai"), source) {
            Ok(compiled) => compiled,
            Err(problems) => panic!("{}", problems.iter().map(Problem::render).collect::<String>()),
        };
        let clock = Arc::new(SystemClock::new());
        let desk = FakeDesk { told: Arc::clone(&self.told), state: HashMap::new(), clock, deadline: self.deadline };
        let (scripts, limits) = (Arc::clone(&self.scripts), self.limits);
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || scripts.execute(&compiled, Box::new(desk), limits).1)
            .expect("a thread")
            .join()
            .expect("the thread survives every script")
    }

    fn value(&self, source: &str) -> Json {
        match self.run(source).outcome {
            Outcome::Finished { value, .. } => value,
            Outcome::Failed { problem, .. } => panic!("{}", problem.render()),
        }
    }

    fn problem(&self, source: &str) -> Problem {
        match self.run(source).outcome {
            Outcome::Failed { problem, stop: None } => *problem,
            other => panic!("{other:?}"),
        }
    }

    fn stop(&self, source: &str) -> Stop {
        match self.run(source).outcome {
            Outcome::Failed { stop: Some(stop), .. } => stop,
            other => panic!("{source}: {other:?}"),
        }
    }

    fn calls(&self) -> usize {
        self.told.lock().expect("not poisoned").calls.len()
    }
}

fn error(source: &str) -> (usize, usize, String) {
    let problem = Bench::new().problem(source);
    (problem.line, problem.column, problem.message)
}

#[test]
fn values_go_to_the_desk_and_back_unchanged() {
    let script = "state::set(\"k\", #{ whole: 3, number: 1.5, text: \"é\", yes: true, none: (), list: [1, [#{ a: 'c' }]] }); \
                  state::get(\"k\")";
    let expected =
        serde_json::json!({ "list": [1, [{ "a": "c" }]], "none": null, "number": 1.5, "text": "é", "whole": 3, "yes": true });
    assert_eq!(Bench::new().value(script), expected);
    assert_eq!(Bench::new().value("json::parse(\"18446744073709551615\")"), serde_json::json!(18_446_744_073_709_551_615_f64));
    assert_eq!(Bench::new().value("state::get(\"absent\", ())"), Json::Null);
    assert_eq!(Bench::new().value("const KEY = \"k\"; state::set(KEY, 2); state::get(KEY) + 1"), serde_json::json!(3));
}

#[test]
fn what_has_no_json_form_is_named_by_its_place() {
    let message = |source| error(source).2;
    assert_eq!(
        message("state::set(\"k\", #{ items: [1, 2, #{ f: |x| x }] });"),
        "state::set: value.items[2].f is a function, which cannot be kept."
    );
    assert_eq!(
        message("state::set(\"k\", [0.0 / 0.0]);"),
        "state::set: value[0] is NaN, which is not a number that can be kept."
    );
    assert_eq!(message("state::set(\"k\", #{ \"a b\": 1..3 });"), "state::set: value[\"a b\"] is a range, which cannot be kept.");
    let deep = message("let a = []; for i in 0..70 { a = [a]; } state::set(\"k\", a);");
    assert!(deep.ends_with("is nested more than 64 levels deep."), "{deep}");
    assert_eq!(message("[1, || 2]"), "The script's result[1] is a function, which cannot be kept.");
}

#[test]
fn arguments_are_checked_against_the_table() {
    assert_eq!(
        error("\n  posts::plan(\"hello\");"),
        (2, 10, "posts::plan needs a map as its argument (post), not a text.".to_owned())
    );
    assert_eq!(error("state::get(1)").2, "state::get needs a text as its first argument (key), not a whole number.");
    assert_eq!(error("state::get()").2, "state::get takes 1 to 2 arguments (key, [default]).");
    assert_eq!(
        error("http::post(\"u\", 1)").2,
        "http::post does something outside at once, so it must be inside a step, which remembers that it was done: \
         step(\"a name\", || http::post(...))."
    );
}

#[test]
fn a_step_runs_once_and_its_answer_is_given_again() {
    let bench = Bench::new();
    let script = "let n = 20; let a = step(\"first\", || { http::post(\"u\", n); n + 1 }); \
                  step(\"outer\", || step(\"inner\", || a + 1) + 1)";
    assert_eq!(bench.value(script), serde_json::json!(23));
    assert_eq!(bench.calls(), 1);
    assert_eq!(bench.value(script), serde_json::json!(23));
    assert_eq!(bench.calls(), 1, "no closure runs on the second attempt");
    let names: Vec<String> = bench.told.lock().expect("not poisoned").steps.iter().map(|(n, _)| n.clone()).collect();
    assert_eq!(names, ["first", "inner", "outer"]);
}

#[test]
fn a_failed_step_keeps_nothing_and_its_error_goes_on() {
    let bench = Bench::new();
    let problem = bench.problem("fn risky() {\n  throw \"no bread\";\n}\nstep(\"bake\", || risky());");
    assert_eq!((problem.line, problem.column, problem.message.as_str()), (2, 3, "No bread."));
    assert_eq!(
        bench.value("let said = \"\"; try { step(\"bake\", || [|| 1]); } catch (e) { said = e; } said"),
        "The answer of step \"bake\"[0] is a function, which cannot be kept."
    );
    let told = bench.told.lock().expect("not poisoned");
    assert_eq!(told.failed, ["bake", "bake"]);
    assert!(told.steps.is_empty());
}

#[test]
fn what_is_printed_goes_to_the_log() {
    let bench = Bench::new();
    bench.run("print(`n = ${[1, \"a\"]}`);\ndebug(#{ a: () });");
    let log = bench.told.lock().expect("not poisoned").log.clone();
    assert_eq!(log, [(Level::Info, "n = [1, \"a\"]".to_owned()), (Level::Debug, "line 2: #{\"a\": ()}".to_owned())]);
}

#[test]
fn the_line_for_the_history_is_short() {
    let line = |source| match Bench::new().run(source).outcome {
        Outcome::Finished { line, .. } => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line("\"Planned 3 posts.\\nMore.\""), "Planned 3 posts.");
    assert_eq!(line("#{ planned: 3 }"), "{\"planned\":3}");
    assert_eq!(line("let x = 1;"), "");
    assert_eq!(line("\"x\".pad(300, 'x'); let s = \"x\"; s.pad(300, 'é'); s").chars().count(), 201);
}

#[test]
fn errors_are_sentences_at_the_innermost_place() {
    assert_eq!(error("let m = #{ title: 1 };\nm.titel"), (2, 3, "The map has no \"titel\".".to_owned()));
    assert_eq!(error("let a = [1, 2];\n[0].map(|x| a[x + 5])"), (2, 17, "The list has 2 items; there is none at 5.".to_owned()));
    assert_eq!(error("let a = 1;\na.foo(2)"), (2, 3, "There is no function foo for a whole number, a whole number.".to_owned()));
    assert_eq!(error("run::setting(\"x\")"), (1, 6, "There is no setting \"x\".".to_owned()));
    assert_eq!(error("throw #{ code: 3 };").2, "The script threw #{\"code\": 3}.");
    assert_eq!(error("1 / 0").2, "Division by zero: 1 / 0.");
    assert_eq!(error("let n = 5; for x in n {}").2, "This cannot be gone through with for.");
    assert_eq!(error("fn f(n) { f(n + 1) } f(0)").2, "Functions call each other too deeply.");
    assert_eq!(error("[1, \"a\"].sort()").0, 1);
    assert_eq!(error("sleep(5)").2, "A script cannot wait. To go on later, plan another run: run::later(\"10m\").");
}

#[test]
fn a_fault_of_the_program_is_reported_and_the_thread_goes_on() {
    let bench = Bench::new();
    let problem = bench.problem("run::setting(\"panic\")");
    assert_eq!(problem.message, "The program itself failed while it ran this script.");
    assert_eq!(bench.value("1 + 1"), serde_json::json!(2));
}

/// Everything that swallows errors of what it calls.
const SWALLOWERS: &[&str] = &[
    "try { CALL } catch { }",
    "try { try { CALL } catch { CALL } } catch (e) { CALL }",
    "fn f() { try { CALL } catch { 1 } } f()",
    "[3, 1, 2].map(|x| { CALL })",
    "[3, 1, 2].filter(|x| { CALL; true })",
    "[3, 1, 2].reduce(|sum, x| { CALL }, 0)",
    "[3, 1, 2].reduce_rev(|sum, x| { CALL }, 0)",
    "[3, 1, 2].sort(|a, b| { CALL; a - b })",
    "[3, 1, 2].order_by(|a, b| { CALL; a - b })",
    "[3, 3, 2].dedup(|a, b| { CALL; true })",
    "[3, 1, 2].for_each(|x| { CALL })",
    "[3, 1, 2].retain(|x| { CALL; true })",
    "[3, 1, 2].drain(|x| { CALL; true })",
    "[3, 1, 2].some(|x| { CALL; false })",
    "[3, 1, 2].all(|x| { CALL; true })",
    "[3, 1, 2].find(|x| { CALL; false })",
    "[3, 1, 2].find_map(|x| { CALL })",
    "[3, 1, 2].index_of(|x| { CALL; false })",
    "[3, 1, 2].zip([1, 2, 3], |x, y| { CALL })",
    "#{ a: 1, b: 2 }.map(|k, v| { CALL })",
    "#{ a: 1, b: 2 }.filter(|k, v| { CALL; true })",
    "#{ a: 1, b: 2 }.drain(|k, v| { CALL; true })",
    "#{ a: 1, b: 2 }.retain(|k, v| { CALL; true })",
    "step(\"s\", || { CALL })",
    "let f = || { CALL }; f.call()",
    "`${CALL}`",
    "switch (CALL) { _ => 1 }",
    "[CALL]",
    "#{ a: CALL }",
    "CALL ?? 1",
];

#[test]
fn no_callback_or_catch_gets_past_a_stop() {
    for swallower in SWALLOWERS {
        let bench = Bench::new();
        let body = swallower.replace("CALL", "run::setting(\"stop\")");
        // Whatever swallows the stop, nothing after it happens.
        let script = format!("try {{ {} }} catch {{ }} state::set(\"k\", 1); posts::plan(#{{}}); 5", body);
        let script = if let Some((function, call)) = body.strip_prefix("fn ").and_then(|rest| rest.rsplit_once(' ')) {
            format!("fn {function}\ntry {{ {call} }} catch {{ }} state::set(\"k\", 1); 5")
        } else {
            script
        };
        assert_eq!(bench.stop(&script), Stop::Cancelled, "{script}");
        assert_eq!(bench.calls(), 1, "{script}");
    }
}

#[test]
fn no_callback_or_catch_gets_past_the_limit_of_operations() {
    for swallower in SWALLOWERS {
        let mut bench = Bench::new();
        bench.limits.operations = 2_000;
        let body = swallower.replace("CALL", "loop { }");
        let script = match body.strip_prefix("fn ").and_then(|rest| rest.rsplit_once(' ')) {
            Some((function, call)) => format!("fn {function}\nloop {{ try {{ {call} }} catch {{ }} }}"),
            None => format!("loop {{ try {{ {body} }} catch {{ }} }}"),
        };
        // A loop is a statement: where a value is expected it stands in a block.
        let script = script.replace("(loop { })", "({ loop { } })").replace("[loop { }]", "[{ loop { } }]");
        let script = script.replace("a: loop { }", "a: { loop { } }").replace("loop { } ?? 1", "{ loop { } } ?? 1");
        let Ok(_) = bench.scripts.compile(Path::new("probe.rhai"), &script) else { continue };
        assert_eq!(bench.stop(&script), Stop::Operations(2_000), "{script}");
    }
}

/// Scripts that try to take the process down.
const HOSTILE: &[(&str, &str)] = &[
    ("endless loop", "loop { }"),
    ("endless while", "let i = 0; while true { i += 1; if i > 1000000000 { i = 0; } }"),
    ("doubling text", "let s = \"x\"; loop { s += s; }"),
    ("doubling text in a literal", "let s = \"x\"; loop { s = `${s}${s}`; }"),
    ("doubling list", "let a = [1]; loop { a += a; }"),
    ("doubling list by nesting", "let a = [1]; loop { a = [a, a]; }"),
    ("doubling map", "let m = #{ a: 1 }; loop { m = #{ a: m, b: m }; }"),
    ("many keys", "let m = #{}; let i = 0; loop { m[`k${i}`] = #{ a: \"0123456789012345678901234567890123456789\" }; i += 1; }"),
    ("push", "let a = []; loop { a.push(1); }"),
    ("push texts", "let a = []; let i = 0; loop { a.push(`a rather long text with a number ${i}`); i += 1; }"),
    ("map in itself", "let m = #{}; loop { m = #{ a: m }; }"),
    ("list in itself", "let a = []; loop { a = [a]; }"),
    ("list in itself without copies", "let b = [[]]; loop { b.push([b.pop()]); }"),
    ("map in itself without copies", "let b = [#{}]; loop { b.push(#{ a: b.pop() }); }"),
    ("take", "let a = []; loop { a = [take(a)]; }"),
    ("closures in closures", "let x = || 1; loop { let y = x; x = || y.call(); }"),
    ("curry", "let f = |x, y| x; loop { f = f.curry(f); }"),
    ("deep value compared", "let b = [[]]; for i in 0..3000 { b.push([b.pop()]); } loop { if b == b { } }"),
    ("deep value written", "let b = [[]]; for i in 0..3000 { b.push([b.pop()]); } loop { let s = `${b}`; }"),
    ("deep value in a switch", "let b = [[]]; for i in 0..3000 { b.push([b.pop()]); } loop { switch b { 1 => 2, _ => 3 } }"),
    ("deep value copied", "let b = [[]]; for i in 0..3000 { b.push([b.pop()]); } loop { let c = b; }"),
    ("pad list", "let a = []; a.pad(10000000000, 1);"),
    ("pad list of lists", "let a = []; let big = []; big.pad(100000, 1); a.pad(100000, big); a"),
    ("pad text", "let s = \"\"; s.pad(10000000000, \"ab\");"),
    ("pad text with a character", "let s = \"\"; s.pad(10000000000, 'a');"),
    ("replace", "let s = \"x\"; s.pad(500000, 'x'); s.replace(\"x\", s);"),
    ("replace a character", "let s = \"x\"; s.pad(500000, 'x'); s.replace('x', s);"),
    ("replace nothing", "let s = \"x\"; s.pad(500000, 'x'); s.replace(\"\", s);"),
    ("split", "let s = \"\"; s.pad(8000000, ','); let a = []; loop { a.push(s.split(',')); }"),
    ("split everywhere", "let s = \"\"; s.pad(8000000, ','); let a = []; loop { a.push(s.split(\"\")); }"),
    ("characters", "let s = \"\"; s.pad(8000000, ','); let a = []; loop { a.push(s.to_chars()); }"),
    ("one text many times", "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); let t = a.to_string(); loop {}"),
    (
        "one text many times, joined",
        "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); let t = \"\" + a; loop {}",
    ),
    (
        "one text many times, in a literal",
        "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); let t = `${a}`; loop {}",
    ),
    ("one text many times, printed", "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); print(a); loop {}"),
    ("one text many times, as JSON", "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); #{ a: a }.to_json()"),
    ("one text many times, kept", "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); state::set(\"k\", a);"),
    (
        "one text many times, sorted",
        "let s = \"x\"; s.pad(4000000, 'x'); let t = s + \"y\"; let a = []; a.pad(50000, s); a.pad(100000, t); a.sort();",
    ),
    ("returned", "let s = \"x\"; s.pad(4000000, 'x'); let a = []; a.pad(100000, s); a"),
    ("keeping much", "let s = \"x\"; s.pad(1000000, 'x'); let i = 0; loop { state::set(`k${i}`, s); i += 1; }"),
    ("thrown", "loop { try { throw [1] } catch (e) { } }"),
    ("recursion caught", "fn f() { try { f() } catch { f() } } loop { f() }"),
    ("recursion by steps", "fn f() { step(\"x\", || f()) } loop { try { f() } catch { } }"),
    ("recursion by closures", "fn f(n) { [n].map(|x| f(x + 1)) } loop { try { f(0) } catch { } }"),
    (
        "waiting for itself",
        "let a = []; a.pad(1000, 1); loop { try { a.for_each(|x| { try { a.len() } catch { } }) } catch { } }",
    ),
    (
        "comparing long texts",
        "let s = \"x\"; s.pad(4000000, 'x'); let t = s + \"y\"; let a = []; a.pad(300000, s); loop { a.contains(t) }",
    ),
    ("range", "for i in 0..9223372036854775807 { }"),
];

#[test]
fn hostile_scripts_end_within_their_limits_and_the_process_goes_on() {
    let clock = SystemClock::new();
    for (name, script) in HOSTILE {
        let mut bench = Bench::new();
        bench.deadline = Duration::from_millis(500);
        let before = clock.monotonic();
        let ended = bench.run(script);
        let took = clock.monotonic() - before;
        let (problem, stop) = match ended.outcome {
            Outcome::Failed { problem, stop } => (problem, stop),
            finished => panic!("{name}: {finished:?}"),
        };
        let refused = problem.message.contains("nested more than 64 levels") || problem.message.contains("too deeply");
        assert!(stop.is_some() || refused, "{name}: {problem:?}");
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
        assert!(ended.peak < 160 << 20, "{name} held {} MiB", ended.peak >> 20);
    }
    assert_eq!(Bench::new().value("1 + 1"), serde_json::json!(2));
}

#[test]
fn the_stack_holds_the_deepest_value_a_run_can_keep() {
    // Two pieces a level is the least: the list and its one item. Half of the stack leaves a margin for other builds.
    let list = |inner: rhai::Dynamic| rhai::Dynamic::from(vec![inner]);
    let map = |inner| rhai::Dynamic::from(rhai::Map::from([("a".into(), inner)]));
    let closure = |inner: rhai::Dynamic| {
        let mut closure = rhai::FnPtr::new("f").expect("a name");
        closure.add_curry(inner.into_shared());
        rhai::Dynamic::from(closure)
    };
    let wrappers: [fn(rhai::Dynamic) -> rhai::Dynamic; 3] = [list, map, closure];
    for wrap in wrappers {
        let nest = move || {
            let deep = (0..context::PIECES / 2).fold(rhai::Dynamic::UNIT, |inner, _| wrap(inner));
            let copy = deep.clone().into_read_only();
            drop(deep);
            drop(copy);
        };
        std::thread::Builder::new().stack_size(STACK / 2).spawn(nest).expect("a thread").join().expect("the stack is enough");
    }
}

#[test]
fn a_run_inside_a_run_keeps_to_itself() {
    let bench = Bench::new();
    let compiled = bench.scripts.compile(Path::new("a.rhai"), "1").expect("compiles");
    let limits = bench.limits;
    let outer = Run::new(limits, None, Arc::default());
    let _entered = outer.enter();
    let clock = Arc::new(SystemClock::new());
    let desk = FakeDesk { told: Arc::default(), state: HashMap::new(), clock, deadline: Duration::from_secs(9) };
    let (_desk, ended) = bench.scripts.execute(&compiled, Box::new(desk), limits);
    assert!(matches!(ended.outcome, Outcome::Finished { .. }));
    assert_eq!(outer.operations(), 0);
    assert!(context::current().is_some(), "the outer run is current again");
}

#[test]
fn imported_files_bring_functions_constants_and_their_own_errors() {
    let bench = Bench::new();
    bench.file("lib/greet.rhai", "import \"lib/words\" as words;\nconst WORD = \"Hello\";\nfn hello(name) { `${global::WORD}, ${name}${words::mark()}` }\nfn keep(v) { state::set(\"k\", v) }\nfn fail() {\n  [1][7]\n}\n");
    bench.file("lib/words.rhai", "fn mark() { \"!\" }");
    let import = "import \"lib/greet\" as greet;\n";
    assert_eq!(bench.value(&format!("{import}greet::hello(\"Arras\")")), "Hello, Arras!");
    assert_eq!(bench.value(&format!("{import}fn f() {{ greet::hello(\"Lens\") }} f()")), "Hello, Lens!");
    bench.value(&format!("{import}greet::keep(1);"));
    assert_eq!(bench.calls(), 1);
    let problem = bench.problem(&format!("{import}greet::fail()"));
    assert!(problem.file.ends_with("lib/greet.rhai"), "{problem:?}");
    assert_eq!((problem.line, problem.message.as_str()), (6, "The list has 1 items; there is none at 7."));
}

#[test]
fn the_version_of_a_script_changes_with_what_it_imports() {
    let bench = Bench::new();
    bench.file("lib/a.rhai", "fn f() { 1 }");
    let compile = || bench.scripts.compile(Path::new("t.rhai"), "import \"lib/a\" as a; a::f()").expect("compiles");
    let first = compile();
    assert!(Arc::ptr_eq(&first, &compile()), "the same version is compiled once");
    bench.file("lib/a.rhai", "fn f() { 2 }");
    let second = compile();
    assert_ne!(first.digest, second.digest);
    assert_eq!(first.digest.len(), 64);
    assert_eq!(bench.value("import \"lib/a\" as a; a::f()"), serde_json::json!(2));
}

#[test]
fn imports_stay_in_the_folder_and_only_define() {
    let bench = Bench::new();
    bench.file("outside.rhai", "fn f() { 1 }");
    bench.file("in/lib/good.rhai", "fn f() { 1 }");
    bench.file("in/lib/loud.rhai", "const A = 1;\nprint(A);");
    bench.file("in/lib/one.rhai", "import \"lib/two\" as two;");
    bench.file("in/lib/two.rhai", "import \"lib/one\" as one;");
    std::os::unix::fs::symlink(bench.folder.path().join("outside.rhai"), bench.folder.path().join("in/lib/link.rhai"))
        .expect("linked");
    let scripts = Scripts::new(TABLE, &bench.folder.path().join("in"));
    let problem = |path: &str| {
        let source = format!("let x = 1;\nimport {path} as y;");
        match scripts.compile(Path::new("t.rhai"), &source) {
            Err(problems) => problems[0].clone(),
            Ok(_) => panic!("{path} was imported"),
        }
    };
    for path in ["\"../outside\"", "\"/etc/passwd\"", "\"lib//good\"", "\"lib/good.rhai\"", "\"\""] {
        let problem = problem(path);
        assert!(problem.message.ends_with("cannot be imported."), "{problem:?}");
        assert_eq!((problem.line, problem.column), (2, 8));
    }
    assert_eq!(problem("\"lib/link\"").message, "\"lib/link\" leads out of the scripts folder.");
    assert_eq!(problem("\"lib/godo\"").help, "Did you mean lib/good?");
    assert_eq!(problem("(\"lib/\" + \"good\")").message, "What is imported must be written out as a plain text.");
    assert_eq!(problem("\"lib/one\"").message, "\"lib/one\" imports itself, by way of lib/one and lib/two.");
    let loud = problem("\"lib/loud\"");
    assert_eq!((loud.line, loud.message.as_str()), (2, "An imported file may hold functions and constants only."));
}

fn checked(source: &str) -> Vec<(usize, usize, String, String)> {
    let problems = Bench::new().scripts.check(Path::new("t.rhai"), source);
    problems.into_iter().map(|p| (p.line, p.column, p.message, p.help)).collect()
}

fn only(source: &str) -> (usize, usize, String, String) {
    let mut all = checked(source);
    assert_eq!(all.len(), 1, "{source}: {all:?}");
    all.remove(0)
}

#[test]
fn slips_of_syntax_get_a_remedy() {
    let of = |source| {
        let (line, column, message, help) = only(source);
        (line, column, format!("{message} {help}"))
    };
    assert_eq!(
        of("let a = 1 // one\n\nlet b = 2;"),
        (1, 10, "A ; is missing here. Every statement but the last of a block ends with ;".to_owned())
    );
    assert_eq!(
        of("let a = 'text';"),
        (1, 9, "Text is written in double quotes; single quotes are for one character. Write \"text\".".to_owned())
    );
    let (line, column, text) = of("let a = 1;\nif a = 1 { }");
    assert_eq!((line, column), (2, 6), "{text}");
    assert!(text.ends_with("To compare two values, write == instead of =."), "{text}");
    let (line, column, text) = of("let café = 1;");
    assert_eq!((line, column), (1, 8), "{text}");
    assert!(text.starts_with("é cannot be part of a name."), "{text}");
    assert!(of("let a = \"open;\nlet b = 1;").2.starts_with("This text has no closing quote."));
    assert!(of("let a = 1;\na++;").2.contains("Write x += 1."), "{:?}", of("let a = 1;\na++;"));
    assert!(of("let x = eval(\"1\");").2.starts_with("eval cannot be used"));
    assert!(of("fn f() { 1 ").2.ends_with("Look for a { that is not closed with }."));
    assert!(of("let a = true and false;").2.ends_with("Write && for and, || for or."));
    assert!(of("let f = |x| x; f(1);").2.ends_with("write f.call(...)."));
    assert_eq!(of("state::get;").2, "state:: holds functions, and get is not called here. Write state::get(...).");
    assert_eq!(
        of("let g = 1;\nlet s = “hello”;").2,
        "“ does not belong here. Write texts between straight double quotes: \"like this\"."
    );
    assert!(of("let a = null;").2.contains("Nothing is written ()."), "{:?}", of("let a = null;"));
}

#[test]
fn all_planted_errors_are_found_where_they_are() {
    let source = "\
let count = state::gett(\"n\", 0);
let more = stat::get(\"n\");
fn double(x) { x * 2 }
let list = [1, 2].fitler(|x| x > conut);
if double(1, 2) > 1 { state::set(\"n\"); }
let t = [1].map(|x| dubble(x));
print(cuont);
posts::plan(#{ text: `${tex}` });
list.push(1, 2);
http::post(\"u\", 1);
step(\"s\", || http::post(\"u\", 1));
parse_jsn(\"1\");
";
    let found: Vec<(usize, usize, String)> =
        checked(source).into_iter().map(|(line, column, message, help)| (line, column, format!("{message} {help}"))).collect();
    let expected = [
        (1, 20, "There is no function state::gett. Did you mean state::get? It takes 1 to 2 arguments (key, [default])."),
        (2, 12, "There is no namespace stat. Did you mean state?"),
        (4, 19, "There is no function fitler. Did you mean filter?"),
        (4, 34, "There is no variable conut here. Did you mean count?"),
        (5, 4, "double takes 1 argument. Here it is given 2 arguments."),
        (5, 30, "state::set takes 2 arguments (key, value). Here it is given 1 argument."),
        (6, 21, "There is no function dubble. Did you mean double?"),
        (7, 7, "There is no variable cuont here. Did you mean count?"),
        (8, 25, "There is no variable tex here. Declare it first, let tex = ...; or write it in double quotes if it is a text."),
        (9, 6, "push takes 1 argument. Here it is given 2 arguments."),
        (
            10,
            7,
            "http::post does something outside at once, and this is not inside a step. Write step(\"a name\", || http::post(...)), so that it happens once however often the run is tried.",
        ),
        (12, 1, "There is no function parse_jsn. Did you mean parse_json?"),
    ];
    let expected: Vec<(usize, usize, String)> = expected.into_iter().map(|(l, c, m)| (l, c, m.to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn good_scripts_have_no_problems() {
    let source = "\
const LIMIT = 3;
fn pick(list, n) { list.filter(|x| x.score > n).map(|x| x.title) }
fn grow(n) { this += n; }
let obj = #{ run: |x| x + 1, score: 2, title: \"a\" };
let n = obj.run(2);
n.grow(1);
let titles = pick([obj], 1);
for (title, i) in titles { if i >= LIMIT { break; } print(`${i}: ${title.to_upper()}`); }
let f = |x| { let y = x + n; y };
let g = f.curry(1);
try { g.call() } catch (e) { debug(e); }
let answer = step(\"send\", || { let r = http::post(\"u\", #{ n: n }); r });
if \"x\" in obj { obj.x } else { obj.get(\"x\") ?? titles.len() };
switch type_of(n) { \"i64\" => state::set(\"n\", n), _ => () }
let sorted = [3, 1].order(); sorted.sort(|a, b| a - b); sorted.len
";
    assert_eq!(checked(source), []);
}

#[test]
fn calls_into_imported_files_are_checked_and_their_own_problems_shown() {
    let bench = Bench::new();
    bench.file("lib/a.rhai", "fn hello(x) { state::got(x) }");
    bench.file("lib/b.rhai", "fn broken( { }");
    let source = "import \"lib/a\" as a;\nimport \"lib/b\" as b;\nimport \"lib/c\" as c;\na::helo(1);\na::hello();\n";
    let problems = bench.scripts.check(Path::new("t.rhai"), source);
    let shown: Vec<(String, usize, usize)> = problems
        .iter()
        .map(|p| (p.file.file_name().unwrap_or_default().to_string_lossy().into_owned(), p.line, p.column))
        .collect();
    let place = |name: &str, line, column| (name.to_owned(), line, column);
    assert!(shown.contains(&place("t.rhai", 3, 8)), "{problems:?}");
    assert!(shown.contains(&place("t.rhai", 4, 4)), "{problems:?}");
    assert!(shown.contains(&place("t.rhai", 5, 4)), "{problems:?}");
    assert!(shown.contains(&place("a.rhai", 1, 22)), "{problems:?}");
    assert!(shown.iter().any(|(name, ..)| name == "b.rhai"), "{problems:?}");
    assert_eq!(shown.len(), 5, "{problems:?}");
}

#[test]
fn very_nested_sources_are_refused_on_a_small_stack() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("#{a:", "}"), ("-", ""), ("!", ""), ("if true {", "}"), ("|| ", ""), ("1+", ""), ("a.", "")]
    {
        let source = format!("let a = {}1{};", open.repeat(20_000), close.repeat(20_000));
        let problems = Bench::new().scripts.check(Path::new("t.rhai"), &source);
        assert!(!problems.is_empty() || open == "1+", "{open}");
    }
}

#[test]
fn the_reference_and_the_definitions_show_every_function() {
    let text = reference::markdown(TABLE);
    let files = reference::definitions(TABLE);
    for function in TABLE {
        assert!(text.contains(&format!("### `{}({})`", function.full_name(), function.parameters())), "{text}");
    }
    let state = &files.iter().find(|(name, _)| name == "state.d.rhai").expect("a file for each namespace").1;
    assert!(state.starts_with("module state;\n"));
    assert!(state.contains("fn get(key: String) -> ?;\n"), "{state}");
    assert!(state.contains("fn get(key: String, default: ?) -> ?;\n"), "{state}");
    assert!(files.iter().any(|(name, text)| name == "__static__.d.rhai" && text.contains("fn step(name: String")));
}

mod property {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (-1e12..1e12f64).prop_map(Json::from),
            ".{0,40}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map(".{0,12}", inner, 0..6).prop_map(|m| Json::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_survives_the_way_into_a_script_and_out(value in json()) {
            let run = Run::new(Limits { operations: 1, memory: 1 << 30 }, None, Arc::default());
            let inside = value::from_json(&value).ok().expect("not too deep");
            let outside = value::to_json(&inside, &run).ok().expect("all of it has a JSON form");
            prop_assert_eq!(&outside, &value);
            prop_assert_eq!(value::equal(&inside, &inside.clone(), None), Some(true));
        }
    }
}

#[test]
fn what_the_desk_keeps_is_not_counted_among_the_scripts_values() {
    let run = Run::new(Limits { operations: 1, memory: 1 << 30 }, None, Arc::default());
    let before = run.pieces();
    let held: Vec<String> = (0..1_000).map(|n| format!("text {n}")).collect();
    assert!(run.pieces() >= before + 1_000);
    run.bill_pieces(before + 3);
    assert_eq!(run.pieces(), before + 3);
    drop(held);
    assert_eq!(run.pieces(), 0);
}

#[test]
fn scripts_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Scripts>();
    shared::<Compiled>();
}

#[test]
fn a_closure_in_the_list_it_uses_does_not_outlive_the_run() {
    let bench = Bench::new();
    let script = "let a = []; let f = || a.len(); a.push(f); for i in 0..2000 { a.push(`a long enough text with ${i}`); }";
    let compiled = bench.scripts.compile(Path::new("a.rhai"), script).expect("compiles");
    let clock = Arc::new(SystemClock::new());
    let mut desk: Box<dyn Desk> =
        Box::new(FakeDesk { told: Arc::default(), state: HashMap::new(), clock, deadline: Duration::from_secs(60) });
    let gauge = memory::Gauge::start();
    for _ in 0..5 {
        desk = bench.scripts.execute(&compiled, desk, bench.limits).0;
    }
    drop(desk);
    assert!(gauge.taken().0 < 100 << 10, "{:?}", gauge.taken());
}
