//! The sample business and the scripts that come with the program, embedded in it.
//!
//! In: a folder and the moment. Out: the sample laid out there, with its dates counted from that moment.
//! Never: overwrites a file that is there already.

use crate::domain::{Timestamp, Zone};
use chrono::{Datelike, Duration, NaiveTime, TimeZone};
use include_dir::{Dir, DirEntry, include_dir};
use std::io::Write;
use std::path::Path;

static SAMPLE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../config/sample");
static SCRIPTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../scripts");

/// What is added to the sample's configuration where the plugin it names can be installed.
pub const PLUGINS: &str = include_str!("../../config/sample-plugins.toml");

/// The zone in which the sample business lives.
pub const ZONE: Zone = chrono_tz::Europe::Paris;

/// A script that comes with the program, by file name.
pub fn builtin(name: &str) -> Option<&'static str> {
    SCRIPTS.get_file(name)?.contents_utf8()
}

/// Lays the sample out. Files that are there stay as they are.
///
/// # Errors
/// A sentence with the file and the remedy.
pub fn lay_out(folder: &Path, now: Timestamp) -> Result<(), String> {
    write_all(&SAMPLE, folder, now)?;
    write_all(&SCRIPTS, &folder.join("scripts"), now)
}

fn write_all(from: &Dir<'_>, to: &Path, now: Timestamp) -> Result<(), String> {
    let refused = |path: &Path, e: std::io::Error| {
        format!("Cannot write {}: {e}. Choose another folder with --dir, or make room in this one.", path.display())
    };
    std::fs::create_dir_all(to).map_err(|e| refused(to, e))?;
    for entry in from.entries() {
        let name = entry.path().file_name().unwrap_or_default();
        let path = to.join(name);
        match entry {
            DirEntry::Dir(dir) => write_all(dir, &path, now)?,
            DirEntry::File(file) => {
                let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
                let dated = ["toml", "csv", "md", "xml", "json"].contains(&ending);
                let bytes = match file.contents_utf8() {
                    Some(text) if dated => dates(text, now).into_bytes(),
                    _ => file.contents().to_vec(),
                };
                match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                    Ok(mut out) => {
                        out.write_all(&bytes).and_then(|()| date_file(&path, now, 0)).map_err(|e| refused(&path, e))?;
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(e) => return Err(refused(&path, e)),
                }
            }
        }
    }
    Ok(())
}

/// Gives a file this moment, and so many microseconds, as the time of its last change: where time is simulated, files are dated by it too.
///
/// # Errors
/// When the file cannot be opened or its time cannot be set.
pub fn date_file(path: &Path, at: Timestamp, micros: u64) -> std::io::Result<()> {
    let at = std::time::SystemTime::from(at.utc()) + std::time::Duration::from_micros(micros);
    std::fs::File::options().write(true).open(path)?.set_modified(at)
}

/// Replaces `{{date:-3d}}`, `{{iso:-3d 07:30}}`, `{{rfc822:-5h}}` and `{{date:mon-9d}}` by the dates they mean.
/// Anything else between double braces stays.
fn dates(text: &str, now: Timestamp) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let written = rest.find("}}").and_then(|end| Some((date(&rest[2..end], now)?, end + 2)));
        let (shown, skip) = written.unwrap_or_else(|| ("{{".into(), 2));
        out.push_str(&shown);
        rest = &rest[skip..];
    }
    out.push_str(rest);
    out
}

fn date(form: &str, now: Timestamp) -> Option<String> {
    let (form, when) = form.split_once(':')?;
    let local = now.local(ZONE);
    let (when, time) = when.split_once(' ').map_or((when, None), |(when, time)| (when, Some(time)));
    let (base, offset) = match when.strip_prefix("mon") {
        Some(offset) => (local - Duration::days(i64::from(local.weekday().num_days_from_monday())), offset),
        None => (local, when),
    };
    let count = |unit: char| offset.strip_suffix(unit).and_then(|n| n.parse::<i64>().ok());
    let mut at = match (count('d'), count('h')) {
        (Some(days), _) => base + Duration::days(days),
        (None, Some(hours)) => base + Duration::hours(hours),
        (None, None) => return None,
    };
    if let Some(time) = time {
        let time: NaiveTime = NaiveTime::parse_from_str(time, "%H:%M").ok()?;
        // A time that the change of clocks leaves out is taken an hour later.
        let naive = at.date_naive().and_time(time);
        at = ZONE
            .from_local_datetime(&naive)
            .earliest()
            .or_else(|| ZONE.from_local_datetime(&(naive + Duration::hours(1))).earliest())?;
    }
    match form {
        "date" => Some(at.format("%Y-%m-%d").to_string()),
        "iso" => Some(at.format("%Y-%m-%dT%H:%M:%S%:z").to_string()),
        "rfc822" => Some(at.to_rfc2822()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_the_moment_of_layout() {
        // Sunday 22 November 2026, noon in Arras.
        let now = Timestamp::parse("2026-11-22T12:00:00+01:00").expect("RFC 3339");
        for (form, shown) in [
            ("{{date:-3d}}", "2026-11-19"),
            ("{{iso:-3d 07:30}}", "2026-11-19T07:30:00+01:00"),
            ("{{rfc822:-3d 07:30}}", "Thu, 19 Nov 2026 07:30:00 +0100"),
            ("{{iso:-5h}}", "2026-11-22T07:00:00+01:00"),
            ("{{date:mon-9d}}", "2026-11-07"),
            ("{title} {{x}} {{", "{title} {{x}} {{"),
        ] {
            assert_eq!(dates(form, now), shown);
        }
    }

    #[test]
    fn the_sample_is_laid_out_whole_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Timestamp::parse("2026-03-29T12:00:00+02:00").expect("RFC 3339");
        std::fs::write(folder.path().join("stock.csv"), "mine").expect("written");
        lay_out(folder.path(), now).expect("laid out");
        assert_eq!(std::fs::read_to_string(folder.path().join("stock.csv")).expect("there"), "mine");
        for file in ["beffroi.toml", "feeds/ville.xml", "scripts/rotation.rhai", "library/levain.md"] {
            let text = std::fs::read_to_string(folder.path().join(file)).expect(file);
            assert!(!text.contains("{{date") && !text.contains("{{iso") && !text.contains("{{rfc822"), "{file} has a date left");
        }
        assert!(builtin("digest.rhai").is_some() && builtin("no.rhai").is_none());
    }
}
