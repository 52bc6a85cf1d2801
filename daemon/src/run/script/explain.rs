//! Turns the engine's errors into sentences with a place and a remedy.
//!
//! In: parse errors and run errors as the engine gives them. Out: a [`Problem`] at the innermost known place, in the file
//! it happened in.
//! Never: decides whether a run was stopped; the engine's errors cannot be trusted with that.

use super::imports::Imported;
use super::value;
use crate::problem::{Problem, did_you_mean};
use crate::run::function::Function;
use rhai::{Dynamic, EvalAltResult, LexError, ParseError, ParseErrorType, Position};
use std::path::Path;

/// Line and column of a position; zeros when it has none.
pub(super) fn place(position: Position) -> (usize, usize) {
    let line = position.line().unwrap_or(0);
    (line, if line == 0 { 0 } else { position.position().unwrap_or(0).max(1) })
}

/// How many characters the word, number or sign at a place has.
pub(super) fn width(source: &str, line: usize, column: usize) -> usize {
    let rest = source.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().skip(column.saturating_sub(1));
    rest.take_while(|c| c.is_alphanumeric() || *c == '_').count().max(1)
}

fn at(file: &Path, source: &str, position: Position, message: impl Into<String>, help: impl Into<String>) -> Problem {
    let (line, column) = place(position);
    Problem::at(file, source, line, column, width(source, line, column), message, help)
}

/// A parse error.
pub(super) fn syntax(error: &ParseError, file: &Path, source: &str, table: &[Function]) -> Problem {
    let position = error.position();
    let (line, column) = place(position);
    let line_text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let rest: String = line_text.chars().skip(column.saturating_sub(1)).collect();
    let problem = |message: String, help: &str| at(file, source, position, message, help);
    match error.err_type() {
        ParseErrorType::MissingToken(token, _) if token == ";" && at_the_end(source, line, column) => {
            problem("The script ends in the middle of a block.".to_owned(), "Look for a { that is not closed with }.")
        }
        ParseErrorType::MissingToken(token, _) if token == ";" && ["and ", "or "].iter().any(|w| rest.starts_with(w)) => {
            problem("and and or are written as signs.".to_owned(), "Write && for and, || for or.")
        }
        ParseErrorType::MissingToken(token, _) if token == ";" => missing_semicolon(file, source, position),
        ParseErrorType::MissingToken(token, why) => {
            let message = if rest.is_empty() && line_text.trim().is_empty() {
                format!("The script ends where a {token} is still missing ({why}).")
            } else {
                format!("A {token} is missing here ({why}).")
            };
            problem(message, closing(token))
        }
        ParseErrorType::VariableUndefined(name) => {
            let known = names_in(source);
            let help = match did_you_mean(name, known.iter().copied().filter(|k| k != name)) {
                Some(near) => format!("Did you mean {near}?"),
                None if table.iter().any(|f| f.space == name) => format!("{name} is a namespace: write {name}::..."),
                None if matches!(name.as_str(), "function" | "def" | "func") => "Write fn.".to_owned(),
                None => format!("Declare it first, let {name} = ...; or write it in double quotes if it is a text."),
            };
            problem(format!("There is no variable {name} here."), &help)
        }
        ParseErrorType::ModuleUndefined(name) => {
            let help = match did_you_mean(name, table.iter().map(|f| f.space)) {
                Some(near) => format!("Did you mean {near}?"),
                None => format!("Functions of an own file are reached after: import \"lib/{name}\" as {name};"),
            };
            problem(format!("There is no namespace {name}."), &help)
        }
        ParseErrorType::BadInput(LexError::MalformedChar(text)) => {
            let whole: String = rest.split('\'').nth(1).map(str::to_owned).unwrap_or_else(|| text.trim_matches('\'').to_owned());
            problem(
                "Text is written in double quotes; single quotes are for one character.".to_owned(),
                &format!("Write \"{whole}\"."),
            )
        }
        ParseErrorType::BadInput(LexError::UnexpectedInput(sign)) => {
            let letter = sign.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_ascii());
            if letter {
                problem(
                    format!("{sign} cannot be part of a name."),
                    "Names are made of a-z, A-Z, 0-9 and _. Accents are fine inside texts and comments.",
                )
            } else {
                problem(format!("{sign} does not belong here."), quotes(sign))
            }
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => problem(
            "This text has no closing quote.".to_owned(),
            "Close it with \" on the same line; a text of several lines goes between ` and `.",
        ),
        ParseErrorType::BadInput(LexError::ImproperSymbol(sign, _)) | ParseErrorType::UnknownOperator(sign) => {
            if sign == "eval" {
                problem("eval cannot be used: scripts cannot run text as a script.".to_owned(), "Write the code out.")
            } else {
                problem(format!("{sign} is not an operator of this language."), operator(sign))
            }
        }
        ParseErrorType::AssignmentToInvalidLHS(_) => {
            problem("This cannot be given a value.".to_owned(), "To compare two values, write == instead of =.")
        }
        ParseErrorType::AssignmentToConstant(name) => {
            problem(format!("{name} is a constant and keeps its value."), "Declare it with let instead of const.")
        }
        ParseErrorType::Reserved(word) => problem(
            format!("{word} is a reserved word and cannot be used here."),
            match word.as_str() {
                "#" => "Comments begin with //; maps are written #{ name: value }.",
                "var" => "Write let.",
                "null" | "nil" | "undefined" | "None" => "Nothing is written ().",
                "and" => "Write &&.",
                "or" => "Write ||.",
                "not" => "Write !.",
                "await" | "async" => "Calls wait by themselves; leave the word out.",
                "match" => "Write switch.",
                _ => "Choose another name.",
            },
        ),
        ParseErrorType::ExprTooDeep => problem(
            "This expression is nested too deeply.".to_owned(),
            "Give parts of it a name with let, or put them into a function.",
        ),
        ParseErrorType::UnexpectedEOF => {
            problem("The script ends in the middle of something.".to_owned(), "Look for a bracket or quote that is not closed.")
        }
        ParseErrorType::WrongFnDefinition => problem(
            "A function can only be defined at the outermost level of a script.".to_owned(),
            "Move it out of the block; or make it a closure: let f = |x| ...;",
        ),
        other => problem(whole_sentence(&other.to_string()), ""),
    }
}

/// The place of a missing semicolon is the end of the statement before, which may be lines above.
fn missing_semicolon(file: &Path, source: &str, position: Position) -> Problem {
    let (line, column) = place(position);
    let before = |n: usize| source.lines().nth(n - 1).unwrap_or_default();
    let mut end = (line, column.max(1));
    let first_on_its_line = line > 0 && before(line).chars().take(column.saturating_sub(1)).all(char::is_whitespace);
    if first_on_its_line {
        let code = |n: &usize| {
            let text = before(*n).split("//").next().unwrap_or_default().trim_end();
            (!text.trim().is_empty()).then(|| (*n, text.chars().count() + 1))
        };
        end = (1..line).rev().find_map(|n| code(&n)).unwrap_or(end);
    }
    let help = "Every statement but the last of a block ends with ;";
    Problem::at(file, source, end.0, end.1, 1, "A ; is missing here.", help)
}

/// Whether nothing but blanks comes after a place.
fn at_the_end(source: &str, line: usize, column: usize) -> bool {
    let mut rest = source.lines().skip(line.saturating_sub(1));
    let here = rest.next().unwrap_or_default().chars().skip(column.saturating_sub(1)).all(char::is_whitespace);
    here && rest.all(|line| line.trim().is_empty())
}

fn closing(token: &str) -> &'static str {
    match token {
        ")" | "]" | "}" => "Look for the opening bracket that is not closed.",
        _ => "",
    }
}

fn quotes(sign: &str) -> &'static str {
    match sign {
        "“" | "”" | "„" | "«" | "»" | "’" | "‘" => "Write texts between straight double quotes: \"like this\".",
        _ => "",
    }
}

fn operator(sign: &str) -> &'static str {
    match sign {
        "=" => "To compare two values, write == instead of =.",
        "===" => "Write ==.",
        "!==" | "<>" => "Write !=.",
        "++" => "Write x += 1.",
        "--" => "Write x -= 1.",
        "->" | "<-" => "Closures are written |x| ...; cases of a switch with =>.",
        "?" | ":" => "Write if a { b } else { c }.",
        _ => "",
    }
}

/// The names a script declares, for suggestions.
pub(super) fn names_in(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    let mut before = "";
    for word in words.by_ref() {
        if matches!(before, "let" | "const" | "for" | "as" | "fn" | "catch") {
            names.push(word);
        }
        before = word;
    }
    // Parameters of closures and functions.
    for part in source.split('|').skip(1).step_by(2).filter(|part| !part.contains(['\n', ';'])) {
        names.extend(part.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    for part in source.split("fn ").skip(1) {
        let inside = part.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
        names.extend(inside.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    names
}

/// A run error.
pub(super) fn failure(
    error: &EvalAltResult,
    file: &Path,
    source: &str,
    imports: &[Imported],
    table: &'static [Function],
) -> Problem {
    // Errors are wrapped by every call they come through; each wrapper names the file that what it wraps happened in.
    let mut name = String::new();
    let mut innermost = error;
    let mut known = (error.position(), name.clone());
    loop {
        let inner = match innermost {
            EvalAltResult::ErrorInFunctionCall(_, inside, inner, _) => {
                if !inside.is_empty() {
                    name.clone_from(inside);
                }
                inner
            }
            EvalAltResult::ErrorInModule(path, inner, _) => {
                name.clone_from(path);
                inner
            }
            _ => break,
        };
        innermost = inner;
        if !innermost.position().is_none() {
            known = (innermost.position(), name.clone());
        }
    }
    let (position, name) = known;
    let (file, source) = match imports.iter().find(|import| import.path == name) {
        Some(import) => (import.file.as_path(), &*import.source),
        None => (file, source),
    };
    let (message, help) = sentences(innermost, table);
    at(file, source, position, message, help)
}

fn sentences(error: &EvalAltResult, table: &'static [Function]) -> (String, String) {
    use EvalAltResult as E;
    let plain = |message: String, help: &str| (message, help.to_owned());
    match error {
        E::ErrorRuntime(thrown, _) => (thrown_sentence(thrown), String::new()),
        E::ErrorFunctionNotFound(signature, _) => unknown_function(signature, table),
        E::ErrorVariableNotFound(name, _) => plain(format!("There is no variable {name} here."), "Declare it first with let."),
        E::ErrorModuleNotFound(path, _) => {
            plain(format!("\"{path}\" was not imported."), "Import files by a plain path: import \"lib/greeting\" as greeting;")
        }
        E::ErrorPropertyNotFound(name, _) => plain(
            format!("The map has no \"{name}\"."),
            &format!(
                "Check the spelling. If it may be absent, use map.get(\"{name}\"), which then gives (), or \"{name}\" in map."
            ),
        ),
        E::ErrorDotExpr(text, _) => plain(whole_sentence(text), "Only maps have named parts."),
        E::ErrorIndexNotFound(index, _) => plain(format!("There is nothing at {index}."), ""),
        E::ErrorArrayBounds(length, index, _) => bounds("list", "items", *length, *index),
        E::ErrorStringBounds(length, index, _) => bounds("text", "characters", *length, *index),
        E::ErrorIndexingType(kind, _) => {
            let kind = kind.split(['[', ' ']).next().unwrap_or_default();
            plain(format!("{} has no parts to take with [ ].", capital(value::phrase_of_type(kind))), "")
        }
        E::ErrorMismatchDataType(wanted, given, _) | E::ErrorMismatchOutputType(wanted, given, _) => {
            plain(format!("This needs {}, not {}.", value::phrase_of_type(wanted), value::phrase_of_type(given)), "")
        }
        E::ErrorFor(_) => plain(
            "This cannot be gone through with for.".to_owned(),
            "Lists, texts and ranges such as 0..10 can; of a map, go through map.keys() or map.values().",
        ),
        E::ErrorArithmetic(text, _) => plain(whole_sentence(text), ""),
        E::ErrorStackOverflow(_) => {
            plain("Functions call each other too deeply.".to_owned(), "Use a loop, or let the function end sooner.")
        }
        E::ErrorDataRace(name, _) => plain(
            format!("{name} is used by a closure while a function of its own is still working on it."),
            "Copy what the closure needs into another variable first.",
        ),
        E::ErrorAssignmentToConstant(name, _) => {
            plain(format!("{name} is a constant and keeps its value."), "Declare it with let instead of const.")
        }
        E::ErrorNonPureMethodCallOnConstant(name, _) => plain(
            format!("{name} changes the value it is called on, and this one is a constant."),
            "Copy it first: let copy = ...;",
        ),
        E::ErrorUnboundThis(_) => plain("this has no value here.".to_owned(), "Call the function on a value: value.function()."),
        E::ErrorTooManyVariables(_) => {
            plain("The script has too many variables at once.".to_owned(), "Keep them in a list or a map.")
        }
        other => {
            let mut other = other.to_string();
            if let Some(end) = other.rfind(" (line ") {
                other.truncate(end);
            }
            plain(whole_sentence(&other), "")
        }
    }
}

/// What a script threw, as a sentence.
fn thrown_sentence(thrown: &Dynamic) -> String {
    match thrown.as_immutable_string_ref() {
        Ok(text) if !text.trim().is_empty() => whole_sentence(&text),
        _ => match value::written(thrown, true, 500) {
            Ok(text) if !thrown.is_unit() => format!("The script threw {text}."),
            _ => "The script threw an error.".to_owned(),
        },
    }
}

fn bounds(what: &str, items: &str, length: usize, index: i64) -> (String, String) {
    let message = format!("The {what} has {length} {items}; there is none at {index}.");
    (message, "Counting starts at 0; -1 is the last one.".to_owned())
}

fn unknown_function(signature: &str, table: &'static [Function]) -> (String, String) {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
    let given: Vec<&str> = types.trim_end_matches(')').split(", ").filter(|t| !t.is_empty()).map(value::phrase_of_type).collect();
    if let Some(function) = table.iter().find(|f| f.full_name() == name) {
        return (function.usage(), format!("Here it is given {}.", count(given.len())));
    }
    if name == "step" {
        let help = "Write step(\"a name\", || { what to do }).";
        return ("step takes a name and a closure.".to_owned(), help.to_owned());
    }
    let with = if given.is_empty() { "without arguments".to_owned() } else { format!("for {}", given.join(", ")) };
    let names: Vec<String> = table.iter().map(Function::full_name).collect();
    let help = match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => format!("Did you mean {near}?"),
        None => "Look at the name, and at what it is called with.".to_owned(),
    };
    (format!("There is no function {name} {with}."), help)
}

/// `1 argument`, `2 arguments`.
pub(super) fn count(arguments: usize) -> String {
    format!("{arguments} argument{}", if arguments == 1 { "" } else { "s" })
}

fn whole_sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.ends_with(['.', '!', '?', '…']) { text } else { format!("{text}.") }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    // A name such as state::get keeps its case.
    let name = text.split(' ').next().is_some_and(|word| word.contains("::"));
    match letters.next() {
        Some(first) if !name => first.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}
