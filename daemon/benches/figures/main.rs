//! The figures an owner could feel, measured and put beside their targets: `cargo bench -p beffroi`.
//!
//! In: nothing but the machine. Out: one table: what, target, median, ratio. A ratio of 1 or more reaches the target.
//! Never: fails because a machine is slow, unless asked to: `-- --strict` ends with status 1 when a figure is worse than half
//! its target. `-- --only runs,start` measures the figures of these parts.

mod craft;
mod place;
mod plugins;
mod replay;
mod runs;
mod simulate;
mod socket;
mod starts;

use std::path::Path;
use std::process::ExitCode;

/// Which side of the target is the good one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Good {
    Above,
    Below,
    /// There is no target; the figure is shown to make the others understood.
    Shown,
}

/// One line of the table.
pub(crate) struct Figure {
    what: &'static str,
    good: Good,
    target: f64,
    median: f64,
    unit: &'static str,
    note: String,
}

impl Figure {
    pub(crate) fn above(what: &'static str, target: f64, unit: &'static str, median: f64, note: String) -> Self {
        Self { what, good: Good::Above, target, median, unit, note }
    }

    pub(crate) fn below(what: &'static str, target: f64, unit: &'static str, median: f64, note: String) -> Self {
        Self { what, good: Good::Below, target, median, unit, note }
    }

    pub(crate) fn shown(what: &'static str, unit: &'static str, median: f64, note: String) -> Self {
        Self { what, good: Good::Shown, target: 0.0, median, unit, note }
    }

    /// How many times as good as the target.
    fn ratio(&self) -> f64 {
        match self.good {
            Good::Above => self.median / self.target,
            Good::Below => self.target / self.median,
            Good::Shown => f64::INFINITY,
        }
    }

    fn row(&self) -> String {
        let (sign, target) = match self.good {
            Good::Above => ("≥", number(self.target)),
            Good::Below => ("≤", number(self.target)),
            Good::Shown => ("", String::new()),
        };
        let target = format!("{sign} {target}");
        let ratio = if self.good == Good::Shown { String::new() } else { format!("{:.1}", self.ratio()) };
        format!("{:<58} {target:>9} {:>9} {:<6} {ratio:>6}  {}", self.what, number(self.median), self.unit, self.note)
    }
}

fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// The middle one of some measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The part of the measurements below which a share of them lies.
pub(crate) fn share(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index between 0 and the length")]
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

type Part = (&'static str, fn() -> Vec<Figure>);

const PARTS: &[Part] = &[
    ("craft", craft::measure),
    ("runs", runs::measure),
    ("burst", runs::burst),
    ("journal", replay::cost),
    ("replay", replay::polls),
    ("plugins", plugins::measure),
    ("start", starts::measure),
    ("socket", socket::measure),
    ("simulate", simulate::measure),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, config] = args.as_slice()
        && flag == starts::CHILD
    {
        return starts::child(Path::new(config));
    }
    let strict = args.iter().any(|arg| arg == "--strict");
    let only = args.iter().position(|arg| arg == "--only").and_then(|at| args.get(at + 1));
    let wanted = |name: &str| only.is_none_or(|list| list.split(',').any(|part| part == name));
    // Whoever reads the table must know whether the machine had anything else to do.
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{cores} cores; load of the last minute before: {}\n", load.split(' ').next().unwrap_or("unknown"));
    println!("{:<58} {:>9} {:>9} {:<6} {:>6}", "figure", "target", "median", "", "ratio");
    let mut short = false;
    for (_, measure) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        for figure in measure() {
            println!("{}", figure.row());
            short |= figure.ratio() < 0.5;
        }
    }
    if short && strict { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
