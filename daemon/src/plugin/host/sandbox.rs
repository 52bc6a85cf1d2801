//! The world as a plugin's language runtime sees it: WASI with nothing in it.
//!
//! In: the call's moment and a seed. Out: a clock that stands, chance that repeats, output that becomes log lines, and a limit on
//! memory and tables that remembers why it refused.
//! Never: a file, a socket, a variable, the machine's time; and never an error for writing too much.

use bytes::Bytes;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

/// Longest line of log; what is longer goes on in the next line.
const LINE: usize = 2_000;
/// Elements that one table may have.
pub(super) const TABLE: usize = 20_000;
/// Memories and tables that one plugin may have.
pub(super) const PARTS: u32 = 20;
/// What a write to an output stream may carry at once.
const PERMIT: usize = 64 << 10;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Needs a person.
    Error,
    /// Standard error, and what the plugin says is a warning.
    Warn,
    /// Standard output, and what the plugin says the owner would recognise.
    Info,
    /// For the plugin's author.
    Debug,
}

/// A line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub weight: Weight,
    /// What it says.
    pub text: String,
}

/// Whose lines they are.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) plugin: Arc<str>,
    pub(super) scope: Arc<str>,
}

/// The lines of one call, shared by everything that writes some.
#[derive(Clone)]
pub(super) struct Lines(Arc<Mutex<Kept>>);

struct Kept {
    writer: Writer,
    lines: Vec<Line>,
    room: u32,
    dropped: u64,
    /// How many lines somebody else has taken note of.
    told: usize,
    out: Vec<u8>,
    err: Vec<u8>,
    panic: Panic,
}

/// What standard error said of a panic, as Rust writes it: where on one line, why on the next.
#[derive(Default)]
enum Panic {
    #[default]
    None,
    At(String),
    Said(String),
}

impl Lines {
    pub(super) fn new(writer: Writer, room: u32) -> Self {
        let (lines, out, err, panic) = Default::default();
        Self(Arc::new(Mutex::new(Kept { writer, lines, room, dropped: 0, told: 0, out, err, panic })))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, weight: Weight, text: &str) {
        self.lock().write(weight, text);
    }

    /// Lines that came since the last time this was asked.
    pub(super) fn untold(&self) -> Vec<Line> {
        let mut kept = self.lock();
        let lines = kept.lines[kept.told..].to_vec();
        kept.told = kept.lines.len();
        lines
    }

    /// Ends lines that were begun, and says how many were dropped.
    pub(super) fn end(&self) {
        let mut kept = self.lock();
        for (weight, rest) in [(Weight::Info, std::mem::take(&mut kept.out)), (Weight::Warn, std::mem::take(&mut kept.err))] {
            if !rest.is_empty() {
                kept.heard(weight, &rest);
            }
        }
        if kept.dropped > 0 {
            let text = format!("… {} more lines of this call were dropped.", kept.dropped);
            kept.dropped = 0;
            kept.room = 1;
            kept.write(Weight::Warn, &text);
        }
    }

    /// All lines.
    pub(super) fn all(&self) -> Vec<Line> {
        std::mem::take(&mut self.lock().lines)
    }

    /// What a panic said on standard error.
    pub(super) fn panic(&self) -> Option<String> {
        match &self.lock().panic {
            Panic::None => None,
            Panic::At(place) => Some(place.clone()),
            Panic::Said(text) => Some(text.clone()),
        }
    }
}

impl Kept {
    fn write(&mut self, weight: Weight, text: &str) {
        if self.room == 0 {
            self.dropped += 1;
            return;
        }
        self.room -= 1;
        let text = masked(&one_line(text, LINE));
        let (plugin, scope) = (&*self.writer.plugin, &*self.writer.scope);
        match weight {
            Weight::Error => tracing::error!(plugin, scope, "{text}"),
            Weight::Warn => tracing::warn!(plugin, scope, "{text}"),
            Weight::Info => tracing::info!(plugin, scope, "{text}"),
            Weight::Debug => tracing::debug!(plugin, scope, "{text}"),
        }
        self.lines.push(Line { weight, text });
    }

    /// A whole line of an output stream.
    fn heard(&mut self, weight: Weight, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if weight == Weight::Warn {
            self.panic = match std::mem::take(&mut self.panic) {
                Panic::None => match text.split_once(" panicked at ") {
                    Some((_, place)) => Panic::At(one_line(place.trim_end_matches(':'), 200)),
                    None => Panic::None,
                },
                Panic::At(place) if !text.is_empty() => Panic::Said(format!("{} ({place})", one_line(text, 300))),
                other => other,
            };
        }
        if !text.is_empty() {
            self.write(weight, text);
        }
    }

    fn take(&mut self, weight: Weight, mut bytes: &[u8]) {
        // After the last line that is kept, only lines are counted.
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            let mut line = std::mem::take(if weight == Weight::Warn { &mut self.err } else { &mut self.out });
            line.extend_from_slice(&bytes[..at.min(LINE)]);
            self.heard(weight, &line);
            bytes = &bytes[at + 1..];
        }
        let rest = if weight == Weight::Warn { &mut self.err } else { &mut self.out };
        let room = LINE.saturating_sub(rest.len());
        rest.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// A text without the secrets that the daemon knows.
pub(in crate::plugin) fn masked(text: &str) -> String {
    crate::secrets::mask(text).into_owned()
}

/// Whether a character steers a terminal, or makes a text look like another one.
pub(in crate::plugin) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A text on one line, without characters that steer, cut at a number of characters.
pub(in crate::plugin) fn one_line(text: &str, most: usize) -> String {
    let mut out: String = text.chars().map(|c| if steers(c) { ' ' } else { c }).take(most).collect();
    if out.len() < text.len() && text.chars().count() > most {
        out.push('…');
    }
    out
}

/// Standard output or standard error.
#[derive(Clone)]
struct Sink {
    lines: Lines,
    weight: Weight,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {}
}

impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lines.lock().take(self.weight, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Sink {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only asked for by WASI 0.3, which plugins do not get.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

struct StandingClock(Duration);

impl HostWallClock for StandingClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// Goes on by a microsecond each time somebody looks, so that loops that wait for time to pass come to an end.
struct CountingClock(std::sync::atomic::AtomicU64);

impl HostMonotonicClock for CountingClock {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed)
    }
}

/// Chance that falls the same way for the same seed.
struct Seeded(fastrand::Rng);

impl rand_core::TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.u32(..))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.u64(..))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// WASI for one call.
pub(super) fn wasi(lines: &Lines, now: Duration, seed: u64) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(Sink { lines: lines.clone(), weight: Weight::Info })
        .stderr(Sink { lines: lines.clone(), weight: Weight::Warn })
        .wall_clock(StandingClock(now))
        .monotonic_clock(CountingClock(std::sync::atomic::AtomicU64::new(0)))
        .secure_random(Seeded(fastrand::Rng::with_seed(seed)))
        .insecure_random(Seeded(fastrand::Rng::with_seed(!seed)))
        .insecure_random_seed(u128::from(seed) << 64 | u128::from(seed.rotate_left(17)))
        .max_random_size(1 << 20)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    builder.build()
}

/// The most of memory and tables, for all parts of a component together.
pub(super) struct Ceiling {
    most: usize,
    used: usize,
    /// Whether memory was refused, and whether a table was.
    pub(super) refused: (bool, bool),
}

impl Ceiling {
    pub(super) fn new(most: usize) -> Self {
        Self { most, used: 0, refused: (false, false) }
    }

    /// Bytes of memory in use: the most there were, for memory never shrinks.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_sub(current).saturating_add(desired);
        if used > self.most {
            self.refused.0 = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.refused.1 |= desired > TABLE;
        Ok(desired <= TABLE)
    }

    fn instances(&self) -> usize {
        200
    }

    fn tables(&self) -> usize {
        PARTS as usize
    }

    fn memories(&self) -> usize {
        PARTS as usize
    }
}
