//! Scripts in Rhai: compiled once, checked before they run, executed within limits that hold.
//!
//! In: the table of functions, the scripts folder, a script; a desk and limits for each run. Out: problems with places and
//! remedies; or how a run ended, and the desk with what it planned.
//! Never: lets a script reach anything but its desk, use more than its limits by more than a moment's worth, or take the
//! process down.
//!
//! One engine serves all threads; what belongs to a run is found through the thread (`context`). The language's own limits
//! are not enough: errors that end a script can be swallowed, size limits leak and cost quadratic time. So a stop is a flag
//! that every operation looks at (`context`), memory is counted by the allocator (`memory`), natives that multiply sizes
//! are replaced (`checked`), and [`execute`](Scripts::execute) wants a thread with a stack of [`STACK`] bytes.

mod check;
mod checked;
mod context;
mod explain;
mod imports;
mod memory;
mod natives;
pub mod reference;
#[cfg(test)]
mod tests;
pub(crate) mod value;

pub use context::Limits;
pub use imports::Imported;

use crate::domain::Json;
use crate::problem::Problem;
use crate::run::function::{Desk, Function, Stop};
use context::Run;
use rhai::packages::{
    BasicArrayPackage, BasicMapPackage, BasicMathPackage, BitFieldPackage, CorePackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{AST, Engine, EvalAltResult, OptimizationLevel, Scope, Token};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The stack a thread needs to execute scripts. Only what is touched takes memory. Copying and dropping a nested value
/// recurses into it; this is enough for the deepest one that the limit on pieces lets a script build.
pub const STACK: usize = 256 << 20;

/// Does something on a thread of its own with the stack that scripts need, and waits for it. The outer error is that the machine gives
/// no thread, the inner one that the work panicked.
///
/// # Errors
/// The system's, when it gives no thread.
pub fn on_stack<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> std::io::Result<std::thread::Result<T>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.into()).stack_size(STACK);
        Ok(thread.spawn_scoped(scope, work)?.join())
    })
}

/// The longest script, in bytes.
const LONGEST: usize = 1 << 20;

/// The Rhai side of runs. One serves the whole process.
pub struct Scripts {
    engine: Engine,
    /// The same without the check of names while parsing, built when a script with problems is checked.
    lenient: OnceLock<Engine>,
    /// The engine's own functions, listed when the first script is checked.
    natives: OnceLock<check::Arities>,
    table: &'static [Function],
    root: PathBuf,
    ready: Mutex<HashMap<PathBuf, Arc<Compiled>>>,
}

/// A script ready to run, with all it imports.
pub struct Compiled {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Its text.
    pub source: Arc<str>,
    /// The files it imports, directly or not, sorted by path.
    pub imports: Vec<Imported>,
    /// SHA-256 over the script and all it imports: the version a run used.
    pub digest: String,
    ast: AST,
    modules: Arc<context::Modules>,
}

/// How an execution ended.
#[derive(Debug)]
pub enum Outcome {
    /// The script came to its end.
    Finished {
        /// What it returned.
        value: Json,
        /// The same as a line for the history of runs; empty when it returned nothing.
        line: String,
    },
    /// It failed or was stopped.
    Failed {
        /// Where and why, and what to do.
        problem: Box<Problem>,
        /// Set when it was stopped, which its script could not catch.
        stop: Option<Stop>,
    },
}

/// How an execution ended and what it took.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// Script operations.
    pub operations: u64,
    /// The most memory it held at any operation, in bytes.
    pub peak: usize,
}

impl Scripts {
    /// Builds the engine: once per process, it takes milliseconds.
    pub fn new(table: &'static [Function], root: &Path) -> Self {
        Self {
            engine: engine(table, true),
            lenient: OnceLock::new(),
            natives: OnceLock::new(),
            table,
            root: root.to_owned(),
            ready: Mutex::new(HashMap::new()),
        }
    }

    /// The functions scripts can call.
    pub fn table(&self) -> &'static [Function] {
        self.table
    }

    /// Makes a script ready to run. The same text with the same imports is compiled once.
    ///
    /// # Errors
    /// Every problem that keeps it from running.
    pub fn compile(&self, file: &Path, source: &str) -> Result<Arc<Compiled>, Vec<Problem>> {
        if let Some(ready) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(file)
            && &*ready.source == source
            && ready.imports.iter().all(|i| std::fs::read(&i.file).is_ok_and(|now| now == i.source.as_bytes()))
        {
            return Ok(Arc::clone(ready));
        }
        let ast = self.parse(file, source, &file.display().to_string()).map_err(|problem| vec![*problem])?;
        let imports = imports::load(self, file, source, &ast);
        if !imports.problems.is_empty() {
            return Err(imports.problems);
        }
        let mut digest = Sha256::new();
        for (name, text) in std::iter::once(("", source)).chain(imports.files.iter().map(|i| (i.path.as_str(), &*i.source))) {
            // Lengths keep two different sets of files from giving the same bytes.
            digest.update((name.len() as u64).to_le_bytes());
            digest.update(name);
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        let compiled = Arc::new(Compiled {
            file: file.to_owned(),
            source: source.into(),
            imports: imports.files,
            digest: digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            ast,
            modules: imports.modules,
        });
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    /// Looks for problems without running anything: syntax, unknown names, functions called with too few or too many
    /// arguments, imports; in the script and all it imports.
    pub fn check(&self, file: &Path, source: &str) -> Vec<Problem> {
        check::check(self, file, source)
    }

    /// Runs a script to its end on this thread, which needs a stack of [`STACK`] bytes. Runs may nest.
    pub fn execute(&self, compiled: &Compiled, desk: Box<dyn Desk>, limits: Limits) -> (Box<dyn Desk>, Ended) {
        let run = Run::new(limits, Some(desk), Arc::clone(&compiled.modules));
        let entered = run.enter();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.evaluate(compiled, &run))).unwrap_or_else(|_| Outcome::Failed {
            problem: Box::new(Problem::file(
                &compiled.file,
                "The program itself failed while it ran this script.",
                "This is a fault of the program, not of the script; please report it with the script.",
            )),
            stop: None,
        });
        drop(entered);
        let ended = Ended { outcome, operations: run.operations(), peak: run.peak() };
        (run.take_desk().expect("the desk was given above and is taken back only here"), ended)
    }

    fn evaluate(&self, compiled: &Compiled, run: &Run) -> Outcome {
        let mut scope = Scope::new();
        let result = self.engine.eval_ast_with_scope::<rhai::Dynamic>(&mut scope, &compiled.ast);
        let result = result.map(|answer| value::to_json(&answer, run));
        // A closure put into the list it uses would hold itself, and so its memory, for ever.
        for (_, _, variable) in scope.iter_raw().filter(|(_, _, variable)| variable.is_shared()) {
            if let Some(mut shared) = variable.clone().write_lock::<rhai::Dynamic>() {
                drop(std::mem::take(&mut *shared));
            }
        }
        drop(scope);
        // Errors can be swallowed on their way here; the run knows.
        if run.over()
            && let Some(stop) = run.stopped()
        {
            let error = result.err().unwrap_or_else(|| context::terminated(rhai::Position::NONE));
            let problem = self.failure(compiled, &error);
            let problem = Problem { message: stop.to_string(), help: stop.remedy().to_owned(), ..problem };
            return Outcome::Failed { problem: Box::new(problem), stop: Some(stop) };
        }
        let problem = match result {
            Ok(Ok(value)) => return Outcome::Finished { line: line(&value), value },
            Ok(Err(unfit)) => Problem::file(
                &compiled.file,
                unfit.sentence("The script's result"),
                "Let the script end with a text, a number, a map or a list, or with nothing.",
            ),
            Err(error) => self.failure(compiled, &error),
        };
        Outcome::Failed { problem: Box::new(problem), stop: None }
    }

    fn failure(&self, compiled: &Compiled, error: &EvalAltResult) -> Problem {
        explain::failure(error, &compiled.file, &compiled.source, &compiled.imports, self.table)
    }

    fn parse(&self, file: &Path, source: &str, name: &str) -> Result<AST, Box<Problem>> {
        if source.len() > LONGEST {
            let message = format!("The script is longer than {} KiB.", LONGEST >> 10);
            return Err(Box::new(Problem::file(file, message, "Move lists of data into the library or the settings.")));
        }
        let mut ast = self.engine.compile(source).map_err(|e| Box::new(explain::syntax(&e, file, source, self.table)))?;
        ast.set_source(name);
        Ok(ast)
    }

    fn lenient(&self) -> &Engine {
        self.lenient.get_or_init(|| engine(self.table, false))
    }
}

/// What a run's result looks like in one line.
fn line(value: &Json) -> String {
    const LONGEST: usize = 200;
    let text = match value {
        Json::Null => String::new(),
        Json::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let mut first = text.lines().next().unwrap_or_default().to_owned();
    if let Some((end, _)) = first.char_indices().nth(LONGEST) {
        first.truncate(end);
        first.push('…');
    }
    first
}

fn engine(table: &'static [Function], strict: bool) -> Engine {
    let mut engine = Engine::new_raw();
    // Everything but blobs and timestamps, which cannot leave a script and would be one more clock.
    engine
        .register_global_module(CorePackage::new().as_shared_module())
        .register_global_module(BitFieldPackage::new().as_shared_module())
        .register_global_module(LogicPackage::new().as_shared_module())
        .register_global_module(BasicMathPackage::new().as_shared_module())
        .register_global_module(BasicArrayPackage::new().as_shared_module())
        .register_global_module(BasicMapPackage::new().as_shared_module())
        .register_global_module(MoreStringPackage::new().as_shared_module());
    natives::register(&mut engine, table);
    checked::register(&mut engine);
    engine
        .set_module_resolver(imports::Resolver)
        // The tree stays as written, so that the checker sees all of it.
        .set_optimization_level(OptimizationLevel::None)
        .set_strict_variables(strict)
        .set_fail_on_invalid_map_property(true)
        .disable_symbol("eval")
        .set_max_expr_depths(64, 32)
        .set_max_call_levels(64)
        .set_max_functions(1_000)
        .set_max_variables(1_000)
        .set_max_modules(100)
        .on_progress(|_| context::tick());
    // The language reserves the word for a function of its own, which prints; here `log::debug` is a function like the others.
    #[expect(deprecated, reason = "marked as open to change, not as going away; a test notices a change")]
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if *word == "debug" => Token::Identifier(word),
        other => other,
    });
    engine
}
