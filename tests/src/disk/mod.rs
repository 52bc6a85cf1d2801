//! A disk in memory that can lose its power, for SQLite: a VFS.
//!
//! In: what SQLite reads, writes and syncs, and when the power is to go, the disk to be full, a sync to fail. Out: files as they
//! would be found after the power came back: what was synced, and of the rest whatever a seed leaves, sector by sector.
//! Never: forgets what was synced (unless a failed sync is told to), gives a short answer, or touches a real file.

#[cfg(test)]
mod tests;
mod vfs;

use beffroi::clock::Dice;
use beffroi::store::Medium;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use vfs::Shm;

/// The name under which SQLite knows these disks; which one is meant is told by the folder of the file.
pub const VFS: &str = "beffroi-disk";

/// What a disk keeps or loses as a whole.
const SECTOR: usize = 512;

static DISKS: LazyLock<Mutex<BTreeMap<String, Arc<Core>>>> = LazyLock::new(Mutex::default);
static NUMBER: AtomicU64 = AtomicU64::new(0);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// So many bytes were written.
    Write(usize),
    /// What was written so far is to stay.
    Sync,
    /// The file ends here from now on.
    Truncate(u64),
    /// The file is to go.
    Delete,
}

/// One thing that was asked of the disk, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The file's name without its folder.
    pub file: String,
    /// What.
    pub act: Act,
}

/// What stays of what nobody synced when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing of it.
    All,
    /// All of it, as when only the process dies.
    Nothing,
    /// Sector by sector as this seed says: kept, dropped, or torn.
    Seeded(u64),
}

/// How a failing sync leaves what it should have kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// Still to be synced: the next sync that works keeps it.
    Kept,
    /// Taken for clean, as some systems do: only writing it again helps.
    Forgotten,
}

#[derive(Clone)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Default)]
struct Locks {
    shared: u32,
    reserved: bool,
    pending: bool,
}

#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    now: Vec<u8>,
    pending: Vec<Pending>,
    /// The name is on the disk, not only in memory.
    named: bool,
    locks: Locks,
    shm: Option<Arc<Shm>>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    inodes: Vec<Inode>,
    /// Grows with every loss of power: what was open before is of no use any more.
    era: u64,
    off: bool,
    acts: u64,
    off_at: Option<u64>,
    full: bool,
    failing: Option<(u32, Failing)>,
    failed: u64,
    log: Option<Vec<Asked>>,
}

struct Core(Mutex<State>);

/// The disk.
pub struct Disk {
    core: Arc<Core>,
    folder: String,
}

impl Drop for Disk {
    fn drop(&mut self) {
        locked(&DISKS).remove(&self.folder);
    }
}

impl Disk {
    /// A disk whose files seem to lie in this folder. The folder itself is neither read nor written.
    ///
    /// # Panics
    /// When SQLite does not take the VFS.
    pub fn new(folder: &Path) -> Self {
        vfs::register();
        let folder = folder.to_str().expect("a folder of a test has a plain name").to_owned();
        let core = Arc::new(Core(Mutex::default()));
        locked(&DISKS).insert(folder.clone(), core.clone());
        Self { core, folder }
    }

    /// The medium that a store is opened on to lie here, as durable as the daemon's.
    pub fn medium(&self) -> Medium {
        Medium { vfs: Some(VFS), durable: true }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.core.0)
    }

    /// Lets the power go now: everything fails until [`Disk::restore`].
    pub fn cut(&self) {
        self.state().off = true;
    }

    /// Lets the power go in the middle of the n-th act from now (1 is the next): it happens, and is not told to whoever asked.
    pub fn cut_after(&self, acts: u64) {
        let mut state = self.state();
        state.off_at = Some(state.acts + acts);
    }

    /// Nothing is announced any more, and there is room.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.off_at, state.full, state.failing) = (None, false, None);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// From now on there is no room for anything more, or there is again.
    pub fn now_full(&self, full: bool) {
        self.state().full = full;
    }

    /// The next syncs fail, so many of them.
    pub fn fail_syncs(&self, count: u32, how: Failing) {
        self.state().failing = (count > 0).then_some((count, how));
    }

    /// How many writes and syncs have failed because the disk was told to let them.
    pub fn failures(&self) -> u64 {
        self.state().failed
    }

    /// How many times anything was written, synced, cut off or deleted.
    pub fn acts(&self) -> u64 {
        self.state().acts
    }

    /// Remembers from now on what is asked.
    pub fn watch(&self) {
        self.state().log = Some(Vec::new());
    }

    /// What was asked since [`Disk::watch`].
    pub fn asked(&self) -> Vec<Asked> {
        self.state().log.clone().unwrap_or_default()
    }

    /// The power comes back: what is left is what was synced, and of the rest what `loss` says. Whatever was open is lost.
    pub fn restore(&self, loss: Loss) {
        let mut state = self.state();
        state.settle(loss);
        state.era += 1;
        (state.off, state.off_at, state.full, state.failing) = (false, None, false, None);
        for inode in &mut state.inodes {
            (inode.locks, inode.shm) = (Locks::default(), None);
        }
    }

    /// Another disk with what would be left here if the power went now.
    pub fn after(&self, loss: Loss) -> Self {
        let other = Self::new(&PathBuf::from(format!("/disk/{}", NUMBER.fetch_add(1, Ordering::Relaxed))));
        let mine = self.state();
        let mut image = State {
            names: mine.names.clone(),
            durable_names: mine.durable_names.clone(),
            inodes: mine
                .inodes
                .iter()
                .map(|i| Inode { durable: i.durable.clone(), pending: i.pending.clone(), named: i.named, ..Inode::default() })
                .collect(),
            ..State::default()
        };
        for (to, from) in image.inodes.iter_mut().zip(&mine.inodes).filter(|_| loss == Loss::Nothing) {
            to.now.clone_from(&from.now);
        }
        drop(mine);
        image.settle(loss);
        image.names = image.names.iter().map(|(name, at)| (format!("{}/{}", other.folder, file_of(name)), *at)).collect();
        image.durable_names.clone_from(&image.names);
        *other.state() = image;
        other
    }

    /// Opens a database of this disk.
    ///
    /// # Errors
    /// SQLite's.
    pub fn open(&self, file: &str) -> rusqlite::Result<Connection> {
        Connection::open_with_flags_and_vfs(format!("{}/{file}", self.folder), OpenFlags::default(), VFS)
    }
}

impl State {
    /// Counts an act. `Err` when the power is off, or goes off now: then `true` says that the act itself still happens.
    fn act(&mut self, file: &str, act: Act) -> Result<(), bool> {
        if self.off {
            return Err(false);
        }
        self.acts += 1;
        if let Some(log) = &mut self.log {
            log.push(Asked { file: file_of(file).to_owned(), act });
        }
        if self.off_at.is_some_and(|at| self.acts >= at) {
            self.off = true;
            return Err(true);
        }
        Ok(())
    }

    fn settle(&mut self, loss: Loss) {
        let dice = match loss {
            Loss::Seeded(seed) => Some(Dice::seeded(seed)),
            Loss::All | Loss::Nothing => None,
        };
        let chance = |of: u64| dice.as_ref().map_or(0, |d| d.below(of));
        for inode in &mut self.inodes {
            match loss {
                Loss::All => {}
                Loss::Nothing => inode.durable.clone_from(&inode.now),
                Loss::Seeded(_) => {
                    for pending in &inode.pending {
                        match pending {
                            Pending::Length(length) if chance(2) == 0 => inode.durable.resize(*length, 0),
                            Pending::Length(_) => {}
                            Pending::Write { at, bytes } => keep_some(&mut inode.durable, *at, bytes, &chance),
                        }
                    }
                }
            }
            inode.pending.clear();
            inode.now.clone_from(&inode.durable);
        }
        let names_stay = match loss {
            Loss::All => false,
            Loss::Nothing => true,
            Loss::Seeded(_) => chance(2) == 0,
        };
        if names_stay {
            self.durable_names.clone_from(&self.names);
        } else {
            self.names.clone_from(&self.durable_names);
        }
        for inode in &mut self.inodes {
            inode.named = true;
        }
    }

    fn sync(&mut self, ino: usize) {
        let inode = &mut self.inodes[ino];
        for pending in inode.pending.drain(..) {
            match pending {
                Pending::Write { at, bytes } => put(&mut inode.durable, at, &bytes),
                Pending::Length(length) => inode.durable.resize(length, 0),
            }
        }
        if !inode.named {
            // A new file's first sync brings its folder along.
            self.durable_names.clone_from(&self.names);
            self.inodes.iter_mut().for_each(|i| i.named = true);
        }
    }
}

fn file_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if into.len() < at + bytes.len() {
        into.resize(at + bytes.len(), 0);
    }
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Each sector of a write that nobody synced is there, or not, or ends in the middle.
fn keep_some(into: &mut Vec<u8>, at: usize, bytes: &[u8], chance: &impl Fn(u64) -> u64) {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min(((at + from) / SECTOR + 1) * SECTOR - at);
        let kept = match chance(8) {
            0..4 => to - from,
            4..7 => 0,
            _ => usize::try_from(chance(u64::try_from(to - from).expect("a sector is small"))).expect("below that"),
        };
        if kept > 0 {
            put(into, at + from, &bytes[from..from + kept]);
        }
        from = to;
    }
}
