//! The daemon's log, on standard error: for a person, at a terminal or in a file, or for the journal.
//!
//! In: what the program says. Out: one line each; for the journal with the number of its level in front, which it understands.
//! Never: writes a file or rotates one: that is the journal's work; or lets a secret through, whoever said it.

use crate::clock::{Clock, SystemClock};
use crate::secrets;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Starts the log. `BEFFROI_LOG` chooses what is said, as in `info` or `beffroi::egress=debug`; without it, `level`.
pub fn start(level: Level) {
    let filter = EnvFilter::builder().with_default_directive(level.into()).with_env_var("BEFFROI_LOG").from_env_lossy();
    let terminal = std::io::stderr().is_terminal();
    // The service manager says so when standard error leads to its journal.
    let journal = !terminal && std::env::var_os("JOURNAL_STREAM").is_some();
    let line = Line { clock: (!journal).then(SystemClock::new), colours: terminal };
    // A second log in one process is a test's; the first one stays.
    if tracing::subscriber::set_global_default(subscriber(filter, terminal, line, io::stderr)).is_ok() {
        // What a defect says goes the same way as everything else.
        std::panic::set_hook(Box::new(|panic| {
            let trace = std::backtrace::Backtrace::capture();
            let trace =
                if trace.status() == std::backtrace::BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
            let thread = std::thread::current();
            tracing::error!("thread {} {panic}{trace}", thread.name().unwrap_or("without a name"));
        }));
    }
}

fn subscriber<W>(filter: EnvFilter, ansi: bool, line: Line, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(Masked(to)).with_ansi(ansi).event_format(line).finish()
}

/// Writes lines without the secrets in them.
struct Masked<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Masked<W> {
    type Writer = MaskedLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        MaskedLine(self.0.make_writer())
    }
}

/// One event on its way out. It comes whole, in one piece.
struct MaskedLine<W>(W);

impl<W: Write> Write for MaskedLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(secrets::mask(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex, PoisonError};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(journal: bool, say: impl FnOnce()) -> String {
        let paper = Paper::default();
        let copy = paper.clone();
        let line = Line { clock: (!journal).then(SystemClock::new), colours: !journal };
        let log = subscriber(EnvFilter::new("trace"), !journal, line, move || copy.clone());
        tracing::subscriber::with_default(log, say);
        let bytes = paper.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn no_line_carries_a_secret_however_it_got_there() {
        let secret = "log \"canary\" ß/1";
        secrets::hide_from_now_on("test of the log", &crate::domain::Secret::new(secret));
        for journal in [true, false] {
            let text = written(journal, || {
                tracing::error!("told outright: {secret}");
                tracing::info!(field = secret, debugged = ?secret, "in fields");
                tracing::trace!("as JSON: {}", serde_json::json!({ "password": secret }));
                let _span = tracing::warn_span!("span", secret).entered();
                tracing::warn!("inside a span");
                tracing::debug!("nothing to hide");
            });
            assert!(!text.contains("canary"), "{text}");
            assert!(text.matches("***").count() >= 4 && text.contains("nothing to hide"), "{text}");
            assert_eq!(text.lines().count(), 5, "{text}");
        }
    }
}
