//! The one SQLite file: a writer with group commit, read-only views, migrations, backup.
//!
//! In: a [`Change`], applied whole or not at all. Out: rows through [`view`], answers after the commit is on disk.
//! Never: lets anything else write, awaits inside a transaction, or opens a file that is not Beffroi's or is newer than
//! this program.

pub mod because;
pub mod calendar;
mod change;
pub mod health;
pub mod journal;
pub mod ledger;
pub mod outbox;
pub mod plugins;
pub mod view;

pub use change::{
    Change, Committed, DeliveryMove, Fate, FinishedRun, LogLine, MarkRead, NewDelivery, NewOccurrence, NewPost, NewSignal, Op,
    RunState, TriggerKind, Usage,
};
pub use journal::JournalOp;
pub use outbox::{NewFallback, OutboxOp, TakeDown};
pub use plugins::{GrantRow, PluginOp, PluginRow};

use crate::domain::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// "BEFF": marks the file as ours for `file(1)` and for [`Store::open`].
const APPLICATION_ID: i64 = 0x4245_4646;
/// Numbered from 1; only ever added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
];
/// Most changes in one commit: bounds how long the first of them waits.
const BATCH: usize = 256;
/// A file up to this size is looked through for damage when it is opened, which takes some milliseconds. Damage in a larger one
/// is told by the first read that meets it.
const CHECKED_AT_OPEN: i64 = 8 << 20;
/// Read connections kept open: one for every run that may go on at once with the usual limits. Opening one costs as much as
/// several runs, keeping one next to nothing: the one given back last is lent first, so few of them ever grow.
const READERS: usize = 16;

/// Why the store could not be opened. Each sentence carries the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is some other program's database, or no database at all.
    #[error("{} is not a Beffroi database. Name another file under [store] path; this one was left as it is.", .0.display())]
    Foreign(PathBuf),
    /// It was written by a newer program.
    #[error("{} was written by a newer Beffroi (schema {found}, this program knows {known}). Install that version again; the file was left as it is.", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema number.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// Another process is the writer.
    #[error("{} is in use by another Beffroi. Stop that one first, or name another file under [store] path.", .0.display())]
    InUse(PathBuf),
    /// The file is damaged.
    #[error("{} is damaged ({why}). Stop Beffroi, keep a copy of the file, and put back the latest backup.", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        why: String,
    },
    /// The folder or file cannot be opened or written.
    #[error("Cannot open the database {}: {why}. Check that the folder exists, that this user may write there, and that the disk is not full.", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

/// Why a change did not happen. Nothing of it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Something the change was built on is no longer so: build it again.
    #[error("{0} changed meanwhile")]
    Conflict(String),
    /// A rule of the database forbids it.
    #[error("{0}")]
    Refused(String),
    /// The disk is full.
    #[error("The disk that holds the database is full. Free some space; Beffroi goes on by itself.")]
    Full,
    /// Anything else: the sentence with its remedy.
    #[error("{0}")]
    Storage(String),
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Refused(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Storage(format!(
                "The database is damaged ({error}). Stop Beffroi, keep a copy of the file, and put back the latest backup."
            )),
            _ => Self::Storage(format!(
                "The database cannot be read or written: {error}. Check the disk and the file's permissions."
            )),
        }
    }
}

/// The answer to one change, given after its commit is on disk.
pub type Answer = Result<Committed, CommitError>;

enum Reply {
    Channel(mpsc::SyncSender<Answer>),
    Then(Box<dyn FnOnce(Answer) + Send>),
}

impl Reply {
    fn give(self, answer: Answer) {
        match self {
            // Whoever asked may have gone away; the change stands all the same.
            Self::Channel(to) => drop(to.send(answer)),
            Self::Then(then) => then(answer),
        }
    }
}

enum Job {
    Change(Box<Change>, Reply),
    Stop,
}

enum Writer {
    /// A thread of its own that commits whatever has queued up in one transaction.
    Thread { jobs: Sender<Job>, thread: Mutex<Option<JoinHandle<()>>> },
    /// Commits on the calling thread: simulations are deterministic because nothing runs beside them.
    Inline(Mutex<WriteHalf>),
}

/// How changes are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By a writer thread with group commit.
    Threaded,
    /// At once, on the calling thread.
    Inline,
    /// The same in memory: the file, if there is one, is read once and never written. For what is only imagined.
    Imagined,
}

/// What the file lies on. The daemon's is the machine's disk; a test puts one in its place that loses power.
#[derive(Debug, Clone)]
pub struct Medium {
    /// The VFS that SQLite is to use, by its registered name; the machine's own when left out.
    pub vfs: Option<&'static str>,
    /// Whether a commit is answered only when it would survive power loss.
    pub durable: bool,
}

impl Medium {
    /// What goes with a mode: a step's answer and an armed delivery must survive power loss, not only the process. A simulation
    /// need not.
    pub fn of(mode: Mode) -> Self {
        Self { vfs: None, durable: mode == Mode::Threaded }
    }

    fn open(&self, path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let connection = match self.vfs {
            None => Connection::open_with_flags(path, flags),
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        }?;
        keep_plans(&connection)?;
        Ok(connection)
    }
}

/// The store. Cheap to share behind an `Arc`.
pub struct Store {
    path: PathBuf,
    medium: Medium,
    /// Where readers find the database, when it is only in memory.
    memory: Option<String>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    next_run: AtomicI64,
    counters: Arc<Counters>,
    instance: String,
    boot: i64,
    _lock: std::fs::File,
}

/// What the writer has done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Changes committed.
    pub changes: AtomicU64,
    /// Transactions committed: fewer than changes when they were grouped.
    pub commits: AtomicU64,
    /// Changes that may concern a delivery: whoever delivers need not look again before there is another one.
    pub outbox: AtomicU64,
}

impl Store {
    /// Opens the file, or makes it; brings an older one up to date.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is not ours or newer than this program is left untouched.
    pub fn open(path: &Path, mode: Mode) -> Result<Self, OpenError> {
        Self::open_on(path, mode, Medium::of(mode))
    }

    /// The same on another medium than the machine's disk, or with another durability.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(path: &Path, mode: Mode, medium: Medium) -> Result<Self, OpenError> {
        let unusable = |why: String| OpenError::Unusable { path: path.to_owned(), why };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| unusable(e.to_string()))?;
        }
        let lock = Self::lock(path)?;
        let memory = (mode == Mode::Imagined).then(memory_name);
        let mut connection = match &memory {
            Some(memory) => in_memory(path, memory),
            None => medium.open(path, OpenFlags::default()),
        }
        .map_err(|e| unusable(e.to_string()))?;
        Self::prepare(&mut connection, path)?;
        if mode == Mode::Imagined {
            // These two watch over every run, and cost a table of their own each time. What they forbid is an error of the engine, which
            // its tests look for where they stand.
            let drop = "DROP TRIGGER IF EXISTS fate_is_final; DROP TRIGGER IF EXISTS run_is_final;";
            connection.execute_batch(drop).map_err(|e| sorted(path, &e))?;
        }
        let durability = if medium.durable { "FULL" } else { "OFF" };
        connection.pragma_update(None, "synchronous", durability).map_err(|e| sorted(path, &e))?;
        let sort = |error: rusqlite::Error| sorted(path, &error);
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(sort);
        let next_run = number("SELECT coalesce(max(id), 0) + 1 FROM occurrence")?;
        let boot = number("SELECT value + 0 FROM meta WHERE key = 'boots'")?;
        let instance = connection
            .query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| row.get::<_, String>(0))
            .map_err(sort)?;
        let counters = Arc::new(Counters::default());
        let mut half = WriteHalf::new(connection, counters.clone()).map_err(sort)?;
        half.imagined = mode == Mode::Imagined;
        let writer = match mode {
            Mode::Inline | Mode::Imagined => Writer::Inline(Mutex::new(half)),
            Mode::Threaded => {
                let (jobs, queue) = mpsc::channel();
                let thread = std::thread::Builder::new()
                    .name("store".into())
                    .spawn(move || half.serve(&queue))
                    .map_err(|e| unusable(e.to_string()))?;
                Writer::Thread { jobs, thread: Mutex::new(Some(thread)) }
            }
        };
        Ok(Self {
            path: path.to_owned(),
            medium,
            memory,
            writer,
            readers: Mutex::new(Vec::new()),
            next_run: AtomicI64::new(next_run),
            counters,
            instance,
            boot,
            _lock: lock,
        })
    }

    /// SQLite lets several processes write in turn; two daemons on one ledger must not. The lock ends with the process.
    fn lock(path: &Path) -> Result<std::fs::File, OpenError> {
        let mut name = path.as_os_str().to_owned();
        name.push("-lock");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&name);
        let file = file.map_err(|e| OpenError::Unusable { path: path.to_owned(), why: e.to_string() })?;
        file.try_lock().map_err(|e| match e {
            std::fs::TryLockError::WouldBlock => OpenError::InUse(path.to_owned()),
            std::fs::TryLockError::Error(e) => OpenError::Unusable { path: path.to_owned(), why: e.to_string() },
        })?;
        Ok(file)
    }

    fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
        let sort = |error: rusqlite::Error| sorted(path, &error);
        connection.busy_timeout(Duration::from_secs(2)).map_err(sort)?;
        let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).map_err(sort);
        let (application, version) = (pragma("application_id")?, pragma("user_version")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sort)?;
        let known = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
        if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        if version > known {
            return Err(OpenError::Newer { path: path.to_owned(), found: version, known });
        }
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
                 PRAGMA cache_size = -4000; PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF;",
            )
            .map_err(sort)?;
        let size: i64 = connection
            .query_row("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", [], |row| row.get(0))
            .map_err(sort)?;
        if size <= CHECKED_AT_OPEN {
            let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sort)?;
            if verdict != "ok" {
                let why = verdict.split_whitespace().collect::<Vec<_>>().join(" ");
                return Err(OpenError::Damaged { path: path.to_owned(), why });
            }
        }
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(sort)?;
        for migration in &MIGRATIONS[usize::try_from(version).unwrap_or(0)..] {
            transaction.execute_batch(migration).map_err(sort)?;
        }
        transaction
            .execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {known};
                 INSERT OR IGNORE INTO meta VALUES ('instance', lower(hex(randomblob(8)))), ('boots', '0');
                 UPDATE meta SET value = value + 1 WHERE key = 'boots';"
            ))
            .map_err(sort)?;
        transaction.commit().map_err(sort)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name for this database, chosen when it was made: part of every idempotency key.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// How many times this database was opened for writing, this time included.
    pub fn boot(&self) -> i64 {
        self.boot
    }

    /// What the writer has done since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A number for a new occurrence. Numbers that are never committed leave gaps.
    pub fn next_run(&self) -> crate::domain::RunId {
        crate::domain::RunId(self.next_run.fetch_add(1, Ordering::Relaxed))
    }

    /// Commits a change and waits until it is on disk.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of the change happened then.
    pub fn commit(&self, change: Change) -> Answer {
        match &self.writer {
            Writer::Inline(half) => half.lock().unwrap_or_else(PoisonError::into_inner).commit_one(change),
            Writer::Thread { jobs, .. } => {
                let (to, from) = mpsc::sync_channel(1);
                let gone = || CommitError::Storage("The daemon is stopping.".into());
                jobs.send(Job::Change(Box::new(change), Reply::Channel(to))).map_err(|_| gone())?;
                from.recv().map_err(|_| gone())?
            }
        }
    }

    /// Hands over a change; `then` is called with the answer once it is on disk, on the writer's thread: it must be quick
    /// and must not call [`Store::commit`].
    pub fn submit(&self, change: Change, then: impl FnOnce(Answer) + Send + 'static) {
        match &self.writer {
            Writer::Inline(_) => then(self.commit(change)),
            Writer::Thread { jobs, .. } => {
                if let Err(mpsc::SendError(Job::Change(_, reply))) =
                    jobs.send(Job::Change(Box::new(change), Reply::Then(Box::new(then))))
                {
                    reply.give(Err(CommitError::Storage("The daemon is stopping.".into())));
                }
            }
        }
    }

    /// A read-only connection for one reader at a time.
    ///
    /// # Errors
    /// When the file cannot be opened for reading.
    pub fn read(&self) -> rusqlite::Result<Reader<'_>> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = match &self.memory {
                    Some(memory) => in_memory_again(memory)?,
                    None => self.medium.open(&self.path, flags)?,
                };
                connection.busy_timeout(Duration::from_secs(5))?;
                connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -1000; PRAGMA trusted_schema = OFF;")?;
                connection.set_prepared_statement_cache_capacity(128);
                connection
            }
        };
        Ok(Reader { connection: Some(connection), home: &self.readers })
    }

    /// Writes a whole, compact copy of the database to a new file, while work goes on.
    ///
    /// # Errors
    /// A sentence: the file exists, cannot be written, or does not pass its check.
    pub fn backup(&self, to: &Path) -> Result<(), String> {
        let source = self.medium.open(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        copied(source, to)
    }
}

/// Writes a whole, compact copy of a database to a new file. Somebody else may be working on it.
///
/// # Errors
/// A sentence: the file exists, cannot be written, or does not pass its check.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    copied(Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY), to)
}

/// `query_only`, set on readers, forbids VACUUM INTO; a connection that can only read the source does not need it.
fn copied(source: rusqlite::Result<Connection>, to: &Path) -> Result<(), String> {
    if to.exists() {
        return Err(format!("{} exists already. Name a new file for the backup.", to.display()));
    }
    let name = to.to_str().ok_or_else(|| "The backup's path is not valid text. Choose another one.".to_owned())?;
    let failed = |e: rusqlite::Error| format!("The backup to {} failed: {e}. Check the folder and the free space.", to.display());
    let done = source.map_err(failed)?.execute("VACUUM INTO ?1", [name]).and_then(|_| {
        let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
    });
    match done {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(format!("The backup {} does not pass its check: {verdict}.", to.display())),
        Err(e) => {
            // A half-written copy must not pass for a backup.
            let _ = std::fs::remove_file(to);
            Err(failed(e))
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The last connection to close tidies up the write-ahead log, and only one that writes can.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Writer::Thread { jobs, thread } = &self.writer {
            let _ = jobs.send(Job::Stop);
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // The last owner may be a callback on the writer's own thread, which cannot wait for itself.
            if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
                let _ = thread.join();
            }
        }
    }
}

/// Opens a database to look into it while no daemon need run. Nothing is written.
///
/// # Errors
/// [`OpenError`]; a file that is not ours or newer than this program.
pub fn look_into(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |why: String| OpenError::Unusable { path: path.to_owned(), why };
    if !path.is_file() {
        return Err(unusable("there is no such file".into()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| unusable(e.to_string()))?;
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (application, version) =
        pragma("application_id").and_then(|a| Ok((a, pragma("user_version")?))).map_err(|e| sorted(path, &e))?;
    let known = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
    match (application, version) {
        (APPLICATION_ID, found) if found > known => Err(OpenError::Newer { path: path.to_owned(), found, known }),
        (APPLICATION_ID, found) if found < known => {
            Err(unusable("it was written by an older Beffroi; start the daemon on it once, which brings it up to date".into()))
        }
        (APPLICATION_ID, _) => Ok(connection),
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// A name for a database in memory that no other of this process has.
fn memory_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("file:imagined-{}?mode=memory&cache=shared", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A database in memory that begins as the file is, or empty when there is no file.
fn in_memory(path: &Path, memory: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(memory, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    keep_plans(&connection)?;
    if path.exists() {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags)?.execute("VACUUM INTO ?1", [memory])?;
    }
    Ok(connection)
}

/// Another connection to a database in memory. It sees what is written at once: one thread drives all of it.
fn in_memory_again(memory: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(memory, flags)?;
    keep_plans(&connection)?;
    connection.execute_batch("PRAGMA read_uncommitted = ON;")?;
    Ok(connection)
}

/// Lets a prepared statement keep its plan whatever values it is given. Otherwise those that name a moment are planned anew each time
/// it moves on, which takes longer than running them.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// What a failure of SQLite while opening means for the owner.
fn sorted(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse(path.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path: path.to_owned(), why: error.to_string() },
        _ => OpenError::Unusable { path: path.to_owned(), why: error.to_string() },
    }
}

/// A borrowed read-only connection.
pub struct Reader<'a> {
    connection: Option<Connection>,
    home: &'a Mutex<Vec<Connection>>,
}

impl Reader<'_> {
    /// Makes everything read until the reader is dropped come from one moment.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn snapshot(self) -> rusqlite::Result<Self> {
        self.execute_batch("BEGIN")?;
        Ok(self)
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a reader holds its connection until it is dropped")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            if !connection.is_autocommit() && connection.execute_batch("COMMIT").is_err() {
                return;
            }
            let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
            if home.len() < READERS {
                home.push(connection);
            }
        }
    }
}

/// The writing connection and the version counter.
struct WriteHalf {
    connection: Connection,
    version: i64,
    counters: Arc<Counters>,
    /// Whether all of this is in memory and forgotten at the end: then one transaction is never ended, and readers see into it.
    imagined: bool,
    /// Why nothing can be written any more: what is only imagined cannot take back a change that failed halfway.
    broken: Option<CommitError>,
}

impl WriteHalf {
    fn new(connection: Connection, counters: Arc<Counters>) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(128);
        let version = connection.query_row(
            "SELECT max((SELECT coalesce(max(version), 0) FROM state), (SELECT coalesce(max(version), 0) FROM mark))",
            [],
            |row| row.get(0),
        )?;
        Ok(Self { connection, version, counters, imagined: false, broken: None })
    }

    fn serve(mut self, queue: &Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut open = true;
        while open {
            match queue.recv() {
                Ok(Job::Change(change, reply)) => batch.push((change, reply)),
                Ok(Job::Stop) | Err(_) => open = false,
            }
            while open && batch.len() < BATCH {
                match queue.try_recv() {
                    Ok(Job::Change(change, reply)) => batch.push((change, reply)),
                    Ok(Job::Stop) => open = false,
                    Err(_) => break,
                }
            }
            self.commit_batch(&mut batch);
        }
    }

    fn commit_one(&mut self, change: Change) -> Answer {
        let (to, from) = mpsc::sync_channel(1);
        self.commit_batch(&mut vec![(Box::new(change), Reply::Channel(to))]);
        from.recv().expect("every change of a batch is answered")
    }

    /// One transaction for the whole batch, answers after the commit.
    ///
    /// A change that fails undoes itself only, which takes a savepoint for each; and with a savepoint SQLite copies every page
    /// before it is written to. What fails in practice is what a change was built on, and that is seen before anything is
    /// written. So the batch is tried without savepoints first, and done again with them if a change fails halfway.
    fn commit_batch(&mut self, batch: &mut Vec<(Box<Change>, Reply)>) {
        if batch.is_empty() {
            return;
        }
        let version = self.version;
        let mut whole = if self.imagined { self.imagine(batch) } else { self.transaction(batch, Self::apply_bare) };
        if let Err(Broken::Halfway) = whole {
            self.version = version;
            whole = self.transaction(batch, Self::apply_alone);
        }
        match whole {
            Ok(answers) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters.changes.fetch_add(answers.iter().filter(|a| a.is_ok()).count() as u64, Ordering::Relaxed);
                if batch.iter().any(|(change, _)| change.ops.iter().any(Op::concerns_deliveries)) {
                    self.counters.outbox.fetch_add(1, Ordering::Relaxed);
                }
                for ((_, reply), answer) in batch.drain(..).zip(answers) {
                    reply.give(answer);
                }
            }
            Err(broken) => {
                let error = match broken {
                    Broken::Whole(error) => error,
                    Broken::Halfway => CommitError::Storage("a change was left half done, and taken back".into()),
                };
                for (_, reply) in batch.drain(..) {
                    reply.give(Err(error.clone()));
                }
            }
        }
    }

    /// Applies the changes of a batch in one transaction. After an error nothing of it is there.
    fn transaction(
        &mut self,
        batch: &[(Box<Change>, Reply)],
        apply: fn(&mut Self, &Change) -> Result<Answer, Broken>,
    ) -> Result<Vec<Answer>, Broken> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = batch.iter().map(|(change, _)| apply(self, change)).collect::<Result<Vec<_>, _>>().and_then(|answers| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(answers)
        });
        if done.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    /// Applies the changes of a batch in the one transaction that is open until the end: beginning and ending one for each took a
    /// third of the time. What fails before it has written anything is answered and forgotten; nothing else can be taken back, and is
    /// not expected: a change is checked before it is applied.
    fn imagine(&mut self, batch: &[(Box<Change>, Reply)]) -> Result<Vec<Answer>, Broken> {
        if let Some(error) = &self.broken {
            return Err(Broken::Whole(error.clone()));
        }
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        let mut answers = Vec::with_capacity(batch.len());
        for (change, _) in batch {
            if let Err(error) = change::check(&self.connection, change) {
                answers.push(Err(error));
                continue;
            }
            self.version += 1;
            let before = self.connection.total_changes();
            let answer = change::apply(&self.connection, change, self.version);
            if let Err(error) = &answer
                && self.connection.total_changes() != before
            {
                let text = format!("A change of the simulation failed halfway ({error}). This is a defect; please report it.");
                self.broken = Some(CommitError::Storage(text.clone()));
                return Err(Broken::Whole(CommitError::Storage(text)));
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Applies one change, unless what it was built on is no longer so.
    fn apply_bare(&mut self, change: &Change) -> Result<Answer, Broken> {
        if let Err(error) = change::check(&self.connection, change) {
            return Ok(Err(error));
        }
        self.version += 1;
        change::apply(&self.connection, change, self.version).map(Ok).map_err(|_| Broken::Halfway)
    }

    /// Applies one change under a savepoint. The outer error is for failures of the transaction as a whole (a full disk may
    /// roll all of it back).
    fn apply_alone(&mut self, change: &Change) -> Result<Answer, Broken> {
        self.connection.prepare_cached("SAVEPOINT change")?.execute([])?;
        self.version += 1;
        let answer = change::check(&self.connection, change).and_then(|()| change::apply(&self.connection, change, self.version));
        if answer.is_err() {
            if self.connection.is_autocommit() {
                return answer.map(Ok).map_err(Broken::Whole);
            }
            self.connection.prepare_cached("ROLLBACK TO change")?.execute([])?;
        }
        self.connection.prepare_cached("RELEASE change")?.execute([])?;
        Ok(answer)
    }
}

/// Why a batch was not committed.
enum Broken {
    /// One of its changes failed after it had begun to write.
    Halfway,
    /// The transaction as a whole failed.
    Whole(CommitError),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Whole(error.into())
    }
}

/// Reads a stored instant.
pub(crate) fn instant(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get::<_, i64>(column).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;
