//! The one table of functions that a workflow can call.
//!
//! In: a position in the table and arguments that fit it. Out: the function's answer.
//! Never: leaves a function undocumented: the reference, the editor definitions, the checker and the scripts all read this table.

mod basics;
mod content;
mod fields;
mod news;
mod posts;
mod shop;
mod texts;

use super::desk::{Answer, RunDesk};
use super::function::{Function, Kind, Param};
use crate::domain::Json;
use fields::Args;
use std::sync::LazyLock;

/// What a row of the table does.
type Work = fn(&mut RunDesk, Args) -> Answer;

/// A row: what people read, and what it does.
pub(super) struct Row(Function, Work);

struct Table {
    functions: &'static [Function],
    work: Vec<Work>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let rows = [basics::ROWS, posts::ROWS, content::ROWS, news::ROWS, shop::ROWS, texts::ROWS].concat_rows();
    let (functions, work): (Vec<Function>, Vec<Work>) = rows.into_iter().map(|Row(f, w)| (f, w)).unzip();
    Table { functions: functions.leak(), work }
});

trait ConcatRows {
    fn concat_rows(self) -> Vec<Row>;
}

impl<const N: usize> ConcatRows for [&'static [Row]; N] {
    fn concat_rows(self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.into_iter().flatten().map(|Row(f, w)| Row(*f, *w)).collect();
        // The reference reads best by namespace; the order within one is as written.
        rows.sort_by_key(|Row(f, _)| f.space);
        rows
    }
}

/// Every function, in the order of the table.
pub fn functions() -> &'static [Function] {
    TABLE.functions
}

/// Answers a call.
pub(super) fn answer(desk: &mut RunDesk, index: usize, arguments: Vec<Json>) -> Answer {
    let function = &TABLE.functions[index];
    (TABLE.work[index])(desk, Args::new(function, arguments))
}

/// What the trigger brought, as the workflow sees it.
pub(super) fn payload(stored: &Json) -> Json {
    basics::payload(stored)
}

const fn need(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, optional: false, doc }
}

const fn may(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, optional: true, doc }
}

macro_rules! row {
    ($effect:ident $space:ident :: $name:ident ( $($param:expr),* ) -> $returns:ident, $doc:expr, $example:expr, $work:expr) => {
        $crate::run::calls::Row(
            $crate::run::function::Function {
                space: stringify!($space),
                name: stringify!($name),
                params: &[$($param),*],
                returns: $crate::run::function::Kind::$returns,
                doc: $doc,
                example: $example,
                effect: $crate::run::function::Effect::$effect,
            },
            $work,
        )
    };
}
use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_documented_and_named_once() {
        let mut names = std::collections::BTreeSet::new();
        for f in functions() {
            assert!(names.insert(f.full_name()), "{} stands twice", f.full_name());
            assert!(f.doc.ends_with('.') && f.doc.len() > 15, "{} needs a sentence", f.full_name());
            assert!(f.example.contains(f.name), "{}: the example does not use it", f.full_name());
            assert!(f.params.iter().all(|p| !p.doc.is_empty()), "{} has a parameter without a word", f.full_name());
            let first_optional = f.params.iter().position(|p| p.optional).unwrap_or(f.params.len());
            assert!(f.params[first_optional..].iter().all(|p| p.optional), "{}: optional parameters come last", f.full_name());
        }
        assert!(names.len() > 40);
    }
}
