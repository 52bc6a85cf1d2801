//! What an owner may write into the library, and what is made of it.

use super::*;
use crate::problem::Severity;
use proptest::prelude::*;
use tempfile::TempDir;

struct Shelf {
    dir: TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    fn put(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        fs::write(path, content).expect("written");
        self
    }

    fn read(&self) -> (Library, Vec<Problem>) {
        read(self.dir.path(), &MediaCache::default())
    }

    fn sound(&self) -> Vec<LibraryItem> {
        let (library, problems) = self.read();
        assert_eq!(problems.iter().map(Problem::render).collect::<Vec<_>>(), Vec::<String>::new());
        library.items
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

const WHOLE: &str = "---\ntitle: Pain de campagne\nthemes: [pain, levain]\nformats: [post, Story]\nnetworks: [facebook, Instagram, Twitter]\n\
accounts: fb-page, insta\nfrom: 2026-01-05\nuntil: 31/12/2026\nseason: [automne, 12-20..01-10]\ncool-down: 30d\nmax_uses: 4\nweight: 1,5\n\
link: https://a.example/pain\nmedia: [pain.jpg | Une miche dorée]\nhashtags: #pain #Levain\n---\nLe **pain** du jour.\nEncore chaud 🥖\n\n\
## Instagram\nDouble tap pour le pain !\n\n## Nos horaires\n7 h – 19 h\n\n## x\nPain.\n";

#[test]
fn a_whole_item_reads() {
    let shelf = Shelf::new().put("pains/campagne.md", WHOLE).put("pains/pain.jpg", b"jpeg");
    let items = shelf.sound();
    let item = &items[0];
    let root = shelf.dir.path().canonicalize().expect("there");
    let media = Media {
        path: root.join("pains/pain.jpg").to_string_lossy().into_owned(),
        alt: "Une miche dorée".into(),
        digest: Digest::of(b"jpeg").to_string(),
    };
    assert_eq!((item.id.as_str(), item.title.as_str(), item.theme()), ("pains/campagne", "Pain de campagne", "pain"));
    assert_eq!(item.formats, ["post", "story"]);
    assert_eq!(item.networks, ["facebook", "instagram", "x"]);
    assert_eq!(item.accounts, ["fb-page", "insta"]);
    assert_eq!((item.valid_from, item.valid_until), (Some(day("2026-01-05")), Some(day("2026-12-31"))));
    assert_eq!(item.cool_down, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!((item.max_uses, item.weight), (Some(4), 1.5));
    assert_eq!((item.link.as_deref(), &item.media), (Some("https://a.example/pain"), &vec![media]));
    assert_eq!(item.tags, ["pain", "Levain"]);
    assert_eq!(item.text, "Le pain du jour.\nEncore chaud 🥖");
    assert_eq!(item.text_for("instagram"), "Double tap pour le pain !\n\nNos horaires\n\n7 h – 19 h");
    assert_eq!((item.text_for("x"), item.text_for("facebook")), ("Pain.", item.text.as_str()));
    let season = item.season.as_ref().expect("it has one");
    assert!(season.contains(day("2026-10-01")) && season.contains(day("2026-01-05")) && !season.contains(day("2026-07-01")));
}

#[test]
fn toml_on_top_reads_as_well_and_defaults_hold() {
    let shelf = Shelf::new()
        .put(
            "a.md",
            "+++\nfrom = 2026-01-05\nweight = 2\nseason = \"noël\"\nhashtags = [\"#fête\"]\n+++\n# Bûches\nLes bûches.\r\n",
        )
        .put("b.markdown", "\u{feff}Rien que du texte.")
        .put("README.md", "Pour nous.")
        .put(".brouillon.md", "Pas encore.")
        .put("photo.txt", "Autre chose.");
    let items = shelf.sound();
    assert_eq!(items.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((items[0].title.as_str(), items[0].text.as_str(), items[0].weight), ("Bûches", "Les bûches.", 2.0));
    assert_eq!(items[0].tags, ["fête"]);
    assert_eq!(
        (items[1].title.as_str(), items[1].formats.as_slice(), items[1].theme()),
        ("b", ["post".to_owned()].as_slice(), "")
    );
}

#[test]
fn every_mistake_is_told_with_place_and_remedy_and_good_items_stay() {
    let shelf = Shelf::new()
        .put("good.md", "---\ntheme: pain\n---\nBon pain.")
        .put("bad.md", "---\nseson: été\nfrom: 2026-13-01\nformats: [pots]\nnetworks: [facebok]\nweight: 0\nmax_uses: -1\ncool_down: 3x\nlink: a.example\nmedia: [none.jpg | Rien]\nseason: ettè\ntitle: [a]\n---\nTexte")
        .put("twice.md", "---\nid: good\n---\nTexte")
        .put("empty.md", "---\ntitle: a\n---\n\n")
        .put("latin.md", b"Caf\xe9 et pain")
        .put("open.md", "---\ntitle: a\n")
        .put("dates.md", "---\nfrom: 2026-02-01\nuntil: 2026-01-01\n---\nTexte");
    let (library, problems) = shelf.read();
    assert_eq!(library.items.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["good"]);
    let told: Vec<(String, usize, usize)> =
        problems.iter().map(|p| (p.file.file_name().expect("a file").to_string_lossy().into_owned(), p.line, p.column)).collect();
    for (file, line, column, words, help) in [
        ("bad.md", 2, 1, "no key \"seson\"", "\"season\""),
        ("bad.md", 3, 7, "not a date", "2026-12-24"),
        ("bad.md", 4, 11, "no format \"pots\"", "\"post\""),
        ("bad.md", 5, 12, "no network \"facebok\"", "\"facebook\""),
        ("bad.md", 6, 9, "not a weight", "above 0"),
        ("bad.md", 7, 11, "not a number of uses", "from 1"),
        ("bad.md", 8, 12, "not a length of time", ""),
        ("bad.md", 9, 7, "not an address", "https://"),
        ("bad.md", 10, 9, "no file \"none.jpg\"", "beside"),
        ("bad.md", 11, 9, "not a season", "\"ete\""),
        ("bad.md", 12, 8, "one value", "without brackets"),
        ("twice.md", 2, 5, "already that of", "another id"),
        ("empty.md", 3, 1, "no text", "after the front matter"),
        ("latin.md", 1, 4, "not UTF-8", "encoding"),
        ("open.md", 1, 1, "never closed", "Add a line"),
        ("dates.md", 3, 8, "before it starts", "Correct"),
    ] {
        let found = problems.iter().find(|p| p.file.ends_with(file) && p.line == line && p.message.contains(words));
        let found = found.unwrap_or_else(|| panic!("{file}:{line} {words}: {told:?}"));
        assert_eq!((found.column, found.severity), (column, Severity::Error), "{}", found.render());
        assert!(found.help.contains(help), "{}", found.render());
    }
    assert_eq!(problems.len(), 16, "{}", problems.iter().map(Problem::render).collect::<String>());
}

#[test]
fn media_are_described_and_stay_inside() {
    let outside = Shelf::new().put("secret.jpg", b"x");
    let secret = outside.dir.path().join("secret.jpg");
    let shelf = Shelf::new()
        .put("img/pain.jpg", b"x")
        .put("sub/a.md", "---\nmedia:\n  - file: img/pain.jpg\n    alt: Une miche\n  - ../img/pain.jpg | La même\n---\n")
        .put("sub/b.md", "---\nmedia:\n  img/pain.jpg: Une miche\n---\nB")
        .put("c.md", "---\nmedia: img/pain.jpg\n---\nC")
        .put("d.md", format!("---\nmedia: [{}, link.jpg, img]\n---\nD", secret.display()));
    std::os::unix::fs::symlink(&secret, shelf.dir.path().join("link.jpg")).expect("linked");
    std::os::unix::fs::symlink(outside.dir.path(), shelf.dir.path().join("all")).expect("linked");
    std::os::unix::fs::symlink(shelf.dir.path(), shelf.dir.path().join("sub/loop")).expect("linked");
    let (library, problems) = shelf.read();
    let alts: Vec<Vec<&str>> = library.items.iter().map(|i| i.media.iter().map(|m| m.alt.as_str()).collect()).collect();
    assert_eq!(alts, [vec![""], vec!["Une miche", "La même"], vec!["Une miche"]]);
    let said: Vec<(bool, &str)> = problems.iter().map(|p| (p.severity == Severity::Error, p.message.as_str())).collect();
    assert!(said.contains(&(false, "\"img/pain.jpg\" has no description for people who cannot see it.")));
    assert!(said.contains(&(false, "There is no text; the post will be its pictures alone.")));
    assert!(said.iter().filter(|(e, m)| *e && m.contains("outside the library")).count() == 2, "{said:?}");
    assert!(said.iter().any(|(e, m)| *e && m.contains("\"img\" cannot be read")), "{said:?}");
    assert_eq!(problems.len(), 5);
}

#[test]
fn variants_are_checked() {
    let shelf = Shelf::new()
        .put("a.md", "Texte\n## facebook\nUn\n## facebook\nDeux\n")
        .put("b.md", "Texte\n## instagrm\nUn\n## linkedin\n\n```\n## x\n```\n")
        .put("c.md", "---\nnetworks: vitrine\n---\n## vitrine\nAffiche\n");
    let (library, problems) = shelf.read();
    assert_eq!(library.items.len(), 2);
    assert_eq!(library.items[0].text, "Texte\n\ninstagrm\n\nUn");
    assert_eq!(library.items[0].variants, BTreeMap::from([("linkedin".into(), "## x".into())]));
    assert_eq!(library.items[1].text_for("vitrine"), "Affiche");
    let messages: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    assert!(messages.iter().any(|m| m.contains("two variants")) && messages.iter().any(|m| m.contains("\"instagrm\"")));
}

#[test]
fn the_folder_itself_may_be_wrong() {
    let shelf = Shelf::new().put("file", b"x");
    for (path, words) in [("gone", "no such folder"), ("file", "not a folder")] {
        let (library, problems) = read(&shelf.dir.path().join(path), &MediaCache::default());
        assert!(library.items.is_empty() && problems.len() == 1 && problems[0].message.contains(words), "{problems:?}");
    }
}

#[test]
fn the_digest_follows_text_and_pictures() {
    let shelf = Shelf::new().put("a.md", "---\nmedia: a.jpg | A\n---\nA").put("a.jpg", b"1");
    let first = shelf.read().0.digest;
    assert_eq!(first, shelf.read().0.digest);
    let shelf = shelf.put("a.jpg", b"2!");
    let second = shelf.read().0.digest;
    assert_ne!(first, second);
    assert_ne!(second, shelf.put("a.md", "---\nmedia: a.jpg | A\n---\nB").read().0.digest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        key in prop::sample::select(vec!["from", "season", "media", "weight", "cool_down", "hashtags", "networks", "id", "link"]),
        value in "[-\\[\\]{}|:.,/#\"a-zé0-9 ]{0,24}",
        body in "[#a-z \n`]{0,40}",
    ) {
        let shelf = Shelf::new().put("a.md", bytes).put("b.md", format!("---\n{key}: {value}\n---\n{body}"));
        for problem in shelf.read().1 {
            prop_assert!(problem.message.ends_with(['.', '?']) || !problem.help.is_empty(), "{}", problem.render());
        }
    }
}
