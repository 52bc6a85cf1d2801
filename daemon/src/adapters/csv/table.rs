//! The meaning of a CSV file: which column is what, and which product each line describes.
//!
//! In: the text and the owner's names for columns. Out: products and remarks that name file, line and column.
//! Never: fills in for a cell it could not read; such a line is left out and told.

use super::values::{self, Quantity};
use super::{MEANINGS, Voice, text};
use crate::domain::{Currency, Language};
use crate::kinds::{Item, KindError};
use crate::problem::did_you_mean;
use std::collections::{BTreeMap, HashMap};

/// The usual names of columns, folded, best first.
const NAMES: [(&str, &[&str]); 9] = [
    (
        "sku",
        &[
            "sku",
            "reference",
            "ref",
            "reference article",
            "ref article",
            "reference produit",
            "ref produit",
            "code article",
            "code produit",
            "product code",
            "item code",
            "product id",
            "variant sku",
            "code",
            "code barre",
            "code barres",
            "barcode",
            "ean",
            "ean13",
            "gtin",
            "identifiant",
            "id",
        ],
    ),
    (
        "title",
        &[
            "designation",
            "libelle",
            "titre",
            "title",
            "nom",
            "name",
            "nom du produit",
            "nom produit",
            "product name",
            "produit",
            "product",
            "article",
            "intitule",
            "item",
        ],
    ),
    (
        "available",
        &[
            "stock disponible",
            "quantite disponible",
            "disponible",
            "available",
            "quantite en stock",
            "qte en stock",
            "qte stock",
            "stock quantity",
            "quantite",
            "qte",
            "quantity",
            "qty",
            "stock",
            "en stock",
            "in stock",
            "stock reel",
            "inventaire",
            "inventory",
        ],
    ),
    (
        "price",
        &[
            "prix ttc",
            "prix de vente ttc",
            "prix vente ttc",
            "pv ttc",
            "prix unitaire ttc",
            "pu ttc",
            "tarif ttc",
            "prix de vente",
            "prix public",
            "prix",
            "price",
            "sale price",
            "unit price",
            "prix unitaire",
            "tarif",
        ],
    ),
    (
        "was",
        &[
            "prix barre",
            "ancien prix",
            "prix avant",
            "prix avant reduction",
            "prix initial",
            "was",
            "was price",
            "old price",
            "compare at price",
            "regular price",
        ],
    ),
    ("url", &["lien", "url", "link", "lien produit", "product url", "permalink", "page", "adresse"]),
    ("image", &["image", "photo", "picture", "visuel", "image url", "image src", "url image", "lien image"]),
    ("category", &["categorie", "category", "rayon", "famille", "collection", "type de produit", "product type", "type"]),
    ("currency", &["devise", "currency", "monnaie"]),
];

/// Most remarks of one read that are told one by one.
const MOST_REMARKS: usize = 20;

/// How the owner wants the file read.
pub(super) struct Terms<'a> {
    pub(super) voice: &'a Voice<'a>,
    pub(super) columns: &'a BTreeMap<String, String>,
    pub(super) currency: Currency,
}

/// A file cut into cells whose columns are understood.
#[derive(Debug)]
pub(super) struct Table {
    header: Vec<String>,
    pub(super) header_line: usize,
    /// Index of the column for a meaning.
    places: BTreeMap<&'static str, usize>,
    rows: Vec<text::Record>,
    delimiter: char,
    pub(super) newline_at_end: bool,
}

/// Products and remarks.
#[derive(Debug, Default)]
pub(super) struct Products {
    pub(super) items: Vec<Item>,
    pub(super) remarks: Vec<String>,
}

fn column_key(name: &str) -> String {
    let folded = values::fold(name);
    [" eur", " euro", " euros"].iter().find_map(|tail| folded.strip_suffix(tail)).unwrap_or(&folded).to_owned()
}

fn usual_meaning(key: &str) -> Option<&'static str> {
    NAMES.iter().find(|(_, names)| names.contains(&key)).map(|(meaning, _)| *meaning)
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().filter(|n| !n.is_empty()).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}

impl Table {
    /// Cuts a text into cells, finds the header, and refuses what is cut off or makes no sense.
    pub(super) fn read(terms: &Terms<'_>, text: &str) -> Result<Self, KindError> {
        let voice = terms.voice;
        // Excel's own hint, which it writes and understands, comes as a line before the header.
        let hint = text.get(..4).filter(|t| t.eq_ignore_ascii_case("sep=")).and_then(|_| text[4..].chars().next());
        let wanted: Vec<String> = terms.columns.values().map(|name| column_key(name)).collect();
        let knows = |cells: &[String]| {
            cells.iter().map(|c| column_key(c)).filter(|k| usual_meaning(k).is_some() || wanted.contains(k)).count()
        };
        let body = if hint.is_some() { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
        let delimiter = hint.unwrap_or_else(|| text::sniff(body, knows));
        let cut = text::records(body, delimiter);
        if let Some(line) = cut.open_quote {
            let line = line + usize::from(hint.is_some());
            return Err(voice.writing(
                &format!("ligne {line}\u{a0}: un guillemet n'est jamais refermé (à corriger si le fichier est complet)."),
                &format!("line {line}: a quotation mark is never closed (to be mended if the file is complete)."),
            ));
        }
        let mut rows = cut.records;
        for row in &mut rows {
            row.line += usize::from(hint.is_some());
        }
        if rows.is_empty() {
            return Err(voice.writing("le fichier ne contient que des lignes vides.", "the file holds nothing but blank lines."));
        }
        let head = rows.remove(0);
        let width = head.cells.len();
        if let Some(last) = rows.last().filter(|last| !cut.newline_at_end && last.cells.len() < width) {
            return Err(voice.writing(
                &format!("ligne {}\u{a0}: la dernière ligne s'arrête à la cellule {} sur {width}.", last.line, last.cells.len()),
                &format!("line {}: the last line stops at cell {} of {width}.", last.line, last.cells.len()),
            ));
        }
        if rows.is_empty() && !cut.newline_at_end {
            return Err(voice.writing("le fichier s'arrête dans l'en-tête.", "the file ends inside its header."));
        }
        let mut table = Self {
            places: BTreeMap::new(),
            header: head.cells,
            header_line: head.line,
            rows,
            delimiter,
            newline_at_end: cut.newline_at_end,
        };
        table.check_header(voice)?;
        table.places = table.understand(terms)?;
        Ok(table)
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The names of the columns that have a meaning.
    pub(super) fn known_columns(&self) -> BTreeMap<String, String> {
        self.places.iter().map(|(meaning, at)| ((*meaning).to_owned(), self.header[*at].clone())).collect()
    }

    fn check_header(&self, voice: &Voice<'_>) -> Result<(), KindError> {
        let line = self.header_line;
        let keys: Vec<String> = self.header.iter().map(|n| n.to_lowercase()).collect();
        for (at, name) in self.header.iter().enumerate() {
            if name.is_empty() {
                let used = self.rows.iter().find(|r| r.cells.get(at).is_some_and(|c| !c.is_empty()));
                if let Some(row) = used {
                    return Err(voice.reject(
                        "csv-header-empty",
                        &format!(
                            "ligne {line}\u{a0}: la colonne {} n'a pas de nom, mais la ligne {} y met une valeur. Nommez-la.",
                            at + 1,
                            row.line
                        ),
                        &format!(
                            "line {line}: column {} has no name, but line {} puts a value there. Give it a name.",
                            at + 1,
                            row.line
                        ),
                    ));
                }
            } else if let Some(twin) = keys[..at].iter().position(|k| *k == keys[at]) {
                return Err(voice.reject(
                    "csv-header-twice",
                    &format!(
                        "ligne {line}\u{a0}: les colonnes {} et {} s'appellent toutes deux \"{name}\". Renommez-en une.",
                        twin + 1,
                        at + 1
                    ),
                    &format!("line {line}: the columns {} and {} are both called \"{name}\". Rename one.", twin + 1, at + 1),
                ));
            }
        }
        Ok(())
    }

    fn understand(&self, terms: &Terms<'_>) -> Result<BTreeMap<&'static str, usize>, KindError> {
        let voice = terms.voice;
        let keys: Vec<String> = self.header.iter().map(|name| column_key(name)).collect();
        let mut places = BTreeMap::new();
        for (meaning, name) in terms.columns {
            let Some(known) = MEANINGS.iter().find(|m| *m == meaning) else {
                let list = MEANINGS.join(", ");
                return Err(voice.reject(
                    "csv-setting",
                    &format!("le réglage columns.{meaning} n'existe pas. Utilisez l'un de\u{a0}: {list}."),
                    &format!("there is no setting columns.{meaning}. Use one of: {list}."),
                ));
            };
            if name.trim().is_empty() {
                continue;
            }
            // As written first: a header may hold two names that fold to the same.
            let exact = self.header.iter().position(|h| h == name.trim());
            let Some(at) = exact.or_else(|| keys.iter().position(|k| *k == column_key(name) && !k.is_empty())) else {
                let near = did_you_mean(name, self.header.iter().map(String::as_str));
                let found = quoted(&self.header);
                return Err(voice.reject(
                    "csv-column-missing",
                    &format!(
                        "ligne {}\u{a0}: la colonne \"{name}\" (columns.{meaning}) n'existe pas. Colonnes trouvées\u{a0}: {found}.{}",
                        self.header_line,
                        near.map(|n| format!(" Vouliez-vous \"{n}\"\u{a0}?")).unwrap_or_default()
                    ),
                    &format!(
                        "line {}: there is no column \"{name}\" (columns.{meaning}). Columns found: {found}.{}",
                        self.header_line,
                        near.map(|n| format!(" Did you mean \"{n}\"?")).unwrap_or_default()
                    ),
                ));
            };
            places.insert(*known, at);
        }
        for (meaning, names) in NAMES {
            if terms.columns.contains_key(meaning) {
                continue;
            }
            let free = |at: &usize| !places.values().any(|taken| taken == at);
            let at = names.iter().find_map(|name| keys.iter().position(|k| k == name).filter(free));
            if let Some(at) = at {
                places.insert(meaning, at);
            }
        }
        if !places.contains_key("sku") && !places.contains_key("title") {
            let found = quoted(&self.header);
            return Err(voice.reject(
                "csv-no-sku",
                &format!(
                    "ligne {}\u{a0}: aucune colonne n'identifie les produits. Colonnes trouvées\u{a0}: {found}. Nommez-en une \"Réf\" ou \
                     \"Désignation\", ou indiquez la sienne dans la configuration (columns.sku = \"…\").",
                    self.header_line
                ),
                &format!(
                    "line {}: no column identifies the products. Columns found: {found}. Name one \"SKU\" or \"Title\", or give \
                     its name in the configuration (columns.sku = \"…\").",
                    self.header_line
                ),
            ));
        }
        Ok(places)
    }

    /// The decimal mark that most numbers of the file prove; without proof, what goes with the delimiter and the language.
    fn decimal_mark(&self, language: Language) -> char {
        let numeric: Vec<usize> = ["price", "was", "available"].iter().filter_map(|m| self.places.get(m).copied()).collect();
        let mut comma = 0_i64;
        for cell in self.rows.iter().flat_map(|row| numeric.iter().filter_map(|at| row.cells.get(*at))) {
            comma += match values::evidence(cell) {
                Some(',') => 1,
                Some(_) => -1,
                None => 0,
            };
        }
        match (comma, self.delimiter) {
            (1.., _) | (0, ';') => ',',
            (..0, _) | (0, ',') => '.',
            _ => language.pick(',', '.'),
        }
    }

    /// Reads every line. More than half unreadable means that the file is not what we think it is.
    pub(super) fn products(&self, terms: &Terms<'_>) -> Result<Products, KindError> {
        let voice = terms.voice;
        let decimal = self.decimal_mark(voice.language);
        let mut remarks = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        let mut seen: HashMap<String, (usize, usize)> = HashMap::new();
        let mut lost = 0;
        for row in &self.rows {
            let mut line = Line { table: self, terms, row, decimal, remarks: &mut remarks };
            let Some(item) = line.item() else {
                lost += 1;
                continue;
            };
            match seen.get(&item.sku).copied() {
                Some((at, first)) => {
                    line.remark(
                        &format!("\"{}\" est déjà à la ligne {first}\u{a0}; c'est cette ligne-ci qui compte.", item.sku),
                        &format!("\"{}\" is already on line {first}; this line is the one that counts.", item.sku),
                    );
                    seen.insert(item.sku.clone(), (at, row.line));
                    items[at] = item;
                }
                None => {
                    seen.insert(item.sku.clone(), (items.len(), row.line));
                    items.push(item);
                }
            }
        }
        if lost * 2 > self.rows.len() {
            let first = remarks.first().cloned().unwrap_or_default();
            let all = self.rows.len();
            return Err(voice.reject(
                "csv-unreadable-lines",
                &format!(
                    "{lost} lignes sur {all} ne se lisent pas\u{a0}; rien n'a été pris en compte. La première\u{a0}: {first}"
                ),
                &format!("{lost} lines of {all} cannot be read; nothing was taken over. The first: {first}"),
            ));
        }
        let mut told: Vec<String> = Vec::new();
        if self.rows.is_empty() {
            told.push(voice.say("le fichier n'a aucun produit sous son en-tête.", "the file has no product under its header."));
        }
        if !self.places.contains_key("sku") {
            told.push(voice.say(
                "il n'y a pas de colonne de référence\u{a0}; le nom du produit en tient lieu.",
                "there is no reference column; the product's name takes its place.",
            ));
        }
        let more = remarks.len().saturating_sub(MOST_REMARKS);
        told.extend(remarks.into_iter().take(MOST_REMARKS));
        if more > 0 {
            told.push(voice.say(&format!("et {more} autres remarques."), &format!("and {more} more remarks.")));
        }
        Ok(Products { items, remarks: told })
    }
}

/// One line being read.
struct Line<'a> {
    table: &'a Table,
    terms: &'a Terms<'a>,
    row: &'a text::Record,
    decimal: char,
    remarks: &'a mut Vec<String>,
}

impl Line<'_> {
    fn remark(&mut self, fr: &str, en: &str) {
        let line = self.row.line;
        let sentence = self.terms.voice.say(&format!("ligne {line}\u{a0}: {fr}"), &format!("line {line}: {en}"));
        self.remarks.push(sentence);
    }

    fn left_out(&mut self, meaning: &str, fr: &str, en: &str) {
        let column = self.table.places.get(meaning).map(|at| self.table.header[*at].clone()).unwrap_or_default();
        self.remark(
            &format!("colonne \"{column}\"\u{a0}: {fr}. La ligne est laissée de côté."),
            &format!("column \"{column}\": {en}. The line is left out."),
        );
    }

    /// The cell of a meaning: `None` when there is no such column, or the line is too short to have it.
    fn cell(&self, meaning: &str) -> Option<&str> {
        let cell = self.row.cells.get(*self.table.places.get(meaning)?)?;
        // Spreadsheets write ="007" so that a number stays a text.
        Some(cell.strip_prefix("=\"").and_then(|c| c.strip_suffix('"')).unwrap_or(cell))
    }

    fn words(&self, meaning: &str) -> Option<String> {
        let text = self.cell(meaning)?.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }

    fn item(&mut self) -> Option<Item> {
        let width = self.table.header.len();
        if self.row.cells.len() > width && self.row.cells[width..].iter().any(|c| !c.is_empty()) {
            let count = self.row.cells.len();
            self.remark(
                &format!(
                    "{count} cellules pour {width} colonnes (une virgule ou un point-virgule sans guillemets\u{a0}?). La ligne est \
                     laissée de côté."
                ),
                &format!("{count} cells for {width} columns (a delimiter without quotation marks?). The line is left out."),
            );
            return None;
        }
        // A cell that is not there is not an empty one: an empty quantity means "not counted".
        for meaning in ["available", "price"] {
            if self.table.places.get(meaning).is_some_and(|at| *at >= self.row.cells.len()) {
                self.left_out(meaning, "la ligne s'arrête avant", "the line stops before it");
                return None;
            }
        }
        let (Some(sku), title) = (self.words("sku").or_else(|| self.name_as_sku()), self.words("title")) else {
            self.left_out("sku", "la référence manque", "the reference is missing");
            return None;
        };
        let currency = match self.words("currency") {
            None => self.terms.currency,
            Some(code) => match Currency::parse(&code) {
                Some(currency) => currency,
                None => {
                    self.left_out(
                        "currency",
                        &format!("\"{code}\" n'est pas une devise, comme EUR"),
                        &format!("\"{code}\" is not a currency, such as EUR"),
                    );
                    return None;
                }
            },
        };
        let price = self.price("price", currency)?;
        let available = self.available()?;
        let mut was = match self.cell("was").map(|text| values::price(text, currency, self.decimal)) {
            None => None,
            Some(Ok(was)) => was.map(|p| p.money),
            Some(Err(())) => {
                self.remark(
                    "le prix barré ne se lit pas\u{a0}; il est ignoré.",
                    "the former price cannot be read; it is ignored.",
                );
                None
            }
        };
        if let (Some(before), Some(now)) = (was, price)
            && (before.currency != now.currency || before.minor <= now.minor)
        {
            if before != now {
                self.remark(
                    "le prix barré n'est pas plus haut que le prix\u{a0}; il est ignoré.",
                    "the former price is not higher than the price; it is ignored.",
                );
            }
            was = None;
        }
        let url = self.url();
        let title = title.unwrap_or_else(|| sku.clone());
        Some(Item { sku, title, available, price, was, url, image: self.words("image"), category: self.words("category") })
    }

    fn name_as_sku(&self) -> Option<String> {
        if self.table.places.contains_key("sku") { None } else { self.words("title") }
    }

    fn price(&mut self, meaning: &str, currency: Currency) -> Option<Option<crate::domain::Money>> {
        let Some(text) = self.cell(meaning).map(str::to_owned) else { return Some(None) };
        match values::price(&text, currency, self.decimal) {
            Ok(None) => Some(None),
            Ok(Some(price)) => {
                if price.rounded {
                    self.remark(
                        &format!("le prix \"{text}\" est arrondi au centime."),
                        &format!("the price \"{text}\" is rounded to the cent."),
                    );
                }
                Some(Some(price.money))
            }
            Err(()) => {
                self.left_out(
                    meaning,
                    &format!("\"{}\" n'est pas un prix", shortened(&text)),
                    &format!("\"{}\" is not a price", shortened(&text)),
                );
                None
            }
        }
    }

    fn available(&mut self) -> Option<Option<i64>> {
        let Some(text) = self.cell("available").map(str::to_owned) else { return Some(None) };
        match values::quantity(&text, self.decimal) {
            Some(Quantity::Uncounted) => Some(None),
            Some(Quantity::Exactly(n)) => Some(Some(n)),
            Some(Quantity::Floored(n)) => {
                self.remark(
                    &format!("la quantité \"{text}\" est comptée comme {n}."),
                    &format!("the quantity \"{text}\" counts as {n}."),
                );
                Some(Some(n))
            }
            Some(Quantity::Negative) => {
                self.remark(
                    &format!("la quantité \"{text}\" est négative\u{a0}; elle est comptée comme 0."),
                    &format!("the quantity \"{text}\" is negative; it counts as 0."),
                );
                Some(Some(0))
            }
            None => {
                self.left_out(
                    "available",
                    &format!("\"{}\" n'est pas une quantité", shortened(&text)),
                    &format!("\"{}\" is not a quantity", shortened(&text)),
                );
                None
            }
        }
    }

    fn url(&mut self) -> Option<String> {
        let text = self.words("url")?;
        let whole = if text.starts_with("www.") { format!("https://{text}") } else { text };
        if url::Url::parse(&whole).is_ok_and(|u| matches!(u.scheme(), "http" | "https")) {
            return Some(whole);
        }
        let shown = shortened(&whole);
        self.remark(
            &format!("\"{shown}\" n'est pas une adresse http ou https\u{a0}; le lien est ignoré."),
            &format!("\"{shown}\" is not an http or https address; the link is ignored."),
        );
        None
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
