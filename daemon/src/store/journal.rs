//! Journals of runs, and versions of scripts that run beside the one in force.
//!
//! In: what a run was told, already compressed; a script put beside another one, and what came of comparing them. Out: the
//! same again, and how much of it there is.
//! Never: looks into a journal, or decides what is kept: it forgets by the age and the size it is told.

use super::instant;
use crate::domain::{Digest, Json, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;
use std::time::Duration;

/// A part's last use is written down again only when it is older than this.
const USED_EVERY: Duration = Duration::from_secs(3_600);

/// The journal of one run.
#[derive(Debug, Clone)]
pub struct JournalRow {
    /// The run.
    pub run: RunId,
    /// What it took for now.
    pub at: Timestamp,
    /// The part that holds its scene: configuration and script.
    pub scene: Digest,
    /// What it was told.
    pub data: Vec<u8>,
}

/// Content that journals name by its digest.
pub type Part = (Digest, Arc<[u8]>);

/// A version of a script beside the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowRow {
    /// The workflow.
    pub workflow: String,
    /// Digest of its source.
    pub digest: Digest,
    /// The file it came from, for people.
    pub file: String,
    /// Its source.
    pub source: String,
    /// Since when.
    pub since: Timestamp,
    /// Who put it there.
    pub put_by: String,
}

/// What came of one comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowRun {
    /// The run that went on in the version in force.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// The version beside it.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// Whether both planned the same.
    pub same: bool,
    /// Why the version beside it failed, if it did.
    pub error: Option<String>,
    /// The differences, as lines for people.
    pub difference: Json,
}

/// One operation on journals and shadows.
#[derive(Debug)]
pub enum JournalOp {
    /// Keeps what a run was told, and the parts it names.
    Keep(JournalRow, Vec<Part>),
    /// Forgets journals from before an instant and then the oldest beyond a number of bytes, at most this many of each; and the
    /// parts that none of the others can name.
    Prune {
        /// Older ones go.
        before: Timestamp,
        /// Most bytes of journals and parts together.
        bytes: i64,
        /// Most of each in one change.
        most: u32,
    },
    /// Puts a version beside the one in force, in the place of any other.
    Shadow(ShadowRow),
    /// Takes it away, with what came of it.
    NoShadow(String),
    /// Keeps what came of a comparison.
    Compared(ShadowRun),
}

pub(super) fn apply(db: &Connection, op: &JournalOp, at: i64, touched: &mut usize) -> rusqlite::Result<()> {
    match op {
        JournalOp::Keep(row, parts) => {
            for (digest, data) in parts {
                let late = at - i64::try_from(USED_EVERY.as_millis()).unwrap_or(0);
                let known: Option<i64> = db
                    .prepare_cached("SELECT used FROM journal_part WHERE digest = ?1")?
                    .query_row([&digest.0[..]], |row| row.get(0))
                    .optional()?;
                match known {
                    Some(used) if used >= late => {}
                    Some(_) => {
                        db.prepare_cached("UPDATE journal_part SET used = ?2 WHERE digest = ?1")?
                            .execute(params![digest.0, at])?;
                    }
                    None => {
                        db.prepare_cached("INSERT INTO journal_part VALUES (?1, ?2, ?3)")?
                            .execute(params![digest.0, &**data, at])?;
                    }
                }
            }
            db.prepare_cached(
                "INSERT INTO journal VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (run) DO UPDATE SET at = excluded.at, scene = excluded.scene, data = excluded.data",
            )?
            .execute(params![row.run.0, row.at.millis(), row.scene.0, row.data])?;
        }
        JournalOp::Prune { before, bytes, most } => *touched += prune(db, *before, *bytes, *most)?,
        JournalOp::Shadow(row) => {
            db.execute("DELETE FROM shadow_run WHERE workflow = ?1", [&row.workflow])?;
            db.execute(
                "INSERT OR REPLACE INTO shadow VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![row.workflow, row.digest.to_string(), row.file, row.source, row.since.millis(), row.put_by],
            )?;
        }
        JournalOp::NoShadow(workflow) => {
            *touched += db.execute("DELETE FROM shadow WHERE workflow = ?1", [workflow])?;
            db.execute("DELETE FROM shadow_run WHERE workflow = ?1", [workflow])?;
        }
        JournalOp::Compared(run) => {
            db.prepare_cached("INSERT OR REPLACE INTO shadow_run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
                run.run.0,
                run.workflow,
                run.digest.to_string(),
                run.at.millis(),
                run.same,
                run.error,
                run.difference.to_string()
            ])?;
        }
    }
    Ok(())
}

fn prune(db: &Connection, before: Timestamp, bytes: i64, most: u32) -> rusqlite::Result<usize> {
    let mut gone = db
        .prepare_cached("DELETE FROM journal WHERE run IN (SELECT run FROM journal WHERE at < ?1 ORDER BY at LIMIT ?2)")?
        .execute(params![before.millis(), most])?;
    let (journals, parts) = journal_bytes(db)?;
    let mut over = journals + parts - bytes;
    if over > 0 {
        let oldest: Vec<(i64, i64)> = db
            .prepare_cached("SELECT run, length(data) FROM journal ORDER BY at, run LIMIT ?1")?
            .query_map([most], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut forget = db.prepare_cached("DELETE FROM journal WHERE run = ?1")?;
        for (run, size) in oldest {
            if over <= 0 {
                break;
            }
            gone += forget.execute([run])?;
            over -= size;
        }
    }
    // A part that was last used before the oldest journal was written is named by none. `used` may lag by an hour.
    let oldest: Option<i64> = db.query_row("SELECT min(at) FROM journal", [], |row| row.get(0))?;
    let slack = i64::try_from(USED_EVERY.as_millis()).unwrap_or(0);
    let unused = oldest.map_or(i64::MAX, |at| at - slack);
    gone += db
        .prepare_cached("DELETE FROM journal_part WHERE rowid IN (SELECT rowid FROM journal_part WHERE used < ?1 LIMIT ?2)")?
        .execute(params![unused, most])?;
    Ok(gone)
}

/// Bytes of all journals, and of all parts.
pub fn journal_bytes(db: &Connection) -> rusqlite::Result<(i64, i64)> {
    let sum = |table: &str| {
        db.prepare_cached(&format!("SELECT coalesce(sum(length(data)), 0) FROM {table}"))?.query_row([], |row| row.get(0))
    };
    Ok((sum("journal")?, sum("journal_part")?))
}

fn digest(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Digest> {
    row.get(column).map(Digest)
}

fn journal_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<JournalRow> {
    Ok(JournalRow { run: RunId(row.get("run")?), at: instant(row, "at")?, scene: digest(row, "scene")?, data: row.get("data")? })
}

/// The journal of a run.
pub fn journal(db: &Connection, run: RunId) -> rusqlite::Result<Option<JournalRow>> {
    db.prepare_cached("SELECT * FROM journal WHERE run = ?1")?.query_row([run.0], journal_row).optional()
}

/// The latest journals, newest first.
pub fn latest(db: &Connection, most: u32) -> rusqlite::Result<Vec<JournalRow>> {
    db.prepare_cached("SELECT * FROM journal ORDER BY run DESC LIMIT ?1")?.query_map([most], journal_row)?.collect()
}

/// A part.
pub fn part(db: &Connection, digest: Digest) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT data FROM journal_part WHERE digest = ?1")?.query_row([digest.0], |row| row.get(0)).optional()
}

/// The versions that run beside the ones in force.
pub fn shadows(db: &Connection) -> rusqlite::Result<Vec<ShadowRow>> {
    db.prepare_cached("SELECT * FROM shadow ORDER BY workflow")?
        .query_map([], |row| {
            Ok(ShadowRow {
                workflow: row.get("workflow")?,
                digest: Digest::parse(&row.get::<_, String>("digest")?).unwrap_or(Digest([0; 32])),
                file: row.get("file")?,
                source: row.get("source")?,
                since: instant(row, "since")?,
                put_by: row.get("put_by")?,
            })
        })?
        .collect()
}

/// What came of comparing a workflow's versions, newest first.
pub fn shadow_runs(db: &Connection, workflow: &str, most: u32) -> rusqlite::Result<Vec<ShadowRun>> {
    db.prepare_cached("SELECT * FROM shadow_run WHERE workflow = ?1 ORDER BY run DESC LIMIT ?2")?
        .query_map(params![workflow, most], |row| {
            Ok(ShadowRun {
                run: RunId(row.get("run")?),
                workflow: row.get("workflow")?,
                digest: Digest::parse(&row.get::<_, String>("digest")?).unwrap_or(Digest([0; 32])),
                at: instant(row, "at")?,
                same: row.get("same")?,
                error: row.get("error")?,
                difference: serde_json::from_str(&row.get::<_, String>("difference")?).unwrap_or_default(),
            })
        })?
        .collect()
}

/// How many comparisons there were, how many of them found no difference, and how many ended in a failure of the version beside.
pub fn shadow_counts(db: &Connection, workflow: &str) -> rusqlite::Result<(i64, i64, i64)> {
    db.query_row("SELECT count(*), coalesce(sum(same), 0), count(error) FROM shadow_run WHERE workflow = ?1", [workflow], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })
}
