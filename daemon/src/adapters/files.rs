//! Files that exist whole or not at all, and are found again by the key of what they carry.
//!
//! In: a folder, a name and bytes; the key of a delivery. Out: a durable file, or a failure with a remedy.
//! Never: shows half a file under a name that somebody reads. Names end in a token of the key, so that a second
//! attempt at the same delivery finds the first one's file.

use crate::domain::{Digest, Language, Timestamp, Zone};
use crate::kinds::{Failure, KindError};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Why a file is not known to be there.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// Certainly not there under its name.
    #[error("{0}")]
    NotDone(io::Error),
    /// The last step was taken and its result is not known.
    #[error("{0}")]
    Unknown(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::NotDone(error)
    }
}

/// The form of a key that stands at the end of file names.
///
/// It holds no `-`, so that `*-token` matches one key only. Short plain keys stay readable; all others become a
/// digest that is longer than any plain one.
pub(super) fn token(key: &str) -> String {
    let plain = (1..=20).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if plain { key.to_owned() } else { Digest::of(key.as_bytes()).to_string()[..24].to_owned() }
}

/// A file name without extension that sorts by time: `2026-11-22-0930-label-token`.
pub(super) fn stem(now: Timestamp, zone: Zone, label: &str, token: &str) -> String {
    let label: String = label
        .chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_ascii_lowercase() } else { '_' })
        .collect();
    format!("{}-{label}-{token}", now.local(zone).format("%Y-%m-%d-%H%M"))
}

/// The stem of the file that ends in `-token.extension`, if there is one. The oldest, should a person have made copies.
pub(super) fn find(folder: &Path, token: &str, extension: &str) -> io::Result<Option<String>> {
    let (tail, dot) = (format!("-{token}.{extension}"), format!(".{extension}"));
    let mut found: Option<String> = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|n| n.ends_with(&tail) && !n.starts_with('.')) else { continue };
        let stem = &name[..name.len() - dot.len()];
        if entry.file_type()?.is_file() && found.as_deref().is_none_or(|f| stem < f) {
            found = Some(stem.to_owned());
        }
    }
    Ok(found)
}

/// Makes the folder, durably, if it is not there.
pub(super) fn open_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Writes a file so that it is there whole and survives a power cut, or is not there.
pub(super) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(folder, name, |file| file.write_all(bytes))
}

/// The same, for content that is produced while it is written.
pub(super) fn write_with(folder: &Path, name: &str, produce: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), WriteError> {
    let temporary = folder.join(temporary_name(name));
    let written = File::create(&temporary).and_then(|mut file| {
        produce(&mut file)?;
        file.sync_all()
    });
    if let Err(error) = written {
        remove_quietly(&temporary);
        return Err(WriteError::NotDone(error));
    }
    if let Err(error) = fs::rename(&temporary, folder.join(name)) {
        remove_quietly(&temporary);
        return Err(if is_definite(&error) { WriteError::NotDone(error) } else { WriteError::Unknown(error) });
    }
    File::open(folder).and_then(|f| f.sync_all()).map_err(WriteError::Unknown)
}

/// Replaces a file that can be made again at any time: whole or not at all, but without waiting for the disk.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(temporary_name(name));
    let done = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, folder.join(name)));
    if done.is_err() {
        remove_quietly(&temporary);
    }
    done
}

/// Named after the key alone, so that what a killed attempt left is overwritten by the next one, an hour later too.
fn temporary_name(name: &str) -> String {
    format!(".{}.tmp", name.rsplit('-').next().unwrap_or(name))
}

/// A left-over hidden file does no harm, and the failure that brought us here is the one to tell.
fn remove_quietly(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, file = %path.display(), "a temporary file could not be removed");
    }
}

/// Whether this failure of a rename says for sure that nothing was renamed.
fn is_definite(error: &io::Error) -> bool {
    let refusals = [
        libc::ENOSPC,
        libc::EDQUOT,
        libc::EROFS,
        libc::EACCES,
        libc::EPERM,
        libc::ENOENT,
        libc::ENOTDIR,
        libc::EISDIR,
        libc::EEXIST,
        libc::ENOTEMPTY,
        libc::ENAMETOOLONG,
        libc::EXDEV,
        libc::ELOOP,
        libc::EINVAL,
        libc::EBUSY,
    ];
    error.raw_os_error().is_some_and(|code| refusals.contains(&code))
}

/// What the daemon does about a failed write, and the sentence for the owner.
pub(super) fn trouble(language: Language, folder: &Path, error: &WriteError) -> KindError {
    match error {
        WriteError::NotDone(e) => KindError::Retry(failure(language, folder, e), None),
        WriteError::Unknown(e) => KindError::Uncertain(failure(language, folder, e)),
    }
}

/// The sentence for a folder that cannot be read or written.
pub(super) fn failure(language: Language, folder: &Path, error: &io::Error) -> Failure {
    let at = folder.display();
    let (code, fr, en) = match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => (
            "disk-full",
            format!(
                "Le disque du dossier «\u{a0}{at}\u{a0}» est plein. Libérez de la place\u{a0}; l'envoi sera refait tout seul."
            ),
            format!("The disk that holds the folder \"{at}\" is full. Make room; this is tried again by itself."),
        ),
        Some(libc::EROFS) => (
            "folder-read-only",
            format!(
                "Le dossier «\u{a0}{at}\u{a0}» est en lecture seule. Ouvrez-le en écriture (montage, ou ReadWritePaths du \
                 service), ou choisissez un autre dossier."
            ),
            format!(
                "The folder \"{at}\" is read-only. Make it writable (mount options, or the service's ReadWritePaths) or choose \
                 another folder."
            ),
        ),
        Some(libc::EACCES | libc::EPERM) => (
            "folder-forbidden",
            format!(
                "Le programme n'a pas le droit d'utiliser le dossier «\u{a0}{at}\u{a0}». Donnez ce droit au compte sous lequel il \
                 tourne."
            ),
            format!("The program may not use the folder \"{at}\". Give that right to the user it runs as."),
        ),
        Some(libc::ENOTDIR | libc::EEXIST) => (
            "not-a-folder",
            format!(
                "«\u{a0}{at}\u{a0}» n'est pas un dossier. Renommez le fichier qui est à sa place, ou choisissez un autre dossier."
            ),
            format!("\"{at}\" is not a folder. Rename the file that is in its place, or choose another folder."),
        ),
        Some(libc::ENOENT) => (
            "folder-missing",
            format!(
                "Le dossier «\u{a0}{at}\u{a0}» n'est plus là. Remettez-le en place (disque débranché\u{a0}? dossier renommé\u{a0}?)."
            ),
            format!("The folder \"{at}\" is gone. Put it back (a disk unplugged? a folder renamed?)."),
        ),
        _ => (
            "folder-failed",
            format!("Le dossier «\u{a0}{at}\u{a0}» ne répond pas comme il faut ({error}). Vérifiez le disque."),
            format!("The folder \"{at}\" does not work as it should ({error}). Check the disk."),
        ),
    };
    Failure::new(code, language.pick(fr, en))
}

/// The `file:` address of a file, for people to click on.
pub(super) fn address(folder: &Path, name: &str) -> Option<String> {
    let path = std::path::absolute(folder.join(name)).ok()?;
    url::Url::from_file_path(path).ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_sort_by_time_and_hold_nothing_dangerous() {
        let at = Timestamp::parse("2026-11-22T09:30:59+01:00").expect("a time");
        assert_eq!(stem(at, chrono_tz::Europe::Paris, "Face/../Böok", "d12"), "2026-11-22-0930-face____b_ok-d12");
    }

    #[test]
    fn a_file_is_found_by_its_own_key_only() {
        let dir = tempfile::tempdir().expect("a folder");
        for key in ["d1", "d11", "a-d1", "D1", "../d1", ""] {
            let name = format!("2026-11-22-0930-x-{}.md", token(key));
            write_whole(dir.path(), &name, key.as_bytes()).expect("written");
        }
        for key in ["d1", "d11", "a-d1", "D1", "../d1", ""] {
            let stem = find(dir.path(), &token(key), "md").expect("read").expect("found");
            assert_eq!(fs::read(dir.path().join(format!("{stem}.md"))).expect("read"), key.as_bytes());
        }
        assert_eq!(find(dir.path(), "1", "md").expect("read"), None);
        assert!(fs::read_dir(dir.path()).expect("read").count() == 6, "no temporary file stays");
    }

    #[test]
    fn every_refusal_has_a_code_and_a_remedy() {
        for (code, name) in [
            (libc::ENOSPC, "disk-full"),
            (libc::EROFS, "folder-read-only"),
            (libc::EACCES, "folder-forbidden"),
            (libc::ENOTDIR, "not-a-folder"),
            (libc::ENOENT, "folder-missing"),
            (libc::EIO, "folder-failed"),
        ] {
            let error = io::Error::from_raw_os_error(code);
            for language in [Language::Fr, Language::En] {
                let failure = failure(language, Path::new("/srv/posts"), &error);
                assert_eq!(failure.code, name);
                assert!(failure.message.contains("/srv/posts") && failure.message.ends_with('.'), "{}", failure.message);
            }
        }
        assert!(is_definite(&io::Error::from_raw_os_error(libc::ENOSPC)));
        assert!(!is_definite(&io::Error::from_raw_os_error(libc::EIO)), "an input/output error may have taken effect");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("posts");
        fs::write(&path, "in the way").expect("written");
        let error = open_folder(&path).expect_err("refused");
        assert_eq!(failure(Language::En, &path, &error).code, "not-a-folder");
        let error = write_whole(&path, "a", b"").expect_err("refused");
        assert!(matches!(trouble(Language::En, &path, &error), KindError::Retry(f, None) if f.code == "not-a-folder"));
    }

    proptest! {
        #[test]
        fn different_keys_have_different_tokens(a in "[a-zA-Z0-9/_-]{0,30}", b in "[a-zA-Z0-9/_-]{0,30}") {
            prop_assert_eq!(token(&a) == token(&b), a == b);
            prop_assert!(token(&a).bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        }
    }
}
