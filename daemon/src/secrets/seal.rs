//! Seals what is kept in the database: a copy of the database alone opens no account.
//!
//! In: bytes and what they are for. Out: the same, encrypted and authenticated under this installation's key.
//! Never: opens for one purpose what was sealed for another.

use super::source::{self, Sources};
use crate::domain::{Language, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The name under which an owner may provide the key.
const KEY_NAME: &str = "beffroi-key";
/// The file made where the owner provides none.
const KEY_FILE: &str = "sealing.key";
/// A key shorter than this could be guessed.
const SHORTEST_KEY: usize = 16;
/// The first byte of what is sealed: how it was done.
const FORM: u8 = 1;

/// The keys of this installation.
pub(super) struct Seal {
    state: PathBuf,
    /// The first one seals; all of them open. Made at first use.
    keys: Mutex<Option<Arc<[LessSafeKey]>>>,
}

impl Seal {
    pub(super) fn new(state: &Path) -> Self {
        Self { state: state.to_owned(), keys: Mutex::new(None) }
    }

    /// Seals for a purpose.
    pub(super) fn seal(&self, sources: &Sources, purpose: &str, plain: &[u8], language: Language) -> Result<Vec<u8>, String> {
        let keys = self.keys(sources, language)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| no_chance(language))?;
        let mut sealed = plain.to_vec();
        keys[0]
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut sealed)
            .expect("tokens are far from the longest text this can seal");
        Ok([&[FORM][..], &nonce, &sealed].concat())
    }

    /// Opens what was sealed for a purpose; `None` when it was not, or not here.
    pub(super) fn open(
        &self,
        sources: &Sources,
        purpose: &str,
        sealed: &[u8],
        language: Language,
    ) -> Result<Option<Vec<u8>>, String> {
        let Some((&[FORM], rest)) = sealed.split_first_chunk::<1>() else { return Ok(None) };
        let Some((nonce, content)) = rest.split_first_chunk::<NONCE_LEN>() else { return Ok(None) };
        let keys = self.keys(sources, language)?;
        Ok(keys.iter().find_map(|key| {
            let mut bytes = content.to_vec();
            let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(purpose), &mut bytes).ok()?;
            Some(opened.to_vec())
        }))
    }

    fn keys(&self, sources: &Sources, language: Language) -> Result<Arc<[LessSafeKey]>, String> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = &*keys {
            return Ok(keys.clone());
        }
        let path = self.state.join(KEY_FILE);
        let mut texts: Vec<Secret> = sources.find(KEY_NAME, language)?.into_iter().collect();
        // A key of the owner's may have come later than the file: what was sealed before still opens.
        texts.extend(source::read_file(&path, true, language)?.map(Secret::new));
        if texts.is_empty() {
            texts.push(make(&path, language)?);
        }
        if let Some(short) = texts.iter().position(|t| t.expose().trim().len() < SHORTEST_KEY) {
            let what =
                if short == 0 && texts.len() > 1 { KEY_NAME.to_owned() } else { format!("{KEY_NAME} / {}", path.display()) };
            return Err(language.pick(
                format!(
                    "La clé de scellement ({what}) a moins de {SHORTEST_KEY} caractères. Mettez-y un texte long et aléatoire."
                ),
                format!("The sealing key ({what}) has fewer than {SHORTEST_KEY} characters. Put a long random text there."),
            ));
        }
        let made: Arc<[LessSafeKey]> = texts.iter().map(derive).collect();
        *keys = Some(made.clone());
        Ok(made)
    }
}

/// A key from whatever text the owner or the file holds.
fn derive(text: &Secret) -> LessSafeKey {
    let salt = Salt::new(HKDF_SHA256, b"beffroi sealing key");
    let source = salt.extract(text.expose().trim().as_bytes());
    let okm = source.expand(&[b"tokens"], &CHACHA20_POLY1305).expect("the key is shorter than the longest one HKDF can give");
    LessSafeKey::new(UnboundKey::from(okm))
}

/// Makes the file. It appears whole or not at all, and never replaces another.
fn make(path: &Path, language: Language) -> Result<Secret, String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| no_chance(language))?;
    let text = STANDARD.encode(bytes);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let write = || {
        // Temporary files are their owner's alone from the start.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{text}")?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|e| {
        language.pick(
            format!("La clé {} ne peut pas être écrite : {e}. Vérifiez le dossier et la place libre.", path.display()),
            format!("The key {} cannot be written: {e}. Check the folder and the free space.", path.display()),
        )
    })?;
    Ok(Secret::new(text))
}

fn no_chance(language: Language) -> String {
    language
        .pick(
            "Le système ne donne pas de nombres aléatoires. Redémarrez la machine.",
            "The system gives no random numbers. Restart the machine.",
        )
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn sources(key: Option<&'static str>) -> Sources {
        let environment = Arc::new(move |name: &str| key.filter(|_| name == "BEFFROI_SECRET_BEFFROI_KEY").map(str::to_owned));
        Sources { credentials: None, folder: PathBuf::from("/nonexistent"), environment }
    }

    const EN: Language = Language::En;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_after_a_restart_and_for_no_other() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let none = sources(None);
        let sealed = Seal::new(dir.path()).seal(&none, "a", b"tokens", EN).expect("sealed");
        assert!(!sealed.windows(6).any(|w| w == b"tokens"));
        let again = Seal::new(dir.path());
        assert_eq!(again.open(&none, "a", &sealed, EN), Ok(Some(b"tokens".to_vec())));
        assert_eq!(again.open(&none, "b", &sealed, EN), Ok(None));
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(again.open(&none, "a", &bent, EN), Ok(None), "byte {at}");
            assert_eq!(again.open(&none, "a", &sealed[..at], EN), Ok(None));
        }
        let meta = std::fs::metadata(dir.path().join(KEY_FILE)).expect("made");
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert_ne!(again.seal(&none, "a", b"tokens", EN).expect("sealed"), sealed, "every sealing has its own nonce");
    }

    #[test]
    fn a_key_of_the_owners_comes_first_and_older_tokens_still_open() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let before = Seal::new(dir.path()).seal(&sources(None), "a", b"old", EN).expect("sealed");
        let owned = sources(Some("a key of the owner's"));
        let seal = Seal::new(dir.path());
        assert_eq!(seal.open(&owned, "a", &before, EN), Ok(Some(b"old".to_vec())));
        let after = seal.seal(&owned, "a", b"new", EN).expect("sealed");
        assert_eq!(Seal::new(dir.path()).open(&sources(None), "a", &after, EN), Ok(None), "the file's key does not open it");
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        let moved = Seal::new(elsewhere.path());
        assert_eq!(moved.open(&owned, "a", &after, EN), Ok(Some(b"new".to_vec())));
        assert!(!elsewhere.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_key_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(KEY_FILE), "something known\n").expect("written");
        std::fs::set_permissions(dir.path().join(KEY_FILE), std::fs::Permissions::from_mode(0o644)).expect("set");
        let sentence = Seal::new(dir.path()).seal(&sources(None), "a", b"x", EN).expect_err("loose");
        assert!(sentence.contains("chmod 600"), "{sentence}");
    }
}
