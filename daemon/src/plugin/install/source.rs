//! Where packages come from: a file, an https address, a registry.
//!
//! In: what a person named, and the network. Out: the bytes of exactly the file that was meant.
//! Never: takes from the network what has another digest than the one that was named.

use crate::domain::{Digest, Json, Secret};
use crate::network::{Network, NetworkError, Request, Response, Sealed};
use crate::plugin::package::{LARGEST, Refused};
use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

/// A package may be large and a connection slow.
const PATIENCE: Duration = Duration::from_secs(180);
/// The largest manifest of a registry.
const LARGEST_INDEX: usize = 1 << 20;
/// What registries call a component.
const LAYERS: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of this machine.
    File(PathBuf),
    /// An address, with the digest of what is there.
    Web {
        /// Without the part behind `#`.
        url: String,
        /// Of the file.
        digest: Digest,
    },
    /// An image of a registry.
    Oci {
        /// With its port, if any.
        host: String,
        /// Such as `bakery/plugins/bluesky`.
        repository: String,
        /// Of the manifest.
        digest: Digest,
    },
}

impl Source {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// A sentence that says how it is written.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if let Some(rest) = text.strip_prefix("oci://") {
            let wrong = || {
                Refused(format!(
                    "\"{text}\" does not name an image by its digest. Write oci://HOST/REPOSITORY@sha256:… with 64 hexadecimal digits; \
                     a tag could mean something else tomorrow."
                ))
            };
            let (place, digest) = rest.split_once("@sha256:").ok_or_else(wrong)?;
            let (host, repository) = place.split_once('/').ok_or_else(wrong)?;
            let word = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_'))
            };
            let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
            if !named || !repository.split('/').all(|part| word(part) && part != "." && part != "..") {
                return Err(wrong());
            }
            let digest = hex(digest).ok_or_else(wrong)?;
            return Ok(Self::Oci { host: host.to_owned(), repository: repository.to_owned(), digest });
        }
        if let Some((scheme, _)) = text.split_once("://") {
            if scheme != "https" {
                return Err(Refused(format!(
                    "Plugins are installed from files, https addresses and oci:// registries, not over {scheme}."
                )));
            }
            let wrong = || {
                Refused(format!(
                    "\"{text}\" does not say which file is meant. Add its digest: {}#sha256=… with the 64 hexadecimal digits that the \
                     author publishes.",
                    text.split('#').next().unwrap_or_default()
                ))
            };
            let (url, digest) = text.split_once("#sha256=").ok_or_else(wrong)?;
            let digest = hex(digest).ok_or_else(wrong)?;
            url::Url::parse(url).map_err(|_| Refused(format!("\"{url}\" is not an address.")))?;
            return Ok(Self::Web { url: url.to_owned(), digest });
        }
        Ok(Self::File(PathBuf::from(text)))
    }

    /// Gets the bytes.
    ///
    /// # Errors
    /// A sentence.
    pub fn fetch(&self, network: &dyn Network) -> Result<Vec<u8>, Refused> {
        match self {
            Self::File(path) => {
                let failed = |error: std::io::Error| match error.kind() {
                    std::io::ErrorKind::NotFound => Refused(format!("There is no file {}.", path.display())),
                    _ => Refused(format!("The file {} cannot be read: {error}.", path.display())),
                };
                let mut bytes = Vec::new();
                let file = std::fs::File::open(path).map_err(failed)?;
                file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
                Ok(bytes)
            }
            Self::Web { url, digest } => {
                let response = good(network.send(&request(url, LARGEST)), url)?;
                same(&response.body, digest, url)?;
                Ok(response.body)
            }
            Self::Oci { host, repository, digest } => Registry { network, host, repository }.fetch(digest),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Web { url, digest } => write!(f, "{url}#sha256={digest}"),
            Self::Oci { host, repository, digest } => write!(f, "oci://{host}/{repository}@sha256:{digest}"),
        }
    }
}

/// A digest in 64 hexadecimal digits.
pub(super) fn hex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 32];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Digest(out))
}

fn request(url: &str, most: usize) -> Request {
    Request { timeout: PATIENCE, max_body: most, ..Request::get(url) }
}

fn good(answer: Result<Response, NetworkError>, url: &str) -> Result<Response, Refused> {
    let response = answer.map_err(|error| Refused(format!("Nothing could be fetched from {url}. {error}")))?;
    match response.status {
        200 => Ok(response),
        404 => Err(Refused(format!("There is nothing at {url}. Check the address."))),
        401 | 403 => {
            Err(Refused(format!("{url} may not be read without an account. Fetch the file yourself and install it from there.")))
        }
        status => Err(Refused(format!(
            "{url} answered {status}. Try again later, or fetch the file yourself and install it from there."
        ))),
    }
}

fn same(bytes: &[u8], wanted: &Digest, url: &str) -> Result<(), Refused> {
    let found = Digest::of(bytes);
    if found == *wanted {
        return Ok(());
    }
    Err(Refused(format!(
        "What is at {url} is not the file that was meant: its digest is {found}, not {wanted}. Ask the author which one is right."
    )))
}

/// An image of a registry, read by digest at each step.
struct Registry<'n> {
    network: &'n dyn Network,
    host: &'n str,
    repository: &'n str,
}

impl Registry<'_> {
    fn fetch(&self, digest: &Digest) -> Result<Vec<u8>, Refused> {
        // As all tools for registries do: plain http on this machine only.
        let bare = self.host.split(':').next().unwrap_or_default();
        let scheme = if matches!(bare, "localhost" | "127.0.0.1") { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}", self.host, self.repository);
        let url = format!("{base}/manifests/sha256:{digest}");
        let mut token = None;
        let manifest = self.get(&url, LARGEST_INDEX, &mut token)?;
        same(&manifest, digest, &url)?;
        let manifest: Json = serde_json::from_slice(&manifest)
            .map_err(|_| Refused(format!("What is at {url} is no manifest of an image. Check the address.")))?;
        let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut wasm = layers.iter().filter(|layer| layer["mediaType"].as_str().is_some_and(|kind| LAYERS.contains(&kind)));
        let (Some(layer), None) = (wasm.next(), wasm.next()) else {
            return Err(Refused(format!(
                "The image at {url} is no plugin: it needs exactly one layer of the kind application/wasm. Push it with: oras push"
            )));
        };
        let named = layer["digest"].as_str().and_then(|text| text.strip_prefix("sha256:")).and_then(hex);
        let digest =
            named.ok_or_else(|| Refused(format!("The manifest at {url} does not name its layer by a SHA-256 digest.")))?;
        let url = format!("{base}/blobs/sha256:{digest}");
        let bytes = self.get(&url, LARGEST, &mut token)?;
        same(&bytes, &digest, &url)?;
        Ok(bytes)
    }

    fn get(&self, url: &str, most: usize, token: &mut Option<Secret>) -> Result<Vec<u8>, Refused> {
        let ask = |token: &Option<Secret>| {
            let headers =
                token.iter().map(|token| ("authorization".to_owned(), Secret::new(format!("Bearer {}", token.expose()))));
            let sealed = Sealed { headers: headers.collect(), ..Sealed::default() };
            let accept = "application/vnd.oci.image.manifest.v1+json, application/octet-stream, application/wasm";
            self.network.send(&Request { sealed, ..request(url, most).header("accept", accept) })
        };
        let answer = ask(token);
        let challenge = match &answer {
            Ok(response) if response.status == 401 && token.is_none() => response.header("www-authenticate").map(str::to_owned),
            _ => None,
        };
        let Some(challenge) = challenge else { return Ok(good(answer, url)?.body) };
        *token = Some(self.token(&challenge)?);
        Ok(good(ask(token), url)?.body)
    }

    /// A token for anybody, as registries give it to whoever may read.
    fn token(&self, challenge: &str) -> Result<Secret, Refused> {
        let wrong = || {
            Refused(format!(
                "The registry {} wants an account. Fetch the file yourself, for example with oras pull, and install it from there.",
                self.host
            ))
        };
        let fields = bearer(challenge).ok_or_else(wrong)?;
        let value = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let mut url = url::Url::parse(value("realm").ok_or_else(wrong)?).map_err(|_| wrong())?;
        let own = url.host_str().is_some_and(|host| self.host.split(':').next() == Some(host));
        if url.scheme() != "https" && !own {
            return Err(wrong());
        }
        {
            let mut query = url.query_pairs_mut();
            for name in ["service", "scope"] {
                if let Some(value) = value(name) {
                    query.append_pair(name, value);
                }
            }
        }
        let response = good(self.network.send(&request(url.as_str(), LARGEST_INDEX)), url.as_str())?;
        let answer: Json = serde_json::from_slice(&response.body).map_err(|_| wrong())?;
        let token = answer["token"].as_str().or(answer["access_token"].as_str()).filter(|token| !token.is_empty());
        Ok(Secret::new(token.ok_or_else(wrong)?))
    }
}

/// Names and values of `Bearer realm="…",service="…"`.
fn bearer(challenge: &str) -> Option<Vec<(String, String)>> {
    let (scheme, mut rest) = challenge.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut out = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim().trim_start_matches(',').trim().to_ascii_lowercase();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        out.push((name, value.trim().to_owned()));
        rest = left;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::ScriptedNetwork;

    fn ok(body: &[u8]) -> Result<Response, NetworkError> {
        Ok(Response { status: 200, headers: Vec::new(), body: body.to_vec() })
    }

    #[test]
    fn an_address_needs_the_digest_of_what_is_there() {
        for text in ["https://a.example/x.wasm", "https://a.example/x.wasm#sha256=12", "http://a.example/x#sha256=00"] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
        for text in
            ["oci://r.example/a:latest", "oci://r.example/a@sha256:1", "oci://r.example@sha256:00", "oci://r/../x@sha256:00"]
        {
            assert!(Source::parse(text).expect_err(text).0.contains("@sha256:"), "{text}");
        }
        let network = ScriptedNetwork::new();
        network.answer("GET https://a.example/x.wasm", ok(b"plugin"));
        let text = format!("https://a.example/x.wasm#sha256={}", Digest::of(b"plugin"));
        let source = Source::parse(&text).expect("whole");
        assert_eq!((source.to_string(), source.fetch(&network)), (text, Ok(b"plugin".to_vec())));
        let other = Source::parse(&format!("https://a.example/x.wasm#sha256={}", Digest::of(b"other"))).expect("whole");
        assert!(other.fetch(&network).expect_err("another file").0.contains("not the file that was meant"));
        let missing = Source::File("/nowhere/x.wasm".into()).fetch(&network).expect_err("no file");
        assert!(missing.0.contains("There is no file"));
    }

    #[test]
    fn a_registry_is_asked_by_digest_with_the_token_it_gives_to_anybody() {
        let layer = Digest::of(b"plugin");
        let manifest = format!(
            r#"{{"schemaVersion":2,"layers":[{{"mediaType":"text/plain","digest":"sha256:{layer}"}},
                {{"mediaType":"application/wasm","digest":"sha256:{layer}","size":6}}]}}"#
        );
        let digest = Digest::of(manifest.as_bytes());
        let base = "https://registry.example/v2/bakery/bluesky";
        let wall = |network: &ScriptedNetwork| {
            let challenge =
                r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:bakery/bluesky:pull""#;
            let headers = vec![("www-authenticate".to_owned(), challenge.to_owned())];
            network.answer(
                &format!("GET {base}/manifests/sha256:{digest}"),
                Ok(Response { status: 401, headers, body: Vec::new() }),
            );
        };
        let source = Source::parse(&format!("oci://registry.example/bakery/bluesky@sha256:{digest}")).expect("whole");
        let network = ScriptedNetwork::new();
        wall(&network);
        network.answer(&format!("GET {base}/manifests/sha256:{digest}"), ok(manifest.as_bytes()));
        network.answer("GET https://auth.example/token", ok(br#"{"token":"t0ken"}"#));
        network.answer(&format!("GET {base}/blobs/sha256:{layer}"), ok(b"plugin"));
        assert_eq!(source.fetch(&network), Ok(b"plugin".to_vec()));
        let seen = network.requests();
        assert_eq!(seen[1].url, "https://auth.example/token?service=registry.example&scope=repository%3Abakery%2Fbluesky%3Apull");
        assert_eq!(seen[3].sealed.headers[0].1.expose(), "Bearer t0ken");

        let lying = ScriptedNetwork::new();
        lying.answer(&format!("GET {base}/manifests/sha256:{digest}"), ok(manifest.as_bytes()));
        lying.answer(&format!("GET {base}/blobs/sha256:{layer}"), ok(b"another plugin"));
        assert!(source.fetch(&lying).expect_err("another layer").0.contains("not the file that was meant"));
        let lying = ScriptedNetwork::new();
        lying.answer(&format!("GET {base}/manifests/sha256:{digest}"), ok(b"{}"));
        assert!(source.fetch(&lying).expect_err("another manifest").0.contains("not the file that was meant"));
        let closed = ScriptedNetwork::new();
        wall(&closed);
        closed.answer("GET https://auth.example/token", ok(b"{}"));
        assert!(source.fetch(&closed).expect_err("no token").0.contains("wants an account"));
    }
}
