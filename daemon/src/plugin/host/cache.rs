//! Compiled plugins on disk, so that a start does not compile anything.
//!
//! In: a package's digest and the engine that is to run it. Out: the compiled component, from the private folder if it is there
//! and whole, else compiled now and kept.
//! Never: runs a file that another user could have written. What lies in the folder is code that runs with the daemon's rights.

use crate::domain::Digest;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The folder of compiled plugins.
pub(super) struct Cache {
    folder: PathBuf,
    /// Names the engine: its version, its settings, this machine's processor.
    engine: String,
}

impl Cache {
    pub(super) fn new(folder: PathBuf, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { folder, engine: format!("{:016x}", hasher.finish()) }
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.engine))
    }

    /// The component of a package that was compiled before.
    pub(super) fn find(&self, digest: &Digest, engine: &Engine) -> Option<Component> {
        let file = self.file(digest);
        if !file.exists() {
            return None;
        }
        match self.load(&file, engine) {
            Ok(component) => Some(component),
            Err(why) => {
                tracing::warn!(file = %file.display(), "a compiled plugin is not used and is made again: {why}");
                None
            }
        }
    }

    fn load(&self, file: &Path, engine: &Engine) -> Result<Component, String> {
        let owner = owner().map_err(|e| e.to_string())?;
        private(&self.folder, owner, true)?;
        private(file, owner, false)?;
        let sum = sum(file).map_err(|e| e.to_string())?;
        let kept = fs::read_to_string(file.with_extension("sum")).map_err(|e| e.to_string())?;
        if kept.trim() != sum {
            return Err("it is damaged".into());
        }
        // Wasmtime checks by itself that the file comes from this very engine; that its content is what was written is
        // checked above, and that nobody else could write it as well.
        #[allow(unsafe_code, reason = "the file is our own: private folder and file, unchanged since it was compiled here")]
        let component = unsafe { Component::deserialize_file(engine, file) };
        component.map_err(|e| e.to_string())
    }

    /// Compiles a component and keeps the result. When it cannot be kept, it is only slower next time.
    pub(super) fn compile(&self, digest: &Digest, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
        let compiled = engine.precompile_component(wasm)?;
        let file = self.file(digest);
        match self.keep(&file, &compiled) {
            Ok(()) => match self.load(&file, engine) {
                Ok(component) => return Ok(component),
                Err(why) => tracing::warn!(file = %file.display(), "a compiled plugin cannot be used from the cache: {why}"),
            },
            Err(error) => tracing::warn!(file = %file.display(), "a compiled plugin cannot be kept: {error}"),
        }
        Component::new(engine, wasm)
    }

    fn keep(&self, file: &Path, compiled: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // The sum goes first: a file without its sum is made again, a sum without its file is not looked at.
        let sum = of_bytes(compiled);
        write(&file.with_extension("sum"), sum.as_bytes())?;
        write(file, compiled)
    }

    /// Removes what belongs to no installed package or to another engine.
    pub(super) fn keep_only(&self, digests: &[Digest]) {
        let wanted: Vec<PathBuf> = digests.iter().map(|digest| self.file(digest)).collect();
        keep_only(&self.folder, &wanted);
    }
}

/// Removes every compiled plugin but these.
pub(super) fn keep_only(folder: &Path, wanted: &[PathBuf]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = path.extension().is_some_and(|e| e == "cwasm" || e == "sum");
        if ours
            && !wanted.contains(&path.with_extension("cwasm"))
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(file = %path.display(), "an unused compiled plugin cannot be removed: {error}");
        }
    }
}

/// Writes a file that nobody else can read, whole or not at all.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(folder)?;
    let mut out = OpenOptions::new().write(true).mode(0o600).open(draft.path())?;
    out.write_all(bytes)?;
    out.sync_data()?;
    draft.persist(file).map_err(|e| e.error)?;
    Ok(())
}

/// The user that this process runs as.
fn owner() -> io::Result<u32> {
    Ok(fs::metadata("/proc/self")?.uid())
}

fn private(path: &Path, owner: u32, folder: bool) -> Result<(), String> {
    let meta = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    let kind = if folder { meta.is_dir() } else { meta.is_file() && meta.nlink() == 1 };
    if !kind || meta.uid() != owner || meta.mode() & 0o077 != 0 {
        return Err(format!("{} is not private to this user", path.display()));
    }
    Ok(())
}

/// Length and checksum of a file: against damage. Against malice stand the rights of folder and file.
fn sum(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut sum = Sum::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let mut full = 0;
        while full < buffer.len() {
            match file.read(&mut buffer[full..])? {
                0 => break,
                n => full += n,
            }
        }
        sum.add(&buffer[..full]);
        if full < buffer.len() {
            return Ok(sum.end());
        }
    }
}

fn of_bytes(bytes: &[u8]) -> String {
    let mut sum = Sum::default();
    sum.add(bytes);
    sum.end()
}

/// Four lanes of multiply and rotate: as fast as memory, and no single flipped or moved bit goes unseen.
#[derive(Default)]
struct Sum {
    lanes: [u64; 4],
    length: u64,
}

impl Sum {
    /// Adds bytes; only the last piece may have a length that is no multiple of 32.
    fn add(&mut self, bytes: &[u8]) {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.length += bytes.len() as u64;
        let (blocks, rest) = bytes.as_chunks::<32>();
        let mut last = [0; 32];
        last[..rest.len()].copy_from_slice(rest);
        for block in blocks.iter().chain((!rest.is_empty()).then_some(&last)) {
            let (words, _) = block.as_chunks::<8>();
            for (lane, word) in self.lanes.iter_mut().zip(words) {
                *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
            }
        }
    }

    fn end(&self) -> String {
        let [a, b, c, d] = self.lanes;
        format!("{} {a:016x}{b:016x}{c:016x}{d:016x}", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_sees_a_flipped_bit_a_missing_byte_and_pieces_are_the_same_as_the_whole() {
        let mut bytes: Vec<u8> = (0..100_000_u32).map(|n| (n * 7) as u8).collect();
        let whole = of_bytes(&bytes);
        let mut pieces = Sum::default();
        bytes.chunks(64).for_each(|piece| pieces.add(piece));
        assert_eq!(pieces.end(), whole);
        assert_ne!(of_bytes(&bytes[..99_999]), whole);
        bytes[54_321] ^= 4;
        assert_ne!(of_bytes(&bytes), whole);
    }

    #[test]
    fn a_kept_component_is_used_only_while_it_is_whole_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let mut config = wasmtime::Config::new();
        config.wasm_component_model(true);
        let engine = Engine::new(&config).expect("an engine");
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().join("compiled"), &engine);
        let digest = Digest::of(b"an empty component");
        let compile = || cache.compile(&digest, &engine, b"\0asm\x0d\0\x01\0").expect("it compiles");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own file");
        assert!(cache.find(&digest, &engine).is_none());
        compile();
        let file = cache.file(&digest);
        assert!(cache.find(&digest, &engine).is_some());
        mode(&file, 0o644);
        assert!(cache.find(&digest, &engine).is_none(), "others may read it");
        mode(&file, 0o600);
        mode(&cache.folder, 0o755);
        assert!(cache.find(&digest, &engine).is_none(), "others may look into the folder");
        mode(&cache.folder, 0o700);
        let mut bytes = fs::read(&file).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, &bytes).expect("writable");
        assert!(cache.find(&digest, &engine).is_none(), "it is damaged");
        compile();
        assert!(cache.find(&digest, &engine).is_some(), "it was made again");
        fs::rename(&file, file.with_extension("elsewhere")).expect("moved");
        std::os::unix::fs::symlink(file.with_extension("elsewhere"), &file).expect("linked");
        assert!(cache.find(&digest, &engine).is_none(), "a link leads elsewhere");
        cache.keep_only(&[]);
        assert!(!file.exists() && !file.with_extension("sum").exists());
    }
}
