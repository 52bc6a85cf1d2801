//! What the account's server takes: how long a text, how many files, how large.
//!
//! In: the server's description of itself, kept for a day in the private state. Out: limits, and the problems of a post.
//! Never: refuses for a limit that the server did not state and Mastodon does not have.

use crate::api::{self, Settings};
use crate::words;
use beffroi_plugin::prelude::*;

/// What a server takes.
pub(crate) struct Limits {
    read_at: u64,
    server: String,
    characters: usize,
    per_url: usize,
    files: usize,
    image_bytes: u64,
    video_bytes: u64,
    description: usize,
    /// Empty when the server does not say.
    types: Vec<String>,
    /// Mastodon itself, whose lists show an account all of its own posts.
    pub(crate) genuine: bool,
}

const KEY: &str = "limits";
const DAY: u64 = 86_400_000;

/// The texts of a list.
fn words_of(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Limits {
    /// Mastodon's own, for servers that say nothing.
    fn usual(server: &str, now: u64) -> Self {
        Self {
            read_at: now,
            server: server.to_owned(),
            characters: 500,
            per_url: 23,
            files: 4,
            image_bytes: 16 << 20,
            video_bytes: 99 << 20,
            description: 1_500,
            types: Vec::new(),
            genuine: false,
        }
    }

    /// What is kept, however old, or the usual limits. Asks nobody.
    pub(crate) fn kept() -> Self {
        let server = Settings::get().map(|settings| settings.server).unwrap_or_default();
        Self::stored(&server).unwrap_or_else(|| Self::usual(&server, 0))
    }

    fn stored(server: &str) -> Option<Self> {
        // What an earlier version wrote differently is read anew.
        let kept = state::get_json::<Value>(KEY).ok().flatten()?;
        let number = |name: &str| kept[name].as_u64();
        let count = |name: &str| number(name).and_then(|number| usize::try_from(number).ok());
        let limits = Self {
            read_at: number("read_at")?,
            server: api::text(&kept, "server").to_owned(),
            characters: count("characters")?,
            per_url: count("per_url")?,
            files: count("files")?,
            image_bytes: number("image_bytes")?,
            video_bytes: number("video_bytes")?,
            description: count("description")?,
            types: words_of(&kept["types"]),
            genuine: kept["genuine"].as_bool()?,
        };
        (limits.server == server).then_some(limits)
    }

    fn keep(&self) -> Result<(), Error> {
        let kept = json!({
            "read_at": self.read_at, "server": self.server, "characters": self.characters, "per_url": self.per_url,
            "files": self.files, "image_bytes": self.image_bytes, "video_bytes": self.video_bytes,
            "description": self.description, "types": self.types, "genuine": self.genuine,
        });
        state::set(KEY, kept.to_string())
    }

    /// What is kept if it is less than a day old, otherwise what the server says now.
    pub(crate) fn fresh() -> Result<Self, Error> {
        let server = Settings::get()?.server;
        let stored = Self::stored(&server);
        if stored.as_ref().is_some_and(|limits| run::now().saturating_sub(limits.read_at) < DAY) {
            return stored.map_or_else(|| Self::read(&server), Ok);
        }
        match Self::read(&server) {
            Ok(limits) => {
                limits.keep()?;
                Ok(limits)
            }
            // Yesterday's limits are better than none.
            Err(error) => stored.ok_or(error),
        }
    }

    fn read(server: &str) -> Result<Self, Error> {
        for path in ["/api/v2/instance", "/api/v1/instance"] {
            match api::read(path, &[]) {
                Ok(described) => return Ok(Self::described(server, &described)),
                // Not every server has the newer one, and some refuse it in their own ways.
                Err(failed) if (400..500).contains(&failed.status) && !matches!(failed.status, 401 | 403 | 408 | 429) => {}
                Err(failed) => return Err(failed.into()),
            }
        }
        Ok(Self::usual(server, run::now()))
    }

    fn described(server: &str, said: &Value) -> Self {
        let usual = Self::usual(server, run::now());
        let number = |pointer: &str| said.pointer(pointer).and_then(Value::as_u64).filter(|number| *number > 0);
        let count = |pointer: &str, usual: usize| number(pointer).and_then(|n| usize::try_from(n).ok()).unwrap_or(usual);
        let types = said.pointer("/configuration/media_attachments/supported_mime_types");
        let source = said["source_url"].as_str().unwrap_or_default();
        Self {
            // Older relatives of Mastodon state this one elsewhere.
            characters: count("/configuration/statuses/max_characters", count("/max_toot_chars", usual.characters)),
            per_url: count("/configuration/statuses/characters_reserved_per_url", usual.per_url),
            files: count("/configuration/statuses/max_media_attachments", usual.files),
            image_bytes: number("/configuration/media_attachments/image_size_limit").unwrap_or(usual.image_bytes),
            video_bytes: number("/configuration/media_attachments/video_size_limit").unwrap_or(usual.video_bytes),
            description: count("/configuration/media_attachments/description_limit", usual.description),
            types: types.map(words_of).unwrap_or_default(),
            genuine: number("/api_versions/mastodon").is_some() || source.ends_with("/mastodon/mastodon"),
            ..usual
        }
    }

    /// Every reason why the server would refuse this post.
    pub(crate) fn problems(&self, post: &Post) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |code: &str, fr: String, en: String| problems.push(Problem::new(code, pick(fr, en)));
        if !matches!(post.format.as_str(), "post" | "long") {
            add(
                "format-unknown",
                "Mastodon n'a ni stories ni reels : choisissez le format « post ».".into(),
                "Mastodon has neither stories nor reels: choose the format `post`.".into(),
            );
        }
        let text = crate::text(post);
        if text.is_empty() && post.assets.is_empty() {
            add("empty", "Écrivez un texte ou ajoutez une image.".into(), "Write a text or add a picture.".into());
        }
        // A warning counts as part of the text.
        let warning = post.option("warning").map_or(0, |warning| words::length(warning, self.per_url));
        let (length, limit) = (words::length(&text, self.per_url) + warning, self.characters);
        if length > limit {
            let over = length - limit;
            add(
                "text-too-long",
                format!("Votre serveur accepte {limit} caractères et ce texte en a {length} : retirez-en {over}."),
                format!("Your server takes {limit} characters and this text has {length}: take out {over}."),
            );
        }
        if let Some(visibility) = post.option("visibility").filter(|wish| !crate::VISIBILITIES.contains(wish)) {
            let known = crate::VISIBILITIES.join(", ");
            add(
                "visibility-unknown",
                format!("« {visibility} » n'est pas une visibilité : choisissez parmi {known}."),
                format!("`{visibility}` is no visibility: choose from {known}."),
            );
        }
        if post.assets.len() > self.files {
            let (count, limit) = (post.assets.len(), self.files);
            add(
                "too-many-files",
                format!("Votre serveur accepte {limit} fichiers et il y en a {count}."),
                format!("Your server takes {limit} files and there are {count}."),
            );
        }
        let still = |asset: &Asset| asset.media_type.starts_with("image/");
        if post.assets.len() > 1 && !post.assets.iter().all(still) {
            add(
                "film-with-others",
                "Un film ou un son va seul dans un post : retirez les autres fichiers.".into(),
                "A film or a sound goes alone in a post: take out the other files.".into(),
            );
        }
        for (number, asset) in (1..).zip(&post.assets) {
            let limit = if still(asset) { self.image_bytes } else { self.video_bytes };
            if !self.types.is_empty() && !self.types.contains(&asset.media_type) {
                let kind = &asset.media_type;
                add(
                    "media-unusable",
                    format!(
                        "Votre serveur n'accepte pas le fichier {number}, de type {kind} : convertissez-le en JPEG, PNG ou MP4."
                    ),
                    format!("Your server does not take file {number}, of type {kind}: convert it to JPEG, PNG or MP4."),
                );
            } else if asset.size > limit {
                let (size, limit) = (asset.size.div_ceil(1_000), limit / 1_000);
                add(
                    "file-too-large",
                    format!("Le fichier {number} pèse {size} ko et votre serveur en accepte {limit} : réduisez-le."),
                    format!("File {number} weighs {size} kB and your server takes {limit}: make it smaller."),
                );
            }
            let (length, limit) = (asset.alt.chars().count(), self.description);
            if length > limit {
                add(
                    "alt-too-long",
                    format!("La description du fichier {number} a {length} caractères et votre serveur en accepte {limit}."),
                    format!("The description of file {number} has {length} characters and your server takes {limit}."),
                );
            }
        }
        problems
    }
}
