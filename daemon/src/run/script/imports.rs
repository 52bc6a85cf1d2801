//! The files a script imports: found, read inside the scripts folder only, and made ready once.
//!
//! In: `import "lib/greeting" as greeting;` in a parsed script. Out: every imported file, directly or through another,
//! parsed and turned into a module; or all problems with them.
//! Never: leaves the scripts folder, or runs anything: an imported file may hold functions and constants only, so that
//! what a run sees of it is the same every time and belongs to no run.

use super::Scripts;
use super::context::{self, Limits, Modules, Run};
use super::explain;
use crate::problem::{Problem, did_you_mean};
use rhai::{AST, ASTNode, Engine, EvalAltResult, Expr, Module, ModuleResolver, Position, Scope, Shared, Stmt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A script larger than this is something else by mistake.
const LARGEST: u64 = 1 << 20;

/// An imported file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The path a script imports it under, such as `lib/greeting`.
    pub path: String,
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub source: Arc<str>,
    pub(super) ast: AST,
}

/// All files a script imports.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// Sorted by path.
    pub(super) files: Vec<Imported>,
    pub(super) modules: Arc<Modules>,
    pub(super) problems: Vec<Problem>,
}

/// One `import` statement.
pub(super) struct Import<'a> {
    /// The path; `None` when it is not a plain text.
    pub(super) path: Option<&'a str>,
    pub(super) alias: &'a str,
    pub(super) position: Position,
}

/// The import statements of a script, anywhere in it.
pub(super) fn statements(ast: &AST, mut each: impl FnMut(&Import<'_>)) {
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, position))) = nodes.last() {
            let (path, at) = match &import.0 {
                Expr::StringConstant(text, at) => (Some(text.as_str()), *at),
                other => (None, other.start_position()),
            };
            each(&Import { path, alias: import.1.as_str(), position: if at.is_none() { *position } else { at } });
        }
        true
    });
}

/// Loads what a script imports.
pub(super) fn load(scripts: &Scripts, file: &Path, source: &str, ast: &AST) -> Imports {
    let mut loading = Loading { scripts, out: Imports::default(), way: Vec::new() };
    loading.all_of(file, source, ast);
    loading.out.files.sort_by(|a, b| a.path.cmp(&b.path));
    loading.out
}

struct Loading<'a> {
    scripts: &'a Scripts,
    out: Imports,
    /// The imports being followed, to find one that leads back to itself.
    way: Vec<String>,
}

impl Loading<'_> {
    fn all_of(&mut self, file: &Path, source: &str, ast: &AST) {
        let mut found = Vec::new();
        statements(ast, |import| found.push((import.path.map(str::to_owned), import.position)));
        for (path, position) in found {
            if let Err((message, help)) = self.one(path.as_deref()) {
                let width = path.map_or(1, |p| p.chars().count() + 2);
                let (line, column) = explain::place(position);
                self.out.problems.push(Problem::at(file, source, line, column, width, message, help));
            }
        }
    }

    /// Loads one import; the error is a sentence and its remedy.
    fn one(&mut self, path: Option<&str>) -> Result<(), (String, String)> {
        let Some(path) = path else {
            return Err((
                "What is imported must be written out as a plain text.".to_owned(),
                "Write for example: import \"lib/greeting\" as greeting;".to_owned(),
            ));
        };
        if self.way.iter().any(|p| p == path) {
            return Err((
                format!("\"{path}\" imports itself, by way of {}.", self.way.join(" and ")),
                "Move what both need into a third file.".to_owned(),
            ));
        }
        if self.out.files.iter().any(|f| f.path == path) {
            return Ok(());
        }
        let (file, source) = read(&self.scripts.root, path)?;
        let parsed = self.scripts.parse(&file, &source, path);
        let ast = match parsed {
            Ok(ast) => ast,
            Err(problem) => {
                self.out.problems.push(*problem);
                return Ok(());
            }
        };
        let before = self.out.problems.len();
        self.way.push(path.to_owned());
        self.all_of(&file, &source, &ast);
        self.way.pop();
        self.out.problems.extend(quiet(&ast).err().map(|position| {
            let (line, column) = explain::place(position);
            Problem::at(
                &file,
                &source,
                line,
                column,
                1,
                "An imported file may hold functions and constants only.",
                "Put this into a function and call it from the script that imports the file.",
            )
        }));
        if self.out.problems.len() == before {
            match self.module(&ast) {
                Ok(module) => {
                    Arc::make_mut(&mut self.out.modules).insert(path.to_owned(), module);
                }
                Err(error) => self.out.problems.push(explain::failure(&error, &file, &source, &[], self.scripts.table)),
            }
        }
        self.out.files.push(Imported { path: path.to_owned(), file, source: source.into(), ast });
        Ok(())
    }

    fn module(&self, ast: &AST) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let run = Run::new(Limits { operations: 1_000_000, memory: 16 << 20 }, None, Arc::clone(&self.out.modules));
        let _entered = run.enter();
        Module::eval_ast_as_new(Scope::new(), ast, &self.scripts.engine).map(Into::into)
    }
}

/// Reads an imported file; the error is a sentence and its remedy.
fn read(root: &Path, path: &str) -> Result<(PathBuf, String), (String, String)> {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !path.split('/').all(plain) {
        return Err((
            format!("\"{path}\" cannot be imported."),
            "Write the way from the scripts folder with letters, digits, _ and - only and without .rhai, such as \
             \"lib/greeting\"."
                .to_owned(),
        ));
    }
    let file = root.join(format!("{path}.rhai"));
    let inside = |real: &Path| root.canonicalize().is_ok_and(|root| real.starts_with(root));
    match file.canonicalize() {
        Ok(real) if inside(&real) => {}
        Ok(_) => {
            return Err((
                format!("\"{path}\" leads out of the scripts folder."),
                "Copy the file into the scripts folder; a link to it is not followed.".to_owned(),
            ));
        }
        Err(_) => {
            let near = neighbours(&file);
            let help = match did_you_mean(path.rsplit('/').next().unwrap_or(path), near.iter().map(String::as_str)) {
                Some(name) => format!(
                    "Did you mean {}?",
                    path.rsplit_once('/').map_or_else(|| name.to_owned(), |(d, _)| format!("{d}/{name}"))
                ),
                None => "The way starts in the scripts folder, whichever file imports it.".to_owned(),
            };
            return Err((format!("There is no file {path}.rhai in the scripts folder."), help));
        }
    }
    let source = text_of(&file)
        .map_err(|e| (format!("{path}.rhai cannot be read: {e}."), "It must be a readable text file in UTF-8.".to_owned()))?;
    Ok((file, source))
}

fn text_of(file: &Path) -> std::io::Result<String> {
    let about = std::fs::metadata(file)?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(std::io::Error::other(if about.is_file() { "it is larger than 1 MiB" } else { "it is not a plain file" }));
    }
    std::fs::read_to_string(file)
}

fn neighbours(file: &Path) -> Vec<String> {
    let Some(entries) = file.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else { return Vec::new() };
    let name = |path: PathBuf| (path.extension()? == "rhai").then(|| path.file_stem()?.to_str().map(str::to_owned))?;
    entries.flatten().filter_map(|entry| name(entry.path())).collect()
}

/// Whether loading the file does nothing but define things; otherwise the first place that does.
fn quiet(ast: &AST) -> Result<(), Position> {
    let mut loud = None;
    for statement in ast.statements() {
        statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode<'_>]| {
            loud = match nodes.last() {
                Some(ASTNode::Stmt(Stmt::Noop(_) | Stmt::Var(..) | Stmt::Import(..) | Stmt::Export(..))) => None,
                Some(ASTNode::Stmt(other)) => Some(other.position()),
                Some(ASTNode::Expr(Expr::FnCall(call, position))) if !call.is_operator_call() => Some(*position),
                Some(ASTNode::Expr(Expr::MethodCall(_, position))) => Some(*position),
                _ => None,
            };
            loud.is_none()
        });
    }
    loud.map_or(Ok(()), Err)
}

/// Gives a run the modules its script was compiled with, and no others.
pub(super) struct Resolver;

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        _engine: &Engine,
        _source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        context::current()
            .and_then(|run| run.module(path))
            .ok_or_else(|| EvalAltResult::ErrorModuleNotFound(path.to_owned(), position).into())
    }
}
