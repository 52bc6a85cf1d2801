//! A manifest for tests.

use super::*;
use std::path::Path;

/// A manifest with everything in it.
pub(crate) const WHOLE: &str = r#"
[plugin]
name = "bluesky"
version = "0.1.0"
api = "0.1"
title = { fr = "Bluesky", en = "Bluesky" }
summary = { fr = "Publie sur Bluesky.", en = "Posts to Bluesky." }
license = "Apache-2.0 OR MIT"
homepage = "https://example.com/bluesky"

[[http]]
host = "setting:service"
methods = ["GET", "POST"]
paths = ["/xrpc/*"]
reason = { fr = "pour publier vos posts", en = "to post for you" }

[[http]]
host = "*.video.example.com"
methods = ["GET"]
paths = ["/exact"]
reason = { fr = "pour les films", en = "for films" }

[[credentials]]
name = "session"
kind = "session"
hosts = ["setting:service"]
label = { fr = "Mot de passe d'application", en = "App password" }
reason = { fr = "pour entrer", en = "to get in" }

[credentials.session]
login = { url = "{setting:service}/xrpc/login", json = { identifier = "{setting:handle}", password = "{secret}" } }
refresh = { url = "{setting:service}/xrpc/refresh", bearer = "refresh" }
access = "/accessJwt"
refresh-token = "/refreshJwt"
expired = ["ExpiredToken"]

[[credentials]]
name = "key"
kind = "header"
header = "X-Api-Key"
prefix = "Bot "
hosts = ["a.video.example.com"]
label = { fr = "Clé", en = "Key" }
reason = { fr = "pour les films", en = "for films" }

[settings.service]
type = "url"
default = "https://bsky.social"
label = { fr = "Serveur", en = "Server" }

[settings.handle]
type = "text"
label = { fr = "Identifiant", en = "Handle" }

[settings.audience]
type = "choice"
choices = ["public", "unlisted"]
optional = true
label = { fr = "Qui voit", en = "Who sees" }

[limits]
memory = "48 MiB"
time = "45s"

[channel]
settles-within = "90s"
[generator]
cost = "EUR"
[workflow]
desk = ["library::*", "posts::plan"]
"#;

/// The same, read.
pub(crate) fn whole() -> Manifest {
    parse(WHOLE, Path::new("beffroi-plugin.toml")).expect("nothing is wrong with it")
}
