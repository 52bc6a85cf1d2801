//! Notices as files: a text for every notice, and a page where it has one.
//!
//! In: a notice and the key of its delivery. Out: `2026-11-22-0930-digest-<key>.txt` and `.html` in one folder.
//! Never: writes a second file for the same key; what is there stays as it is.

use super::files;
use crate::domain::Language;
use crate::kinds::{Call, Finding, KindError, Notice, Notifier, Receipt};
use std::path::PathBuf;
use std::time::Duration;

/// Puts each notice into a folder as a file.
#[derive(Debug, Clone)]
pub struct FolderNotifier {
    folder: PathBuf,
}

impl FolderNotifier {
    /// A notifier that writes to this folder, which is made when it is not there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn receipt(&self, stem: &str) -> Receipt {
        let page = format!("{stem}.html");
        let text = format!("{stem}.txt");
        let shown = if self.folder.join(&page).is_file() { &page } else { &text };
        Receipt { url: files::address(&self.folder, shown), remote_id: text }
    }

    fn retry(&self, language: Language, error: &std::io::Error) -> KindError {
        KindError::Retry(files::failure(language, &self.folder, error), None)
    }
}

impl Notifier for FolderNotifier {
    /// A file is there or it is not.
    fn settles_within(&self) -> Duration {
        Duration::ZERO
    }

    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError> {
        let token = files::token(key);
        files::open_folder(&self.folder).map_err(|e| self.retry(call.language, &e))?;
        let look = |extension| files::find(&self.folder, &token, extension).map_err(|e| self.retry(call.language, &e));
        if let Some(stem) = look("txt")? {
            return Ok(self.receipt(&stem));
        }
        // A page without its text is what an attempt that was cut short leaves: its name is used again.
        let stem = match look("html")? {
            Some(stem) => stem,
            None => files::stem(call.now, call.zone, &notice.kind, &token),
        };
        let write = |name: String, content: &str| {
            files::write_whole(&self.folder, &name, content.as_bytes())
                .map_err(|e| files::trouble(call.language, &self.folder, &e))
        };
        if let Some(html) = &notice.html {
            write(format!("{stem}.html"), html)?;
        }
        // The text comes last: it is the proof that the notice is there.
        let title = notice.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let when = call.now.local(call.zone).format("%Y-%m-%d %H:%M");
        write(format!("{stem}.txt"), &format!("{title}\n{when}\n\n{}\n", notice.text.trim_end()))?;
        Ok(self.receipt(&stem))
    }

    fn find(&self, call: &Call<'_>, key: &str, _notice: &Notice) -> Option<Result<Finding, KindError>> {
        Some(match files::find(&self.folder, &files::token(key), "txt") {
            Ok(Some(stem)) => Ok(Finding::Online(self.receipt(&stem))),
            Ok(None) => Ok(Finding::Absent),
            // Nothing but this adapter makes the folder: where it is not, no notice was ever finished.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Finding::Absent),
            Err(e) => Err(self.retry(call.language, &e)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::testing::call;
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    fn digest(html: Option<&str>) -> Notice {
        Notice {
            kind: "digest".into(),
            title: "La semaine\nen bref".into(),
            text: "12 posts, 3 400 vues.\n".into(),
            html: html.map(str::to_owned),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).expect("read").map(|e| e.expect("read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_notice_is_a_text_and_a_page_and_is_found_by_its_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("avis/de-la-semaine");
        let mailbox = FolderNotifier::new(&folder);
        let now = call("2026-11-22T09:30:00+01:00", Language::Fr);
        let notice = digest(Some("<h1>La semaine</h1>"));
        assert_eq!(mailbox.find(&now, "d7", &notice), Some(Ok(Finding::Absent)), "before the folder exists");
        let receipt = mailbox.notify(&now, "d7", &notice).expect("written");
        assert_eq!(names(&folder), ["2026-11-22-0930-digest-d7.html", "2026-11-22-0930-digest-d7.txt"]);
        let text = fs::read_to_string(folder.join(&receipt.remote_id)).expect("read");
        assert_eq!(text, "La semaine en bref\n2026-11-22 09:30\n\n12 posts, 3 400 vues.\n");
        assert!(receipt.url.as_deref().is_some_and(|u| u.starts_with("file:///") && u.ends_with("-d7.html")));
        assert_eq!(mailbox.find(&now, "d7", &notice), Some(Ok(Finding::Online(receipt))));
        assert_eq!(mailbox.find(&now, "7", &notice), Some(Ok(Finding::Absent)));
    }

    #[test]
    fn an_attempt_that_was_cut_short_is_finished_under_its_own_name() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("2026-11-22-0929-digest-d7.html"), "half a notice").expect("written");
        let mailbox = FolderNotifier::new(dir.path());
        let now = call("2026-11-22T09:45:00+01:00", Language::Fr);
        assert_eq!(mailbox.find(&now, "d7", &digest(None)), Some(Ok(Finding::Absent)), "a page alone proves nothing");
        mailbox.notify(&now, "d7", &digest(Some("whole"))).expect("written");
        assert_eq!(names(dir.path()), ["2026-11-22-0929-digest-d7.html", "2026-11-22-0929-digest-d7.txt"]);
        assert_eq!(fs::read_to_string(dir.path().join("2026-11-22-0929-digest-d7.html")).expect("read"), "whole");
    }

    #[test]
    fn a_file_in_the_way_is_a_sentence_and_may_be_tried_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("avis");
        fs::write(&path, "").expect("written");
        let now = call("2026-11-22T09:30:00+01:00", Language::Fr);
        let error = FolderNotifier::new(&path).notify(&now, "d7", &digest(None)).expect_err("refused");
        assert!(matches!(&error, KindError::Retry(f, None) if f.message.contains("n'est pas un dossier")), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn telling_twice_is_telling_once(key in ".{0,40}", kind in ".{0,40}", text in "\\PC{0,80}", later in 0_u32..60) {
            let dir = tempfile::tempdir().expect("a folder");
            let mailbox = FolderNotifier::new(dir.path());
            let notice = Notice { kind, title: "t".into(), text, html: Some("<p>".into()) };
            let first = mailbox.notify(&call("2026-11-22T09:30:00+01:00", Language::En), &key, &notice).expect("written");
            let after_one = names(dir.path());
            let again = call(&format!("2026-11-22T10:{later:02}:00+01:00"), Language::En);
            prop_assert_eq!(mailbox.notify(&again, &key, &notice), Ok(first));
            prop_assert_eq!(names(dir.path()), after_one);
        }
    }
}
