//! What SQLite calls when it wants something of the disk: the table of functions of a VFS.
//!
//! In: SQLite's calls. Out: answers from the model, its locks, and memory that connections share.
//! Never: decides what is lost; the model does.

#![allow(unsafe_code, reason = "SQLite asks for its disk through a table of C functions, and keeps the files' memory itself")]

use super::{Act, Core, DISKS, Failing, Inode, Pending, State, locked, put};
use rusqlite::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::time::Duration;

/// The name under which SQLite knows these disks, for C.
const NAME: &CStr = c"beffroi-disk";

/// Memory that connections share. It stays where it is as long as one of them is there.
pub(super) struct Shm {
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

pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: c_int::try_from(size_of::<File>()).expect("a file is small"),
            mxPathname: 1_024,
            pNext: ptr::null_mut(),
            zName: NAME.as_ptr(),
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
