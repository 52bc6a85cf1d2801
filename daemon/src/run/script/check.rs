//! Finds what would go wrong in a script before it runs.
//!
//! In: a script's text. Out: problems of syntax, names, calls and imports, all that can be told without running it, in
//! the script and in every file it imports.
//! Never: runs anything.

use super::Scripts;
use super::explain::{count, names_in, place};
use super::imports::{self, Imported};
use super::natives;
use crate::problem::{Problem, did_you_mean};
use crate::run::function::{Effect, Function};
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, ParseErrorType, Position, Stmt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names of functions, each with the numbers of arguments it takes.
pub(super) type Arities = BTreeMap<String, BTreeSet<usize>>;

/// Functions that are part of the language's grammar, with any number of arguments.
const GRAMMAR: [&str; 9] = ["Fn", "call", "curry", "type_of", "is_shared", "is_def_fn", "is_def_var", "print", "debug"];

/// After so many unknown names the author has enough to do.
const MOST_NAMES: usize = 50;

pub(super) fn check(scripts: &Scripts, file: &Path, source: &str) -> Vec<Problem> {
    let (ast, mut problems) = parse(scripts, file, source);
    let Some(ast) = ast else { return problems };
    let mut loaded = imports::load(scripts, file, source, &ast);
    problems.append(&mut loaded.problems);
    let natives = scripts.natives.get_or_init(|| natives_of(&scripts.engine));
    let mut look = |file: &Path, source: &str, ast: &AST| {
        Looking { table: scripts.table, natives, imported: &loaded.files, file, source, problems: &mut problems }.at(ast);
    };
    look(file, source, &ast);
    for import in &loaded.files {
        look(&import.file, &import.source, &import.ast);
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    problems
}

/// Parses a script; when only names are unknown, finds all of them and gives the tree nevertheless.
fn parse(scripts: &Scripts, file: &Path, source: &str) -> (Option<AST>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut text = source.to_owned();
    let name = file.display().to_string();
    for _ in 0..MOST_NAMES {
        let problem = match scripts.parse(file, &text, &name) {
            Ok(ast) if problems.is_empty() => return (Some(ast), problems),
            Ok(_) => break,
            Err(problem) => problem,
        };
        let Err(error) = scripts.engine.compile(&text) else { break };
        let (unknown, namespace) = match error.err_type() {
            ParseErrorType::VariableUndefined(name) => (name.clone(), false),
            ParseErrorType::ModuleUndefined(name) => (name.clone(), true),
            // After a name has been taken out, other errors may come of that.
            _ => {
                if problems.is_empty() {
                    problems.push(*problem);
                }
                break;
            }
        };
        problems.push(Problem::at(file, source, problem.line, problem.column, problem.width, problem.message, problem.help));
        match without(&text, error.position(), &unknown, namespace) {
            Some(shorter) => text = shorter,
            None => break,
        }
    }
    (scripts.lenient().compile(source).ok(), problems)
}

/// The text with an unknown name replaced by something of the same length that is always known.
fn without(text: &str, position: Position, name: &str, namespace: bool) -> Option<String> {
    let (line, column) = place(position);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let offset = text[start..].char_indices().nth(column.checked_sub(1)?)?.0;
    let at = start + offset;
    let rest = text[at..].strip_prefix(name)?;
    let (filling, rest) = if namespace {
        (" ".repeat(name.len() + 2), rest.trim_start().strip_prefix("::")?)
    } else {
        ("0".repeat(name.len()), rest)
    };
    Some(format!("{}{filling}{rest}", &text[..at]))
}

/// All functions of the engine outside namespaces.
fn natives_of(engine: &Engine) -> Arities {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Native {
        name: String,
        num_params: usize,
    }
    #[derive(serde::Deserialize)]
    struct All {
        functions: Vec<Native>,
    }
    let all = engine.gen_fn_metadata_to_json(true).ok().and_then(|json| serde_json::from_str::<All>(&json).ok());
    let mut natives = Arities::new();
    for native in all.map(|all| all.functions).unwrap_or_default() {
        natives.entry(native.name).or_default().insert(native.num_params);
    }
    natives
}

struct Looking<'a> {
    table: &'static [Function],
    natives: &'a Arities,
    imported: &'a [Imported],
    file: &'a Path,
    source: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Looking<'_> {
    fn at(&mut self, ast: &AST) {
        let own = functions_of(ast);
        let mut aliases = BTreeMap::new();
        imports::statements(ast, |import| {
            aliases.insert(import.alias.to_owned(), import.path.unwrap_or_default().to_owned());
        });
        let parts = parts_of_maps(ast);
        ast.walk(&mut |nodes: &[ASTNode<'_>]| {
            match nodes.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) => {
                    self.call(call, *position, &own, &aliases);
                }
                Some(ASTNode::Expr(Expr::Variable(variable, _, position))) => {
                    if let [space] = variable.2.path.as_slice()
                        && !aliases.contains_key(space.as_str())
                        && self.table.iter().any(|f| f.space == space.as_str())
                    {
                        let (name, space) = (variable.1.as_str(), space.as_str());
                        let message = format!("{space}:: holds functions, and {name} is not called here.");
                        self.report(*position, name, message, format!("Write {space}::{name}(...)."));
                    }
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) => self.method(call, *position, &own, &parts),
                _ => {}
            }
            true
        });
        for statement in ast.statements() {
            statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode<'_>]| {
                if let Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) = nodes.last() {
                    self.outside_a_step(call, *at);
                }
                true
            });
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, own: &Arities, aliases: &BTreeMap<String, String>) {
        if call.is_operator_call() || !rhai::is_valid_identifier(&call.name) {
            return;
        }
        let (name, given) = (call.name.as_str(), call.args.len());
        if call.is_qualified() {
            let [space] = call.namespace.path.as_slice() else { return };
            let space = space.as_str();
            match aliases.get(space) {
                Some(path) => self.imported(path, space, name, given, position),
                None if space != "global" => self.desk(space, name, given, position),
                None => {}
            }
            return;
        }
        if GRAMMAR.contains(&name) {
            return;
        }
        let function = self.table.iter().chain([&natives::STEP]).find(|f| f.space.is_empty() && f.name == name);
        if let Some(function) = function {
            self.arity(function, given, position);
            return;
        }
        let takes: BTreeSet<usize> = [own, self.natives].iter().filter_map(|all| all.get(name)).flatten().copied().collect();
        if takes.is_empty() {
            self.unknown(name, position, own);
        } else if !takes.contains(&given) {
            self.wrong_count(name, &takes, given, position);
        }
    }

    fn method(&mut self, call: &FnCallExpr, position: Position, own: &Arities, parts: &BTreeSet<String>) {
        let (name, given) = (call.name.as_str(), call.args.len());
        if GRAMMAR.contains(&name) || parts.contains(name) || !rhai::is_valid_identifier(name) {
            return;
        }
        // A native counts the value before the dot as an argument; a function of the script has it as `this`.
        let mut takes: BTreeSet<usize> = own.get(name).into_iter().flatten().copied().collect();
        takes.extend(self.natives.get(name).into_iter().flatten().filter_map(|n| n.checked_sub(1)));
        if takes.is_empty() {
            self.unknown(name, position, own);
        } else if !takes.contains(&given) {
            self.wrong_count(name, &takes, given, position);
        }
    }

    fn desk(&mut self, space: &str, name: &str, given: usize, position: Position) {
        let of_space: Vec<&Function> = self.table.iter().filter(|f| f.space == space).collect();
        // An unknown namespace has been reported by its own place.
        if of_space.is_empty() {
            return;
        }
        if let Some(function) = of_space.iter().find(|f| f.name == name) {
            self.arity(function, given, position);
            return;
        }
        let full: Vec<(String, &Function)> = self.table.iter().map(|f| (f.full_name(), f)).collect();
        let near = did_you_mean(name, of_space.iter().map(|f| f.name))
            .map(|near| format!("{space}::{near}"))
            .or_else(|| did_you_mean(&format!("{space}::{name}"), full.iter().map(|(n, _)| n.as_str())).map(str::to_owned));
        let help = match near.and_then(|near| full.iter().find(|(n, _)| *n == near)) {
            Some((near, function)) => {
                let usage = function.usage();
                format!("Did you mean {near}? It {}", usage.strip_prefix(near.as_str()).unwrap_or(&usage).trim_start())
            }
            None => format!("There are: {}.", of_space.iter().map(|f| f.full_name()).collect::<Vec<_>>().join(", ")),
        };
        self.report(position, name, format!("There is no function {space}::{name}."), help);
    }

    fn imported(&mut self, path: &str, space: &str, name: &str, given: usize, position: Position) {
        let Some(import) = self.imported.iter().find(|import| import.path == path) else { return };
        let functions = functions_of(&import.ast);
        match functions.get(name) {
            None => {
                let help = match did_you_mean(name, functions.keys().map(String::as_str)) {
                    Some(near) => format!("Did you mean {space}::{near}?"),
                    None => format!("{path}.rhai defines: {}.", functions.keys().cloned().collect::<Vec<_>>().join(", ")),
                };
                self.report(position, name, format!("There is no function {name} in {path}.rhai."), help);
            }
            Some(takes) if !takes.contains(&given) => self.wrong_count(&format!("{space}::{name}"), takes, given, position),
            Some(_) => {}
        }
    }

    fn arity(&mut self, function: &Function, given: usize, position: Position) {
        let (least, most) = function.arity();
        if !(least..=most).contains(&given) {
            self.report(position, function.name, function.usage(), format!("Here it is given {}.", count(given)));
        }
    }

    fn wrong_count(&mut self, name: &str, takes: &BTreeSet<usize>, given: usize, position: Position) {
        let list: Vec<String> = takes.iter().map(usize::to_string).collect();
        let last = name.rsplit("::").next().unwrap_or(name).to_owned();
        let message = format!("{name} takes {} argument{}.", list.join(" or "), if list == ["1"] { "" } else { "s" });
        self.report(position, &last, message, format!("Here it is given {}.", count(given)));
    }

    fn unknown(&mut self, name: &str, position: Position, own: &Arities) {
        let in_spaces: Vec<String> = self.table.iter().filter(|f| f.name == name).map(Function::full_name).collect();
        let known = own.keys().chain(self.natives.keys()).map(String::as_str).chain(["step", "print", "debug", "type_of"]);
        let near = did_you_mean(name, known.filter(|k| rhai::is_valid_identifier(k)));
        let help = match (in_spaces.as_slice(), near) {
            _ if names_in(self.source).contains(&name) => {
                format!("To call a closure that a variable holds, write {name}.call(...).")
            }
            (_, Some(near)) => format!("Did you mean {near}?"),
            ([], None) => match name {
                "timestamp" => "Use run::now(), and time::show to write it.".to_owned(),
                "blob" => "Scripts have no blobs; use a text or a list.".to_owned(),
                _ => "Look at the name; functions of the desk are written with their namespace, such as state::get.".to_owned(),
            },
            (found, None) => format!("Did you mean {}?", found.join(" or ")),
        };
        self.report(position, name, format!("There is no function {name}."), help);
    }

    fn outside_a_step(&mut self, call: &FnCallExpr, position: Position) {
        let [space] = call.namespace.path.as_slice() else { return };
        let acts = |f: &&Function| f.space == space.as_str() && f.name == call.name && f.effect == Effect::Now;
        if let Some(function) = self.table.iter().find(acts) {
            let name = function.full_name();
            let (line, column) = place(position);
            self.problems.push(
                Problem::at(
                    self.file,
                    self.source,
                    line,
                    column,
                    function.name.len(),
                    format!("{name} does something outside at once, and this is not inside a step."),
                    format!("Write step(\"a name\", || {name}(...)), so that it happens once however often the run is tried."),
                )
                .warning(),
            );
        }
    }

    fn report(&mut self, position: Position, name: &str, message: String, help: String) {
        let (line, column) = place(position);
        self.problems.push(Problem::at(self.file, self.source, line, column, name.chars().count(), message, help));
    }
}

/// The functions a file defines.
fn functions_of(ast: &AST) -> Arities {
    let mut own = Arities::new();
    for function in ast.iter_functions().filter(|f| rhai::is_valid_identifier(f.name)) {
        own.entry(function.name.to_owned()).or_default().insert(function.params.len());
    }
    own
}

/// Names of parts of maps: what is called through a dot may be a closure kept in one.
fn parts_of_maps(ast: &AST) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        match nodes.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => parts.extend(map.0.iter().map(|(key, _)| key.as_str().to_owned())),
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                parts.insert(property.2.to_string());
            }
            _ => {}
        }
        true
    });
    parts
}
