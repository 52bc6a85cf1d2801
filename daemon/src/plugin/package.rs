//! A plugin as one file: the component, its manifest, and who signed it.
//!
//! In: the bytes of a component or of a package. Out: a [`Package`] that is whole, validated and, where it is signed, proven to be
//! its publisher's; or the sentence that says why not.
//! Never: runs anything, believes a part of the file that the signature does not cover, or shows a linker's text.

mod key;
mod shape;

pub use key::{Publisher, SigningKey};
pub use shape::{ABILITIES, API};

use super::manifest::{self, Manifest};
use crate::domain::Digest;
use crate::problem::Problem;
use std::path::Path;
use std::sync::Arc;

/// The largest package.
pub const LARGEST: usize = 64 << 20;

/// The section that holds the manifest.
const MANIFEST: &str = "beffroi:manifest";
/// The section that holds key and signature; the last one.
const SIGNATURE: &str = "beffroi:signature";
/// How a problem of an embedded manifest names its file.
const MANIFEST_FILE: &str = "beffroi-plugin.toml";

/// Why a file is not taken: a sentence with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A plugin's file, read and found to be whole.
#[derive(Debug, Clone)]
pub struct Package {
    /// The whole file.
    pub bytes: Arc<[u8]>,
    /// Of the whole file.
    pub digest: Digest,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The manifest as it was written.
    pub text: String,
    /// Whose signature it bears; `None` only during development.
    pub publisher: Option<Publisher>,
    /// The interfaces of the contract that it exports, such as `publish` and `inbox`, in the contract's order.
    pub abilities: Vec<&'static str>,
    /// The interfaces of the contract that it imports, such as `http` and `desk`.
    pub imports: Vec<String>,
    /// The functions of the desk that it can call at all, as the contract writes them: `posts-plan`.
    pub desk: Vec<String>,
    /// Abilities of a later contract, which this daemon does not use.
    pub unknown: Vec<String>,
}

impl Package {
    /// Who signed it.
    ///
    /// # Errors
    /// A sentence when nobody did.
    pub fn signed(&self) -> Result<&Publisher, Refused> {
        self.publisher.as_ref().ok_or_else(|| {
            Refused::new("This package is not signed, so nobody answers for it. Its author signs it with: beffroi plugin pack")
        })
    }

    /// Whether it has an ability.
    pub fn can(&self, ability: &str) -> bool {
        self.abilities.contains(&ability)
    }
}

/// Reads a package, signed or not.
///
/// # Errors
/// The first thing that is wrong with it, as a sentence.
pub fn read(bytes: impl Into<Arc<[u8]>>) -> Result<Package, Refused> {
    let bytes = bytes.into();
    let parts = Parts::of(&bytes)?;
    let publisher = match &parts.signature {
        Some(signature) => Some(key::verify(&bytes[..signature.start], section_text(signature)?)?),
        None => None,
    };
    let Some(section) = &parts.manifest else {
        return Err(Refused::new(
            "This component carries no manifest, so it does not say what it is or what it wants. Its author packs it with: \
             beffroi plugin pack",
        ));
    };
    let text = section_text(section)?.to_owned();
    let manifest = manifest_of(&text)?;
    let shape = shape::of(&bytes)?;
    shape.offered(&manifest)?;
    let digest = Digest::of(&bytes);
    Ok(Package {
        digest,
        publisher,
        abilities: shape.abilities,
        imports: shape.imports,
        desk: shape.desk,
        unknown: shape.unknown,
        manifest,
        text,
        bytes,
    })
}

/// Puts a manifest into a component.
///
/// # Errors
/// When this is no component, or it carries a manifest or a signature already.
pub fn embed(component: &[u8], manifest_text: &str) -> Result<Vec<u8>, Refused> {
    let parts = Parts::of(component)?;
    if parts.signature.is_some() || parts.manifest.is_some() {
        return Err(Refused::new("This component carries a manifest already. Pack the file that the compiler wrote."));
    }
    manifest_of(manifest_text)?;
    let mut out = component.to_vec();
    append(&mut out, MANIFEST, manifest_text.as_bytes());
    Ok(out)
}

/// Signs a package, in place of the signature it has, if any.
///
/// # Errors
/// When this is no package, or the key cannot sign.
pub fn sign(bytes: &[u8], key: &SigningKey) -> Result<Vec<u8>, Refused> {
    let unsigned = unsigned(bytes)?;
    let manifest = manifest_of(section_text(&manifest_section(unsigned)?)?)?;
    let text = key.sign(unsigned, &format!("plugin {} {}", manifest.name, manifest.version))?;
    seal(unsigned, &key.publisher(), &text)
}

/// Adds a signature that was made elsewhere, for example with `minisign -S`, over the bytes that [`unsigned`] gives.
///
/// # Errors
/// When this is no package, or the signature is not that of this key over these bytes.
pub fn attach(bytes: &[u8], publisher: &Publisher, signature: &str) -> Result<Vec<u8>, Refused> {
    let unsigned = unsigned(bytes)?;
    manifest_section(unsigned)?;
    seal(unsigned, publisher, &key::plain(signature)?)
}

fn seal(unsigned: &[u8], publisher: &Publisher, signature: &str) -> Result<Vec<u8>, Refused> {
    let text = format!("{}\n{signature}", publisher.as_str());
    key::verify(unsigned, &text)?;
    let mut out = unsigned.to_vec();
    append(&mut out, SIGNATURE, text.as_bytes());
    Ok(out)
}

/// The bytes that a signature covers: all before the section that holds it.
///
/// # Errors
/// When this is no component.
pub fn unsigned(bytes: &[u8]) -> Result<&[u8], Refused> {
    let parts = Parts::of(bytes)?;
    Ok(parts.signature.map_or(bytes, |signature| &bytes[..signature.start]))
}

/// The signature's own file, as `minisign -V` reads it, and the key.
///
/// # Errors
/// When this is no signed component.
pub fn signature(bytes: &[u8]) -> Result<(Publisher, String), Refused> {
    let parts = Parts::of(bytes)?;
    let section = parts.signature.ok_or_else(|| Refused::new("This package is not signed."))?;
    let text = section_text(&section)?;
    let publisher = key::verify(&bytes[..section.start], text)?;
    let signature = text.split_once('\n').map(|(_, signature)| signature.to_owned()).unwrap_or_default();
    Ok((publisher, signature))
}

fn manifest_section(bytes: &[u8]) -> Result<Section<'_>, Refused> {
    let missing =
        || Refused::new("This component carries no manifest. Put beffroi-plugin.toml into it first: beffroi plugin pack");
    Parts::of(bytes)?.manifest.ok_or_else(missing)
}

fn manifest_of(text: &str) -> Result<Manifest, Refused> {
    manifest::parse(text, Path::new(MANIFEST_FILE)).map_err(|problems| {
        let all: String = problems.iter().map(Problem::render).collect();
        Refused(format!("The manifest has mistakes:\n{}", all.trim_end()))
    })
}

/// One of our sections.
#[derive(Debug)]
struct Section<'b> {
    /// Where its header begins.
    start: usize,
    content: &'b [u8],
    name: &'static str,
}

fn section_text<'b>(section: &Section<'b>) -> Result<&'b str, Refused> {
    std::str::from_utf8(section.content)
        .map_err(|_| Refused(format!("The section {} of this package is not text. Get it again from its author.", section.name)))
}

/// The sections that are ours, found by walking over the outermost ones: what lies inside modules is not looked at.
#[derive(Debug, Default)]
struct Parts<'b> {
    manifest: Option<Section<'b>>,
    signature: Option<Section<'b>>,
}

impl<'b> Parts<'b> {
    fn of(bytes: &'b [u8]) -> Result<Self, Refused> {
        component(bytes)?;
        let mut parts = Self::default();
        let mut reader = Cursor { bytes, at: 8 };
        while reader.at < bytes.len() {
            let start = reader.at;
            if parts.signature.is_some() {
                return Err(Refused::new(
                    "Something follows the signature of this package, which nobody signed. Get it again from its author.",
                ));
            }
            let id = reader.byte()?;
            let size = reader.number()?;
            let content = reader.take(size)?;
            if id != 0 {
                continue;
            }
            let mut inside = Cursor { bytes: content, at: 0 };
            let length = inside.number()?;
            let name = inside.take(length)?;
            let rest = &content[inside.at..];
            let (place, name) = match name {
                b"beffroi:manifest" => (&mut parts.manifest, MANIFEST),
                b"beffroi:signature" => (&mut parts.signature, SIGNATURE),
                other if other.starts_with(b"beffroi:") => {
                    let name: String = String::from_utf8_lossy(other).chars().take(60).flat_map(char::escape_debug).collect();
                    return Err(Refused(format!(
                        "This package carries a section \"{name}\", which this daemon does not know. It may need a newer daemon, or be damaged."
                    )));
                }
                _ => continue,
            };
            if place.is_some() {
                return Err(Refused(format!(
                    "This package has two sections {name}, so it is not clear which one counts. Get it again from its author."
                )));
            }
            *place = Some(Section { start, content: rest, name });
        }
        Ok(parts)
    }
}

/// Refuses what is not a component, in words.
fn component(bytes: &[u8]) -> Result<(), Refused> {
    let said = |text: &str| Err(Refused::new(text));
    if bytes.len() > LARGEST {
        return said("This file is larger than 64 MiB, which is more than a plugin may have. Build it for release and strip it.");
    }
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"(module") || start.starts_with(b"(component") {
        return said("This is WebAssembly written as text. Assemble it first, for example with: wasm-tools parse");
    }
    if start.starts_with(b"<") {
        return said("This is a web page, not a plugin. Check the address: it has to lead to the file itself.");
    }
    if bytes.is_empty() {
        return said("This file is empty. Get it again from its author.");
    }
    if !b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) {
        return said("This is not WebAssembly, so it is no plugin. A plugin is one file that ends in .wasm.");
    }
    match bytes.get(4..8) {
        None => Err(cut(bytes.len())),
        Some([0x0d, 0, 1, 0]) => Ok(()),
        Some([1, 0, 0, 0]) => said(
            "This is a core WebAssembly module, not a component. Build it for the target wasm32-wasip2, or make it a component with: \
             wasm-tools component new",
        ),
        Some(other) => Err(Refused(format!(
            "This is WebAssembly of a kind that this daemon does not know (version {}, layer {}). Build it as a component.",
            u16::from_le_bytes([other[0], other[1]]),
            u16::from_le_bytes([other[2], other[3]])
        ))),
    }
}

fn cut(at: usize) -> Refused {
    Refused(format!("This file is damaged or was cut short, at byte {at}. Get it again from its author."))
}

/// Reads forward through bytes.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn byte(&mut self) -> Result<u8, Refused> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| cut(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned number of at most 32 bits, seven at a time.
    fn number(&mut self) -> Result<usize, Refused> {
        let start = self.at;
        let mut out = 0_u64;
        for turn in 0..5 {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f) << (7 * turn);
            if byte & 0x80 == 0 {
                return usize::try_from(out).ok().filter(|_| out <= u64::from(u32::MAX)).ok_or_else(|| cut(start));
            }
        }
        Err(cut(start))
    }

    fn take(&mut self, size: usize) -> Result<&'b [u8], Refused> {
        let end = self.at.checked_add(size).filter(|end| *end <= self.bytes.len()).ok_or_else(|| cut(self.bytes.len()))?;
        let out = &self.bytes[self.at..end];
        self.at = end;
        Ok(out)
    }
}

/// Adds a custom section at the end.
fn append(out: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut inside = Vec::with_capacity(content.len() + name.len() + 2);
    number(&mut inside, name.len());
    inside.extend_from_slice(name.as_bytes());
    inside.extend_from_slice(content);
    out.push(0);
    number(out, inside.len());
    out.extend_from_slice(&inside);
}

fn number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("less than eight bits"));
}
