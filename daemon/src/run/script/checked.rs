//! The language's own functions that could take a thread or the process down, in versions that cannot.
//!
//! In: a call of `pad`, `replace`, `split`, `to_string`, `sort`, `==` and the like. Out: the same result, or a stop of the
//! run before the memory is asked for. What they guard against: results whose size is a number in the script or a product
//! of sizes; texts that are many places at once and come out once each; recursion into deeply nested values; blocking.
//! Never: changes what these functions mean for ordinary values.

use super::context::{self, Run, sentence, terminated};
use super::natives::running;
use super::value::{self, Unwritten};
use crate::run::function::Stop;
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};
use std::any::TypeId;
use std::cmp::Ordering;

type Checked<T> = Result<T, Box<EvalAltResult>>;

/// Bytes and pieces of a short text as an item of a list.
const TEXT_ITEM: usize = 64;

/// Registers them; they win over the packages' own.
pub(super) fn register(engine: &mut Engine) {
    refused(engine);
    growing(engine);
    splitting(engine);
    writing(engine);
    comparing(engine);
}

fn refused(engine: &mut Engine) {
    const SLEEP: &str = "A script cannot wait. To go on later, plan another run: run::later(\"10m\").";
    engine.register_fn("sleep", |c: NativeCallContext<'_>, _: i64| -> Checked<()> { Err(sentence(SLEEP, c.call_position())) });
    engine.register_fn("sleep", |c: NativeCallContext<'_>, _: f64| -> Checked<()> { Err(sentence(SLEEP, c.call_position())) });
    engine.register_fn("parse_json", |c: NativeCallContext<'_>, _: &str| -> Checked<()> {
        Err(sentence("Use json::parse(text) instead of parse_json.", c.call_position()))
    });
}

fn growing(engine: &mut Engine) {
    engine.register_fn("pad", |c: NativeCallContext<'_>, list: &mut Array, length: i64, item: Dynamic| -> Checked<()> {
        let at = c.call_position();
        let run = running(at)?;
        let Some(length) = usize::try_from(length).ok().filter(|length| *length > list.len()) else {
            return Ok(());
        };
        let (bytes, pieces) = value::weight(&item).ok_or_else(|| too_deep(at))?;
        let more = length - list.len();
        run.room(bytes.saturating_mul(more), pieces.saturating_mul(more), at)?;
        list.resize(length, item);
        Ok(())
    });
    engine.register_fn("pad", |c: NativeCallContext<'_>, text: &mut ImmutableString, length: i64, with: char| {
        pad(&c, text, length, with.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("pad", |c: NativeCallContext<'_>, text: &mut ImmutableString, length: i64, with: &str| {
        pad(&c, text, length, with)
    });
    engine.register_fn("replace", |c: NativeCallContext<'_>, text: &mut ImmutableString, what: &str, with: &str| {
        replace(&c, text, what, with)
    });
    engine.register_fn("replace", |c: NativeCallContext<'_>, text: &mut ImmutableString, what: &str, with: char| {
        replace(&c, text, what, with.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("replace", |c: NativeCallContext<'_>, text: &mut ImmutableString, what: char, with: &str| {
        replace(&c, text, what.encode_utf8(&mut [0; 4]), with)
    });
    engine.register_fn("replace", |c: NativeCallContext<'_>, text: &mut ImmutableString, what: char, with: char| {
        replace(&c, text, what.encode_utf8(&mut [0; 4]), with.encode_utf8(&mut [0; 4]))
    });
}

fn pad(context: &NativeCallContext<'_>, text: &mut ImmutableString, length: i64, with: &str) -> Checked<()> {
    let at = context.call_position();
    let run = running(at)?;
    let present = text.chars().count();
    let Some(more) = usize::try_from(length).ok().and_then(|length| length.checked_sub(present)) else {
        return Ok(());
    };
    if with.is_empty() {
        return Err(sentence("pad needs at least one character to fill with.", at));
    }
    run.room(text.len().saturating_add(more.saturating_mul(4)), 1, at)?;
    *text = text.chars().chain(with.chars().cycle().take(more)).collect::<String>().into();
    Ok(())
}

fn replace(context: &NativeCallContext<'_>, text: &mut ImmutableString, what: &str, with: &str) -> Checked<()> {
    let at = context.call_position();
    let run = running(at)?;
    let found = text.matches(what).count();
    if found > 0 {
        run.room(text.len().saturating_add(found.saturating_mul(with.len())), 1, at)?;
        *text = text.replace(what, with).into();
    }
    Ok(())
}

fn splitting(engine: &mut Engine) {
    /// Makes a list of parts after making sure that there is room for all of them.
    fn parts<'a>(
        context: &NativeCallContext<'_>,
        text: &'a ImmutableString,
        all: impl Iterator<Item = &'a str> + Clone,
    ) -> Checked<Array> {
        let at = context.call_position();
        let run = running(at)?;
        let count = all.clone().count();
        run.room(text.len().saturating_add(count.saturating_mul(TEXT_ITEM)), count, at)?;
        Ok(all.map(|part| Dynamic::from(part.to_owned())).collect())
    }
    fn most(segments: i64) -> usize {
        usize::try_from(segments).unwrap_or(1).max(1)
    }

    engine.register_fn("to_chars", |c: NativeCallContext<'_>, text: ImmutableString| -> Checked<Array> {
        let at = c.call_position();
        running(at)?.room(text.len().saturating_mul(size_of::<Dynamic>()), 1, at)?;
        Ok(text.chars().map(Dynamic::from).collect())
    });
    engine.register_fn("split", |c: NativeCallContext<'_>, t: ImmutableString| parts(&c, &t, t.split_whitespace()));
    engine.register_fn("split", |c: NativeCallContext<'_>, t: ImmutableString, by: &str| parts(&c, &t, t.split(by)));
    engine.register_fn("split", |c: NativeCallContext<'_>, t: ImmutableString, by: char| parts(&c, &t, t.split(by)));
    engine.register_fn("split", |c: NativeCallContext<'_>, t: ImmutableString, by: &str, n: i64| {
        parts(&c, &t, t.splitn(most(n), by))
    });
    engine.register_fn("split", |c: NativeCallContext<'_>, t: ImmutableString, by: char, n: i64| {
        parts(&c, &t, t.splitn(most(n), by))
    });
    engine.register_fn("split_rev", |c: NativeCallContext<'_>, t: ImmutableString, by: &str| parts(&c, &t, t.rsplit(by)));
    engine.register_fn("split_rev", |c: NativeCallContext<'_>, t: ImmutableString, by: char| parts(&c, &t, t.rsplit(by)));
    engine.register_fn("split_rev", |c: NativeCallContext<'_>, t: ImmutableString, by: &str, n: i64| {
        parts(&c, &t, t.rsplitn(most(n), by))
    });
    engine.register_fn("split_rev", |c: NativeCallContext<'_>, t: ImmutableString, by: char, n: i64| {
        parts(&c, &t, t.rsplitn(most(n), by))
    });
}

/// A value as text, or a stopped run and an empty text: an error here would make the engine fall back on its own, unbounded
/// way of writing the value.
fn write(value: &Dynamic, quoted: bool) -> ImmutableString {
    let run = context::current();
    if run.as_ref().is_some_and(|run| run.over()) {
        return ImmutableString::new();
    }
    match (value::written(value, quoted, run.as_ref().map_or(1 << 20, |run| run.left())), run) {
        (Ok(text), _) => text,
        (Err(why), Some(run)) => {
            match why {
                Unwritten::Long => run.exhausted(),
                Unwritten::Deep => run.halt(Stop::Refused(deep_sentence())),
            }
            ImmutableString::new()
        }
        (Err(_), None) => ImmutableString::new(),
    }
}

fn writing(engine: &mut Engine) {
    for (name, quoted) in [("to_string", false), ("print", false), ("to_debug", true), ("debug", true)] {
        engine.register_fn(name, move |value: &mut Dynamic| write(value, quoted));
        engine.register_fn(name, move |list: &mut Array| write_taken(list, quoted));
        engine.register_fn(name, move |map: &mut Map| write_taken(map, quoted));
    }
    engine.register_fn("to_json", |c: NativeCallContext<'_>, map: &mut Map| -> Checked<String> {
        let at = c.call_position();
        let run = running(at)?;
        let value = Dynamic::from(std::mem::take(map));
        let json = value::to_json(&value, &run);
        *map = value.cast();
        match json {
            Ok(json) => Ok(json.to_string()),
            Err(unfit) => Err(run.guard(at).err().unwrap_or_else(|| sentence(unfit.sentence("The map"), at))),
        }
    });
    for name in ["+=", "append"] {
        engine.register_fn(name, |text: &mut ImmutableString, value: Dynamic| {
            *text = format!("{text}{}", write(&value, false)).into();
        });
    }
    engine.register_fn("+", |text: ImmutableString, value: Dynamic| -> ImmutableString {
        format!("{text}{}", write(&value, false)).into()
    });
    engine.register_fn("+", |value: Dynamic, text: ImmutableString| -> ImmutableString {
        format!("{}{text}", write(&value, false)).into()
    });
}

/// Writes a list or map held by reference, by moving it into a value and back.
fn write_taken<T: Default + Clone + Send + Sync + 'static>(held: &mut T, quoted: bool) -> ImmutableString {
    let value = Dynamic::from(std::mem::take(held));
    let text = write(&value, quoted);
    *held = value.cast();
    text
}

fn comparing(engine: &mut Engine) {
    fn equal(context: &NativeCallContext<'_>, values: &[&mut Dynamic]) -> Checked<bool> {
        let at = context.call_position();
        let run = context::current();
        let answer = value::equal(values[0], values[1], run.as_deref());
        if let Some(run) = run {
            run.guard(at)?;
        }
        answer.ok_or_else(|| too_deep(at))
    }
    for kind in [TypeId::of::<Array>(), TypeId::of::<Map>()] {
        engine.register_raw_fn("==", [kind, kind], |c, values| equal(&c, values));
        engine.register_raw_fn("!=", [kind, kind], |c, values| equal(&c, values).map(|same| !same));
    }

    engine.register_fn("sort", |c: NativeCallContext<'_>, list: &mut Array| sort(&c, list, false));
    engine.register_fn("sort_desc", |c: NativeCallContext<'_>, list: &mut Array| sort(&c, list, true));
    engine.register_fn("order", |c: NativeCallContext<'_>, mut list: Array| sort(&c, &mut list, false).map(|()| list));
    engine.register_fn("order_desc", |c: NativeCallContext<'_>, mut list: Array| sort(&c, &mut list, true).map(|()| list));
}

fn sort(context: &NativeCallContext<'_>, list: &mut Array, descending: bool) -> Checked<()> {
    let at = context.call_position();
    let run = running(at)?;
    let same = |fits: fn(&Dynamic) -> bool| list.iter().all(fits);
    let by: fn(&Dynamic, &Dynamic) -> Ordering = if same(Dynamic::is_int) {
        |a, b| a.as_int().ok().cmp(&b.as_int().ok())
    } else if same(|v| value::number(v).is_some()) {
        |a, b| value::number(a).unwrap_or(0.0).total_cmp(&value::number(b).unwrap_or(0.0))
    } else if same(Dynamic::is_string) {
        texts_fit(list, &run, at)?;
        |a, b| match (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
            (Ok(a), Ok(b)) => a.as_str().cmp(b.as_str()),
            _ => Ordering::Equal,
        }
    } else if same(Dynamic::is_char) {
        |a, b| a.as_char().ok().cmp(&b.as_char().ok())
    } else if same(Dynamic::is_bool) {
        |a, b| a.as_bool().ok().cmp(&b.as_bool().ok())
    } else {
        return Err(sentence(
            "A list can be sorted by itself when its items are all numbers, all texts or all true or false. For others say \
             how to compare them: list.sort(|a, b| a.price - b.price).",
            at,
        ));
    };
    // Equal items keep their order both ways.
    if descending {
        list.sort_by(|a, b| by(b, a));
    } else {
        list.sort_by(by);
    }
    Ok(())
}

/// One long text may stand in a list many times; comparing it each time takes as long as if they were as many texts.
fn texts_fit(list: &Array, run: &Run, at: Position) -> Checked<()> {
    let bytes: usize = list.iter().filter_map(|v| v.as_immutable_string_ref().ok().map(|t| t.len())).sum();
    if bytes > run.left() {
        run.exhausted();
        return Err(terminated(at));
    }
    Ok(())
}

fn deep_sentence() -> String {
    format!("The value is nested more than {} levels deep.", value::DEEPEST)
}

fn too_deep(at: Position) -> Box<EvalAltResult> {
    sentence(deep_sentence(), at)
}
