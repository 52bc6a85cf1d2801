//! What all targets share: which panics count.
//!
//! In: a check and bytes. Out: the end of the process, with the panic's sentence, when the check does not hold.
//! Never: counts a panic that the daemon itself contains; that is one of its promises.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

static LAST: Mutex<String> = Mutex::new(String::new());

/// Takes the place of the hook that ends the process at every panic, also at those that the daemon catches.
pub fn ready() {
    std::panic::set_hook(Box::new(|about| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = about.to_string();
    }));
}

/// Ends the process when the check does not hold for these bytes.
pub fn judge(check: fn(&[u8]), data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| check(data))).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort();
    }
}
