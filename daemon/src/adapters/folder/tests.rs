//! Posts in a folder: written once, found again, shown without harm.

use super::*;
use crate::adapters::testing::call;
use crate::domain::Digest;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tempfile::TempDir;

const NOW: &str = "2026-11-22T09:30:00+01:00";

struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("posts/facebook")
    }

    fn channel(&self) -> FolderChannel {
        FolderChannel::new(self.folder(), "fb-page", "facebook", "Boulangerie <du> Beffroi", 60)
    }

    fn picture(&self, name: &str, bytes: &[u8]) -> Media {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        Media {
            path: path.to_string_lossy().into_owned(),
            alt: "Une \"miche\" dorée".into(),
            digest: Digest::of(bytes).to_string(),
        }
    }

    /// Every file below the folder with its content.
    fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(at: &Path, out: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(at).expect("read") {
                let path = entry.expect("read").path();
                if path.is_dir() {
                    walk(&path, out);
                } else {
                    out.insert(path.clone(), fs::read(&path).expect("read"));
                }
            }
        }
        let mut out = BTreeMap::new();
        walk(&self.folder(), &mut out);
        out
    }
}

fn post(text: &str, media: Vec<Media>) -> Outgoing {
    Outgoing {
        text: text.into(),
        link: Some("https://a.example/pain".into()),
        media,
        format: "post".into(),
        ..Outgoing::default()
    }
}

fn published(outcome: Result<Outcome, KindError>) -> Receipt {
    match outcome {
        Ok(Outcome::Online(receipt)) => receipt,
        other => panic!("not online: {other:?}"),
    }
}

#[test]
fn a_post_is_a_text_a_page_and_a_line_in_the_list() {
    let desk = Desk::new();
    let channel = desk.channel();
    let now = call(NOW, Language::Fr);
    let media = vec![desk.picture("pain.JPG", b"jpeg"), desk.picture("copie.jpg", b"jpeg")];
    let wanted = post("Le pain <b>du</b> jour\n#pain & co", media);
    assert_eq!(channel.objections(&wanted), []);
    assert_eq!(channel.find(&now, "d1", &wanted, None), Some(Ok(Finding::Absent)), "before the folder exists");
    assert_eq!(channel.prepare(&now, "d1", &wanted, None), Ok(Preparation::Ready(None)));
    assert_eq!(channel.find(&now, "d1", &wanted, None), Some(Ok(Finding::Absent)), "prepared is not published");
    let receipt = published(channel.publish(&now, "d1", &wanted, None));
    assert_eq!(receipt.remote_id, "2026-11-22-0930-fb-page-d1.md");
    assert_eq!(channel.find(&now, "d1", &wanted, None), Some(Ok(Finding::Online(receipt.clone()))));
    assert_eq!(channel.find(&now, "d", &wanted, None), Some(Ok(Finding::Absent)));

    let copy = format!("media/{}.jpg", &Digest::of(b"jpeg").to_string()[..32]);
    let text = fs::read_to_string(desk.folder().join(&receipt.remote_id)).expect("read");
    assert_eq!(
        text,
        format!(
            "---\nkey: \"d1\"\naccount: \"fb-page\"\nnetwork: \"facebook\"\nformat: \"post\"\ndate: \"2026-11-22T09:30:00+01:00\"\n\
             link: \"https://a.example/pain\"\nmedia:\n  - file: \"{copy}\"\n    alt: \"Une \\\"miche\\\" dorée\"\n  - file: \
             \"{copy}\"\n    alt: \"Une \\\"miche\\\" dorée\"\n---\nLe pain <b>du</b> jour\n#pain & co\n"
        )
    );
    let page = fs::read_to_string(desk.folder().join("2026-11-22-0930-fb-page-d1.html")).expect("read");
    for part in [
        "Boulangerie &lt;du&gt; Beffroi",
        "Le pain &lt;b&gt;du&lt;&#x2f;b&gt; jour\n<span class=\"tag\">#pain</span> &amp; co",
        "alt=\"Une &quot;miche&quot; dorée\"",
        "dimanche 22\u{a0}novembre 2026 à\u{a0}9\u{a0}h\u{a0}30",
        "--net: #1877f2",
        "<b>a.example</b>",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    assert!(!page.contains("<b>du"), "nothing of the text is markup");
    let index = fs::read_to_string(desk.folder().join("index.html")).expect("read");
    assert!(index.contains("href=\"2026-11-22-0930-fb-page-d1.html\"") && index.contains("1 post"), "{index}");
    assert_eq!(desk.all().len(), 4, "the same picture is copied once");
    assert!(receipt.url.is_some_and(|u| u.starts_with("file:///") && u.ends_with("-d1.html")));
}

#[test]
fn an_attempt_that_was_cut_short_is_finished_under_its_own_name() {
    let desk = Desk::new();
    fs::create_dir_all(desk.folder()).expect("made");
    fs::write(desk.folder().join("2026-11-22-0915-fb-page-d1.html"), "half").expect("written");
    fs::write(desk.folder().join(".d1.md.tmp"), "half").expect("written");
    let wanted = post("Texte", vec![]);
    let now = call(NOW, Language::Fr);
    assert_eq!(desk.channel().find(&now, "d1", &wanted, None), Some(Ok(Finding::Absent)));
    published(desk.channel().publish(&now, "d1", &wanted, None));
    let names: Vec<_> = desk.all().into_keys().map(|p| p.file_name().expect("named").to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["2026-11-22-0915-fb-page-d1.html", "2026-11-22-0915-fb-page-d1.md", "index.html"]);
}

#[test]
fn objections_say_everything_at_once() {
    let desk = Desk::new();
    let mut gone = desk.picture("gone.jpg", b"x");
    gone.path.push_str(".moved");
    let changed = desk.picture("changed.jpg", b"before");
    fs::write(&changed.path, b"after, and longer").expect("written");
    let mut wanted = post(&"é".repeat(61), vec![gone, changed]);
    wanted.format = "fresco".into();
    let codes = |failures: Vec<Failure>| failures.into_iter().map(|f| f.code).collect::<Vec<_>>();
    assert_eq!(codes(desk.channel().objections(&wanted)), ["text-too-long", "format-unknown", "media-missing", "media-changed"]);
    assert_eq!(codes(desk.channel().objections(&post(" \n", vec![]))), ["text-empty"]);
    assert_eq!(codes(desk.channel().objections(&post(&"é".repeat(60), vec![]))), Vec::<String>::new());
    let english = desk.channel().in_language(Language::En).objections(&post(&"é".repeat(64), vec![]));
    assert_eq!(english[0].message, "The text has 64 characters; Facebook takes 60. Shorten it by 4.");
    // A family of four is one letter for Bluesky and seven for the others.
    let family = post("👨‍👩‍👧‍👦", vec![]);
    let bluesky = FolderChannel::new(desk.folder(), "b", "bluesky", "B", 1);
    assert_eq!(bluesky.objections(&family), []);
    assert_eq!(codes(FolderChannel::new(desk.folder(), "b", "x", "B", 1).objections(&family)), ["text-too-long"]);
}

#[test]
fn a_picture_that_changed_after_the_approval_is_never_shown() {
    let desk = Desk::new();
    let medium = desk.picture("a.jpg", b"approved");
    fs::write(&medium.path, b"replaced").expect("written");
    let wanted = post("Texte", vec![medium.clone()]);
    let now = call(NOW, Language::En);
    let error = desk.channel().publish(&now, "d1", &wanted, None).expect_err("refused");
    assert!(matches!(&error, KindError::Reject(f) if f.code == "media-changed"), "{error:?}");
    assert_eq!(desk.all().len(), 0, "nothing was written");
    // Once copied, the approved picture stays, whatever becomes of the original.
    fs::write(&medium.path, b"approved").expect("written");
    desk.channel().prepare(&now, "d1", &wanted, None).expect("prepared");
    fs::remove_file(&medium.path).expect("removed");
    published(desk.channel().publish(&now, "d1", &wanted, None));
}

#[test]
fn a_folder_that_cannot_be_written_is_a_sentence_and_may_be_tried_again() {
    let desk = Desk::new();
    fs::create_dir_all(desk.dir.path().join("posts")).expect("made");
    fs::write(desk.folder(), "in the way").expect("written");
    let now = call(NOW, Language::Fr);
    let error = desk.channel().publish(&now, "d1", &post("Texte", vec![]), None).expect_err("refused");
    assert!(
        matches!(&error, KindError::Retry(f, None) if f.code == "not-a-folder" && f.message.contains("Renommez")),
        "{error:?}"
    );
    assert!(matches!(desk.channel().find(&now, "d1", &post("", vec![]), None), Some(Err(KindError::Retry(..)))));
}

#[test]
fn the_list_is_newest_first_and_stays_short() {
    let desk = Desk::new();
    for n in 0..65 {
        let at = format!("2026-11-{:02}T09:{:02}:00+01:00", 1 + n / 5, n % 60);
        published(desk.channel().publish(&call(&at, Language::En), &format!("d{n}"), &post(&format!("Text {n}."), vec![]), None));
    }
    fs::write(desk.folder().join("notes.md"), "not a post").expect("written");
    published(desk.channel().publish(&call("2026-11-14T09:00:00+01:00", Language::En), "last", &post("Last.", vec![]), None));
    let index = fs::read_to_string(desk.folder().join("index.html")).expect("read");
    assert!(index.contains("66 posts") && index.contains("Older (6)") && !index.contains("notes"));
    let at = |text: &str| index.find(text).unwrap_or_else(|| panic!("{text} is not in the list"));
    assert!(at("Last.") < at("Text 64.") && at("Text 64.") < at("Text 10.") && at("Text 10.") < at("fb-page-d0"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn publishing_twice_is_publishing_once(key in ".{0,40}", text in "[-\\PC\n#<>\"]{1,80}", later in 1_u32..28, picture: bool) {
        let desk = Desk::new();
        let media = if picture { vec![desk.picture("a.png", b"png")] } else { Vec::new() };
        let wanted = post(&text, media);
        let first = published(desk.channel().publish(&call(NOW, Language::Fr), &key, &wanted, None));
        let name = first.remote_id.clone();
        let before = desk.all();
        let again = call(&format!("2026-12-{later:02}T10:00:00+01:00"), Language::Fr);
        prop_assert_eq!(published(desk.channel().publish(&again, &key, &wanted, None)), first);
        prop_assert_eq!(desk.all(), before);
        // What is written reads back as it was.
        let back = Written::read(&desk.folder().join(name)).expect("read");
        prop_assert_eq!(back.text, text.trim_end());
        prop_assert_eq!((back.account, back.picture.is_some()), ("fb-page".to_owned(), picture));
        prop_assert_eq!(back.date, Timestamp::parse(NOW));
    }
}
