//! What a shop's file may look like, and what is made of it.

use super::*;
use crate::adapters::testing::call;
use crate::domain::Money;
use crate::kinds::Item;
use proptest::prelude::*;
use tempfile::TempDir;

const LATER: &str = "2099-01-01T00:00:00+00:00";

struct Shop {
    dir: TempDir,
    columns: BTreeMap<String, String>,
    cursor: Option<String>,
}

impl Shop {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), columns: BTreeMap::new(), cursor: None }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("catalogue.csv")
    }

    fn column(mut self, meaning: &str, name: &str) -> Self {
        self.columns.insert(meaning.into(), name.into());
        self
    }

    fn write(&self, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(), bytes).expect("written");
        self
    }

    fn poll_at(&self, at: &str, language: Language) -> Result<StockPage, KindError> {
        CsvCatalog::new(self.path(), self.columns.clone(), Currency::EUR).poll(&call(at, language), self.cursor.as_deref())
    }

    /// A poll long after the file was written.
    fn poll(&self) -> Result<StockPage, KindError> {
        self.poll_at(LATER, Language::En)
    }

    /// A poll before the file's time, as for one that was changed just now.
    fn poll_fresh(&self) -> Result<StockPage, KindError> {
        self.poll_at("2020-01-01T00:00:00+00:00", Language::En)
    }

    /// A poll whose cursor is kept.
    fn keep(&mut self) -> StockPage {
        let page = self.poll().expect("read");
        self.cursor.clone_from(&page.cursor);
        page
    }
}

fn refusal(result: Result<StockPage, KindError>) -> (bool, String, String) {
    let error = result.expect_err("refused");
    let failure = error.failure().clone();
    assert!(failure.message.ends_with(['.', '?']) && failure.message.contains("catalogue.csv"), "{}", failure.message);
    (matches!(error, KindError::Retry(..)), failure.code, failure.message)
}

fn item(sku: &str, title: &str, available: Option<i64>, cents: i64) -> Item {
    Item {
        sku: sku.into(),
        title: title.into(),
        available,
        price: Some(Money::eur(cents)),
        was: None,
        url: None,
        image: None,
        category: None,
    }
}

#[test]
fn a_french_export_in_windows_1252_reads_whole() {
    let shop = Shop::new();
    let text = "Réf;Désignation;Qté;Prix TTC;Prix barré;Lien;Catégorie\r\n\
                P01;Pain de campagne;12;4,20 €;5,00 €;www.boulangerie.example/pain;Pains\r\n\
                \r\n\
                V02;\"Croissant \"\"pur beurre\"\"\";épuisé;1,30;;;Viennoiseries\r\n\
                B03;Bûche;illimité;1 234,50 €;;;";
    shop.write(encoding_rs::WINDOWS_1252.encode(text).0);
    let page = shop.poll().expect("read");
    assert_eq!(page.remarks, Vec::<String>::new());
    let mut pain = item("P01", "Pain de campagne", Some(12), 420);
    pain.was = Some(Money::eur(500));
    pain.url = Some("https://www.boulangerie.example/pain".into());
    pain.category = Some("Pains".into());
    let mut croissant = item("V02", "Croissant \"pur beurre\"", Some(0), 130);
    croissant.category = Some("Viennoiseries".into());
    assert_eq!(page.items, [pain, croissant, item("B03", "Bûche", None, 123_450)]);
    let meta = fs::metadata(shop.path()).expect("there");
    assert_eq!(page.as_of, Some(Stamp::of(&meta).time()));
}

#[test]
fn an_english_export_reads_too() {
    let shop = Shop::new();
    shop.write("sep=,\r\nSKU,Name,Qty,Price,Currency\r\n\"=\"\"007\"\"\",Tea,\"1,200\",\"1,234.50\",GBP\r\nB,Scone,,2.4,\r\n");
    let page = shop.poll().expect("read");
    let pounds = Money { minor: 123_450, currency: Currency::parse("GBP").expect("a code") };
    // The reference is what spreadsheets write so that a number keeps its zeros.
    let tea = Item { price: Some(pounds), ..item("007", "Tea", Some(1200), 0) };
    assert_eq!(page.items, [tea, item("B", "Scone", None, 240)]);
}

#[test]
fn columns_named_by_the_owner_win() {
    let shop = Shop::new().column("price", "Tarif membre").column("sku", "N° interne").column("url", "");
    shop.write("N° interne\tcode\tnom\tprix\ttarif MEMBRE\turl\n9\tX\tMiel\t8,00\t7,50\thttps://a.example\n");
    assert_eq!(shop.poll().expect("read").items, [item("9", "Miel", None, 750)]);
    let shop = Shop::new().column("price", "Prix TCT");
    shop.write("Réf;Prix TTC\nA;1\n");
    let (retry, code, message) = refusal(shop.poll());
    assert!(!retry && code == "csv-column-missing" && message.contains("Did you mean \"Prix TTC\"?"), "{message}");
    let shop = Shop::new().column("colour", "Couleur");
    shop.write("Réf\nA\n");
    assert_eq!(refusal(shop.poll()).1, "csv-setting");
}

#[test]
fn a_file_that_is_being_written_is_never_believed() {
    for (text, place) in [
        ("Réf;Nom;Stock;Prix\nA;Pain;3;2,40\nB;Tarte;1", "line 3"),
        ("Réf;Nom;Stock;Prix\nA;Pain;3;2,40\nB;\"Tarte aux", "line 3"),
        ("", "empty"),
        ("\r\n\r\n", "blank"),
        ("Réf;Nom;Sto", "header"),
        ("Réf;Nom\nA;\u{0}\u{0}\u{0}\n", "zero bytes"),
    ] {
        let shop = Shop::new();
        shop.write(text);
        for result in [shop.poll(), shop.poll_fresh()] {
            let (retry, code, message) = refusal(result);
            assert!(retry && code == "csv-half-written" && message.contains(place), "{text:?}: {message}");
        }
    }
    let shop = Shop::new();
    shop.write(&"Réf;Nom\nA;Café".as_bytes()[..15]);
    assert_eq!(refusal(shop.poll()).1, "csv-half-written", "half a letter");
}

#[test]
fn every_prefix_of_a_file_gives_only_true_products() {
    let whole = "Réf;Nom;Stock;Prix\nA1;Pain;3;2,40\nB22;Tarte \"fine\";12;15,00\nC3;\"Miel; doux\";7;8,10\n";
    let mut shop = Shop::new();
    shop.write(whole);
    let truth = shop.keep().items;
    for end in 0..whole.len() {
        // Written just now, after a complete file has been seen.
        shop.write(&whole.as_bytes()[..end]);
        if let Ok(page) = shop.poll_fresh() {
            assert!(page.items.iter().all(|i| truth.contains(i)), "{end}: {:?}", page.items);
        }
    }
}

#[test]
fn a_lock_beside_the_file_is_respected_unless_forgotten() {
    let shop = Shop::new();
    shop.write("Réf;Stock\nA;1\n");
    fs::write(shop.dir.path().join("catalogue.csv.lock"), "").expect("written");
    assert!(refusal(shop.poll_fresh()).2.contains(".lock"));
    assert_eq!(shop.poll().expect("an old lock holds nobody up").items.len(), 1);
}

#[test]
fn a_column_that_vanished_is_not_a_stock_of_nothing() {
    let mut shop = Shop::new();
    shop.write("Réf;Nom;Stock;Prix\nA;Pain;3;2,40\n");
    shop.keep();
    shop.write("Réf;Nom;Dispo web;Prix\nA;Pain;3;2,40\n");
    let (retry, code, message) = refusal(shop.poll());
    assert!(!retry && code == "csv-column-gone");
    assert!(
        message.contains("\"Stock\"") && message.contains("\"Dispo web\"") && message.contains("columns.available"),
        "{message}"
    );
    let french = refusal(shop.poll_at(LATER, Language::Fr)).2;
    assert!(french.contains("n'y est plus") && french.contains("ligne 1"), "{french}");
    // The owner says what it is called now.
    let shop = Shop { columns: BTreeMap::from([("available".into(), "Dispo web".into())]), ..shop };
    assert_eq!(shop.poll().expect("read").items, [item("A", "Pain", Some(3), 240)]);
    // A column under another usual name is the same column.
    let mut shop = Shop::new();
    shop.write("Réf;Stock\nA;3\n");
    shop.keep();
    shop.write("SKU;Quantité\nA;4\n");
    assert_eq!(shop.poll().expect("read").items[0].available, Some(4));
}

#[test]
fn the_same_file_is_unchanged_and_its_date_moves_on() {
    let mut shop = Shop::new();
    shop.write("Réf;Stock\nA;3\n");
    let first = shop.keep();
    assert!(!first.unchanged);
    let second = shop.keep();
    assert!(second.unchanged && second.items.is_empty() && second.as_of == first.as_of && second.cursor == first.cursor);
    let later = std::time::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    fs::File::options().write(true).open(shop.path()).and_then(|f| f.set_modified(later)).expect("touched");
    let third = shop.keep();
    assert!(third.unchanged, "the same bytes at a later time");
    assert_eq!(third.as_of, Some(Timestamp::from_millis(2_000_000_000_000)));
    // Other settings read the file again, and so does a cursor that makes no sense.
    shop.cursor = Some("{".into());
    assert!(!shop.poll().expect("read").unchanged);
    shop.cursor = third.cursor;
    let shop = shop.column("available", "");
    assert_eq!(shop.poll().expect("read").items[0].available, None);
}

#[test]
fn a_bad_line_is_named_and_the_others_are_kept() {
    let shop = Shop::new();
    shop.write(
        "Réf;Nom;Stock;Prix\nA;Pain;3;2,40\nB;Tarte;deux;3,00\nC;Flan;1;cher\n;Sans réf;1;1,00\nD;Miel;2,5;8,00\nE;Eau;-2;1,00\n\
         F;Sel;1;2,405\nA;Pain long;4;2,60\nG;Thé;1;2;3\nH;Lait;1;1,10\nI;Riz;2;1,20\nJ;Blé\n",
    );
    let page = shop.poll().expect("read");
    let skus: Vec<_> = page.items.iter().map(|i| (i.sku.as_str(), i.available)).collect();
    let wanted = [("A", Some(4)), ("D", Some(2)), ("E", Some(0)), ("F", Some(1)), ("H", Some(1)), ("I", Some(2))];
    assert_eq!(skus, wanted);
    for (line, words) in [
        (3, "column \"Stock\": \"deux\" is not a quantity"),
        (4, "column \"Prix\": \"cher\" is not a price"),
        (5, "column \"Réf\""),
        (6, "counts as 2"),
        (7, "counts as 0"),
        (8, "rounded"),
        (9, "already on line 2"),
        (10, "5 cells for 4 columns"),
        (13, "stops before"),
    ] {
        let found = page.remarks.iter().any(|r| r.contains(&format!("line {line}: ")) && r.contains(words));
        assert!(found, "line {line}, {words}: {:#?}", page.remarks);
    }
    assert_eq!(page.remarks.len(), 9);
}

#[test]
fn a_file_that_makes_no_sense_is_refused_with_the_remedy() {
    for (text, code) in [
        ("Réf;Stock\nA;x\nB;y\nC;1\n", "csv-unreadable-lines"),
        ("Réf;Prix;prix\nA;1;2\n", "csv-header-twice"),
        ("Réf;;Prix\nA;oups;2\n", "csv-header-empty"),
        ("un;deux\n1;2\n", "csv-no-sku"),
        ("PK\x03\x04xlsx", "csv-workbook"),
    ] {
        let shop = Shop::new();
        shop.write(text);
        let (retry, found, message) = refusal(shop.poll());
        assert!(!retry && found == code, "{message}");
    }
    let shop = Shop::new();
    shop.write("Réf;Prix;;\nA;2;;\n");
    assert_eq!(shop.poll().expect("nameless and empty columns are nobody's business").items.len(), 1);
    fs::remove_file(shop.path()).expect("removed");
    assert_eq!(refusal(shop.poll()).1, "csv-missing");
    fs::create_dir(shop.path()).expect("made");
    assert_eq!(refusal(shop.poll()).1, "csv-folder");
}

#[test]
fn a_file_that_lost_half_its_products_is_doubted() {
    let mut shop = Shop::new();
    shop.write("Réf;Stock\nA;3\nB;1\nC;2\nD;1\nE;2\n");
    shop.keep();
    shop.write("Réf;Stock\nA;3\nB;1\n");
    assert!(refusal(shop.poll_fresh()).2.contains("2 products left of 5"));
    let page = shop.poll().expect("after a minute it is what it is");
    assert!(page.items.len() == 2 && page.remarks[0].contains("unknown, not as sold out"));
}

#[test]
fn remarks_are_capped() {
    let shop = Shop::new();
    let rows: String = (0..60).map(|n| format!("A{n};{}\n", if n % 2 == 0 { "-1" } else { "1" })).collect();
    shop.write(format!("Réf;Stock\n{rows}"));
    let page = shop.poll().expect("read");
    assert_eq!((page.items.len(), page.remarks.len()), (60, 21));
    assert!(page.remarks[20].contains("10 more"));
}

#[test]
fn a_price_without_a_sign_follows_the_rest_of_the_file() {
    let shop = Shop::new();
    shop.write("Réf;Prix\nA;2,400\nB;12,50\n");
    assert_eq!(shop.poll().expect("read").items[0].price, Some(Money::eur(240)));
    shop.write("ref|price\nA|2.400\nB|0.900\n");
    assert_eq!(shop.poll().expect("read").items[0].price, Some(Money::eur(240)));
    shop.write("ref;price\nA;1,500\nB;12.50\n");
    assert_eq!(shop.poll().expect("read").items[0].price, Some(Money::eur(150_000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), tail in "[-;,\"\n\rA0-9€é. ]{0,60}") {
        let shop = Shop::new();
        for bytes in [bytes, format!("Réf;Stock;Prix\n{tail}").into_bytes()] {
            shop.write(bytes);
            if let Err(error) = shop.poll() {
                prop_assert!(!matches!(error, KindError::Internal(_)));
            }
        }
    }
}
