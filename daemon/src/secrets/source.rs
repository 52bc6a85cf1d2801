//! Where secrets come from: systemd's credentials, files of the owner's, the environment.
//!
//! In: the name of a secret. Out: its text, read at this moment, so that a changed file needs no restart.
//! Never: reads a file that others may read, keeps what it has read, or says any of it.

use super::mask;
use crate::domain::{Language, Secret};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A secret larger than this is some other file.
const LARGEST: u64 = 64 << 10;

/// Looks up a variable of the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The places where secrets are looked for, in this order.
#[derive(Clone)]
pub struct Sources {
    /// systemd's folder of credentials, if there is one.
    pub credentials: Option<PathBuf>,
    /// The configured folder.
    pub folder: PathBuf,
    /// The environment.
    pub environment: Environment,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("credentials", &self.credentials).field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Sources {
    /// Those of this process, with the configured folder.
    pub fn of_process(folder: PathBuf) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|d| !d.is_empty()).map(PathBuf::from);
        Self { credentials, folder, environment: Arc::new(|name| std::env::var(name).ok()) }
    }

    /// The secret of this name.
    ///
    /// # Errors
    /// A sentence that says what to do: it is not there, not the daemon's alone, or not fit for use.
    pub(super) fn read(&self, name: &str, language: Language) -> Result<Secret, String> {
        self.find(name, language)?.ok_or_else(|| {
            let (file, variable) = (self.folder.join(name), variable(name));
            language.pick(
                format!(
                    "Le secret {name} manque. Écrivez-le dans le fichier {} (chmod 600), ou donnez-le par systemd \
                     (LoadCredential={name}:FICHIER), ou dans la variable d'environnement {variable}.",
                    file.display()
                ),
                format!(
                    "The secret {name} is missing. Write it to the file {} (chmod 600), or give it through systemd \
                     (LoadCredential={name}:FILE), or in the environment variable {variable}.",
                    file.display()
                ),
            )
        })
    }

    /// The secret of this name, if there is one.
    ///
    /// # Errors
    /// A sentence, when there is one that cannot be used.
    pub(super) fn find(&self, name: &str, language: Language) -> Result<Option<Secret>, String> {
        if !is_name(name) {
            let shown: String = name.chars().take(80).collect();
            return Err(language.pick(
                format!(
                    "« {shown} » ne peut pas nommer un secret. Utilisez au plus 64 petites lettres sans accent, chiffres, \
                     « - » et « _ »."
                ),
                format!("\"{shown}\" cannot name a secret. Use up to 64 small letters without accents, digits, \"-\" and \"_\"."),
            ));
        }
        // What systemd hands over is its own affair: the folder is this service's alone.
        let given = self.credentials.as_ref().map(|folder| (folder.join(name), false));
        for (path, ours_alone) in given.into_iter().chain([(self.folder.join(name), true)]) {
            if let Some(text) = read_file(&path, ours_alone, language)? {
                return fit(name, &path.display().to_string(), text, language).map(Some);
            }
        }
        let variable = variable(name);
        (self.environment)(&variable).map(|text| fit(name, &variable, text, language)).transpose()
    }
}

/// Names are such that none leads out of a folder.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn variable(name: &str) -> String {
    format!("BEFFROI_SECRET_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Checks what can be said of a secret without knowing what it is for.
fn fit(name: &str, place: &str, mut text: String, language: Language) -> Result<Secret, String> {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.chars().count() < mask::SHORTEST {
        // So short a text could not be hidden in a log without hiding half of the log.
        return Err(language.pick(
            format!(
                "Le secret {name} ({place}) a moins de {} caractères, ce qui n'est pas accepté. Mettez-y le vrai secret.",
                mask::SHORTEST
            ),
            format!(
                "The secret {name} ({place}) has fewer than {} characters, which is not accepted. Put the real one there.",
                mask::SHORTEST
            ),
        ));
    }
    Ok(Secret::new(text))
}

/// A file's text; `None` when there is no such file. `ours_alone` asks that nobody else may read it.
pub(super) fn read_file(path: &Path, ours_alone: bool, language: Language) -> Result<Option<String>, String> {
    let shown = path.display();
    // No link is followed, and a pipe does not keep us waiting.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => {
            return Err(language.pick(
                format!("{shown} est un lien. Mettez-y le fichier lui-même."),
                format!("{shown} is a link. Put the file itself there."),
            ));
        }
        Err(e) => {
            return Err(language.pick(
                format!("{shown} ne peut pas être lu : {e}. Vérifiez que ce fichier appartient à l'utilisateur du service."),
                format!("{shown} cannot be read: {e}. Check that the file belongs to the user the service runs as."),
            ));
        }
    };
    let meta = file.metadata().map_err(|e| format!("{shown}: {e}."))?;
    if !meta.is_file() {
        return Err(language.pick(
            format!("{shown} n'est pas un fichier ordinaire. Mettez le secret dans un fichier."),
            format!("{shown} is not a regular file. Put the secret into a file."),
        ));
    }
    let own = rustix::process::geteuid().as_raw();
    if ours_alone && meta.uid() != own {
        return Err(language.pick(
            format!("{shown} appartient à un autre utilisateur. Exécutez : chown {own} '{shown}' && chmod 600 '{shown}'"),
            format!("{shown} belongs to another user. Run: chown {own} '{shown}' && chmod 600 '{shown}'"),
        ));
    }
    if ours_alone && meta.mode() & 0o177 != 0 {
        return Err(language.pick(
            format!("D'autres que le service peuvent lire {shown}, qui n'est donc pas utilisé. Exécutez : chmod 600 '{shown}'"),
            format!("Others than the service may read {shown}, so it is not used. Run: chmod 600 '{shown}'"),
        ));
    }
    let too_large = || {
        language.pick(
            format!("{shown} dépasse {} Kio : ce n'est pas un secret. Vérifiez le fichier.", LARGEST >> 10),
            format!("{shown} is larger than {} KiB: that is no secret. Check the file.", LARGEST >> 10),
        )
    };
    read_text(file, meta.len(), language.pick("n'est pas du texte lisible", "is not readable text"))
        .map_err(|e| format!("{shown}: {e}."))?
        .ok_or_else(too_large)
        .map(Some)
}

fn read_text(file: File, size: u64, not_text: &str) -> io::Result<Option<String>> {
    if size > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    // One more than allowed, in case it grows while it is read.
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Ok(None);
    }
    // The error of the conversion would carry the bytes.
    String::from_utf8(bytes).map(Some).map_err(|_| io::Error::other(not_text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Place {
        dir: tempfile::TempDir,
        sources: Sources,
    }

    fn place(environment: &'static [(&'static str, &'static str)]) -> Place {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sources = Sources {
            credentials: Some(dir.path().join("systemd")),
            folder: dir.path().join("secrets"),
            environment: Arc::new(|name| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())),
        };
        for folder in ["systemd", "secrets"] {
            std::fs::create_dir(dir.path().join(folder)).expect("made");
        }
        Place { dir, sources }
    }

    impl Place {
        fn put(&self, path: &str, text: &[u8], mode: u32) -> PathBuf {
            let path = self.dir.path().join(path);
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            path
        }

        fn read(&self, name: &str) -> Result<String, String> {
            self.sources.read(name, Language::En).map(|s| s.expose().to_owned())
        }
    }

    #[test]
    fn systemd_comes_before_the_folder_and_the_folder_before_the_environment() {
        let place = place(&[("BEFFROI_SECRET_A_KEY", "from-environment")]);
        assert_eq!(place.read("a-key").as_deref(), Ok("from-environment"));
        place.put("secrets/a-key", b"from-folder\n", 0o600);
        assert_eq!(place.read("a-key").as_deref(), Ok("from-folder"));
        place.put("systemd/a-key", b"from-systemd", 0o440);
        assert_eq!(place.read("a-key").as_deref(), Ok("from-systemd"));
        place.put("secrets/a-key", b"changed", 0o600);
        std::fs::remove_file(place.dir.path().join("systemd/a-key")).expect("removed");
        assert_eq!(place.read("a-key").as_deref(), Ok("changed"), "it is read again at every use");
    }

    #[test]
    fn what_is_missing_names_all_three_ways() {
        let sentence = place(&[]).read("blue-sky").expect_err("nothing is there");
        for way in ["secrets/blue-sky", "chmod 600", "LoadCredential=blue-sky:", "BEFFROI_SECRET_BLUE_SKY"] {
            assert!(sentence.contains(way), "{sentence}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_even_if_the_environment_has_one() {
        let place = place(&[("BEFFROI_SECRET_LOOSE", "from-environment")]);
        for mode in [0o644, 0o640, 0o604, 0o660, 0o602, 0o700] {
            let path = place.put("secrets/loose", b"long enough", mode);
            let sentence = place.read("loose").expect_err("loose");
            assert!(sentence.contains(&format!("chmod 600 '{}'", path.display())), "{mode:o}: {sentence}");
            assert!(!sentence.contains("long enough"));
        }
        place.put("secrets/loose", b"long enough", 0o400);
        assert_eq!(place.read("loose").as_deref(), Ok("long enough"));
    }

    #[test]
    fn only_regular_files_of_a_secrets_size_are_read() {
        let place = place(&[]);
        std::os::unix::fs::symlink(place.put("real", b"long enough", 0o600), place.dir.path().join("secrets/link"))
            .expect("linked");
        assert!(place.read("link").expect_err("a link").contains("is a link"));
        std::fs::create_dir(place.dir.path().join("secrets/folder")).expect("made");
        assert!(place.read("folder").expect_err("a folder").contains("not a regular file"));
        place.put("secrets/huge", &vec![b'x'; 65_537], 0o600);
        assert!(place.read("huge").expect_err("huge").contains("larger than 64 KiB"));
        place.put("secrets/full", &vec![b'x'; 65_536], 0o600);
        assert_eq!(place.read("full").map(|s| s.len()), Ok(65_536));
        place.put("secrets/binary", b"\xff\xfe-not-text", 0o600);
        assert!(place.read("binary").expect_err("binary").contains("not readable text"));
    }

    #[test]
    fn one_line_end_is_stripped_and_short_ones_are_refused() {
        let place = place(&[("BEFFROI_SECRET_EMPTY", "")]);
        for (written, read) in
            [("abc def\n", "abc def"), ("abc def\r\n", "abc def"), ("abc def\n\n", "abc def\n"), (" abcdef", " abcdef")]
        {
            place.put("secrets/x", written.as_bytes(), 0o600);
            assert_eq!(place.read("x").as_deref(), Ok(read));
        }
        place.put("secrets/x", b"short\n", 0o600);
        let sentence = place.read("x").expect_err("short");
        assert!(sentence.contains("fewer than 6") && !sentence.contains("short\n"), "{sentence}");
        assert!(place.read("empty").is_err());
    }

    #[test]
    fn a_name_never_leads_anywhere_else() {
        let place = place(&[]);
        place.put("outside", b"long enough", 0o600);
        for name in ["../outside", "/etc/passwd", "a/b", "", ".", "..", "A", "é", "a\0b", &"x".repeat(65)] {
            assert!(place.read(name).expect_err(name).contains("cannot name a secret"));
        }
    }
}
