//! Digests of pictures and films, so that a post can be sealed to the very bytes it shows.
//!
//! In: paths. Out: SHA-256 in hexadecimal; a file that did not change is not read again.
//! Never: keeps the bytes, or answers from memory for a file whose size, time or inode changed.

use super::stamp::Stamp;
use crate::domain::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Remembers the digests of files by path, size and time of change.
#[derive(Debug, Default)]
pub struct MediaCache {
    seen: Mutex<HashMap<PathBuf, (Stamp, String)>>,
}

impl MediaCache {
    /// The SHA-256 of a file in hexadecimal, from memory when the file did not change.
    ///
    /// # Errors
    /// The file cannot be read, or is not a plain file.
    pub fn digest(&self, path: &Path) -> io::Result<String> {
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        }
        let stamp = Stamp::of(&meta);
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some((_, digest)) = known.filter(|(at, _)| *at == stamp) {
            return Ok(digest);
        }
        // The lock is not held while a film is being read.
        let (digest, _) = copy_digesting(&mut File::open(path)?, &mut io::sink())?;
        if Stamp::of(&std::fs::metadata(path)?) == stamp {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), (stamp, digest.clone()));
        }
        Ok(digest)
    }
}

/// Copies everything and says the SHA-256 of what was copied, and how many bytes that were.
pub(super) fn copy_digesting(from: &mut dyn Read, to: &mut dyn io::Write) -> io::Result<(String, u64)> {
    use sha2::Digest as _;
    let mut sum = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((Digest(sum.finalize().into()).to_string(), total)),
            Ok(n) => {
                sum.update(&buffer[..n]);
                to.write_all(&buffer[..n])?;
                total += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// What a browser can do with a file of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Picture,
    Film,
    Other,
}

impl Shape {
    pub(super) fn of(path: &str) -> Self {
        match extension(path).as_str() {
            "jpg" | "jpeg" | "png" | "webp" | "gif" | "avif" | "svg" => Self::Picture,
            "mp4" | "m4v" | "webm" | "mov" => Self::Film,
            _ => Self::Other,
        }
    }
}

/// The extension in lower case, when it is a plain one; else nothing.
pub(super) fn extension(path: &str) -> String {
    let ext = Path::new(path).extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if ext.len() <= 5 && ext.bytes().all(|b| b.is_ascii_alphanumeric()) { ext } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_follows_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("pain.jpg");
        std::fs::write(&path, b"one").expect("written");
        let cache = MediaCache::default();
        assert_eq!(cache.digest(&path).expect("read"), Digest::of(b"one").to_string());
        assert_eq!(cache.digest(&path).expect("read"), Digest::of(b"one").to_string());
        std::fs::write(&path, b"two!").expect("written");
        assert_eq!(cache.digest(&path).expect("read"), Digest::of(b"two!").to_string());
        assert!(cache.digest(dir.path()).is_err(), "a folder has no digest");
    }
}
