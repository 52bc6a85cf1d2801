//! The files of the post in hand.
//!
//! In: paths with the digests of when the post was planned. Out: what plugins may know of them, and their bytes.
//! Never: bytes other than those the post was planned and sealed with.

use super::contract::wire;
use crate::domain::{Digest, Language};
use crate::kinds::{KindError, Media};
use sha2::Digest as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// A file of the post.
pub(in crate::plugin) struct Asset {
    pub(super) shown: wire::media::Asset,
    /// The file's name alone: plugins learn nothing of folders.
    name: String,
    digest: String,
    file: File,
    /// Whether the bytes were compared with the digest.
    compared: bool,
}

/// Opens the files of a post.
pub(in crate::plugin) fn open(media: &[Media], language: Language) -> Result<Vec<Asset>, KindError> {
    media.iter().enumerate().map(|(at, medium)| Asset::open(at, medium, language)).collect()
}

impl Asset {
    fn open(at: usize, medium: &Media, language: Language) -> Result<Self, KindError> {
        let opened = File::open(&medium.path).and_then(|mut file| {
            let meta = file.metadata()?;
            if !meta.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
            }
            let mut head = Vec::with_capacity(64);
            (&mut file).take(64).read_to_end(&mut head)?;
            Ok((file, meta.len(), head))
        });
        let (mut file, size, head) = opened.map_err(|error| KindError::media_missing(language, &medium.path, &error))?;
        let media_type = media_type(&medium.path, &head).to_owned();
        let dimensions = if media_type.starts_with("image/") {
            file.seek(SeekFrom::Start(0)).ok();
            let found = imagesize::reader_size(io::BufReader::new(&file)).ok();
            found.and_then(|d| Some((u32::try_from(d.width).ok()?, u32::try_from(d.height).ok()?)))
        } else {
            None
        };
        let shown = wire::media::Asset { id: format!("{}", at + 1), media_type, size, dimensions, alt: medium.alt.clone() };
        let name = std::path::Path::new(&medium.path).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { shown, name, digest: medium.digest.clone(), file, compared: false })
    }

    fn changed(&self, language: Language) -> String {
        let path = &self.name;
        language.pick(
            format!("L'image «\u{a0}{path}\u{a0}» a changé depuis que le post a été préparé. Préparez-le de nouveau."),
            format!("The picture \"{path}\" changed since the post was planned. Plan it again."),
        )
    }

    fn unreadable(&self, language: Language, error: &io::Error) -> String {
        let path = &self.name;
        language.pick(
            format!("L'image «\u{a0}{path}\u{a0}» ne se lit pas ({error}). Remettez-la à sa place."),
            format!("The picture \"{path}\" cannot be read ({error}). Put it back in its place."),
        )
    }

    /// Part of the bytes.
    pub(super) fn read(&mut self, offset: u64, length: u32, language: Language) -> Result<Vec<u8>, String> {
        let size = self.shown.size;
        if offset > size {
            return Err(language.pick(
                format!("Le fichier n'a que {size} octets : rien ne commence à {offset}."),
                format!("The file has only {size} bytes: nothing begins at {offset}."),
            ));
        }
        self.compare(language)?;
        let length = u64::from(length).min(size - offset);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, offset).map_err(|e| self.unreadable(language, &e))?;
        Ok(bytes)
    }

    /// All bytes, which are those that the post was planned with.
    pub(super) fn whole(&self, language: Language) -> Result<Vec<u8>, String> {
        let size = usize::try_from(self.shown.size).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, 0).map_err(|e| self.unreadable(language, &e))?;
        if Digest::of(&bytes).to_string() == self.digest { Ok(bytes) } else { Err(self.changed(language)) }
    }

    /// Compares the bytes with the digest, once per call.
    fn compare(&mut self, language: Language) -> Result<(), String> {
        if self.compared {
            return Ok(());
        }
        let mut sum = sha2::Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut at = 0;
        loop {
            match self.file.read_at(&mut buffer, at) {
                Ok(0) => break,
                Ok(n) => {
                    sum.update(&buffer[..n]);
                    at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unreadable(language, &e)),
            }
        }
        if Digest(sum.finalize().into()).to_string() != self.digest {
            return Err(self.changed(language));
        }
        self.compared = true;
        Ok(())
    }
}

/// What a file is: by its first bytes, or else by its name.
fn media_type(path: &str, head: &[u8]) -> &'static str {
    let at = |from: usize, mark: &[u8]| head.get(from..from + mark.len()) == Some(mark);
    if at(0, b"\x89PNG\r\n\x1a\n") {
        return "image/png";
    } else if at(0, b"\xff\xd8\xff") {
        return "image/jpeg";
    } else if at(0, b"GIF8") {
        return "image/gif";
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        return "image/webp";
    } else if at(4, b"ftypavif") {
        return "image/avif";
    } else if at(0, b"%PDF-") {
        return "application/pdf";
    }
    let name = path.rsplit(['/', '.']).next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "svg" => "image/svg+xml",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GIF of 3 by 2 pixels.
    const GIF: &[u8] = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;";

    #[test]
    fn a_file_gives_its_bytes_only_while_they_are_those_of_the_plan() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pain.jpg");
        std::fs::write(&path, GIF).expect("written");
        let medium = Media { path: path.display().to_string(), alt: "Un pain".into(), digest: Digest::of(GIF).to_string() };
        let mut assets = open(std::slice::from_ref(&medium), Language::En).expect("opened");
        let asset = &mut assets[0];
        assert_eq!((asset.shown.media_type.as_str(), asset.shown.dimensions), ("image/gif", Some((3, 2))));
        assert_eq!(asset.read(0, 3, Language::En).as_deref(), Ok(&b"GIF"[..]));
        assert_eq!(asset.read(14, 100, Language::En).as_deref(), Ok(&b""[..]));
        assert!(asset.read(15, 1, Language::En).is_err());
        std::fs::write(&path, b"GIF89a changed").expect("written");
        let changed = open(&[medium], Language::En).expect("opened");
        assert!(changed[0].whole(Language::En).is_err_and(|e| e.contains("changed")));
    }

    #[test]
    fn a_file_that_is_gone_is_a_final_failure() {
        let medium = Media { path: "/nowhere/pain.jpg".into(), alt: String::new(), digest: String::new() };
        assert!(matches!(open(&[medium], Language::Fr), Err(KindError::Reject(f)) if f.code == "media-missing"));
    }
}
