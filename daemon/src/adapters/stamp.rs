//! How a file looks from outside, to tell cheaply whether it was changed.
//!
//! In: a file's metadata. Out: a value that compares, and when the file was written.
//! Never: reads a file. An equal stamp is a reason to believe that the bytes are the same, not a proof.

use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Its size in bytes.
    pub(super) size: u64,
    inode: u64,
    seconds: i64,
    nanos: i64,
}

impl Stamp {
    /// The stamp of the file with this metadata.
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { size: meta.size(), inode: meta.ino(), seconds: meta.mtime(), nanos: meta.mtime_nsec() }
    }

    /// When the file was written last.
    pub(super) fn time(self) -> Timestamp {
        Timestamp::from_millis(self.seconds.saturating_mul(1_000).saturating_add(self.nanos / 1_000_000))
    }
}
