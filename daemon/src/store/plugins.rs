//! What the store knows about plugins: the operations and the questions.
//!
//! In: decisions and writes of plugins, as [`PluginOp`]. Out: rows, all of a change's or none; answers as plain values.
//! Never: decides what a plugin may do, or sees a secret: tokens come sealed.

use super::CommitError;
use crate::domain::Timestamp;
use crate::kinds::{Message, PrivateWrite};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashMap, HashSet};

/// An installed plugin, as decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRow {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The package's digest.
    pub digest: String,
    /// The key that signed it, as minisign writes public keys.
    pub publisher: String,
    /// Its manifest.
    pub manifest: String,
    /// What was granted, as JSON.
    pub rights: String,
    /// Where it came from.
    pub source: String,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// Why it is suspended, and since when.
    pub suspended: Option<(String, Timestamp)>,
}

/// A consent: what was asked for and what was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// The plugin.
    pub plugin: String,
    /// The publisher's key.
    pub publisher: String,
    /// The digest of the rights asked for.
    pub asked: String,
    /// What was granted, as JSON.
    pub rights: String,
    /// Who consented.
    pub by: String,
}

/// One change to what is known of plugins.
#[derive(Debug, Clone)]
pub enum PluginOp {
    /// Installs or replaces a plugin. Refused when another key is pinned to its name.
    Install(Box<PluginRow>),
    /// Removes a plugin with its private state and tokens; its pinned key stays.
    Remove {
        /// The plugin.
        name: String,
    },
    /// Pins a key to a name that has none.
    Pin {
        /// The plugin.
        name: String,
        /// The key.
        key: String,
    },
    /// Pins another key to a name, because a person checked with the author that it changed hands or keys.
    Repin {
        /// The plugin.
        name: String,
        /// The key.
        key: String,
    },
    /// Records a consent.
    Grant(Box<GrantRow>),
    /// Suspends, or resumes with `None`, which also forgets the defects so far.
    Suspend {
        /// The plugin.
        name: String,
        /// Why.
        reason: Option<String>,
    },
    /// Records a defect.
    Crash {
        /// The plugin.
        name: String,
        /// What happened.
        text: String,
    },
    /// Private state.
    State(Vec<PrivateWrite>),
    /// Keeps a session's sealed tokens.
    Token {
        /// The plugin.
        plugin: String,
        /// What the session is for.
        scope: String,
        /// The manifest's name of the credential.
        credential: String,
        /// Sealed, and not empty.
        sealed: Vec<u8>,
    },
    /// Adds to what a generator cost.
    Spend {
        /// The generator.
        generator: String,
        /// Such as `2026-11`.
        month: String,
        /// Millionths of the currency's unit.
        micros: i64,
    },
    /// Takes messages of the public; those known already stay as they are.
    Messages {
        /// The account.
        account: String,
        /// What came.
        messages: Vec<Message>,
    },
    /// Notes how far an account's inbox or figures have been read.
    Reading {
        /// The account.
        account: String,
        /// `inbox` or `metrics`.
        what: &'static str,
        /// Where to go on.
        cursor: Option<String>,
        /// What went wrong.
        error: Option<String>,
    },
    /// The latest figures of posts: remote identifier (empty for the account as a whole), name, value.
    PostMetrics {
        /// The account.
        account: String,
        /// The figures.
        rows: Vec<(String, String, f64)>,
    },
    /// Figures of a whole account on a day: what was counted on it, or how many there are. Replaces what was noted before.
    AccountMetrics {
        /// The account.
        account: String,
        /// Such as `2026-11-22`.
        day: String,
        /// Names and values.
        rows: Vec<(String, f64)>,
    },
}

/// Carries out an operation.
pub(super) fn apply(db: &Connection, op: &PluginOp, at: i64) -> Result<(), CommitError> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| db.prepare_cached(sql)?.execute(values);
    match op {
        PluginOp::Install(p) => {
            let pinned = pinned_key(db, &p.name)?;
            if pinned.as_deref() != Some(&p.publisher) {
                return Err(CommitError::Refused(format!("The key of the plugin {} is not the one pinned to its name.", p.name)));
            }
            run(
                "INSERT INTO plugin (name, version, digest, publisher, manifest, rights, source, installed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (name) DO UPDATE SET version = excluded.version, digest = excluded.digest,
                     publisher = excluded.publisher, manifest = excluded.manifest, rights = excluded.rights,
                     source = excluded.source, installed_at = excluded.installed_at, suspended = NULL, suspended_at = NULL",
                &[&p.name, &p.version, &p.digest, &p.publisher, &p.manifest, &p.rights, &p.source, &at],
            )?;
            run("DELETE FROM plugin_crash WHERE plugin = ?1", &[&p.name])?;
        }
        PluginOp::Remove { name } => {
            for table in ["plugin_state", "token", "plugin_crash"] {
                run(&format!("DELETE FROM {table} WHERE plugin = ?1"), &[name])?;
            }
            if run("DELETE FROM plugin WHERE name = ?1", &[name])? == 0 {
                return Err(CommitError::Refused(format!("There is no plugin {name}.")));
            }
        }
        PluginOp::Pin { name, key } => {
            run("INSERT INTO publisher VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", &[name, key, &at])?;
        }
        PluginOp::Repin { name, key } => {
            run(
                "INSERT INTO publisher VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET key = excluded.key, pinned_at = excluded.pinned_at",
                &[name, key, &at],
            )?;
        }
        PluginOp::Grant(g) => {
            run(
                "INSERT INTO plugin_grant VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET rights = excluded.rights,
                     granted_by = excluded.granted_by, granted_at = excluded.granted_at",
                &[&g.plugin, &g.publisher, &g.asked, &g.rights, &g.by, &at],
            )?;
        }
        PluginOp::Suspend { name, reason } => {
            let since = reason.is_some().then_some(at);
            if run("UPDATE plugin SET suspended = ?2, suspended_at = ?3 WHERE name = ?1", &[name, reason, &since])? == 0 {
                return Err(CommitError::Refused(format!("There is no plugin {name}.")));
            }
            if reason.is_none() {
                run("DELETE FROM plugin_crash WHERE plugin = ?1", &[name])?;
            }
        }
        PluginOp::Crash { name, text } => {
            run("INSERT INTO plugin_crash VALUES (?1, ?2, ?3)", &[name, &at, text])?;
        }
        PluginOp::State(writes) => keep(db, writes)?,
        PluginOp::Token { plugin, scope, credential, sealed } => {
            run(
                "INSERT INTO token VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET sealed = excluded.sealed, at = excluded.at",
                &[plugin, scope, credential, sealed, &at],
            )?;
        }
        PluginOp::Spend { generator, month, micros } => {
            run(
                "INSERT INTO spend VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT DO UPDATE SET micros = micros + excluded.micros, calls = calls + 1",
                &[generator, month, micros],
            )?;
        }
        PluginOp::Messages { account, messages } => {
            for m in messages {
                run(
                    "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
                    &[account, &m.id, &m.kind, &m.author, &m.text, &m.at.millis(), &m.reply_to, &m.url, &at],
                )?;
            }
        }
        PluginOp::Reading { account, what, cursor, error } => {
            run(
                "INSERT INTO reading VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET cursor = excluded.cursor,
                     read_at = excluded.read_at, error = excluded.error",
                &[account, what, cursor, &at, error],
            )?;
        }
        PluginOp::PostMetrics { account, rows } => {
            for (remote_id, name, value) in rows {
                run(
                    "INSERT INTO post_metric VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
                    &[account, remote_id, name, value, &at],
                )?;
            }
        }
        PluginOp::AccountMetrics { account, day, rows } => {
            for (name, value) in rows {
                run(
                    "INSERT INTO metric VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = excluded.value",
                    &[account, name, day, value],
                )?;
            }
        }
    }
    Ok(())
}

/// Writes private state.
pub(super) fn keep(db: &Connection, writes: &[PrivateWrite]) -> Result<(), CommitError> {
    for w in writes {
        match &w.value {
            Some(value) => db
                .prepare_cached(
                    "INSERT INTO plugin_state VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = excluded.value",
                )?
                .execute(params![w.owner, w.scope, w.key, value])?,
            None => db
                .prepare_cached("DELETE FROM plugin_state WHERE plugin = ?1 AND scope = ?2 AND key = ?3")?
                .execute(params![w.owner, w.scope, w.key])?,
        };
    }
    Ok(())
}

/// The key pinned to a plugin's name.
pub fn pinned_key(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT key FROM publisher WHERE plugin = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// Every installed plugin by name, or only the one named.
pub fn plugins(db: &Connection, only: Option<&str>) -> rusqlite::Result<Vec<PluginRow>> {
    let mut question = db.prepare_cached(
        "SELECT name, version, digest, publisher, manifest, rights, source, installed_at, suspended, suspended_at
         FROM plugin WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
    )?;
    let rows = question.query_map([only], |row| {
        let suspended: Option<String> = row.get(8)?;
        let since: Option<i64> = row.get(9)?;
        Ok(PluginRow {
            name: row.get(0)?,
            version: row.get(1)?,
            digest: row.get(2)?,
            publisher: row.get(3)?,
            manifest: row.get(4)?,
            rights: row.get(5)?,
            source: row.get(6)?,
            installed_at: Timestamp::from_millis(row.get(7)?),
            suspended: suspended.zip(since.map(Timestamp::from_millis)),
        })
    })?;
    rows.collect()
}

/// What was granted to a publisher's plugin for these rights.
pub fn granted(db: &Connection, plugin: &str, publisher: &str, asked: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT rights FROM plugin_grant WHERE plugin = ?1 AND publisher = ?2 AND asked = ?3")?
        .query_row(params![plugin, publisher, asked], |row| row.get(0))
        .optional()
}

/// Defects of a plugin since an instant.
pub fn crashes(db: &Connection, plugin: &str, since: Timestamp) -> rusqlite::Result<u32> {
    db.prepare_cached("SELECT count(*) FROM plugin_crash WHERE plugin = ?1 AND at >= ?2")?
        .query_row(params![plugin, since.millis()], |row| row.get(0))
}

/// A value of a plugin's private state.
pub fn private(db: &Connection, plugin: &str, scope: &str, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT value FROM plugin_state WHERE plugin = ?1 AND scope = ?2 AND key = ?3")?
        .query_row(params![plugin, scope, key], |row| row.get(0))
        .optional()
}

/// Keys of a plugin's private state that begin with a prefix, in order, after another one.
pub fn private_keys(
    db: &Connection,
    plugin: &str,
    scope: &str,
    prefix: &str,
    after: &str,
    limit: u32,
) -> rusqlite::Result<Vec<String>> {
    let mut question = db.prepare_cached(
        "SELECT key FROM plugin_state WHERE plugin = ?1 AND scope = ?2 AND key > ?4 AND substr(key, 1, length(?3)) = ?3
         ORDER BY key LIMIT ?5",
    )?;
    let rows = question.query_map(params![plugin, scope, prefix, after, limit], |row| row.get(0))?;
    rows.collect()
}

/// All of a plugin's private state for one purpose, by key.
pub fn private_all(db: &Connection, plugin: &str, scope: &str) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    db.prepare_cached("SELECT key, value FROM plugin_state WHERE plugin = ?1 AND scope = ?2 ORDER BY key")?
        .query_map(params![plugin, scope], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// How many bytes a plugin keeps: keys and values, in all scopes.
pub fn private_bytes(db: &Connection, plugin: &str) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT coalesce(sum(length(key) + length(value)), 0) FROM plugin_state WHERE plugin = ?1")?
        .query_row([plugin], |row| row.get(0))
}

/// A session's sealed tokens.
pub fn token(db: &Connection, plugin: &str, scope: &str, credential: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT sealed FROM token WHERE plugin = ?1 AND scope = ?2 AND credential = ?3")?
        .query_row(params![plugin, scope, credential], |row| row.get(0))
        .optional()
}

/// What a generator cost in a month, in millionths, and in how many calls.
pub fn spent(db: &Connection, generator: &str, month: &str) -> rusqlite::Result<(i64, u32)> {
    let row = db
        .prepare_cached("SELECT micros, calls FROM spend WHERE generator = ?1 AND month = ?2")?
        .query_row([generator, month], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row.unwrap_or_default())
}

/// How far an account's inbox or figures have been read: cursor and moment.
pub fn reading(db: &Connection, account: &str, what: &str) -> rusqlite::Result<Option<(Option<String>, Timestamp)>> {
    db.prepare_cached("SELECT cursor, read_at FROM reading WHERE account = ?1 AND what = ?2")?
        .query_row([account, what], |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?))))
        .optional()
}

/// Why the last reading of an account's inbox or figures did not work out, by account and what.
pub fn reading_errors(db: &Connection) -> rusqlite::Result<Vec<(String, String, String)>> {
    let mut question =
        db.prepare_cached("SELECT account, what, error FROM reading WHERE error IS NOT NULL ORDER BY account, what")?;
    let rows = question.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// The latest figures of an account's posts, by remote identifier and name; the account's own under an empty identifier.
pub fn post_metrics(db: &Connection, account: &str) -> rusqlite::Result<HashMap<(String, String), f64>> {
    let mut question = db.prepare_cached("SELECT remote_id, name, value FROM post_metric WHERE account = ?1")?;
    let rows = question.query_map([account], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    rows.collect()
}

/// The figures of an account on a day, by name.
pub fn account_metrics(db: &Connection, account: &str, day: &str) -> rusqlite::Result<HashMap<String, f64>> {
    let mut question = db.prepare_cached("SELECT name, value FROM metric WHERE account = ?1 AND day = ?2")?;
    let rows = question.query_map([account, day], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Posts of an account that went online since an instant: the network's identifier, and when.
pub fn online_posts(db: &Connection, account: &str, since: Timestamp) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    let mut question = db.prepare_cached(
        "SELECT remote_id, settled_at FROM delivery WHERE target = ?1 AND kind = 'post' AND state = 'online'
         AND remote_id IS NOT NULL AND settled_at >= ?2 ORDER BY settled_at, id",
    )?;
    let rows =
        question.query_map(params![account, since.millis()], |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?))))?;
    rows.collect()
}

/// Which of these messages of an account are known.
pub fn known_messages(db: &Connection, account: &str, ids: &[&str]) -> rusqlite::Result<HashSet<String>> {
    let mut question = db.prepare_cached("SELECT 1 FROM message WHERE account = ?1 AND id = ?2")?;
    let mut known = HashSet::new();
    for id in ids {
        if question.exists(params![account, id])? {
            known.insert((*id).to_owned());
        }
    }
    Ok(known)
}

/// The latest messages of the public, newest first, of one account or of all.
pub fn messages(db: &Connection, account: Option<&str>, limit: u32) -> rusqlite::Result<Vec<(String, Message)>> {
    let mut question = db.prepare_cached(
        "SELECT account, id, kind, author, text, at, reply_to, url FROM message
         WHERE ?1 IS NULL OR account = ?1 ORDER BY at DESC, id LIMIT ?2",
    )?;
    let rows = question.query_map(params![account, limit], |row| {
        let message = Message {
            id: row.get(1)?,
            kind: row.get(2)?,
            author: row.get(3)?,
            text: row.get(4)?,
            at: Timestamp::from_millis(row.get(5)?),
            reply_to: row.get(6)?,
            url: row.get(7)?,
        };
        Ok((row.get(0)?, message))
    })?;
    rows.collect()
}
