//! Any bytes as what an owner, a shop, a site or a plugin's author wrote: configuration, feed, CSV, library file, manifest, package.
//!
//! In: bytes, put where such a file lies. Out: a panic when a reader panics, names a place that is not there, gives back a value that
//! its own documentation rules out, or reads the same bytes twice and finds two things.
//! Never: expects bytes to be good; a refusal is as welcome as a result, as long as it is a sentence.

use super::problem_holds;
use crate::component::{FEED, component};
use beffroi::adapters::csv::CsvCatalog;
use beffroi::adapters::library::{self, FORMATS, Library};
use beffroi::adapters::media::MediaCache;
use beffroi::adapters::{feed, library as reader};
use beffroi::collect;
use beffroi::config::{self, Base};
use beffroi::domain::{Currency, Language, Timestamp, Zone};
use beffroi::kinds::{Call, Catalog, Keep, KindError, SignalPage, StockPage};
use beffroi::network::ScriptedNetwork;
use beffroi::plugin::{manifest as asked, package};
use beffroi::problem::{Problem, any_error};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When the files here were written, and a moment at which nobody writes them any more.
const WRITTEN: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const SETTLED: Timestamp = Timestamp::from_millis(1_790_000_600_000);

/// A folder that is kept for all bytes of one thread.
struct Kept {
    folder: tempfile::TempDir,
}

impl Kept {
    fn new(fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fill(folder.path());
        Self { folder }
    }

    /// Writes the bytes into the file of this name, as if this long after the others.
    fn put(&self, name: &str, bytes: &[u8], micros: u64) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        beffroi::sample::date_file(&path, WRITTEN, micros).expect("dated");
        path
    }
}

/// `beffroi.toml` beside everything that the sample business has.
pub fn config(data: &[u8]) {
    thread_local! {
        static KEPT: Kept = Kept::new(|folder| beffroi::sample::lay_out(folder, WRITTEN).expect("the sample is laid out"));
    }
    let base = Base { state: None, builtin: Some(beffroi::sample::builtin) };
    KEPT.with(|kept| {
        let file = kept.put("fuzzed.toml", data, 0);
        let loaded = config::load(&file, &base);
        // A file in another encoding is told by the line, whose columns cannot be counted here.
        let text = std::str::from_utf8(data).ok();
        let places = |problems: &[Problem]| {
            for problem in problems {
                match text.filter(|_| problem.file == file) {
                    Some(text) => problem_holds(problem, text),
                    None => assert!(!problem.render().is_empty()),
                }
            }
        };
        match &loaded {
            Ok(loaded) => {
                places(&loaded.warnings);
                assert!(!any_error(&loaded.warnings), "an error passed as a warning: {:?}", loaded.warnings);
                assert!(!loaded.instance.business.name.is_empty());
                assert!(text.is_some(), "bytes that are no text were taken for a configuration");
            }
            Err(problems) => {
                places(problems);
                assert!(any_error(problems), "refused without an error: {problems:?}");
            }
        }
        let again = config::load(&file, &base);
        let told = |l: &Result<config::Loaded, Vec<Problem>>| match l {
            Ok(loaded) => loaded.warnings.clone(),
            Err(problems) => problems.clone(),
        };
        assert_eq!((loaded.is_ok(), told(&loaded)), (again.is_ok(), told(&again)), "read twice, told two things");
    });
}

/// A sentence for an owner.
fn refusal_holds(error: &KindError) {
    let failure = error.failure();
    assert!(failure.message.trim().len() > 5, "a refusal without a sentence: {error:?}");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(!failure.code.is_empty() && failure.code.chars().all(plain), "a code that is none: {:?}", failure.code);
}

/// A feed's bytes, under one of several content types.
pub fn feed(data: &[u8]) {
    let types =
        [None, Some("text/xml"), Some("application/rss+xml; charset=iso-8859-1"), Some("application/feed+json"), Some("\"=;,")];
    let content_type = types[data.len() % types.len()];
    let base = (data.len() / types.len()).is_multiple_of(2).then_some("https://boulangerie.example/journal/flux.xml");
    let read = feed::parse(data, content_type, base);
    match &read {
        Ok(page) => page_holds(page),
        Err(error) => refusal_holds(error),
    }
    assert_eq!(read, feed::parse(data, content_type, base), "read twice, found two things");
}

fn page_holds(page: &SignalPage) {
    let mut ids = BTreeSet::new();
    assert!(page.signals.len() <= 500, "{} signals", page.signals.len());
    for signal in &page.signals {
        assert!(!signal.id.is_empty() && signal.id.len() <= 400, "{signal:?}");
        assert!(ids.insert(&signal.id), "twice the same identifier: {:?}", signal.id);
        assert!(!signal.title.contains(['\n', '\r']), "a title of two lines: {:?}", signal.title);
        assert!(signal.title.chars().count() <= 300 && signal.summary.chars().count() <= 2_000, "too long: {signal:?}");
        assert!(!signal.title.is_empty(), "a signal that nobody can name: {signal:?}");
        if let Some(url) = &signal.url {
            assert!(url.starts_with("http://") || url.starts_with("https://"), "{url:?}");
            assert!(url.len() <= 2_000 && !url.contains(char::is_whitespace), "{url:?}");
        }
    }
    assert!(page.remarks.iter().all(|r| r.ends_with('.')), "{:?}", page.remarks);
}

/// A catalog and a file of figures. A record separator (0x1E) cuts the bytes into what the file was and what it became.
pub fn csv(data: &[u8]) {
    thread_local! { static KEPT: Kept = Kept::new(|_| ()); }
    if let Ok((rows, _)) = collect::rows(data) {
        for (account, name, day, value) in rows {
            assert!(!account.is_empty() && !name.is_empty() && value.is_finite() && !day.is_empty());
        }
    }
    let columns = BTreeMap::from([("title".to_owned(), "Nom".to_owned())]);
    let columns = if data.len().is_multiple_of(7) { columns } else { BTreeMap::new() };
    let euro = Currency::parse("EUR").expect("a currency");
    KEPT.with(|kept| {
        let mut cursor: Option<String> = None;
        for (micros, version) in (1..).zip(data.splitn(2, |b| *b == 0x1e)) {
            let catalog = CsvCatalog::new(kept.put("stock.csv", version, micros), columns.clone(), euro);
            // First while somebody may still be writing it, then later.
            for now in [WRITTEN, SETTLED] {
                match poll(&catalog, now, cursor.as_deref()) {
                    Ok(page) => {
                        stock_holds(&page);
                        assert!(page.cursor.is_some(), "read without a mark");
                        let again = poll(&catalog, now, page.cursor.as_deref()).expect("readable a moment ago");
                        assert!(again.unchanged && again.items.is_empty(), "the same file has changed: {again:?}");
                        cursor = page.cursor;
                    }
                    Err(error) => refusal_holds(&error),
                }
            }
        }
    });
}

fn poll(catalog: &CsvCatalog, now: Timestamp, since: Option<&str>) -> Result<StockPage, KindError> {
    let (network, keep) = (ScriptedNetwork::new(), Keep::default());
    let (zone, language) = (Zone::Europe__Paris, Language::En);
    let call =
        Call { id: "fuzz", attempt: 1, time: Duration::from_secs(60), keep: &keep, now, network: &network, zone, language };
    catalog.poll(&call, since)
}

fn stock_holds(page: &StockPage) {
    let mut skus = BTreeSet::new();
    for item in &page.items {
        assert!(!item.sku.trim().is_empty(), "a product without its reference: {item:?}");
        assert!(skus.insert(&item.sku), "twice the same product: {:?}", item.sku);
        assert!(item.available.is_none_or(|n| n >= 0), "less than nothing in stock: {item:?}");
        for price in [&item.price, &item.was].into_iter().flatten() {
            assert!(price.minor >= 0, "a price below nothing: {item:?}");
            assert!(!price.show(Language::Fr).is_empty());
        }
        for url in [&item.url, &item.image].into_iter().flatten() {
            assert!(!url.contains(['\n', '\r']), "{item:?}");
        }
    }
    assert!(page.as_of.is_some() && page.removed.is_empty() && !page.changes);
    assert!(page.remarks.iter().all(|r| !r.trim().is_empty()));
}

/// One file of the content library, with a picture beside it.
pub fn library(data: &[u8]) {
    thread_local! {
        static KEPT: (Kept, MediaCache) = (
            Kept::new(|folder| {
                fs::create_dir(folder.join("images")).expect("made");
                fs::write(folder.join("images/pain.jpg"), b"a picture").expect("written");
            }),
            MediaCache::default(),
        );
    }
    let text = String::from_utf8_lossy(data);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    KEPT.with(|(kept, media)| {
        let file = kept.put("fuzzed.md", data, 0);
        let (found, problems) = reader::read(kept.folder.path(), media);
        for problem in &problems {
            if problem.file == file && std::str::from_utf8(data).is_ok() {
                problem_holds(problem, &text);
            } else {
                assert!(!problem.render().is_empty());
            }
        }
        assert!(found.items.len() <= 1, "one file, {} items", found.items.len());
        // Without an item there is a reason: nobody wonders where a text has gone.
        assert!(found.items.len() == 1 || !problems.is_empty(), "left out without a word");
        items_hold(&found);
        assert_eq!((found, problems), reader::read(kept.folder.path(), media), "read twice, found two things");
    });
}

fn items_hold(found: &Library) {
    for item in &found.items {
        assert!(!item.id.trim().is_empty() && !item.title.trim().is_empty(), "{item:?}");
        assert!(item.weight.is_finite() && item.weight >= 0.0, "{item:?}");
        assert!(!item.formats.is_empty() && item.formats.iter().all(|f| FORMATS.contains(&f.as_str())), "{item:?}");
        for name in item.variants.keys() {
            let known = library::NETWORKS.contains(&name.as_str()) || item.networks.contains(name);
            assert!(known, "{name:?} is no network: {item:?}");
        }
        assert!(item.valid_from.zip(item.valid_until).is_none_or(|(from, until)| from <= until), "{item:?}");
        assert!(item.tags.iter().all(|tag| !tag.is_empty() && !tag.starts_with('#')), "{item:?}");
        assert!(item.media.iter().all(|m| Path::new(&m.path).is_absolute()), "{item:?}");
    }
}

/// What a plugin says of itself, as text; or a whole package, when the bytes begin like one.
pub fn manifest(data: &[u8]) {
    if data.starts_with(b"\0asm") {
        return whole_package(data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = Path::new("beffroi-plugin.toml");
    match asked::parse(text, file) {
        Err(problems) => {
            assert!(any_error(&problems), "refused without an error: {problems:?}");
            for problem in &problems {
                problem_holds(problem, text);
            }
        }
        Ok(read) => {
            assert!(asked::version(&read.version).is_ok(), "{:?}", read.version);
            for place in &read.places {
                assert!(!place.host.is_empty() && !place.methods.is_empty() && !place.paths.is_empty(), "{place:?}");
            }
            for setting in &read.settings {
                let fits = setting.default.as_ref().is_none_or(|value| asked::fits(&setting.kind, value).is_ok());
                assert!(fits, "a default that its own setting refuses: {setting:?}");
            }
            // What is packed says what was written.
            let packed = package::embed(&component(&[], FEED), text).expect("a manifest that is read can be packed");
            match package::read(packed) {
                Ok(package) => assert_eq!(package.manifest, read),
                Err(refused) => assert!(refused.0.ends_with('.') || refused.0.contains(": "), "{}", refused.0),
            }
        }
    }
}

fn whole_package(data: &[u8]) {
    let sentence = |refused: package::Refused| assert!(refused.0.trim().len() > 5, "{refused:?}");
    match package::read(data) {
        Err(refused) => sentence(refused),
        Ok(read) => {
            assert_eq!(&*read.bytes, data);
            assert!(read.publisher.is_none() || package::signature(data).is_ok());
            assert_eq!(Some(&read.manifest), asked::parse(&read.text, Path::new("x")).as_ref().ok());
        }
    }
    if let Err(refused) = package::unsigned(data) {
        sentence(refused);
    }
    if let Err(refused) = package::signature(data) {
        sentence(refused);
    }
}
