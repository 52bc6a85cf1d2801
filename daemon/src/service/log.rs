//! The daemon's log, on standard error: for a person, at a terminal or in a file, or for the journal.
//!
//! In: what the program says. Out: one line each; for the journal with the number of its level in front, which it understands.
//! Never: writes a file or rotates one: that is the journal's work.

use crate::clock::{Clock, SystemClock};
use std::fmt;
use std::io::IsTerminal;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts the log. `BEFFROI_LOG` chooses what is said, as in `info` or `beffroi::egress=debug`; without it, `level`.
pub fn start(level: Level) {
    let filter = EnvFilter::builder().with_default_directive(level.into()).with_env_var("BEFFROI_LOG").from_env_lossy();
    let terminal = std::io::stderr().is_terminal();
    // The service manager says so when standard error leads to its journal.
    let journal = !terminal && std::env::var_os("JOURNAL_STREAM").is_some();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .event_format(Line { clock: (!journal).then(SystemClock::new), colours: terminal })
        .finish();
    // A second log in one process is a test's; the first one stays.
    let _ = tracing::subscriber::set_global_default(log);
}

/// One line.
struct Line {
    /// Set unless the journal listens: it writes the time itself.
    clock: Option<SystemClock>,
    /// Whether the reader shows colours.
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        match &self.clock {
            Some(clock) => {
                let time = clock.now().utc().with_timezone(&chrono::Local).format("%H:%M:%S");
                let (colour, word) = shown(level);
                if self.colours {
                    write!(out, "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{word}\u{1b}[0m ")?;
                } else {
                    write!(out, "{time} {word} ")?;
                }
                context.format_fields(out.by_ref(), event)?;
                writeln!(out)
            }
            None => {
                // The journal reads the level of each line from its beginning.
                let mut text = String::new();
                context.format_fields(Writer::new(&mut text), event)?;
                text.lines().try_for_each(|line| writeln!(out, "<{}>{line}", priority(level)))
            }
        }
    }
}

/// Colour and word for a terminal.
fn shown(level: Level) -> (u8, &'static str) {
    match level {
        Level::ERROR => (31, "error"),
        Level::WARN => (33, "warn "),
        Level::INFO => (32, "info "),
        Level::DEBUG => (34, "debug"),
        _ => (35, "trace"),
    }
}

/// The level as syslog and the journal number it.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
