//! Why a call did not come to its end, in words for the owner.
//!
//! In: what the machine says. Out: one of a few reasons, each with its own sentence and remedy in two languages.
//! Never: shows the machine's own words where there are better ones.

use super::desk::{Elsewhere, Ends};
use super::inside::Inside;
use super::sandbox::{TABLE, one_line};
use super::welcome::API;
use crate::domain::{Language, show_span};
use crate::run::function::Stop;
use std::time::Duration;
use wasmtime::{Trap, WasmBacktrace};

/// The time of a call is used up.
#[derive(Debug, thiserror::Error)]
#[error("out of time")]
pub(super) struct OutOfTime;

/// Why a call was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It took longer than this; the second part was spent in waiting for others.
    Time(Duration, Duration),
    /// It needed more memory than this.
    Memory(usize),
    /// It needed a larger table than plugins get.
    Table,
    /// It consists of more parts than plugins may, or hands over more at once.
    Parts,
    /// Its functions have other types than the contract's.
    Misfit,
    /// It called itself too deeply.
    Deep(Option<String>),
    /// It gave up, as its language says.
    Panic(Option<String>, Option<String>),
    /// It ended itself as programs do.
    Exit(i32),
    /// It broke a rule of the machine: what, and where.
    Broke(String, Option<String>),
    /// The desk of its run ended it.
    Desk(Stop),
    /// All places for calls are taken.
    Busy,
    /// The daemon could not do its part.
    Host(String),
}

impl Stopped {
    /// Reads the machine's answer.
    pub(super) fn of(error: &wasmtime::Error, inside: &Inside, limit: Duration) -> Self {
        if let Some(Ends(stop)) = error.downcast_ref() {
            return Self::Desk(stop.clone());
        }
        if error.downcast_ref::<OutOfTime>().is_some() {
            return Self::Time(limit, inside.http.waited);
        }
        if let Some(wasmtime_wasi::I32Exit(code)) = error.downcast_ref() {
            return Self::Exit(*code);
        }
        let place = place(error);
        if let Some(elsewhere) = error.downcast_ref::<Elsewhere>() {
            return Self::Broke(elsewhere.to_string(), place);
        }
        let trap = error.downcast_ref::<Trap>();
        // A refused wish is the reason only if the plugin gave up, or could not begin, over it.
        if matches!(trap, None | Some(Trap::UnreachableCodeReached)) {
            if inside.ceiling.refused.0 {
                return Self::Memory(inside.ceiling.most());
            }
            if inside.ceiling.refused.1 {
                return Self::Table;
            }
        }
        match trap {
            Some(Trap::StackOverflow) => Self::Deep(place),
            // The stack of a compiled plugin lies at the bottom of its memory: below it are the highest addresses.
            Some(Trap::MemoryOutOfBounds) if format!("{error:?}").contains("wasm address 0xff") => Self::Deep(place),
            Some(Trap::UnreachableCodeReached) => Self::Panic(inside.lines.panic(), place),
            Some(trap) => {
                let text = trap.to_string();
                Self::Broke(text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned(), place)
            }
            None => {
                let text = format!("{error:#}");
                // These have no type of their own.
                if text.contains("resource limit exceeded") || text.contains("too much data is being copied") {
                    return Self::Parts;
                }
                if text.contains("failed to convert function to given type") {
                    return Self::Misfit;
                }
                Self::Host(one_line(&text, 300))
            }
        }
    }

    /// Whether the plugin is at fault: time that others took is not its defect.
    pub fn is_defect(&self) -> bool {
        match self {
            Self::Time(limit, waited) => *waited < *limit / 2,
            Self::Desk(_) | Self::Busy | Self::Host(_) => false,
            _ => true,
        }
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Time(..) if self.is_defect() => "plugin-time",
            Self::Time(..) => "plugin-waited",
            Self::Memory(_) => "plugin-memory",
            Self::Table => "plugin-table",
            Self::Parts => "plugin-parts",
            Self::Misfit => "plugin-misfit",
            Self::Deep(_) => "plugin-recursion",
            Self::Panic(..) => "plugin-panic",
            Self::Exit(_) => "plugin-exit",
            Self::Broke(..) => "plugin-fault",
            Self::Desk(_) => "plugin-ended",
            Self::Busy => "plugins-busy",
            Self::Host(_) => "plugin-host",
        }
    }

    /// The sentence, with what to do.
    pub fn sentence(&self, plugin: &str, language: Language) -> String {
        let at = |place: &Option<String>| match place {
            Some(place) => language.pick(format!(" (dans {place})"), format!(" (in {place})")),
            None => String::new(),
        };
        let author = language.pick(
            "C'est un défaut du plugin\u{a0}: signalez-le à son auteur.",
            "This is a defect of the plugin: tell its author.",
        );
        match self {
            Self::Time(limit, waited) if self.is_defect() => {
                let (limit, _) = (show_span(*limit), waited);
                language.pick(
                    format!("Le plugin {plugin} a été arrêté parce qu'il a pris plus de {limit}. S'il lui faut plus de temps, son manifeste peut le demander ([limits] time) et la configuration l'accorder ([limits] plugin_time)\u{a0}; sinon, c'est un défaut à signaler à son auteur."),
                    format!("The plugin {plugin} was stopped because it took longer than {limit}. If it needs more time, its manifest may ask for it ([limits] time) and the configuration may allow it ([limits] plugin_time); otherwise it is a defect to tell its author."),
                )
            }
            Self::Time(limit, waited) => {
                let (limit, waited) = (show_span(*limit), show_span(*waited));
                language.pick(
                    format!("Le plugin {plugin} a été arrêté au bout de {limit}, dont {waited} à attendre des réponses. Le service appelé est lent\u{a0}: le démon essaiera plus tard."),
                    format!("The plugin {plugin} was stopped after {limit}, of which {waited} went by in waiting for answers. The service it calls is slow: the daemon will try later."),
                )
            }
            Self::Memory(most) => {
                let most = show_bytes(*most);
                language.pick(
                    format!("Le plugin {plugin} a été arrêté parce qu'il lui fallait plus de {most} de mémoire. Son manifeste peut en demander plus ([limits] memory) et la configuration l'accorder ([limits] plugin_memory)\u{a0}; sinon, signalez-le à son auteur."),
                    format!("The plugin {plugin} was stopped because it needed more than {most} of memory. Its manifest may ask for more ([limits] memory) and the configuration may allow it ([limits] plugin_memory); otherwise tell its author."),
                )
            }
            Self::Table => language.pick(
                format!("Le plugin {plugin} a été arrêté parce qu'il lui fallait une table de plus de {TABLE} éléments. {author}"),
                format!("The plugin {plugin} was stopped because it needed a table of more than {TABLE} elements. {author}"),
            ),
            Self::Parts => language.pick(
                format!("Le plugin {plugin} a été arrêté parce qu'il avait trop de parties, ou donnait trop de données à la fois. {author}"),
                format!("The plugin {plugin} was stopped because it had too many parts, or handed over too much data at once. {author}"),
            ),
            Self::Misfit => language.pick(
                format!("Le plugin {plugin} a été fait pour une autre édition de l'API {API} que celle de ce démon. Mettez à jour le démon, ou demandez à l'auteur de le reconstruire."),
                format!("The plugin {plugin} was made for another edition of API {API} than this daemon's. Update the daemon, or ask the author to build it again."),
            ),
            Self::Deep(place) => language.pick(
                format!("Le plugin {plugin} a été arrêté parce que ses fonctions s'appelaient sans fin{}. {author}", at(place)),
                format!("The plugin {plugin} was stopped because its functions called each other without end{}. {author}", at(place)),
            ),
            Self::Panic(said, place) => {
                let said = said.as_ref().map(|s| language.pick(format!("\u{a0}: {s}"), format!(": {s}"))).unwrap_or_default();
                language.pick(
                    format!("Le plugin {plugin} a planté{}{said}. {author}", at(place)),
                    format!("The plugin {plugin} broke down{}{said}. {author}", at(place)),
                )
            }
            Self::Exit(code) => language.pick(
                format!("Le plugin {plugin} s'est arrêté de lui-même (code {code}), ce qu'un plugin ne fait pas. {author}"),
                format!("The plugin {plugin} ended itself (code {code}), which plugins do not do. {author}"),
            ),
            Self::Broke(what, place) => language.pick(
                format!("Le plugin {plugin} a été arrêté à cause d'une faute de programme{}\u{a0}: {what}. {author}", at(place)),
                format!("The plugin {plugin} was stopped because of a fault in its program{}: {what}. {author}", at(place)),
            ),
            Self::Desk(stop) => format!("{stop} {}", stop.remedy()).trim_end().to_owned(),
            Self::Busy => language.pick(
                format!("Le plugin {plugin} attend son tour\u{a0}: trop d'appels de plugins durent en même temps. Le démon essaiera plus tard."),
                format!("The plugin {plugin} waits for its turn: too many calls of plugins go on at once. The daemon will try later."),
            ),
            Self::Host(why) => language.pick(
                format!("L'appel du plugin {plugin} n'a pas abouti\u{a0}: {why}. Le démon essaiera plus tard\u{a0}; si cela dure, voyez son journal."),
                format!("The call of the plugin {plugin} did not work out: {why}. The daemon will try later; if it goes on, see its log."),
            ),
        }
    }
}

pub(super) fn show_bytes(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// The innermost function of the plugin's own, when the component kept its names.
fn place(error: &wasmtime::Error) -> Option<String> {
    const MACHINERY: &[&str] = &[
        "core::",
        "std::",
        "alloc::",
        "<core",
        "<std",
        "<alloc",
        "<&",
        "rust_",
        "__rust",
        "_rust",
        "__rg_",
        "__rdl",
        "abort",
        "dlmalloc",
        "__cabi",
        "cabi_",
        "wit_bindgen",
        "hashbrown",
    ];
    // The backtrace's own text is the one place where names are readable.
    let trace = error.downcast_ref::<WasmBacktrace>()?.to_string();
    let names = trace.lines().filter_map(|line| line.split_once('!').map(|(_, name)| name.trim()));
    let mut own = names.filter(|name| {
        !name.starts_with("<wasm") && !name.contains("<unknown>") && !MACHINERY.iter().any(|m| name.starts_with(m))
    });
    own.next().map(|name| {
        let hash = name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
        one_line(hash.map_or(name, |(name, _)| name), 120)
    })
}
