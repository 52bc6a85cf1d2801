//! A catalog of products kept as a CSV file by a person, a cash register or a shop's export.
//!
//! In: a file in French or English, in any common encoding, and what the last read looked like (the cursor).
//! Out: every product with its stock and price, and remarks about the lines that could not be read.
//! Never: believes a file that is being written, or takes a column that vanished for a stock of nothing.

mod table;
mod text;
mod values;

use super::stamp::Stamp;
use crate::domain::{Currency, Digest, Language, Timestamp};
use crate::kinds::{Call, Catalog, Failure, KindError, StockPage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use table::{Table, Terms};

/// What a column can mean: the keys a configuration may use to name columns.
pub const MEANINGS: [&str; 9] = ["sku", "title", "available", "price", "was", "url", "image", "category", "currency"];

/// The largest file that is read. A catalog of 200,000 products has about 20 MB.
const LARGEST: u64 = 64 << 20;
/// A file that was changed less than this ago may still be being written.
const SETTLING: Duration = Duration::from_secs(60);

/// Reads products from a CSV file.
#[derive(Debug, Clone)]
pub struct CsvCatalog {
    path: PathBuf,
    columns: BTreeMap<String, String>,
    currency: Currency,
}

/// What one read leaves for the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// How the file was read: settings and the version of this reader. Another one makes the cursor void.
    reading: String,
    stamp: Stamp,
    digest: String,
    /// The columns that had a meaning, by meaning.
    columns: BTreeMap<String, String>,
    products: usize,
    newline_at_end: bool,
}

/// The file and the language its sentences are in.
struct Voice<'a> {
    path: &'a Path,
    language: Language,
}

impl Voice<'_> {
    fn say(&self, fr: &str, en: &str) -> String {
        match self.language {
            Language::Fr => format!("{}\u{a0}: {fr}", self.path.display()),
            Language::En => format!("{}: {en}", self.path.display()),
        }
    }

    fn retry(&self, code: &str, fr: &str, en: &str) -> KindError {
        KindError::Retry(Failure::new(code, self.say(fr, en)), None)
    }

    fn reject(&self, code: &str, fr: &str, en: &str) -> KindError {
        KindError::Reject(Failure::new(code, self.say(fr, en)))
    }

    fn writing(&self, fr: &str, en: &str) -> KindError {
        self.retry(
            "csv-half-written",
            &format!("{fr} Il est sans doute en train d'être écrit\u{a0}; la version précédente reste valable et il sera relu."),
            &format!("{en} It is probably being written; the previous version stays valid and this is read again."),
        )
    }
}

impl CsvCatalog {
    /// A catalog in this file. `columns` gives the name of the column for a meaning (see [`MEANINGS`]) where it is not a
    /// usual one; an empty name says that there is no such column. `currency` is that of prices without a sign.
    pub fn new(path: impl Into<PathBuf>, columns: BTreeMap<String, String>, currency: Currency) -> Self {
        Self { path: path.into(), columns, currency }
    }

    fn reading(&self) -> String {
        let settings = format!("1 {:?} {:?}", self.columns, self.currency);
        Digest::of(settings.as_bytes()).short()
    }

    fn look(&self, voice: &Voice<'_>) -> Result<Stamp, KindError> {
        let meta = fs::metadata(&self.path).map_err(|e| unreadable(voice, &e))?;
        if meta.is_dir() {
            return Err(voice.reject(
                "csv-folder",
                "c'est un dossier. Donnez le chemin du fichier CSV lui-même.",
                "this is a folder. Give the path of the CSV file itself.",
            ));
        }
        if !meta.is_file() {
            return Err(voice.reject(
                "csv-no-file",
                "ce n'est pas un fichier ordinaire. Donnez le chemin d'un fichier CSV.",
                "this is not a plain file. Give the path of a CSV file.",
            ));
        }
        if meta.len() > LARGEST {
            return Err(voice.reject(
                "csv-too-large",
                "le fichier dépasse 64 Mo. Exportez seulement les produits en vente.",
                "the file is larger than 64 MB. Export only the products on sale.",
            ));
        }
        Ok(Stamp::of(&meta))
    }

    /// A `.lock` beside the file is the sign of a program that is writing it, unless it has been forgotten there.
    fn locked(&self, now: Timestamp) -> bool {
        let Some(name) = self.path.file_name().map(|n| n.to_string_lossy().into_owned()) else { return false };
        fs::metadata(self.path.with_file_name(format!("{name}.lock")))
            .is_ok_and(|meta| now.since(Stamp::of(&meta).time()) < Duration::from_secs(600))
    }
}

fn unreadable(voice: &Voice<'_>, error: &io::Error) -> KindError {
    match error.kind() {
        io::ErrorKind::NotFound => voice.retry(
            "csv-missing",
            "le fichier n'est pas là. Vérifiez le chemin, ou relancez l'export qui l'écrit.",
            "the file is not there. Check the path, or run the export that writes it.",
        ),
        io::ErrorKind::PermissionDenied => voice.reject(
            "csv-forbidden",
            "le programme n'a pas le droit de lire ce fichier. Donnez le droit de lecture au compte sous lequel il tourne.",
            "the program may not read this file. Give read permission to the user it runs as.",
        ),
        _ => voice.retry(
            "csv-unreadable",
            &format!("le fichier ne se lit pas ({error}). Vérifiez le disque ou le partage réseau."),
            &format!("the file cannot be read ({error}). Check the disk or the network share."),
        ),
    }
}

impl Catalog for CsvCatalog {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<StockPage, KindError> {
        let voice = Voice { path: &self.path, language: call.language };
        let reading = self.reading();
        let former = since.and_then(|c| serde_json::from_str::<Cursor>(c).ok()).filter(|c| c.reading == reading);
        let before = self.look(&voice)?;
        let unchanged = |cursor: Cursor| StockPage {
            as_of: Some(cursor.stamp.time()),
            cursor: serde_json::to_string(&cursor).ok(),
            unchanged: true,
            ..StockPage::default()
        };
        if let Some(same) = former.as_ref().filter(|c| c.stamp == before) {
            return Ok(unchanged(same.clone()));
        }
        if self.locked(call.now) {
            return Err(voice.writing("un fichier .lock se trouve à côté.", "there is a .lock file beside it."));
        }
        let bytes = fs::read(&self.path).map_err(|e| unreadable(&voice, &e))?;
        if self.look(&voice)? != before || bytes.len() as u64 != before.size {
            return Err(voice.writing("le fichier a changé pendant la lecture.", "the file changed while it was being read."));
        }
        if bytes.is_empty() {
            return Err(voice.writing("le fichier est vide.", "the file is empty."));
        }
        let digest = Digest::of(&bytes).to_string();
        if let Some(same) = former.as_ref().filter(|c| c.digest == digest) {
            return Ok(unchanged(Cursor { stamp: before, ..same.clone() }));
        }

        let settled = call.now.since(before.time()) >= SETTLING;
        let text = decoded(&voice, &bytes, settled)?;
        let terms = Terms { voice: &voice, columns: &self.columns, currency: self.currency };
        let table = Table::read(&terms, &text)?;
        if let Some(former) = &former {
            still_whole(&voice, &table, former, settled)?;
        }
        let mut read = table.products(&terms)?;
        if let Some(former) = former.as_ref().filter(|f| read.items.len() * 2 < f.products) {
            if !settled {
                return Err(voice.writing(
                    &format!("le fichier n'a plus que {} produits sur {}.", read.items.len(), former.products),
                    &format!("the file has only {} products left of {}.", read.items.len(), former.products),
                ));
            }
            read.remarks.push(voice.say(
                &format!(
                    "il n'y a plus que {} produits sur {}. Les autres sont tenus pour inconnus, pas pour épuisés.",
                    read.items.len(),
                    former.products
                ),
                &format!(
                    "only {} products of {} are left. The others count as unknown, not as sold out.",
                    read.items.len(),
                    former.products
                ),
            ));
        }
        let cursor = Cursor {
            reading,
            stamp: before,
            digest,
            columns: table.known_columns(),
            products: read.items.len(),
            newline_at_end: table.newline_at_end,
        };
        Ok(StockPage {
            items: read.items,
            as_of: Some(before.time()),
            cursor: serde_json::to_string(&cursor).ok(),
            remarks: read.remarks,
            ..StockPage::default()
        })
    }
}

fn decoded<'a>(voice: &Voice<'_>, bytes: &'a [u8], settled: bool) -> Result<std::borrow::Cow<'a, str>, KindError> {
    text::decode(bytes, settled).map_err(|not| match not {
        text::NotText::Cut | text::NotText::PerhapsCut => {
            voice.writing("le fichier s'arrête au milieu d'une lettre.", "the file ends in the middle of a letter.")
        }
        text::NotText::Zeros => voice.writing(
            "le fichier contient des octets nuls à la place de texte.",
            "the file holds zero bytes where text should be.",
        ),
        text::NotText::Workbook => voice.reject(
            "csv-workbook",
            "c'est un classeur de tableur, pas un fichier CSV. Enregistrez-le au format «\u{a0}CSV UTF-8\u{a0}».",
            "this is a spreadsheet workbook, not a CSV file. Save it in the format \"CSV UTF-8\".",
        ),
    })
}

/// Compares a file with what it was at the last read.
fn still_whole(voice: &Voice<'_>, table: &Table, former: &Cursor, settled: bool) -> Result<(), KindError> {
    let now = table.known_columns();
    let gone: Vec<&String> = former.columns.iter().filter(|(m, _)| !now.contains_key(*m)).map(|(_, name)| name).collect();
    if !gone.is_empty() {
        let list = |names: &[&String]| names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let found: Vec<&String> = table.header().iter().filter(|n| !n.is_empty()).collect();
        let meaning = former.columns.iter().find(|(m, _)| !now.contains_key(*m)).map(|(m, _)| m.as_str()).unwrap_or_default();
        return Err(voice.reject(
            "csv-column-gone",
            &format!(
                "ligne {}\u{a0}: la colonne {} n'y est plus. Colonnes trouvées\u{a0}: {}. Remettez-la, ou dites dans la configuration \
                 comment elle s'appelle maintenant (columns.{meaning} = \"…\", ou \"\" si elle n'existe plus). Rien n'est changé \
                 d'ici là.",
                table.header_line,
                list(&gone),
                list(&found)
            ),
            &format!(
                "line {}: the column {} is gone. Columns found: {}. Put it back, or say in the configuration what it is called \
                 now (columns.{meaning} = \"…\", or \"\" if there is none any more). Until then nothing is changed.",
                table.header_line,
                list(&gone),
                list(&found)
            ),
        ));
    }
    if former.newline_at_end && !table.newline_at_end && !settled {
        return Err(voice.writing(
            "la dernière ligne n'a pas de fin de ligne, contrairement à d'habitude.",
            "the last line has no line end, unlike before.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
