//! Counts what each thread allocates, so that a run's memory can be limited while it runs.
//!
//! In: every allocation of the process, through the global allocator. Out: for the current thread, the net bytes and
//! pieces it has taken, and its largest single request.
//! Never: refuses an allocation, or says who holds it. Memory counts for the thread that asks for it: what a run hands to
//! another thread stays on its bill until the run ends, and what it frees for another thread lowers the bill.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The process's allocator: the system's, with a tally per thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Requests below this size are not looked at for [`take_largest`].
const LARGE: usize = 1 << 20;

struct Tally {
    bytes: Cell<isize>,
    pieces: Cell<isize>,
    largest: Cell<usize>,
}

thread_local! {
    // Initialised at compile time and without a destructor, so that the allocator may use it at any moment of a thread's life.
    static TALLY: Tally = const { Tally { bytes: Cell::new(0), pieces: Cell::new(0), largest: Cell::new(0) } };
}

#[inline]
fn tally(bytes: isize, pieces: isize, size: usize) {
    TALLY.with(|t| {
        t.bytes.set(t.bytes.get().wrapping_add(bytes));
        t.pieces.set(t.pieces.get().wrapping_add(pieces));
        if size >= LARGE && size > t.largest.get() {
            t.largest.set(size);
        }
    });
}

#[allow(unsafe_code, reason = "a global allocator cannot be written without; every call is passed on unchanged")]
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        tally(layout.size().cast_signed(), 1, layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        tally(-layout.size().cast_signed(), -1, 0);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        tally(layout.size().cast_signed(), 1, layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        tally(size.cast_signed() - layout.size().cast_signed(), 0, size);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What a thread has taken since some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gauge {
    bytes: isize,
    pieces: isize,
}

impl Gauge {
    /// Starts measuring the current thread.
    pub(super) fn start() -> Self {
        take_largest();
        TALLY.with(|t| Self { bytes: t.bytes.get(), pieces: t.pieces.get() })
    }

    /// Net bytes and pieces the current thread has taken since then; 0 when it gave back more than it took.
    #[inline]
    pub(super) fn taken(&self) -> (usize, usize) {
        TALLY.with(|t| {
            let since = |now: isize, then: isize| usize::try_from(now.wrapping_sub(then)).unwrap_or(0);
            (since(t.bytes.get(), self.bytes), since(t.pieces.get(), self.pieces))
        })
    }

    /// The same, as if the current thread had taken so many pieces until now.
    pub(super) fn with_pieces(self, pieces: usize) -> Self {
        TALLY.with(|t| Self { pieces: t.pieces.get().wrapping_sub(pieces.cast_signed()), ..self })
    }
}

/// The current thread's largest single request since this was last asked; 0 when none was large.
pub(super) fn take_largest() -> usize {
    TALLY.with(|t| t.largest.replace(0))
}

/// The current thread's largest single request since [`take_largest`] was last called.
#[inline]
pub(super) fn largest() -> usize {
    TALLY.with(|t| t.largest.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pays_for_what_it_holds_and_only_that() {
        let gauge = Gauge::start();
        let held = vec![0u8; 3 << 20];
        let (bytes, pieces) = gauge.taken();
        assert!((3 << 20..4 << 20).contains(&bytes), "{bytes}");
        assert!(pieces >= 1);
        assert_eq!(take_largest(), 3 << 20);
        let elsewhere = std::thread::spawn(|| vec![0u8; 5 << 20]).join().expect("the thread ends");
        assert!(gauge.taken().0 < 4 << 20);
        drop(held);
        assert!(gauge.taken().0 < 1 << 20);
        drop(elsewhere);
        assert_eq!(gauge.taken().0, 0, "freeing another thread's memory never makes the bill negative");
    }
}
