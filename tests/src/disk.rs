//! A disk in memory that can lose its power, for SQLite: a VFS.
//!
//! In: what SQLite reads, writes and syncs, and when the power is to go, the disk to be full, a sync to fail. Out: files as they
//! would be found after the power came back: what was synced, and of the rest whatever a seed leaves, sector by sector.
//! Never: forgets what was synced (unless a failed sync is told to), gives a short answer, or touches a real file.

#![allow(unsafe_code, reason = "SQLite asks for its disk through a table of C functions, and keeps the files' memory itself")]

use beffroi::clock::Dice;
use beffroi::store::Medium;
use rusqlite::{Connection, OpenFlags, ffi};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// The name under which SQLite knows these disks; which one is meant is told by the folder of the file.
pub const VFS: &str = "beffroi-disk";
const VFS_C: &CStr = c"beffroi-disk";

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
        register();
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
        self.state().failing = Some((count, how));
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
                .map(|i| Inode { durable: i.durable.clone(), pending: i.pending.clone(), ..Inode::default() })
                .collect(),
            ..State::default()
        };
        for (to, from) in image.inodes.iter_mut().zip(&mine.inodes) {
            (to.now, to.named) = (from.now.clone(), from.named);
        }
        drop(mine);
        image.settle(loss);
        let moved = |names: &BTreeMap<String, usize>| {
            names.iter().map(|(name, at)| (format!("{}/{}", other.folder, file_of(name)), *at)).collect::<BTreeMap<_, _>>()
        };
        image.names = moved(&image.names);
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

/// Memory that connections share. It stays where it is as long as one of them is there.
struct Shm {
    regions: Mutex<Vec<Region>>,
    /// Above zero: so many share it; -1: one has it alone.
    locks: Mutex<[i32; ffi::SQLITE_SHM_NLOCK as usize]>,
}

struct Region {
    start: *mut u64,
    words: usize,
}

// SAFETY: a region is plain memory; who may use which part of it when is SQLite's affair, by its locks and barriers.
unsafe impl Send for Region {}

impl Region {
    fn new(bytes: usize) -> Self {
        let words = bytes.div_ceil(8);
        Self { start: Box::into_raw(vec![0_u64; words].into_boxed_slice()).cast(), words }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: made by `Region::new` from a box of as many words, and given back once.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(self.start, self.words)) });
    }
}

/// What SQLite keeps for an open file.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

struct Handle {
    core: Arc<Core>,
    name: String,
    ino: usize,
    era: u64,
    lock: c_int,
    reserved: bool,
    shm: Option<Arc<Shm>>,
    shared: u8,
    alone: u8,
    goes_at_close: bool,
}

impl Handle {
    /// The disk, unless it is off or was off since the file was opened.
    fn on(&self) -> Option<MutexGuard<'_, State>> {
        let state = locked(&self.core.0);
        (!state.off && state.era == self.era).then_some(state)
    }
}

/// # Safety
/// `file` is an open file of this VFS, and nobody else uses it meanwhile.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: `open` put a box there that `close` takes away; SQLite uses a file from one thread at a time.
    unsafe { &mut *(*file.cast::<File>()).handle }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: c_int::try_from(size_of::<File>()).expect("a file is small"),
            mxPathname: 1_024,
            pNext: ptr::null_mut(),
            zName: VFS_C.as_ptr(),
            pAppData: ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: None,
            xCurrentTimeInt64: Some(current_time_millis),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: the table lives as long as the process, and so does everything it points to.
        let answer = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) };
        assert_eq!(answer, ffi::SQLITE_OK, "SQLite takes the disk");
    });
}

/// # Safety
/// `name` is null or a text that ends in a zero.
unsafe fn text(name: *const c_char) -> Option<String> {
    // SAFETY: as above.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

fn core_of(name: &str) -> Option<Arc<Core>> {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    locked(&DISKS).get(folder).cloned()
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for a `File`, and a name or null.
    unsafe {
        let out = file.cast::<File>();
        (*out).base.pMethods = ptr::null();
        let name = text(name);
        // A file without a name is for this connection alone, and needs no disk of its own.
        let core = match &name {
            Some(name) => core_of(name),
            None => Some(Arc::new(Core(Mutex::default()))),
        };
        let Some(core) = core else { return ffi::SQLITE_CANTOPEN };
        let name = name.unwrap_or_else(|| "temporary".into());
        let (ino, era) = {
            let mut state = locked(&core.0);
            if state.off {
                return ffi::SQLITE_IOERR;
            }
            let known = state.names.get(&name).copied();
            let ino = match known {
                Some(ino) => ino,
                None if flags & ffi::SQLITE_OPEN_CREATE == 0 => return ffi::SQLITE_CANTOPEN,
                None => {
                    state.inodes.push(Inode::default());
                    let ino = state.inodes.len() - 1;
                    state.names.insert(name.clone(), ino);
                    ino
                }
            };
            (ino, state.era)
        };
        let goes_at_close = flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
        let new = Handle {
            core,
            name,
            ino,
            era,
            lock: ffi::SQLITE_LOCK_NONE,
            reserved: false,
            shm: None,
            shared: 0,
            alone: 0,
            goes_at_close,
        };
        (*out).handle = Box::into_raw(Box::new(new));
        (*out).base.pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: an open file, closed once.
    unsafe {
        unlock(file, ffi::SQLITE_LOCK_NONE);
        shm_unmap(file, 0);
        let handle = Box::from_raw((*file.cast::<File>()).handle);
        if handle.goes_at_close
            && let Some(mut state) = handle.on()
        {
            state.names.remove(&handle.name);
        }
        (*file).pMethods = ptr::null();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, amount: c_int, at: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file and room for as many bytes.
    let (handle, into) = unsafe { (handle(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), size(amount))) };
    let Some(state) = handle.on() else { return ffi::SQLITE_IOERR_READ };
    let bytes = &state.inodes[handle.ino].now;
    let from = offset(at).min(bytes.len());
    let there = (bytes.len() - from).min(into.len());
    into[..there].copy_from_slice(&bytes[from..from + there]);
    into[there..].fill(0);
    if there < into.len() { ffi::SQLITE_IOERR_SHORT_READ } else { ffi::SQLITE_OK }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, amount: c_int, at: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file and as many bytes.
    let (handle, bytes) = unsafe { (handle(file), std::slice::from_raw_parts(from.cast::<u8>(), size(amount))) };
    let Some(mut state) = handle.on() else { return ffi::SQLITE_IOERR_WRITE };
    let at = offset(at);
    if state.full && at + bytes.len() > state.inodes[handle.ino].now.len() {
        state.failed += 1;
        return ffi::SQLITE_FULL;
    }
    let acted = state.act(&handle.name, Act::Write(bytes.len()));
    if acted != Err(false) {
        let inode = &mut state.inodes[handle.ino];
        put(&mut inode.now, at, bytes);
        inode.pending.push(Pending::Write { at, bytes: bytes.to_vec() });
    }
    if acted.is_ok() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_WRITE }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let Some(mut state) = handle.on() else { return ffi::SQLITE_IOERR_TRUNCATE };
    let acted = state.act(&handle.name, Act::Truncate(u64::try_from(length).unwrap_or(0)));
    if acted != Err(false) {
        let inode = &mut state.inodes[handle.ino];
        inode.now.resize(offset(length), 0);
        inode.pending.push(Pending::Length(offset(length)));
    }
    if acted.is_ok() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_TRUNCATE }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let Some(mut state) = handle.on() else { return ffi::SQLITE_IOERR_FSYNC };
    if let Some((left, how)) = state.failing {
        state.failing = (left > 1).then_some((left - 1, how));
        state.failed += 1;
        if how == Failing::Forgotten {
            state.inodes[handle.ino].pending.clear();
        }
        return ffi::SQLITE_IOERR_FSYNC;
    }
    match state.act(&handle.name, Act::Sync) {
        Ok(()) => {
            state.sync(handle.ino);
            ffi::SQLITE_OK
        }
        // The power goes while the disk is at it: what has been written is decided when it comes back.
        Err(_) => ffi::SQLITE_IOERR_FSYNC,
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file and room for a number.
    let handle = unsafe { handle(file) };
    let Some(state) = handle.on() else { return ffi::SQLITE_IOERR_FSTAT };
    let length = state.inodes[handle.ino].now.len();
    // SAFETY: as above.
    unsafe { *out = ffi::sqlite3_int64::try_from(length).expect("it fits into memory") };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    if handle.lock >= wanted {
        return ffi::SQLITE_OK;
    }
    let core = handle.core.clone();
    let mut state = locked(&core.0);
    if state.off || state.era != handle.era {
        return ffi::SQLITE_IOERR_LOCK;
    }
    let locks = &mut state.inodes[handle.ino].locks;
    if wanted == ffi::SQLITE_LOCK_SHARED {
        if locks.pending {
            return ffi::SQLITE_BUSY;
        }
        locks.shared += 1;
    } else if wanted == ffi::SQLITE_LOCK_RESERVED {
        if locks.reserved || locks.pending {
            return ffi::SQLITE_BUSY;
        }
        (locks.reserved, handle.reserved) = (true, true);
    } else {
        let mine = handle.lock == ffi::SQLITE_LOCK_PENDING;
        if (locks.pending && !mine) || (locks.reserved && !handle.reserved) {
            return ffi::SQLITE_BUSY;
        }
        locks.pending = true;
        handle.lock = ffi::SQLITE_LOCK_PENDING;
        if locks.shared > 1 {
            return ffi::SQLITE_BUSY;
        }
    }
    handle.lock = wanted;
    ffi::SQLITE_OK
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    if handle.lock <= wanted {
        return ffi::SQLITE_OK;
    }
    let core = handle.core.clone();
    let mut state = locked(&core.0);
    if state.era == handle.era {
        let locks = &mut state.inodes[handle.ino].locks;
        if handle.reserved {
            locks.reserved = false;
        }
        if handle.lock >= ffi::SQLITE_LOCK_PENDING {
            locks.pending = false;
        }
        if wanted == ffi::SQLITE_LOCK_NONE {
            locks.shared -= 1;
        }
    }
    (handle.lock, handle.reserved) = (wanted, false);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file and room for a number.
    let handle = unsafe { handle(file) };
    let Some(state) = handle.on() else { return ffi::SQLITE_IOERR_CHECKRESERVEDLOCK };
    let locks = &state.inodes[handle.ino].locks;
    // SAFETY: as above.
    unsafe { *out = c_int::from(locks.reserved || locks.pending) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn control(_: *mut ffi::sqlite3_file, _op: c_int, _argument: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4_096
}

/// The same as SQLite takes real disks for: a write does no harm beside itself.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file and room for an address.
    let handle = unsafe { handle(file) };
    if handle.shm.is_none() {
        let Some(mut state) = handle.on() else { return ffi::SQLITE_IOERR_SHMMAP };
        let new = || Arc::new(Shm { regions: Mutex::default(), locks: Mutex::default() });
        let shm = state.inodes[handle.ino].shm.get_or_insert_with(new).clone();
        drop(state);
        handle.shm = Some(shm);
    }
    if handle.on().is_none() {
        return ffi::SQLITE_IOERR_SHMMAP;
    }
    let mut regions = locked(&handle.shm.as_ref().expect("taken above").regions);
    while extend != 0 && regions.len() <= size(region) {
        regions.push(Region::new(size(bytes)));
    }
    // SAFETY: as above.
    unsafe { *out = regions.get(size(region)).map_or(ptr::null_mut(), |r| r.start.cast()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let unlocks = flags & ffi::SQLITE_SHM_UNLOCK != 0;
    if !unlocks && handle.on().is_none() {
        return ffi::SQLITE_IOERR_SHMLOCK;
    }
    let Some(shm) = handle.shm.clone() else { return ffi::SQLITE_IOERR_SHMLOCK };
    let mut locks = locked(&shm.locks);
    let slots = size(first)..size(first + count);
    let mask = slots.clone().fold(0_u8, |mask, slot| mask | 1 << slot);
    if unlocks {
        for slot in slots {
            if handle.alone & (1 << slot) != 0 {
                locks[slot] = 0;
            } else if handle.shared & (1 << slot) != 0 {
                locks[slot] -= 1;
            }
        }
        (handle.shared, handle.alone) = (handle.shared & !mask, handle.alone & !mask);
    } else if flags & ffi::SQLITE_SHM_SHARED != 0 {
        for slot in slots {
            if handle.shared & (1 << slot) == 0 {
                if locks[slot] < 0 {
                    return ffi::SQLITE_BUSY;
                }
                locks[slot] += 1;
                handle.shared |= 1 << slot;
            }
        }
    } else {
        if slots.clone().any(|slot| locks[slot] != 0 && handle.alone & (1 << slot) == 0) {
            return ffi::SQLITE_BUSY;
        }
        slots.for_each(|slot| locks[slot] = -1);
        handle.alone |= mask;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle(file) };
    let Some(shm) = handle.shm.take() else { return ffi::SQLITE_OK };
    {
        let mut locks = locked(&shm.locks);
        for slot in 0..locks.len() {
            if handle.alone & (1 << slot) != 0 {
                locks[slot] = 0;
            } else if handle.shared & (1 << slot) != 0 {
                locks[slot] -= 1;
            }
        }
        (handle.shared, handle.alone) = (0, 0);
    }
    let mut state = locked(&handle.core.0);
    if state.era == handle.era {
        let kept = &mut state.inodes[handle.ino].shm;
        // The disk's and this one: nobody else has it open.
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &shm) && Arc::strong_count(kept) == 2) {
            *kept = None;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite gives a name.
    let Some(name) = (unsafe { text(name) }) else { return ffi::SQLITE_IOERR_DELETE };
    let Some(core) = core_of(&name) else { return ffi::SQLITE_IOERR_DELETE };
    let mut state = locked(&core.0);
    if !state.off && !state.names.contains_key(&name) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    let acted = state.act(&name, Act::Delete);
    if acted != Err(false) {
        state.names.remove(&name);
    }
    if acted.is_err() {
        return ffi::SQLITE_IOERR_DELETE;
    }
    if sync_folder != 0 {
        let names = state.names.clone();
        state.durable_names = names;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, _flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a name and room for a number.
    let Some(name) = (unsafe { text(name) }) else { return ffi::SQLITE_IOERR_ACCESS };
    let Some(core) = core_of(&name) else { return ffi::SQLITE_IOERR_ACCESS };
    let state = locked(&core.0);
    if state.off {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    let there = state.names.get(&name).is_some_and(|ino| !state.inodes[*ino].now.is_empty());
    // SAFETY: as above.
    unsafe { *out = c_int::from(there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(_: *mut ffi::sqlite3_vfs, name: *const c_char, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite gives a name, and room for so many bytes.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > size(room) {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, amount: c_int, out: *mut c_char) -> c_int {
    // SAFETY: room for so many bytes.
    unsafe { ptr::write_bytes(out, 7, size(amount)) };
    amount
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    std::thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    micros
}

/// Noon of 1 January 2026, in days since noon of 24 November 4714 before our era.
const JULIAN: i64 = 2_461_042;

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: room for a number.
    #[allow(clippy::cast_precision_loss, reason = "the number is small")]
    unsafe {
        *out = JULIAN as f64;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_millis(_: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: room for a number.
    unsafe { *out = JULIAN * 86_400_000 };
    ffi::SQLITE_OK
}

fn size(number: c_int) -> usize {
    usize::try_from(number).expect("SQLite's sizes are not negative")
}

fn offset(number: ffi::sqlite3_int64) -> usize {
    usize::try_from(number).expect("SQLite's offsets are not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk::new(&PathBuf::from(format!("/disk/test-{}", NUMBER.fetch_add(1, Ordering::Relaxed))))
    }

    fn database(disk: &Disk, synchronous: &str) -> Connection {
        let db = disk.open("a.db").expect("it opens");
        db.execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};")).expect("WAL works here");
        db
    }

    fn count(disk: &Disk) -> i64 {
        let db = disk.open("a.db").expect("it opens");
        assert_eq!(db.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0)).expect("checked"), "ok");
        db.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).expect("counted")
    }

    #[test]
    fn what_was_committed_in_full_mode_survives_and_in_normal_mode_does_not() {
        for (mode, left) in [("FULL", 3), ("NORMAL", 0)] {
            let disk = disk();
            let db = database(&disk, "FULL");
            db.execute_batch("CREATE TABLE t (x)").expect("made");
            db.execute_batch(&format!("PRAGMA synchronous = {mode}")).expect("set");
            for n in 0..3 {
                db.execute("INSERT INTO t VALUES (?1)", [n]).expect("inserted");
            }
            assert_eq!(count(&disk.after(Loss::Nothing)), 3);
            assert_eq!(count(&disk.after(Loss::All)), left, "synchronous = {mode}");
            disk.cut();
            assert!(db.execute("INSERT INTO t VALUES (9)", []).is_err());
            disk.restore(Loss::All);
            assert!(db.execute("INSERT INTO t VALUES (9)", []).is_err(), "what was open before is of no use any more");
            drop(db);
            assert_eq!(count(&disk), left);
        }
    }

    #[test]
    fn connections_on_several_threads_see_what_the_others_commit() {
        let disk = disk();
        let db = database(&disk, "FULL");
        db.execute_batch("CREATE TABLE t (x)").expect("made");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let own = disk.open("a.db").expect("it opens");
                    own.busy_timeout(Duration::from_secs(20)).expect("set");
                    for n in 0..50 {
                        own.execute("INSERT INTO t VALUES (?1)", [n]).expect("inserted");
                        own.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0)).expect("read");
                    }
                });
            }
        });
        assert_eq!(count(&disk), 200);
    }

    #[test]
    fn wherever_the_power_goes_every_acknowledged_commit_is_there_and_the_file_is_whole() {
        for at in 1..400 {
            let disk = disk();
            let db = database(&disk, "FULL");
            db.execute_batch("PRAGMA wal_autocheckpoint = 8; CREATE TABLE t (x)").expect("made");
            disk.cut_after(at);
            let mut done = 0;
            while done < 40 && db.execute("INSERT INTO t VALUES (zeroblob(3000))", []).is_ok() {
                done += 1;
            }
            drop(db);
            disk.restore(Loss::Seeded(at));
            let found = count(&disk);
            assert!(found == done || found == done + 1, "cut at {at}: {done} were acknowledged, {found} are there");
        }
    }

    #[test]
    fn a_full_disk_and_a_failing_sync_refuse_the_commit_and_do_no_harm() {
        let disk = disk();
        let db = database(&disk, "FULL");
        db.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("made");
        disk.now_full(true);
        let full = db.execute("INSERT INTO t VALUES (2)", []).expect_err("no room");
        assert_eq!(full.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
        disk.now_full(false);
        for how in [Failing::Kept, Failing::Forgotten] {
            disk.fail_syncs(1, how);
            db.execute("INSERT INTO t VALUES (3)", []).expect_err("the sync fails");
            db.execute("INSERT INTO t VALUES (4)", []).expect("the next one works");
        }
        assert_eq!(disk.failures(), 3);
        assert_eq!(count(&disk.after(Loss::All)), 3);
        drop(db);
        assert_eq!(count(&disk), 3);
    }

    #[test]
    fn the_disk_tells_in_which_order_it_was_asked() {
        let disk = disk();
        let db = database(&disk, "FULL");
        db.execute_batch("CREATE TABLE t (x)").expect("made");
        disk.watch();
        db.execute("INSERT INTO t VALUES (1)", []).expect("inserted");
        let asked = disk.asked();
        assert!(asked.iter().all(|a| a.file == "a.db-wal"), "{asked:?}");
        assert_eq!(asked.last().map(|a| a.act), Some(Act::Sync), "{asked:?}");
        assert!(matches!(asked[0].act, Act::Write(24)), "a frame begins with its header: {asked:?}");
    }
}
