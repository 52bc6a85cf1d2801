//! Keys and signatures, in minisign's format: what `minisign -V` accepts is accepted here, and the other way round.
//!
//! In: bytes, keys, the text of a signature. Out: a signature's text, or whose it is.
//! Never: takes a signature that could be spelled otherwise: a package has one spelling, so that a changed byte is a refused file.

use super::Refused;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use std::fmt;
use std::io::Cursor;

/// The remark that minisign does not sign. Ours is always the same, so that nobody can write into it.
const REMARK: &str = "untrusted comment: signature of a Beffroi plugin";

/// Who signed: a public key as minisign writes it, 56 letters, digits and signs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Publisher(String);

impl Publisher {
    /// Reads a public key: the line alone, or the whole file of minisign.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let wrong =
            || Refused::new("This is not a publisher's key. A key has 56 letters, digits and signs and begins with \"RW\".");
        if line.len() != 56 || !line.starts_with("RW") {
            return Err(wrong());
        }
        let key = PublicKey::from_base64(line).map_err(|_| wrong())?;
        if key.to_base64() != line || !key.to_bytes().starts_with(b"Ed") {
            return Err(wrong());
        }
        Ok(Self(line.to_owned()))
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's last twelve characters. Its first ones are a number that anybody can choose.
    pub fn short(&self) -> String {
        format!("…{}", &self.0[44..])
    }

    fn key(&self) -> Result<PublicKey, Refused> {
        PublicKey::from_base64(&self.0).map_err(|_| Refused::new("This is not a publisher's key."))
    }
}

impl fmt::Display for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publisher({})", self.0)
    }
}

/// A key that signs.
pub struct SigningKey {
    secret: SecretKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When the machine gives no chance to make one of.
    pub fn generate() -> Result<Self, Refused> {
        let pair = KeyPair::generate_unencrypted_keypair();
        let pair = pair.map_err(|_| Refused::new("This machine gives no random numbers to make a key of."))?;
        Ok(Self { secret: pair.sk, public: pair.pk })
    }

    /// Reads a secret key's file, of ours or of `minisign -G`. One that a password protects needs it.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str, password: Option<&str>) -> Result<Self, Refused> {
        let wrong = || Refused::new("This is not a secret key. Make one with: beffroi plugin key");
        let text = text.trim_end().to_owned() + "\n";
        let boxed = |text: &str| SecretKeyBox::from_string(text).map_err(|_| wrong());
        let plain = match bare(&text) {
            Some(bytes) => SecretKey::from_bytes(&bytes),
            None => boxed(&text)?.into_unencrypted_secret_key(),
        };
        let secret = match plain {
            Ok(secret) => secret,
            Err(_) if !text.starts_with("untrusted comment:") || text.lines().count() < 2 => return Err(wrong()),
            Err(_) => {
                let Some(password) = password else {
                    return Err(Refused::new("A password protects this key. Give it in the environment: BEFFROI_KEY_PASSWORD"));
                };
                let opened = boxed(&text)?.into_secret_key(Some(password.to_owned()));
                opened.map_err(|_| Refused::new("This password does not open the key, or this is not a secret key."))?
            }
        };
        let public = PublicKey::from_secret_key(&secret).map_err(|_| wrong())?;
        Ok(Self { secret, public })
    }

    /// The file to keep, without a password: whoever can read it can sign.
    ///
    /// # Errors
    /// When it cannot be written as text.
    pub fn to_text(&self) -> Result<String, Refused> {
        let text = self.secret.to_box(Some("secret key of a Beffroi publisher")).map(|text| text.to_string());
        text.map_err(|_| Refused::new("This key cannot be written down."))
    }

    /// Its public half.
    pub fn publisher(&self) -> Publisher {
        Publisher(self.public.to_base64())
    }

    /// The signature's file over these bytes; `said` is signed with it.
    pub(super) fn sign(&self, bytes: &[u8], said: &str) -> Result<String, Refused> {
        let remark = REMARK.strip_prefix("untrusted comment: ");
        let signed = minisign::sign(Some(&self.public), &self.secret, Cursor::new(bytes), Some(said), remark);
        signed.map(|signature| signature.to_string()).map_err(|_| Refused::new("This key cannot sign. Make another one."))
    }
}

/// The bytes of a key that `minisign -W` wrote: without a password it writes zeros for the checksum as well.
fn bare(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.lines().nth(1)?.trim()).ok()?;
    (bytes.len() == 158 && bytes[2..4] == [0, 0] && bytes[126..].iter().all(|byte| *byte == 0)).then_some(bytes)
}

/// A signature's file with our remark in place of its own, which is not signed.
pub(super) fn plain(signature: &str) -> Result<String, Refused> {
    let lines: Vec<&str> = signature.lines().map(str::trim_end).collect();
    match lines.as_slice() {
        [_, signed, said, whole, ..] => Ok(format!("{REMARK}\n{signed}\n{said}\n{whole}\n")),
        _ => Err(Refused::new("This is not a signature of minisign: it has four lines.")),
    }
}

/// Whose signature over these bytes this is: the text of the section, a key and a signature's file.
pub(super) fn verify(bytes: &[u8], text: &str) -> Result<Publisher, Refused> {
    let wrong = || Refused::new("The signature of this package is not one that minisign writes. Get it again from its author.");
    let (key, signature) = text.split_once('\n').ok_or_else(wrong)?;
    let publisher = Publisher::parse(key).ok().filter(|publisher| publisher.as_str() == key).ok_or_else(wrong)?;
    let lines: Vec<&str> = signature.split('\n').collect();
    let [remark, signed, said, whole, ""] = lines.as_slice() else { return Err(wrong()) };
    // The lengths of 74 and 64 bytes in base64: the library takes them for granted.
    if *remark != REMARK || signed.len() != 100 || whole.len() != 88 || said.len() > 1_000 {
        return Err(wrong());
    }
    let read = SignatureBox::from_string(signature).map_err(|_| wrong())?;
    if read.to_string() != signature {
        return Err(wrong());
    }
    if read.keynum() != publisher.key()?.keynum() {
        return Err(Refused::new(
            "The key in this package is not the one it was signed with. Somebody put another key in: do not use it.",
        ));
    }
    minisign::verify(&publisher.key()?, &read, Cursor::new(bytes), true, false, false).map_err(|_| {
        Refused::new(
            "The signature does not fit this package: it was changed after it was signed, or is damaged. Get it again from its author.",
        )
    })?;
    Ok(publisher)
}
